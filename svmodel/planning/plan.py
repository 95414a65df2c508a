"""What a study would look like: how many areas, when each starts, over how many periods."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel.design import EXCLUDED, NEVER, TREATED, UNTREATED, Design, Intervention
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.panel import Panel
from svmodel.result.scales import critical_value
from svmodel.seeds import derive_seed


@dataclass(frozen=True, eq=False)
class Shape:
    """Starts and ends of the treated areas, and the length of the study.

    Attributes
    ----------
    start : ndarray of int, shape (n,)
        Index of the first treated period of each treated area, ascending.
    end : ndarray of int, shape (n,)
        Index of the last one; :data:`svmodel.design.NEVER` without an end.
    length : int
        Periods in the study.
    anticipation : int
    """

    start: Ints
    end: Ints
    length: int
    anticipation: int


@dataclass(frozen=True)
class Roles:
    """What the columns of the simulated panels are called."""

    outcome: str
    counts: bool
    exposure: str | None
    exposures: tuple[str, ...]
    covariates: tuple[str, ...]
    intervention: str
    design_covariates: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Drawn:
    """One panel without any intervention, and who would be treated.

    Attributes
    ----------
    y : ndarray, shape (N, T)
    intensity : ndarray, shape (N, T)
        Given which counts are Poisson.
    exposure : ndarray, shape (N, T) or None
    covariates : ndarray, shape (N, T, K)
    start, end : ndarray of int, shape (N,)
    areas : tuple of str
        In an order that no name decides.
    periods : pandas.PeriodIndex
    """

    y: Floats
    intensity: Floats
    exposure: Floats | None
    covariates: Floats
    start: Ints
    end: Ints
    areas: tuple[str, ...]
    periods: pd.PeriodIndex


def shape_of(design: Design, n_treated: int | None, study: tuple[int, int] | None) -> Shape:
    """Return the shape of the template, with another number of treated areas or another length where asked.

    Another number of treated areas keeps the template's starts in proportion, by even steps along their order.
    """
    arrays = design.arrays
    T = len(arrays.periods)
    first = arrays.periods[0].ordinal
    ends = {a: p.ordinal - first for a, p in (design.intervention.ends or {}).items()}
    treated = np.flatnonzero((arrays.status == TREATED).any(axis=1))
    pairs = sorted((int(arrays.start[i]), int(ends.get(arrays.areas[i], NEVER))) for i in treated)
    n = len(pairs) if n_treated is None else n_treated
    if study is not None:
        start = np.full(n, study[0], dtype=np.int64)
        return Shape(start, np.full(n, NEVER, dtype=np.int64), study[0] + study[1], arrays.anticipation)
    pick = np.floor((np.arange(n) + 0.5) * len(pairs) / n).astype(np.int64)
    kept = np.array([pairs[i] for i in pick], dtype=np.int64)
    return Shape(kept[:, 0], kept[:, 1], T, arrays.anticipation)


def status_of(start: Ints, end: Ints, length: int, anticipation: int) -> NDArray[np.int8]:
    """Return the status of every cell, as :class:`svmodel.design.DesignArrays` has it."""
    time = np.arange(length)[None, :]
    status = np.where(time >= start[:, None], TREATED, UNTREATED).astype(np.int8)
    status[(time >= start[:, None] - anticipation) & (time < start[:, None])] = EXCLUDED
    status[time > end[:, None]] = EXCLUDED
    return status


def by_name(drawn: Drawn) -> Ints:
    """Return the rows of a drawn panel in the order of the areas' names."""
    return np.argsort(np.array(drawn.areas, dtype=object), kind="stable").astype(np.int64)


def as_design(drawn: Drawn, roles: Roles, anticipation: int) -> Design:
    """Return the design of a drawn panel, whose areas are sorted by name; see :func:`by_name`."""
    N, T = drawn.y.shape
    sort = by_name(drawn)
    areas = tuple(drawn.areas[i] for i in sort)
    columns: dict[str, Any] = {
        "area": np.repeat(np.array(areas, dtype=object), T),
        "period": pd.PeriodIndex(np.tile(np.asarray(drawn.periods, dtype=object), N), freq=drawn.periods.freq),
        roles.outcome: drawn.y[sort].ravel(),
    }
    if roles.exposure is not None and drawn.exposure is not None:
        columns[roles.exposure] = drawn.exposure[sort].ravel()
    for k, name in enumerate(roles.design_covariates):
        columns.setdefault(name, drawn.covariates[sort, :, k].ravel())
    # the grid is complete and sorted by construction, and is made some hundred times
    panel = Panel(
        pd.DataFrame(columns),
        areas,
        drawn.periods,
        counts=(roles.outcome,) if roles.counts else (),
        measures=() if roles.counts else (roles.outcome,),
        exposures=tuple(e for e in roles.exposures if e in columns),
        covariates=tuple(c for c in roles.covariates if c in columns),
        synthetic=True,
    )
    treated = np.flatnonzero(drawn.start < T)
    starts = {drawn.areas[i]: drawn.periods[int(drawn.start[i])] for i in treated}
    ends = {drawn.areas[i]: drawn.periods[int(drawn.end[i])] for i in treated if drawn.end[i] < T}
    return Design(
        panel,
        outcome=roles.outcome,
        exposure=roles.exposure,
        intervention=Intervention(roles.intervention, starts, ends),
        covariates=roles.design_covariates,
        anticipation=anticipation,
    )


_RESAMPLES = 400


def wilson(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's interval of a share.

    Examples
    --------
    >>> [round(v, 4) for v in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    if n == 0:
        return math.nan, math.nan
    z = critical_value(level)
    share = hits / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def crossing(size: Floats, power: Floats, target: float) -> float:
    """Return the least size at which power reaches the target, infinite where it never does.

    Power is made to rise with size by isotonic regression (pool adjacent violators), and read off between sizes by a
    straight line.

    Parameters
    ----------
    size : ndarray, shape (K,)
        Ascending, 0 for no effect.
    power : ndarray, shape (K,)
    target : float

    Examples
    --------
    >>> crossing(np.array([0.0, 1.0, 2.0]), np.array([0.05, 0.6, 1.0]), 0.8)
    1.5
    """
    from scipy.optimize import isotonic_regression

    rising = isotonic_regression(power).x
    at = int(np.argmax(rising >= target))
    if rising[at] < target:
        return math.inf
    if at == 0:
        return float(size[0])
    share = (target - rising[at - 1]) / (rising[at] - rising[at - 1])
    return float(size[at - 1] + share * (size[at] - size[at - 1]))


def detectable(size: Floats, rejected: Mask, target: float, seed: int) -> tuple[float, float, float]:
    """Return the least detectable size and its 95% Monte Carlo limits.

    Whole draws are resampled, because all effects share them.

    Parameters
    ----------
    size : ndarray, shape (K,)
        Ascending, 0 first.
    rejected : ndarray of bool, shape (B, K)
    target : float
    seed : int
    """
    point = crossing(size, rejected.mean(axis=0), target)
    rng = np.random.default_rng(derive_seed(seed, "power", "detectable", round(float(size[-1]), 9)))
    B = len(rejected)
    found = np.sort([crossing(size, rejected[rng.integers(0, B, B)].mean(axis=0), target) for _ in range(_RESAMPLES)])
    tail = int(0.025 * _RESAMPLES)
    return point, float(found[tail]), float(found[-tail - 1])

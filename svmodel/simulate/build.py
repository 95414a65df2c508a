"""From processes and places to a Simulation: the steps that every recipe shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel.costs import CostLine
from svmodel.design import NEVER, Intervention
from svmodel.errors import DesignError
from svmodel.panel import Panel
from svmodel.seeds import derive_seed
from svmodel.simulate.fields import borders, fading_shocks, smooth_field
from svmodel.simulate.process import (
    Process,
    apply_effect,
    common_path,
    draw_counts,
    expected_untreated,
    rate_ratio_path,
)
from svmodel.simulate.truth import Simulation, Truth


@dataclass(frozen=True, eq=False)
class Places:
    """Where the areas are: codes in sorted order, a map, populations, and what they lie in.

    Parameters
    ----------
    areas : tuple of str
        Sorted.
    points : ndarray, shape (N, 2)
    population : ndarray of int, shape (N, T)
    months : pandas.PeriodIndex
    reach : float
        Of the smooth field of levels; see :func:`svmodel.simulate.fields.smooth_field`.
    parents, names : mapping of str to str
    """

    areas: tuple[str, ...]
    points: NDArray[np.float64]
    population: NDArray[np.int64]
    months: pd.PeriodIndex
    reach: float = 0.0
    parents: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Untreated:
    """One outcome before anything was done: what a funder could see when it chose the areas.

    Attributes
    ----------
    process : Process
    level : ndarray, shape (N,)
        Permanent level of each area, standard normal.
    shock : ndarray, shape (N, T)
        Transient shock of each cell, standard normal.
    expected : ndarray, shape (N, T)
    counts : ndarray of int, shape (N, T)
    intensity : ndarray, shape (N, T)
        See :func:`svmodel.simulate.process.draw_counts`.
    """

    process: Process
    level: NDArray[np.float64]
    shock: NDArray[np.float64]
    expected: NDArray[np.float64]
    counts: NDArray[np.int64]
    intensity: NDArray[np.float64]


def draw_untreated(process: Process, places: Places, seed: int) -> Untreated:
    """Draw levels, shocks and counts of one outcome had there been no intervention."""
    n_areas, n_periods = places.population.shape

    def fields(owner: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        level = smooth_field(stream(seed, owner, "level"), places.points, places.reach)
        return level, fading_shocks(stream(seed, owner, "shock"), n_areas, n_periods, process.shock_persistence)

    level, shock = fields(process.outcome)
    if process.shared > 0:
        joint_level, joint_shock = fields("every outcome")
        r, rest = process.shared**0.5, (1 - process.shared) ** 0.5
        level, shock = r * joint_level + rest * level, r * joint_shock + rest * shock
    relative = places.population / places.population[:, 0].mean()
    expected = expected_untreated(process, common_path(process, places.months), level, shock, relative)
    counts, intensity = draw_counts(stream(seed, process.outcome, "counts"), expected, process.dispersion)
    return Untreated(process, level, shock, expected, counts, intensity)


def stream(seed: int, *name: object) -> np.random.Generator:
    """Return the random stream of that name; streams do not depend on each other or on order."""
    return np.random.default_rng(derive_seed(seed, "simulate", *name))


def grow_population(
    rng: np.random.Generator, n_areas: int, n_periods: int, *, mean: float, spread: float, growth: float
) -> NDArray[np.int64]:
    """Draw populations that differ between areas and change slowly, each at its own steady pace.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_areas, n_periods : int
    mean : float
        Persons in an average area in the first month.
    spread : float
        Standard deviation of the logarithm between areas.
    growth : float
        Mean change of the logarithm in a year; its standard deviation between areas is 0.005.

    Returns
    -------
    ndarray of int, shape (n_areas, n_periods)
    """
    size = mean * np.exp(spread * rng.standard_normal(n_areas) - spread**2 / 2)
    pace = growth + 0.005 * rng.standard_normal(n_areas)
    return np.rint(size[:, None] * np.exp(pace[:, None] * np.arange(n_periods)[None, :] / 12)).astype(np.int64)


def build(
    places: Places,
    processes: Sequence[Process],
    choose: Callable[[Mapping[str, Untreated]], NDArray[np.int64]],
    *,
    seed: int,
    recipe: str,
    intervention: str,
    cost: Sequence[CostLine] | None = None,
    settings: Mapping[str, Any] | None = None,
    source: str = "",
    spillover: float = 1.0,
) -> Simulation:
    """Draw every outcome without intervention, choose the treated areas, apply the effects.

    Parameters
    ----------
    places : Places
    processes : sequence of Process
    choose : callable
        Takes the untreated outcomes by name; returns the index of the first treated month of each
        area, shape (N,), :data:`svmodel.design.NEVER` where never treated. It may look at counts
        before the months it returns, as a funder does.
    seed : int
    recipe, intervention, source : str
    cost : sequence of CostLine, optional
    settings : mapping, optional
    spillover : float
        Rate ratio in areas that are never treated and border on a treated one, from the first start next door on.

    Raises
    ------
    DesignError
        If the counts of an additive process would be negative.
    """
    neighbours = borders(places.areas, places.points)
    untreated = {p.outcome: draw_untreated(p, places, seed) for p in processes}
    start = choose(untreated)
    next_door = _next_door(start, places.areas, neighbours) if spillover != 1 else None
    truths = {name: _truth(u, start, places, seed, spillover, next_door) for name, u in untreated.items()}
    starts = {a: places.months[s] for a, s in zip(places.areas, start, strict=True) if s < len(places.months)}
    return Simulation(
        panel=_panel(places, truths, source),
        intervention=Intervention(intervention, starts=starts, cost=None if cost is None else tuple(cost)),
        truth=truths,
        processes=tuple(processes),
        recipe=recipe,
        seed=seed,
        settings=settings or {},
        neighbours=neighbours,
    )


def _next_door(
    start: NDArray[np.int64], areas: tuple[str, ...], neighbours: Mapping[str, tuple[str, ...]]
) -> NDArray[np.int64]:
    """Return the first start among the neighbours of each never treated area; NEVER where there is none."""
    held = dict(zip(areas, start.tolist(), strict=True))
    first = [min((held[b] for b in neighbours[a]), default=NEVER) if held[a] >= NEVER else NEVER for a in areas]
    return np.array(first, dtype=np.int64)


def _truth(
    untreated: Untreated,
    start: NDArray[np.int64],
    places: Places,
    seed: int,
    spillover: float = 1.0,
    next_door: NDArray[np.int64] | None = None,
) -> Truth:
    process = untreated.process
    theta = rate_ratio_path(process, start, untreated.expected, untreated.shock)
    if next_door is not None:
        theta = theta * rate_ratio_path(
            replace(process, effect=spillover), next_door, untreated.expected, untreated.shock
        )
        if (theta < 0).any():
            raise DesignError(f"a spillover of {spillover:g} needs negative counts of {process.outcome!r}")
    rng = stream(seed, process.outcome, "effect")
    return Truth(
        outcome=process.outcome,
        areas=places.areas,
        periods=places.months,
        start=np.minimum(start, NEVER),
        untreated=untreated.expected,
        theta=theta,
        counts_without=untreated.counts,
        counts=apply_effect(rng, untreated.counts, untreated.intensity, theta),
        exposure=places.population.astype(np.float64),
    )


def _panel(places: Places, truths: Mapping[str, Truth], source: str) -> Panel:
    n_areas, n_periods = places.population.shape
    area = np.repeat(np.array(places.areas, dtype=object), n_periods)
    columns: dict[str, Any] = {
        "area": area,
        "period": pd.PeriodIndex.from_ordinals(np.tile(places.months.asi8, n_areas), freq="M"),
        **{name: truth.counts.ravel() for name, truth in truths.items()},
        "population": places.population.ravel(),
    }
    roles: dict[str, Any] = {}
    if places.parents:
        parent = [places.parents[a] for a in places.areas]
        columns["parent"] = np.repeat(np.array(parent, dtype=object), n_periods)
        roles["parent"] = "parent"
        columns["parent_name"] = np.repeat(np.array([places.names[p] for p in parent], dtype=object), n_periods)
        roles["parent_name"] = "parent_name"
    if set(places.areas) <= set(places.names):
        columns["name"] = np.repeat(np.array([places.names[a] for a in places.areas], dtype=object), n_periods)
        roles["name"] = "name"
    return Panel.from_frame(
        pd.DataFrame(columns),
        as_given=True,
        area="area",
        period="period",
        counts=list(truths),
        exposures=["population"],
        synthetic=True,
        source=source,
        **roles,
    )

"""Averages of effects in the outcome's units as rows on every scale, a whole term at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from svmodel.design import DesignArrays
from svmodel.design.clusters import cluster_words
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.cluster import small_sample
from svmodel.numerics.cluster.membership import Clusters
from svmodel.result import COLUMNS
from svmodel.result.rule import FEW_TREATED
from svmodel.result.scales import is_rounding, ratio_at


@dataclass(frozen=True, eq=False)
class Grid:
    """Cells of C cohorts in T periods, and C x T weights for each of Q averages.

    Attributes
    ----------
    cohorts : ndarray of int, shape (C,)
        Period in which each starts.
    cells, outcome : ndarray, shape (C, T)
        Known cells of the cohort in the period, and the sum of their outcomes; weighed where observations have weights.
    exposure : ndarray, shape (C, T), or None
    areas : tuple of ndarray
        Rows of the panel of each cohort.
    clusters : ndarray, shape (C,)
        Clusters of areas in each cohort.
    sizes : ndarray, shape (C,)
        Areas of each cohort, weighed.
    """

    cohorts: Ints
    cells: Floats
    outcome: Floats
    exposure: Floats | None
    areas: tuple[Ints, ...]
    clusters: Floats
    sizes: Floats

    def averages(self, term: str, inside: Mask, **which: Any) -> Averages:
        """Average each of Q sets of cells, shape (Q, C, T), every cell alike."""
        n = np.where(inside, self.cells, 0.0).sum(axis=(1, 2))
        weights = inside / n[:, None, None]
        exposure = None if self.exposure is None else np.where(inside, self.exposure, 0.0).sum(axis=(1, 2))
        outcome = np.where(inside, self.outcome, 0.0).sum(axis=(1, 2))
        return Averages(term, weights, self._n_areas(inside), n, outcome, exposure, **which)

    def average_of(self, term: str, parts: Mask, share: Floats) -> Averages:
        """Average, with weights `share`, the averages of several sets of cells, shape (K, C, T)."""
        n = np.where(parts, self.cells, 0.0).sum(axis=(1, 2))
        weights = np.tensordot(share / share.sum() / n, parts, axes=1)[None]
        return Averages(term, weights, self._n_areas(weights > 0))

    def _n_areas(self, inside: Mask) -> Floats:
        """Return how many areas, or clusters of them, the averages rest on, at the most."""
        reached = (inside & (self.cells > 0)).any(axis=2)
        return reached @ self.clusters

    @property
    def overall(self) -> Averages:
        """Every cell alike."""
        return self.averages("att", (self.cells > 0)[None])

    def terms(self) -> tuple[list[Averages], list[Averages]]:
        """Return the terms of treated cells: overall ones with averages of averages, and single cells by cohort."""
        C, T = self.cells.shape
        there = self.cells > 0
        time = np.arange(T)
        horizon = np.where(there, time[None, :] - self.cohorts[:, None], -1)
        cohort, period = there.any(axis=1), there.any(axis=0)
        horizons = np.unique(horizon[there])
        by_cohort = there[None] & np.eye(C, dtype=bool)[cohort][:, :, None]
        by_period = there[None] & np.eye(T, dtype=bool)[period][:, None, :]
        by_horizon = there[None] & (horizon[None] == horizons[:, None, None])
        sizes = self.sizes[cohort]
        overall = [
            self.overall,
            self.average_of("event_average", by_horizon, np.ones(len(by_horizon))),
            self.average_of("cohort_average", by_cohort, sizes),
            self.average_of("calendar_average", by_period, np.ones(len(by_period))),
            self.averages("event", by_horizon, horizon=horizons.astype(np.float64)),
            self.averages("cohort", by_cohort, cohort=self.cohorts[cohort]),
            self.averages("calendar", by_period, period=time[period]),
        ]
        cells = []
        for c in np.flatnonzero(cohort):
            times = time[there[c]]
            one = np.zeros((len(times), C, T), dtype=bool)
            one[np.arange(len(times)), c, times] = True
            g = np.full(len(times), self.cohorts[c])
            cells.append(self.averages("cell", one, cohort=g, period=times, horizon=(times - g).astype(np.float64)))
        return overall, cells


def treated_grid(arrays: DesignArrays, target: Mask) -> Grid:
    """Sum the target cells by cohort and period."""
    y, start, exposure = arrays.y, arrays.start, arrays.exposure
    rows = np.flatnonzero(target.any(axis=1))
    cohorts = np.unique(start[rows])
    areas = tuple(rows[start[rows] == g] for g in cohorts)
    w = np.where(target, arrays.weight, 0.0)
    filled = np.where(target, w * y, 0.0)
    people = None
    if exposure is not None:
        held = np.where(target, exposure, 0.0)
        people = np.stack([held[a].sum(axis=0) for a in areas])
    return Grid(
        cohorts,
        np.stack([w[a].sum(axis=0) for a in areas]),
        np.stack([filled[a].sum(axis=0) for a in areas]),
        people,
        areas,
        np.array([float(arrays.units.count(a)) for a in areas]),
        np.array([float(arrays.area_weight[a].sum()) for a in areas]),
    )


@dataclass(frozen=True, eq=False)
class Averages:
    """Q averages of effects by cohort and period.

    Attributes
    ----------
    term : str
    weights : ndarray, shape (Q, C, T)
        Of single cells (area by period) in a cohort and period.
    areas : ndarray, shape (Q,)
        Treated areas, or clusters of them, that each rests on.
    cells, outcome, exposure : ndarray, shape (Q,), optional
        Number of cells, and sums over them; None for an average of averages, which is the sum of nothing.
    cohort, period, horizon : ndarray, shape (Q,), optional
    area : tuple of str, optional
        By which the averages are known.
    """

    term: str
    weights: Floats
    areas: Floats
    cells: Floats | None = None
    outcome: Floats | None = None
    exposure: Floats | None = None
    cohort: Ints | None = None
    period: Ints | None = None
    horizon: Floats | None = None
    area: tuple[str, ...] | None = None


@dataclass(frozen=True, eq=False)
class Errors:
    """Uncertainty of Q averages.

    Attributes
    ----------
    std_error : ndarray, shape (Q,)
        As other programs give it.
    wide : ndarray, shape (Q,)
        What intervals and p-values take in its place.
    df : ndarray, shape (Q,)
        Degrees of freedom of Student's t.
    """

    std_error: Floats
    wide: Floats
    df: Floats


def no_errors(size: int) -> Errors:
    """Return the errors of averages that have none that is known."""
    return Errors(*np.full((3, size), np.nan))


def errors_of(
    influence: Floats, safe: Floats, pools: Ints, *, factor: float, ceiling: float, areas: Floats | None = None
) -> Errors:
    """Return standard errors, and what intervals take.

    Parameters
    ----------
    influence : ndarray, shape (G, Q)
        Behind the standard errors, summed over areas that share their noise.
    safe : ndarray, shape (G, Q)
        Behind the intervals.
    pools : ndarray of int, shape (G,)
        Clusters held against one fitted mean in `safe`.
    factor : float
        Small-sample factor on the variances.
    ceiling : float
        Degrees of freedom at the most.
    areas : ndarray, shape (Q,), optional
        Treated areas behind each; what rests on a single one has no error.
    """
    std_error = np.sqrt(factor * np.einsum("nq,nq->q", influence, influence))
    base = std_error if safe is influence else np.sqrt(factor * np.einsum("nq,nq->q", safe, safe))
    small = small_sample(safe, pools, factor=factor)
    df = np.where(np.isfinite(small.df), np.minimum(small.df, ceiling), ceiling)
    # a treated mean of one area has no residual of its own: there is no error to be widened
    found = (std_error, base * small.inflation, df)
    single = np.zeros(len(df), dtype=bool) if areas is None else areas < 2
    return Errors(*(np.where(single, np.nan, v) for v in found))


def cohort_pools(units: Clusters, cohorts: Iterable[tuple[int, Ints]]) -> Ints:
    """Return the clusters held against one mean, shape (G,): a cohort, all small cohorts together, or -1.

    Parameters
    ----------
    units : Clusters
        Of the panel's areas.
    cohorts : iterable of (start, rows)
    """
    out = np.full(len(units.label), -1, dtype=np.int64)
    for g, areas in cohorts:
        out[areas] = g if units.count(areas) >= FEW_TREATED else -2
    return units.pools(out)


def weight_table(periods: pd.PeriodIndex, cohort: Ints, time: Ints, areas: Floats, controls: Floats) -> pd.DataFrame:
    """Return the weight of each cohort and period in the average effect, with the areas behind it."""
    names = np.array(list(periods), dtype=object)
    return pd.DataFrame(
        {
            "cohort": pd.Series(names[cohort], dtype=object),
            "period": pd.Series(names[time], dtype=object),
            "weight": areas / areas.sum(),
            "treated_areas": areas,
            "control_areas": controls,
        }
    )


def small_cohorts(small: int, cohorts: int, units: Clusters) -> str:
    """Say how standard errors and intervals part where cohorts are small."""
    one, many = cluster_words(units, 1), cluster_words(units)
    return (
        f"{small} of {cohorts} cohorts have fewer than {FEW_TREATED} {many}. Standard errors measure noise about the "
        f"mean of each cohort and period, as in other programs, and a cohort of one {one} shows none; intervals "
        "measure the noise of small cohorts about the average effect of all."
    )


def lay_out(
    held: Iterable[tuple[Averages, Floats, Errors]], periods: pd.PeriodIndex, *, counts: bool, level: float
) -> pd.DataFrame:
    """Return the table of a Result.

    Parameters
    ----------
    held : iterable of (Averages, ndarray of shape (Q,), Errors)
        Each term with its estimates in the outcome's units per treated cell.
    periods : pandas.PeriodIndex
    counts : bool
        Whether the outcome counts events: only then are there other scales than ``difference``.
    level : float

    Notes
    -----
    ``events`` is the difference times the cells, ``per_100k`` events by exposure. ``rate_ratio`` holds the events O
    that were observed (:func:`svmodel.result.scales.ratio_at`), a fact of the area-periods as they were: its limits are
    the ratios at the limits, and one p-value serves all scales. Where O - events is not above zero there is no ratio.
    """
    terms = list(held)
    # an effect of zero, such as where nobody had an event, does not show what error is only rounding: the others do
    largest = max((float(np.abs(estimate).max(initial=0.0)) for _, estimate, _ in terms), default=0.0)
    blocks = [block for made in terms for block in _scales(*made, counts=counts, level=level, largest=largest)]
    return table_of(blocks, periods, level)


def table_of(blocks: list[dict[str, Any]], periods: pd.PeriodIndex, level: float) -> pd.DataFrame:
    """Return blocks of rows, each of one term and scale, as the estimates of a Result.

    Cohorts and periods are places in `periods`, -1 for none; a block without areas is of none.
    """
    names = np.array([*periods, None], dtype=object)
    sizes = [len(b["estimate"]) for b in blocks]
    pairs = list(zip(blocks, sizes, strict=True))
    columns: dict[str, Any] = {c: np.concatenate([b.get(c, np.full(n, np.nan)) for b, n in pairs]) for c in COLUMNS[5:]}
    columns["level"] = np.full(sum(sizes), level)
    for column in ("term", "scale"):
        columns[column] = [b[column] for b, n in pairs for _ in range(n)]
    columns["area"] = np.concatenate([b.get("area", np.full(n, None)) for b, n in pairs])
    for column in ("cohort", "period"):
        columns[column] = names[np.concatenate([b[column] for b in blocks])]
    texts = {c: pd.Series(columns[c], dtype=object) for c in COLUMNS[:5]}
    return pd.DataFrame({**columns, **texts}, columns=list(COLUMNS))


def _scales(
    made: Averages, estimate: Floats, errors: Errors, *, counts: bool, level: float, largest: float
) -> list[dict[str, Any]]:
    """Return the rows of one term, scale by scale; `largest` is the largest effect of any term."""
    from scipy import special

    Q = len(estimate)
    none = np.full(Q, -1)
    known = {
        "area": np.full(Q, None) if made.area is None else np.array(made.area, dtype=object),
        "cohort": none if made.cohort is None else made.cohort,
        "period": none if made.period is None else made.period,
        "horizon": np.full(Q, np.nan) if made.horizon is None else made.horizon,
    }
    rounding = is_rounding(np.maximum(np.abs(estimate), largest), errors.std_error) | (errors.std_error == 0)
    se, wide = (np.where(rounding, np.nan, v) for v in (errors.std_error, errors.wide))
    wide = np.where(wide > 0, wide, np.nan)
    half = special.stdtrit(errors.df, 0.5 + level / 2) * wide
    p = 2 * special.stdtr(errors.df, -np.abs(estimate / wide))
    low, high = estimate - half, estimate + half

    def block(scale: str, values: tuple[Floats, Floats, Floats, Floats], keep: Mask) -> dict[str, Any]:
        held = dict(zip(("estimate", "std_error", "conf_low", "conf_high"), values, strict=True))
        return {"term": made.term, "scale": scale} | {k: v[keep] for k, v in {**known, **held, "p_value": p}.items()}

    everything = np.ones(Q, dtype=bool)
    out = [block("difference", (estimate, se, low, high), everything)]
    if not counts or made.cells is None or made.outcome is None:
        return out
    after = everything if made.horizon is None else made.horizon >= 0
    n, seen = made.cells, made.outcome
    if made.exposure is not None:
        k = 1e5 * n / made.exposure
        out.append(block("per_100k", (estimate * k, se * k, low * k, high * k), everything))
    if after.any():
        out.append(block("events", (estimate * n, se * n, low * n, high * n), after))
    rest = seen - n * estimate
    sound = (seen > 0) & (rest > 0)
    if sound.any():
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio, to_low, to_high = (ratio_at(seen, n * v) for v in (estimate, low, high))
            ratio_se = ratio**2 * n * se / seen
        out.append(block("rate_ratio", (ratio, ratio_se, to_low, to_high), sound))
    return out

"""The terms of extended two-way fixed effects: which cells each one sums, and with what weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import linalg

from svmodel.did._etwfe_rows import Aggregates, Learnt, aggregate
from svmodel.did._scales import PerCell
from svmodel.numerics.cluster import shrink_correlation
from svmodel.result import JointEstimate

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from svmodel.did._etwfe_fit import Imputed

    Floats = NDArray[np.float64]
    Rows = list[dict[str, Any]]

__all__ = ["average_alone", "average_rows", "cell_rows", "event_rows", "overall_rows"]


def average_alone(imputed: Imputed, level: float, *, counts: bool) -> tuple[Rows, Aggregates]:
    """Rows of ``att``."""
    everything = [np.ones((1, imputed.target.shape[1]))] * len(imputed.blocks)
    made = aggregate(imputed, imputed.blocks, everything, counts=counts)
    return made.rows("att", 0, level), made


def overall_rows(imputed: Imputed, level: float, *, counts: bool) -> tuple[Rows, list[Aggregates]]:
    """Rows of ``att``, ``cohort`` and ``calendar``."""
    T, C = imputed.target.shape[1], len(imputed.blocks)
    names = imputed.arrays.periods
    weights = []
    for c in range(C):
        w = np.zeros((1 + C + T, T))
        w[0] = 1
        w[1 + c] = 1
        w[1 + C :] = np.eye(T)
        weights.append(w)
    live = np.ones(1 + C + T, dtype=bool)
    live[1 + C :] = imputed.target.any(axis=0)
    made = aggregate(imputed, imputed.blocks, [w[live] for w in weights], counts=counts)
    rows = made.rows("att", 0, level)
    for c, g in enumerate(imputed.cohorts):
        rows += made.rows("cohort", 1 + c, level, cohort=names[g])
    for q, t in enumerate(np.flatnonzero(live[1 + C :])):
        rows += made.rows("calendar", 1 + C + q, level, period=names[t])
    return rows, [made]


def cell_rows(imputed: Imputed, level: float, *, counts: bool) -> tuple[Rows, list[Aggregates]]:
    """Rows of ``cell``: each cohort in each of its treated periods."""
    names = imputed.arrays.periods
    rows: Rows = []
    all_made = []
    for g, block in zip(imputed.cohorts, imputed.blocks, strict=True):
        times = np.flatnonzero(block.target.any(axis=0))
        made = aggregate(imputed, [block], [np.eye(len(names))[times]], counts=counts)
        for q, t in enumerate(times):
            rows += made.rows("cell", q, level, cohort=names[g], period=names[t], horizon=int(t - g))
        all_made.append(made)
    return rows, all_made


def event_rows(
    imputed: Imputed, level: float, *, counts: bool
) -> tuple[Rows, JointEstimate | None, list[Aggregates], bool]:
    """Rows of ``event`` for horizons from before the start to the end, and their joint covariance.

    Returns
    -------
    rows : list of dict
    joint : JointEstimate or None
        Every horizon but the one just before the start: within an area the misses before a start sum to zero, so one
        horizon is known from the others.
    aggregates : list of Aggregates
    has_leads : bool
    """
    T = imputed.target.shape[1]
    noise = len(imputed.treated_areas) < imputed.noise_below
    after = _by_horizon(imputed, imputed.blocks, imputed.cohorts, range(T), counts=counts, noise=noise)
    before: list[Aggregates] = []
    horizons = range(-T, 0)
    for g, block in imputed.lead_blocks():
        made = _by_horizon(imputed, [block], np.array([g]), horizons, counts=counts, noise=noise)
        before = [_add(before[0], made) if before else made]
    rows: Rows = []
    index, aggregates = [], []
    for made, span in [*((b, horizons) for b in before), (after, range(T))]:
        for q, h in enumerate(span):
            if made.cells[q]:
                rows += made.rows("event", q, level, horizon=h)
            index.append(h)
        aggregates.append(made)
    joint = _joint(aggregates, np.array(index), noise=noise)
    return rows, joint, aggregates, bool(before)


def _by_horizon(
    imputed: Imputed, blocks: Any, cohorts: NDArray[np.int64], horizons: range, *, counts: bool, noise: bool
) -> Aggregates:
    T = imputed.target.shape[1]
    h = np.array(horizons)
    weights = [(np.arange(T)[None, :] - g == h[:, None]).astype(np.float64) for g in cohorts]
    weights = [w * b.target.any(axis=0) for w, b in zip(weights, blocks, strict=True)]
    return aggregate(imputed, blocks, weights, counts=counts, noise=noise)


def _add(one: Aggregates, other: Aggregates) -> Aggregates:
    """Add the same sums over other cohorts; noise is kept where either has learnt it."""
    size = len(one.cells)
    learnt = None
    if one.learnt is not None or other.learnt is not None:
        learnt = (one.learnt or Learnt.nothing(size)) + (other.learnt or Learnt.nothing(size))
    exposure = None if one.exposure is None or other.exposure is None else one.exposure + other.exposure
    return Aggregates(
        one.sums + other.sums,
        one.n_areas + other.n_areas,
        one.cells + other.cells,
        exposure,
        learnt,
        one.imputed,
        one.counts,
    )


def _joint(aggregates: list[Aggregates], horizon: NDArray[np.int64], *, noise: bool) -> JointEstimate | None:
    """Return the log rate ratios of the horizons with errors as in the table and correlations between them.

    Correlations come from the influences, or from the misses of untreated areas where few areas are treated. Resting on
    few areas, they are drawn towards none, unless `few_treated` is 0 and the saturated regression's own are wanted.
    """
    import pandas as pd

    imputed = aggregates[0].imputed
    errors = np.concatenate([[a.log_error(q) for q in range(len(a.cells))] for a in aggregates])
    known = np.isfinite(errors) & (errors > 0)
    leads = np.flatnonzero(known & (horizon < 0))
    if len(leads):
        known[leads[-1]] = False
    if not known.any():
        return None
    if noise:
        blocks = [a.learnt.cross + imputed.factor * a.sums.of_shape.T @ a.sums.of_shape for a in aggregates if a.learnt]
        total = linalg.block_diag(*blocks)[np.ix_(known, known)]
        resting_on = float(np.concatenate([a.learnt.areas for a in aggregates if a.learnt])[known].min())
    else:
        influence = np.hstack([a.sums.of_log_ratio for a in aggregates])[:, known]
        total = influence.T @ influence
        treated = len(imputed.treated_areas)
        resting_on = float(min(treated, imputed.n_clusters - treated))
    scale = np.sqrt(np.diag(total))
    correlation = total / np.outer(scale, scale)
    if imputed.few:
        correlation = shrink_correlation(correlation, resting_on)
    nothing = pd.Series([None] * int(known.sum()), dtype=object)
    index = pd.DataFrame(
        {"term": "event", "cohort": nothing, "period": nothing, "horizon": horizon[known].astype(np.float64)}
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        log_ratio = np.log(np.concatenate([a.sums.observed / a.sums.expected for a in aggregates]))[known]
    return JointEstimate("log_rate_ratio", index, log_ratio, correlation * np.outer(errors[known], errors[known]))


def average_rows(imputed: Imputed, level: float, *, counts: bool) -> tuple[Rows, list[Aggregates]]:
    """Rows of the averages: over horizons, over cohorts by their size, over calendar periods."""
    T = imputed.target.shape[1]
    time = np.arange(T)
    slots: dict[str, Callable[[int], NDArray[np.int64]]] = {
        "event_average": lambda g: np.where(time >= g, time - g, 0),
        "cohort_average": lambda g: np.full(T, int(np.flatnonzero(imputed.cohorts == g)[0])),
        "calendar_average": lambda _: time,
    }
    cells = [b.target.sum(axis=0).astype(np.float64) for b in imputed.blocks]
    exposure = imputed.arrays.exposure
    people = None
    if exposure is not None:
        people = [np.where(b.target, exposure[b.areas], 0.0).sum(axis=0) for b in imputed.blocks]
    rows: Rows = []
    all_made = []
    for term, slot in slots.items():
        for base in (cells, people):
            if base is None:
                continue
            total = np.zeros(max(T, len(imputed.cohorts)))
            for g, n in zip(imputed.cohorts, base, strict=True):
                np.add.at(total, slot(int(g)), n)
            share = (total > 0).astype(np.float64)
            if term == "cohort_average":
                share[: len(imputed.cohorts)] = [len(b.areas) for b in imputed.blocks]
            each = np.divide(share / share.sum(), total, out=np.zeros_like(total), where=total > 0)
            weights = [(each[slot(int(g))] * (n > 0))[None, :] for g, n in zip(imputed.cohorts, base, strict=True)]
            made = aggregate(imputed, imputed.blocks, weights, counts=counts)
            per = PerCell(1.0, None, events=False) if base is cells else PerCell(1.0, 1.0, events=False)
            got = made.rows(term, 0, level, per)
            rows += got if base is cells else [r for r in got if r["scale"] == "per_100k"]
            all_made.append(made)
    return rows, all_made

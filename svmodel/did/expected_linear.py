"""Linear imputation with area effects, and the influences of the saturated regression on its sums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from svmodel.design import DesignArrays
from svmodel.design.covariates import split_covariates
from svmodel.did.cell_sums import CellSums
from svmodel.did.leads import ImputedBefore
from svmodel.errors import EstimationError
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.cluster import crv1_factor
from svmodel.numerics.two_way import TwoWay, components
from svmodel.numerics.two_way.linear_fe import LinearFit, fit_linear


@dataclass(frozen=True, eq=False)
class Predicted:
    """Treated cells with their expected outcome, from a model of the untreated ones.

    Attributes
    ----------
    arrays : DesignArrays
    target : ndarray of bool, shape (N, T)
        Treated cells whose expected outcome is identified.
    expected : ndarray, shape (N, T)
        Zero off the target.
    own : ndarray, shape (N, T)
        Residual of a target cell about the fitted effect: what the area itself adds to the sum of its cells.
    gradient : ndarray, shape (K, P)
        Derivative of the expected sum of each cohort-period with respect to the model's coefficients.
    influence : ndarray, shape (N, P)
        Of each area on those coefficients.
    few : int
        Cohorts of fewer areas have their residuals about the effect pooled over all target cells.
    factor : float
    n_clusters : int
    fit : LinearFit, optional
        The model; None where it has cohort effects.
    """

    arrays: DesignArrays
    target: Mask
    expected: Floats
    own: Floats
    gradient: Floats
    influence: Floats
    few: int
    factor: float
    n_clusters: int
    fit: LinearFit | None = None


def cohort_periods(arrays: DesignArrays, target: Mask) -> list[tuple[int, int, Ints]]:
    """Return every cohort and period with target cells, and the areas of those cells."""
    out = []
    for g in np.unique(arrays.start[target.any(axis=1)]):
        rows = np.flatnonzero(arrays.start == g)
        out += [(int(g), int(t), rows[target[rows, t]]) for t in np.flatnonzero(target[rows].any(axis=0))]
    return out


def pools(arrays: DesignArrays, target: Mask, few: int) -> Ints:
    """Return which areas have their residuals about one fitted effect; -1 for areas without a target cell."""
    out = np.full(len(target), -1, dtype=np.int64)
    with_cells = target.any(axis=1)
    for g in np.unique(arrays.start[with_cells]):
        mine = with_cells & (arrays.start == g)
        out[mine] = g if arrays.units.count(mine) >= few else -2
    return out


def fit_untreated(arrays: DesignArrays, use: Mask) -> tuple[LinearFit, Mask]:
    """Fit area effects, period effects and covariates to `use`, and say which cells the fit reaches.

    Raises
    ------
    EstimationError
        If covariates cannot be told apart from area and period effects.
    """
    slopes, moving, _ = split_covariates(arrays)
    try:
        fit = fit_linear(arrays.y, TwoWay(use, slopes, None, moving), arrays.weights)
    except EstimationError as error:
        raise EstimationError(
            f"the covariates cannot be told apart from area and period effects in the untreated cells: {error}"
        ) from error
    label = components(use)
    first = np.where(use.any(axis=1), label[use.argmax(axis=1)], -2)
    return fit, first[:, None] == label[None, :]


def _departure(arrays: DesignArrays, fit: LinearFit) -> Floats:
    return np.asarray(arrays.y - fit.level[:, None] - fit.terms.index(fit.theta))


def linear_att(arrays: DesignArrays) -> float:
    """Return the mean of observed less expected over the treated cells that are identified; NaN where none is."""
    use = arrays.untreated
    if not use.any():
        return float("nan")
    try:
        fit, reached = fit_untreated(arrays, use)
    except EstimationError:
        return float("nan")
    target = arrays.treated & reached
    return _mean(arrays, _departure(arrays, fit), target) if target.any() else float("nan")


def _mean(arrays: DesignArrays, values: Floats, target: Mask) -> float:
    """Return the weighted mean over the target cells."""
    return float(np.average(values[target], weights=arrays.weight[target]))


def impute_linear(arrays: DesignArrays, few: int) -> Predicted:
    """Impute the treated cells from the untreated ones by least squares.

    Parameters
    ----------
    arrays : DesignArrays
    few : int
        See :class:`Predicted`.

    Raises
    ------
    EstimationError
        If no treated cell is identified, or covariates are no help.

    Notes
    -----
    With v the weights by which a cohort-period's effect is a sum of outcomes, ``sum_t v_it = 0`` within each area, so
    that its influence ``sum_t v_it e_it`` is the same whatever level the residuals e are taken from: it is that of the
    saturated regression on cohort x period dummies and their products with covariates that stand still (Wooldridge
    2025, eq. 5.3 and 5.7), which for a balanced panel has the same coefficients as this imputation.
    """
    use = arrays.untreated
    if not use.any():
        raise EstimationError("no area-period is untreated, so nothing can be expected of the treated")
    fit, reached = fit_untreated(arrays, use)
    target = arrays.treated & reached
    if not target.any():
        raise EstimationError(
            "no treated area-period has an expected outcome: no period after the first start has an untreated area, "
            "or the treated areas have no known outcome before their start"
        )
    gap = np.where(target, _departure(arrays, fit), 0.0)
    slopes, _, _ = split_covariates(arrays)
    cells = cohort_periods(arrays, target)
    own, columns = residuals(arrays, target, gap, slopes, few)
    centre = _centre(fit.terms, arrays.weight)
    gradient = np.stack([_gradient(fit.terms, rows, t, centre, arrays.weight) for _, t, rows in cells])
    informed = use.any(axis=1)
    n_clusters = arrays.units.count(informed | target.any(axis=1))
    T_used = int((use | target).any(axis=0).sum())
    width = fit.terms.by_period.shape[1]
    # every period counts, and its slopes but for the reference; components beyond the first give up one period each
    n_columns = T_used * width - (width - 1) + fit.terms.n_covariates + columns
    factor = crv1_factor(int((use | target).sum()), n_columns, n_clusters)
    expected = np.where(target, arrays.y - gap, 0.0)
    return Predicted(arrays, target, expected, own, gradient, fit.influence, few, factor, n_clusters, fit)


def residuals(arrays: DesignArrays, target: Mask, gap: Floats, slopes: Floats | None, few: int) -> tuple[Floats, int]:
    """Return weighed residuals of effects about each cohort-period's fitted one, and how many coefficients fit them.

    A cohort of `few` areas or more has its own effect in each period, linear in the covariates; smaller ones share the
    pooled effect.
    """
    own = np.zeros(gap.shape)
    pool = pools(arrays, target, few)
    overall, w = _mean(arrays, gap, target), arrays.weight
    columns = 0
    for _, t, rows in cohort_periods(arrays, target):
        if pool[rows[0]] == -2:
            own[rows, t] = w[rows, t] * (gap[rows, t] - overall)
            columns += 1
            continue
        X = np.ones((len(rows), 1))
        if slopes is not None and len(rows) > 1 + slopes.shape[1]:
            X = np.hstack([X, slopes[rows]])
        root = np.sqrt(w[rows, t])
        beta, _, rank, _ = np.linalg.lstsq(X * root[:, None], gap[rows, t] * root, rcond=None)
        own[rows, t] = w[rows, t] * (gap[rows, t] - X @ beta)
        columns += int(rank)
    return own, columns


def _centre(terms: TwoWay, weight: Floats) -> Floats:
    """Return the weighted mean of ``z_it`` over each area's used cells, shape (N, P)."""
    w = np.where(terms.use, weight, 0.0)
    count = w.sum(axis=1)
    sums = terms.area_sums(w)
    return np.divide(sums, count[:, None], out=np.zeros_like(sums), where=count[:, None] > 0)


def _gradient(terms: TwoWay, rows: Ints, t: int, centre: Floats, weight: Floats) -> Floats:
    """Return the derivative of the weighed sum of predictions for `rows` in period t, shape (P,)."""
    w = weight[rows, t]
    out = -(w @ centre[rows])
    W, B = terms.by_period.shape[1], terms.n_period_terms
    out[t * W : (t + 1) * W] += w @ terms.by_period[rows]
    if terms.covariates is not None:
        out[B:] += w @ terms.covariates[rows, t]
    return out


def sums_of(found: Predicted, family: str = "linear") -> CellSums:
    """Return the sums by cohort and period."""
    cells = cohort_periods(found.arrays, found.target)
    own = np.zeros((len(found.target), len(cells)))
    for k, (_, t, rows) in enumerate(cells):
        own[rows, k] = found.own[rows, t]
    return _laid_out(found, cells, found.expected, own, found.influence @ found.gradient.T, family)


def _laid_out(
    found: Predicted,
    cells: list[tuple[int, int, Ints]],
    expected: Floats,
    of_observed: Floats,
    of_expected: Floats,
    family: str = "linear",
) -> CellSums:
    """Lay out the sums over the areas of each cohort-period."""
    arrays = found.arrays
    exposure, w = arrays.exposure, arrays.weight
    cohort = np.array([g for g, _, _ in cells], dtype=np.int64)
    held = [np.unique(np.concatenate([r for h, _, r in cells if h == g])) for g in np.unique(cohort)]
    size = np.array([arrays.area_weight[rows].sum() for rows in held])
    return CellSums(
        family=family,
        cohort=cohort,
        time=np.array([t for _, t, _ in cells], dtype=np.int64),
        n=np.array([float(w[r, t].sum()) for _, t, r in cells]),
        exposure=None if exposure is None else np.array([float(exposure[r, t].sum()) for _, t, r in cells]),
        observed=np.array([float(w[r, t] @ arrays.y[r, t]) for _, t, r in cells]),
        expected=np.array([float(w[r, t] @ expected[r, t]) for _, t, r in cells]),
        of_observed=of_observed,
        of_expected=of_expected,
        pools=pools(arrays, found.target, found.few),
        size=size,
        factor=found.factor,
        n_clusters=found.n_clusters,
        clusters=arrays.units,
    )


def lead_sums(found: Predicted) -> list[CellSums]:
    """Return each cohort's cells before its start, imputed from the untreated cells of all other areas.

    The level is that of the area's own cells before the start, so the misses of an area sum to zero.
    """
    arrays = found.arrays
    out = []
    pool = pools(arrays, found.target, found.few)
    for part in lead_cells(found):
        before = part.before
        try:
            fit, _ = fit_untreated(arrays, part.others)
        except EstimationError:
            continue
        terms = TwoWay(before, fit.terms.slopes, None, fit.terms.covariates)
        raw = np.where(before, arrays.y - terms.index(fit.theta), 0.0)
        w = np.where(before, arrays.weight, 0.0)
        count = np.where(before.any(axis=1), w.sum(axis=1), 1.0)[:, None]
        gap = np.where(before, raw - (w * raw).sum(axis=1, keepdims=True) / count, 0.0)
        cells = cohort_periods(arrays, before)
        centre = _centre(terms, arrays.weight)
        gradient = np.stack([_gradient(terms, rows, t, centre, arrays.weight) for _, t, rows in cells])
        own = np.zeros((len(gap), len(cells)))
        for k, (_, t, rows) in enumerate(cells):
            # about the cohort's own mean miss, or about none where the cohort is small
            mean = 0.0 if (pool[rows] == -2).any() else float(np.average(gap[rows, t], weights=w[rows, t]))
            own[rows, k] = w[rows, t] * (gap[rows, t] - mean)
        expected = np.where(before, arrays.y - gap, 0.0)
        out.append(_laid_out(found, cells, expected, own, fit.influence @ gradient.T))
    return out


def lead_cells(found: Predicted) -> list[ImputedBefore]:
    """Return, cohort by cohort, the cells before the start that other areas' untreated cells give an outcome for."""
    arrays = found.arrays
    out = []
    for g in np.unique(arrays.start[found.target.any(axis=1)]):
        mine = np.flatnonzero((arrays.start == g) & found.target.any(axis=1))
        others = arrays.untreated.copy()
        others[arrays.start == g] = False
        if not others.any():
            continue
        label = components(others)
        main = int(np.bincount(label[label >= 0]).argmax())
        before = np.zeros_like(others)
        before[mine] = arrays.untreated[mine] & (label == main)[None, :]
        before[before.sum(axis=1) < 2] = False
        if before.any():
            out.append(ImputedBefore(before, others))
    return out

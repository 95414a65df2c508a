"""The saturated regression of Sun and Abraham, solved cohort by cohort.

With area and period effects and a dummy for every cohort and period but the cohort's reference, each cohort's cells
and the controls' are regressions of their own: ``y_it = a_i + m_gt`` on the cells of group g alone. The
coefficient of a cohort and period is ``(m_gt - m_gr) - (m_0t - m_0r)``, with 0 for the controls and r for the cohort's
reference. Only covariates tie the groups together, and then the regression is solved as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from svmodel.design import UNTREATED, DesignArrays
from svmodel.design.covariates import split_covariates
from svmodel.did.event_groups import fit_groups
from svmodel.errors import EstimationError
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.cluster import crv1_factor
from svmodel.numerics.two_way import TwoWay, components
from svmodel.numerics.two_way.before_start import inverse_normal, regression_weights
from svmodel.numerics.two_way.linear_fe import LinearFit, fit_linear
from svmodel.numerics.two_way.poisson_fe import PoissonFit

#: From weights of coefficients, shape (Q, C, T), to the influence of every area on the sums, shape (N, Q).
Push: TypeAlias = "Callable[[NDArray[np.float64]], NDArray[np.float64]]"


@dataclass(frozen=True, eq=False)
class _Group:
    """Areas with period means of their own: ``y_it = a_i + m_t``."""

    areas: Ints
    use: Mask
    mean: Floats
    influence: Floats
    label: Ints


def _group(arrays: DesignArrays, areas: Ints, use: Mask) -> _Group:
    """Fit the cells `use`, shape (n, T), of some areas; m_t is determined within linked periods up to a constant."""
    label, y = components(use), arrays.y
    there = label >= 0
    if arrays.weights is None and (use == there).all():
        held = np.where(use, y[areas], 0.0)
        n, T = len(areas), int(there.sum())
        mean = held.sum(axis=0) / n
        own = held.sum(axis=1, keepdims=True) / max(T, 1)
        residual = np.where(use, held - own - mean + mean.sum() / max(T, 1), 0.0)
        return _Group(areas, use, mean, residual / n, label)
    fit = fit_linear(y[areas], TwoWay(use), None if arrays.weights is None else arrays.weights[areas])
    return _Group(areas, use, fit.theta, fit.influence, label)


@dataclass(frozen=True, eq=False)
class Cohort:
    """One cohort's coefficients.

    Attributes
    ----------
    start, reference : int
        First treated period, and the one that all others are relative to.
    areas : ndarray of int, shape (n,)
    use : ndarray of bool, shape (n, T)
        Cells whose coefficient is identified, the reference's among them.
    effect : ndarray, shape (T,)
        NaN where not identified, 0 at the reference.
    """

    start: int
    reference: int
    areas: Ints
    use: Mask
    effect: Floats


@dataclass(frozen=True, eq=False)
class Saturated:
    """The fitted regression.

    Attributes
    ----------
    arrays : DesignArrays
    control : ndarray of int
        Rows of the areas compared with.
    last_cohort : bool
        Whether these are the last to start, because no area is never treated.
    cohorts : tuple of Cohort
        Those with an identified effect after the start.
    lost : dict of int to str
        Start of every cohort without one, and why.
    push : callable
        Influences as the regression's residuals give them.
    factor : float
        CRV1 small-sample factor.
    n_clusters : int
    control_mean : ndarray, shape (T,)
        Period means of the controls (covariates taken out).
    adjusted : ndarray, shape (N, T)
        The outcome less what covariates explain.
    cell_weights : callable
        From weights of coefficients before the start, shape (Q, C, T), to those of residuals in the sums,
        shape (Q, N, T). With gaps and without covariates they are those of a fit to the cells before the start alone.
    model : LinearFit or PoissonFit or None
        The whole regression, where there are covariates.
    """

    arrays: DesignArrays
    control: Ints
    last_cohort: bool
    cohorts: tuple[Cohort, ...]
    lost: dict[int, str]
    push: Push
    factor: float
    n_clusters: int
    control_mean: Floats
    adjusted: Floats
    cell_weights: Push
    model: LinearFit | PoissonFit | None = None


def controls(arrays: DesignArrays) -> tuple[Ints, bool]:
    """Return the areas to compare with: the never treated, or where there are none the last to start, and which."""
    known = arrays.untreated.any(axis=1)
    never = np.flatnonzero((arrays.status == UNTREATED).all(axis=1) & known)
    if len(never):
        return never, False
    started = arrays.start[known]
    return np.flatnonzero(known & (arrays.start == started.max(initial=-1))), True


def _cohorts(arrays: DesignArrays) -> tuple[_Group, bool, list[tuple[_Group, Cohort]], dict[int, str]]:
    """Fit the controls and every cohort."""
    T = arrays.y.shape[1]
    chosen, last = controls(arrays)
    none = _group(arrays, chosen, arrays.untreated[chosen])
    rest = np.array(arrays.treated.any(axis=1))
    rest[chosen] = False
    found, lost = [], {}
    for g in np.unique(arrays.start[rest]):
        areas = np.flatnonzero(rest & (arrays.start == g))
        before = arrays.untreated[areas]
        group = _group(arrays, areas, before | arrays.treated[areas])
        base = np.flatnonzero(before.any(axis=0) & (none.label >= 0))
        if not len(base):
            lost[int(g)] = "no period before the start is known for both it and the controls"
            continue
        r = int(base[-1])
        same = (group.label == group.label[r]) & (none.label == none.label[r])
        with np.errstate(invalid="ignore"):
            effect = group.mean - group.mean[r] - (none.mean - none.mean[r])
        effect = np.where(same, effect, np.nan)
        use = group.use & same
        if not use[:, np.arange(T) >= g].any():
            lost[int(g)] = "no control is seen both before the start and after"
            continue
        found.append((group, Cohort(int(g), r, areas, use, effect)))
    return none, last, found, lost


def average_effect(arrays: DesignArrays) -> float:
    """Return the average over treated cells alone; NaN where nothing is identified."""
    if arrays.covariates.shape[2]:
        try:
            cohorts: tuple[Cohort, ...] = saturate(arrays).cohorts
        except EstimationError:
            return float("nan")
    else:
        cohorts = tuple(c for _, c in _cohorts(arrays)[2])
    total, cells = 0.0, 0.0
    for cohort in cohorts:
        n = np.where(cohort.use & arrays.treated[cohort.areas], arrays.weight[cohort.areas], 0.0).sum(axis=0)
        total += float(np.where(n > 0, n * np.nan_to_num(cohort.effect), 0.0).sum())
        cells += float(n.sum())
    return total / cells if cells else float("nan")


def saturate(arrays: DesignArrays) -> Saturated:
    """Fit the saturated regression.

    Raises
    ------
    EstimationError
        If no effect is identified, or covariates cannot be told apart from cohorts and periods.
    """
    none, last, found, lost = _cohorts(arrays)
    if not found:
        reasons = sorted(set(lost.values())) or ["all areas start at once, so there is nothing to compare with"]
        raise EstimationError("SunAbraham identifies no effect of this design", reasons)
    pairs = [c for _, c in found]
    N, T = arrays.y.shape
    in_use = np.zeros((N, T), dtype=bool)
    in_use[none.areas] = none.use
    for cohort in pairs:
        in_use[cohort.areas] = cohort.use
    dummies = sum(int(c.use.any(axis=0).sum()) - 1 for c in pairs)
    if arrays.covariates.shape[2]:
        return _with_covariates(arrays, none, last, pairs, lost, in_use)
    clusters = arrays.units.count(in_use.any(axis=1))
    columns = dummies + int(in_use.any(axis=0).sum())

    def push(weights: Floats) -> Floats:
        out = np.zeros((N, len(weights)))
        shared = np.zeros((len(weights), T))
        for c, (group, cohort) in enumerate(found):
            loads = weights[:, c].copy()
            loads[:, cohort.reference] -= loads.sum(axis=1)
            out[group.areas] = group.influence @ loads.T
            shared += loads
        out[none.areas] = -none.influence @ shared.T
        return out

    factor = crv1_factor(int(in_use.sum()), columns, clusters)
    cell_weights = _cell_weights(arrays, none, pairs)
    return Saturated(
        arrays, none.areas, last, tuple(pairs), lost, push, factor, clusters, none.mean, arrays.y, cell_weights
    )


def _cell_weights(arrays: DesignArrays, none: _Group, cohorts: list[Cohort]) -> Push:
    """Return :attr:`Saturated.cell_weights` of a regression without covariates, group by group."""

    def of_means(areas: Ints, use: Mask, loads: Floats) -> Floats:
        terms = TwoWay(use)
        v = np.where(use, arrays.weight[areas], 0.0)
        everything = np.arange(terms.n_period_terms)
        return regression_weights(terms, v, everything, inverse_normal(terms, v))(loads)

    def weigh(weights: Floats) -> Floats:
        Q, _, T = weights.shape
        out, shared = np.zeros((Q, *arrays.y.shape)), np.zeros((Q, T))
        for c, cohort in enumerate(cohorts):
            loads = weights[:, c].copy()
            loads[:, cohort.reference] -= loads.sum(axis=1)
            out[:, cohort.areas] = of_means(cohort.areas, cohort.use & arrays.untreated[cohort.areas], loads)
            shared += loads
        out[:, none.areas] = -of_means(none.areas, none.use, shared)
        return out

    return weigh


def _with_covariates(
    arrays: DesignArrays, none: _Group, last: bool, cohorts: list[Cohort], lost: dict[int, str], use: Mask
) -> Saturated:
    """Solve the regression as a whole, one column for each cohort and period."""
    N, T = use.shape
    group = np.full((N, T), -1, dtype=np.int64)
    place = np.full((len(cohorts), T), -1, dtype=np.int64)
    K = 0
    for c, cohort in enumerate(cohorts):
        times = np.flatnonzero(cohort.use.any(axis=0) & (np.arange(T) != cohort.reference))
        place[c, times] = K + np.arange(len(times))
        group[cohort.areas] = np.where(cohort.use, place[c], -1)
        K += len(times)
    fit = fit_groups(arrays, use, group, "linear")
    if not fit.kept.all() or fit.model is None:
        raise EstimationError("the covariates cannot be told apart from the effects of cohorts and periods")
    influence, coefficient = fit.influence, fit.coefficient
    made = tuple(
        Cohort(c.start, c.reference, c.areas, c.use, np.where(place[k] >= 0, coefficient[place[k]], np.nan))
        for k, c in enumerate(cohorts)
    )
    for cohort in made:
        cohort.effect[cohort.reference] = 0.0

    def push(weights: Floats) -> Floats:
        loads = np.zeros((len(weights), K))
        inside = place >= 0
        loads[:, place[inside]] = weights[:, inside]
        return np.asarray(influence @ loads.T)

    terms, theta = fit.model.terms, fit.model.theta.copy()
    v = np.where(use, arrays.weight, 0.0)

    def cell_weights(weights: Floats) -> Floats:
        inside = place >= 0
        columns = terms.n_period_terms + place[inside]
        return regression_weights(terms, v, columns, inverse_normal(terms, v))(weights[:, inside])

    _, _, still = split_covariates(arrays)
    W = 1 + len(still)
    effects = theta.copy()
    effects[: T * W : W] = 0.0
    effects[T * W : T * W + K] = 0.0
    adjusted = arrays.y - terms.index(effects)
    return Saturated(
        arrays,
        none.areas,
        last,
        made,
        lost,
        push,
        fit.factor,
        fit.n_clusters,
        theta[: T * W : W],
        adjusted,
        cell_weights,
        fit.model,
    )

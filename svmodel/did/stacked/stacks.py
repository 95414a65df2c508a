"""Stacks of one cohort and its clean controls, and the regression on all of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from svmodel.design import EXCLUDED, TREATED, UNTREATED, DesignArrays
from svmodel.design.covariates import split_covariates, untold
from svmodel.did.coefficients import Coefficients
from svmodel.did.event_groups import tied_groups
from svmodel.errors import EstimationError
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.cluster import cluster_covariance, crv1_factor
from svmodel.numerics.cluster.membership import Clusters
from svmodel.numerics.two_way import TwoWay
from svmodel.numerics.two_way.before_start import (
    Grouped,
    Null,
    before_start,
    inverse_normal,
    linear_null,
    poisson_null,
    regression_weights,
)
from svmodel.numerics.two_way.linear_fe import LinearFit, fit_linear
from svmodel.numerics.two_way.poisson_fe import PoissonFit, fit_poisson, informative_cells
from svmodel.numerics.two_way.separation import separated_cells

_MOST = 24


@dataclass(frozen=True, eq=False)
class Stacks:
    """Areas stacked cohort by cohort, with periods counted from each cohort's start.

    Attributes
    ----------
    area, stack : ndarray of int, shape (R,)
        Row of the panel, and place in `cohorts`.
    treated : ndarray of bool, shape (R,)
    weight : ndarray, shape (R,)
        Corrective; ones for treated areas.
    observation : ndarray, shape (R, W)
        Weights of observations.
    y, exposure, covariates : ndarray, shape (R, W), (R, W) or None, (R, W, K)
    use : ndarray of bool, shape (R, W)
    horizon : ndarray of int, shape (W,)
    cohorts : ndarray of int, shape (S,)
        Index of the first treated period.
    outside, alone : tuple of int
        Cohorts left out because their window leaves the panel, and because they have no clean control.
    slopes, moving : ndarray or None
        Covariates that stand still over time and those that move, scaled.
    clusters : Clusters
        Of the panel's areas.
    """

    area: Ints
    stack: Ints
    treated: Mask
    weight: Floats
    observation: Floats
    y: Floats
    exposure: Floats | None
    use: Mask
    horizon: Ints
    cohorts: Ints
    outside: tuple[int, ...]
    alone: tuple[int, ...]
    slopes: Floats | None
    moving: Floats | None
    clusters: Clusters

    def reference(self, wanted: int) -> int | None:
        """Return the last horizon up to `wanted` in which a treated area is known; None where the window has none."""
        seen = self.horizon[(self.use & self.treated[:, None]).any(axis=0)]
        return int(seen[seen <= wanted].max()) if (seen <= wanted).any() else None

    @cached_property
    def by_stack(self) -> Floats | None:
        """Variables whose coefficient differs by period: all stacks but the first, and still covariates."""
        parts = [np.eye(len(self.cohorts))[self.stack][:, 1:]] if len(self.cohorts) > 1 else []
        parts += [] if self.slopes is None else [self.slopes]
        return np.hstack(parts) if parts else None

    def weights(self, arrays: DesignArrays) -> pd.DataFrame:
        """Return the stacks with their areas and the weight of a control."""
        S = len(self.cohorts)
        weight = [float(self.weight[(self.stack == s) & ~self.treated][0]) for s in range(S)]
        return pd.DataFrame(
            {
                "cohort": pd.Series([arrays.periods[g] for g in self.cohorts], dtype=object),
                "treated_areas": np.bincount(self.stack[self.treated], minlength=S).astype(np.float64),
                "control_areas": np.bincount(self.stack[~self.treated], minlength=S).astype(np.float64),
                "weight": np.array(weight),
            }
        )


def widest(arrays: DesignArrays) -> tuple[int, int]:
    """Return the periods before and after a start that every cohort has, at most 24 of each."""
    starts = np.unique(arrays.start[arrays.treated.any(axis=1)])
    last = len(arrays.periods) - 1
    return min(int(starts.min()), _MOST), min(last - int(starts.max()), _MOST)


def make_stacks(arrays: DesignArrays, pre: int, post: int, *, corrective: bool) -> Stacks:
    """Stack each cohort whose window lies in the panel with areas untreated throughout that window.

    Parameters
    ----------
    arrays : DesignArrays
    pre, post : int
        Periods before the start, and after the first treated one.
    corrective : bool
        Weigh controls by ``(N_a^D / N^D) / (N_a^C / N^C)`` in stack a, with N^D treated and N^C control areas (or what
        they weigh) in all stacks (the corrective weights of Wing, Freedman and Hollingsworth 2024); else alike.
    """
    T = len(arrays.periods)
    known = ~np.isnan(arrays.y)
    parts: list[tuple[int, Ints, Ints]] = []
    outside: list[int] = []
    alone: list[int] = []
    for g in np.unique(arrays.start[arrays.treated.any(axis=1)]).tolist():
        if g - pre < 0 or g + post >= T:
            outside.append(g)
            continue
        window = slice(g - pre, g + post + 1)
        own = np.flatnonzero((arrays.start == g) & (arrays.treated[:, window]).any(axis=1))
        clean = (arrays.status[:, window] == UNTREATED).all(axis=1) & known[:, window].any(axis=1)
        control = np.flatnonzero(clean & (arrays.start != g))
        if len(own) and len(control):
            parts.append((g, own, control))
        else:
            alone.append(g)
    if not parts:
        why = "no cohort has a window inside the panel" if not alone else "no cohort has a clean control in its window"
        raise EstimationError(f"nothing to stack: {why}; choose a smaller window than pre={pre}, post={post}")
    many = arrays.area_weight
    n_treated = sum(many[own].sum() for _, own, _ in parts)
    n_control = sum(many[control].sum() for *_, control in parts)
    area = np.concatenate([np.concatenate([own, control]) for _, own, control in parts])
    stack = np.repeat(np.arange(len(parts)), [len(own) + len(control) for _, own, control in parts])
    treated = np.concatenate([np.repeat([True, False], [len(own), len(control)]) for _, own, control in parts])
    balance = [(many[own].sum() / n_treated) / (many[control].sum() / n_control) for _, own, control in parts]
    weight = np.where(treated | (not corrective), 1.0, np.array(balance)[stack])
    cohorts = np.array([g for g, _, _ in parts], dtype=np.int64)
    columns = cohorts[stack][:, None] + np.arange(-pre, post + 1)
    at = (area[:, None], columns)
    status = arrays.status[at]
    slopes, moving, _ = split_covariates(arrays)
    return Stacks(
        area=area,
        stack=stack,
        treated=treated,
        weight=weight,
        observation=arrays.weight[at],
        y=arrays.y[at],
        exposure=None if arrays.exposure is None else arrays.exposure[at],
        use=known[at] & ((status == UNTREATED) | (status == TREATED)) & (status != EXCLUDED),
        horizon=np.arange(-pre, post + 1),
        cohorts=cohorts,
        outside=tuple(outside),
        alone=tuple(alone),
        slopes=None if slopes is None else slopes[area],
        moving=None if moving is None else moving[at],
        clusters=arrays.units,
    )


def require_told_in_stacks(arrays: DesignArrays, stacks: Stacks) -> None:
    """Refuse covariates that the untreated cells of the stacks do not identify, though others may.

    Raises
    ------
    EstimationError
    """
    if stacks.slopes is None and stacks.moving is None:
        return
    cells = stacks.use & ~(stacks.treated[:, None] & (stacks.horizon >= 0))
    terms = TwoWay(cells, stacks.by_stack, None, stacks.moving)
    tied = terms.normal(cells.astype(np.float64)).tied
    B, W = terms.n_period_terms, terms.by_period.shape[1]
    _, _, still = split_covariates(arrays)
    moves = [k for k in range(arrays.covariates.shape[2]) if k not in still]
    ones = W - len(still)
    found = {moves[j - B] for j in tied if j >= B} | {still[j % W - ones] for j in tied if j < B and j % W >= ones}
    if found:
        raise untold(arrays, tuple(sorted(found)))


@dataclass(frozen=True, eq=False)
class _Terms(TwoWay):
    """Columns of which some are known to be empty or combinations of others, and are not estimated."""

    lost: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    @cached_property
    def free(self) -> Ints:
        """Coefficients that are estimated."""
        return np.setdiff1d(TwoWay(self.use, self.slopes, self.group, self.covariates).free, self.lost)


def fit_stacks(stacks: Stacks, group: Ints, family: str) -> Coefficients:
    """Regress on groups of treated cells, with effects of areas and of periods within each stack.

    Parameters
    ----------
    stacks : Stacks
    group : ndarray of int, shape (R, W)
    family : {"poisson", "linear"}

    Raises
    ------
    EstimationError
        If a Poisson outcome is negative, or the fit breaks down.
    """
    use, y = stacks.use, stacks.y
    Q = int(group.max(initial=-1)) + 1
    if family == "poisson":
        if (np.where(use, y, 0.0) < 0).any():
            raise EstimationError("a Poisson model needs an outcome that is never negative; use family='linear'")
        use = _informative(stacks, use, group)
    w = stacks.weight[:, None] * stacks.observation
    for _ in range(5):
        seen = np.bincount(group[use] + 1, minlength=Q + 1)[1:] > 0
        number = np.append(np.where(seen, np.cumsum(seen) - 1, -1), -1)
        terms = _Terms(use, stacks.by_stack, number[group], stacks.moving)
        if not seen.any():
            break
        normal = terms.normal(use * w)
        lost = normal.dependent
        tied = np.isin(np.arange(terms.n_groups), tied_groups(terms, normal.tied))
        # effects of periods in a stack may be held by others; a covariate among the lost has no coefficient
        if (lost >= terms.n_period_terms + terms.n_groups).any():
            raise EstimationError(
                "the covariates cannot be told apart from area and period effects, or from each other, in the stacks"
            )
        terms = replace(terms, lost=lost)
        theta_fit: LinearFit | PoissonFit
        try:
            if family == "linear":
                theta_fit = fit_linear(y, terms, use * w)
            else:
                # a row's weight multiplies its likelihood, and so does a factor on its counts: the level takes it up
                theta_fit = fit_poisson(np.where(use, y * w, 0.0), terms, stacks.exposure)
        except EstimationError:
            apart = separated_cells(y, terms) if family == "poisson" else np.zeros_like(use)
            if not apart.any():
                raise
            use = _informative(stacks, use & ~apart, group)
            continue
        at = terms.n_period_terms + np.arange(terms.n_groups)
        free = ~np.isin(at, lost) & ~tied
        coefficient = np.full(Q, np.nan)
        influence = np.zeros((len(stacks.clusters.label), Q))
        which = np.flatnonzero(seen)[free]
        coefficient[which] = theta_fit.theta[at[free]]
        np.add.at(influence, (stacks.area[:, None], which[None, :]), theta_fit.influence[:, at[free]])
        clusters = stacks.clusters.count(stacks.area[use.any(axis=1)])
        columns = len(terms.free) + len(np.unique(stacks.stack[use.any(axis=1)]))
        factor = crv1_factor(int(use.sum()), columns, clusters)
        return _found(stacks, family, use, group, coefficient, influence, factor, clusters, theta_fit)
    nothing = np.full(Q, np.nan)
    return _found(stacks, family, use, group, nothing, np.zeros((len(stacks.clusters.label), Q)), float("nan"), 0)


def _found(
    stacks: Stacks,
    family: str,
    use: Mask,
    group: Ints,
    coefficient: Floats,
    influence: Floats,
    factor: float,
    n_clusters: int,
    model: LinearFit | PoissonFit | None = None,
) -> Coefficients:
    """Return the coefficients; an area adds to their errors over all stacks that it is in."""
    treated = np.zeros(len(stacks.clusters.label), dtype=np.int64)
    treated[stacks.area[stacks.treated]] = 1
    covariance = cluster_covariance(stacks.clusters.sums(influence), factor)
    return Coefficients(
        family,
        stacks.y,
        stacks.exposure,
        use,
        stacks.area,
        group,
        coefficient,
        covariance,
        influence,
        treated,
        factor,
        n_clusters,
        stacks.clusters,
        model,
    )


def before_test(arrays: DesignArrays, stacks: Stacks, fit: Coefficients, horizons: Ints) -> Grouped | None:
    """Return what a joint test needs that the coefficients before the start, or anticipation, are zero.

    Parameters
    ----------
    arrays : DesignArrays
    stacks : Stacks
    fit : Coefficients
        Of one group of treated cells for each horizon.
    horizons : ndarray of int, shape (Q,)

    Returns
    -------
    Grouped or None
        Without coefficients of single areas; None where no other is identified.

    Notes
    -----
    What areas add is taken with the residuals of the panel and not of the stacks, in which an area stands several
    times.
    """
    tested = np.flatnonzero(fit.kept & (fit.areas > 1) & (horizons < -arrays.anticipation))
    if not len(tested):
        return None
    slopes, moving, _ = split_covariates(arrays)
    columns = stacks.cohorts[stacks.stack][:, None] + stacks.horizon[None, :]
    inside = np.zeros(arrays.y.shape, dtype=bool)
    inside[np.repeat(stacks.area, len(stacks.horizon))[fit.use.ravel()], columns[fit.use]] = True
    # treated cells tell of period effects only where stacks have gaps
    after = np.where(arrays.treated & inside, arrays.horizon, -1)
    without = TwoWay(inside & (arrays.untreated | arrays.treated), slopes, after, moving)
    w = stacks.weight[:, None] * stacks.observation
    null: Null
    try:
        null = (
            linear_null(arrays.y, without, arrays.units, arrays.weight)
            if fit.family == "linear"
            else poisson_null(arrays.y, without, arrays.exposure, arrays.units)
        )
    except EstimationError:
        return None
    place = np.full(len(fit.coefficient) + 1, -1)
    place[np.flatnonzero(fit.kept)] = np.arange(int(fit.kept.sum()))
    terms = TwoWay(fit.use, stacks.by_stack, place[fit.group], stacks.moving)
    v = fit.use * w if fit.family == "linear" else np.where(fit.use, null.v[stacks.area[:, None], columns] * w, 0.0)
    of_rows = regression_weights(terms, v, terms.n_period_terms + place[tested], inverse_normal(terms, v))

    def weigh(L: Floats) -> Floats:
        out = np.zeros((len(L), *arrays.y.shape))
        for one, rows in zip(out, of_rows(L), strict=True):
            np.add.at(one, (stacks.area[:, None], columns), rows * w)
        # the residuals of a linear model have the observation's weight in them
        held = arrays.weight if fit.family == "linear" else np.ones_like(null.v)
        return np.divide(out, held, out=np.zeros_like(out), where=np.broadcast_to(null.v > 0, out.shape))

    return before_start(horizons[tested], weigh, np.arange(len(arrays.areas)), null)


def _informative(stacks: Stacks, use: Mask, group: Ints) -> Mask:
    """Return the cells on which a Poisson model with area and period effects in each stack has finite estimates."""
    keep = use.copy()
    Q = int(group.max(initial=-1)) + 1
    while True:
        before = int(keep.sum())
        observed = np.bincount(group[keep] + 1, weights=stacks.y[keep], minlength=Q + 1) > 0
        observed[0] = True
        keep &= observed[group + 1]
        for s in range(len(stacks.cohorts)):
            rows = stacks.stack == s
            keep[rows] = informative_cells(stacks.y[rows], keep[rows])
        if int(keep.sum()) == before:
            return keep

"""Two-way regressions with one coefficient for each group of treated cells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from svmodel.design import Design, DesignArrays
from svmodel.design.covariates import split_covariates
from svmodel.did.coefficients import Coefficients
from svmodel.errors import EstimationError
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.cluster import cluster_covariance, crv1_factor
from svmodel.numerics.two_way import TwoWay, components
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
from svmodel.result.notes import Note, ResultWarning
from svmodel.words import plural

_MOST_HORIZONS = 24


@dataclass(frozen=True, eq=False)
class EventGroups:
    """Cells of ever-treated areas by horizon.

    Attributes
    ----------
    group : ndarray of int, shape (N, T)
        Place in `horizons`; -1 for the reference and for areas never treated.
    horizons : tuple of int
    reference : int
        The horizon that all others are relative to: the last before the start, or before anticipation, that any of
        the areas is known in.
    binned : tuple of int
        Ends that also hold all horizons beyond.
    earliest : int
        The first horizon in which any of the areas is known.
    wanted : int
        The last horizon before the start, or before anticipation, known or not.
    without : int
        Areas that are known before the start, but not at the reference.
    """

    group: Ints
    horizons: tuple[int, ...]
    reference: int
    binned: tuple[int, ...]
    earliest: int
    wanted: int
    without: int

    def first_is_binned(self, kept: Mask) -> bool:
        """Return whether periods lie before the first of the horizons that are kept."""
        first = min((h for h, k in zip(self.horizons, kept, strict=True) if k), default=0)
        return bool(self.earliest < first)


def event_groups(arrays: DesignArrays, anticipation: int, leads: int | None, lags: int | None) -> EventGroups:
    """Group the cells of ever-treated areas by horizon, with binned ends.

    Ends are binned unasked only where some area is never treated. Without one nothing but the bins would tell effects
    from a straight drift, and that would be an assumption that nobody made.
    """
    ever = np.asarray(arrays.treated.any(axis=1))
    inside = ever[:, None] & (arrays.untreated | arrays.treated)
    h = np.where(inside, arrays.horizon, 0)
    wanted = -1 - int(anticipation)
    known_before = h[inside & (h <= wanted)]
    reference = int(known_before.max()) if len(known_before) else wanted
    half = max(ever.sum() / 2, 1)
    first, last = h.min(axis=1), h.max(axis=1)
    whole = not (arrays.untreated[~ever]).any()

    def reach(ends: Ints) -> int:
        """Return the largest horizon that at least half of the treated areas get to, or any where all are treated."""
        held = np.sort(ends[ever])[::-1]
        return int(held[0]) if whole else min(int(held[int(np.ceil(half)) - 1]), _MOST_HORIZONS)

    lead = reach(-first) if leads is None else leads
    lag = reach(last) if lags is None else lags
    # the reference is one horizon and never an end that stands for others
    lead = max(lead, 1 - reference)
    clipped = np.clip(h, -lead, lag)
    seen = [int(v) for v in np.unique(clipped[inside]) if v != reference]
    place = {v: j for j, v in enumerate(seen)}
    lookup = np.array([place.get(v, -1) for v in range(-lead, lag + 1)], dtype=np.int64)
    group = np.where(inside, lookup[clipped + lead], -1)
    beyond = inside & (h != clipped)
    ends = tuple(e for e in (-lead, lag) if (beyond & (clipped == e)).any() and e != reference)
    before = (inside & (h <= wanted)).any(axis=1)
    without = int((before & ~(inside & (h == reference)).any(axis=1)).sum())
    return EventGroups(group, tuple(seen), reference, ends, int(h.min()), wanted, without)


@dataclass(frozen=True, eq=False)
class TwoWayFit(Coefficients):
    """Coefficients of groups of cells in a two-way regression of a design.

    Attributes
    ----------
    arrays : DesignArrays
    silent, absorbed : ndarray of bool, shape (Q,)
        Groups without an event (Poisson), and groups that area and period effects and other groups already hold.
    column : ndarray of int, shape (Q,)
        Place of each coefficient among the model's; -1 where it has none.
    """

    arrays: DesignArrays
    silent: Mask
    absorbed: Mask
    column: Ints

    def why(self, j: int) -> str:
        """Say why group `j` has no coefficient."""
        if self.silent[j]:
            return "no event was seen in the treated area-periods, so their rate ratio is zero without a known error"
        inside, untreated = self.group == j, self.arrays.untreated
        before = untreated & inside.any(axis=1)[:, None]
        compared = untreated[:, inside.any(axis=0)].any()
        if compared and before.any() and not self.arrays.y[before].any():
            return "no event was seen in the treated areas before their start, so there is nothing to take a ratio to"
        return "the effect cannot be told apart from area and period effects: no area is left to compare with"

    @cached_property
    def cell_weights(self) -> Floats:
        """Weight of each treated cell's effect in the single coefficient; zero elsewhere (de Chaisemartin, thm 1)."""
        assert self.model is not None
        terms = self.model.terms
        v = self.model.mu if isinstance(self.model, PoissonFit) else self.arrays.weights
        plain = TwoWay(terms.use, terms.slopes, None, terms.covariates)
        inside = self.use & (self.group == 0)
        left = fit_linear(inside.astype(np.float64), plain, v).residual
        part = np.where(inside, left, 0.0)
        return part / part.sum()

    @property
    def negative_weight(self) -> float:
        """Sum of the negative weights, zero or below."""
        return float(np.minimum(self.cell_weights, 0.0).sum())

    def weights(self, arrays: DesignArrays) -> pd.DataFrame:
        """Weight of each cohort and period in the single coefficient; they sum to one and may be negative."""
        w = self.cell_weights
        cohorts = np.unique(arrays.start[(w != 0).any(axis=1)])
        table = np.stack([w[arrays.start == g].sum(axis=0) for g in cohorts])
        there = np.stack([(self.use & (self.group == 0))[arrays.start == g].any(axis=0) for g in cohorts])
        c, t = np.nonzero(there)
        names = np.array(list(arrays.periods), dtype=object)
        return pd.DataFrame(
            {
                "cohort": pd.Series(names[cohorts[c]], dtype=object),
                "period": pd.Series(names[t], dtype=object),
                "weight": table[c, t],
            }
        )


def fit_groups(arrays: DesignArrays, use: Mask, group: Ints, family: str) -> TwoWayFit:
    """Fit one coefficient for each group of cells, leaving out groups that are not identified.

    Parameters
    ----------
    arrays : DesignArrays
    use : ndarray of bool, shape (N, T)
    group : ndarray of int, shape (N, T)
    family : {"poisson", "linear"}

    Raises
    ------
    EstimationError
        If a Poisson outcome is negative, or covariates cannot be told apart from area and period effects.
    """
    y, Q = arrays.y, int(group.max(initial=-1)) + 1
    silent, absorbed = np.zeros(Q, dtype=bool), np.zeros(Q, dtype=bool)
    cells = use
    if family == "poisson":
        if (np.where(use, y, 0.0) < 0).any():
            raise EstimationError("a Poisson model needs an outcome that is never negative; use family='linear'")
        cells = informative_cells(y, use, group)
        silent = ~(np.bincount(group[cells] + 1, weights=y[cells], minlength=Q + 1)[1:] > 0)
    slopes, moving, _ = split_covariates(arrays)
    nothing = TwoWayFit(
        family=family,
        y=y,
        exposure=arrays.exposure,
        use=cells,
        area=np.arange(len(y)),
        group=group,
        coefficient=np.full(Q, np.nan),
        covariance=np.zeros((Q, Q)),
        influence=np.zeros((len(y), Q)),
        treated=np.array((cells & (group >= 0)).any(axis=1), dtype=np.int64),
        factor=np.nan,
        n_clusters=0,
        clusters=arrays.units,
        arrays=arrays,
        silent=silent,
        absorbed=absorbed,
        model=None,
        column=np.full(Q, -1, dtype=np.int64),
    )
    if not cells.any() or silent.all():
        return nothing
    if family == "linear":
        absorbed = np.bincount(group[cells] + 1, minlength=Q + 1)[1:] == 0
    plain = TwoWay(cells, slopes, _renumbered(group, silent | absorbed), moving)
    normal = plain.normal(cells.astype(np.float64))
    lost = normal.dependent
    first = plain.n_period_terms
    if ((lost < first) | (lost >= first + plain.n_groups)).any():
        raise EstimationError("the covariates cannot be told apart from area and period effects, or from each other")
    left = np.flatnonzero(~(silent | absorbed))
    # which column of a tie is taken out is arbitrary, and so would be the coefficients of the others in it
    tied = left[tied_groups(plain, normal.tied)]
    absorbed[left[lost - first]] = True
    kept = ~(silent | absorbed)
    if kept.sum() == np.isin(np.flatnonzero(kept), tied).sum():
        absorbed[tied] = True
        return replace(nothing, absorbed=absorbed)
    terms = TwoWay(cells, slopes, _renumbered(group, ~kept), moving)
    model: PoissonFit | LinearFit
    if family == "linear":
        model = fit_linear(y, terms, arrays.weights)
    else:
        try:
            model = fit_poisson(y, terms, arrays.exposure)
        except EstimationError:
            # a group and its period may be held by the treated areas alone where no control has an event
            apart = separated_cells(y, terms)
            if not apart.any():
                raise
            return fit_groups(arrays, cells & ~apart, group, family)
    at = terms.n_period_terms + np.arange(terms.n_groups)
    n_clusters = arrays.units.count(cells.any(axis=1))
    columns = len(terms.free) + int(components(cells).max()) + 1
    factor = crv1_factor(int(cells.sum()), columns, n_clusters)
    coefficient, covariance, influence = nothing.coefficient, nothing.covariance, nothing.influence
    coefficient[kept] = model.theta[at]
    influence[:, kept] = model.influence[:, at]
    column = nothing.column
    column[kept] = at
    coefficient[tied], influence[:, tied], absorbed[tied] = np.nan, 0.0, True
    kept = kept & ~absorbed
    covariance[np.ix_(kept, kept)] = cluster_covariance(arrays.units.sums(influence[:, kept]), factor)
    return replace(nothing, absorbed=absorbed, n_clusters=n_clusters, factor=factor, model=model)


def before_test(fit: TwoWayFit, horizons: Ints) -> Grouped | None:
    """Return what a joint test needs that the coefficients before the start, or anticipation, are zero.

    Parameters
    ----------
    fit : TwoWayFit
    horizons : ndarray of int, shape (Q,)
        Of its groups.

    Returns
    -------
    Grouped or None
        Without coefficients of single areas; None where no other is identified.
    """
    tested = np.flatnonzero(fit.kept & (fit.areas > 1) & (horizons < -fit.arrays.anticipation))
    if fit.model is None or not len(tested):
        return None
    terms, arrays = fit.model.terms, fit.arrays
    tested = tested[np.argsort(horizons[tested])]
    rest = np.full(len(fit.column), True)
    rest[fit.column >= 0] = False
    rest[tested] = True
    without = replace(terms, group=_renumbered(fit.group, rest))
    null: Null
    if isinstance(fit.model, LinearFit):
        null = linear_null(arrays.y, without, arrays.units, arrays.weight)
    else:
        try:
            null = poisson_null(arrays.y, without, arrays.exposure, arrays.units)
        except EstimationError:
            return None
    terms = replace(terms, use=null.terms.use)
    weigh = regression_weights(terms, null.v, fit.column[tested], inverse_normal(terms, null.v))
    return before_start(horizons[tested], weigh, np.arange(len(arrays.areas)), null)


def on_reference(design: Design, reference: int | None, without: int) -> list[Note]:
    """Say where an event study is not measured from the last period before the start, or not in all areas.

    Parameters
    ----------
    design : Design
    reference : int or None
        Horizon that it is measured from; None where there is no event study.
    without : int
        Treated areas that are not known then.
    """
    wanted = -1 - design.anticipation
    if reference is None:
        return []
    notes: list[Note] = []
    if reference != wanted:
        text = (
            f"Event study: no treated area is known at horizon {wanted:+d}, so that every horizon is relative to "
            f"horizon {reference:+d}, the last before it that is known."
        )
        notes.append(ResultWarning("identification", text))
    if without:
        verb = "is" if without == 1 else "are"
        notes.append(
            f"Event study: {without:,} treated {plural('area', without)} {verb} not known at horizon {reference:+d}, "
            "which the others are measured from. They take part through their other horizons, as if effects by "
            "horizon were the same in all."
        )
    return notes


def tied_groups(terms: TwoWay, tied: Ints) -> Ints:
    """Return the places among the groups of coefficients that hang on which of several dependent columns is left out.

    Examples
    --------
    All areas start at once, so that horizons are periods:

    >>> use = np.ones((2, 3), dtype=bool)
    >>> group = np.array([[0, -1, 1], [0, -1, 1]])
    >>> terms = TwoWay(use, group=group)
    >>> tied_groups(terms, terms.normal(use.astype(float)).tied).tolist()
    [0, 1]
    """
    first = terms.n_period_terms
    return tied[(tied >= first) & (tied < first + terms.n_groups)] - first


def _renumbered(group: Ints, drop: Mask) -> Ints:
    """Return the groups numbered afresh without the dropped ones, whose cells join the reference."""
    number = np.where(drop, -1, np.cumsum(~drop) - 1)
    return np.append(number, -1)[group]

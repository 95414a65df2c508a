"""What a joint test needs that effects before the start are zero, where they are imputed from other cohorts' cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from svmodel.design import DesignArrays
from svmodel.design.covariates import split_covariates
from svmodel.errors import EstimationError
from svmodel.numerics.arrays import Floats, Mask
from svmodel.numerics.two_way import Normal, TwoWay
from svmodel.numerics.two_way.before_start import (
    Grouped,
    Null,
    before_start,
    inverse_of,
    linear_null,
    poisson_null,
    within_areas,
)


@dataclass(frozen=True, eq=False)
class ImputedBefore:
    """Cells before the start of one cohort, and the untreated cells of the others that they are imputed from.

    Attributes
    ----------
    before, others : ndarray of bool, shape (N, T)
    """

    before: Mask
    others: Mask


def before_test(arrays: DesignArrays, parts: Sequence[ImputedBefore], family: str) -> Grouped | None:
    """Return what a joint test needs that observed and imputed outcomes are alike before the start, or anticipation.

    Parameters
    ----------
    arrays : DesignArrays
    parts : sequence of ImputedBefore
        One for each cohort.
    family : {"poisson", "linear"}
        Whether effects are differences of the two by horizon, or the log of their ratio, taken here to first order.

    Returns
    -------
    Grouped or None
        Without effects of single areas; None where there is no other.
    """
    if not parts:
        return None
    slopes, moving, _ = split_covariates(arrays)
    everything = TwoWay(arrays.untreated, slopes, None, moving)
    null: Null
    try:
        if family == "linear":
            null = linear_null(arrays.y, everything, arrays.units, arrays.weight)
        else:
            null = poisson_null(arrays.y, everything, arrays.exposure, arrays.units)
    except EstimationError:
        return None
    v = null.v
    before = np.any([part.before for part in parts], axis=0) & (v > 0) & (arrays.horizon < -arrays.anticipation)
    horizons = np.unique(arrays.horizon[before])
    inside = [before & (arrays.horizon == h) for h in horizons]
    several = np.array([bool(m.any(axis=1).sum() > 1) for m in inside], dtype=bool)
    horizons, inside = horizons[several], [m for m, s in zip(inside, several, strict=True) if s]
    if not len(horizons):
        return None
    # every cell of a horizon alike, or by its expected count
    each = np.stack([m / v[m].sum() for m in inside])

    split = _Split(null, parts)

    def weigh(L: Floats) -> Floats:
        return split.weights(np.tensordot(L, each, axes=1))

    # an area's misses before the start sum to zero, so that one group of horizons follows from the others
    return before_start(horizons, weigh, np.arange(len(arrays.areas)), null, spare=1)


@dataclass(frozen=True, eq=False)
class _Split:
    """A model of untreated cells, and what is left of it without each cohort in turn."""

    null: Null
    parts: Sequence[ImputedBefore]

    @cached_property
    def normal(self) -> Normal:
        """The normal equations of all untreated cells."""
        return self.null.terms.normal(self.null.v)

    def weights(self, wanted: Floats) -> Floats:
        """Return the weights of residuals in weighted sums of misses, shape (R, N, T), from those of the misses.

        Misses are observed less imputed outcomes, about their area's mean before the start. They move with the
        coefficients that the other cohorts give. All areas but a cohort's own are in its model, so that what areas add
        through the models of all cohorts is worked out once, and an area's own cohort is taken off.
        """
        terms, v = self.null.terms, self.null.v
        out = np.zeros_like(wanted)
        through = np.zeros((len(wanted), terms.size))
        for part in self.parts:
            rows = np.flatnonzero(~part.others.any(axis=1) & (v > 0).any(axis=1))
            mine, own_v = terms.rows(rows), v[rows]
            own = within_areas(wanted[:, rows], np.where(part.before[rows], own_v, 0.0))
            moved = np.stack([mine.area_sums(own_v * one).sum(axis=0) for one in own])
            held = mine.normal(own_v)
            rest = Normal(self.normal.H - held.H, self.normal.raw - held.raw, self.normal.free)
            back = moved @ inverse_of(rest)
            through += back
            out[:, rows] += own + np.stack([within_areas(mine.index(theta), own_v) for theta in back])
        return out - np.stack([within_areas(terms.index(theta), v) for theta in through])

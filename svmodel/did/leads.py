"""What a joint test needs that effects before the start are zero, where they are imputed from other cohorts' cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from svmodel.design import DesignArrays
from svmodel.design.covariates import split_covariates
from svmodel.errors import EstimationError
from svmodel.numerics.arrays import Floats, Mask
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

    def weigh(L: Floats) -> Floats:
        wanted = np.tensordot(L, each, axes=1)
        out = np.zeros_like(wanted)
        for part in parts:
            out += _weights_of_part(wanted, part, null)
        return out

    # an area's misses before the start sum to zero, so that one group of horizons follows from the others
    return before_start(horizons, weigh, np.arange(len(arrays.areas)), null, spare=1)


def _weights_of_part(wanted: Floats, part: ImputedBefore, null: Null) -> Floats:
    """Return the weights of residuals in weighted sums of one cohort's misses, shape (R, N, T)."""
    terms, v = null.terms, null.v
    held = np.where(part.before, v, 0.0)
    total = held.sum(axis=1)
    level = np.divide((held * wanted).sum(axis=2), total, out=np.zeros(wanted.shape[:2]), where=total > 0)
    own = np.where(held > 0, wanted - level[:, :, None], 0.0)
    # misses move with the coefficients that the other cohorts give
    moved = np.stack([terms.area_sums(held * one).sum(axis=0) for one in own])
    use = part.others & (v > 0)
    rest = TwoWay(use, terms.slopes, None, terms.covariates)
    weights = np.where(use, v, 0.0)
    every = np.arange(terms.size)
    return np.asarray(own - regression_weights(rest, weights, every, inverse_normal(rest, weights))(moved))

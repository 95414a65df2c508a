"""Untreated areas as regressors of a treated series: the moves that all share, and those of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from svmodel.design import UNTREATED, DesignArrays
from svmodel.numerics.arrays import Floats, Ints
from svmodel.numerics.series import Series

#: Added to a count before its logarithm: the mean log of a Poisson count then lies within .003 of the log of its mean
#: down to a mean of 3; at 2 it lies .03 above it, and at 1 .17.
_HALF = 0.5


@dataclass(frozen=True, eq=False)
class Controls:
    """Regressors of one series; 0 in periods that it does not use.

    Attributes
    ----------
    common : ndarray, shape (T,), or None
        Log rate of the sum of all controls, about its mean before the start.
    own : ndarray, shape (P, T)
        Of each control, in standard deviations before the start, those that go closest with the series first.
    rows : ndarray of int, shape (P,)
        Area of each; -1 for a sum, -2 for a covariate of the design.
    areas : int
        Untreated areas that are used.
    left_out : int
        Untreated areas that are missing in some period used.
    """

    common: Floats | None
    own: Floats
    rows: Ints
    areas: int
    left_out: int


def _usable(arrays: DesignArrays, series: Series) -> tuple[Ints, Floats, int]:
    """Return the rows of areas untreated throughout and known wherever the series is used, and all exposures."""
    rows = np.flatnonzero((arrays.status == UNTREATED).all(axis=1))
    if not np.nan_to_num(arrays.y[rows][:, series.used], nan=1.0).any():
        # areas in which nothing ever happened foretell nothing
        rows = rows[:0]
    size = np.ones_like(arrays.y) if arrays.exposure is None else arrays.exposure
    use = series.used
    whole = (~np.isnan(arrays.y[rows]) & (size[rows] > 0))[:, use].all(axis=1)
    return rows[whole], size, int((~whole).sum())


def rate_controls(arrays: DesignArrays, series: Series, kind: str) -> Controls:
    """Return rates of untreated areas, or of their sum, and covariates, standardised by the periods before."""
    rows, size, left_out = _usable(arrays, series)
    if kind == "none":
        rows, left_out = rows[:0], 0
    areas = len(rows)
    if kind == "sum" and areas:
        rates = (arrays.y[rows].sum(axis=0) / size[rows].sum(axis=0))[None, :]
        rows = np.array([-1])
    else:
        rates = arrays.y[rows] / size[rows]
    rates = np.concatenate([rates, series.covariates.T])
    rows = np.concatenate([rows, np.full(series.covariates.shape[1], -2)])
    own, rows = _standard(rates, rows, series, series.rate)
    return Controls(None, own, rows, areas, left_out)


def log_controls(arrays: DesignArrays, series: Series, kind: str) -> Controls:
    """Return the log rate of the sum of untreated areas, and how each of them departs from it."""
    rows, size, left_out = _usable(arrays, series)
    use, before = series.used, series.before
    if kind == "none":
        rows, left_out = rows[:0], 0
    common = None
    departures = np.empty((0, len(use)))
    if len(rows):
        with np.errstate(invalid="ignore", divide="ignore"):
            each = np.log((arrays.y[rows] + _HALF) / size[rows])
            total = np.log((arrays.y[rows].sum(axis=0) + _HALF) / size[rows].sum(axis=0))
        common = np.where(use, total - total[before].mean(), 0.0)
        # one control is its own sum
        if kind == "untreated" and len(rows) > 1:
            departures = each - total
    own_rows = rows if len(departures) else rows[:0]
    values = np.concatenate([departures, series.covariates.T])
    own_rows = np.concatenate([own_rows, np.full(series.covariates.shape[1], -2)])
    with np.errstate(divide="ignore", invalid="ignore"):
        target = np.log((series.y + _HALF) / series.exposure)
    own, own_rows = _standard(values, own_rows, series, target)
    return Controls(common, own, own_rows, len(rows), left_out)


def _standard(values: Floats, rows: Ints, series: Series, target: Floats) -> tuple[Floats, Ints]:
    """Return regressors in standard deviations before the start, ordered by data so that names do not matter."""
    use, before = series.used, series.before
    kept, names = [], []
    for x, row in zip(values, rows, strict=True):
        spread = float(x[before].std(ddof=1))
        # the spread of a constant is rounding, not zero
        if np.isnan(x[use]).any() or not spread > 1e-12 * float(np.abs(x[before]).max()):
            continue
        kept.append(np.where(use, (x - x[before].mean()) / spread, 0.0))
        names.append(int(row))
    if not kept:
        return np.empty((0, len(use))), np.empty(0, dtype=np.int64)
    made, order_of = np.stack(kept), np.array(names)
    y = target[before]
    close = made[:, before] @ (y - y.mean())
    order = np.lexsort((*made[:, use].T[::-1], -np.abs(close)))
    return made[order], order_of[order]

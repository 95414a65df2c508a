"""Treated areas as a few time series: what methods that look at one series at a time start from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from svmodel import periods
from svmodel.design import TREATED, UNTREATED, Design, DesignArrays
from svmodel.numerics import series
from svmodel.numerics.series import Series
from svmodel.result.rule import FEW_CONTROLS

#: Share of zero cells from which donors are warned about, as linear models of counts are.
MANY_ZEROS = 1 / 3


def treated_series(arrays: DesignArrays, *, each: bool) -> list[Series]:
    """Return the treated areas as series: one an area, or one for all that share their start and their end.

    They come in the order of their starts, then of their size, then of their data, so that nothing hangs on the names
    of areas: small counts often add up to the same.
    """
    before, after = arrays.status == UNTREATED, arrays.status == TREATED
    parts = (arrays.y, arrays.exposure, arrays.covariates, arrays.start, before, after)
    return series.treated_series(*parts, each=each)


def sum_of(arrays: DesignArrays, rows: NDArray[np.int64], start: int, like: int | None = None) -> Series:
    """Return the sum of some areas as one series; `like` is the row whose periods count, by default the first."""
    status = arrays.status[rows[0] if like is None else like]
    parts = (arrays.y, arrays.exposure, arrays.covariates, rows, start)
    return series.sum_series(*parts, status == UNTREATED, status == TREATED)


def whole(arrays: DesignArrays, rows: NDArray[np.int64], series: Series) -> NDArray[np.int64]:
    """Return those of some areas that are known in every period of a series; all of them where none is.

    A sum is known only where all its areas are: a gap here and there would take most periods away.
    """
    size = np.ones_like(arrays.y[rows]) if arrays.exposure is None else arrays.exposure[rows]
    known = ~np.isnan(arrays.y[rows]) & ~np.isnan(size) & ~np.isnan(arrays.covariates[rows]).any(axis=2)
    kept = rows[known[:, series.used].all(axis=1)]
    return kept if len(kept) else rows


def control_rows(arrays: DesignArrays) -> NDArray[np.int64]:
    """Return the rows of areas that are untreated throughout."""
    return np.flatnonzero((arrays.status == UNTREATED).all(axis=1))


def few_others(n: int) -> list[str]:
    """Return a note where few untreated areas stand for what happened elsewhere."""
    if not 0 < n < FEW_CONTROLS:
        return []
    areas = "One untreated area stands" if n == 1 else f"Only {n} untreated areas stand"
    text = (
        f"{areas} for what happened elsewhere: what else befell {'it' if n == 1 else 'one of them'} passes for the "
        "effect, and is in no interval."
    )
    return [text]


def quiet_donors(design: Design, cells: NDArray[np.float64]) -> list[str]:
    """Return a note where many of the donors' known cells before the start are zero."""
    seen = cells[~np.isnan(cells)]
    share = float((seen == 0).mean()) if len(seen) else 0.0
    if not design.is_count or share <= MANY_ZEROS:
        return []
    word = periods.describe_frequency(design.view.periods)
    text = (
        f"{share:.0%} of the donors' area-{word}s before the start are zero: weights that match such counts follow "
        "chance, and differences between areas with next to none are no measure of what would have happened. Put areas "
        f"or {word}s together, or read a Poisson answer to the same question."
    )
    return [text]

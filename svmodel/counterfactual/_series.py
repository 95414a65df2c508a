"""Treated areas as a few time series: what methods that look at one series at a time start from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from svmodel import periods
from svmodel.design import TREATED, UNTREATED
from svmodel.inference.rule import FEW_CONTROLS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from svmodel.design import Design, DesignArrays

    Floats = NDArray[np.float64]

#: Share of zero cells from which donors are warned about, as linear models of counts are.
MANY_ZEROS = 1 / 3

__all__ = ["Series", "control_rows", "few_others", "quiet_donors", "sum_of", "treated_series", "whole"]


@dataclass(frozen=True, eq=False)
class Series:
    """One series of T periods: an area, or the sum of areas with the same start and end.

    Attributes
    ----------
    rows : ndarray of int
        Areas in it, as rows of the design's arrays.
    y, exposure : ndarray, shape (T,)
        Sums over the areas; NaN where one of them is missing. The exposure is 1 an area where the design has none.
    start : int
        Index of the first treated period.
    before, after : ndarray of bool, shape (T,)
        Known periods before the start (and before anticipation), and known treated ones.
    covariates : ndarray, shape (T, K)
        Means over the areas, weighted by exposure.
    lost : int
        Periods before or after that are left out because an area is missing in them.
    """

    rows: NDArray[np.int64]
    y: Floats
    exposure: Floats
    start: int
    before: NDArray[np.bool_]
    after: NDArray[np.bool_]
    covariates: Floats
    lost: int

    @property
    def used(self) -> NDArray[np.bool_]:
        """Periods that are known and before or after, shape (T,)."""
        return self.before | self.after

    @property
    def rate(self) -> Floats:
        """Events per unit of exposure, shape (T,)."""
        return self.y / np.where(self.exposure > 0, self.exposure, np.nan)


def treated_series(arrays: DesignArrays, *, each: bool) -> list[Series]:
    """Return the treated areas as series: one an area, or one for all that share their start and their end.

    They come in the order of their starts, then of their size, then of their data, so that nothing hangs on the names
    of areas: small counts often add up to the same.
    """
    treated = np.flatnonzero(arrays.treated.any(axis=1))
    groups: dict[bytes, list[int]] = {}
    for i in treated:
        key = i.tobytes() if each else arrays.status[i].tobytes()
        groups.setdefault(key, []).append(int(i))
    made = [sum_of(arrays, np.array(members), int(arrays.start[members[0]])) for members in groups.values()]

    def held(s: Series) -> tuple[object, ...]:
        y, exposure = (tuple(np.nan_to_num(v, nan=-1.0).tolist()) for v in (s.y, s.exposure))
        return s.start, int(s.after.sum()), float(np.nansum(s.y)), y, exposure

    return sorted(made, key=held)


def sum_of(arrays: DesignArrays, rows: NDArray[np.int64], start: int, like: int | None = None) -> Series:
    """Return the sum of some areas as one series; `like` is the row whose periods count, by default the first."""
    status = arrays.status[rows[0] if like is None else like]
    y = arrays.y[rows].sum(axis=0)
    size = np.ones_like(arrays.y[rows]) if arrays.exposure is None else arrays.exposure[rows]
    exposure = size.sum(axis=0)
    known = ~np.isnan(y) & (exposure > 0)
    before, after = status == UNTREATED, status == TREATED
    with np.errstate(invalid="ignore", divide="ignore"):
        covariates = (size[..., None] * arrays.covariates[rows]).sum(axis=0) / exposure[:, None]
    known &= ~np.isnan(covariates).any(axis=1)
    lost = int(((before | after) & ~known).sum())
    return Series(rows, y, exposure, start, before & known, after & known, covariates, lost)


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

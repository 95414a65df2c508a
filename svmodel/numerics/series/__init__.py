"""Some areas as a few time series: sums over areas whose periods before and after are the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from svmodel.numerics.arrays import Floats

if TYPE_CHECKING:
    Flags = NDArray[np.bool_]


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
    before: Flags
    after: Flags
    covariates: Floats
    lost: int

    @property
    def used(self) -> Flags:
        """Periods that are known and before or after, shape (T,)."""
        return self.before | self.after

    @property
    def rate(self) -> Floats:
        """Events per unit of exposure, shape (T,)."""
        return self.y / np.where(self.exposure > 0, self.exposure, np.nan)


def sum_series(
    y: Floats,
    exposure: Floats | None,
    covariates: Floats,
    rows: NDArray[np.int64],
    start: int,
    before: Flags,
    after: Flags,
) -> Series:
    """Return the sum of some areas as one series.

    Parameters
    ----------
    y, exposure : ndarray, shape (N, T)
    covariates : ndarray, shape (N, T, K)
    rows : ndarray of int
        The areas that are summed.
    start : int
    before, after : ndarray of bool, shape (T,)
        Periods that count as such, known or not.
    """
    total = y[rows].sum(axis=0)
    size = np.ones_like(y[rows]) if exposure is None else exposure[rows]
    people = size.sum(axis=0)
    known = ~np.isnan(total) & (people > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (size[..., None] * covariates[rows]).sum(axis=0) / people[:, None]
    known &= ~np.isnan(mean).any(axis=1)
    lost = int(((before | after) & ~known).sum())
    return Series(rows, total, people, start, before & known, after & known, mean, lost)


def treated_series(
    y: Floats,
    exposure: Floats | None,
    covariates: Floats,
    start: NDArray[np.int64],
    before: Flags,
    after: Flags,
    *,
    each: bool,
    least: int = 0,
) -> list[Series]:
    """Return the treated areas as series: one an area, or one for all that share their periods before and after.

    They come in the order of their starts, then of their size, then of their data, so that nothing hangs on the names
    of areas: small counts often add up to the same.

    Parameters
    ----------
    y, exposure : ndarray, shape (N, T)
    covariates : ndarray, shape (N, T, K)
    start : ndarray of int, shape (N,)
    before, after : ndarray of bool, shape (N, T)
        Periods that count as such, known or not.
    each : bool
        Whether each area is a series of its own.
    least : int
        Known periods before the start without which an area joins no sum of areas that have them: a sum is known only
        where all its areas are.
    """
    groups: dict[bytes, list[int]] = {}
    for i in np.flatnonzero((after & ~np.isnan(y)).any(axis=1)):
        key = i.tobytes() if each else before[i].tobytes() + after[i].tobytes()
        groups.setdefault(key, []).append(int(i))
    early = (before & ~np.isnan(y)).sum(axis=1)
    groups = {key: [i for i in members if early[i] >= least] or members for key, members in groups.items()}
    made = [
        sum_series(y, exposure, covariates, np.array(members), int(start[members[0]]), before[i], after[i])
        for members in groups.values()
        for i in members[:1]
    ]

    def held(s: Series) -> tuple[object, ...]:
        numbers, people = (tuple(np.nan_to_num(v, nan=-1.0).tolist()) for v in (s.y, s.exposure))
        return s.start, int(s.after.sum()), float(np.nansum(s.y)), numbers, people

    return sorted(made, key=held)

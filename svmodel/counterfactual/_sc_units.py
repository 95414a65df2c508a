"""What a synthetic control is made of: treated groups with their periods, and donors without gaps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from svmodel.counterfactual._sc_predictors import Predictor, values
from svmodel.design import TREATED, UNTREATED
from svmodel.errors import EstimationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from svmodel.design import DesignArrays

    Floats = NDArray[np.float64]
    Places = NDArray[np.int64]

__all__ = ["FEWEST_BLOCKS", "FEWEST_DONORS", "Layout", "Slot", "lay_out"]

#: With one or two donors there is nothing to weight, and no hull to lie in.
FEWEST_DONORS = 3
#: With two blocks before the start any three donors fit a line, and nothing is left to see a misfit with.
FEWEST_BLOCKS = 3


@dataclass(frozen=True, eq=False)
class Slot:
    """Treated areas that share starts and ends, and are matched as one.

    Attributes
    ----------
    rows : ndarray of int
        Of the treated areas.
    before, after : ndarray of int
        Periods before the start, and treated ones, in which all of them are known.
    exposure : ndarray, shape (T,)
        Of all of them together, per :data:`UNIT` of rate.
    """

    rows: Places
    before: Places
    after: Places
    exposure: Floats

    def blocks(self, series: Floats, weight: Floats, size: int) -> Floats:
        """Return rates over blocks of `size` periods, counted back from the start; shape (..., blocks)."""
        if size == 1:
            return np.asarray(series[..., self.before] / weight[..., self.before])
        used = self.before[len(self.before) % size :]
        shape = (*series.shape[:-1], len(used) // size, size)
        top, bottom = series[..., used].reshape(shape), weight[..., used].reshape(shape)
        return np.asarray(top.sum(axis=-1) / bottom.sum(axis=-1))


@dataclass(frozen=True, eq=False)
class Layout:
    """Everything that the fits need, in an order that does not depend on the areas' names.

    Attributes
    ----------
    y, exposure : ndarray, shape (N, T)
        Exposure is 1 where the design has none.
    slots : tuple of Slot
    donors : ndarray of int
        Rows, ordered by what they hold.
    dropped : ndarray of int
        Areas never treated that have gaps.
    left_out : ndarray of int
        Periods that most areas never treated lack.
    lost : ndarray of int
        Treated areas that no slot holds, because nothing of them is known before or after the start.
    predictors : tuple of Predictor
    top, bottom : ndarray, shape (S, N, K)
        Numerators and denominators of the predictors, slot by slot.
    """

    arrays: DesignArrays
    y: Floats
    exposure: Floats
    slots: tuple[Slot, ...]
    donors: Places
    dropped: Places
    left_out: Places
    lost: Places
    predictors: tuple[Predictor, ...]
    top: Floats
    bottom: Floats

    @cached_property
    def rates(self) -> Floats:
        """Outcome per unit of exposure, shape (N, T)."""
        return self.y / self.exposure

    @property
    def cells(self) -> int:
        """Treated area-periods in use."""
        return sum(len(s.rows) * len(s.after) for s in self.slots)


def lay_out(arrays: DesignArrays, *, pooled: bool, block: int, predictors: tuple[Predictor, ...]) -> Layout:
    """Find groups, periods and donors.

    Raises
    ------
    EstimationError
        If there are fewer than three donors, or no treated area is known before and after its start.
    """
    y = arrays.y
    exposure = np.ones_like(y) if arrays.exposure is None else np.where(arrays.exposure > 0, arrays.exposure, np.nan)
    known = ~np.isnan(y) & ~np.isnan(exposure)
    never = np.flatnonzero((arrays.status == UNTREATED).all(axis=1))
    if len(never) < FEWEST_DONORS:
        raise EstimationError(
            f"{len(never)} areas are never treated, and a synthetic control is made of {FEWEST_DONORS} or more. "
            "Widen the panel by areas that never had the intervention"
        )
    lacking = ~known[never]
    left_out = np.flatnonzero(2 * lacking.sum(axis=0) > len(never))
    usable = np.ones(y.shape[1], dtype=bool)
    usable[left_out] = False
    slots, lost = _slots(arrays, known, usable, exposure, pooled=pooled, block=block)
    if not slots:
        raise EstimationError(
            f"no treated area is known in {FEWEST_BLOCKS * block} or more periods before its start and in one after "
            "it, so there is nothing to match or to compare"
        )
    used = np.unique(np.concatenate([np.concatenate([s.before, s.after]) for s in slots]))
    gaps = lacking[:, used].any(axis=1)
    tops, bottoms = [], []
    for s in slots:
        top, bottom = values(arrays, predictors, s.before, exposure) if predictors else (np.empty((len(y), 0)),) * 2
        tops.append(top)
        bottoms.append(bottom)
        gaps |= np.isnan(top[never]).any(axis=1)
        if np.isnan(top[s.rows]).any():
            k = int(np.flatnonzero(np.isnan(top[s.rows]).any(axis=0))[0])
            raise EstimationError(f"the predictor {predictors[k].label} is not known in every treated area")
    donors = never[~gaps]
    if len(donors) < FEWEST_DONORS:
        raise EstimationError(
            f"of {len(never)} areas that are never treated only {len(donors)} are known in every period used, and a "
            f"synthetic control is made of {FEWEST_DONORS} or more. Shorten the window, or leave the gaps out"
        )
    held = np.column_stack([y[donors][:, used], exposure[donors][:, used], *(t[donors] for t in tops)])
    donors = donors[np.lexsort(held.T[::-1])]
    return Layout(
        arrays,
        y,
        exposure,
        slots,
        donors,
        never[gaps],
        left_out,
        lost,
        predictors,
        np.stack(tops),
        np.stack(bottoms),
    )


def _slots(
    arrays: DesignArrays,
    known: NDArray[np.bool_],
    usable: NDArray[np.bool_],
    exposure: Floats,
    *,
    pooled: bool,
    block: int,
) -> tuple[tuple[Slot, ...], Places]:
    """Return the groups, ordered by start and by what they hold, and treated areas that none of them holds."""
    treated = np.flatnonzero((arrays.status == TREATED).any(axis=1))
    time = np.arange(len(arrays.periods))
    early = (arrays.status == UNTREATED) & (time < arrays.start[:, None]) & known & usable
    late = (arrays.status == TREATED) & known & usable
    fine = (early[treated].sum(axis=1) >= FEWEST_BLOCKS * block) & late[treated].any(axis=1)
    lost, treated = treated[~fine], treated[fine]
    order = np.lexsort((*np.nan_to_num(arrays.y[treated], nan=-1.0).T[::-1], arrays.start[treated]))
    groups: dict[bytes, list[int]] = {}
    for i in treated[order]:
        key = arrays.status[i].tobytes() if pooled else int(i).to_bytes(8, "big")
        groups.setdefault(key, []).append(int(i))
    slots = []
    for members in groups.values():
        rows = np.array(members)
        before, after = np.flatnonzero(early[rows].all(axis=0)), np.flatnonzero(late[rows].all(axis=0))
        if len(before) >= FEWEST_BLOCKS * block and len(after):
            slots.append(Slot(rows, before, after, exposure[rows].sum(axis=0)))
        else:
            lost = np.concatenate([lost, rows])
    return tuple(slots), np.sort(lost)

"""The designs that look for spillover: rings taken for treated, and treated areas with clean controls."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from svmodel.design import NEVER, Design, DesignArrays
from svmodel.numerics.arrays import Ints, Mask


@dataclass(frozen=True, eq=False)
class Surroundings:
    """The rings around treated areas.

    Attributes
    ----------
    ring : ndarray of int, shape (N,)
        0 treated, 1, 2, ... by borders to the nearest treated area; -1 where none can be reached.
    start, end : ndarray of int, shape (N,)
        First start among the nearest treated areas, and the last of their ends (NEVER where one goes on), as indices
        of periods.
    n_rings : int
        Rings that are looked at.
    clean : ndarray of bool, shape (N,)
        Never treated areas beyond these rings.
    """

    ring: Ints
    start: Ints
    end: Ints
    n_rings: int
    clean: Mask

    def size(self, ring: int) -> int:
        """Return the number of areas in a ring."""
        return int((self.ring == ring).sum())


def surroundings(arrays: DesignArrays, borders: Mask, ring: Ints, *, most: int, fewest: int) -> Surroundings | None:
    """Return the rings, as many as leave `fewest` areas beyond them; None where the first does not.

    A second ring and more are set apart only where as many areas are left as the first ring has: the effect on the
    first is the one that decides, and controls are its precision.

    Starts are handed on from ring to ring: an area has the first start among its neighbours in the ring before.
    """
    T = len(arrays.periods)
    start = np.where(ring == 0, arrays.start, NEVER)
    ended = (arrays.status == 2) & (np.arange(T)[None, :] >= arrays.start[:, None])
    end = np.where(ring == 0, np.where(ended.any(axis=1), ended.argmax(axis=1) - 1, NEVER), -1)
    for k in range(1, int(ring.max()) + 1):
        for i in np.flatnonzero(ring == k):
            inner = borders[i] & (ring == k - 1)
            start[i], end[i] = start[inner].min(), end[inner].max()
    enough = [0, fewest, *[max(fewest, int((ring == 1).sum()))] * max(most, 1)]
    looked_at = [k for k in range(1, min(most, int(ring.max())) + 1) if _beyond(ring, k).sum() >= enough[k]]
    if not looked_at:
        return None
    return Surroundings(ring, start, end, max(looked_at), _beyond(ring, max(looked_at)))


def ring_design(design: Design, around: Surroundings, ring: int) -> Design:
    """Return the design in which a ring is treated, with the areas beyond all rings as controls."""
    arrays = design.arrays
    chosen = around.ring == ring
    held = {arrays.areas[i]: arrays.periods[int(around.start[i])] for i in np.flatnonzero(chosen)}
    ends = {
        arrays.areas[i]: arrays.periods[int(around.end[i])]
        for i in np.flatnonzero(chosen & (around.end < len(arrays.periods)))
    }
    name = f"{design.intervention.name}, ring {ring} around it"
    moved = replace(design.intervention, name=name, starts=held, ends=ends, cost=None)
    return _among(replace(design, intervention=moved), chosen | around.clean)


def clean_design(design: Design, around: Surroundings) -> Design:
    """Return the design without the rings."""
    return _among(design, (around.ring == 0) | around.clean)


def _beyond(ring: Ints, k: int) -> Mask:
    return (ring > k) | (ring < 0)


def _among(design: Design, rows: Mask) -> Design:
    areas = [a for a, there in zip(design.view.areas, rows, strict=True) if there]
    kept = set(areas)
    told = design.intervention
    starts = {a: p for a, p in told.starts.items() if a in kept}
    ends = {a: p for a, p in (told.ends or {}).items() if a in kept}
    return replace(design, panel=design.panel.select(areas=areas), intervention=replace(told, starts=starts, ends=ends))

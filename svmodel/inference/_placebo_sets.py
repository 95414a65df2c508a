"""The sets of never treated areas that are given the treated areas' dates."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from svmodel.design import Design, Intervention
from svmodel.inference._assignments import canonical_order
from svmodel.numerics.permutations import count_assignments, every_assignment, sample_assignments
from svmodel.seeds import derive_seed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from svmodel.design import DesignArrays

    Ints = NDArray[np.int64]

__all__ = ["Sets", "given_dates"]


class Sets:
    """The sets of never treated areas that the treated areas' dates can be given to."""

    def __init__(self, arrays: DesignArrays, treated: Ints, controls: Ints) -> None:
        pattern = np.column_stack([arrays.start, arrays.status])
        _, kind = np.unique(pattern, axis=0, return_inverse=True)
        kind = kind.ravel()
        self.treated = treated[np.argsort(kind[treated], kind="stable")]
        self._kind = kind[self.treated]
        self.controls = controls[canonical_order(arrays.take(controls), np.zeros(len(controls), dtype=np.int64))]

    @cached_property
    def _labels(self) -> Ints:
        free = np.full(len(self.controls) - len(self.treated), -1, dtype=np.int64)
        return np.concatenate([free, self._kind])

    @cached_property
    def total(self) -> int:
        return count_assignments(self._labels, np.zeros_like(self._labels))

    def chosen(self, draws: int, seed: int, most: int) -> Iterator[Ints]:
        """Give the rows of each set, in the order of `treated`: all where no more than `most` or `draws` exist."""
        one = np.zeros_like(self._labels)
        if self.total <= max(most, draws):
            dealt: Iterator[Ints] = every_assignment(self._labels, one)
        else:
            rng = np.random.default_rng(derive_seed(seed, "in-space placebos"))
            first = rng.permutation(self._labels)  # drawn too, so that no set is left out of the lot
            dealt = iter([first, *sample_assignments(first, one, draws - 1, rng)])
        for labels in dealt:
            placed = np.flatnonzero(labels >= 0)
            yield self.controls[placed[np.argsort(labels[placed], kind="stable")]]


def given_dates(design: Design, sets: Sets, mine: Ints) -> Design:
    """Return the design among never treated areas in which those of `mine` have the treated areas' dates."""
    areas, told = design.view.areas, design.intervention
    held = [
        {areas[int(c)]: given[areas[int(t)]] for c, t in zip(mine, sets.treated, strict=True) if areas[int(t)] in given}
        for given in (told.starts, told.ends or {})
    ]
    panel = design.view.select(areas=[areas[int(c)] for c in sets.controls])
    return replace(design, panel=panel, window=None, intervention=Intervention(told.name, held[0], held[1]))

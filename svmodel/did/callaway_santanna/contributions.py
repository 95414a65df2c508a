"""What each area adds to the error of each cell, held by cohort: most areas take no part in most cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.cluster.membership import Clusters


@dataclass(frozen=True, eq=False)
class Part:
    """Areas that are all treated, or all controls, in some cells.

    Attributes
    ----------
    rows : ndarray of int, shape (n,)
        Areas.
    cells : ndarray of int, shape (k,)
    treated : bool
        Whether the areas are the cells' own cohort; else they are controls.
    share : ndarray, shape (k, n)
        What each area adds to the error of each cell: the influence function over the number of areas.
    present : ndarray of bool, shape (k, n), or None
        Areas that a cell rests on; None where every cell rests on all.
    """

    rows: Ints
    cells: Ints
    treated: bool
    share: Floats
    present: Mask | None = None

    def of(self, place: Ints) -> Part:
        """Return the part of cells that have a new place, which is -1 for those left out."""
        keep = place[self.cells] >= 0
        present = None if self.present is None else self.present[keep]
        return replace(self, cells=place[self.cells[keep]], share=self.share[keep], present=present)

    def summed(self, values: Floats) -> Floats:
        """Sum `values`, shape (K, A), over the cells that rest on each area, shape (n, A) or (1, A) if all alike."""
        own = values[self.cells]
        return own.sum(axis=0, keepdims=True) if self.present is None else self.present.T.astype(np.float64) @ own


@dataclass(frozen=True, eq=False)
class Contributions:
    """Contributions of N areas in G clusters to K cells; an area that stands in no part of a cell adds nothing to it.

    Attributes
    ----------
    units : Clusters
        Of the areas.
    weight : ndarray, shape (N,), or None
        Of the areas, where they do not count alike.
    chosen : ndarray of int, shape (K,)
        Places of the cells among those that were planned.
    make : callable
        From `chosen` to the parts, called when they are first needed: the estimates alone need none.
    """

    units: Clusters
    chosen: Ints
    make: Callable[[Ints], tuple[Part, ...]]
    weight: Floats | None = None

    @staticmethod
    def held(units: Clusters, cells: int, parts: tuple[Part, ...]) -> Contributions:
        """Return contributions whose parts are there already."""

        def of(chosen: Ints) -> tuple[Part, ...]:
            if len(chosen) == cells:
                return parts
            place = np.full(cells, -1, dtype=np.int64)
            place[chosen] = np.arange(len(chosen))
            return tuple(part.of(place) for part in parts)

        return Contributions(units, np.arange(cells), of)

    @property
    def areas(self) -> int:
        """N."""
        return len(self.units.label)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Areas by cohort, with the cells that they take part in."""
        return self.make(self.chosen)

    def take(self, keep: Mask) -> Contributions:
        """Return those of the cells where `keep` is true."""
        return Contributions(self.units, self.chosen[keep], self.make, self.weight)

    def weighted(self, weights: Floats) -> Floats:
        """Return what each cluster adds to sums of cells with `weights`, shape (K, A), as an array (G, A)."""
        from scipy.sparse import csr_array  # loads for a while, and the estimates alone need none of it

        # a cell stands in few of the averages of a term
        few = csr_array(weights)
        out = np.zeros((self.areas, weights.shape[1]))
        for part in self.parts:
            out[part.rows] += (few[part.cells].T @ part.share).T
        return self.units.sums(out)

    def summed(self, values: Floats, *, treated: bool = True) -> Floats:
        """Sum `values`, shape (K, A), over the cells that rest on each area as treated, or as control; (N, A).

        They count by the area's weight, where areas have one.
        """
        out = np.zeros((self.areas, values.shape[1]))
        for part in self.parts:
            if part.treated is treated:
                own = part.summed(values)
                out[part.rows] += own if self.weight is None else own * self.weight[part.rows, None]
        return out

    def added(self, values: Floats, *, treated: bool = True) -> Floats:
        """Return :meth:`summed` of the areas of each cluster, shape (G, A)."""
        return self.units.sums(self.summed(values, treated=treated))

    def columns(self, rows: Mask) -> Floats:
        """Return the contributions to the cells `rows` as one array, shape (G, number of rows)."""
        place = np.full(len(rows), -1, dtype=np.int64)
        place[rows] = np.arange(int(rows.sum()))
        out = np.zeros((self.areas, int(rows.sum())))
        for part in self.parts:
            inside = part.of(place)
            out[np.ix_(inside.rows, inside.cells)] += inside.share.T
        return self.units.sums(out)

    @cached_property
    def variances(self) -> Floats:
        """The sum of squares of each cell, shape (K,)."""
        if not self.units.single:
            return np.square(self.columns(np.ones(len(self.chosen), dtype=bool))).sum(axis=0)
        out = np.zeros(len(self.chosen))
        for part in self.parts:
            out[part.cells] += np.einsum("kn,kn->k", part.share, part.share)
        return out

    def drawn(self, draws: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the sum of contributions times multipliers, shape (K, B), for draws of shape (B, N)."""
        out = np.zeros((len(self.chosen), len(draws)), dtype=np.float32)
        by_area = draws.T
        for part in self.parts:
            out[part.cells] += part.share.astype(np.float32) @ by_area[part.rows]
        return out

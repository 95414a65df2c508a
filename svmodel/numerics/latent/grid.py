"""How a latent field enters the cells of a grid of areas and periods."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from svmodel.numerics.arrays import Floats

if TYPE_CHECKING:
    from scipy import sparse


@dataclass(frozen=True, eq=False)
class Entry:
    """How one block enters: cell (i, t) has ``value[i, t] * effect[index[i, t]]``.

    Attributes
    ----------
    size : int
        Effects of the block.
    index : ndarray of int
        Broadcasts to (N, T); -1 where none of the block's effects enters.
    value : ndarray, optional
        Broadcasts to (N, T); 1 where None.
    """

    size: int
    index: NDArray[np.int64]
    value: Floats | None = None


@dataclass(frozen=True, eq=False)
class LatentGrid:
    """The linear map from p effects to the n cells that are known, and what Newton's method asks of it.

    Attributes
    ----------
    entries : sequence of Entry
        Effects of the blocks stand end to end.
    known : ndarray of bool, shape (N, T)
        Cells are taken row by row.
    """

    entries: Sequence[Entry]
    known: NDArray[np.bool_]

    @cached_property
    def size(self) -> int:
        """Number of effects, p."""
        return sum(e.size for e in self.entries)

    @cached_property
    def blocks(self) -> tuple[slice, ...]:
        """Where each block stands in the field."""
        ends = np.cumsum([0, *(e.size for e in self.entries)])
        return tuple(slice(int(a), int(b)) for a, b in itertools.pairwise(ends))

    @cached_property
    def _cells(self) -> list[tuple[NDArray[np.int64], Floats]]:
        """For each block, the effect in every known cell (-1 for none) and its multiplier."""
        shape, out = self.known.shape, []
        for entry, block in zip(self.entries, self.blocks, strict=True):
            index = np.broadcast_to(entry.index, shape)[self.known]
            value = np.ones(len(index)) if entry.value is None else np.broadcast_to(entry.value, shape)[self.known]
            live = (index >= 0) & (value != 0)
            out.append((np.where(live, index + block.start, -1), np.where(live, value, 0.0)))
        return out

    @cached_property
    def matrix(self) -> sparse.csr_array:
        """The map, shape (n, p)."""
        from scipy import sparse

        rows, columns, values = [], [], []
        for index, value in self._cells:
            live = np.flatnonzero(index >= 0)
            rows.append(live)
            columns.append(index[live])
            values.append(value[live])
        n = int(self.known.sum())
        made = sparse.coo_array(
            (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(n, self.size)
        )
        return made.tocsr()

    @cached_property
    def _transposed(self) -> sparse.csr_array:
        return self.matrix.T.tocsr()

    @cached_property
    def _pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64], sparse.csr_array]:
        """Return the pairs of effects that meet in some cell, and the products of their multipliers, (pairs, n)."""
        from scipy import sparse

        keys, cells, products = [], [], []
        for b, (index, value) in enumerate(self._cells):
            for other, second in self._cells[: b + 1]:
                live = np.flatnonzero((index >= 0) & (other >= 0))
                # the lower triangle: blocks stand end to end
                keys.append(index[live] * self.size + other[live])
                cells.append(live)
                products.append(value[live] * second[live])
        pair, place = np.unique(np.concatenate(keys), return_inverse=True)
        made = sparse.coo_array(
            (np.concatenate(products), (place, np.concatenate(cells))), shape=(len(pair), int(self.known.sum()))
        )
        return pair // self.size, pair % self.size, made.tocsr()

    @cached_property
    def _flat(self) -> NDArray[np.int64]:
        row, column, _ = self._pairs
        return np.asarray(row * self.size + column)

    def predictor(self, effects: Floats) -> Floats:
        """Return the linear predictor of the known cells, shape (n,) or (S, n), without the offset."""
        return np.asarray(self.matrix @ effects if effects.ndim == 1 else (self.matrix @ effects.T).T)

    def back(self, score: Floats) -> Floats:
        """Return the score by the effects of a score by the cells, shape (p,)."""
        return np.asarray(self._transposed @ score)

    def add_gram(self, into: Floats, weight: Floats) -> None:
        """Add ``A' diag(weight) A`` to the lower triangle of a (p, p) matrix."""
        into.reshape(-1)[self._flat] += self._pairs[2] @ weight

    @cached_property
    def _both(self) -> tuple[NDArray[np.int64], sparse.csc_array]:
        """Return where the entries of ``A'WA``, both triangles, are found among the pairs, and their pattern."""
        from scipy import sparse

        row, column, _ = self._pairs
        off = np.flatnonzero(row != column)
        rows, columns = np.concatenate([row, column[off]]), np.concatenate([column, row[off]])
        source = np.concatenate([np.arange(len(row)), off])
        order = np.lexsort((rows, columns))
        ends = np.searchsorted(columns[order], np.arange(self.size + 1))
        pattern = sparse.csc_array((np.zeros(len(order)), rows[order], ends), shape=(self.size, self.size))
        return source[order], pattern

    def gram(self, weight: Floats) -> sparse.csc_array:
        """Return ``A' diag(weight) A`` as a sparse matrix."""
        from scipy import sparse

        source, pattern = self._both
        values = (self._pairs[2] @ weight)[source]
        return sparse.csc_array((values, pattern.indices, pattern.indptr), shape=pattern.shape)

    @cached_property
    def _doubled(self) -> sparse.csr_array:
        """The products, those of two different effects twice, shape (n, pairs)."""
        from scipy import sparse

        row, column, products = self._pairs
        return (sparse.diags_array(np.where(row == column, 1.0, 2.0)) @ products).T.tocsr()

    def variance(self, covariance: Floats) -> Floats:
        """Return the variance of each cell's predictor, shape (n,); of `covariance` the lower triangle is read."""
        return np.asarray(self._doubled @ covariance.reshape(-1)[self._flat])

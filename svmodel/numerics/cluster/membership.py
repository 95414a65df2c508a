"""Which areas share a cluster, and what areas add to errors summed over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.cluster import SmallSample, small_sample

#: Clusters of which some areas share one fitted mean and some another.
_MIXED = -3


@dataclass(frozen=True, eq=False)
class Clusters:
    """N areas in G clusters, within which noise may be shared and between which it may not.

    Attributes
    ----------
    label : ndarray of int, shape (N,)
        Cluster of each area, 0 to G - 1.
    by : str
        What they were made from: ``area``, ``parent``, or the name of a column or of something given.
    asked : bool
        Whether the user asked for them; else the rule chose.
    names : tuple of str
        Of the clusters; empty where they have none.

    Examples
    --------
    >>> wards = Clusters(np.array([0, 0, 1]), "parent")
    >>> wards.n, wards.sums(np.array([1.0, 2.0, 4.0])).tolist(), wards.count(np.array([True, True, False]))
    (2, [3.0, 4.0], 1)
    """

    label: Ints
    by: str = "area"
    asked: bool = False
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, names: Sequence[object], by: str, *, asked: bool) -> Clusters:
        """Return the clusters that areas of one name share, numbered as their first area comes."""
        seen: dict[object, int] = {}
        label = np.array([seen.setdefault(name, len(seen)) for name in names], dtype=np.int64)
        return cls(label, by, asked, tuple(str(name) for name in seen))

    @classmethod
    def singles(cls, size: int, *, asked: bool = False) -> Clusters:
        """Return `size` areas, each a cluster of its own."""
        return cls(np.arange(size), "area", asked)

    @cached_property
    def n(self) -> int:
        """Number of clusters."""
        return int(self.label.max(initial=-1)) + 1

    @property
    def single(self) -> bool:
        """Whether every area is a cluster of its own."""
        return self.n == len(self.label)

    @cached_property
    def rows(self) -> tuple[Ints, ...]:
        """Areas of each cluster."""
        order = np.argsort(self.label, kind="stable")
        return tuple(np.split(order, np.cumsum(np.bincount(self.label, minlength=self.n))[:-1]))

    @cached_property
    def first(self) -> Ints:
        """The first area of each cluster, shape (G,)."""
        return np.unique(self.label, return_index=True)[1].astype(np.int64)

    def sums(self, values: Floats) -> Floats:
        """Return sums over the areas of each cluster, shape (G, ...), of values of shape (N, ...)."""
        if self.single:
            return values
        out = np.zeros((self.n, *values.shape[1:]))
        np.add.at(out, self.label, values)
        return out

    def some(self, which: Any) -> Mask:
        """Return where any area of a cluster is, shape (G, ...)."""
        return np.asarray(self.sums(which.astype(np.float64)) > 0)

    def count(self, which: Any) -> int:
        """Return how many clusters some areas are of; `which` holds rows, or a mask of shape (N,)."""
        return len(np.unique(self.label[which]))

    def alike(self, *columns: Any) -> bool:
        """Return whether the areas of each cluster have the same rows in all columns of shape (N, ...)."""
        return all(bool((c == c[self.first][self.label]).all()) for c in columns)

    def pools(self, group: Ints, live: Any = None) -> Ints:
        """Return the group of each cluster, shape (G,), from those of its areas; clusters of several are one of theirs.

        Parameters
        ----------
        group : ndarray of int, shape (N,)
        live : ndarray of bool, shape (N,), optional
            Areas that count; a cluster without any takes the group of its first.
        """
        if self.single:
            return group
        live = np.ones(len(group), dtype=bool) if live is None else live
        out = group[self.first]
        for k, rows in enumerate(self.rows):
            held = np.unique(group[rows[live[rows]]])
            if len(held):
                out[k] = held[0] if len(held) == 1 else _MIXED
        return out

    def small(self, influence: Floats, group: Ints, size: Floats | None = None, *, factor: float = 1.0) -> SmallSample:
        """Return :func:`svmodel.numerics.cluster.small_sample` of what clusters add, from what their areas add."""
        live = (influence if influence.ndim == 1 else np.abs(influence).sum(axis=1)) != 0
        sizes = None if size is None else self.sums(size)
        return small_sample(self.sums(influence), self.pools(group, live), sizes, factor=factor)

    def take(self, rows: Ints) -> Clusters:
        """Return the clusters of some areas, in this order; an area taken again is in a copy of its cluster."""
        if self.single:
            return Clusters(np.arange(len(rows)), self.by, self.asked)
        copy = np.zeros(len(rows), dtype=np.int64)
        order = np.argsort(rows, kind="stable")
        held = rows[order]
        if len(held):
            new = np.append(True, held[1:] != held[:-1])
            copy[order] = np.arange(len(held)) - np.flatnonzero(new)[np.cumsum(new) - 1]
        pairs = list(zip(self.label[rows].tolist(), copy.tolist(), strict=True))
        return Clusters.of(pairs, self.by, asked=self.asked)

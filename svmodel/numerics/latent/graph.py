"""Borders between areas as an intrinsic Gaussian field, scaled in every connected part of the map."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from svmodel.numerics.arrays import Floats

if TYPE_CHECKING:
    from scipy import sparse


@dataclass(frozen=True, eq=False)
class BorderGraph:
    """A field phi over areas whose differences across borders are ``N(0, 1 / c)``, with ``c`` for each connected part.

    The field of a connected part is about zero, and c makes the geometric mean of its marginal variances 1: the
    generalised variance of Sorbye and Rue (2014), *Spatial Statistics* 8, 39-51, equation 6; for several parts
    Freni-Sterrantino, Ventrucci and Rue (2018), *Spatial and Spatio-temporal Epidemiology* 26, 25-34, section 3. An
    area without a neighbour has ``phi ~ N(0, 1)``.

    Attributes
    ----------
    size : int
        Areas.
    pairs : ndarray of int, shape (borders, 2)
        Each border once.
    """

    size: int
    pairs: NDArray[np.int64]

    @cached_property
    def parts(self) -> tuple[NDArray[np.int64], ...]:
        """The areas of each connected part of the map, those without a neighbour left out."""
        from scipy import sparse
        from scipy.sparse import csgraph

        ones = np.ones(len(self.pairs))
        links = sparse.coo_array((ones, (self.pairs[:, 0], self.pairs[:, 1])), shape=(self.size, self.size))
        _, label = csgraph.connected_components(links.tocsr(), directed=False)
        order = np.argsort(label, kind="stable")
        found = np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
        return tuple(part for part in found if len(part) > 1)

    @cached_property
    def islands(self) -> NDArray[np.int64]:
        """Areas without a neighbour."""
        alone = np.ones(self.size, dtype=bool)
        alone[self.pairs.ravel()] = False
        return np.flatnonzero(alone)

    def laplacian(self, part: NDArray[np.int64]) -> Floats:
        """Return the number of neighbours less the borders of some areas: the precision of phi, not yet scaled."""
        place = np.full(self.size, -1)
        place[part] = np.arange(len(part))
        ends = place[self.pairs]
        first, second = ends[(ends >= 0).all(axis=1)].T
        R = np.zeros((len(part), len(part)))
        R[first, second] = R[second, first] = -1.0
        np.fill_diagonal(R, -R.sum(axis=1))
        return R

    @cached_property
    def scales(self) -> tuple[float, ...]:
        """The geometric mean of the marginal variances of each part before it is scaled: c above."""
        from scipy.linalg import lapack

        out = []
        for part in self.parts:
            n = len(part)
            # R + 11'/n has the inverse R^- + 11'/n: no spectrum is needed
            factor, _ = lapack.dpotrf(self.laplacian(part) + 1 / n, lower=1, overwrite_a=1)
            inverse, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
            out.append(float(np.exp(np.log(np.diag(inverse) - 1 / n).mean())))
        return tuple(out)

    @cached_property
    def spectrum(self) -> tuple[Floats, Floats]:
        """Eigenvectors of the covariance of phi, shape (size, size), and its variances, part by part."""
        vectors, variances = np.zeros((self.size, self.size)), np.ones(self.size)
        done = len(self.islands)
        vectors[self.islands, np.arange(done)] = 1.0
        for part, scale in zip(self.parts, self.scales, strict=True):
            n = len(part)
            value, vector = np.linalg.eigh(self.laplacian(part))
            # a connected part has one level, and eigenvalues come in order
            vector[:, 0] = n**-0.5
            vectors[np.ix_(part, np.arange(done, done + n))] = vector
            variances[done : done + n] = np.concatenate([[0.0], 1 / (scale * value[1:])])
            done += n
        return vectors, variances

    @cached_property
    def root(self) -> sparse.csr_array:
        """A matrix D with ``D'D`` the precision of phi: a row for every border, and for every island."""
        from scipy import sparse

        scale = np.ones(self.size)
        for part, c in zip(self.parts, self.scales, strict=True):
            scale[part] = c
        m, k = len(self.pairs), len(self.islands)
        weight = np.sqrt(scale[self.pairs[:, 0]])
        rows = np.concatenate([np.arange(m), np.arange(m), m + np.arange(k)])
        columns = np.concatenate([self.pairs[:, 0], self.pairs[:, 1], self.islands])
        values = np.concatenate([weight, -weight, np.ones(k)])
        return sparse.coo_array((values, (rows, columns)), shape=(m + k, self.size)).tocsr()

    @cached_property
    def levels(self) -> sparse.csr_array:
        """A row for every connected part, of unit length: the levels that the borders say nothing of."""
        from scipy import sparse

        rows = np.concatenate([np.full(len(p), i) for i, p in enumerate(self.parts)] or [np.empty(0, dtype=int)])
        columns = np.concatenate([*self.parts, np.empty(0, dtype=int)])
        values = np.concatenate([np.full(len(p), len(p) ** -0.5) for p in self.parts] or [np.empty(0)])
        return sparse.coo_array((values, (rows, columns)), shape=(len(self.parts), self.size)).tocsr()

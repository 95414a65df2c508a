"""A field's precision where it is large: sparse, factorised in an order that keeps it so.

A map of thousands of areas is tied together by its borders only. In the form ``(b, phi)`` of Riebler and others (2016),
section 3.3, the precision of area effects has as many entries as there are borders and areas. What would fill it, sums
that are held at zero, stands apart as ``V'V`` with a row for each sum, and enters solutions and the determinant by the
formula of Sherman, Morrison and Woodbury (Rue and Held 2005, section 2.3.3 for the same by kriging).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from svmodel.numerics.arrays import Floats
from svmodel.numerics.latent.factors import ModeError
from svmodel.numerics.latent.grid import LatentGrid
from svmodel.numerics.latent.priors import HyperPrior
from svmodel.numerics.latent.structures import BYM2, HELD, CellEffects, Fixed, Independent, Structure

if TYPE_CHECKING:
    from scipy import sparse


#: Draws that are held at once.
_BATCH = 64
#: Draws from which the variances of cells' predictors are told: to an eighth, of what is itself a small correction.
_FEWEST = 128


class Root(NamedTuple):
    """A precision as ``R'R + V'V``, R sparse and V of a few rows that fill it."""

    R: sparse.csr_array
    V: sparse.csr_array
    log_determinant: float


@dataclass(frozen=True, eq=False)
class OpenBYM2:
    """Area effects b and, behind them, the field phi that follows borders: the form whose precision is sparse."""

    closed: BYM2

    @property
    def size(self) -> int:
        """Twice the number of areas."""
        return 2 * self.closed.size

    @property
    def mean(self) -> float:
        """Zero."""
        return self.closed.mean

    @property
    def hypers(self) -> dict[str, HyperPrior]:
        """Those of the effects."""
        return self.closed.hypers

    def root(self, hyper: Mapping[str, float]) -> Root:
        """Return rows for b given phi, ``(b - sd rho^(1/2) phi) / (sd (1 - rho)^(1/2))``, and for phi."""
        from scipy import sparse

        graph, n = self.closed.graph, self.closed.size
        sd, rho = hyper[self.closed.name], hyper[self.closed.rho_name]
        own = sd * math.sqrt(max(1 - rho, 1e-8))
        eye = sparse.eye_array(n, format="csr")
        given = sparse.hstack([eye / own, eye * (-sd * math.sqrt(rho) / own)])
        field = sparse.hstack([sparse.csr_array((graph.root.shape[0], n)), graph.root])
        held = sparse.hstack([sparse.csr_array((graph.levels.shape[0], n)), graph.levels * math.sqrt(HELD)])
        return Root(sparse.vstack([given, field]).tocsr(), held.tocsr(), -2 * n * math.log(own))

    def precision(self, hyper: Mapping[str, float]) -> tuple[Floats, float]:
        """Return the precision as a whole matrix."""
        R, V, determinant = self.root(hyper)
        return (R.T @ R + V.T @ V).toarray(), determinant

    def draw(self, hyper: Mapping[str, float], rng: np.random.Generator) -> Floats:
        """Refuse: draws are those of the closed form."""
        raise NotImplementedError


def opened(structure: Structure) -> Structure:
    """Return a structure in the form whose precision is sparse; the effects in question come first in it."""
    return OpenBYM2(structure) if isinstance(structure, BYM2) else structure


def _root(structure: Structure, hyper: Mapping[str, float]) -> Root:
    """Return a structure's precision as a sparse root."""
    from scipy import sparse

    n = structure.size
    none = sparse.csr_array((0, n))
    if isinstance(structure, OpenBYM2):
        return structure.root(hyper)
    if isinstance(structure, Fixed):
        return Root(sparse.eye_array(n, format="csr") / structure.sd, none, 0.0)
    if isinstance(structure, Independent) and not isinstance(structure, CellEffects):
        sd = hyper[structure.name]
        level = sparse.csr_array(np.full((1, n), math.sqrt(HELD / n))) if structure.zero_sum else none
        return Root(sparse.eye_array(n, format="csr") / sd, level, -2 * (n - structure.zero_sum) * math.log(sd))
    # walks over periods and seasons are short
    Q, determinant = structure.precision(hyper)
    return Root(sparse.csr_array(np.linalg.cholesky(Q).T), none, determinant)


@dataclass(frozen=True, eq=False)
class SparsePrior:
    """A prior precision as ``R'R + V'V``."""

    root: Root

    @classmethod
    def of(cls, structures: Sequence[Structure], hyper: Mapping[str, float]) -> SparsePrior:
        """Put the blocks' roots together."""
        from scipy import sparse

        roots = [_root(s, hyper) for s in structures]
        R = sparse.block_diag([r.R for r in roots], format="csr")
        V = sparse.block_diag([r.V for r in roots], format="csr")
        return cls(Root(R, V, sum(r.log_determinant for r in roots)))

    @property
    def log_determinant(self) -> float:
        """Log determinant of the prior precision."""
        return self.root.log_determinant

    @cached_property
    def _square(self) -> sparse.csc_array:
        return (self.root.R.T @ self.root.R).tocsc()

    def times(self, x: Floats) -> Floats:
        """Return ``(R'R + V'V) x``."""
        V = self.root.V
        return np.asarray(self._square @ x + V.T @ (V @ x))

    def factor(self, grid: LatentGrid, weight: Floats) -> SparseFactor:
        """Return ``R'R + V'V + A' diag(weight) A``, factorised."""
        from scipy.sparse import linalg

        K = (self._square + grid.gram(weight)).tocsc()
        try:
            # pivots are taken from the diagonal; minimum degree on A + A' takes longer to order than to factorise
            lu = linalg.splu(K, permc_spec="COLAMD", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        except RuntimeError as error:
            raise ModeError("the curvature of the latent field is singular") from error
        return SparseFactor(lu, self.root, grid.matrix, weight)


@dataclass(frozen=True, eq=False)
class SparseFactor:
    """``H = K + V'V``, K sparse and factorised.

    Attributes
    ----------
    lu : SuperLU
        Of K.
    root : Root
        Of the prior.
    matrix : sparse array, shape (n, p)
        The map from effects to cells.
    weight : ndarray, shape (n,)
    """

    lu: Any
    root: Root
    matrix: sparse.csr_array
    weight: Floats

    @cached_property
    def _through(self) -> Floats:
        """``K^-1 V'``, shape (p, rows of V)."""
        return np.asarray(self.lu.solve(self.root.V.toarray().T))

    @cached_property
    def _capacitance(self) -> Floats:
        """``I + V K^-1 V'``."""
        return np.eye(self.root.V.shape[0]) + self.root.V @ self._through

    @cached_property
    def log_determinant(self) -> float:
        """Log determinant of H: of K from the pivots, and what the sums add (the matrix determinant lemma)."""
        pivots = self.lu.U.diagonal()
        sign, added = np.linalg.slogdet(self._capacitance)
        if not (pivots > 0).all() or sign <= 0:
            raise ModeError("the curvature of the latent field is not positive")
        return float(np.log(pivots).sum() + added)

    def solve(self, b: Floats) -> Floats:
        """Return ``H^-1 b``, shape (p,) or (p, m)."""
        x = self.lu.solve(b)
        if not self.root.V.shape[0]:
            return np.asarray(x)
        return np.asarray(x - self._through @ np.linalg.solve(self._capacitance, self.root.V @ x))

    def draw(self, size: int, rng: np.random.Generator) -> Floats:
        """Return draws about zero, shape (p, size), by perturbation.

        ``A' W^(1/2) z1 + R' z2 + V' z3`` has the covariance H, and ``H^-1`` times it the covariance ``H^-1``
        (Papandreou and Yuille 2010, *NeurIPS* 23, section 3): solutions are all it takes.
        """
        R, V, _ = self.root
        out = np.empty((R.shape[1], size))
        scale = np.sqrt(self.weight)[:, None]
        for start in range(0, size, _BATCH):
            m = min(_BATCH, size - start)
            shaken = self.matrix.T @ (scale * rng.standard_normal((len(scale), m)))
            shaken += R.T @ rng.standard_normal((R.shape[0], m)) + V.T @ rng.standard_normal((V.shape[0], m))
            out[:, start : start + m] = self.solve(shaken)
        return out

    def variance(self, grid: LatentGrid) -> Floats:
        """Return the variance of each cell's predictor, from draws that are the same every time."""
        draws = self.draw(_FEWEST, np.random.default_rng(0))
        parts = np.array_split(draws, _FEWEST // _BATCH, axis=1)
        return np.asarray(sum(((grid.matrix @ part) ** 2).sum(axis=1) for part in parts) / _FEWEST)

"""A field's precision, factorised: dense, where the field is small or every effect meets every other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from svmodel.numerics.arrays import Floats
from svmodel.numerics.latent.grid import LatentGrid
from svmodel.numerics.latent.structures import Structure


class ModeError(ArithmeticError):
    """The mode of the latent field was not found, or its curvature is not positive."""


class Factor(Protocol):
    """The precision H of a Gaussian field, factorised."""

    @property
    def log_determinant(self) -> float:
        """Log determinant of H."""
        ...

    def solve(self, b: Floats) -> Floats:
        """Return ``H^-1 b``, shape (p,)."""
        ...

    def draw(self, size: int, rng: np.random.Generator) -> Floats:
        """Return draws about zero, shape (p, size)."""
        ...

    def variance(self, grid: LatentGrid) -> Floats:
        """Return the variance of each cell's predictor, shape (n,)."""
        ...


class Prior(Protocol):
    """The prior precision Q of a field at some hyperparameters."""

    @property
    def log_determinant(self) -> float:
        """Log determinant of Q, up to what does not depend on hyperparameters."""
        ...

    def times(self, x: Floats) -> Floats:
        """Return ``Q x``."""
        ...

    def factor(self, grid: LatentGrid, weight: Floats) -> Factor:
        """Return ``Q + A' diag(weight) A``, factorised."""
        ...


@dataclass(frozen=True, eq=False)
class DensePrior:
    """A prior precision as a whole matrix."""

    matrix: Floats
    log_determinant: float

    @classmethod
    def of(cls, blocks: Sequence[slice], structures: Sequence[Structure], hyper: Mapping[str, float]) -> DensePrior:
        """Put the blocks' precisions together."""
        p, determinant = blocks[-1].stop, 0.0
        Q = np.zeros((p, p))
        for block, structure in zip(blocks, structures, strict=True):
            Q[block, block], own = structure.precision(hyper)
            determinant += own
        return cls(Q, determinant)

    def times(self, x: Floats) -> Floats:
        """Return ``Q x``."""
        return self.matrix @ x

    def factor(self, grid: LatentGrid, weight: Floats) -> DenseFactor:
        """Return the Cholesky factor of ``Q + A' diag(weight) A``."""
        from scipy.linalg import lapack

        H = self.matrix.copy()
        grid.add_gram(H, weight)
        # the lower triangle by rows is the upper by columns, which LAPACK takes without a copy
        upper, failed = lapack.dpotrf(H.T, lower=0, overwrite_a=1)
        if failed:
            raise ModeError("the curvature of the latent field is not positive")
        return DenseFactor(upper)


@dataclass(frozen=True, eq=False)
class DenseFactor:
    """Upper triangular U with ``U'U = H``."""

    upper: Floats

    @property
    def log_determinant(self) -> float:
        """Log determinant of H."""
        return 2 * float(np.log(np.diag(self.upper)).sum())

    def solve(self, b: Floats) -> Floats:
        """Return ``H^-1 b``."""
        from scipy.linalg import lapack

        return np.asarray(lapack.dpotrs(self.upper, b, lower=0)[0])

    def draw(self, size: int, rng: np.random.Generator) -> Floats:
        """Return draws about zero, shape (p, size)."""
        from scipy.linalg import lapack

        return np.asarray(lapack.dtrtrs(self.upper, rng.standard_normal((len(self.upper), size)), lower=0)[0])

    def variance(self, grid: LatentGrid) -> Floats:
        """Return the variance of each cell's predictor, from the inverse of H."""
        from scipy.linalg import lapack

        inverse, _ = lapack.dpotri(self.upper, lower=0)
        return grid.variance(np.ascontiguousarray(inverse.T))

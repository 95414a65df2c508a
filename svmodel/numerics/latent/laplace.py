"""The latent field at given hyperparameters: its mode, its curvature there, and the Laplace approximation.

Rue, Martino and Chopin (2009), *Journal of the Royal Statistical Society B* 71(2), 319-392, section 3.1 for the
Gaussian approximation and equation (3) for the hyperparameters' density.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from svmodel.numerics.latent.grid import LatentGrid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from svmodel.numerics.latent.likelihoods import Likelihood
    from svmodel.numerics.latent.priors import HyperPrior
    from svmodel.numerics.latent.structures import Structure

    Floats = NDArray[np.float64]

__all__ = ["Conditional", "LatentProblem", "ModeError"]

_MOST_STEPS = 60
#: Newton's method ends where the next step could gain no more than this in log density.
_TOLERANCE = 1e-8


class ModeError(ArithmeticError):
    """The mode of the latent field was not found, or its curvature is not positive."""


@dataclass(frozen=True, eq=False)
class Conditional:
    """The Gaussian approximation to the latent field at one set of hyperparameters.

    Attributes
    ----------
    theta : ndarray, shape (k,)
    mode : ndarray, shape (p,)
    factor : ndarray, shape (p, p)
        Upper triangular U with ``U'U`` the precision.
    log_density : float
        Laplace approximation to the log posterior density of theta, up to a constant.
    """

    theta: Floats
    mode: Floats
    factor: Floats
    log_density: float

    def solve(self, b: Floats) -> Floats:
        """Return the precision's inverse times `b`."""
        from scipy.linalg import lapack

        return np.asarray(lapack.dpotrs(self.factor, b, lower=0)[0])

    def covariance(self) -> Floats:
        """Return the inverse of the precision; the lower triangle only."""
        from scipy.linalg import lapack

        inverse, _ = lapack.dpotri(self.factor, lower=0)
        return np.ascontiguousarray(inverse.T)

    def scatter(self, z: Floats) -> Floats:
        """Return draws about zero from standard normal `z`, shape (p, S)."""
        from scipy.linalg import lapack

        return np.asarray(lapack.dtrtrs(self.factor, z, lower=0)[0])


@dataclass(frozen=True, eq=False)
class LatentProblem:
    """A latent Gaussian model with its data.

    Attributes
    ----------
    grid : LatentGrid
    structures : sequence of Structure
        One for each block of the grid.
    likelihood : Likelihood
    offset : ndarray, shape (n,)
    """

    grid: LatentGrid
    structures: Sequence[Structure]
    likelihood: Likelihood
    offset: Floats

    @cached_property
    def hypers(self) -> dict[str, HyperPrior]:
        """Every hyperparameter with its prior, in the order of theta."""
        found: dict[str, HyperPrior] = {}
        for structure in self.structures:
            found.update(structure.hypers)
        found.update(self.likelihood.hypers)
        return found

    @cached_property
    def mean(self) -> Floats:
        """Prior mean of the field, shape (p,)."""
        return np.concatenate([np.full(s.size, s.mean) for s in self.structures])

    def start(self) -> Floats:
        """Return the hyperparameters to begin with, shape (k,)."""
        return np.array([prior.start for prior in self.hypers.values()], dtype=np.float64)

    def values(self, theta: Floats) -> dict[str, float]:
        """Return the hyperparameters by name, on their own scale."""
        return {name: prior.value(float(u)) for (name, prior), u in zip(self.hypers.items(), theta, strict=True)}

    def log_prior(self, theta: Floats) -> float:
        """Return the log prior density of theta."""
        return sum(prior.log_density(float(u)) for prior, u in zip(self.hypers.values(), theta, strict=True))

    def precision(self, hyper: dict[str, float]) -> tuple[Floats, float]:
        """Return the prior precision of the field, shape (p, p), and its log determinant."""
        p, determinant = self.grid.size, 0.0
        Q = np.zeros((p, p))
        for block, structure in zip(self.grid.blocks, self.structures, strict=True):
            Q[block, block], own = structure.precision(hyper)
            determinant += own
        return Q, determinant

    def predictor(self, effects: Floats) -> Floats:
        """Return the linear predictor of the known cells."""
        return self.offset + self.grid.predictor(effects)

    def conditional(self, theta: Floats, begin: Floats | None = None) -> Conditional:
        """Return the Gaussian approximation at `theta`, by Newton's method from `begin`.

        Raises
        ------
        ModeError
            If no mode is found.
        """
        from scipy.linalg import lapack

        hyper = self.values(theta)
        Q, determinant = self.precision(hyper)
        x = self.mean.copy() if begin is None else begin
        eta = self.predictor(x)
        value = self._joint(eta, x, Q, hyper)
        factor = None
        for _ in range(_MOST_STEPS):
            first, weight = self.likelihood.derivatives(eta, hyper)
            H = Q.copy()
            self.grid.add_gram(H, weight)
            # the lower triangle by rows is the upper by columns, which LAPACK takes without a copy
            factor, failed = lapack.dpotrf(H.T, lower=0, overwrite_a=1)
            if failed:
                raise ModeError("the curvature of the latent field is not positive")
            score = self.grid.back(first) - Q @ (x - self.mean)
            step = lapack.dpotrs(factor, score, lower=0)[0]
            gain = float(score @ step)
            if not math.isfinite(gain):
                raise ModeError("the latent field has no finite mode")
            if gain < _TOLERANCE:
                break
            x, eta, value = self._advance(x, step, value, Q, hyper)
        else:
            raise ModeError(f"the mode of the latent field was not found in {_MOST_STEPS} steps")
        log_density = value + 0.5 * determinant - float(np.log(np.diag(factor)).sum()) + self.log_prior(theta)
        return Conditional(np.asarray(theta, dtype=np.float64), x, factor, log_density)

    def _advance(
        self, x: Floats, step: Floats, value: float, Q: Floats, hyper: dict[str, float]
    ) -> tuple[Floats, Floats, float]:
        """Take a Newton step, halved until it does not lose."""
        size = 1.0
        while size > 1e-6:
            x_new = x + size * step
            eta = self.predictor(x_new)
            with np.errstate(over="ignore", invalid="ignore"):
                value_new = self._joint(eta, x_new, Q, hyper)
            if value_new >= value - 1e-9 * (1 + abs(value)):
                return x_new, eta, value_new
            size /= 2
        raise ModeError("no step towards the mode of the latent field gains")

    def _joint(self, eta: Floats, x: Floats, Q: Floats, hyper: dict[str, float]) -> float:
        away = x - self.mean
        return self.likelihood.value(eta, hyper) - 0.5 * float(away @ (Q @ away))

    def mean_shift(self, found: Conditional) -> Floats:
        """Return by how much the field's posterior mean lies off its mode, to first order, shape (p,).

        ``H^{-1} A' (l''' v) / 2`` with v the variance of each cell's predictor: counts are skew, so that mode and mean
        differ (Tierney, Kass and Kadane 1989, *JASA* 84; the same correction as the mean of the simplified Laplace
        approximation of Rue, Martino and Chopin 2009, section 3.2.3).
        """
        hyper = self.values(found.theta)
        third = self.likelihood.third(self.predictor(found.mode), hyper)
        if not third.any():
            return np.zeros(self.grid.size)
        variance = self.grid.variance(found.covariance())
        return 0.5 * found.solve(self.grid.back(third * variance))

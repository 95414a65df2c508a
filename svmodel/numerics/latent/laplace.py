"""The latent field at given hyperparameters: its mode, its curvature there, and the Laplace approximation.

Rue, Martino and Chopin (2009), *Journal of the Royal Statistical Society B* 71(2), 319-392, section 3.1 for the
Gaussian approximation and equation (3) for the hyperparameters' density.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from svmodel.numerics.arrays import Floats
from svmodel.numerics.latent.area_shocks import AreaShocks, Columns, ShockedPrior
from svmodel.numerics.latent.cells import Integrated
from svmodel.numerics.latent.factors import DensePrior, Factor, ModeError, Prior
from svmodel.numerics.latent.grid import Entry, LatentGrid
from svmodel.numerics.latent.likelihoods import Likelihood
from svmodel.numerics.latent.priors import HyperPrior
from svmodel.numerics.latent.structures import CellEffects, Structure

_MOST_STEPS = 60
#: Newton's method ends where the next step could gain no more than this in log density.
_TOLERANCE = 1e-8
#: Effects beyond which the precision is held as a sparse matrix.
_LARGEST_DENSE = 2000


@dataclass(frozen=True, eq=False)
class Conditional:
    """The Gaussian approximation to the latent field at one set of hyperparameters.

    Attributes
    ----------
    theta : ndarray, shape (k,)
    mode : ndarray, shape (q,)
        Of the field in the form in which it is worked with: see :attr:`LatentProblem.worked`.
    factor : Factor
        Of its precision there.
    log_density : float
        Laplace approximation to the log posterior density of theta, up to a constant.
    """

    theta: Floats
    mode: Floats
    factor: Factor
    log_density: float


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
    sparse : bool, optional
        Whether the precision of the field is held as a sparse matrix; where None, beyond 2,000 effects that are not of
        single cells. With areas' shocks it never is.
    """

    grid: LatentGrid
    structures: Sequence[Structure]
    likelihood: Likelihood
    offset: Floats
    sparse: bool | None = None

    @cached_property
    def _cells(self) -> int | None:
        """Which block has an effect for every cell by itself."""
        found = [j for j, s in enumerate(self.structures) if isinstance(s, CellEffects)]
        if len(found) > 1:
            raise ValueError("a model can have one block of cells' own effects")
        return found[0] if found else None

    @cached_property
    def _shocks(self) -> int | None:
        """Which block has a series by itself for every area."""
        found = [j for j, s in enumerate(self.structures) if isinstance(s, AreaShocks)]
        if len(found) > 1:
            raise ValueError("a model can have one block of areas' shocks")
        return found[0] if found else None

    @cached_property
    def _kept(self) -> list[int]:
        """Blocks in the order in which they are worked with: areas' shocks last."""
        kept = [j for j in range(len(self.structures)) if j not in (self._cells, self._shocks)]
        return kept if self._shocks is None else [*kept, self._shocks]

    @cached_property
    def worked(self) -> LatentProblem:
        """The same model in the form that Newton's method takes.

        Effects of single cells are integrated out of the likelihood. Where the field is large, area effects on a map
        are joined by the field that follows borders, which keeps their precision sparse. Areas' shocks come last.
        """
        structures = [self.structures[j] for j in self._kept]
        is_sparse = sum(s.size for s in structures) > _LARGEST_DENSE if self.sparse is None else self.sparse
        is_sparse = is_sparse and self._shocks is None
        if self._cells is None and self._shocks is None and not is_sparse:
            return replace(self, sparse=False)
        if is_sparse:
            from svmodel.numerics.latent.sparse import opened

            structures = [opened(s) for s in structures]
        entries = [
            Entry(s.size, self.grid.entries[j].index, self.grid.entries[j].value)
            for j, s in zip(self._kept, structures, strict=True)
        ]
        likelihood = self.likelihood
        if self._cells is not None:
            own = self.structures[self._cells]
            assert isinstance(own, CellEffects)
            likelihood = Integrated(likelihood, own.name, own.prior)
        return LatentProblem(LatentGrid(entries, self.grid.known), structures, likelihood, self.offset, is_sparse)

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

    def prior(self, hyper: dict[str, float]) -> Prior:
        """Return the prior precision of the field as it is worked with."""
        if self._shocks is not None:
            return ShockedPrior.of(self._columns, self.structures, hyper)
        if not self.sparse:
            return DensePrior.of(self.grid.blocks, self.structures, hyper)
        from svmodel.numerics.latent.sparse import SparsePrior

        return SparsePrior.of(self.structures, hyper)

    @cached_property
    def _columns(self) -> Columns:
        """How all but areas' shocks enter, which come last."""
        return Columns(LatentGrid(self.grid.entries[:-1], self.grid.known))

    def predictor(self, effects: Floats) -> Floats:
        """Return the linear predictor of the known cells."""
        return self.offset + self.grid.predictor(effects)

    def conditional(self, theta: Floats, begin: Floats | None = None) -> Conditional:
        """Return the Gaussian approximation at `theta`, by Newton's method from the mode `begin`.

        Raises
        ------
        ModeError
            If no mode is found.
        """
        hyper = self.values(theta)
        return self.worked.climb(np.asarray(theta, dtype=np.float64), hyper, begin, self.log_prior(theta))

    def climb(self, theta: Floats, hyper: dict[str, float], begin: Floats | None, log_prior: float) -> Conditional:
        """Return the Gaussian approximation of a model that stands in the form in which it is worked with."""
        prior = self.prior(hyper)
        x = self.mean.copy() if begin is None else begin
        eta = self.predictor(x)
        value = self._joint(eta, x, prior, hyper)
        for _ in range(_MOST_STEPS):
            first, weight = self.likelihood.derivatives(eta, hyper)
            factor = prior.factor(self.grid, weight)
            score = self.grid.back(first) - prior.times(x - self.mean)
            step = factor.solve(score)
            gain = float(score @ step)
            if not math.isfinite(gain):
                raise ModeError("the latent field has no finite mode")
            if gain < _TOLERANCE:
                break
            x, eta, value = self._advance(x, step, value, prior, hyper)
        else:
            raise ModeError(f"the mode of the latent field was not found in {_MOST_STEPS} steps")
        log_density = value + 0.5 * (prior.log_determinant - factor.log_determinant) + log_prior
        return Conditional(theta, x, factor, log_density)

    def _advance(
        self, x: Floats, step: Floats, value: float, prior: Prior, hyper: dict[str, float]
    ) -> tuple[Floats, Floats, float]:
        """Take a Newton step, halved until it does not lose."""
        size = 1.0
        while size > 1e-6:
            x_new = x + size * step
            eta = self.predictor(x_new)
            with np.errstate(over="ignore", invalid="ignore"):
                value_new = self._joint(eta, x_new, prior, hyper)
            if value_new >= value - 1e-9 * (1 + abs(value)):
                return x_new, eta, value_new
            size /= 2
        raise ModeError("no step towards the mode of the latent field gains")

    def _joint(self, eta: Floats, x: Floats, prior: Prior, hyper: dict[str, float]) -> float:
        away = x - self.mean
        return self.likelihood.value(eta, hyper) - 0.5 * float(away @ prior.times(away))

    def mean_shift(self, found: Conditional) -> Floats:
        """Return by how much the mean of the field as it is worked with lies off its mode, to first order, shape (q,).

        ``H^{-1} A' (l''' v) / 2`` with v the variance of each cell's predictor: counts are skew, so that mode and mean
        differ (Tierney, Kass and Kadane 1989, *JASA* 84; the same correction as the mean of the simplified Laplace
        approximation of Rue, Martino and Chopin 2009, section 3.2.3).
        """
        work, hyper = self.worked, self.values(found.theta)
        third = work.likelihood.third(work.predictor(found.mode), hyper)
        if not third.any():
            return np.zeros(work.grid.size)
        return 0.5 * found.factor.solve(work.grid.back(third * found.factor.variance(work.grid)))

    def draw(self, found: Conditional, size: int, rng: np.random.Generator) -> Floats:
        """Return draws of the field, shape (size, p), from its approximation at one set of hyperparameters."""
        work = self.worked
        centre = found.mode + self.mean_shift(found)
        drawn = (centre[:, None] + found.factor.draw(size, rng)).T
        if work.grid is self.grid:
            return drawn
        out = self.in_order(drawn)
        if self._cells is not None:
            out[:, self.grid.blocks[self._cells]] = self._draw_cells(found, work.predictor(drawn), rng)
        return out

    def in_order(self, worked: Floats) -> Floats:
        """Return fields as they are worked with, shape (S, q), in the order of the blocks, shape (S, p).

        Effects of single cells are left at their prior mean.
        """
        out = np.broadcast_to(self.mean, (len(worked), self.grid.size)).copy()
        for j, block in zip(self._kept, self.worked.grid.blocks, strict=True):
            mine = self.grid.blocks[j]
            out[:, mine] = worked[:, block.start : block.start + mine.stop - mine.start]
        return out

    def _draw_cells(self, found: Conditional, eta: Floats, rng: np.random.Generator) -> Floats:
        """Return draws of cells' own effects given the predictors without them, shape (S, size of the block)."""
        assert self._cells is not None
        work, hyper, own = self.worked, self.values(found.theta), self.structures[self._cells]
        assert isinstance(own, CellEffects)
        assert isinstance(work.likelihood, Integrated)
        index = np.broadcast_to(self.grid.entries[self._cells].index, self.grid.known.shape)[self.grid.known]
        # of a cell that is not known the prior is all there is
        out = own.mean + hyper[own.name] * rng.standard_normal((len(eta), own.size))
        out[:, index] = work.likelihood.draw_effects(eta, work.predictor(found.mode), hyper, rng)
        return out

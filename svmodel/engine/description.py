"""One description of a latent Gaussian model, which every engine samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np

from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.latent.grid import Entry, LatentGrid
from svmodel.numerics.latent.laplace import LatentProblem
from svmodel.numerics.latent.likelihoods import Binomial, Gaussian, Likelihood, NegativeBinomial, Poisson
from svmodel.numerics.latent.priors import HyperPrior
from svmodel.numerics.latent.structures import Structure

Family: TypeAlias = Literal["negative_binomial", "poisson", "binomial", "gaussian"]


@dataclass(frozen=True, eq=False)
class Term:
    """One block of effects: how they hang together, and how they enter the cells.

    Attributes
    ----------
    name : str
        Of the block in a posterior; unique in a model.
    structure : Structure
    index : ndarray of int
        Broadcasts to (N, T): which of the effects enters a cell, -1 for none.
    value : ndarray, optional
        Broadcasts to (N, T): what it is multiplied by; 1 where None.
    """

    name: str
    structure: Structure
    index: Ints
    value: Floats | None = None

    @property
    def entry(self) -> Entry:
        """How the block enters the grid."""
        return Entry(self.structure.size, self.index, self.value)


@dataclass(frozen=True)
class PriorDraw:
    """One draw from the prior: effects by term, hyperparameters by name, and outcomes, shape (N, T), NaN if unknown."""

    effects: Mapping[str, Floats]
    hyper: Mapping[str, float]
    y: Floats


@dataclass(frozen=True, eq=False)
class LatentModel:
    """Outcomes on a grid, given effects with Gaussian priors whose standard deviations are estimated.

    ``g(E y) = offset + sum over terms of value * effect[index]``, with the log link for counts, the log odds for the
    binomial and none for the Gaussian.

    Attributes
    ----------
    y : ndarray, shape (N, T)
        NaN where unknown: such a cell says nothing.
    offset : ndarray, shape (N, T)
        Log exposure, for counts.
    terms : tuple of Term
    family : {"negative_binomial", "poisson", "binomial", "gaussian"}
    spread : HyperPrior, optional
        Prior of the overdispersion (negative binomial), or of the factor on `sd` (Gaussian).
    trials : ndarray, shape (N, T), optional
        Binomial.
    sd : ndarray, shape (N, T), optional
        Gaussian: the standard deviation of each cell, up to the factor where it has a prior.
    """

    y: Floats
    offset: Floats
    terms: tuple[Term, ...]
    family: Family = "negative_binomial"
    spread: HyperPrior | None = None
    trials: Floats | None = None
    sd: Floats | None = None

    @cached_property
    def known(self) -> Mask:
        """Cells that inform the model, shape (N, T)."""
        return ~np.isnan(self.y) & np.isfinite(self.offset)

    @cached_property
    def likelihood(self) -> Likelihood:
        """The likelihood of the known cells."""
        y = self.y[self.known]
        if self.family == "poisson":
            return Poisson(y)
        if self.family == "binomial":
            assert self.trials is not None
            return Binomial(y, self.trials[self.known])
        if self.family == "gaussian":
            assert self.sd is not None
            return Gaussian(y, self.sd[self.known], self.spread)
        assert self.spread is not None
        return NegativeBinomial(y, self.spread)

    @cached_property
    def grid(self) -> LatentGrid:
        """The map from effects to known cells."""
        return LatentGrid([t.entry for t in self.terms], self.known)

    @cached_property
    def problem(self) -> LatentProblem:
        """The model with its data, as numerics takes it."""
        return LatentProblem(self.grid, [t.structure for t in self.terms], self.likelihood, self.offset[self.known])

    @property
    def hypers(self) -> dict[str, HyperPrior]:
        """Every hyperparameter with its prior."""
        return self.problem.hypers

    def split(self, field: Floats) -> dict[str, Floats]:
        """Return draws of the whole field, shape (S, p), by term."""
        return {t.name: field[:, block] for t, block in zip(self.terms, self.grid.blocks, strict=True)}

    def join(self, effects: Mapping[str, Floats]) -> Floats:
        """Return draws by term as draws of the whole field, shape (S, p)."""
        return np.concatenate([np.asarray(effects[t.name]) for t in self.terms], axis=1)

    def predictor(self, effects: Mapping[str, Floats], cells: Mask, *, without: str = "") -> Floats:
        """Return draws of the linear predictor in some cells, with the offset.

        Parameters
        ----------
        effects : mapping of str to ndarray, shape (S, size)
        cells : ndarray of bool, shape (N, T)
            Taken row by row; they need not be known.
        without : str
            Terms whose names begin so are left out: the treatment, for a counterfactual.

        Returns
        -------
        ndarray, shape (S, cells)
        """
        kept = [t for t in self.terms if not without or not t.name.startswith(without)]
        grid = LatentGrid([t.entry for t in kept], cells)
        field = np.concatenate([np.asarray(effects[t.name]) for t in kept], axis=1)
        return np.asarray(self.offset[cells] + grid.predictor(field))

    def with_outcome(self, y: Floats) -> LatentModel:
        """Return the model with other outcomes."""
        return replace(self, y=y)

    def draw_prior(self, rng: np.random.Generator) -> PriorDraw:
        """Draw hyperparameters, effects and outcomes from the prior; unknown cells stay unknown."""
        hyper = {name: prior.draw(rng) for name, prior in self.hypers.items()}
        effects = {t.name: t.structure.draw(hyper, rng) for t in self.terms}
        field = np.concatenate([effects[t.name] for t in self.terms])
        y = np.full(self.y.shape, np.nan)
        y[self.known] = self.likelihood.draw(self.problem.predictor(field), hyper, rng)
        return PriorDraw(effects, hyper, y)

"""Numbers that a draw of a model has, by which an engine is calibrated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from svmodel.engine.description import LatentModel
from svmodel.numerics.arrays import Floats, Mask


@dataclass(frozen=True, eq=False)
class Sampled:
    """Draws of a model's effects, shape (S, size), and hyperparameters, shape (S,); the truth is one draw."""

    model: LatentModel
    effects: Mapping[str, Floats]
    hyper: Mapping[str, Floats]


class Quantity(Protocol):
    """A number that a draw has."""

    @property
    def name(self) -> str:
        """What a table calls it."""
        ...

    def __call__(self, sampled: Sampled) -> Floats:
        """Return it for every draw, shape (S,)."""
        ...


@dataclass(frozen=True)
class Hyper:
    """A hyperparameter on its own scale."""

    hyper: str

    @property
    def name(self) -> str:
        """The hyperparameter's name."""
        return self.hyper

    def __call__(self, sampled: Sampled) -> Floats:
        """Return the draws."""
        return np.asarray(sampled.hyper[self.hyper])


@dataclass(frozen=True)
class Effect:
    """One effect of a term."""

    term: str
    place: int = 0

    @property
    def name(self) -> str:
        """``term[place]``."""
        return f"{self.term}[{self.place}]"

    def __call__(self, sampled: Sampled) -> Floats:
        """Return the draws."""
        return np.asarray(sampled.effects[self.term][:, self.place])


@dataclass(frozen=True)
class Level:
    """The mean of an area's linear predictor over its known cells: its level, whatever terms make it."""

    area: int

    @property
    def name(self) -> str:
        """``level[area]``."""
        return f"level[{self.area}]"

    def __call__(self, sampled: Sampled) -> Floats:
        """Return the draws."""
        cells = np.zeros_like(sampled.model.known)
        cells[self.area] = sampled.model.known[self.area]
        return sampled.model.predictor(sampled.effects, cells).mean(axis=1)


@dataclass(frozen=True, eq=False)
class AverageLogRatio:
    """Log of the ratio of expected sums over some cells with and without the treatment: the headline."""

    target: Mask
    treatment: str = "effect"

    @property
    def name(self) -> str:
        """``average log ratio``."""
        return "average log ratio"

    def __call__(self, sampled: Sampled) -> Floats:
        """Return the draws."""
        with_it = sampled.model.predictor(sampled.effects, self.target)
        without = sampled.model.predictor(sampled.effects, self.target, without=self.treatment)
        return np.asarray(np.log(np.exp(with_it).sum(axis=1)) - np.log(np.exp(without).sum(axis=1)))


@dataclass(frozen=True, eq=False)
class LogSum:
    """Log of the expected sum over some cells, known or not: what a counterfactual predicts."""

    cells: Mask

    @property
    def name(self) -> str:
        """``log sum``."""
        return "log sum"

    def __call__(self, sampled: Sampled) -> Floats:
        """Return the draws."""
        from scipy.special import logsumexp

        return np.asarray(logsumexp(sampled.model.predictor(sampled.effects, self.cells), axis=1))


@dataclass(frozen=True)
class LogLikelihood:
    """The log-likelihood of all data, which sees what no single parameter does.

    Modrák and others (2023), *Bayesian Analysis*, recommend it: a posterior that ignored the data would pass on every
    parameter, and fails on this.
    """

    @property
    def name(self) -> str:
        """``log likelihood``."""
        return "log likelihood"

    def __call__(self, sampled: Sampled) -> Floats:
        """Return it for each draw."""
        model = sampled.model
        eta = model.problem.predictor(model.join(sampled.effects)[0]) if _size(sampled) == 1 else None
        if eta is not None:
            return np.array([model.likelihood.value(eta, _row(sampled, 0))])
        predictors = model.problem.predictor(model.join(sampled.effects))
        return np.array([model.likelihood.value(e, _row(sampled, s)) for s, e in enumerate(predictors)])


def _size(sampled: Sampled) -> int:
    return len(next(iter(sampled.effects.values())))


def _row(sampled: Sampled, s: int) -> dict[str, float]:
    return {name: float(draws[s]) for name, draws in sampled.hyper.items()}


def standard_quantities(
    model: LatentModel, *, target: Mask | None = None, treatment: str = "effect"
) -> tuple[Quantity, ...]:
    """Return what is ranked unless something else is asked for.

    Parameters
    ----------
    model : LatentModel
    target : ndarray of bool, shape (N, T), optional
        Treated cells: their average log ratio comes first.
    treatment : str
        Terms whose names begin so are the treatment; "" where the model is of what would have been.

    Returns
    -------
    tuple of Quantity
        The average log ratio, or the log of the sum that would have been; of every term its first effect, and its last
        where it has several; the level of the first area; each hyperparameter; the log-likelihood.
    """
    out: list[Quantity] = []
    if target is not None:
        out.append(AverageLogRatio(target, treatment) if treatment else LogSum(target))
    for term in model.terms:
        out.append(Effect(term.name))
        if term.structure.size > 1:
            out.append(Effect(term.name, term.structure.size - 1))
    out.append(Level(int(np.argmax(model.known.any(axis=1)))))
    out += [Hyper(name) for name in model.hypers]
    return (*out, LogLikelihood())

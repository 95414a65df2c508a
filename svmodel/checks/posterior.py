"""What the checks of a Bayesian result share: the fitted model, quick refits, and log-likelihoods."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from svmodel.bayes.question import Fitted, Question
from svmodel.checks.words import CannotBeMadeError
from svmodel.engine.description import LatentModel
from svmodel.numerics.arrays import Floats
from svmodel.result import Result

#: Numbers (draws times cells) that a check holds at once.
_MOST_NUMBERS = 20_000_000


def fitted_of(result: Result) -> Fitted:
    """Return the model with its posterior, which a check of either cannot do without."""
    if isinstance(result.posterior, Fitted):
        return result.posterior
    if result.is_posterior:
        raise CannotBeMadeError(
            "the result was read without its posterior, or has no model that svmodel can read; fit it again"
        )
    raise CannotBeMadeError("the method is not Bayesian: it has no prior and no posterior to look at")


def quick(result: Result) -> Result:
    """Return the result with an estimator whose refits are quick: a Bayesian one by nested Laplace."""
    estimator: Any = result.estimator
    if not is_dataclass(estimator) or "engine" not in {f.name for f in fields(estimator)}:
        return result
    slim: Any = replace(estimator, engine="laplace")  # type: ignore[type-var]
    return replace(result, estimator=slim)


def thin(draws: Mapping[str, Floats], size: int) -> dict[str, Floats]:
    """Return draws evenly thinned to `size` at most."""
    have = len(next(iter(draws.values())))
    step = max(1, math.ceil(have / size))
    return {name: values[::step] for name, values in draws.items()}


def log_likelihood(model: LatentModel, effects: Mapping[str, Floats], hyper: Mapping[str, Floats]) -> Floats:
    """Return each draw's log-likelihood of each known cell, shape (S, n)."""
    eta = model.predictor(effects, model.known)
    out = np.empty_like(eta)
    for s in range(len(eta)):
        out[s] = model.likelihood.pointwise(eta[s], {name: float(values[s]) for name, values in hyper.items()})
    return out


def held_at_once(cells: int, wanted: int) -> int:
    """Return how many draws of so many cells are held at once."""
    return max(100, min(wanted, _MOST_NUMBERS // max(cells, 1)))


def log_ratio(question: Question, effects: Mapping[str, Floats]) -> Floats:
    """Return draws of the log of the average rate ratio, shape (S,)."""
    both = question.model.predictor(effects, question.target)
    none = question.model.predictor(effects, question.target, without=question.treatment)
    return np.asarray(np.logaddexp.reduce(both, axis=1) - np.logaddexp.reduce(none, axis=1))

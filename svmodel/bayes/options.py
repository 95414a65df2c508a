"""What is wrong with the choices of a Bayesian model, all at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

from svmodel.bayes.ratio_prior import Belief, ratio_prior
from svmodel.engine import ENGINES
from svmodel.errors import EstimationError, Problems, did_you_mean
from svmodel.result.method import choice_of

FEWEST_DRAWS = 100


def is_number(value: Any) -> bool:
    """Return whether a value is a number; true and false are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def check_whole(found: Problems, name: str, value: Any, least: int) -> None:
    """Note a value that is no whole number of `least` or more."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        found.add(f"{name} must be a whole number of {least} or more, not {value!r}", rule=name)


def check_level(found: Problems, level: Any) -> None:
    """Note a level that is no probability."""
    if not (is_number(level) and 0 < level < 1):
        found.add(f"the level must lie between 0 and 1, not at {level!r}", rule="level")


def problems_with(
    estimator: Any,
    *,
    valid: Mapping[str, tuple[str, ...]],
    above_zero: Iterable[str] = (),
    at_least: Mapping[str, int] | None = None,
    beliefs: Iterable[Belief] = (),
) -> Problems:
    """Return what is wrong with an estimator's choices; every model has an engine, draws and a level.

    Parameters
    ----------
    estimator : object
    valid : mapping of str to tuple of str
        Choices by name, with what they may be.
    above_zero : iterable of str
        Names of scales; one whose default is None may be None.
    at_least : mapping of str to int, optional
        Names of whole numbers, with the least that each may be.
    beliefs : iterable of str or RatioPrior
        Priors of rate ratios.
    """
    found = Problems()
    for name, choices in {**valid, "engine": ENGINES}.items():
        value = choice_of(estimator, name)
        if value not in choices:
            found.add(f"there is no {name} {value!r}", fix=did_you_mean(str(value), choices), rule=name)
    for name in above_zero:
        value = choice_of(estimator, name)
        if value is None and choice_of(type(estimator), name, 0) is None:
            continue
        if not (is_number(value) and 0 < value < math.inf):
            found.add(f"{name} must be above 0, not {value!r}", rule=name)
    for name, least in {"draws": FEWEST_DRAWS, **(at_least or {})}.items():
        check_whole(found, name, choice_of(estimator, name), least)
    check_level(found, estimator.level)
    for belief in beliefs:
        try:
            ratio_prior(belief)
        except EstimationError as error:
            found.add(error.title, rule="prior")
    return found

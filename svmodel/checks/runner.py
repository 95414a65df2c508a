"""The checks in their order, and one call that makes them all."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Any, Protocol

from svmodel.checks.declared import declaration
from svmodel.checks.words import why_refused
from svmodel.errors import Problems, UserError, did_you_mean
from svmodel.plugins import Plugged
from svmodel.result import Result
from svmodel.result.check import CheckResult
from svmodel.words import one_or_more


class Check(Protocol):
    """A question put to a result; it answers, or says why it cannot. Some take options of their own by name."""

    def __call__(self, result: Result, *, seed: int = 0) -> CheckResult:
        """Make the check."""
        ...


#: The package's own checks in the order in which reports show them, each in a file of its name.
_OURS = (
    "pre_trends",
    "pre_trend_power",
    "honest_bounds",
    "anticipation",
    "placebo_in_time",
    "placebo_in_space",
    "negative_controls",
    "leave_one_area_out",
    "regression_to_the_mean",
    "spillover",
    "recording_practice",
    "overlap",
    "overdispersion",
    "prior_predictive",
    "convergence",
    "engine_agreement",
    "posterior_predictive",
    "leave_one_out",
    "prior_sensitivity",
)
#: Name -> check, in that order.
CHECKS: dict[str, Check] = {name: getattr(import_module(f"svmodel.checks.{name}"), name) for name in _OURS}
#: Checks that a study without a choice of its own makes of posteriors alone.
OF_POSTERIORS = tuple(name for name, made in CHECKS.items() if declaration(made).of_posteriors)


@cache
def every_check() -> Mapping[str, Check]:
    """Return the package's own checks by name, and those that other packages add in the group ``svmodel.checks``.

    The latter are made where they are named, so that what happens to be installed changes no report by itself.
    """
    return Plugged(CHECKS, "svmodel.checks")


def question_of(name: str) -> str:
    """Return the question that a check puts, as pages show it.

    Examples
    --------
    >>> question_of("convergence"), question_of("a_check_of_long_ago")
    ('Have the draws arrived?', 'A check of long ago')
    """
    try:
        return declaration(every_check().get(name, name)).question
    except UserError:  # one of another package that cannot be loaded, as its own text says
        return declaration(name).question


def run(
    result: Result,
    *,
    seed: int = 0,
    names: Iterable[str] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[CheckResult, ...]:
    """Make every check of a result, or those named.

    Parameters
    ----------
    result : Result
    seed : int
        Of the checks that draw at random; a check's draws do not depend on which others are made.
    names : iterable of str, optional
        In the order wanted; all of :data:`CHECKS` where None. Those of other packages are made where they are named.
    options : mapping of str to mapping, optional
        What single checks are told besides the result, by check: ``{"negative_controls": {"outcomes":
        ["bicycle_theft"]}, "spillover": {"neighbours": {"E08000012": ["E08000011"]}}}``. Options of checks that are not
        made are not used.

    Returns
    -------
    tuple of CheckResult
        One for each name. A check that breaks down is ``errored`` and carries the error's message.

    Raises
    ------
    UserError
        Naming every unknown check and option with the nearest valid one.

    Examples
    --------
    >>> run(None, names=["pretrends"])
    Traceback (most recent call last):
    svmodel.errors.UserError: these checks cannot be made: 1 problem
      1. there is no check 'pretrends'. Did you mean 'pre_trends'?
    """
    known = every_check()
    wanted = CHECKS if names is None else one_or_more(names)
    problems = Problems()
    for name in wanted:
        if name not in known:
            problems.add(f"there is no check {name!r}", fix=did_you_mean(name, known), rule="unknown_check")
    told = dict(options or {})
    for name, held in told.items():
        if name not in known:
            fix = did_you_mean(name, known)
            problems.add(f"there is no check {name!r}", where="options", fix=fix, rule="unknown_check")
            continue
        valid = option_names(name)
        for option in held:
            if option not in valid:
                what = f"{name} has no option {option!r}"
                fix = did_you_mean(option, valid) if valid else "It has none."
                problems.add(what, where="options", fix=fix, rule="unknown_option")
    problems.raise_if_any(UserError, "these checks cannot be made")
    return tuple(_made(name, result, seed, told.get(name, {})) for name in wanted)


def option_names(name: str) -> tuple[str, ...]:
    """Return the options of a check.

    Examples
    --------
    >>> option_names("negative_controls")
    ('outcomes',)
    """
    return tuple(n for n in inspect.signature(every_check()[name]).parameters if n not in ("result", "seed"))


def _made(name: str, result: Result, seed: int, options: Mapping[str, Any]) -> CheckResult:
    try:
        found = every_check()[name](result, seed=seed, **options)
        return found if found.name == name else replace(found, name=name)
    except UserError as error:
        return CheckResult(name, "errored", f"This check could not be made as it was asked for: {why_refused(error)}.")
    except Exception as error:  # noqa: BLE001 - recorded as the check's status, and the others go on
        return CheckResult(name, "errored", f"This check broke down: {type(error).__name__}: {error}")

"""The checks in their order, and one call that makes them all."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from svmodel.checks.anticipation import anticipation
from svmodel.checks.convergence import convergence
from svmodel.checks.engine_agreement import engine_agreement
from svmodel.checks.honest_bounds import honest_bounds
from svmodel.checks.leave_one_area_out import leave_one_area_out
from svmodel.checks.leave_one_out import leave_one_out
from svmodel.checks.negative_controls import negative_controls
from svmodel.checks.overdispersion import overdispersion
from svmodel.checks.overlap import overlap
from svmodel.checks.placebo_in_space import placebo_in_space
from svmodel.checks.placebo_in_time import placebo_in_time
from svmodel.checks.posterior_predictive import posterior_predictive
from svmodel.checks.pre_trend_power import pre_trend_power
from svmodel.checks.pre_trends import pre_trends
from svmodel.checks.prior_predictive import prior_predictive
from svmodel.checks.prior_sensitivity import prior_sensitivity
from svmodel.checks.recording_practice import recording_practice
from svmodel.checks.regression_to_the_mean import regression_to_the_mean
from svmodel.checks.spillover import spillover
from svmodel.checks.words import why_refused
from svmodel.errors import Problems, UserError, did_you_mean
from svmodel.result import Result
from svmodel.result.check import CheckResult


class Check(Protocol):
    """A question put to a result; it answers, or says why it cannot. Some take options of their own by name."""

    def __call__(self, result: Result, *, seed: int = 0) -> CheckResult:
        """Make the check."""
        ...


#: Name -> check, in the order in which reports show them.
CHECKS: dict[str, Check] = {
    "pre_trends": pre_trends,
    "pre_trend_power": pre_trend_power,
    "honest_bounds": honest_bounds,
    "anticipation": anticipation,
    "placebo_in_time": placebo_in_time,
    "placebo_in_space": placebo_in_space,
    "negative_controls": negative_controls,
    "leave_one_area_out": leave_one_area_out,
    "regression_to_the_mean": regression_to_the_mean,
    "spillover": spillover,
    "recording_practice": recording_practice,
    "overlap": overlap,
    "overdispersion": overdispersion,
    "prior_predictive": prior_predictive,
    "convergence": convergence,
    "engine_agreement": engine_agreement,
    "posterior_predictive": posterior_predictive,
    "leave_one_out": leave_one_out,
    "prior_sensitivity": prior_sensitivity,
}


def run(
    result: Result,
    *,
    seed: int = 0,
    names: Iterable[str] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    known: Mapping[str, Check] = CHECKS,
) -> tuple[CheckResult, ...]:
    """Make every check of a result, or those named.

    Parameters
    ----------
    result : Result
    seed : int
        Of the checks that draw at random; a check's draws do not depend on which others are made.
    names : iterable of str, optional
        Names from :data:`CHECKS`, in the order wanted.
    options : mapping of str to mapping, optional
        What single checks are told beside the result, by check: ``{"negative_controls": {"outcomes":
        ["bicycle_theft"]}, "spillover": {"neighbours": {"E08000012": ["E08000011"]}}}``. Options of checks that are not
        made are not used.
    known : mapping of str to Check
        The checks that there are; more than :data:`CHECKS` where other packages bring some.

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
    wanted = list(known) if names is None else [names] if isinstance(names, str) else list(names)
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
        valid = option_names(name, known)
        for option in held:
            if option not in valid:
                what = f"{name} has no option {option!r}"
                fix = did_you_mean(option, valid) if valid else "It has none."
                problems.add(what, where="options", fix=fix, rule="unknown_option")
    problems.raise_if_any(UserError, "these checks cannot be made")
    return tuple(_made(name, known[name], result, seed, told.get(name, {})) for name in wanted)


def option_names(name: str, known: Mapping[str, Check] = CHECKS) -> tuple[str, ...]:
    """Return the options of a check.

    Examples
    --------
    >>> option_names("negative_controls")
    ('outcomes',)
    """
    return tuple(n for n in inspect.signature(known[name]).parameters if n not in ("result", "seed"))


def _made(name: str, check: Check, result: Result, seed: int, options: Mapping[str, Any]) -> CheckResult:
    try:
        return check(result, seed=seed, **options)
    except UserError as error:
        return CheckResult(name, "errored", f"This check could not be made as it was asked for: {why_refused(error)}.")
    except Exception as error:  # noqa: BLE001 - recorded as the check's status, and the others go on
        return CheckResult(name, "errored", f"This check broke down: {type(error).__name__}: {error}")

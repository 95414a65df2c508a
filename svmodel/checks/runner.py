"""The checks in their order, and one call that makes them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from svmodel.checkresult import CheckResult
from svmodel.checks.honest_bounds import honest_bounds
from svmodel.checks.leave_one_area_out import leave_one_area_out
from svmodel.checks.overdispersion import overdispersion
from svmodel.checks.placebo_in_time import placebo_in_time
from svmodel.checks.pre_trend_power import pre_trend_power
from svmodel.checks.pre_trends import pre_trends
from svmodel.checks.regression_to_the_mean import regression_to_the_mean
from svmodel.errors import Problems, UserError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from svmodel.result import Result

__all__ = ["CHECKS", "Check", "run"]


class Check(Protocol):
    """A question put to a result; it answers, or says why it cannot."""

    def __call__(self, result: Result, *, seed: int = 0) -> CheckResult:
        """Make the check."""
        ...


#: Name -> check, in the order in which reports show them.
CHECKS: dict[str, Check] = {
    "pre_trends": pre_trends,
    "pre_trend_power": pre_trend_power,
    "honest_bounds": honest_bounds,
    "placebo_in_time": placebo_in_time,
    "leave_one_area_out": leave_one_area_out,
    "regression_to_the_mean": regression_to_the_mean,
    "overdispersion": overdispersion,
}


def run(result: Result, *, seed: int = 0, names: Iterable[str] | None = None) -> tuple[CheckResult, ...]:
    """Make every check of a result, or those named.

    Parameters
    ----------
    result : Result
    seed : int
        Of the checks that draw at random; a check's draws do not depend on which others are made.
    names : iterable of str, optional
        Names from :data:`CHECKS`, in the order wanted.

    Returns
    -------
    tuple of CheckResult
        One for each name. A check that breaks down is ``errored`` and carries the error's message.

    Raises
    ------
    UserError
        Naming every unknown name with the nearest valid one.

    Examples
    --------
    >>> run(None, names=["pretrends"])
    Traceback (most recent call last):
    svmodel.errors.UserError: these checks cannot be made: 1 problem
      1. there is no check 'pretrends'. Did you mean 'pre_trends'?
    """
    wanted = list(CHECKS) if names is None else [names] if isinstance(names, str) else list(names)
    problems = Problems()
    for name in wanted:
        if name not in CHECKS:
            problems.add(f"there is no check {name!r}", fix=did_you_mean(name, CHECKS), rule="unknown_check")
    problems.raise_if_any(UserError, "these checks cannot be made")
    return tuple(_made(name, result, seed) for name in wanted)


def _made(name: str, result: Result, seed: int) -> CheckResult:
    try:
        return CHECKS[name](result, seed=seed)
    except Exception as error:  # noqa: BLE001 - recorded as the check's status, and the others go on
        return CheckResult(name, "errored", f"This check broke down: {type(error).__name__}: {error}")

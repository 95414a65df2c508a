"""Engine agreement: whether nested Laplace and NUTS answer alike."""

from __future__ import annotations

from dataclasses import replace

from svmodel.checks.declared import check
from svmodel.checks.posterior import fitted_of
from svmodel.checks.words import CannotBeMadeError
from svmodel.errors import DataError
from svmodel.result import Result
from svmodel.result.check import CheckResult
from svmodel.result.method import auditor_of

_NAME = "engine_agreement"


@check("Do both engines give the same answer?", needs=("model", "engine"))
def engine_agreement(result: Result, *, seed: int = 0, audit: bool = False) -> CheckResult:
    """Fit the same model with the other engine, and compare the two answers.

    Parameters
    ----------
    result : Result
        Of a Bayesian model.
    seed : int
        Not used; the other engine takes the seed of `result`.
    audit : bool
        Whether to run NUTS too, which takes half a minute or more. A result of NUTS is compared with nested Laplace in
        any case, because that takes a second.

    Returns
    -------
    CheckResult
        As ``result.audit()`` gives it; ``not_applicable`` where it was not asked for.

    Raises
    ------
    DataError
        If `audit` is neither true nor false.
    """
    if not isinstance(audit, bool):
        raise DataError(f"audit is true or false, not {audit!r}")
    held = fitted_of(result)
    if held.posterior.engine == "laplace" and not audit:
        raise CannotBeMadeError("NUTS takes half a minute or more and was not asked for (option `audit`: true)")
    if auditor_of(result.estimator) is None:
        raise CannotBeMadeError("the model has but one engine")
    found = result.audit()
    return found if found.name == _NAME else replace(found, name=_NAME)

"""What a check says of itself: the question that it puts, what it needs, and how pages draw its table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, Literal, ParamSpec, TypeAlias

from svmodel.checks.posterior import fitted_of
from svmodel.checks.words import CannotBeMadeError, design_of
from svmodel.result import Result
from svmodel.result.check import CheckResult
from svmodel.result.method import card

Options = ParamSpec("Options")
#: A function of a result, with ``seed`` and options of its own.
Asked: TypeAlias = Callable[Concatenate[Result, Options], CheckResult]
#: What a check may need: of the result, that it was fitted here and is of a count; of the method, the rest.
Need: TypeAlias = Literal["data", "counts", "event_path", "posterior", "model", "engine"]
#: Needs that a method meets or does not, whatever the data: a card names those that it meets in `gives`.
OF_METHODS: dict[Need, str] = {
    "event_path": "effects by time before the start with their covariance",
    "posterior": "a posterior",
    "model": "a model that svmodel can read",
    "engine": "a second engine",
}


@dataclass(frozen=True)
class Declaration:
    """What a check says of itself.

    Attributes
    ----------
    question : str
        As pages put it.
    needs : tuple of str
        See :data:`Need`. A result that lacks data, a count, a posterior or a model is told so before the check is made.
    figure : str
        How pages draw its table: ``bounds``, ``placebos``, ``replications`` or ``beliefs``; empty where nothing does.
    """

    question: str
    needs: tuple[Need, ...] = ()
    figure: str = ""

    @property
    def of_posteriors(self) -> bool:
        """Whether the check is one of posteriors alone."""
        return "posterior" in self.needs or "model" in self.needs


def check(
    question: str, *, needs: tuple[Need, ...] = (), figure: str = ""
) -> Callable[[Asked[Options]], Asked[Options]]:
    """Declare a check: a function of a result, ``seed`` and options of its own; see :class:`Declaration`.

    Where a need is not met, or the function raises :class:`~svmodel.checks.words.CannotBeMadeError`, the check does not
    apply, and says why.

    Examples
    --------
    >>> @check("Is anything there?", needs=("data",))
    ... def anything(result, *, seed=0):
    ...     return CheckResult("anything", "passed", "It is.")
    >>> declaration(anything).question
    'Is anything there?'
    """

    def declare(put: Asked[Options]) -> Asked[Options]:
        name = getattr(put, "__name__", question)

        @wraps(put)
        def asked(result: Result, /, *args: Options.args, **options: Options.kwargs) -> CheckResult:
            try:
                for need in needs:
                    _meet(need, result)
                return put(result, *args, **options)
            except CannotBeMadeError as why:
                return CheckResult(name, "not_applicable", f"This check could not be made: {why}.")

        asked.declared = Declaration(question, needs, figure)  # type: ignore[attr-defined]
        return asked

    return declare


def declaration(made: Any) -> Declaration:
    """Return what a check says of itself; the words of its name where it says nothing."""
    held = getattr(made, "declared", None)
    if isinstance(held, Declaration):
        return held
    return Declaration(getattr(made, "__name__", str(made)).replace("_", " ").capitalize())


def lacking(made: Any, method: Any) -> str | None:
    """Return what a check needs and a method never gives, as a sentence; None where nothing is known to lack.

    Parameters
    ----------
    made : Check
    method : Estimator or its class
        With a card (``about``) that says what it gives; of one that does not, nothing is known.

    Examples
    --------
    >>> from svmodel.bayes import HierarchicalDiD
    >>> from svmodel.checks import convergence, pre_trends
    >>> lacking(pre_trends, HierarchicalDiD)
    'it needs effects by time before the start with their covariance, which Bayesian hierarchical DiD does not give'
    >>> lacking(convergence, HierarchicalDiD) is None
    True
    """
    about = card(method)
    if about.gives is None:
        return None
    needs = declaration(made).needs
    absent = [words for need, words in OF_METHODS.items() if need in needs and need not in about.gives]
    return f"it needs {' and '.join(absent)}, which {about.short} does not give" if absent else None


def _meet(need: Need, result: Result) -> None:
    """Refuse a result that lacks a need; an event path and a second engine are looked for by the checks themselves."""
    if need == "data":
        design_of(result)
    elif need == "counts" and not design_of(result).is_count:
        raise CannotBeMadeError(f"{design_of(result).outcome!r} is a measure, not a count of events")
    elif need == "posterior" and not result.is_posterior:
        raise CannotBeMadeError("the method is not Bayesian: nothing was sampled")
    elif need == "model":
        fitted_of(result)

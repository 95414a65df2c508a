"""What every estimator promises, as a function that holds it to them; and strategies for property tests.

For authors of estimators, in this package or outside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from svmodel.testing.examples import example_panel
from svmodel.testing.promises import PROMISES, Trial
from svmodel.testing.strategies import designs, panels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from svmodel.design import Design
    from svmodel.result import Estimator

__all__ = ["PROMISES", "check_estimator", "designs", "panels"]


def check_estimator(
    estimator: Estimator, *, design: Design | None = None, seed: int = 0, only: Iterable[str] | None = None
) -> None:
    """Hold an estimator to everything that svmodel promises of one.

    Its input stays untouched; the same seed gives the same bits; the order of areas does not matter, nor do
    their names; twice the exposure leaves rate ratios and halves rates per 100,000, and a scaled measure
    scales its difference; over simulated panels without an effect its estimates lie about zero as widely as
    its standard errors say; a planted fall is negative on every scale; a constant outcome and a design with
    problems are refused; missing counts are not taken for zero; refit and JSON give the result back; the
    table is in order; the estimator is a frozen dataclass.

    Parameters
    ----------
    estimator : Estimator
    design : Design, optional
        A sound design to fit; a simulated one of 30 areas x 24 months where None. Promises that need data with
        a known truth simulate their own.
    seed : int
        Of the fits and of the simulated panels.
    only : iterable of str, optional
        Names from :data:`PROMISES`; all where None.

    Raises
    ------
    AssertionError
        Naming every broken promise at once.

    Examples
    --------
    >>> check_estimator(object(), only=["frozen"])
    Traceback (most recent call last):
    AssertionError: object breaks 1 of 1 promises:
      - frozen: it is no dataclass instance
    """
    chosen = list(PROMISES) if only is None else list(only)
    unknown = [name for name in chosen if name not in PROMISES]
    if unknown:
        raise ValueError(f"no such promise: {', '.join(unknown)}; there are {', '.join(PROMISES)}")
    trial = Trial(estimator, design if design is not None else example_panel(effect=0.8, seed=seed), seed)
    broken = {name: found for name in chosen if (found := _findings(name, trial))}
    if broken:
        lines = [f"  - {name}: {text}" for name, texts in broken.items() for text in texts]
        head = f"{type(estimator).__name__} breaks {len(broken)} of {len(chosen)} promises:"
        raise AssertionError("\n".join([head, *lines]))


def _findings(name: str, trial: Trial) -> list[str]:
    found: list[str] = []
    try:
        found.extend(PROMISES[name](trial))
    except Exception as error:  # noqa: BLE001 - an estimator that breaks down breaks its promise, and the others go on
        found.append(f"{type(error).__name__}: {error}")
    return found

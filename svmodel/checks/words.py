"""What several checks share: the scale to speak on, refits, and numbers as words. Negative means fewer harms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svmodel import periods
from svmodel.design import Design
from svmodel.errors import DataError, UserError
from svmodel.result import Effect, Result
from svmodel.result.check import CheckResult
from svmodel.words import plural


def preferred_scale(result: Result) -> str | None:
    """Return the scale on which an average is easiest compared: the ratio, or the outcome's own units."""
    return next((s for s in ("rate_ratio", "difference") if result.has("att", s)), None)


def average_effect(result: Result) -> Effect | None:
    """Return the average effect on the preferred scale; None where the method gives none, or no interval for it."""
    scale = preferred_scale(result)
    return None if scale is None else with_interval(result.effect("att", scale))


def with_interval(effect: Effect) -> Effect | None:
    """Return the effect, or None where the estimate or a limit is not known."""
    known = np.isfinite(effect.estimate) and not np.isnan([effect.conf_low, effect.conf_high]).any()
    return effect if known else None


def null_value(scale: str) -> float:
    """Return what no effect is on a scale."""
    return 1.0 if scale == "rate_ratio" else 0.0


def is_significant(effect: Effect) -> bool:
    """Return whether the interval leaves out no effect."""
    none = null_value(effect.scale)
    return effect.conf_low > none or effect.conf_high < none


def change(value: float, scale: str) -> str:
    """Return one estimate in words: per cent for ratios and their logarithms, tenfold and more as multiples.

    Examples
    --------
    >>> change(0.9, "rate_ratio"), change(-2.5, "difference"), change(0.0, "log_rate_ratio")
    ('-10.0%', '-2.5', '+0.0%')
    >>> change(25.2, "rate_ratio"), change(900.0, "log_rate_ratio")
    ('25 times as much', 'over 1,000 times as much')
    """
    if scale == "difference":
        return f"{value:+.3g}"
    ratio = value if scale == "rate_ratio" else math.exp(min(value, 700.0))
    if ratio < 10:
        return f"{100 * (ratio - 1):+.1f}%"
    return f"{ratio:.0f} times as much" if ratio <= 1_000 else "over 1,000 times as much"


def change_of(effect: Effect) -> str:
    """Return an effect with its interval in words."""
    low, high = (change(v, effect.scale) for v in (effect.conf_low, effect.conf_high))
    unit = "" if effect.scale == "rate_ratio" else " in the outcome's units"
    return f"{change(effect.estimate, effect.scale)}{unit} ({low} to {high})"


def span(design: Design, n: int) -> str:
    """Return a number of periods in words."""
    return f"{n} {plural(periods.describe_frequency(design.view.periods), n)}"


def treated_indices(design: Design) -> NDArray[np.int64]:
    """Return the rows of areas that are treated inside the window."""
    arrays = design.arrays
    return np.flatnonzero(arrays.start < len(arrays.periods))


def design_of(result: Result) -> Design:
    """Return the design of a result, of which a check that needs data is sure."""
    if result.design is None:
        raise DataError("the result was read without its data")
    return result.design


def refitted(
    result: Result,
    scale: str | None = None,
    *,
    none: str = "the method gives no average effect with an interval",
    **changes: Any,
) -> tuple[Effect | None, str | None]:
    """Return the average effect of another fit, or why there is none.

    Parameters
    ----------
    result : Result
    scale : str, optional
        The preferred one where None.
    none : str
        What is said of a fit without an average effect.
    **changes
        What :meth:`svmodel.result.Result.refit` takes.
    """
    try:
        found = result.refit(**changes)
    except UserError as error:
        return None, why_refused(error)
    if scale is None:
        effect = average_effect(found)
    else:
        none = f"no average effect with an interval as {scale}"
        effect = with_interval(found.effect("att", scale)) if found.has("att", scale) else None
    return (effect, None) if effect is not None else (None, none)


def as_row(effect: Effect | None) -> dict[str, object]:
    """Return an effect as columns of a table; none where there is no effect."""
    names = ("scale", "estimate", "conf_low", "conf_high", "p_value")
    return {} if effect is None else {name: vars(effect)[name] for name in names}


def not_applicable(name: str, why: str) -> CheckResult:
    """Return that a check cannot be made, and why."""
    return CheckResult(name, "not_applicable", f"This check could not be made: {why}.")


def why_refused(error: UserError) -> str:
    """Return the reasons of a refusal in one line."""
    reasons = "; ".join(p.what for p in error.problems)
    return f"{error.title}{': ' + reasons if reasons else ''}".rstrip(".")

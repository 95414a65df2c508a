"""Average effects as checks take them: the scale to compare them on, refits, and how sure each is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from svmodel.checks.words import CannotBeMadeError, why_refused
from svmodel.errors import UserError
from svmodel.result import Effect, Result
from svmodel.words import chance, p_value


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


def needed_effect(result: Result) -> Effect:
    """Return the average effect with its interval, without which a check cannot be made."""
    effect = average_effect(result)
    if effect is None:
        raise CannotBeMadeError("the method gives no average effect with an interval")
    return effect


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


def tail_area(effect: Effect) -> float:
    """Return the p-value; of a posterior twice the probability on the less likely side of no effect.

    Under a flat prior and many data the two are the same number; a prior that expects no effect makes it larger.
    """
    if math.isfinite(effect.p_value) or math.isnan(effect.prob_reduction):
        return effect.p_value
    return 2 * min(effect.prob_reduction, 1 - effect.prob_reduction)


def evidence(effect: Effect) -> str:
    """Return the p-value in words, or of a posterior the probability of a fall."""
    if math.isfinite(effect.p_value) or math.isnan(effect.prob_reduction):
        return p_value(effect.p_value)
    return f"probability of a fall: {chance(effect.prob_reduction)}"

"""What checks say alike: effects, spans of time and refusals as words. Negative means fewer harms."""

from __future__ import annotations

import math

import numpy as np

from svmodel import periods
from svmodel.design import Design
from svmodel.errors import UserError
from svmodel.numerics.arrays import Ints
from svmodel.result import Effect, Result
from svmodel.words import plural


class CannotBeMadeError(Exception):
    """Why a check cannot be made; its result is then ``not_applicable``."""


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


def treated_indices(design: Design) -> Ints:
    """Return the rows of areas that are treated inside the window."""
    arrays = design.arrays
    return np.flatnonzero(arrays.start < len(arrays.periods))


def design_of(result: Result) -> Design:
    """Return the design of a result that was not read without it."""
    if result.design is None:
        raise CannotBeMadeError("the result was read without its data")
    return result.design


def why_refused(error: UserError) -> str:
    """Return the reasons of a refusal in one line."""
    reasons = "; ".join(p.what for p in error.problems)
    return f"{error.title}{': ' + reasons if reasons else ''}".rstrip(".")

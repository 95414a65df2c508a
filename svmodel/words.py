"""A probability in words: whole per cent, and never nought or a hundred, which no number of draws can show."""

from __future__ import annotations

import math


def chance(probability: float) -> str:
    """Return a probability as a reader meets it.

    Parameters
    ----------
    probability : float
        Between 0 and 1.

    Returns
    -------
    str
        Whole per cent; from 99.5% on "more than 99%", up to 0.5% "less than 1%"; "not known" where it is missing.

    Examples
    --------
    >>> chance(0.832), chance(0.9951), chance(0.0), chance(float("nan"))
    ('83%', 'more than 99%', 'less than 1%', 'not known')
    """
    if math.isnan(probability):
        return "not known"
    if probability >= 0.995:
        return "more than 99%"
    if probability <= 0.005:
        return "less than 1%"
    return f"{100 * probability:.0f}%"

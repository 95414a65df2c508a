"""Numbers and lists as words, the same wherever they are read: probabilities, p-values, plurals, names."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any


def one_or_more(given: Any) -> tuple[Any, ...]:
    """Return what was given as a tuple; one bare text or number is one, not its letters.

    Examples
    --------
    >>> one_or_more("violence"), one_or_more(["violence", "robbery"]), one_or_more(10)
    (('violence',), ('violence', 'robbery'), (10,))
    """
    return tuple(given) if isinstance(given, Iterable) and not isinstance(given, str | bytes) else (given,)


def chance(probability: float) -> str:
    """Return a probability in whole per cent, and never as 0 or 100, which no number of draws can show.

    Parameters
    ----------
    probability : float
        Between 0 and 1.

    Returns
    -------
    str
        From 99.5% on "more than 99%", up to 0.5% "less than 1%"; "not known" where it is missing.

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


def p_number(p: float, digits: int = 3) -> str:
    """Return a p-value as a number; one that rounding would put on .05 has as many digits as keep it on its side.

    Examples
    --------
    >>> p_number(0.034), p_number(0.25), p_number(0.0000001)
    ('0.034', '0.250', '< 0.001')
    >>> p_number(0.0496), p_number(0.05004), p_number(0.05)
    ('0.0496', '0.05004', '0.050')
    """
    if p < 0.001:
        return "< 0.001"
    while p != 0.05 and float(f"{p:.{digits}f}") == 0.05 and digits < 9:
        digits += 1
    return f"{p:.{digits}f}"


def p_value(p: float) -> str:
    """Return a p-value as printed in a sentence.

    Examples
    --------
    >>> p_value(0.034), p_value(0.0000001), p_value(0.25)
    ('p = 0.034', 'p < 0.001', 'p = 0.25')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p_number(p, 3 if p < 0.1 else 2)}"


def plural(word: str, n: int) -> str:
    """Return a word for one, or for any other number.

    Examples
    --------
    >>> f"1 {plural('month', 1)}, 3 {plural('month', 3)}"
    '1 month, 3 months'
    """
    return word if n == 1 else f"{word}s"


def listed(values: Iterable[object], *, limit: int = 5) -> str:
    """Return the first few values, without quotation marks, and how many more there are.

    :func:`svmodel.errors.shorten` is the same with quotation marks, for what a user has to type.

    Examples
    --------
    >>> listed(["A", "King's Lynn", "C"], limit=2), listed([2019])
    ("A, King's Lynn and 1 more", '2019')
    """
    items = [str(v) for v in values]
    text, more = ", ".join(items[:limit]), len(items) - limit
    return f"{text} and {more} more" if more > 0 else text

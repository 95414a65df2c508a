"""Periods: months, quarters, calendar years and financial years, read from whatever names one.

Financial quarters are the quarters that begin in April, July, October and January, so every one of
them is also a calendar quarter. They are held as calendar quarters and labelled in both ways, which
makes the common mistake of reading financial Q1 as January to March impossible to keep unseen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

import pandas as pd

from svmodel.errors import DataError, Problem

PeriodLike: TypeAlias = "str | int | pd.Period | pd.Timestamp"

#: Frequencies that a panel may have: pandas alias -> word for one period.
FREQUENCIES = {"M": "month", "Q-DEC": "quarter", "Y-DEC": "year", "Y-MAR": "financial year"}

_MONTH_NAMES = {
    name: number
    for number, names in enumerate(
        [
            ("jan", "january"),
            ("feb", "february"),
            ("mar", "march"),
            ("apr", "april"),
            ("may",),
            ("jun", "june"),
            ("jul", "july"),
            ("aug", "august"),
            ("sep", "sept", "september"),
            ("oct", "october"),
            ("nov", "november"),
            ("dec", "december"),
        ],
        start=1,
    )
    for name in names
}
# A slash needs a day behind it: without one, 2011/12 is a financial year and would pass as December 2011.
_MONTH = re.compile(
    r"^(\d{4})(?:[- ]?(0[1-9]|1[0-2])(?:-?(?:[0-2]\d|3[01]))?|/(0[1-9]|1[0-2])/(?:[0-2]\d|3[01]))"
    r"(?:[T ]00:00(?::00(?:\.0+)?)?)?$"
)
_NAMED_MONTH = re.compile(r"^([A-Za-z]{3,9})[-/ ]?(\d{4})$")
_QUARTER = re.compile(r"^(\d{4})[- ]?Q([1-4])$", re.IGNORECASE)
_FINANCIAL_QUARTER = re.compile(r"^(\d{4})[/_-](\d{2}|\d{4})\s*,?\s*Q([1-4])$", re.IGNORECASE)
_YEAR = re.compile(r"^(\d{4})(?:\.0)?$")
_FINANCIAL_YEAR = re.compile(r"^(\d{4})/(\d{2}|\d{4})$")


def parse(value: PeriodLike) -> pd.Period:
    """Read one period.

    Parameters
    ----------
    value : str, int, pandas.Period or datetime-like
        ``"2019-04"``, ``"2019-04-01"``, ``"Apr 2019"`` (month); ``"2019Q2"`` (calendar quarter);
        ``"2019/20 Q1"`` (financial quarter, April to June 2019); ``2019`` (calendar year);
        ``"2019/20"`` (financial year).

    Returns
    -------
    pandas.Period
        Of frequency ``M``, ``Q-DEC``, ``Y-DEC`` or ``Y-MAR``.

    Raises
    ------
    DataError
        If the value names no period, or a financial year whose two halves do not follow each other.

    Examples
    --------
    >>> parse("2019-04"), parse("2019/20 Q4"), parse(2019)
    (Period('2019-04', 'M'), Period('2020Q1', 'Q-DEC'), Period('2019', 'Y-DEC'))
    """
    if isinstance(value, pd.Period):
        if value.freqstr in FREQUENCIES:
            return value
        raise DataError(f"{value!r} is a period of frequency {value.freqstr}; use months, quarters or years")
    if hasattr(value, "year") and hasattr(value, "month"):
        if pd.isna(value):
            raise DataError("a period is missing")
        return pd.Period(year=value.year, month=value.month, freq="M")
    text = str(value).strip()
    if m := _YEAR.match(text):
        return pd.Period(year=int(m[1]), freq="Y-DEC")
    if m := _MONTH.match(text):
        return pd.Period(year=int(m[1]), month=int(m[2] or m[3]), freq="M")
    if m := _QUARTER.match(text):
        return pd.Period(year=int(m[1]), quarter=int(m[2]), freq="Q-DEC")
    if (m := _NAMED_MONTH.match(text)) and m[1].casefold() in _MONTH_NAMES:
        return pd.Period(year=int(m[2]), month=_MONTH_NAMES[m[1].casefold()], freq="M")
    if m := _FINANCIAL_QUARTER.match(text):
        first = _financial_start(m[1], m[2], text)
        april = pd.Period(year=first, quarter=2, freq="Q-DEC")
        return april + (int(m[3]) - 1)
    if m := _FINANCIAL_YEAR.match(text):
        return pd.Period(year=_financial_start(m[1], m[2], text) + 1, freq="Y-MAR")
    raise DataError(f"{text!r} names no period; write 2019-04, 2019Q2, 2019/20 Q1, 2019 or 2019/20")


def _financial_start(first: str, second: str, text: str) -> int:
    start = int(first)
    if int(second) % 100 != (start + 1) % 100:
        raise DataError(
            f"{text!r} is no financial year: {first} is followed by {(start + 1) % 100:02d}; write a month as 2019-04"
        )
    return start


def parse_many(values: Iterable[PeriodLike], *, where: str = "period") -> pd.PeriodIndex:
    """Read a column of periods; every value must have the same frequency.

    Returns
    -------
    pandas.PeriodIndex
        In the order given.

    Raises
    ------
    DataError
        Naming every value that is no period, and mixed frequencies.
    """
    if isinstance(values, pd.PeriodIndex) and values.freqstr in FREQUENCIES:
        return values
    series = pd.Series(values)
    known: dict[object, pd.Period | None] = {}
    problems: list[Problem] = []
    for value in series.unique():
        try:
            known[value] = None if pd.isna(value) else parse(value)
        except DataError as error:
            known[value] = None
            lines = series.index[series == value][:3].tolist()
            problems.append(Problem(error.title, where=where, fix=f"Rows {lines}.", rule="period_unreadable"))
    missing = int(series.isna().sum())
    if missing:
        problems.append(Problem(f"{missing} periods are missing", where=where, rule="period_missing"))
    frequencies = {p.freqstr for p in known.values() if p is not None}
    if len(frequencies) > 1:
        words = " and ".join(sorted(FREQUENCIES[f] + "s" for f in frequencies))
        problems.append(Problem(f"{words} are mixed in one column", where=where, rule="period_mixed"))
    if problems:
        raise DataError("the periods cannot be read", problems)
    return pd.PeriodIndex([known[v] for v in series], freq=frequencies.pop() if frequencies else "M")


def label(period: pd.Period) -> str:
    """Return the text by which a reader knows the period.

    Examples
    --------
    >>> label(parse("2019-04")), label(parse("2019Q2")), label(parse("2019/20"))
    ('Apr 2019', '2019Q2 (2019/20 Q1)', '2019/20')
    """
    if period.freqstr == "M":
        return str(period.strftime("%b %Y"))
    if period.freqstr == "Q-DEC":
        start = period.year if period.quarter >= 2 else period.year - 1
        quarter = (period.quarter - 2) % 4 + 1
        return f"{period} ({start}/{(start + 1) % 100:02d} Q{quarter})"
    if period.freqstr == "Y-MAR":
        return f"{period.year - 1}/{period.year % 100:02d}"
    return str(period)


def code(period: pd.Period) -> str:
    """Return the text that :func:`parse` reads back to the same period."""
    return label(period) if period.freqstr == "Y-MAR" else str(period)


def describe_frequency(index: pd.PeriodIndex) -> str:
    """Return the word for one period of the index, e.g. ``"month"``."""
    return FREQUENCIES[index.freqstr]


def per_year(index: pd.PeriodIndex) -> int:
    """Return how many periods of this index make a year."""
    return {"M": 12, "Q-DEC": 4}.get(index.freqstr, 1)

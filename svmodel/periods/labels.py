"""What a period is called, and how long it is."""

from __future__ import annotations

import pandas as pd

#: Frequencies that a panel may have: pandas alias -> word for one period.
FREQUENCIES = {"M": "month", "Q-DEC": "quarter", "Y-DEC": "year", "Y-MAR": "financial year", "Y-AUG": "academic year"}


def label(period: pd.Period) -> str:
    """Return the text by which a reader knows the period.

    Examples
    --------
    >>> label(pd.Period("2019-04", "M")), label(pd.Period("2019Q2")), label(pd.Period("2020", "Y-MAR"))
    ('Apr 2019', '2019Q2 (2019/20 Q1)', '2019/20')
    """
    if period.freqstr == "M":
        return str(period.strftime("%b %Y"))
    if period.freqstr == "Q-DEC":
        start = period.year if period.quarter >= 2 else period.year - 1
        quarter = (period.quarter - 2) % 4 + 1
        return f"{period} ({start}/{(start + 1) % 100:02d} Q{quarter})"
    pair = f"{period.year - 1}/{period.year % 100:02d}"
    return {"Y-MAR": pair, "Y-AUG": f"academic year {pair}"}.get(period.freqstr, str(period))


def code(period: pd.Period) -> str:
    """Return the text that :func:`svmodel.periods.parse` reads back to the same period."""
    return label(period) if period.freqstr in ("Y-MAR", "Y-AUG") else str(period)


def describe_frequency(index: pd.PeriodIndex) -> str:
    """Return the word for one period of the index, e.g. ``"month"``."""
    return FREQUENCIES[index.freqstr]


def per_year(index: pd.PeriodIndex) -> int:
    """Return how many periods of this index make a year."""
    return {"M": 12, "Q-DEC": 4}.get(index.freqstr, 1)

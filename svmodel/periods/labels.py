"""What a period is called, and how long it is."""

from __future__ import annotations

import pandas as pd

#: Frequencies that a panel may have: pandas alias -> word for one period.
FREQUENCIES = {"M": "month", "Q-DEC": "quarter", "Y-DEC": "year", "Y-MAR": "financial year", "Y-AUG": "academic year"}
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
#: Frequency of weeks by the weekday on which they begin, Monday first: those of ISO 8601 end on Sundays.
WEEKS = tuple(f"W-{_WEEKDAYS[day - 1].upper()}" for day in range(7))
FREQUENCIES |= dict.fromkeys(WEEKS, "week") | {"D": "day"}
#: Days in a year, in the mean.
_YEAR = 365.25


def label(period: pd.Period) -> str:
    """Return the text by which a reader knows the period.

    Examples
    --------
    >>> label(pd.Period("2019-04", "M")), label(pd.Period("2019Q2")), label(pd.Period("2020", "Y-MAR"))
    ('Apr 2019', '2019Q2 (2019/20 Q1)', '2019/20')
    """
    if period.freqstr == "M":
        return str(period.strftime("%b %Y"))
    if period.freqstr == "D":
        return f"{period.day} {period.strftime('%b %Y')}"
    if period.freqstr in WEEKS:
        return f"week of {label(period.asfreq('D', how='start'))}"
    if period.freqstr == "Q-DEC":
        start = period.year if period.quarter >= 2 else period.year - 1
        quarter = (period.quarter - 2) % 4 + 1
        return f"{period} ({start}/{(start + 1) % 100:02d} Q{quarter})"
    pair = f"{period.year - 1}/{period.year % 100:02d}"
    return {"Y-MAR": pair, "Y-AUG": f"academic year {pair}"}.get(period.freqstr, str(period))


def code(period: pd.Period) -> str:
    """Return the text that :func:`svmodel.periods.parse` reads back to the same period; texts sort as periods do.

    Examples
    --------
    >>> code(pd.Period("2021-04-05", "D")), code(pd.Period("2021-04-05", "W-SUN")), code(pd.Period("2020", "Y-MAR"))
    ('2021-04-05 Mon', '2021-W14', '2019/20')
    """
    if period.freqstr == "D":
        return f"{period} {_WEEKDAYS[period.day_of_week]}"
    if period.freqstr == WEEKS[0]:
        year, week, _ = period.start_time.isocalendar()
        return f"{year}-W{week:02d}"
    if period.freqstr in WEEKS:
        return f"{period.asfreq('D', how='start')} to {period.asfreq('D', how='end')}"
    return label(period) if period.freqstr in ("Y-MAR", "Y-AUG") else str(period)


def describe_frequency(index: pd.PeriodIndex) -> str:
    """Return the word for one period of the index, e.g. ``"month"``."""
    return FREQUENCIES[index.freqstr]


def per_year(index: pd.PeriodIndex) -> int:
    """Return how many periods of this index make a year; of weeks 52 and of days 365, which is a little less."""
    return {"M": 12, "Q-DEC": 4, "D": 365}.get(index.freqstr, 52 if index.freqstr in WEEKS else 1)


def year_length(index: pd.PeriodIndex) -> float:
    """Return how many periods of this index make a year in the mean, as waves of a year need it: 365.25 days."""
    if index.freqstr == "D":
        return _YEAR
    return _YEAR / 7 if index.freqstr in WEEKS else float(per_year(index))


def has_weeks(index: pd.PeriodIndex) -> bool:
    """Return whether the periods are weeks or days, of which no whole number makes a year."""
    return index.freqstr == "D" or index.freqstr in WEEKS


def fit(period: pd.Period, freq: str, *, end: bool = False) -> pd.Period:
    """Return a period in the frequency of a panel, as far as that can be told without saying anything new.

    A day is in one week, month or year; a month begins and ends with a day. What cannot be told stays as it is.

    Parameters
    ----------
    period : pandas.Period
    freq : str
        Of the panel.
    end : bool
        Whether the period is the last of a span, so that a month ends it with its last day.

    Examples
    --------
    >>> fit(pd.Period("2021-04-17", "D"), "M"), fit(pd.Period("2021-04", "M"), "D", end=True)
    (Period('2021-04', 'M'), Period('2021-04-30', 'D'))
    """
    fine = freq == "D" or freq in WEEKS
    if period.freqstr == freq or not (fine or period.freqstr == "D"):
        return period
    return period.asfreq(freq, how="end" if end else "start")

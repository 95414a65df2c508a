"""Break: a declared change of level in a series, with the reason for it."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from svmodel import periods
from svmodel.errors import DataError, Problems
from svmodel.periods import PeriodLike


@dataclass(frozen=True)
class Break:
    """A change of level that is known to have come from outside: a new recording system, a lockdown.

    Parameters
    ----------
    period : period-like
        First period at the new level; read by :func:`svmodel.periods.parse`.
    reason : str
        Why the level changed, in words that a report can print. It has to be given: a break without
        a reason is a trend explained away.
    until : period-like, optional
        Last period at the new level, where the change was temporary. None where it lasted.

    Raises
    ------
    DataError
        If a period cannot be read, the end comes before the start, or there is no reason.

    Examples
    --------
    >>> dip = Break("2020-04", "first lockdown", until="2020-06")
    >>> str(dip)
    'first lockdown (Apr 2020 to Jun 2020)'
    """

    period: pd.Period
    reason: str
    until: pd.Period | None = None

    def __init__(self, period: PeriodLike, reason: str, until: PeriodLike | None = None) -> None:
        problems = Problems()
        read: dict[str, pd.Period | None] = {"period": None, "until": None}
        for name, value in (("period", period), ("until", until)):
            if value is None and name == "until":
                continue
            try:
                read[name] = (periods.parse_first if name == "period" else periods.parse_last)(value)
            except DataError as error:
                problems.add(error.title, where=name, rule="period_unreadable")
        first, last = read["period"], read["until"]
        if first is not None and last is not None:
            if first.freqstr != last.freqstr and {first.freqstr, last.freqstr} != {"D", "M"}:
                problems.add(f"it starts at {first} and ends at {last}", fix="Use one kind of period.", rule="mixed")
            elif last.end_time < first.start_time:
                problems.add(f"it ends at {last}, before it starts at {first}", rule="break_ends_before_start")
        if not isinstance(reason, str) or not reason.strip():
            problems.add("a break needs a reason", fix="Say what changed, e.g. 'new recording system'.", rule="reason")
        problems.raise_if_any(DataError, "the break cannot be used")
        object.__setattr__(self, "period", first)
        object.__setattr__(self, "reason", str(reason).strip())
        object.__setattr__(self, "until", last)

    def within(self, index: pd.PeriodIndex) -> tuple[int, int | None]:
        """Return the positions in `index` of the first period at the new level and of the first one after it.

        A break given in another frequency (a month in quarterly data) counts from the period that holds it.

        Returns
        -------
        start : int
            May lie outside ``range(len(index))`` where the break does.
        stop : int or None
            None for a lasting change.
        """
        first = self.period.asfreq(index.freqstr, how="start").ordinal - index[0].ordinal
        if self.until is None:
            return first, None
        return first, self.until.asfreq(index.freqstr, how="end").ordinal - index[0].ordinal + 1

    def __str__(self) -> str:
        if self.until is None:
            return f"{self.reason} (from {periods.label(self.period)})"
        return f"{self.reason} ({periods.label(self.period)} to {periods.label(self.until)})"

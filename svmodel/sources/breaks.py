"""Breaks in recording that are known beforehand: facts about publishers, noted wherever data span them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

from svmodel import periods
from svmodel.ledger import LedgerEntry


class KnownBreak(NamedTuple):
    """A time in which a force's figures are missing, or from which they are not comparable.

    Attributes
    ----------
    force : str
        In the words of the publisher's file names.
    first, last : str
        Months from and to which it holds, both included.
    kind : {"missing", "near_zero", "level"}
        ``missing``: no file is to be had. ``near_zero``: what is there comes from other forces and is
        no count of this one's. ``level``: figures before and after are not comparable.
    reason : str
        In words that a report can print.
    ceiling : int
        Crimes in a month up to which it holds, where the force has a file all the same.
    """

    force: str
    first: str
    last: str
    kind: str
    reason: str
    ceiling: int = 0


METROPOLITAN = (
    KnownBreak(
        "metropolitan",
        "2024-02",
        "2024-03",
        "level",
        "the Metropolitan Police changed its recording system in February and March 2024; levels before and after "
        "are not comparable without a declared break",
    ),
)

_GMP = (
    "Greater Manchester Police has given no crimes since July 2019; the few that stand there come from other forces "
    "and are no count"
)
# Ceilings are about a tenth of a usual month, for files of a few rows; Greater Manchester's is a year's.
_DYFED = "Dyfed-Powys gave a fraction of its crimes, 164 to 1,187 a month where some 3,900 are usual; they are no count"
POLICE_UK = (
    # 653 to 2,014 crimes a YEAR stand there; in truth it is some 20,000 a month.
    KnownBreak("greater-manchester", "2019-07", "2025-11", "near_zero", _GMP, ceiling=2_014),
    KnownBreak("devon-and-cornwall", "2022-11", "2022-12", "missing", "Devon and Cornwall gave no crimes", ceiling=900),
    KnownBreak("city-of-london", "2022-06", "2022-06", "missing", "City of London gave no crimes", ceiling=60),
    KnownBreak("dyfed-powys", "2024-01", "2024-04", "near_zero", _DYFED, ceiling=1_500),
    KnownBreak("gwent", "2025-09", "2025-12", "missing", "Gwent gave no crimes", ceiling=500),
    KnownBreak("btp", "2016-02", "2016-12", "missing", "British Transport Police gave no crimes"),
    KnownBreak("btp", "2025-02", "2025-12", "missing", "British Transport Police gave no crimes"),
)


def breaks_within(known: Iterable[KnownBreak], months: pd.PeriodIndex, *, rows: int = 0) -> list[LedgerEntry]:
    """Return a note for each break that begins after the first month and not after the last.

    Parameters
    ----------
    known : iterable of KnownBreak
    months : pandas.PeriodIndex
        Months of the data.
    rows : int
        Rows concerned, for the ledger.

    Examples
    --------
    >>> import pandas as pd
    >>> months = pd.period_range("2023-12", "2024-06", freq="M")
    >>> [e.rule for e in breaks_within(METROPOLITAN, months)]
    ['recording_break']
    """
    entries = []
    for item in known:
        first, last = periods.parse(item.first), periods.parse(item.last)
        before_end = months.min() <= last if item.kind != "level" else months.min() < first
        if len(months) and before_end and months.max() >= first:
            span = periods.label(first) if first == last else f"{periods.label(first)} to {periods.label(last)}"
            entries.append(LedgerEntry("noted", rows, item.reason, f"{item.force}, {span}", "recording_break"))
    return entries

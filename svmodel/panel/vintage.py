"""Whether the LSOA codes of a frame are of one census vintage.

A code that ended in 2021 beside one that began then proves two vintages. Where those that ended were left
out, time tells: an area that was split or merged carries one code until the publisher changes over and another
one from then on, so codes of 2021 begin late. In a file of one vintage every code runs from first to last.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel import periods
from svmodel.areas import is_known, is_lsoa, lsoa_2021_only
from svmodel.errors import Problem, shorten
from svmodel.ledger import LedgerEntry
from svmodel.registers import lsoas_ended

_FIX = "Map every row to one vintage with the ONS 2011-2021 lookup (svmodel.sources.LsoaLookup) first."
#: Events that the years before the change should have held, for zeros in them to mean "no such code yet":
#: with 10 expected, the chance of none at all is below 1 in 20,000.
_EXPECTED = 10.0
#: Share of its periods between first and last that a code holds where no rows were left out.
_FULL = 0.95
#: Chance below which codes of 2021 that all begin late are not late for want of a crime.
_BY_CHANCE = 0.001


def vintage_problems(
    area: pd.Series, period: pd.PeriodIndex, usable: NDArray[np.bool_], total: NDArray[np.float64], *, column: str
) -> list[Problem]:
    """Return what shows that codes of 2011 and of 2021 are mixed, or nothing.

    Parameters
    ----------
    area, period : shape (n,)
        Area and period of each row.
    usable : ndarray of bool, shape (n,)
        Rows whose area and period are both known.
    total : ndarray of float, shape (n,)
        All counts of the row added up; tells a code that was filled with zeros before it existed.
    column : str
        Name of the area column, for the message.
    """
    lsoas = {str(a) for a in area[usable].unique() if is_lsoa(a) and is_known(a)}
    new = set(lsoa_2021_only(lsoas))
    old = lsoas - new
    if not new or not old:
        return []
    if ended := sorted(old & lsoas_ended()):
        return [_problem(sorted(new), f"and {shorten(ended, limit=3)} ended then", column)]
    rows = usable & area.isin(lsoas).to_numpy()
    cells = pd.DataFrame({"area": area[rows].astype(str).to_numpy(), "at": period.asi8[rows], "total": total[rows]})
    span = cells.groupby("area")["at"].agg(["min", "max", "size"])
    start, end = int(cells["at"].min()), int(cells["at"].max())
    gaps = pd.DataFrame({"begin": span["min"] - start, "end": end - span["max"]})
    older, newer = gaps.loc[sorted(old)], gaps.loc[sorted(new)]
    held = span.loc[sorted(old)]
    # First and last period are held by definition, so only what lies between them tells of rows left out.
    between = (held["max"] - held["min"] - 1).clip(lower=0)
    full = float((held["size"] - 2).clip(lower=0).sum() / between.sum()) if between.any() else 1.0
    word = periods.FREQUENCIES[period.freqstr]
    if full >= _FULL and (older > 0).any(axis=1).mean() <= 0.5:
        # No rows were left out and most older codes run throughout: a code of 2021 that does not is of the
        # other vintage.
        late = newer.index[(newer > 0).any(axis=1)]
        how = f"and lack {word}s that the other areas have"
    else:
        # Rows without a crime may have been left out: what tells is a code of 2021 that begins later or ends
        # earlier than every older one and than chance would have it, or all of them beginning together when
        # few older ones do.
        chance = len(newer) * (1 - full) ** newer
        late = newer.index[((newer > older.max()) & (chance < _BY_CHANCE)).any(axis=1)]
        how = f"and begin later, or end earlier, than any other area of these {word}s"
        entry = int(newer["begin"].min())
        if entry > 0 and float((older["begin"] >= entry).mean()) ** len(newer) < _BY_CHANCE:
            late, how = newer.index, f"and stand only from {_name(start + entry, period)} on"
    if len(late):
        return [_problem(late, how, column)]
    return _zero_filled(cells, old, new, start, period, column)


def vintage_note(areas: Iterable[str]) -> tuple[LedgerEntry, ...]:
    """Return the note that codes which came into being in 2021 stand beside older ones, or nothing.

    Most codes are the same in both censuses, so a file in which none of those stands that ended is of 2021.
    """
    lsoas = [a for a in areas if is_lsoa(a) and is_known(a)]
    new = lsoa_2021_only(lsoas)
    if not new or len(new) == len(lsoas):
        return ()
    what = (
        f"{len(new):,} of {len(lsoas):,} LSOA codes came into being in 2021 ({shorten(new, limit=3)}) and none stands "
        "here that ended then, so all are of the 2021 census"
    )
    return (LedgerEntry("noted", len(new), what, where="LSOA codes", rule="lsoa_vintage"),)


def _zero_filled(
    cells: pd.DataFrame, old: set[str], new: set[str], start: int, period: pd.PeriodIndex, column: str
) -> list[Problem]:
    """Find codes of 2021 that hold nothing but zeros until one period: a grid filled up over two vintages."""
    events = cells[cells["total"] > 0]
    fresh = events[events["area"].isin(new)]
    if fresh.empty or not events["area"].isin(old).any():
        return []
    entry, last = int(fresh["at"].min()), int(cells["at"].max())
    per_period = float(fresh["total"].sum()) / (last - entry + 1)
    if per_period * (entry - start) < _EXPECTED:
        return []
    how = f"and hold nothing but zeros before {_name(entry, period)}"
    return [_problem(sorted(new), how, column)]


def _name(ordinal: int, period: pd.PeriodIndex) -> str:
    return periods.label(pd.Period(ordinal=ordinal, freq=period.freqstr))


def _problem(codes: pd.Index | list[str], how: str, column: str) -> Problem:
    what = f"LSOA codes of 2011 and of 2021 are mixed: {shorten(codes, limit=3)} came into being in 2021 {how}"
    return Problem(what, f"column {column!r}", _FIX, rule="mixed_lsoa_vintages")

"""Whether the LSOA codes of a frame are of one census vintage.

The full register is not needed. An area that was split or merged in 2021 carries one code until the
publisher changes over and another one from then on, so in a file of two vintages some codes end and
some codes of 2021 begin. In a file of one vintage every code runs from first to last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.areas import is_known, is_lsoa, lsoa_2021_only
from svmodel.errors import Problem, shorten

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FIX = "Map every row to one vintage with the ONS 2011-2021 lookup (svmodel.sources.LsoaLookup) first."
#: Events that the years before the change should have held, for zeros in them to mean "no such code yet":
#: with 10 expected, the chance of none at all is below 1 in 20,000.
_EXPECTED = 10.0


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
    rows = usable & area.isin(lsoas).to_numpy()
    cells = pd.DataFrame({"area": area[rows].astype(str).to_numpy(), "at": period.asi8[rows], "total": total[rows]})
    span = cells.groupby("area")["at"].agg(["min", "max"])
    start, end = int(cells["at"].min()), int(cells["at"].max())
    older, newer = span.loc[sorted(old)], span.loc[sorted(new)]
    ragged = (older["min"] > start) | (older["max"] < end)
    if ragged.mean() <= 0.5:
        # Most older codes run throughout, so a code of 2021 that does not is of the other vintage.
        late = newer.index[(newer["min"] > start) | (newer["max"] < end)]
        word = periods.FREQUENCIES[period.freqstr]
        how = f"and lack {word}s that the other areas have"
    else:
        # Rows without a crime were left out, or all codes changed: then the codes of 2021 enter together
        # after the start, and older codes end by then.
        entry = int(newer["min"].min())
        changed = entry > start and bool((older["max"] < entry).any())
        late = newer.index if changed else newer.index[:0]
        how = f"and stand only from {_name(entry, period)} on, when older codes have ended"
    if len(late):
        return [_problem(late, how, column)]
    return _zero_filled(cells, old, new, start, period, column)


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

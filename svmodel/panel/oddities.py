"""What is odd about a panel and yet allowed: said aloud, so that nobody finds it in a result."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel import periods
from svmodel.errors import shorten
from svmodel.ledger import LedgerEntry

#: Events in an ordinary period, over all areas, from which on a period without any is no chance.
_USUAL = 10
#: Periods that have to be known to speak of a level; how many times one level, and one value, is of what is usual.
#: A level that was counted tenfold is seen with its noise from seven on.
_AROUND, _LEVELS, _JUMP = 6, 7, 10
#: Events for each person and period above which an exposure is hardly persons.
_MOST_EVENTS = 0.1
_CONSTANT = 12


def oddities(
    counts: dict[str, NDArray[np.float64]],
    exposures: dict[str, NDArray[np.float64]],
    areas: tuple[str, ...],
    grid: pd.PeriodIndex,
) -> Iterator[LedgerEntry]:
    """Yield a note for each thing that is odd.

    Parameters
    ----------
    counts, exposures : dict of str to ndarray, shape (N, T)
        NaN where missing.
    areas : tuple of str, of length N
    grid : pandas.PeriodIndex, of length T
    """
    for name, y in counts.items():
        where = f"column {name!r}"
        yield from _empty_periods(y, grid, where)
        yield from _repeated_year(y, grid, where)
        yield from _constant(y, areas, where)
        yield from _jumps(y, areas, grid, where)
    for name, people in exposures.items():
        yield from _exposure(name, people, counts, areas, grid)


def _note(rows: int, reason: str, where: str, *, rule: str) -> LedgerEntry:
    return LedgerEntry("noted", int(rows), reason, where, rule)


def _empty_periods(y: NDArray[np.float64], grid: pd.PeriodIndex, where: str) -> Iterator[LedgerEntry]:
    known = ~np.isnan(y)
    total = np.nansum(y, axis=0)
    seen = known.mean(axis=0) >= 0.5
    usual = float(np.median(total[seen])) if seen.any() else 0.0
    empty = np.flatnonzero(seen & (total == 0))
    if usual >= _USUAL and len(empty):
        when = shorten([periods.label(grid[t]) for t in empty], limit=3).replace("'", "")
        reason = f"no area has an event in {when}, where {usual:,.0f} are usual: are they zeros, or was nothing sent?"
        yield _note(int(known[:, empty].sum()), reason, where, rule="period_of_zeros")


def _repeated_year(y: NDArray[np.float64], grid: pd.PeriodIndex, where: str) -> Iterator[LedgerEntry]:
    year, n = periods.per_year(grid), len(grid)
    for lag in range(year, n - year + 1, year) if year > 1 else ():
        first, second = y[:, :-lag], y[:, lag:]
        same = ((first == second) | (np.isnan(first) & np.isnan(second))).all(axis=0)
        for t in range(n - lag - year + 1):
            stretch = first[:, t : t + year]
            if same[t : t + year].all() and np.nansum(stretch) >= 2 * year and np.nanmax(np.ptp(stretch, axis=1)) > 0:
                span = f"{periods.label(grid[t + lag])} to {periods.label(grid[t + lag + year - 1])}"
                reason = (
                    f"{span} repeats every count of {periods.label(grid[t])} to {periods.label(grid[t + year - 1])}"
                )
                yield _note(stretch.size, f"{reason}: was one year copied over another?", where, rule="repeated_year")
                return


def _constant(y: NDArray[np.float64], areas: tuple[str, ...], where: str) -> Iterator[LedgerEntry]:
    known = (~np.isnan(y)).sum(axis=1)
    filled = np.where(np.isnan(y), -np.inf, y).max(axis=1), np.where(np.isnan(y), np.inf, y).min(axis=1)
    same = np.flatnonzero((known >= _CONSTANT) & (filled[0] == filled[1]) & (filled[0] > 0))
    if len(same):
        which = [f"{areas[i]} ({filled[0][i]:g})" for i in same]
        never = "never changes: is it a count" if len(same) == 1 else "never change: are they counts"
        reason = f"{shorten(which, limit=3).replace(chr(39), '')} {never}, or filled in?"
        yield _note(int(known[same].sum()), reason, where, rule="constant_area")


def _jumps(y: NDArray[np.float64], areas: tuple[str, ...], grid: pd.PeriodIndex, where: str) -> Iterator[LedgerEntry]:
    """Find levels that change tenfold from one period to the next, and single values ten times their neighbours."""
    found = []
    for i, row in enumerate(y):
        at = np.flatnonzero(~np.isnan(row))
        values = row[at]
        if len(values) < 2 * _AROUND or values.max() < _USUAL:
            continue
        windows = np.lib.stride_tricks.sliding_window_view(values, _AROUND)
        level, lowest, highest = np.median(windows, axis=1), windows.min(axis=1), windows.max(axis=1)
        before, after = slice(0, len(level) - _AROUND), slice(_AROUND, len(level))
        ratio = np.maximum(level[after], 0.5) / np.maximum(level[before], 0.5)
        up = (ratio >= _LEVELS) & (lowest[after] > 3 * highest[before]) & (level[after] >= _USUAL)
        down = (ratio <= 1 / _LEVELS) & (lowest[before] > 3 * highest[after]) & (level[before] >= _USUAL)
        jump = np.flatnonzero(up | down)
        if len(jump):
            t = int(jump[0])
            when = periods.label(grid[at[t + _AROUND]])
            found.append(f"{areas[i]}: {level[t]:,.0f}, and {level[t + _AROUND]:,.0f} from {when} on")
            continue
        usual, rest = float(np.median(values)), np.sort(values)
        top = int(np.argmax(values))
        if usual >= 3 and values[top] > _JUMP * usual and rest[-2] < values[top] / 3:
            found.append(
                f"{areas[i]}: {values[top]:,.0f} in {periods.label(grid[at[top]])}, where {usual:,.0f} is usual"
            )
    if found:
        reason = f"{shorten(found, limit=3).replace(chr(39), '')}: another way of counting, or an error?"
        yield _note(len(found), reason, where, rule="level_jump")


def _exposure(
    name: str,
    people: NDArray[np.float64],
    counts: dict[str, NDArray[np.float64]],
    areas: tuple[str, ...],
    grid: pd.PeriodIndex,
) -> Iterator[LedgerEntry]:
    where = f"column {name!r}"
    for column, y in counts.items():
        known = ~np.isnan(y) & ~np.isnan(people)
        if known.any() and y[known].sum() > _MOST_EVENTS * people[known].sum():
            each = y[known].sum() / people[known].sum()
            word = periods.describe_frequency(grid)
            reason = f"there are {each:,.2g} events of {column!r} for each person and {word}: is {name!r} in thousands?"
            yield _note(int(known.sum()), reason, where, rule="exposure_in_thousands")
            break
    with np.errstate(invalid="ignore", divide="ignore"):
        step = people[:, 1:] / people[:, :-1]
    odd = np.argwhere((step > _JUMP / 2) | (step < 2 / _JUMP))
    if len(odd):
        which = [f"{areas[i]} from {periods.label(grid[t])} to {periods.label(grid[t + 1])}" for i, t in odd[:3]]
        reason = f"it changes more than fivefold at a step ({shorten(which, limit=3).replace(chr(39), '')})"
        yield _note(len(odd), reason, where, rule="exposure_jump")

"""Columns of a second file joined to the rows of the first: populations, reporting areas, names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.errors import DataError, Problems, did_you_mean, shorten
from svmodel.ledger import LedgerEntry
from svmodel.sources.midyear import at_periods
from svmodel.sources.opening import read_table, require_kind


@dataclass(frozen=True)
class Join:
    """Which columns of a second file go to which rows of the first.

    Parameters
    ----------
    path : str or Path
        A CSV or Parquet file with one row for each key.
    on : mapping of str to str
        Column of the first file -> column of the second that holds the same key. A key named
        ``year`` that the first file lacks is the calendar year of the row's period.
    columns : mapping of str to str
        Column of the second file -> its name in the joined frame.
    mid_year : str, optional
        Column of the second file that holds the year of mid-year population estimates. The joined
        columns are then carried to each row's period on straight lines between 30 Junes; beyond
        the last estimate the last is held, and the ledger says so.
    missing_ok : bool
        Whether a key that the second file lacks is left missing (and noted) rather than an error.

    Examples
    --------
    >>> join = Join("population.csv", on={"borough": "area_name"}, columns={"population": "residents"}, mid_year="year")
    >>> dict(join.on)
    {'borough': 'area_name'}
    """

    path: str | Path
    on: Mapping[str, str]
    columns: Mapping[str, str]
    mid_year: str | None = None
    missing_ok: bool = False

    def __post_init__(self) -> None:
        problems = Problems()
        if not self.on:
            problems.add("it names no key", fix="Give on={column here: column there}.", rule="join_without_key")
        if not self.columns:
            problems.add("it brings no column", fix="Give columns={column there: name here}.", rule="join_empty")
        if self.mid_year is not None and len(self.on) != 1:
            problems.add("with mid_year it takes one key, the area", rule="join_key")
        problems.raise_if_any(DataError, f"the join of {self.path} cannot be made")
        object.__setattr__(self, "on", MappingProxyType(dict(self.on)))
        object.__setattr__(self, "columns", MappingProxyType(dict(self.columns)))

    def __reduce__(self) -> tuple[object, ...]:
        return Join, (self.path, dict(self.on), dict(self.columns), self.mid_year, self.missing_ok)


def apply_joins(
    frame: pd.DataFrame, joins: tuple[Join, ...], *, period: str, problems: Problems, written: str | None = None
) -> tuple[pd.DataFrame, list[LedgerEntry]]:
    """Return the frame with the joined columns, its rows untouched in number and order.

    Parameters
    ----------
    frame : pandas.DataFrame
        Left untouched.
    joins : tuple of Join
        Made one after the other; a later one may use a column that an earlier one brought.
    period : str
        Column that names the period of a row.
    problems : Problems
        Takes what is wrong: unknown columns, a key that stands twice in the second file, areas that
        the second file lacks (by name), a column that would be overwritten.
    written : str, optional
        How the periods are written, where that can be read in several ways.

    Returns
    -------
    frame : pandas.DataFrame
    entries : list of LedgerEntry
    """
    entries: list[LedgerEntry] = []
    when: pd.PeriodIndex | None = None
    for join in joins:
        needed = period in frame.columns and (join.mid_year is not None or "year" in set(join.on) - set(frame.columns))
        when = _parsed(frame[period], written) if needed and when is None else when
        frame, more = _apply(frame, join, when if needed else None, problems)
        entries.extend(more)
    return frame, entries


def _apply(
    frame: pd.DataFrame, join: Join, when: pd.PeriodIndex | None, problems: Problems
) -> tuple[pd.DataFrame, list[LedgerEntry]]:
    where = f"join of {Path(join.path).name}"
    try:
        other = _read(join)
    except DataError as error:
        if error.problems:
            problems.extend(error.problems)
        else:
            problems.add(error.title, where=where, rule="join_unreadable")
        return frame, []
    before = len(problems)
    left = _left_keys(frame, join, when, where, problems)
    wanted = [*join.on.values(), *join.columns, *([join.mid_year] if join.mid_year else [])]
    for column in dict.fromkeys(wanted):
        if column not in other.columns:
            fix = did_you_mean(column, other.columns)
            problems.add(f"there is no column {column!r}", where=where, fix=fix, rule="unknown_column")
    for new in join.columns.values():
        if new in frame.columns:
            fix = "Give it another name in `columns`."
            problems.add(f"the data already has a column {new!r}", where=where, fix=fix, rule="join_overwrites")
    if len(problems) > before or left is None:
        return frame, []
    for column in join.on.values():
        other[column] = other[column].astype("string").str.strip()
    keys = [*join.on.values(), *([join.mid_year] if join.mid_year else [])]
    twice = other.duplicated(keys)
    if twice.any():
        shown = shorten(
            [" ".join(map(str, row)) for row in other.loc[twice, keys].drop_duplicates().to_numpy()], limit=3
        )
        fix = "Give it one row for each key; none is chosen for you."
        what = f"{int(twice.sum()):,} keys stand more than once ({shown})"
        problems.add(what, where=where, fix=fix, rule="join_key_twice")
        return frame, []
    entries = _note_unmatched(left, other, join, where, problems)
    joined = frame.copy()
    if join.mid_year is not None:
        return _carry(joined, left, other, join, when, where, entries)
    index = pd.MultiIndex.from_frame(other[list(join.on.values())])
    position = index.get_indexer(pd.MultiIndex.from_frame(left))
    for source, new in join.columns.items():
        values = other[source].take(np.maximum(position, 0)).reset_index(drop=True)
        joined[new] = values.where(pd.Series(position >= 0)).to_numpy()
    return joined, entries


def _read(join: Join) -> pd.DataFrame:
    path = Path(join.path)
    if require_kind(path, "csv", "gzip", "parquet") == "parquet":
        return pd.read_parquet(path)
    return read_table(path, text=list(join.on.values())).to_pandas()


def _left_keys(
    frame: pd.DataFrame, join: Join, when: pd.PeriodIndex | None, where: str, problems: Problems
) -> pd.DataFrame | None:
    keys: dict[str, object] = {}
    for column in join.on:
        if column in frame.columns:
            keys[column] = frame[column].astype("string").str.strip().to_numpy()
        elif column == "year" and when is not None:
            keys[column] = when.year.astype("string").to_numpy()
        else:
            fix = did_you_mean(column, frame.columns)
            problems.add(f"the data has no column {column!r}", where=where, fix=fix, rule="unknown_column")
    return pd.DataFrame(keys) if len(keys) == len(join.on) else None


def _parsed(column: pd.Series, written: str | None) -> pd.PeriodIndex:
    """Read the periods; one that cannot be read is NaT here, and the panel's own rules name it."""
    try:
        return periods.read_column(column, written=written).index
    except DataError:
        return pd.PeriodIndex([pd.NaT] * len(column), freq="M")


def _note_unmatched(
    left: pd.DataFrame, other: pd.DataFrame, join: Join, where: str, problems: Problems
) -> list[LedgerEntry]:
    right = list(join.on.values())
    distinct = left.dropna().drop_duplicates()
    lacking = distinct[~pd.MultiIndex.from_frame(distinct).isin(pd.MultiIndex.from_frame(other[right]))]
    if lacking.empty:
        return []
    names = [" ".join(map(str, row)) for row in lacking.to_numpy()]
    if join.missing_ok:
        rows = int(pd.MultiIndex.from_frame(left).isin(pd.MultiIndex.from_frame(lacking)).sum())
        brings = " and ".join(repr(c) for c in join.columns.values())
        return [LedgerEntry("missing", rows, f"no {brings} for {shorten(names)}", where, "join_unmatched")]
    choices = other[right[0]].dropna().unique()
    fix = did_you_mean(lacking.iloc[0, 0], choices, limit=3) if len(right) == 1 else ""
    what = (
        f"{len(names):,} key{'s of the data are' if len(names) > 1 else ' of the data is'} not in it: {shorten(names)}"
    )
    problems.add(what, where=where, fix=fix, rule="join_unmatched")
    return []


def _carry(
    joined: pd.DataFrame,
    left: pd.DataFrame,
    other: pd.DataFrame,
    join: Join,
    when: pd.PeriodIndex | None,
    where: str,
    entries: list[LedgerEntry],
) -> tuple[pd.DataFrame, list[LedgerEntry]]:
    ((here, there),) = join.on.items()
    index = pd.PeriodIndex([pd.NaT] * len(joined), freq="M") if when is None else when
    readable = ~index.isna()
    for source, new in join.columns.items():
        values, more = at_periods(
            other,
            left[here][readable].reset_index(drop=True),
            index[readable],
            key=there,
            year=str(join.mid_year),
            value=source,
            where=where,
        )
        full = np.full(len(joined), np.nan)
        full[readable] = values
        joined[new] = full
        entries.extend(more)
    return joined, entries

"""Files of the Metropolitan Police as tables with our column names: long ones, and wide ones with a column a month."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel import periods
from svmodel.errors import DataError, Problems, shorten
from svmodel.sources.contract import counts_of, match_columns, name_lines
from svmodel.sources.opening import read_header, read_table, require_kind

#: Columns that these layouts carry beside keys and months; they are passed over.
_PASSED_OVER = {"boroughsnt", "areatype", "objectid", "majortext", "minortext", "offencegroup", "refreshdate"}
_SLASHED = re.compile(r"^(\d{1,2})/(\d{1,2})/(\d{4})")


def open_long(
    path: Path, aliases: Mapping[str, Sequence[str]], *, keep: Sequence[str]
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Read a long file with our column names; `keep` stay text."""
    require_kind(path, "csv", "gzip")
    columns, lacking = match_columns(read_header(path), aliases)
    if lacking:
        raise DataError(f"{path} is not in this layout of the Metropolitan Police", lacking)
    table = read_table(path, text=[columns[k] for k in keep], columns=list(columns.values()))
    return table.to_pandas().rename(columns={theirs: ours for ours, theirs in columns.items()}), columns


def months_of(column: pd.Series, lines: NDArray[np.int64], name: str, problems: Problems) -> pd.PeriodIndex:
    """Return the month of each row; NaT, and a problem, where the column names none."""
    codes, distinct = pd.factorize(column)
    parsed = []
    for i, value in enumerate(distinct):
        try:
            month = periods.parse(value)
        except DataError as error:
            problems.add(
                error.title, where=f"column {name!r}, {name_lines(lines[codes == i])}", rule="period_unreadable"
            )
            month = pd.NaT
        if month is not pd.NaT and month.freqstr != "M":
            where = f"column {name!r}, {name_lines(lines[codes == i])}"
            problems.add(f"{value!r} is no month", where=where, rule="period_unreadable")
            month = pd.NaT
        parsed.append(month)
    return pd.PeriodIndex(parsed, freq="M")[codes]


def dashboard_months(path: Path, frame: pd.DataFrame) -> pd.Series:
    """Read 01/04/2023 as April where the first number is always 1, and as 4 January where the second is."""
    parts = frame["month"].astype("string").str.extract(_SLASHED)
    slashed = parts[0].notna().to_numpy(dtype=bool)
    if not slashed.any():
        return frame["month"]
    first, second = (parts.loc[slashed, i].astype(int) for i in (0, 1))
    if first.eq(1).all():
        month = second
    elif second.eq(1).all():
        month = first
    else:
        line = int(np.flatnonzero(slashed)[first.ne(1).to_numpy().argmax()]) + 2
        raise DataError(f"{path}, line {line}: {frame['month'].iloc[line - 2]!r} is not the first day of a month")
    out = frame["month"].astype("object").copy()
    out[slashed] = parts.loc[slashed, 2] + "-" + month.astype(str).str.zfill(2)
    return out


def melt_wide(path: Path, aliases: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Turn a wide file, one column a month, into rows with our key columns, ``period`` and ``count``."""
    require_kind(path, "csv", "gzip")
    header = read_header(path)
    columns, lacking = match_columns(header, aliases)
    if lacking:
        raise DataError(f"{path} is not in this layout of the Metropolitan Police", lacking)
    problems = Problems()
    months = _month_columns(header, set(columns.values()), problems)
    if not months:
        problems.add("no column names a month, such as 2022-03", rule="no_months")
    problems.raise_if_any(DataError, f"{path} cannot be used")
    frame = read_table(path, text=list(columns.values())).to_pandas()
    lines = np.arange(2, len(frame) + 2)
    keys = {ours: frame[theirs].astype("str").str.strip() for ours, theirs in columns.items()}
    twice = pd.DataFrame(keys).duplicated([k for k in ("area", "measure") if k in keys]).to_numpy()
    if twice.any():
        what = f"{int(twice.sum())} rows repeat an area: {shorten(keys['area'][twice], limit=3)}"
        problems.add(what, where=name_lines(lines[twice]), rule="duplicate_area_period")
    values = np.column_stack([counts_of(frame[c], lines, name=c, problems=problems) for c in months])
    problems.raise_if_any(DataError, f"{path} cannot be used")
    index = pd.PeriodIndex(list(months.values()), freq="M")
    long = {ours: np.repeat(column.to_numpy(), len(index)) for ours, column in keys.items()}
    return pd.DataFrame({**long, "period": index[np.tile(np.arange(len(index)), len(frame))], "count": values.ravel()})


def _month_columns(header: Sequence[str], keys: set[str], problems: Problems) -> dict[str, pd.Period]:
    months: dict[str, pd.Period] = {}
    for column in (h for h in header if h not in keys):
        try:
            month = periods.parse(column)
        except DataError:
            month = None
        if month is None or month.freqstr != "M":
            if re.sub(r"[^a-z]", "", column.casefold()) not in _PASSED_OVER:
                problems.add(f"column {column!r} is neither a key nor a month", rule="unknown_column")
        elif month in months.values():
            problems.add(f"the month {month} has two columns", rule="column_twice")
        else:
            months[column] = month
    return months

"""Files of the Metropolitan Police as tables with our column names: long ones, and wide ones with a column a month."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel import periods
from svmodel.errors import DataError, Problem, Problems, shorten
from svmodel.sources.contract import counts_of, match_columns, name_lines
from svmodel.sources.opening import read_header, read_table, require_kind
from svmodel.sources.sheets import rows_of

#: Columns that these layouts carry beside keys and months; they are passed over.
_PASSED_OVER = {"boroughsnt", "areatype", "objectid", "majortext", "minortext", "offencegroup", "refreshdate"}
_SLASHED = re.compile(r"^(\d{1,2})/(\d{1,2})/(\d{4})")


def open_any(
    path: Path, aliases: Mapping[str, Sequence[str]], *, optional: Sequence[str] = (), numbers: Sequence[str] = ()
) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Read a table of a csv file or of a workbook's first sheet that has these columns, wherever its header stands.

    Parameters
    ----------
    path : Path
    aliases : mapping of str to sequence of str
        Our name for a column -> the publisher's names.
    optional : sequence of str
        Our names of columns that may be lacking.
    numbers : sequence of str
        Our names of columns that are no text; others are text without spaces around it, blank ones missing.

    Returns
    -------
    frame : pandas.DataFrame
        With our names where there are any, every other column under its own.
    lines : ndarray of int
        Line of the file, or row of the sheet, in which each row stands.
    """
    kind = require_kind(path, "csv", "gzip", "xlsx", "ods")
    if kind in ("csv", "gzip"):
        header = read_header(path)
        columns, lacking = match_columns(header, aliases, optional=optional)
        if not lacking:
            text = [theirs for ours, theirs in columns.items() if ours not in numbers]
            frame = read_table(path, text=text).to_pandas()
            lines = np.arange(2, len(frame) + 2)
    else:
        frame, lines, columns, lacking = _from_workbook(path, aliases, optional)
    if lacking:
        raise DataError(f"{path} is not in this layout of the Metropolitan Police", lacking)
    frame = frame.rename(columns={theirs: ours for ours, theirs in columns.items()})
    for ours in (c for c in columns if c not in numbers):
        text_of = frame[ours].map(_text, na_action="ignore")
        frame[ours] = text_of.where(text_of != "", None).astype("str")
    return frame, lines


def _text(value: object) -> str:
    moment = getattr(value, "strftime", None)
    return str(moment("%Y-%m-%d")) if moment else " ".join(str(value).split())


def _from_workbook(
    path: Path, aliases: Mapping[str, Sequence[str]], optional: Sequence[str]
) -> tuple[pd.DataFrame, NDArray[np.int64], dict[str, str], list[Problem]]:
    columns: dict[str, str] = {}
    lacking: list[Problem] = [Problem("no sheet has a header of it", rule="no_header")]
    header: list[str] = []
    found, rows, lines = "", [], []
    for sheet, number, row in rows_of(path):
        if found and sheet != found:
            break
        if not found:
            names = ["" if c is None else _text(c) for c in row]
            columns, missing = match_columns(names, aliases, optional=optional)
            if not missing:
                found, header, lacking = sheet, names, []
            elif len(missing) < len(aliases) and len(row) > 2:
                lacking = missing
            continue
        rows.append([*row[: len(header)], *([None] * (len(header) - len(row)))])
        lines.append(number)
    if not found or not rows:
        return pd.DataFrame(), np.array([], dtype=np.int64), columns, lacking
    return pd.DataFrame(rows, columns=header), np.array(lines), columns, []


def open_long(
    path: Path, aliases: Mapping[str, Sequence[str]], *, keep: Sequence[str], optional: Sequence[str] = ()
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Read a long file with our column names, and ``line``; `keep` stay text."""
    numbers = [k for k in aliases if k not in keep]
    frame, lines = open_any(path, aliases, optional=optional, numbers=numbers)
    kept = [c for c in aliases if c in frame]
    return frame[kept].assign(line=lines), {k: aliases[k][0] for k in kept}


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
    months = month_columns(header, set(columns.values()), problems)
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


def month_columns(header: Sequence[str], keys: set[str], problems: Problems) -> dict[str, pd.Period]:
    """Return the columns that name a month; a column that is neither a key nor a month is a problem."""
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

"""OHID Fingertips: indicators by area and year, as the website and the API export them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from svmodel import periods
from svmodel.errors import DataError, Problem, Problems, shorten
from svmodel.ledger import Extract, Ledger, LedgerEntry
from svmodel.sources.contract import choose, counts_of, finish, match_columns, name_lines
from svmodel.sources.opening import open_text, require_kind

_COLUMNS = {
    "id": ["Indicator ID"],
    "indicator": ["Indicator Name"],
    "parent": ["Parent Code"],
    "area": ["Area Code"],
    "name": ["Area Name", "AreaName"],
    "area_type": ["Area Type"],
    "sex": ["Sex"],
    "age": ["Age"],
    "category": ["Category Type"],
    "time": ["Time period"],
    "count": ["Count"],
    "denominator": ["Denominator"],
    "note": ["Value note"],
}
#: Codes of what holds areas: countries, regions, the United Kingdom and its parts.
_WHOLE = re.compile(r"^(?:[EWSN]92|E12|K0)")
_POOLED = re.compile(r"\d{4}(?:/\d\d)?\s*[-–]\s*\d\d")


def fingertips(
    path: str | Path,
    *,
    indicator: str | None = None,
    area_type: str | None = None,
    sex: str | None = None,
    age: str | None = None,
) -> Extract:
    """Read an export of Fingertips.

    Parameters
    ----------
    path : str or Path
        CSV of the website or of the API, of any year.
    indicator : str, optional
        Indicator to read, by its number or name; needed where the file holds several.
    area_type : str, optional
        Kind of area, in the words of column ``Area Type``; needed where several kinds are left.
    sex : str, optional
        ``Persons`` by default.
    age : str, optional
        Needed where the file holds several.

    Returns
    -------
    Extract
        Frame ``area`` (code), ``period`` (financial or calendar year, quarter or month), ``count``, ``denominator``
        (persons) and ``name``. England, regions and every area that is the parent of others are dropped: they are the
        whole of the others. So are rows by deprivation or other categories. An empty count is missing, and the ledger
        quotes the publisher's reason.

    Raises
    ------
    DataError
        With all problems at once. Years pooled over several (``2020/21 - 22/23``) are refused: they overlap.
    """
    path = Path(path)
    title = f"{path} cannot be used"
    frame, entries = _rows(path), []
    entries += _drop(frame, frame["category"].notna(), "by deprivation or another category", rule="category_rows")
    frame = frame[frame["category"].isna()]
    problems = Problems()
    frame = frame[_indicator(frame, indicator, title)]
    for key, asked in (("sex", sex), ("age", age)):
        kept = _pick(frame, key, asked, title, problems)
        entries += _drop(
            frame, ~kept, f"of another {key} than {shorten(frame.loc[kept, key].unique())}", rule="other_rows"
        )
        frame = frame[kept]
    whole = frame["area"].isin(frame["parent"].dropna()) | frame["area"].str.contains(_WHOLE, na=False)
    if area_type is not None:
        kept = frame["area_type"].isin(choose(area_type, frame["area_type"].unique(), word="area type", where=title))
        entries += _drop(frame, ~kept, "of other kinds of area", rule="other_rows")
        frame = frame[kept]
    elif not whole.all():
        entries += _drop(frame, whole, "the whole of other areas", rule="whole_not_area")
        frame = frame[~whole]
        _pick(frame, "area_type", None, title, problems)
    problems.raise_if_any(DataError, title)
    period = _periods(frame, problems)
    lines = frame["line"].to_numpy()
    values = {}
    for column in ("count", "denominator"):
        plain = frame[column].str.replace(",", "", regex=False)
        values[column] = counts_of(plain, lines, name=column.title(), problems=problems)
    tidy = frame[["area", "name", "line"]].assign(period=period, **values)
    twice = tidy.duplicated(["area", "period", "count"]) | tidy["period"].isna()
    tidy, noted = tidy[~twice], frame[~twice]
    again = tidy.duplicated(["area", "period"]).to_numpy()
    if again.any():
        where = name_lines(tidy["line"].to_numpy()[again])
        problems.add(f"{int(again.sum()):,} rows repeat an area and period", where=where, rule="duplicate_area_period")
    problems.raise_if_any(DataError, title)
    entries += _suppressed(noted)
    tidy["period"] = pd.PeriodIndex(tidy["period"])
    source = f"OHID Fingertips, indicator {shorten(frame['id'].unique())}: {path.name}".replace("'", "")
    outcomes = ["count", "denominator"]
    return finish(tidy, Ledger().extend(entries), outcomes=outcomes, source=source, texts=["name"])


def _rows(path: Path) -> pd.DataFrame:
    """Read the rows as text; values may run over lines, and the last field of a row may be left out."""
    require_kind(path, "csv", "gzip")
    with open_text(path) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text)
        header = next(reader)
        columns, lacking = match_columns(header, _COLUMNS)
        if lacking:
            raise DataError(f"{path} is no export of Fingertips", lacking)
        rows: list[list[str]] = []
        at_line: list[int] = []
        ragged: list[Problem] = []
        for row in reader:
            if not row:
                continue
            if len(row) not in (len(header), len(header) - 1):
                what = f"it has {len(row)} fields where the header has {len(header)}"
                ragged.append(Problem(what, line=reader.line_num, rule="ragged_row"))
            rows.append([*row, *([""] * (len(header) - len(row)))])
            at_line.append(reader.line_num)
    if ragged:
        raise DataError(f"{path} has rows that are not whole", ragged[:10])
    if not rows:
        raise DataError(f"{path} holds only a header and no rows")
    at = {ours: header.index(theirs) for ours, theirs in columns.items()}
    frame = pd.DataFrame({ours: [" ".join(r[i].split()) for r in rows] for ours, i in at.items()}, dtype="str")
    return frame.where(frame != "").assign(line=at_line)


def _drop(frame: pd.DataFrame, rows: pd.Series, what: str, *, rule: str) -> list[LedgerEntry]:
    if not rows.any():
        return []
    named = shorten(sorted(frame.loc[rows, "name"].dropna().unique()), limit=3)
    return [LedgerEntry("dropped", int(rows.sum()), f"{what} ({named})", "column 'Area Code'", rule)]


def _indicator(frame: pd.DataFrame, asked: str | None, title: str) -> pd.Series:
    pairs = frame.drop_duplicates("id")
    if asked is None and len(pairs) > 1:
        named = shorten([f"{i} {n}" for i, n in zip(pairs["id"], pairs["indicator"], strict=True)], limit=12)
        raise DataError(
            title, [Problem(f"it holds {len(pairs)} indicators: {named}", fix="Give indicator=.", rule="ask")]
        )
    if asked is None:
        return pd.Series(data=True, index=frame.index)
    if str(asked) in set(frame["id"]):
        return frame["id"] == str(asked)
    return frame["indicator"].isin(choose(asked, frame["indicator"].unique(), word="indicator", where=title))


def _pick(frame: pd.DataFrame, key: str, asked: str | None, title: str, problems: Problems) -> pd.Series:
    there = list(frame[key].dropna().unique())
    if asked is not None:
        return frame[key].isin(choose(asked, there, word=key, where=title))
    if key == "sex" and "Persons" in there:
        return frame[key] == "Persons"
    if len(there) > 1:
        what = f"it holds several kinds of {key.replace('_', ' ')}: {shorten(there)}"
        problems.add(what, fix=f"Give {key}=.", rule="ask")
    return pd.Series(data=True, index=frame.index)


def _periods(frame: pd.DataFrame, problems: Problems) -> Sequence[pd.Period]:
    known: dict[str, pd.Period] = {}
    for time in frame["time"].unique():
        where = name_lines(frame.loc[frame["time"] == time, "line"].to_numpy())
        known[time] = pd.NaT
        if _POOLED.search(str(time)) and not re.fullmatch(r"\d{4}[/-]\d\d", str(time)):
            what = f"{time!r} pools several years, so that its periods overlap"
            problems.add(what, where=where, fix="Download the indicator by single years.", rule="pooled_period")
            continue
        try:
            known[time] = periods.parse(time)
        except DataError as error:
            problems.add(error.title, where=where, rule="period_unreadable")
    kinds = {p.freqstr for p in known.values() if p is not pd.NaT}
    if len(kinds) > 1:
        words = " and ".join(sorted(periods.FREQUENCIES[k] + "s" for k in kinds))
        problems.add(f"it holds {words}", where="column 'Time period'", rule="period_mixed")
    return [known[t] for t in frame["time"]]


def _suppressed(frame: pd.DataFrame) -> list[LedgerEntry]:
    entries = []
    empty = frame[frame["count"].isna()]
    for note, rows in empty.groupby(empty["note"].fillna("no reason is given")):
        reason = f"the publisher gives no count: {note}"
        entries.append(LedgerEntry("missing", len(rows), reason, "column 'Count'", "suppressed"))
    return entries

"""Exclusions and suspensions of the Department for Education, by local authority and academic year."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from svmodel.areas import is_code
from svmodel.errors import DataError, Problems, shorten
from svmodel.ledger import Extract, Ledger, LedgerEntry
from svmodel.sources.contract import choose, counts_of, finish, match_columns, name_lines, slug
from svmodel.sources.opening import read_header, read_table

_COLUMNS = {
    "year": ["time_period", "year"],
    "level": ["geographic_level", "level"],
    "name": ["la_name"],
    "code": ["new_la_code"],
    "parent": ["region_name"],
    "identifier": ["time_identifier"],
    "school_type": ["school_type", "education_phase"],
}
_OPTIONAL = ("code", "parent", "identifier", "school_type")
#: The Department's signs for a number that is not given.
_SIGNS = {
    "x": "suppressed",
    "c": "suppressed",
    "supp": "suppressed",
    "z": "not applicable",
    ".": "not applicable",
    "..": "not available",
    ":": "not available",
    "u": "of low quality",
    "k": "rounds to zero",
    "low": "rounds to zero",
}
_ALL = ("total", "all", "all pupils", "all schools")
_NO_COUNTS = re.compile(r"rate|percent|^num_schools$|_code$|^old_|^country|urn|estab")


def dfe_exclusions(path: str | Path, *, school_type: str = "Total") -> Extract:
    """Read exclusions and suspensions by local authority.

    Parameters
    ----------
    path : str or Path
        CSV of the Department for Education: ``year,level,la_name,school_type,...`` of the statistical first releases,
        or ``time_period,time_identifier,geographic_level,...`` of Explore Education Statistics.
    school_type : str
        Which rows of column ``school_type`` (or ``education_phase``).

    Returns
    -------
    Extract
        Frame ``area`` (code of the authority where every row has one, else its name), ``period`` (academic year:
        ``200910`` is September 2009 to August 2010), one column for each number that is no rate (``perm_excl``,
        ``fixed_excl``, ``suspension``, ``headcount``), ``name`` and ``parent`` (region) where known. The country and
        regions are dropped; signs such as ``x`` and ``SUPP`` are missing, with their meaning in the ledger.

    Raises
    ------
    DataError
        With all problems at once.
    """
    path = Path(path)
    title = f"{path} cannot be used"
    header = read_header(path)
    columns, lacking = match_columns(header, _COLUMNS, optional=_OPTIONAL)
    if lacking:
        raise DataError(f"{path} is no table of exclusions by authority", lacking)
    frame = read_table(path, text=header).to_pandas().rename(columns={t: o for o, t in columns.items()})
    frame = frame.assign(line=np.arange(2, len(frame) + 2))
    entries: list[LedgerEntry] = []
    frame = _keep(
        frame, frame["level"].map(slug, na_action="ignore") == "local_authority", entries, rule="whole_not_area"
    )
    if frame.empty:
        raise DataError(f"{path} holds no row of a local authority")
    if "identifier" in frame:
        yearly = frame["identifier"].map(slug, na_action="ignore").isin(["academic_year", "year"])
        frame = _keep(frame, yearly, entries, rule="other_rows")
    if "school_type" in frame:
        picked = choose(school_type, frame["school_type"].dropna().unique(), word="school type", where=title)
        frame = _keep(frame, frame["school_type"].isin(picked), entries, rule="other_rows")
    if frame.empty:
        raise DataError(f"{path} holds no row of a local authority for whole academic years and all schools")
    problems = Problems()
    outcomes = _outcomes(frame)
    frame = _totals_alone(frame, outcomes, problems, entries)
    coded = "code" in frame and bool(frame["code"].map(is_code, na_action="ignore").eq(True).all())
    tidy = pd.DataFrame({"area": frame["code" if coded else "name"].str.strip(), "name": frame["name"].str.strip()})
    lines = frame["line"].to_numpy()
    tidy["period"] = _academic_years(frame["year"], lines, problems)
    for column in outcomes:
        tidy[slug(column)] = _numbers(frame[column], column, lines, problems, entries)
    if "parent" in frame:
        tidy["parent"] = frame["parent"].str.strip()
    again = tidy.duplicated(["area", "period"]).to_numpy()
    if again.any():
        what = f"{int(again.sum()):,} rows repeat an authority and year"
        problems.add(what, where=name_lines(lines[again]), rule="duplicate_area_period")
    problems.raise_if_any(DataError, title)
    texts = ["name", *(["parent"] if "parent" in tidy else [])]
    source = f"Department for Education: {path.name}"
    return finish(tidy, Ledger().extend(entries), outcomes=[slug(c) for c in outcomes], source=source, texts=texts)


def _keep(frame: pd.DataFrame, kept: pd.Series, entries: list[LedgerEntry], *, rule: str) -> pd.DataFrame:
    kept = kept.fillna(value=False).astype(bool)
    if not kept.all():
        what = {
            "whole_not_area": "of the country, a region or a school",
            "other_rows": "of other terms or school types",
        }
        entries.append(LedgerEntry("dropped", int((~kept).sum()), what[rule], "", rule))
    return frame[kept]


def _plain(column: pd.Series) -> pd.Series:
    return column.str.strip().str.replace(",", "", regex=False)


def _outcomes(frame: pd.DataFrame) -> list[str]:
    """Return the columns of numbers that are no rates, codes or numbers of schools."""
    found = []
    for column in (c for c in frame.columns if c not in (*_COLUMNS, "line")):
        values = _plain(frame[column])
        values = values[~values.str.casefold().isin(_SIGNS)].dropna()
        if not _NO_COUNTS.search(column) and len(values) and pd.to_numeric(values, errors="coerce").notna().all():
            found.append(column)
    return found


def _totals_alone(
    frame: pd.DataFrame, outcomes: list[str], problems: Problems, entries: list[LedgerEntry]
) -> pd.DataFrame:
    """Keep the rows of all pupils where the table is divided by something else too."""
    for column in (c for c in frame.columns if c not in (*_COLUMNS, *outcomes, "line")):
        values = frame[column].dropna().unique()
        if _NO_COUNTS.search(column) or len(values) < 2:
            continue
        whole = [v for v in values if v.strip().casefold() in _ALL]
        if whole:
            frame = _keep(frame, frame[column].isin(whole), entries, rule="other_rows")
        elif frame.duplicated(["name", "year"]).any():
            what = f"column {column!r} divides the rows, and no value of it is the total: {shorten(values)}"
            problems.add(what, fix="Keep the rows of one of them.", rule="ask")
    return frame


def _academic_years(column: pd.Series, lines: np.ndarray, problems: Problems) -> pd.PeriodIndex:
    parsed = {}
    for value in column.unique():
        named = re.fullmatch(r"(\d{4})[/_-]?(\d{2}|\d{4})", str(value).strip())
        follows = named and int(named[2]) % 100 == (int(named[1]) + 1) % 100
        parsed[value] = pd.Period(year=int(named[1]) + 1, freq="Y-AUG") if named and follows else pd.NaT
        if not follows:
            where = name_lines(lines[(column == value).to_numpy()])
            problems.add(f"{value!r} names no academic year", where=where, rule="period_unreadable")
    return pd.PeriodIndex([parsed[v] for v in column], freq="Y-AUG")


def _numbers(
    column: pd.Series, name: str, lines: np.ndarray, problems: Problems, entries: list[LedgerEntry]
) -> np.ndarray:
    values = _plain(column)
    signs = values.str.casefold()
    for sign, rows in signs[signs.isin(_SIGNS)].groupby(signs):
        reason = f"{_SIGNS[sign]} by the publisher ({sign!r})"
        entries.append(LedgerEntry("missing", len(rows), reason, f"column {name!r}", "suppressed"))
    return counts_of(values.where(~signs.isin(_SIGNS)), lines, name=name, problems=problems)

"""Home Office police recorded crime open data tables, by community safety partnership and by force.

One sheet for each financial year and a sheet of notes, as xlsx, ods or csv. Quarters are financial:
Q1 is April to June, Q4 is January to March of the next calendar year.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.errors import DataError, Problem, Problems, shorten
from svmodel.ledger import Extract, Ledger, LedgerEntry
from svmodel.sources.contract import choose, finish, match_columns, slug
from svmodel.sources.home_office_notes import Note, unassigned_notes
from svmodel.sources.sheets import rows_of

Level = Literal["group", "subgroup", "description", "code"]

#: "Forces" that have no area.
NON_GEOGRAPHIC = (
    "Action Fraud",
    "British Transport Police",
    "CIFAS",
    "Financial Fraud Action UK",
    "UK Finance",
)
_NO_AREA = frozenset(n.casefold() for n in NON_GEOGRAPHIC)
#: Later or shorter label -> the one that is kept.
_LABELS = {
    "Miscellaneous crimes": "Miscellaneous crimes against society",
    "Rape offences": "Rape",
    "London, City of": "City of London",
}
_COLUMNS = {
    "year": ["Financial Year"],
    "quarter": ["Financial Quarter"],
    "force": ["Force Name", "Police Force"],
    "csp": ["CSP Name", "Community Safety Partnership"],
    "description": ["Offence Description"],
    "group": ["Offence Group"],
    "subgroup": ["Offence Subgroup", "Offence Sub Group"],
    "code": ["Offence Code"],
    "count": ["Offence Count", "Number of Offences"],
}
_YEAR = re.compile(r"(?<!\d)(\d{4})\s*[/_-]\s*(\d{4}|\d{2})(?!\d)")
_HEADER_ROWS = 40


def home_office_csp(
    path: str | Path, *, offences: str | Sequence[str] | None = None, level: Level = "subgroup"
) -> Extract:
    """Read the tables by community safety partnership (``prc-csp-...``).

    Parameters
    ----------
    path : str or Path
        xlsx, ods or csv.
    offences : str or sequence of str, optional
        Offences to read, in the words of `level`; all by default.
    level : {"subgroup", "group", "description", "code"}
        Which column names the outcomes; offences below it are added up.

    Returns
    -------
    Extract
        Frame ``area`` (partnership), ``period`` (calendar quarter; financial Q4 of 2023/24 is
        2024Q1), one column of counts for each offence, ``parent`` (force).

    Raises
    ------
    DataError
        With all problems at once. Knife-enabled crime is asked for in vain: the Home Office collects
        it for forces only.
    """
    return _read(Path(path), offences, level, area="csp")


def home_office_force(
    path: str | Path, *, offences: str | Sequence[str] | None = None, level: Level = "subgroup"
) -> Extract:
    """Read the tables by police force area (``prc-pfa-...``).

    Parameters
    ----------
    path : str or Path
        xlsx, ods or csv. A file by partnership is added up to forces, unassigned rows included.
    offences, level
        As :func:`home_office_csp`.

    Returns
    -------
    Extract
        Frame ``area`` (force), ``period`` (calendar quarter), one column for each offence.

    Raises
    ------
    DataError
        With all problems at once.
    """
    return _read(Path(path), offences, level, area="force")


@dataclass
class _Tables:
    """Sums so far, and everything noted on the way; rows are never held."""

    level: str
    area: str
    sums: dict[tuple[str, int, str], float] = field(default_factory=dict)
    force_of: dict[str, dict[str, int]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    spellings: dict[str, str] = field(default_factory=dict)
    renamed: dict[str, int] = field(default_factory=dict)
    non_geographic: dict[str, int] = field(default_factory=dict)
    unassigned: dict[str, list[float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    problems: dict[str, tuple[Problem, int]] = field(default_factory=dict)
    negative: int = 0

    def label(self, text: object) -> str:
        """Return a label in its one spelling, and keep count of those that were changed."""
        given = " ".join(str(text).split())
        kept = self.labels.get(given)
        if kept is None:
            kept = next((v for k, v in _LABELS.items() if slug(k) == slug(given)), given)
            # The first spelling that a file uses stands for all that differ in case or punctuation.
            kept = self.spellings.setdefault(slug(kept), kept)
            self.labels[given] = kept
        if kept != given:
            self.renamed[f"{given!r} to {kept!r}"] = self.renamed.get(f"{given!r} to {kept!r}", 0) + 1
        return kept

    def fault(self, rule: str, what: str, sheet: str, number: int) -> None:
        """Note a problem once, with its first place and how often it occurs."""
        key = f"{rule} {what}"
        first, times = self.problems.get(key, (Problem(what, f"sheet {sheet!r}", line=number, rule=rule), 0))
        self.problems[key] = (first, times + 1)


def _read(path: Path, offences: str | Sequence[str] | None, level: str, *, area: str) -> Extract:
    title = f"{path} cannot be used"
    asked = [offences] if isinstance(offences, str) else list(offences or [])
    knife = [o for o in asked if re.search(r"knife|sharp|blade", o, re.IGNORECASE)]
    if knife and area == "csp":
        raise DataError(
            f"{title}: the Home Office collects knife-enabled crime for police forces only, so there is no "
            f"{knife[0]!r} for community safety partnerships. Use the ONS police force area tables."
        )
    if level not in ("group", "subgroup", "description", "code"):
        raise DataError(f"{title}: a level is group, subgroup, description or code, not {level!r}")
    tables = _Tables(level, area)
    _collect(path, tables)
    problems = Problems()
    problems.extend(
        Problem(p.what + (f" ({n:,} rows)" if n > 1 else ""), p.where, p.fix, p.line, p.rule)
        for p, n in tables.problems.values()
    )
    if not tables.sums and not problems:
        problems.add("no sheet has a header with a financial year, a force and a count", rule="no_tables")
    problems.raise_if_any(DataError, title)
    there = sorted({key[2] for key in tables.sums})
    picked = choose(offences, there, word=f"offence {level}", where=title)
    return _lay_out(path, tables, picked, title)


def _collect(path: Path, tables: _Tables) -> None:
    sheet, columns, tried = "", None, 0
    for name, number, row in rows_of(path):
        if name != sheet:
            _note_headless(tables, sheet, columns, tried)
            sheet, columns, tried = name, None, 0
        if slug(name).startswith("note"):
            tables.notes.append(" ".join(" ".join(str(c).split()) for c in row if c is not None))
        elif columns is not None:
            _add(tables, columns, sheet, number, row)
        elif tried < _HEADER_ROWS:
            tried += 1
            columns = _header(row, tables, sheet, number)
    _note_headless(tables, sheet, columns, tried)


def _header(row: Sequence[object], tables: _Tables, sheet: str, number: int) -> dict[str, int] | None:
    header = ["" if c is None else str(c) for c in row]
    found, lacking = match_columns(header, _COLUMNS, optional=["code", "csp", "description", "group", "subgroup"])
    if lacking:
        return None
    for ours in {tables.level, tables.area} - set(found):
        what = f"there is no column {_COLUMNS[ours][0]!r}"
        tables.fault("unknown_column", what, sheet, number)
    return {ours: header.index(theirs) for ours, theirs in found.items()}


def _note_headless(tables: _Tables, sheet: str, columns: dict[str, int] | None, tried: int) -> None:
    if not tried or columns is not None:
        return
    if _YEAR.search(sheet):
        needed = (
            "Financial Year, Financial Quarter, Force Name (or Police Force), Offence Count (or Number of Offences)"
        )
        tables.fault("no_header", f"no row holds the columns {needed}", sheet, 1)
    else:
        tables.passed_over.append(sheet)


def _add(tables: _Tables, columns: dict[str, int], sheet: str, number: int, row: Sequence[object]) -> None:
    def cell(name: str) -> object:
        at = columns.get(name, len(row))
        return row[at] if at < len(row) else None

    force = tables.label(cell("force") or "")
    if force.casefold() in _NO_AREA:
        tables.non_geographic[force] = tables.non_geographic.get(force, 0) + 1
        return
    if tables.level not in columns or tables.area not in columns:
        return
    quarter = _quarter(tables, cell("year"), cell("quarter"), sheet, number)
    count = _count(tables, cell("count"), sheet, number)
    area = tables.label(cell(tables.area) or "")
    offence = tables.label(cell(tables.level) or "")
    for text, word in ((area, tables.area), (offence, tables.level)):
        if not text:
            tables.fault("key_blank", f"column {_COLUMNS[word][0]!r} is blank", sheet, number)
    if quarter is None or not area or not offence:
        return
    if tables.area == "csp" and "unassigned" in area.casefold():
        sums = tables.unassigned.setdefault(force, [0.0, 0.0])
        sums[0] += 1
        sums[1] += 0.0 if np.isnan(count) else count
        return
    forces = tables.force_of.setdefault(area, {})
    forces[force] = max(forces.get(force, quarter), quarter)
    key = (area, quarter, offence)
    tables.sums[key] = tables.sums.get(key, 0.0) + count


def _quarter(tables: _Tables, year: object, quarter: object, sheet: str, number: int) -> int | None:
    """Return the ordinal of the calendar quarter: financial Q1 of 2023/24 is 2023Q2, Q4 is 2024Q1."""
    text = re.sub(r"\.0$", "", str(quarter).strip()).upper().removeprefix("QUARTER").strip().removeprefix("Q")
    named = _YEAR.search(str(year))
    if named is None or text not in ("1", "2", "3", "4"):
        what = f"{year!s} {quarter!s} names no financial quarter" if year or quarter else "year and quarter are blank"
        tables.fault("period_unreadable", what, sheet, number)
        return None
    try:
        period = periods.parse(f"{named[1]}/{named[2]} Q{text}")
    except DataError as error:
        tables.fault("period_unreadable", error.title, sheet, number)
        return None
    of_sheet = _YEAR.search(sheet)
    if of_sheet is not None and of_sheet[1] != named[1] and re.fullmatch(_YEAR.pattern, sheet.strip()):
        tables.fault("sheet_year", f"a row of {named[1]}/{named[2][-2:]} stands in another year's sheet", sheet, number)
    return int(period.ordinal)


def _count(tables: _Tables, value: object, sheet: str, number: int) -> float:
    if value is None or str(value).strip() == "":
        return float("nan")
    try:
        count = float(str(value).replace(",", ""))
    except ValueError:
        tables.fault("text_count", f"{value!r} is text, not a count", sheet, number)
        return float("nan")
    if count < 0:
        tables.negative += 1
    return count


def _lay_out(path: Path, tables: _Tables, picked: Sequence[str], title: str) -> Extract:
    wanted = set(picked)
    long = pd.DataFrame(
        [(a, q, slug(o), n) for (a, q, o), n in tables.sums.items() if o in wanted],
        columns=["area", "period", "offence", "count"],
    )
    below = long[long["count"] < 0]
    if len(below):
        first = below.iloc[0]
        where = f"{first['area']} {pd.Period(ordinal=first['period'], freq='Q-DEC')}"
        what = f"{len(below)} sums are negative after corrections ({where})"
        raise DataError(title, [Problem(what, fix="Read a coarser level.", rule="negative_count")])
    wide = long.set_index(["area", "period", "offence"])["count"].unstack().rename_axis(columns=None).reset_index()  # noqa: PD010
    wide["period"] = pd.PeriodIndex.from_ordinals(wide["period"], freq="Q-DEC")
    wide["area"] = wide["area"].astype("str")
    outcomes = [slug(p) for p in picked]
    ledger = Ledger().extend(_entries(tables))
    if tables.area == "csp":
        latest = {a: max(forces, key=lambda f, held=forces: (held[f], f)) for a, forces in tables.force_of.items()}  # type: ignore[misc]
        wide["parent"] = wide["area"].map(latest).astype("str")
        wide, entries = _mark_unusable(wide, outcomes, unassigned_notes(tables.notes, tables.force_of))
        ledger = ledger.extend(entries)
    texts = ["parent"] if tables.area == "csp" else []
    source = f"Home Office police recorded crime open data: {path.name}"
    return finish(wide, ledger, outcomes=outcomes, source=source, texts=texts)


def _mark_unusable(
    frame: pd.DataFrame, outcomes: list[str], notes: list[Note]
) -> tuple[pd.DataFrame, list[LedgerEntry]]:
    """Make missing what the Notes sheet says was recorded under "unassigned"; the note is quoted."""
    entries = []
    quarters = pd.PeriodIndex(frame["period"]).asi8
    for note in notes:
        rows = frame["area"].isin(note.areas).to_numpy() & np.array([note.covers(q) for q in quarters])
        if rows.any():
            frame.loc[rows, outcomes] = np.nan
            reason = f'the publisher notes: "{note.text}"; the counts are not usable and are taken as missing'
            where = shorten(sorted(frame.loc[rows, "area"].unique()))
            entries.append(LedgerEntry("missing", int(rows.sum()), reason, where, "recorded_unassigned"))
    return frame, entries


def _entries(tables: _Tables) -> Iterable[LedgerEntry]:
    for force, rows in sorted(tables.non_geographic.items()):
        yield LedgerEntry("dropped", rows, "it has no area of its own", force, "non_geographic")
    notes = unassigned_notes(tables.notes, tables.force_of) if tables.area == "csp" else []
    for force, (n_rows, offences) in sorted(tables.unassigned.items()):
        quoted = "".join(f' The publisher notes: "{n.text}"' for n in notes if force in n.forces)
        reason = (
            f"{offences:,.0f} offences are assigned to no partnership, so the counts of the force's partnerships are "
            f"too low by as many.{quoted}"
        )
        yield LedgerEntry("dropped", int(n_rows), reason, force, "unassigned")
    for change, rows in sorted(tables.renamed.items()):
        yield LedgerEntry("altered", rows, f"label harmonised: {change}", rule="label_harmonised")
    for area, forces in sorted(tables.force_of.items()):
        if tables.area == "csp" and len(forces) > 1:
            yield LedgerEntry("noted", 0, f"stands under {shorten(forces)}; the latest is kept", area, "force_changed")
    if tables.negative:
        reason = "counts below zero are the publisher's corrections; they are added up with the others"
        yield LedgerEntry("noted", tables.negative, reason, rule="negative_correction")
    for sheet in tables.passed_over:
        yield LedgerEntry("noted", 0, "the sheet holds no table of offences", f"sheet {sheet!r}", "sheet_passed_over")

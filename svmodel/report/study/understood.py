"""What a data file holds as far as it can be told without its owner, and what has to be asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from svmodel import periods
from svmodel.areas import is_code
from svmodel.errors import DataError, Problem, shorten
from svmodel.ledger import LedgerEntry
from svmodel.panel import Panel
from svmodel.report.study.data import open_table
from svmodel.report.study.values import DataSpec
from svmodel.sources.guess import columns_of
from svmodel.sources.layouts import detect_layout
from svmodel.sources.purposes import OtherPurposeError
from svmodel.sources.tidy import TidyFile
from svmodel.words import one_or_more

#: How problems that only the owner can settle name the key and its answers.
_ASKED = re.compile(r"(\w+): (\[[^\]]+\]|[A-Za-z][A-Za-z ]*[A-Za-z])(?=[,.]|$)")
_KEYS = ("sheet", "columns_are", "nested", "dashes", "decimal", "period_written", "leave_out", "leave_out_columns")
_MOST_QUESTIONS = 6


@dataclass(frozen=True)
class Open:
    """A question that is open: the key of the study's data, its answers as they are written, and why it is asked."""

    key: str
    choices: tuple[str, ...]
    why: str


@dataclass(frozen=True, eq=False, repr=False)
class Understood:
    """A data file as far as it was understood.

    Parameters
    ----------
    path : Path
    spec : DataSpec
        What a study says of it; the first answer to each open question is taken for granted.
    panel : Panel or None
        None where something is wrong with the rows.
    frame : pandas.DataFrame or None
        The tidy rows; None where not even the columns could be told.
    questions : tuple of Open
    problems : tuple of Problem
        What is wrong beside the questions.
    left_out : mapping of str to str
        Columns that are not used -> why.
    entries : tuple of LedgerEntry
        What was done to the file.
    """

    path: Path
    spec: DataSpec
    panel: Panel | None = None
    frame: pd.DataFrame | None = None
    questions: tuple[Open, ...] = ()
    problems: tuple[Problem, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    entries: tuple[LedgerEntry, ...] = ()

    @property
    def columns(self) -> str:
        """The columns by role, in words."""
        parts = [f"area {self.spec.area!r}"] if self.spec.area else []
        parts += [f"period {self.spec.period!r}"] if self.spec.period else []
        parts += [f"counts {shorten(self.spec.counts, limit=12)}"] if self.spec.counts else []
        parts += [f"exposures {shorten(self.spec.exposures, limit=4)}"] if self.spec.exposures else []
        return ", ".join(parts)


def understand(
    path: Path, *, area: str | None = None, period: str | None = None, counts: tuple[str, ...] = ()
) -> Understood:
    """Look at a data file, or at a folder of street files.

    Parameters
    ----------
    path : Path
    area, period, counts
        What is known of its columns.

    Raises
    ------
    DataError
        If it cannot be opened at all.
    """
    named = area is not None or period is not None or bool(counts)
    layout = "tidy" if named else _layout(path)
    if path.is_dir() and layout is None:
        raise DataError(f"{path} is in no layout that svmodel knows: it holds no street files of data.police.uk")
    spec = DataSpec(path.name, layout=layout or "tidy", area=area, period=period, counts=counts)
    return understand_as(spec, path.parent)


def understand_as(spec: DataSpec, root: Path) -> Understood:
    """Look at a data file of which a study says something already.

    Parameters
    ----------
    spec : DataSpec
    root : Path
        Folder that paths start from.

    Raises
    ------
    DataError
        If it cannot be opened at all.
    """
    asked: list[Open] = []
    while True:
        found = _once(spec, root)
        new = [q for q in _questions(found.problems) if q.key not in {a.key for a in asked}]
        if not new or len(asked) >= _MOST_QUESTIONS:
            rest = tuple(p for p in found.problems if not _questions((p,)))
            return replace(found, questions=tuple(asked), problems=rest if asked else found.problems)
        asked += new
        spec = replace(spec, **{q.key: _answer(q) for q in new})


def _layout(path: Path) -> str | None:
    try:
        return detect_layout(path)
    except OtherPurposeError:
        raise
    except DataError:
        if not path.exists():
            raise
        return None  # text in another encoding or separator, an old workbook: opening it will say what is wrong


def _answer(question: Open) -> Any:
    first = question.choices[0]
    return one_or_more(first[1:-1]) if first.startswith("[") else first


def _questions(problems: tuple[Problem, ...]) -> list[Open]:
    """Return the questions among problems, one for each key."""
    found: dict[str, Open] = {}
    for problem in problems:
        pairs = [(k, v) for k, v in _ASKED.findall(problem.fix) if k in _KEYS]
        if pairs and pairs[0][0] not in found:
            where = f"{problem.where}: " if problem.where else ""
            found[pairs[0][0]] = Open(pairs[0][0], tuple(dict.fromkeys(v for _, v in pairs)), f"{where}{problem.what}")
    return list(found.values())


def _once(spec: DataSpec, root: Path) -> Understood:
    """Read the file as a study would that says this much."""
    given, path = spec, root / spec.path
    try:
        table = open_table(spec, root)
    except DataError as error:
        if not error.problems:
            raise
        return Understood(path, given, problems=error.problems)
    source = table.source
    left_out: dict[str, str] = {}
    entries: tuple[LedgerEntry, ...] = ()
    if isinstance(source, TidyFile):
        entries = source.entries
        spec, left_out = _guessed(spec, source)
        if not spec.counts and not source.roles.data:
            raise DataError(_unnamed(path, source.frame))
        if spec.area != given.area or spec.period != given.period:  # codes of a column that is known are kept as text
            table = open_table(spec, root)
    else:
        spec = replace(spec, counts=table.roles.counts, exposures=table.roles.exposures)
    try:
        panel = table.panel()
    except DataError as error:
        problems = error.problems or (Problem(error.title),)
        return Understood(path, spec, None, table.frame, (), problems, left_out, entries)
    return Understood(path, spec, panel, table.frame, (), (), left_out, entries)


def _guessed(spec: DataSpec, source: TidyFile) -> tuple[DataSpec, dict[str, str]]:
    """Return the roles of a table's columns as they were made or look, and why the others play none."""
    frame, roles = source.frame, source.roles
    left = dict(source.left_out)
    if source.saved is not None:
        return replace(spec, counts=roles.counts or spec.counts), left
    found = columns_of(
        source.path, frame, area=roles.area or None, period=roles.period or None, counts=roles.counts or spec.counts
    )
    exposures = roles.exposures or found.exposures
    used = {found.area, found.period, *found.counts, *exposures}
    name = _name_of(frame, found.area) if spec.name is None else spec.name
    for column in (str(c) for c in frame.columns if c not in used and c != name):
        numeric = (
            pd.api.types.is_numeric_dtype(frame[column].dtype) if list(frame.columns).count(column) == 1 else False
        )
        left[column] = "numbers that are no counts by their name or look" if numeric else "words, not numbers"
        if list(frame.columns).count(column) == 1 and frame[column].isna().all():
            left[column] = "it is empty"
    spec = replace(spec, area=found.area, period=found.period, counts=found.counts, exposures=exposures, name=name)
    return spec, left


def _name_of(frame: pd.DataFrame, area: str) -> str | None:
    """Return the column that names each code of an area, one to one."""
    codes = frame[area].dropna()
    if not len(codes) or sum(is_code(c) for c in codes.head(2000)) * 2 < len(codes.head(2000)):
        return None
    for column in frame.columns:
        if column == area or not re.search(
            r"name|nm$|area|ward|borough|district|authority", str(column), re.IGNORECASE
        ):
            continue
        pairs = frame[[area, column]].dropna().astype(str).drop_duplicates()
        if len(pairs) == codes.nunique() == pairs[area].nunique() == pairs[column].nunique():
            return str(column)
    return None


def _unnamed(path: Path, frame: pd.DataFrame) -> str:
    return (
        f"{path} does not show which of its columns are what; it has "
        f"{shorten([str(c) for c in frame.columns], limit=12)}. "
        f"Name them with --area, --period, --counts."
    )


def totals_by_year(frame: pd.DataFrame, period: str, column: str, written: str | None) -> dict[int, float]:
    """Return the sum of a column for each calendar year of its periods, as far as both can be read."""
    try:
        index = periods.read_column(frame[period], written=written).index
    except DataError:
        return {}
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=float)
    known = index.notna() & ~pd.isna(values)
    sums = pd.Series(values[known]).groupby([p.year for p in index[known]]).sum()
    return {int(str(y)): float(v) for y, v in sums.items()}

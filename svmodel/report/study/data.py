"""The data of a study, opened once: its rows, their roles, the starts, the panel; all that comes after takes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.breaks import Break
from svmodel.costs import CostLine
from svmodel.design import Intervention, in_small_areas
from svmodel.errors import DataError, Problem, Problems, StudyError, did_you_mean, shorten
from svmodel.files import file_hash
from svmodel.ledger import Extract
from svmodel.panel import Panel
from svmodel.panel.rules import Roles
from svmodel.report.study.model import Study
from svmodel.report.study.registry import all_options, known_checks, layouts
from svmodel.report.study.values import ColumnPointer, DataSpec, FilePointer, JoinSpec
from svmodel.sources.contract import name_lines
from svmodel.sources.guess import is_population
from svmodel.sources.joins import Join, apply_joins
from svmodel.sources.opening import read_table
from svmodel.sources.tidy import Joined, TidyFile, open_tidy
from svmodel.words import one_or_more


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """The data file of a study, with what is joined to it.

    Parameters
    ----------
    source : TidyFile or Extract
        What was read: a tidy file, or what a publisher's layout gave.
    roles : Roles
        The columns by role, as the study or the file itself names them.
    joined : Joined
    """

    spec: DataSpec
    root: Path
    source: TidyFile | Extract
    roles: Roles
    joined: Joined

    @property
    def frame(self) -> pd.DataFrame:
        """The rows, with what was joined to them."""
        return self.joined.frame

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the data have, those that joins bring included, whether or not a join could be made."""
        brought = (here for j in self.spec.all_joins for here in j.columns.values())
        return tuple(dict.fromkeys([*self.source.frame.columns, *brought]))

    def panel(self) -> Panel:
        """Return the panel of all rows.

        Raises
        ------
        DataError
            With all problems of the rows and the joins at once.
        """
        if isinstance(self.source, TidyFile):
            options = dict(self.spec.options)
            if "lsoa_lookup" in options:
                options["lsoa_lookup"] = self.root / str(options["lsoa_lookup"])
            return self.source.panel(
                self.joined, period_written=self.spec.period_written, leave_out=self.spec.leave_out, **options
            )
        title = f"{self.root / self.spec.path} cannot be used"
        self.joined.problems.raise_if_any(DataError, title)
        return Panel.from_frame(
            self.frame,
            **self.roles.named,
            ledger=self.source.ledger.extend(self.joined.entries),
            source=self.source.source,
            title=title,
            period_written=self.spec.period_written,
            leave_out=self.spec.leave_out,
        )


def open_table(spec: DataSpec, root: Path, *, needed: Iterable[str] = ()) -> Table:
    """Open the data file, once, and join to it what is to be joined.

    Parameters
    ----------
    spec : DataSpec
    root : Path
        Folder that paths start from.
    needed : iterable of str
        Columns beyond area, period, parent and names that rules look at, so that a join has to bring them.

    Raises
    ------
    DataError
        If the file cannot be used as it is, or a join that brings the keys of the rows cannot be made.
    """
    roles, path = spec.roles, root / spec.path
    source: TidyFile | Extract
    if spec.layout == "tidy":
        keys = [here for j in spec.all_joins for here in j.on]
        text = [*keys, *(c for c in needed if c not in roles.data)]
        source = open_tidy(path, roles, text=text, answers=spec.answers)
        roles = source.roles
        if source.saved is not None and "parent" in source.frame.columns:
            roles = roles.over(Roles(parent="parent"))
    else:
        source = layouts()[spec.layout](path, **_options(spec, path))
        roles = _of_layout(roles, source.frame)
    roles = roles.over(Roles("area", "period"))
    joins = as_joins(spec.all_joins, root)
    looked_at = {*roles.keys, *needed, *(here for j in joins for here in j.on)}
    frame, entries, late = source.frame, [], Problems()
    for number, join in enumerate(joins):
        found = Problems()
        frame, more = apply_joins(
            frame, (join,), period=spec.period or "period", problems=found, written=spec.period_written
        )
        entries.extend(more)
        if number < len(spec.joins) and looked_at & set(join.columns.values()):
            found.raise_if_any(DataError, f"{path} cannot be used")
        late.extend(found)
    return Table(spec, root, source, roles, Joined(frame, tuple(entries), joins, late))


def as_joins(specs: tuple[JoinSpec, ...], root: Path) -> tuple[Join, ...]:
    """Return the joins with their files found from the data root."""
    return tuple(Join(root / s.path, s.on, s.columns, s.mid_year, s.missing_ok) for s in specs)


def _options(spec: DataSpec, path: Path) -> dict[str, Any]:
    """Return the options of a layout's reader; one that names a file beside the data is that file."""
    beside = path.parent
    return {k: beside / v if isinstance(v, str) and (beside / v).is_file() else v for k, v in spec.options.items()}


def _of_layout(roles: Roles, frame: pd.DataFrame) -> Roles:
    """Return the roles of a layout's columns: those the study names, else those the layout gives."""
    parent, name, parent_name = (r if r in frame.columns else None for r in ("parent", "name", "parent_name"))
    roles = roles.over(Roles("area", "period", parent=parent, name=name, parent_name=parent_name))
    if roles.counts:
        return roles
    taken = {*roles.keys, *roles.measures, *roles.exposures, *roles.covariates}
    free = [c for c in frame.select_dtypes("number").columns if c not in taken]
    exposures = tuple(c for c in free if is_population(c))
    counts = tuple(c for c in free if c not in exposures)
    return replace(roles, counts=counts, exposures=(*roles.exposures, *exposures))


@dataclass(frozen=True, eq=False, repr=False)
class StudyData:
    """A study with its data, opened once. Made by :func:`svmodel.report.study.read.open_study`.

    Parameters
    ----------
    study : Study
    root : Path
        The data root.
    table : Table
    """

    study: Study
    root: Path
    table: Table

    @classmethod
    def opened(cls, study: Study, root: Path) -> StudyData:
        """Open the data of a study.

        Raises
        ------
        DataError
            If the data file, or a join that brings its keys, cannot be used.
        """
        asked = study.intervention
        pointers = [] if asked is None else [p for p in (asked.starts, asked.ends) if isinstance(p, ColumnPointer)]
        return cls(study, root, open_table(study.data, root, needed=[p.column for p in pointers]))

    @cached_property
    def panel(self) -> Panel:
        """The data within the study's window, at the level and with the names that the study gives.

        Raises
        ------
        UserError
            With all problems of the rows at once.
        """
        study, panel = self.study, self.table.panel()
        if study.level == "area":
            panel = replace(panel, parents={})
        if study.data.names:
            panel = replace(panel, names={**panel.names, **study.data.names})
        if study.data.sources:
            panel = replace(panel, source="; ".join(study.data.sources))
        return panel if study.window is None else panel.select(window=study.window)

    @cached_property
    def starts(self) -> Mapping[str, pd.Period]:
        """First periods by area, as the study gives them or as the data that it points to do; empty without any.

        Raises
        ------
        StudyError
            If the file or the column that should hold them cannot be used.
        """
        return self._periods("starts")

    @cached_property
    def ends(self) -> Mapping[str, pd.Period]:
        """Last periods by area; as :attr:`starts`."""
        return self._periods("ends")

    def _periods(self, key: str) -> Mapping[str, pd.Period]:
        given = {} if self.study.intervention is None else getattr(self.study.intervention, key)
        if not isinstance(given, FilePointer | ColumnPointer):
            return dict(given)
        where, at = f"intervention.{key}", self.study.line(f"intervention.{key}")
        problems = Problems()
        try:
            if isinstance(given, FilePointer):
                found = _periods_of_file(self.root / given.file, given, problems)
            else:
                found = _areas_of_column(self.table, given, problems)
        except DataError as error:
            problems.extend(error.problems or [Problem(error.title)])
            found = {}
        if not found and not problems:
            problems.add("no area is named", rule="nobody_treated")
        located = [replace(p, where=p.where or where, line=p.line or at) for p in problems]
        Problems(located).raise_if_any(StudyError, f"{self.study.path} cannot be used")
        return found

    @cached_property
    def intervention(self) -> Intervention | None:
        """The study's intervention, or None where it has none.

        A start that is given for a reporting area is that of each small area in it.

        Raises
        ------
        StudyError
            If its areas or periods cannot be found.
        """
        spec, panel = self.study.intervention, self.panel
        if spec is None:
            return None
        known = {*panel.areas, *panel.parents.values()}
        problems = Problems()
        for key, found in (("starts", self.starts), ("ends", self.ends)):
            for area in (a for a in found if a not in known):
                at = self.study.line(f"intervention.{key}.{area}", f"intervention.{key}")
                fix = did_you_mean(area, [*panel.areas, *sorted(set(panel.parents.values()))], limit=4)
                problems.add(f"{area!r} is no area of the data", where=f"intervention.{key}", fix=fix, line=at)
        problems.raise_if_any(StudyError, f"{self.study.path} cannot be used")
        cost = tuple(CostLine(c.item, c.quantity, c.unit_cost, c.price_year, c.source) for c in spec.cost)
        asked = Intervention(spec.name, starts=self.starts, ends=self.ends or None, cost=cost or None)
        return in_small_areas(asked, panel)

    @cached_property
    def told_to_checks(self) -> dict[str, dict[str, Any]]:
        """Options of checks, with files of borders read and the study's breaks given to those that take them.

        Raises
        ------
        StudyError
            If a file of borders cannot be used.
        """
        told = self.study.check_options
        breaks = tuple(Break(b.period, b.reason, b.until) for b in self.study.breaks)
        for name in known_checks() if breaks else ():
            if "breaks" in all_options(name):
                told.setdefault(name, {})["breaks"] = breaks
        borders = told.get("spillover", {}).get("neighbours")
        if isinstance(borders, str):
            told["spillover"]["neighbours"] = _borders(self.study, self.root / borders)
        return told

    @cached_property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of each file of the study's data, by its path from the data root."""
        main = self.table.source
        held = {main.path: main.sha256} if isinstance(main, TidyFile) else {}
        return {_relative(p, self.root): held.get(p) or file_hash(p) for p in input_files(self.study, self.root)}

    def areas(self, areas: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Return the codes of the reporting areas to report on, sorted; an area may be named by code or by name.

        Parameters
        ----------
        areas : tuple of str, optional
            By default those of the study, else all.

        Raises
        ------
        StudyError
            Naming every area that is none, with the nearest.
        """
        given = one_or_more(areas) if areas is not None else self.study.areas
        panel = self.panel
        if given is None:
            return panel.reporting_areas
        known = {a: a for a in panel.reporting_areas} | {panel.label(a): a for a in panel.reporting_areas}
        problems = Problems()
        for area in (a for a in given if a not in known):
            line = None if areas is not None else self.study.line(f"areas.{area}", "areas")
            where = "--areas" if areas is not None else "areas"
            fix = did_you_mean(area, known, limit=12)
            problems.add(f"{area!r} is no reporting area of the data", where=where, fix=fix, line=line)
        problems.raise_if_any(StudyError, f"{self.study.path} cannot be used")
        return tuple(sorted({known[a] for a in given}))


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def input_files(study: Study, root: Path) -> tuple[Path, ...]:
    """Return every file that the study reads, a folder given as each of its files; sorted."""
    named = [study.data.path, *(j.path for j in study.data.all_joins)]
    if study.intervention is not None:
        pointers = (study.intervention.starts, study.intervention.ends)
        named += [p.file for p in pointers if isinstance(p, FilePointer)]
    borders = study.check_options.get("spillover", {}).get("neighbours")
    named += [borders] if isinstance(borders, str) else []
    beside = Path(study.data.path).parent
    named += [str(beside / name) for name in _texts(study.data.options) if (root / beside / name).is_file()]
    found: set[Path] = set()
    for path in (root / name for name in named):
        found.update(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else found.add(path)
    return tuple(sorted(found))


def _texts(value: Any) -> list[str]:
    """Return every text inside an option of a layout; some of them name further files."""
    if isinstance(value, str):
        return [value]
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return [text for item in inside for text in _texts(item)]


def _borders(study: Study, path: Path) -> list[tuple[str, str]]:
    """Return pairs of areas that border on each other: the first two columns of a file."""
    problems = Problems()
    try:
        table = read_table(path).to_pandas()
    except DataError as error:
        problems.extend(error.problems or [Problem(error.title)])
    else:
        if table.shape[1] >= 2:
            pairs = table.iloc[:, :2].dropna().astype("string")
            return list(zip(pairs.iloc[:, 0].str.strip(), pairs.iloc[:, 1].str.strip(), strict=True))
        problems.add("a file of borders has two columns, one row a pair of areas", rule="no_pairs")
    at = study.line("checks.spillover.neighbours", "checks.spillover")
    located = [Problem(p.what, f"checks.spillover ({path.name})", p.fix, at, p.rule) for p in problems]
    raise StudyError(f"{study.path} cannot be used", located)


def _periods_of_file(path: Path, pointer: FilePointer, problems: Problems) -> dict[str, pd.Period]:
    columns = (pointer.area, pointer.period)
    table = read_table(path, text=columns).to_pandas()
    for column in (c for c in columns if c not in table.columns):
        fix = did_you_mean(column, table.columns)
        problems.add(f"{path.name} has no column {column!r}", fix=fix, rule="unknown_column")
    if problems:
        return {}
    areas, written = table[pointer.area], table[pointer.period]
    try:
        read = periods.read_column(written, written=pointer.period_written, stepped=False)
    except DataError as error:
        problems.add(error.title, where=path.name, rule="period_written")
        return {}
    if read.choices:
        ways = ", or ".join(f"period_written: {c}" for c in read.choices)
        shown = shorten(list(dict.fromkeys(written.dropna())), limit=3)
        what = f"{shown} in {path.name} may be read in {len(read.choices)} ways"
        problems.add(what, fix=f"Say which, beside `file`: {ways}.", rule="period_ambiguous")
        return {}
    lines = np.arange(2, len(table) + 2)
    for value in read.unread:
        here = name_lines(lines[np.asarray(written == value)])
        problems.add(f"{path.name}, {here}: {value!r} names no period", rule="bad_period")
    if read.kinds:
        problems.add(f"{periods.mixed_words(read.kinds)} are mixed in {path.name}", rule="period_mixed")
    known = np.asarray(written.notna() & areas.notna())
    for code in areas[known][areas[known].duplicated()].unique():
        here = name_lines(lines[np.asarray(known & (areas == code))])
        problems.add(f"{code!r} stands twice in {path.name}, {here}", rule="area_twice")
    if problems:
        return {}
    return dict(zip(areas[known].astype(str), read.index[known], strict=True))


def _areas_of_column(table: Table, pointer: ColumnPointer, problems: Problems) -> dict[str, pd.Period]:
    column = pointer.column
    if column not in table.columns:
        fix = did_you_mean(column, table.columns)
        problems.add(f"the data have no column {column!r}", fix=fix, rule="unknown_column")
        return {}
    frame = table.frame
    values = pd.to_numeric(frame[column], errors="coerce")
    odd = sorted({str(v) for v in frame.loc[~values.isin([0, 1]), column].unique()})
    if odd:
        what = f"column {column!r} holds {', '.join(odd[:3])} where only 0 and 1 are meant"
        problems.add(what, rule="not_an_indicator")
        return {}
    return dict.fromkeys(sorted(frame.loc[values == 1, table.roles.area].astype(str).unique()), pointer.period)

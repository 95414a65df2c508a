"""The rules of a study that need a look at its data: columns, areas and periods; only headers and keys are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from svmodel import periods
from svmodel.errors import DataError, Problem, Problems, UserError, did_you_mean
from svmodel.report.study.data import columns_of, find_periods, input_files, layout_roles, read_columns
from svmodel.report.study.registry import read_layout

if TYPE_CHECKING:
    from svmodel.report.study import Study


@dataclass(frozen=True)
class Peek:
    """What the keys of the data say: areas, codes and names of reporting areas, parents, first and last period."""

    areas: tuple[str, ...] = ()
    reporting: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    span: tuple[pd.Period, pd.Period] | None = None


def problems_with_data(study: Study, data: Path | str | None) -> list[Problem]:
    """Return what the data say against the study; the values themselves are looked at when they are read."""
    problems = Problems()
    if not study.data.path:
        return []
    try:
        root = study.data_root(data)
    except UserError as error:
        return list(error.problems)
    if not _files_are_there(study, root, problems):
        return list(problems)
    try:
        roles = _Roles.of(study, root)
        _check_columns(study, roles, problems)
        peek = _peek(study, root, roles)
    except DataError as error:
        at = study.line("data.path")
        problems.extend(
            Problem(p.what, p.where, p.fix, at, p.rule)
            for p in error.problems or (Problem(error.title, "data.path", rule="data_unreadable"),)
        )
        return list(problems)
    _check_areas(study, root, peek, problems)
    _check_periods(study, peek, problems)
    return list(problems)


@dataclass(frozen=True)
class _Roles:
    """Columns of the data by role, as the study or the file itself names them."""

    columns: tuple[str, ...]
    area: str
    period: str
    counts: tuple[str, ...]
    measures: tuple[str, ...]
    exposures: tuple[str, ...]
    covariates: tuple[str, ...]
    parent: str | None

    @classmethod
    def of(cls, study: Study, root: Path) -> _Roles:
        spec, saved = study.data, _known_roles(study, root)
        lists = {r: getattr(spec, r) or tuple(saved.get(r, ())) for r in ("counts", "measures", "covariates")}
        exposures = spec.exposures or tuple(saved.get("exposures", ()))
        if spec.population is not None:
            exposures = (*exposures, spec.population.column)
        columns = columns_of(study, root)
        parent = spec.parent or ("parent" if saved and "parent" in columns else None)
        return cls(columns, spec.area or "area", spec.period or "period", exposures=exposures, parent=parent, **lists)


def _known_roles(study: Study, root: Path) -> dict[str, Any]:
    """Return the roles that a layout gives its columns, or that a file of write_panel carries."""
    path = root / study.data.path
    if study.data.layout != "tidy":
        return layout_roles(study.data, read_layout(study.data, root).frame)
    if path.suffix not in (".parquet", ".pq"):
        return {}
    import json

    from pyarrow import parquet

    mark = (parquet.read_schema(path).metadata or {}).get(b"svmodel")
    return {} if mark is None else dict(json.loads(mark)["roles"])


def _files_are_there(study: Study, root: Path, problems: Problems) -> bool:
    for path in input_files(study, root):
        if not path.exists():
            near = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
            problems.add(
                f"there is no file {str(path)!r}",
                where="data.path" if path == root / study.data.path else "data",
                fix=did_you_mean(path.name, near, limit=5),
                line=_line_of_file(study, root, path),
                rule="no_file",
            )
    return not problems


def _line_of_file(study: Study, root: Path, path: Path) -> int | None:
    for i, join in enumerate(study.data.joins, start=1):
        if root / join.path == path:
            return study.line(f"data.joins[{i}].path")
    if root / str(study.check_options.get("spillover", {}).get("neighbours")) == path:
        return study.line("checks.spillover.neighbours", "checks.spillover")
    if study.data.population is not None and root / study.data.population.path == path:
        return study.line("data.population.path")
    for key in ("starts", "ends"):
        pointer = None if study.intervention is None else getattr(study.intervention, f"{key}_from")
        if pointer is not None and "file" in pointer and root / pointer["file"] == path:
            return study.line(f"intervention.{key}.file")
    return study.line("data.path")


def _check_columns(study: Study, roles: _Roles, problems: Problems) -> None:
    spec = study.data
    named = [(f"data.{r}.{c}", c) for r in ("counts", "measures", "exposures", "covariates") for c in getattr(spec, r)]
    named += [(f"data.{r}", getattr(spec, r)) for r in ("area", "period", "parent", "name")]
    for key, column in named:
        if column is not None and column not in roles.columns:
            at = study.line(key, f"data.{key.split('.')[1]}")
            fix = did_you_mean(column, roles.columns, limit=12)
            where = ".".join(key.split(".")[:2])
            problems.add(f"the data have no column {column!r}", where=where, fix=fix, line=at, rule="unknown_column")
    counted = (*roles.counts, *roles.measures)
    for outcome in study.outcomes:
        if outcome.column not in counted:
            what = f"{outcome.column!r} is neither among the data's counts nor its measures"
            at = study.line(f"outcomes.{outcome.column}")
            there = outcome.column in roles.columns
            fix = "Name it there." if there else did_you_mean(outcome.column, set(counted) & set(roles.columns))
            problems.add(what, where="outcomes", fix=fix, line=at, rule="unknown_outcome")
    _check_outcomes_of_checks(study, counted, problems)
    if study.exposure is not None and study.exposure not in roles.exposures:
        what, fix = (
            f"{study.exposure!r} is not among the data's exposures",
            did_you_mean(study.exposure, roles.exposures),
        )
        problems.add(what, where="exposure", fix=fix, line=study.line("exposure"), rule="unknown_exposure")
    for covariate in study.covariates:
        valid = (*roles.covariates, *roles.exposures)
        if covariate not in valid:
            what, at = f"{covariate!r} is not among the data's covariates", study.line(f"covariates.{covariate}")
            fix = did_you_mean(covariate, valid)
            problems.add(what, where="covariates", fix=fix, line=at, rule="unknown_covariate")


def _check_outcomes_of_checks(study: Study, counted: tuple[str, ...], problems: Problems) -> None:
    """Note outcomes that checks are told of and the data have not."""
    for check, options in study.check_options.items():
        for key in ("outcome", "outcomes"):
            given = options.get(key, ())
            for name in [given] if isinstance(given, str) else given if isinstance(given, list | tuple) else ():
                if name not in counted:
                    what = f"{name!r} is neither among the data's counts nor its measures"
                    at = study.line(f"checks.{check}.{key}", f"checks.{check}")
                    fix = did_you_mean(str(name), counted)
                    problems.add(what, where=f"checks.{check}", fix=fix, line=at, rule="unknown_outcome")


def _peek(study: Study, root: Path, roles: _Roles) -> Peek:
    spec = study.data
    wanted = [roles.area, roles.period, roles.parent, spec.parent_name, spec.name]
    frame = read_columns(study, root, tuple(dict.fromkeys(c for c in wanted if c is not None and c in roles.columns)))
    areas = _distinct(frame, roles.area)
    parents = _distinct(frame, str(roles.parent))
    by_parent = study.level == "parent" and bool(parents)
    reporting = parents if by_parent else areas
    label = spec.parent_name if by_parent else spec.name
    names = [*(_distinct(frame, label) if label is not None else ()), *spec.names.values()]
    return Peek(areas, tuple(dict.fromkeys((*reporting, *names))), parents, _span(frame, roles.period))


def _distinct(frame: pd.DataFrame, column: str) -> tuple[str, ...]:
    if column not in frame.columns:
        return ()
    return tuple(sorted(frame[column].dropna().astype("string").str.strip().unique()))


def _span(frame: pd.DataFrame, column: str) -> tuple[pd.Period, pd.Period] | None:
    """Return the first and the last period; None where one cannot be read, which reading the data will say."""
    if column not in frame.columns:
        return None
    try:
        found = [periods.parse(v) for v in frame[column].dropna().unique()]
    except DataError:
        return None
    if not found or len({p.freqstr for p in found}) > 1:
        return None
    return min(found), max(found)


def _check_areas(study: Study, root: Path, peek: Peek, problems: Problems) -> None:
    named = {*peek.areas, *peek.parents}
    for area in study.data.names if peek.areas else ():
        if area not in named:
            fix, at = did_you_mean(area, peek.reporting, limit=12), study.line(f"data.names.{area}")
            problems.add(f"{area!r} is no area of the data", where="data.names", fix=fix, line=at, rule="unknown_area")
    if peek.reporting:
        for area in study.areas or ():
            if area not in peek.reporting:
                fix, at = did_you_mean(area, peek.reporting, limit=12), study.line(f"areas.{area}", "areas")
                what = f"{area!r} is no reporting area of the data"
                problems.add(what, where="areas", fix=fix, line=at, rule="unknown_area")
    if study.intervention is None or not peek.areas:
        return
    for key in ("starts", "ends"):
        given = dict(getattr(study.intervention, key))
        if getattr(study.intervention, f"{key}_from"):
            try:
                given = find_periods(study, root, key)
            except UserError as error:
                problems.extend(error.problems)
        known = set(peek.areas)
        for area, period in given.items():
            where, at = f"intervention.{key}", study.line(f"intervention.{key}.{area}", f"intervention.{key}")
            if area not in known and area not in peek.reporting:
                fix = did_you_mean(area, [*peek.areas, *peek.reporting], limit=4)
                what = f"{area!r} is no area of the data"
                problems.add(what, where=where, fix=fix, line=at, rule="unknown_area")
            elif peek.span is not None and period.freqstr != peek.span[0].freqstr:
                what = f"{period} is not given as a {periods.FREQUENCIES[peek.span[0].freqstr]}, as the data are"
                problems.add(what, where=where, line=at, rule="bad_period")


def _check_periods(study: Study, peek: Peek, problems: Problems) -> None:
    if peek.span is None:
        return
    first, last = peek.span
    data = f"the data run from {periods.label(first)} to {periods.label(last)}"
    start, end = study.window or (None, None)
    at = study.line("window")
    if start is not None and start.start_time > last.end_time:
        problems.add(f"{start} is after the last period; {data}", where="window", line=at, rule="window")
    if end is not None and end.end_time < first.start_time:
        problems.add(f"{end} is before the first period; {data}", where="window", line=at, rule="window")
    for i, found in enumerate(study.breaks, start=1):
        if found.period.end_time < first.start_time or found.period.start_time > last.end_time:
            what = f"the break {found.period} is outside the data; {data}"
            problems.add(what, where=f"breaks[{i}]", line=study.line(f"breaks[{i}].period"), rule="window")

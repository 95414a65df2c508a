"""The rules of a study that need a look at its data: columns, areas and periods."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from svmodel import periods
from svmodel.errors import DataError, Problem, Problems, UserError, did_you_mean
from svmodel.report.study.data import StudyData, Table, input_files
from svmodel.report.study.model import Study
from svmodel.report.study.registry import estimators, known_checks
from svmodel.report.study.values import FilePointer


def unmet_checks(study: Study) -> list[Problem]:
    """Return a problem for each check that the study names and that its headline estimator can never bear."""
    # the checks load every method that they look at, which takes seconds
    from svmodel.checks.declared import lacking

    problems = Problems()
    named = [c.name for c in study.asked_checks or () if c.name != "default"] if study.estimators else []
    for name in named:
        head = study.estimators[0]
        if why := lacking(known_checks()[name], estimators()[head.name]):
            problems.add(
                f"the check {name!r} cannot be made of the first estimator: {why}",
                where=f"checks.{name}",
                fix="Leave it out, or put another estimator first.",
                line=study.line(f"checks.{name}", "checks"),
                rule="check_lacks",
            )
    return list(problems)


def missing_files(study: Study, root: Path) -> list[Problem]:
    """Return a problem for each file that the study names and that is not there."""
    problems = Problems()
    for path in (p for p in input_files(study, root) if not p.exists()):
        near = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        problems.add(
            f"there is no file {str(path)!r}",
            where="data.path" if path == root / study.data.path else "data",
            fix=did_you_mean(path.name, near, limit=5),
            line=_line_of_file(study, root, path),
            rule="no_file",
        )
    return list(problems)


def _line_of_file(study: Study, root: Path, path: Path) -> int | None:
    asked = study.intervention
    places: list[tuple[Any, str]] = [(j.path, f"data.joins[{i}].path") for i, j in enumerate(study.data.joins, start=1)]
    places.append((study.check_options.get("spillover", {}).get("neighbours"), "checks.spillover"))
    if study.data.population is not None:
        places.append((study.data.population.path, "data.population.path"))
    for key in ("starts", "ends") if asked is not None else ():
        pointer = getattr(asked, key)
        if isinstance(pointer, FilePointer):
            places.append((pointer.file, f"intervention.{key}.file"))
    found = next((where for name, where in places if isinstance(name, str) and root / name == path), "data.path")
    return study.line(f"{found}.neighbours", found)


def unreadable(study: Study, error: DataError) -> list[Problem]:
    """Return what makes the data file unreadable, said of the line of the study file that names it."""
    at = study.line("data.path")
    found = error.problems or (Problem(error.title, "data.path", rule="data_unreadable"),)
    places = [", ".join(x for x in (p.where, f"line {p.line} of the file" if p.line else "") if x) for p in found]
    return [Problem(p.what, where, p.fix, at, p.rule) for p, where in zip(found, places, strict=True)]


def problems_with(data: StudyData) -> list[Problem]:
    """Return what the data say against the study; the values themselves are looked at when the panel is made."""
    problems = Problems()
    keys = Keys.of(data)
    _check_columns(data.study, data.table, problems)
    _check_areas(data, keys, problems)
    _check_periods(data.study, keys, problems)
    return list(problems)


@dataclass(frozen=True)
class Keys:
    """What the keys of the rows say: areas, codes and names of reporting areas, parents, first and last period."""

    areas: tuple[str, ...] = ()
    reporting: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    span: tuple[pd.Period, pd.Period] | None = None

    @classmethod
    def of(cls, data: StudyData) -> Keys:
        """Read them."""
        spec, roles, frame = data.study.data, data.table.roles, data.table.frame
        areas, parents = _distinct(frame, roles.area), _distinct(frame, roles.parent)
        by_parent = data.study.level == "parent" and bool(parents)
        names = _distinct(frame, spec.parent_name if by_parent else spec.name)
        reporting = dict.fromkeys((*(parents if by_parent else areas), *names, *spec.names.values()))
        return cls(areas, tuple(reporting), parents, _span(frame, roles.period, spec.period_written))


def _distinct(frame: pd.DataFrame, column: str | None) -> tuple[str, ...]:
    if column not in frame.columns:
        return ()
    return tuple(sorted(frame[column].dropna().astype("string").str.strip().unique()))


def _span(frame: pd.DataFrame, column: str, written: str | None) -> tuple[pd.Period, pd.Period] | None:
    """Return the first and the last period; None where one cannot be read, which making the panel will say."""
    if column not in frame.columns:
        return None
    try:
        found = periods.read_column(frame[column].dropna().drop_duplicates(), written=written)
    except DataError:
        return None
    if found.unread or found.kinds or found.choices or not len(found.index):
        return None
    return min(found.index), max(found.index)


def _check_columns(study: Study, table: Table, problems: Problems) -> None:
    spec, roles, columns = study.data, table.roles, table.columns
    named = [(f"data.{r}.{c}", c) for r in ("counts", "measures", "exposures", "covariates") for c in getattr(spec, r)]
    named += [(f"data.{r}", getattr(spec, r)) for r in ("area", "period", "parent", "name")]
    for key, column in named:
        if column is not None and column not in columns:
            at = study.line(key, f"data.{key.split('.')[1]}")
            fix = did_you_mean(column, columns, limit=12)
            where = ".".join(key.split(".")[:2])
            problems.add(f"the data have no column {column!r}", where=where, fix=fix, line=at, rule="unknown_column")
    counted = (*roles.counts, *roles.measures)
    for outcome in study.outcomes:
        if outcome.column not in counted:
            what = f"{outcome.column!r} is neither among the data's counts nor its measures"
            at = study.line(f"outcomes.{outcome.column}")
            there = outcome.column in columns
            fix = "Name it there." if there else did_you_mean(outcome.column, set(counted) & set(columns))
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


def _check_outcomes_of_checks(study: Study, counted: Iterable[str], problems: Problems) -> None:
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


def _check_areas(data: StudyData, keys: Keys, problems: Problems) -> None:
    study = data.study
    named = {*keys.areas, *keys.parents}
    for area in study.data.names if keys.areas else ():
        if area not in named:
            fix, at = did_you_mean(area, keys.reporting, limit=12), study.line(f"data.names.{area}")
            problems.add(f"{area!r} is no area of the data", where="data.names", fix=fix, line=at, rule="unknown_area")
    if keys.reporting:
        for area in study.areas or ():
            if area not in keys.reporting:
                fix, at = did_you_mean(area, keys.reporting, limit=12), study.line(f"areas.{area}", "areas")
                what = f"{area!r} is no reporting area of the data"
                problems.add(what, where="areas", fix=fix, line=at, rule="unknown_area")
    if study.intervention is None or not keys.areas:
        return
    for key in ("starts", "ends"):
        try:
            given = data.starts if key == "starts" else data.ends
        except UserError as error:
            problems.extend(error.problems)
            continue
        known = set(keys.areas)
        for area, period in given.items():
            where, at = f"intervention.{key}", study.line(f"intervention.{key}.{area}", f"intervention.{key}")
            if area not in known and area not in keys.reporting:
                fix = did_you_mean(area, [*keys.areas, *keys.reporting], limit=4)
                what = f"{area!r} is no area of the data"
                problems.add(what, where=where, fix=fix, line=at, rule="unknown_area")
            elif keys.span is not None and not _fits(period, keys.span[0].freqstr):
                what = f"{period} is not given as a {periods.FREQUENCIES[keys.span[0].freqstr]}, as the data are"
                problems.add(what, where=where, line=at, rule="bad_period")


def _fits(period: pd.Period, freq: str) -> bool:
    return periods.fit(period, freq).freqstr == freq


def _check_periods(study: Study, keys: Keys, problems: Problems) -> None:
    if keys.span is None:
        return
    first, last = keys.span
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

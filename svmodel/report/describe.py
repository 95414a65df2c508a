"""What a study or a data file holds, in words: for ``svmodel check``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.errors import DataError, Problem, Problems, StudyError, UserError, shorten
from svmodel.panel import Panel
from svmodel.report.pages.unprotected import SMALL, unprotected
from svmodel.report.study.data import StudyData
from svmodel.report.study.understood import Understood, totals_by_year

_MOST_COLUMNS = 12


def describe_study(path: Path, data: Path | None = None) -> str:
    """Check a study to the point where fitting would start, and say what it would do.

    Raises
    ------
    UserError
        With everything that is wrong with the study file, its data, or its designs.
    """
    from svmodel.report.fits import designs
    from svmodel.report.study.read import open_study

    try:
        opened = open_study(path, data=data)
        panel = opened.panel
    except UserError as error:
        raise StudyError(_first_understood(error.title, path, data), grouped(error.problems)) from None
    study = opened.study
    asked = designs(opened)
    problems = Problems()
    for outcome, design in asked.items():
        for problem in design.problems():
            where = f"{outcome}, {problem.where}" if problem.where else outcome
            problems.add(problem.what, where=where, fix=problem.fix, line=study.line(f"outcomes.{outcome}"))
    problems.raise_if_any(StudyError, f"{path} cannot be run\n{describe_panel(panel)}\n  what is wrong")
    areas = opened.areas()
    lines = [
        f"{path}: no problem found",
        f"  {study.title}",
        f"  {len(areas)} reports: {', '.join(panel.label(a) for a in areas[:6])}{' ...' if len(areas) > 6 else ''}",
        f"  outcomes: {', '.join(o.column for o in study.outcomes)}; exposure: {study.exposure or 'none'}",
        f"  estimators: {', '.join(e.label for e in study.estimators) or 'none; no effect is estimated'}",
        *[f"  {design.describe()}" for design in list(asked.values())[:1]],
        f"  disclosure: {_disclosure(opened, areas)}",
        describe_panel(panel),
    ]
    return "\n".join(lines)


def _first_understood(title: str, path: Path, data: Path | None) -> str:
    """Return the title of an error under which stands what could be understood of the data."""
    from svmodel.report.study.read import parse_study
    from svmodel.report.study.understood import understand_as

    try:
        study, _ = parse_study(path)
        if study is None or not study.data.path:
            return title
        found = understand_as(study.data, study.data_root(data))
    except UserError:  # what is wrong is told by the problems
        return title
    lines = [] if found.frame is None else _loosely(found)
    if not lines:  # the study names columns that are not there, so that what is left out means nothing
        return title
    lines += [f"  column {c!r} is left out: {why}" for c, why in found.left_out.items()]
    return "\n".join([title, *lines, "  what is wrong"])


def _disclosure(opened: StudyData, areas: tuple[str, ...]) -> str:
    """Return the rule, or what would stand open without one."""
    study, panel = opened.study, opened.panel
    rule = study.disclosure.build()
    if rule.active:
        return rule.describe()
    found = unprotected(study, panel, panel.aggregate("parent") if panel.parents else panel, areas)
    if not found:
        return f"no rule is set; the pages show no count from 1 to {SMALL - 1} and nothing that is known as health data"
    return f"WARNING: no rule is set, and the pages show {found}. Set one: key `disclosure`, docs/disclosure.md"


def describe_data(
    path: Path, *, area: str | None = None, period: str | None = None, counts: tuple[str, ...] = ()
) -> str:
    """Read a data file, or a folder of street files, and say what it holds.

    Columns of a table in no publisher's layout that are not named are guessed, and the answer says how.

    Raises
    ------
    DataError
        With what was understood, and then everything that is wrong with it, like problems in one line.
    """
    from svmodel.report.study.understood import understand

    found = understand(path, area=area, period=period, counts=counts)
    how = f", read as {found.columns} (say otherwise with --area, --period, --counts)"
    how = how if found.spec.layout == "tidy" and found.spec.area else ""
    left = [f"  column {c!r} is left out: {why}" for c, why in found.left_out.items()]
    asked = [
        Problem(
            q.why, fix=f"Say which in a study file: {', or '.join(f'{q.key}: {c}' for c in q.choices)}.", rule="ask"
        )
        for q in found.questions
    ]
    if found.panel is not None and not asked:
        head = f"{path}: no problem found\n  layout {found.spec.layout}{how}"
        return "\n".join([head, describe_panel(found.panel), *left])
    understood = [*([] if found.frame is None else _loosely(found)), *left]
    if asked and found.panel is not None:
        understood.append(f"  ... if {' and '.join(f'{q.key} is {q.choices[0]}' for q in found.questions)}")
    title = "\n".join([f"{path} cannot be used{how}", *understood])
    raise DataError(title + ("\n  what is wrong" if understood else ""), grouped([*asked, *found.problems]))


def _loosely(found: Understood) -> list[str]:
    """Return areas, periods and totals of rows that are not all good."""
    frame, spec = found.frame, found.spec
    if frame is None or spec.area not in frame.columns or spec.period is None or spec.period not in frame.columns:
        return []
    lines = [f"  {frame[spec.area].nunique():,} areas, {len(frame):,} rows"]
    try:
        index = periods.read_column(frame[spec.period], written=spec.period_written).index.dropna()
    except DataError:
        index = pd.PeriodIndex([], freq="M")
    if len(index):
        lines[0] += f", {periods.label(index.min())} to {periods.label(index.max())}"
        shown = [c for c in spec.counts[:_MOST_COLUMNS] if c in frame.columns]
        totals = {c: totals_by_year(frame, spec.period, c, spec.period_written) for c in shown}
        lines.extend(f"  {c}: {_years(t)}" for c, t in totals.items())
    return lines


def _years(totals: Mapping[int, float]) -> str:
    return "; ".join(f"{year} {total:,.0f}" for year, total in totals.items()) or "no year can be read"


def grouped(problems: Iterable[Problem]) -> list[Problem]:
    """Return problems of one kind as one, with how many there are and the first three places.

    Examples
    --------
    >>> kind = [Problem(f"'{n}' is not a known area", where=f"line {n}", rule="unknown_area") for n in range(2, 7)]
    >>> print(grouped(kind)[0])
    lines 2, 3, 4 and 2 more: '2' is not a known area; 5 of this kind.
    """
    kinds: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        shape = re.sub(r"'[^']*'|\d[\d,.]*", "#", problem.what)
        kinds.setdefault((problem.rule, shape), []).append(problem)
    found = []
    for alike in kinds.values():
        first = alike[0]
        if len(alike) == 1 or not first.rule:
            found.extend(alike)
            continue
        places = [", ".join(t for t in (f"line {p.line}" if p.line else "", p.where) if t) or p.what for p in alike]
        where = "; ".join(places[:3]) + (f" and {len(alike) - 3} more" if len(alike) > 3 else "")
        if all(re.fullmatch(r"line \d+", p) for p in places):
            where = "lines " + where.replace("line ", "").replace("; ", ", ")
        found.append(Problem(f"{first.what}; {len(alike)} of this kind", where, first.fix, None, first.rule))
    return found


def describe_panel(panel: Panel) -> str:
    """Return areas, periods, columns, gaps and the ledger of a panel."""
    first, last = periods.label(panel.periods[0]), periods.label(panel.periods[-1])
    word = periods.describe_frequency(panel.periods)
    lines = [
        f"  {panel.n_areas:,} areas, {panel.n_periods} {word}s from {first} to {last}"
        + (", SYNTHETIC" if panel.synthetic else ""),
    ]
    if panel.parents:
        named = [panel.label(a) for a in panel.reporting_areas]
        lines.append(f"  {len(named)} reporting areas: {shorten(named, limit=8)}")
    for column in panel.columns:
        values = panel.matrix(column)
        gaps = int(np.isnan(values).sum())
        role = next(r for r in ("counts", "measures", "exposures", "covariates") if column in getattr(panel, r))
        told = f"{np.nanmin(values):g} to {np.nanmax(values):g}" if gaps < values.size else "nothing but gaps"
        lines.append(f"  {role[:-1]} {column}: {told}; {gaps:,} of {values.size:,} missing")
        if role == "counts":
            years = [p.year for p in panel.periods]
            totals = {
                y: float(np.nansum(values[:, [i for i, v in enumerate(years) if v == y]])) for y in sorted(set(years))
            }
            lines.append(f"    in all: {_years(totals)}")
    lines.append("  ledger:" + ("" if len(panel.ledger) else " nothing dropped, altered or missing"))
    lines.extend(f"    {entry}" for entry in panel.ledger)
    return "\n".join(lines)

"""What a study or a data file holds, in words: for ``svmodel check``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from svmodel import periods
from svmodel.errors import DataError, Problems, StudyError, shorten
from svmodel.panel import Panel
from svmodel.report.pages.unprotected import SMALL, unprotected
from svmodel.report.study.data import StudyData


def describe_study(path: Path, data: Path | None = None) -> str:
    """Check a study to the point where fitting would start, and say what it would do.

    Raises
    ------
    UserError
        With everything that is wrong with the study file, its data, or its designs.
    """
    from svmodel.report.fits import designs
    from svmodel.report.study.read import open_study

    opened = open_study(path, data=data)
    study, panel = opened.study, opened.panel
    asked = designs(opened)
    problems = Problems()
    for outcome, design in asked.items():
        for problem in design.problems():
            where = f"{outcome}, {problem.where}" if problem.where else outcome
            problems.add(problem.what, where=where, fix=problem.fix, line=study.line(f"outcomes.{outcome}"))
    problems.raise_if_any(StudyError, f"{path} cannot be run")
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

    Columns of a CSV file in no publisher's layout that are not named are guessed, and the answer says how.

    Raises
    ------
    DataError
        With everything that is wrong with it.
    """
    from svmodel.report.study.data import open_table
    from svmodel.report.study.values import DataSpec
    from svmodel.sources.guess import guess_columns
    from svmodel.sources.layouts import detect_layout

    named = area is not None or period is not None or bool(counts)
    layout = "tidy" if named else detect_layout(path)
    if path.is_dir() and layout is None:
        raise DataError(f"{path} is in no layout that svmodel knows: it holds no street files of data.police.uk")
    exposures: tuple[str, ...] = ()
    how = ""
    if layout in (None, "tidy") and path.name.casefold().endswith((".csv", ".csv.gz")):
        columns = guess_columns(path, area=area, period=period, counts=counts)
        layout, how = "tidy", f" read as {columns} (say otherwise with --area, --period, --counts)"
        area, period, counts, exposures = columns.area, columns.period, columns.counts, columns.exposures
    if layout is None:
        raise DataError(f"{path} is in no layout that svmodel knows. Name its columns: --area, --period, --counts.")
    spec = DataSpec(path.name, layout=layout, area=area, period=period, counts=counts, exposures=exposures)
    try:
        panel = open_table(spec, path.parent).panel()
    except DataError as error:
        raise DataError(f"{error.title}{how and ','}{how}", error.problems) from error
    return f"{path}: no problem found\n  layout {layout}{how and ','}{how}\n{describe_panel(panel)}"


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
    lines.append("  ledger:" + ("" if len(panel.ledger) else " nothing dropped, altered or missing"))
    lines.extend(f"    {entry}" for entry in panel.ledger)
    return "\n".join(lines)

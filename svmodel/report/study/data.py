"""The data of a study: from the study file's ``data`` to a Panel, reporting areas and an Intervention."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from svmodel import periods
from svmodel.design import Intervention
from svmodel.errors import DataError, Problem, Problems, StudyError, did_you_mean
from svmodel.panel import Panel
from svmodel.sources.joins import Join, apply_joins
from svmodel.sources.opening import read_header, read_table, require_kind

if TYPE_CHECKING:
    from svmodel.report.study import DataSpec, JoinSpec, Study


def as_joins(specs: tuple[JoinSpec, ...], root: Path) -> tuple[Join, ...]:
    """Return the joins with their files found from the data root."""
    return tuple(Join(root / s.path, s.on, s.columns, s.mid_year, s.missing_ok) for s in specs)


def input_files(study: Study, root: Path) -> tuple[Path, ...]:
    """Return every file that the study reads, a folder given as each of its files; sorted."""
    named = [study.data.path, *(j.path for j in study.data.all_joins)]
    if study.intervention is not None:
        pointers = (study.intervention.starts_from, study.intervention.ends_from)
        named += [p["file"] for p in pointers if p is not None and "file" in p]
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
    inside = value.values() if hasattr(value, "values") else value if isinstance(value, list | tuple) else ()
    return [text for item in inside for text in _texts(item)]


def load_panel(study: Study, data: Path | str | None = None) -> Panel:
    """Read the data of a study, within its window.

    Raises
    ------
    UserError
        With all problems at once.
    """
    spec, root = study.data, study.data_root(data)
    panel = panel_of(spec, root)
    if study.level == "area":
        panel = replace(panel, parents={})
    if spec.names:
        panel = replace(panel, names={**panel.names, **spec.names})
    if spec.sources:
        panel = replace(panel, source="; ".join(spec.sources))
    return panel if study.window is None else panel.select(window=study.window)


def panel_of(spec: DataSpec, root: Path) -> Panel:
    """Read data in their layout, with what is joined to them, over every period."""
    if spec.layout != "tidy":
        return _from_layout(spec, root)
    from svmodel.sources.tidy import read_panel

    options = dict(spec.options)
    if "lsoa_lookup" in options:
        options["lsoa_lookup"] = root / str(options["lsoa_lookup"])
    return read_panel(root / spec.path, **_roles(spec), joins=as_joins(spec.all_joins, root), **options)


def _roles(spec: DataSpec) -> dict[str, Any]:
    names = ("area", "period", "counts", "measures", "exposures", "covariates", "parent", "name", "parent_name")
    roles = {n: getattr(spec, n) for n in names}
    if spec.population is not None and spec.population.column not in spec.exposures:
        roles["exposures"] = (*spec.exposures, spec.population.column)
    return roles


def _from_layout(spec: DataSpec, root: Path) -> Panel:
    from svmodel.panel import Panel
    from svmodel.report.study.registry import read_layout

    extract = read_layout(spec, root)
    problems = Problems()
    title = f"{root / spec.path} cannot be used"
    frame, entries = apply_joins(
        extract.frame, as_joins(spec.all_joins, root), period=spec.period or "period", problems=problems
    )
    problems.raise_if_any(DataError, title)
    return Panel.from_frame(
        frame,
        **layout_roles(spec, extract.frame),
        ledger=extract.ledger.extend(entries),
        source=extract.source,
        title=title,
    )


def layout_roles(spec: DataSpec, frame: pd.DataFrame) -> dict[str, Any]:
    """Return the roles of a layout's columns: those the study names, else those the layout gives."""
    roles = _roles(spec)
    for key in ("area", "period"):
        roles[key] = roles[key] or key
    for key in ("parent", "name", "parent_name"):
        roles[key] = roles[key] or (key if key in frame.columns else None)
    if not roles["counts"]:
        given = {v if isinstance(v, str) else None for v in roles.values()} | {*roles["measures"], *roles["exposures"]}
        numeric = frame.select_dtypes("number").columns
        roles["counts"] = tuple(c for c in numeric if c not in given and c not in roles["covariates"])
    return roles


def columns_of(study: Study, root: Path) -> tuple[str, ...]:
    """Return the columns that the data have, those that joins bring included, without reading the rows."""
    spec = study.data
    path = root / spec.path
    if spec.layout != "tidy":
        from svmodel.report.study.registry import read_layout

        own = list(read_layout(spec, root).frame.columns)
    elif require_kind(path, "csv", "gzip", "parquet") == "parquet":
        from pyarrow import parquet

        own = list(parquet.read_schema(path).names)
    else:
        own = read_header(path)
    return tuple(dict.fromkeys([*own, *(here for j in spec.all_joins for here in j.columns.values())]))


def read_columns(study: Study, root: Path, wanted: tuple[str, ...]) -> pd.DataFrame:
    """Return some columns of the data as text, those that joins bring included.

    Raises
    ------
    DataError
        If a join cannot be made.
    """
    spec = study.data
    path = root / spec.path
    keys = [here for j in spec.all_joins for here in j.on]
    own = list(dict.fromkeys([*wanted, *keys]))
    if spec.layout != "tidy":
        from svmodel.report.study.registry import read_layout

        frame = read_layout(spec, root).frame
    elif require_kind(path, "csv", "gzip", "parquet") == "parquet":
        from pyarrow import parquet

        frame = parquet.read_table(path, columns=[c for c in own if c in parquet.read_schema(path).names]).to_pandas()
    else:
        frame = read_table(path, text=own, columns=own).to_pandas()
    problems = Problems()
    needed = tuple(j for j in spec.joins if set(j.columns.values()) & set(own))
    frame, _ = apply_joins(frame, as_joins(needed, root), period=spec.period or "period", problems=problems)
    problems.raise_if_any(DataError, f"{path} cannot be used")
    return frame[[c for c in wanted if c in frame.columns]]


def reporting_names(panel: Panel) -> dict[str, str]:
    """Return each reporting area by its code and by its readable name."""
    return {a: a for a in panel.reporting_areas} | {panel.label(a): a for a in panel.reporting_areas}


def resolve_areas(study: Study, panel: Panel, areas: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Return the codes of the reporting areas to report on, sorted; an area may be named by code or by name.

    Raises
    ------
    StudyError
        Naming every area that is none, with the nearest.
    """
    given = areas if areas is not None else study.areas
    if given is None:
        return panel.reporting_areas
    known = reporting_names(panel)
    problems = Problems()
    for area in given:
        if area not in known:
            line = None if areas is not None else study.line(f"areas.{area}", "areas")
            where = "--areas" if areas is not None else "areas"
            fix = did_you_mean(area, known, limit=12)
            problems.add(f"{area!r} is no reporting area of the data", where=where, fix=fix, line=line)
    problems.raise_if_any(StudyError, f"{study.path} cannot be used")
    return tuple(sorted({known[a] for a in given}))


def resolve_intervention(study: Study, panel: Panel, data: Path | str | None = None) -> Intervention | None:
    """Return the study's intervention with its starts and ends found, or None where it has none.

    A start that is given for a reporting area is that of each small area in it.

    Raises
    ------
    StudyError
        If the file or the column that should hold them cannot be used.
    """
    from svmodel.design import Intervention, in_small_areas

    spec = study.intervention
    if spec is None:
        return None
    root = study.data_root(data)
    starts = find_periods(study, root, "starts") if spec.starts_from else dict(spec.starts)
    ends = find_periods(study, root, "ends") if spec.ends_from else dict(spec.ends)
    known = {*panel.areas, *panel.parents.values()}
    problems = Problems()
    for key, found in (("starts", starts), ("ends", ends)):
        for area in (a for a in found if a not in known):
            at = study.line(f"intervention.{key}.{area}", f"intervention.{key}")
            fix = did_you_mean(area, [*panel.areas, *sorted(set(panel.parents.values()))], limit=4)
            problems.add(f"{area!r} is no area of the data", where=f"intervention.{key}", fix=fix, line=at)
    problems.raise_if_any(StudyError, f"{study.path} cannot be used")
    asked = Intervention(spec.name, starts=starts, ends=ends or None, cost=spec.cost or None)
    return in_small_areas(asked, panel)


def told_to_checks(study: Study, data: Path | str | None = None) -> dict[str, dict[str, Any]]:
    """Return the options of checks, with files of borders read and the study's breaks given to those that take them.

    Raises
    ------
    StudyError
        If a file of borders cannot be used.
    """
    from svmodel.breaks import Break
    from svmodel.checks.runner import CHECKS, option_names

    told = {name: dict(options) for name, options in study.check_options.items()}
    for name in CHECKS:
        if "breaks" in option_names(name) and study.breaks:
            told.setdefault(name, {})["breaks"] = tuple(Break(b.period, b.reason, b.until) for b in study.breaks)
    borders = told.get("spillover", {}).get("neighbours")
    if isinstance(borders, str):
        told["spillover"]["neighbours"] = _borders(study, study.data_root(data) / borders)
    return told


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


def find_periods(study: Study, root: Path, key: str) -> dict[str, pd.Period]:
    """Return the periods by area that a file, or a 0/1 column of the data, gives.

    Raises
    ------
    StudyError
    """
    pointer = getattr(study.intervention, f"{key}_from")
    problems = Problems()
    where, at = f"intervention.{key}", study.line(f"intervention.{key}")
    try:
        if "file" in pointer:
            found = _periods_of_file(root / pointer["file"], pointer["area"], pointer["period"], problems, where, at)
        else:
            found = _areas_of_column(study, root, pointer["column"], pointer["period"], problems, where, at)
    except DataError as error:
        problems.extend(error.problems or [Problem(error.title, where, line=at)])
        found = {}
    if not found and not problems:
        problems.add("no area is named", where=where, line=at, rule="nobody_treated")
    problems.raise_if_any(StudyError, f"{study.path} cannot be used")
    return found


def _periods_of_file(
    path: Path, area: str, period: str, problems: Problems, where: str, at: int | None
) -> dict[str, pd.Period]:
    table = read_table(path, text=(area, period)).to_pandas()
    for column in (area, period):
        if column not in table.columns:
            fix = did_you_mean(column, table.columns)
            problems.add(f"{path.name} has no column {column!r}", where=where, fix=fix, line=at, rule="unknown_column")
    if problems:
        return {}
    found: dict[str, pd.Period] = {}
    for number, (code, value) in enumerate(zip(table[area], table[period], strict=True), start=2):
        here = f"{path.name}, line {number}"
        if pd.isna(value):
            continue
        if str(code) in found:
            problems.add(f"{code!r} stands twice in {here}", where=where, line=at, rule="area_twice")
            continue
        try:
            found[str(code)] = periods.parse(value)
        except DataError as error:
            problems.add(f"{here}: {error.title}", where=where, line=at, rule="bad_period")
    return found


def _areas_of_column(
    study: Study, root: Path, column: str, period: pd.Period | None, problems: Problems, where: str, at: int | None
) -> dict[str, pd.Period]:
    area = study.data.area or "area"
    known = columns_of(study, root)
    if column not in known:
        fix = did_you_mean(column, known)
        problems.add(f"the data have no column {column!r}", where=where, fix=fix, line=at, rule="unknown_column")
    if problems or period is None:
        return {}
    frame = read_columns(study, root, (area, column))
    values = pd.to_numeric(frame[column], errors="coerce")
    odd = sorted({str(v) for v in frame.loc[~values.isin([0, 1]), column].unique()})
    if odd:
        what = f"column {column!r} holds {', '.join(odd[:3])} where only 0 and 1 are meant"
        problems.add(what, where=where, line=at, rule="not_an_indicator")
        return {}
    return dict.fromkeys(sorted(frame.loc[values == 1, area].astype(str).unique()), period)

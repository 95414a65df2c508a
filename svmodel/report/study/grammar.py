"""The grammar of a study file: from YAML to :class:`Study`, noting everything that is wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from svmodel.costs import CostLine
from svmodel.errors import Problem, Problems, UserError, did_you_mean
from svmodel.report.study import (
    BreakSpec,
    DataSpec,
    DisclosureSpec,
    EconomicsSpec,
    InterventionSpec,
    JoinSpec,
    OutcomeSpec,
    PopulationSpec,
    Study,
    UnitCost,
)
from svmodel.report.study.methods import (
    read_checks,
    read_estimators,
    read_inference,
    read_power,
    read_specifications,
)
from svmodel.report.study.registry import layout_options, layouts, notebooks
from svmodel.report.study.yaml_lines import Section, compose, line

if TYPE_CHECKING:
    import pandas as pd


def parse_study(path: Path) -> tuple[Study, Problems]:
    """Read a study file.

    Returns
    -------
    study : Study
        As far as the file could be understood; wrong values are replaced by their defaults, so that the
        data can still be looked at and their problems told with the others.
    problems : Problems
        Everything that is wrong. Where there is any, the study must not be run.

    Raises
    ------
    StudyError
        If the file holds no keys at all: see :func:`svmodel.report.study.yaml_lines.compose`.
    """
    problems = Problems()
    lines: dict[str, int] = {}
    root = Section(compose(path), "", problems, lines)
    title = root.text("title", "", required=True)
    description = root.text("description", "")
    data = _data(root)
    outcomes = _outcomes(root)
    areas = root.names("areas")
    made, told = read_checks(root)
    study = Study(
        path=path,
        title=title or "",
        description=description or "",
        data=data,
        level=cast("Literal['parent', 'area']", root.choice("level", ("parent", "area"), "parent")),
        areas=None if areas in ((), ("all",)) else areas,
        outcomes=outcomes,
        exposure=root.text("exposure"),
        covariates=root.names("covariates"),
        intervention=_intervention(root),
        window=_window(root),
        anticipation=root.integer("anticipation", 0, low=0),
        estimators=read_estimators(root),
        inference=read_inference(root),
        checks=made,
        check_options=told,
        specifications=read_specifications(root),
        power=read_power(root),
        breaks=_breaks(root),
        horizon=_horizon(root),
        economics=_economics(root, outcomes),
        notebook=_notebook(root, path),
        seed=root.integer("seed", 0, low=0),
        disclosure=_disclosure(root),
        published=_beside(root, "published", path),
        notes=root.names("notes"),
        lines=lines,
    )
    root.close()
    return study, problems


def _data(root: Section) -> DataSpec:
    held = root.section("data", required=True)
    if held is None:
        return DataSpec(path="")
    options = held.section("options")
    names = held.section("names")
    layout = held.choice("layout", layouts(), "tidy")
    taken = {} if options is None else {k: options.plain(k) for k in layout_options(layout) if options.has(k)}
    if options is not None:
        options.close()
    spec = DataSpec(
        path=held.text("path", "", required=True) or "",
        root=held.text("root"),
        layout=layout,
        area=held.text("area"),
        period=held.text("period"),
        counts=held.names("counts"),
        measures=held.names("measures"),
        exposures=held.names("exposures"),
        covariates=held.names("covariates"),
        parent=held.text("parent"),
        name=held.text("name"),
        parent_name=held.text("parent_name"),
        options=taken,
        joins=tuple(_join(s) for s in held.sections("joins")),
        population=_population(held),
        names={} if names is None else {k: names.text(k) or k for k in names.keys()},  # noqa: SIM118
        sources=held.names("sources"),
    )
    held.close()
    return spec


def _join(held: Section) -> JoinSpec:
    spec = JoinSpec(
        held.text("path", "", required=True) or "",
        _pairs(held, "on"),
        _pairs(held, "columns"),
        held.text("mid_year"),
        held.boolean("missing_ok"),
    )
    held.close()
    return spec


def _pairs(held: Section, key: str) -> dict[str, str]:
    """Read `here: there`, or a name or a list of names that are the same here and there."""
    if held.has(key) and not held.is_mapping(key):
        return {name: name for name in held.names(key)}
    pairs = held.section(key, required=True)
    return {} if pairs is None else {name: pairs.text(name) or name for name in pairs.keys()}  # noqa: SIM118


def _population(data: Section) -> PopulationSpec | None:
    held = data.section("population")
    if held is None:
        return None
    by = cast("Literal['code', 'name']", held.choice("by", ("code", "name"), "code"))
    path = held.text("path", "", required=True) or ""
    spec = PopulationSpec(path, by, held.text("column", "population") or "population")
    held.close()
    return spec


def _outcomes(root: Section) -> tuple[OutcomeSpec, ...]:
    found: list[OutcomeSpec] = []
    for held in root.sections("outcomes", required=True):
        column = held.text("column", required=True)
        label = held.text("label", (column or "").replace("_", " "))
        hospital = held.boolean("hospital")
        held.close()
        if column is None:
            continue
        if column in [o.column for o in found]:
            held.wrong("column", f"the outcome {column!r} stands twice", rule="outcome_twice")
            continue
        found.append(OutcomeSpec(column, label or column, hospital))
        root.lines[f"outcomes.{column}"] = held.lines[held.full("column")]
    if not found and root.has("outcomes"):
        root.wrong("outcomes", "a study has one outcome or more", rule="no_outcome")
    return tuple(found)


def _window(root: Section) -> tuple[pd.Period | None, pd.Period | None] | None:
    if not root.has("window"):
        return None
    nodes = root.items("window")
    if len(nodes) != 2:
        if nodes or root.plain("window") == []:
            fix = "Write window: [2015-04, 2024-03]; null stands for the data's own end."
            root.wrong("window", "this has to hold the first and the last period", fix=fix, rule="bad_window")
        return None
    nulls = [n.tag == "tag:yaml.org,2002:null" for n in nodes]
    ends = [None if null else root.parse_period(n, "window") for n, null in zip(nodes, nulls, strict=True)]
    first, last = ends
    if first is not None and last is not None:
        if first.freqstr != last.freqstr:
            root.wrong("window", "the first and the last period are of different lengths", rule="bad_window")
            return None
        if last < first:
            root.wrong("window", f"the last period, {last}, is before the first, {first}", rule="bad_window")
            return None
    return first, last


def _intervention(root: Section) -> InterventionSpec | None:
    held = root.section("intervention")
    if held is None:
        return None
    name = held.text("name", "", required=True) or ""
    starts, starts_from = _when(held, "starts", required=True)
    ends, ends_from = _when(held, "ends")
    cost = tuple(c for c in (_cost_line(s) for s in held.sections("cost")) if c is not None)
    spec = InterventionSpec(name, starts, ends, starts_from, ends_from, cost, held.text("description", "") or "")
    held.close()
    return spec


def _when(held: Section, key: str, *, required: bool = False) -> tuple[dict[str, pd.Period], dict[str, Any] | None]:
    """Read a mapping of areas to periods, or where in the data it stands."""
    given = held.section(key, required=required)
    if given is None:
        return {}, None
    if given.has("file"):
        pointer: dict[str, Any] = {"file": given.text("file"), "area": given.text("area", "area")}
        pointer["period"] = given.text("period", "period")
        given.close()
        return {}, pointer
    if given.has("column"):
        pointer = {"column": given.text("column"), "period": given.period("period", required=True)}
        given.close()
        return {}, pointer
    found = {}
    for area, node in given.nodes().items():
        period = given.parse_period(node, given.full(area))
        if period is not None:
            found[area] = period
    if not given.nodes():
        held.wrong(key, "no area is named", rule="nobody_treated")
    return found, None


def _cost_line(held: Section) -> CostLine | None:
    before = len(held.problems)
    item = held.text("item", required=True)
    quantity, unit_cost = held.number("quantity", required=True), held.number("unit_cost", required=True)
    year = _price_year(held)
    source = held.text("source", "") or ""
    held.close()
    if len(held.problems) > before or item is None or quantity is None or unit_cost is None or year is None:
        return None
    return CostLine(item, quantity, unit_cost, year, source)


def _price_year(held: Section, *, required: bool = True) -> int | None:
    if not held.has("price_year"):
        if required:
            fix = "A sum of money says nothing without its price base."
            held.wrong("price_year", "the key 'price_year' is missing", fix=fix, rule="missing_key")
        return None
    return held.integer("price_year", 0, low=1950, high=2100) or None


def _breaks(root: Section) -> tuple[BreakSpec, ...]:
    found = []
    for held in root.sections("breaks"):
        period, until = held.period("period", required=True), held.period("until")
        reason = held.text("reason", "", required=True)
        held.close()
        if period is not None and until is not None and (until.freqstr != period.freqstr or until < period):
            held.wrong("until", f"{until} is not after {period}", rule="bad_period")
        elif period is not None:
            found.append(BreakSpec(period, reason or "", until))
    return tuple(found)


def _horizon(root: Section) -> int:
    held = root.section("forecast")
    if held is None:
        return 12
    horizon = held.integer("horizon", 12, low=0, high=60)
    held.close()
    return horizon


def _economics(root: Section, outcomes: tuple[OutcomeSpec, ...]) -> EconomicsSpec:
    held = root.section("economics")
    if held is None:
        return EconomicsSpec()
    columns = [o.column for o in outcomes]
    costs = []
    for item in held.sections("unit_costs"):
        outcome, cost = item.text("outcome", required=True), item.number("cost", required=True)
        year = _price_year(item)
        source = item.text("source", "") or ""
        item.close()
        if outcome is not None and outcome not in columns:
            fix = did_you_mean(outcome, columns)
            item.wrong("outcome", f"{outcome!r} is no outcome of the study", fix=fix, rule="unknown_outcome")
        elif outcome is not None and cost is not None and year is not None:
            costs.append(UnitCost(outcome, cost, year, source))
    spec = EconomicsSpec(tuple(costs), _price_year(held, required=False))
    held.close()
    return spec


def _disclosure(root: Section) -> DisclosureSpec:
    held = root.section("disclosure")
    if held is None:
        return DisclosureSpec()
    spec = DisclosureSpec(
        held.text("rule", "none", required=True) or "none",
        held.integer("threshold", 0, low=1) or None,
        held.integer("round_to", 0, low=1) or None,
    )
    held.close()
    try:
        spec.build()
    except UserError as error:
        at = held.lines.get(held.full("rule")) or line(held.node)
        for problem in error.problems or (Problem(error.title),):
            where = f"disclosure.{problem.where}" if problem.where else "disclosure"
            found = dataclasses.replace(problem, where=where, line=held.lines.get(where, at), rule="bad_disclosure")
            held.problems.extend([found])
        return DisclosureSpec()
    return spec


def _notebook(root: Section, study: Path) -> Path | None:
    """Return a notebook that is shipped, by its name, or a file beside the study file."""
    shipped = notebooks()
    name = root.text("notebook")
    if name is None or name in shipped:
        return shipped.get(name or "")
    if Path(name).suffix or (study.parent / name).is_file():
        return _beside(root, "notebook", study)
    fix = f"{did_you_mean(name, shipped)} A notebook of your own is named with its ending: my_evaluation.ipynb.".strip()
    root.wrong("notebook", f"no notebook {name!r} is shipped", fix=fix, rule="unknown_notebook")
    return None


def _beside(root: Section, key: str, study: Path) -> Path | None:
    """Return a file named relative to the study file."""
    name = root.text(key)
    if name is None:
        return None
    path = study.parent / name
    if not path.is_file():
        near = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        root.wrong(key, f"there is no file {str(path)!r}", fix=did_you_mean(path.name, near, limit=4), rule="no_file")
        return None
    return path

"""Reading lists of methods: estimators and ways of inference with their choices, checks by name."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeVar

import yaml

from svmodel.errors import UserError, did_you_mean
from svmodel.report.study import EstimatorSpec, InferenceSpec, PowerSpec, SpecificationsSpec
from svmodel.report.study.registry import check_options, checks, estimators, inferences
from svmodel.report.study.yaml_lines import Section, construct, line

_DEFAULT_ESTIMATORS = ("ExtendedTwoWayFixedEffects",)
_Spec = TypeVar("_Spec", EstimatorSpec, InferenceSpec)


def read_estimators(root: Section) -> tuple[EstimatorSpec, ...]:
    """Read key ``estimators``; a study with an intervention has one even where it names none."""
    if not root.has("estimators"):
        return tuple(EstimatorSpec(name) for name in _DEFAULT_ESTIMATORS) if root.has("intervention") else ()
    return _listed(root, "estimators", "estimator", estimators(), EstimatorSpec)


def read_inference(root: Section) -> tuple[InferenceSpec, ...]:
    """Read key ``inference``."""
    return _listed(root, "inference", "method of inference", inferences(), InferenceSpec)


def read_checks(root: Section) -> tuple[tuple[str, ...] | None, dict[str, dict[str, Any]]]:
    """Read key ``checks``: names in order (None stands for all), and the options of those that have some.

    ``default`` stands for every check, so that a list can hold it beside those that are told something.
    """
    if not root.has("checks"):
        return None, {}
    if not isinstance(root.plain("checks"), list):
        nodes: list[tuple[str, yaml.Node | None, int]] = [
            (name, None, root.lines[f"checks.{name}"]) for name in root.names("checks")
        ]
    else:
        nodes = [part for node in root.items("checks") if (part := _named(root, node, "checks", "check")) is not None]
    names: list[str] = []
    options: dict[str, dict[str, Any]] = {}
    known = checks()
    for name, given, at in nodes:
        if name != "default" and name not in known:
            fix = did_you_mean(name, known, limit=20)
            root.problems.add(f"there is no check {name!r}", where="checks", fix=fix, line=at, rule="unknown_check")
        elif name in names:
            root.problems.add(f"{name!r} stands twice", where="checks", line=at, rule="named_twice")
        else:
            names.append(name)
            root.lines[f"checks.{name}"] = at
            if given is not None:
                options[name] = _options(root, name, given)
    if names in ([], ["default"]):
        return (None if names or nodes else ()), options
    chosen = [n for n in known if n in names or "default" in names] if "default" in names else names
    return tuple(chosen), options


def _options(root: Section, check: str, given: yaml.Node) -> dict[str, Any]:
    """Return what a check is told beside the result."""
    if not isinstance(given, yaml.MappingNode):
        what = f"the options of {check} have to be a group of keys"
        root.problems.add(what, where="checks", line=line(given), rule="wrong_type")
        return {}
    section = Section(given, f"checks.{check}", root.problems, root.lines)
    valid, held = check_options(check), {}
    for key, node in section.nodes().items():
        at = section.lines[section.full(key)]
        if key in valid:
            held[key] = construct(node, root.problems, section.full(key))
            continue
        fix = did_you_mean(key, valid, limit=20) if valid else "It has none."
        root.problems.add(f"{check} has no option {key!r}", where="checks", fix=fix, line=at, rule="unknown_option")
    return held


def _named(root: Section, node: yaml.Node, where: str, thing: str) -> tuple[str, yaml.Node | None, int] | None:
    """Return a name with what is said of it, from ``name`` or ``name: {...}``, and its line."""
    if isinstance(node, yaml.ScalarNode):
        return str(node.value).strip(), None, line(node)
    if isinstance(node, yaml.MappingNode) and len(node.value) == 1:
        name, said = node.value[0]
        return str(name.value), said, line(node)
    article = "an" if thing[0] in "aeiou" else "a"
    what = f"this has to be the name of {article} {thing}, or `name: {{key: value}}`"
    root.problems.add(what, where=where, line=line(node), rule="wrong_type")
    return None


def read_specifications(root: Section) -> SpecificationsSpec | None:
    """Read key ``specifications``."""
    held = root.section("specifications")
    if held is None:
        return None
    begins = [held.parse_period(node, held.full("first_periods")) for node in held.items("first_periods")]
    spec = SpecificationsSpec(
        tuple(p for p in begins if p is not None),
        tuple(_whole_numbers(held, "anticipation")),
        held.integer("draws", 199, low=0),
    )
    held.close()
    return spec


def read_power(root: Section) -> PowerSpec | None:
    """Read key ``power``."""
    held = root.section("power")
    if held is None:
        return None
    standard = PowerSpec()
    sizes = []
    for node in held.items("effects"):
        value = construct(node, held.problems, held.full("effects"))
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            sizes.append(float(value))
        else:
            what = f"this has to be a list of numbers, and holds {value!r}"
            held.problems.add(what, where=held.full("effects"), line=line(node), rule="wrong_type")
    spec = PowerSpec(tuple(sizes) or standard.effects, held.integer("draws", standard.draws, low=20))
    held.close()
    return spec


def _whole_numbers(held: Section, key: str) -> list[int]:
    found = []
    for node in held.items(key):
        value = construct(node, held.problems, held.full(key))
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            found.append(value)
        else:
            what = f"this has to be a list of whole numbers of 0 or more, and holds {value!r}"
            held.problems.add(what, where=held.full(key), line=line(node), rule="wrong_type")
    return found


def _listed(
    root: Section, key: str, thing: str, known: Mapping[str, type[Any]], made: type[_Spec]
) -> tuple[_Spec, ...]:
    """Read a list of names, or of ``Name: {choice: value}``."""
    found: list[_Spec] = []
    for i, node in enumerate(root.items(key), start=1):
        where = f"{key}[{i}]"
        part = _named(root, node, where, thing)
        if part is None:
            continue
        name, choices, _ = part
        given = _choices(root, name, choices, known, thing, where, line(node))
        if given is None:
            continue
        spec = made(name, given)
        if spec.label in [s.label for s in found]:
            what, rule = f"the {thing} {spec.label} stands twice", f"{key.removesuffix('s')}_twice"
            root.problems.add(what, where=where, line=line(node), rule=rule)
            continue
        root.lines[f"{key}.{spec.label}"] = line(node)
        found.append(spec)
    return tuple(found)


def _choices(
    root: Section, name: str, choices: yaml.Node | None, known: Mapping[str, type[Any]], thing: str, where: str, at: int
) -> dict[str, Any] | None:
    """Return the choices made for a method, tried on it; None where something is wrong with them."""
    if name not in known:
        fix = did_you_mean(name, known, limit=20)
        rule = f"unknown_{where.partition('[')[0].removesuffix('s')}"
        root.problems.add(f"there is no {thing} {name!r}", where=where, fix=fix, line=at, rule=rule)
        return None
    if choices is None or choices.tag == "tag:yaml.org,2002:null":
        return {}
    if not isinstance(choices, yaml.MappingNode):
        what = f"the choices of {name} have to be a group of keys"
        root.problems.add(what, where=where, line=line(choices), rule="wrong_type")
        return None
    before = len(root.problems)
    section = Section(choices, f"{where}.{name}", root.problems, root.lines)
    valid = [f.name for f in dataclasses.fields(known[name]) if f.init]
    given: dict[str, Any] = {}
    for key, node in section.nodes().items():
        if key not in valid:
            fix, at_key = did_you_mean(key, valid, limit=20), section.lines[section.full(key)]
            what = f"{name} has no choice {key!r}"
            root.problems.add(what, where=where, fix=fix, line=at_key, rule="unknown_choice")
            continue
        value = construct(node, root.problems, section.full(key))
        given[key] = tuple(value) if isinstance(value, list) else value
    if len(root.problems) > before:
        return None
    try:
        known[name](**given)
    except (UserError, TypeError, ValueError) as error:
        what = f"{name} refuses its choices: {' '.join(str(error).split())}"
        root.problems.add(what, where=where, line=line(choices), rule="bad_choice")
        return None
    return given

"""Reading lists of methods: estimators and ways of inference with their choices, checks by name."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeVar

import yaml

from svmodel.errors import UserError, did_you_mean
from svmodel.report._lines import Section, construct, line
from svmodel.report.registry import checks, estimators, inferences
from svmodel.report.study import EstimatorSpec, InferenceSpec, PowerSpec, SpecificationsSpec

__all__ = ["read_checks", "read_estimators", "read_inference", "read_power", "read_specifications"]

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


def read_checks(root: Section) -> tuple[str, ...] | None:
    """Read key ``checks``; None stands for all."""
    given = root.names("checks")
    if given in ((), ("default",)):
        return () if root.has("checks") and not given else None
    known = checks()
    for name in given:
        if name not in known:
            fix, at = did_you_mean(name, known, limit=20), root.lines.get(f"checks.{name}")
            root.problems.add(f"there is no check {name!r}", where="checks", fix=fix, line=at, rule="unknown_check")
    return tuple(n for n in given if n in known)


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
    article = "an" if thing[0] in "aeiou" else "a"
    for i, node in enumerate(root.items(key), start=1):
        where = f"{key}[{i}]"
        if isinstance(node, yaml.ScalarNode):
            name, choices = node.value, None
        elif isinstance(node, yaml.MappingNode) and len(node.value) == 1:
            name, choices = node.value[0][0].value, node.value[0][1]
        else:
            what = f"this has to be the name of {article} {thing}, or `Name: {{choice: value}}`"
            root.problems.add(what, where=where, line=line(node), rule="wrong_type")
            continue
        given = _choices(root, str(name), choices, known, thing, where, line(node))
        if given is None:
            continue
        spec = made(str(name), given)
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

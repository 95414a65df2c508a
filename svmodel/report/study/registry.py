"""What a study file may name: estimators, ways of inference, checks, layouts and notebooks; built in or added.

Other packages add theirs by entry points: ``svmodel.estimators``, ``svmodel.checks``, ``svmodel.sources`` and
``svmodel.sections``. What is built in is found by one function for each kind.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from svmodel.errors import OutputError
from svmodel.ledger import Extract
from svmodel.plugins import Plugged
from svmodel.result.method import card

#: Rooms whose public frozen dataclasses with a ``fit`` of a design are estimators.
_ROOMS = ("svmodel.did", "svmodel.counterfactual", "svmodel.bayes")
#: Names of the notebooks that are shipped, the default first.
NOTEBOOKS = ("area_evaluation", "did_evaluation", "synthetic_control", "bayesian_evaluation")


@cache
def estimators() -> Mapping[str, type[Any]]:
    """Return every estimator by name; a name that an earlier room has taken stands with its room in front."""
    return Plugged(_own_estimators(), "svmodel.estimators")


@cache
def _own_estimators() -> dict[str, type[Any]]:
    found: dict[str, type[Any]] = {}
    for room in _ROOMS:
        for name, thing in _choosable(room, "fit").items():
            if "design" in inspect.signature(thing.fit).parameters and card(thing).in_study_files:
                found[f"{room.removeprefix('svmodel.')}.{name}" if name in found else name] = thing
    return found


@cache
def inferences() -> Mapping[str, type[Any]]:
    """Return every method of inference that is put to a finished result, by name."""
    return _choosable("svmodel.inference", "infer")


def _choosable(room: str, method: str) -> dict[str, type[Any]]:
    """Return a room's public dataclasses that have a method."""
    module = importlib.import_module(room)
    things = {name: getattr(module, name) for name in getattr(module, "__all__", ())}
    return {
        name: thing
        for name, thing in things.items()
        if inspect.isclass(thing) and dataclasses.is_dataclass(thing) and hasattr(thing, method)
    }


def choices_of(method: type[Any]) -> tuple[dataclasses.Field[Any], ...]:
    """Return the choices that a study file may make for an estimator or a method of inference."""
    return tuple(f for f in dataclasses.fields(method) if f.init)


def known_checks() -> Mapping[str, Callable[..., Any]]:
    """Return every check by name, in the order in which reports show them."""
    # the checks load every method that they look at, which takes seconds
    from svmodel.checks.runner import every_check

    return every_check()


def checks() -> tuple[str, ...]:
    """Return the name of every check."""
    return tuple(known_checks())


def all_options(name: str) -> tuple[str, ...]:
    """Return what a check may be told beside the result."""
    return tuple(n for n in inspect.signature(known_checks()[name]).parameters if n not in ("result", "seed"))


def check_options(name: str) -> tuple[str, ...]:
    """Return what a study file may tell a check; declared breaks it gets from the study itself."""
    return tuple(n for n in all_options(name) if n != "breaks")


@cache
def layouts() -> Mapping[str, Callable[..., Extract]]:
    """Return the reader of every layout by name."""
    from svmodel.sources.layouts import LAYOUTS

    return Plugged(LAYOUTS, "svmodel.sources")


def layout_options(layout: str) -> tuple[str, ...]:
    """Return the options that a layout's reader takes from a study file."""
    if layout == "tidy":
        return ("vintage", "lsoa_lookup")
    return tuple(inspect.signature(layouts()[layout]).parameters)[1:]


def sections(own: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the sections of a page by name: the pages' own, and those of other packages."""
    return Plugged(own, "svmodel.sections")


def default_notebook() -> Path:
    """Return the notebook that every study without its own runs."""
    return notebooks()[NOTEBOOKS[0]]


@cache
def notebooks() -> dict[str, Path]:
    """Return the notebooks that are shipped, by the names that a study file gives them.

    They stand in ``notebooks/reports/`` of a checkout, and in ``svmodel/report/notebooks/`` of an installed package.

    Raises
    ------
    OutputError
        If one is missing.
    """
    here = Path(__file__).resolve()
    places = (here.parents[1] / "notebooks", here.parents[3] / "notebooks" / "reports")
    found = {}
    for name in NOTEBOOKS:
        path = next((p / f"{name}.ipynb" for p in places if (p / f"{name}.ipynb").is_file()), None)
        if path is None:
            raise OutputError(f"svmodel is not whole: its notebook {name!r} is neither installed nor in a checkout")
        found[name] = path
    return found

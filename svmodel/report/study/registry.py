"""What a study file may name: estimators, checks, layouts and notebooks that this svmodel has."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from svmodel.errors import DataError, OutputError, did_you_mean
from svmodel.ledger import Extract

if TYPE_CHECKING:
    from svmodel.report.study import DataSpec


#: Rooms whose public frozen dataclasses with a ``fit`` of a design are estimators.
_ROOMS = ("svmodel.did", "svmodel.counterfactual", "svmodel.bayes")
#: Estimators that are given a function, which no study file can write.
_IN_CODE_ONLY = ("PyMCModel",)
_NOTEBOOK = "area_evaluation"
#: Names of the notebooks that are shipped.
_NOTEBOOKS = (_NOTEBOOK, "did_evaluation", "synthetic_control", "bayesian_evaluation")


@cache
def estimators() -> dict[str, type[Any]]:
    """Return every estimator by name; a name that an earlier room has taken stands with its room in front."""
    found: dict[str, type[Any]] = {}
    for room in _ROOMS:
        for name, thing in _choosable(room, "fit").items():
            if "design" in inspect.signature(thing.fit).parameters and name not in _IN_CODE_ONLY:
                found[f"{room.removeprefix('svmodel.')}.{name}" if name in found else name] = thing
    return found


@cache
def inferences() -> dict[str, type[Any]]:
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


@cache
def checks() -> tuple[str, ...]:
    """Return the name of every check."""
    from svmodel.checks.runner import CHECKS

    return tuple(CHECKS)


def check_options(name: str) -> tuple[str, ...]:
    """Return what a study file may tell a check; declared breaks it gets from the study itself."""
    from svmodel.checks.runner import option_names

    return tuple(n for n in option_names(name) if n != "breaks")


def layouts() -> tuple[str, ...]:
    """Return the name of every layout."""
    from svmodel.sources.layouts import LAYOUTS

    return tuple(LAYOUTS)


def layout_options(layout: str) -> tuple[str, ...]:
    """Return the options that a layout's reader takes from a study file."""
    if layout == "tidy":
        return ("vintage", "lsoa_lookup")
    from svmodel.sources.layouts import LAYOUTS

    return tuple(inspect.signature(LAYOUTS[layout]).parameters)[1:]


def read_layout(spec: DataSpec, root: Path) -> Extract:
    """Read a publisher's file.

    Raises
    ------
    DataError
        If the file cannot be used, or the layout has no such option.
    """
    from svmodel.sources.layouts import LAYOUTS

    reader = LAYOUTS[spec.layout]
    valid = layout_options(spec.layout)
    for name in spec.options:
        if name not in valid:
            raise DataError(f"the layout {spec.layout!r} has no option {name!r}. {did_you_mean(name, valid)}")
    path = root / spec.path
    # an option that names a file beside the data, such as a lookup, is found from there
    options = {
        k: path.parent / v if isinstance(v, str) and (path.parent / v).is_file() else v for k, v in spec.options.items()
    }
    stamps = tuple(sorted((str(p), p.stat().st_mtime_ns) for p in path.rglob("*"))) if path.is_dir() else ()
    return _read(reader, path, path.stat().st_mtime_ns if path.exists() else 0, stamps, _Options(options))


class _Options(dict[str, Any]):
    """Options of a reader, to be told apart by what they say."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(repr(sorted(self.items())))


@lru_cache(maxsize=1)
def _read(
    reader: Callable[..., Extract], path: Path, _stamp: int, _stamps: tuple[Any, ...], options: _Options
) -> Extract:
    """Read once what the rules look at first and the panel is made of afterwards."""
    return reader(path, **options)


def default_notebook() -> Path:
    """Return the notebook that every study without its own runs."""
    return notebooks()[_NOTEBOOK]


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
    for name in _NOTEBOOKS:
        path = next((p / f"{name}.ipynb" for p in places if (p / f"{name}.ipynb").is_file()), None)
        if path is None:
            raise OutputError(f"svmodel is not whole: its notebook {name!r} is neither installed nor in a checkout")
        found[name] = path
    return found

"""Result to JSON and back: every number comes back with the same bits."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.errors import DataError

T = TypeVar("T")
_FORMAT = "svmodel-result-"
#: Version of the format. 2 marks which notes are warnings; 1 is read too.
VERSION = 2
_PERIOD_COLUMNS = ("period", "cohort")


def plain(value: Any) -> Any:
    """Return `value` as something JSON can hold; not-a-number becomes null."""
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, str | bool | int):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        if math.isnan(number):
            return None
        return number if math.isfinite(number) else ("Infinity" if number > 0 else "-Infinity")
    if isinstance(value, pd.Period):
        return periods.code(value)
    if isinstance(value, np.ndarray):
        return [plain(v) for v in value.tolist()]
    if isinstance(value, pd.DataFrame):
        names = [str(c) for c in value.columns]
        return {"columns": names, "values": {str(c): [plain(v) for v in value[c].tolist()] for c in value.columns}}
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if inspect.isfunction(value):
        # told, not kept: reading such a result takes `estimator=`
        return f"function {value.__module__}.{value.__qualname__}"
    raise DataError(f"a {type(value).__name__} cannot be written to JSON")


def numbers(values: list[Any]) -> np.ndarray:
    """Return the numbers that :func:`plain` wrote."""
    lookup = {None: math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
    return np.array([lookup[v] if v is None or isinstance(v, str) else v for v in values], dtype=float)


def frame(held: dict[str, Any] | None, text_columns: tuple[str, ...] = ("term", "scale", "area")) -> Any:
    """Return the frame that :func:`plain` wrote."""
    if held is None:
        return None
    columns: dict[str, Any] = {}
    for name in held["columns"]:
        values = held["values"][name]
        known = [v for v in values if v is not None]
        if name in _PERIOD_COLUMNS:
            columns[name] = pd.Series([None if v is None else periods.parse(v) for v in values], dtype=object)
        elif name in text_columns or any(isinstance(v, str) and v not in ("Infinity", "-Infinity") for v in values):
            columns[name] = pd.Series(values, dtype=object)
        elif known and all(isinstance(v, int) for v in known):  # JSON writes a float with its point, so these are not
            whole = "boolean" if isinstance(known[0], bool) else "Int64"
            columns[name] = values if len(known) == len(values) else pd.array(values, dtype=whole)
        else:
            columns[name] = numbers(values)
    return pd.DataFrame(columns)


def dump(parts: Mapping[str, Any], estimator: Any) -> str:
    """Write the parts of a result; keys are sorted, so that equal results give equal bytes."""
    cls = type(estimator)
    held = {name: plain(value) for name, value in parts.items()}
    held["format"] = f"{_FORMAT}{VERSION}"
    held["estimator"] = {"type": f"{cls.__module__}.{cls.__qualname__}", "choices": plain(estimator)}
    return json.dumps(held, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def checked(text: str, make: Callable[[dict[str, Any]], T]) -> T:
    """Return what `make` makes of the parts that :func:`dump` wrote.

    Raises
    ------
    DataError
        If the text is no result of svmodel, is damaged, or was written by a newer version.
    """
    try:
        held = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"this is no JSON: {error}") from None
    name = held.get("format") if isinstance(held, dict) else None
    version = str(name).removeprefix(_FORMAT)
    if name == version or not version.isdecimal():
        raise DataError(f"this is no result of svmodel (the format is not {f'{_FORMAT}{VERSION}'!r})")
    if int(version) > VERSION:
        raise DataError(
            f"this result was written by a newer svmodel (format {version}; this one reads up to {VERSION}): "
            "update svmodel, and read it again"
        )
    try:
        return make(held)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"this result is damaged: {type(error).__name__}: {error}") from error


def estimator(held: dict[str, Any]) -> Any:
    """Return the estimator that :func:`dump` wrote."""
    module, _, name = held["type"].rpartition(".")
    if not module.startswith("svmodel."):
        raise DataError(f"{held['type']!r} is no estimator of svmodel; give `estimator=` to read its result")
    try:
        cls = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise DataError(f"this version of svmodel has no estimator {held['type']!r}") from None
    given = [k for k, v in held["choices"].items() if isinstance(v, str) and v.startswith("function ")]
    if given:
        raise DataError(f"{name} was given a function as {given[0]}; give `estimator=` to read its result")
    choices = {f.name: held["choices"][f.name] for f in dataclasses.fields(cls) if f.name in held["choices"]}
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in choices.items()})

"""Observation weights of a design: the one door by which they come in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from svmodel.area_names import area_name
from svmodel.design import Design, DesignArrays
from svmodel.errors import DataError, DesignError, Problems, did_you_mean, shorten
from svmodel.numerics.arrays import Floats, Mask

_LEAVE_OUT = "To leave areas out, choose the others by panel.select(areas=...)."


def weights_of(design: Design, arrays: DesignArrays, given: Any) -> Floats:
    """Return the weight of every area and period, shape (N, T), with a mean of 1 where outcomes are known.

    Parameters
    ----------
    design : Design
    arrays : DesignArrays
        Of that design.
    given : str, or mapping of str to float
        A column of the panel, whatever its role, or one weight for each area, by its code or name.

    Raises
    ------
    DesignError
        With every area that has no weight, or one that is missing, not above zero or not finite where its outcome is
        known, or if the panel has no such column.
    """
    found = Problems()
    if isinstance(given, str):
        if given not in design.view.columns:
            found.add(
                f"the panel has no column {given!r}",
                where="weights",
                fix=did_you_mean(given, design.view.columns),
                rule="unknown_weights",
            )
            found.raise_if_any(DesignError, "these weights cannot be used")
        values = design.view.matrix(given)
    elif isinstance(given, Mapping) or hasattr(given, "items"):
        values = _by_area(design, arrays, dict(given.items()), found)
    else:
        fix = 'Give a column of the panel, or {"area": weight} with a weight for every area.'
        found.add(f"{given!r} does not say which area", where="weights", fix=fix, rule="weights")
        found.raise_if_any(DesignError, "these weights cannot be used")
    known = arrays.treated | arrays.untreated
    with np.errstate(invalid="ignore"):
        wrong = (
            ("is missing", np.isnan(values), "Give one, or leave those areas or periods out."),
            ("is not above zero", values <= 0, _LEAVE_OUT),
            ("is not finite", np.isinf(values), "Give a number."),
        )
    for what, which, fix in wrong:
        _note(found, design, arrays, f"the weight {what}", known & which, fix)
    found.raise_if_any(DesignError, "these weights cannot be used")
    return np.where(known, values / values[known].mean(), 1.0)


def _by_area(design: Design, arrays: DesignArrays, given: dict[Any, Any], found: Problems) -> Floats:
    place = {a: i for i, a in enumerate(arrays.areas)}
    values = np.full(len(place), np.nan)
    for name, value in given.items():
        try:
            code = area_name(name) if area_name(name) in place else design.panel.area_names.find(name).code
        except DataError as error:
            found.add(error.title, where="weights", rule="unknown_area")
            continue
        if code in place:
            try:
                values[place[code]] = float(value)
            except (TypeError, ValueError):
                found.add(f"{value!r} is no number", where=f"weights, area {name!r}", rule="weight")
    return np.repeat(values[:, None], arrays.y.shape[1], axis=1)


def _note(found: Problems, design: Design, arrays: DesignArrays, what: str, which: Mask, fix: str) -> None:
    if which.any():
        areas = [design.panel.label(arrays.areas[i]) for i in np.flatnonzero(which.any(axis=1))]
        found.add(f"{what} in {len(areas)} areas ({shorten(areas)})", where="weights", fix=fix, rule="weight_unusable")

"""What power and assurance ask alike of a plan: the checks of their options, and what studies are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import TypeGuard

from svmodel.design import Design
from svmodel.errors import Problems, did_you_mean
from svmodel.planning.history import History, history_of
from svmodel.planning.model import Model, fit_model
from svmodel.planning.plan import shape_of

#: Names that `method` and `placement` may have.
CHOICES = {"method": ("resample", "model"), "placement": ("any", "alike")}


def check_named(found: Problems, given: Mapping[str, str], choices: Mapping[str, tuple[str, ...]]) -> None:
    """Note each option that is none of its `choices`."""
    for where, name in given.items():
        valid = choices[where]
        if name not in valid:
            found.add(f"{name!r} is none", where=where, fix=did_you_mean(str(name), valid), rule=where)


def check_whole(found: Problems, given: Mapping[str, tuple[object, int]]) -> None:
    """Note each option that is no whole number, or below the least that stands beside it."""
    for where, (value, least) in given.items():
        if not is_whole(value) or value < least:
            found.add(f"{value!r} is no whole number of {least} or more", where=where, rule=where)


def is_whole(value: object) -> TypeGuard[int]:
    """Return whether a value is a whole number; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def source_of(
    design: Design,
    method: str,
    n_treated: int | None,
    n_controls: int | None,
    study: tuple[int, int] | None,
    placement: str,
    *,
    planned: bool,
    found: Problems,
) -> History | Model | None:
    """Return what studies are drawn from; None, with the reasons in `found`, where nothing serves."""
    arrays = design.arrays
    shape = shape_of(design, n_treated, study)
    if method == "model":
        return fit_model(arrays, shape, planned=planned, n_treated=n_treated, n_controls=n_controls, found=found)
    return history_of(
        arrays,
        shape,
        counts=design.is_count,
        planned=planned,
        placement=placement,
        n_controls=n_controls,
        found=found,
    )

"""What power and assurance ask alike of a plan: the checks of their options, and what studies are drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, TypeGuard

from svmodel.design import Design
from svmodel.errors import Problems, did_you_mean
from svmodel.planning.history import History, history_of
from svmodel.planning.model import Model, fit_model
from svmodel.planning.plan import shape_of

#: Names that choices may have.
_NAMES = {"method": ("resample", "model"), "placement": ("any", "alike"), "conclusive": ("probability", "interval")}


def check_named(found: Problems, **given: str) -> None:
    """Note each choice that is none of its names."""
    for where, name in given.items():
        if name not in _NAMES[where]:
            found.add(f"{name!r} is none", where=where, fix=did_you_mean(str(name), _NAMES[where]), rule=where)


def check_whole(found: Problems, **given: tuple[object, int]) -> None:
    """Note each option that is no whole number, or below the least that stands with it."""
    for where, (value, least) in given.items():
        if not is_whole(value) or value < least:
            found.add(f"{value!r} is no whole number of {least} or more", where=where, rule=where)


def is_whole(value: object) -> TypeGuard[int]:
    """Return whether a value is a whole number; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_shares(found: Problems, least: float = 0, **given: object) -> None:
    """Note each share that does not lie between `least` and 1."""
    for where, share in given.items():
        if not (isinstance(share, Real) and least < float(share) < 1):
            found.add(f"{share!r} does not lie between {least:g} and 1", where=where, rule=where)


@dataclass(frozen=True)
class Options:
    """How studies are drawn from a template.

    Attributes
    ----------
    method : {"resample", "model"}
    n_treated, n_controls : int or None
    study : (int, int) or None
    placement : {"any", "alike"}
    planned : bool
    """

    method: str
    n_treated: int | None
    n_controls: int | None
    study: tuple[int, int] | None
    placement: str
    planned: bool

    @property
    def are_standard(self) -> bool:
        """Whether none was chosen."""
        return self == Options("resample", None, None, None, "any", planned=False)

    @property
    def areas(self) -> dict[str, tuple[object, int]]:
        """Numbers of areas that were chosen, with the least of each."""
        given = {"n_treated": (self.n_treated, 1), "n_controls": (self.n_controls, 2)}
        return {where: one for where, one in given.items() if one[0] is not None}

    def check_study(self, found: Problems, lead: object) -> None:
        """Note what is wrong with the study by itself; `lead` is the periods of anticipation."""
        least = lead + 1 if is_whole(lead) else 1
        study = self.study
        if study is not None and not (
            len(study) == 2 and all(is_whole(v) for v in study) and study[0] >= least and study[1] >= 1
        ):
            fix = f"Give periods before ({least} or more) and after (1 or more) the start."
            found.add(f"{study!r} is no study", where="study", fix=fix, rule="study")

    def source(self, design: Design, found: Problems) -> History | Model | None:
        """Return what studies are drawn from; None, with the reasons in `found`, where nothing serves."""
        arrays, n_controls, planned = design.arrays, self.n_controls, self.planned
        shape = shape_of(design, self.n_treated, self.study)
        if self.method == "model":
            own = self.n_treated is None and n_controls is None
            return fit_model(arrays, shape, planned=planned, n_controls=n_controls, own_areas=own, found=found)
        how: dict[str, Any] = {"planned": planned, "placement": self.placement, "n_controls": n_controls}
        return history_of(arrays, shape, counts=design.is_count, found=found, **how)

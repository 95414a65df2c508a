"""The kind of uncertainty that a design can bear, put to a result."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from svmodel.did._lone import without_intervals
from svmodel.inference import Choice, choose, with_interval

if TYPE_CHECKING:
    from svmodel.design import DesignArrays
    from svmodel.result import PointEstimator, Result

__all__ = ["checked_inference", "settle"]

_INFERENCES = ("auto", "cluster", "placebo")


def checked_inference(wanted: str) -> list[str]:
    """Return what is wrong with the choice, if anything."""
    return [] if wanted in _INFERENCES else [f"{wanted!r} is no inference; there are {', '.join(_INFERENCES)}"]


def settle(
    result: Result, estimator: PointEstimator, arrays: DesignArrays, wanted: str, *, level: float, seed: int
) -> Result:
    """Return a result of cluster-robust intervals with those that the rule chooses for its design.

    Where intervals rest on placebo areas the average effect alone has one: those of the other rows would be
    cluster-robust, which the rule has just found too small.
    """
    choice: Choice = choose(arrays, wanted)
    notes = (*result.notes, choice.why)
    result = replace(result, notes=notes, diagnostics={**result.diagnostics, "inference": choice.kind})
    if choice.kind == "cluster":
        return result
    bare = replace(result, estimates=without_intervals(result.estimates))
    if bare.counterfactual is not None:
        bare = replace(bare, counterfactual=without_intervals(bare.counterfactual))
    if choice.kind == "none":
        return bare
    from svmodel.inference.few_treated import placebo_interval

    said = "With so few treated areas only the average effect has an interval."
    return with_interval(
        replace(bare, notes=(*bare.notes, said)), placebo_interval(estimator, arrays, level=level, seed=seed)
    )

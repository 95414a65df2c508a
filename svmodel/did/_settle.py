"""The kind of uncertainty that a design can bear, put to a result."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from svmodel.did._lone import without_intervals
from svmodel.errors import EstimationError
from svmodel.inference import Choice, choose, doubts, with_interval

if TYPE_CHECKING:
    from svmodel.design import DesignArrays
    from svmodel.result import PointEstimator, Result

__all__ = ["checked_inference", "settle", "with_doubts"]

_INFERENCES = ("auto", "cluster", "placebo")


def checked_inference(wanted: str) -> list[str]:
    """Return what is wrong with the choice, if anything."""
    return [] if wanted in _INFERENCES else [f"{wanted!r} is no inference; there are {', '.join(_INFERENCES)}"]


def settle(result: Result, estimator: PointEstimator, arrays: DesignArrays, wanted: str, *, level: float) -> Result:
    """Return a result of cluster-robust intervals with those that the rule chooses for its design.

    Where intervals rest on placebo areas the average effect alone has one: those of the other rows would be
    cluster-robust, which the rule has just found too small.
    """
    choice: Choice = choose(arrays, wanted)
    result = with_doubts(result, estimator.scale)
    diagnostics = {
        **result.diagnostics,
        "inference": choice.kind,
        "inference_in_doubt": choice.warn,
        "inference_why": choice.why,
    }
    if choice.kind == "cluster":
        return replace(result, notes=(*result.notes, choice.why), diagnostics=diagnostics)
    bare = replace(result, estimates=without_intervals(result.estimates), diagnostics=diagnostics)
    if bare.counterfactual is not None:
        bare = replace(bare, counterfactual=without_intervals(bare.counterfactual))
    if choice.kind == "none":
        return replace(bare, notes=(*bare.notes, choice.why))
    from svmodel.inference.few_treated import placebo_interval

    counts = result.design is not None and result.design.is_count
    said = f"{choice.why} Only the average effect has an interval."
    try:
        interval = placebo_interval(estimator, arrays, counts=counts, level=level, why=said)
    except EstimationError as error:
        why = f"{choice.why} None could be had: {error.title}."
        diagnostics = {**diagnostics, "inference": "none", "inference_in_doubt": True, "inference_why": why}
        return replace(bare, notes=(*bare.notes, why), diagnostics=diagnostics)
    return with_interval(bare, interval)


def with_doubts(result: Result, scale: str) -> Result:
    """Return the result with notes on what in its design no interval shows."""
    if result.design is None:
        return result
    ratios = scale == "log_rate_ratio"
    # without a ratio the reader has to be told why there is none
    additive = not (ratios and result.has("att", "rate_ratio"))
    return replace(result, notes=(*result.notes, *doubts(result.design, additive=additive, rates=ratios)))

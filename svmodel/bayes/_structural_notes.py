"""What a structural counterfactual says of itself, and what a reader has to know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from svmodel import periods
from svmodel.inference import doubts
from svmodel.inference.rule import FEW_CONTROLS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from svmodel.bayes._controls import Controls
    from svmodel.bayes.answer import Question
    from svmodel.bayes.rows import TreatedCells
    from svmodel.bayes.structural_counterfactual import StructuralCounterfactual
    from svmodel.design import Design
    from svmodel.numerics.series import Series

__all__ = ["say"]

#: Events a period below which the noise of counts is far from normal.
_FEW_EVENTS = 5.0


def say(
    estimator: StructuralCounterfactual,
    design: Design,
    question: Question,
    cells: TreatedCells,
    series: Sequence[Series],
    chosen: Sequence[Controls],
) -> list[str]:
    """Return the notes of a result."""
    word = periods.describe_frequency(design.view.periods)
    log = estimator.family != "gaussian"
    n = min(c.areas for c in chosen)
    unit = "on the log scale" if log else "standard deviations of the series before the start"
    told = (
        f"The level of the series moves by {estimator.step_sd:g} {unit} a {word}, with a prior worth "
        f"{estimator.level_df:g} observations: long predictions rest on it."
    )
    out = [told, *_on_controls(estimator, design, n, word)]
    left_out = max(c.left_out for c in chosen)
    if left_out:
        out.append(f"{left_out} untreated areas are left out: missing in a {word} used.")
    if design.covariates:
        out.append("Covariates of the design play no part in this model; StructuralTimeSeries takes them.")
    if question.left_out:
        out.append(f"Left out of the effect: {'; '.join(question.left_out)}.")
    few = sum(float(s.y[s.before].mean()) < _FEW_EVENTS for s in series)
    if few and not log and design.is_count:
        out.append(
            f"{few} of {len(series)} series have less than {_FEW_EVENTS:.0f} events a {word}: the noise of such counts "
            "is not normal. Use family='negative_binomial'."
        )
    if design.is_count and not cells.with_it.any():
        out.append(
            f"Not one event was seen in the treated area-{word}s, so that the rate ratio is 0 whatever was to be "
            "expected: read the events averted, whose interval tells how few might have been."
        )
    if len(series) > 1:
        out.append("Series are independent given what they share: a shock that befell all is in no interval.")
    if design.is_count and not (cells.total[1] > 0).all():
        out.append("In some draws no event was predicted: the rate ratio has no upper limit there.")
    return out + doubts(design, additive=not log, rates=True, controls=n > 0)


def _on_controls(estimator: StructuralCounterfactual, design: Design, n: int, word: str) -> list[str]:
    if n == 0:
        alone = (
            "The series is held against its own past alone: anything else that happened at the same time passes for "
            "the effect."
        )
        if estimator.season == "none" and periods.per_year(design.view.periods) > 1:
            return [alone, "Nothing here knows of the season: use season='auto', or controls that have one."]
        return [alone]
    supposed = (
        f"{n} areas that had no intervention predict the treated series, as they did before the start. That they went "
        "on to do so, and were not touched by the intervention, is supposed."
    )
    if n >= FEW_CONTROLS:
        return [supposed]
    areas, any_of = ("One untreated area stands", "it") if n == 1 else (f"Only {n} areas stand", "one of them")
    return [
        supposed,
        f"{areas} for what happened elsewhere in the same {word}s: what else befell {any_of} passes for the effect.",
    ]

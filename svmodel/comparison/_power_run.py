"""The draws of a power study, one after the other or in processes side by side; a draw's numbers are its own."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from svmodel.comparison._power_effects import impose
from svmodel.comparison._power_plan import Roles, as_design, by_name, status_of
from svmodel.design import TREATED
from svmodel.errors import DesignError, EstimationError
from svmodel.seeds import derive_seed
from svmodel.workers import each_draw

if TYPE_CHECKING:
    from svmodel.comparison._power_history import History
    from svmodel.comparison._power_model import Model
    from svmodel.design import Design
    from svmodel.result import Estimator, Result

__all__ = ["Outcome", "Work", "bare", "run", "verdict"]


@dataclass(frozen=True, eq=False)
class Work:
    """All that a draw needs; it pickles."""

    source: History | Model
    roles: Roles
    effects: tuple[float, ...]
    estimator: Estimator
    inference: Any
    alpha: float
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What came of one effect in one draw.

    Attributes
    ----------
    rejected : bool
    estimate : float
        On the log scale for counts; NaN where refused.
    p_value : float
        NaN where the method gave none; no effect is then not rejected.
    reason : str
        Why the method refused, or gave no p-value; empty where it answered.
    """

    rejected: bool
    estimate: float
    p_value: float
    reason: str = ""


def bare(estimator: Estimator, inference: Any) -> Estimator:
    """Return the estimator with nothing but its average effect, and without errors of its own where others follow."""
    changes: dict[str, Any] = {}
    made: Any = estimator
    names = {f.name for f in fields(made)} if is_dataclass(made) else set()
    if "only_average" in names:
        changes["only_average"] = True
    if inference is not None and "inference" in names:
        changes["inference"] = "cluster"
    try:
        slim: Estimator = replace(made, **changes) if changes else made
    except EstimationError:  # it has no such errors
        return estimator
    return slim


def run(work: Work, draws: int, jobs: int) -> list[list[Outcome]]:
    """Return the outcomes of each draw, in order: one for each effect."""
    return each_draw(_draw, work, draws, jobs)


def _draw(work: Work, b: int) -> list[Outcome]:
    place, noise, effect = (
        np.random.default_rng(derive_seed(work.seed, "power", name, b)) for name in ("place", "noise", "effect")
    )
    source, roles = work.source, work.roles
    drawn = source.draw(place, noise)
    lead = source.shape.anticipation
    treated = status_of(drawn.start, drawn.end, source.shape.length, lead) == TREATED
    if roles.counts:
        imposed = impose(effect, drawn.y, drawn.intensity, treated, work.effects)
    else:
        imposed = [drawn.y + size * treated for size in work.effects]
    template = as_design(drawn, roles, lead)
    sort = by_name(drawn)
    fit_seed = derive_seed(work.seed, "power", "fit", b)
    out = []
    for y in imposed:
        frame = template.panel._frame.assign(**{roles.outcome: y[sort].ravel()})  # noqa: SLF001 - its own complete grid
        design = replace(template, panel=replace(template.panel, _frame=frame))
        out.append(_answer(work, design, fit_seed))
    return out


def _answer(work: Work, design: Design, seed: int) -> Outcome:
    try:
        result = work.estimator.fit(design, seed=seed)
        if work.inference is not None:
            result = work.inference.infer(result, seed=seed)
        return verdict(result, work.alpha, counts=work.roles.counts)
    except (DesignError, EstimationError) as error:
        said = error.problems[0].what if error.problems else error.title
        return Outcome(rejected=False, estimate=math.nan, p_value=math.nan, reason=said)


def verdict(result: Result, alpha: float, *, counts: bool) -> Outcome:
    """Return whether no effect is rejected: by the p-value, else by an interval of the same level."""
    scale = "rate_ratio" if counts and result.has("att", "rate_ratio") else "difference"
    effect = result.effect("att", scale)
    ratio = scale == "rate_ratio"
    estimate = effect.estimate
    if ratio:
        estimate = math.log(estimate) if estimate > 0 else (-math.inf if estimate == 0 else math.nan)
    elif counts:
        estimate = math.nan  # not on the scale of the effects that were put in
    if math.isfinite(effect.p_value):
        return Outcome(effect.p_value <= alpha, estimate, effect.p_value)
    if abs(effect.level - (1 - alpha)) < 1e-9 and not (math.isnan(effect.conf_low) or math.isnan(effect.conf_high)):
        neutral = 1.0 if ratio else 0.0
        return Outcome(not effect.conf_low <= neutral <= effect.conf_high, estimate, math.nan)
    spoken = [n for n in result.notes if "interval" in n.lower()] or ["no p-value is given"]
    return Outcome(rejected=False, estimate=estimate, p_value=math.nan, reason=spoken[-1])

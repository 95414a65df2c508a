"""The draws of a power study, one after the other or in processes side by side; a draw's numbers are its own."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svmodel.bayes.ratio_prior import RatioPrior
from svmodel.design import TREATED, Design, DesignArrays
from svmodel.engine import arrived, run
from svmodel.errors import DesignError, EstimationError
from svmodel.inference.statistic import with_choices
from svmodel.numerics.arrays import Floats
from svmodel.planning.history import History, impose
from svmodel.planning.model import Model
from svmodel.planning.plan import Drawn, Roles, as_design, by_name, status_of
from svmodel.result import Estimator, Result
from svmodel.seeds import derive_seed
from svmodel.workers import each_draw


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
    own = {} if inference is None else {"inference": "cluster"}
    slim: Estimator = with_choices(estimator, only_average=True, **own)
    return slim


def outcomes_of(work: Work, draws: int, jobs: int) -> list[list[Outcome]]:
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
    why = result.uncertainty.why or "no p-value is given"
    return Outcome(rejected=False, estimate=estimate, p_value=math.nan, reason=why)


@dataclass(frozen=True)
class Bar:
    """What counts as conclusive.

    Attributes
    ----------
    rule : {"probability", "interval"}
        A posterior probability of a reduction of at least `reduction` that reaches `probability`; or an interval that
        leaves out no effect, or with a `reduction` above 0 lies wholly below it.
    probability, reduction : float
    level : float
        Of the interval.
    """

    rule: str
    probability: float
    reduction: float
    level: float


@dataclass(frozen=True)
class Finding:
    """What came of one study.

    Attributes
    ----------
    conclusive : bool
    estimate : float
        Posterior median of the log rate ratio; NaN where refused.
    prob_reduction : float
    reason : str
        Why the method refused; empty where it answered.
    """

    conclusive: bool
    estimate: float
    prob_reduction: float
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Planned:
    """All that a study needs; it pickles.

    Attributes
    ----------
    source : History or Model
    estimator : AnswersDesigns
    belief : RatioPrior
        From which true effects are drawn.
    effects : tuple of float
        Further true effects, each put upon every panel.
    bar : Bar
    seed : int
    """

    source: History | Model
    estimator: Any
    belief: RatioPrior
    effects: tuple[float, ...]
    bar: Bar
    seed: int


def one_study(work: Planned, b: int) -> tuple[float, list[Finding]]:
    """Return the true rate ratio that was drawn, and what is found of it and of each further effect."""
    belief, place, noise, effect = (
        np.random.default_rng(derive_seed(work.seed, "assurance", name, b))
        for name in ("belief", "place", "noise", "effect")
    )
    true = float(np.exp(work.belief.mean_log + work.belief.sd * belief.standard_normal()))
    drawn = work.source.draw(place, noise)
    shape = work.source.shape
    status = status_of(drawn.start, drawn.end, shape.length, shape.anticipation)
    made = impose(effect, drawn.y, drawn.intensity, status == TREATED, (true, *work.effects))
    seed = derive_seed(work.seed, "assurance", "fit", b) % 2**32
    return true, [_found(work, _arrays(drawn, y, status, shape.anticipation), seed) for y in made]


def _arrays(drawn: Drawn, y: Floats, status: NDArray[np.int8], anticipation: int) -> DesignArrays:
    return DesignArrays(
        y=y,
        exposure=drawn.exposure,
        start=drawn.start,
        status=status,
        covariates=drawn.covariates,
        areas=drawn.areas,
        periods=drawn.periods,
        anticipation=anticipation,
    )


def _found(work: Planned, arrays: DesignArrays, seed: int) -> Finding:
    me = work.estimator
    try:
        question = me.ask(arrays)
        posterior = arrived(run(question.model, me.engine, draws=me.draws, seed=seed), "study")
    except (DesignError, EstimationError) as error:
        return Finding(conclusive=False, estimate=math.nan, prob_reduction=math.nan, reason=error.title)
    draws = question.cells(posterior, arrays, me.level).log_ratio
    return Finding(conclude(draws, work.bar), float(np.median(draws)), float(np.mean(draws < 0)))


def conclude(draws: Floats, bar: Bar) -> bool:
    """Return whether posterior draws of a log rate ratio are conclusive.

    Examples
    --------
    >>> draws = np.random.default_rng(1).normal(-0.3, 0.1, 4000)
    >>> bar = Bar("probability", 0.95, 0.1, 0.95)
    >>> conclude(draws, bar), conclude(draws + 0.15, bar)
    (True, False)
    """
    limit = math.log1p(-bar.reduction)
    if bar.rule == "probability":
        below = draws < limit if bar.reduction == 0 else draws <= limit
        return bool(np.mean(below) >= bar.probability)
    low, high = np.quantile(draws, [0.5 - bar.level / 2, 0.5 + bar.level / 2])
    return bool(high < limit or (bar.reduction == 0 and low > 0))

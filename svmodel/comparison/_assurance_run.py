"""One planned study: a panel, a true effect put upon it, a posterior, and whether that is conclusive."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from svmodel.bayes.engines import arrived, run
from svmodel.comparison._power_effects import impose
from svmodel.comparison._power_plan import status_of
from svmodel.design import TREATED, DesignArrays
from svmodel.errors import DesignError, EstimationError
from svmodel.seeds import derive_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from svmodel.bayes.ratio_prior import RatioPrior
    from svmodel.comparison._power_history import History
    from svmodel.comparison._power_model import Model
    from svmodel.comparison._power_plan import Drawn

    Floats = NDArray[np.float64]

__all__ = ["Bar", "Finding", "Planned", "conclude", "one_study"]


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

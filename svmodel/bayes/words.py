"""What a Bayesian result says of itself: the prior in words, how raw effects were pooled, what the draws rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from svmodel import periods as period_words
from svmodel.bayes.ratio_prior import RatioPrior, ratio_prior
from svmodel.bayes.rows import TreatedCells, ratio, summary
from svmodel.design import Design
from svmodel.engine.posterior import Posterior
from svmodel.words import chance

if TYPE_CHECKING:
    from svmodel.bayes.answer import Question


#: Reductions whose probability is told.
_REDUCTIONS = (0.05, 0.10, 0.20)


def diagnostics_of(estimator: Any, question: Question, posterior: Posterior, cells: TreatedCells) -> dict[str, Any]:
    """Return the plain numbers of a result."""
    believed = _belief(estimator)
    convergence = posterior.convergence
    arrays = cells.arrays
    hyper = {
        name: {
            "prior": question.model.hypers[name].describe(),
            "median": float(np.median(draws)),
            "low": float(np.quantile(draws, 0.025)),
            "high": float(np.quantile(draws, 0.975)),
        }
        for name, draws in posterior.hyper.items()
    }
    return {
        "observed": float(arrays.y[cells.area, cells.time].sum()),
        "expected": float(np.median(cells.total[1])),
        "treated_areas": cells.areas,
        "treated_cells": int(arrays.treated.sum()),
        "treated_cells_used": cells.size(),
        "untreated_cells": int(arrays.untreated.sum()),
        "inference": "posterior",
        "inference_why": _rests_on(posterior, believed),
        "inference_in_doubt": False,
        "engine": posterior.engine,
        "convergence": {
            "effective_points": convergence.effective_points,
            "largest_weight": convergence.largest_weight,
            "failures": convergence.failures,
            "r_hat": convergence.r_hat,
            "ess_bulk": convergence.ess_bulk,
            "ess_tail": convergence.ess_tail,
            "divergences": convergence.divergences,
            "energy": convergence.energy,
        },
        "run": dict(posterior.details),
        "hyperparameters": hyper,
        **(_beside_prior(believed, cells) if believed is not None else {}),
    }


def _belief(estimator: Any) -> RatioPrior | None:
    """Return the prior of the rate ratio; None for a model that has none, and predicts."""
    return ratio_prior(estimator.prior) if hasattr(estimator, "prior") else None


def _beside_prior(belief: RatioPrior, cells: TreatedCells) -> dict[str, Any]:
    """Return prior and posterior of the average rate ratio, and raw effects beside pooled ones."""
    low, middle, high = np.quantile(np.exp(cells.log_ratio), [0.025, 0.5, 0.975])
    return {
        "prior": {
            "text": belief.describe(),
            "median": belief.median,
            "low": belief.limits[0],
            "high": belief.limits[1],
            "prob_reduction": belief.prob_reduction,
        },
        "posterior": {"median": float(middle), "low": float(low), "high": float(high)},
        "prob_reduction_of_at_least": {
            f"{r:.0%}": float(np.mean(cells.log_ratio <= np.log1p(-r))) for r in _REDUCTIONS
        },
        "shrinkage": shrinkage(cells),
    }


def _rests_on(posterior: Posterior, belief: RatioPrior | None) -> str:
    engine = {
        "laplace": f"nested Laplace approximation, {posterior.convergence.effective_points:.0f} effective points",
        "nuts": f"NUTS, R-hat at most {posterior.convergence.r_hat:.3f}",
    }[posterior.engine]
    said = "" if belief is None else f", with the prior belief of {belief.describe()}"
    return f"Posterior probability ({engine}){said}."


def shrinkage(cells: TreatedCells) -> list[dict[str, Any]]:
    """Return each treated area's raw ratio of observed to expected beside its pooled one."""
    arrays, out = cells.arrays, []
    for i in np.unique(cells.area):
        which = cells.area == i
        both, none = cells.summed(which)
        observed, expected = float(arrays.y[i, cells.time[which]].sum()), float(np.median(none))
        pooled = summary(ratio(both, none), cells.level)
        out.append(
            {
                "area": arrays.areas[i],
                "observed": observed,
                "expected": expected,
                "raw": observed / expected if expected > 0 else float("nan"),
                "pooled": pooled["estimate"],
                "low": pooled["conf_low"],
                "high": pooled["conf_high"],
            }
        )
    return out


def notes_of(
    estimator: Any, design: Design, question: Question, cells: TreatedCells, *, controls: bool = True
) -> list[str]:
    """Return the notes of a result; `controls` says whether other areas stand for what would have happened."""
    from svmodel.inference import doubts

    arrays = cells.arrays
    word = period_words.describe_frequency(arrays.periods)
    belief = ratio_prior(estimator.prior)
    before, after = belief.prob_reduction, float(np.mean(cells.log_ratio < 0))
    said = (
        f"Prior belief about the effect: {belief.describe()}. Probability of any reduction before the data "
        f"{chance(before)}, and {chance(after)} after them."
    )
    notes = [said]
    if question.left_out:
        notes.append(
            f"The average effect is taken over {cells.size():,} of {int(design.arrays.treated.sum()):,} treated "
            f"area-{word}s: {'; '.join(question.left_out)}."
        )
    of_model = {term.name for term in question.model.terms}
    still = sum(f"covariate_{k + 1}" not in of_model for k in range(arrays.covariates.shape[-1]))
    if still:
        notes.append(
            f"{still} of {arrays.covariates.shape[-1]} covariates are the same throughout the area-{word}s that the "
            "model uses: they say nothing of them, and are left out."
        )
    observed = float(arrays.y[cells.area, cells.time].sum())
    if observed == 0:
        notes.append(
            f"Not one event was seen in the treated area-{word}s: what the effect is rests on the prior and on how few "
            "were to be expected."
        )
    return notes + doubts(design, additive=False, rates=True, controls=controls)

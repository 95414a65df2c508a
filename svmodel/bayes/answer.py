"""How a Bayesian estimator answers a design: the draws, the rows, and what the result says of itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from svmodel import periods
from svmodel.bayes.agreement import compare_engines
from svmodel.bayes.question import Fitted, Question
from svmodel.bayes.ratio_prior import RatioPrior, ratio_prior
from svmodel.bayes.rows import TreatedCells, ratio, summary, term_rows
from svmodel.design import Design, DesignArrays
from svmodel.engine import arrived, run
from svmodel.engine.posterior import Posterior
from svmodel.errors import EstimationError
from svmodel.result import Result
from svmodel.result.check import CheckResult
from svmodel.result.doubts import design_doubts, shared_noise
from svmodel.result.method import choice_of
from svmodel.result.notes import Note, ResultWarning, parts_of
from svmodel.result.scales import estimates_frame, provenance
from svmodel.words import chance

#: Reductions whose probability is told.
_REDUCTIONS = (0.05, 0.10, 0.20)


@dataclass(frozen=True)
class AnswersDesigns:
    """Mixin of estimators that turn a design into a :class:`Question`; they have engine, draws, level and prior."""

    @property
    def scale(self) -> str:
        """Scale of :meth:`point`."""
        return "log_rate_ratio"

    def ask(self, arrays: DesignArrays) -> Question:
        """Return the model and the cells that its effect is about."""
        raise NotImplementedError

    def point(self, arrays: DesignArrays) -> float:
        """Return the posterior median of the average log rate ratio by nested Laplace; NaN where there is none."""
        cells = self.quick_cells(arrays)
        return math.nan if cells is None else float(np.log(np.median(np.exp(cells.log_ratio))))

    def quick_cells(self, arrays: DesignArrays) -> TreatedCells | None:
        """Return draws of the target cells by nested Laplace; None where there is no answer."""
        quick: Any = replace(self, engine="laplace")  # type: ignore[call-arg]
        try:
            question = quick.ask(arrays)
            posterior = arrived(run(question.model, "laplace", draws=quick.draws, seed=0), "point")
        except EstimationError:
            return None
        cells: TreatedCells = question.cells(posterior, arrays, quick.level)
        return cells

    def question(self, design: Design, seed: int) -> Question:  # noqa: ARG002
        """Return what :meth:`ask` does of a design, or refuse one of a measure."""
        if not design.is_count:
            raise EstimationError(
                f"{type(self).__name__} needs a count, and {design.outcome!r} is a measure; use a linear estimator"
            )
        return self.ask(design.arrays)

    def fit(self, design: Design, *, seed: int = 0) -> Result:
        """Answer the design.

        Parameters
        ----------
        design : Design
            Of a count; of a measure where the family is Gaussian.
        seed : int
            The same seed gives the same draws on the same machine.

        Returns
        -------
        Result
            With ``draws`` of the log rate ratio (of the difference in an area-period for a Gaussian family),
            ``event_draws``, and what the checks need in ``posterior``.

        Raises
        ------
        DesignError
            If the design has problems.
        EstimationError
            If the outcome is no count where one is needed, nothing can be compared, a series cannot be answered, or
            the fit has not converged.
        """
        me: Any = self
        arrays, parents = design.arrays, design.panel.parents
        question = self.question(design, seed)
        posterior = arrived(run(question.model, me.engine, draws=me.draws, seed=seed), design.describe())
        cells = question.cells(posterior, arrays, me.level)
        told = diagnostics_of(self, question, posterior, cells) | self.details(question, posterior, cells)
        said = self.remarks(design, question, cells, told)
        told["inference_in_doubt"] |= any(note in said for note in shared_noise(design))
        return Result(
            estimates=estimates_frame(list(term_rows(cells, parents))),
            design=design,
            estimator=me,
            counterfactual=question.path(posterior, arrays, me.level, parents),
            diagnostics=told,
            draws=cells.log_ratio if self.scale == "log_rate_ratio" else cells.difference,
            event_draws=cells.events if cells.counts else None,
            posterior=Fitted(question, posterior),
            **parts_of(said),
            provenance=provenance(design, seed),
            seed=seed,
        )

    def details(self, question: Question, posterior: Posterior, cells: TreatedCells) -> dict[str, Any]:  # noqa: ARG002
        """Return plain numbers of the model's own, for the diagnostics."""
        return {}

    def remarks(
        self,
        design: Design,
        question: Question,
        cells: TreatedCells,
        told: Mapping[str, Any],  # noqa: ARG002
    ) -> list[Note]:
        """Return the notes of a result; `told` are its diagnostics."""
        return notes_of(self, design, question, cells)

    def audit(self, result: Result) -> CheckResult:
        """Return the other engine's answer with this one, and whether they agree."""
        return compare_engines(self, result)


def sampled(posterior: Posterior, cells: TreatedCells, why: str) -> dict[str, Any]:
    """Return the plain numbers that every posterior of a design has; `why` is what its intervals rest on."""
    arrays = cells.arrays
    return {
        "observed": cells.observed,
        "expected": float(np.median(cells.total[1])),
        "treated_areas": cells.areas,
        "treated_cells": int(arrays.treated.sum()),
        "treated_cells_used": cells.size(),
        "untreated_cells": int(arrays.untreated.sum()),
        "inference": "posterior",
        "inference_why": why,
        "inference_in_doubt": False,
        "engine": posterior.engine,
        "convergence": asdict(posterior.convergence),
        "run": dict(posterior.details),
    }


def diagnostics_of(estimator: Any, question: Question, posterior: Posterior, cells: TreatedCells) -> dict[str, Any]:
    """Return the plain numbers of a result."""
    given = choice_of(estimator, "prior")
    # a model without a prior of the rate ratio predicts
    belief = None if given is None else ratio_prior(given)
    told = sampled(posterior, cells, rests_on(posterior, belief))
    told["convergence"].pop("worst")
    told["hyperparameters"] = {
        # numpy's median and its quantile of a half may differ in the last bit
        name: {"prior": question.model.hypers[name].describe(), **_limits(draws), "median": float(np.median(draws))}
        for name, draws in posterior.hyper.items()
    }
    if belief is None:
        return told
    log_ratio = cells.log_ratio
    return told | {
        "prior": {
            "text": belief.describe(),
            "median": belief.median,
            "low": belief.limits[0],
            "high": belief.limits[1],
            "prob_reduction": belief.prob_reduction,
        },
        "posterior": _limits(np.exp(log_ratio)),
        "prob_reduction_of_at_least": {f"{r:.0%}": float(np.mean(log_ratio <= np.log1p(-r))) for r in _REDUCTIONS},
        "shrinkage": shrinkage(cells),
    }


def _limits(draws: Any) -> dict[str, float]:
    """Return the median of draws, and the limits of 95% of them."""
    low, middle, high = np.quantile(draws, [0.025, 0.5, 0.975])
    return {"median": float(middle), "low": float(low), "high": float(high)}


def rests_on(posterior: Posterior, belief: RatioPrior | None) -> str:
    """Return what a posterior's intervals rest on: the engine, and the belief where there is one."""
    engine = {
        "laplace": f"nested Laplace approximation, {posterior.convergence.effective_points:.0f} effective points",
        "nuts": f"NUTS, R-hat at most {posterior.convergence.r_hat:.3f}",
    }[posterior.engine]
    prior = "" if belief is None else f", with the prior belief of {belief.describe()}"
    return f"Posterior probability ({engine}){prior}."


def shrinkage(cells: TreatedCells) -> list[dict[str, Any]]:
    """Return each treated area's raw ratio of observed to expected, with its pooled one."""
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
) -> list[Note]:
    """Return the notes of a result; `controls` says whether other areas stand for what would have happened."""
    arrays = cells.arrays
    word = periods.describe_frequency(arrays.periods)
    belief = ratio_prior(estimator.prior)
    before, after = belief.prob_reduction, float(np.mean(cells.log_ratio < 0))
    believed = (
        f"Prior belief about the effect: {belief.describe()}. Probability of any reduction before the data "
        f"{chance(before)}, and {chance(after)} after them."
    )
    notes: list[Note] = [believed]
    if question.left_out:
        text = (
            f"The average effect is taken over {cells.size():,} of {int(design.arrays.treated.sum()):,} treated "
            f"area-{word}s: {'; '.join(question.left_out)}."
        )
        notes.append(ResultWarning("identification", text))
    of_model = {term.name for term in question.model.terms}
    constant = sum(f"covariate_{k + 1}" not in of_model for k in range(arrays.covariates.shape[-1]))
    if constant:
        notes.append(
            f"{constant} of {arrays.covariates.shape[-1]} covariates are the same throughout the area-{word}s that the "
            "model uses: they say nothing of them, and are left out."
        )
    if cells.observed == 0:
        notes.append(
            f"Not one event was seen in the treated area-{word}s: what the effect is rests on the prior and on how few "
            "were to be expected."
        )
    return [*notes, *design_doubts(design, additive=False, rates=True, controls=controls)]

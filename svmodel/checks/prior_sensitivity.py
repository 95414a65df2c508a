"""Prior sensitivity: what a sceptic, an enthusiast and somebody without an opinion would conclude from one data set."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from svmodel.bayes.question import Fitted
from svmodel.bayes.ratio_prior import NAMED, RatioPrior, ratio_prior
from svmodel.checks.declared import check
from svmodel.checks.posterior import fitted_of, held_at_once, log_likelihood, log_ratio, quick, thin
from svmodel.checks.words import change, why_refused
from svmodel.errors import UserError
from svmodel.numerics.arrays import Floats
from svmodel.numerics.latent.priors import Beta, GammaPrecision, HyperPrior
from svmodel.numerics.latent.structures import Fixed
from svmodel.numerics.pareto_smoothing import trusted_below
from svmodel.numerics.power_scaling import SENSITIVE, power_scaling_sensitivity
from svmodel.result import Result
from svmodel.result.check import CheckResult, Status
from svmodel.result.method import choice_of
from svmodel.words import chance

_NAME = "prior_sensitivity"
_OWN = "as fitted"
_DRAWS = 4000
#: Beliefs that somebody may hold; the flat one is for comparison only.
_HELD = ("sceptical", "neutral", "enthusiastic")


@check("Would another belief have said otherwise?", needs=("model",), figure="beliefs")
def prior_sensitivity(result: Result, *, seed: int = 0) -> CheckResult:
    """Fit again under other beliefs about the effect, and measure how prior and data each pull.

    Parameters
    ----------
    result : Result
        Of a Bayesian model with a belief about the rate ratio.
    seed : int
        Not used; refits take the seed of `result`, and weights are not drawn.

    Returns
    -------
    CheckResult
        ``failed`` where the belief and the data contradict each other (both pull), or where sceptic and enthusiast
        differ on which way the effect goes; ``informative`` where the belief pulls and the data hardly do, where
        beliefs differ on whether the interval leaves out no effect, or where the model takes no other belief or gave
        no answer under one;
        ``passed`` otherwise. The table has ``row, prior_low, prior_high, estimate, conf_low, conf_high,
        prob_reduction, sensitivity, pareto_k, problem``: a row for each belief (rate ratios; refits by nested Laplace),
        and rows ``belief``, ``other priors`` and ``likelihood`` with the sensitivity to their weight.

    Notes
    -----
    Power-scaling raises one component of the posterior to a power near 1, by weights on the draws, and measures how far
    the average log rate ratio moves (Kallioinen, Paananen, Buerkner and Vehtari 2024, *Statistics and Computing*
    34:57). Above 0.05 it matters. Belief and likelihood both above: they contradict each other. Belief above and
    likelihood below: the data say little, and the belief decides. ``other priors`` are those of the standard deviations
    (each as it is written: of a precision where it is one of a precision) and of the coefficients; priors of effects
    given their standard deviations belong to the model and are not scaled.
    """
    held = fitted_of(result)
    pulls = power_scaling(held)
    given = choice_of(result.estimator, "prior")
    rows = [_summary(_OWN, None if given is None else ratio_prior(given), result)]
    if given is not None and result.design is not None:
        rows += [_under(result, name) for name in NAMED]
    for component, (sensitivity, k) in pulls.items():
        rows.append({"row": component, "sensitivity": sensitivity, "pareto_k": k})
    table = pd.DataFrame(rows).reindex(columns=_COLUMNS)
    status, words = _judge(table.set_index("row"), pulls, trusted_below(_size(held)))
    return CheckResult(_NAME, status, words, table)


_COLUMNS = [
    "row",
    "prior_low",
    "prior_high",
    "estimate",
    "conf_low",
    "conf_high",
    "prob_reduction",
    "sensitivity",
    "pareto_k",
    "problem",
]


def power_scaling(held: Fitted) -> dict[str, tuple[float, float]]:
    """Return the sensitivity of the average log rate ratio to belief, other priors and likelihood, each with Pareto k.

    A component that the model has not is left out; nothing is returned for a model without a term for the effect.
    """
    question, model = held.question, held.model
    effects, hyper = _thinned(held)
    draws = log_ratio(question, effects)
    if not np.ptp(draws) > 0:
        return {}
    belief, others = np.zeros(len(draws)), np.zeros(len(draws))
    for term in model.terms:
        if isinstance(term.structure, Fixed):
            kernel = -0.5 * (((effects[term.name] - term.structure.mean) / term.structure.sd) ** 2).sum(axis=1)
            if question.treatment and term.name.startswith(question.treatment):
                belief += kernel
            else:
                others += kernel
    for name, prior in model.hypers.items():
        others += _log_prior(prior, hyper[name])
    parts = {"belief": belief, "other priors": others, "likelihood": log_likelihood(model, effects, hyper).sum(axis=1)}
    return {name: power_scaling_sensitivity(draws, part) for name, part in parts.items() if np.ptp(part) > 0}


def _thinned(held: Fitted) -> tuple[dict[str, Floats], dict[str, Floats]]:
    size = held_at_once(int(held.model.known.sum()), _DRAWS)
    return thin(held.posterior.effects, size), thin(held.posterior.hyper, size)


def _size(held: Fitted) -> int:
    """Return how many draws are weighted."""
    return len(next(iter(_thinned(held)[0].values())))


def _log_prior(prior: HyperPrior, values: Floats) -> Floats:
    """Return the log density of a hyperparameter's prior at draws of it, up to a constant, on its own scale.

    That is the scale on which the prior is written: engines' log standard deviations and log odds have a Jacobian in
    their density, which is no belief and must not be scaled.
    """
    if isinstance(prior, Beta):
        share = np.clip((values - prior.low) / (1 - prior.low), 1e-12, 1 - 1e-12)
        u, jacobian = np.log(share / (1 - share)), np.log(share * (1 - share))
    else:
        u = np.log(np.maximum(values, 1e-300))
        jacobian = -2 * u if isinstance(prior, GammaPrecision) else u
    return np.array([prior.log_density(float(v)) for v in u]) - jacobian


def _under(result: Result, name: str) -> dict[str, object]:
    estimator: Any = quick(result).estimator
    try:
        found = result.refit(estimator=replace(estimator, prior=name))
    except UserError as error:
        return {"row": name, "problem": why_refused(error)}
    return _summary(name, NAMED[name], found)


def _summary(row: str, belief: RatioPrior | None, found: Result) -> dict[str, object]:
    out: dict[str, object] = {"row": row}
    if belief is not None:
        out |= {"prior_low": belief.limits[0], "prior_high": belief.limits[1]}
    if found.has("att", "rate_ratio"):
        effect = found.effect("att", "rate_ratio")
        out |= {name: vars(effect)[name] for name in ("estimate", "conf_low", "conf_high", "prob_reduction")}
    return out


def _judge(table: pd.DataFrame, pulls: dict[str, tuple[float, float]], trusted: float) -> tuple[Status, str]:
    words: list[str] = []
    status: Status = "passed"
    tried = [n for n in (*_HELD, "flat") if n in table.index and not math.isnan(table.loc[n, "estimate"])]
    if tried:
        said = [
            f"{n} {change(table.loc[n, 'estimate'], 'rate_ratio')} (probability of a reduction "
            f"{chance(table.loc[n, 'prob_reduction'])})"
            for n in tried
        ]
        words.append(f"The effect by what is believed beforehand: {', '.join(said)}.")
        held = [n for n in tried if n in _HELD]
        some = table.loc[held]
        clear = (some["conf_high"] < 1) | (some["conf_low"] > 1)
        if some["estimate"].min() < 1 < some["estimate"].max():
            status = "failed"
            words.append("Beliefs that somebody may hold decide which way it goes.")
        elif clear.any() and not clear.all():
            status = "informative"
            words.append("Whether the interval leaves out no effect depends on the belief.")
        elif len(held) < len(_HELD):
            status = "informative"
            lost = " and ".join(n for n in _HELD if n not in held)
            words.append(f"Under the belief {lost} there was no answer, so that beliefs cannot be held side by side.")
        else:
            words.append("Sceptic and enthusiast come to the same conclusion.")
    else:
        status = "informative"
        words.append("The model takes no other belief about the effect, so that none was tried.")
    diagnosis, how = _diagnosis(pulls, trusted)
    if diagnosis == "conflict":
        status = "failed"
    elif diagnosis in ("weak", "untrusted") and status == "passed":
        status = "informative"
    return status, " ".join([*words, how])


def _diagnosis(pulls: dict[str, tuple[float, float]], trusted: float) -> tuple[str, str]:
    """Return what power-scaling finds, as a word and as a sentence; `trusted` is the largest Pareto k to go by."""
    if not pulls:
        return "none", "The model has no term for the effect, so that there is no belief to weigh."
    belief, k = pulls.get("belief", (0.0, -math.inf))
    likelihood, k_likelihood = pulls.get("likelihood", (0.0, -math.inf))
    numbers = f"(sensitivity to the belief {belief:.2f}, to the data {likelihood:.2f}; above {SENSITIVE} it matters)"
    if max(k, k_likelihood) > trusted:
        return "untrusted", f"How far belief and data pull cannot be told by weights {numbers}."
    if belief > SENSITIVE and likelihood > SENSITIVE:
        return "conflict", (
            f"The belief and the data contradict each other {numbers}: the answer is a compromise that neither "
            "supports. Say why the belief was held, or hold a wider one."
        )
    if belief > SENSITIVE:
        return "weak", f"The data say little, and the belief largely decides {numbers}."
    return "fine", f"The belief hardly moves the answer {numbers}."

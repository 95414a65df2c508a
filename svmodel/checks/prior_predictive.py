"""Prior predictive: what the priors say of the counts and of the effect before any count is seen."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from svmodel.checks.declared import check
from svmodel.checks.posterior import fitted_of, log_ratio
from svmodel.checks.words import CannotBeMadeError, change
from svmodel.engine.description import LatentModel
from svmodel.numerics.arrays import Floats
from svmodel.result import Result
from svmodel.result.check import CheckResult
from svmodel.seeds import derive_seed

_NAME = "prior_predictive"
_DRAWS = 400
#: A prior draw is absurd where its mean count is so many times the observed one, or as much less.
_ABSURD = 100.0
#: Share of absurd draws from which the prior holds next to nothing.
_MOST_ABSURD = 0.1
#: Log of the largest mean that a count is drawn from: beyond, the draw is absurd in any case.
_CEILING = math.log(1e12)


@check("Does the belief before the data expect such counts?", needs=("model",))
def prior_predictive(result: Result, *, seed: int = 0) -> CheckResult:
    """Draw from the priors alone, and compare what they expect with what was observed.

    Parameters
    ----------
    result : Result
        Of a Bayesian model of counts.
    seed : int
        Of the draws from the prior.

    Returns
    -------
    CheckResult
        ``failed`` where the observed mean count lies outside the 95% that the priors expect, where over a tenth of
        prior draws have a mean count 100 times the observed one or a hundredth of it, or where over a tenth have an
        average effect of 100 times or a hundredth: such priors say nothing, or the wrong thing. ``passed`` otherwise.
        The table has ``quantity, observed, prior_low, prior_median, prior_high``: counts and their scatter, and the
        average rate ratio (with the posterior median as observed); and the shares of absurd draws under ``observed``.

    Notes
    -----
    The level of all areas together is centred on the data in the models of this package, so that the mean count can
    only stray by what areas, periods and the effect add.

    References
    ----------
    Gabry, Simpson, Vehtari, Betancourt and Gelman (2019), Visualization in Bayesian workflow, *JRSS A* 182(2), section
    3: priors that put weight on impossible data.
    """
    held = fitted_of(result)
    question, model = held.question, held.model
    if model.family not in ("negative_binomial", "poisson"):
        raise CannotBeMadeError("the model is not one of counts")
    y = model.y[model.known]
    rng = np.random.default_rng(derive_seed(seed, "prior predictive"))
    effects, counts = _draws(model, rng)
    drawn = np.array([_summaries(row) for row in counts])
    mean = drawn[:, 0]
    rows = [_row(name, value, column) for name, value, column in zip(_SUMMARIES, _summaries(y), drawn.T, strict=True)]
    ratio = log_ratio(question, effects) if question.treatment else None
    own = float(np.exp(np.median(result.draws))) if result.draws is not None else math.nan
    if ratio is not None:
        low, middle, high = np.exp(np.quantile(ratio, [0.025, 0.5, 0.975]))
        rows.append(_line("rate_ratio", own, float(low), float(middle), float(high)))
    observed = max(float(y.mean()), 0.5 / len(y))
    absurd = float(np.mean((mean > _ABSURD * observed) | (mean < observed / _ABSURD)))
    wild = math.nan if ratio is None else float(np.mean(np.abs(ratio) > math.log(_ABSURD)))
    rows.append(_line("share_absurd_counts", absurd))
    rows += [_line("share_absurd_effects", wild)] if ratio is not None else []
    table = pd.DataFrame(rows)
    expected = table.iloc[0]
    outside = not expected.prior_low <= expected.observed <= expected.prior_high
    head = (
        f"Before any count is seen the priors expect {expected.prior_low:.3g} to {expected.prior_high:.3g} events in "
        f"an area-period on average (95%); {expected.observed:.3g} were seen. "
    )
    if ratio is not None:
        ends = [change(float(np.exp(v)), "rate_ratio") for v in np.quantile(ratio, [0.025, 0.975])]
        head += (
            f"Of the average effect over all treated areas they expect {ends[0]} to {ends[1]}, how areas may differ "
            "included."
        )
    faults = []
    if outside:
        faults.append("what was seen lies outside what the priors expect")
    if absurd > _MOST_ABSURD:
        faults.append(f"{absurd:.0%} of prior draws have counts 100 times as high or as low as those seen")
    if wild > _MOST_ABSURD:
        faults.append(f"{wild:.0%} of prior draws have an effect of 100 times as many events, or a hundredth")
    if faults:
        text = f"{head.strip()} That is no belief anyone holds: {'; '.join(faults)}."
        return CheckResult(_NAME, "failed", text, table)
    return CheckResult(_NAME, "passed", f"{head.strip()} What was seen lies within what was believed possible.", table)


_SUMMARIES = ("mean_count", "share_of_zeros", "variance_to_mean", "largest_count")


def _summaries(y: Floats) -> tuple[float, float, float, float]:
    mean = float(y.mean())
    return mean, float(np.mean(y == 0)), float(y.var() / mean) if mean > 0 else math.nan, float(y.max())


def _line(quantity: str, observed: float, *prior: float) -> dict[str, object]:
    low, middle, high = prior or (math.nan,) * 3
    return {"quantity": quantity, "observed": observed, "prior_low": low, "prior_median": middle, "prior_high": high}


def _row(quantity: str, observed: float, drawn: Floats) -> dict[str, object]:
    return _line(quantity, observed, *(float(v) for v in np.nanquantile(drawn, [0.025, 0.5, 0.975])))


def _draws(model: LatentModel, rng: np.random.Generator) -> tuple[dict[str, Floats], Floats]:
    """Return prior draws of the effects by term, and of the known counts, shape (draws, n)."""
    effects: dict[str, list[Floats]] = {t.name: [] for t in model.terms}
    counts = np.empty((_DRAWS, int(model.known.sum())))
    for s in range(_DRAWS):
        hyper = {name: prior.draw(rng) for name, prior in model.hypers.items()}
        mine = {t.name: t.structure.draw(hyper, rng) for t in model.terms}
        eta = model.problem.predictor(np.concatenate([mine[t.name] for t in model.terms]))
        counts[s] = model.likelihood.draw(np.minimum(eta, _CEILING), hyper, rng)
        for name, values in mine.items():
            effects[name].append(values)
    return {name: np.array(values) for name, values in effects.items()}, counts

"""Posterior predictive: whether the fitted model makes data like those that were seen."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from svmodel.checks.declared import check
from svmodel.checks.posterior import fitted_of, held_at_once, thin
from svmodel.checks.words import CannotBeMadeError
from svmodel.engine.description import LatentModel
from svmodel.numerics.arrays import Floats, Mask
from svmodel.result import Result
from svmodel.result.check import CheckResult
from svmodel.seeds import derive_seed

_NAME = "posterior_predictive"
_DRAWS = 500
#: Posterior predictive p-values gather about a half, because the data that are judged were fitted: an extreme one is
#: rarer than its number says.
_EXTREME = 0.01
#: How much too narrow an interval of an area's level may be made by shocks that last.
_NARROW = 1.1


@check("Could the fitted model have made such data?", needs=("model",), figure="replications")
def posterior_predictive(result: Result, *, seed: int = 0) -> CheckResult:
    """Draw data from the fitted model, and ask whether those that were seen would stand out among them.

    Parameters
    ----------
    result : Result
        Of a Bayesian model of counts.
    seed : int
        Of the replicated data.

    Returns
    -------
    CheckResult
        ``failed`` where the model cannot make as many zeros, or as much scatter, as were seen (posterior predictive
        p-value below 0.01 or above 0.99), or where what is left in one period carries over to the next in the same area
        (p < 0.01) by so much that an interval of a level would be over 1.1 times too narrow; ``informative`` where the
        largest count alone stands out; ``passed`` otherwise. The table has ``statistic, observed, low, median, high,
        p_value``: what was seen, the 95% of replicated data, and the share of them with as much or more (ties by half).

    Notes
    -----
    ``share_of_zeros`` and ``largest_count`` are of the data alone. ``dispersion`` (Pearson's, the mean of
    ``(y - m)^2 / m``) and ``autocorrelation`` (of Pearson's residuals, from one period to the next within areas) also
    depend on the parameters, and are compared draw by draw (Gelman, Meng and Stern 1996, *Statistica Sinica* 6,
    section 2.3); their ``observed`` is the median over draws.

    The data serve twice, to fit and to judge. P-values near 0 or 1 therefore come up less often than they say where the
    model is right (Bayarri and Berger 2000, *JASA* 95): what fails here fails clearly.
    """
    held = fitted_of(result)
    model = held.model
    if model.family not in ("negative_binomial", "poisson"):
        raise CannotBeMadeError("the model is not one of counts")
    rng = np.random.default_rng(derive_seed(seed, "posterior predictive"))
    size = held_at_once(int(model.known.sum()), _DRAWS)
    seen, made = _statistics(model, thin(held.posterior.effects, size), thin(held.posterior.hyper, size), rng)
    table = pd.DataFrame([_row(name, seen[:, k], made[:, k]) for k, name in enumerate(_STATISTICS)])
    by_name = table.set_index("statistic")
    p = by_name["p_value"]
    out_of_reach = [n for n in ("share_of_zeros", "dispersion") if not _EXTREME < p[n] < 1 - _EXTREME]
    faults = [_fault(n, by_name) for n in out_of_reach]
    rho = float(by_name["observed"]["autocorrelation"])
    narrow = math.sqrt((1 + rho) / (1 - rho)) if -1 < rho < 1 else math.inf
    if p["autocorrelation"] < _EXTREME and narrow > _NARROW:
        faults.append(
            f"what is left in one period carries over to the next in the same area (correlation {rho:.2f}), so that "
            f"intervals are about {narrow:.1f} times too narrow"
        )
    zeros, dispersion = by_name.loc["share_of_zeros"], by_name.loc["dispersion"]
    head = (
        f"Data drawn from the fitted model have {zeros.low:.1%} to {zeros.high:.1%} zeros ({zeros.observed:.1%} were "
        f"seen) and scatter {dispersion.low:.2f} to {dispersion.high:.2f} times as much as chance alone makes "
        f"({dispersion.observed:.2f} was seen)."
    )
    if faults:
        return CheckResult(_NAME, "failed", f"{head} The model does not make such data: {'; '.join(faults)}.", table)
    largest = by_name.loc["largest_count"]
    if not _EXTREME < largest.p_value < 1 - _EXTREME:
        text = (
            f"{head} The largest count seen is {'higher' if largest.observed > largest.high else 'lower'} than any "
            "that the model is apt to make. Look whether it is an error, or an event by itself."
        )
        return CheckResult(_NAME, "informative", text, table)
    return CheckResult(_NAME, "passed", f"{head} What was seen does not stand out.", table)


_STATISTICS = ("share_of_zeros", "largest_count", "dispersion", "autocorrelation")


def _statistics(
    model: LatentModel, effects: Mapping[str, Floats], hyper: Mapping[str, Floats], rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return the statistics of what was seen and of replicated data, each of shape (S, 4)."""
    eta = model.predictor(effects, model.known)
    y = model.y[model.known]
    seen, made = np.empty((2, len(eta), len(_STATISTICS)))
    for s, row in enumerate(eta):
        mean = np.exp(row)
        again = model.likelihood.draw(row, {name: float(values[s]) for name, values in hyper.items()}, rng)
        seen[s] = _of(y, mean, model.known)
        made[s] = _of(again, mean, model.known)
    return seen, made


def _of(y: Floats, mean: Floats, known: Mask) -> tuple[float, float, float, float]:
    residual = (y - mean) / np.sqrt(mean)
    grid = np.full(known.shape, np.nan)
    grid[known] = residual
    pairs = grid[:, 1:] * grid[:, :-1]
    both = ~np.isnan(pairs)
    square = float(np.mean(residual**2))
    carried = float(pairs[both].mean()) / square if both.any() and square > 0 else math.nan
    return float(np.mean(y == 0)), float(y.max()), square, carried


def _row(statistic: str, seen: Floats, made: Floats) -> dict[str, object]:
    low, middle, high = (float(v) for v in np.nanquantile(made, [0.025, 0.5, 0.975]))
    p = float(np.mean((made > seen) + 0.5 * (made == seen)))
    return {
        "statistic": statistic,
        "observed": float(np.median(seen)),
        "low": low,
        "median": middle,
        "high": high,
        "p_value": p,
    }


def _fault(name: str, table: pd.DataFrame) -> str:
    row = table.loc[name]
    if name == "share_of_zeros":
        return f"it has too {'few' if row.p_value < 0.5 else 'many'} zeros"
    if row.p_value < 0.5:
        return "counts scatter more than it allows, so that its intervals are too narrow"
    return "counts scatter less than it makes them"

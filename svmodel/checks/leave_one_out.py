"""Leave one out: how well each count is foretold by all others, with and without the intervention in the model."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from svmodel.checks.declared import check
from svmodel.checks.posterior import fitted_of, held_at_once, log_likelihood, thin
from svmodel.engine import arrived, run
from svmodel.engine.description import LatentModel
from svmodel.engine.posterior import Posterior
from svmodel.errors import EstimationError
from svmodel.numerics.arrays import Floats
from svmodel.numerics.latent.priors import HalfNormal
from svmodel.numerics.pareto_smoothing import pareto_smoothed, trusted_below
from svmodel.result import Result
from svmodel.result.check import CheckResult
from svmodel.seeds import derive_seed

_NAME = "leave_one_out"
_DRAWS = 2000
#: Cells that are fitted anew without them, where weights cannot tell.
_MOST_REFITS = 20
#: A difference below this is small, whatever its error (Sivula, Magnusson, Matamoros and Vehtari 2025).
_SMALL = 4.0
#: Prior scale of the overdispersion of the negative binomial that a Poisson model is compared with.
_OVERDISPERSION = 0.5


@dataclass(frozen=True, eq=False)
class LeaveOneOut:
    """Log predictive density of each known cell given all others.

    Attributes
    ----------
    elpd : ndarray, shape (n,)
    k : ndarray, shape (n,)
        Pareto k of the weights; NaN where the cell was fitted without.
    refitted : int
    draws : int
        That were weighted.
    """

    elpd: Floats
    k: Floats
    refitted: int
    draws: int

    @property
    def total(self) -> float:
        """Expected log predictive density of all cells."""
        return float(self.elpd.sum())

    @property
    def untrusted(self) -> int:
        """For how many cells neither weights nor a refit tell."""
        return int((self.k > trusted_below(self.draws)).sum())


@check("Does the model foretell counts that it has not seen?", needs=("model",))
def leave_one_out(result: Result, *, seed: int = 0) -> CheckResult:
    """Compare how well the model, the model without the intervention, and the other law of counts foretell each count.

    Parameters
    ----------
    result : Result
        Of a Bayesian model.
    seed : int
        Of the other models' draws.

    Returns
    -------
    CheckResult
        ``failed`` where the other law (Poisson for negative binomial, and the other way about) foretells counts better
        by more than 4 and by more than two standard errors; ``informative`` where the weights cannot be trusted for
        some cells; ``passed`` otherwise. What the intervention adds is told and decides nothing: an effect may be
        small. The table has ``model, elpd, difference, std_error, largest_k, refitted, untrusted``; a difference above
        0 means that the other model foretells better.

    Notes
    -----
    ``elpd_i = log E(p(y_i | theta) | y without i)`` by weights ``1 / p(y_i | theta)`` on posterior draws, smoothed
    (Vehtari, Gelman and Gabry 2017, *Statistics and Computing* 27; Vehtari and others 2024). Up to 20 cells whose
    Pareto k is too large are fitted anew without them. The standard error of a difference is ``(n var(d_i))^(1/2)``,
    which takes cells for independent: where shocks last, it is too small. Other models are fitted by nested Laplace.

    A count is foretold from its own area's and its own period's other counts. That asks whether the model describes
    such data, not whether it foretells months to come.
    """
    held = fitted_of(result)
    question, model = held.question, held.model
    whole = left_out_densities(model, held.posterior, seed)
    rows = [_row("as fitted", whole, whole)]
    words, failed = [], False
    for name, other in _others(model, question.treatment):
        try:
            posterior = run(other, "laplace", draws=_DRAWS, seed=derive_seed(seed, _NAME, name) % 2**32)
            arrived(posterior, name)
        except EstimationError as error:
            rows.append({"model": name})
            words.append(f"{name}: no fit ({error.title})")
            continue
        found = left_out_densities(other, posterior, seed)
        rows.append(_row(name, found, whole))
        gap, spread = _difference(found, whole)
        clear = abs(gap) > max(_SMALL, 2 * spread)
        words.append(_text(name, gap, spread, clear=clear))
        failed |= clear and gap > 0 and name != _WITHOUT
    table = pd.DataFrame(rows)
    text = f"Each count foretold from all others: {'; '.join(words)}." if words else "There is no model to hold beside."
    bad = int(table["untrusted"].sum())
    if failed:
        text += " The other law of counts describes these data better: use it."
        return CheckResult(_NAME, "failed", text, table)
    if bad:
        text += f" For {bad} cells the weights cannot be trusted (Pareto k): a few counts sway the fit much."
    return CheckResult(_NAME, "informative" if bad or not words else "passed", text, table)


_WITHOUT = "without the intervention"


def _others(model: LatentModel, treatment: str) -> list[tuple[str, LatentModel]]:
    out = []
    kept = tuple(t for t in model.terms if not t.name.startswith(treatment)) if treatment else model.terms
    if kept and len(kept) < len(model.terms):
        out.append((_WITHOUT, replace(model, terms=kept)))
    if model.family == "negative_binomial":
        out.append(("Poisson", replace(model, family="poisson", spread=None)))
    elif model.family == "poisson":
        spread = HalfNormal(_OVERDISPERSION)
        out.append(("negative binomial", replace(model, family="negative_binomial", spread=spread)))
    return out


def left_out_densities(model: LatentModel, posterior: Posterior, seed: int = 0) -> LeaveOneOut:
    """Return the log predictive density of each known cell given all others.

    Parameters
    ----------
    model : LatentModel
    posterior : Posterior
        Of that model.
    seed : int
        Of the refits without single cells.
    """
    size = held_at_once(int(model.known.sum()), _DRAWS)
    effects, hyper = thin(posterior.effects, size), thin(posterior.hyper, size)
    density = log_likelihood(model, effects, hyper)
    draws, n = density.shape
    elpd, k = np.empty(n), np.empty(n)
    for i in range(n):
        weight, k[i] = pareto_smoothed(-density[:, i])
        elpd[i] = np.logaddexp.reduce(weight + density[:, i])
    worst = np.flatnonzero(k > trusted_below(draws))
    # without sampling error in the order: ties are broken by the place of the cell
    worst = worst[np.argsort(-k[worst], kind="stable")]
    refitted = 0
    for i in worst[:_MOST_REFITS]:
        found = _refitted(model, int(i), seed)
        if found is not None:
            elpd[i], k[i] = found, math.nan
            refitted += 1
    return LeaveOneOut(elpd, k, refitted, draws)


def _refitted(model: LatentModel, i: int, seed: int) -> float | None:
    """Return the log predictive density of one cell from a fit without it, or None where there is none."""
    row, column = (int(v[i]) for v in np.nonzero(model.known))
    y = model.y.copy()
    y[row, column] = np.nan
    try:
        posterior = run(model.with_outcome(y), "laplace", draws=_DRAWS, seed=derive_seed(seed, _NAME, i) % 2**32)
    except EstimationError:
        return None
    if not posterior.convergence.arrived:
        return None
    cell = np.zeros(model.known.shape, dtype=bool)
    cell[row, column] = True
    alone = model.with_outcome(np.where(cell, model.y, np.nan))
    density = log_likelihood(alone, posterior.effects, posterior.hyper)[:, 0]
    return float(np.logaddexp.reduce(density) - math.log(len(density)))


def _row(name: str, found: LeaveOneOut, whole: LeaveOneOut) -> dict[str, object]:
    gap, error = (math.nan, math.nan) if found is whole else _difference(found, whole)
    weighed = found.k[~np.isnan(found.k)]
    return {
        "model": name,
        "elpd": found.total,
        "difference": gap,
        "std_error": error,
        "largest_k": float(weighed.max()) if len(weighed) else math.nan,
        "refitted": found.refitted,
        "untrusted": found.untrusted,
    }


def _difference(found: LeaveOneOut, whole: LeaveOneOut) -> tuple[float, float]:
    """Return by how much a model foretells better than the one as fitted, and the standard error of that."""
    gap = found.elpd - whole.elpd
    return float(gap.sum()), float(math.sqrt(len(gap) * gap.var(ddof=1)))


def _text(name: str, gap: float, error: float, *, clear: bool) -> str:
    if not clear:
        return f"{name} they are foretold about as well ({gap:+.1f}, s.e. {error:.1f})"
    return f"{name} they are foretold {'better' if gap > 0 else 'worse'} ({gap:+.1f}, s.e. {error:.1f})"

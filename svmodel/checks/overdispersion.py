"""Overdispersion: how much more than by chance alone counts vary, given area and period."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from svmodel.checks.declared import check
from svmodel.checks.words import CannotBeMadeError, design_of, why_refused
from svmodel.design import DesignArrays
from svmodel.errors import UserError
from svmodel.numerics.two_way import TwoWay
from svmodel.numerics.two_way.poisson_fe import fit_poisson, informative_cells
from svmodel.result import Result
from svmodel.result.check import CheckResult
from svmodel.result.method import choice_of

_NAME = "overdispersion"


@check("Do the counts vary more than chance alone?", needs=("data", "counts"))
def overdispersion(result: Result, *, seed: int = 0) -> CheckResult:
    """Measure the variance of untreated counts against the mean that area and period effects give them.

    Parameters
    ----------
    result : Result
        On a count. ``diagnostics["variance"] == "model"`` marks errors that trust the Poisson variance, and so
        does a Bayesian model of the family ``poisson``.
    seed : int
        Not used; nothing is drawn.

    Returns
    -------
    CheckResult
        ``failed`` where the counts vary more than 1.1 times what a Poisson law says (beyond chance, p < 0.05) and
        the standard errors trust that law; ``informative`` otherwise. The table has ``quantity, value``: Pearson's
        dispersion, its degrees of freedom and p-value, the mean count, and the factor by which plain Poisson
        errors would be too small.
    """
    try:
        phi, df, mean = pearson_dispersion(design_of(result).arrays)
    except UserError as error:
        raise CannotBeMadeError(why_refused(error)) from error
    if df < 1:
        raise CannotBeMadeError("there are too few untreated counts to tell their scatter")
    from scipy import stats

    p = float(stats.chi2.sf(phi * df, df))
    factor = math.sqrt(phi)
    table = pd.DataFrame(
        {
            "quantity": ["dispersion", "degrees_of_freedom", "p_value", "mean_count", "error_factor"],
            "value": [phi, float(df), p, mean, factor],
        }
    )
    head = (
        f"Before and without the intervention, counts vary {phi:.1f} times as much as chance alone would make them, "
        "once the level of each area and each period is taken out"
    )
    over = phi > 1.1 and p < 0.05
    law = choice_of(result.estimator, "family", "") if result.is_posterior else ""
    if over and (result.diagnostics.get("variance") == "model" or law == "poisson"):
        text = (
            f"{head}. The standard errors of this method trust that chance alone is at work, so its intervals are "
            f"about {factor:.1f} times too narrow."
        )
        return CheckResult(_NAME, "failed", text, table)
    if law:
        told = f"{head}. " if over else f"{head}: no more than chance explains. "
        text = (
            told + "The model estimates how much counts scatter; the posterior predictive check asks whether it does."
        )
    elif over:
        text = (
            f"{head}. Intervals that trusted chance alone would be about {factor:.1f} times too narrow; that is why "
            "they are taken from how areas differ from one another, which holds whatever the scatter."
        )
    else:
        text = f"{head}: no more than chance explains. Intervals taken from how areas differ hold in any case."
    if mean < 1:
        text += f" With {mean:.2f} events in a cell on average, this measure is itself rough."
    return CheckResult(_NAME, "informative", text, table)


def pearson_dispersion(arrays: DesignArrays) -> tuple[float, int, float]:
    """Return Pearson's dispersion of the untreated cells, its degrees of freedom, and the mean count.

    ``phi = sum (y - mu)^2 / mu / (n - k)`` with mu from a Poisson fit with area and period effects and the
    exposure as offset. Cells of areas or periods without any event say nothing of scatter and are left out.

    Raises
    ------
    EstimationError
        If no event was observed.

    References
    ----------
    McCullagh and Nelder (1989), *Generalized Linear Models*, eq. 4.23 and section 6.2.
    """
    use = informative_cells(arrays.y, arrays.untreated)
    terms = TwoWay(use)
    fit = fit_poisson(arrays.y, terms, arrays.exposure)
    mu, residual = fit.mu[use], fit.residual[use]
    df = int(use.sum()) - int(use.any(axis=1).sum()) - len(terms.free)
    phi = float((residual**2 / mu).sum()) / df if df > 0 else math.nan
    return phi, df, float(np.mean(arrays.y[use]))

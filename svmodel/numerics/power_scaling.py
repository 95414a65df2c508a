"""How far a posterior moves when its prior or its likelihood is given a little more or less weight."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from svmodel.numerics.arrays import Floats
from svmodel.numerics.pareto_smoothing import pareto_smoothed

#: Sensitivity from which on it matters (Kallioinen and others 2024).
SENSITIVE = 0.05
#: By how much the power differs from 1.
_DELTA = 0.01


def cjs_distance(draws: ArrayLike, weights: ArrayLike) -> float:
    """Return the cumulative Jensen-Shannon distance between draws and the same draws weighted.

    Parameters
    ----------
    draws : array_like, shape (S,)
    weights : array_like, shape (S,)
        Not negative; they need not sum to 1.

    Returns
    -------
    float
        Between 0, where both distributions are the same, and 1. The larger of the distances of the draws and of their
        negatives, since the measure is not the same for both.

    References
    ----------
    Nguyen and Vreeken (2015), *ECML PKDD*; Kallioinen and others (2024), on measures of distance.

    Examples
    --------
    >>> z = np.linspace(-2, 2, 101)
    >>> cjs_distance(z, np.ones(101)), round(cjs_distance(z, np.exp(0.1 * z)), 3)
    (0.0, 0.036)
    """
    x, w = np.asarray(draws, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    return max(_one_sided(x, w), _one_sided(-x, w))


def _one_sided(x: Floats, w: Floats) -> float:
    order = np.argsort(x, kind="stable")
    width = np.diff(x[order])
    P = np.arange(1, len(x)) / len(x)
    Q = np.cumsum(w[order])[:-1] / w.sum()
    middle = np.log2((P + Q) / 2)
    # the integrals of P - Q in the two directions cancel in the sum
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = P * (np.log2(P) - middle) + np.where(Q > 0, Q * (np.log2(Q) - middle), 0.0)
    bound = float(width @ (P + Q))
    return math.sqrt(max(float(width @ gap), 0.0) / bound) if bound > 0 else 0.0


def power_scaling_sensitivity(draws: ArrayLike, log_component: ArrayLike) -> tuple[float, float]:
    """Return how sensitive a quantity is to the weight of one component of its posterior, and the worst Pareto k.

    Parameters
    ----------
    draws : array_like, shape (S,)
        Posterior draws of the quantity.
    log_component : array_like, shape (S,)
        Log density of the component (a prior, or the likelihood) at each draw, up to a constant.

    Returns
    -------
    sensitivity : float
        Distance by which the posterior moves for each doubling of the component's power, at a power of 1; above
        :data:`SENSITIVE` it matters.
    k : float

    Notes
    -----
    The component is raised to 1.01 and to 1 / 1.01 by importance weights ``(alpha - 1) log_component``, smoothed
    (Kallioinen, Paananen, Buerkner and Vehtari 2024, *Statistics and Computing* 34:57).

    Examples
    --------
    A normal mean with prior N(0, 1) and one observation of 3 with error 1: both pull.

    >>> x = np.random.default_rng(1).normal(1.5, 0.5**0.5, 4000)
    >>> prior, _ = power_scaling_sensitivity(x, -0.5 * x**2)
    >>> likelihood, _ = power_scaling_sensitivity(x, -0.5 * (3 - x) ** 2)
    >>> prior > SENSITIVE, likelihood > SENSITIVE
    (True, True)
    """
    x, log = np.asarray(draws, dtype=np.float64), np.asarray(log_component, dtype=np.float64)
    moved, worst = 0.0, -math.inf
    for alpha in (1 / (1 + _DELTA), 1 + _DELTA):
        log_weights, k = pareto_smoothed((alpha - 1) * log)
        moved += cjs_distance(x, np.exp(log_weights))
        worst = max(worst, k)
    return moved / (2 * math.log2(1 + _DELTA)), worst

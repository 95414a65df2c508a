"""Importance weights whose largest are smoothed by a generalised Pareto law, and how far they can be trusted."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from svmodel.numerics.arrays import Floats

#: Fewer tail weights than this have no shape to fit.
_SHORTEST_TAIL = 5


def trusted_below(size: int) -> float:
    """Return the Pareto k from which on an average over so many draws is not to be trusted.

    ``min(1 - 1 / log10 S, 0.7)`` (Vehtari and others 2024).

    Examples
    --------
    >>> trusted_below(100), trusted_below(4000)
    (0.5, 0.7)
    """
    return min(1 - 1 / math.log10(size), 0.7)


def fit_generalised_pareto(excess: ArrayLike) -> tuple[float, float]:
    """Return shape k and scale of a generalised Pareto law of excesses over a threshold.

    Parameters
    ----------
    excess : array_like, shape (n,)
        Ascending, above 0.

    Returns
    -------
    k, sigma : float
        k > 0 is a heavy tail, with moments of order below ``1 / k``.

    Notes
    -----
    The quasi-Bayesian estimator of Zhang and Stephens (2009), *Technometrics* 51(3), 316-325: ``theta = k / sigma`` is
    averaged over a grid, weighted by the profile likelihood. k is
    then drawn towards 0.5 with the weight of ten observations (Vehtari and others 2024).

    Examples
    --------
    >>> u = (np.arange(2000) + 0.5) / 2000
    >>> k, sigma = fit_generalised_pareto(2 * ((1 - u) ** -0.4 - 1) / 0.4)
    >>> round(k, 2), round(sigma, 1)
    (0.4, 2.0)
    """
    x = np.asarray(excess, dtype=np.float64)
    n = len(x)
    m = 30 + math.isqrt(n)
    quartile = x[int(n / 4 + 0.5) - 1]
    theta = 1 / x[-1] + (1 - np.sqrt(m / (np.arange(1, m + 1) - 0.5))) / (3 * quartile)
    k = np.log1p(-theta[:, None] * x).mean(axis=1)
    profile = n * (np.log(-theta / k) - k - 1)
    weight = np.exp(profile - profile.max())
    theta_hat = float(theta @ weight / weight.sum())
    k_hat = float(np.log1p(-theta_hat * x).mean())
    return (n * k_hat + 10 * 0.5) / (n + 10), -k_hat / theta_hat


def pareto_smoothed(log_ratios: ArrayLike) -> tuple[Floats, float]:
    """Return smoothed log weights that sum to 1, and the Pareto k of their tail.

    Parameters
    ----------
    log_ratios : array_like, shape (S,)
        Logarithms of importance ratios of independent draws, up to a constant.

    Returns
    -------
    log_weights : ndarray, shape (S,)
    k : float
        Up to :func:`trusted_below` the weights may be used. Minus infinity where all ratios are alike, and infinite
        where too few lie in the tail to fit anything.

    Notes
    -----
    The largest ``min(S / 5, 3 S^(1/2))`` ratios are replaced by the expected order statistics of the generalised Pareto
    law that fits them, and cut off at the largest raw ratio (Vehtari, Simpson, Gelman, Yao and Gabry 2024, *Journal of
    Machine Learning Research* 25(72), 1-58).

    Examples
    --------
    >>> z = np.random.default_rng(1).normal(size=4000)
    >>> weights, k = pareto_smoothed(0.5 * z)
    >>> bool(abs(np.exp(weights).sum() - 1) < 1e-9), k < 0.5
    (True, True)
    """
    x = np.array(log_ratios, dtype=np.float64)
    x -= x.max()
    size = len(x)
    k = -math.inf
    if np.ptp(x) > 1e-12:
        tail = math.ceil(min(size / 5, 3 * math.sqrt(size)))
        order = np.argsort(x, kind="stable")
        cut = max(float(x[order[-tail - 1]]), math.log(np.finfo(np.float64).tiny))
        last = order[-tail:][x[order[-tail:]] > cut]
        k = math.inf
        if len(last) >= _SHORTEST_TAIL:
            k, sigma = fit_generalised_pareto(np.exp(x[last]) - math.exp(cut))
            if math.isfinite(k) and sigma > 0:
                u = (np.arange(len(last)) + 0.5) / len(last)
                excess = -np.log1p(-u) if abs(k) < 1e-15 else np.expm1(-k * np.log1p(-u)) / k
                x[last] = np.minimum(np.log(sigma * excess + math.exp(cut)), 0.0)
    return x - np.logaddexp.reduce(x), k

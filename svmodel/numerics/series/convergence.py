"""Whether chains of a sampler agree, and how many independent draws they are worth."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from svmodel.numerics.arrays import Floats


def r_hat(draws: ArrayLike) -> float:
    """Return the rank-normalised split R-hat; 1 where chains agree.

    The larger of that of the ranks and that of the ranks of distances from the median, so that chains which differ in
    their spread are seen too.

    Parameters
    ----------
    draws : array_like, shape (C, S)
        S draws of each of C chains, in order.

    Returns
    -------
    float
        NaN where all draws are one number.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter and Buerkner (2021), *Bayesian Analysis* 16(2), 667-718, section 4.

    Examples
    --------
    >>> same, apart = np.zeros((2, 500)), np.array([[0.0], [3.0]])
    >>> noise = np.random.default_rng(1).normal(size=(2, 500))
    >>> r_hat(same + noise) < 1.02, r_hat(apart + noise) > 1.5
    (True, True)
    """
    split = _split(np.asarray(draws, dtype=np.float64))
    if np.ptp(split) == 0:
        return float("nan")
    return max(_plain_r_hat(_normal_scores(split)), _plain_r_hat(_normal_scores(np.abs(split - np.median(split)))))


def effective_draws(draws: ArrayLike) -> float:
    """Return how many independent draws the chains are worth for the middle of the distribution (bulk ESS).

    Parameters
    ----------
    draws : array_like, shape (C, S)

    Returns
    -------
    float
        NaN where all draws are one number.

    References
    ----------
    Vehtari and others (2021), section 3.2, with Geyer's (1992) initial monotone sequence.

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(size=(4, 500))
    >>> 1500 < effective_draws(noise) < 2500
    True
    """
    split = _split(np.asarray(draws, dtype=np.float64))
    if np.ptp(split) == 0:
        return float("nan")
    z = _normal_scores(split)
    chains, length = z.shape
    covariance = _autocovariance(z)
    within = covariance[:, 0].mean() * length / (length - 1)
    overall = covariance[:, 0].mean() + z.mean(axis=1).var(ddof=1)
    rho = 1 - (within - covariance.mean(axis=0) * length / (length - 1)) / overall
    rho[0] = 1.0
    pairs = rho[: length // 2 * 2].reshape(-1, 2).sum(axis=1)
    end = np.flatnonzero(pairs <= 0)
    pairs = np.minimum.accumulate(pairs[: end[0] if len(end) else len(pairs)])
    tau = max(-1 + 2 * float(pairs.sum()), 1 / np.log10(chains * length))
    return chains * length / tau


def _split(draws: Floats) -> Floats:
    half = draws.shape[1] // 2
    return np.concatenate([draws[:, :half], draws[:, -half:]])


def _normal_scores(draws: Floats) -> Floats:
    """Return normal scores of ranks over all chains (Blom 1958)."""
    from scipy import special, stats

    rank = stats.rankdata(draws, axis=None).reshape(draws.shape)
    return np.asarray(special.ndtri((rank - 0.375) / (draws.size + 0.25)))


def _plain_r_hat(z: Floats) -> float:
    length = z.shape[1]
    within = z.var(axis=1, ddof=1).mean()
    between = length * z.mean(axis=1).var(ddof=1)
    return float(np.sqrt(((length - 1) / length * within + between / length) / within))


def _autocovariance(z: Floats) -> Floats:
    """Return autocovariances of every lag by chain, divided by the length."""
    length = z.shape[1]
    centred = z - z.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred, n=2 * length, axis=1)
    return np.asarray(np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :length] / length)

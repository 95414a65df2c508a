"""Scoring of forecasts given as quantiles: interval scores and coverage."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from svmodel.errors import DataError, Problems


def check_quantiles(quantiles: ArrayLike) -> NDArray[np.float64]:
    """Return the probabilities as an array, or raise with everything that is wrong with them.

    They have to rise, lie between 0 and 1, hold 0.5, and come in pairs p and 1 - p, of which 0.25 and
    0.025 have to be two, since the 50% and the 95% interval are scored.

    Raises
    ------
    DataError
    """
    q = np.atleast_1d(np.asarray(quantiles, dtype=np.float64))
    problems = Problems()
    if not ((q > 0) & (q < 1)).all():
        problems.add("a quantile is not between 0 and 1", rule="quantile_range")
    if (np.diff(q) <= 0).any():
        problems.add("the quantiles do not rise", rule="quantile_order")
    if not np.allclose(np.sort(q), np.sort(1 - q)):
        problems.add("the quantiles are not in pairs p and 1 - p", rule="quantile_pairs")
    for needed in (0.025, 0.25, 0.5):
        if not np.isclose(q, needed).any():
            problems.add(f"{needed} is not among the quantiles", rule="quantile_needed")
    problems.raise_if_any(DataError, "these quantiles cannot be used")
    return q


def interval_score(y: ArrayLike, low: ArrayLike, high: ArrayLike, alpha: float) -> NDArray[np.float64]:
    """Interval score of a central (1 - alpha) interval: its width, and a penalty for each miss.

    Parameters
    ----------
    y, low, high : array_like of float
        Outcome and limits, broadcast together.
    alpha : float
        The interval is meant to miss with probability alpha.

    Returns
    -------
    ndarray of float
        In the outcome's units; smaller is better.

    References
    ----------
    Gneiting and Raftery (2007), *JASA* 102, eq. 43; Bracher et al. (2021), *PLOS Computational Biology* 17,
    e1008618, eq. 1.

    Examples
    --------
    >>> float(interval_score(12, 2, 10, 0.5))
    16.0
    """
    y, low, high = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (y, low, high)))
    return (high - low) + 2 / alpha * (np.maximum(low - y, 0) + np.maximum(y - high, 0))


def weighted_interval_score(y: ArrayLike, values: ArrayLike, quantiles: ArrayLike) -> NDArray[np.float64]:
    """Weighted interval score of forecasts given as quantiles.

    (w_0 |y - m| + sum over k of w_k IS_k) / (K + 1/2) with w_0 = 1/2 and w_k = alpha_k / 2. It is on the
    scale of an absolute error, to which it falls back for a point forecast.

    Parameters
    ----------
    y : array_like of float, shape (...)
        Outcomes.
    values : array_like of float, shape (..., Q)
        Forecast quantiles.
    quantiles : array_like of float, shape (Q,)
        Their probabilities: rising, in pairs p and 1 - p, with 0.025, 0.25 and 0.5.

    Returns
    -------
    ndarray of float, shape (...)
        Smaller is better; NaN where the outcome or a quantile is missing.

    Raises
    ------
    DataError
        If the quantiles cannot be used.

    References
    ----------
    Bracher, Ray, Gneiting and Reich (2021), *PLOS Computational Biology* 17, e1008618, eq. 1-2.

    Examples
    --------
    >>> q = [0.025, 0.25, 0.5, 0.75, 0.975]
    >>> float(weighted_interval_score(10, [10, 10, 10, 10, 10], q))
    0.0
    >>> float(weighted_interval_score(13, [10, 10, 10, 10, 10], q))
    3.0
    """
    q = check_quantiles(quantiles)
    y, values = np.asarray(y, dtype=np.float64), np.asarray(values, dtype=np.float64)
    pairs = len(q) // 2
    total = 0.5 * np.abs(y - values[..., pairs])
    for k in range(pairs):
        alpha = 2 * q[k]
        total = total + alpha / 2 * interval_score(y, values[..., k], values[..., len(q) - 1 - k], alpha)
    return np.asarray(total / (pairs + 0.5))


def covered(y: ArrayLike, values: ArrayLike, quantiles: ArrayLike, level: float) -> NDArray[np.float64]:
    """Whether the central interval of `level` holds the outcome: 1, 0, or NaN where something is missing.

    Counts are whole numbers, so the interval includes both its ends and covers a little more than its level,
    the more so the smaller the counts.

    Raises
    ------
    DataError
        If the limits are not among the quantiles.
    """
    q = np.asarray(quantiles, dtype=np.float64)
    places = [np.flatnonzero(np.isclose(q, p)) for p in ((1 - level) / 2, (1 + level) / 2)]
    if any(len(p) == 0 for p in places):
        raise DataError(f"the limits of a {level:.0%} interval are not among the quantiles")
    y, values = np.asarray(y, dtype=np.float64), np.asarray(values, dtype=np.float64)
    low, high = (values[..., int(p[0])] for p in places)
    return np.where(np.isnan(y + low + high), np.nan, (low <= y) & (y <= high))

"""Simultaneous confidence bands and tests by the multiplier bootstrap of influence functions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def multipliers(
    n_boot: int,
    n_areas: int,
    rng: np.random.Generator,
    *,
    kind: str = "rademacher",
    order: NDArray[np.int64] | None = None,
) -> NDArray[np.float32]:
    """Random weights of mean 0 and variance 1, one for each area and draw.

    Parameters
    ----------
    n_boot, n_areas : int
    rng : numpy.random.Generator
    kind : {"rademacher", "mammen"}
        ``rademacher`` is +1 or -1 with equal probability; ``mammen`` is the two-point law of Mammen (1993),
        1 - k with probability k / sqrt(5) and k otherwise, k = (sqrt(5) + 1) / 2, which also has third moment 1.
    order : ndarray of int, shape (n_areas,), optional
        Which of the weights drawn each area takes; the first area the first where None.

    Returns
    -------
    ndarray of float32, shape (n_boot, n_areas)
        Laid out area by area in memory.

    Examples
    --------
    >>> multipliers(2, 3, np.random.default_rng(0)).shape
    (2, 3)
    """
    if kind == "mammen":
        k = (np.sqrt(5) + 1) / 2
        low, high = 1 - k, k
        drawn = rng.random((n_boot, n_areas)) >= k / np.sqrt(5)
    else:
        size = n_boot * n_areas
        low, high = -1.0, 1.0
        drawn = np.unpackbits(np.frombuffer(rng.bytes(-(-size // 8)), dtype=np.uint8), count=size)
    by_area = np.ascontiguousarray(drawn.reshape(n_boot, n_areas).T).view(np.uint8)
    return np.array([low, high], dtype=np.float32)[by_area if order is None else by_area[order]].T


def sup_t_critical_value(influence: NDArray[np.float64], draws: NDArray[np.float32], *, level: float = 0.95) -> float:
    """Critical value with which all K intervals hold at once.

    Parameters
    ----------
    influence : ndarray, shape (N, K)
        Contribution of each area to the error of each estimate; the variance of an estimate is the sum of
        squares of its column. Columns that are all zero are passed over.
    draws : ndarray, shape (B, N)
        From :func:`multipliers`.
    level : float
        Joint coverage.

    Returns
    -------
    float
        The `level` quantile over draws of the largest absolute t statistic; never below the normal's
        pointwise value. NaN where no column varies.

    Notes
    -----
    Callaway and Sant'Anna (2021), Algorithm 1 and Corollary 1. Their step 4 divides by a standard error from
    the interquartile range of the draws; here it is the analytic one, which is the exact standard deviation
    of the draws given the data, and the one that the band is then built with. Single precision is enough:
    its rounding is a millionth of the simulation error of the quantile.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> one = rng.normal(size=(200, 1))
    >>> many = rng.normal(size=(200, 20))
    >>> draws = multipliers(999, 200, rng)
    >>> sup_t_critical_value(one, draws) < sup_t_critical_value(many, draws)
    True
    """
    largest = _largest_t(influence, draws)
    return float("nan") if largest is None else critical_of(largest, level=level)


def critical_of(largest: NDArray[np.float64], *, level: float = 0.95) -> float:
    """Return the critical value from the largest absolute t statistic of each draw.

    Parameters
    ----------
    largest : ndarray, shape (B,)
    level : float

    Examples
    --------
    >>> critical_of(np.linspace(0.0, 4.0, 101), level=0.95)
    3.8
    """
    from scipy import special

    pointwise = float(special.ndtri(0.5 + level / 2))
    # Four decimals are far inside the simulation error, and hide in which order single-precision sums were made.
    return max(round(float(np.quantile(largest, level, method="inverted_cdf")), 4), pointwise)


def sup_t_test(
    estimate: NDArray[np.float64], influence: NDArray[np.float64], draws: NDArray[np.float32]
) -> tuple[float, float]:
    """Test that K estimates are all zero by the largest of their t statistics.

    Parameters
    ----------
    estimate : ndarray, shape (K,)
    influence : ndarray, shape (N, K)
    draws : ndarray, shape (B, N)

    Returns
    -------
    statistic, p_value : float
        Largest absolute t, and (1 + draws at least as large) / (1 + B). It holds with more estimates than areas,
        where a Wald test does not. NaN where no estimate has an error.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> influence = rng.normal(size=(200, 20)) / 200
    >>> statistic, p_value = sup_t_test(np.full(20, 1.0), influence, multipliers(999, 200, rng))
    >>> p_value
    0.001
    """
    largest = _largest_t(influence, draws)
    if largest is None:
        return float("nan"), float("nan")
    spread = np.sqrt(np.einsum("nk,nk->k", influence, influence))
    keep = spread > 0
    statistic = float(np.abs(estimate[keep] / spread[keep]).max())
    return statistic, float((1 + (largest >= statistic).sum()) / (1 + len(largest)))


def _largest_t(influence: NDArray[np.float64], draws: NDArray[np.float32]) -> NDArray[np.float64] | None:
    spread = np.sqrt(np.einsum("nk,nk->k", influence, influence))
    keep = spread > 0
    if not keep.any():
        return None
    scaled = (influence[:, keep] / spread[keep]).astype(np.float32)
    return np.asarray(np.abs(draws @ scaled).max(axis=1), dtype=np.float64)

"""Variances of sums over time whose terms follow each other: Newey and West's kernel, and an AR(1) in its place."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from svmodel.numerics.arrays import Floats

#: Autocorrelations looked for, from 0 to just below a random walk.
_RHO = np.arange(0.0, 0.96, 0.01)
#: Lags whose residual products are pooled; three steady the estimate in short series.
_LAGS = 3


def automatic_bandwidth(influence: ArrayLike) -> int:
    """Return the number of lags for Bartlett's kernel that Newey and West (1994) choose from the data.

    Parameters
    ----------
    influence : array_like, shape (T,)
        Terms of the sum; zero where a period is missing.

    Returns
    -------
    int
        ``floor(1.1447 ((s1 / s0)^2 T)^(1/3))``, with s0 and s1 over ``floor(4 (T / 100)^(2/9))`` lags, and at most a
        quarter of the periods. Not prewhitened.

    References
    ----------
    Newey and West (1994), *Review of Economic Studies* 61(4), 631-653.

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(size=200)
    >>> automatic_bandwidth(noise), automatic_bandwidth(np.convolve(noise, [1, 1, 1, 1, 1, 1, 1]))
    (6, 9)
    """
    u = np.asarray(influence, dtype=np.float64)
    T = len(u)
    n = int(4 * (T / 100) ** (2 / 9))
    lag = np.arange(1, n + 1)
    products = np.array([u[j:] @ u[: T - j] for j in lag])
    s0 = float(u @ u) + 2 * float(products.sum())
    s1 = 2 * float(lag @ products)
    if s0 == 0:
        return 0
    return min(int(1.1447 * ((s1 / s0) ** 2 * T) ** (1 / 3)), T // 4)


def newey_west(influence: ArrayLike, bandwidth: int) -> Floats:
    """Return the variance of sums over time by Bartlett's kernel: ``sum_j (1 - j / (L + 1)) sum_t u_t u_(t - j)``.

    Parameters
    ----------
    influence : array_like, shape (T,) or (T, Q)
        Terms of Q sums, in time; zero where a period is missing (Parzen's amplitude modulation).
    bandwidth : int
        Lags L that are counted; 0 for independent terms.

    Returns
    -------
    ndarray, shape () or (Q,)

    References
    ----------
    Newey and West (1987), *Econometrica* 55(3), 703-708.

    Examples
    --------
    >>> float(newey_west([1.0, 1.0, -1.0], 1))
    3.0
    """
    u = np.asarray(influence, dtype=np.float64)
    total = (u**2).sum(axis=0)
    for j in range(1, bandwidth + 1):
        total = total + 2 * (1 - j / (bandwidth + 1)) * (u[j:] * u[:-j]).sum(axis=0)
    return np.asarray(total)


def residual_ar1(residuals: list[Floats], makers: list[Floats], times: list[NDArray[np.int64]]) -> tuple[float, Floats]:
    r"""Return the autocorrelation that regressions' residuals have in common, and each regression's error variance.

    Residuals of a regression are less autocorrelated than its errors, the more so the shorter the series. So rho is the
    value at which the expected products of residuals up to three periods apart,
    :math:`tr(M D M R(\rho)) / 2 tr(M R(\rho))` with :math:`R_{st} = \rho^{|s - t|}`, are the observed ones, and the
    variance makes the expected sum of squares :math:`\phi\, tr(M R(\rho))` right. Negative autocorrelation is taken as
    none.

    Parameters
    ----------
    residuals : list of ndarray, shape (T_i,)
        Standardised, so that their variance would be one number in each regression.
    makers : list of ndarray, shape (T_i, T_i)
        Residual makers M: symmetric projections on what the regressors leave.
    times : list of ndarray of int, shape (T_i,)

    Returns
    -------
    rho : float
        Between 0 and 0.95.
    variance : ndarray, shape (len(residuals),)

    References
    ----------
    Zeger (1988), *Biometrika* 75(4), 621-629 (counts with autocorrelated errors, estimated by moments).

    Examples
    --------
    >>> rho, variance = residual_ar1([np.array([1.0, -1.0, 1.0, -1.0])], [np.eye(4)], [np.arange(4)])
    >>> rho, variance.tolist()
    (0.0, [1.0])
    """
    squares, products, observed = [], [], 0.0
    total = float(sum(r @ r for r in residuals))
    for r, M, time in zip(residuals, makers, times, strict=True):
        lag = np.abs(np.subtract.outer(time, time))
        D = ((lag >= 1) & (lag <= _LAGS)).astype(np.float64)
        powers = _RHO[:, None] ** np.arange(lag.max() + 1)
        own = powers @ np.bincount(lag.ravel(), M.ravel())
        squares.append(own)
        products.append(float(r @ r) * (powers @ np.bincount(lag.ravel(), (M @ D @ M).ravel())) / (2 * own))
        observed += float(r @ D @ r) / 2
    if total <= 0:
        return 0.0, np.zeros(len(residuals))
    best = int(np.argmin(np.abs(np.sum(products, axis=0) - observed)))
    variance = [float(r @ r) / float(own[best]) for r, own in zip(residuals, squares, strict=True)]
    return float(_RHO[best]), np.array(variance)


def autocorrelation(residual: ArrayLike, lags: int) -> Floats:
    """Return the autocorrelations of lags 1 to `lags`; NaN terms are left out of their products.

    Examples
    --------
    >>> autocorrelation([1.0, -1.0, 1.0, -1.0], 2).round(2).tolist()
    [-0.75, 0.5]
    """
    u = np.asarray(residual, dtype=np.float64)
    u = np.where(np.isnan(u), 0.0, u - np.nanmean(u))
    total = float(u @ u)
    found = [float(u[j:] @ u[: len(u) - j]) for j in range(1, lags + 1)]
    return np.array(found) / total if total > 0 else np.full(lags, np.nan)


def ljung_box(residual: ArrayLike, lags: int) -> tuple[float, float]:
    """Return Ljung and Box's statistic and its p-value against chi-squared with `lags` degrees of freedom.

    References
    ----------
    Ljung and Box (1978), *Biometrika* 65(2), 297-303.

    Examples
    --------
    >>> q, p = ljung_box([1.0, -1.0, 1.0, -1.0], 1)
    >>> round(q, 3), round(p, 3)
    (4.5, 0.034)
    """
    from scipy import special

    rho = autocorrelation(residual, lags)
    n = int((~np.isnan(np.asarray(residual, dtype=np.float64))).sum())
    q = n * (n + 2) * float((rho**2 / (n - np.arange(1, lags + 1))).sum())
    return q, float(special.chdtrc(lags, q))

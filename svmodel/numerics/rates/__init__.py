"""Intervals for counts, rates, proportions and ratios of rates, as public health reporting has them.

A missing count or exposure gives a missing interval. Conventions follow the Office for Health
Improvement and Disparities (formerly Public Health England): Byar's limits from 10 events up, exact
Poisson limits below, Wilson's limits for proportions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from svmodel.errors import DataError, Problems
from svmodel.numerics.rates.guards import Limits, check_counts, check_exposures, check_level
from svmodel.numerics.rates.ratio import paired_dispersion, ratio_interval

__all__ = [
    "BYAR_FROM",
    "Limits",
    "RateInterval",
    "byar_interval",
    "exact_poisson_interval",
    "paired_dispersion",
    "rate_interval",
    "ratio_interval",
    "wilson_interval",
]

#: Events from which Byar's limits stand in for the exact ones; they are within 0.2% of them there.
BYAR_FROM = 10


class RateInterval(NamedTuple):
    """Rates with their limits, and ``"exact"`` or ``"byar"`` for each; arrays of one shape."""

    rate: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    method: NDArray[np.object_]


def exact_poisson_interval(count: ArrayLike, level: float = 0.95) -> Limits:
    """Exact (Garwood) confidence interval for a Poisson count.

    Parameters
    ----------
    count : array_like of float
        Observed events, 0 or more; NaN gives NaN.
    level : float
        Coverage, between 0 and 1.

    Returns
    -------
    low, high : ndarray of float
        Limits of the expected count, in events. The lower limit of a zero count is 0.

    Raises
    ------
    DataError
        If a count is negative or infinite, or the level is not between 0 and 1.

    References
    ----------
    Garwood (1936), *Biometrika* 28, 437-442; in the chi-squared form of Ulm (1990), *American Journal
    of Epidemiology* 131, 373-375: L = chi2(alpha/2; 2x)/2, U = chi2(1 - alpha/2; 2x + 2)/2.

    Examples
    --------
    >>> low, high = exact_poisson_interval([0, 1])
    >>> low.round(4).tolist(), high.round(4).tolist()
    ([0.0, 0.0253], [3.6889, 5.5716])
    """
    x = _counts(count, level)
    alpha = 1 - level
    # half a chi-squared variable of 2a degrees of freedom is a gamma variable of shape a
    low = np.where(x > 0, special.gammaincinv(np.where(x > 0, x, 1.0), alpha / 2), 0.0)
    return Limits(np.where(np.isnan(x), np.nan, low), special.gammainccinv(x + 1, alpha / 2))


def byar_interval(count: ArrayLike, level: float = 0.95) -> Limits:
    """Byar's approximate confidence interval for a Poisson count.

    Parameters
    ----------
    count : array_like of float
        Observed events, 0 or more; NaN gives NaN. Meant for 10 or more: :func:`rate_interval` takes
        the exact limits below that.
    level : float
        Coverage, between 0 and 1.

    Returns
    -------
    low, high : ndarray of float
        Limits of the expected count, in events. Where the cube root of the lower limit is negative
        (0 events, or 1 event at 99.8%) the approximation gives none, and the limit is NaN.

    Raises
    ------
    DataError
        If a count is negative or infinite, or the level is not between 0 and 1.

    References
    ----------
    Breslow and Day (1987), *Statistical Methods in Cancer Research* II, eq. 2.13-2.14.

    Examples
    --------
    >>> low, high = byar_interval([65])
    >>> f"{low[0]:.4f} {high[0]:.4f}"
    '50.1632 82.8491'
    """
    x = _counts(count, level)
    z = special.ndtri(0.5 + level / 2)
    some = np.where(x > 0, x, np.nan)
    root = 1 - 1 / (9 * some) - z / (3 * np.sqrt(some))
    low = np.where(root >= 0, some * root**3, np.nan)
    above = x + 1
    high = above * (1 - 1 / (9 * above) + z / (3 * np.sqrt(above))) ** 3
    return Limits(low, high)


def rate_interval(count: ArrayLike, exposure: ArrayLike, *, per: float = 100_000, level: float = 0.95) -> RateInterval:
    """Rate with its interval: exact Poisson below 10 events, Byar from 10 up.

    Parameters
    ----------
    count : array_like of float
        Events, 0 or more; NaN where missing.
    exposure : array_like of float
        Person-years at risk, above 0; NaN where missing. Broadcast against `count`.
    per : float
        The rate is in events for so many person-years.
    level : float
        Coverage, between 0 and 1.

    Returns
    -------
    RateInterval
        ``rate, low, high, method``, NaN (and an empty method) where count or exposure is missing.

    Raises
    ------
    DataError
        With every fault: negative or infinite counts, exposures not above 0, a level or a `per` that is none.

    References
    ----------
    Public Health England (2018), *Technical guide: confidence intervals*; function ``phe_rate`` of the
    R package PHEindicatormethods.

    Examples
    --------
    >>> r = rate_interval([1, 65], [100, 100], per=100)
    >>> r.low.round(4).tolist(), r.high.round(4).tolist(), r.method.tolist()
    ([0.0253, 50.1632], [5.5716, 82.8491], ['exact', 'byar'])
    """
    problems = Problems()
    x, n = (np.asarray(v, dtype=np.float64) for v in (count, exposure))
    check_counts(x, problems)
    check_exposures(n, problems)
    check_level(level, problems)
    if not (np.isfinite(per) and per > 0):
        problems.add(f"rates cannot be per {per}", fix="Give a number above 0.", rule="per")
    problems.raise_if_any(DataError, "the rates cannot be made")
    x, n = np.broadcast_arrays(x, n)
    given = ~(np.isnan(x) | np.isnan(n))
    exact, byar = exact_poisson_interval(x, level), byar_interval(x, level)
    few = x < BYAR_FROM
    low, high = np.where(few, exact.low, byar.low), np.where(few, exact.high, byar.high)
    method = np.where(given, np.where(few, "exact", "byar"), "").astype(object)
    return RateInterval(x / n * per, low / n * per, high / n * per, method)


def wilson_interval(count: ArrayLike, trials: ArrayLike, level: float = 0.95) -> Limits:
    """Wilson's score interval for a proportion.

    Parameters
    ----------
    count, trials : array_like of float
        Successes (0 to `trials`) and trials (above 0); NaN where missing. Broadcast together.
    level : float
        Coverage, between 0 and 1.

    Returns
    -------
    low, high : ndarray of float
        Limits of the proportion, between 0 and 1.

    Raises
    ------
    DataError
        If a count is negative or above its trials, trials are not above 0, or the level is none.

    References
    ----------
    Wilson (1927), *Journal of the American Statistical Association* 22, 209-212; Newcombe (1998),
    *Statistics in Medicine* 17, 857-872, method 3.

    Examples
    --------
    >>> low, high = wilson_interval(65, 100)
    >>> f"{low:.4f} {high:.4f}"
    '0.5525 0.7364'
    """
    problems = Problems()
    x, n = (np.asarray(v, dtype=np.float64) for v in (count, trials))
    check_counts(x, problems)
    check_exposures(n, problems, word="trials")
    check_level(level, problems)
    x, n = np.broadcast_arrays(x, n)
    if (x > n).any():
        problems.add(f"{int((x > n).sum()):,} counts are above their trials", rule="count_above_trials")
    problems.raise_if_any(DataError, "the proportions cannot be made")
    z = special.ndtri(0.5 + level / 2)
    p = x / n
    centre = 2 * x + z**2
    half = z * np.sqrt(z**2 + 4 * x * (1 - p))
    return Limits((centre - half) / (2 * (n + z**2)), (centre + half) / (2 * (n + z**2)))


def _counts(count: ArrayLike, level: float) -> NDArray[np.float64]:
    x = np.asarray(count, dtype=np.float64)
    problems = Problems()
    check_counts(x, problems)
    check_level(level, problems)
    problems.raise_if_any(DataError, "the interval cannot be made")
    return x

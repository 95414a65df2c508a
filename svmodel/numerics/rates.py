"""Intervals for counts, rates, proportions and ratios of rates, as public health reporting has them.

A missing count or exposure gives a missing interval. Conventions follow the Office for Health
Improvement and Disparities (formerly Public Health England): Byar's limits from 10 events up, exact
Poisson limits below, Wilson's limits for proportions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

from svmodel.errors import DataError, Problems

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

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


class Limits(NamedTuple):
    """Lower and upper limit, arrays of one shape."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]


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
    _check_counts(x, problems)
    _check_exposures(n, problems)
    _check_level(level, problems)
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
    _check_counts(x, problems)
    _check_exposures(n, problems, word="trials")
    _check_level(level, problems)
    x, n = np.broadcast_arrays(x, n)
    if (x > n).any():
        problems.add(f"{int((x > n).sum()):,} counts are above their trials", rule="count_above_trials")
    problems.raise_if_any(DataError, "the proportions cannot be made")
    z = special.ndtri(0.5 + level / 2)
    p = x / n
    centre = 2 * x + z**2
    half = z * np.sqrt(z**2 + 4 * x * (1 - p))
    return Limits((centre - half) / (2 * (n + z**2)), (centre + half) / (2 * (n + z**2)))


#: Odds below which the ratio has no upper limit; quantiles this far out are the smallest number there is, or noise.
_NO_LIMIT = 1e-200


def ratio_interval(
    count: ArrayLike,
    exposure: ArrayLike,
    count_0: ArrayLike,
    exposure_0: ArrayLike,
    *,
    level: float = 0.95,
    dispersion: ArrayLike = 1.0,
    df: ArrayLike = np.inf,
) -> Limits:
    """Interval for the ratio of two rates, exact given the sum of both counts.

    Given the sum, the first count of two Poisson counts is binomial, and Clopper-Pearson limits of its
    share give limits of the ratio. Counts of violence vary more than Poisson counts: with a
    `dispersion` phi (variance over mean) above 1 both counts are divided by phi, which widens the
    interval as the quasi-likelihood does, and the level is that of Student's t with the `df` on which
    phi was estimated. A dispersion below 1 is taken as 1.

    Parameters
    ----------
    count, count_0 : array_like of float
        Events; the ratio is of `count` over `count_0`.
    exposure, exposure_0 : array_like of float
        Person-time, above 0, in one unit.
    level : float
        Coverage, between 0 and 1.
    dispersion : array_like of float
        Variance over mean, e.g. from :func:`paired_dispersion`; NaN (not known) is taken as 1.
    df : array_like of float
        Degrees of freedom behind `dispersion`; infinite where it is known.

    Returns
    -------
    low, high : ndarray of float
        Limits of the rate ratio. The upper limit is infinite where `count_0` is 0 or the limit lies beyond 1e200,
        and both limits are NaN where both counts are 0 or something is missing.

    Raises
    ------
    DataError
        If a count is negative, an exposure not above 0, or the level is none.

    References
    ----------
    Przyborowski and Wilenski (1940), *Biometrika* 31, 313-323; Clopper and Pearson (1934), *Biometrika*
    26, 404-413; McCullagh and Nelder (1989), *Generalized Linear Models*, section 4.5 (dispersion).

    Examples
    --------
    >>> low, high = ratio_interval(40, 1, 50, 1)
    >>> f"{low:.3f} {high:.3f}"
    '0.514 1.237'
    """
    problems = Problems()
    x, n, x0, n0 = (np.asarray(v, dtype=np.float64) for v in (count, exposure, count_0, exposure_0))
    for counts in (x, x0):
        _check_counts(counts, problems)
    for exposures in (n, n0):
        _check_exposures(exposures, problems)
    _check_level(level, problems)
    problems.raise_if_any(DataError, "the ratios cannot be made")
    phi = np.fmax(np.asarray(dispersion, dtype=np.float64), 1.0)
    freedom = np.where(phi > 1, np.asarray(df, dtype=np.float64), np.inf)
    upper = 0.5 + level / 2
    finite = np.where(np.isfinite(freedom), freedom, 1.0)
    critical = np.where(np.isfinite(freedom), special.stdtrit(finite, upper), special.ndtri(upper))
    tail = special.ndtr(-critical)
    x, x0, n, n0, phi, tail = np.broadcast_arrays(x / phi, x0 / phi, n, n0, phi, tail)
    known = ~np.isnan(x + x0 + n + n0) & (x + x0 > 0)
    below, above = known & (x > 0), known & (x0 > 0)
    scale = n0 / n
    low = np.where(below, _odds(x, x0 + 1, tail, below) * scale, np.where(known, 0.0, np.nan))
    # the other count's share is sought: with few degrees of freedom, 1 - tail and the first count's share round to 1
    other = _odds(x0, x + 1, tail, above)
    reached = above & (other > _NO_LIMIT)
    high = np.where(reached, scale / np.where(reached, other, 1.0), np.where(known, np.inf, np.nan))
    return Limits(low, high)


def _odds(
    a: NDArray[np.float64], b: NDArray[np.float64], tail: NDArray[np.float64], where: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Odds of the lower `tail` quantile of a beta variable; 1 elsewhere than `where`."""
    share = special.betaincinv(np.where(where, a, 1.0), np.where(where, b, 1.0), np.where(where, tail, 0.5))
    return np.asarray(share / (1 - share), dtype=np.float64)


def paired_dispersion(first: ArrayLike, second: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Dispersion of counts in matched pairs of periods, free of what both members of a pair share.

    The pairs are, say, the same months of two years, or of two areas: season (or a common shock) raises
    both members and cancels. Given its sum, the first member of a pair of Poisson counts is binomial with the
    same share in every pair; Pearson's chi-squared over its degrees of freedom measures by how much the
    counts vary more than that.

    Parameters
    ----------
    first, second : array_like of float, shape (..., K)
        Counts in K pairs; a pair with a missing member is left out.

    Returns
    -------
    dispersion : ndarray of float, shape (...)
        Variance over mean; 1 for Poisson counts. NaN with fewer than two pairs that hold an event.
    df : ndarray of float, shape (...)
        Pairs that hold an event, less one.

    Raises
    ------
    DataError
        If a count is negative or the shapes differ.

    References
    ----------
    McCullagh and Nelder (1989), *Generalized Linear Models*, eq. 4.23, for binomial shares.

    Examples
    --------
    >>> phi, df = paired_dispersion([10, 20, 30], [10, 20, 30])
    >>> float(phi), float(df)
    (0.0, 2.0)
    """
    problems = Problems()
    a, b = (np.asarray(v, dtype=np.float64) for v in (first, second))
    for counts in (a, b):
        _check_counts(counts, problems)
    problems.raise_if_any(DataError, "the dispersion cannot be found")
    try:
        a, b = np.broadcast_arrays(a, b)
    except ValueError:
        raise DataError(f"pairs need two arrays of one shape, not {a.shape} and {b.shape}") from None
    total = a + b
    used = np.nan_to_num(total) > 0
    total = np.where(used, total, 1.0)
    a = np.where(used, a, 0.0)
    df = np.maximum(used.sum(-1) - 1.0, 0.0)
    sums = np.where(used, total, 0.0).sum(-1)
    share = a.sum(-1) / np.where(sums > 0, sums, 1.0)
    variance = share * (1 - share)
    squares = np.where(used, (a - total * share[..., None]) ** 2 / total, 0.0).sum(-1)
    known = (df > 0) & (variance > 0)
    bottom = np.where(known, variance * df, 1.0)
    return np.where(known, squares / bottom, np.nan), df


def _counts(count: ArrayLike, level: float) -> NDArray[np.float64]:
    x = np.asarray(count, dtype=np.float64)
    problems = Problems()
    _check_counts(x, problems)
    _check_level(level, problems)
    problems.raise_if_any(DataError, "the interval cannot be made")
    return x


def _check_counts(x: NDArray[np.float64], problems: Problems) -> None:
    wrong = (x < 0) | np.isinf(x)
    if wrong.any():
        some = sorted({float(v) for v in x[wrong].ravel()})[:3]
        problems.add(f"{int(wrong.sum()):,} counts are negative or infinite: {some}", rule="negative_count")


def _check_exposures(n: NDArray[np.float64], problems: Problems, *, word: str = "exposures") -> None:
    wrong = (n <= 0) | np.isinf(n)
    if wrong.any():
        problems.add(f"{int(wrong.sum()):,} {word} are not above 0 and finite", rule="exposure_not_positive")


def _check_level(level: float, problems: Problems) -> None:
    if not 0 < level < 1:
        problems.add(f"the level {level} is not between 0 and 1", fix="Write 0.95 for 95%.", rule="level")

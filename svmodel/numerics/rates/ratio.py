"""The interval for a ratio of two rates, and the dispersion of counts that it allows for."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from svmodel.errors import DataError, Problems
from svmodel.numerics.rates.guards import Limits, check_counts, check_exposures, check_level

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
        check_counts(counts, problems)
    for exposures in (n, n0):
        check_exposures(exposures, problems)
    check_level(level, problems)
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
        check_counts(counts, problems)
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

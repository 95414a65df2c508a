"""What a test for pre-trends would have overlooked, and what passing it does to the estimates."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from svmodel.numerics.arrays import Floats

_DRAWS = 2**14


class Passing(NamedTuple):
    """The estimates among the studies that pass the pre-test.

    Attributes
    ----------
    power : float
        Probability that the test finds the trend (that the study does not pass).
    mean : ndarray, shape (K,)
        Expected estimates before the start, given that the test passed.
    spread : ndarray, shape (K, K)
        Their covariance, given that the test passed.
    """

    power: float
    mean: Floats
    spread: Floats


def separate_tests_passing(mean: Floats, covariance: Floats, *, critical: float = 1.96) -> Passing:
    """Return what is left if a study passes with no estimate before the start significant by itself.

    Parameters
    ----------
    mean : ndarray, shape (K,)
        Expected estimates: the trend, at the times before the start.
    covariance : ndarray, shape (K, K)
        Positive definite.
    critical : float
        Critical value of each test.

    Returns
    -------
    Passing
        By separation of variables at 16,384 points of a fixed Sobol sequence: no randomness, and a numerical error of
        about 1e-5 for up to ten estimates.

    References
    ----------
    Roth (2022), *American Economic Review: Insights* 4(3), section I.C. Genz (1992), *Journal of Computational and
    Graphical Statistics* 1(2).

    Examples
    --------
    >>> made = separate_tests_passing(np.zeros(2), np.eye(2))
    >>> round(made.power, 4)  # 1 - 0.95^2
    0.0975
    """
    from scipy import special
    from scipy.stats import qmc

    K = len(mean)
    L = np.linalg.cholesky(covariance)
    reach = critical * np.sqrt(np.diag(covariance))
    points = qmc.Sobol(max(K, 1), scramble=True, rng=np.random.default_rng(0)).random(_DRAWS)
    z = np.zeros((_DRAWS, K))
    share = np.ones(_DRAWS)
    for j in range(K):
        at = mean[j] + z[:, :j] @ L[j, :j]
        low, high = (special.ndtr((s * reach[j] - at) / L[j, j]) for s in (-1.0, 1.0))
        share *= high - low
        inside = np.clip(low + points[:, j] * (high - low), 1e-300, 1 - 1e-16)
        z[:, j] = special.ndtri(inside)
    passing = float(share.mean())
    if not passing > 0:
        nothing = np.full((K, K), np.nan)
        return Passing(1.0, nothing[0], nothing)
    weight = share / share.sum()
    draws = mean + z @ L.T
    middle = weight @ draws
    off = draws - middle
    return Passing(1 - passing, middle, (off * weight[:, None]).T @ off)


def joint_test_passing(mean: Floats, covariance: Floats, critical: float) -> Passing:
    """Return what is left if a study passes with a Wald statistic of all estimates before the start below `critical`.

    Parameters
    ----------
    mean : ndarray, shape (K,)
    covariance : ndarray, shape (K, K)
        Positive definite.
    critical : float
        Of ``b' V^-1 b``.

    Returns
    -------
    Passing

    Notes
    -----
    With Q noncentral chi-squared of K degrees of freedom and noncentrality ``lambda = mean' V^-1 mean``, and F_k its
    distribution function at `critical` with k degrees, ``E[b | pass] = mean F_K+2 / F_K`` and ``E[b b' | pass] = (V
    F_K+2 + mean mean' F_K+4) / F_K``, because a squared normal has the density of one with two degrees more when it is
    weighted by itself. The truncation is symmetric about zero, so that passing draws the expectation towards zero.

    Examples
    --------
    >>> made = joint_test_passing(np.array([2.0]), np.eye(1), 1.96**2)
    >>> round(made.power, 4), round(float(made.mean[0]), 4)
    (0.516, 1.1767)
    """
    from scipy import special

    K = len(mean)
    size = float(mean @ np.linalg.solve(covariance, mean))

    def below(k: int) -> float:
        value = special.chdtr(k, critical) if size == 0 else special.chndtr(critical, k, size)
        return float(value)

    passing = below(K)
    if not passing > 0:
        return Passing(1.0, np.full(K, np.nan), np.full((K, K), np.nan))
    first, second = below(K + 2) / passing, below(K + 4) / passing
    middle = mean * first
    square = covariance * first + np.outer(mean, mean) * second
    return Passing(1 - passing, middle, square - np.outer(middle, middle))


def separate_tests_slope(times: Floats, covariance: Floats, power: float, *, critical: float = 1.96) -> float:
    """Return the slope of a straight departure that tests one by one find with probability `power`.

    Parameters
    ----------
    times : ndarray, shape (K,)
        Of the estimates, relative to the reference.
    covariance : ndarray, shape (K, K)
    power : float
        Above the size of the test.
    critical : float

    Returns
    -------
    float
        Per unit of time, above zero; the power is the same for its negative.

    Raises
    ------
    ValueError
        If `power` is no more than the test's size, or not below 1.

    References
    ----------
    Roth (2022), section I.C; ``slope_for_power`` of the R package pretrends.

    Examples
    --------
    >>> round(separate_tests_slope(np.array([-1.0]), np.eye(1), 0.8), 3)  # 1.96 + 0.84
    2.802
    """
    unit = float(np.sqrt(np.diag(covariance)).max() / np.abs(times).max())
    return _where(lambda k: separate_tests_passing(k * times, covariance, critical=critical).power, power, unit)


def joint_test_slope(
    times: Floats, covariance: Floats, power: float, *, size: float = 0.05, df: float = np.inf
) -> float:
    """Return the slope of a straight departure that a joint test finds with probability `power`.

    Parameters
    ----------
    times : ndarray, shape (K,)
    covariance : ndarray, shape (K, K)
    power, size : float
    df : float
        Degrees of freedom of the covariance: Hotelling's test where finite, Wald's where infinite.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If `power` is no more than `size`, or not below 1, or the covariance has fewer degrees of freedom than rows.

    Notes
    -----
    The power of the test is that of a noncentral F (or chi-squared) with ``lambda = slope^2 t' V^-1 t``.

    Examples
    --------
    >>> round(joint_test_slope(np.array([-1.0]), np.eye(1), 0.8), 3), round(
    ...     joint_test_slope(np.array([-1.0]), np.eye(1), 0.8, df=10), 3
    ... )
    (2.802, 3.11)
    """
    from scipy import special

    K = len(times)
    lean = float(times @ np.linalg.solve(covariance, times))
    if np.isinf(df):
        critical = float(special.chdtri(K, size))

        def found(k: float) -> float:
            return 1 - float(special.chndtr(critical, K, k**2 * lean)) if k else size

    else:
        left = df - K + 1
        if left <= 0:
            raise ValueError(f"{K} estimates cannot be tested jointly with {df:.3g} degrees of freedom")
        critical = float(special.fdtri(K, left, 1 - size))

        def found(k: float) -> float:
            return 1 - float(special.ncfdtr(K, left, k**2 * lean, critical)) if k else size

    return _where(found, power, 1 / float(np.sqrt(lean)))


def equivalence_bound(
    estimate: float | Floats, std_error: float | Floats, *, df: float = np.inf, size: float = 0.05
) -> Floats:
    """Return the smallest bound within which an equivalence test puts the size of each coefficient.

    Two one-sided tests at `size`: whoever would call a coefficient negligible below d can do so where d is above the
    value returned. Of several coefficients the largest such value bounds them all at the same size, because every one
    has to pass (intersection and union).

    Parameters
    ----------
    estimate, std_error : float or ndarray
    df : float
        Degrees of freedom of the standard errors.
    size : float

    Returns
    -------
    ndarray
        ``|estimate| + t se``.

    Notes
    -----
    The uniformly most powerful test takes a quantile of the folded normal in place of the sum (Dette and Schumann
    2024). It gives the same bound where the estimate is more than about two standard errors from zero, but bounds
    that shrink to nothing where it happens to lie next to zero however large its error, so that it answers no question
    about the largest trend that the data allow. Two one-sided tests do, and are never the smaller.

    References
    ----------
    Hartman and Hidalgo (2018), *American Journal of Political Science* 62(4). Dette and Schumann (2024), *Journal of
    Business and Economic Statistics* 42(4). Schuirmann (1987).

    Examples
    --------
    >>> round(float(equivalence_bound(-0.1, 0.05)), 4)
    0.1822
    """
    from scipy import special

    upper = special.ndtri(1 - size) if np.isinf(df) else special.stdtrit(df, 1 - size)
    return np.asarray(np.abs(estimate) + upper * np.asarray(std_error), dtype=np.float64)


def _where(found: Callable[[float], float], power: float, unit: float) -> float:
    """Return the slope at which an increasing power reaches what is asked for."""
    from scipy import optimize

    if not found(0.0) < power < 1:
        raise ValueError(f"the power must lie between the size of the test, {found(0.0):.3f}, and 1, not at {power!r}")
    high = unit
    while found(high) < power:
        high *= 2
    return float(optimize.brentq(lambda k: found(k) - power, 0.0, high, xtol=1e-12 * high, rtol=1e-10))

"""Cluster-robust covariance from influences, with the small-sample factor of CRV1."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


def crv1_factor(n_cells: int, n_coefficients: int, n_clusters: int) -> float:
    """Return the CRV1 small-sample factor ``(n - 1) / (n - k) * G / (G - 1)``.

    Parameters
    ----------
    n_cells : int
        Cells that carry information: those of areas and periods that are zero throughout do not count.
    n_coefficients : int
        Coefficients beside the area effects, with one for every period; effects nested in the clusters do not count.
    n_clusters : int

    Returns
    -------
    float
        NaN with fewer than two clusters or no degree of freedom left.

    References
    ----------
    Cameron and Miller (2015), *Journal of Human Resources* 50. The count of coefficients is that of fixest
    and pyfixest ("nonnested").

    Examples
    --------
    >>> round(crv1_factor(1000, 20, 50), 6)
    1.040192
    """
    if n_clusters < 2 or n_cells <= n_coefficients:
        return float("nan")
    return (n_cells - 1) / (n_cells - n_coefficients) * n_clusters / (n_clusters - 1)


def cluster_covariance(influence: NDArray[np.float64], factor: float = 1.0) -> NDArray[np.float64]:
    """Return the covariance of K estimates from the influence of each cluster on them.

    Parameters
    ----------
    influence : ndarray, shape (G, K)
        What each cluster adds to the error of each estimate.
    factor : float
        Small-sample factor, see :func:`crv1_factor`.

    Returns
    -------
    ndarray, shape (K, K)

    Examples
    --------
    >>> cluster_covariance(np.array([[1.0], [-1.0]]), factor=2.0).tolist()
    [[4.0]]
    """
    return factor * (influence.T @ influence)


#: Share of the largest influence below which an area's own is only rounding of zero, and does not count as an area.
LIVE = 1e-9


class SmallSample(NamedTuple):
    """What an interval needs beside a cluster-robust standard error.

    Attributes
    ----------
    inflation : float or ndarray, shape (K,)
        Factor on the standard error; 1 where there is nothing to go by.
    df : float or ndarray, shape (K,)
        Degrees of freedom of Student's t; NaN where there is nothing to go by.
    """

    inflation: Any
    df: Any


def small_sample(
    influence: NDArray[np.float64],
    group: NDArray[np.int64],
    size: NDArray[np.float64] | None = None,
    *,
    factor: float = 1.0,
) -> SmallSample:
    """Return how much wider an interval has to be because each group's mean was taken from few areas.

    Parameters
    ----------
    influence : ndarray, shape (G,) or (G, K)
        What each area adds to the error of the estimate, or of each of K estimates.
    group : ndarray of int, shape (G,)
        Areas that share a fitted mean: a treated cohort, or the untreated.
    size : ndarray, shape (G,), optional
        Events expected of each area, with which its noise grows: see :func:`working_variance`. Equal noise where None.
    factor : float
        Small-sample factor that the variance has already, see :func:`crv1_factor`. It counts the few areas too, and is
        taken out: the interval has the larger of the two corrections, not both.

    Returns
    -------
    SmallSample

    Notes
    -----
    A residual from a mean of n areas has ``(n - 1) / n`` of its variance, so that the squares of a group are divided by
    that, as HC2 and CR2 do (Bell and McCaffrey 2002; exactly so for equal areas). The sum of the groups' variances has
    Satterthwaite's degrees of freedom; a group's own are ``(sum a)^2 / sum a^2 * (n - 1) / n`` with a the working
    variance: n - 1 for equal areas, fewer where a few areas carry most of the variance (Carter, Schnepel and
    Steigerwald 2017).
    A group of one area has no residual and adds nothing: say so elsewhere.

    References
    ----------
    Bell and McCaffrey (2002), *Survey Methodology* 28(2). Carter, Schnepel and Steigerwald (2017), *Review of Economics
    and Statistics* 99(4). Imbens and Kolesar (2016), *Review of Economics and Statistics* 98(4).

    Examples
    --------
    >>> influence = np.array([1.0, -1.0, 1.0, -1.0])
    >>> inflation, df = small_sample(influence, np.array([0, 0, 0, 0]))
    >>> round(inflation**2, 6), round(df, 6)
    (1.333333, 3.0)
    """
    _, label = np.unique(group, return_inverse=True)
    member = np.eye(int(label.max()) + 1)[label]
    flat = influence.ndim == 1
    u = influence[:, None] if flat else influence
    live = (np.abs(u) > LIVE * np.abs(u).max(axis=0, initial=0.0)).astype(np.float64)
    n = member.T @ live
    spread = n
    # an estimate without an event has infinite influences, and gets no answer here
    with np.errstate(divide="ignore", invalid="ignore"):
        square = member.T @ u**2
        if size is not None:
            a = live * working_variance(u, member, size)
            spread = (member.T @ a) ** 2 / (member.T @ a**2)
    found = small_sample_of_sums(square, n, spread, factor=factor)
    return SmallSample(float(found.inflation[0]), float(found.df[0])) if flat else found


def small_sample_of_sums(
    square: NDArray[np.float64],
    n: NDArray[np.float64],
    spread: NDArray[np.float64] | None = None,
    *,
    factor: float = 1.0,
) -> SmallSample:
    """Return what :func:`small_sample` does from sums over each of P groups.

    Parameters
    ----------
    square : ndarray, shape (P, K)
        Sum of the squared influences of each group on each of K estimates.
    n : ndarray, shape (P, K)
        Areas that add more to it than rounding: more than :data:`LIVE` of what any area adds.
    spread : ndarray, shape (P, K), optional
        Areas with equal noise that would be as many: ``(sum a)^2 / sum a^2``; `n` where None.
    factor : float

    Examples
    --------
    >>> found = small_sample_of_sums(np.array([[4.0]]), np.array([[4.0]]))
    >>> round(float(found.inflation[0] ** 2), 6), float(found.df[0])
    (1.333333, 3.0)
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (n - 1) / n
        variance = np.where((n > 1) & (square > 0), square / share, 0.0)
        own_df = np.where(variance > 0, np.maximum((n if spread is None else spread) * share, 1.0), 1.0)
        df = variance.sum(axis=0) ** 2 / (variance**2 / own_df).sum(axis=0)
        own = variance.sum(axis=0) / np.where(variance > 0, square, 0.0).sum(axis=0)
        inflation = np.sqrt(np.maximum(own / factor, 1.0))
    return SmallSample(np.where(np.isfinite(inflation), inflation, 1.0), df)


def working_variance(
    influence: NDArray[np.float64], member: NDArray[np.float64], size: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return each area's variance by a model of chance in counts and of shocks in rates, up to a factor a group.

    Parameters
    ----------
    influence : ndarray, shape (G, K)
    member : ndarray, shape (G, P)
        1 where an area belongs to a group.
    size : ndarray, shape (G,)
        Events expected of each area.

    Returns
    -------
    ndarray, shape (G, K)
        ``phi m + omega m^2``: the first is chance (McCullagh and Nelder 1989, section 6.2), the second shocks that
        move an area's rate; both fitted to the squared influences, relative to `size`, by non-negative least squares.

    Examples
    --------
    >>> m = np.array([1.0, 4.0, 9.0])
    >>> chance = working_variance(np.sqrt(m)[:, None], np.ones((3, 1)), m)[:, 0]
    >>> (chance / chance[0]).round(6).tolist()
    [1.0, 4.0, 9.0]
    """
    total = (member @ (member.T @ size))[:, None]
    m = size[:, None]
    seen = (m > 0) & (np.abs(influence) > 0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # influences of a group are deviations over its total, so that this is the square of the deviation over m
        square = np.where(seen, (influence * total / m) ** 2, 0.0)
        chance = np.where(seen, 1 / m, 0.0)
    one = seen.astype(np.float64)
    cc, c1, n = (chance * chance).sum(axis=0), chance.sum(axis=0), one.sum(axis=0)
    cs, s1 = (chance * square).sum(axis=0), square.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        gap = cc * n - c1**2
        phi, omega = (n * cs - c1 * s1) / gap, (cc * s1 - c1 * cs) / gap
        # at a limit the other is fitted alone; equal sizes cannot tell the two apart
        alone = ~(gap > 1e-9 * cc * n)
        phi, omega = np.where(alone | (phi < 0), 0.0, phi), np.where(alone | (phi < 0), s1 / n, omega)
        phi, omega = np.where(omega < 0, cs / cc, phi), np.where(omega < 0, 0.0, omega)
    # of an area of which next to nothing is expected the squares run over, and tell nothing
    phi, omega = (np.where(np.isfinite(v), v, 0.0) for v in (phi, omega))
    return np.asarray(phi * m + omega * m**2)


def shrink_correlation(correlation: NDArray[np.float64], n: float) -> NDArray[np.float64]:
    """Draw a correlation matrix that rests on few areas towards none.

    Parameters
    ----------
    correlation : ndarray, shape (K, K)
    n : float
        Independent areas that it rests on.

    Returns
    -------
    ndarray, shape (K, K)
        ``(1 - s) correlation + s I`` with the share s that minimises the expected squared error: near 1 when the
        correlations are no larger than chance gives with n areas, near 0 when they are large or n is.

    References
    ----------
    Schaefer and Strimmer (2005), *Statistical Applications in Genetics and Molecular Biology* 4(1), 32, target D.

    Examples
    --------
    >>> shrink_correlation(np.array([[1.0, 0.1], [0.1, 1.0]]), n=10).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    K = len(correlation)
    off = ~np.eye(K, dtype=bool)
    r2 = correlation[off] ** 2
    total = float(r2.sum())
    noise = float(((1 - r2) ** 2).sum()) / max(n - 1, 1.0)
    share = 1.0 if noise >= total else noise / total
    shrunk = (1 - share) * correlation
    np.fill_diagonal(shrunk, 1.0)
    return shrunk

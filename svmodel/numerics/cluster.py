"""Cluster-robust covariance from influences, with the small-sample factor of CRV1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["cluster_covariance", "crv1_factor", "shrink_correlation"]


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

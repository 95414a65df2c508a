"""Cells without an event that a Poisson regression fits with an expected count of zero, by running away."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from svmodel.numerics.two_way import TwoWay
from svmodel.numerics.two_way.linear_fe import fit_linear

_TOLERANCE = 1e-3
_MOST_STEPS = 50


def separated_cells(y: NDArray[np.float64], terms: TwoWay) -> NDArray[np.bool_]:
    """Find the cells that are separated: some combination of the columns is zero wherever there is an event.

    The likelihood has no maximum then; it rises as the expected counts of these cells go to zero. Without
    them it has one, and the other coefficients are the same (Correia, Guimaraes and Zylkin 2021, the
    iterative rectifier of section 3).

    Parameters
    ----------
    y : ndarray, shape (N, T)
        Non-negative where ``terms.use``.
    terms : TwoWay
        Without columns that depend on each other.

    Returns
    -------
    ndarray of bool, shape (N, T)

    References
    ----------
    Correia, Guimaraes and Zylkin (2021). Verifying the existence of maximum likelihood estimates for generalized
    linear models. arXiv:1903.01633.

    Examples
    --------
    >>> from svmodel.numerics.two_way import TwoWay
    >>> y = np.array([[2.0, 3.0, 4.0], [5.0, 0.0, 6.0]])
    >>> group = np.array([[-1, 0, -1], [-1, -1, -1]])
    >>> separated_cells(y, TwoWay(np.ones((2, 3), dtype=bool), group=group)).astype(int).tolist()
    [[0, 0, 0], [0, 1, 0]]
    """
    use = terms.use
    empty = use & (np.where(use, y, 0.0) == 0)
    target = empty.astype(np.float64)
    weights = np.where(empty, 1.0, max(float(empty.sum()), 1.0) / _TOLERANCE**2)
    fitted = target
    for _ in range(_MOST_STEPS):
        fit = fit_linear(target, terms, np.where(use, weights, 0.0))
        fitted = np.where(empty, target - fit.residual / weights, 0.0)
        fitted[np.abs(fitted) < _TOLERANCE] = 0.0
        if (fitted >= 0).all():
            break
        target = np.maximum(fitted, 0.0)
    return empty & (fitted > 0)

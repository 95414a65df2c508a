"""Logistic regression that stays finite where a regressor tells the groups apart: Firth's penalised likelihood."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from svmodel.numerics.arrays import Floats

_MOST_STEPS = 200
_SETTLED = 1e-8
_LARGEST_STEP = 2.0


class FirthFit(NamedTuple):
    """What :func:`firth_logistic` answers.

    Attributes
    ----------
    coefficients : ndarray, shape (K,)
    probability : ndarray, shape (N,)
        Fitted probability of each row.
    converged : bool
    """

    coefficients: Floats
    probability: Floats
    converged: bool


def firth_logistic(chosen: Floats, X: Floats) -> FirthFit:
    """Fit a logistic regression under Jeffreys' prior.

    Solves ``sum_i (y_i - p_i + h_i (1/2 - p_i)) x_i = 0`` with h the leverages of the weighted regression. The solution
    is finite whatever the data, also where a threshold in a regressor separates the two groups completely.

    Parameters
    ----------
    chosen : ndarray, shape (N,)
        0 or 1.
    X : ndarray, shape (N, K)
        With a column of ones if a constant is wanted; of full rank.

    Returns
    -------
    FirthFit

    References
    ----------
    Firth (1993), *Biometrika* 80(1), 27-38; Heinze and Schemper (2002), *Statistics in Medicine* 21, 2409-2419.

    Examples
    --------
    >>> fit = firth_logistic(np.array([0.0, 0.0, 1.0, 1.0]), np.column_stack([np.ones(4), [-2.0, -1.0, 1.0, 2.0]]))
    >>> bool(np.isfinite(fit.coefficients).all()), fit.probability.round(2).tolist()
    (True, [0.12, 0.27, 0.73, 0.88])
    """
    beta = np.zeros(X.shape[1])
    for _ in range(_MOST_STEPS):
        p = _expit(X @ beta)
        weight = np.maximum(p * (1 - p), 1e-12)
        inverse = np.linalg.pinv((X * weight[:, None]).T @ X, hermitian=True)
        leverage = weight * np.einsum("ij,jk,ik->i", X, inverse, X)
        step = inverse @ (X.T @ (chosen - p + leverage * (0.5 - p)))
        largest = float(np.abs(step).max())
        beta = beta + step * min(1.0, _LARGEST_STEP / largest if largest > 0 else 1.0)
        if largest < _SETTLED:
            return FirthFit(beta, _expit(X @ beta), converged=True)
    return FirthFit(beta, _expit(X @ beta), converged=False)


def _expit(eta: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(eta, -30, 30))), dtype=np.float64)

"""Doubly robust difference-in-differences of two groups and two periods, many outcome changes at once.

The three estimators of Sant'Anna and Zhao (2020) for panel data, as R's DRDID computes them: outcome
regression, inverse probability weighting with normalised weights, and the doubly robust combination.
The columns of ``change`` share the areas, the groups and the covariates, so that one propensity score
and one least-squares projection serve all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: A fitted propensity at or above this means that some area is all but sure to be treated: no overlap
#: (the same limit as R's did).
OVERLAP_LIMIT = 0.999
#: Controls whose propensity is at or above this are given no weight (the default of R's DRDID).
TRIM_LEVEL = 0.995
#: Standardised covariates whose cross-product has a reciprocal condition number below this are collinear.
SINGULAR = 1e-12


@dataclass(frozen=True, eq=False)
class TwoByTwo:
    """Effects of one set of areas, or the reason why there are none.

    Attributes
    ----------
    att : ndarray, shape (K,)
        Average effect on the treated, in the units of ``change``; NaN where `failure` says why.
    influence : ndarray, shape (M, K)
        Contribution of each area to the error of `att`: its variance is the sum of squares of a column.
        It is the influence function of the paper divided by the number of areas.
    trimmed : ndarray of bool, shape (M,)
        Controls left without weight because their propensity is too high.
    failure : str
        Empty where the effect is identified.
    """

    att: NDArray[np.float64]
    influence: NDArray[np.float64]
    trimmed: NDArray[np.bool_]
    failure: str = ""


def doubly_robust(
    change: NDArray[np.float64],
    treated: NDArray[np.bool_],
    covariates: NDArray[np.float64],
    *,
    method: str = "dr",
) -> TwoByTwo:
    """Effect on the treated of K outcome changes, given covariates.

    Parameters
    ----------
    change : ndarray, shape (M, K)
        Outcome after less outcome before, for each area.
    treated : ndarray of bool, shape (M,)
        Treated areas; the others are controls.
    covariates : ndarray, shape (M, P)
        As of before; no column of ones.
    method : {"dr", "reg", "ipw"}
        ``dr`` is right if either the outcome regression or the propensity score is right, ``reg`` rests
        on the first alone and ``ipw`` on the second alone.

    Returns
    -------
    TwoByTwo
        `failure` is set where there are no treated or no control areas, the covariates are collinear among
        the areas used, or treated and control areas do not overlap.

    References
    ----------
    Sant'Anna, P. H. C. and Zhao, J. (2020), Doubly robust difference-in-differences estimators, *Journal of
    Econometrics* 219: eq. 2.2 (outcome regression), 2.4 with normalised weights (propensity), 2.6 and
    Theorem A.1 (doubly robust, panel data, estimated by OLS and logit as in R's ``drdid_panel``).

    Examples
    --------
    >>> change = np.array([[3.0], [5.0], [1.0], [2.0], [3.0]])
    >>> treated = np.array([True, True, False, False, False])
    >>> size = np.array([[1.0], [3.0], [1.0], [2.0], [3.0]])
    >>> doubly_robust(change, treated, size, method="reg").att
    array([2.])
    """
    nothing = TwoByTwo(
        np.full(change.shape[1], np.nan), np.full(change.shape, np.nan), np.zeros(len(treated), dtype=bool)
    )
    D = treated.astype(np.float64)
    if not treated.any() or treated.all():
        return _failed(nothing, "no treated or no control areas")
    X = _standardised(covariates)
    control = ~treated
    gram_control = X[control].T @ X[control]
    if method != "ipw" and _singular(gram_control):
        return _failed(nothing, "the covariates are collinear, or too many, for the control areas")
    if method == "reg":
        ps, trimmed = np.zeros(len(D)), nothing.trimmed
    else:
        if _singular(X.T @ X):
            return _failed(nothing, "the covariates are collinear, or too many, for the areas")
        fitted = logit_probabilities(treated, X)
        if fitted is None or fitted.max() >= OVERLAP_LIMIT:
            return _failed(nothing, "no overlap: the covariates tell treated from control areas")
        ps, trimmed = fitted, control & (fitted >= TRIM_LEVEL)

    # Residual change: less what the controls' regression on the covariates leads one to expect.
    if method == "ipw":
        residual, leverage = change, np.zeros_like(X)
    else:
        leverage = np.asarray(np.linalg.solve(gram_control, (X * control[:, None]).T).T, dtype=np.float64)
        residual = change - X @ (leverage.T @ change)

    n_treated = D.sum()
    eta_treated = D @ residual / n_treated
    influence = D[:, None] * (residual - eta_treated) / n_treated
    influence -= residual * (leverage @ (D @ X / n_treated))[:, None]
    if method == "reg":
        return TwoByTwo(eta_treated, influence, trimmed)

    w = np.where(control & ~trimmed, ps / (1 - ps), 0.0)
    total = w.sum()
    if not total > 0:
        return _failed(nothing, "no overlap: no control area is like the treated ones")
    w = w / total
    eta_control = w @ residual
    deviation = w[:, None] * (residual - eta_control)
    information = X.T @ ((ps * (1 - ps))[:, None] * X)
    if _singular(information):
        return _failed(nothing, "no overlap: the propensity score is not identified")
    score = (D - ps)[:, None] * X
    influence -= deviation + score @ np.linalg.solve(information, X.T @ deviation)
    influence += residual * (leverage @ (w @ X))[:, None]
    return TwoByTwo(eta_treated - eta_control, influence, trimmed)


def logit_probabilities(
    treated: NDArray[np.bool_], X: NDArray[np.float64], *, max_iterations: int = 50
) -> NDArray[np.float64] | None:
    """Fitted probabilities of a logit of `treated` on the columns of X, by Newton's method.

    Parameters
    ----------
    treated : ndarray of bool, shape (M,)
    X : ndarray, shape (M, P)
        With its column of ones.
    max_iterations : int

    Returns
    -------
    ndarray, shape (M,), or None
        None where there is no maximum: the covariates separate the groups.

    Examples
    --------
    >>> logit_probabilities(np.array([True, False, False, False]), np.ones((4, 1))).round(6).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    D = treated.astype(np.float64)
    share = D.mean()
    beta = np.zeros(X.shape[1])
    beta[0] = np.log(share / (1 - share))
    linear = X @ beta
    likelihood = _log_likelihood(D, linear)
    for _ in range(max_iterations):
        ps = 1 / (1 + np.exp(-linear))
        information = X.T @ ((ps * (1 - ps))[:, None] * X)
        try:
            step = X @ np.linalg.solve(information, X.T @ (D - ps))
        except np.linalg.LinAlgError:
            return None
        before = likelihood
        for halving in range(10):
            moved = np.clip(linear + step / 2**halving, -500, 500)
            likelihood = _log_likelihood(D, moved)
            if likelihood >= before - 1e-12 * len(D):
                break
        linear = moved
        if np.abs(step).max() < 1e-7:  # Newton's error squares with each step, so that 1e-14 is left after this one
            return np.asarray(1 / (1 + np.exp(-linear)))
    return None


def _log_likelihood(D: NDArray[np.float64], linear: NDArray[np.float64]) -> float:
    return float(D @ linear - np.logaddexp(0.0, linear).sum())


def _standardised(covariates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add a column of ones; centre and scale the others, which changes no fitted value."""
    spread = covariates.std(axis=0)
    level = np.abs(covariates).max(axis=0, initial=0.0)
    scale = np.where(spread > 1e-12 * level, spread, np.inf)  # a constant column becomes 0, hence collinear
    return np.column_stack([np.ones(len(covariates)), (covariates - covariates.mean(axis=0)) / scale])


def _singular(gram: NDArray[np.float64]) -> bool:
    values = np.linalg.eigvalsh(gram)
    return bool(values[0] <= SINGULAR * values[-1])


def _failed(nothing: TwoByTwo, reason: str) -> TwoByTwo:
    return TwoByTwo(nothing.att, nothing.influence, nothing.trimmed, reason)

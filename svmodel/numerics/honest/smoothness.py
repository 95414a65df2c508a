"""Bounds if a drift may bend a little: the optimal fixed-length interval under smoothness."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from svmodel.numerics.arrays import Floats
from svmodel.numerics.honest import EventStudy, steps


class FixedLength(NamedTuple):
    """An interval ``estimate -+ half_length`` and the estimator in its middle.

    Attributes
    ----------
    low, high : float
    estimate : float
    half_length : float
    std_error : float
        Of the estimator.
    bias : float
        Its largest bias over the departures that are allowed.
    weights : ndarray, shape (K + T,)
        The estimator.
    gap : float
        Relative duality gap of the optimum: what a better estimator could still win.
    """

    low: float
    high: float
    estimate: float
    half_length: float
    std_error: float
    bias: float
    weights: Floats
    gap: float


def folded_normal_quantile(ratio: float, level: float = 0.95) -> float:
    """Return the quantile of ``|N(ratio, 1)|``: the critical value of an estimator with bias `ratio` standard errors.

    References
    ----------
    Armstrong and Kolesar (2018), *Econometrica* 86(2): their ``cv_alpha``.

    Examples
    --------
    >>> round(folded_normal_quantile(0.0), 4), round(folded_normal_quantile(2.0), 4)
    (1.96, 3.6449)
    """
    from scipy import optimize, special

    t = abs(ratio)

    def miss(c: float) -> float:
        return float(special.ndtr(t - c) + special.ndtr(-c - t)) - (1 - level)

    low = t + float(special.ndtri(level))
    high = t + float(special.ndtri(0.5 + level / 2)) + 1e-9
    if miss(low) <= 0:  # so far out that the other tail is below rounding
        return low
    return float(optimize.brentq(miss, low, high, xtol=1e-14, rtol=1e-14))


def smoothness_interval(study: EventStudy, bound: float, *, level: float = 0.95) -> FixedLength:
    """Return the shortest fixed-length interval if the departure's slope changes by at most `bound` per period.

    ``bound = 0`` lets treated and control areas drift apart along any straight line, which is extrapolated.

    Parameters
    ----------
    study : EventStudy
    bound : float
        M, in the units of the estimates per period and period.
    level : float

    Returns
    -------
    FixedLength
        Its interval covers the estimand with at least `level` for every departure in the set, and exactly so for the
        worst.

    Raises
    ------
    ValueError
        If `bound` is negative or not finite.
    ArithmeticError
        If the optimum was not reached (relative gap above 1e-6).

    Notes
    -----
    An affine estimator with a finite bias is ``(B'c + D'u)' beta``: c follows from the estimand, u is free (one value
    for each bend before the reference). Its largest bias is ``M (|c|_1 + |u|_1)`` and its variance quadratic in u, so
    that the estimators on the frontier of bias and variance are those of a lasso in u, solved to its duality gap.
    With bias b, standard error h and t = b / h the half-length ``h cv(t)`` is least where
    ``M h cv'(t) = mu (cv(t) - t cv'(t))``, mu being the lasso's penalty, and ``cv'(t) = tanh(t cv(t))``.

    References
    ----------
    Rambachan and Roth (2023), *Review of Economic Studies* 90(5), section 4.1. Armstrong and Kolesar
    (2020), *Quantitative Economics* 11(1).

    Examples
    --------
    >>> from svmodel.numerics.honest import EventStudy
    >>> study = EventStudy(np.array([-0.02, 0.0, -0.3]), np.eye(3) * 0.01, pre=2)
    >>> made = smoothness_interval(study, 0.0)
    >>> round(made.estimate, 3), round(made.half_length, 3)  # the line through 0 and the two leads goes on
    (-0.308, 0.215)
    """
    from scipy import optimize

    if not (math.isfinite(bound) and bound >= 0):
        raise ValueError(f"the bound on the change of slope must be at least 0, not {bound!r}")
    made = steps(study, "bend")
    root = _root(study.covariance)
    base, moves = made.extrapolated, made.before
    X, y = root @ moves.T, -root @ base
    path = _Lasso(X, y)
    fixed = float(np.abs(made.reach).sum())

    def at(mu: float) -> tuple[Floats, float, float]:
        u = path.at(mu)
        return u, float(np.linalg.norm(X @ u - y)), bound * (fixed + float(np.abs(u).sum()))

    def slope(mu: float) -> float:
        _, h, b = at(mu)
        if h <= 0:
            return bound
        cv = folded_normal_quantile(b / h, level)
        rise = math.tanh(cv * b / h)
        return bound * h * rise - mu * (cv - b / h * rise)

    mu = 0.0
    if bound > 0 and path.top > 0:
        mu = path.top if slope(path.top) >= 0 else float(optimize.brentq(slope, 0.0, path.top, xtol=1e-15, rtol=1e-13))
    u, h, b = at(mu)
    gap = _gap(X, y, u, mu)
    if gap > 1e-6:
        raise ArithmeticError(f"the shortest interval was not found: its relative duality gap is {gap:.1e}")
    weights = base + moves.T @ u
    estimate = float(weights @ study.estimate)
    half = h * folded_normal_quantile(b / h, level) if h > 0 else b
    return FixedLength(estimate - half, estimate + half, estimate, half, h, b, weights, gap)


def smoothness_set(study: EventStudy, bound: float) -> tuple[float, float]:
    """Return the values of the estimand if the estimates had no error: the last slope goes on and may bend.

    Examples
    --------
    >>> from svmodel.numerics.honest import EventStudy
    >>> study = EventStudy(np.array([0.1, 0.0, -0.3]), np.eye(3) * 0.01, pre=2)
    >>> [round(v, 3) for v in smoothness_set(study, 0.05)]
    [-0.35, -0.25]
    """
    made = steps(study, "bend")
    middle = float(made.extrapolated @ study.estimate)
    half = bound * float(np.abs(made.reach).sum())
    return middle - half, middle + half


def smoothness_breakdown(study: EventStudy, *, level: float = 0.95) -> float:
    """Return the largest bound at which :func:`smoothness_interval` leaves out zero; NaN if it holds zero at 0.

    Examples
    --------
    >>> from svmodel.numerics.honest import EventStudy
    >>> study = EventStudy(np.array([-0.02, 0.0, -0.3]), np.eye(3) * 0.0025, pre=2)
    >>> round(smoothness_breakdown(study), 3)
    0.184
    """
    from scipy import optimize

    def margin(bound: float) -> float:
        made = smoothness_interval(study, bound, level=level)
        return abs(made.estimate) - made.half_length

    if margin(0.0) <= 0:
        return math.nan
    high = max(abs(study.theta), study.std_error)
    while margin(high) > 0:
        high *= 2
    return float(optimize.brentq(margin, 0.0, high, xtol=1e-12, rtol=1e-9))


def _root(covariance: Floats) -> Floats:
    """Return R with R'R the covariance, which may be singular."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return np.sqrt(np.clip(values, 0.0, None))[:, None] * vectors.T


class _Lasso:
    """Minimiser of ``|X u - y|^2 / 2 + mu |u|_1``, through its dual.

    With X = QR the dual is ``min |Q'y - mu R^-T s|`` over the box ``|s| <= 1``, a bounded least-squares problem that an
    active-set method ends exactly, ties included; its residual is R u.
    """

    def __init__(self, X: Floats, y: Floats) -> None:
        n = X.shape[1]
        # a singular covariance leaves directions without variance; they get one that is far below any digit
        size = float((X**2).sum(axis=0).max(initial=0.0))
        taller = np.vstack([X, math.sqrt(1e-14 * size) * np.eye(n)])
        Q, self._R = np.linalg.qr(taller)
        self._target = Q.T @ np.concatenate([y, np.zeros(n)])
        self._box = np.linalg.solve(self._R.T, np.eye(n)) if size > 0 else np.zeros((n, n))
        self.top = float(np.abs(X.T @ y).max(initial=0.0)) if size > 0 else 0.0

    def at(self, mu: float) -> Floats:
        """Return the minimiser at `mu`."""
        from scipy import optimize

        if self.top == 0 or mu >= self.top:
            return np.zeros(len(self._target))
        rest = self._target
        if mu > 0:
            scale = float(np.linalg.norm(rest))
            found = optimize.lsq_linear(
                mu * self._box / scale, rest / scale, (-1, 1), method="bvls", tol=1e-15, max_iter=100 * len(rest)
            )
            rest = rest - mu * self._box @ found.x
        u = np.linalg.solve(self._R, rest)
        return np.asarray(u)


def _gap(X: Floats, y: Floats, u: Floats, mu: float) -> float:
    """Return the lasso's duality gap, relative to the size of what is fitted."""
    if X.shape[1] == 0:
        return 0.0
    rest = y - X @ u
    size = float(y @ y)
    pull = float(np.abs(X.T @ rest).max())
    scale = math.sqrt(float((X**2).sum(axis=0).max()) * size)
    if size == 0 or scale == 0:
        return 0.0
    if mu <= 1e-12 * scale:  # least squares: the normal equations hold
        return max(pull - mu, 0.0) / scale
    dual = rest * min(1.0, mu / pull) if pull > 0 else rest
    primal = 0.5 * float(rest @ rest) + mu * float(np.abs(u).sum())
    return (primal - 0.5 * size + 0.5 * float((y - dual) @ (y - dual))) / (0.5 * size)

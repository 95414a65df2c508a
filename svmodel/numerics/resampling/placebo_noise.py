"""How far an area's observed count strays from its expected one, learnt from untreated areas.

A single treated area cannot show its own noise: the cluster-robust variance takes its residual as its effect. Untreated
areas can: the same window of months is imputed for each of them from the same months before, as if it had been treated,
and the squared misses are set against their size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svmodel.numerics.arrays import Floats, Mask

FEWEST_AREAS = 10


@dataclass(frozen=True, eq=False)
class Noise:
    """Variance of observed less expected as a function of the expected count, ``phi E + omega E^2``, by window.

    Attributes
    ----------
    phi, omega : ndarray, shape (W,)
        NaN where fewer than ten untreated areas could be followed over the window.
    share : ndarray, shape (W,)
        Length of the window as a share of what the level is taken from; the expected count's own part of the
        variance is ``share / (1 + share)``.
    areas : ndarray of int, shape (W,)
        Untreated areas it was learnt from.
    correlation : ndarray, shape (W, W)
        Of the misses of one area in different windows.
    placebos : tuple of (misses, deviations), shape (J,) each
        For each window the misses and their standard deviations at what was expected of the area, as a treated area's
        would be: from the cells before the window alone. Empty where nothing was learnt.
    """

    phi: Floats
    omega: Floats
    share: Floats
    areas: NDArray[np.int64]
    correlation: Floats
    placebos: tuple[tuple[Floats, Floats], ...]


def learn_noise(
    y: Floats, shape: Floats, level: Floats, use: Mask, level_cells: Mask, windows: Floats, *, counts: bool = True
) -> Noise:
    """Learn the noise of sums over windows from untreated areas.

    Parameters
    ----------
    y, shape : ndarray, shape (N, T)
        Outcome, and expected count up to the area's level.
    level : ndarray, shape (N,)
        Level of each area from all its untreated cells; gives the size that the noise is set against, free of the
        luck of the cells before the window.
    use : ndarray of bool, shape (N, T)
        Untreated cells.
    level_cells : ndarray of bool, shape (T,)
        Periods that the level of the treated area was taken from.
    windows : ndarray, shape (W, T)
        Weight of each period in each window; 0 outside.
    counts : bool
        Whether `y` counts events: then the noise is never taken to be below that of a Poisson count.

    Returns
    -------
    Noise

    Notes
    -----
    ``E[d^2] = phi E + omega E^2`` is fitted to the misses ``d`` of the areas by non-negative least squares, with
    weights ``1 / Var(d^2)`` proportional to the inverse square of the fit, repeated to convergence.

    References
    ----------
    Ferman and Pinto (2019), *Review of Economics and Statistics* 101: few treated groups whose variance depends on
    their size. Conley and Taber (2011), same journal 93: the noise of untreated groups stands for that of treated ones.
    """
    inside = windows != 0
    at_risk = (use | ~level_cells[None, :]).all(axis=1) & (level > 0)
    rows = np.flatnonzero(at_risk)
    followed = ~((~use[rows]).astype(np.float64) @ inside.T.astype(np.float64) > 0)
    outcome = np.where(use[rows], y[rows], 0.0)
    base = np.where(use[rows], shape[rows], 0.0)
    before = base[:, level_cells].sum(axis=1)
    usable = before > 0
    own = np.divide(outcome[:, level_cells].sum(axis=1), before, out=np.zeros(len(rows)), where=usable)
    span = base @ windows.T
    miss = outcome @ windows.T - own[:, None] * span
    size = level[rows, None] * span
    W = len(windows)
    phi, omega, share = np.full(W, np.nan), np.full(W, np.nan), np.full(W, np.nan)
    areas = np.zeros(W, dtype=np.int64)
    standard = np.zeros_like(miss)
    placebos = [(np.empty(0), np.empty(0))] * W
    for w in range(W):
        take = followed[:, w] & usable & (size[:, w] > 0)
        # an area of which nothing is expected has no effect either where it is treated
        heard = take & (own > 0)
        areas[w] = int(heard.sum())
        if areas[w] < FEWEST_AREAS:
            continue
        share[w] = float((span[take, w] / before[take]).mean())
        squares = windows[w][inside[w]]
        floor = float((squares**2).sum() / squares.sum()) * (1 + share[w]) if counts else 0.0
        floor *= float(not (inside[w] & level_cells).any())
        phi[w], omega[w] = variance_function(miss[take, w] ** 2, size[take, w], floor)
        deviation = np.sqrt(phi[w] * size[take, w] + omega[w] * size[take, w] ** 2)
        # areas that never stray have a miss of nothing in a noise of nothing
        standard[take, w] = np.divide(miss[take, w], deviation, out=np.zeros(len(deviation)), where=deviation > 0)
        told = (own[:, None] * span)[heard, w]
        placebos[w] = miss[heard, w], np.sqrt(phi[w] * told + omega[w] * told**2)
    own_square = np.sqrt((standard**2).sum(axis=0))
    own_square[own_square == 0] = 1.0
    correlation = (standard.T @ standard) / np.outer(own_square, own_square)
    np.fill_diagonal(correlation, 1.0)
    return Noise(phi, omega, share, areas, correlation, tuple(placebos))


def variance_function(squared: Floats, size: Floats, floor: float) -> tuple[float, float]:
    """Fit ``E[squared] = phi size + omega size^2`` with ``phi >= floor`` and ``omega >= 0``."""
    fitted = size * max(float(squared.sum() / size.sum()), floor, 1e-12)
    phi, omega = float("nan"), 0.0
    powers = np.stack([size, size**2])
    for _ in range(30):
        weighted = powers / fitted**2
        (a, b), (_, c) = (weighted @ powers.T).tolist()
        r, s = (weighted @ squared).tolist()
        determinant = a * c - b * b
        old = phi, omega
        if determinant > 1e-12 * a * c:
            phi, omega = (c * r - b * s) / determinant, (a * s - b * r) / determinant
        if omega < 0 or determinant <= 1e-12 * a * c:
            phi, omega = r / a, 0.0
        if phi < floor:
            phi, omega = floor, max((s - floor * b) / c, 0.0)
        fitted = np.maximum(phi * size + omega * size**2, 1e-12)
        if abs(phi - old[0]) + abs(omega - old[1]) < 1e-9 * (abs(phi) + abs(omega)):
            break
    return phi, omega


def ratio_interval(
    observed: float,
    expected: float,
    linear: float,
    square: float,
    critical: float | tuple[float, float],
    fixed: float = 0.0,
) -> tuple[float, float]:
    """Return the ratios R that ``observed`` does not reject as ``R * expected``.

    The variance of ``observed - R * expected`` is ``linear * R + square * R^2 + fixed``; R is kept while the miss is
    within `critical` standard deviations. It is the interval of a score test, so it holds for small and for zero
    counts.

    Parameters
    ----------
    observed, expected : float
        Events; `expected` positive.
    linear, square : float
        In events squared.
    critical : float or (low, high)
        Critical value, e.g. 1.96; or the least and the greatest miss that is kept, where misses are skewed.
    fixed : float
        Variance that does not change with R, in events squared.

    Returns
    -------
    low, high : float
        ``high`` is infinite when the expected count is too uncertain to bound it.

    References
    ----------
    Fieller (1954), *Journal of the Royal Statistical Society B* 16, with a variance that depends on the ratio.

    Examples
    --------
    >>> low, high = ratio_interval(0, 10, 10, 0, 1.96)
    >>> low, round(high, 4)
    (0.0, 0.3842)
    """
    least, greatest = critical if isinstance(critical, tuple) else (-critical, critical)
    return (
        _root(observed, expected, (linear, square, fixed), greatest, upper=False),
        _root(observed, expected, (linear, square, fixed), least, upper=True),
    )


def _root(observed: float, expected: float, variance: tuple[float, float, float], q: float, *, upper: bool) -> float:
    """Return the ratio at which the miss is q standard deviations: of the two, the greater where `upper`."""
    linear, square, fixed = variance
    if not np.isfinite(q):
        return float("inf") if upper else 0.0
    spread = q**2
    a = expected**2 - spread * square
    b = 2 * observed * expected + spread * linear
    c = observed**2 - spread * fixed
    root = float(np.sqrt(max(b * b - 4 * a * c, 0.0)))
    if upper:
        if a <= 0:
            return float("inf")
        return max((b + root) / (2 * a), 0.0)
    return max(2 * c / (b + root), 0.0) if b + root > 0 else 0.0

"""How far an area's observed count strays from its expected one, learnt from untreated areas.

A single treated area cannot show its own noise: the cluster-robust variance takes its residual as its effect. Untreated
areas can: the same window of months is imputed for each of them from the same months before, as if it had been treated,
and the squared misses are set against their size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
    take = followed & usable[:, None] & (size > 0)
    # an area of which nothing is expected has no effect either where it is treated
    heard = take & (own > 0)[:, None]
    areas = heard.sum(axis=0)
    W = len(windows)
    phi, omega, share = np.full(W, np.nan), np.full(W, np.nan), np.full(W, np.nan)
    standard = np.zeros_like(miss)
    placebos = [(np.empty(0), np.empty(0))] * W
    live = np.flatnonzero(areas >= FEWEST_AREAS)
    if len(live):
        there, lie = take[:, live], size[:, live]
        with np.errstate(divide="ignore", invalid="ignore"):
            lengths = span[:, live] / before[:, None]
        share[live] = np.where(there, lengths, 0.0).sum(axis=0) / there.sum(axis=0)
        floor = np.zeros(len(live))
        if counts:
            held = windows[live]
            floor = (held**2).sum(axis=1) / held.sum(axis=1) * (1 + share[live])
            floor *= ~(inside[live] & level_cells).any(axis=1)
        phi[live], omega[live] = variance_functions(miss[:, live] ** 2, lie, there, floor)
        deviation = np.sqrt(phi[live] * lie + omega[live] * lie**2)
        # areas that never stray have a miss of nothing in a noise of nothing
        standard[:, live] = np.divide(
            miss[:, live], deviation, out=np.zeros_like(deviation), where=there & (deviation > 0)
        )
        told = own[:, None] * span[:, live]
        as_told = np.sqrt(phi[live] * told + omega[live] * told**2)
        for k, w in enumerate(live):
            mine = heard[:, w]
            placebos[w] = miss[mine, w], as_told[mine, k]
    own_square = np.sqrt((standard**2).sum(axis=0))
    own_square[own_square == 0] = 1.0
    correlation = (standard.T @ standard) / np.outer(own_square, own_square)
    np.fill_diagonal(correlation, 1.0)
    return Noise(phi, omega, share, areas, correlation, tuple(placebos))


def variance_function(squared: Floats, size: Floats, floor: float) -> tuple[float, float]:
    """Fit ``E[squared] = phi size + omega size^2`` with ``phi >= floor`` and ``omega >= 0``."""
    everything = np.ones((len(size), 1), dtype=bool)
    phi, omega = variance_functions(squared[:, None], size[:, None], everything, np.array([floor]))
    return float(phi[0]), float(omega[0])


def variance_functions(squared: Floats, size: Floats, take: Mask, floor: Floats) -> tuple[Floats, Floats]:
    """Fit ``E[squared] = phi size + omega size^2`` with ``phi >= floor`` and ``omega >= 0`` to each of W columns.

    Parameters
    ----------
    squared, size : ndarray, shape (J, W)
    take : ndarray of bool, shape (J, W)
        Which rows a column is fitted to.
    floor : ndarray, shape (W,)

    Returns
    -------
    phi, omega : ndarray, shape (W,)
    """
    W = len(floor)
    phi, omega = np.full(W, np.nan), np.zeros(W)
    left, going = np.arange(W), np.ones(W, dtype=bool)
    size, squared = np.where(take, size, 0.0).T, np.where(take, squared, 0.0).T
    fitted = size * np.maximum(np.maximum(squared.sum(axis=1) / size.sum(axis=1), floor), 1e-12)[:, None]
    # what is weighted and summed over areas, window by window: (W, 5, J)
    terms = np.stack([size**2, size**3, size**4, size * squared, size**2 * squared], axis=1)
    for _ in range(30):
        weight = np.divide(1.0, fitted**2, out=np.zeros_like(fitted), where=size > 0)
        a, b, c, r, s = (terms @ weight[:, :, None])[:, :, 0].T
        determinant = a * c - b * b
        told = determinant > 1e-12 * a * c
        with np.errstate(divide="ignore", invalid="ignore"):
            p, o = (c * r - b * s) / determinant, (a * s - b * r) / determinant
        alone = ~told | (o < 0)
        p, o = np.where(alone, r / a, p), np.where(alone, 0.0, o)
        low = p < floor
        p, o = np.where(low, floor, p), np.where(low, np.maximum((s - floor * b) / c, 0.0), o)
        moved = np.abs(p - phi[left]) + np.abs(o - omega[left])
        # one that has settled stays as it is, however long those beside it take
        p, o = np.where(going, p, phi[left]), np.where(going, o, omega[left])
        phi[left], omega[left] = p, o
        going &= ~(moved < 1e-9 * (np.abs(p) + np.abs(o)))
        if not going.any():
            break
        if going.sum() < 0.7 * len(left):
            left, floor, p, o, size, terms = left[going], floor[going], p[going], o[going], size[going], terms[going]
            going = np.ones(len(left), dtype=bool)
        fitted = np.maximum(p[:, None] * size + o[:, None] * size**2, 1e-12)
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
    limits = np.array(critical if isinstance(critical, tuple) else (-critical, critical))
    O, E, one, two = (np.array([float(v)]) for v in (observed, expected, linear, square))
    low, high = ratio_intervals(O, E, one, two, limits[:, None], fixed)
    return float(low[0]), float(high[0])


def ratio_intervals(
    observed: Floats,
    expected: Floats,
    linear: Floats,
    square: Floats,
    critical: Floats,
    fixed: Floats | float = 0.0,
) -> tuple[Floats, Floats]:
    """Return the limits of :func:`ratio_interval` for many sums, each of shape (Q,); `critical` has shape (2, Q)."""
    variance = linear, square, fixed
    return _roots(observed, expected, variance, critical[1]), _roots(
        observed, expected, variance, critical[0], upper=True
    )


def _roots(
    observed: Floats, expected: Floats, variance: tuple[Any, Any, Any], q: Floats, *, upper: bool = False
) -> Floats:
    """Return the ratios at which misses are q standard deviations: of the two, the greater where `upper`."""
    linear, square, fixed = variance
    known = np.isfinite(q)
    spread = np.where(known, q, 0.0) ** 2
    a = expected**2 - spread * square
    b = 2 * observed * expected + spread * linear
    c = observed**2 - spread * fixed
    root = np.sqrt(np.maximum(b * b - 4 * a * c, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        if upper:
            return np.where(known & ~(a <= 0), np.maximum((b + root) / (2 * a), 0.0), np.inf)
        return np.where(known & (b + root > 0), np.maximum(2 * c / (b + root), 0.0), 0.0)

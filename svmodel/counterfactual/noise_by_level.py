"""How far a count strays from its synthetic control, by its level: what placebo areas of another size are scaled with.

Without an exposure areas are compared by their numbers, and numbers of large areas stray further than those of small
ones. A gap holds the area's own noise, and that of the donors by the squares of their weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from svmodel.numerics.arrays import Floats

#: Periods before the start without which an area's own noise is not told.
FEWEST_BEFORE = 6
#: Standard errors by which an area's own noise before the start has to lie above what its level says.
_SURE = 2.0
_STEPS = 30


@dataclass(frozen=True)
class NoiseByLevel:
    """Variance ``phi m + omega m^2`` of an area whose level is m."""

    phi: float
    omega: float

    def variance(self, moments: Floats) -> Floats:
        """Return the variance of gaps with these moments, shape (..., 2) to (...)."""
        return np.asarray(self.phi * moments[..., 0] + self.omega * moments[..., 1])


def levels(before: Floats) -> Floats:
    """Return the mean outcome of each area before the start, shape (N, T) to (N,).

    Half an event is added to the sum, so that an area without one has a noise too.
    """
    return np.asarray((before.sum(axis=-1) + 0.5) / before.shape[-1])


def moments(own: Floats, weights: Floats, donors: Floats) -> Floats:
    """Return what ``phi`` and ``omega`` of a gap are multiplied with, shape (2,).

    Parameters
    ----------
    own : ndarray, shape (n,)
        Levels of the areas whose mean the gap is of.
    weights, donors : ndarray, shape (J,)
        Weights and levels of the donors.
    """
    square = weights**2
    n = len(own)
    return np.array(
        [own.sum() / n**2 + square @ donors, (own**2).sum() / n**2 + square @ donors**2],
    )


def learn(squared: Floats, at: Floats, *, floor: float) -> NoiseByLevel:
    """Fit ``E[squared] = phi at_0 + omega at_1`` by non-negative least squares.

    Parameters
    ----------
    squared : ndarray, shape (J,)
        Squared gaps of placebo areas.
    at : ndarray, shape (J, 2)
        As :func:`moments` gives them.
    floor : float
        Least `phi`: that of counts that are Poisson.

    Notes
    -----
    The variance of a squared gap goes with the square of its mean, so that weights are one over the fit, repeated.

    References
    ----------
    Ferman and Pinto (2019), *Review of Economics and Statistics* 101(3): the variance as a function of an area's size.

    Examples
    --------
    >>> m = np.array([1.0, 4.0, 9.0])
    >>> learn(2 * m, np.column_stack([m, m**2]), floor=0.5)
    NoiseByLevel(phi=2.0, omega=0.0)
    """
    from scipy.optimize import nnls  # slow to load

    found = np.array([floor, 0.0])
    weight = np.ones(len(squared)) / max(float(at[:, 0].mean()), 1e-300)
    for _ in range(_STEPS):
        # what is left above the floor
        rest = squared - floor * at[:, 0]
        new = nnls(at * weight[:, None], rest * weight)[0] + np.array([floor, 0.0])
        if np.allclose(new, found, rtol=1e-9, atol=0.0):
            break
        found = new
        weight = 1 / np.maximum(at @ found, 1e-300)
    return NoiseByLevel(round(float(found[0]), 12), round(float(found[1]), 12))


def roughness(gap: Floats) -> float:
    """Return the variance of a gap's noise from one period to the next, ``sum of squared steps / 2 (T - 1)``."""
    return float((np.diff(gap) ** 2).mean()) / 2


def excess(own: float, expected: float, periods: int) -> float:
    """Return how many times as much an area strays before the start as its level says; 1 where that may be chance.

    Parameters
    ----------
    own : float
        The area's :func:`roughness` before the start.
    expected : float
        What areas of its level have.
    periods : int
        Before the start; the variance of the former is about ``3 own^2 / periods`` of normal noise (von Neumann 1941).
    """
    if periods < FEWEST_BEFORE or not expected > 0:
        return 1.0
    ratio = own / expected
    return ratio if ratio > 1 + _SURE * math.sqrt(3 / periods) else 1.0

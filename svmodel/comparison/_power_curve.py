"""Power as a curve over effects, and where it reaches the target, each with its Monte Carlo interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from svmodel.estimates import critical_value
from svmodel.seeds import derive_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["crossing", "detectable", "wilson"]

_RESAMPLES = 400


def wilson(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's interval of a share.

    Examples
    --------
    >>> [round(v, 4) for v in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    if n == 0:
        return math.nan, math.nan
    z = critical_value(level)
    share = hits / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def crossing(size: Floats, power: Floats, target: float) -> float:
    """Return the least size at which power reaches the target, infinite where it never does.

    Power is made to rise with size by isotonic regression (pool adjacent violators), and read off between sizes by a
    straight line.

    Parameters
    ----------
    size : ndarray, shape (K,)
        Ascending, 0 for no effect.
    power : ndarray, shape (K,)
    target : float

    Examples
    --------
    >>> crossing(np.array([0.0, 1.0, 2.0]), np.array([0.05, 0.6, 1.0]), 0.8)
    1.5
    """
    from scipy.optimize import isotonic_regression

    rising = isotonic_regression(power).x
    at = int(np.argmax(rising >= target))
    if rising[at] < target:
        return math.inf
    if at == 0:
        return float(size[0])
    share = (target - rising[at - 1]) / (rising[at] - rising[at - 1])
    return float(size[at - 1] + share * (size[at] - size[at - 1]))


def detectable(size: Floats, rejected: NDArray[np.bool_], target: float, seed: int) -> tuple[float, float, float]:
    """Return the least detectable size and its 95% Monte Carlo limits.

    Draws are drawn anew, whole, because all effects share them.

    Parameters
    ----------
    size : ndarray, shape (K,)
        Ascending, 0 first.
    rejected : ndarray of bool, shape (B, K)
    target : float
    seed : int
    """
    point = crossing(size, rejected.mean(axis=0), target)
    rng = np.random.default_rng(derive_seed(seed, "power", "detectable", round(float(size[-1]), 9)))
    B = len(rejected)
    found = np.sort([crossing(size, rejected[rng.integers(0, B, B)].mean(axis=0), target) for _ in range(_RESAMPLES)])
    tail = int(0.025 * _RESAMPLES)
    return point, float(found[tail]), float(found[-tail - 1])

"""Random fields: a map of areas, smooth levels over it, and shocks that fade."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def lay_out_map(sizes: tuple[int, ...]) -> NDArray[np.float64]:
    """Return where areas stand: one block a district, the blocks side by side, one step between neighbours.

    Parameters
    ----------
    sizes : tuple of int
        Areas in each district, N in all.

    Returns
    -------
    ndarray, shape (N, 2)

    Examples
    --------
    >>> lay_out_map((4, 1)).tolist()
    [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [2.0, 0.0]]
    """
    points, left = [], 0
    for size in sizes:
        height = int(np.ceil(np.sqrt(size)))
        points += [(left + i // height, i % height) for i in range(size)]
        left += int(np.ceil(size / height))
    return np.array(points, dtype=np.float64)


def borders(areas: tuple[str, ...], points: NDArray[np.float64]) -> dict[str, tuple[str, ...]]:
    """Return the neighbours of each area: those one step away to the north, south, east or west.

    Parameters
    ----------
    areas : tuple of str
    points : ndarray, shape (N, 2)
        Whole steps, as :func:`lay_out_map` gives them.

    Examples
    --------
    >>> borders(("a", "b", "c"), lay_out_map((3,)))
    {'a': ('b', 'c'), 'b': ('a',), 'c': ('a',)}
    """
    at = {(int(x), int(y)): area for area, (x, y) in zip(areas, points, strict=True)}
    found = {}
    for (x, y), area in at.items():
        around = [(x, y + 1), (x + 1, y), (x - 1, y), (x, y - 1)]
        found[area] = tuple(sorted(at[p] for p in around if p in at))
    return found


def smooth_field(rng: np.random.Generator, points: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """Draw a standard normal for each area, correlated as exp(-distance / reach) between areas.

    Parameters
    ----------
    rng : numpy.random.Generator
    points : ndarray, shape (N, 2)
    reach : float
        Distance in steps of the map at which the correlation is 1/e; 0 gives independent areas.

    Returns
    -------
    ndarray, shape (N,)
    """
    normal = rng.standard_normal(len(points))
    if reach <= 0:
        return normal
    distance = np.sqrt(((points[:, None, :] - points[None, :, :]) ** 2).sum(axis=2))
    return np.linalg.cholesky(np.exp(-distance / reach)) @ normal


def fading_shocks(rng: np.random.Generator, n_areas: int, n_periods: int, persistence: float) -> NDArray[np.float64]:
    """Draw a stationary autoregression of order one for each area: s_t = phi s_t-1 + e_t, variance 1.

    Returns
    -------
    ndarray, shape (n_areas, n_periods)
        Standard normal in every cell; areas are independent.
    """
    shocks = rng.standard_normal((n_areas, n_periods))
    innovation = np.sqrt(1 - persistence**2)
    for t in range(1, n_periods):
        shocks[:, t] = persistence * shocks[:, t - 1] + innovation * shocks[:, t]
    return shocks

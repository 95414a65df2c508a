"""An effect put upon counts, the same panel for every effect: events taken away one by one, or added."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["impose", "intensity_behind"]


def impose(
    rng: np.random.Generator, y: Floats, intensity: Floats, treated: NDArray[np.bool_], effects: Sequence[float]
) -> list[Floats]:
    """Return the counts under each rate ratio, from one set of random numbers.

    A ratio below 1 keeps each event of a treated cell with that probability; one above 1 adds Poisson events. Events
    that a larger ratio keeps or adds are among those of the next one, so that curves over effects are smooth.

    Parameters
    ----------
    rng : numpy.random.Generator
    y : ndarray, shape (N, T)
        Counts without the intervention; NaN stays.
    intensity : ndarray, shape (N, T)
        Given which the counts are Poisson; used above 1 alone.
    treated : ndarray of bool, shape (N, T)
    effects : sequence of float
        Rate ratios, each above 0.

    Notes
    -----
    A negative binomial count of mean m and dispersion k, thinned to the share r, is negative binomial of mean r m and
    dispersion k. Given its gamma intensity L, so is the count with Poisson((r - 1) L) events added.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> y = np.full((1, 4), 100.0)
    >>> fewer, same = impose(rng, y, y, np.array([[False, False, True, True]]), [0.5, 1.0])
    >>> bool((fewer <= same).all()), same.tolist()
    (True, [[100.0, 100.0, 100.0, 100.0]])
    """
    cells = np.flatnonzero(treated & ~np.isnan(y))
    counts = y.ravel()[cells].astype(np.int64)
    owner = np.repeat(np.arange(len(cells)), counts)
    mark = rng.random(len(owner))
    most = max(*effects, 1.0)
    more = rng.poisson((most - 1) * intensity.ravel()[cells])
    added = np.repeat(np.arange(len(cells)), more)
    rank = rng.random(len(added)) * (most - 1)
    out = []
    for effect in effects:
        held = y.ravel().copy()
        if effect < 1:
            held[cells] = np.bincount(owner[mark < effect], minlength=len(cells))
        elif effect > 1:
            held[cells] = counts + np.bincount(added[rank < effect - 1], minlength=len(cells))
        out.append(held.reshape(y.shape))
    return out


def intensity_behind(rng: np.random.Generator, y: Floats, mean: Floats, dispersion: float) -> Floats:
    """Draw the gamma intensity behind negative binomial counts, given the counts.

    With ``L ~ Gamma(1/k, k m)`` and ``y | L ~ Poisson(L)``, ``L | y ~ Gamma(y + 1/k, k m / (1 + k m))``.
    """
    known = np.where(np.isnan(y), 0.0, y)
    if dispersion <= 0:
        return mean
    return rng.gamma(known + 1 / dispersion, dispersion * mean / (1 + dispersion * mean))

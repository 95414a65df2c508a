"""Whether ranks are uniform: simultaneous bands of the empirical distribution function, and chi-square.

Säilynoja, Bürkner and Vehtari (2022), *Statistics and Computing* 32, 32: bands that hold the empirical distribution
function at all points at once. The counts below successive points are a Markov chain with binomial steps, so that the
probability of staying within a band is a sum, not a simulation (their optimisation method). The same sum gives the
p-value of the widest departure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from svmodel.numerics.arrays import Floats

if TYPE_CHECKING:
    Integers = NDArray[np.int64]


def rank_among(truth: float, draws: Floats, rng: np.random.Generator) -> int:
    """Return the rank of a truth among draws, 0 to their number; among equal ones a rank by lot.

    Without the lot a quantity that takes few values would pile its ranks up (Modrák and others 2023, *Bayesian
    Analysis*, on ties).

    Examples
    --------
    >>> rank_among(2.5, np.array([1.0, 2.0, 3.0]), np.random.default_rng(0))
    2
    """
    below, equal = int((draws < truth).sum()), int((draws == truth).sum())
    return below + int(rng.integers(equal + 1))


@dataclass(frozen=True, eq=False)
class Band:
    """Counts of ranks below each point that are to be expected, all at once with a given probability.

    Attributes
    ----------
    share : ndarray, shape (K - 1,)
        The points, as shares of the ranks.
    low, high : ndarray of int, shape (K - 1,)
        Fewest and most of the n ranks below each point.
    """

    share: Floats
    low: Integers
    high: Integers


def _points(points: int) -> Floats:
    return np.arange(1, points) / points


def _limits(n: int, share: Floats, gamma: float, *, strict: bool) -> tuple[Integers, Integers]:
    """Return the counts whose two-sided binomial tail is at least gamma (above it, if strict); none: low above high."""
    from scipy import stats

    count = np.arange(n + 1)[:, None]
    tail = 2 * np.minimum(stats.binom.cdf(count, n, share), stats.binom.sf(count - 1, n, share))
    # tails of one count at two symmetric points differ in the last digits
    inside = tail > gamma * (1 + 1e-9) if strict else tail >= gamma * (1 - 1e-9)
    low, high = np.argmax(inside, axis=0), n - np.argmax(inside[::-1], axis=0)
    return np.where(inside.any(axis=0), low, n + 1), high


def _stays(n: int, share: Floats, low: Integers, high: Integers) -> float:
    """Return the probability that n uniform ranks have counts within limits at all points."""
    from scipy import stats

    if (low > high).any():
        return 0.0
    held, before, mass = np.zeros(1, dtype=np.int64), 0.0, np.ones(1)
    for z, a, b in zip(share, low, high, strict=True):
        now = np.arange(a, b + 1)
        step = stats.binom.pmf(now[None, :] - held[:, None], n - held[:, None], (z - before) / (1 - before))
        held, before, mass = now, float(z), mass @ step
    return float(mass.sum())


def ecdf_band(n: int, *, points: int = 50, level: float = 0.95) -> Band:
    """Return the band that holds n uniform ranks at all points with a probability of at least `level`.

    Parameters
    ----------
    n : int
        Number of ranks.
    points : int
        The number of possible ranks has to be a multiple of it.
    level : float

    Examples
    --------
    >>> band = ecdf_band(100, points=4)
    >>> band.low.tolist(), band.high.tolist()
    ([15, 39, 65], [35, 61, 85])
    """
    share = _points(points)
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        if _stays(n, share, *_limits(n, share, middle, strict=False)) >= level:
            low = middle
        else:
            high = middle
    return Band(share, *_limits(n, share, low, strict=False))


def ecdf_p(ranks: Integers, most: int, *, points: int = 50) -> float:
    """Return the probability that uniform ranks depart as far from uniformity at some point as these do.

    Parameters
    ----------
    ranks : ndarray of int, shape (n,)
        Between 0 and `most`.
    most : int
        Number of draws that each truth is ranked among; ``most + 1`` has to be a multiple of `points`.
    points : int

    Returns
    -------
    float
        Exact; small where the ranks are not uniform.

    Raises
    ------
    ValueError
        If the points cut between ranks that can be.

    Examples
    --------
    >>> round(ecdf_p(np.arange(100), 99), 3)
    1.0
    >>> ecdf_p(np.arange(100) // 2, 99) < 1e-9
    True
    """
    if (most + 1) % points:
        raise ValueError(f"{most + 1} ranks cannot be cut at {points} points")
    from scipy import stats

    n, share = len(ranks), _points(points)
    if n == 0:
        return math.nan
    below = np.searchsorted(np.sort(ranks), np.arange(1, points) * ((most + 1) // points), side="left")
    tail = 2 * np.minimum(stats.binom.cdf(below, n, share), stats.binom.sf(below - 1, n, share))
    inside = _stays(n, share, *_limits(n, share, float(tail.min()), strict=True))
    return float(min(max(1 - inside, 0.0), 1.0))


def chi_square_p(ranks: Integers, most: int, *, bins: int = 20) -> float:
    """Return the chi-square p-value of ranks against equal numbers in each bin; NaN with fewer than 5 to a bin.

    Parameters
    ----------
    ranks, most
        As for :func:`ecdf_p`; ``most + 1`` has to be a multiple of `bins`.
    bins : int
    """
    if (most + 1) % bins:
        raise ValueError(f"{most + 1} ranks do not make {bins} equal bins")
    from scipy import stats

    if len(ranks) < 5 * bins:
        return math.nan
    held = np.bincount(ranks // ((most + 1) // bins), minlength=bins)
    return float(stats.chisquare(held).pvalue)

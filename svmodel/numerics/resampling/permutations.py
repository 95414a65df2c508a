"""Distinct ways to deal labels out anew within strata, all of them or a sample, and ranks among them.

What is counted are assignments, not permutations: areas with one label are not told apart, so that 3 treated of 40
areas are 9,880 assignments.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from svmodel.numerics.arrays import Floats

if TYPE_CHECKING:
    Labels = NDArray[np.int64]


#: Share of the observed statistic's size below which two statistics are one: the same sum in another order.
_ROUNDING = 1e-9
#: Room for (1 - level) (B + 1) to be a whole number in spite of rounding: 0.05 x 20 is 1.0000000000000009.
_WHOLE = 1e-9


def count_assignments(labels: Labels, strata: Labels) -> int:
    """Return the number of distinct ways to deal out `labels` within strata: a product of multinomial coefficients.

    Parameters
    ----------
    labels, strata : ndarray of int, shape (N,)

    Examples
    --------
    >>> count_assignments(np.array([0, 0, 1, 1, 2]), np.zeros(5, dtype=int))
    30
    >>> count_assignments(np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]))
    4
    """
    total = 1
    for s in np.unique(strata):
        sizes = np.unique(labels[strata == s], return_counts=True)[1]
        total *= math.factorial(int(sizes.sum())) // math.prod(math.factorial(int(n)) for n in sizes)
    return total


def every_assignment(labels: Labels, strata: Labels) -> Iterator[Labels]:
    """Give every distinct assignment once, the actual one among them.

    Parameters
    ----------
    labels, strata : ndarray of int, shape (N,)

    Yields
    ------
    ndarray of int, shape (N,)
        Label of each area.

    Examples
    --------
    >>> [a.tolist() for a in every_assignment(np.array([0, 0, 1]), np.zeros(3, dtype=int))]
    [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    """
    members = [np.flatnonzero(strata == s) for s in np.unique(strata)]
    out = np.empty(len(labels), dtype=np.int64)

    def deal(stratum: int) -> Iterator[Labels]:
        if stratum == len(members):
            yield out.copy()
            return
        mine = members[stratum]
        for order in _orders(sorted(labels[mine].tolist())):
            out[mine] = order
            yield from deal(stratum + 1)

    yield from deal(0)


def _orders(values: list[int]) -> Iterator[tuple[int, ...]]:
    """Give the distinct orders of sorted `values`, each the next in the dictionary (Knuth 4A, algorithm 7.2.1.2 L)."""
    a, n = list(values), len(values)
    while True:
        yield tuple(a)
        j = n - 2
        while j >= 0 and a[j] >= a[j + 1]:
            j -= 1
        if j < 0:
            return
        k = n - 1
        while a[j] >= a[k]:
            k -= 1
        a[j], a[k] = a[k], a[j]
        a[j + 1 :] = reversed(a[j + 1 :])


def sample_assignments(labels: Labels, strata: Labels, draws: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw distinct assignments other than the actual one, each equally likely.

    Parameters
    ----------
    labels, strata : ndarray of int, shape (N,)
    draws : int
        Fewer than :func:`count_assignments`.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int, shape (draws, N)

    Raises
    ------
    ValueError
        If there are not as many other assignments.

    Notes
    -----
    Drawn without replacement and without the actual one, so that ``(b + 1) / (B + 1)`` is exact (Phipson and Smyth
    2010); with replacement it would be conservative.
    """
    if draws >= count_assignments(labels, strata):
        raise ValueError(f"there are no {draws} assignments beside the actual one; take every one of them")
    place = np.argsort(strata, kind="stable")
    dealt = labels[place]
    seen = {labels.astype(np.int64).tobytes()}
    out = np.empty((draws, len(labels)), dtype=np.int64)
    filled = 0
    while filled < draws:
        # keys in [0, 1) on top of whole strata: sorting shuffles areas within their stratum only
        order = np.argsort(strata + rng.random((min(draws, 1024), len(labels))), axis=1)
        block = np.empty_like(order)
        np.put_along_axis(block, order, np.broadcast_to(dealt, order.shape), axis=1)
        for one in block:
            name = one.tobytes()
            if name not in seen and filled < draws:
                seen.add(name)
                out[filled] = one
                filled += 1
    return out


def rank_p_value(observed: float, others: Floats) -> float:
    """Return the two-sided p-value ``(1 + b) / (1 + B)``, b the number of B others at least as far from zero.

    This is the one convention of the package, whatever was reassigned: dates among areas, donors put in the treated
    areas' place, or untreated areas whose misses stand for a treated one's. Sizes are ranked, not the two tails apart,
    as doubling the smaller tail needs twice as many placebos for the same p.

    Parameters
    ----------
    observed : float
    others : ndarray, shape (B,)
        Statistics of the other assignments; without missing ones. What differs from the observed size by rounding (a
        share of 1e-9) ties with it, and counts.

    Returns
    -------
    float
        Never 0: the actual assignment is one of those that might have been. NaN where the statistic is, or there are no
        others.

    References
    ----------
    Phipson and Smyth (2010). Permutation p-values should never be zero. *Statistical Applications in Genetics and
    Molecular Biology* 9(1), article 39. Abadie, Diamond and Hainmueller (2010), *JASA* 105, section 3.4: the rank of
    the treated area among itself and all donors.

    Examples
    --------
    >>> rank_p_value(-3.0, np.array([1.0, 3.0, -2.0]))
    0.5
    """
    if math.isnan(observed) or not len(others):
        return math.nan
    return (1 + int(as_far(abs(observed), np.abs(others)).sum())) / (1 + len(others))


def needed(level: float, total: int) -> int:
    """Return how many of the others must be as far from zero for an effect to be kept: ``(b + 1) / total > 1 - level``.

    Examples
    --------
    >>> needed(0.95, 20), needed(0.95, 39), needed(0.95, 1000)
    (1, 1, 50)
    """
    return math.floor((1 - level) * total + _WHOLE)


def distance_limit(sizes: Floats, level: float) -> float:
    """Return how far from the estimate the interval reaches when the others' statistics do not depend on the effect.

    The effect tau is kept as long as enough of the `sizes` are at least ``|estimate - tau|``, so that the limit is one
    of them, and the interval is the set of effects that :func:`rank_p_value` does not reject. Infinite with fewer
    others than the level needs (19 at 95%).

    Examples
    --------
    >>> distance_limit(np.arange(1.0, 39.0), 0.95), distance_limit(np.arange(1.0, 19.0), 0.95)
    (38.0, inf)
    """
    return limit_among(np.sort(sizes), level)


def limit_among(ascending: Floats, level: float) -> float:
    """Return :func:`distance_limit` of sizes that are sorted."""
    k = needed(level, len(ascending) + 1)
    return float(ascending[-k]) if k else math.inf


def as_far_among(size: float, ascending: Floats) -> int:
    """Return how many of some sorted sizes are at least as large, as :func:`as_far` has it.

    Examples
    --------
    >>> as_far_among(0.3, np.array([0.05, 0.1 + 0.2, 1.0]))
    2
    """
    least = size if math.isinf(size) else size * (1 - _ROUNDING)
    return len(ascending) - int(np.searchsorted(ascending, least, side="left"))


def as_far(observed: Floats | float, others: Floats) -> NDArray[np.bool_]:
    """Return whether sizes are at least as large as the observed one, rounding apart; elementwise."""
    with np.errstate(invalid="ignore"):
        return np.asarray((others >= np.asarray(observed) * (1 - _ROUNDING)) | np.isposinf(others))

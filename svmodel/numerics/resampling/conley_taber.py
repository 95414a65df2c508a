"""What a sum over few treated areas would come to without an effect, from the misses of untreated areas.

With one to some seven treated areas no variance can be learnt from them, and their sum is far from normal when counts
are small. Untreated areas show how far an area strays: each treated area's miss is taken for a draw from theirs,
brought to its size.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from svmodel.numerics.arrays import Floats, Ints

#: Sums that are enumerated; beyond, so many are drawn, always the same.
_MOST_SUMS = 20_000
#: Values from which the quantiles of a 95% interval can be told: 1 / (39 + 1) = 2.5%.
ENOUGH = 39


@dataclass(frozen=True, eq=False)
class PlaceboSums:
    """Distribution of a standardised sum without an effect.

    Attributes
    ----------
    values : ndarray, shape (m,)
        Ascending; infinite where a placebo had no event.
    areas : int
        Untreated areas behind it.
    treated : int
        Treated areas in the sum.
    """

    values: Floats
    areas: int
    treated: int

    @property
    def widening(self) -> float:
        """Factor on the values: the standard deviations behind a sum over several areas are estimates.

        One area is exchangeable with its placebos whatever they were divided by. A sum is set against values whose
        scale has an error of its own, as Student's t has: the variance of t is ``J / (J - 2)``. And a placebo area is
        part of what it strays from, so that its miss has ``(J - 1) / J`` of the variance.
        """
        J = self.areas
        return 1.0 if self.treated == 1 or J < 3 else float(np.sqrt(J / (J - 2) * J / (J - 1)))

    @property
    def told(self) -> bool:
        """Whether there are enough values to tell a tail of 2.5% from them; if not, Student's t stands in."""
        return len(self.values) >= ENOUGH

    def critical(self, level: float) -> tuple[float, float]:
        """Return the quantiles between which the statistic lies with probability `level`; never both of one sign.

        The k-th of m values stands at ``k / (m + 1)``, so that a single treated area, exchangeable with the placebo
        areas, lies outside with probability ``1 - level``. Infinite where the values do not reach so far.

        Examples
        --------
        >>> PlaceboSums(np.arange(-20.0, 21.0), 41, 1).critical(0.9)
        (-18.9, 18.9)
        """
        m, tail = len(self.values), (1 - level) / 2
        if not self.told:
            t = _student(level, self.areas - 2)
            return -t, t
        if tail * (m + 1) < 1 - 1e-9:
            return -np.inf, np.inf
        low, high = self._quantile(tail), self._quantile(1 - tail)
        low = -np.inf if np.isnan(low) else round(float(low) * self.widening, 10)
        return min(low, 0.0), max(round(float(high) * self.widening, 10), 0.0)

    def p_value(self, statistic: float) -> float:
        """Return twice the tail beyond `statistic`, away from zero: one less the level of the interval that it limits.

        Never below the least that so many placebos can show, ``2 / (m + 1)``. Where all placebos strayed to one side a
        statistic that strayed less lies in their other tail; as the interval holds the estimate, so that tail is no
        evidence for an effect of the estimate's sign, and p is 1.

        Examples
        --------
        >>> round(PlaceboSums(np.arange(-20.0, 21.0), 41, 1).p_value(-18.9), 7)
        0.1
        """
        from scipy import special

        if not self.told:
            return float(2 * special.stdtr(max(self.areas - 2, 1), -abs(statistic)))
        m = len(self.values)
        below = self._below(statistic / self.widening)
        if statistic == 0:
            return 1.0
        return max(min(2 * (below if statistic < 0 else 1 - below), 1.0), 2 / (m + 1))

    def _quantile(self, share: float) -> float:
        """Return the value below which `share` lies, on the line between two: ``numpy.quantile``'s ``weibull``."""
        m = len(self.values)
        place = min(max(share * (m + 1) - 1, 0.0), m - 1.0)
        k = min(int(place), m - 2)
        low, high = float(self.values[k]), float(self.values[k + 1])
        part = place - k
        if part in {0.0, 1.0}:
            return high if part else low
        # between two infinite values of one sign lies that infinity
        return low if low == high else low + (high - low) * part

    def _below(self, value: float) -> float:
        """Return the share below a value, on the line between two finite ones."""
        m = len(self.values)
        first = int(np.searchsorted(self.values, -np.inf, side="right"))
        last = int(np.searchsorted(self.values, np.inf, side="left"))
        k = int(np.searchsorted(self.values[first:last], value, side="right")) + first
        if k == first:
            return (first + 1) / (m + 1)
        if k == last:
            return last / (m + 1)
        low, high = float(self.values[k - 1]), float(self.values[k])
        return (k + (value - low) / (high - low)) / (m + 1)


def _student(level: float, df: int) -> float:
    from scipy import special

    return float(special.stdtrit(max(df, 1), 0.5 + level / 2))


def placebo_sums(parts: Sequence[tuple[Floats, Floats, Floats]]) -> PlaceboSums:
    """Return the distribution of the miss of a sum over treated areas in standard deviations, without an effect.

    Parameters
    ----------
    parts : sequence of (misses, deviations, scales)
        For each kind of treated area: the misses of untreated areas over the periods of that kind and their standard
        deviations, both shape (J,); and the standard deviations of the treated areas of that kind, shape (n,).

    Returns
    -------
    PlaceboSums
        All sums where there are at most 20,000, otherwise 20,000 random ones, always the same.

    Notes
    -----
    With treated area i taken for placebo area j(i), whose miss d and standard deviation s are brought to its size, the
    sum in standard deviations is ``sum_i s_i d_j(i) / (sum_i s_i^2 s_j(i)^2)^(1/2)``. A placebo keeps its own standard
    deviation beside its own miss: where few events were expected by luck, the miss tends to be positive, and so it is
    in a treated area.

    References
    ----------
    Conley and Taber (2011), *Review of Economics and Statistics* 93(1), 113-125: the distribution of the average over
    few treated groups is the convolution of that of the untreated groups' residuals. Ferman and Pinto (2019), same
    journal 101(3), 452-467: residuals divided by a standard deviation that depends on the group's size.

    Examples
    --------
    >>> misses = np.array([-1.0, 0.0, 1.0])
    >>> placebo_sums([(misses, np.ones(3), np.array([3.0, 4.0]))]).values.tolist()
    [-1.4, -0.8, -0.6, -0.2, 0.0, 0.2, 0.6, 0.8, 1.4]
    """
    kinds = []
    for misses, deviations, scales in parts:
        order = np.lexsort((deviations, misses))
        d, v = misses[order], deviations[order] ** 2
        kinds += [(d, v, float(s)) for s in np.sort(scales)]
    treated, areas = len(kinds), min((len(d) for d, _, _ in kinds), default=0)
    if areas == 0 or not sum(s for _, _, s in kinds) > 0:
        return PlaceboSums(np.empty(0), areas, treated)
    sizes = tuple(len(d) for d, _, _ in kinds)
    every = math.prod(sizes) <= _MOST_SUMS
    miss, variance = np.zeros(1), np.zeros(1)
    for k, (d, v, s) in enumerate(kinds):
        if every:
            miss, variance = (miss[:, None] + s * d).ravel(), (variance[:, None] + s**2 * v).ravel()
        else:
            drawn = _drawn(sizes)[k]
            miss, variance = miss + (s * d)[drawn], variance + (s**2 * v)[drawn]
    return PlaceboSums(np.sort(np.round(miss / np.sqrt(variance), 12)), areas, treated)


@functools.lru_cache(maxsize=16)
def _drawn(sizes: tuple[int, ...]) -> tuple[Ints, ...]:
    """Return a placebo area of each kind for every sum, always the same."""
    rng = np.random.default_rng(0)
    return tuple(rng.integers(n, size=_MOST_SUMS) for n in sizes)

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
from functools import cached_property

import numpy as np

from svmodel.numerics.arrays import Floats, Ints
from svmodel.numerics.resampling.permutations import as_far_among, limit_among

#: Sums that are enumerated; beyond, so many are drawn, always the same.
_MOST_SUMS = 20_000
#: Values from which a size that 5% exceed can be told: 1 / (19 + 1) = 5%.
ENOUGH = 19


def widening(areas: int, treated: int) -> float:
    """Return the factor on placebo sums over several areas: the standard deviations behind them are estimates.

    One area is exchangeable with its placebos whatever they were divided by. A sum is set against values whose scale
    has an error of its own, as Student's t has: of J placebo areas the variance of t is ``J / (J - 2)``. And a placebo
    area is part of what it strays from, so that its miss has ``(J - 1) / J`` of the variance.

    Examples
    --------
    >>> widening(40, 1), round(widening(40, 3), 3)
    (1.0, 1.039)
    """
    return 1.0 if treated == 1 or areas < 3 else float(np.sqrt(areas / (areas - 2) * areas / (areas - 1)))


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
        """Factor on the values; see :func:`widening`."""
        return widening(self.areas, self.treated)

    @property
    def told(self) -> bool:
        """Whether there are enough values to tell the largest 5% from them; if not, Student's t stands in."""
        return len(self.values) >= ENOUGH

    def critical(self, level: float) -> tuple[float, float]:
        """Return the limits between which the statistic lies with probability `level`, as far below zero as above.

        They are the size that ``1 - level`` of the values and the statistic itself reach
        (:func:`~svmodel.numerics.resampling.permutations.distance_limit`), so that the interval holds what
        :meth:`p_value` does not reject. Infinite where the values do not reach so far.

        Examples
        --------
        >>> PlaceboSums(np.arange(-20.0, 21.0), 41, 1).critical(0.9)
        (-19.0, 19.0)
        """
        if not self.told:
            t = _student(level, self.areas - 2)
            return -t, t
        reach = limit_among(self._sizes, level)
        return -reach, reach

    def p_value(self, statistic: float) -> float:
        """Return the rank of the statistic's size among the values, as every placebo test of the package gives it.

        See :func:`~svmodel.numerics.resampling.permutations.rank_p_value`.

        Examples
        --------
        >>> round(PlaceboSums(np.arange(-20.0, 21.0), 41, 1).p_value(-19.0), 7)
        0.1190476
        """
        from scipy import special

        if not self.told:
            return float(2 * special.stdtr(max(self.areas - 2, 1), -abs(statistic)))
        if np.isnan(statistic):
            return float("nan")
        return (1 + as_far_among(abs(statistic), self._sizes)) / (1 + len(self.values))

    @cached_property
    def _sizes(self) -> Floats:
        """Sizes of the values, widened and rounded, ascending: sums of many areas are asked for many rows."""
        return np.sort(np.round(np.abs(self.values) * self.widening, 10))


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
    # misses and variances are the two parts of one number, so that each placebo is looked up once
    total = np.zeros(1, dtype=np.complex128)
    for k, (d, v, s) in enumerate(kinds):
        one = np.empty(len(d), dtype=np.complex128)
        one.real, one.imag = s * d, s**2 * v
        total = (total[:, None] + one).ravel() if every else total + one.take(_drawn(sizes)[k])
    return PlaceboSums(np.sort(np.round(total.real / np.sqrt(total.imag), 12)), areas, treated)


@functools.lru_cache(maxsize=16)
def _drawn(sizes: tuple[int, ...]) -> tuple[Ints, ...]:
    """Return a placebo area of each kind for every sum, always the same."""
    rng = np.random.default_rng(0)
    return tuple(rng.integers(n, size=_MOST_SUMS) for n in sizes)

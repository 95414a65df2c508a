"""Intervals by inverting a randomisation test: the effects that it does not reject.

Row 0 of every array of statistics is the actual assignment; the others are those that might have been.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from svmodel.numerics.arrays import Floats, Ints
from svmodel.numerics.resampling.permutations import as_far, needed

#: From an effect and a choice of rows to their statistics once that effect is taken from the treated cells.
Evaluate: TypeAlias = Callable[[float, slice | Ints], Floats]
#: Share below which two numbers are one but for rounding.
_WHOLE = 1e-9
#: Statistics that follow a straight line up to this share of their spread are taken for linear in the effect.
_STRAIGHT = 1e-7
_FURTHEST = 1e3
_SETTLED = 0.01


@dataclass(frozen=True)
class Limits:
    """Ends of the set of effects that a test does not reject.

    Attributes
    ----------
    low, high : float
        Infinite where the test rejects no effect on that side.
    rounds : int
        How many times every assignment was estimated again.
    exact : bool
        Whether the limits are algebra; else they are solved on curves through estimates.
    """

    low: float
    high: float
    rounds: int
    exact: bool


def too_few(level: float, total: int, what: str) -> str:
    """Return the sentence for a test of `total` statistics, the actual one among them, that can reject nothing.

    Examples
    --------
    >>> too_few(0.95, 10, "9 placebos")
    'With 9 placebos no p-value can be below 0.100, so that there is no 95% interval.'
    """
    return f"With {what} no p-value can be below {1 / total:.3f}, so that there is no {100 * level:g}% interval."


def accepted_linear(estimate: float, others: Floats, slopes: Floats, level: float) -> tuple[float, float]:
    """Return the limits when every statistic is linear in the effect that is taken away.

    Under effect tau the actual statistic is ``estimate - tau`` and another's is ``others - slopes tau``. The latter is
    at least as far from zero on an interval between two crossings (both sides of it hold the estimate), or outside one.

    Parameters
    ----------
    estimate : float
    others, slopes : ndarray, shape (B,)
    level : float

    Returns
    -------
    low, high : float
        The least and the greatest effect that is not rejected; the set may have a gap in it, which is kept.

    Examples
    --------
    >>> accepted_linear(0.0, np.array([-1.0, 2.0, 3.0]), np.zeros(3), level=0.5)
    (-2.0, 2.0)
    """
    k = needed(level, len(others) + 1)
    if k == 0:
        return -math.inf, math.inf
    low = -_upper(-estimate, -others, slopes, k)
    return low, _upper(estimate, others, slopes, k)


def _upper(estimate: float, others: Floats, slopes: Floats, k: int) -> float:
    """Return the greatest effect at which at least `k` of the others are as far from zero."""
    # measured from the estimate, d = tau - estimate >= 0: the others are at m - s d, the actual one at -d
    slopes = np.where(np.abs(np.abs(slopes) - 1) <= _WHOLE, np.sign(slopes), slopes)
    m = others - slopes * estimate
    m = np.where(np.abs(m) <= _WHOLE * (np.abs(others) + abs(estimate)), 0.0, m)
    with np.errstate(divide="ignore", invalid="ignore"):
        one, two = m / (1 + slopes), -m / (1 - slopes)  # m - s d = d and m - s d = -d
    # |m - s d| >= d for all large d where |s| > 1; then the others' set reaches to infinity
    endless = (np.abs(slopes) > 1) | ((np.abs(slopes) == 1) & (m * slopes <= 0))
    ends = np.where(endless, np.inf, np.fmax(one, two))
    starts = np.zeros_like(ends)
    # beyond a slope of 1 both crossings may lie ahead, and what is between them is not as far
    gap = (np.abs(slopes) > 1) & (np.fmin(one, two) >= 0)
    extra_starts, extra_ends = np.fmax(one, two)[gap], np.full(int(gap.sum()), np.inf)
    ends = np.where(gap, np.fmin(one, two), ends)
    starts, ends = np.concatenate([starts, extra_starts]), np.concatenate([ends, extra_ends])
    candidates = np.unique(ends)
    begun = np.searchsorted(np.sort(starts), candidates * (1 + _WHOLE), side="right")
    over = np.searchsorted(np.sort(ends), candidates * (1 - _WHOLE), side="left")
    kept = candidates[begun - over >= k]
    return estimate + float(kept.max()) if len(kept) else estimate


@dataclass(eq=False)
class _Curves:
    """Statistics of all assignments as curves over the effect, through those that were estimated."""

    evaluate: Evaluate
    nodes: list[float] = field(default_factory=list)
    values: list[Floats] = field(default_factory=list)

    def add(self, effect: float) -> None:
        if not any(abs(effect - n) <= 1e-12 * (1 + abs(n)) for n in self.nodes):
            self.nodes.append(effect)
            self.values.append(self.evaluate(effect, slice(None)))

    def at(self, effect: float) -> Floats:
        """Return the statistics on the polynomial through the four nearest nodes."""
        nearest = np.argsort(np.abs(np.array(self.nodes) - effect), kind="stable")[:4]
        x = np.array([self.nodes[i] for i in nearest])
        out = np.zeros_like(self.values[0])
        with np.errstate(invalid="ignore"):
            for j, i in enumerate(nearest):
                rest = np.delete(x, j)
                out = out + float(np.prod((effect - rest) / (x[j] - rest))) * self.values[i]
        # an infinite statistic (no event in the reassigned cells) is infinite under every effect
        return np.where(np.isfinite(self.values[0]), out, self.values[0])

    def count(self, effect: float) -> int:
        """Return how many of the others are at least as far from zero as the actual one."""
        sizes = np.abs(self.at(effect))
        # one that can no longer be estimated counts as far, which errs on the wide side
        return int((as_far(float(sizes[0]), sizes[1:]) | np.isnan(sizes[1:])).sum())


def invert(evaluate: Evaluate, first: Floats, estimate: float, level: float) -> Limits:
    """Invert a randomisation test under a constant effect.

    Parameters
    ----------
    evaluate : callable
        From an effect and a choice of rows to their statistics after that effect is taken from the treated cells.
    first : ndarray, shape (1 + B,)
        ``evaluate(0)``.
    estimate : float
        Estimated effect, where the actual statistic is zero.
    level : float

    Returns
    -------
    Limits

    Notes
    -----
    Each assignment's statistic is a curve over the effect. With linear estimators it is a straight line, known from two
    effects, and the limits are algebra (:func:`accepted_linear`). Otherwise the curves are interpolated between the
    effects tried, the limit is sought on them outwards from the estimate by bisection, every assignment is estimated
    again just there, and so on until the limit moves by less than 1% of its distance from the estimate, which leaves an
    error of the second order. Two to five rounds do, where bisection with refits would need fifty (compare Garthwaite
    1996, who searches by single draws).
    """
    total = len(first)
    k = needed(level, total)
    if k == 0:
        return Limits(-math.inf, math.inf, 0, exact=True)
    finite = first[np.isfinite(first)]
    spread = float(np.median(np.abs(finite - np.median(finite)))) if len(finite) else 0.0
    # another size than the estimate where that is nearly zero: two effects make a line
    second = estimate if abs(estimate) > 0.1 * spread else (spread or 1.0)
    curves = _Curves(evaluate, [0.0], [first])
    curves.add(second)
    if np.isfinite(first).all():
        some = np.unique(np.linspace(0, total - 1, 12).astype(np.int64))
        third = second + 2 * (spread or abs(second))
        actual, guessed = evaluate(third, some), curves.at(third)[some]
        slopes = (first - curves.values[-1]) / second
        if (np.abs(actual - guessed) <= _STRAIGHT * (spread + np.abs(actual))).all() and abs(slopes[0] - 1) <= 1e-6:
            return Limits(*accepted_linear(float(first[0]), first[1:], slopes[1:], level), 1, exact=True)
    step = spread or abs(second)
    ends = []
    for side in (-1.0, 1.0):
        limit = _walk(curves, estimate, side, step, k)
        for _ in range(6):
            if math.isinf(limit):
                break
            curves.add(limit)
            again = _walk(curves, estimate, side, step, k)
            moved, limit = abs(again - limit), again
            if moved <= _SETTLED * abs(limit - estimate):
                break
        ends.append(limit)
    return Limits(ends[0], ends[1], len(curves.nodes) - 1, exact=False)


def _walk(curves: _Curves, estimate: float, side: float, step: float, k: int) -> float:
    """Return the effect on one side of the estimate at which fewer than `k` others are as far for the first time."""
    inner, outer = estimate, estimate + side * 0.5 * step
    while curves.count(outer) >= k:
        inner, outer = outer, estimate + 1.3 * (outer - estimate)
        if abs(outer - estimate) > _FURTHEST * step:
            return side * math.inf
    for _ in range(50):
        middle = (inner + outer) / 2
        if curves.count(middle) >= k:
            inner = middle
        else:
            outer = middle
    return inner

"""The permutation test of a supposed effect over time, and the effects that it keeps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from svmodel.numerics.permutations import as_far

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from svmodel.inference._conformal_residuals import Residuals

    Floats = NDArray[np.float64]

__all__ = ["PermutationTest"]

#: A stretch of this many residual sizes without an effect that is kept ends the search to that side.
_STRETCH = 2.0
#: Residual sizes from the estimate at which an effect that is still kept counts as unbounded.
_FURTHEST = 50.0


class PermutationTest:
    """The permutation test of an effect; `sets` hold periods that stand for the treated ones, the real set first."""

    def __init__(self, residuals: Residuals, sets: Floats, norm: float, n_after: int) -> None:
        self.residuals, self.sets, self.norm, self.n_after = residuals, sets, norm, n_after
        self._known: dict[float, float] = {}

    @property
    def tried(self) -> int:
        """Number of effects that were tried."""
        return len(self._known)

    def residual(self, effect: float) -> Floats:
        line = self.residuals.line
        return self.residuals.at(effect) if line is None else line[0] + effect * line[1]

    def p_value(self, effect: float) -> float:
        """Return the share of permutations with a statistic at least as large (equation 2)."""
        if effect not in self._known:
            sums = self.sets @ np.abs(self.residual(effect)) ** self.norm
            # the root and the factor 1 / sqrt(T*) leave the order of statistics as it is
            self._known[effect] = float(as_far(float(sums[0]), sums).mean())
        return self._known[effect]

    def limits(self, estimate: float, level: float, grid: int) -> tuple[float, float]:
        """Return the least and the greatest effect kept, NaN where none is, infinite where no end is found."""
        alpha = 1 - level + 1e-12
        if 1 / len(self.sets) > alpha:
            return -math.inf, math.inf
        size = self._size(estimate)
        kept = [k for side in (-1, 1) for k in self._kept(estimate, side * size / grid, alpha, grid)]
        if not kept:
            return math.nan, math.nan
        step = size / grid
        low, high = estimate + step * min(kept), estimate + step * max(kept)
        return self._edge(low, -step, alpha), self._edge(high, step, alpha)

    def _size(self, estimate: float) -> float:
        """Return the size of a residual on the scale of the effect, under the estimate."""
        mean = float(np.abs(self.residual(estimate)).mean())
        if self.residuals.scale == "difference":
            return mean or 1.0
        arrays = self.residuals.whole
        treated = arrays.treated.any(axis=1)
        return mean / float(np.nanmean(arrays.y[treated])) or 1.0

    def _kept(self, estimate: float, step: float, alpha: float, grid: int) -> list[float]:
        """Return the signed steps from the estimate, outwards to one side, whose effects are kept."""
        sign = math.copysign(1, step)
        if self.p_value(estimate + step * grid * _FURTHEST) > alpha:
            return [sign * math.inf]
        last, k, kept = 0, 0, []
        while k <= last + grid * _STRETCH:
            if self.p_value(estimate + step * k) > alpha:
                last = k
                kept.append(sign * k)
            k += 1
        return kept

    def _edge(self, inner: float, step: float, alpha: float) -> float:
        """Return the end of the kept effects between `inner`, which is kept, and the next on the grid, which is not."""
        if math.isinf(inner):
            return inner
        outer = inner + step
        for _ in range(20):
            middle = (inner + outer) / 2
            if self.p_value(middle) > alpha:
                inner = middle
            else:
                outer = middle
        return inner

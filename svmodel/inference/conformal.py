"""Conformal inference for counterfactuals: residuals under a supposed effect, permuted over time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from svmodel.errors import EstimationError, Problems, did_you_mean
from svmodel.inference.conformal_residuals import Residuals
from svmodel.inference.inversion import too_few
from svmodel.inference.statistic import answered, estimate_of, scale_of
from svmodel.numerics.arrays import Floats
from svmodel.numerics.resampling.permutations import (
    as_far,
    count_assignments,
    every_assignment,
    needed,
    sample_assignments,
)
from svmodel.result import Result
from svmodel.result.interval import Interval
from svmodel.seeds import derive_seed

_PERMUTATIONS = ("moving_block", "iid")


@dataclass(frozen=True)
class Conformal:
    """Whether a supposed effect leaves residuals after the start that look like those before it.

    The effect is taken from the treated cells, the counterfactual is estimated on all periods as if none were treated,
    and the residuals after the start are compared with those of other stretches of time.

    Parameters
    ----------
    permutations : {"moving_block", "iid"}
        Stretches that go round in a circle, which keeps the order of residuals and allows for correlation over time; or
        any choice of periods, which supposes that the order of residuals does not matter.
    level : float
        Coverage of the interval.
    norm : float
        q of the statistic ``(sum |u_t|^q / sqrt(T*))^(1/q)`` over the T* treated periods. 1 for an effect that lasts; a
        large q looks for effects in few periods.
    grid : int
        Effects tried for each residual size on the way out from the estimate; the ends are then solved by bisection.
    draws : int
        Choices of periods drawn where ``permutations="iid"`` has more than these; else all are tried.

    Notes
    -----
    *Null.* The effect is the same in all treated cells (a difference is subtracted, a ratio divided out) of all treated
    areas, whose residuals are averaged. They have to start together, and have to have no end or anticipation among them
    other than cells which are left out.

    *Counterfactual under the null.* Chernozhukov, Wuthrich and Zhu (2021, section 2) estimate on all periods, the
    treated ones with the effect taken away, so that all residuals are made in one way. Where the estimator has ``path``
    this is done: a period is added in which alone the treated areas count as treated, with the areas' own averages as
    outcome, and the residuals are those of the other periods. Otherwise each period is predicted in turn from all
    others by the estimator's ``point``, as if it alone were treated; what the periods before and after the start are
    predicted from is then alike too. Controls are the never treated areas.

    *P-value.* The share of all permutations, the identity among them, whose statistic is at least as large (their
    equation 2). Moving blocks give at most T of them, so that with fewer than ``1 / (1 - level)`` periods there is no
    interval.

    *Supposes* residuals that are stationary and only weakly dependent over time, in many periods compared with the
    treated ones; exact if they are exchangeable over time. It does not suppose that areas are alike, and a single
    treated area is enough. An estimator that uses the order of periods (a trend, a lag, the last period as base) does
    not fit; it is found by putting the periods in another order, and refused.

    *Interval.* From the least to the greatest effect kept. Effects in between may be rejected, and with synthetic
    controls effects far away may be kept, because weights bend to a large supposed effect before the start as well as
    after it: then the interval is wide or infinite, which errs on the safe side. Where effects differ much over the
    treated periods, no constant effect may fit, and there is no interval.

    *Cost.* For each effect tried, one path or T points; straight lines are recognised, and then two suffice.

    References
    ----------
    Chernozhukov, Wuthrich and Zhu (2021). An exact and robust conformal inference method for counterfactual and
    synthetic controls. *JASA* 116, 1849-1864.
    """

    permutations: Literal["moving_block", "iid"] = "moving_block"
    level: float = 0.95
    norm: float = 1.0
    grid: int = 4
    draws: int = 4_999

    def __post_init__(self) -> None:
        found = Problems()
        if self.permutations not in _PERMUTATIONS:
            fix = did_you_mean(self.permutations, _PERMUTATIONS)
            found.add(f"no permutations are called {self.permutations!r}", where="permutations", fix=fix, rule="scheme")
        if not 0 < self.level < 1:
            found.add(f"{self.level!r} does not lie between 0 and 1", where="level", rule="level")
        for name in ("norm", "grid", "draws"):
            if getattr(self, name) < 1:
                found.add(f"{getattr(self, name)!r} is below 1", where=name, rule=name)
        found.raise_if_any(EstimationError, "conformal inference cannot be done so")

    def infer(self, result: Result, *, seed: int = 0) -> Result:
        """Return the result with p-value and interval of its average effect by permutation of residuals over time.

        Parameters
        ----------
        result : Result
            Of an estimator with ``path`` or ``point``, with its design.
        seed : int
            Of the draws; of no consequence for moving blocks.

        Returns
        -------
        Result
            The standard error is missing, as there is none. ``diagnostics`` hold ``conformal_permutations`` and
            ``conformal_effects_tried``.

        Raises
        ------
        DesignError
            If treated areas do not start together or no area is never treated.
        EstimationError
            If the estimator has neither ``path`` nor ``point``, uses the order of periods, or leaves residuals unknown.
        """
        estimate, test = estimate_of(result), self._test(result, seed)
        p_value = test.p_value(0.0)
        limits = (math.nan, math.nan)
        if math.isfinite(estimate):
            limits = test.limits(estimate, self.level, self.grid)
        method = f"conformal, {'moving blocks' if self.permutations == 'moving_block' else 'iid'}"
        why = self._why(test, limits)
        interval = Interval(scale_of(result), estimate, math.nan, *limits, p_value, self.level, method, why)
        told = {"conformal_permutations": len(test.sets), "conformal_effects_tried": test.tried}
        return answered(result, interval, warns=not needed(self.level, len(test.sets)), told=told)

    def p_value(self, result: Result, effect: float = 0.0, *, seed: int = 0) -> float:
        """Return the p-value of a constant `effect`, on the estimator's scale.

        Parameters
        ----------
        result : Result
        effect : float
            Log rate ratio or difference, as the estimator's ``scale``.
        seed : int

        Raises
        ------
        DesignError, EstimationError
            As :meth:`infer`.
        """
        return self._test(result, seed).p_value(effect)

    def _test(self, result: Result, seed: int) -> PermutationTest:
        residuals = Residuals(result)
        residuals.check_order()
        after = residuals.after
        T, n = len(after), int(after.sum())
        if self.permutations == "moving_block":
            sets = np.array([np.roll(after, j) for j in range(T)])
        else:
            labels, one = after.astype(np.int64), np.zeros(T, dtype=np.int64)
            if count_assignments(labels, one) - 1 <= self.draws:
                every = np.array(list(every_assignment(labels, one))).astype(bool)
                sets = np.vstack([after[None, :], every[(every != after).any(axis=1)]])
            else:
                rng = np.random.default_rng(derive_seed(seed, "conformal"))
                sets = np.vstack([after, sample_assignments(labels, one, self.draws, rng).astype(bool)])
        return PermutationTest(residuals, sets.astype(np.float64), self.norm, n)

    def _why(self, test: PermutationTest, limits: tuple[float, float]) -> str:
        how = "stretches of time" if self.permutations == "moving_block" else "choices of periods"
        said = [
            f"P-value and interval compare what is left after the start, once an effect is taken away, with "
            f"{len(test.sets):,} {how} (Chernozhukov, Wuthrich and Zhu 2021). They suppose one effect in all treated "
            "cells and residuals that "
            + (
                "are stationary over time."
                if self.permutations == "moving_block"
                else "might have come in any order: no correlation over time."
            )
        ]
        if not needed(self.level, len(test.sets)):
            said.append(too_few(self.level, len(test.sets), f"{len(test.sets)} of them"))
        elif math.isnan(limits[0]):
            said.append(
                "No constant effect is compatible with the residuals, or none could be tried: no interval is given."
            )
        return " ".join(said)


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
        """Return the residuals when `effect` is taken out."""
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

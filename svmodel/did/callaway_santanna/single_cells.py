"""Errors of cells one by one, of which there are too many to hold what every area adds to each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from svmodel.did.callaway_santanna.averages import Measured, observed_and_expected
from svmodel.did.callaway_santanna.cells import Cells
from svmodel.did.callaway_santanna.contributions import Part
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.cluster import LIVE, small_sample_of_sums
from svmodel.numerics.cluster.multiplier_bootstrap import critical_of


@dataclass(frozen=True, eq=False)
class Scale:
    """Estimates of K cells on one scale, and what areas add to them.

    An area adds ``of_effect`` times its contribution to the effect, and a treated one ``of_outcome`` times what its
    outcome lies above the mean of the cell's.

    Attributes
    ----------
    estimate, of_effect : ndarray, shape (K,)
    of_outcome : ndarray, shape (K,), or None
        None where the outcome itself takes no part.
    """

    estimate: Floats
    of_effect: Floats
    of_outcome: Floats | None = None


def log_ratio(cells: Cells, observed: Floats) -> Scale:
    """Return the log of the observed over the expected sum, by the delta method, as ``Totals.log_ratio`` does."""
    O, X = observed_and_expected(observed, cells.att * cells.n_treated)
    return Scale(np.log(O) - np.log(X), cells.n_treated / X, 1 / O - 1 / X)


class SingleCells:
    """The cells of a result, held against one mean in pools of areas.

    The controls' part of every sum of squares and of every draw is the same on all scales up to a factor, and is made
    once. What is summed over areas is summed here and in :class:`svmodel.did.callaway_santanna.averages.Linear` alone.

    Parameters
    ----------
    cells : Cells
    pools : ndarray of int, shape (N,)
        Areas held against one mean.
    outcome : ndarray, shape (N, T), or None
        Of a count, whose ratio has the error of the outcome too.
    draws : ndarray, shape (B, N), or None
        Multipliers for simultaneous intervals.
    """

    def __init__(self, cells: Cells, pools: Ints, outcome: Floats | None, draws: NDArray[np.float32] | None) -> None:
        self.cells = cells
        self.draws = draws
        found, label = np.unique(pools, return_inverse=True)
        self.n_pools, self.label = len(found), label.ravel()
        parts = cells.contributions.parts
        self.treated = [p for p in parts if p.treated]
        self.controls = [_Sums.of(*one) for p in parts if not p.treated for one in self._by_pool(p)]
        self.above_mean: list[Floats] = []
        self.observed = np.full(len(cells.att), np.nan)
        if outcome is not None:
            self.observed = cells.observed(outcome)
            mean = self.observed / cells.n_treated
            for part, held in cells.treated_outcomes(outcome):
                above = held - mean[part.cells, None]
                self.above_mean.append(above if part.present is None else above * part.present)

    def measured(self, scale: Scale) -> Measured:
        """Return the cells on a scale with their errors."""
        K = len(self.cells.att)
        sums = [(s, scale.of_effect[s.cells]) for s in self.controls]
        for part in self._treated_on(scale):
            sums += [(s, np.ones(len(s.cells))) for s in (_Sums.of(*one) for one in self._by_pool(part))]
        peak = np.zeros(K)
        for s, factor in sums:
            peak[s.cells] = np.maximum(peak[s.cells], s.most * factor)
        square, live = np.zeros((2, self.n_pools, K))
        for s, factor in sums:
            square[s.pool, s.cells] += s.square * factor**2
            live[s.pool, s.cells] += s.above(LIVE * peak[s.cells] / factor)
        spread = np.sqrt(square.sum(axis=0))
        return Measured(scale.estimate, np.where(spread > 0, spread, np.nan), small_sample_of_sums(square, live))

    def critical(self, scale: Scale, measured: Measured, *, level: float) -> float:
        """Return the critical value with which the intervals of all cells hold at once; NaN where none varies."""
        assert self.draws is not None
        total = self._drawn * scale.of_effect[:, None].astype(np.float32)
        if scale.of_outcome is not None:
            total += self._drawn_outcomes * scale.of_outcome[:, None].astype(np.float32)
        known = ~np.isnan(measured.std_error)
        if not known.any():
            return float("nan")
        t = np.abs(total[known] / measured.std_error[known, None].astype(np.float32))
        return critical_of(t.max(axis=0).astype(np.float64), level=level)

    @cached_property
    def _drawn(self) -> NDArray[np.float32]:
        assert self.draws is not None
        return self.cells.contributions.drawn(self.draws)

    @cached_property
    def _drawn_outcomes(self) -> NDArray[np.float32]:
        assert self.draws is not None
        out = np.zeros((len(self.cells.att), len(self.draws)), dtype=np.float32)
        by_area = self.draws.T
        for part, above in zip(self.treated, self.above_mean, strict=True):
            out[part.cells] += above.astype(np.float32) @ by_area[part.rows]
        return out

    def _treated_on(self, scale: Scale) -> list[Part]:
        found = []
        for i, part in enumerate(self.treated):
            share = part.share * scale.of_effect[part.cells, None]
            if scale.of_outcome is not None:
                share += self.above_mean[i] * scale.of_outcome[part.cells, None]
            found.append(replace(part, share=share))
        return found

    def _by_pool(self, part: Part) -> list[tuple[int, Ints, Floats]]:
        """Return the contributions of a part pool by pool: its number, the cells, and an array (k, n)."""
        label = self.label[part.rows]
        if len(label) and (label == label[0]).all():
            return [(int(label[0]), part.cells, part.share)]
        return [(int(pool), part.cells, part.share[:, label == pool]) for pool in np.unique(label)]


@dataclass(frozen=True, eq=False)
class _Sums:
    """What is asked of the contributions `share`, shape (k, n), of areas of one pool: values of shape (k,)."""

    pool: int
    cells: Ints
    share: Floats
    square: Floats
    least: Floats
    most: Floats

    @staticmethod
    def of(pool: int, cells: Ints, share: Floats) -> _Sums:
        size = np.abs(share)
        least, most = size.min(axis=1, initial=np.inf), size.max(axis=1, initial=0.0)
        return _Sums(pool, cells, share, np.einsum("kn,kn->k", share, share), least, most)

    def above(self, limit: Floats) -> Floats:
        """Count the areas that add more than `limit`, shape (k,)."""
        count = np.full(len(limit), float(self.share.shape[1]))
        near: Mask = ~(self.least > limit)
        count[near] = (np.abs(self.share[near]) > limit[near, None]).sum(axis=1)
        return count

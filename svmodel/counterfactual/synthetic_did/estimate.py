"""What is asked of the gaps: the average effect, and effects by horizon, cohort and calendar period."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svmodel.counterfactual.synthetic_did.blocks import Block, Working, split, working
from svmodel.counterfactual.synthetic_did.weights import BlockWeights, gaps, noise_level, target_of, weigh
from svmodel.design import DesignArrays
from svmodel.numerics.arrays import Floats


@dataclass(frozen=True, eq=False)
class Terms:
    """Every term as sums over (block, period) columns.

    Attributes
    ----------
    keys : list of dict
        term, and cohort, period or horizon as indices of periods.
    chosen : ndarray of bool, shape (K, M)
        Columns that a term sums.
    cells, size, observed, exposure : ndarray, shape (K,)
        Treated area-periods (areas before the start), what a unit of the working outcome is worth in all of them,
        their outcome, and their person-periods (NaN without an exposure).
    after : ndarray of bool, shape (K,)
        Whether a term is of treated cells.
    """

    keys: list[dict[str, Any]]
    chosen: NDArray[np.bool_]
    cells: Floats
    size: Floats
    observed: Floats
    exposure: Floats
    after: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Estimate:
    """The point estimate with all that it is made of.

    Attributes
    ----------
    held : Working
    blocks : list of Block
    weights : list of BlockWeights
    gaps : list of ndarray, shape (treated, periods)
        In the working outcome's units.
    left_out : dict
        As :func:`split` gives it.
    """

    held: Working
    blocks: list[Block]
    weights: list[BlockWeights]
    gaps: list[Floats]
    left_out: dict[str, Any]

    @property
    def events(self) -> Floats:
        """Effects in the outcome's units, summed over areas, in each (block, period) column."""
        return np.concatenate([sums(b, g) for b, g in zip(self.blocks, self.gaps, strict=True)])

    @property
    def att(self) -> float:
        """The average effect in a treated area-period, in the outcome's units."""
        after = np.concatenate([np.repeat([False, True], [len(b.before), len(b.after)]) for b in self.blocks])
        cells = sum(len(b.treated) * len(b.after) for b in self.blocks)
        # times one over, as the table of estimates has it: to the last bit the same
        return float(after @ self.events) * (1 / cells)


def estimate(arrays: DesignArrays, *, rates: bool, method: str, solver: str) -> Estimate:
    """Weigh and compare every block.

    Raises
    ------
    EstimationError
        If covariates cannot be projected out.
    """
    held = working(arrays, rates=rates)
    blocks, left_out = split(arrays, held)
    weights, found = [], []
    for block in blocks:
        donors = held.y[np.ix_(block.donors, block.periods)]
        own = held.y[np.ix_(block.treated, block.periods)]
        n_before = len(block.before)
        fit = weigh(
            donors,
            target_of(own[:, :n_before], block),
            len(block.after),
            len(block.treated),
            method=method,
            solver=solver,
            noise=noise_level(donors[:, :n_before]),
        )
        weights.append(fit)
        found.append(gaps(own, donors, fit))
    return Estimate(held, blocks, weights, found, left_out)


def sums(block: Block, found: Floats) -> Floats:
    """Return effects in the outcome's units, summed over the block's areas, by period."""
    return np.asarray((block.size * found).sum(axis=0))


def terms_of(arrays: DesignArrays, blocks: list[Block]) -> Terms:
    """Return the terms that these blocks bear: the average effect first."""
    start = np.concatenate([np.full(len(b.periods), b.start) for b in blocks])
    time = np.concatenate([b.periods for b in blocks])
    after = np.concatenate([np.repeat([False, True], [len(b.before), len(b.after)]) for b in blocks])
    cells = np.concatenate([np.full(len(b.periods), float(len(b.treated))) for b in blocks])
    size = np.concatenate([b.size.sum(axis=0) for b in blocks])
    picked = [np.ix_(b.treated, b.periods) for b in blocks]
    observed = np.concatenate([arrays.y[p].sum(axis=0) for p in picked])
    exposure = np.full(len(time), np.nan)
    if arrays.exposure is not None:
        exposure = np.concatenate([arrays.exposure[p].sum(axis=0) for p in picked])

    keys: list[dict[str, Any]] = [{"term": "att"}]
    chosen = [after]
    for h in np.unique(time - start):
        keys.append({"term": "event", "horizon": int(h)})
        chosen.append((time - start == h) & (after == (h >= 0)))
    for g in np.unique(start):
        keys.append({"term": "cohort", "cohort": int(g)})
        chosen.append(after & (start == g))
    for t in np.unique(time[after]):
        keys.append({"term": "calendar", "period": int(t)})
        chosen.append(after & (time == t))
    table = np.array(chosen)
    return Terms(
        keys,
        table,
        table @ cells,
        table @ size,
        table @ observed,
        table @ exposure if arrays.exposure is not None else np.full(len(table), np.nan),
        np.array([bool(after[row].all()) for row in table]),
    )

"""What is asked of the gaps: the average effect, and effects by horizon, cohort and calendar period."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from svmodel.counterfactual.synthetic_did.blocks import Block, Working, split, working
from svmodel.counterfactual.synthetic_did.weights import BlockWeights, Weighing, gaps, noise_level, target_of, weigh
from svmodel.design import DesignArrays
from svmodel.numerics.arrays import Floats, Mask


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
    chosen: Mask
    cells: Floats
    size: Floats
    observed: Floats
    exposure: Floats
    after: Mask


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
    how : Weighing
    """

    held: Working
    blocks: list[Block]
    weights: list[BlockWeights]
    gaps: list[Floats]
    left_out: dict[str, Any]
    how: Weighing

    @property
    def events(self) -> Floats:
        """Effects in the outcome's units, summed over areas, in each (block, period) column."""
        return np.concatenate([(b.size * g).sum(axis=0) for b, g in zip(self.blocks, self.gaps, strict=True)])

    @property
    def att(self) -> float:
        """The average effect in a treated area-period, in the outcome's units."""
        after = np.concatenate([np.repeat([False, True], [len(b.before), len(b.after)]) for b in self.blocks])
        cells = sum(len(b.treated) * len(b.after) for b in self.blocks)
        # times one over, as the table of estimates has it: to the last bit the same
        return float(after @ self.events) * (1 / cells)


def estimate(arrays: DesignArrays, how: Weighing, *, rates: bool) -> Estimate:
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
        target, noise = target_of(own[:, :n_before], block), noise_level(donors[:, :n_before])
        fit = weigh(donors, target, len(block.after), len(block.treated), how, noise=noise)
        weights.append(fit)
        found.append(gaps(own, donors, fit))
    return Estimate(held, blocks, weights, found, left_out, how)


def terms_of(arrays: DesignArrays, blocks: list[Block]) -> Terms:
    """Return the terms that these blocks bear: the average effect first."""
    start = np.concatenate([np.full(len(b.periods), b.start) for b in blocks])
    time = np.concatenate([b.periods for b in blocks])
    after = np.concatenate([np.repeat([False, True], [len(b.before), len(b.after)]) for b in blocks])
    cells = np.concatenate([np.full(len(b.periods), float(len(b.treated))) for b in blocks])
    size = np.concatenate([b.size.sum(axis=0) for b in blocks])
    picked = [np.ix_(b.treated, b.periods) for b in blocks]
    observed = np.concatenate([arrays.y[p].sum(axis=0) for p in picked])
    people = np.full(arrays.y.shape, np.nan) if arrays.exposure is None else arrays.exposure
    exposure = np.concatenate([people[p].sum(axis=0) for p in picked])
    asked: list[tuple[dict[str, Any], Mask]] = [
        ({"term": "att"}, after),
        *(
            ({"term": "event", "horizon": int(h)}, (time - start == h) & (after == (h >= 0)))
            for h in np.unique(time - start)
        ),
        *(({"term": "cohort", "cohort": int(g)}, after & (start == g)) for g in np.unique(start)),
        *(({"term": "calendar", "period": int(t)}, after & (time == t)) for t in np.unique(time[after])),
    ]
    table = np.array([columns for _, columns in asked])
    treated = np.array([bool(after[row].all()) for row in table])
    keys = [key for key, _ in asked]
    return Terms(keys, table, table @ cells, table @ size, table @ observed, table @ exposure, treated)

"""Coefficients of a regression on groups of treated cells, as rows of a result and as an event study."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.cluster import SmallSample
from svmodel.numerics.cluster.membership import Clusters
from svmodel.numerics.two_way.before_start import Grouped
from svmodel.numerics.two_way.linear_fe import LinearFit
from svmodel.numerics.two_way.poisson_fe import PoissonFit
from svmodel.result import JointEstimate
from svmodel.result.scales import PerCell, from_influence, widened_row
from svmodel.result.tables import event_joint


@dataclass(frozen=True, eq=False)
class Coefficients:
    """A regression with one coefficient for each of Q groups of treated cells; R rows by W periods.

    Attributes
    ----------
    family : {"poisson", "linear"}
        Whether coefficients are log rate ratios or differences.
    y, exposure : ndarray, shape (R, W); exposure may be None
    use : ndarray of bool, shape (R, W)
        Cells that carry information.
    area : ndarray of int, shape (R,)
        Of each row.
    group : ndarray of int, shape (R, W)
        As asked for; -1 for the cells of no group.
    coefficient : ndarray, shape (Q,)
        NaN where not identified.
    covariance : ndarray, shape (Q, Q)
        CR1 by cluster; zero where not identified.
    influence : ndarray, shape (N, Q)
        What each area adds to the error of each coefficient; zero where not identified.
    treated : ndarray of int, shape (N,)
        1 for areas that share the coefficients, 0 for those that share the period effects alone.
    factor : float
        CR1.
    n_clusters : int
    clusters : Clusters
        Areas that share their noise.
    model : PoissonFit or LinearFit or None
        None where no coefficient is identified.
    """

    family: str
    y: Floats
    exposure: Floats | None
    use: Mask
    area: Ints
    group: Ints
    coefficient: Floats
    covariance: Floats
    influence: Floats
    treated: Ints
    factor: float
    n_clusters: int
    clusters: Clusters
    model: PoissonFit | LinearFit | None

    @property
    def kept(self) -> Mask:
        """Groups whose coefficient is identified."""
        return ~np.isnan(self.coefficient)

    @cached_property
    def areas(self) -> Ints:
        """Areas, or clusters of them, with a cell in each group, shape (Q,)."""
        Q = len(self.coefficient)
        inside = np.where(self.use, self.group, -1)
        counted = [self.clusters.count(self.area[(inside == j).any(axis=1)]) for j in range(Q)]
        return np.array(counted, dtype=np.int64)

    def size(self, j: int) -> tuple[float, float | None, float]:
        """Return the cells, the exposure and the outcome of group `j`, among the used cells."""
        inside = self.use & (self.group == j)
        exposure = None if self.exposure is None else float(self.exposure[inside].sum())
        return float(inside.sum()), exposure, float(self.y[inside].sum())

    @property
    def expected(self) -> float:
        """What the first coefficient leaves for the expected sum of its cells, the observed sum held."""
        cells, _, observed = self.size(0)
        effect = float(self.coefficient[0])
        return observed / float(np.exp(effect)) if self.family == "poisson" else observed - effect * cells

    def small(self, weights: Floats) -> SmallSample:
        """Return what the interval of a weighted sum of the coefficients needs beyond its standard error."""
        found = self.clusters.small(self.influence @ weights, self.treated)
        df = float(found.df) if np.isfinite(found.df) else np.inf
        return SmallSample(found.inflation, min(df, float(self.n_clusters - 1)))

    def single(self, j: int) -> tuple[float, float, SmallSample]:
        """Return coefficient `j`, its standard error, and what its interval needs beyond that."""
        alone = (np.arange(len(self.coefficient)) == j).astype(np.float64)
        return float(self.coefficient[j]), float(np.sqrt(self.covariance[j, j])), self.small(alone)

    def ratio_rows(self, term: str, j: int, *, events: bool, level: float, **which: Any) -> list[dict[str, Any]]:
        """Return a log rate ratio on every scale; `events` says whether the outcomes of its cells are events."""
        cells, exposure, observed = self.size(j)
        estimate, error, small = self.single(j)
        expected = observed / float(np.exp(estimate))
        # the observed sum is held, so all the uncertainty of the ratio is that of the expected sum
        covariance = np.array([[0.0, 0.0], [0.0, (expected * error) ** 2]])
        per = PerCell(cells, exposure, events=events)
        return from_influence(term, observed, expected, covariance, per, level=level, small=small, **which)

    def average_rows(self, horizons: Ints, level: float) -> list[dict[str, Any]]:
        """Return the equally weighted average over horizons from 0; of log ratios for Poisson."""
        after = self.kept & (horizons >= 0)
        if not after.any():
            return []
        w = after / after.sum()
        estimate = float(w @ np.where(after, self.coefficient, 0.0))
        # rounding can leave a variance of zero just below it
        error, small = float(np.sqrt(max(w @ self.covariance @ w, 0.0))), self.small(w)
        log = self.family == "poisson"
        return [widened_row("event_average", "difference", estimate, error, small, level=level, logarithm=log)]

    def joint(
        self, horizons: Ints, *, binned: bool = False, reference: int | None = None, before: Grouped | None = None
    ) -> JointEstimate | None:
        """Return the coefficients by horizon with their covariance; None where none has an error.

        What rests on a single area has none. `reference` is told where it is not the horizon that it should be.
        """
        kept = self.kept & (self.areas > 1)
        if not kept.any():
            return None
        scale = "log_rate_ratio" if self.family == "poisson" else "difference"
        held = np.ix_(kept, kept)
        how: dict[str, Any] = {"base": "reference", "binned": binned, "reference": reference, "before": before}
        return event_joint(scale, horizons[kept], self.coefficient[kept], self.covariance[held], **how)


def without_limits(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of an effect in whose standard error the noise of no treated area is: it bears no interval."""
    nothing = dict.fromkeys(("conf_low", "conf_high", "p_value"), np.nan)
    return [{**row, **nothing} for row in rows]


def without_error(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of an effect that rests on a single area: its own noise is in no residual, so no error is known."""
    nothing = dict.fromkeys(("std_error", "conf_low", "conf_high", "p_value"), np.nan)
    return [{**row, **nothing} for row in rows]

"""Coefficients of a regression on groups of treated cells, as rows of a result and as an event study."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.cluster import SmallSample
from svmodel.result import JointEstimate
from svmodel.result.scales import PerCell, from_influence, widened_row
from svmodel.result.tables import event_joint


class Coefficients(Protocol):
    """A fitted regression with one coefficient for each of Q groups of treated cells."""

    @property
    def kept(self) -> Mask:
        """Groups whose coefficient is identified, shape (Q,)."""
        ...

    @property
    def coefficient(self) -> Floats:
        """Log rate ratios or differences, shape (Q,); NaN where not identified."""
        ...

    @property
    def covariance(self) -> Floats:
        """Clustered by area, shape (Q, Q)."""
        ...

    def size(self, j: int) -> tuple[float, float | None, float]:
        """Return the cells, the exposure and the outcome of group `j`."""
        ...

    def small(self, weights: Floats) -> SmallSample:
        """Return what the interval of a weighted sum of the coefficients needs beyond its standard error."""
        ...


def single(fit: Coefficients, j: int) -> tuple[float, float, SmallSample]:
    """Return coefficient `j`, its standard error, and what its interval needs beyond that."""
    alone = (np.arange(len(fit.coefficient)) == j).astype(np.float64)
    return float(fit.coefficient[j]), float(np.sqrt(fit.covariance[j, j])), fit.small(alone)


def ratio_rows(
    fit: Coefficients, term: str, j: int, *, events: bool, level: float, **which: Any
) -> list[dict[str, Any]]:
    """Return a log rate ratio on every scale; `events` says whether its cells' outcomes are events that add up."""
    cells, exposure, observed = fit.size(j)
    estimate, error, small = single(fit, j)
    expected = observed / float(np.exp(estimate))
    # the observed sum is held, so all the uncertainty of the ratio is that of the expected sum
    covariance = np.array([[0.0, 0.0], [0.0, (expected * error) ** 2]])
    per = PerCell(cells, exposure, events=events)
    return from_influence(term, observed, expected, covariance, per, level=level, small=small, **which)


def average_rows(fit: Coefficients, family: str, horizons: Ints, level: float) -> list[dict[str, Any]]:
    """Return the equally weighted average over horizons from 0; of log ratios for Poisson."""
    after = fit.kept & (horizons >= 0)
    if not after.any():
        return []
    w = after / after.sum()
    estimate = float(w @ np.where(after, fit.coefficient, 0.0))
    # rounding can leave a variance of zero just below it
    error = float(np.sqrt(max(w @ fit.covariance @ w, 0.0)))
    logarithm = family == "poisson"
    return [widened_row("event_average", "difference", estimate, error, fit.small(w), level=level, logarithm=logarithm)]


def joint(fit: Coefficients, family: str, horizons: Ints, *, binned: bool = False) -> JointEstimate | None:
    """Return the coefficients by horizon with their covariance; None where none is identified."""
    kept = fit.kept
    if not kept.any():
        return None
    scale = "log_rate_ratio" if family == "poisson" else "difference"
    covariance = fit.covariance[np.ix_(kept, kept)]
    return event_joint(scale, horizons[kept], fit.coefficient[kept], covariance, base="reference", binned=binned)


def expected_sum(fit: Coefficients, family: str) -> float:
    """Return what the only coefficient leaves for the expected sum of its cells, the observed sum held."""
    cells, _, observed = fit.size(0)
    effect = float(fit.coefficient[0])
    return observed / float(np.exp(effect)) if family == "poisson" else observed - effect * cells

"""Observed and expected sums by cohort and period, and the effects that are averages of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel.did.coefficients import without_limits
from svmodel.numerics.arrays import Floats
from svmodel.numerics.cluster import SmallSample, shrink_correlation
from svmodel.numerics.cluster.membership import Clusters
from svmodel.numerics.two_way.before_start import Grouped
from svmodel.result import JointEstimate
from svmodel.result.scales import PerCell, from_influence, ratio_of_difference, widened_row
from svmodel.result.tables import event_joint


@dataclass(frozen=True, eq=False)
class CellSums:
    """Sums over the treated areas of K cells of cohort and period, with the influence of N areas on them.

    Attributes
    ----------
    family : {"linear", "poisson"}
        Whether effects are differences or log ratios of the two sums.
    cohort, time : ndarray of int, shape (K,)
        Index of the first treated period, and of the cell's own.
    n : ndarray, shape (K,)
        Area-periods.
    exposure : ndarray, shape (K,), or None
        Person-periods.
    observed, expected : ndarray, shape (K,)
    of_observed, of_expected : ndarray, shape (N, K)
        What each area adds to the error of a sum; their cross products are CR0 covariances.
    pools : ndarray of int, shape (N,)
        Areas whose residuals are about one fitted effect; -1 for the untreated.
    size : ndarray, shape (n_cohorts,)
        Areas of each of :attr:`cohorts`.
    factor : float
        CR1 factor.
    n_clusters : int
    clusters : Clusters
        Areas that share their noise.
    spread : ndarray, shape (N,), optional
        Standard deviation of each area's influence, up to a factor; equal where None.
    """

    family: str
    cohort: NDArray[np.int64]
    time: NDArray[np.int64]
    n: Floats
    exposure: Floats | None
    observed: Floats
    expected: Floats
    of_observed: Floats
    of_expected: Floats
    pools: NDArray[np.int64]
    size: Floats
    factor: float
    n_clusters: int
    clusters: Clusters
    spread: Floats | None = None

    @property
    def horizon(self) -> NDArray[np.int64]:
        """Periods since the start, shape (K,)."""
        return self.time - self.cohort

    @property
    def cohorts(self) -> NDArray[np.int64]:
        """Cohorts with a cell."""
        return np.unique(self.cohort)

    def joined(self, others: Sequence[CellSums]) -> CellSums:
        """Return these cells and those of other sums over the same areas as one."""
        if not others:
            return self

        def end_to_end(name: str) -> Any:
            return np.concatenate([getattr(p, name) for p in (self, *others)], axis=-1)

        names = ["cohort", "time", "n", "observed", "expected", "of_observed", "of_expected"]
        if self.exposure is not None:
            names.append("exposure")
        columns: dict[str, Any] = {name: end_to_end(name) for name in names}
        return replace(self, **columns)

    def small(self, influence: Floats) -> SmallSample:
        """Return what an interval needs beyond the standard error."""
        found = self.clusters.small(influence, self.pools, self.spread, factor=self.factor)
        df = float(found.df) if np.isfinite(found.df) else np.inf
        return SmallSample(found.inflation, min(df, float(self.n_clusters - 1)))

    def error(self, influence: Floats) -> float:
        """Return the standard error of an effect from what areas add to it, shape (N,)."""
        joined = self.clusters.sums(influence)
        return float(np.sqrt(self.factor * joined @ joined))

    def pair(self, weights: Floats) -> tuple[float, float, Floats, Floats]:
        """Return weighted sums of observed and expected outcomes, and the influence on each, shape (N,)."""
        return (
            float(self.observed @ weights),
            float(self.expected @ weights),
            self.of_observed @ weights,
            self.of_expected @ weights,
        )

    def effect(self, weights: Floats) -> tuple[float, Floats]:
        """Return the effect of weighted sums (difference of the sums, or log ratio) and its influence, shape (N,)."""
        O, E, of_O, of_E = self.pair(weights)
        if self.family == "linear":
            return O - E, of_O - of_E
        with np.errstate(divide="ignore", invalid="ignore"):
            return (float(np.log(O / E)) if E > 0 else np.nan), of_O / O - of_E / E

    def rows(
        self, term: str, weights: Floats, per: PerCell, *, level: float, counts: bool, **which: Any
    ) -> list[dict[str, Any]]:
        """Return the rows of one effect on every scale; none where nothing is expected of a ratio."""
        O, E, of_O, of_E = self.pair(weights)
        if self.family == "poisson":
            if not (O > 0 and E > 0):
                return []
            both = np.column_stack([of_O, of_E])
            small = self.small(both @ np.array([1 / O, -1 / E]))
            joined = self.clusters.sums(both)
            covariance = self.factor * joined.T @ joined
            per = replace(per, events=per.events and counts)
            rows = from_influence(term, O, E, covariance, per, level=level, small=small, **which)
            return without_limits(rows) if shows_no_noise(of_O, O) else rows
        value, influence = self.effect(weights)
        error = self.error(influence)
        small = self.small(influence)
        factors = [(scale, k) for scale, k in per.factors() if counts or scale == "difference"]
        out = [widened_row(term, scale, value * k, error * k, small, level=level, **which) for scale, k in factors]
        if counts and O > 0 and E > 0:
            out.append(ratio_of_difference(out[0], O, E, value, unit=per.cells))
        return without_limits(out) if shows_no_noise(of_O, O) else out


def shows_no_noise(of_observed: Floats, observed: float) -> bool:
    """Return whether no treated area adds to the error of an observed sum: each has a fitted effect to itself."""
    return bool(np.abs(of_observed).max(initial=0.0) <= 1e-10 * max(abs(observed), 1e-300))


def rows_of_all(
    sums: CellSums, periods: pd.PeriodIndex, *, level: float, counts: bool, only_average: bool = False
) -> list[dict[str, Any]]:
    """Return the rows of every term: each treated area-period alike, by horizon, cohort, period and cell, averages."""
    names = np.array(list(periods), dtype=object)
    K = len(sums.n)

    def by(term: str, weights: Floats, **which: Any) -> list[dict[str, Any]]:
        people = None if sums.exposure is None else float(sums.exposure @ weights)
        per = PerCell(float(sums.n @ weights), people)
        return sums.rows(term, weights, per, level=level, counts=counts, **which)

    rows = by("att", np.ones(K))
    if only_average:
        return rows
    for h in np.unique(sums.horizon):
        rows += by("event", (sums.horizon == h).astype(float), horizon=int(h))
    for g in sums.cohorts:
        rows += by("cohort", (sums.cohort == g).astype(float), cohort=names[g])
    for t in np.unique(sums.time):
        rows += by("calendar", (sums.time == t).astype(float), period=names[t])
    for k in range(K):
        g, t = sums.cohort[k], sums.time[k]
        rows += by("cell", (np.arange(K) == k).astype(float), cohort=names[g], period=names[t], horizon=int(t - g))
    keys = {"event_average": sums.horizon, "cohort_average": sums.cohort, "calendar_average": sums.time}
    for term, key in keys.items():
        rows += _average(sums, term, key, level=level, counts=counts)
    return rows


def _average(sums: CellSums, term: str, key: NDArray[np.int64], *, level: float, counts: bool) -> list[dict[str, Any]]:
    """Average over the sets of cells that share a key: alike, or cohorts by their areas."""
    values, place = np.unique(key, return_inverse=True)
    share = sums.size if term == "cohort_average" else np.ones(len(values))
    rows: list[dict[str, Any]] = []
    for scale, base in (("difference", sums.n), ("per_100k", sums.exposure)):
        if base is None:
            continue
        total = np.bincount(place, weights=base)
        weights = (share / share.sum() / total)[place]
        per = PerCell(1.0, 1.0, events=False)
        got = sums.rows(term, weights, per, level=level, counts=counts)
        rows += [r for r in got if r["scale"] == scale or (r["scale"] == "rate_ratio" and scale == "difference")]
    return rows


def lead_rows(leads: list[CellSums], level: float, *, counts: bool) -> list[dict[str, Any]]:
    """Return the rows before the start, of all cohorts' cells as :func:`one_table` has them."""
    rows: list[dict[str, Any]] = []
    for whole in leads:
        for h in np.unique(whole.horizon).tolist():
            weights = (whole.horizon == h).astype(float)
            people = None if whole.exposure is None else float(whole.exposure @ weights)
            per = PerCell(float(whole.n @ weights), people, events=False)
            rows += whole.rows("event", weights, per, level=level, counts=counts, horizon=h)
    return rows


def one_table(parts: list[CellSums]) -> list[CellSums]:
    """Return the cells of several cohorts as one, so that a horizon is a sum over cohorts; nothing for nothing."""
    return [parts[0].joined(parts[1:])] if parts else []


def joint_events(parts: list[CellSums], *, shrink: bool, before: Grouped | None = None) -> JointEstimate | None:
    """Return effects by horizon, before the start and after, with their covariance.

    Parameters
    ----------
    parts : list of CellSums
        Over the same areas.
    shrink : bool
        Draw correlations that rest on few areas towards none.
    before : Grouped, optional
        For a joint test of those before the start.

    Notes
    -----
    Within an area the misses before the start sum to zero, so the last horizon before it is left out.
    """
    found: list[tuple[int, float, Floats, float]] = []
    for sums in parts:
        for h in np.unique(sums.horizon):
            weights = (sums.horizon == h).astype(float)
            if sums.family == "linear":
                weights /= sums.n @ weights
            value, influence = sums.effect(weights)
            spread = sums.error(influence)
            if np.isfinite(value) and np.isfinite(spread) and spread > 1e-10 * max(abs(value), 1e-300):
                found.append((int(h), value, influence, spread * float(sums.small(influence).inflation)))
    leads = [h for h, *_ in found if h < 0]
    found = sorted((f for f in found if f[0] != max(leads, default=0) or f[0] >= 0), key=lambda f: f[0])
    if not found:
        return None
    influence = parts[0].clusters.sums(np.column_stack([f[2] for f in found]))
    unit = influence / np.sqrt((influence**2).sum(axis=0))
    correlation = unit.T @ unit
    if shrink:
        treated = parts[0].clusters.count(parts[0].pools != -1)
        correlation = shrink_correlation(correlation, float(max(min(treated, parts[0].n_clusters - treated), 1)))
    errors = np.array([f[3] for f in found])
    scale = "difference" if parts[0].family == "linear" else "log_rate_ratio"
    covariance = correlation * np.outer(errors, errors)
    horizon, estimate = [f[0] for f in found], np.array([f[1] for f in found])
    return event_joint(scale, horizon, estimate, covariance, base="average", shrunk=shrink, before=before)

"""Averages of Sun and Abraham's coefficients with their influences, leads, expected outcomes and notes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel import periods as period_words
from svmodel.design import NEVER, Design
from svmodel.design.clusters import cluster_words
from svmodel.design.covariates import split_covariates
from svmodel.did.averages import (
    Averages,
    Errors,
    Grid,
    cohort_pools,
    errors_of,
    small_cohorts,
    treated_grid,
    weight_table,
)
from svmodel.did.sun_abraham.regression import Saturated
from svmodel.numerics.arrays import Floats, Ints
from svmodel.numerics.two_way import TwoWay
from svmodel.numerics.two_way.before_start import Grouped, before_start, linear_null
from svmodel.result import JointEstimate
from svmodel.result.doubts import area_names, ended, left_out_cells, period_names, whole_reporting_areas
from svmodel.result.notes import Note, ResultWarning
from svmodel.result.rule import FEW_CONTROLS, FEW_TREATED
from svmodel.result.scales import critical_value
from svmodel.result.tables import cells_and_sums, event_joint


@dataclass(frozen=True, eq=False)
class Sums:
    """Everything that averages of coefficients are made of; shares of cohorts are taken as fixed."""

    fit: Saturated

    @cached_property
    def target(self) -> NDArray[np.bool_]:
        """Treated cells whose effect is identified, shape (N, T)."""
        out = np.zeros(self.fit.arrays.y.shape, dtype=bool)
        for cohort in self.fit.cohorts:
            out[cohort.areas] = cohort.use & self.fit.arrays.treated[cohort.areas]
        return out

    def _grid(self, cells: NDArray[np.bool_]) -> Grid:
        return treated_grid(self.fit.arrays, cells)

    @cached_property
    def grid(self) -> Grid:
        """Treated cells by cohort and period."""
        return self._grid(self.target)

    @cached_property
    def leads(self) -> Averages | None:
        """Coefficients before the start by horizon, cohorts by their cells; None without any."""
        before = np.zeros_like(self.target)
        for cohort in self.fit.cohorts:
            before[cohort.areas] = cohort.use & self.fit.arrays.untreated[cohort.areas]
            before[cohort.areas, cohort.reference] = False
        if not before.any():
            return None
        grid = self._grid(before)
        horizon = np.where(grid.cells > 0, np.arange(before.shape[1]) - grid.cohorts[:, None], 0)
        horizons = np.unique(horizon[horizon < 0])
        inside = horizon[None] == horizons[:, None, None]
        found = grid.averages("event", inside, horizon=horizons.astype(np.float64))
        place = np.searchsorted(self.grid.cohorts, grid.cohorts)
        # weights of coefficients are wanted for every cohort, with or without a lead
        full = np.zeros((len(horizons), len(self.grid.cohorts), before.shape[1]))
        full[:, place] = found.weights * grid.cells
        return Averages("event", full, found.areas, found.cells, found.outcome, found.exposure, horizon=found.horizon)

    def loads(self, averages: Averages) -> Floats:
        """Return weights of coefficients, shape (Q, C, T), from those of single cells."""
        return averages.weights * self.grid.cells

    @cached_property
    def effects(self) -> Floats:
        """Coefficients, shape (C, T); 0 where not identified, which no average asks for."""
        return np.nan_to_num(np.stack([c.effect for c in self.fit.cohorts]))

    def estimate(self, loads: Floats) -> Floats:
        """Return sums of coefficients, shape (Q,)."""
        return np.tensordot(loads, self.effects, axes=2)

    @cached_property
    def pools(self) -> Ints:
        """Clusters held against one mean, shape (G,): a cohort, all small cohorts together, or the controls."""
        return cohort_pools(self.fit.arrays.units, ((c.start, c.areas) for c in self.fit.cohorts))

    @property
    def small_cohorts(self) -> int:
        """Cohorts too small for their own residuals."""
        return sum(self.fit.arrays.units.count(c.areas) < FEW_TREATED for c in self.fit.cohorts)

    @cached_property
    def _safe(self) -> dict[int, Floats]:
        """For each small cohort, cells about the controls' path and the average effect of all, by the cohort's size."""
        fit, T = self.fit, self.target.shape[1]
        average = float(self.estimate(self.loads(self.grid.overall))[0])
        path = np.nan_to_num(fit.control_mean)
        out = {}
        for c, cohort in enumerate(fit.cohorts):
            if fit.arrays.units.count(cohort.areas) >= FEW_TREATED:
                continue
            after = np.arange(T) >= cohort.start
            gap = np.where(cohort.use, fit.adjusted[cohort.areas] - path - average * after, 0.0)
            w = np.where(cohort.use, fit.arrays.weight[cohort.areas], 0.0)
            by_area, by_period = w.sum(axis=1, keepdims=True), w.sum(axis=0)
            level = (w * gap).sum(axis=1, keepdims=True) / np.where(by_area > 0, by_area, 1.0)
            out[c] = w * (gap - level) / np.where(by_period > 0, by_period, 1.0)
        return out

    def influences(self, loads: Floats) -> tuple[Floats, Floats]:
        """Return what each cluster adds to the error of each sum, shape (G, Q): for standard errors, for intervals."""
        units = self.fit.arrays.units
        usual = self.fit.push(loads)
        if not self._safe:
            usual = units.sums(usual)
            return usual, usual
        safe = usual.copy()
        for c, own in self._safe.items():
            cohort = self.fit.cohorts[c]
            mine = loads[:, c].copy()
            mine[:, cohort.reference] -= mine.sum(axis=1)
            safe[cohort.areas] = own @ mine.T
        return units.sums(usual), units.sums(safe)

    def row(self, averages: Averages, loads: Floats | None = None) -> tuple[Averages, Floats, Errors]:
        """Return the averages with their estimates and errors; a single treated area has none."""
        loads = self.loads(averages) if loads is None else loads
        usual, safe = self.influences(loads)
        factor, ceiling = self.fit.factor, self.fit.n_clusters - 1.0
        errors = errors_of(usual, safe, self.pools, factor=factor, ceiling=ceiling, areas=averages.areas)
        return averages, self.estimate(loads), errors


def joint(sums: Sums, events: Averages) -> JointEstimate:
    """Return coefficients by horizon, before and after, with their covariance."""
    loads, horizon = sums.loads(events), events.horizon
    assert horizon is not None
    if sums.leads is not None and sums.leads.horizon is not None:
        loads = np.concatenate([sums.leads.weights, loads])
        horizon = np.concatenate([sums.leads.horizon, horizon])
    _, influence = sums.influences(loads)
    covariance = sums.fit.factor * influence.T @ influence
    # where cohorts differ in it the path has no single other one, and the notes say so
    held = {c.reference - c.start for c in sums.fit.cohorts}
    moved = held.pop() if len(held) == 1 else None
    moved = None if moved == -1 - sums.fit.arrays.anticipation else moved
    return event_joint(
        "difference",
        horizon,
        sums.estimate(loads),
        covariance,
        base="reference",
        reference=moved,
        before=before_test(sums),
    )


def before_test(sums: Sums) -> Grouped | None:
    """Return what a joint test needs that the coefficients before the start, or anticipation, are zero.

    Without those of single areas; None where no other is identified.
    """
    leads, fit, arrays = sums.leads, sums.fit, sums.fit.arrays
    if leads is None or leads.horizon is None or leads.areas is None:
        return None
    tested = (leads.horizon < -arrays.anticipation) & (leads.areas > 1)
    held, horizons = leads.weights[tested], leads.horizon[tested].astype(np.int64)
    taking_part = np.zeros(len(arrays.areas), dtype=bool)
    taking_part[fit.control] = True
    for cohort in fit.cohorts:
        taking_part[cohort.areas] = True
    slopes, moving, _ = split_covariates(arrays)
    null = linear_null(
        arrays.y, TwoWay(arrays.untreated & taking_part[:, None], slopes, None, moving), arrays.units, arrays.weight
    )

    def weigh(L: Floats) -> Floats:
        return np.where(null.v > 0, fit.cell_weights(np.tensordot(L, held, axes=1)), 0.0)

    return before_start(horizons, weigh, np.arange(len(arrays.areas)), null)


def weights(sums: Sums) -> pd.DataFrame:
    """Return the weight of each cohort and period in the average effect, with the areas behind it."""
    grid, arrays = sums.grid, sums.fit.arrays
    c, t = np.nonzero(grid.cells)
    controls = arrays.untreated[sums.fit.control].sum(axis=0).astype(np.float64)[t]
    return weight_table(arrays.periods, grid.cohorts[c], t, grid.cells[c, t], controls)


def counterfactual(sums: Sums, calendar: tuple[Averages, Floats, Errors], level: float) -> pd.DataFrame:
    """Observed and expected outcomes of treated area-periods; "all treated" sums them period by period.

    An area's expected outcome is what it had less its cohort's coefficient, so it has no interval of its own.
    """
    arrays, target = sums.fit.arrays, sums.target
    rows = np.flatnonzero(target.any(axis=1))
    effect = np.zeros(target.shape)
    for cohort in sums.fit.cohorts:
        effect[cohort.areas] = np.nan_to_num(cohort.effect)
    who, when = np.nonzero(target[rows])
    observed = arrays.y[rows[who], when]
    averages, mean, errors = calendar
    assert averages.period is not None
    assert averages.cells is not None
    assert averages.outcome is not None
    total = averages.outcome - mean * averages.cells
    critical = np.array([critical_value(level, d) if np.isfinite(d) else np.nan for d in errors.df])
    half = critical * errors.wide * averages.cells
    own = observed, observed - effect[rows[who], when]
    together = averages.outcome, total, total - half, total + half
    return cells_and_sums(arrays, (rows[who], when), own, averages.period, together)


def notes_of(design: Design, sums: Sums) -> list[Note]:
    """Return the notes of a result."""
    fit, arrays = sums.fit, sums.fit.arrays
    word = period_words.describe_frequency(arrays.periods)
    notes: list[Note] = []
    if design.is_count:
        notes.append(
            f"Without the intervention, the number of {design.outcome} per area and {word} is assumed to have changed "
            "alike in every cohort and in the controls: in numbers, not in per cent."
        )
    if fit.last_cohort:
        notes.append(
            f"No area is never treated: the last to start ({area_names(design, fit.control)}) serve as controls until "
            "they start, have no effect of their own, and nothing is estimated from then on (Sun and Abraham 2021)."
        )
    later = np.flatnonzero((arrays.start >= len(arrays.periods)) & (arrays.start < NEVER))
    if len(later):
        serve = np.isin(later, fit.control)
        if serve.any():
            notes.append(f"{area_names(design, later[serve])} start after the last {word} and serve as never treated.")
        if not serve.all():
            notes.append(
                f"{area_names(design, later[~serve])} start so soon after the last {word} that anticipation may "
                "already show: left out."
            )
    for g, why in fit.lost.items():
        notes.append(f"The cohort of {period_words.label(arrays.periods[g])} has no effect: {why}.")
    why = "; the others have no control that was also seen in the reference period"
    notes += left_out_cells(design, int(sums.target.sum()), why)
    expected = -1 - arrays.anticipation
    odd = np.array([c.start for c in fit.cohorts if c.reference - c.start != expected], dtype=np.int64)
    text = f"Effects by horizon are relative to horizon {expected:+d}"
    if len(odd):
        text += f", and where that is not known (starts {period_names(design, odd)}) to the last known one before it"
    notes.append(text + ".")
    small, treated = sums.small_cohorts, int(sums.target.any(axis=1).sum())
    if small and treated > 1:
        notes.append(small_cohorts(small, len(fit.cohorts), arrays.units))
    n_controls = arrays.units.count(fit.control)
    if 1 < n_controls < FEW_CONTROLS:
        text = (
            f"Only {n_controls} {cluster_words(arrays.units)} serve as controls: what else happened there can pass for "
            "the effect, and intervals from how areas differ are known to be too narrow (MacKinnon and Webb 2017)."
        )
        notes.append(ResultWarning("interval", text))
    return [*notes, *ended(design), *whole_reporting_areas(design, arrays)]

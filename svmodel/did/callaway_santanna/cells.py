"""Group-time effects ATT(g, t), cohort by cohort."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from svmodel.design import EXCLUDED, UNTREATED, DesignArrays
from svmodel.did.callaway_santanna.contributions import Contributions, Part
from svmodel.did.callaway_santanna.mean_changes import mean_changes
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.two_way.doubly_robust import doubly_robust
from svmodel.numerics.two_way.repeated_cross_sections import doubly_robust_rc

NO_BASE = "no outcome before the start to compare with"
NO_TREATED = "no treated area has its outcome in both periods"
NO_CONTROLS = "no control area has its outcome in both periods"


@dataclass(frozen=True, eq=False)
class Cells:
    """ATT(g, t) for K cells of cohort and period; N areas.

    Attributes
    ----------
    cohort, time, base : ndarray of int, shape (K,)
        Period indices of the first treated period, of the effect, and of the period compared with (-1: none).
    att : ndarray, shape (K,)
        In the outcome's units; NaN where `reason` is not empty; 0 by construction where time is base.
    n_treated, n_controls : ndarray, shape (K,)
        The cohort's areas that the cell rests on, and the controls; what they weigh, where areas have weights.
    reason : tuple of str
        Why a cell is not identified.
    contributions : Contributions
        What each area adds to the error of `att`: the influence function over N, so that a variance is a sum of
        squares; and which areas a cell rests on.
    trimmed : int
        Controls left without weight, most in any cell.
    """

    cohort: Ints
    time: Ints
    base: Ints
    att: Floats
    n_treated: Floats
    n_controls: Floats
    reason: tuple[str, ...]
    contributions: Contributions
    trimmed: int = 0

    @property
    def horizon(self) -> Ints:
        """Periods since the start."""
        return self.time - self.cohort

    @property
    def identified(self) -> Mask:
        """Cells with an effect, shape (K,)."""
        return ~np.isnan(self.att)

    def take(self, keep: Mask) -> Cells:
        """Return the cells where `keep` is true."""
        if keep.all():
            return self
        return Cells(
            self.cohort[keep],
            self.time[keep],
            self.base[keep],
            self.att[keep],
            self.n_treated[keep],
            self.n_controls[keep],
            tuple(r for r, k in zip(self.reason, keep, strict=True) if k),
            self.contributions.take(keep),
            self.trimmed,
        )

    def treated_outcomes(self, outcome: Floats) -> list[tuple[Part, Floats]]:
        """Return the outcomes (N, T) of the treated of each cell in its period, by part: shape (k, n), 0 if absent."""
        found = []
        for part in self.contributions.parts:
            if part.treated:
                held = outcome[part.rows].T[self.time[part.cells]]
                found.append((part, held if part.present is None else np.where(part.present, held, 0.0)))
        return found

    def observed(self, outcome: Floats) -> Floats:
        """Return the sum of an outcome, shape (N, T), over the treated area-periods of each cell, shape (K,)."""
        out = np.zeros(len(self.att))
        for part, held in self.treated_outcomes(outcome):
            out[part.cells] += held.sum(axis=1)
        return out

    @cached_property
    def sizes(self) -> dict[int, int]:
        """How many areas, or clusters of them, each cohort has in any of its cells, by the cohort's start."""
        seen: dict[int, list[Ints]] = {g: [np.empty(0, dtype=np.int64)] for g in np.unique(self.cohort).tolist()}
        for part in self.contributions.parts:
            if part.treated and len(part.cells):
                there = part.rows if part.present is None else part.rows[part.present.any(axis=0)]
                seen[int(self.cohort[part.cells[0]])].append(there)
        return {g: self.contributions.units.count(np.concatenate(rows)) for g, rows in seen.items()}


def plan_cells(arrays: DesignArrays, times: Ints, *, anticipation: int, base_period: str) -> tuple[Ints, Ints, Ints]:
    """Return cohort, period and base of every cell; the base is -1 where there is none.

    From the first period that may be affected, ``g - anticipation``, the base is the last period before it.
    Earlier periods are compared with the period before them (``varying``) or with that same base
    (``universal``, which then has the base itself as a cell of effect 0).
    """
    last = len(arrays.periods)
    cohorts = np.unique(arrays.start[arrays.start < last])
    rows = []
    for g in cohorts:
        before = times[times < g - anticipation]
        anchor = int(before[-1]) if len(before) else -1
        if base_period == "universal":
            rows += [(g, t, anchor) for t in times]
        else:
            pairs = zip(times[1:], times[:-1], strict=True)
            rows += [(g, t, anchor if t >= g - anticipation else previous) for t, previous in pairs]
    cohort, time, base = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return cohort, time, base


def group_time_effects(
    arrays: DesignArrays,
    times: Ints,
    *,
    control: str,
    method: str,
    base_period: str,
    anticipation: int,
) -> Cells:
    """Estimate every cell.

    Without covariates ATT(g, t) is the cohort's mean change less the controls' (Callaway and Sant'Anna 2021,
    eq. 2.8 for the never treated; the doubly robust, regression and weighting estimators coincide). With
    covariates, taken from the earlier of the two periods, it is the estimator of Sant'Anna and Zhao (2020).
    An area whose outcome is missing in one of the two periods takes no part in that cell.
    """
    cohort, time, base = plan_cells(arrays, times, anticipation=anticipation, base_period=base_period)
    if arrays.covariates.shape[2] == 0:
        found = mean_changes(arrays, times, cohort, time, base, control=control, anticipation=anticipation)
        usable = (found.n_treated > 0) & (found.n_controls > 0)
        why = np.where(base < 0, NO_BASE, np.where(found.n_treated > 0, NO_CONTROLS, NO_TREATED))
        reason = tuple(np.where(usable, "", why).tolist())
        weight = None if arrays.weights is None else arrays.area_weight
        contributions = Contributions(arrays.units, np.arange(len(cohort)), found.parts, weight)
        att = np.where(usable, found.treated - found.controls, np.nan)
        return Cells(cohort, time, base, att, found.n_treated, found.n_controls, reason, contributions)
    return _doubly_robust_effects(arrays, cohort, time, base, control=control, method=method, anticipation=anticipation)


def _doubly_robust_effects(
    arrays: DesignArrays, cohort: Ints, time: Ints, base: Ints, *, control: str, method: str, anticipation: int
) -> Cells:
    K, n = len(cohort), len(arrays.areas)
    att, n_treated, n_controls = np.full(K, np.nan), np.zeros(K), np.zeros(K)
    reason = np.where(base < 0, NO_BASE, "").astype(object)
    parts: list[Part] = []
    trimmed = 0
    never = (arrays.status == UNTREATED).all(axis=1)
    known = ~np.isnan(arrays.y)
    ended = (arrays.status == EXCLUDED) & (arrays.horizon >= 0)
    covariate_state = _distinct_periods(arrays.covariates)

    for g in np.unique(cohort):
        block = np.flatnonzero((cohort == g) & (base >= 0))
        if not len(block):
            continue
        t, b = time[block], base[block]
        both = known[:, t] & known[:, b] & ~ended[:, t]
        change = np.where(both, arrays.y[:, t] - arrays.y[:, b], 0.0)
        own = arrays.start == g
        treated = own[:, None] & both
        if control == "never_treated":
            controls = never[:, None] & both
        else:
            untouched = arrays.start[:, None] > np.maximum(t, b)[None, :] + anticipation
            controls = untouched & ~own[:, None] & both
        n_treated[block], n_controls[block] = treated.sum(axis=0), controls.sum(axis=0)
        usable = (n_treated[block] > 0) & (n_controls[block] > 0)
        for j in np.flatnonzero(~usable):
            reason[block[j]] = NO_CONTROLS if n_treated[block[j]] else NO_TREATED
        if not usable.any():
            continue
        influence = np.zeros((n, len(block)))
        earlier = np.minimum(t, b)
        for columns in _alike(treated, controls, covariate_state[earlier], usable):
            first = columns[0]
            sample = treated[:, first] | controls[:, first]
            X = arrays.covariates[sample, earlier[first]]
            found = doubly_robust(change[np.ix_(sample, columns)], treated[sample, first], X, method=method)
            if found.failure:
                reason[block[columns]] = found.failure
                continue
            att[block[columns]] = found.att
            influence[np.ix_(sample, columns)] = found.influence
            trimmed = max(trimmed, int(found.trimmed.sum()))
        reference = (t == b) & ~np.isnan(att[block])
        att[block[reference]], influence[:, reference] = 0.0, 0.0
        parts += _split(influence, treated, own, block)
    held = Contributions.held(arrays.units, K, tuple(parts))
    return Cells(cohort, time, base, att, n_treated, n_controls, tuple(reason.tolist()), held, trimmed)


def _split(influence: Floats, treated: Mask, own: Mask, cells: Ints) -> list[Part]:
    """Return the contributions to cells of one cohort, shape (N, k), as those of its areas and of the controls."""
    rows, others = np.flatnonzero(own), np.flatnonzero(~own & (influence != 0).any(axis=1))
    mine, theirs = influence[rows].T, influence[others].T
    return [Part(rows, cells, True, mine, treated[rows].T), Part(others, cells, False, theirs, theirs != 0)]


def _distinct_periods(covariates: Floats) -> Ints:
    """Return a number for each period; periods with the same covariates in every area share one."""
    if covariates.shape[2] == 0:
        return np.zeros(covariates.shape[1], dtype=np.int64)
    seen: dict[bytes, int] = {}
    contents = (np.ascontiguousarray(covariates[:, t]).tobytes() for t in range(covariates.shape[1]))
    return np.array([seen.setdefault(c, len(seen)) for c in contents], dtype=np.int64)


def _alike(treated: Mask, controls: Mask, state: Ints, usable: Mask) -> list[Ints]:
    """Group the cells that share areas and covariates, and so share one propensity score."""
    groups: dict[tuple[bytes, int], list[int]] = {}
    signature = np.packbits(np.concatenate([treated, controls]), axis=0).T.copy()
    for j in np.flatnonzero(usable):
        groups.setdefault((signature[j].tobytes(), int(state[j])), []).append(int(j))
    return [np.array(columns) for columns in groups.values()]


NO_TREATED_BEFORE_OR_AFTER = "no treated area has its outcome before, or after"
NO_CONTROLS_BEFORE_OR_AFTER = "no control area has its outcome before, or after"


def cross_section_effects(
    arrays: DesignArrays,
    times: Ints,
    *,
    control: str,
    method: str,
    base_period: str,
    anticipation: int,
) -> Cells:
    """Estimate every cell, taking each area-period for an observation.

    Without covariates ATT(g, t) is the difference of the cohort's mean in t and its mean in the base, less that of the
    controls (Callaway and Sant'Anna 2021). With covariates, each observation's own, it is the estimator of
    Sant'Anna and Zhao (2020) for repeated cross-sections. What an area adds to the error is the sum over its
    observations, so errors are clustered by area. ``members`` are the cohort's areas seen in t.
    """
    cohort, time, base = plan_cells(arrays, times, anticipation=anticipation, base_period=base_period)
    K, n = len(cohort), len(arrays.areas)
    att, influence, members = np.full(K, np.nan), np.zeros((n, K)), np.zeros((n, K), dtype=bool)
    n_controls = np.zeros(K)
    reason = [""] * K
    trimmed = 0
    never = (arrays.status == UNTREATED).all(axis=1)
    known = ~np.isnan(arrays.y) & ~((arrays.status == EXCLUDED) & (arrays.horizon >= 0))
    for k, (g, t, b) in enumerate(zip(cohort, time, base, strict=True)):
        if b < 0:
            reason[k] = NO_BASE
            continue
        own = arrays.start == g
        others = never if control == "never_treated" else arrays.start > max(t, b) + anticipation
        others = others & ~own
        members[:, k] = own & known[:, t]
        n_controls[k] = int((others & known[:, t]).sum())
        for rows, why in ((own, NO_TREATED_BEFORE_OR_AFTER), (others, NO_CONTROLS_BEFORE_OR_AFTER)):
            if not ((rows & known[:, t]).any() and (rows & known[:, b]).any()):
                reason[k] = why
        if reason[k]:
            continue
        if t == b:
            att[k] = 0.0
            continue
        early, late = min(t, b), max(t, b)
        sample = own | others
        area = np.concatenate([np.flatnonzero(sample & known[:, early]), np.flatnonzero(sample & known[:, late])])
        after = np.arange(len(area)) >= int((sample & known[:, early]).sum())
        when = np.where(after, late, early)
        found = doubly_robust_rc(arrays.y[area, when], after, own[area], arrays.covariates[area, when], method=method)
        if found.failure:
            reason[k] = found.failure
            continue
        # a base after the period (universal, before the start) turns the sign of the change
        sign = 1.0 if t > b else -1.0
        att[k] = sign * found.att[0]
        np.add.at(influence[:, k], area, sign * found.influence[:, 0])
        trimmed = max(trimmed, int(found.trimmed.sum()))
    dust = 16 * np.finfo(float).eps * np.nanmax(np.abs(arrays.y))
    influence[np.abs(influence) <= dust / max(len(arrays.areas), 1)] = 0.0
    parts: list[Part] = []
    for g in np.unique(cohort):
        block = np.flatnonzero(cohort == g)
        parts += _split(influence[:, block], members[:, block], arrays.start == g, block)
    held = Contributions.held(arrays.units, K, tuple(parts))
    n_treated = members.sum(axis=0).astype(np.float64)
    return Cells(cohort, time, base, att, n_treated, n_controls, tuple(reason), held, trimmed)

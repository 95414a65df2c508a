"""Group-time effects ATT(g, t) and what each area contributes to their error, cohort by cohort."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from svmodel.design import EXCLUDED, UNTREATED, DesignArrays
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
    influence : ndarray, shape (N, K)
        Contribution of each area to the error of `att`: the influence function over N, so that a variance is
        a sum of squares. Zero for areas that take no part.
    members : ndarray of bool, shape (N, K)
        The treated cohort's areas that the cell rests on.
    n_controls : ndarray of int, shape (K,)
    reason : tuple of str
        Why a cell is not identified.
    trimmed : tuple of int
        Controls left without weight, most in any cell.
    """

    cohort: Ints
    time: Ints
    base: Ints
    att: Floats
    influence: Floats
    members: Mask
    n_controls: Ints
    reason: tuple[str, ...]
    trimmed: int = 0

    @property
    def horizon(self) -> Ints:
        """Periods since the start."""
        return self.time - self.cohort

    @property
    def identified(self) -> Mask:
        """Cells with an effect, shape (K,)."""
        return ~np.isnan(self.att)

    @cached_property
    def membership(self) -> Floats:
        """`members` as ones and zeros, shape (N, K)."""
        return self.members.astype(np.float64)

    @cached_property
    def n_treated(self) -> Floats:
        """Treated areas in each cell, shape (K,)."""
        return self.membership.sum(axis=0)

    def take(self, keep: Mask) -> Cells:
        """Return the cells where `keep` is true."""
        if keep.all():
            return self
        return Cells(
            self.cohort[keep],
            self.time[keep],
            self.base[keep],
            self.att[keep],
            self.influence[:, keep],
            self.members[:, keep],
            self.n_controls[keep],
            tuple(r for r, k in zip(self.reason, keep, strict=True) if k),
            self.trimmed,
        )


def plan_cells(arrays: DesignArrays, times: Ints, *, anticipation: int, base_period: str) -> tuple[Cells, list[str]]:
    """Name every cell, as yet without an effect, with an empty reason each; base is -1 where there is none.

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
    n, K = len(arrays.areas), len(cohort)
    nothing = np.full(K, np.nan), np.zeros((n, K)), np.zeros((n, K), dtype=bool), np.zeros(K, dtype=np.int64)
    return Cells(cohort, time, base, *nothing, ()), [""] * K


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
    cells, reason = plan_cells(arrays, times, anticipation=anticipation, base_period=base_period)
    cohort, time, base, att, influence = cells.cohort, cells.time, cells.base, cells.att, cells.influence
    members, n_controls = cells.members, cells.n_controls
    trimmed = 0
    never = (arrays.status == UNTREATED).all(axis=1)
    known = ~np.isnan(arrays.y)
    ended = (arrays.status == EXCLUDED) & (arrays.horizon >= 0)
    covariate_state = _distinct_periods(arrays.covariates)

    for g in np.unique(cohort):
        block = np.flatnonzero((cohort == g) & (base >= 0))
        for k in np.flatnonzero((cohort == g) & (base < 0)):
            reason[k] = NO_BASE
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
        members[:, block], n_controls[block] = treated, controls.sum(axis=0)
        n_treated = treated.sum(axis=0)
        usable = (n_treated > 0) & (n_controls[block] > 0)
        for j in np.flatnonzero(~usable):
            reason[block[j]] = NO_CONTROLS if n_treated[j] else NO_TREATED
        if not usable.any():
            continue
        if arrays.covariates.shape[2] == 0:
            att[block[usable]], influence[:, block[usable]] = _difference_in_means(
                change[:, usable], treated[:, usable], controls[:, usable]
            )
        else:
            earlier = np.minimum(t, b)
            for columns in _alike(treated, controls, covariate_state[earlier], usable):
                first = columns[0]
                sample = treated[:, first] | controls[:, first]
                X = arrays.covariates[sample, earlier[first]]
                found = doubly_robust(change[np.ix_(sample, columns)], treated[sample, first], X, method=method)
                if found.failure:
                    for j in columns:
                        reason[block[j]] = found.failure
                    continue
                att[block[columns]] = found.att
                influence[np.ix_(sample, block[columns])] = found.influence
                trimmed = max(trimmed, int(found.trimmed.sum()))
        reference = block[t == b]
        reference = reference[~np.isnan(att[reference])]
        att[reference], influence[:, reference] = 0.0, 0.0
    return replace(cells, reason=tuple(reason), trimmed=trimmed)


def _difference_in_means(change: Floats, treated: Mask, controls: Mask) -> tuple[Floats, Floats]:
    """Effects and contributions of K cells, by arithmetic on (N, K) arrays; `change` is 0 where unknown."""
    n_treated, n_controls = treated.sum(axis=0), controls.sum(axis=0)
    mean_treated = np.einsum("nk,nk->k", change, treated) / n_treated
    mean_control = np.einsum("nk,nk->k", change, controls) / n_controls
    influence = treated * (_clean(change - mean_treated, change) / n_treated)
    influence -= controls * (_clean(change - mean_control, change) / n_controls)
    return mean_treated - mean_control, influence


def _clean(deviation: Floats, change: Floats) -> Floats:
    """Set deviations that are nothing but rounding to zero, so that no standard error is made of them."""
    dust = 16 * np.finfo(float).eps * np.abs(change).max()
    return np.where(np.abs(deviation) > dust, deviation, 0.0)


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
    cells, reason = plan_cells(arrays, times, anticipation=anticipation, base_period=base_period)
    att, influence = cells.att, cells.influence
    trimmed = 0
    never = (arrays.status == UNTREATED).all(axis=1)
    known = ~np.isnan(arrays.y) & ~((arrays.status == EXCLUDED) & (arrays.horizon >= 0))
    for k, (g, t, b) in enumerate(zip(cells.cohort, cells.time, cells.base, strict=True)):
        if b < 0:
            reason[k] = NO_BASE
            continue
        own = arrays.start == g
        others = never if control == "never_treated" else arrays.start > max(t, b) + anticipation
        others = others & ~own
        cells.members[:, k] = own & known[:, t]
        cells.n_controls[k] = int((others & known[:, t]).sum())
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
    return replace(cells, reason=tuple(reason), trimmed=trimmed)

"""Group-time effects that compare all areas seen in either period, not those seen in both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from svmodel.design import EXCLUDED, UNTREATED
from svmodel.did._cs_cells import NO_BASE, Cells, plan_cells
from svmodel.numerics.repeated_cross_sections import doubly_robust_rc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from svmodel.design import DesignArrays

__all__ = ["cross_section_effects"]

NO_TREATED = "no treated area has its outcome before, or after"
NO_CONTROLS = "no control area has its outcome before, or after"


def cross_section_effects(
    arrays: DesignArrays,
    times: NDArray[np.int64],
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
    n, K = len(arrays.areas), len(cohort)
    att, influence = np.full(K, np.nan), np.zeros((n, K))
    members = np.zeros((n, K), dtype=bool)
    n_controls = np.zeros(K, dtype=np.int64)
    reason = [""] * K
    trimmed = 0
    never = (arrays.status == UNTREATED).all(axis=1)
    known = ~np.isnan(arrays.y) & ~((arrays.status == EXCLUDED) & (arrays.horizon >= 0))
    for k in range(K):
        g, t, b = int(cohort[k]), int(time[k]), int(base[k])
        if b < 0:
            reason[k] = NO_BASE
            continue
        own = arrays.start == g
        others = never if control == "never_treated" else arrays.start > max(t, b) + anticipation
        others = others & ~own
        members[:, k] = own & known[:, t]
        n_controls[k] = int((others & known[:, t]).sum())
        for rows, why in ((own, NO_TREATED), (others, NO_CONTROLS)):
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
    influence[np.abs(influence) <= dust / max(n, 1)] = 0.0
    return Cells(cohort, time, base, att, influence, members, n_controls, tuple(reason), trimmed)

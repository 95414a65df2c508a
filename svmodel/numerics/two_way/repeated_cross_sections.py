"""Doubly robust difference-in-differences of two groups and two periods whose observations are not the same units.

The three estimators of Sant'Anna and Zhao (2020) for repeated cross-sections, as R's DRDID computes them: outcome
regression (``reg_did_rc``), normalised inverse probability weighting (``std_ipw_did_rc``) and the locally efficient
doubly robust combination (``drdid_rc``).
"""

from __future__ import annotations

import numpy as np

from svmodel.numerics.arrays import Floats, Mask
from svmodel.numerics.two_way.doubly_robust import OVERLAP_LIMIT, SINGULAR, TRIM_LEVEL, TwoByTwo, logit_probabilities


def doubly_robust_rc(y: Floats, post: Mask, treated: Mask, covariates: Floats, *, method: str = "dr") -> TwoByTwo:
    """Effect on the treated from observations before and after, given covariates.

    Parameters
    ----------
    y : ndarray, shape (M,)
        Outcome of each observation.
    post : ndarray of bool, shape (M,)
        Observations of the later period.
    treated : ndarray of bool, shape (M,)
        Observations of the group that is treated in the later period.
    covariates : ndarray, shape (M, P)
        No column of ones. Their law within a group is supposed not to change between the periods.
    method : {"dr", "reg", "ipw"}
        As in :func:`~svmodel.numerics.two_way.doubly_robust.doubly_robust`.

    Returns
    -------
    TwoByTwo
        ``att`` of shape (1,), ``influence`` of shape (M, 1): the influence function over the number of observations.

    References
    ----------
    Sant'Anna and Zhao (2020), *Journal of Econometrics* 219(1), 101-122, on repeated cross-sections: the outcome
    regression estimand, the normalised weighting estimand, and ``tau^{dr,rc}_2``, with outcome regressions of the
    treated too, which reaches the efficiency bound where all working models hold (their ``tau^{dr,rc}_1`` does not).

    Examples
    --------
    >>> y = np.array([1.0, 2.0, 5.0, 7.0, 1.0, 3.0, 2.0])
    >>> post = np.array([False, False, True, True, False, False, True])
    >>> treated = np.array([True, True, True, True, False, False, False])
    >>> doubly_robust_rc(y, post, treated, np.empty((7, 0))).att
    array([4.5])
    """
    M = len(y)
    nothing = TwoByTwo(np.full(1, np.nan), np.full((M, 1), np.nan), np.zeros(M, dtype=bool))

    def failed(reason: str) -> TwoByTwo:
        return TwoByTwo(nothing.att, nothing.influence, nothing.trimmed, reason)

    groups = {(d, p): (treated == d) & (post == p) for d in (True, False) for p in (True, False)}
    if not all(g.any() for g in groups.values()):
        return failed("no treated or no control areas before or after")
    spread = covariates.std(axis=0)
    level = np.abs(covariates).max(axis=0, initial=0.0)
    scale = np.where(spread > 1e-12 * level, spread, np.inf)
    X = np.column_stack([np.ones(M), (covariates - covariates.mean(axis=0)) / scale])
    fitted: dict[tuple[bool, bool], tuple[Floats, Floats]] = {}
    if method != "ipw":
        for key, rows in groups.items():
            if key[0] and method == "reg":
                continue
            gram = X[rows].T @ X[rows]
            if _singular(gram):
                who = "treated" if key[0] else "control"
                return failed(f"the covariates are collinear, or too many, for the {who} areas")
            solved = np.linalg.solve(gram, X[rows].T)
            prediction = X @ (solved @ y[rows])
            # what each observation adds to the error of the coefficients
            score = np.zeros((M, X.shape[1]))
            score[rows] = ((y - prediction)[rows] * solved).T
            fitted[key] = prediction, score

    D = treated.astype(np.float64)
    trimmed = nothing.trimmed
    odds, ps_score = np.ones(M), np.zeros((M, X.shape[1]))
    if method != "reg":
        if _singular(X.T @ X):
            return failed("the covariates are collinear, or too many, for the areas")
        ps = logit_probabilities(treated, X)
        if ps is None or ps.max() >= OVERLAP_LIMIT:
            return failed("no overlap: the covariates tell treated from control areas")
        trimmed = ~treated & (ps >= TRIM_LEVEL)
        information = X.T @ ((ps * (1 - ps))[:, None] * X)
        if _singular(information):
            return failed("no overlap: the propensity score is not identified")
        odds = np.where(trimmed, 0.0, ps / (1 - ps))
        ps_score = (D - ps)[:, None] * np.linalg.solve(information, X.T).T

    if method == "reg":
        att, influence = _mean(y, groups[True, True])
        before, of_before = _mean(y, groups[True, False])
        (after_hat, after_score), (before_hat, before_score) = fitted[False, True], fitted[False, False]
        gap, of_gap = _mean(after_hat - before_hat, treated)
        mean_x = D @ X / D.sum()
        of_gap = of_gap + (after_score - before_score) @ mean_x
        return TwoByTwo(np.array([att - before - gap]), (influence - of_before - of_gap)[:, None], trimmed)

    total, influence = 0.0, np.zeros(M)
    for p, sign in ((True, 1.0), (False, -1.0)):
        control = fitted[False, p] if method == "dr" else (np.zeros(M), np.zeros_like(X))
        residual = y - control[0]
        own, of_own = _mean(residual, groups[True, p])
        w = np.where(groups[False, p], odds, 0.0)
        if not w.sum() > 0:
            return failed("no overlap: no control area is like the treated ones")
        w = w / w.sum()
        other = float(w @ residual)
        deviation = w * (residual - other)
        share_own = groups[True, p] / groups[True, p].sum()
        # through the outcome regression of the controls, and through the propensity score
        of_own = of_own - control[1] @ (share_own @ X)
        of_other = deviation + ps_score @ (deviation @ X) - control[1] @ (w @ X)
        total += sign * (own - other)
        influence += sign * (of_own - of_other)
        if method == "dr":
            apart = fitted[True, p][0] - control[0]
            everywhere, of_everywhere = _mean(apart, treated)
            there, of_there = _mean(apart, groups[True, p])
            through = (fitted[True, p][1] - control[1]) @ ((D / D.sum() - share_own) @ X)
            total += sign * (everywhere - there)
            influence += sign * (of_everywhere - of_there + through)
    return TwoByTwo(np.array([total]), influence[:, None], trimmed)


def _mean(values: Floats, rows: Mask) -> tuple[float, Floats]:
    """Return the mean over rows, and what each observation adds to its error."""
    n = rows.sum()
    mean = float(values[rows].sum() / n)
    return mean, np.where(rows, values - mean, 0.0) / n


def _singular(gram: Floats) -> bool:
    values = np.linalg.eigvalsh(gram)
    return bool(values[0] <= SINGULAR * values[-1])

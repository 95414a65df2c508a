"""Overlap: whether treated areas have others like them to be compared with."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from svmodel.checks.declared import check
from svmodel.checks.words import CannotBeMadeError, design_of, treated_indices
from svmodel.design import Design, DesignArrays
from svmodel.numerics.arrays import Floats, Mask
from svmodel.numerics.firth import firth_logistic
from svmodel.result import Result
from svmodel.result.check import CheckResult, Status
from svmodel.result.doubts import MANY_ZEROS, share_of_zeros
from svmodel.result.method import scale_of
from svmodel.result.rule import never_treated

_NAME = "overlap"
#: Differences in units of standard deviation above which regression is sensitive to its form.
_LARGE = 0.25
#: Share of treated areas beyond the controls from which an answer rests on extrapolation.
_BEYOND = 0.10
#: Never treated areas with which nothing can be said of how such areas stray.
_HARDLY_ANY = 2
#: Treated areas that are placed against the hull; of more, those that lie furthest out.
_MOST_PLACED = 100
_COLUMNS = [
    "quantity",
    "treated_mean",
    "control_mean",
    "standardised_difference",
    "variance_ratio",
    "share_outside",
    "n_treated",
    "n_control",
]


@check("Are there areas like the treated ones to compare with?", needs=("data",))
def overlap(result: Result, *, seed: int = 0) -> CheckResult:
    """Compare treated and control areas before the start: level, change and covariates.

    Each area is described by its mean outcome before the first start (per 100,000 a period, where there is an
    exposure), the change of that from the first to the second half of that time, and the means of the covariates. With
    covariates there is also the log odds of being treated given all of these (Firth's logistic regression).

    Parameters
    ----------
    result : Result
    seed : int
        Not used; nothing is drawn.

    Returns
    -------
    CheckResult
        ``failed`` where more than a tenth of the treated areas lie outside the range of the controls in some respect,
        where two areas or fewer are never treated and none starts later, or where a model in numbers is put to a
        count of which more than a third of cells are zero; ``informative`` where means differ by more than a quarter of
        a standard deviation; ``passed`` otherwise. The table has a row for each respect: ``quantity, treated_mean,
        control_mean, standardised_difference, variance_ratio, share_outside`` (of treated areas outside the controls'
        range), ``n_treated, n_control``; the row ``all_together`` has the share outside their convex hull.

    Notes
    -----
    The standardised difference is the difference of means over the root mean square of both standard deviations: it
    does not grow with the number of areas, as a t statistic does. Levels that differ are no fault of a
    difference-in-differences as such; how far trends can be trusted to be parallel where levels are far apart is the
    question. Being inside every single range does not mean being inside the hull.

    References
    ----------
    Imbens and Rubin (2015), *Causal Inference*, section 14.2 and p. 277 (differences above 0.25). Rubin (2001), *Health
    Services and Outcomes Research Methodology* 2 (variance ratios outside 1/2 to 2). King and Zeng (2006), *Political
    Analysis* 14(2) (the convex hull).
    """
    design = design_of(result)
    arrays = design.arrays
    names, values = _described(design)
    treated = np.zeros(len(arrays.areas), dtype=bool)
    treated[treated_indices(design)] = True
    whole = np.isfinite(values).all(axis=1)
    t, c = values[treated & whole], values[~treated & whole]
    later = int((arrays.start[treated] > arrays.start[treated].min()).sum())
    never = len(never_treated(arrays))
    if len(c) == 0 and later:
        raise CannotBeMadeError("every area is treated in the end, and those that start later are the controls")
    if len(t) == 0 or len(c) == 0:
        raise CannotBeMadeError("no treated or no control area has a record before the first start")
    rows = [_row(n, t[:, k], c[:, k]) for k, n in enumerate(names)]
    if arrays.covariates.shape[2] and len(t) > 1 and len(c) > 1:
        rows.append(_row("log_odds_of_treatment", *_log_odds(t, c)))
    rows.append(
        {"quantity": "all_together", "share_outside": _outside_hull(t, c), "n_treated": len(t), "n_control": len(c)}
    )
    zeros = share_of_zeros(arrays) if design.is_count else math.nan
    table = pd.DataFrame(rows).reindex(columns=_COLUMNS)
    status, text = _judge(table, result, zeros=zeros, never=never, later=later)
    left = int((~whole).sum())
    if left:
        text += f" {left} areas without a whole record before the first start are left out."
    return CheckResult(_NAME, status, text, table)


def _described(design: Design) -> tuple[list[str], Floats]:
    """Return the names of what areas are described by, and the values, shape (N, K)."""
    arrays = design.arrays
    first = int(arrays.start[treated_indices(design)].min()) - design.anticipation
    if first < 2:
        raise CannotBeMadeError("fewer than two periods lie before the first start")
    columns = [_level(arrays, 0, first), _level(arrays, first // 2, first) - _level(arrays, 0, first // 2)]
    names = ["level", "change"]
    for k, name in enumerate(design.covariates):
        held = arrays.covariates[:, :first, k]
        known = np.isfinite(held)
        with np.errstate(invalid="ignore"):
            columns.append(np.where(known, held, 0.0).sum(axis=1) / known.sum(axis=1))
        names.append(name)
    return names, np.column_stack(columns)


def _level(arrays: DesignArrays, first: int, stop: int) -> Floats:
    """Return each area's mean outcome, per 100,000 where there is an exposure; NaN without a known cell."""
    y = arrays.y[:, first:stop]
    size = np.ones_like(y) if arrays.exposure is None else arrays.exposure[:, first:stop] / 100_000
    known = np.isfinite(y) & np.isfinite(size)
    below = np.where(known, size, 0.0).sum(axis=1)
    return np.divide(np.where(known, y, 0.0).sum(axis=1), below, out=np.full(len(y), np.nan), where=below > 0)


def _row(name: str, t: Floats, c: Floats) -> dict[str, object]:
    many = len(t) > 1 and len(c) > 1
    v_t, v_c = (float(v.var(ddof=1)) if len(v) > 1 else math.nan for v in (t, c))
    # a single area has no spread of its own, and is placed in that of the others
    spread = (
        math.sqrt((v_t + v_c) / 2)
        if many
        else math.sqrt(v_c if len(c) > 1 else v_t)
        if len(t) + len(c) > 2
        else math.nan
    )
    gap = float(t.mean() - c.mean())
    return {
        "quantity": name,
        "treated_mean": float(t.mean()),
        "control_mean": float(c.mean()),
        "standardised_difference": gap / spread if spread > 0 else (0.0 if gap == 0 else math.nan),
        "variance_ratio": v_t / v_c if many and v_c > 0 else math.nan,
        "share_outside": float(((t < c.min()) | (t > c.max())).mean()),
        "n_treated": len(t),
        "n_control": len(c),
    }


def _log_odds(t: Floats, c: Floats) -> tuple[Floats, Floats]:
    X = np.vstack([t, c])
    spread = X.std(axis=0)
    varies = spread > 0
    X = (X[:, varies] - X[:, varies].mean(axis=0)) / spread[varies]
    chosen = np.r_[np.ones(len(t)), np.zeros(len(c))]
    X = np.column_stack([np.ones(len(X)), X])
    odds = X @ firth_logistic(chosen, X).coefficients
    return odds[: len(t)], odds[len(t) :]


def _outside_hull(t: Floats, c: Floats) -> float:
    """Return the share of treated areas that are no mixture of controls; NaN with too few controls for a hull."""
    from scipy.optimize import linprog

    spread = c.std(axis=0)
    varies = spread > 0
    if len(c) <= int(varies.sum()):
        return math.nan
    away: Mask = np.asarray((np.abs(t[:, ~varies] - c[:1, ~varies]) > 1e-9).any(axis=1))
    z_c, z_t = (v[:, varies] / spread[varies] for v in (c, t))
    order = np.argsort(-np.abs(z_t - z_c.mean(axis=0)).max(axis=1, initial=0.0), kind="stable")[:_MOST_PLACED]
    A = np.vstack([z_c.T, np.ones(len(c))])
    outside = away.copy()
    for i in order:
        if not away[i]:
            outside[i] = linprog(np.zeros(len(c)), A_eq=A, b_eq=np.r_[z_t[i], 1.0], bounds=(0, None)).status == 2
    return float(outside.mean())


def _judge(table: pd.DataFrame, result: Result, *, zeros: float, never: int, later: int) -> tuple[Status, str]:
    single = table[table["quantity"] != "all_together"]
    outside = single[single["share_outside"] > _BEYOND]
    far = single[single["standardised_difference"].abs() > _LARGE]
    warnings = [
        f"{100 * row.share_outside:.0f}% of treated areas lie outside the range of the controls in "
        f"{_named(row.quantity)}, and are compared with none like them."
        for row in outside.itertuples()
    ]
    if never <= _HARDLY_ANY and not later:
        many = {0: "No area is", 1: "A single area is"}.get(never, f"Only {never} areas are")
        warnings.append(f"{many} never treated: whatever else happened there passes for the effect.")
    if zeros > MANY_ZEROS and scale_of(result.estimator) == "difference":
        warnings.append(
            f"{100 * zeros:.0f}% of the counts are zero, and the model is one in numbers: quiet areas cannot fall by "
            "what busy ones fall by."
        )
    if len(far):
        named = ", ".join(f"{_named(r.quantity)} {r.standardised_difference:+.2f}" for r in far.itertuples())
        told = (
            f"Before the first start treated and control areas differ by more than {_LARGE} standard deviations in "
            f"{named} (Imbens and Rubin 2015): the answer leans on the form of the model."
        )
    else:
        told = (
            f"Before the first start treated and control areas are alike within {_LARGE} standard deviations in "
            f"{' and '.join([', '.join(map(_named, single['quantity'][:-1])), _named(single['quantity'].iloc[-1])])}."
        )
    uneven = single[(single["variance_ratio"] > 2) | (single["variance_ratio"] < 0.5)]
    if len(uneven):
        told += f" Their spread differs more than twofold in {', '.join(map(_named, uneven['quantity']))}."
    hull = float(table.loc[table["quantity"] == "all_together", "share_outside"].iloc[0])
    if hull > _BEYOND:
        told += (
            f" Taken together, {100 * hull:.0f}% of treated areas are no mixture of control areas (King and Zeng 2006)."
        )
    status: Status = "failed" if warnings else "informative" if len(far) or hull > _BEYOND else "passed"
    return status, " ".join([told, *warnings])


def _named(quantity: str) -> str:
    return {"level": "level", "change": "change", "log_odds_of_treatment": "the odds of being treated"}.get(
        quantity, quantity
    )

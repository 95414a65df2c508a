"""The specification curve: every defensible choice made in turn, and a joint test of all of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from svmodel.comparison.agreement import shown
from svmodel.comparison.compare import row_of
from svmodel.comparison.differences import as_shown, checked_scale
from svmodel.comparison.specifications import (
    CHOICES,
    Dealt,
    Specification,
    deal_all,
    joint_table,
    specifications,
    statistics,
)
from svmodel.design import Design
from svmodel.errors import EstimationError, Problems
from svmodel.numerics.arrays import Floats
from svmodel.result import Estimator


@dataclass(frozen=True, eq=False, repr=False)
class SpecificationCurve:
    """Effects under every combination of choices.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a specification, by estimate; those that were refused come last, with the ``reason``. ``rank`` counts
        from 1. Then what was chosen (``estimator``, ``controls``, ``window``, ``outcome``, ``covariates``,
        ``anticipation``), ``status``, ``estimate``, ``conf_low``, ``conf_high``, ``p_value`` (the method's own),
        ``observed`` (events in the treated area-periods) and ``p_randomised`` (the effect's rank among the draws of the
        joint test).
    scale : str
    joint : pandas.DataFrame
        ``statistic``, ``observed``, ``typical_under_null`` (median over draws), ``p_value``, ``draws``. The size of the
        median effect is that of logarithms where effects are ratios.
    draws : ndarray, shape (1 + B, K)
        Effects of the K specifications that were tested jointly, the actual starts first; ratios as logarithms. In the
        order in which the specifications were made, not in that of `table`.
    text : str
    counts : bool
        Whether all outcomes are counts.
    choices : tuple of str
        Choices of which there was more than one.
    notes : tuple of str
    """

    table: pd.DataFrame
    scale: str
    joint: pd.DataFrame
    draws: Floats = field(repr=False)
    text: str
    counts: bool
    choices: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<SpecificationCurve of {len(self.table)}: {self.text}>"

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{escape(n)}</li>" for n in self.notes)
        return f"<p>{escape(self.text)}</p>{self.joint.to_html(index=False)}<ul>{notes}</ul>"


def specification_curve(
    design: Design,
    *,
    estimators: Mapping[str, Estimator] | Iterable[Estimator],
    controls: Mapping[str, Iterable[str] | None] | None = None,
    windows: Mapping[str, Any] | Iterable[Any] | None = None,
    outcomes: Iterable[str] | None = None,
    covariates: Mapping[str, Any] | Iterable[Any] | None = None,
    anticipation: Iterable[int] | None = None,
    scale: str | None = None,
    draws: int = 499,
    strata: Mapping[str, object] | str | None = None,
    alpha: float = 0.05,
    seed: int = 0,
) -> SpecificationCurve:
    """Estimate every combination of choices, and test them jointly.

    Parameters
    ----------
    design : Design
        The main specification; what is not varied is taken from it.
    estimators : mapping of str to Estimator, or iterable of Estimator
    controls : mapping of str to iterable of str or None, optional
        Control areas by the name of the choice; None for all. Treated areas are always kept.
    windows : mapping or iterable of (first, last), optional
        None stands for the whole panel.
    outcomes : iterable of str, optional
    covariates : mapping or iterable of tuples of str, optional
        ``()`` stands for none.
    anticipation : iterable of int, optional
    scale : str, optional
        By default a rate ratio if all outcomes are counts, else a difference (of one outcome only).
    draws : int
        Other assignments of the starts for the joint test; 0 for none. All are tried where there are no more.
    strata : mapping of str to object, or str, optional
        As in :class:`svmodel.inference.RandomisationInference`.
    alpha : float
        Level at which a specification counts as significant.
    seed : int

    Returns
    -------
    SpecificationCurve
        ``svmodel.plots.specification_curve`` draws it.

    Raises
    ------
    DesignError
        If the main design has problems.
    EstimationError
        With every choice that cannot be made, or if no specification could be estimated.

    Notes
    -----
    The share of significant specifications means nothing by itself, because all of them see the same data. Starts are
    therefore reassigned among areas, alike in all specifications, and three statistics are ranked among
    the draws, each by ``(b + 1) / (B + 1)``: the size of the median effect, the share of specifications that are
    significant on the commoner side, and the share on the commoner side (Simonsohn, Simmons and Nelson 2020, who
    permute the variable of interest alike). In the second a specification is significant by its own rank among the
    draws, so that the test does not lean on the validity of any method's own interval.

    *Supposes* that within strata each area might as well have had another's start: exact in a lottery. It is a test of
    no effect whatever in any area. It says nothing on whether the set of specifications was a fair one, and where all
    share a fault (areas chosen for a recorded high, say) all are wrong together. Starts are reassigned among areas that
    every specification holds. Where choices of controls do not overlap, little or nothing is left to reassign, and the
    notes say so.

    References
    ----------
    Simonsohn, Simmons and Nelson (2020), *Nature Human Behaviour* 4, 1208-1214. Steegen, Tuerlinckx, Gelman and
    Vanpaemel (2016), *Perspectives on Psychological Science* 11(5). Phipson and Smyth (2010).

    Examples
    --------
    >>> from svmodel import Design, did, simulate
    >>> made = simulate.panel(30, 24, cohorts=[(12, 10)], effect=0.7, seed=1)
    >>> design = Design(made.panel, outcome="violence", exposure="population", intervention=made.intervention)
    >>> curve = specification_curve(design, estimators=[did.ExtendedTwoWayFixedEffects(), did.TwoWayFixedEffects()],
    ...     windows=[None, ("2018-07", "2019-12")], draws=39)
    >>> len(curve.table), curve.joint["p_value"].round(3).tolist()[0]
    (4, 0.025)
    """
    design.require()
    problems = Problems()
    held = specifications(
        design,
        estimators,
        controls=controls,
        windows=windows,
        outcomes=outcomes,
        covariates=covariates,
        anticipation=anticipation,
        found=problems,
    )
    if draws < 0 or int(draws) != draws:
        problems.add(f"{draws!r} draws", where="draws", fix="Give 499, or 0 for no joint test.")
    if not 0 < alpha < 1:
        problems.add(f"{alpha!r} is no level of a test", where="alpha", fix="Give 0.05.")
    made = sorted({s.choices["outcome"] for s in held})
    counts = all(s.design.is_count for s in held)
    if len(made) > 1 and not counts:
        problems.add("several outcomes stand on one scale only where all are counts", where="outcomes")
    elif len(made) > 1 and scale not in (None, "rate_ratio"):
        problems.add("several outcomes are compared as rate ratios only", where="scale")
    try:
        scale = checked_scale(scale, counts=counts, exposure=design.exposure is not None)
    except EstimationError as error:
        problems.add(error.title, where="scale")
    problems.raise_if_any(EstimationError, "the specification curve cannot be made")
    assert scale is not None
    rows = [{**s.choices, **_row(s, scale, seed)} for s in held]
    answered = [k for k, r in enumerate(rows) if r["status"] != "refused"]
    if not answered:
        raise EstimationError(f"none of {len(rows)} specifications could be estimated: {rows[0]['reason']}")
    dealt = _dealt(design, [held[k] for k in answered], scale, draws, strata, seed)
    three, p = statistics(dealt.values, alpha)
    ranked = np.full(len(rows), np.nan)
    ranked[[answered[k] for k in dealt.used]] = p[0] if len(dealt.values) > 1 else np.nan
    table = _sorted(pd.DataFrame(rows).assign(p_randomised=ranked))
    median = _median(table, scale)
    joint = joint_table(three)
    varied = tuple(c for c in CHOICES if len({r[c] for r in rows}) > 1)
    text = _words(table, joint, scale, median, alpha)
    return SpecificationCurve(
        table, scale, joint, dealt.values, text, counts, varied, _notes(table, dealt, len(answered))
    )


def _row(one: Specification, scale: str, seed: int) -> dict[str, Any]:
    row, result = row_of(one.design, one.estimator, scale, seed)
    held = {c: row[c] for c in ("status", "estimate", "conf_low", "conf_high", "p_value", "inference", "reason")}
    observed = math.nan
    if result is not None:
        arrays, observed = one.design.arrays, result.totals.observed
        observed = float(arrays.y[arrays.treated].sum()) if math.isnan(observed) else observed
    return {**held, "observed": observed}


def _dealt(design: Design, held: list[Specification], scale: str, draws: int, strata: Any, seed: int) -> Dealt:
    if draws == 0:
        return Dealt(np.full((1, 0), np.nan), np.empty(0, dtype=np.int64), 0, 0, "no draws were asked for")
    return deal_all(design, held, scale, draws=draws, strata=strata, seed=seed)


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    """Return rows by estimate, those without one last, with their ranks."""
    out = table.sort_values("estimate", kind="stable", na_position="last").reset_index(drop=True)
    rank = np.where(out["estimate"].notna(), np.arange(1, len(out) + 1), np.nan)
    out.insert(0, "rank", rank)
    return out


def _median(table: pd.DataFrame, scale: str) -> float:
    values = table["estimate"].dropna().to_numpy(dtype=np.float64)
    if scale != "rate_ratio":
        return float(np.median(values))
    with np.errstate(divide="ignore"):
        return as_shown(float(np.median(np.log(values))), scale)


def _words(table: pd.DataFrame, joint: pd.DataFrame, scale: str, median: float, alpha: float) -> str:
    known = table[table["estimate"].notna()]
    neutral = 1.0 if scale == "rate_ratio" else 0.0
    below = int((known["estimate"] < neutral).sum())
    low, high = shown(float(known["estimate"].min()), scale), shown(float(known["estimate"].max()), scale)
    clear = int((known["p_value"] <= alpha).sum())
    refused = len(table) - len(known)
    text = f"{len(known)} of {len(table)} specifications give an effect" if refused else f"{len(known)} specifications"
    text += f": the median is {shown(median, scale)}, and they run from {low} to {high}. {below} point to a fall. "
    text += f"{clear} are significant by their own p-value, which counts the same data many times."
    p = float(joint["p_value"].iloc[0])
    if math.isnan(p):
        return text + " There is no joint test."
    told = "; ".join(f"{r.statistic}: p = {float(r.p_value):.3g}" for r in joint.itertuples())
    return f"{text} Jointly, with starts dealt out anew in {int(joint['draws'].iloc[0]):,} other ways: {told}."


def _notes(table: pd.DataFrame, dealt: Dealt, answered: int) -> tuple[str, ...]:
    notes = []
    refused = table[table["status"] == "refused"]
    for reason, part in refused.groupby("reason", sort=True):
        notes.append(f"{len(part)} specifications were refused: {reason}")
    if dealt.why:
        notes.append(f"There is no joint test: {dealt.why}.")
        return tuple(notes)
    ways = f"{dealt.total - 1:,}" if dealt.total <= 10**9 else "more than a billion"
    notes.append(
        f"Starts were dealt out anew among {dealt.areas} areas, in {len(dealt.values) - 1:,} of {ways} other ways. The "
        "test supposes that each might as well have had another's start."
    )
    if len(dealt.used) < answered:
        notes.append(f"{answered - len(dealt.used)} specifications are not in the joint test: no quick estimate.")
    lost = float(np.isnan(dealt.values[1:]).mean())
    if lost > 0:
        notes.append(f"{lost:.1%} of the effects in other ways of dealing were not identified and are left out.")
    return tuple(notes)

"""Several estimators on one design: one table on one scale, and in plain words how far they agree."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape

import numpy as np
import pandas as pd

from svmodel.comparison.agreement import agreement
from svmodel.comparison.differences import Sums, as_shown, checked_scale, differences, family, on_scale
from svmodel.design import Design
from svmodel.errors import DesignError, EstimationError, Problems
from svmodel.result import Estimator, Result
from svmodel.result.method import card, named
from svmodel.result.rule import FEW_TREATED, choose

COLUMNS = (
    "method",
    "estimator",
    "family",
    "status",
    "estimate",
    "conf_low",
    "conf_high",
    "level",
    "p_value",
    "implied",
    "inference",
    "in_doubt",
    "reason",
)


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Answers of several methods to one question.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a method, in the order given. ``status`` is ``estimated``, ``no_interval``, or ``refused`` with the
        ``reason``. ``implied`` marks a rate ratio that the method does not give itself: observed over observed less its
        events, for its limits too. ``inference`` says what the interval rests on, ``in_doubt`` whether the rule that
        chose it warned.
    scale : str
        Of estimates and limits: one of :data:`svmodel.result.SCALES`.
    differences : pandas.DataFrame
        Every pair of methods: ``difference`` of the first less the second (of logarithms, for ratios) with a jackknife
        interval over areas, t with Satterthwaite's degrees of freedom, p-values as they are and after Holm; where there
        is none, ``why``.
    text : str
        How far the methods agree, in plain sentences.
    results : mapping of str to Result
        Of the methods that answered.
    design : Design
    """

    table: pd.DataFrame
    scale: str
    differences: pd.DataFrame
    text: str
    results: Mapping[str, Result]
    design: Design = field(repr=False)

    def __repr__(self) -> str:
        return f"<Comparison of {len(self.table)} methods: {self.text}>"

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.text)}</p>{self.table.to_html(index=False)}"


def compare(
    design: Design,
    estimators: Mapping[str, Estimator] | Iterable[Estimator] | None = None,
    *,
    scale: str | None = None,
    level: float = 0.95,
    jackknife: bool = True,
    seed: int = 0,
) -> Comparison:
    """Put one design to several estimators.

    Parameters
    ----------
    design : Design
    estimators : mapping of str to Estimator, or iterable of Estimator, optional
        By default what its kind of design is commonly put to: for a count Poisson ETWFE and TWFE; for any outcome
        linear imputation, Callaway-Sant'Anna and Sun-Abraham; synthetic DiD where areas are never treated, and
        synthetic control where fewer than eight are treated.
    scale : {"rate_ratio", "difference", "events", "per_100k"}, optional
        By default a rate ratio for a count and a difference for a measure.
    level : float
        Coverage of intervals of differences between methods; each method's own interval has its own level.
    jackknife : bool
        Whether to work out intervals of differences, which takes an estimate of every method without each area.
    seed : int
        Given to every estimator.

    Returns
    -------
    Comparison
        ``svmodel.plots.forest`` draws it.

    Raises
    ------
    DesignError
        If the design has problems, which no estimator could answer.
    EstimationError
        If something given is no estimator, there is no such scale, or no method answers.

    Notes
    -----
    Each method keeps its own interval. A method that refuses stays in the table with its reason; a breakdown of another
    kind is raised.

    Methods that see the same data have correlated errors, and two intervals that overlap, or do not, say little about
    whether the methods differ. `differences` gives the jackknife over areas of the difference itself (CV3: MacKinnon,
    Nielsen and Webb 2023), for methods with a quick ``point``; others get none, and are never taken for independent.
    Where it leaves out zero, methods estimate different things here (other weights, parallel on another scale), and it
    is for the reader to say which question was asked. Agreement of several methods on the same data is no replication.

    References
    ----------
    MacKinnon, Nielsen and Webb (2023), *Journal of Applied Econometrics* 38(5). Hausman (1978), *Econometrica* 46, on
    differences of estimators on the same data. Holm (1979), *Scandinavian Journal of Statistics* 6.

    Examples
    --------
    >>> from svmodel import Design, did, simulate
    >>> made = simulate.panel(30, 24, cohorts=[(12, 10)], effect=0.7, seed=1)
    >>> design = Design(made.panel, outcome="violence", exposure="population", intervention=made.intervention)
    >>> found = compare(design, [did.ExtendedTwoWayFixedEffects(), did.Imputation(family="linear")])
    >>> found.table["method"].tolist(), bool((found.table["estimate"] < 1).all())
    (['ETWFE Poisson', 'Imputation linear'], True)
    """
    design.require()
    problems = Problems()
    held = default_estimators(design) if estimators is None else named(estimators, problems)
    if not 0 < level < 1:
        problems.add(f"{level!r} is no coverage", where="level", fix="Give 0.95.", rule="level")
    try:
        scale = checked_scale(scale, counts=design.is_count, exposure=design.exposure is not None)
    except EstimationError as error:
        problems.add(error.title, where="scale", rule="scale")
    problems.raise_if_any(EstimationError, "these methods cannot be compared")
    assert scale is not None
    rows, results = [], {}
    for name, estimator in held.items():
        row, result = row_of(design, estimator, scale, seed)
        rows.append({"method": name, **row})
        if result is not None:
            results[name] = result
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    if not results:
        told = "; ".join(f"{r['method']}: {r['reason']}" for r in rows)
        raise EstimationError(f"none of {len(rows)} methods answers this design: {told}")
    logs = _working(table, scale)
    pairs = differences(logs if jackknife else {}, held, design, scale, level)
    kin = {name: card(estimator).kin or card(estimator).short for name, estimator in held.items()}
    text = agreement(table, pairs, scale, design, kin)
    return Comparison(table, scale, pairs, text, results, design)


def _working(table: pd.DataFrame, scale: str) -> dict[str, float]:
    """Return the finite estimates, ratios as logarithms."""
    values = table["estimate"].to_numpy(dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.log(values) if scale == "rate_ratio" else values
    return {m: float(v) for m, v in zip(table["method"], values, strict=True) if math.isfinite(v)}


def row_of(design: Design, estimator: Estimator, scale: str, seed: int) -> tuple[dict[str, object], Result | None]:
    """Return one method's row on `scale` and its result; a refusal gives a row with the reason, and no result."""
    blank: dict[str, object] = dict.fromkeys(("estimate", "conf_low", "conf_high", "level", "p_value"), math.nan)
    head = {"estimator": type(estimator).__name__, "family": family(estimator), **blank, "implied": False}
    rest = {"inference": "", "in_doubt": False, "reason": ""}
    try:
        result = estimator.fit(design, seed=seed)
        numbers, implied = _numbers(result, scale)
    except (DesignError, EstimationError) as error:
        return {**head, **rest, "status": "refused", "reason": _reason(error)}, None
    row = {**head, **numbers, "implied": implied, "family": family(estimator, result)}
    rests_on = result.uncertainty
    lacking = math.isnan(numbers["conf_low"]) or math.isnan(numbers["conf_high"])
    row |= {"inference": rests_on.kind, "in_doubt": rests_on.in_doubt}
    row |= {"status": "no_interval" if lacking else "estimated", "reason": ""}
    if lacking:
        row["reason"] = rests_on.why or "no interval is given"
    return row, result


def _reason(error: DesignError | EstimationError) -> str:
    """Return an error in one line."""
    return "; ".join([error.title, *(str(p) for p in error.problems)])


def _numbers(result: Result, scale: str) -> tuple[dict[str, float], bool]:
    """Return the average effect on `scale`, and whether a ratio had to be worked out from a difference."""
    if result.has("att", scale):
        effect = result.effect("att", scale)
        low, high = effect.conf_low, effect.conf_high
        made = {"estimate": effect.estimate, "conf_low": low, "conf_high": high, "level": effect.level}
        if math.isnan(effect.estimate):
            why = [w.text for w in result.warnings if w.kind == "identification"] or [result.uncertainty.why]
            raise EstimationError(f"the average effect is not identified. {why[0]}")
        return {**made, "p_value": effect.p_value}, False
    if scale != "rate_ratio" or not result.has("att", "difference"):
        raise EstimationError(f"it gives no average effect on {scale!r}")
    effect, totals = result.effect("att", "difference"), result.totals
    sums = Sums(totals.observed, totals.cells_used, math.nan)
    if math.isnan(sums.observed) or math.isnan(sums.cells):
        raise EstimationError("it gives no rate ratio, and not the sums that one could be worked out from")
    ratio, low, high = (
        as_shown(on_scale(v, "difference", "rate_ratio", sums), "rate_ratio")
        for v in (effect.estimate, effect.conf_low, effect.conf_high)
    )
    if math.isnan(ratio):
        raise EstimationError("it expects no events, or fewer than none, in treated area-periods: there is no ratio")
    # an upper limit of events beyond all that were seen bounds the ratio by nothing
    high = math.inf if math.isnan(high) and math.isfinite(effect.conf_high) else high
    made = {"estimate": ratio, "conf_low": low, "conf_high": high, "level": effect.level, "p_value": effect.p_value}
    return made, True


def default_estimators(design: Design) -> dict[str, Estimator]:
    """Return the methods that a design of its kind is commonly put to.

    Raises
    ------
    DesignError
        If the design has problems.
    """
    from svmodel import counterfactual, did

    choice = choose(design.arrays)
    made: list[Estimator] = []
    if design.is_count:
        made += [did.ExtendedTwoWayFixedEffects(), did.TwoWayFixedEffects()]
    made += [did.Imputation(family="linear"), did.CallawaySantAnna(), did.SunAbraham()]
    if not design.is_count:
        made.insert(0, did.TwoWayFixedEffects(family="linear"))
    if choice.n_never:
        made.append(counterfactual.SyntheticDiD())
        if choice.n_treated < FEW_TREATED:
            made.append(counterfactual.SyntheticControl())
    problems = Problems()
    out = named(made, problems)
    problems.raise_if_any(EstimationError, "no default methods")
    return out

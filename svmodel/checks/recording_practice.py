"""Recording practice: whether harm changed, or how much of it is recorded."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.breaks import Break
from svmodel.checks.declared import check
from svmodel.checks.effects import as_row, average_effect, is_significant, refitted
from svmodel.checks.posterior import quick
from svmodel.checks.words import CannotBeMadeError, change, change_of, design_of, treated_indices
from svmodel.design import Design, DesignArrays
from svmodel.errors import DataError, EstimationError, did_you_mean
from svmodel.inference.assignments import canonical_order
from svmodel.numerics.arrays import Floats, Mask
from svmodel.result import Effect, PointEstimator, Result
from svmodel.result.check import CheckResult
from svmodel.result.interval import Interval
from svmodel.result.method import brings_arrays
from svmodel.result.rule import choose
from svmodel.result.uncertainty import placebo_interval
from svmodel.words import p_value

_NAME = "recording_practice"
_COLUMNS = ["quantity", "outcome", "period", "scale", "estimate", "conf_low", "conf_high", "p_value", "problem"]


@check("Could a change in recording look like it?", needs=("data",))
def recording_practice(
    result: Result, *, seed: int = 0, outcome: str | None = None, breaks: Iterable[Any] = ()
) -> CheckResult:
    """Compare the effect on a recorded count with that on a second record of the same events, as of admissions.

    If violence falls, both fall. If less of it is recorded, the first falls alone, and the ratio of both breaks at the
    start in treated areas and not in the others. The ratio of the two effects (the difference of log rate ratios, over
    the same cells) is that break.

    Parameters
    ----------
    result : Result
        On a recorded count.
    seed : int
        Not used; refits take the seed of `result`.
    outcome : str, optional
        Another count of the panel, of the same kind of harm, that does not pass through the same records.
    breaks : iterable of Break
        Declared changes in how the data came about. One within half a year of a start is told: where it did not come
        everywhere at once, it cannot be told from the intervention.

    Returns
    -------
    CheckResult
        ``failed`` where the interval of the ratio of effects leaves out 1; ``informative`` where there is none, or no
        second outcome, and where a declared break is near a start; ``passed`` otherwise. The table has ``quantity,
        outcome, period, scale, estimate, conf_low, conf_high, p_value, problem``: the two effects, their ratio, and the
        ratio of the counts by year in treated and in other areas (``ratio_treated``, ``ratio_others``).

    Raises
    ------
    DataError
        If `outcome` is no other count of the panel (with the nearest that is), or a break is none.

    Notes
    -----
    Supposes that the intervention changes both records by the same ratio. It need not: it may bring victims to report
    more often, or avert the injuries that reach a hospital before others. Where the estimator is not on the log scale,
    or does not give its average effect alone, the ratio is that of extended two-way fixed effects (Poisson). Its
    interval is the jackknife's over areas, or with few treated areas that of placebo areas.

    References
    ----------
    Home Office Counting Rules change what is counted, not what happens; hospital data are the usual check:
    Sivarajasingam and Shepherd (2001), *Emergency Medicine Journal* 18. Florence, Shepherd, Brennan and Simon (2011),
    *BMJ* 342:d3313.
    """
    held = _read_breaks(breaks)
    result = quick(result)
    design = design_of(result)
    near = _near(held, design)
    if outcome is None:
        if near:
            return CheckResult(_NAME, "informative", f"No second record of the same events was named. {near}")
        raise CannotBeMadeError("nobody named a second record of the same events (option `outcome`)")
    _check_outcome(outcome, design)
    if not design.is_count:
        raise CannotBeMadeError(f"{design.outcome!r} is a measure, not a count of recorded events")
    real = average_effect(result)
    second, problem = refitted(result, design=replace(design, outcome=outcome))
    table = [_row("effect_recorded", design.outcome, real), _row("effect_second", outcome, second, problem)]
    found = _ratio(result, design, outcome)
    if isinstance(found, str):
        table.append({"quantity": "ratio_of_effects", "scale": "rate_ratio", "problem": found})
    else:
        with np.errstate(over="ignore"):
            estimate, low, high = (float(v) for v in np.exp([found.estimate, found.low, found.high]))
        table.append(
            {
                "quantity": "ratio_of_effects",
                "scale": "rate_ratio",
                "estimate": estimate,
                "conf_low": low,
                "conf_high": high,
                "p_value": found.p_value,
            }
        )
    frame = pd.DataFrame([*table, *_by_year(design, outcome)]).reindex(columns=_COLUMNS)
    return _text(frame, design, outcome, real, second, found, near)


def _text(
    frame: pd.DataFrame,
    design: Design,
    outcome: str,
    real: Effect | None,
    second: Effect | None,
    found: Interval | str,
    near: str,
) -> CheckResult:
    parts = [f"{n}: {change_of(e)}" for n, e in ((design.outcome, real), (outcome, second)) if e is not None]
    head = (
        f"Effects on both records ({'; '.join(parts)})." if parts else "The method gives no interval for either record."
    )
    if isinstance(found, str) or math.isnan(found.low):
        why = found if isinstance(found, str) else found.why
        text = f"{head} Whether their ratio broke at the start could not be tested: {why.rstrip('.')}. {near}"
        return CheckResult(_NAME, "informative", text.strip(), frame)
    low, high = (change(v, "log_rate_ratio") for v in (found.low, found.high))
    ratio = f"{change(found.estimate, 'log_rate_ratio')} ({low} to {high}, {p_value(found.p_value)})"
    if found.low > 0 or found.high < 0:
        less = found.estimate < 0
        text = (
            f"{head} The ratio of {design.outcome} to {outcome} changed by {ratio} with the start, beside other areas: "
            f"{'less' if less else 'more'} of what happens seems to be recorded than before, so that the effect "
            f"on {design.outcome} {'overstates a fall' if less else 'hides a fall, or feigns a rise'}. {near}"
        )
        return CheckResult(_NAME, "failed", text.strip(), frame)
    text = (
        f"{head} The ratio of {design.outcome} to {outcome} changed by {ratio} with the start, beside other areas, "
        "which is no change within its uncertainty: there is no clear sign that recording changed. Changes that "
        f"the interval holds cannot be ruled out. {near}"
    )
    if real is not None and second is not None and is_significant(real) and not is_significant(second):
        text = f"{text.strip()} Of both effects only that on {design.outcome} is significant."
    return CheckResult(_NAME, "informative" if near else "passed", text.strip(), frame)


def _read_breaks(breaks: Iterable[Any]) -> list[Break]:
    given = [breaks] if isinstance(breaks, Break) else list(breaks)
    wrong = [b for b in given if not isinstance(b, Break)]
    if wrong:
        raise DataError(f"breaks have to be svmodel.breaks.Break, and {wrong[0]!r} is none")
    return given


def _near(breaks: list[Break], design: Design) -> str:
    """Return a sentence on breaks within half a year of a start, or nothing."""
    arrays = design.arrays
    starts = np.unique(arrays.start[treated_indices(design)])
    reach = max(1, periods.per_year(arrays.periods) // 2)
    close = [b for b in breaks if (np.abs(starts - b.within(arrays.periods)[0]) <= reach).any()]
    if not close:
        return ""
    named = "; ".join(str(b) for b in close)
    return (
        f"A declared change in the data lies within half a year of a start: {named}. If it did not come everywhere at "
        "once, it cannot be told from the intervention."
    )


def _check_outcome(outcome: str, design: Design) -> None:
    others = [c for c in design.panel.counts if c != design.outcome]
    if outcome == design.outcome:
        raise DataError(f"{outcome!r} is the outcome of the study itself, and no second record")
    if outcome not in others:
        fix = did_you_mean(outcome, others) if others else "The panel has no other count."
        raise DataError(f"{outcome!r} is no count of the panel. {fix}")


def _row(quantity: str, outcome: str, effect: Effect | None, problem: str | None = None) -> dict[str, object]:
    return {"quantity": quantity, "outcome": outcome, "problem": problem, **as_row(effect)}


def _ratio(result: Result, design: Design, outcome: str) -> Interval | str:
    from svmodel.did.etwfe import ExtendedTwoWayFixedEffects

    estimator: Any = result.estimator
    ready = isinstance(estimator, PointEstimator) and estimator.scale == "log_rate_ratio"
    if not ready or brings_arrays(estimator):
        estimator = ExtendedTwoWayFixedEffects()
    return ratio_interval(estimator, with_second(design.arrays, design.view.matrix(outcome)))


def _by_year(design: Design, outcome: str) -> list[dict[str, object]]:
    """Return the ratio of both counts by year (from the first period on) in treated and in other areas."""
    arrays = design.arrays
    both = with_second(arrays, design.view.matrix(outcome))
    first, second = both.y, both.covariates[..., -1]
    treated = np.zeros(len(arrays.areas), dtype=bool)
    treated[treated_indices(design)] = True
    step = periods.per_year(arrays.periods)
    rows: list[dict[str, object]] = []
    for name, areas in (("ratio_treated", treated), ("ratio_others", ~treated)):
        for begun in range(0, len(arrays.periods), step):
            span = slice(begun, begun + step)
            below = _total(second, areas, span)
            ratio = _total(first, areas, span) / below if below > 0 else math.nan
            named = periods.label(arrays.periods[begun])
            last = periods.label(arrays.periods[min(begun + step, len(arrays.periods)) - 1])
            period = named if named == last else f"{named} to {last}"
            rows.append(
                {"quantity": name, "outcome": design.outcome, "period": period, "scale": "ratio", "estimate": ratio}
            )
    return rows


def _total(counts: Floats, areas: Mask, span: slice) -> float:
    return float(np.nansum(counts[areas][:, span]))


#: Blocks that treated and other areas are each left out by; up to as many areas, one at a time.
_BLOCKS = 60


@dataclass(frozen=True)
class RatioOfEffects:
    """The log rate ratio on the outcome less that on a second one, which stands as the last covariate.

    The second outcome goes where its area goes, so that whatever resamples or reassigns areas moves both together.
    """

    estimator: PointEstimator

    @property
    def scale(self) -> str:
        """Always ``log_rate_ratio``."""
        return "log_rate_ratio"

    def point(self, arrays: DesignArrays) -> float:
        """Return the log of the ratio of both effects, NaN where one is not identified or not finite."""
        others, second = arrays.covariates[..., :-1], arrays.covariates[..., -1]
        one = self.estimator.point(replace(arrays, covariates=others))
        two = self.estimator.point(replace(arrays, covariates=others, y=second))
        return one - two if math.isfinite(one) and math.isfinite(two) else math.nan

    def fit(self, design: Design, *, seed: int = 0) -> Result:
        """Refuse: a design has one outcome."""
        del design, seed
        raise EstimationError("a ratio of effects is estimated from arrays")


def with_second(arrays: DesignArrays, second: Floats) -> DesignArrays:
    """Return the arrays with the second outcome as last covariate; a cell missing in one is missing in both."""
    known = ~np.isnan(arrays.y) & ~np.isnan(second)
    last = np.where(known, second, np.nan)[..., None]
    return replace(arrays, y=np.where(known, arrays.y, np.nan), covariates=np.concatenate([arrays.covariates, last], 2))


def ratio_interval(estimator: PointEstimator, arrays: DesignArrays, level: float = 0.95) -> Interval | str:
    """Return the log ratio of effects with its interval, or why there is none.

    With few treated areas the interval comes from placebo areas, as for any effect; else from leaving out areas (or
    blocks of them) in turn, separately among treated and other areas, with Satterthwaite's degrees of freedom.

    Parameters
    ----------
    estimator : PointEstimator
        On the log scale.
    arrays : DesignArrays
        From :func:`with_second`.
    level : float

    References
    ----------
    Efron and Stein (1981), *Annals of Statistics* 9(3); Shao and Tu (1995), *The Jackknife and Bootstrap*, chapter 6:
    the jackknife by strata.
    """
    both = RatioOfEffects(estimator)
    estimate = both.point(arrays)
    if not math.isfinite(estimate):
        return "the effect on one of both outcomes is not identified, or there was no event"
    choice = choose(arrays)
    if choice.kind == "none":
        return choice.why
    if choice.kind == "placebo":
        try:
            return placebo_interval(both, arrays, counts=True, level=level, why=choice.why)
        except EstimationError as error:
            return error.title
    return _jackknife(both, arrays, estimate, level)


def _jackknife(both: RatioOfEffects, arrays: DesignArrays, estimate: float, level: float) -> Interval | str:
    from scipy import special

    treated = np.asarray(arrays.treated.any(axis=1))
    order = canonical_order(arrays, treated.astype(np.int64))
    parts, df = [], []
    for rows in (order[treated[order]], order[~treated[order]]):
        blocks = [rows[k::_BLOCKS] for k in range(min(_BLOCKS, len(rows)))]
        if len(blocks) < 2:
            return "a single area is treated, or serves as control"
        without = np.array([both.point(arrays.take(order[~np.isin(order, block)])) for block in blocks])
        if not np.isfinite(without).all():
            return "the ratio is not identified without some areas"
        G = len(blocks)
        parts.append((G - 1) / G * float(((without - without.mean()) ** 2).sum()))
        df.append(G - 1)
    variance = sum(parts)
    if not variance > 0:
        return "the ratio has no scatter over areas"
    freedom = variance**2 / sum(v**2 / d for v, d in zip(parts, df, strict=True))
    error = math.sqrt(variance)
    half = float(special.stdtrit(freedom, 0.5 + level / 2)) * error
    p = float(2 * special.stdtr(freedom, -abs(estimate) / error))
    why = f"jackknife over areas, t with {freedom:.0f} degrees of freedom"
    return Interval(both.scale, estimate, error, estimate - half, estimate + half, p, level, "jackknife", why)

"""One average effect with its interval, and a Result that carries it on every scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from svmodel.errors import EstimationError
from svmodel.result import Result


@dataclass(frozen=True)
class Interval:
    """The average effect (term ``att``) with an interval that some method of inference gave it.

    Attributes
    ----------
    scale : {"log_rate_ratio", "difference"}
        A difference is in the outcome's units per treated area-period.
    estimate, std_error, low, high, p_value : float
        NaN where the method gives none; limits may be infinite where the data bound nothing.
    level : float
    method : str
        For people, e.g. ``"randomisation of starts, 999 draws"``.
    why : str
        One or two sentences on why this method, and what it supposes.
    """

    scale: str
    estimate: float
    std_error: float
    low: float
    high: float
    p_value: float
    level: float
    method: str
    why: str


def with_interval(result: Result, interval: Interval, *, told: Mapping[str, object] | None = None) -> Result:
    """Return the result with its average effect's errors, limits and p-value replaced on every scale.

    Estimates stay as they are. Ratio and events are tied by the treated cells' observed sum O and expected sum E, with
    ``R = O / E`` and ``events = O - E``: an interval on the log ratio holds E, so that events are ``E (R - 1)``; one on
    the difference holds O, so that ``R = O / (O - events)``.

    Parameters
    ----------
    result : Result
        With ``diagnostics["observed"]`` and ``["expected"]`` where its average effect stands on both kinds of scale.
    interval : Interval
    told : mapping of str to object, optional
        What else the diagnostics say of how the interval was made.

    Returns
    -------
    Result
        ``diagnostics["inference"]`` holds the method, and a note says why.

    Raises
    ------
    EstimationError
        If the result gives no average effect.
    """
    frame = result.estimates
    att = frame["term"] == "att"
    if not att.any():
        raise EstimationError(f"{type(result.estimator).__name__} gives no average effect to put an interval on")
    out = frame.copy()
    for row in frame.index[att]:
        scale = str(frame.at[row, "scale"])
        estimate = float(frame.at[row, "estimate"])
        low, high, error = _on(scale, estimate, interval, result)
        out.loc[row, ["conf_low", "conf_high", "std_error"]] = [low, high, error]
        out.loc[row, ["level", "p_value"]] = [interval.level, interval.p_value]
    before = result.diagnostics.get("inference_why")
    said = [n for n in result.notes if n not in (interval.why, before)]
    if before and before != interval.why and out.loc[~att, "conf_low"].notna().any():
        said.append(f"Only the average effect has the new interval; for all other rows it stands that {before}")
    diagnostics = {**result.diagnostics, "inference": interval.method, "inference_why": interval.why}
    diagnostics |= told or {}
    return replace(result, estimates=out, notes=(*said, interval.why), diagnostics=diagnostics)


def _on(scale: str, estimate: float, interval: Interval, result: Result) -> tuple[float, float, float]:
    """Return limits and standard error on `scale`."""
    if interval.scale == "log_rate_ratio":
        with np.errstate(over="ignore"):
            low, high = (float(v) for v in np.exp([interval.low, interval.high]))
        if scale == "rate_ratio":
            return low, high, estimate * interval.std_error
        unit, expected, _ = _units(scale, estimate, result)
        return unit * expected * (low - 1), unit * expected * (high - 1), abs(unit) * expected * interval.std_error
    if scale == "rate_ratio":
        _, _, observed = _units(scale, math.nan, result)
        cells = _cells(result)
        ratios = []
        for limit in (interval.low, interval.high):
            rest = observed - limit * cells
            ratios.append(observed / rest if rest > 0 else math.inf)
        if interval.low * cells == -math.inf:
            ratios[0] = 0.0
        return ratios[0], ratios[1], estimate**2 * interval.std_error * cells / observed if observed > 0 else math.nan
    # an effect of exactly zero does not tell what the scales are to each other
    known = {"difference": 1.0, "events": _cells(result)}
    unit = estimate / interval.estimate if interval.estimate else known.get(scale, math.nan)
    return unit * interval.low, unit * interval.high, abs(unit) * interval.std_error


def _cells(result: Result) -> float:
    return float(result.diagnostics.get("treated_cells_used", math.nan))


def _units(scale: str, estimate: float, result: Result) -> tuple[float, float, float]:
    """Return what an event is worth on the scale of `estimate`, and the expected and observed sums."""
    held = result.diagnostics
    observed, expected = float(held.get("observed", math.nan)), float(held.get("expected", math.nan))
    gap = observed - expected
    known = {"difference": 1 / (_cells(result) or math.nan), "events": 1.0}
    return (estimate / gap if gap else known.get(scale, math.nan)), expected, observed

"""One average effect with its interval, and a Result that carries it on every scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from svmodel.errors import EstimationError
from svmodel.result import Result
from svmodel.result.notes import Note, ResultWarning
from svmodel.result.scales import ratio_at


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
    warns : bool
        Whether `why` takes away from the interval, so that its note is a warning.
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
    warns: bool = False

    @property
    def note(self) -> Note:
        """What a result says of it."""
        return ResultWarning("interval", self.why) if self.warns else self.why


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
    out = put_on(result.estimates, interval, result.diagnostics, type(result.estimator).__name__)
    before = result.diagnostics.get("inference_why")
    gone = (interval.why, before)
    more: list[Note] = []
    if before and before != interval.why and out.loc[out["term"] != "att", "conf_low"].notna().any():
        text = f"Only the average effect has the new interval; for all other rows it stands that {before}"
        more.append(ResultWarning("interval", text) if any(w.text == before for w in result.warnings) else text)
    kept = replace(
        result,
        notes=tuple(n for n in result.notes if n not in gone),
        warnings=tuple(w for w in result.warnings if w.text not in gone),
    )
    basis = {"inference": interval.method, "inference_why": interval.why, **(told or {})}
    return kept.saying(*more, interval.note, estimates=out, diagnostics={**result.diagnostics, **basis})


def put_on(estimates: pd.DataFrame, interval: Interval, diagnostics: Mapping[str, Any], method: str) -> pd.DataFrame:
    """Return estimates with the average effect's errors, limits and p-value replaced; `method` names the estimator.

    Raises
    ------
    EstimationError
        If there is no average effect.
    """
    att = estimates["term"] == "att"
    if not att.any():
        raise EstimationError(f"{method} gives no average effect to put an interval on")
    out = estimates.copy()
    for row, scale, estimate in estimates.loc[att, ["scale", "estimate"]].itertuples():
        low, high, error = _on(scale, float(estimate), interval, diagnostics)
        out.loc[row, ["conf_low", "conf_high", "std_error"]] = [low, high, error]
        out.loc[row, ["level", "p_value"]] = [interval.level, interval.p_value]
    return out


def _on(scale: str, estimate: float, interval: Interval, diagnostics: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return limits and standard error on `scale`."""
    keys = ("observed", "expected", "treated_cells_used")
    observed, expected, cells = (float(diagnostics.get(key, math.nan)) for key in keys)
    # an effect of exactly zero does not tell what the scales are to each other
    if interval.scale == "log_rate_ratio":
        with np.errstate(over="ignore"):
            low, high = (float(v) for v in np.exp([interval.low, interval.high]))
        if scale == "rate_ratio":
            return low, high, estimate * interval.std_error
        gap, known = observed - expected, {"difference": 1 / (cells or math.nan), "events": 1.0}
        unit = estimate / gap if gap else known.get(scale, math.nan)
        return unit * expected * (low - 1), unit * expected * (high - 1), abs(unit) * expected * interval.std_error
    if scale == "rate_ratio":
        low, high = (float(ratio_at(observed, limit * cells)) for limit in (interval.low, interval.high))
        return low, high, estimate**2 * interval.std_error * cells / observed if observed > 0 else math.nan
    known = {"difference": 1.0, "events": cells}
    unit = estimate / interval.estimate if interval.estimate else known.get(scale, math.nan)
    return unit * interval.low, unit * interval.high, abs(unit) * interval.std_error

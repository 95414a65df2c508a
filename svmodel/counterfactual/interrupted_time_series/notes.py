"""What an interrupted series says of itself, and what a reader has to know of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.counterfactual.interrupted_time_series.fit import LEAST_AFTER, Segment
from svmodel.counterfactual.interrupted_time_series.sums import Fitted
from svmodel.counterfactual.series import control_rows, few_others, summed_areas, unsummed
from svmodel.design import Design, DesignArrays
from svmodel.errors import shorten
from svmodel.numerics.series.hac import autocorrelation, ljung_box
from svmodel.result.doubts import design_doubts
from svmodel.result.notes import Notes

_FEW_EVENTS = 1.0
_ALPHA = 0.05
#: Dispersion above which Poisson errors are told to be too small.
_MORE_THAN_POISSON = 1.5


def described(fitted: Fitted, segment: Segment, index: pd.PeriodIndex) -> dict[str, Any]:
    """Return plain numbers on the residuals of one regression."""
    lags = max(1, min(periods.per_year(index), 12, segment.n // 5))
    residual = segment.deviance
    steps, square = np.diff(residual), float(np.nansum(residual**2))
    q, p = ljung_box(residual, lags)
    return {
        "dispersion": segment.dispersion,
        "negative_binomial_k": segment.k,
        "durbin_watson": float(np.nansum(steps**2) / square) if square > 0 else np.nan,
        "ljung_box": q,
        "ljung_box_lags": lags,
        "ljung_box_p": p,
        "autocorrelations": [float(v) for v in autocorrelation(residual, lags)],
        "periods_before": int(segment.series.before.sum()),
        "periods_after": int(segment.series.after.sum()),
        "df": fitted.df,
    }


def errors_rest_on(fitted: Fitted) -> str:
    """Return what standard errors rest on."""
    if all(s.dispersion == 0 for s in fitted.segments):
        return (
            "The line fits without a residual, so there is no noise to take an interval from: none is given. Look "
            "whether the column was rounded or filled in."
        )
    if fitted.independent:
        return "Standard errors take periods as independent; a shock that lasts makes them too small."
    if fitted.errors == "newey_west":
        return (
            f"Standard errors are Newey and West's with {fitted.bandwidth} lags. In series of this length they are "
            "known to be too small: in simulation 95% intervals held the truth 81 to 90 times in 100."
        )
    how = "by Prais and Winsten's regression" if fitted.errors == "prais_winsten" else "by moments"
    return f"Standard errors allow for errors that follow each other (AR(1), autocorrelation {fitted.rho:.2f} {how})."


def in_doubt(fitted: Fitted, *, counts: bool) -> bool:
    """Return whether intervals are known to hold the truth less often than they say; the notes then tell why."""
    return fitted.independent or fitted.errors == "newey_west" or (counts and bool(_rare(fitted)))


def _rare(fitted: Fitted) -> list[Segment]:
    """Return the series whose counts are too small for normal errors."""
    segments = [u.fit for u in fitted.units]
    return [s for s in segments if float(s.series.y[s.series.used].mean()) < _FEW_EVENTS]


def notes_of(
    design: Design, fitted: Fitted, each: Sequence[dict[str, Any]], *, season: str, slope_change: bool
) -> Notes:
    """Return the notes; `each` has the plain numbers of every series."""
    arrays = design.arrays
    word, per_year = periods.describe_frequency(arrays.periods), periods.per_year(arrays.periods)
    segments = [u.fit for u in fitted.units]
    others = [len(u.control.series.rows) for u in fitted.units if u.control is not None]
    notes = Notes()
    if others:
        notes.say(
            f"The change in {others[0]} untreated areas at the same time is taken off: what happened in the treated "
            "areas alone still passes for the effect (Lopez Bernal, Cummins and Gasparrini 2018)."
        )
    else:
        notes.warn(
            "identification",
            "An interrupted series is held against its own past alone: anything else that happened at the same time "
            "passes for the effect.",
        )
    notes.add([*unsummed(design, [s.series for s in segments]), *few_others(min(others, default=0))])
    notes.say(*summed_areas([s.series for s in segments]), *_lost(arrays, fitted, word), errors_rest_on(fitted))
    notes.add(design_doubts(design, additive=not segments[0].log, rates=True, controls=bool(others)))
    # NaN of a series without noise, and then no note
    p = min((d["ljung_box_p"] for d in each if d["ljung_box_p"] < _ALPHA), default=1.0)
    if p < _ALPHA:
        text = f"Residuals hang together over time (Ljung-Box p = {p:.3g}): a shock lasts, or the line is not one."
        small = " Errors of this fit take them as independent and are too small."
        notes.warn("interval", text + small if fitted.independent else text)
    worst = max(d["dispersion"] for d in each)
    if fitted.errors == "poisson" and worst > _MORE_THAN_POISSON:
        notes.say(f"Counts vary {worst:.1f} times as much as Poisson counts: take family='quasipoisson'.")
    least = min(int(s.series.before.sum()) for s in segments)
    if per_year > 1 and least < 2 * per_year and season != "none":
        text = f"Only {least} {word}s before a start: a season seen once or so is hard to tell from the trend."
        notes.warn("fit", text)
    few = _rare(fitted) if design.is_count else []
    if few:
        notes.warn(
            "interval",
            f"{len(few)} of {len(segments)} series have less than one event a {word}: intervals rest on normal errors "
            "that such counts do not have. Sum areas or periods.",
        )
    if slope_change and any(s.series.after.sum() > s.series.before.sum() for s in segments):
        text = f"The line from before the start is carried on for longer ({word}s) than it was seen."
        notes.warn("identification", text)
    short = min(int(s.series.after.sum()) for s in segments)
    if short < LEAST_AFTER:
        text = f"Only {short} {word}s from a start on: one odd {word} can pass for the effect."
        notes.warn("identification", text)
    if any(s.terms.post.start < s.terms.season.stop + s.series.covariates.shape[1] for s in segments):
        notes.say("Covariates that stand still over time say nothing on a series and are left out.")
    gaps = len(control_rows(arrays)) - min(others) if others else 0
    if gaps:
        notes.say(f"{gaps} untreated areas are not compared with, because they are missing in a {word} used.")
    return notes


def _lost(arrays: DesignArrays, fitted: Fitted, word: str) -> list[str]:
    lost = [s.series for s in fitted.segments if s.series.lost]
    if not lost:
        return []
    names = shorten([arrays.areas[int(i)] for s in lost for i in s.rows], limit=3).replace("'", "")
    total = sum(s.lost for s in lost)
    return [f"{total} {word}s of series are left out, because an area was missing in them ({names})."]

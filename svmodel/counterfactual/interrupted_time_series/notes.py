"""What an interrupted series cannot carry, what it says of itself, and what a reader has to know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from svmodel import periods
from svmodel.counterfactual.interrupted_time_series.fit import Segment, Terms
from svmodel.counterfactual.interrupted_time_series.sums import Fitted
from svmodel.counterfactual.series import few_others
from svmodel.design import Design, DesignArrays
from svmodel.errors import Problems, shorten
from svmodel.inference import doubts
from svmodel.numerics.series import Series
from svmodel.numerics.series.hac import autocorrelation, ljung_box

if TYPE_CHECKING:
    import pandas as pd

    from svmodel.counterfactual.interrupted_time_series import InterruptedTimeSeries


#: Known periods that a line before the start needs, by periods a year: one round of seasons, or a line of five points.
LEAST_BEFORE = {12: 12, 4: 8, 1: 5}
#: Degrees of freedom below which residuals say next to nothing of the noise.
_LEAST_DF = 3
#: Known treated periods below which a change of slope is not told from noise.
_LEAST_AFTER = 3
_FEW_EVENTS = 1.0
_ALPHA = 0.05


def find_problems(
    arrays: DesignArrays, series: Series, terms: Terms, found: Problems, *, log: bool, slope: bool, name: str
) -> None:
    """Add what keeps the series from being fitted."""
    use = series.used
    y, X = series.y[use], terms.X[use]
    before, after = int(series.before.sum()), int(series.after.sum())
    least = LEAST_BEFORE[periods.per_year(arrays.periods)]
    word = periods.describe_frequency(arrays.periods)
    if before < least:
        found.add(
            f"{before} known {word}s before the start, and a line with its season needs {least}",
            where=name,
            fix="Give earlier data; with controls, a difference-in-differences needs fewer.",
            rule="few_before",
        )
    if after < _LEAST_AFTER and slope:
        found.add(
            f"{after} known {word}s from the start on show no change of slope",
            where=name,
            fix="Use slope_change=False, or wait for later data.",
            rule="few_after",
        )
    if before and float(np.ptp(series.y[use])) == 0:
        found.add(f"the outcome is {series.y[use][0]:g} in every period", where=name, rule="constant_series")
        return
    if log and (y < 0).any():
        found.add("the outcome is negative, and a model of ratios takes none", where=name, rule="negative")
    elif log and before and after:
        for part, when in ((series.before, "before the start"), (series.after, "from the start on")):
            if series.y[part].sum() == 0:
                found.add(
                    f"there is not one event {when}, so no ratio",
                    where=name,
                    fix="Sum areas, or use a longer window.",
                    rule="no_events",
                )
    if len(y) - X.shape[1] < _LEAST_DF:
        found.add(
            f"{len(y)} known {word}s for {X.shape[1]} coefficients",
            where=name,
            fix="Use fewer harmonics, no season, or a longer window.",
            rule="few_periods",
        )
    elif (after >= _LEAST_AFTER or not slope) and np.linalg.matrix_rank(X) < X.shape[1]:
        found.add(
            "trend, season, covariates and the intervention cannot be told apart",
            where=name,
            fix="Use fewer terms, or a longer window.",
            rule="not_identified",
        )


def described(fitted: Fitted, segment: Segment, index: pd.PeriodIndex) -> dict[str, Any]:
    """Return plain numbers on the residuals of one regression."""
    lags = max(1, min(periods.per_year(index), 12, segment.n // 5))
    residual = segment.deviance
    steps = np.diff(residual)
    q, p = ljung_box(residual, lags)
    return {
        "dispersion": segment.dispersion,
        "negative_binomial_k": segment.k,
        "durbin_watson": float(np.nansum(steps**2) / np.nansum(residual**2)),
        "ljung_box": q,
        "ljung_box_lags": lags,
        "ljung_box_p": p,
        "autocorrelations": [float(v) for v in autocorrelation(residual, lags)],
        "periods_before": int(segment.series.before.sum()),
        "periods_after": int(segment.series.after.sum()),
        "df": fitted.df,
    }


def in_doubt(estimator: InterruptedTimeSeries, fitted: Fitted, *, counts: bool) -> bool:
    """Return whether intervals are known to hold the truth less often than they say; the notes then tell why."""
    return estimator.errors in ("model", "newey_west") or (counts and bool(_rare(fitted)))


def _rare(fitted: Fitted) -> list[Segment]:
    """Return the series whose counts are too small for normal errors."""
    segments = [u.fit for u in fitted.units]
    return [s for s in segments if float(s.series.y[s.series.used].mean()) < _FEW_EVENTS]


def say(design: Design, estimator: InterruptedTimeSeries, fitted: Fitted, diagnostics: dict[str, Any]) -> list[str]:
    """Return the notes."""
    arrays = design.arrays
    word = periods.describe_frequency(arrays.periods)
    others = [len(u.control.series.rows) for u in fitted.units if u.control is not None]
    out = [_on_controls(fitted), *few_others(min(others, default=0)), *_on_sums(arrays, fitted, word)]
    out.append(errors_told(estimator, fitted))
    out += doubts(design, additive=estimator.family == "linear", rates=True, controls=bool(others))
    p = min(d["ljung_box_p"] for d in diagnostics["series"])
    if p < _ALPHA:
        out.append(
            f"Residuals hang together over time (Ljung-Box p = {p:.3g}): a shock lasts, or the line is not one. "
            + ("Errors of this fit take them as independent and are too small." if estimator.errors == "model" else "")
        )
    worst = max(d["dispersion"] for d in diagnostics["series"])
    if estimator.family == "poisson" and estimator.errors == "model" and worst > 1.5:
        out.append(f"Counts vary {worst:.1f} times as much as Poisson counts: take family='quasipoisson'.")
    segments = [u.fit for u in fitted.units]
    per_year = periods.per_year(arrays.periods)
    least = min(int(s.series.before.sum()) for s in segments)
    if per_year > 1 and least < 2 * per_year and estimator.season != "none":
        out.append(f"Only {least} {word}s before a start: a season seen once or so is hard to tell from the trend.")
    few = _rare(fitted) if design.is_count else []
    if few:
        out.append(
            f"{len(few)} of {len(segments)} series have less than one event a {word}: intervals rest on normal errors "
            "that such counts do not have. Sum areas or periods."
        )
    longer = [s for s in segments if s.series.after.sum() > s.series.before.sum()]
    if estimator.slope_change and longer:
        out.append(f"The line from before the start is carried on for longer ({word}s) than it was seen.")
    short = min(int(s.series.after.sum()) for s in segments)
    if short < _LEAST_AFTER:
        out.append(f"Only {short} {word}s from a start on: one odd {word} can pass for the effect.")
    if any(len(s.terms.X[0]) - s.terms.post.stop + s.terms.post.start < _with_covariates(s) for s in segments):
        out.append("Covariates that stand still over time say nothing on a series and are left out.")
    from svmodel.counterfactual.series import control_rows

    compared = [len(u.control.series.rows) for u in fitted.units if u.control is not None]
    gaps = len(control_rows(arrays)) - min(compared) if compared else 0
    if gaps:
        out.append(f"{gaps} untreated areas are not compared with, because they are missing in a {word} used.")
    return [n.strip() for n in out]


def _with_covariates(segment: Segment) -> int:
    return segment.terms.season.stop + segment.series.covariates.shape[1]


def _on_controls(fitted: Fitted) -> str:
    controls = [u.control for u in fitted.units if u.control is not None]
    if not controls:
        return (
            "An interrupted series is held against its own past alone: anything else that happened at the same time "
            "passes for the effect."
        )
    n = len(controls[0].series.rows)
    return (
        f"The change in {n} untreated areas at the same time is taken off: what happened in the treated areas alone "
        "still passes for the effect (Lopez Bernal, Cummins and Gasparrini 2018)."
    )


def _on_sums(arrays: DesignArrays, fitted: Fitted, word: str) -> list[str]:
    out = []
    summed = [u.fit.series for u in fitted.units if len(u.fit.series.rows) > 1]
    if summed:
        n = sum(len(s.rows) for s in summed)
        out.append(f"{n} areas are summed, by start, into {len(summed)} series.")
    lost = [s.series for s in fitted.segments if s.series.lost]
    if lost:
        names = shorten([arrays.areas[int(i)] for s in lost for i in s.rows], limit=3).replace("'", "")
        total = sum(s.lost for s in lost)
        out.append(f"{total} {word}s of series are left out, because an area was missing in them ({names}).")
    return out


def errors_told(estimator: InterruptedTimeSeries, fitted: Fitted) -> str:
    """Return what standard errors rest on."""
    if estimator.errors == "model":
        return "Standard errors take periods as independent; a shock that lasts makes them too small."
    if estimator.errors == "newey_west":
        return (
            f"Standard errors are Newey and West's with {fitted.bandwidth} lags. In series of this length they are "
            "known to be too small: in simulation 95% intervals held the truth 81 to 90 times in 100."
        )
    how = "by Prais and Winsten's regression" if estimator.errors == "prais_winsten" else "by moments"
    return f"Standard errors allow for errors that follow each other (AR(1), autocorrelation {fitted.rho:.2f} {how})."

"""Change per year, season and declared breaks of one count series, with honest intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel import periods
from svmodel.breaks import Break
from svmodel.errors import DesignError, EstimationError, Problems, did_you_mean
from svmodel.panel import Panel
from svmodel.result import Effect
from svmodel.result.scales import critical_value, linear_row
from svmodel.trends.regression import SeriesFit, fit_series
from svmodel.trends.terms import Terms, build_terms, season_contrast, season_labels, season_of

_LEAST_MONTHS = 24
_LEAST_YEARS = 5
_LEAST_EVENTS = 10
_LEAST_DF = 3
#: Residuals that hang together this much say that the line itself is in doubt.
_HIGH_AUTOCORRELATION = 0.5


@dataclass(frozen=True, eq=False, repr=False)
class Trend:
    """What :func:`fit_trend` answers. Negative change means fewer harms.

    Attributes
    ----------
    outcome, area : str
    exposure : str or None
        None where the trend is one of counts, not of rates.
    change_per_year : Effect
        Per cent a year (scale ``percent_per_year``), with its interval.
    season : pandas.DataFrame
        ``season, label, factor, conf_low, conf_high``; factors are relative to an average season (their
        geometric mean is 1). Empty for yearly data or where the series cannot show a season.
    breaks : pandas.DataFrame
        ``period, until, reason, rate_ratio, conf_low, conf_high, percent_change``.
    fitted : pandas.DataFrame
        ``period, observed, fitted, low, high`` in events; the limits are for the mean, not for single counts.
    diagnostics : mapping
        ``dispersion, autocorrelation, df, n_observed, n_missing, events``.
    notes : tuple of str
        What was left out or needs care. Reports print them.
    """

    outcome: str
    area: str
    exposure: str | None
    change_per_year: Effect
    season: pd.DataFrame
    breaks: pd.DataFrame
    fitted: pd.DataFrame
    diagnostics: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        c = self.change_per_year
        what = f"{self.outcome} per {self.exposure}" if self.exposure else self.outcome
        return f"{what} in {self.area}: {c.estimate:+.1f}% a year ({c.conf_low:+.1f}% to {c.conf_high:+.1f}%)"

    def __repr__(self) -> str:
        return f"<Trend: {self}>"


def fit_trend(
    panel: Panel,
    outcome: str,
    *,
    exposure: str | None = None,
    area: str | None = None,
    breaks: Iterable[Break] = (),
    level: float = 0.95,
) -> Trend:
    """Fit level, change per year, season and declared breaks to one area's counts.

    log E(y_t) = log(exposure_t) + a + b * years_t + season_t + sum of d_j * step_jt, by NB2
    quasi-likelihood; standard errors allow for overdispersion and for autocorrelated errors
    (:func:`svmodel.trends.regression.autocorrelated_covariance`), intervals are those of Student's t
    with N - K degrees of freedom.

    In simulation (negative binomial counts with AR(1) errors and season; 400 series a cell; 36 to 191 months, means of
    8 and 60 a month, a declared break in series of 60 months and more) the 95% interval of the change per year covers
    95 to 97% without autocorrelation, 92 to 96% at an autocorrelation of 0.3 and 90 to 95% at 0.6.

    Parameters
    ----------
    panel : Panel
        Monthly, quarterly or yearly.
    outcome : str
        A count of the panel.
    exposure : str, optional
        A population at risk; the trend is then one of rates.
    area : str, optional
        Where None: the panel's only area, or the sum of its areas where it has several.
    breaks : iterable of Break
        Declared changes of level. Each costs a parameter; a break that is not declared is part of the trend.
    level : float
        Coverage of the intervals.

    Returns
    -------
    Trend

    Raises
    ------
    DesignError
        If the panel has no such outcome, exposure or area, with all faults at once.
    EstimationError
        If the series cannot carry a trend: fewer than 24 observed months (8 quarters, 5 years), fewer
        than 10 events, a break with no events or no observed period on one side, too many breaks.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from svmodel import Panel
    >>> months = pd.period_range("2019-01", periods=60, freq="M").astype(str)
    >>> n = np.random.default_rng(1).poisson(100 * 0.95 ** (np.arange(60) / 12))
    >>> frame = pd.DataFrame({"area": "A", "month": months, "n": n})
    >>> trend = fit_trend(Panel.from_frame(frame, area="area", period="month", counts=["n"]), "n")
    >>> print(trend)
    n in A: -5.0% a year (-6.5% to -3.4%)
    """
    changes = tuple(breaks)
    _check_question(panel, outcome, exposure, area, changes, level)
    if area is None and panel.n_areas > 1:
        panel = panel.aggregate("all")
    row = 0 if area is None else panel.areas.index(area)
    name = panel.areas[row]
    y = panel.matrix(outcome)[row]
    population = np.ones(panel.n_periods) if exposure is None else panel.matrix(exposure)[row]
    used = ~(np.isnan(y) | np.isnan(population))
    title = f"no trend of {outcome} can be fitted in {panel.label(name)}"
    notes = list(_gap_notes(panel, y, population))
    with_season = _season_can_be_seen(panel.periods, y, used, notes)
    terms = build_terms(panel.periods, changes, with_season=with_season)
    _check_series(panel.periods, y, used, terms, changes, title)
    try:
        fit = fit_series(y[used], terms.X[used], np.log(population[used]), np.flatnonzero(used))
    except EstimationError as error:
        raise EstimationError(f"{title}: {error.title}") from error
    if fit.autocorrelation > _HIGH_AUTOCORRELATION:
        notes.append(
            f"Periods above the line tend to follow each other (autocorrelation {fit.autocorrelation:.2f}): the "
            "change was not a steady one. Read the figure per year as an average over the whole series."
        )
    diagnostics = {
        "dispersion": fit.dispersion,
        "autocorrelation": fit.autocorrelation,
        "df": fit.df,
        "n_observed": int(used.sum()),
        "n_missing": int((~used).sum()),
        "events": float(y[used].sum()),
    }
    return Trend(
        outcome,
        name,
        exposure,
        _change_per_year(fit, level),
        _season_table(panel.periods, fit, terms, level),
        _break_table(fit, terms, changes, level),
        _fitted_table(panel.periods, y, population, fit, terms, level),
        diagnostics,
        tuple(notes),
    )


def change_table(
    panel: Panel, outcome: str, *, exposure: str | None = None, breaks: Iterable[Break] = (), level: float = 0.95
) -> pd.DataFrame:
    """Fit the trend of every area, one by one.

    Returns
    -------
    pandas.DataFrame
        ``area, change_per_year, conf_low, conf_high, p_value, note``, per cent a year. Where an area's
        series cannot carry a trend its numbers are missing and ``note`` says why.

    Raises
    ------
    DesignError
        If the question itself is wrong, as in :func:`fit_trend`.
    """
    changes = tuple(breaks)
    _check_question(panel, outcome, exposure, None, changes, level)
    rows = []
    for area in panel.areas:
        try:
            trend = fit_trend(panel, outcome, exposure=exposure, area=area, breaks=changes, level=level)
        except EstimationError as error:
            reasons = "; ".join(str(p) for p in error.problems) or error.title
            rows.append((area, np.nan, np.nan, np.nan, np.nan, reasons))
            continue
        c = trend.change_per_year
        rows.append((area, c.estimate, c.conf_low, c.conf_high, c.p_value, " ".join(trend.notes)))
    columns = ["area", "change_per_year", "conf_low", "conf_high", "p_value", "note"]
    return pd.DataFrame(rows, columns=columns)


def _check_question(
    panel: Panel, outcome: str, exposure: str | None, area: str | None, changes: tuple[Break, ...], level: float
) -> None:
    problems = Problems()
    if outcome not in panel.counts:
        fix = did_you_mean(outcome, panel.counts)
        problems.add(f"{outcome!r} is no count of the panel", fix=fix, rule="unknown_outcome")
    if exposure is not None and exposure not in panel.exposures:
        fix = did_you_mean(exposure, panel.exposures)
        problems.add(f"{exposure!r} is no exposure of the panel", fix=fix, rule="unknown_exposure")
    if area is not None and area not in panel.areas:
        problems.add(f"{area!r} is no area of the panel", fix=did_you_mean(area, panel.areas), rule="unknown_area")
    if not 0 < level < 1:
        problems.add(f"the level {level} is not between 0 and 1", fix="Write 0.95 for 95%.", rule="level")
    for change in changes:
        if not isinstance(change, Break):
            problems.add(f"{change!r} is no break", fix="Write Break('2024-03', 'reason').", rule="not_a_break")
    if panel.periods.freqstr == "D":
        fix = "Sum the days: panel.aggregate('week') or panel.aggregate('month')."
        problems.add("a trend knows the season of months and not that of days", fix=fix, rule="days")
    problems.raise_if_any(DesignError, "the trend cannot be asked for")


def _gap_notes(panel: Panel, y: NDArray[np.float64], population: NDArray[np.float64]) -> Iterable[str]:
    word = periods.describe_frequency(panel.periods)
    gaps, unknown = int(np.isnan(y).sum()), int((np.isnan(population) & ~np.isnan(y)).sum())
    if gaps:
        yield f"{gaps} {word}{'s' if gaps > 1 else ''} without a count left out; missing is not zero."
    if unknown:
        yield f"{unknown} {word}{'s' if unknown > 1 else ''} without an exposure left out."


def _season_can_be_seen(
    index: pd.PeriodIndex, y: NDArray[np.float64], used: NDArray[np.bool_], notes: list[str]
) -> bool:
    """Return whether every season holds an event; a season with none has no finite effect."""
    labels = season_labels(index)
    if not labels or not used.any():
        return False
    events = np.bincount(season_of(index)[used], y[used], minlength=len(labels))
    empty = [labels[j] for j in np.flatnonzero(events == 0)]
    if empty and events.sum() > 0:
        notes.append(f"No season is fitted: there are no events in any {', '.join(empty)}.")
    return not empty


def _check_series(
    index: pd.PeriodIndex,
    y: NDArray[np.float64],
    used: NDArray[np.bool_],
    terms: Terms,
    changes: tuple[Break, ...],
    title: str,
) -> None:
    problems: Problems = Problems()
    per_year = periods.per_year(index)
    word = periods.describe_frequency(index)
    least = _LEAST_YEARS if per_year == 1 else _LEAST_MONTHS * per_year // 12
    observed, events = int(used.sum()), float(y[used].sum())
    if observed < least:
        problems.add(f"{observed} {word}s are observed and {least} are needed", rule="series_too_short")
    if observed and events == 0:
        problems.add("every count is zero", rule="all_zero")
    elif observed and events < _LEAST_EVENTS:
        problems.add(f"{events:.0f} events are too few; {_LEAST_EVENTS} are needed", rule="too_few_events")
    steps = terms.X[:, terms.breaks]
    for j, change in enumerate(changes):
        on = used & (steps[:, j] > 0)
        off = used & (steps[:, j] == 0)
        for side, where in ((off, "outside"), (on, "within")):
            if not side.any():
                fix = f"The series runs from {periods.label(index[0])} to {periods.label(index[-1])}."
                problems.add(
                    f"no {word} is observed {where} it", where=f"break {change}", fix=fix, rule="break_outside"
                )
            elif events > 0 and y[side].sum() == 0:
                problems.add(f"there are no events {where} it", where=f"break {change}", rule="break_no_events")
    if not problems:
        X = terms.X[used]
        if np.linalg.matrix_rank(X) < X.shape[1]:
            fix = "Drop a break that starts and ends with another, or that is one with the season."
            problems.add("level, trend, season and breaks cannot be told apart", fix=fix, rule="collinear")
        elif observed - X.shape[1] < _LEAST_DF:
            what = f"{observed} {word}s are too few for {X.shape[1]} parameters"
            problems.add(what, fix="Declare fewer breaks.", rule="too_few_for_parameters")
    problems.raise_if_any(EstimationError, title)


def _change_per_year(fit: SeriesFit, level: float) -> Effect:
    b, se = float(fit.coefficients[1]), float(np.sqrt(fit.covariance[1, 1]))
    row = linear_row("trend", "percent_per_year", b, se, level=level, df=fit.df)
    percent = {name: float(100 * np.expm1(row[name])) for name in ("estimate", "conf_low", "conf_high")}
    return Effect(
        "trend",
        "percent_per_year",
        std_error=float(100 * np.exp(b) * se),
        level=level,
        p_value=row["p_value"],
        **percent,
    )


def _limits(
    estimate: NDArray[np.float64], variance: NDArray[np.float64], fit: SeriesFit, level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return estimate and limits, taken from the log scale."""
    half = critical_value(level, fit.df) * np.sqrt(np.maximum(variance, 0))
    return np.exp(estimate), np.exp(estimate - half), np.exp(estimate + half)


def _season_table(index: pd.PeriodIndex, fit: SeriesFit, terms: Terms, level: float) -> pd.DataFrame:
    labels = season_labels(index) if terms.season.stop > terms.season.start else ()
    frame = pd.DataFrame({"season": np.arange(1, len(labels) + 1), "label": list(labels)})
    factor = low = high = np.empty(0)
    if labels:
        C = season_contrast(len(labels))
        covariance = fit.covariance[terms.season, terms.season]
        variance = np.einsum("ij,jk,ik->i", C, covariance, C)
        factor, low, high = _limits(C @ fit.coefficients[terms.season], variance, fit, level)
    return frame.assign(factor=factor, conf_low=low, conf_high=high)


def _break_table(fit: SeriesFit, terms: Terms, changes: tuple[Break, ...], level: float) -> pd.DataFrame:
    variance = np.diag(fit.covariance)[terms.breaks]
    ratio, low, high = _limits(fit.coefficients[terms.breaks], variance, fit, level)
    return pd.DataFrame(
        {
            "period": pd.Series([c.period for c in changes], dtype=object),
            "until": pd.Series([c.until for c in changes], dtype=object),
            "reason": pd.Series([c.reason for c in changes], dtype="str"),
            "rate_ratio": ratio,
            "conf_low": low,
            "conf_high": high,
            "percent_change": 100 * (ratio - 1),
        }
    )


def _fitted_table(
    index: pd.PeriodIndex,
    y: NDArray[np.float64],
    population: NDArray[np.float64],
    fit: SeriesFit,
    terms: Terms,
    level: float,
) -> pd.DataFrame:
    X = terms.X
    variance = np.einsum("ij,jk,ik->i", X, fit.covariance, X)
    mean, low, high = _limits(np.log(population) + X @ fit.coefficients, variance, fit, level)
    return pd.DataFrame({"period": index, "observed": y, "fitted": mean, "low": low, "high": high})

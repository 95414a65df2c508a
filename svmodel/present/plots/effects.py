"""Figures of the effect: by time since the start, and by method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.errors import EstimationError
from svmodel.present import prose
from svmodel.present.facts import EffectFact, agreement
from svmodel.present.horizons import grouped, span_name, span_of
from svmodel.present.plots.paths import DIFFERENCE, change_axis, changes, signed
from svmodel.present.protected import ProtectedResult, shown_of
from svmodel.present.style import BLUE, GREY, INK, WHISKER, canvas, mark_period, name_rows, number_axis, wrapped
from svmodel.protect import Disclosure
from svmodel.result import Result
from svmodel.result.figure import Figure

#: What an event study's title says of the whole time after the start.
_AFTER = {
    "fewer": "lower after the start",
    "more": "higher after the start",
    "unclear": "no clear change after the start",
}


def event_study(
    result: Result | ProtectedResult, *, label: str = "", per: str = "", disclosure: Disclosure | None = None
) -> Figure:
    """Draw the effect by periods since the start; before the start it should be about nothing.

    More than 48 periods are drawn by quarter, and more than 48 quarters by year: each point is the mean of its periods,
    every one alike (:mod:`svmodel.present.horizons`).

    Parameters
    ----------
    result : Result
        With terms ``event``.
    label : str
        The outcome's name for readers.
    per : str
        The word for one period.
    disclosure : Disclosure, optional

    Raises
    ------
    EstimationError
        If the method gives no effects by horizon.
    """
    shown = shown_of(result, disclosure)
    result, estimates = shown.result, shown.estimates
    scale = "rate_ratio" if result.has("event", "rate_ratio") else "difference"
    rows = estimates[(estimates["term"] == "event") & (estimates["scale"] == scale)].sort_values("horizon")
    if rows.empty:
        raise EstimationError(f"{type(result.estimator).__name__} gives no effects by time since the start")
    label = label or (result.design.outcome if result.design is not None else "outcome")
    if not per:
        per = "period" if result.design is None else periods.describe_frequency(result.design.panel.periods)
    year = 12 if result.design is None else periods.per_year(result.design.panel.periods)
    span = span_of(len(rows), year)
    level = float(rows["level"].iloc[0])
    if span > 1:
        rows = grouped(rows, result, span, ratio=scale == "rate_ratio")
    data = _changes(rows, scale)
    if span > 1:
        data.insert(1, "until", rows["until"].to_numpy())
        data.insert(2, "horizons", rows["horizons"].to_numpy())
    before, after = data["horizon"] < 0, data["horizon"] >= 0
    places = data["horizon"] + (span - 1) / 2
    figure, axes = canvas(3.8)
    axes.axhline(0, color=INK, linewidth=1.0)
    for mask, fill in ((before, "white"), (after, BLUE)):
        part = data[mask]
        spread = np.vstack([part["change"] - part["change_low"], part["change_high"] - part["change"]])
        error = np.where(np.isfinite(spread), np.maximum(spread, 0), np.nan)
        look: Any = {"fmt": "o", "color": BLUE, "ecolor": WHISKER, "elinewidth": 1.4, "markersize": 4.6}
        axes.errorbar(places[mask], part["change"], yerr=error, markerfacecolor=fill, linestyle="none", **look)
    unit = "%" if scale == "rate_ratio" else ""
    _clip(axes, data)
    number_axis(axes, lambda v: signed(v, unit), from_zero=False)
    axes.set_xlabel(f"{per.capitalize()}s since the start (0 is the first {per} of the intervention)")
    counted = result.design is None or result.design.is_count
    axes.set_ylabel(
        "Change on expected" if unit else f"Difference, {'events' if counted else 'units'} an area and {per}"
    )
    mark_period(axes, -0.5, "Before", side="left")
    mark_period(axes, -0.5, "After", side="right")
    each = span_name(span, year, per)
    if span > 1:
        whole = each if each.startswith("five") else f"a {each}"
        axes.set_title(f"Each point is the mean of {whole}, its {per}s alike", fontsize=9, color=GREY, loc="left")
    title, alt = _event_words(data, label, per, level, shown.fact(), each if span > 1 else "")
    return Figure(figure, alt, data, title, "event_study")


def _changes(rows: pd.DataFrame, scale: str) -> pd.DataFrame:
    """Return horizon and effect with limits, in per cent for a rate ratio."""
    data = rows[["horizon"]].astype(int).reset_index(drop=True)
    flag = rows["estimate_flag"].to_numpy()
    for name, values in changes(rows, ratio=scale == "rate_ratio").items():
        data[name] = values
        data[f"{name}_flag"] = np.where(flag != "", flag, np.where(np.isnan(values), "x", ""))
    return data


def _clip(axes: object, data: pd.DataFrame) -> None:
    """Keep one very wide interval from flattening all the others; what leaves the frame is said in the data."""
    limits = data[["change_low", "change_high"]].to_numpy(dtype=np.float64)
    limits = np.where(np.isfinite(limits), limits, np.nan)
    points = data["change"].to_numpy(dtype=np.float64)
    points = points[np.isfinite(points)]
    if not len(points):
        return
    low = min(np.nanpercentile(limits[:, 0], 5) if np.isfinite(limits[:, 0]).any() else 0, np.nanmin(points), 0)
    high = max(np.nanpercentile(limits[:, 1], 95) if np.isfinite(limits[:, 1]).any() else 0, np.nanmax(points), 0)
    pad = 0.08 * ((high - low) or 1.0)
    axes.set_ylim(low - pad, high + 2 * pad)  # type: ignore[attr-defined]


def _event_words(
    data: pd.DataFrame, label: str, per: str, level: float, fact: EffectFact | None, each: str
) -> tuple[str, str]:
    """Return title and alternative; the title says of the whole time after the start what every sentence says of it."""
    after = data[(data["horizon"] >= 0) & data["change"].notna()]
    before = data[(data["horizon"] < 0) & data["change"].notna()]
    words = (
        f"Points with {prose.level_words(level)}s: the change in {prose.outcome_name(label)} by {per}s since the start."
    )
    if each:
        one = each if each[0].isdigit() or " " in each else f"one {each}"
        words += f" Each point is the mean of {one}: all its {per}s that are known count alike."
    if after.empty:
        return f"{label}: change by time since the start", f"{words} Every change is suppressed or not available."
    down = int((after["change"] < 0).sum())
    clear = int(((after["change_high"] < 0) | (after["change_low"] > 0)).sum())
    words += f" After the start {down} of {len(after)} points are below zero and {clear} intervals leave out zero."
    if len(before):
        off = int(((before["change_high"] < 0) | (before["change_low"] > 0)).sum())
        words += f" Before the start {off} of {len(before)} intervals leave out zero."
    direction = "unknown" if fact is None else fact.direction
    if fact is not None and fact.certainty:
        words += f" Over the whole time after the start: {fact.certainty[:1].lower()}{fact.certainty[1:]}"
    return f"{label}: {_AFTER.get(direction, 'change by time since the start')}", words


def estimators_compared(
    results: Mapping[str, Result | ProtectedResult],
    *,
    label: str = "",
    names: Mapping[str, str] | None = None,
    disclosure: Disclosure | None = None,
) -> Figure:
    """Draw the average effect of each method, one under the other.

    Parameters
    ----------
    results : mapping of str to Result
        By estimator label; those without a rate ratio (or, where none has one, a difference) are left out.
    label : str
        The outcome's name for readers.
    names : mapping of str to str, optional
        Readable names of the methods.
    disclosure : Disclosure, optional

    Raises
    ------
    EstimationError
        If no method gives an average effect.
    """
    from matplotlib.ticker import MaxNLocator

    shown = {key: shown_of(r, disclosure) for key, r in results.items()}
    scale = "rate_ratio" if any(s.result.has("att", "rate_ratio") for s in shown.values()) else "difference"
    rows = []
    for key, result in shown.items():
        frame = result.estimates
        one = frame[(frame["term"] == "att") & (frame["scale"] == scale)]
        if len(one) == 1:
            rows.append(one.assign(horizon=0, method=(names or {}).get(key, key)))
    if not rows:
        raise EstimationError("no method gives an average effect")
    table = pd.concat(rows, ignore_index=True)
    data = pd.concat([table[["method"]], _changes(table, scale).drop(columns="horizon")], axis=1)
    figure, axes = canvas(1.2 + 0.55 * len(data))
    y = np.arange(len(data))[::-1]
    axes.axvline(0, color=INK, linewidth=1.0)
    spread = np.vstack([data["change"] - data["change_low"], data["change_high"] - data["change"]])
    axes.errorbar(data["change"], y, xerr=spread, fmt="o", color=BLUE, ecolor=WHISKER, elinewidth=2.0, markersize=7)
    name_rows(axes, wrapped(data["method"]))
    unit = "%" if scale == "rate_ratio" else ""
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    means = next(iter(shown.values())).meaning
    change_axis(axes, unit, f"{'Change' if unit else DIFFERENCE} ({means.left})")
    low = int((data["change"] < 0).sum())
    alt = f"Average change in {prose.outcome_name(label or 'the outcome')} by {len(data)} methods with intervals: "
    ends = f"{prose.number(data['change'].min())} to {prose.number(data['change'].max())}"
    alt += f"{low} of {len(data)} are below zero; they run from {ends}." if data["change"].notna().any() else "none."
    facts = [s.fact(method=key) for key, s in shown.items()]
    return Figure(figure, alt, data, agreement((f.direction for f in facts if f is not None), means), "methods")

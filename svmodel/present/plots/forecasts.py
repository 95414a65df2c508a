"""Figures of what is coming: the forecast with its spread, and how well such forecasts did before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.errors import DataError
from svmodel.panel import Panel
from svmodel.present import prose
from svmodel.present.plots.paths import counts_over_time
from svmodel.present.protected import ProtectedPanel, counts_of, mostly_hidden
from svmodel.present.style import BLUE, GREY, MAGENTA, TEAL, canvas, end_labels, mark_period, number_axis
from svmodel.protect import Disclosure
from svmodel.result.figure import Figure

#: Teal, dark enough for words.
_DEEP = "#17695F"


def forecast_fan(
    forecast: Any,
    panel: Panel | ProtectedPanel,
    outcome: str,
    area: str,
    *,
    label: str = "",
    history: int | None = None,
    disclosure: Disclosure | None = None,
) -> Figure:
    """Draw an area's last counts and the forecast after them: the middle, and its inner and outer spread.

    Parameters
    ----------
    forecast : Forecast
        With ``quantiles``: area, period, horizon, quantile, value (events).
    panel : Panel
        Of reporting areas.
    outcome, area : str
    label : str
        The outcome's name for readers.
    history : int, optional
        Periods shown before the forecast; three years where not given. None are shown where most are hidden.
    disclosure : Disclosure, optional

    Raises
    ------
    DataError
        If the forecast has no such area.
    """
    label = label or outcome
    rows = forecast.quantiles[forecast.quantiles["area"] == area]
    if rows.empty:
        raise DataError(f"the forecast has no area {area!r}")
    wide = rows.pivot_table(index="period", columns="quantile", values="value").sort_index()
    levels = [float(q) for q in wide.columns]
    middle = min(levels, key=lambda q: abs(q - 0.5))
    outer, inner = _bands(levels)
    counts = counts_of(panel, disclosure)
    panel, past = counts.panel, counts.monthly(outcome, area)
    kept = 0 if mostly_hidden(past, "count") else history or 3 * periods.per_year(panel.periods)
    past = past.tail(kept).reset_index(drop=True)
    future = pd.DataFrame({"period": list(wide.index), "median": wide[middle].to_numpy()})
    for name, band in (("outer", outer), ("inner", inner)):
        if band is not None:
            future[f"{name}_low"], future[f"{name}_high"] = wide[band[0]].to_numpy(), wide[band[1]].to_numpy()
    data = pd.concat([past, future], ignore_index=True)
    data["count_flag"] = data["count_flag"].fillna("")
    index = pd.PeriodIndex(data["period"])
    x, ahead = np.arange(len(data)), np.arange(len(past), len(data))
    figure, axes = canvas(3.8)
    for name, shade in (("outer", 0.18), ("inner", 0.32)):
        if f"{name}_low" in data:
            low, high = future[f"{name}_low"], future[f"{name}_high"]
            axes.fill_between(ahead, low, high, color=TEAL, alpha=shade, linewidth=0)
    axes.plot(x[: len(past)], past["count"], color=BLUE, marker="o", markersize=2.8, linewidth=1.5)
    axes.plot(ahead, future["median"], color=_DEEP, linestyle=(0, (5, 2)))
    counts_over_time(axes, index)
    axes.set_ylabel(f"Events a {periods.describe_frequency(index)}")
    if kept:
        mark_period(axes, len(past) - 0.5, "Forecast", side="right")
    last = future.iloc[-1]
    ends = [(x[-1], last["median"], "Middle", _DEEP)]
    if outer is not None:
        ends.append((x[-1], last["outer_high"], f"{100 * (outer[1] - outer[0]):.0f}% range", _DEEP))
    end_labels(axes, ends)
    alt = _fan_words(data, outer, label, panel.label(area))
    return Figure(figure, alt, data, _fan_title(past, future, label), "forecast")


def _bands(levels: list[float]) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Return the outer pair nearest to 90% and the inner pair nearest to 50% of matching quantiles."""
    pairs = [(low, high) for low in levels for high in levels if low < 0.5 < high and abs(low + high - 1) < 1e-9]
    if not pairs:
        return None, None
    outer = min(pairs, key=lambda p: abs(p[1] - p[0] - 0.9))
    inner = min(pairs, key=lambda p: abs(p[1] - p[0] - 0.5))
    return outer, inner if inner != outer else None


def _fan_title(past: pd.DataFrame, future: pd.DataFrame, label: str) -> str:
    """Say lower or higher only where the past year's average leaves the forecast's inner spread."""
    recent = past["count"].tail(len(future))
    if len(recent) < len(future) or recent.isna().any() or "inner_low" not in future:
        return f"{label}: the periods ahead"
    level = float(recent.mean())
    if level < future["inner_low"].mean():
        return f"{label}: higher ahead"
    return f"{label}: {'lower' if level > future['inner_high'].mean() else 'about the same'} ahead"


def _between(low: str, high: str) -> str:
    return f"is {low}" if low == high else f"runs between {low} and {high}"


def _fan_words(data: pd.DataFrame, outer: tuple[float, float] | None, label: str, place: str) -> str:
    ahead = data[data["median"].notna()]
    per = periods.describe_frequency(pd.PeriodIndex(data["period"]))
    low, high = ahead["median"].min(), ahead["median"].max()
    words = (
        f"Line of {prose.outcome_name(label)} in {place} with a forecast for {len(ahead)} {per}s, "
        f"{periods.label(ahead['period'].iloc[0])} to {periods.label(ahead['period'].iloc[-1])}. "
        f"The middle {_between(prose.count(low), prose.count(high))} a {per}"
    )
    if outer is None:
        return f"{words}."
    last = ahead.iloc[-1]
    return (
        f"{words}; in the last one {100 * (outer[1] - outer[0]):.0f}% of outcomes should fall between "
        f"{prose.count(last['outer_low'])} and {prose.count(last['outer_high'])}."
    )


def forecast_scores(scores: pd.DataFrame, *, label: str, names: dict[str, str] | None = None) -> Figure:
    """Draw how large the errors of past forecasts were, by method and how far ahead.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns method, horizon, wis (mean weighted interval score in events; smaller is better), one row for each
        method and horizon, over all areas; where there are rows of the horizon ``"all"``, they hold the averages.
    label : str
        The outcome's name for readers.
    names : dict, optional
        Readable names of the methods.

    Raises
    ------
    DataError
        If there are no scores.
    """
    if scores.empty:
        raise DataError("there are no past scores to draw")
    named = scores[["method", "horizon", "wis"]].copy()
    named["method"] = [(names or {}).get(m, m.replace("_", " ")) for m in named["method"]]
    whole = named["horizon"].astype(str) == "all"
    data = named[~whole].astype({"horizon": int}).sort_values(["method", "horizon"], ignore_index=True)
    means = (named[whole] if whole.any() else data).groupby("method")["wis"].mean()
    order = means.sort_values().index
    figure, axes = canvas(3.2)
    looks = [(BLUE, "-", "o"), (GREY, (0, (5, 2)), "s"), (MAGENTA, (0, (1, 1.5)), "^"), (TEAL, "-.", "D")]
    ends = []
    for method, (colour, dash, marker) in zip(order, looks, strict=False):
        part = data[data["method"] == method]
        axes.plot(part["horizon"], part["wis"], color=colour, linestyle=dash, marker=marker, markersize=4)
        ends.append((part["horizon"].iloc[-1], part["wis"].iloc[-1], method.replace(" ", "\n", 1), colour))
    number_axis(axes)
    axes.set_xticks(sorted(data["horizon"].unique()))
    axes.set_xlabel("Periods ahead")
    axes.set_ylabel("Average error score, all areas (events)")
    end_labels(axes, ends)
    alt = (
        f"Lines of the average error of past forecasts of {prose.outcome_name(label)} over all areas together, by how "
    )
    alt += "far ahead. Averages: "
    alt += prose.join([f"{m} {prose.number(means[m])}" for m in order]) + ". Lower is better."
    best = str(order[0])
    data = data.rename(columns={"horizon": "periods_ahead"})
    return Figure(figure, alt, data, f"Smallest past error over all areas: {best}", "forecast_scores")

"""Figures of what is happening: running totals, the trend behind the months, and the area among the others."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.errors import DataError
from svmodel.numerics.rates import rate_interval
from svmodel.panel import Panel
from svmodel.present import prose
from svmodel.present.plots.paths import counts_over_time
from svmodel.present.protected import ProtectedPanel, counts_of
from svmodel.present.style import (
    BLUE,
    INK,
    ORANGE,
    PALE,
    canvas,
    end_labels,
    line_end,
    mark_breaks,
    number_axis,
    time_axis,
)
from svmodel.protect import Disclosure
from svmodel.result.figure import Figure


def rolling(
    panel: Panel | ProtectedPanel,
    outcome: str,
    area: str,
    *,
    label: str = "",
    breaks: Iterable[tuple[pd.Period, pd.Period | None, str]] = (),
    disclosure: Disclosure | None = None,
) -> Figure:
    """Draw an area's total over the last year, month after month.

    Parameters
    ----------
    panel : Panel
        Of reporting areas.
    outcome : str
        A count.
    area : str
    label : str
        The outcome's name for readers.
    breaks : iterable of (first, last or None, reason)
        Declared changes in the data; each is marked.
    disclosure : Disclosure, optional

    Raises
    ------
    DataError
        If the panel is shorter than a year.
    """
    label = label or outcome
    counts = counts_of(panel, disclosure)
    panel = counts.panel
    width = periods.per_year(panel.periods)
    if panel.n_periods < width:
        raise DataError(f"a running year needs {width} periods; the panel has {panel.n_periods}")
    frame = counts.rolling_rates(outcome, None, width=width)
    frame = frame.loc[frame["area"] == area, ["period", "count", "count_flag"]].reset_index(drop=True)
    figure, axes = canvas(3.4)
    axes.plot(np.arange(len(frame)), frame["count"], color=BLUE, linewidth=2.4)
    index = pd.PeriodIndex(frame["period"])
    counts_over_time(axes, index)
    axes.set_ylabel("Events in the past year")
    mark_breaks(axes, index, breaks)
    known = frame.dropna(subset=["count"])
    for _, row in known.iloc[[0, -1]].drop_duplicates("period").iterrows() if len(known) else ():
        x = row["period"].ordinal - index[0].ordinal
        axes.plot(x, row["count"], "o", color=BLUE, markersize=6)
        near = known.loc[(known["period"] - row["period"]).map(lambda d: abs(d.n)) <= width // 2, "count"]
        # beside a line that goes up from here, a number above would lie on it
        below = float(near.max()) - row["count"] > row["count"] - float(near.min())
        axes.annotate(
            prose.count(row["count"]), (x, row["count"]), xytext=(0, -16 if below else 9), textcoords="offset points",
            ha="left" if x < len(frame) / 2 else "right", color=BLUE, fontweight="bold",
        )  # fmt: skip
    alt = f"Line of {prose.outcome_name(label)} in {panel.label(area)}, each point the total of one year. "
    return Figure(figure, alt + _path_words(known), frame, f"{label}: {_direction(known)}", "rolling_year")


def _direction(known: pd.DataFrame) -> str:
    if len(known) < 2:
        return "totals suppressed or not available"
    last, when = known["count"].iloc[-1], known["period"].iloc[-1]
    year_before = known.loc[known["period"] == when - periods.per_year(pd.PeriodIndex([when])), "count"]
    if year_before.empty:
        return "the yearly total"
    change = last - float(year_before.iloc[0])
    if change == 0:
        return "the yearly total is flat"
    return f"the yearly total is {'lower' if change < 0 else 'higher'} than a year ago"


def _path_words(known: pd.DataFrame) -> str:
    if known.empty:
        return "Every total is suppressed or not available."
    first, last = known.iloc[0], known.iloc[-1]
    top = known.loc[known["count"].idxmax()]
    return (
        f"It stood at {prose.count(first['count'])} in the year to {periods.label(first['period'])} and at "
        f"{prose.count(last['count'])} in the year to {periods.label(last['period'])}; its highest was "
        f"{prose.count(top['count'])} in the year to {periods.label(top['period'])}."
    )


def trend(
    fitted: pd.DataFrame,
    *,
    label: str,
    place: str,
    change: tuple[float, float, float],
    per: str = "month",
    breaks: Iterable[tuple[pd.Period, pd.Period | None, str]] = (),
    disclosure: Disclosure | None = None,
) -> Figure:
    """Draw the counts of each period with the fitted trend and season through them.

    Parameters
    ----------
    fitted : pandas.DataFrame
        Columns period, observed, fitted, low, high, as a Trend holds them.
    label, place : str
        Names of outcome and area for readers.
    change : tuple of float
        Per cent a year, with its limits; negative means falling.
    per : str
        The word for one period.
    breaks : iterable of (first, last or None, reason)
    disclosure : Disclosure, optional
    """
    disclosure = (disclosure or Disclosure()).for_series(fitted["observed"])
    frame = fitted[["period", "observed", "fitted", "low", "high"]].reset_index(drop=True)
    modelled = {c: (lambda f, c=c: disclosure.model(f[c])) for c in ("fitted", "low", "high")}
    frame = disclosure.protect(frame, counts=["observed"], derived=modelled)
    index = pd.PeriodIndex(frame["period"])
    figure, axes = canvas()
    x = np.arange(len(frame))
    axes.fill_between(x, frame["low"], frame["high"], color=ORANGE, alpha=0.22, linewidth=0)
    axes.plot(x, frame["observed"], color=BLUE, linewidth=1.3, marker="o", markersize=2.6)
    axes.plot(x, frame["fitted"], color=ORANGE, linestyle=(0, (5, 2)))
    counts_over_time(axes, index)
    axes.set_ylabel(f"Events a {per}")
    mark_breaks(axes, index, breaks)
    names = (("observed", "Observed", BLUE), ("fitted", "Trend and\nseason", ORANGE))
    end_labels(axes, [(*line_end(x, frame[column]), name, colour) for column, name, colour in names])
    way = "falling year on year" if change[0] < 0 else "rising year on year"
    if change[1] <= 0 <= change[2]:
        way = "no clear yearly change"
    alt = (
        f"Line of {prose.outcome_name(label)} a {per} in {place} with a fitted trend and season. The trend changes by "
        f"{prose.percent(change[0])} a year ({prose.percent(change[1])} to {prose.percent(change[2])})."
    )
    return Figure(figure, alt, frame, f"{label}: {way}", "trend")


def comparators(
    panel: Panel | ProtectedPanel,
    outcome: str,
    exposure: str,
    area: str,
    *,
    label: str = "",
    per: float = 100_000,
    disclosure: Disclosure | None = None,
) -> Figure:
    """Draw an area's yearly rate over time among the other areas and the rate of all areas together.

    Parameters
    ----------
    panel : Panel
        Of reporting areas.
    outcome, exposure : str
        A count, and the persons at risk.
    area : str
    label : str
        The outcome's name for readers.
    per : float
        Persons to whom a rate refers.
    disclosure : Disclosure, optional
    """
    label = label or outcome
    counts = counts_of(panel, disclosure)
    panel = counts.panel
    width = periods.per_year(panel.periods)
    frame = counts.rolling_rates(outcome, exposure, width=width, per=per)
    frame.insert(0, "label", [panel.label(a) for a in frame["area"]])
    wide = frame.pivot_table(index="period", columns="area", values="rate", dropna=False, observed=False)
    index = pd.PeriodIndex(wide.index)
    x = np.arange(len(index))
    figure, axes = canvas(4.2)
    others = [a for a in panel.areas if a != area]
    for other in others:
        if other in wide:
            axes.plot(x, wide[other], color=PALE, linewidth=1.0)
    ends = []
    if others:
        axes.plot(x, wide["all areas"], color=INK, linewidth=1.8, linestyle=(0, (5, 2)))
        ends.append((*line_end(x, wide["all areas"]), "All areas", INK))
    axes.plot(x, wide[area], color=BLUE, linewidth=2.8)
    time_axis(axes, index)
    number_axis(axes)
    axes.set_ylabel(f"Events a year per {per:,.0f} people")
    ends.append((*line_end(x, wide[area]), _wrapped(panel.label(area)), BLUE))
    if 0 < len(others) <= 6:
        ends += [(*line_end(x, wide[a]), _wrapped(panel.label(a)), "#5B6670") for a in others if a in wide]
    end_labels(axes, ends)
    keep = ["label", "area", "period", "count", "exposure", "rate", "count_flag", "rate_flag"]
    latest = frame[frame["period"] == index[-1]]
    title, alt = _place_words(latest, area, panel.label(area), label, per, index[-1])
    return Figure(figure, alt, frame[keep].reset_index(drop=True), title, "area_among_others")


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, 13)[:2]) or text


def _place_words(
    latest: pd.DataFrame, area: str, place: str, label: str, per: float, last: pd.Period
) -> tuple[str, str]:
    own = float(latest.loc[latest["area"] == area, "rate"].iloc[0])
    everyone = float(latest.loc[latest["area"] == "all areas", "rate"].iloc[0])
    ranked = latest[(latest["area"] != "all areas") & latest["rate"].notna()].sort_values("rate", ascending=False)
    start = f"Lines of {prose.outcome_name(label)} a year per {per:,.0f} people, one for each area."
    if np.isnan(own):
        return (
            f"{label}: the rate of {place} is not shown",
            f"{start} The rate of {place} is suppressed or not available.",
        )
    rank = list(ranked["area"]).index(area) + 1
    words = f"{start} In the year to {periods.label(last)} {place} had {prose.rate(own)}, rank {rank} of {len(ranked)}"
    if np.isnan(everyone):
        return f"{label}: {place} ranks {rank} of {len(ranked)} areas", words + "."
    mine = latest[latest["area"] == area]
    interval = rate_interval(mine["count"], mine["exposure"], per=per)
    side = "above" if own > everyone else "below"
    if interval.low[0] <= everyone <= interval.high[0]:
        side = "not clearly different from"
    words += f", {side} the {prose.rate(everyone)} of all areas together."
    title = f"{label}: {place} is {side} {'all areas' if side.startswith('not') else 'the rate of all areas'}"
    return title, words

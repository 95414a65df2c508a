"""Figures of a posterior: prior and posterior, raw and pooled effects, counts with and without, ranked areas."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel import periods
from svmodel.design.meaning import HARMS
from svmodel.errors import DataError, EstimationError
from svmodel.present import prose
from svmodel.present.plots.paths import change_axis, counts_over_time, course, signed
from svmodel.present.protected import ProtectedResult, mostly_hidden, shown_of
from svmodel.present.style import (
    BLUE,
    BOLD,
    GREY,
    INK,
    ORANGE,
    PALE,
    TEAL,
    WHISKER,
    canvas,
    end_labels,
    mark_period,
)
from svmodel.protect import CONFIDENTIAL, Disclosure
from svmodel.result import Result
from svmodel.result.figure import Figure
from svmodel.result.method import scale_of
from svmodel.result.tables import ALL_TREATED
from svmodel.words import chance

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_POINTS = 161
#: Areas that a drawing names one by one; beyond, names would run into each other.
_NAMED = 60


def prior_posterior(result: Result, *, label: str = "") -> Figure:
    """Draw the belief about the rate ratio before the data with the one after them; the good side is shaded.

    That is falls, unless the design says that more is good.

    Parameters
    ----------
    result : Result
        With draws of the log rate ratio, and ``diagnostics["prior"]``.
    label : str
        The outcome's name for readers.

    Raises
    ------
    EstimationError
        If the result has no draws of a rate ratio, or states no prior of it.
    """
    from scipy.stats import gaussian_kde, norm

    prior = result.diagnostics.get("prior")
    if not prior or result.draws is None or scale_of(result.estimator) != "log_rate_ratio":
        raise EstimationError(f"{type(result.estimator).__name__} has no prior and posterior of a rate ratio")
    draws = np.asarray(result.draws, dtype=np.float64)
    draws = draws[np.isfinite(draws)]
    middle = math.log(prior["median"])
    spread = (math.log(prior["high"]) - math.log(prior["low"])) / (2 * norm.ppf(0.975))
    ends = np.quantile(draws, [0.001, 0.999])
    low = min(ends[0], max(middle - 2.2 * spread, ends[0] - 1.0), -0.05)
    high = max(ends[1], min(middle + 2.2 * spread, ends[1] + 1.0), 0.05)
    x = np.linspace(math.expm1(low), math.expm1(high), _POINTS)
    # densities of the change itself: those of the logarithm, over the ratio
    logs = np.log1p(x)
    before, after = norm.pdf(logs, middle, spread) / (1 + x), gaussian_kde(draws)(logs) / (1 + x)
    data = pd.DataFrame({"change": 100 * x, "prior": before / 100, "posterior": after / 100})
    figure, axes = canvas(3.6)
    means = HARMS if result.design is None else result.design.meaning
    rise = means.good == "more"
    shaded = data["change"] >= 0 if rise else data["change"] <= 0
    axes.fill_between(data["change"][shaded], data["posterior"][shaded], color=BLUE, alpha=0.25, linewidth=0)
    axes.plot(data["change"], data["prior"], color=ORANGE, linestyle=(0, (5, 2)))
    axes.plot(data["change"], data["posterior"], color=BLUE)
    axes.axvline(0, color=INK, linewidth=1.0)
    top = 1.22 * float(data[["prior", "posterior"]].to_numpy().max())
    axes.set_ylim(0, top)
    axes.set_yticks([])
    change_axis(axes, "%", f"Change ({means.left})")
    fall = float(np.mean(draws < 0))
    _beside_zero(axes, f"fall: {chance(fall)}", f"rise: {chance(1 - fall)}", top)
    _name_curve(axes, data, "posterior", "After the data", BLUE)
    _name_curve(axes, data, "prior", "Before the data", ORANGE)
    effect = result.effect("att", "rate_ratio")
    size, low_end, high_end = effect.percent
    name = prose.outcome_name(label or "the outcome")
    held = float(prior["prob_reduction"])
    way, believed, found = ("rise", 1 - held, 1 - fall) if rise else ("fall", held, fall)
    alt = (
        f"Two curves of belief about the change in {name}. Before the data the probability of a {way} was "
        f"{chance(believed)}; after them it is {chance(found)}, around {prose.change(size, means.pair)} "
        f"({prose.level_words(effect.level)}: {prose.change_interval(low_end, high_end, means.pair)})."
    )
    title = f"Probability of a {way}: {chance(believed)} before the data, {chance(found)} after"
    return Figure(figure, alt, data, title, "prior_posterior")


def _beside_zero(axes: Axes, left: str, right: str, top: float) -> None:
    for text, side, at in ((left, "right", -6), (right, "left", 6)):
        place: Any = {"xytext": (at, -4), "textcoords": "offset points", "ha": side, "va": "top"}
        axes.annotate(text, (0, top), color=INK, **BOLD, **place)


def _name_curve(axes: Axes, data: pd.DataFrame, column: str, text: str, colour: str) -> None:
    """Write a curve's name next to it, on the side away from the other curve's peak."""
    other = "prior" if column == "posterior" else "posterior"
    peak, away = int(data[column].idxmax()), int(data[other].idxmax())
    right = peak > away or (peak == away and column == "prior")
    height = data[column].to_numpy()
    share = 0.75 if column == "posterior" else 0.55
    side = np.arange(peak, len(height)) if right else np.arange(peak, -1, -1)
    under = side[height[side] <= share * height[peak]]
    at = int(under[0]) if len(under) else int(side[-1])
    away_by = (6 if right else -6, 0 if column == "posterior" else 9)
    place: Any = {"xytext": away_by, "textcoords": "offset points", "ha": "left" if right else "right"}
    spot = (data["change"].iloc[at], height[at])
    axes.annotate(text, spot, color=colour, va="center", **BOLD, **place)


def shrinkage(
    result: Result | ProtectedResult,
    *,
    label: str = "",
    names: Mapping[str, str] | None = None,
    disclosure: Disclosure | None = None,
) -> Figure:
    """Draw each treated area's effect by itself with the pooled one, in order of the pooled one.

    Parameters
    ----------
    result : Result
        With ``diagnostics["shrinkage"]``.
    label : str
        The outcome's name for readers.
    names : mapping of str to str, optional
        Readable names of areas.
    disclosure : Disclosure, optional
        Areas whose effect rests on few events are left out.

    Raises
    ------
    EstimationError
        If the method pools nothing, or fewer than two areas may be shown.
    """
    shown = shown_of(result, disclosure)
    result = shown.result
    held = pd.DataFrame(result.diagnostics.get("shrinkage") or [])
    if held.empty:
        raise EstimationError(f"{type(result.estimator).__name__} gives no raw beside pooled effects")
    own = shown.estimates[(shown.estimates["term"] == "area") & (shown.estimates["scale"] == "rate_ratio")]
    held = held[held["area"].isin(own.loc[own["estimate_flag"] != CONFIDENTIAL, "area"])].sort_values(
        "pooled", ignore_index=True
    )
    if len(held) < 2:
        raise EstimationError("fewer than two areas have an effect of their own that may be shown")
    data = pd.DataFrame({"area": held["area"], "label": [(names or {}).get(a, a) for a in held["area"]]})
    for column, source in (("raw", "raw"), ("pooled", "pooled"), ("pooled_low", "low"), ("pooled_high", "high")):
        data[column] = 100 * (held[source] - 1)
    average = 100 * (result.effect("att", "rate_ratio").estimate - 1)
    figure, axes = canvas(1.4 + (0.26 if len(data) > 8 else 0.4) * min(len(data), _NAMED))
    y = np.arange(len(data))[::-1]
    axes.axvline(0, color=INK, linewidth=1.0)
    axes.axvline(average, color=BLUE, linewidth=1.0, linestyle=(0, (4, 3)))
    spread = np.vstack([data["pooled"] - data["pooled_low"], data["pooled_high"] - data["pooled"]])
    axes.hlines(y, data["raw"], data["pooled"], color=PALE, linewidth=1.0)
    look: Any = {"fmt": "o", "color": BLUE, "ecolor": WHISKER, "elinewidth": 1.6, "markersize": 5.5}
    axes.errorbar(data["pooled"], y, xerr=np.maximum(spread, 0), label="Pooled, with its interval", **look)
    hollow: Any = {"color": ORANGE, "markerfacecolor": "white", "markersize": 6, "markeredgewidth": 1.4}
    axes.plot(data["raw"], y, "D", label="By itself", **hollow)
    _name_rows(axes, y, data["label"])
    axes.xaxis.set_major_formatter(lambda v, _: signed(v, "%"))
    axes.set_xlabel(f"Change ({shown.meaning.left}; dashed: all treated areas, {signed(round(average, 1), '%')})")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, frameon=False, fontsize=9.5, borderaxespad=0.2)
    raw, pooled = (
        f"{signed(round(data[c].min()), '%')} to {signed(round(data[c].max()), '%')}" for c in ("raw", "pooled")
    )
    alt = (
        f"Points for {len(data)} treated areas: by themselves their changes in "
        f"{prose.outcome_name(label or 'the outcome')} run from {raw}, pooled from {pooled}."
    )
    return Figure(figure, alt, data, f"Pooling narrows {raw} to between {pooled.replace(' to ', ' and ')}", "shrinkage")


def _name_rows(axes: Axes, y: NDArray[Any], labels: pd.Series) -> None:
    if len(labels) <= _NAMED:
        axes.set_yticks(y, list(labels), fontsize=8.5 if len(labels) > 8 else 10)
    else:
        axes.set_yticks([])
        axes.set_ylabel(f"{len(labels)} areas")
    axes.set_ylim(-0.7, len(labels) - 0.3)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")


def with_and_without(
    result: Result | ProtectedResult,
    area: str = ALL_TREATED,
    *,
    label: str = "",
    place: str = "",
    disclosure: Disclosure | None = None,
) -> Figure:
    """Draw observed counts with those that the model expects with and without the intervention, with ribbons.

    Parameters
    ----------
    result : Result
        Of a Bayesian estimator, in the session that fitted it.
    area : str
        A treated area, a reporting area that holds some, or ``"all treated"``.
    label, place : str
        Names of outcome and place for readers.
    disclosure : Disclosure, optional

    Raises
    ------
    EstimationError
        If the result holds no posterior of the place, or most of its counts are hidden.
    """
    shown = shown_of(result, disclosure)
    result, frame = shown.result, shown.with_and_without(area)
    if mostly_hidden(frame, "observed"):
        raise EstimationError("most counts are too small to be shown")
    label, place, index, x, starts, after = course(result, area, frame, label=label, place=place)
    figure, axes = canvas(4.0)
    axes.plot(x, frame["observed"], "o", color=GREY, markersize=3.2)
    everywhere = np.ones(len(x), dtype=bool)
    for name, middle, colour, dash, where in (
        ("without", "without", ORANGE, (0, (5, 2)), after),
        ("with", "with_it", BLUE, "-", everywhere),
    ):
        low, high = frame[f"{name}_low"], frame[f"{name}_high"]
        axes.fill_between(x[after], low[after], high[after], color=colour, alpha=0.22, linewidth=0)
        axes.plot(x[where], frame[middle][where], color=colour, linestyle=dash)
    counts_over_time(axes, index)
    axes.set_ylabel(f"Events a {'period' if result.design is None else periods.describe_frequency(index)}")
    if starts:
        mark_period(axes, starts[0] - 0.5, "First start" if len(starts) > 1 else "Start")
    last = frame.dropna(subset=["with_it", "without"]).tail(1)
    if len(last):
        at, row = float(last.index[0]), last.iloc[0]
        end_labels(axes, [(at, row["without"], "Without it", ORANGE), (at, row["with_it"], "With it", BLUE)])
    title, words = _gap(shown, area)
    alt = (
        f"Dots are observed {prose.outcome_name(label)} in {place}; lines are what the model expects with and without "
        f"the intervention, with ribbons. {words}"
    )
    name = "with_and_without_all" if area == ALL_TREATED else "with_and_without"
    title = f"{label} in {place}: {title}"
    return Figure(figure, alt, frame, title, name)


def _gap(shown: ProtectedResult, area: str) -> tuple[str, str]:
    """Return what the intervention adds to a place's expected counts: a few words, and a sentence."""
    fact = shown.fact(area)
    found = None if fact is None else fact.events
    if fact is None or found is None:
        return "expected with and without it", "What the intervention adds is suppressed or not available."
    size = prose.events_change(found.estimate)
    sentence = f"With it the model expects {size} ({prose.level_words(found.level)}: "
    sentence += f"{prose.events_interval(found.conf_low, found.conf_high)})."
    return (f"{size} with it" if fact.clear else "no clear difference with it"), sentence


def ranked_areas(
    frame: pd.DataFrame, *, label: str = "", unit: str = "rate ratio", reference: float = 1.0, level: float = 0.95
) -> Figure:
    """Draw small areas in order of a smoothed rate or ratio, with intervals; those that are clear of it stand out.

    Parameters
    ----------
    frame : pandas.DataFrame
        ``area, estimate, low, high``, one row an area, after disclosure control; ``label`` with readable names if
        there are some.
    label : str
        The outcome's name for readers.
    unit : str
        What the estimate is.
    reference : float
        Value that areas are held against: 1 for a ratio to the average, the average itself for a rate.
    level : float
        Posterior probability in an interval.

    Raises
    ------
    DataError
        If a column is missing, or no area has an estimate.
    """
    lacking = [c for c in ("area", "estimate", "low", "high") if c not in frame.columns]
    if lacking:
        raise DataError(f"ranked areas need the column {lacking[0]!r}")
    columns = [c for c in ("area", "label", "estimate", "low", "high") if c in frame.columns]
    data = frame.loc[frame["estimate"].notna(), columns].sort_values("estimate", ascending=False, ignore_index=True)
    if data.empty:
        raise DataError("no area has an estimate that may be shown")
    above = (data["low"] > reference).to_numpy()
    below = (data["high"] < reference).to_numpy()
    many = len(data) > _NAMED
    figure, axes = canvas(5.2 if many else 1.2 + 0.24 * len(data))
    y = np.arange(len(data))[::-1]
    axes.axvline(reference, color=INK, linewidth=1.0)
    groups = (
        (~above & ~below, "Interval holds the line", PALE, WHISKER, "o"),
        (above, "Higher", ORANGE, ORANGE, "^"),
        (below, "Lower", TEAL, TEAL, "v"),
    )
    for mask, name, colour, whisker, marker in groups:
        if mask.any():
            part = data[mask]
            axes.hlines(y[mask], part["low"], part["high"], color=whisker, linewidth=0.35 if many else 1.6)
            look: Any = {"markersize": 3.0 if many else 5.5, "markeredgecolor": whisker, "label": name}
            axes.plot(part["estimate"], y[mask], marker, color=colour, **look)
    _name_rows(axes, y, data["label"] if "label" in data else data["area"])
    axes.set_xlabel(f"{unit[:1].upper()}{unit[1:]} with {prose.level_words(level)} (line: {reference:g})", color=GREY)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, frameon=False, fontsize=9.5, borderaxespad=0.2)
    n_up, n_down = int(above.sum()), int(below.sum())
    ends = f"{prose.number(data['estimate'].min(), 2)} to {prose.number(data['estimate'].max(), 2)}"
    alt = (
        f"{len(data)} areas in order of their {unit} of {prose.outcome_name(label or 'the outcome')}, from {ends}: "
        f"above {reference:g} lie the intervals of {n_up}, below it of {n_down}; {len(data) - n_up - n_down} hold it."
    )
    return Figure(
        figure, alt, data, f"Clearly higher: {n_up} of {len(data)} areas; clearly lower: {n_down}", "ranked_areas"
    )

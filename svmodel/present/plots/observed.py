"""The figure of what happened and what was expected without the intervention."""

from __future__ import annotations

import numpy as np

from svmodel import periods
from svmodel.present import prose
from svmodel.present.plots.paths import counts_over_time, course
from svmodel.present.protected import ProtectedResult, shown_of
from svmodel.present.style import BLUE, ORANGE, canvas, end_labels, line_end, mark_period
from svmodel.protect import Disclosure
from svmodel.result import Result
from svmodel.result.figure import Figure
from svmodel.result.tables import ALL_TREATED


def observed_expected(
    result: Result | ProtectedResult,
    area: str = ALL_TREATED,
    *,
    label: str = "",
    place: str = "",
    disclosure: Disclosure | None = None,
) -> Figure:
    """Draw observed counts and those expected without the intervention, with their interval.

    Parameters
    ----------
    result : Result
        With a counterfactual.
    area : str
        A treated area, a reporting area that holds some, or ``"all treated"``.
    label, place : str
        Names of outcome and place for readers.
    disclosure : Disclosure, optional

    Raises
    ------
    EstimationError
        If the method gives no counterfactual for the area.
    """
    shown = shown_of(result, disclosure)
    result, frame = shown.result, shown.counterfactual(area)
    label, place, index, x, starts, after = course(result, area, frame, label=label, place=place)
    figure, axes = canvas(4.0)
    axes.fill_between(x[after], frame["low"][after], frame["high"][after], color=ORANGE, alpha=0.25, linewidth=0)
    axes.plot(x, frame["expected"], color=ORANGE, linestyle=(0, (5, 2)))
    axes.plot(x, frame["observed"], color=BLUE, marker="o", markersize=2.8, linewidth=1.5)
    counts_over_time(axes, index)
    per = periods.describe_frequency(index)
    axes.set_ylabel(f"Events a {per}" if result.design is None or result.design.is_count else "Outcome")
    if starts:
        name = "First start" if len(starts) > 1 else "Start"
        mark_period(axes, starts[0] - 0.5, f"{name}\n{periods.label(index[starts[0]])}")
        if len(starts) > 1 and starts[-1] - starts[0] > 5:
            mark_period(axes, starts[-1] - 0.5, f"Last start\n{periods.label(index[starts[-1]])}", side="right")
    names = (("observed", "Observed", BLUE), ("expected", "Expected", ORANGE))
    end_labels(axes, [(*line_end(x, frame[column]), name, colour) for column, name, colour in names])
    name = "observed_expected_all" if area == ALL_TREATED else "observed_expected"
    title, alt = _words(shown, area, label, place)
    return Figure(figure, alt, frame, title, name)


def _words(shown: ProtectedResult, area: str, label: str, place: str) -> tuple[str, str]:
    totals = shown.totals(area)
    observed, expected = totals["observed"], totals["expected"]
    begin = f"Lines of {prose.outcome_name(label)} in {place}: observed, and expected without the intervention."
    if np.isnan(observed) or np.isnan(expected):
        return f"{label}: observed and expected", f"{begin} The totals after the start are suppressed or not available."
    change = prose.events_change(observed - expected, about="")
    difference = change if change == "no change" else f"{change} than expected"
    words = f"After the start {prose.count(observed)} were observed and {prose.count(expected)} expected: {difference}."
    fact = shown.fact(area)
    title = "observed and expected" if fact is None else fact.title
    return f"{label}: {title}", f"{begin} {words}{'' if fact is None else ' ' + fact.certainty}".strip()

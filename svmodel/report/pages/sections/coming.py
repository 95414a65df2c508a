"""What is coming? The forecast with its spread, and how well such forecasts did in the past."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.present import plots, prose
from svmodel.present.tables import Table, frame_table
from svmodel.report.pages.area_view import AreaView
from svmodel.report.pages.content import Block, Callout, Heading, Section, Words, file_as
from svmodel.report.pages.facts import next_periods
from svmodel.report.study import OutcomeSpec

key = "coming"
title = "What is coming?"
#: Points by which the share that a range held has to miss its nominal share to be spoken of.
_TOO_WIDE, _TOO_NARROW = 15, 10
SCORE_NAMES = {
    "pooled_smoothing": "our forecast",
    "last_value": "last value",
    "seasonal_naive": "same season last year",
}


def build(view: AreaView) -> Section:
    """Return the section on forecasts."""
    if not view.study.horizon:
        return Section(key, title, "This study asks for no forecast.")
    blocks: list[Block] = []
    answer = ""
    for outcome in view.outcomes:
        forecast = view.context.forecasts.get(outcome.column)
        blocks.append(Heading(outcome.label))
        if forecast is None or not (forecast.quantiles["area"] == view.area).any():
            why = view.context.failures.get(outcome.column, {}).get("forecast", "the forecast covers other areas")
            blocks.append(Callout(prose.sentence(view.free_text(why)), "No forecast"))
            if outcome is view.headline:
                answer = f"No forecast could be made of {prose.outcome_name(outcome.label)}; see below."
            continue
        if outcome is view.headline:
            answer = _answer(view, forecast, outcome)
        blocks += _blocks(view, forecast, outcome)
    return Section(key, title, answer, tuple(blocks))


def _answer(view: AreaView, forecast: Any, outcome: OutcomeSpec) -> str:
    wide = next_periods(forecast, view.area)
    middle = min(wide.columns, key=lambda q: abs(q - 0.5))
    low, high = min(wide.columns), max(wide.columns)
    span = f"{periods.label(wide.index[0])} to {periods.label(wide.index[-1])}"
    average = float(wide[middle].mean())
    amount = f"about {prose.count(average)}"
    quarter = min(wide.columns, key=lambda q: abs(q - 0.25))
    three_quarters = min(wide.columns, key=lambda q: abs(q - 0.75))
    if average < 5:
        # the middle of a rare count is often 0, which would read as a promise
        amount = f"mostly between {prose.count(wide[quarter].min())} and {prose.count(wide[three_quarters].max())}"
    words = (
        f"From {span} we expect {amount} events of {prose.outcome_name(outcome.label)} a {view.per} in {view.place}, "
        "if what drives them stays as it was."
    )
    if low < 0.5 < high:
        last = wide.iloc[-1]
        words += (
            f" In {periods.label(wide.index[-1])}, {100 * (high - low):.0f}% of outcomes should fall between "
            f"{prose.count(last[low])} and {prose.count(last[high])}."
        )
    return words


def _blocks(view: AreaView, forecast: Any, outcome: OutcomeSpec) -> list[Block]:
    column, label = outcome.column, outcome.label
    fan = plots.forecast_fan(forecast, view.counts, column, view.area, label=label)
    blocks: list[Block] = [file_as(view.stem(column), fan)]
    # by horizon, scores are averaged over areas: one area's few origins would be noise
    together = forecast.scores[forecast.scores["area"] == "all"]
    if (together["horizon"] != "all").any() and outcome is view.headline:
        blocks.append(file_as(view.stem(column), plots.forecast_scores(together, label=label, names=SCORE_NAMES)))
    past = forecast.past(view.area)
    if len(past):
        blocks.append(_scores_table(past, label, view.place))
        blocks += [Words(words) for words in [ranges_words(past)] if words]
    blocks += [Words(prose.sentence(view.free_text(note))) for note in forecast.notes]
    return blocks


def ranges_words(past: pd.DataFrame) -> str:
    """Return how far off past ranges of our forecast were, where they were; empty where they did about their share.

    Far off is 10 points to the side of too many misses, and 15 to that of too few: a range that is too
    narrow misleads more than one that is too wide, and the widest ranges have no room to be too wide.

    Parameters
    ----------
    past : pandas.DataFrame
        Rows by method; the share that each range held in ``coverage_<per cent>``.

    Examples
    --------
    >>> import pandas as pd
    >>> ranges_words(pd.DataFrame({"method": ["pooled_smoothing"], "coverage_50": [0.69], "coverage_95": [1.0]}))[:86]
    'In the past these ranges were too wide here: the 50% range held 69% and the 95% range '
    """
    rows = past[past["method"] == "pooled_smoothing"]
    if rows.empty:
        return ""
    names = (str(c) for c in past.columns if str(c).startswith("coverage_"))
    shares = {int(c.removeprefix("coverage_")): 100 * float(rows[c].iloc[0]) for c in names}
    shares = {nominal: held for nominal, held in sorted(shares.items()) if np.isfinite(held)}
    wide = any(held - nominal >= _TOO_WIDE for nominal, held in shares.items())
    narrow = any(nominal - held >= _TOO_NARROW for nominal, held in shares.items())
    told = prose.join(f"the {nominal}% range {held:.0f}%" for nominal, held in shares.items())
    told = f"{told.replace(' range', ' range held', 1)} of what came"
    if wide and narrow:
        return f"In the past these ranges had the wrong shape here: {told}. Take them as a rough guide."
    if wide:
        return f"In the past these ranges were too wide here: {told}, so what comes will probably be nearer the middle."
    if narrow:
        return f"In the past these ranges were too narrow here: {told}, so what comes may well lie outside them."
    return ""


def _scores_table(past: pd.DataFrame, label: str, place: str) -> Table:
    covers = [c for c in past.columns if str(c).startswith("coverage_")]
    columns: dict[str, tuple[str, Any]] = {"method": ("Method", None), "wis": ("Average error score", prose.number)}
    columns |= {c: (f"Inside the {c.removeprefix('coverage_')}% range", _share) for c in covers}
    named = past.assign(method=[SCORE_NAMES.get(m, str(m).replace("_", " ")) for m in past["method"]])
    note = (
        f"The score is the mean weighted interval score, in events, over past forecasts of {place} alone: lower is "
        "better. A figure of past errors is over all areas together."
    )
    return frame_table(named, f"How past forecasts of {prose.outcome_name(label)} did in {place}", columns, note=note)


def _share(value: float) -> str:
    return prose.percent(100 * value)

"""What is coming? The forecast with its spread, beside how well such forecasts did in the past."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from svmodel import periods
from svmodel.present import plots, prose
from svmodel.present.tables import Table, frame_table
from svmodel.report.content import Block, Callout, Heading, Section, Words

if TYPE_CHECKING:
    from svmodel.report.area_view import AreaView
    from svmodel.report.study import OutcomeSpec

__all__ = ["SCORE_NAMES", "build", "next_periods"]

SCORE_NAMES = {
    "pooled_smoothing": "our forecast",
    "last_value": "last value",
    "seasonal_naive": "same season last year",
}


def build(view: AreaView) -> Section:
    """Return the section on forecasts."""
    title = "What is coming?"
    if not view.study.horizon:
        return Section("coming", title, "This study asks for no forecast.")
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
    return Section("coming", title, answer, tuple(blocks))


def next_periods(forecast: Any, area: str) -> pd.DataFrame:
    """Return an area's forecast with one row a period: period, then a column for each quantile."""
    rows = forecast.quantiles[forecast.quantiles["area"] == area]
    return rows.pivot_table(index="period", columns="quantile", values="value").sort_index()


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
    fan = plots.forecast_fan(forecast, view.panel, column, view.area, label=label, disclosure=view.disclosure)
    blocks: list[Block] = [replace(fan, name=f"{column}_{fan.name}")]
    # by horizon, scores are averaged over areas: one area's few origins would be noise
    by_horizon = forecast.scores[(forecast.scores["area"] == "all") & (forecast.scores["horizon"] != "all")]
    if len(by_horizon) and outcome is view.headline:
        figure = plots.forecast_scores(by_horizon, label=label, names=SCORE_NAMES)
        blocks.append(replace(figure, name=f"{column}_{figure.name}"))
    past = forecast.past(view.area)
    if len(past):
        blocks.append(_scores_table(past, label, view.place))
    blocks += [Words(prose.sentence(view.free_text(note))) for note in forecast.notes]
    return blocks


def _scores_table(past: pd.DataFrame, label: str, place: str) -> Table:
    covers = [c for c in past.columns if str(c).startswith("coverage_")]
    columns: dict[str, tuple[str, Any]] = {"method": ("Method", None), "wis": ("Average error score", prose.number)}
    columns |= {c: (f"Inside the {c.removeprefix('coverage_')}% range", _share) for c in covers}
    named = past.assign(method=[SCORE_NAMES.get(m, str(m).replace("_", " ")) for m in past["method"]])
    note = "The score is the mean weighted interval score, in events, over past forecasts: lower is better."
    return frame_table(named, f"How past forecasts of {prose.outcome_name(label)} did in {place}", columns, note=note)


def _share(value: float) -> str:
    return prose.percent(100 * value)

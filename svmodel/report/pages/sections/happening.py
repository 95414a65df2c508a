"""What is happening? The last year, how it compares, and the trend behind it."""

from __future__ import annotations

import numpy as np

from svmodel import periods
from svmodel.design.meaning import zero_words
from svmodel.present import plots, prose
from svmodel.present.protected import mostly_hidden
from svmodel.present.tables import ABSENT, HIDDEN, NBSP, Table, bracket, change_cell, with_interval
from svmodel.report.pages.area_view import AreaView
from svmodel.report.pages.content import Block, Callout, Heading, Points, Section, Words, file_as
from svmodel.report.pages.facts import LastYear, last_year, trend_of
from svmodel.report.study import OutcomeSpec
from svmodel.result.figure import Figure
from svmodel.trends import Trend

key = "happening"
title = "What is happening?"


def build(view: AreaView) -> Section:
    """Return the section: a table of all outcomes, then figures of each."""
    blocks: list[Block] = []
    counted = [o for o in view.outcomes if o.column in view.panel.counts]
    if view.panel.n_periods < view.year:
        why = (
            f"The data hold {view.panel.n_periods} {view.per}s, which is less than a year, so there is no yearly total."
        )
        return Section(key, title, why)
    years = {o.column: last_year(view, o.column) for o in counted}
    trends = {o.column: trend_of(view, o.column) for o in counted}
    if counted:
        blocks.append(_table(view, counted, years, trends))
    for outcome in view.outcomes:
        blocks.append(Heading(outcome.label))
        if outcome.column not in view.panel.counts:
            blocks.append(Words("This outcome is a measure, not a count, so that it has no yearly totals or rates."))
            continue
        blocks += _figures(view, outcome, trends[outcome.column])
    if view.study.breaks:
        blocks += [Heading("Known changes in the data"), Points(tuple(_break_words(view)))]
    head = view.headline
    answer = (
        _answer(view, head, years[head.column], trends[head.column])
        if head.column in years
        else f"{head.label} is a measure and not a count; see below."
    )
    return Section(key, title, answer, tuple(blocks))


def _answer(view: AreaView, outcome: OutcomeSpec, year: LastYear, trend: Trend | str) -> str:
    name = prose.outcome_name(outcome.label)
    span = f"In the year to {periods.label(year.end)}"
    if np.isnan(year.count):
        why = "too small to be shown" if year.hidden else "not known, because the data have a gap"
        parts = [f"{span} the count of {name} in {view.place} is {why}."]
    else:
        about = "about " if year.rounded else ""
        words = f"{span} {view.place} had {about}{prose.count(year.count)} events of {name}"
        if np.isfinite(year.change):
            changed = prose.rough_change(year.change) if year.rounded else prose.change(year.change)
            words += f", {changed} {'on' if changed == 'no change' else 'than in'} the year before"
            if np.isfinite(year.change_low):
                words += f" (95% interval: {prose.change_interval(year.change_low, year.change_high)})"
        parts = [f"{words}."]
    if np.isfinite(year.rate):
        span = f"95% interval {prose.rate(year.rate_low)} to {prose.rate(year.rate_high)}"
        words = f"That is {prose.rate(year.rate)} per 100,000 people ({span})"
        if np.isfinite(year.everyone) and year.ranked > 1:
            words += f", {_side(year)} the {prose.rate(year.everyone)} of all areas together"
        parts.append(f"{words}.")
    if not isinstance(trend, str):
        parts.append(_trend_words(trend))
    return " ".join(parts)


def _side(year: LastYear) -> str:
    """Return how a rate stands to that of all areas; what the interval leaves open is not claimed."""
    if year.rate_low <= year.everyone <= year.rate_high:
        return "not clearly different from"
    return "above" if year.rate > year.everyone else "below"


def _trend_words(trend: Trend) -> str:
    change = trend.change_per_year
    interval = f"{prose.level_words(change.level)}: {prose.change_interval(change.conf_low, change.conf_high)} a year"
    if change.conf_low <= 0 <= change.conf_high:
        return f"The long-run trend shows no clear change ({interval})."
    side = "falling" if change.estimate < 0 else "rising"
    return f"The long-run trend is {side} by {prose.percent(abs(change.estimate))} a year ({interval})."


def _table(
    view: AreaView, counted: list[OutcomeSpec], years: dict[str, LastYear], trends: dict[str, Trend | str]
) -> Table:
    rows = []
    for outcome in counted:
        year, trend = years[outcome.column], trends[outcome.column]
        absent = HIDDEN if year.hidden else ABSENT
        rate = absent if np.isnan(year.rate) else (
            f"{prose.rate(year.rate)} {bracket(prose.rate(year.rate_low), prose.rate(year.rate_high))}"
        )  # fmt: skip
        slope = ABSENT
        if not isinstance(trend, str):
            c = trend.change_per_year
            slope = with_interval(c.estimate, c.conf_low, c.conf_high, 1, "%")
        rows.append(
            (
                outcome.label,
                absent if np.isnan(year.count) else prose.count(year.count),
                change_cell(year.change, year.change_low, year.change_high, rounded=year.rounded),
                rate,
                ABSENT if np.isnan(year.everyone) else prose.rate(year.everyone),
                _rank(year),
                slope,
            )
        )
    end = next(iter(years.values())).end
    header = ("Outcome", "Events", "Change on year before", "Rate per 100,000", "All areas", "Rank", "Trend a year")
    note = (
        "Brackets hold the 95% interval. Rank 1 is the highest rate; its brackets hold the ranks that chance leaves "
        f"open. {zero_words(view.meaning(o) for o in counted)}"
    )
    return Table(f"{view.place}: the year to {periods.label(end)}", header, tuple(rows), note)


def _rank(year: LastYear) -> str:
    if not year.rank:
        return ABSENT
    text = f"{year.rank}{NBSP}of{NBSP}{year.ranked}"
    return f"{text} {bracket(str(year.rank_low), str(year.rank_high))}" if year.rank_low else text


def _figures(view: AreaView, outcome: OutcomeSpec, trend: Trend | str) -> list[Block]:
    column, label = outcome.column, outcome.label
    figures: list[Figure] = []
    if outcome is view.headline or not view.study.exposure:
        figures.append(plots.rolling(view.counts, column, view.area, label=label, breaks=view.breaks))
    if view.study.exposure:
        figures.append(plots.comparators(view.counts, column, view.study.exposure, view.area, label=label))
    blocks: list[Block] = []
    too_small = mostly_hidden(view.counts.monthly(column, view.area), "count")
    if not isinstance(trend, str) and not too_small:
        c = trend.change_per_year
        figures.append(
            plots.trend(
                trend.fitted, label=label, place=view.place, change=(c.estimate, c.conf_low, c.conf_high),
                per=view.per, breaks=view.breaks, disclosure=view.disclosure,
            )
        )  # fmt: skip
    blocks += [file_as(view.stem(column), f) for f in figures]
    if too_small:
        blocks.append(Words(f"Most counts of a {view.per} are too small to be shown, so none are drawn."))
    if isinstance(trend, str):
        blocks.append(Callout(prose.sentence(trend), "No trend"))
    elif trend.notes:
        blocks.append(Points(tuple(view.free_text(n) for n in trend.notes)))
    return blocks


def _break_words(view: AreaView) -> list[str]:
    words = []
    for b in view.study.breaks:
        until = f" to {periods.label(b.until)}" if b.until is not None else " onwards"
        words.append(prose.sentence(f"{periods.label(b.period)}{until}: {b.reason}"))
    return words

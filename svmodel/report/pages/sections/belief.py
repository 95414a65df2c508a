"""How likely is it? Probabilities of falls of several sizes, the belief before the data, and what areas borrow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from svmodel.bayes.of_area import sums_of
from svmodel.bayes.rows import ratio
from svmodel.errors import EstimationError
from svmodel.present import plots, prose, protected
from svmodel.present.posterior_words import is_posterior, prior_and_posterior
from svmodel.present.tables import Table, with_interval
from svmodel.report.pages.area_view import AreaView
from svmodel.report.pages.content import Block, Heading, Section, Words
from svmodel.report.study import OutcomeSpec
from svmodel.result import Result
from svmodel.words import chance

#: Falls whose probability a page tells, in per cent.
FALLS = (5, 10, 20)
_TITLE = "What did we believe, and what did the data change?"


def method_of(view: AreaView, outcome: OutcomeSpec) -> str | None:
    """Return the first method whose answer to an outcome is a posterior of a rate ratio; None where none is.

    One that keeps its draws by area goes before one that has them of the sum alone.
    """
    results = view.results(outcome.column)
    for label in sorted(results, key=lambda k: results[k].posterior is None):
        if is_posterior(results[label]) and results[label].has("att", "rate_ratio"):
            overall = view.overall(outcome.column, label)
            if overall is not None and not overall.hidden:
                return label
    return None


def beside(view: AreaView, outcome: OutcomeSpec) -> list[Block]:
    """Return the probabilities of an effect; with its sentences, where the headline is not told in probabilities."""
    label = method_of(view, outcome)
    if label is None:
        return []
    from svmodel.report.pages.sections.effect import effect_words

    blocks: list[Block] = []
    if label != view.headline_method:
        effects = view.overall(outcome.column, label)
        name = view.intervention.name if view.intervention else "it"
        assert effects is not None
        told = effect_words(effects, outcome.label, "in all treated areas", name)
        blocks.append(Words(f"{view.method_name(label)}. {told}"))
    blocks += _probabilities(view, outcome, label)
    return [Heading("How likely is it that it worked?"), *blocks] if blocks else []


def build(view: AreaView) -> Section:
    """Return the section on prior, posterior and pooling."""
    outcome = view.headline
    label = method_of(view, outcome)
    if label is None:
        text = "No method of this study answers in probabilities, or its answer rests on too few events to be shown."
        return Section("belief", _TITLE, "", (Words(text),))
    result = view.results(outcome.column)[label]
    blocks: list[Block] = [Words(f"All numbers of this section are of one method: {view.method_name(label)}.")]
    if result.diagnostics.get("prior") and result.draws is not None:
        drawn = plots.prior_posterior(result, label=outcome.label)
        blocks.append(replace(drawn, name=f"{outcome.column}_{drawn.name}"))
    blocks += _paths(view, outcome, result)
    blocks += _shrinkage(view, outcome, result)
    return Section("belief", _TITLE, prior_and_posterior(result), tuple(blocks))


def _probabilities(view: AreaView, outcome: OutcomeSpec, label: str) -> list[Block]:
    """Return a table of the probability of falls of several sizes, and of paying for itself."""
    result = view.results(outcome.column)[label]
    columns: list[tuple[str, tuple[NDArray[np.float64], NDArray[np.float64] | None]]] = []
    own = view.own(outcome.column)
    if view.starts and own is not None and not own.hidden:
        try:
            with_it, without = sums_of(result, view.area)
        except EstimationError:
            pass  # the method sums areas, and has none of this place; the column of all areas stands alone
        else:
            part = view.place if view.area in view.starts else f"Treated areas of {view.place}"
            with np.errstate(divide="ignore"):
                columns.append((part, (np.log(ratio(with_it, without)), None)))
    if result.draws is not None and getattr(result.estimator, "scale", "") == "log_rate_ratio":
        columns.append(("All treated areas", (np.asarray(result.draws), result.event_draws)))
    if not columns:
        return []
    rows = [("Any fall", *(chance(float((d < 0).mean())) for _, (d, _) in columns))]
    for size in FALLS:
        limit = np.log1p(-size / 100)
        rows.append((f"A fall of at least {size}%", *(chance(float((d <= limit).mean())) for _, (d, _) in columns)))
    rows += _break_even(view, outcome, columns)
    rows.append(("Any rise", *(chance(float((d > 0).mean())) for _, (d, _) in columns)))
    note = "A probability holds given the model, the data and the belief before the data, which the methods state."
    if any("pay for itself" in row[0] for row in rows):
        note += " What it cost is known for the whole study alone."
    title = f"Probability that {prose.outcome_name(outcome.label)} changed by so much, {view.method_name(label)}"
    return [Table(title, ("Change", *(name for name, _ in columns)), tuple(rows), note)]


def _break_even(
    view: AreaView,
    outcome: OutcomeSpec,
    columns: list[tuple[str, tuple[NDArray[np.float64], NDArray[np.float64] | None]]],
) -> list[tuple[str, ...]]:
    """Return the row on paying for itself, where the study declares costs and the worth of an event."""
    from svmodel.report.pages.sections.worth import Worth, worth_of

    given = next((u for u in view.study.economics.unit_costs if u.outcome == outcome.column), None)
    worth = None if given is None else worth_of(view, given)
    if not isinstance(worth, Worth) or np.isnan(worth.break_even):
        return []
    needed = max(1, int(np.ceil(worth.break_even)))
    cells = [
        "[z]" if events is None else chance(float((events <= -worth.break_even).mean())) for _, (_, events) in columns
    ]
    events = "1 event prevented" if needed == 1 else f"{prose.count(needed)} events prevented"
    return [(f"Enough to pay for itself (at least {events})", *cells)]


def _paths(view: AreaView, outcome: OutcomeSpec, result: Result) -> list[Block]:
    """Return expected counts with and without the intervention, here and in all treated areas."""
    places = [(view.area, f"the treated areas of {view.place}")] if view.starts else []
    if view.area in view.starts:
        places = [(view.area, view.place)]
    drawn: list[Block] = []
    for area, place in [*places, (protected.ALL_TREATED, "all treated areas")]:
        try:
            figure = plots.with_and_without(result, area, label=outcome.label, place=place, disclosure=view.disclosure)
        except EstimationError:
            continue
        drawn.append(replace(figure, name=f"{outcome.column}_{figure.name}"))
    return drawn


def _shrinkage(view: AreaView, outcome: OutcomeSpec, result: Result) -> list[Block]:
    """Return raw effects beside pooled ones, of areas whose own effect may be shown."""
    names = {a: view.context.panel.label(a) for a in view.context.panel.areas}
    try:
        figure = plots.shrinkage(result, label=outcome.label, names=names, disclosure=view.disclosure)
    except EstimationError:
        return []
    data = figure.data
    rows = tuple(
        (
            names.get(str(row.area), str(row.area)),
            f"{'+' if row.raw > 0 else ''}{prose.percent(float(row.raw))}",
            with_interval(float(row.pooled), float(row.pooled_low), float(row.pooled_high), 1, "%"),
        )
        for row in data.itertuples()
        if row.area in view.starts
    )
    blocks: list[Block] = [
        Heading("What each area's own number says, and what it borrows"),
        Words(
            "An area with few events says little by itself: its own number swings by chance. The pooled effect moves "
            "it towards the average of all treated areas, the more so the less the area's own data say."
        ),
        replace(figure, name=f"{outcome.column}_{figure.name}"),
    ]
    if rows:
        caption = f"Effect on {prose.outcome_name(outcome.label)} in {view.place}, by itself and pooled"
        blocks.append(Table(caption, ("Area", "By itself", "Pooled"), rows, "Below zero means fewer harms."))
    return blocks

"""What did we believe, and what did the data change? Prior and posterior, counts with and without, and pooling."""

from __future__ import annotations

from svmodel.errors import EstimationError
from svmodel.present import plots, prose
from svmodel.present.posterior_words import prior_and_posterior
from svmodel.present.protected import ProtectedResult
from svmodel.present.tables import Table, with_interval
from svmodel.report.pages.area_view import AreaView
from svmodel.report.pages.content import Block, Heading, Section, Words, file_as
from svmodel.report.pages.parts.probabilities import method_of
from svmodel.report.study import OutcomeSpec
from svmodel.result.tables import ALL_TREATED

key = "belief"
title = "What did we believe, and what did the data change?"


def build(view: AreaView) -> Section:
    """Return the section on prior, posterior and pooling."""
    outcome = view.headline
    label = method_of(view, outcome)
    if label is None:
        text = "No method of this study answers in probabilities, or its answer rests on too few events to be shown."
        return Section(key, title, "", (Words(text),))
    result = view.results(outcome.column)[label]
    blocks: list[Block] = [Words(f"All numbers of this section are of one method: {view.method_name(label)}.")]
    if result.diagnostics.get("prior") and result.draws is not None:
        blocks.append(file_as(view.stem(outcome.column), plots.prior_posterior(result, label=outcome.label)))
    shown = view.shown(outcome.column)[label]
    blocks += _paths(view, outcome, shown)
    blocks += _shrinkage(view, outcome, shown)
    return Section(key, title, prior_and_posterior(result), tuple(blocks))


def _paths(view: AreaView, outcome: OutcomeSpec, shown: ProtectedResult) -> list[Block]:
    """Return expected counts with and without the intervention, here and in all treated areas."""
    places = [(view.area, f"the treated areas of {view.place}")] if view.starts else []
    if view.area in view.starts:
        places = [(view.area, view.place)]
    drawn: list[Block] = []
    for area, place in [*places, (ALL_TREATED, "all treated areas")]:
        try:
            figure = plots.with_and_without(shown, area, label=outcome.label, place=place)
        except EstimationError:
            continue
        drawn.append(file_as(view.stem(outcome.column), figure))
    return drawn


def _shrinkage(view: AreaView, outcome: OutcomeSpec, shown: ProtectedResult) -> list[Block]:
    """Return raw effects with pooled ones, of areas whose own effect may be shown."""
    names = {a: view.context.panel.label(a) for a in view.context.panel.areas}
    try:
        figure = plots.shrinkage(shown, label=outcome.label, names=names)
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
        file_as(view.stem(outcome.column), figure),
    ]
    if rows:
        caption = f"Effect on {prose.outcome_name(outcome.label)} in {view.place}, by itself and pooled"
        blocks.append(Table(caption, ("Area", "By itself", "Pooled"), rows, view.meaning(outcome).zero))
    return blocks

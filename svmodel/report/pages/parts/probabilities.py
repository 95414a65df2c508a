"""How likely is it that it worked? Probabilities of changes of several sizes, and of paying for itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from svmodel.bayes.of_area import sums_of
from svmodel.bayes.rows import ratio
from svmodel.errors import EstimationError
from svmodel.present import prose
from svmodel.present.tables import Table
from svmodel.report.pages.area_view import AreaView
from svmodel.report.pages.content import Block, Heading, Words
from svmodel.report.pages.effect_words import effect_words
from svmodel.report.pages.facts import Worth, weighed
from svmodel.report.study import OutcomeSpec
from svmodel.result.method import scale_of
from svmodel.words import chance

#: Changes whose probability a page tells, in per cent.
SIZES = (5, 10, 20)


def method_of(view: AreaView, outcome: OutcomeSpec) -> str | None:
    """Return the first method whose answer to an outcome is a posterior of a rate ratio; None where none is.

    One that keeps its draws by area goes before one that has them of the sum alone.
    """
    results = view.results(outcome.column)
    for label in sorted(results, key=lambda k: results[k].posterior is None):
        if results[label].is_posterior and results[label].has("att", "rate_ratio"):
            overall = view.overall(outcome.column, label)
            if overall is not None and not overall.hidden:
                return label
    return None


def blocks(view: AreaView, outcome: OutcomeSpec) -> list[Block]:
    """Return the probabilities of an effect; with its sentences, where the headline is not told in probabilities."""
    label = method_of(view, outcome)
    if label is None:
        return []
    found: list[Block] = []
    effects = view.overall(outcome.column, label)
    if label != view.headline_method and effects is not None:
        name = view.intervention.name if view.intervention else "it"
        told = effect_words(effects, outcome.label, "in all treated areas", name)
        found.append(Words(f"{view.method_name(label)}. {told}"))
    found += _probabilities(view, outcome, label)
    return [Heading("How likely is it that it worked?"), *found] if found else []


def _probabilities(view: AreaView, outcome: OutcomeSpec, label: str) -> list[Block]:
    """Return a table of the probability of changes of several sizes, and of paying for itself."""
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
    if result.draws is not None and scale_of(result.estimator) == "log_rate_ratio":
        columns.append(("All treated areas", (np.asarray(result.draws), result.event_draws)))
    if not columns:
        return []
    draws = [d for _, (d, _) in columns]
    good = view.meaning(outcome).good
    falls, rises = _sizes(draws, -1), _sizes(draws, 1)
    if good == "more":
        rows = [*rises, falls[0]]
    elif good == "neither":
        rows = [*falls, *rises]
    else:
        rows = [*falls, *_break_even(view, outcome, columns), rises[0]]
    note = "A probability holds given the model, the data and the belief before the data, which the methods state."
    if any("pay for itself" in row[0] for row in rows):
        note += " What it cost is known for the whole study alone."
    title = f"Probability that {prose.outcome_name(outcome.label)} changed by so much, {view.method_name(label)}"
    return [Table(title, ("Change", *(name for name, _ in columns)), tuple(rows), note)]


def _sizes(draws: list[NDArray[np.float64]], sign: int) -> list[tuple[str, ...]]:
    """Return the rows of any change to one side, and of changes of several sizes."""
    way = "fall" if sign < 0 else "rise"
    rows = [(f"Any {way}", *(chance(float((sign * d > 0).mean())) for d in draws))]
    for size in SIZES:
        limit = abs(np.log1p(sign * size / 100))
        chances = (chance(float((sign * d >= limit).mean())) for d in draws)
        rows.append((f"A {way} of at least {size}%", *chances))
    return rows


def _break_even(
    view: AreaView,
    outcome: OutcomeSpec,
    columns: list[tuple[str, tuple[NDArray[np.float64], NDArray[np.float64] | None]]],
) -> list[tuple[str, ...]]:
    """Return the row on paying for itself, where the study declares costs and the worth of an event."""
    given = next((u for u in view.study.economics.unit_costs if u.outcome == outcome.column), None)
    worth = None if given is None or outcome is not view.headline or not view.starts else weighed(view, given)
    if not isinstance(worth, Worth) or np.isnan(worth.break_even):
        return []
    needed = max(1, int(np.ceil(worth.break_even)))
    cells = [
        "[z]" if events is None else chance(float((events <= -worth.break_even).mean())) for _, (_, events) in columns
    ]
    events = "1 event prevented" if needed == 1 else f"{prose.count(needed)} events prevented"
    return [(f"Enough to pay for itself (at least {events})", *cells)]

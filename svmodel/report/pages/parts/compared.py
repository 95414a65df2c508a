"""Several methods side by side: the figure, how far they agree, what their intervals rest on, and their warnings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from svmodel.errors import EstimationError
from svmodel.present import plots, prose
from svmodel.report.pages.area_view import AreaView
from svmodel.report.pages.content import Block, Callout, Points, Words, file_as
from svmodel.report.pages.notices import notices
from svmodel.report.study import OutcomeSpec


def blocks(view: AreaView, outcome: OutcomeSpec) -> list[Block]:
    """Return what an outcome's methods say together, and what each warns of."""
    found: list[Block] = [*figure(view, outcome), *_resting(view, outcome), *warnings(view, outcome)]
    for other in view.outcomes:
        if other is not outcome:
            found += warnings(view, other, only=(view.headline_method,))
    return found


def figure(view: AreaView, outcome: OutcomeSpec) -> list[Block]:
    """Return the methods' average effects in one figure, with the sentences on how far they agree."""
    results = view.results(outcome.column)
    comparable = [r for r in results.values() if r.has("att", "rate_ratio") or r.has("att", "difference")]
    if len(comparable) < 2:
        return []
    names = {label: view.method_name(label) for label in results}
    comparison = view.looks(outcome.column).comparison
    if comparison is None:
        drawn = plots.estimators_compared(view.shown(outcome.column), label=outcome.label, names=names)
        return [file_as(view.stem(outcome.column), drawn)]
    names = {s.label: view.method_name(s.label) for s in view.study.estimators}
    whole = replace(comparison, design=view.context.designs[outcome.column])
    told = Words(f"How far the methods agree. {view.free_text(_with_names(comparison.text, names))}")
    try:
        drawn = plots.forest(whole, label=outcome.label, names=names, shown=view.shown(outcome.column))
    except EstimationError:
        return []
    return [replace(drawn, name=f"{view.stem(outcome.column)}_methods"), told]


def _with_names(text: str, names: dict[str, str]) -> str:
    for label in sorted(names, key=len, reverse=True):
        text = text.replace(label, names[label])
    return text


def _resting(view: AreaView, outcome: OutcomeSpec) -> list[Block]:
    """Return what the intervals rest on, methods that say the same together."""
    warned = {n.text for r in view.results(outcome.column).values() for n in notices(r)}
    told: dict[str, list[str]] = {}
    for label, result in view.results(outcome.column).items():
        why = result.uncertainty.why
        if why and why not in warned:
            told.setdefault(view.free_text(why), []).append(view.method_name(label))
    if not told:
        return []
    items = tuple(prose.sentence(f"{prose.join(names)}: {why}") for why, names in told.items())
    return [Words("What the intervals rest on:"), Points(items)]


def warnings(view: AreaView, outcome: OutcomeSpec, only: Iterable[str] | None = None) -> list[Block]:
    """Return an outcome's warnings, methods that warn of the same together."""
    told: dict[tuple[str, str], list[str]] = {}
    for label, result in view.results(outcome.column).items():
        if only is None or label in only:
            for notice in notices(result):
                told.setdefault((notice.kind, view.free_text(notice.text)), []).append(view.method_name(label))
    where = "" if outcome is view.headline else f", {prose.outcome_name(outcome.label)}"
    return [
        Callout(prose.sentence(f"{prose.join(names)}{where}: {text}"), kind) for (kind, text), names in told.items()
    ]

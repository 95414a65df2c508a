"""What did it do? The area's own effect where it was treated, the study's overall effect, and what the checks say."""

from __future__ import annotations

from svmodel import periods
from svmodel.present import plots, prose
from svmodel.present.facts import EffectFact
from svmodel.present.protected import mostly_hidden
from svmodel.present.tables import Table, effects_table
from svmodel.report.pages.area_view import AreaView
from svmodel.report.pages.content import Block, Callout, Heading, Section, Words, file_as
from svmodel.report.pages.effect_words import doubt_words, effect_words
from svmodel.report.pages.parts import compared, mixture, probabilities, trust
from svmodel.report.study import OutcomeSpec
from svmodel.result.method import choice_of
from svmodel.result.tables import ALL_TREATED

key = "effect"
title = "What did it do?"


def build(view: AreaView) -> Section:
    """Return the section; a study without an intervention says so and shows nothing."""
    if view.intervention is None:
        answer = "This study declares no intervention, so there is no effect to estimate."
        return Section(key, title, answer)
    blocks: list[Block] = [Words(_where(view))]
    blocks += _headline_blocks(view, view.headline)
    if len(view.outcomes) > 1:
        blocks += [Heading("All outcomes"), *_all_outcomes(view)]
    for outcome in view.outcomes[1:]:
        blocks += _own_figure(view, outcome)
    blocks += trust.blocks(view)
    return Section(key, title, _answer(view), tuple(blocks))


def _where(view: AreaView) -> str:
    name = view.intervention.name if view.intervention else ""
    treated = len(view.intervention.areas) if view.intervention else 0
    everywhere = f"{name} was carried out in {treated:,} of the {view.context.panel.n_areas:,} areas of the study"
    if not view.starts:
        return f"{everywhere}. No part of {view.place} received it, so the study's overall effect is shown."
    first, last = min(view.starts.values()), max(view.starts.values())
    when = f"from {periods.label(first)}"
    starting = f"starting in {periods.label(first)}"
    if last != first:
        starting = f"the first from {periods.label(first)} and the last from {periods.label(last)}"
    children = view.context.panel.children(view.area)
    if view.area in view.starts:
        return f"{everywhere}. {view.place} received it {when}."
    return f"{everywhere}. In {view.place}, {len(view.starts):,} of {len(children):,} areas received it, {starting}."


def _answer(view: AreaView) -> str:
    outcome = view.headline
    own, overall = view.own(outcome.column), view.overall(outcome.column)
    name = view.intervention.name if view.intervention else "it"
    parts = []
    headline = own is not None and own.method == view.headline_method
    if not view.starts:
        parts.append(f"No part of {view.place} received it.")
    elif own is not None and headline:
        parts += [effect_words(own, outcome.label, _in_treated(view), name), _by(view, own), doubt_words(own)]
    if overall is None:
        why = view.context.failures.get(outcome.column, {}).get(view.headline_method, "")
        parts.append(f"The study's overall effect could not be estimated{_because(view.free_text(why))}")
    elif not headline or not view.starts:
        parts.append(
            f"Over the whole study, {_inside(effect_words(overall, outcome.label, 'in all treated areas', name))}"
        )
        parts += [_by(view, overall), doubt_words(overall)]
    if overall is not None:
        parts.append(view.tally(outcome.column).words("the headline result"))
    if view.starts and own is not None and not headline:
        parts += [effect_words(own, outcome.label, _in_treated(view), name), _by_another(view, own), doubt_words(own)]
    return " ".join(p for p in parts if p)


def _inside(words: str) -> str:
    """Return a sentence as it goes on after a colon; a name in capitals keeps them."""
    return words[:1].lower() + words[1:] if words[1:2].islower() or words[1:2] == " " else words


def _by(view: AreaView, fact: EffectFact) -> str:
    """Say which method made a number, where the study has several."""
    return f"This is by {view.method_name(fact.method)}." if len(view.study.estimators) > 1 else ""


def _by_another(view: AreaView, fact: EffectFact) -> str:
    why = f"since {view.method_name(view.headline_method)} has no answer for one place"
    return f"This is by {view.method_name(fact.method)}, {why}; no check was made of it."


def _in_treated(view: AreaView) -> str:
    return f"in {view.place}" if view.area in view.starts else f"in {view.place}'s treated areas"


def _because(why: str) -> str:
    return f": {' '.join(why.split())}" if why else "."


def _headline_blocks(view: AreaView, outcome: OutcomeSpec) -> list[Block]:
    blocks: list[Block] = [Heading(f"{outcome.label}: the headline outcome")]
    results = view.results(outcome.column)
    blocks += _own_figure(view, outcome)
    blocks += _all_treated_figure(view, outcome)
    # an effect that is modelled as the same at every horizon says nothing of how it went over time
    telling = {k: r for k, r in results.items() if choice_of(r.estimator, "by_horizon", True)}
    ordered = sorted(telling, key=lambda k: k != view.headline_method)
    shown = next((k for k in ordered if (telling[k].estimates["term"] == "event").any()), None)
    if shown is not None:
        figure = plots.event_study(view.shown(outcome.column)[shown], label=outcome.label, per=view.per)
        named = f"All treated areas, {prose.outcome_name(figure.title)}{_named(view, shown)}"
        blocks.append(file_as(view.stem(outcome.column), figure, title=named))
    if results:
        blocks.append(_methods_table(view, outcome))
    blocks += probabilities.blocks(view, outcome)
    blocks += compared.blocks(view, outcome)
    blocks += mixture.blocks(view, outcome)
    for label, message in view.context.failures.get(outcome.column, {}).items():
        if label != "forecast":
            name = "The design" if label == "design" else view.method_name(label)
            blocks.append(Callout(f"{name} gave no answer. {prose.sentence(view.free_text(message))}", "Not estimated"))
    return blocks


def _own_figure(view: AreaView, outcome: OutcomeSpec) -> list[Block]:
    if not view.starts:
        return []
    place = view.place if view.area in view.starts else f"the treated areas of {view.place}"
    return _observed_figure(view, outcome, view.area, place, view.place)


def _all_treated_figure(view: AreaView, outcome: OutcomeSpec) -> list[Block]:
    return _observed_figure(view, outcome, ALL_TREATED, "all treated areas", "All treated areas")


def _observed_figure(view: AreaView, outcome: OutcomeSpec, area: str, place: str, begin: str) -> list[Block]:
    label = view.counterfactual_method(outcome.column, area)
    if label is None:
        return []
    shown = view.shown(outcome.column)[label]
    if mostly_hidden(shown.counterfactual(area), "observed"):
        text = f"{outcome.label} in {place}: most counts of a {view.per} are too small to be shown, so none are drawn."
        return [Words(text)]
    figure = plots.observed_expected(shown, area, label=outcome.label, place=place)
    title = f"{begin}, {prose.outcome_name(figure.title)}{_named(view, label)}"
    return [file_as(view.stem(outcome.column), figure, title=title)]


def _named(view: AreaView, label: str) -> str:
    """Return the name of a figure's method for its title; nothing where a study has but one."""
    return f" ({view.method_name(label)})" if len(view.study.estimators) > 1 else ""


def _methods_table(view: AreaView, outcome: OutcomeSpec) -> Table:
    rows = []
    own = view.own(outcome.column)
    if own is not None:
        rows.append((f"{view.place} alone: {view.method_name(own.method)}", own))
    for label in view.results(outcome.column):
        effects = view.overall(outcome.column, label)
        if effects is not None:
            rows.append((view.method_name(label), effects))
    caption = f"Average effect on {prose.outcome_name(outcome.label)}, by method, all treated areas unless named"
    return effects_table(rows, caption, per=view.per)


def _all_outcomes(view: AreaView) -> list[Block]:
    overall, own, facts = [], [], []
    for outcome in view.outcomes:
        whole = view.overall(outcome.column)
        if whole is not None:
            overall.append((outcome.label, whole))
            facts.append(whole)
        mine = view.own(outcome.column)
        if mine is not None:
            own.append((f"{outcome.label}{_named(view, mine.method)}", mine))
    blocks: list[Block] = []
    if own:
        blocks.append(effects_table(own, f"Effect in the treated areas of {view.place}", first="Outcome", per=view.per))
    if overall:
        name = view.method_name(view.headline_method)
        blocks.append(effects_table(overall, f"Effect in all treated areas ({name})", first="Outcome", per=view.per))
        clear = sum(fact.clear for fact in facts)
        blocks.append(
            Words(
                f"Over all treated areas, {clear} of {len(facts)} outcomes differ clearly from what was expected. The "
                "more outcomes are looked at, the likelier it is that one does so by chance."
            )
        )
    return blocks

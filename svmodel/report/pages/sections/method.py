"""How was this worked out? Methods, what they assume, what they could not do, and where everything comes from."""

from __future__ import annotations

from svmodel import periods
from svmodel.present import prose
from svmodel.present.tables import Table, key_value_table
from svmodel.report.pages.area_view import AreaView, named
from svmodel.report.pages.content import Block, Folded, Heading, Points, Section, Words
from svmodel.report.pages.facts import provenance
from svmodel.report.pages.method_words import assumptions, card_of, prior_words
from svmodel.report.pages.parts import sampled

key = "method"
title = "How was this worked out?"
#: Stands for an outcome's own name in a note, so that the same words about two outcomes are one note.
_OUTCOME = "\N{OBJECT REPLACEMENT CHARACTER}"
_DESCRIPTIVE = (
    (
        "Yearly totals add up the last year's counts; rates are per 100,000 people, with Byar's interval, or the "
        "exact Poisson interval below 10 events."
    ),
    (
        "The trend is a negative binomial regression with season and declared breaks; its interval allows for more "
        "variation than chance alone."
    ),
    (
        "The forecast smooths past counts exponentially with parameters shared by all areas. Its past errors are "
        "shown beside those of two simple forecasts: the last value, and the same season a year ago."
    ),
)


def build(view: AreaView) -> Section:
    """Return the section on methods, assumptions and provenance."""
    blocks: list[Block] = []
    if view.study.description:
        blocks.append(Words(prose.sentence(view.study.description)))
    blocks.append(Points(_DESCRIPTIVE))
    if view.intervention is not None:
        blocks += _evaluation(view)
    blocks += [Heading("Where the numbers come from"), *provenance_blocks(view)]
    return Section(key, title, "", tuple(blocks))


def _evaluation(view: AreaView) -> list[Block]:
    spec = view.study.intervention
    blocks: list[Block] = [Heading("How the effect was estimated")]
    if spec is not None and spec.description:
        blocks.append(Words(prose.sentence(spec.description)))
    cards = {s.name: card_of(s) for s in view.study.estimators}
    blocks.append(Points(tuple(c.how or f"{c.name}." for c in cards.values())))
    blocks += [
        Words("An estimate is the intervention's effect only as far as these assumptions hold:"),
        Points(assumptions(cards.values())),
    ]
    starts = sorted(view.starts.items(), key=lambda item: (item[1], item[0]))
    if starts:
        rows = tuple((view.context.panel.label(a), periods.label(p)) for a, p in starts)
        blocks.append(key_value_table(rows, f"Starts in {view.place}", ("Area", "First period")))
    blocks += sampled.blocks(view)
    notes = method_notes(view)
    if notes:
        summary = f"{len(notes):,} note{'' if len(notes) == 1 else 's'} by the methods"
        blocks += [Heading("What the methods say of themselves"), Folded(summary, notes)]
    return blocks


def method_notes(view: AreaView) -> tuple[str, ...]:
    """Return what the methods note of their results: one entry for each method and text, with its outcomes."""
    held: dict[tuple[str, str], list[str]] = {}
    for outcome in view.outcomes:
        for label, result in view.results(outcome.column).items():
            for note in dict.fromkeys(result.notes):
                text = view.free_text(named(outcome.column, _OUTCOME, note))
                held.setdefault((label, text), []).append(prose.outcome_name(outcome.label))
    return tuple(_note(view, label, text, outcomes) for (label, text), outcomes in held.items())


def _note(view: AreaView, label: str, text: str, outcomes: list[str]) -> str:
    everywhere = len(outcomes) == len(view.outcomes) > 1
    whose = "all outcomes" if everywhere else prose.join(outcomes)
    text = text.replace(_OUTCOME, outcomes[0] if len(outcomes) == 1 else "each of these outcomes")
    return prose.sentence(f"{view.method_name(label)}, {whose}: {text}")


def provenance_blocks(view: AreaView) -> list[Block]:
    """Return provenance as the page prints it, in words."""
    study, held = view.study, provenance(view)
    pairs = [("Data", s) for s in view.context.data_sources]
    pairs += [
        ("Fingerprint of the data (SHA-256)", view.context.panel.fingerprint),
        ("Periods used", _window(view)),
        ("Study file", study.path.name),
        ("Seed", str(study.seed)),
    ]
    if view.intervention is not None:
        pairs += [("Estimators, the headline first", _choices(view) or "none")]
        pairs += [("Anticipation allowed for", _periods(view, study.anticipation))]
    pairs += [
        ("Forecast", f"{_periods(view, study.horizon)} ahead" if study.horizon else "none"),
        ("Disclosure rule", _rule(view)),
        ("svmodel version", str(held["svmodel"])),
    ]
    pairs.append(("Packages", ", ".join(f"{k} {v}" for k, v in held["packages"].items())))
    return [key_value_table(tuple(pairs), "Provenance", ("What", "Value")), _files()]


def _choices(view: AreaView) -> str:
    """Return each estimator with the choices that the study makes for it."""
    words = []
    for spec in view.study.estimators:
        chosen = [
            prior_words(v) if k == "prior" else f"{k.replace('_', ' ')} {str(v).replace('_', ' ')}"
            for k, v in spec.choices.items()
        ]
        name = card_of(spec).name
        words.append(f"{name} ({', '.join(chosen)})" if chosen else f"{name} (its own default choices)")
    return "; ".join(words)


def _rule(view: AreaView) -> str:
    rule = view.disclosure
    if not rule.active:
        return "none: no count is hidden or rounded"
    words = f"counts from 1 to {(rule.threshold or 1) - 1} are hidden"
    return f"{words}, all others rounded to the nearest {rule.round_to}" if rule.rounds else words


def _window(view: AreaView) -> str:
    index = view.context.panel.periods
    span = f"{periods.label(index[0])} to {periods.label(index[-1])}"
    if view.study.window is None:
        return f"{span}: all that the data hold"
    first, last = view.study.window
    asked = "from {}" if last is None else "up to {}" if first is None else "{} to {}"
    named_periods = [periods.label(p) for p in (first, last) if p is not None]
    return f"{span}; the study asks for {asked.format(*named_periods)}" if named_periods else span


def _periods(view: AreaView, number: int) -> str:
    return f"{number:,} {view.per}{'' if number == 1 else 's'}" if number else "none"


def _files() -> Table:
    rows = (
        ("result.json", "Every number of this page, for programs"),
        ("estimates.csv", "Effects by outcome, method, term and scale"),
        ("figures/", "Each figure as a drawing (SVG), its data (CSV) and its description (TXT)"),
    )
    return Table("Files beside this page", ("File", "What it holds"), rows, words=("What it holds",))

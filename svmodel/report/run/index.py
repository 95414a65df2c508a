"""What a study's index says first, read from the areas' ``result.json``: protected already, and without a refit."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from svmodel import periods
from svmodel.design.meaning import HARMS, Meaning, zero_words
from svmodel.present import prose
from svmodel.present.facts import EffectFact, Tally
from svmodel.present.tables import ABSENT, HIDDEN, NBSP, SHORTHAND, change_cell, with_interval
from svmodel.report.pages.content import render_template
from svmodel.report.pages.effect_words import doubt_words, effect_words
from svmodel.report.pages.method_words import method_name
from svmodel.report.pages.numbers import EFFECT_NUMBERS, FORMAT
from svmodel.report.pages.unprotected import SMALL
from svmodel.report.run.manifest import AreaOutcome
from svmodel.report.study import OutcomeSpec, Study
from svmodel.result import Effect

_ALERT = (
    f"The study sets no disclosure rule, and its pages show counts below {SMALL} or health data. Set one (key "
    "`disclosure` of the study file) before they are passed on."
)


@dataclass(frozen=True)
class AreaRow:
    """One area's headline numbers as cells of the index."""

    count: str
    change: str
    effect: str


@dataclass(frozen=True)
class OutcomeRow:
    """The study's effect on one outcome as cells of the index."""

    label: str
    change: str
    events: str
    warnings: str


@dataclass(frozen=True)
class StudyNumbers:
    """What the index shows.

    Attributes
    ----------
    answer : str
        The study's headline in plain words.
    alert : str
        What a reader has to know before anything else; empty for nothing.
    method : str
        What gave it; empty without an intervention.
    whose : str
        What gave the areas' own effects, in a sentence; empty where no area has one.
    until : str
        Last period of the yearly counts; empty where there are none.
    areas : mapping of str to AreaRow
        By code.
    outcomes : tuple of OutcomeRow
        The study's effect on each outcome; empty without an intervention.
    zero, zero_all : str
        What below zero means in the tables of the headline and of all outcomes.
    """

    answer: str = ""
    alert: str = ""
    method: str = ""
    whose: str = ""
    until: str = ""
    areas: Mapping[str, AreaRow] = field(default_factory=dict)
    outcomes: tuple[OutcomeRow, ...] = ()
    zero: str = HARMS.zero
    zero_all: str = HARMS.zero


def read_numbers(
    folder: Path, codes: Iterable[str], folders: Mapping[str, str] | None = None
) -> dict[str, dict[str, Any]]:
    """Return the ``result.json`` of areas by code; an area whose notebook writes another kind has none.

    Parameters
    ----------
    folder : Path
        Of the run.
    codes : iterable of str
        Areas with a report.
    folders : mapping of str to str, optional
        Names of the folders of areas that are not called by their codes.
    """
    found = {}
    for code in codes:
        path = folder / "areas" / (folders or {}).get(code, code) / "result.json"
        if not path.is_file():
            continue
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            continue
        if isinstance(held, dict) and held.get("format") == FORMAT:
            found[code] = held
    return found


def study_numbers(study: Study, results: Mapping[str, Mapping[str, Any]]) -> StudyNumbers:
    """Return what the index says of a study.

    Parameters
    ----------
    study : Study
    results : mapping of str to mapping
        What :func:`read_numbers` gave.
    """
    if not results:
        return StudyNumbers()
    head, first = study.headline_outcome, results[min(results)]
    ends = [y["end"] for r in results.values() if (y := _last_year(r, head)).get("end")]
    until = periods.label(periods.parse(max(ends))) if ends else ""
    areas = {code: _area_row(result, head) for code, result in sorted(results.items())}
    alert = _ALERT if any(r.get("unprotected") for r in results.values()) else ""
    meanings = {o.column: _meaning(first["outcomes"][o.column]) for o in study.outcomes}
    zero = meanings[head.column].zero
    if first.get("intervention") is None or not study.estimators:
        return StudyNumbers(_description(head, results, until), alert=alert, until=until, areas=areas, zero=zero)
    return StudyNumbers(
        answer=_answer(study, first),
        alert=alert,
        method=method_name(study, study.estimators[0].label),
        whose=_whose(study, results, head),
        until=until,
        areas=areas,
        outcomes=tuple(_outcome_row(study, first, o) for o in study.outcomes),
        zero=zero,
        zero_all=zero_words(meanings.values()),
    )


def _answer(study: Study, result: Mapping[str, Any]) -> str:
    head, label = study.headline_outcome, study.estimators[0].label
    effects = _overall(study, result, head)
    if effects is None:
        why = " ".join(str(result.get("failures", {}).get(head.column, {}).get(label, "")).split())
        return prose.sentence(f"The study's overall effect could not be estimated{f': {why}' if why else ''}")
    words = effect_words(effects, head.label, "in all treated areas", str(result["intervention"]))
    return " ".join(
        p for p in (words, doubt_words(effects, "each area's page says why"), _tally(result, head).words("it")) if p
    )


def _whose(study: Study, results: Mapping[str, Mapping[str, Any]], head: OutcomeSpec) -> str:
    """Return by which method the areas' own effects are, and what that means for the checks."""
    own = [r["outcomes"][head.column].get("own_effect") for r in results.values() if r.get("starts")]
    labels = list(dict.fromkeys(str(o["estimator"]) for o in own if o is not None))
    if not labels:
        return ""
    said = f"It is by {prose.join(method_name(study, label) for label in labels)}"
    if labels == [study.estimators[0].label]:
        return f"{said}."
    lead = method_name(study, study.estimators[0].label)
    return f"{said}, since {lead} has none for {'every' if len(labels) > 1 else 'one'} place; no check was made of it."


def _description(head: OutcomeSpec, results: Mapping[str, Mapping[str, Any]], until: str) -> str:
    """Return the headline of a study without an intervention: the rate of all areas, and where it is highest."""
    years = {code: _last_year(r, head) for code, r in results.items()}
    name = prose.outcome_name(head.label)
    everyone = next((y["everyone"] for y in years.values() if y.get("everyone") is not None), None)
    parts = []
    if everyone is not None:
        parts.append(
            f"In the year to {until} there were {prose.rate(everyone)} events of {name} per 100,000 people in all "
            "areas together."
        )
    rates = {code: y["rate"] for code, y in years.items() if y.get("rate") is not None}
    if len(rates) > 1:
        low, high = min(rates, key=lambda c: (rates[c], c)), max(rates, key=lambda c: (rates[c], c))
        named = {c: results[c]["area"]["name"] for c in (low, high)}
        parts.append(
            f"Of the areas below, {named[high]} had the highest rate ({prose.rate(rates[high])}) and "
            f"{named[low]} the lowest ({prose.rate(rates[low])})."
        )
    return " ".join([*parts, "This study declares no intervention, so it estimates no effect."])


def _area_row(result: Mapping[str, Any], head: OutcomeSpec) -> AreaRow:
    year = _last_year(result, head)
    count = year.get("count")
    shown = prose.count(count) if count is not None else HIDDEN if year.get("hidden") else ABSENT
    names = ("change", "change_low", "change_high")
    change = change_cell(*(year.get(name) for name in names), rounded=bool(year.get("rounded")))
    return AreaRow(shown, change, _own_effect(result, head))


def _own_effect(result: Mapping[str, Any], head: OutcomeSpec) -> str:
    if not result.get("starts"):
        return "not part of it"
    held = result["outcomes"][head.column]
    return _percent(_effects(held.get("own_effect"), _meaning(held)))


def _meaning(held: Mapping[str, Any]) -> Meaning:
    return Meaning(**held["meaning"]) if "meaning" in held else HARMS


def _outcome_row(study: Study, result: Mapping[str, Any], outcome: OutcomeSpec) -> OutcomeRow:
    effects = _overall(study, result, outcome)
    events = ABSENT
    if effects is not None and effects.hidden:
        events = HIDDEN
    elif effects is not None and effects.events is not None:
        events = with_interval(effects.events.estimate, effects.events.conf_low, effects.events.conf_high, 0)
    return OutcomeRow(outcome.label, _percent(effects), events, _tally(result, outcome).cell.replace(" ", NBSP))


def _percent(effects: EffectFact | None) -> str:
    if effects is None:
        return ABSENT
    if effects.hidden:
        return HIDDEN
    if effects.rate_ratio is not None:
        return with_interval(*effects.rate_ratio.percent, 1, "%")
    one = effects.difference
    return ABSENT if one is None else with_interval(one.estimate, one.conf_low, one.conf_high, 2)


def _overall(study: Study, result: Mapping[str, Any], outcome: OutcomeSpec) -> EffectFact | None:
    held = result["outcomes"][outcome.column]
    return _effects(held["study_effects"].get(study.estimators[0].label), _meaning(held))


def _effects(held: Mapping[str, Any] | None, meaning: Meaning) -> EffectFact | None:
    if held is None:
        return None
    ratio, rate, events, difference = (
        _effect(s, held.get(s)) for s in ("rate_ratio", "per_100k", "events", "difference")
    )
    hidden, posterior, doubt = (bool(held.get(name, False)) for name in ("hidden", "posterior", "in_doubt"))
    method = str(held.get("estimator", ""))
    return EffectFact(method, ratio, rate, events, difference, hidden, posterior, in_doubt=doubt, meaning=meaning)


def _effect(scale: str, held: Mapping[str, Any] | None) -> Effect | None:
    if held is None or held["estimate"] is None:
        return None
    return Effect("att", scale, *(math.nan if held.get(k) is None else float(held[k]) for k in EFFECT_NUMBERS))


def _tally(result: Mapping[str, Any], outcome: OutcomeSpec) -> Tally:
    return Tally.of(c["status"] for c in result["outcomes"][outcome.column]["checks"])


def _last_year(result: Mapping[str, Any], outcome: OutcomeSpec) -> Mapping[str, Any]:
    return result["outcomes"][outcome.column]["last_year"] or {}


def index_page(
    study: Study, outcomes: Iterable[AreaOutcome], *, synthetic: bool, numbers: StudyNumbers | None = None
) -> str:
    """Return the index of a run.

    Parameters
    ----------
    study : Study
    outcomes : iterable of AreaOutcome
        One an area. Areas that failed are listed first and counted.
    synthetic : bool
        Whether the page carries the mark of synthetic data.
    numbers : StudyNumbers, optional
        The study's headline and the areas' numbers; without them, areas are listed alone.
    """
    numbers = numbers or StudyNumbers()
    listed = sorted(outcomes, key=lambda o: (o.name.casefold(), o.code))
    return render_template(
        "index.html.j2",
        study=study,
        synthetic=synthetic,
        failed=[o for o in listed if o.failed],
        made=[o for o in listed if not o.failed],
        numbers=numbers,
        blank=AreaRow(ABSENT, ABSENT, ABSENT),
        coded=any(o.code != o.name for o in listed),
        shorthand=_shorthand(numbers, [o.code for o in listed if not o.failed]),
    )


def _shorthand(numbers: StudyNumbers, codes: list[str]) -> str:
    """Return what the signs in the tables mean, of those that stand there."""
    cells = [cell for row in (*numbers.areas.values(), *numbers.outcomes) for cell in vars(row).values()]
    if numbers.areas and any(c not in numbers.areas for c in codes):
        cells.append(ABSENT)
    return " ".join(meaning for mark, meaning in SHORTHAND.items() if mark in cells)


def failed_page(*, title: str, code: str, name: str, message: str, synthetic: bool = False) -> str:
    """Return the page that stands in for the report of an area that failed, and says why.

    Parameters
    ----------
    title : str
        The study's.
    code, name : str
        The area's.
    message : str
        Why there is no report.
    synthetic : bool
        Whether the page carries the mark of synthetic data.
    """
    values = {"study_title": title, "code": code, "name": name, "message": message.strip() or "no reason was given"}
    return render_template("failed.html.j2", synthetic=synthetic, **values)

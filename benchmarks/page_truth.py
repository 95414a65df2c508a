"""Whether all that a page says agrees with the result it was made from, over random small studies.

Every study is a file with data of its own: random areas, periods, levels, effects, gaps, estimators, disclosure rules
and costs; outcomes that count harms, a count of which more is good, and a measure; two of three are small. All that the
pages of a treated and of an untreated area say (sentences, titles and alternatives of figures, tables, the index) is
read back and held against the published estimates, the data, and each other, by code that shares nothing with the
pages.

Run by `make calibrate`; writes results/page_truth.md. `--studies` and `--first` choose which.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from svmodel.errors import UserError
from svmodel.present.tables import Table
from svmodel.report import open_area, prepare, read_study
from svmodel.report.pages.content import Callout, Folded, Points, Section, Words
from svmodel.report.pages.numbers import result_json
from svmodel.report.run.index import study_numbers
from svmodel.result.figure import Figure

SEED = 20_260
RESULTS = Path(__file__).parent / "results" / "page_truth.md"
SECTIONS = ("happening", "effect", "belief", "worth", "quality", "method")
ESTIMATORS = (
    "ExtendedTwoWayFixedEffects: {family: poisson}",
    "ExtendedTwoWayFixedEffects: {family: linear}",
    "TwoWayFixedEffects: {family: poisson}",
    "TwoWayFixedEffects: {family: linear}",
    "Imputation: {family: linear}",
    "CallawaySantAnna",
    "SunAbraham",
    "StackedDiD",
    "SyntheticControl: {draws: 99}",
    "SyntheticDiD",
    "InterruptedTimeSeries",
    "HierarchicalDiD: {prior: sceptical}",
    "CallawaySantAnna: {control: not_yet_treated}",
    "StackedDiD: {family: linear}",
    "Imputation: {family: poisson}",
    "SyntheticDiD: {rates: true}",
    "InterruptedTimeSeries: {family: linear, controls: untreated}",
    "InterruptedTimeSeries: {family: negative_binomial, areas: each}",
    "TwoWayFixedEffects: {family: poisson, level: 0.9}",
    "StructuralTimeSeries: {draws: 250, warmup: 150, chains: 2}",
    "bayes.InterruptedTimeSeries: {draws: 1000}",
    "StructuralCounterfactual: {draws: 1000, family: poisson}",
)
#: How often an estimator is drawn; those that take seconds seldom, and never in a quick study.
ODDS = {"HierarchicalDiD": 0.3, "bayes.InterruptedTimeSeries": 0.3, "StructuralC": 0.3, "StructuralT": 0.15}
CHECKS = ("pre_trends", "overdispersion", "overlap", "regression_to_the_mean", "negative_controls", "anticipation")
LABELS = {
    "violence": "Violence with injury",
    "robbery": "Robbery",
    "places": "Places taken up",
    "score": "Feeling of safety",
}
SIDE_PRICE, HEAD_PRICE = 77_777, 11_111


@dataclass(frozen=True)
class Drawn:
    """A random study on disk: its file, and the areas whose pages are read."""

    path: Path
    areas: tuple[str, ...]


def draw_study(seed: int, folder: Path, *, quick: bool = False) -> Drawn:
    """Write a random study and its data; a quick one has fewer areas, periods and estimators."""
    rng = np.random.default_rng([SEED, seed])
    per_parent, parents = int(rng.integers(1, 4)), int(rng.integers(6, 9))
    per_parent = min(per_parent, 2) if quick else per_parent
    nested = per_parent > 1
    areas = [f"{chr(65 + p)}{w}" for p in range(parents) for w in range(per_parent)]
    months = int(rng.choice([26, 36, 48, 64], p=[1.0, 0, 0, 0] if quick else [0.3, 0.4, 0.2, 0.1]))
    start = int(rng.integers(months // 2, months - 4))
    index = pd.period_range("2018-01", periods=months, freq="M")
    treated = sorted(rng.choice(areas[: -2 * per_parent], size=int(rng.integers(1, len(areas) // 2)), replace=False))
    starts = {a: int(start + 3 * rng.integers(0, 2) * (rng.random() < 0.4)) for a in treated}
    level, effect = rng.choice([0.05, 0.3, 2, 15, 120]), float(rng.choice([0.0, 0.5, 0.75, 0.9, 1.0, 1.0, 1.3]))
    rows = []
    shock = np.exp(rng.normal(0, 0.1, months))
    for area in areas:
        own = level * np.exp(rng.normal(0, 0.4)) * shock
        there = np.arange(months) >= starts.get(area, months)
        violence = rng.poisson(own * rng.gamma(20, 1 / 20, months) * np.where(there, effect, 1.0))
        robbery = rng.poisson(own * 0.3 * np.where(there, float(rng.choice([0.6, 1.0])), 1.0))
        people = int(rng.integers(4_000, 9_000))
        places = rng.poisson(own * 0.5 * np.where(there, 1.5, 1.0))
        score = np.round(rng.normal(50 + 5 * (level > 2), 3, months) + np.where(there, float(rng.choice([0, 4])), 0), 2)
        parent = area[0] if nested else ""
        rows += [
            (area, str(m), parent, int(v), int(r), int(n), float(x), people)
            for m, v, r, n, x in zip(index, violence, robbery, places, score, strict=True)
        ]
    frame = pd.DataFrame(rows, columns=["area", "month", "parent", *LABELS, "people"])
    if rng.random() < 0.2:
        # whole months of some areas are not known
        frame["violence"] = frame["violence"].astype("Int64")
        frame.loc[rng.random(len(frame)) < 0.01, "violence"] = pd.NA
    frame.to_csv(folder / "data.csv", index=False)
    head = str(rng.choice(list(LABELS), p=[0.7, 0.0, 0.15, 0.15]))
    outcomes = [head, *(o for o in LABELS if o != head and rng.random() < (0.5 if o == "robbery" else 0.15))]
    two = "robbery" in outcomes
    n_methods = int(rng.integers(1, 3 if quick else 4))
    odds = np.array([next((0.0 if quick else v for k, v in ODDS.items() if e.startswith(k)), 1.0) for e in ESTIMATORS])
    chosen = rng.choice(ESTIMATORS, size=n_methods, replace=False, p=odds / odds.sum())
    rule = rng.choice(["", "disclosure: {rule: threshold, threshold: 5}", "disclosure: {rule: hes}"])
    prices = rng.choice(["none", "head", "side", "both"])
    given = [("violence", HEAD_PRICE)] * (prices in ("head", "both")) + [("robbery", SIDE_PRICE)] * (
        prices in ("side", "both") and two and head == "violence"
    )
    given = [(o, c) for o, c in given if o in outcomes]
    units = "\n".join(f"    - {{outcome: {o}, cost: {c}, price_year: 2022, source: made up}}" for o, c in given)
    cost = "\n  cost: [{item: Patrol, quantity: 3, unit_cost: 2000, price_year: 2022}]" if rng.random() < 0.7 else ""
    text = "\n".join(
        [
            f"title: Random study {seed}",
            "data:",
            "  {path: data.csv, area: area, period: month, counts: [violence, robbery, places], measures: [score],"
            "  exposures: [people]" + (", parent: parent}" if nested else "}"),
            "outcomes:",
            *[f"  - {{column: {c}, label: {LABELS[c]}{', good: more' if c == 'places' else ''}}}" for c in outcomes],
            "exposure: people" if rng.random() < 0.7 else "",
            "intervention:",
            "  name: Patrols",
            f"  starts: {{{', '.join(f'{a}: {index[t]}' for a, t in starts.items())}}}{cost}",
            "estimators:",
            *[f"  - {e}" for e in chosen],
            f"checks: [{', '.join(c for c in CHECKS if rng.random() < 0.5)}]",
            "forecast: {horizon: 0}",
            f"economics:\n  price_year: 2022\n  unit_costs:\n{units}" if given else "",
            rule,
        ]
    )
    path = folder / "study.yaml"
    path.write_text(text + "\n", encoding="utf-8")
    inside = {a[0] if nested else a for a in treated}
    reporting = sorted({a[0] if nested else a for a in areas})
    without = next(a for a in reversed(reporting) if a not in inside)
    return Drawn(path, (min(inside), without))


# --- what the published estimates say, told by nothing of the pages ---


@dataclass(frozen=True)
class Truth:
    """One effect as published: its rows by scale, or hidden."""

    rows: dict[str, pd.Series]
    hidden: bool

    @property
    def told(self) -> pd.Series | None:
        """The row that words go by."""
        order = ("rate_ratio", "difference", "per_100k", "events")
        return None if self.hidden else next((self.rows[s] for s in order if s in self.rows), None)

    @property
    def direction(self) -> str:
        """Which way it points."""
        row = self.told
        if row is None or not np.isfinite([row["conf_low"], row["conf_high"]]).all():
            return "unknown"
        none = 1.0 if row["scale"] == "rate_ratio" else 0.0
        if row["conf_low"] <= none <= row["conf_high"] or row["p_value"] > 1 - row["level"] + 1e-12:
            return "unclear"
        others = [r for s, r in self.rows.items() if s != "rate_ratio"]
        if any(r["conf_low"] < 0 < r["conf_high"] for r in others):
            return "unclear"
        return "fewer" if row["conf_high"] < none else "more"


def truth_of(context: Any, outcome: str, label: str, area: str | None) -> Truth | None:
    """Return the published effect of a method over all treated areas, or in one."""
    shown = context.shown.results.get(outcome, {}).get(label)
    if shown is None:
        return None
    frame = shown.estimates
    rows = frame[frame["term"] == "att"] if area is None else frame[(frame["term"] == "area") & (frame["area"] == area)]
    if rows.empty:
        return None
    return Truth({r["scale"]: r for _, r in rows.iterrows()}, bool((rows["estimate_flag"] == "c").any()))


# --- reading a page back ---

_TITLES = {
    "fewer than expected": "fewer",
    "more than expected": "more",
    "lower than expected": "fewer",
    "higher than expected": "more",
    "no clear difference from expected": "unclear",
    "lower after the start": "fewer",
    "higher after the start": "more",
    "no clear change after the start": "unclear",
    "observed and expected": "unknown",
    "change by time since the start": "unknown",
}


def statements(section: Section) -> Iterator[str]:
    """Return every text of a section."""
    yield section.answer
    for block in section.blocks:
        if isinstance(block, Words | Callout):
            yield block.text
        elif isinstance(block, Points | Folded):
            yield from block.items
        elif isinstance(block, Table):
            yield block.caption
            yield block.note
            yield from (cell for row in block.rows for cell in row)
        elif isinstance(block, Figure):
            yield block.title
            yield block.alt


def _percent(value: float, counted: bool = True) -> str:
    """Return a change as sentences write it."""
    size = f"{abs(value):,.1f}%"
    down, up = ("fewer", "more") if counted else ("lower", "higher")
    return "no change" if size == "0.0%" else f"{size} {down if value < 0 else up}"


def _cell(row: pd.Series | None, hidden: bool = False) -> str:
    """Return a change as tables write it, without blanks."""
    if row is None:
        return "[c]" if hidden else "[x]"
    values = [
        100 * (row[c] - 1) if row["scale"] == "rate_ratio" else row[c] for c in ("estimate", "conf_low", "conf_high")
    ]
    parts = [
        ("+" if round(v, 1) > 0 else "\N{MINUS SIGN}" if round(v, 1) < 0 else "") + f"{abs(v):,.1f}%" for v in values
    ]
    if not all(map(math.isfinite, values[1:])):
        return f"{parts[0]}(nointerval)"
    return f"{parts[0]}({parts[1]}to{parts[2]})"


def faults_of(drawn: Drawn) -> Iterator[str]:
    """Return everything that the pages and the index of a study say against its results, or against each other."""
    context = prepare(read_study(drawn.path))
    study = context.study
    head, lead = study.headline_outcome, study.estimators[0].label
    held = {}
    for area in drawn.areas:
        report = open_area(context, area, drawn.path.parent / "out")
        view = report.view
        sections = {key: report.section(key) for key in SECTIONS}
        held[area] = json.loads(result_json(view))
        for fault in (
            *_titles(context, view, sections["effect"]),
            *_last_year(context, view, sections["happening"]),
            *_intervals(sections),
            *_meanings(context, sections),
            *_chances(context, view, sections),
            *_controls(context, sections),
            *_agreement(context, sections["effect"]),
            *_footing(context, view, sections["effect"]),
            *_answer(context, view, sections["effect"].answer, area, lead),
            *_tables(context, view, sections["effect"]),
            *_tallies(context, sections),
            *_worth(context, view, sections["worth"], lead),
            *_plain(sections),
        ):
            yield f"{area}: {fault}"
    numbers = study_numbers(study, held)
    whole = truth_of(context, head.column, lead, None)
    yield from (f"index: {f}" for f in _index(context, numbers, whole, held, drawn.areas))


def _titles(context: Any, view: Any, section: Section) -> Iterator[str]:
    """Hold titles of figures, and the words that stand for them, against the effect of their method and place."""
    names = {view.method_name(s.label): s.label for s in context.study.estimators}
    for figure in (b for b in section.blocks if isinstance(b, Figure)):
        said = next((d for words, d in _TITLES.items() if words in figure.title), None)
        if said is None or not re.search(r"observed_expected|event_study", figure.name):
            continue
        outcome = next(o for o in context.study.outcomes if figure.name.startswith(f"{o.column}_"))
        label = next((k for n, k in names.items() if figure.title.endswith(f" ({n})")), None)
        if len(names) > 1 and label is None:
            yield f"the figure {figure.title!r} does not name its method"
        own = not figure.title.startswith("All treated areas")
        label = label or context.study.estimators[0].label
        truth = truth_of(context, outcome.column, label, view.area if own else None)
        want = "unknown" if truth is None else truth.direction
        silent = truth is None or truth.hidden or "suppressed or not available" in figure.alt
        if said != want and not (said == "unknown" and silent):
            yield f"the figure {figure.title!r} says {said}, its estimate is {want}"
        side = re.search(r"([\d,]+) were observed and ([\d,]+) expected: (?:[\d,]+ (fewer|more)|no change)", figure.alt)
        if side and side[3]:
            observed, expected = (int(side[i].replace(",", "")) for i in (1, 2))
            if (observed < expected) != (side[3] == "fewer") and observed != expected:
                yield f"the words {side[0]!r} turn the sign"
        if want in ("fewer", "more") and "cannot rule out no effect" in figure.alt:
            yield f"{figure.alt!r} doubts an estimate that is clearly {want}"


_SAID = re.compile(
    r"(?P<place>in all treated areas|in [^:.]*?): "
    r"(?P<size>no change|[\d,.]+%? (?:per 100,000 )?(?:fewer|more|lower|higher)).*?"
    r"(?P<sure>The whole \d+% interval is on the side of a (?:fall|rise)\.|The data cannot rule out no effect\.|"
    r"take this as a borderline result|No interval could be worked out)(?P<rest>.*?)"
    r"(?= in (?:all|[A-Z])[^.]*?: [\d,.]+%|$)"
)


def _answer(context: Any, view: Any, answer: str, area: str, lead: str) -> Iterator[str]:
    """Hold the sentences that answer the question against the effects that they are about."""
    head = context.study.headline_outcome.column
    for found in _SAID.finditer(answer):
        whole = "all treated areas" in found["place"]
        named = re.search(r"This is by (.+?)(?:, since|\.(?: |$))", found["rest"])
        label = lead
        if named:
            label = next((s.label for s in context.study.estimators if view.method_name(s.label) == named[1]), "?")
        elif len(context.study.estimators) > 1:
            yield f"{found[0]!r} does not say by which method"
        truth = truth_of(context, head, label, None if whole else area)
        row = None if truth is None else truth.told
        if truth is None or row is None:
            yield f"{found[0]!r} is about nothing that {label} gives"
            continue
        if row["scale"] == "rate_ratio":
            want = _percent(100 * (row["estimate"] - 1), head != "score")
        else:
            unit = " per 100,000" if row["scale"] == "per_100k" else ""
            want = f"{abs(row['estimate']):,.2f}{unit} {'lower' if row['estimate'] < 0 else 'higher'}"
        if found["size"] != want:
            yield f"{found['size']!r} is said, {row['estimate']} is published"
        sure = {"fall": "fewer", "rise": "more"}.get(found["sure"].rstrip(".").rpartition(" ")[2], "unclear")
        sure = "unknown" if found["sure"].startswith("No interval") else sure
        if sure != truth.direction:
            yield f"{found['sure']!r} is said of an estimate that is {truth.direction}"


def _tables(context: Any, view: Any, section: Section) -> Iterator[str]:
    """Hold the rows of the tables of effects against the estimates."""
    head = context.study.headline_outcome.column
    names = {view.method_name(s.label): s.label for s in context.study.estimators}
    for table in (b for b in section.blocks if isinstance(b, Table)):
        if not table.caption.startswith("Average effect on"):
            continue
        for name, change, *_, sure in table.rows:
            own = name.startswith(f"{view.place} alone: ")
            label = names[name.removeprefix(f"{view.place} alone: ")]
            truth = truth_of(context, head, label, view.area if own else None)
            if truth is None:
                yield f"the row {name!r} has no estimate"
                continue
            row = None if truth.hidden else truth.rows.get("rate_ratio")
            if re.sub(r"\s", "", change) != _cell(row, truth.hidden):
                yield f"the row {name!r} says {change!r}, published is {_cell(row, truth.hidden)!r}"
            told = truth.told
            tested = told is not None and re.fullmatch(r"[\d.]+", sure)
            if tested and abs(float(sure) - told["p_value"]) > 5.1e-4:
                yield f"the row {name!r} says p {sure}, published is {told['p_value']}"
            if tested and told["p_value"] != 0.05 and (float(sure) < 0.05) != (told["p_value"] < 0.05):
                yield f"the row {name!r} says p {sure}, which is on the other side of .05 than {told['p_value']}"


_SIDE = "fewer|more|lower|higher"
_NUMBER = r"(?:less than )?[\d,.]*\d"
_BETWEEN = re.compile(
    rf"(?P<size>{_NUMBER})%? (?P<side>{_SIDE})(?:(?! (?:{_SIDE})\b|\. )[^();])*?"
    rf"\((?:[\d.]+% interval: )?between (?P<a>{_NUMBER})%?"
    rf"(?: (?P<a_side>{_SIDE}))? and (?P<b>{_NUMBER})%? (?P<b_side>{_SIDE})"
)
_SIGNED = r"([+−]?[\d,]*\.?\d+)%?"
_CELL = re.compile(rf"{_SIGNED} \({_SIGNED} to {_SIGNED}\)")


def _value(text: str, side: str = "") -> float:
    """Return the number that a text shows; below zero where its side is down."""
    size = 0.0 if text.startswith("less than") else float(text.replace(",", "").replace("\N{MINUS SIGN}", "-"))
    return -size if side in ("fewer", "lower") else size


def _intervals(sections: dict[str, Section]) -> Iterator[str]:
    """Look for numbers that lie outside the interval beside them, in sentences and in cells."""
    for section in sections.values():
        for text in statements(section):
            for found in _BETWEEN.finditer(text):
                middle = _value(found["size"], found["side"])
                ends = _value(found["a"], found["a_side"] or found["b_side"]), _value(found["b"], found["b_side"])
                if not min(ends) - 0.051 <= middle <= max(ends) + 0.051:
                    yield f"{found[0]!r} lies outside of its interval"
            for parts in _CELL.findall(text.replace("\N{NO-BREAK SPACE}", " ")):
                middle, low, high = (_value(part) for part in parts)
                ranked = "\N{NO-BREAK SPACE}of\N{NO-BREAK SPACE}" in text
                if not low - 1e-9 <= middle <= high + 1e-9 and "mean of" not in text and not ranked:
                    yield f"{text!r} lies outside of its interval"


def _last_year(context: Any, view: Any, section: Section) -> Iterator[str]:
    """Hold the last year against the data, and its table, its figures and its sentences against each other."""
    panel, active = context.reporting, context.disclosure.active
    table = next((b for b in section.blocks if isinstance(b, Table) and ": the year to " in b.caption), None)
    if table is None:
        return
    for label, events, change, rate, everyone, _, slope in table.rows:
        outcome = next(o for o in context.study.outcomes if o.label == label)
        raw = panel.matrix(outcome.column)[panel.areas.index(view.area)]
        now, before = float(raw[-12:].sum()), float(raw[-24:-12].sum())
        known = re.fullmatch(r"[\d,]+", events)
        if known and not abs(_value(events) - now) <= (2.5 if active else 0):
            yield f"{label}: {events} events are told, the data hold {now}"
        if not known and np.isfinite(now) and not (active and events == "[c]"):
            yield f"{label}: {events} stands for {now} events"
        moved = re.match(r"([+\N{MINUS SIGN}]?)[\d,.]+%", change)
        if (
            moved
            and not active
            and _value(moved[0].strip("%"))
            and moved[1] != ("+" if now > before else "\N{MINUS SIGN}" if now < before else "")
        ):
            yield f"{label}: a change of {change} is told, from {before} to {now}"
        figures = [b for b in section.blocks if isinstance(b, Figure) and b.name.startswith(f"{outcome.column}_")]
        for figure in figures:
            if figure.name.endswith("rolling_year") and not active and np.isfinite([now, before]).all():
                want = "lower than" if now < before else "higher than" if now > before else "flat"
                if want not in figure.title:
                    yield f"the figure {figure.title!r} stands over {before} and {now}"
            if figure.name.endswith("area_among_others"):
                yield from _among(figure, rate, everyone)
            if figure.name.endswith("trend"):
                yield from _slope(figure.title, slope, ("falling", "rising", "no clear"))
        if outcome is context.study.headline_outcome and "long-run trend" in section.answer:
            yield from _slope(section.answer.partition("long-run trend")[2], slope, ("falling", "rising", "no clear"))
            if re.search(r"people \(", section.answer) and "all areas together" in section.answer:
                yield from _among_words(section.answer, rate, everyone)


def _among(figure: Figure, rate: str, everyone: str) -> Iterator[str]:
    if "not clearly different" in figure.title or "the rate of all areas" in figure.title:
        yield from _among_words(figure.title, rate, everyone)


def _among_words(text: str, rate: str, everyone: str) -> Iterator[str]:
    """Hold how a rate is said to stand to that of all areas against the table's own interval."""
    found = _CELL.search(rate.replace("\N{NO-BREAK SPACE}", " "))
    if found is None or not re.fullmatch(r"[\d,.]+", everyone):
        return
    low, high, all_areas = _value(found[2]), _value(found[3]), _value(everyone)
    # rounding for the table leaves the third case open
    if min(abs(low - all_areas), abs(high - all_areas)) <= 0.051:
        return
    want = "below" if high < all_areas else "above" if low > all_areas else "not clearly different"
    if want not in text:
        yield f"{text!r} stands beside {rate} and {everyone}"


def _slope(text: str, cell: str, words: tuple[str, str, str]) -> Iterator[str]:
    """Hold words for a trend against its cell."""
    found = _CELL.search(cell.replace("\N{NO-BREAK SPACE}", " "))
    if found is None:
        return
    low, high = _value(found[2]), _value(found[3])
    want = words[0] if high < 0 else words[1] if low > 0 else words[2]
    if want not in text and low and high:
        yield f"{text!r} stands beside a trend of {cell}"


def _meanings(context: Any, sections: dict[str, Section]) -> Iterator[str]:
    """Look for harms where none are counted, for numbers of a measure, and for the wrong way of what is wanted."""
    harmful = {o.column for o in context.study.outcomes} & {"violence", "robbery"}
    for section in sections.values():
        for text in statements(section):
            if not harmful and re.search(r"\bharms?\b(?! )", text):
                yield f"{text!r} speaks of harm where none is counted"
            if re.search(r"feeling of safety[^.;]*? (?:\d% |)(?:fewer|more) than expected", text, re.IGNORECASE):
                yield f"{text!r} counts what is measured"
            if (
                re.search(r"probability (?:of [\w% ]+ )?that places taken up[^,]*? fell[,.]", text)
                and " rose" not in text
            ):
                yield f"{text!r} tells how probable it is that what is wanted fell"
        for table in (b for b in section.blocks if isinstance(b, Table)):
            named = [o for o in LABELS if LABELS[o].lower() in f"{table.caption} {table.rows}".lower()]
            if "fewer harms" in table.note and any(o in ("places", "score") for o in named):
                yield f"the table {table.caption!r} calls every outcome a harm"
            if "pay for itself" in str(table.rows) and context.study.headline_outcome.column not in harmful:
                yield f"the table {table.caption!r} gives what is no harm a price"


def _chances(context: Any, view: Any, sections: dict[str, Section]) -> Iterator[str]:
    """Hold probabilities in sentences and tables against the published ones, and against each other."""
    head = context.study.headline_outcome.column
    published = set()
    for label, result in context.results.get(head, {}).items():
        for area in (None, view.area) if result.is_posterior else ():
            truth = truth_of(context, head, label, area)
            if truth is not None and truth.told is not None and np.isfinite(truth.told["prob_reduction"]):
                published.add(float(truth.told["prob_reduction"]))
    for section in sections.values():
        for text in statements(section):
            for number, words, way in re.findall(
                r"There is (?:an? (\d+)% probability|a probability of (more than 99%|less than 1%)) "
                r"that .*? (fell|rose)\b",
                text,
            ):
                wanted = [p if way == "fell" else 1 - p for p in published]
                near = (
                    (abs(100 * p - float(number)) <= 0.51 for p in wanted)
                    if number
                    else ((p > 0.99 if words.startswith("more") else p < 0.01) for p in wanted)
                )
                if not any(near):
                    yield f"{text!r} tells a probability of {number or words}, published are {published}"
        for table in (b for b in section.blocks if isinstance(b, Table) and b.caption.startswith("Probability that")):
            for k in range(1, len(table.header)):
                held = {row[0]: float(row[k].rstrip("%")) for row in table.rows if re.fullmatch(r"\d+%", row[k])}
                if {"Any fall", "Any rise"} <= set(held) and held["Any fall"] + held["Any rise"] > 101:
                    yield f"falls and rises of {table.caption!r} do not make up the whole"
                for way in ("fall", "rise"):
                    sizes = [
                        held[n]
                        for n in (f"Any {way}", *(f"A {way} of at least {v}%" for v in (5, 10, 20)))
                        if n in held
                    ]
                    if sizes != sorted(sizes, reverse=True):
                        yield f"larger {way}s are likelier than smaller ones in {table.caption!r}"


def _controls(context: Any, sections: dict[str, Section]) -> Iterator[str]:
    """Hold counts of treated areas and of controls against the number of areas, and their parts against their sum."""
    n = context.panel.n_areas
    pattern = (
        r"(\d+) treated(?: areas?)? and (\d+) (?:controls?|never treated areas?)"
        r"(?: \((\d+) never treated, (\d+) until)?"
    )
    for section in sections.values():
        for text in statements(section):
            for treated, controls, never, later in re.findall(pattern, text):
                if never and int(never) + int(later) != int(controls):
                    yield f"{text!r} does not add up"
                if int(treated) + int(never or controls) > n:
                    yield f"{text!r} counts more than the {n} areas of the study, and does not say how"


def _agreement(context: Any, section: Section) -> Iterator[str]:
    """Hold the title of the figure of all methods against what each of them says."""
    head = context.study.headline_outcome.column
    truths = [truth_of(context, head, s.label, None) for s in context.study.estimators]
    held = [t.direction for t in truths if t is not None and not t.hidden and t.told is not None]
    down, up = held.count("fewer"), held.count("more")
    for figure in (b for b in section.blocks if isinstance(b, Figure) and b.name.endswith("_methods")):
        title = figure.title
        said_down = said_up = 0
        if found := re.match(r"Methods disagree: (\d+) \w+, (\d+)", title):
            said_down, said_up = int(found[1]), int(found[2])
        elif found := re.match(r"(?:All )?(\d+)(?: of \d+)? methods? finds? (\w+) than", title):
            said_down, said_up = (int(found[1]), 0) if found[2] in ("fewer", "lower") else (0, int(found[1]))
        if len(held) > 1 and (said_down, said_up) != (down, up):
            yield f"the figure {title!r} stands over {held}"


def _footing(context: Any, view: Any, section: Section) -> Iterator[str]:
    """Hold the tables of all outcomes, the count of clear ones, and doubts on intervals against the estimates."""
    study = context.study
    lead = study.estimators[0].label
    truths = {o.label: truth_of(context, o.column, lead, None) for o in study.outcomes}
    for table in (b for b in section.blocks if isinstance(b, Table) and b.caption.startswith("Effect in ")):
        whole = table.caption.startswith("Effect in all treated areas")
        for name, change, *_ in table.rows:
            outcome = next(o for o in study.outcomes if name == o.label or name.startswith(f"{o.label} ("))
            label = lead
            if not whole and len(study.estimators) > 1:
                label = next(
                    s.label for s in study.estimators if name == f"{outcome.label} ({view.method_name(s.label)})"
                )
            truth = truth_of(context, outcome.column, label, None if whole else view.area)
            if truth is None:
                yield f"the row {name!r} of {table.caption!r} has no estimate"
                continue
            want = _cell(None if truth.hidden else truth.rows.get("rate_ratio"), truth.hidden)
            if re.sub(r"\s", "", change) != want:
                yield f"the row {name!r} of {table.caption!r} says {change!r}, published is {want!r}"
    for text in statements(section):
        if found := re.match(r"Over all treated areas, (\d+) of (\d+) outcomes differ clearly", text):
            held = [t for t in truths.values() if t is not None]
            clear = sum(t.direction in ("fewer", "more") for t in held)
            if (int(found[1]), int(found[2])) != (clear, len(held)):
                yield f"{text!r}: {clear} of {len(held)} do"
    result = context.results.get(study.headline_outcome.column, {}).get(lead)
    whole = truths[study.headline_outcome.label]
    stands = whole is not None and whole.told is not None and np.isfinite(whole.told["conf_low"])
    if (
        result is not None
        and stands
        and result.uncertainty.in_doubt
        and not re.search("too narrow|is not known|too few events to be shown", section.answer)
    ):
        yield f"the interval is in doubt, and {section.answer!r} does not say so"


def _tallies(context: Any, sections: dict[str, Section]) -> Iterator[str]:
    """Hold every count of checks against the checks themselves."""
    statuses = [c.status for c in context.checks.get(context.study.headline_outcome.column, ())]
    made = sum(s in ("passed", "failed", "informative") for s in statuses)
    for section in sections.values():
        for text in statements(section):
            for warned, of in re.findall(r"(\d+) of the (\d+) checks that could be made", text):
                if (int(warned), int(of)) != (statuses.count("failed"), made):
                    yield f"{text!r} counts {warned} of {of} checks, there are {statuses.count('failed')} of {made}"
            if re.search(r"None of the (?:one|\d+) checks? ", text) and statuses.count("failed"):
                yield f"{text!r} hides a warning"
        for table in (b for b in section.blocks if isinstance(b, Table) and b.caption.startswith("Checks of")):
            if len(table.rows) != made + statuses.count("errored"):
                yield f"{len(table.rows)} checks stand in the table, {made} were made"


def _worth(context: Any, view: Any, section: Section, lead: str) -> Iterator[str]:
    """Hold the section on value against what may be valued."""
    texts = " ".join(statements(section))
    truth = truth_of(context, context.study.headline_outcome.column, lead, None)
    priced = any(u.outcome == context.study.headline_outcome.column for u in context.study.economics.unit_costs)
    harms = context.study.headline_outcome.column in ("violence", "robbery")
    may = bool(view.starts) and priced and harms and truth is not None and truth.direction in ("fewer", "more")
    if not view.starts and "£" in texts:
        yield "pounds stand on the page of an area that had no intervention"
    if ("is worth" in section.answer) and not may:
        yield f"an effect that is {truth.direction if truth else 'missing'} is given a worth: {section.answer!r}"
    if may and truth is not None and "events" in truth.rows and "is worth" not in section.answer:
        yield f"a clear effect with a price has no worth: {section.answer!r}"
    if f"{SIDE_PRICE:,}" in texts or "robbery is worth" in texts:
        yield "a side outcome is valued"
    tally = [c.status for c in context.checks.get(context.study.headline_outcome.column, ())].count("failed")
    if "is worth" in section.answer and tally and "Read with care" not in section.answer:
        yield "the worth stands without the warnings of its effect"


def _plain(sections: dict[str, Section]) -> Iterator[str]:
    """Look for numbers that are none, and rows that say nothing."""
    for section in sections.values():
        for text in statements(section):
            if re.search(r"\b(?:nan|inf)\b|[:=] None\b", text) or "not available to" in text:
                yield f"{text!r} holds a number that is none"
            if "Does not apply" in text:
                yield "a check that does not apply has a row"


def _index(
    context: Any, numbers: Any, whole: Truth | None, held: dict[str, Any], areas: tuple[str, ...]
) -> Iterator[str]:
    """Hold the index against the estimates and against the pages."""
    head = context.study.headline_outcome.column
    row = None if whole is None else whole.told
    if (
        row is not None
        and row["scale"] == "rate_ratio"
        and not context.results[head][context.study.estimators[0].label].is_posterior
    ) and _percent(100 * (row["estimate"] - 1), head != "score") not in numbers.answer.replace(
        "no change from what was", "no change"
    ):
        yield f"{numbers.answer!r} does not say {row['estimate']}"
    for area in areas:
        cell = re.sub(r"\s", "", numbers.areas[area].effect)
        own = held[area]["outcomes"][head]["own_effect"]
        if not held[area]["starts"]:
            if cell != "notpartofit":
                yield f"{area} is untreated and has {cell}"
        elif own is not None and not own["hidden"] and own["rate_ratio"] is not None:
            truth = truth_of(context, head, own["estimator"], area)
            if truth is not None and cell != _cell(truth.rows["rate_ratio"]):
                yield f"{area} has {cell}, published is {_cell(truth.rows['rate_ratio'])}"
            if own["estimator"] != context.study.estimators[0].label and "no check was made" not in numbers.whose:
                yield f"{area}'s effect is by another method than the headline's, and the index does not say so"
            if own["direction"] != (truth.direction if truth else None):
                yield f"{area}: result.json says {own['direction']}"


def one(seed: int, *, quick: bool = False) -> tuple[list[str], str]:
    """Return the faults of one study, and why it could not be made, if it could not."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            drawn = draw_study(seed, Path(folder), quick=quick)
            try:
                return list(faults_of(drawn)), ""
            except UserError as error:
                if "cannot be made of the first estimator" not in str(error):
                    raise
                # a check that the first estimator cannot have is a refusal of the file: the study without it
                text = drawn.path.read_text(encoding="utf-8")
                drawn.path.write_text(re.sub(r"^checks: .*$", "checks: []", text, flags=re.MULTILINE), encoding="utf-8")
                return list(faults_of(drawn)), ""
        except UserError as error:
            return [], str(error)


def main() -> None:
    """Draw studies and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    begun, refused, found = time.process_time(), [], []
    for seed in range(given.first, given.first + given.studies):
        faults, why = one(seed, quick=seed % 3 > 0)
        refused += [seed] if why else []
        found += [f"{seed}: {fault}" for fault in faults]
        for fault in faults:
            print(f"{seed}: {fault}", flush=True)
    made = given.studies - len(refused)
    lines = [
        "# What pages say, held against their results",
        "",
        "Made by `benchmarks/page_truth.py`: random small studies, a page of a treated and of an untreated area each,",
        "and the index; every sentence, title, table and alternative about an effect is read back and held against the",
        "published estimates.",
        "",
        "| studies | refused, with a reason | statements against a result |",
        "|---|---|---|",
        f"| {made} | {len(refused)} | {len(found)} |",
        "",
        *[f"- {fault}" for fault in found[:50]],
    ]
    given.out.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    print(f"{made} studies, {len(refused)} refused, {len(found)} faults, {time.process_time() - begun:.0f} s of CPU")


if __name__ == "__main__":
    main()

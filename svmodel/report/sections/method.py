"""How was this worked out? Methods, what they assume, what they could not do, and where everything comes from."""

from __future__ import annotations

import json
from importlib import metadata
from typing import TYPE_CHECKING

from svmodel import __version__, periods
from svmodel.present import prose
from svmodel.present.tables import Table, key_value_table
from svmodel.report.content import Block, Heading, Points, Section, Words

if TYPE_CHECKING:
    from svmodel.report.area_view import AreaView

__all__ = ["build", "provenance"]

_PACKAGES = ("numpy", "pandas", "scipy", "statsmodels", "pyfixest", "matplotlib", "papermill")
_METHODS = {
    "TwoWayFixedEffects": (
        "Two-way fixed effects compares areas over time with one level for each area and one for each period. It is "
        "well known, but where areas start at different times and effects differ it mixes them badly; it is shown "
        "for comparison."
    ),
    "ExtendedTwoWayFixedEffects": (
        "Extended two-way fixed effects learns each area's level and each period's level from areas and periods "
        "without the intervention, works out from them what would have been expected, and compares this with what "
        "was observed (Wooldridge 2023; Borusyak, Jaravel and Spiess 2024). It can be summed for one place."
    ),
    "CallawaySantAnna": (
        "Callaway and Sant'Anna (2021) compares each group of areas that started together with areas that had not "
        "started, one pair of periods at a time, and averages the comparisons."
    ),
}
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
_ASSUMPTIONS = (
    (
        "Without the intervention, treated and other areas would have moved alike (parallel trends). The checks test "
        "this before the start; after it, nobody can."
    ),
    (
        "Nothing else began in the treated areas at the same time. Other money or policing that went to the same "
        "areas cannot be told apart from it."
    ),
    (
        "Areas were not chosen just after an unusually bad spell. If they were, part of any fall would have come by "
        "itself (regression to the mean)."
    ),
    "What was done in treated areas did not move harm to, or away from, the areas they are compared with.",
    "Recording did not change in treated areas alone.",
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
    return Section("method", "How was this worked out?", "", tuple(blocks))


def _evaluation(view: AreaView) -> list[Block]:
    spec = view.study.intervention
    blocks: list[Block] = [Heading("How the effect was estimated")]
    if spec is not None and spec.description:
        blocks.append(Words(prose.sentence(spec.description)))
    names = list(dict.fromkeys(s.name for s in view.study.estimators))
    blocks.append(Points(tuple(_METHODS.get(n, f"{n}.") for n in names)))
    blocks += [
        Words("An estimate is the intervention's effect only as far as these assumptions hold:"),
        Points(_ASSUMPTIONS),
    ]
    starts = sorted(view.starts.items(), key=lambda item: (item[1], item[0]))
    if starts:
        rows = tuple((view.context.panel.label(a), periods.label(p)) for a, p in starts)
        blocks.append(key_value_table(rows, f"Starts in {view.place}", ("Area", "First period")))
    notes = list(
        dict.fromkeys(
            f"{view.method_name(label)}, {prose.outcome_name(outcome.label)}: {view.free_text(note)}"
            for outcome in view.outcomes
            for label, result in view.results(outcome.column).items()
            for note in result.notes
        )
    )
    if notes:
        blocks += [Heading("What the methods say of themselves"), Points(tuple(prose.sentence(n) for n in notes))]
    return blocks


def provenance(view: AreaView) -> dict[str, object]:
    """Return where a page's numbers come from, without times, so that two runs give the same bytes."""
    study = view.study
    return {
        "svmodel": __version__,
        "packages": {name: _version(name) for name in _PACKAGES},
        "data_fingerprint": view.context.panel.fingerprint,
        "data_sources": list(view.context.data_sources),
        "study": study.path.name,
        "seed": study.seed,
        "estimators": {s.label: dict(s.choices) for s in study.estimators},
        "disclosure": {
            "rule": view.disclosure.rule,
            "threshold": view.disclosure.threshold,
            "round_to": view.disclosure.round_to,
        },
        "window": None if study.window is None else [None if p is None else periods.code(p) for p in study.window],
        "anticipation": study.anticipation,
        "horizon": study.horizon,
    }


def provenance_blocks(view: AreaView) -> list[Block]:
    """Return provenance as the page prints it."""
    held = provenance(view)
    packages = held.pop("packages")
    sources = held.pop("data_sources")
    pairs = [("Data", str(s)) for s in sources] if isinstance(sources, list) else []  # fmt: skip
    pairs += [(_NAMES.get(k, k), v if isinstance(v, str) else json.dumps(v, sort_keys=True)) for k, v in held.items()]
    if isinstance(packages, dict):
        pairs.append(("Packages", ", ".join(f"{k} {v}" for k, v in packages.items())))
    return [key_value_table(tuple(pairs), "Provenance", ("What", "Value")), _files(view)]


_NAMES = {
    "svmodel": "svmodel version",
    "data_fingerprint": "Fingerprint of the data (SHA-256)",
    "study": "Study file",
    "seed": "Seed",
    "estimators": "Estimators and their choices",
    "disclosure": "Disclosure rule",
    "window": "Window",
    "anticipation": "Anticipation, periods",
    "horizon": "Forecast, periods",
}


def _files(view: AreaView) -> Table:
    del view
    rows = (
        ("result.json", "Every number of this page, for programs"),
        ("estimates.csv", "Effects by outcome, method, term and scale"),
        ("figures/", "Each figure as a drawing (SVG), its data (CSV) and its description (TXT)"),
    )
    return Table("Files beside this page", ("File", "What it holds"), rows, words=("What it holds",))


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"

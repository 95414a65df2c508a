"""What a mixture of other areas is made of: donors, the gaps of placebo areas, and the effect without each donor."""

from __future__ import annotations

from dataclasses import replace

from svmodel.errors import EstimationError
from svmodel.present import plots, prose
from svmodel.present.tables import Table
from svmodel.report.pages.area_view import AreaView
from svmodel.report.pages.content import Block, Heading, Section, Words
from svmodel.report.study import OutcomeSpec
from svmodel.result import Result

#: Methods whose donors and placebos a page shows.
METHODS = ("SyntheticControl", "SyntheticDiD")
_MOST = 12


def blocks(view: AreaView, outcome: OutcomeSpec) -> list[Block]:
    """Return donors and placebos of every synthetic method that answered."""
    found: list[Block] = []
    for spec in view.study.estimators:
        result = view.results(outcome.column).get(spec.label)
        if spec.name not in METHODS or result is None:
            continue
        parts = [*donors(view, outcome, spec.label, result), *_placebos(view, outcome, spec.label, result)]
        if parts:
            found += [Heading(f"{view.method_name(spec.label)}: the areas compared with"), *parts]
    return found


def donors(view: AreaView, outcome: OutcomeSpec, label: str, result: Result) -> list[Block]:
    """Return the donors with most weight, as a table and as a figure."""
    try:
        table = plots.donor_table(result)
    except EstimationError:
        return []
    panel = view.context.panel
    several = table["start"].nunique() > 1
    shown = table.groupby("start", sort=False).head(_MOST if not several else 5)
    rows = tuple(
        (
            *((row.start,) if several else ()),
            panel.label(str(row.area)),
            prose.percent(100 * float(row.weight)),
        )
        for row in shown.itertuples()
    )
    header = (*(("Treated from",) if several else ()), "Donor", "Weight")
    more = f" (the largest; {table['area'].nunique():,} donors carry weight)" if len(shown) < len(table) else ""
    names = {a: panel.label(a) for a in table["area"]}
    drawn = plots.donor_weights(result, label=view.method_name(label), names=names)
    return [
        replace(drawn, name=f"{outcome.column}_{_key(label)}_{drawn.name}"),
        Table(f"Donors of {view.method_name(label)}{more}", header, rows, words=("Donor",)),
    ]


def build(view: AreaView) -> Section:
    """Return the section on whether one donor carries the comparison."""
    title, outcome = "Does one area carry the comparison?", view.headline
    scrutiny = view.context.scrutiny.get(outcome.column)
    held = {} if scrutiny is None else scrutiny.left_out
    overall = view.overall(outcome.column)
    if overall is None or overall.hidden or not held:
        text = "No method of this study compares with a mixture of areas that could be left out one at a time."
        return Section("donors", title, "", (Words(text),))
    found: list[Block] = []
    answers = []
    is_count = view.results(outcome.column)[next(iter(held))].design.is_count  # type: ignore[union-attr]
    for label, frame in held.items():
        name = view.method_name(label)
        effect = [_written(float(v), ratio=is_count) for v in frame["estimate"]]
        rows = tuple(
            (view.context.panel.label(str(row.area)), prose.percent(100 * float(row.weight)), size)
            for row, size in zip(frame.iloc[1:].itertuples(), effect[1:], strict=True)
        )
        found.append(
            Table(
                f"{name}: the effect on {prose.outcome_name(outcome.label)} without each of the heaviest donors",
                ("Donor left out", "Its weight", "Effect without it"),
                rows,
                note=f"With all donors the effect is {effect[0]}.",
            )
        )
        known = frame["estimate"].iloc[1:].dropna()
        ends = dict.fromkeys(_written(float(v), ratio=is_count) for v in (known.min(), known.max()))
        which = "the heaviest" if len(known) == 1 else "one of the heaviest"
        answers.append(f"{name}: {effect[0]} with all donors, {' to '.join(ends)} without {which}.")
    return Section("donors", title, " ".join(answers), tuple(found))


def _written(value: float, *, ratio: bool) -> str:
    change = 100 * (value - 1) if ratio else value
    text = prose.number(change, 1 if ratio else 2)
    return f"{'+' if change > 0 else ''}{text}{'%' if ratio else ''}"


def _placebos(view: AreaView, outcome: OutcomeSpec, label: str, result: Result) -> list[Block]:
    scrutiny = view.context.scrutiny.get(outcome.column)
    held = None if scrutiny is None else scrutiny.placebos.get(label)
    if held is None:
        return []
    try:
        drawn = plots.placebo_gaps(result, held, label=outcome.label, disclosure=view.disclosure)
    except EstimationError:
        return []
    title = f"{view.method_name(label)}, {prose.outcome_name(drawn.title)}"
    return [replace(drawn, name=f"{outcome.column}_{_key(label)}_{drawn.name}", title=title)]


def _key(label: str) -> str:
    """Return a label as a part of a file's name."""
    return "".join(c if c.isalnum() else "_" for c in label).strip("_").lower()

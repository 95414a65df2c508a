"""What a mixture of other areas is made of: its donors, and its gaps among those of placebo areas."""

from __future__ import annotations

from svmodel.errors import EstimationError
from svmodel.present import plots, prose
from svmodel.present.tables import Table
from svmodel.report.pages.area_view import AreaView
from svmodel.report.pages.content import Block, Heading, file_as
from svmodel.report.study import OutcomeSpec
from svmodel.result import Result
from svmodel.result.method import card

#: Donors that a table names.
_MOST = 12


def blocks(view: AreaView, outcome: OutcomeSpec) -> list[Block]:
    """Return donors and placebos of every method that mixes donors and answered."""
    found: list[Block] = []
    for label, result in view.results(outcome.column).items():
        if not card(result.estimator).mixes_donors:
            continue
        parts = [*donors(view, outcome, label, result), *_placebos(view, outcome, label, result)]
        if parts:
            found += [Heading(f"{view.method_name(label)}: the areas compared with"), *parts]
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
        file_as(f"{view.stem(outcome.column)}_{_key(view, label)}", drawn),
        Table(f"Donors of {view.method_name(label)}{more}", header, rows, words=("Donor",)),
    ]


def _placebos(view: AreaView, outcome: OutcomeSpec, label: str, result: Result) -> list[Block]:
    placebos = view.looks(outcome.column).placebos.get(label)
    if placebos is None:
        return []
    try:
        drawn = plots.placebo_gaps(result, placebos, label=outcome.label, disclosure=view.disclosure)
    except EstimationError:
        return []
    title = f"{view.method_name(label)}, {prose.outcome_name(drawn.title)}"
    return [file_as(f"{view.stem(outcome.column)}_{_key(view, label)}", drawn, title=title)]


def _key(view: AreaView, label: str) -> str:
    """Return a label as a part of a file's name, other than that of any other method."""
    keys = {
        k: "".join(c if c.isalnum() else "_" for c in k).strip("_").lower()
        for k in (s.label for s in view.study.estimators)
    }
    own = keys.get(label, label)
    same = [k for k, key in keys.items() if key == own]
    return own if len(same) < 2 else f"{own}_{same.index(label) + 1}"

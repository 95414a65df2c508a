"""How good are the data? What is missing, what was dropped or altered on the way in, and what is hidden."""

from __future__ import annotations

import numpy as np

from svmodel import periods
from svmodel.ledger import LedgerEntry
from svmodel.present import prose
from svmodel.present.tables import Table
from svmodel.report.pages.area_view import AreaView
from svmodel.report.pages.content import Block, Heading, Points, Section, Words

key = "quality"
title = "How good are the data?"


def build(view: AreaView) -> Section:
    """Return the section on data quality."""
    blocks: list[Block] = [
        Words(
            f"The study uses {view.context.panel.n_areas:,} areas over {view.context.panel.n_periods} {view.per}s, "
            f"{periods.label(view.context.panel.periods[0])} to {periods.label(view.context.panel.periods[-1])}. "
            f"A count that the publisher does not give stays missing; it is never read as zero."
        ),
        Points(tuple(prose.sentence(_missing(view, o.column, o.label)) for o in view.outcomes)),
    ]
    entries = view.context.panel.ledger.entries
    blocks.append(Heading("What was done to the data on the way in"))
    if entries:
        rows = tuple(
            (
                e.action.capitalize(),
                _rows(view, e),
                prose.sentence(view.free_text(e.reason)),
                view.readable(e.where) or "–",
            )
            for e in entries
        )
        header = ("What", "Rows", "Why", "Where")
        blocks.append(Table("Rows dropped, altered or missing", header, rows, words=("Why", "Where")))
    else:
        blocks.append(Words("Nothing: every row was used as it was given."))
    hospital = [o.label for o in view.outcomes if o.hospital]
    blocks += [Heading("Small numbers"), Words(view.disclosure.describe())]
    if hospital:
        blocks.append(
            Words(
                f"Hospital counts ({prose.join(prose.outcome_name(h) for h in hospital)}) depend on where people seek "
                "care and on how injuries are coded; they are not the same events as those that the police record."
            )
        )
    if view.study.notes:
        blocks += [Heading("Notes of the study"), Points(tuple(prose.sentence(n) for n in view.study.notes))]
    return Section(key, title, "", tuple(blocks))


def _missing(view: AreaView, column: str, label: str) -> str:
    own = view.panel.matrix(column)[view.panel.areas.index(view.area)]
    gone = view.panel.periods[np.isnan(own)]
    if len(gone) == 0:
        return f"{label} in {view.place}: every {view.per} is there"
    named = prose.join([periods.label(p) for p in gone[:6]])
    more = f" and {len(gone) - 6} more" if len(gone) > 6 else ""
    return f"{label} in {view.place}: {len(gone)} of {view.panel.n_periods} {view.per}s missing ({named}{more})"


def _rows(view: AreaView, entry: LedgerEntry) -> str:
    # a row of an incident file is an event, so what was dropped or altered is a count like any other
    if entry.action in ("dropped", "altered"):
        return view.disclosure.text(entry.rows)
    return f"{entry.rows:,}"

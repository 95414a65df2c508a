"""Does one area carry the comparison? The effect of methods that mix donors, without each of the heaviest."""

from __future__ import annotations

from svmodel.present import prose
from svmodel.present.tables import Table
from svmodel.report.pages.area_view import AreaView
from svmodel.report.pages.content import Block, Section, Words

key = "donors"
title = "Does one area carry the comparison?"


def build(view: AreaView) -> Section:
    """Return the section, one table a method that mixes donors."""
    outcome = view.headline
    held = view.looks(outcome.column).left_out
    overall = view.overall(outcome.column)
    if overall is None or overall.hidden or not held:
        text = "No method of this study compares with a mixture of areas that could be left out one at a time."
        return Section(key, title, "", (Words(text),))
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
    return Section(key, title, " ".join(answers), tuple(found))


def _written(value: float, *, ratio: bool) -> str:
    change = 100 * (value - 1) if ratio else value
    text = prose.number(change, 1 if ratio else 2)
    return f"{'+' if change > 0 else ''}{text}{'%' if ratio else ''}"

"""Was it worth it? What the intervention cost, what it had to prevent to pay for itself, and what it prevented."""

from __future__ import annotations

import numpy as np

from svmodel import economics
from svmodel.costs import CostLine
from svmodel.errors import UserError
from svmodel.present import prose
from svmodel.present.tables import ABSENT, Table, bracket
from svmodel.report.pages.area_view import AreaView
from svmodel.report.pages.content import Block, Callout, Heading, Points, Section, Words
from svmodel.report.pages.facts import Worth, cost_lines, price_year, worth_of
from svmodel.words import chance

key = "worth"
title = "Was it worth it?"


def build(view: AreaView) -> Section:
    """Return the section on costs and value; without an intervention it says so and shows nothing."""
    if view.intervention is None:
        return Section(key, title, "This study declares no intervention, so there is nothing to weigh.")
    lines = cost_lines(view)
    given = view.study.economics.unit_costs
    blocks: list[Block] = []
    if not lines:
        blocks.append(Words("The study file declares no costs of the intervention."))
    else:
        blocks += _cost_blocks(view, lines)
    if not given:
        blocks.append(Words("The study file declares no unit costs, so prevented events have no price here."))
    valued = [worth_of(view, u) for u in given]
    worths = [w for w in valued if isinstance(w, Worth)]
    if worths:
        blocks += [Heading("What it prevented, in pounds"), _table(view, worths)]
        blocks.append(Points(tuple(dict.fromkeys(n for w in worths for n in map(prose.sentence, w.notes)))))
        if len(worths) > 1:
            blocks.append(Words("Each row stands alone: the rows' limits cannot be added up."))
    blocks += [Callout(w, "Not valued") for w in valued if isinstance(w, str)]
    if lines:
        blocks.append(Words("Costs and benefits are those of the whole study, not of this area alone."))
    return Section(key, title, _answer(view, worths, lines), tuple(blocks))


def _answer(view: AreaView, worths: list[Worth], lines: tuple[CostLine, ...]) -> str:
    first = next((w for w in worths if w.outcome is view.headline), worths[0] if worths else None)
    year = price_year(view)
    if first is None:
        if not lines:
            return "The study declares neither costs nor unit costs, so value for money cannot be judged."
        try:
            total = economics.cost_total(lines, price_year=year).amount
        except UserError as error:
            return f"Value for money cannot be judged: {' '.join(str(error).split())}"
        return (
            f"The intervention cost {prose.pounds(total)} ({year} prices). What it prevented has no price here, so "
            "value for money cannot be judged."
        )
    name = prose.outcome_name(first.outcome.label)
    middle, low, high = first.benefit
    span = (
        f"{prose.level_words(first.level)}: {prose.pounds(low)} to {prose.pounds(high)}, " if np.isfinite(low) else ""
    )
    value = f"over the whole study, the change in {name} is worth {prose.pounds(middle)} ({span}{year} prices)"
    if np.isnan(first.cost):
        return f"{prose.sentence(value)} The study declares no costs to set against it."
    if np.isnan(low):
        verdict = "How sure this is could not be worked out, so nobody can say whether it paid for itself"
    elif low > first.cost:
        verdict = "The whole interval is above the cost"
    elif high < first.cost:
        verdict = "The whole interval is below the cost: it did not pay for itself on this outcome"
    else:
        verdict = "The data cannot tell whether it paid for itself on this outcome"
    if np.isfinite(first.pays):
        verdict = f"The probability that it paid for itself on this outcome is {chance(first.pays)}"
    needed = max(1, int(np.ceil(first.break_even)))
    return (
        f"It cost {prose.pounds(first.cost)}; it had to prevent about {prose.count(needed)} "
        f"{'event' if needed == 1 else 'events'} of {name} to pay for itself. {prose.sentence(value)} {verdict}. "
        f"{_care(view)}These are costs to society, most of which no budget gets back."
    )


def _care(view: AreaView) -> str:
    checks = view.checks(view.headline.column)
    warns = any(c.status in ("failed", "errored") for c in checks)
    return "It rests on the effect above, and shares its warnings. " if warns else ""


def _cost_blocks(view: AreaView, lines: tuple[CostLine, ...]) -> list[Block]:
    year = price_year(view)
    try:
        frame = economics.ledger_table(lines, price_year=year)
    except UserError as error:
        return [Callout(" ".join(str(error).split()), "Costs cannot be added up")]
    rows = []
    for record in frame.to_dict(orient="records"):
        total = record["item"] == "Total"
        rows.append(
            (
                str(record["item"]),
                "" if total else prose.number(record["quantity"], 0 if float(record["quantity"]).is_integer() else 1),
                "" if total else f"£{prose.number(record['unit_cost'], 2)}",
                "" if total else str(record["price_year"]),
                prose.pounds(record["total_in_prices"]),
                str(record["source"] or ""),
            )
        )
    header = ("Item", "Quantity", "Each", "Prices of", f"Total, {year} prices", "Source")
    return [Table("What the intervention cost, whole study", header, tuple(rows), words=("Source",))]


def _table(view: AreaView, worths: list[Worth]) -> Table:
    rows = []
    for w in worths:
        middle, low, high = w.benefit
        even = ABSENT if np.isnan(w.break_even) else prose.number(w.break_even)
        if np.isfinite(w.break_even_percent):
            even += f" ({prose.number(w.break_even_percent, 2)}% of those expected)"
        averted, worth = prose.count(w.averted), prose.pounds(middle)
        if np.isfinite(low):
            averted += f" {bracket(prose.count(w.averted_low), prose.count(w.averted_high))}"
            worth += f" {bracket(prose.pounds(low), prose.pounds(high))}"
        one = prose.pounds(w.pounds)
        if prose.pounds(w.price) != one:
            one += f" (of {prose.pounds(w.price)})"
        rows.append((w.outcome.label, averted, one, worth, even))
    header = ("Outcome", "Events prevented", "Worth of one, discounted", "Worth of all", "Break-even, events")
    note = (
        "Here above zero means prevented; below zero means that there were more. Brackets hold the "
        f"{prose.level_words(worths[0].level)}. Prices of {price_year(view)}. What is prevented later counts for less, "
        "so the worth of one is the mean after discounting, beside what one is worth before it."
    )
    return Table("What was prevented, and what it is worth, whole study", header, tuple(rows), note)

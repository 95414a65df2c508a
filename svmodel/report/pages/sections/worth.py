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
from svmodel.report.pages.effect_words import doubt_words
from svmodel.report.pages.facts import Worth, cost_lines, price_year, weighed, worth_of
from svmodel.report.study import UnitCost
from svmodel.words import chance

key = "worth"
title = "Was it worth it?"


def build(view: AreaView) -> Section:
    """Return the section on costs and value of the headline outcome, in an area that had the intervention.

    Elsewhere, and where the headline's effect points no way or has no price, it says why nothing is weighed.
    """
    if view.intervention is None:
        return Section(key, title, "This study declares no intervention, so there is nothing to weigh.")
    if not view.starts:
        answer = f"No part of {view.place} received {view.intervention.name}, so there is nothing to weigh here."
        return Section(key, title, answer)
    lines = cost_lines(view)
    given = next((u for u in view.study.economics.unit_costs if u.outcome == view.headline.column), None)
    blocks: list[Block] = []
    if not lines:
        blocks.append(Words("The study file declares no costs of the intervention."))
    else:
        blocks += _cost_blocks(view, lines)
    worth = _no_price(view) if given is None else worth_of(view, given)
    if isinstance(worth, Worth):
        blocks += [Heading("What it prevented, in pounds"), _table(view, [worth])]
        blocks.append(Points(tuple(dict.fromkeys(map(prose.sentence, worth.notes)))))
    else:
        blocks.append(Callout(worth, "Not valued"))
    if lines:
        blocks.append(Words("Costs and benefits are those of the whole study, not of this area alone."))
    return Section(key, title, _answer(view, worth, given, lines), tuple(blocks))


def _no_price(view: AreaView) -> str:
    """Say that no event of the headline outcome has a price, and that no other outcome's stands in for it."""
    name = prose.outcome_name(view.headline.label)
    others = [prose.outcome_name(view.study.outcome(u.outcome).label) for u in view.study.economics.unit_costs]
    if not others:
        return f"The study file declares no unit cost of {name}, so prevented events have no price here."
    return (
        f"The study file declares no unit cost of {name}, its headline outcome. The price of {prose.join(others)} is "
        "not used in its place: that was not the question of the study."
    )


def _answer(view: AreaView, worth: Worth | str, given: UnitCost | None, lines: tuple[CostLine, ...]) -> str:
    year = price_year(view)
    if not lines and given is None:
        return (
            "The study declares neither costs nor a price of its headline outcome, so value for money cannot be judged."
        )
    cost = _cost_words(view, given, lines)
    if isinstance(worth, str):
        return " ".join(p for p in (cost, worth, _chance(view, given), _care(view)) if p)
    name = prose.outcome_name(worth.outcome.label)
    middle, low, high = worth.benefit
    span = f"{prose.level_words(worth.level)}: {prose.pounds(low)} to {prose.pounds(high)}, {year} prices"
    value = f"over the whole study, the change in {name} is worth {prose.pounds(middle)} ({span})"
    verdict = ""
    if np.isfinite(worth.cost) and low > worth.cost:
        verdict = "The whole interval is above the cost."
    elif np.isfinite(worth.cost) and high < worth.cost:
        verdict = "The whole interval is below the cost: it did not pay for itself on this outcome."
    elif np.isfinite(worth.cost):
        verdict = "The data cannot tell whether it paid for itself on this outcome."
    verdict = _chance(view, given) or verdict
    social = "These are costs to society, most of which no budget gets back."
    return " ".join(p for p in (cost, prose.sentence(value), verdict, _care(view), social) if p)


def _cost_words(view: AreaView, given: UnitCost | None, lines: tuple[CostLine, ...]) -> str:
    """Return what the whole study cost, and how many events it had to prevent to pay for itself."""
    if not lines:
        return "The study declares no costs to set against it."
    try:
        total = economics.cost_total(lines, price_year=price_year(view)).amount
    except UserError as error:
        return f"Value for money cannot be judged: {' '.join(str(error).split())}"
    cost = f"It cost {prose.pounds(total)} over the whole study ({price_year(view)} prices)"
    held = None if given is None else weighed(view, given)
    if not isinstance(held, Worth) or not np.isfinite(held.break_even):
        return f"{cost}."
    needed = max(1, int(np.ceil(held.break_even)))
    events = "event" if needed == 1 else "events"
    name = prose.outcome_name(view.headline.label)
    return f"{cost}; it had to prevent about {prose.count(needed)} {events} of {name} to pay for itself."


def _chance(view: AreaView, given: UnitCost | None) -> str:
    """Return the posterior probability that it paid for itself, where the headline's method gives one."""
    held = None if given is None else weighed(view, given)
    if not isinstance(held, Worth) or not np.isfinite(held.pays):
        return ""
    return f"The probability that it paid for itself on this outcome is {chance(held.pays)}."


def _care(view: AreaView) -> str:
    """Return the warnings of the effect that is weighed; empty where there are none."""
    tally, overall = view.tally(view.headline.column), view.overall(view.headline.column)
    if overall is None:
        return ""
    counted = tally.words("the headline result") if tally.warned or tally.broke or not tally.made else ""
    return " ".join(p for p in (doubt_words(overall, "see the effect above"), counted) if p)


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

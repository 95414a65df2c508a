"""Can the result be trusted? The checks in a table, with their figures, and what they say of the other outcomes."""

from __future__ import annotations

from svmodel.checks.runner import question_of
from svmodel.present import prose
from svmodel.present.plots.checks import check_figure
from svmodel.present.tables import NBSP, Table
from svmodel.report.pages.area_view import AreaView
from svmodel.report.pages.content import Block, Folded, Heading, Points, Words, file_as
from svmodel.result.check import CheckResult

STATUS = {
    "passed": f"✓{NBSP}Passed",
    "failed": f"▲{NBSP}Warning",
    "informative": "● For information",
    "errored": "✗ The check broke",
}


def blocks(view: AreaView) -> list[Block]:
    """Return what the checks of the headline result say, with the warnings for the other outcomes."""
    checks, unmade = view.checks(view.headline.column), view.checks_not_made(view.headline.column)
    if not checks and not unmade:
        return []
    found: list[Block] = [Heading("Can the result be trusted?")]
    found.append(Words(view.tally(view.headline.column).words("the headline result")))
    if checks:
        found += [_table(view, checks), *figures(view)]
    if unmade:
        one = len(unmade) == 1
        reasons = tuple(f"{check_name(c)} {view.free_text(c.text)}" for c in unmade)
        found.append(Folded(f"{len(unmade)} check{'' if one else 's'} that do{'es' if one else ''} not apply", reasons))
    others = []
    for outcome in view.outcomes[1:]:
        names = [check_name(c) for c in view.checks(outcome.column) if c.status == "failed"]
        if names:
            others.append(f"{outcome.label}: a warning from {prose.join([repr(n) for n in names])}.".replace('"', "'"))
    if others:
        found += [Words("Warnings for the other outcomes:"), Points(tuple(others))]
    return found


def _table(view: AreaView, checks: tuple[CheckResult, ...]) -> Table:
    rows = tuple((check_name(c), STATUS[c.status], view.free_text(c.text)) for c in checks)
    return Table(
        f"Checks of the headline result ({prose.outcome_name(view.headline.label)}, all treated areas, "
        f"{view.method_name(view.headline_method)})",
        ("Check", "Result", "What it says"),
        rows,
        words=("Result", "What it says"),
    )


def figures(view: AreaView) -> list[Block]:
    """Return the figures of the headline result's checks; none where the effect itself is hidden."""
    outcome = view.headline
    overall = view.overall(outcome.column)
    if overall is None or overall.hidden:
        return []
    drawn: list[Block] = []
    for check in view.checks(outcome.column):
        figure = check_figure(check, label=outcome.label, disclosure=view.disclosure)
        if figure is not None:
            drawn.append(file_as(view.stem(outcome.column), figure))
    return drawn


def check_name(check: CheckResult) -> str:
    """Return a check as the question that it puts."""
    return question_of(check.name)

"""The page that lists a study's areas, failures first, and the page of an area that has no report."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from svmodel.present.tables import ABSENT, SHORTHAND
from svmodel.report.index_numbers import AreaRow, StudyNumbers
from svmodel.report.page import render_template

if TYPE_CHECKING:
    from svmodel.report.manifest import AreaOutcome
    from svmodel.report.study import Study

__all__ = ["failed_page", "index_page"]


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

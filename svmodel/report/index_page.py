"""The page that lists a study's areas, failures first, and the page of an area that has no report."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from svmodel.report.page import render_template

if TYPE_CHECKING:
    from svmodel.report.manifest import AreaOutcome
    from svmodel.report.study import Study

__all__ = ["failed_page", "index_page"]


def index_page(study: Study, outcomes: Iterable[AreaOutcome], *, synthetic: bool) -> str:
    """Return the index of a run.

    Parameters
    ----------
    study : Study
    outcomes : iterable of AreaOutcome
        One an area. Areas that failed are listed first and counted.
    synthetic : bool
        Whether the page carries the mark of synthetic data.
    """
    listed = sorted(outcomes, key=lambda o: (o.name.casefold(), o.code))
    return render_template(
        "index.html.j2",
        study=study,
        synthetic=synthetic,
        failed=[o for o in listed if o.failed],
        made=[o for o in listed if not o.failed],
    )


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

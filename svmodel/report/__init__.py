"""Study file -> plan -> run -> pages -> manifest -> verify."""

from __future__ import annotations

from svmodel.lazy import room

#: Public name -> module that holds it; loaded when first used, since a notebook needs only its pages.
_NAMES = {
    "AreaReport": "pages.area",
    "Plan": "run.plan",
    "RunReport": "run",
    "Study": "study",
    "StudyContext": "fits",
    "Verification": "publish.verify",
    "open_area": "pages.area",
    "open_study": "study",
    "plan_study": "run",
    "prepare": "fits",
    "read_study": "study",
    "run_study": "run",
}

__all__ = sorted(_NAMES)  # noqa: PLE0605 - the names are strings

__getattr__, __dir__ = room(__name__, _NAMES)

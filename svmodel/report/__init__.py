"""Study file -> plan -> run -> pages -> manifest -> verify."""

from __future__ import annotations

import importlib
from typing import Any

#: Public name -> module that holds it; loaded when first used, since a notebook needs only its pages.
_NAMES = {
    "AreaReport": "area",
    "Plan": "plan",
    "RunReport": "run",
    "Study": "study",
    "StudyContext": "context",
    "Verification": "verify",
    "open_area": "area",
    "plan_study": "run",
    "prepare": "context",
    "read_study": "study",
    "run_study": "run",
}

__all__ = sorted(_NAMES)  # noqa: PLE0605 - the names are strings


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"svmodel.report has no {name!r}; it has {', '.join(sorted(_NAMES))}")
    value = getattr(importlib.import_module(f"svmodel.report.{_NAMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})

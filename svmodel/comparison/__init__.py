"""Estimators side by side, specification curves, power and minimum detectable effects."""

from __future__ import annotations

import importlib
from typing import Any

#: Public name -> module that holds it.
_NAMES: dict[str, str] = {
    "Assurance": "assurance",
    "Comparison": "compare",
    "Power": "power",
    "SpecificationCurve": "specification_curve",
    "StatedStudy": "stated_study",
}

__all__ = sorted(_NAMES)  # noqa: PLE0605 - the names are strings


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"svmodel.comparison has no {name!r}; it has {', '.join(sorted(_NAMES))}")
    value = getattr(importlib.import_module(f"svmodel.comparison.{_NAMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})

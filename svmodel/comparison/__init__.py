"""Estimators side by side, and specification curves."""

from __future__ import annotations

from svmodel.lazy import room

#: Public name -> module that holds it.
_NAMES: dict[str, str] = {
    "Assurance": "svmodel.planning.assurance",
    "Comparison": "compare",
    "Power": "svmodel.planning.power",
    "SpecificationCurve": "specification_curve",
    "StatedStudy": "svmodel.planning.stated_study",
}

__all__ = sorted(_NAMES)  # noqa: PLE0605 - the names are strings

__getattr__, __dir__ = room(__name__, _NAMES)

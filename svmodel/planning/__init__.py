"""Studies before they are made: power, minimum detectable effects, assurance."""

from __future__ import annotations

from svmodel.lazy import room

#: Public name -> module that holds it.
_NAMES: dict[str, str] = {"Assurance": "assurance", "Power": "power", "StatedStudy": "stated_study"}

__all__ = sorted(_NAMES)  # noqa: PLE0605 - the names are strings

__getattr__, __dir__ = room(__name__, _NAMES)

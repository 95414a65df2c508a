"""Counterfactual estimators: interrupted series, synthetic control, synthetic DiD, structural time series."""

from __future__ import annotations

import importlib
from typing import Any

#: Public name -> module that holds it.
_NAMES: dict[str, str] = {
    "InterruptedTimeSeries": "interrupted_time_series",
    "StructuralTimeSeries": "structural_time_series",
    "SyntheticControl": "synthetic_control",
    "SyntheticDiD": "synthetic_did",
}

__all__ = sorted(_NAMES)  # noqa: PLE0605 - the names are strings


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"svmodel.counterfactual has no {name!r}; it has {', '.join(sorted(_NAMES))}")
    value = getattr(importlib.import_module(f"svmodel.counterfactual.{_NAMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})

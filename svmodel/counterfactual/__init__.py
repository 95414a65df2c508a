"""Counterfactual estimators: interrupted series, synthetic control, synthetic DiD, structural time series."""

from __future__ import annotations

from svmodel.lazy import room

#: Public name -> module that holds it.
_NAMES: dict[str, str] = {
    "InterruptedTimeSeries": "interrupted_time_series",
    "StructuralTimeSeries": "structural_time_series",
    "SyntheticControl": "synthetic_control",
    "SyntheticDiD": "synthetic_did",
}

__all__ = sorted(_NAMES)  # noqa: PLE0605 - the names are strings

__getattr__, __dir__ = room(__name__, _NAMES)

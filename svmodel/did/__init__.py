"""Difference-in-differences estimators."""

from __future__ import annotations

import importlib
from typing import Any

#: Public name -> module that holds it.
_NAMES = {
    "CallawaySantAnna": "callaway_santanna",
    "ExtendedTwoWayFixedEffects": "etwfe",
    "Imputation": "imputation",
    "StackedDiD": "stacked",
    "SunAbraham": "sun_abraham",
    "TripleDifference": "triple_difference",
    "TwoWayFixedEffects": "twfe",
    "bacon_decomposition": "bacon",
    "describe_bacon": "bacon",
    "twfe_weights": "bacon",
}

__all__ = [
    "CallawaySantAnna",
    "ExtendedTwoWayFixedEffects",
    "Imputation",
    "StackedDiD",
    "SunAbraham",
    "TripleDifference",
    "TwoWayFixedEffects",
    "bacon_decomposition",
    "describe_bacon",
    "twfe_weights",
]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"svmodel.did has no {name!r}; it has {', '.join(sorted(_NAMES))}")
    value = getattr(importlib.import_module(f"svmodel.did.{_NAMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})

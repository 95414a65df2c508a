"""Difference-in-differences estimators."""

from __future__ import annotations

from svmodel.lazy import room

#: Public name -> module that holds it.
_NAMES = {
    "CallawaySantAnna": "callaway_santanna",
    "ExtendedTwoWayFixedEffects": "etwfe",
    "Imputation": "imputation",
    "StackedDiD": "stacked",
    "SunAbraham": "sun_abraham",
    "TripleDifference": "triple_difference",
    "TwoWayFixedEffects": "twfe",
    "bacon_decomposition": "twfe.bacon",
    "describe_bacon": "twfe.bacon",
    "twfe_weights": "twfe",
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

__getattr__, __dir__ = room(__name__, _NAMES)

"""Uncertainty by resampling, placebos and few treated areas, the same for every estimator."""

from __future__ import annotations

import importlib
from typing import Any

#: Public name -> module that holds it.
_NAMES: dict[str, str] = {
    "Conformal": "conformal",
    "InSpacePlacebos": "placebos",
    "PathEstimator": "conformal",
    "Placebos": "placebos",
    "Randomisation": "randomisation",
    "RandomisationInference": "randomisation",
    "level_strata": "_assignments",
    "BlockBootstrap": "block_bootstrap",
    "Choice": "rule",
    "ClusterBootstrap": "bootstrap",
    "Interval": "interval",
    "Jackknife": "jackknife",
    "ScoreBootstrap": "wild",
    "WildClusterBootstrap": "wild",
    "choose": "rule",
    "with_interval": "interval",
}

__all__ = sorted(_NAMES)  # noqa: PLE0605 - the names are strings


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"svmodel.inference has no {name!r}; it has {', '.join(sorted(_NAMES))}")
    value = getattr(importlib.import_module(f"svmodel.inference.{_NAMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})

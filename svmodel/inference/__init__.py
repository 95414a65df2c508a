"""Uncertainty by resampling, placebos and few treated areas, the same for every estimator."""

from __future__ import annotations

from svmodel.lazy import room

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
    "arrays_of": "_ways",
    "choose": "rule",
    "doubts": "_doubts",
    "with_interval": "interval",
}

__all__ = sorted(_NAMES)  # noqa: PLE0605 - the names are strings

__getattr__, __dir__ = room(__name__, _NAMES)

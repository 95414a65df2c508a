"""Uncertainty by resampling, placebos and few treated areas, the same for every estimator."""

from __future__ import annotations

from svmodel.lazy import room

#: Public name -> module that holds it.
_NAMES: dict[str, str] = {
    "Conformal": "conformal",
    "InSpacePlacebos": "placebos",
    "PathEstimator": "statistic",
    "Placebos": "placebos",
    "Randomisation": "randomisation",
    "RandomisationInference": "randomisation",
    "level_strata": "assignments",
    "BlockBootstrap": "block_bootstrap",
    "Choice": "svmodel.result.rule",
    "ClusterBootstrap": "bootstrap",
    "Interval": "svmodel.result.interval",
    "Jackknife": "jackknife",
    "ScoreBootstrap": "wild",
    "WildClusterBootstrap": "wild",
    "arrays_of": "statistic",
    "choose": "svmodel.result.rule",
    "doubts": "svmodel.result.doubts",
    "with_interval": "svmodel.result.interval",
}

__all__ = sorted(_NAMES)  # noqa: PLE0605 - the names are strings

__getattr__, __dir__ = room(__name__, _NAMES)

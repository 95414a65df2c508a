"""Bayesian evaluation of counts: two engines for one model, and answers in probabilities."""

from __future__ import annotations

from svmodel.lazy import room

#: Public name -> module that holds it.
_NAMES: dict[str, str] = {
    "HierarchicalDiD": "hierarchical_did",
    "InterruptedTimeSeries": "interrupted_time_series",
    "LatentModel": "svmodel.engine.description",
    "MetaAnalysis": "meta_analysis",
    "MetaResult": "meta_analysis",
    "PyMCModel": "own_model",
    "RatioPrior": "ratio_prior",
    "SmallAreaTrend": "small_area_trend",
    "SmoothedAreas": "smoothed_areas",
    "StructuralCounterfactual": "structural_counterfactual",
    "Term": "svmodel.engine.description",
    "simulation_based_calibration": "svmodel.engine.calibration",
}

__all__ = sorted(_NAMES)  # noqa: PLE0605 - the names are strings

__getattr__, __dir__ = room(__name__, _NAMES)

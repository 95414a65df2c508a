"""Figures of a report. Each function draws protected numbers only and returns a Figure with its words and data."""

from __future__ import annotations

from svmodel.present.plots.bayes import prior_posterior, ranked_areas, shrinkage, with_and_without
from svmodel.present.plots.checks import check_figure
from svmodel.present.plots.comparison import forest, power_curve, specification_curve
from svmodel.present.plots.effects import estimators_compared, event_study
from svmodel.present.plots.forecasts import forecast_fan, forecast_scores
from svmodel.present.plots.observed import observed_expected
from svmodel.present.plots.planning import assurance_curve
from svmodel.present.plots.series import comparators, rolling, trend
from svmodel.present.plots.synthetic import donor_table, donor_weights, placebo_gaps, synthetic_control_path

__all__ = [
    "assurance_curve",
    "check_figure",
    "comparators",
    "donor_table",
    "donor_weights",
    "estimators_compared",
    "event_study",
    "forecast_fan",
    "forecast_scores",
    "forest",
    "observed_expected",
    "placebo_gaps",
    "power_curve",
    "prior_posterior",
    "ranked_areas",
    "rolling",
    "shrinkage",
    "specification_curve",
    "synthetic_control_path",
    "trend",
    "with_and_without",
]

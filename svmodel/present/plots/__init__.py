"""Figures of a report. Each function draws protected numbers only and returns a Figure with its words and data."""

from __future__ import annotations

from svmodel.present.plots.effects import estimators_compared, event_study
from svmodel.present.plots.forecasts import forecast_fan, forecast_scores
from svmodel.present.plots.observed import observed_expected
from svmodel.present.plots.series import comparators, rolling, trend

__all__ = [
    "comparators",
    "estimators_compared",
    "event_study",
    "forecast_fan",
    "forecast_scores",
    "observed_expected",
    "rolling",
    "trend",
]

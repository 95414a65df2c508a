"""Demand ahead, with its uncertainty and its past scores."""

from __future__ import annotations

from svmodel.breaks import Break
from svmodel.forecast.forecast import QUANTILES, Forecast, forecast
from svmodel.forecast.scores import weighted_interval_score

__all__ = ["QUANTILES", "Break", "Forecast", "forecast", "weighted_interval_score"]

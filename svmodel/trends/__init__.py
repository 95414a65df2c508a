"""Long-run level, season and change per year of a count."""

from __future__ import annotations

from svmodel.breaks import Break
from svmodel.trends.trend import Trend, change_table, fit_trend

__all__ = ["Break", "Trend", "change_table", "fit_trend"]

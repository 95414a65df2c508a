"""The problem profile: rates with intervals, rolling years, comparators."""

from __future__ import annotations

from svmodel.profile.area_rates import rates, rolling
from svmodel.profile.change import change
from svmodel.profile.comparators import REST, comparators

__all__ = ["REST", "change", "comparators", "rates", "rolling"]

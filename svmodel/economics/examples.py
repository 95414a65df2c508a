"""Shipped example: what Merseyside's fire-service courses cost the Violence Reduction Partnership in 2021."""

from __future__ import annotations

from svmodel.costs import CostLine

_SOURCE = "Merseyside Fire and Rescue Authority, paper CFO/053/21, October 2021"

#: Ten Primary Beacon courses.
BEACON = CostLine("Primary Beacon course", 10, 4514.26, price_year=2021, source=_SOURCE)
#: Two LIFE courses.
LIFE = CostLine("LIFE course", 2, 2574.04, price_year=2021, source=_SOURCE)
#: Four Healing Together courses.
HEALING_TOGETHER = CostLine("Healing Together course", 4, 1656.99, price_year=2021, source=_SOURCE)
#: All three; together 56,918.64 pounds.
COURSES = (BEACON, LIFE, HEALING_TOGETHER)

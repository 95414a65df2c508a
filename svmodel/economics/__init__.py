"""What it cost, what averted offences are worth, and what it would have to avert to pay for itself."""

from svmodel.economics.discounting import STPR, DiscountRate
from svmodel.economics.examples import BEACON, COURSES, HEALING_TOGETHER, LIFE
from svmodel.economics.ledger import break_even, break_even_table, cost_total, ledger_table
from svmodel.economics.prices import Money, deflate, gdp_deflators
from svmodel.economics.unit_costs import UnitCost, read_unit_costs, shipped_unit_costs, unit_cost
from svmodel.economics.valuation import Interval, Valuation, valuation_table, value

__all__ = [
    "BEACON",
    "COURSES",
    "HEALING_TOGETHER",
    "LIFE",
    "STPR",
    "DiscountRate",
    "Interval",
    "Money",
    "UnitCost",
    "Valuation",
    "break_even",
    "break_even_table",
    "cost_total",
    "deflate",
    "gdp_deflators",
    "ledger_table",
    "read_unit_costs",
    "shipped_unit_costs",
    "unit_cost",
    "valuation_table",
    "value",
]

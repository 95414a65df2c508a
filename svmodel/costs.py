"""What an intervention cost: lines of a ledger, each with its price base."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real

from svmodel.errors import DesignError, Problems


@dataclass(frozen=True)
class CostLine:
    """One line of the intervention's cost ledger.

    Parameters
    ----------
    item : str
        What was bought, e.g. ``"Primary Beacon course"``.
    quantity : float
        How many.
    unit_cost : float
        Pounds for one, in the prices of `price_year`.
    price_year : int
        Calendar year of the price base.
    source : str
        Where the figure stands, for the report.

    Examples
    --------
    >>> CostLine("Primary Beacon course", 10, 4514.26, price_year=2021).total
    45142.6
    """

    item: str
    quantity: float
    unit_cost: float
    price_year: int
    source: str = ""

    def __post_init__(self) -> None:
        problems = Problems()
        for name in ("quantity", "unit_cost"):
            value = getattr(self, name)
            if not isinstance(value, Real) or not math.isfinite(value) or value < 0:
                problems.add(f"{value!r} is not an amount of 0 or more", where=name)
        if not isinstance(self.price_year, Integral) or not 1950 <= self.price_year <= 2100:
            problems.add(f"{self.price_year!r} is not a year", where="price_year")
        problems.raise_if_any(DesignError, f"cost line {self.item!r} cannot be used")

    @property
    def total(self) -> float:
        """Pounds for the whole line."""
        return round(self.quantity * self.unit_cost, 2)

"""Discounting: pounds of later years counted for less, at a rate that carries its date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from svmodel import periods
from svmodel.design import Design
from svmodel.errors import DataError, EstimationError, Problems


@dataclass(frozen=True)
class DiscountRate:
    """A schedule of yearly discount rates, as in force at some date.

    Parameters
    ----------
    name : str
    in_force : str
        Date at which the schedule was looked up; rates are revised.
    bands : tuple of (int, float)
        Last year of a band, counted from 0, and the rate within it, in order.
    source : str

    Examples
    --------
    >>> round(STPR.factor(10), 4), round(STPR.factor(31) / STPR.factor(30), 4)
    (0.7089, 0.9709)
    """

    name: str
    in_force: str
    bands: tuple[tuple[int, float], ...]
    source: str = ""

    def __post_init__(self) -> None:
        found = Problems()
        ends = [last for last, _ in self.bands]
        if not ends or ends != sorted(set(ends)):
            found.add("the bands do not follow each other", where="bands")
        for _, rate in self.bands:
            if not 0 <= rate < 1:
                found.add(f"{rate!r} is not a rate between 0 and 1", where="bands", fix="Write 3.5% as 0.035.")
        found.raise_if_any(DataError, f"the discount rate {self.name!r} cannot be used")

    def factor(self, year: int) -> float:
        """Return what a pound of that year counts, year 0 being the first.

        Raises
        ------
        DataError
            If the schedule does not reach that year.
        """
        if not 0 <= year <= self.bands[-1][0]:
            raise DataError(f"{self.name} reaches year {self.bands[-1][0]}; it has no rate for year {year}")
        result, first = 1.0, 1
        for last, rate in self.bands:
            result /= (1 + rate) ** max(min(year, last) - first + 1, 0)
            first = last + 1
        return result

    def describe(self) -> str:
        """Return name, first rate and date in words."""
        return f"{self.name}, {100 * self.bands[0][1]:g}% a year, as in force on {self.in_force}"


#: Social time preference rate of the Green Book. The Discount Rate Review of 30 June 2026 recommends 3.0%;
#: a recommendation is not in force, so the rate is a parameter and carries its date.
STPR = DiscountRate(
    name="Green Book social time preference rate",
    in_force="2026-06-30",
    bands=((30, 0.035), (75, 0.030), (125, 0.025)),
    source="HM Treasury, The Green Book (2026)",
)


def treated_years(design: Design | None) -> Mapping[int, float]:
    """Return how treated area-periods spread over years since the first start.

    Returns
    -------
    mapping of int to float
        Year, counted from 0 -> share of treated area-periods; the shares sum to 1.

    Raises
    ------
    EstimationError
        If a result was read without its design.
    """
    if design is None:
        raise EstimationError("the result was read without its data, so its years are not known; give `design=`")
    arrays = design.arrays
    cells = arrays.treated.sum(axis=0)
    treated = np.flatnonzero(cells)
    year = (treated - treated[0]) // periods.per_year(arrays.periods)
    return {int(y): float(cells[treated[year == y]].sum() / cells.sum()) for y in np.unique(year)}

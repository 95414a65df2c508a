"""Money with its price base, and the way from one year's prices to another's."""

from __future__ import annotations

import csv
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType

from svmodel.errors import DataError


@functools.cache
def gdp_deflators() -> Mapping[int, float]:
    """Return the GDP deflators that come with svmodel: calendar year -> index, 2024 = 100.

    HM Treasury, December 2025. A year that was not read in that table is not in this one.

    Examples
    --------
    >>> gdp_deflators()[2024]
    100.0
    """
    text = resources.files("svmodel.economics").joinpath("data/gdp_deflators.csv").read_text(encoding="utf-8")
    return MappingProxyType({int(row["year"]): float(row["index"]) for row in csv.DictReader(text.splitlines())})


def deflate(amount: float, *, from_year: int, to_year: int, deflators: Mapping[int, float] | None = None) -> float:
    """Return an amount of pounds in the prices of another year.

    Parameters
    ----------
    amount : float
        Pounds in the prices of `from_year`.
    from_year, to_year : int
        Calendar years.
    deflators : mapping of int to float, optional
        Year -> price index; :func:`gdp_deflators` unless given.

    Returns
    -------
    float
        Pounds in the prices of `to_year`: ``amount * index[to_year] / index[from_year]``.

    Raises
    ------
    DataError
        If a year is not in the table; the index is never guessed or carried over.

    Examples
    --------
    >>> round(deflate(14_050, from_year=2015, to_year=2024))
    18695
    """
    table = gdp_deflators() if deflators is None else deflators
    if from_year == to_year:
        return float(amount)
    lacking = [year for year in (from_year, to_year) if year not in table]
    if lacking:
        raise DataError(
            f"there is no GDP deflator for {' and '.join(map(str, lacking))}; the table has "
            f"{', '.join(map(str, sorted(table)))}. Use one of these years, or give `deflators=` with the year"
        )
    return amount * table[to_year] / table[from_year]


@dataclass(frozen=True)
class Money:
    """Pounds in the prices of a year.

    Parameters
    ----------
    amount : float
        Pounds.
    price_year : int
        Calendar year of the price base.

    Examples
    --------
    >>> print(Money(45_142.60, 2021).in_prices(2024))
    £52,715 (2024 prices)
    """

    amount: float
    price_year: int

    def __post_init__(self) -> None:
        if not math.isfinite(self.amount):
            raise DataError(f"{self.amount!r} is no amount of money")

    def in_prices(self, year: int, *, deflators: Mapping[int, float] | None = None) -> Money:
        """Return the same money in the prices of another year."""
        return Money(deflate(self.amount, from_year=self.price_year, to_year=year, deflators=deflators), year)

    def __str__(self) -> str:
        sign = "-" if self.amount < 0 else ""
        return f"{sign}£{abs(self.amount):,.0f} ({self.price_year} prices)"

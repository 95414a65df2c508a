"""The cost ledger of an intervention, and how many offences it would have to avert to pay for itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from svmodel.costs import CostLine
from svmodel.economics.prices import Money, deflate
from svmodel.economics.unit_costs import UnitCost
from svmodel.errors import DataError, DesignError, Problem, Problems

if TYPE_CHECKING:
    import pandas as pd


def cost_total(lines: Iterable[CostLine], *, price_year: int, deflators: Mapping[int, float] | None = None) -> Money:
    """Return what the lines cost together, in the prices of one year.

    Parameters
    ----------
    lines : iterable of CostLine
        Each with its own price base.
    price_year : int
        Prices to put them all in.
    deflators : mapping of int to float, optional
        Year -> price index; the GDP deflators that come with svmodel unless given.

    Returns
    -------
    Money

    Raises
    ------
    DataError
        With every line whose year has no deflator, or when there is no line.

    Examples
    --------
    >>> cost_total([CostLine("course", 10, 4514.26, 2021), CostLine("hall", 1, 500, 2021)], price_year=2021)
    Money(amount=45642.6, price_year=2021)
    """
    lines = tuple(lines)
    return Money(sum(_in_prices(lines, price_year, deflators)), price_year)


def _in_prices(lines: tuple[CostLine, ...], price_year: int, deflators: Mapping[int, float] | None) -> list[float]:
    if not lines:
        raise DataError("there are no costs to add up")
    found, totals = Problems(), []
    for line in lines:
        try:
            totals.append(deflate(line.total, from_year=line.price_year, to_year=price_year, deflators=deflators))
        except DataError as error:
            found.extend([Problem(error.title, where=f"cost line {line.item!r}", rule="no_deflator")])
    found.raise_if_any(DataError, "the costs cannot be added up")
    return totals


def break_even(cost: Money, unit_cost: UnitCost | Money) -> float:
    """Return how many offences have to be averted for their cost to equal the intervention's.

    Parameters
    ----------
    cost : Money
        Of the intervention, e.g. from :func:`cost_total`.
    unit_cost : UnitCost or Money
        Of one offence, in the same prices.

    Returns
    -------
    float
        Events to avert; positive.

    Raises
    ------
    DesignError
        If the two are in prices of different years.

    Examples
    --------
    >>> round(break_even(Money(45_142.60, 2024), Money(18_695, 2024)), 1)
    2.4
    """
    if cost.price_year != unit_cost.price_year:
        raise DesignError(
            f"the cost is in {cost.price_year} prices and one offence in {unit_cost.price_year} prices; put both in "
            f"the prices of one year, e.g. with `.in_prices({unit_cost.price_year})`"
        )
    if unit_cost.amount <= 0:
        raise DesignError("an offence that costs nothing never pays for an intervention")
    return cost.amount / unit_cost.amount


def ledger_table(
    lines: Iterable[CostLine], *, price_year: int, deflators: Mapping[int, float] | None = None
) -> pd.DataFrame:
    """Return the cost ledger as a table for a report.

    Returns
    -------
    pandas.DataFrame
        Columns ``item, quantity, unit_cost, price_year, total, total_in_prices, source``: ``total`` in the
        line's own prices, ``total_in_prices`` in those of `price_year`. The last row, ``Total``, sums
        ``total_in_prices``; its ``total`` is missing where the lines have several price bases.

    Raises
    ------
    DataError
        As :func:`cost_total`.
    """
    import pandas as pd

    lines = tuple(lines)
    totals = _in_prices(lines, price_year, deflators)
    rows = [
        {
            "item": line.item,
            "quantity": float(line.quantity),
            "unit_cost": float(line.unit_cost),
            "price_year": int(line.price_year),
            "total": line.total,
            "total_in_prices": total,
            "source": line.source,
        }
        for line, total in zip(lines, totals, strict=True)
    ]
    one_base = len({line.price_year for line in lines}) == 1
    rows.append(
        {
            "item": "Total",
            "quantity": None,
            "unit_cost": None,
            "price_year": lines[0].price_year if one_base else None,
            "total": round(sum(line.total for line in lines), 2) if one_base else None,
            "total_in_prices": sum(totals),
            "source": "",
        }
    )
    frame = pd.DataFrame(rows)
    return frame.astype({"quantity": "float64", "unit_cost": "float64", "total": "float64", "price_year": "Int64"})


def break_even_table(
    lines: Iterable[CostLine],
    unit_cost: UnitCost,
    *,
    price_year: int,
    deflators: Mapping[int, float] | None = None,
) -> pd.DataFrame:
    """Return, for each line and for all, how many offences would pay for it.

    Returns
    -------
    pandas.DataFrame
        Columns ``item, cost, unit_cost, price_year, break_even_events``; costs in the prices of
        `price_year`; the last row is ``Total``.

    Raises
    ------
    DataError
        As :func:`cost_total`.
    """
    import pandas as pd

    lines = tuple(lines)
    totals = _in_prices(lines, price_year, deflators)
    one = unit_cost.in_prices(price_year, deflators=deflators)
    names = [*(line.item for line in lines), "Total"]
    return pd.DataFrame(
        {
            "item": name,
            "cost": cost,
            "unit_cost": one.amount,
            "price_year": price_year,
            "break_even_events": break_even(Money(cost, price_year), one),
        }
        for name, cost in zip(names, [*totals, sum(totals)], strict=True)
    )

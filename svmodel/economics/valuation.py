"""What the averted offences are worth beside what the intervention cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from svmodel.costs import CostLine
from svmodel.economics.discounting import STPR, DiscountRate, treated_years
from svmodel.economics.ledger import cost_total
from svmodel.economics.prices import Money
from svmodel.economics.unit_costs import UnitCost
from svmodel.errors import DesignError, EstimationError
from svmodel.result import Result

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Interval:
    """An estimate with its limits."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Valuation:
    """What an effect is worth beside what it cost; pounds in the prices of `price_year`.

    Attributes
    ----------
    outcome : str
    averted : Interval
        Recorded events averted: minus the effect in events, so positive means fewer harms.
    unit_cost : UnitCost
        Of one offence, in the prices of `price_year`.
    multiplier : float
        Offences that stand behind one recorded offence; 1 counts recorded offences alone.
    discount_factor : float
        Mean weight of an event's pounds: 1 where all treated periods lie within one year.
    benefit : Interval
        ``averted * multiplier * unit cost * discount factor``. Negative where harms rose.
    cost : Money or None
        None where no costs were given; what needs them is None then too.
    net : Interval or None
        Benefit less cost.
    benefit_cost_ratio : Interval or None
    probability_pays : float or None
        Share of draws in which the benefit is at least the cost; None where the method gives no draws.
    break_even_events : float or None
        Recorded events that have to be averted for the benefit to equal the cost.
    break_even_percent : float or None
        The same as per cent of the events expected without the intervention.
    price_year : int
    level : float
        Coverage of every interval.
    notes : tuple of str
        What a reader has to know; reports print them.
    """

    outcome: str
    averted: Interval
    unit_cost: UnitCost
    multiplier: float
    discount_factor: float
    benefit: Interval
    cost: Money | None
    net: Interval | None
    benefit_cost_ratio: Interval | None
    probability_pays: float | None
    break_even_events: float | None
    break_even_percent: float | None
    price_year: int
    level: float
    notes: tuple[str, ...]


def value(
    result: Result,
    unit_cost: UnitCost,
    cost_lines: Iterable[CostLine] | float | None = None,
    *,
    price_year: int = 2024,
    multiplier: float = 1.0,
    multiplier_source: str = "",
    discount: DiscountRate | None = STPR,
    deflators: Mapping[int, float] | None = None,
) -> Valuation:
    """Put a price on the events that a result says were averted.

    Parameters
    ----------
    result : Result
        With an average effect on the scale ``events``.
    unit_cost : UnitCost
        Of one offence of the result's outcome, in any price base.
    cost_lines : iterable of CostLine or float, optional
        What the intervention cost, all of it in its first year; a bare sum is taken to be in the prices of
        `price_year`. ``result.design.intervention.cost`` unless given.
    price_year : int
        Prices of every pound in the answer.
    multiplier : float
        Offences behind one recorded offence. 1, unless a source says how many go unrecorded.
    multiplier_source : str
        Where the multiplier stands; needed for any other than 1.
    discount : DiscountRate, optional
        Applied where treated periods span more than a year, by years since the first start, the events
        being spread as the treated area-periods are. None discounts nothing.
    deflators : mapping of int to float, optional
        Year -> price index; the GDP deflators that come with svmodel unless given.

    Returns
    -------
    Valuation

    Raises
    ------
    EstimationError
        If the result gives no effect in events, or came without its design.
    DesignError
        If the multiplier is below 1 or has no source.
    DataError
        If a price base has no deflator.
    """
    if not result.has("att", "events"):
        raise EstimationError(
            f"{type(result.estimator).__name__} gives no effect in events, so there is nothing to put a price on"
        )
    if multiplier != 1 and not (multiplier > 1 and multiplier_source):
        raise DesignError(
            f"a multiplier of {multiplier!r} cannot be used; it is 1, or more than 1 with `multiplier_source=` that "
            "says where it stands"
        )
    if result.design is None:
        raise EstimationError("the result was read without its data; read it with `design=` to value it")
    one = unit_cost.in_prices(price_year, deflators=deflators)
    years = treated_years(result.design)
    factor = 1.0 if discount is None else sum(share * discount.factor(year) for year, share in years.items())
    pounds = one.amount * multiplier * factor
    effect = result.effect("att", "events")
    averted = Interval(-effect.estimate, -effect.conf_high, -effect.conf_low)
    benefit = Interval(averted.estimate * pounds, averted.low * pounds, averted.high * pounds)
    given = result.design.intervention.cost if cost_lines is None else cost_lines
    cost, bare = _cost(given, price_year, deflators)
    has_cost = cost is not None and cost.amount > 0
    observed = _observed(result)
    expected = observed + averted.estimate
    needed = cost.amount / pounds if cost is not None else None
    notes = _notes(result, one, price_year, multiplier, multiplier_source, discount, years, bare=bare)
    return Valuation(
        outcome=result.design.outcome,
        averted=averted,
        unit_cost=one,
        multiplier=float(multiplier),
        discount_factor=factor,
        benefit=benefit,
        cost=cost,
        net=None if cost is None else Interval(*(b - cost.amount for b in _numbers(benefit))),
        benefit_cost_ratio=Interval(*(b / cost.amount for b in _numbers(benefit))) if cost and has_cost else None,
        probability_pays=None if cost is None else _probability(result, pounds, cost.amount),
        break_even_events=needed,
        break_even_percent=100 * needed / expected if needed is not None and expected > 0 else None,
        price_year=price_year,
        level=effect.level,
        notes=notes,
    )


def _numbers(interval: Interval) -> tuple[float, float, float]:
    return interval.estimate, interval.low, interval.high


def _cost(
    given: Iterable[CostLine] | float | None, price_year: int, deflators: Mapping[int, float] | None
) -> tuple[Money | None, bool]:
    if given is None:
        return None, False
    if isinstance(given, Iterable):
        return cost_total(given, price_year=price_year, deflators=deflators), False
    return Money(float(given), price_year), True


def _observed(result: Result) -> float:
    if result.design is None:  # value() has refused it already
        raise EstimationError("the result has no design")
    arrays = result.design.arrays
    return float(arrays.y[arrays.treated].sum())


def _probability(result: Result, pounds: float, cost: float) -> float | None:
    """Return the share of draws in which the averted events are worth the cost."""
    if result.event_draws is not None:
        return float((-np.asarray(result.event_draws, dtype=np.float64) * pounds >= cost).mean())
    if result.draws is None or result.design is None:
        return None
    draws: NDArray[np.float64] = np.asarray(result.draws, dtype=np.float64)
    if result.has("att", "rate_ratio"):
        # observed = expected * ratio, so that expected - observed = observed * (1 / ratio - 1)
        averted = _observed(result) * np.expm1(-draws)
    else:
        averted = -draws * int(result.design.arrays.treated.sum())
    return float((averted * pounds >= cost).mean())


def _notes(
    result: Result,
    one: UnitCost,
    price_year: int,
    multiplier: float,
    multiplier_source: str,
    discount: DiscountRate | None,
    years: Mapping[int, float],
    *,
    bare: bool,
) -> tuple[str, ...]:
    notes = [
        "The unit cost is a social cost: most of it is harm to victims, and little of it comes back to a budget."
        if one.perspective == "social"
        else "The unit cost is a fiscal cost: what public budgets pay, without the harm to victims.",
        f"One offence: £{one.amount:,.0f} in {price_year} prices ({one.source}).",
    ]
    if result.design is not None and one.offence != result.design.outcome:
        notes.append(f"The unit cost is that of {one.offence}; the outcome is {result.design.outcome}.")
    if not one.verified:
        notes.append(f"The unit cost of {one.offence} was not verified in its source.")
    if multiplier == 1:
        notes.append("Recorded offences alone are counted; no multiplier stands in for unrecorded ones.")
    else:
        notes.append(f"Each recorded offence stands for {multiplier:g} offences ({multiplier_source}).")
    if len(years) > 1:
        notes.append(
            "Benefits of later years are not discounted."
            if discount is None
            else f"Benefits after the first year are discounted: {discount.describe()}."
        )
    if bare:
        notes.append(f"The cost was given as a bare sum and is taken to be in {price_year} prices.")
    return tuple(notes)


def valuation_table(valuation: Valuation) -> pd.DataFrame:
    """Return a valuation as a table for a report.

    Returns
    -------
    pandas.DataFrame
        Columns ``measure, unit, estimate, low, high``; ``unit`` is ``events``, ``pounds``, ``ratio``,
        ``per cent`` or ``probability``. Rows that cannot be given are left out; missing limits are NaN.
    """
    import pandas as pd

    rows: list[tuple[str, str, float, float, float]] = []

    def add(measure: str, unit: str, given: Interval | float | None) -> None:
        if isinstance(given, Interval):
            rows.append((measure, unit, *_numbers(given)))
        elif given is not None:
            rows.append((measure, unit, given, float("nan"), float("nan")))

    add("events averted", "events", valuation.averted)
    add("cost of one offence", "pounds", valuation.unit_cost.amount)
    add("benefit", "pounds", valuation.benefit)
    add("cost", "pounds", None if valuation.cost is None else valuation.cost.amount)
    add("net benefit", "pounds", valuation.net)
    add("benefit for each pound spent", "ratio", valuation.benefit_cost_ratio)
    add("probability that it pays for itself", "probability", valuation.probability_pays)
    add("break-even", "events", valuation.break_even_events)
    add("break-even, of the events expected", "per cent", valuation.break_even_percent)
    return pd.DataFrame(rows, columns=["measure", "unit", "estimate", "low", "high"])

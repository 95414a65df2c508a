"""The facts of an area's page, after disclosure control: last year, trend, forecast, worth, and provenance.

Sections put them into words and figures, and ``result.json`` writes them down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np
import pandas as pd

from svmodel import __version__, economics, periods
from svmodel.breaks import Break
from svmodel.costs import CostLine
from svmodel.economics.valuation import Valuation
from svmodel.errors import UserError
from svmodel.numerics.rates import rate_interval
from svmodel.present import prose
from svmodel.profile import change, comparators
from svmodel.report.pages.area_view import AreaView
from svmodel.report.study import OutcomeSpec, UnitCost
from svmodel.result import Effect
from svmodel.trends import Trend, fit_trend

_PER = 100_000
#: A change of more per cent is no limit to speak of; it is what a handful of events gives.
_NO_LIMIT = 10_000
_DEFAULT_PRICE_YEAR = 2024
_PACKAGES = ("numpy", "pandas", "scipy", "statsmodels", "pyfixest", "matplotlib", "papermill")


@dataclass(frozen=True)
class LastYear:
    """The last year of one outcome in one area, after disclosure control; NaN where hidden or not known.

    Attributes
    ----------
    end : pandas.Period
        Last period of the year.
    count, before : float
        Events in the year, and in the year before it.
    hidden : bool
        Whether ``count`` is hidden to protect small numbers.
    rate, rate_low, rate_high : float
        Events in the year per 100,000 people.
    everyone : float
        The same rate over all areas of the study.
    rank, ranked : int
        Place among the areas by rate, 1 the highest, and how many areas have a rate; 0 where it has none.
    rank_low, rank_high : int
        Ranks that chance leaves open, together with all other comparisons; 0 where not known.
    rounded : bool
        Whether the counts were rounded, so that a change is only about right.
    change_low, change_high : float
        Limits of the change; NaN also where counts were rounded, since exact limits would give them back, and where
        there are too few events to give any.
    """

    end: pd.Period
    count: float
    before: float
    hidden: bool
    rate: float
    rate_low: float
    rate_high: float
    everyone: float
    rank: int
    ranked: int
    rank_low: int = 0
    rank_high: int = 0
    rounded: bool = False
    change_low: float = np.nan
    change_high: float = np.nan

    @property
    def change(self) -> float:
        """Per cent change on the year before; negative means fewer."""
        return 100 * (self.count / self.before - 1) if self.before > 0 else np.nan


def last_year(view: AreaView, outcome: str) -> LastYear:
    """Return the last year's numbers of a count."""
    frame = view.counts.rolling_rates(outcome, view.study.exposure, width=view.year, per=_PER)
    end = view.panel.periods[-1]
    mine = frame[frame["area"] == view.area].set_index("period")
    now = mine.loc[end]
    before = mine["count"].get(end - view.year, np.nan)
    latest = frame[frame["period"] == end].set_index("area")["rate"]
    others = latest.drop("all areas").dropna().sort_values(ascending=False)
    low = high = np.nan
    limits = (0, 0)
    if np.isfinite(now["rate"]):
        limits = _rank_limits(view, outcome)
        interval = rate_interval([now["count"]], [now["exposure"]], per=_PER)
        low, high = float(interval.low[0]), float(interval.high[0])
    rounded = view.disclosure.for_series(view.panel.matrix(outcome)[view.panel.areas.index(view.area)]).rounds
    change_low, change_high = (np.nan, np.nan) if rounded else _change_limits(view, outcome)
    return LastYear(
        end=end,
        count=float(now["count"]),
        before=float(before),
        hidden=now["count_flag"] == "c",
        rate=float(now["rate"]),
        rate_low=low,
        rate_high=high,
        everyone=float(latest["all areas"]),
        rank=list(others.index).index(view.area) + 1 if view.area in others.index else 0,
        ranked=len(others),
        rank_low=limits[0],
        rank_high=limits[1],
        rounded=rounded,
        change_low=change_low,
        change_high=change_high,
    )


def _change_limits(view: AreaView, outcome: str) -> tuple[float, float]:
    if view.panel.n_periods < 2 * view.year:
        return np.nan, np.nan
    found = change(view.panel, outcome).set_index("area").loc[view.area]
    low, high = float(found["percent_low"]), float(found["percent_high"])
    return (low, high) if high < _NO_LIMIT else (np.nan, np.nan)


def _rank_limits(view: AreaView, outcome: str) -> tuple[int, int]:
    if not view.study.exposure or view.panel.n_areas < 2:
        return 0, 0
    first = comparators(view.panel, outcome, view.study.exposure, view.area).iloc[0]
    low, high = first["rank_low"], first["rank_high"]
    return (int(low), int(high)) if np.isfinite(low) and np.isfinite(high) else (0, 0)


def trend_of(view: AreaView, outcome: str) -> Trend | str:
    """Return the fitted trend of an outcome, or why there is none."""
    index = view.panel.periods
    declared = [Break(b.period, b.reason, b.until) for b in view.study.breaks]
    breaks = [b for b in declared if 0 < b.within(index)[0] < len(index)]
    try:
        return fit_trend(view.panel, outcome, exposure=view.study.exposure, area=view.area, breaks=breaks)
    except UserError as error:
        reasons = "; ".join(str(p) for p in error.problems)
        return view.free_text(f"{error.title}{': ' + reasons if reasons else ''}")


def next_periods(forecast: Any, area: str) -> pd.DataFrame:
    """Return an area's forecast with one row a period: period, then a column for each quantile."""
    rows = forecast.quantiles[forecast.quantiles["area"] == area]
    return rows.pivot_table(index="period", columns="quantile", values="value").sort_index()


@dataclass(frozen=True)
class Worth:
    """What the effect on one outcome is worth, made from protected numbers; pounds in the prices of one year.

    Attributes
    ----------
    outcome : OutcomeSpec
    averted, averted_low, averted_high : float
        Events prevented over the whole study; negative where they rose.
    pounds : float
        Value of one prevented event, after multiplier and discounting: the mean over the treated periods.
    price : float
        The same before discounting.
    cost : float
        Of the intervention; NaN where none is declared.
    break_even : float
        Events that had to be prevented for the benefit to equal the cost; NaN without a cost.
    break_even_percent : float
        The same as per cent of the events expected in treated areas and periods.
    level : float
        Coverage of the limits.
    notes : tuple of str
    pays : float
        Posterior probability that what was prevented is worth the cost; NaN where the method gives none.
    """

    outcome: OutcomeSpec
    averted: float
    averted_low: float
    averted_high: float
    pounds: float
    price: float
    cost: float
    break_even: float
    break_even_percent: float
    level: float
    notes: tuple[str, ...]
    pays: float = math.nan

    @property
    def benefit(self) -> tuple[float, float, float]:
        """Pounds, with limits."""
        return self.averted * self.pounds, self.averted_low * self.pounds, self.averted_high * self.pounds


def price_year(view: AreaView) -> int:
    """Return the year in whose prices the page speaks."""
    return view.study.economics.price_year or _DEFAULT_PRICE_YEAR


def cost_lines(view: AreaView) -> tuple[CostLine, ...]:
    """Return the declared cost lines; empty where there are none."""
    spec = view.study.intervention
    return tuple(spec.cost) if spec is not None else ()


def worth_of(view: AreaView, given: UnitCost) -> Worth | str:
    """Return what the headline method's effect is worth, or why none is put on it.

    Only the headline outcome is valued, in areas that had the intervention, and only where its effect points one way: a
    price on a side outcome, or on what may be no effect, would pass for an answer.
    """
    outcome = view.study.outcome(given.outcome)
    if outcome is not view.headline:
        return (
            f"{outcome.label} is not the headline outcome, and its price does not answer whether the intervention was "
            "worth it."
        )
    if not view.meaning(outcome).harms:
        return (
            f"{outcome.label} is not counted as a harm by the study file (key `good`), and a price is put on harms "
            "prevented alone."
        )
    if not view.starts:
        return f"No part of {view.place} received the intervention."
    effects = view.overall(outcome.column)
    if effects is not None and effects.events is not None and not effects.clear:
        if effects.direction == "unknown":
            return "How sure the effect is could not be worked out, so nobody can say whether it paid for itself."
        return f"{effects.certainty} So no worth is put on it."
    return weighed(view, given)


def weighed(view: AreaView, given: UnitCost) -> Worth | str:
    """Return the headline method's effect on an outcome in pounds whatever it is, or why that cannot be had."""
    outcome = view.study.outcome(given.outcome)
    result = view.results(outcome.column).get(view.headline_method)
    effects = view.overall(outcome.column)
    if not view.meaning(outcome).harms:
        return f"{outcome.label} is not counted as a harm, so nothing of it is prevented."
    if result is None or effects is None:
        return f"The effect on {prose.outcome_name(outcome.label)} could not be estimated, so it has no price."
    if effects.hidden:
        return f"The effect on {prose.outcome_name(outcome.label)} rests on too few events to be shown."
    if effects.events is None:
        return f"The headline method gives no effect on {prose.outcome_name(outcome.label)} in events."
    one = economics.UnitCost(given.outcome, given.cost, given.price_year, given.source or "the study file")
    try:
        found = economics.value(result, one, cost_lines(view) or None, price_year=price_year(view))
    except UserError as error:
        return prose.sentence(view.free_text(str(error)))
    return _protected_worth(view, outcome, effects.events, found)


def _protected_worth(view: AreaView, outcome: OutcomeSpec, events: Effect, found: Valuation) -> Worth:
    """Carry a valuation over to the published events, so that pounds give no exact count back."""
    shown = view.shown(outcome.column)[view.headline_method]
    expected = shown.totals()["expected"]
    if np.isnan(expected) and not view.disclosure.active and found.break_even_percent:
        expected = 100 * (found.break_even_events or np.nan) / found.break_even_percent
    needed = np.nan if found.break_even_events is None else found.break_even_events
    return Worth(
        outcome=outcome,
        averted=-events.estimate,
        averted_low=-events.conf_high,
        averted_high=-events.conf_low,
        pounds=found.unit_cost.amount * found.multiplier * found.discount_factor,
        price=found.unit_cost.amount * found.multiplier,
        cost=np.nan if found.cost is None else found.cost.amount,
        break_even=needed,
        break_even_percent=100 * needed / expected if expected > 0 else np.nan,
        level=events.level,
        notes=found.notes,
        pays=found.probability_pays if shown.result.is_posterior and found.probability_pays is not None else math.nan,
    )


def provenance(view: AreaView) -> dict[str, Any]:
    """Return where a page's numbers come from, without times, so that two runs give the same bytes."""
    study = view.study
    return {
        "svmodel": __version__,
        "packages": {name: version_of(name) for name in _PACKAGES},
        "data_fingerprint": view.context.panel.fingerprint,
        "data_sources": list(view.context.data_sources),
        "study": study.path.name,
        "seed": study.seed,
        "estimators": {s.label: dict(s.choices) for s in study.estimators},
        "inference": {s.label: dict(s.choices) for s in study.inference},
        "disclosure": dict(vars(view.disclosure)),
        "window": None if study.window is None else [None if p is None else periods.code(p) for p in study.window],
        "anticipation": study.anticipation,
        "horizon": study.horizon,
    }


def version_of(package: str) -> str:
    """Return the version of an installed package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"

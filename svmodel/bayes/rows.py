"""Posterior draws of sums with and without the intervention, as rows of the table of estimates."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from svmodel.design import DesignArrays
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.result.tables import ALL_TREATED, observed_and_expected, treated_groups


@dataclass(frozen=True, eq=False)
class TreatedCells:
    """Draws of the expected counts of the treated cells.

    Attributes
    ----------
    arrays : DesignArrays
    area, time : ndarray of int, shape (n,)
        Row and column of each cell.
    with_it, without : ndarray, shape (S, n)
        Expected counts with and without the intervention.
    counts : bool
        Whether the outcome counts events; a measure has differences only.
    level : float
        Posterior probability in an interval.
    members : ndarray of int, shape (N,), optional
        How many areas each row of the arrays sums; one each where None.
    """

    arrays: DesignArrays
    area: Ints
    time: Ints
    with_it: Floats
    without: Floats
    counts: bool = True
    level: float = 0.95
    members: Ints | None = None

    def size(self, which: Mask | None = None) -> int:
        """Return the area-periods in some cells."""
        area = self.area if which is None else self.area[which]
        return len(area) if self.members is None else int(self.members[area].sum())

    @property
    def areas(self) -> int:
        """How many treated areas there are in the cells."""
        rows = np.unique(self.area)
        return len(rows) if self.members is None else int(self.members[rows].sum())

    @property
    def observed(self) -> float:
        """What was observed in all cells."""
        return float(self.arrays.y[self.area, self.time].sum())

    def summed(self, which: Mask | None = None) -> tuple[Floats, Floats]:
        """Return draws of the sums over some cells, with and without, shape (S,)."""
        if which is None:
            return self.total
        return self.with_it @ which.astype(np.float64), self.without @ which.astype(np.float64)

    @cached_property
    def total(self) -> tuple[Floats, Floats]:
        """Draws of the sums over all cells."""
        return self.with_it.sum(axis=1), self.without.sum(axis=1)

    @property
    def log_ratio(self) -> Floats:
        """Draws of the average effect, as the log of the ratio of the sums."""
        both, none = self.total
        if (both > 0).all() and (none > 0).all():
            return np.log(both) - np.log(none)
        with np.errstate(divide="ignore"):
            return np.log(ratio(both, none))

    @property
    def difference(self) -> Floats:
        """Draws of the average effect, in the outcome's units an area-period."""
        return self.events / self.size()

    @property
    def events(self) -> Floats:
        """Draws of the events that the intervention added; negative where it averted them."""
        both, none = self.total
        return both - none

    def exposure(self, which: Mask | None = None) -> float | None:
        """Return the person-periods of some cells; None without an exposure."""
        if self.arrays.exposure is None:
            return None
        people = self.arrays.exposure[self.area, self.time]
        return float(people.sum() if which is None else people @ which)

    def rows(self, term: str, which: Mask | None = None, **labels: Any) -> list[dict[str, Any]]:
        """Return the rows of the sum over some cells."""
        people, counts = self.exposure(which), self.counts
        return sum_rows(
            term, *self.summed(which), float(self.size(which)), people, counts=counts, level=self.level, **labels
        )


def ratio(with_it: Floats, without: Floats) -> Floats:
    """Return the ratio; infinite where none would have been and there were some, 1 where there were none either.

    NaN where no draw has an event with or without the intervention: of a ratio of nothing to nothing nothing is known.
    """
    some = without > 0
    if not (some.any() or with_it.any()):
        return np.full(len(with_it), np.nan)
    return np.where(some, with_it / np.where(some, without, 1.0), np.where(with_it > 0, np.inf, 1.0))


def summary(draws: Floats, level: float) -> dict[str, float]:
    """Return median, standard deviation and limits of draws, some of which may be infinite."""
    ends = [0.5 - level / 2, 0.5, 0.5 + level / 2]
    if not np.isfinite(draws).all():
        low, middle, high = np.quantile(draws, ends, method="inverted_cdf")
        return {"estimate": float(middle), "std_error": math.nan, "conf_low": float(low), "conf_high": float(high)}
    low, middle, high = np.quantile(draws, ends)
    return {
        "estimate": float(middle),
        "std_error": float(draws.std(ddof=1)),
        "conf_low": float(low),
        "conf_high": float(high),
    }


def sum_rows(
    term: str,
    with_it: Floats,
    without: Floats,
    cells: float,
    exposure: float | None,
    *,
    counts: bool = True,
    level: float = 0.95,
    **which: Any,
) -> list[dict[str, Any]]:
    """Return one sum on every scale.

    Parameters
    ----------
    term : str
    with_it, without : ndarray, shape (S,)
        Draws of the expected sums with and without the intervention.
    cells : float
        Area-periods in the sum.
    exposure : float or None
        Their person-periods.
    counts, level
        As in :class:`TreatedCells`.
    **which
        area, cohort, period, horizon.

    Notes
    -----
    The estimate is the posterior median, which is the same number on every scale; the interval is equal-tailed. A
    posterior has no p-value: ``prob_reduction`` is the probability of fewer harms than without the intervention.
    """
    difference = with_it - without
    shared = {
        "term": term,
        "level": level,
        "p_value": math.nan,
        "prob_reduction": float(np.mean(difference < 0)) if with_it.any() or without.any() else math.nan,
        **which,
    }
    per_cell = {"scale": "difference", **summary(difference / cells, level), **shared}
    if not counts:
        return [per_cell]
    out = [{"scale": "rate_ratio", **summary(ratio(with_it, without), level), **shared}]
    if exposure:
        out.append({"scale": "per_100k", **summary(difference / exposure * 1e5, level), **shared})
    return [*out, {"scale": "events", **summary(difference, level), **shared}, per_cell]


def reporting_areas(arrays: DesignArrays, treated: Ints, parents: Mapping[str, str] | None) -> dict[str, Ints]:
    """Return the rows of each treated area, and of the treated areas in each reporting area."""
    places = treated_groups(arrays.areas, treated, parents or {})
    return {name: treated[inside] for name, inside in places.items()}


def term_rows(cells: TreatedCells, parents: Mapping[str, str] | None = None) -> Iterator[dict[str, Any]]:
    """Give the rows of every term: the average, each area and reporting area, cohort, horizon and period."""
    arrays = cells.arrays
    yield from cells.rows("att")
    areas = np.unique(cells.area)
    if cells.members is not None:
        areas = areas[cells.members[areas] == 1]  # a sum over areas is the answer of none of them
    for name, inside in reporting_areas(arrays, areas, parents).items():
        yield from cells.rows("area", np.isin(cells.area, inside), area=name)
    start = arrays.start[cells.area]
    for g in np.unique(start):
        yield from cells.rows("cohort", start == g, cohort=arrays.periods[0] + int(g))
    horizon = cells.time - start
    for h in np.unique(horizon):
        yield from cells.rows("event", horizon == h, horizon=float(h))
    for t in np.unique(cells.time):
        yield from cells.rows("calendar", cells.time == t, period=arrays.periods[t])


def path(
    arrays: DesignArrays,
    area: Ints,
    time: Ints,
    without: Floats,
    level: float,
    parents: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Return observed and expected outcomes of cells of treated areas, and by period of their sums.

    The sums are over the treated areas of each reporting area, and over all of them.

    Parameters
    ----------
    arrays : DesignArrays
    area, time : ndarray of int, shape (n,)
        Cells of treated areas, before and after their starts.
    without : ndarray, shape (S, n)
        Draws of what was to be expected without the intervention.
    level : float
        The limits are those of the expected count, not of a count about it.
    parents : mapping of str to str, optional
        Area -> reporting area.
    """
    names, areas = np.array(list(arrays.periods), dtype=object), np.array(arrays.areas, dtype=object)
    observed, treated = arrays.y[area, time], np.unique(area)
    held: list[tuple[Any, Any, Floats, Floats]] = [(areas[area], names[time], observed, without)]
    for name, inside in {**reporting_areas(arrays, treated, parents), ALL_TREATED: treated}.items():
        if name in areas[treated]:
            continue
        which = np.isin(area, inside)
        times, place = np.unique(time[which], return_inverse=True)
        member = np.eye(len(times))[place]
        held.append(([name] * len(times), names[times], observed[which] @ member, without[:, which] @ member))
    ends = [0.5 - level / 2, 0.5, 0.5 + level / 2]
    parts = []
    for who, when, seen, draws in held:
        low, middle, high = np.quantile(draws, ends, axis=0)
        parts.append(observed_and_expected(who, when, observed=seen, expected=middle, low=low, high=high))
    return pd.concat(parts, ignore_index=True)

"""Intervention and Design: what is asked of a Panel, and nothing about how it is answered."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from numbers import Real
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel import periods
from svmodel.area_names import UnknownAreaError, area_name
from svmodel.costs import CostLine
from svmodel.design.meaning import GOOD, Good, Meaning
from svmodel.design.rules import Asked, find_problems
from svmodel.errors import DataError, DesignError, Problem, Problems, shorten
from svmodel.numerics.cluster.membership import Clusters
from svmodel.panel import Panel
from svmodel.periods import PeriodLike
from svmodel.words import one_or_more

#: Start index of an area that is never treated.
NEVER = 10**6
#: Status of a cell: may serve as control, is treated, or serves as neither (anticipation, or after the end).
UNTREATED, TREATED, EXCLUDED = 0, 1, 2


@dataclass(frozen=True)
class Intervention:
    """Where and when something was done.

    Parameters
    ----------
    name : str
        As the report shall call it.
    starts : mapping of str to period
        First period in which an area had the intervention. An area without a start is never treated, and so is one
        whose start is 0, infinite or missing. The start of a
        reporting area of the panel (see :attr:`svmodel.Panel.parents`) is that of each small area in it.
    ends : mapping of str to period, optional
        Last period in which an area had it. Cells after the end serve neither as treated nor as control.
    cost : float or iterable of CostLine, optional
        Pounds spent over the whole study; lines with a price base are better than a bare sum.
    by_area : bool
        Whether the starts are of the panel's own areas, so that no name is looked up any more; a design sees to it.

    Raises
    ------
    DesignError
        If a start or an end names no period, an end is before its start, an end has no start, or the cost is
        neither an amount of 0 or more nor cost lines.

    Examples
    --------
    >>> Intervention("Focused deterrence", starts={"E08000012": "2023-04"}).starts["E08000012"]
    Period('2023-04', 'M')
    """

    name: str
    starts: Mapping[str, Any]  # any PeriodLike on the way in, always pandas.Period afterwards
    ends: Mapping[str, Any] | None = None
    cost: float | tuple[CostLine, ...] | None = None
    by_area: bool = field(default=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        problems = Problems()
        starts = self._parsed(self.starts, "starts", problems)
        ends = self._parsed(self.ends or {}, "ends", problems)
        for area, end in ends.items():
            start = starts.get(area)
            if start is None:
                problems.add(f"area {area!r} has an end but no start", where="ends", rule="end_without_start")
            elif end.end_time < start.start_time:
                problems.add(f"area {area!r} ends {end}, before it starts {start}", where="ends", rule="end_first")
        object.__setattr__(self, "cost", _checked_cost(self.cost, problems))
        problems.raise_if_any(DesignError, f"intervention {self.name!r} cannot be used")
        object.__setattr__(self, "starts", MappingProxyType(starts))
        object.__setattr__(self, "ends", MappingProxyType(ends))

    def __reduce__(self) -> tuple[object, ...]:
        return Intervention, (self.name, dict(self.starts), dict(self.ends or {}), self.cost, self.by_area)

    @staticmethod
    def _parsed(given: Mapping[str, Any], where: str, problems: Problems) -> dict[str, pd.Period]:
        parsed: dict[str, pd.Period] = {}
        if not isinstance(given, Mapping) and not hasattr(given, "items"):
            problems.add(
                f"{given!r} does not say which area", where=where, fix='Give {"area": "2023-04"}.', rule="starts"
            )
            return parsed
        for area, value in given.items():
            if _is_never(value):
                continue
            try:
                read = periods.parse_last if where == "ends" else periods.parse_first
                parsed[area_name(area)] = read(value)
            except DataError as error:
                problems.add(error.title, where=f"{where}, area {area!r}", rule="period_unreadable")
        return parsed

    @property
    def areas(self) -> tuple[str, ...]:
        """Treated areas, sorted."""
        return tuple(sorted(self.starts))


def _is_never(value: Any) -> bool:
    """Return whether a start says never treated, as 0, infinity and what is missing do in many packages."""
    if isinstance(value, Real):
        return float(value) == 0 or not math.isfinite(value)
    return value is None or value is pd.NaT or value is pd.NA


def _checked_cost(cost: Any, problems: Problems) -> float | tuple[CostLine, ...] | None:
    if cost is None:
        return None
    if isinstance(cost, CostLine):
        return (cost,)
    if isinstance(cost, Iterable) and not isinstance(cost, str):
        lines = tuple(cost)
        if all(isinstance(line, CostLine) for line in lines):
            return lines
    elif isinstance(cost, Real) and math.isfinite(cost) and float(cost) >= 0:
        return float(cost)
    problems.add(f"{cost!r} is neither an amount of 0 or more nor cost lines", where="cost", rule="cost")
    return None


def in_small_areas(intervention: Intervention, panel: Panel) -> Intervention:
    """Give starts and ends to the panel's own areas: by their names, and from reporting areas to each area in them.

    An area with a start of its own keeps it. What is no area stays as it was given, for the design's rules to name.

    Raises
    ------
    DesignError
        If a name is one of several areas, or of an area and of a reporting area.
    """
    freq = panel.periods.freqstr
    starts = {a: periods.fit(p, freq) for a, p in intervention.starts.items()}
    ends = {a: periods.fit(p, freq, end=True) for a, p in (intervention.ends or {}).items()}
    intervention = replace(intervention, starts=starts, ends=ends)
    if intervention.by_area or (not panel.parents and set(intervention.starts) <= set(panel.areas)):
        return replace(intervention, by_area=True)
    problems = Problems()
    spread: dict[str, dict[str, Any]] = {"starts": {}, "ends": {}}
    for key, held in (("starts", intervention.starts), ("ends", intervention.ends or {})):
        own: dict[str, Any] = {}
        for given, period in held.items():
            try:
                found = panel.area_names.find(given)
            except UnknownAreaError:
                own[given] = period
                continue
            except DataError as error:
                problems.add(error.title, where=key, rule="which_area")
                continue
            if found.level == "parent":
                spread[key].update(dict.fromkeys(panel.children(found.code), period))
            else:
                own[found.code] = period
        spread[key].update(own)
    problems.raise_if_any(DesignError, f"intervention {intervention.name!r} cannot be used")
    return replace(intervention, starts=spread["starts"], ends=spread["ends"], by_area=True)


@dataclass(frozen=True, eq=False)
class DesignArrays:
    """The design as arrays, for the numeric kernels. ``N`` areas by ``T`` periods.

    Attributes
    ----------
    y : ndarray, shape (N, T)
        Outcome in its own units; NaN where missing.
    exposure : ndarray, shape (N, T) or None
        Population at risk, in persons.
    start : ndarray of int, shape (N,)
        Index of the first treated period; may lie beyond ``T``; :data:`NEVER` where never treated.
    status : ndarray of int8, shape (N, T)
        :data:`UNTREATED`, :data:`TREATED` or :data:`EXCLUDED`.
    covariates : ndarray, shape (N, T, K)
        In the order of ``design.covariates``.
    areas : tuple of str
    periods : pandas.PeriodIndex
    anticipation : int
        Of the design, in periods.
    covariate_names : tuple of str
    clusters : Clusters, optional
        Areas that share their noise. None where nothing is said of them: then each stands by itself.
    weights : ndarray, shape (N, T), optional
        Of observations, where they do not count alike.
    """

    y: NDArray[np.float64]
    exposure: NDArray[np.float64] | None
    start: NDArray[np.int64]
    status: NDArray[np.int8]
    covariates: NDArray[np.float64]
    areas: tuple[str, ...]
    periods: pd.PeriodIndex
    anticipation: int = 0
    covariate_names: tuple[str, ...] = ()
    clusters: Clusters | None = None
    weights: NDArray[np.float64] | None = None

    @cached_property
    def units(self) -> Clusters:
        """The clusters; each area by itself where nothing is said of them."""
        return Clusters.singles(len(self.areas)) if self.clusters is None else self.clusters

    @cached_property
    def weight(self) -> NDArray[np.float64]:
        """Weights of observations, shape (N, T): ones where all count alike."""
        return np.ones(self.y.shape) if self.weights is None else self.weights

    @cached_property
    def area_weight(self) -> NDArray[np.float64]:
        """Mean weight of each area over its known outcomes, shape (N,)."""
        known = ~np.isnan(self.y)
        count = np.maximum(known.sum(axis=1), 1)
        return np.where(known, self.weight, 0.0).sum(axis=1) / count

    def assigned(self, pattern: NDArray[np.int64]) -> DesignArrays:
        """Return the arrays with the intervention dealt out anew: area i gets when area ``pattern[i]`` had it.

        Starts, ends and anticipation move together; outcomes, exposures, covariates, clusters and weights stay where
        they are.

        Parameters
        ----------
        pattern : ndarray of int, shape (N,)
            Rows of these arrays; a permutation for randomisation inference, a row of an untreated area to take the
            intervention away.
        """
        return replace(self, start=self.start[pattern], status=self.status[pattern])

    def take(self, rows: NDArray[np.int64]) -> DesignArrays:
        """Return the arrays of some areas, in this order; an area may be taken several times (bootstrap)."""
        names = self.areas
        return replace(
            self,
            y=self.y[rows],
            exposure=None if self.exposure is None else self.exposure[rows],
            start=self.start[rows],
            status=self.status[rows],
            covariates=self.covariates[rows],
            areas=tuple(names[int(i)] for i in rows),
            clusters=None if self.clusters is None else self.clusters.take(rows),
            weights=None if self.weights is None else self.weights[rows],
        )

    @property
    def treated(self) -> NDArray[np.bool_]:
        """Treated cells whose outcome is known, shape (N, T)."""
        return (self.status == TREATED) & ~np.isnan(self.y)

    @property
    def untreated(self) -> NDArray[np.bool_]:
        """Cells that may serve as controls and whose outcome is known, shape (N, T)."""
        return (self.status == UNTREATED) & ~np.isnan(self.y)

    @property
    def horizon(self) -> NDArray[np.int64]:
        """Periods since the start (0 in the first treated period), shape (N, T); meaningless where never treated."""
        return np.arange(len(self.periods))[None, :] - self.start[:, None]


@dataclass(frozen=True, eq=False)
class Design:
    """A question put to a panel: what this intervention did to this outcome.

    Parameters
    ----------
    panel : Panel
    outcome : str
        A count or a measure of the panel.
    intervention : Intervention
    exposure : str, optional
        An exposure of the panel, in persons. Needed for rates per 100,000.
    covariates : tuple of str
    window : (first, last), optional
        Periods to use, both included; None for the panel's own end.
    anticipation : int
        Periods before a start in which the effect may already show; they serve neither as treated nor as control.
    good : {"fewer", "more", "neither"}, optional
        Which way of the outcome is good, for what is said of it; no number depends on it. By default fewer of a count,
        which is then one of harms, and neither of a measure.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"area": ["A", "A", "B", "B"], "month": ["2024-01", "2024-02"] * 2, "n": [3, 4, 1, 2]})
    >>> panel = Panel.from_frame(frame, area="area", period="month", counts=["n"])
    >>> design = Design(panel, outcome="m", intervention=Intervention("patrols", starts={"A": "2024-02"}))
    >>> [problem.rule for problem in design.problems()]
    ['unknown_outcome']
    """

    panel: Panel
    outcome: str = field(kw_only=True)
    intervention: Intervention = field(kw_only=True)
    exposure: str | None = field(default=None, kw_only=True)
    covariates: tuple[str, ...] = field(default=(), kw_only=True)
    window: tuple[PeriodLike | None, PeriodLike | None] | None = field(default=None, kw_only=True)
    anticipation: int = field(default=0, kw_only=True)
    good: Good | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "covariates", one_or_more(self.covariates))
        if self.good is not None and self.good not in GOOD:
            raise DesignError(f"good is {self.good!r}, and has to be one of {shorten(GOOD)}, or None")
        for name, kind in (("panel", Panel), ("intervention", Intervention)):
            if not isinstance(getattr(self, name), kind):
                what = type(getattr(self, name)).__name__
                raise DesignError(f"the {name} of a design has to be a svmodel.{kind.__name__}, and is a {what}")
        object.__setattr__(self, "intervention", in_small_areas(self.intervention, self.panel))
        if self.window is not None and not isinstance(self.window, str):
            object.__setattr__(self, "window", tuple(self.window))

    @property
    def is_count(self) -> bool:
        """Whether the outcome is a count; a Poisson family needs one."""
        return self.outcome in self.panel.counts

    @property
    def meaning(self) -> Meaning:
        """What a change of the outcome means, in words."""
        return Meaning.of(counted=self.is_count, good=self.good)

    @cached_property
    def view(self) -> Panel:
        """The panel inside the window."""
        return self.panel if self.window is None else self.panel.select(window=self.window)

    def problems(self) -> tuple[Problem, ...]:
        """Return every defect of the design; empty when estimators may answer it."""
        return find_problems(Asked(**{f.name: getattr(self, f.name) for f in fields(Asked)}))

    def require(self) -> None:
        """Raise DesignError with every defect; do nothing for a sound design."""
        found = Problems(list(self.problems()))
        found.raise_if_any(DesignError, f"the design for {self.outcome!r} cannot be estimated")

    @cached_property
    def arrays(self) -> DesignArrays:
        """The design as arrays.

        Raises
        ------
        DesignError
            If the design has problems.
        """
        self.require()
        view = self.view
        first = view.periods[0].ordinal
        starts = {a: p.ordinal - first for a, p in self.intervention.starts.items()}
        ends = {a: p.ordinal - first for a, p in (self.intervention.ends or {}).items()}
        start = np.array([starts.get(a, NEVER) for a in view.areas], dtype=np.int64)
        end = np.array([ends.get(a, NEVER) for a in view.areas], dtype=np.int64)
        time = np.arange(view.n_periods)[None, :]
        status = np.where(time >= start[:, None], TREATED, UNTREATED).astype(np.int8)
        status[(time >= start[:, None] - self.anticipation) & (time < start[:, None])] = EXCLUDED
        status[time > end[:, None]] = EXCLUDED
        covariates = [view.matrix(c) for c in self.covariates]
        return DesignArrays(
            y=view.matrix(self.outcome),
            exposure=None if self.exposure is None else view.matrix(self.exposure),
            start=start,
            status=status,
            covariates=np.stack(covariates, axis=-1) if covariates else np.empty((*status.shape, 0)),
            areas=view.areas,
            periods=view.periods,
            anticipation=self.anticipation,
            covariate_names=self.covariates,
        )

    def reassigned(self, pattern: NDArray[np.int64]) -> Design:
        """Return the design with the intervention dealt out anew, as :meth:`DesignArrays.assigned` does for arrays.

        Parameters
        ----------
        pattern : ndarray of int, shape (N,)
            For each area of the view, in its order, the place of the area whose start and end it gets.
        """
        areas, told = self.view.areas, self.intervention
        held: list[dict[str, Any]] = [
            {a: given[areas[int(j)]] for a, j in zip(areas, pattern, strict=True) if areas[int(j)] in given}
            for given in (told.starts, told.ends or {})
        ]
        return replace(self, intervention=replace(told, starts=held[0], ends=held[1]))

    def describe(self) -> str:
        """Return the question in one sentence."""
        starts = self.intervention.starts
        treated = [a for a in self.view.areas if a in starts]
        dates = [periods.label(p) for p in sorted({starts[a] for a in treated})]
        when = shorten(dates, limit=3).replace("'", "")
        return (
            f"Effect of {self.intervention.name} on {self.outcome} in {len(treated)} of {self.view.n_areas} areas, "
            f"starting {when}, over {periods.label(self.view.periods[0])} to {periods.label(self.view.periods[-1])}"
        )

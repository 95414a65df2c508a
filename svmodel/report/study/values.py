"""The parts of a study file, as frozen values: data, outcomes, intervention, methods, breaks, costs, disclosure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from svmodel.costs import CostLine

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class JoinSpec:
    """Columns that another file gives to the rows of the data: key ``data.joins``.

    The fields are those of :class:`svmodel.sources.Join`; ``path`` is relative to the data root.
    """

    path: str
    on: Mapping[str, str]
    columns: Mapping[str, str]
    mid_year: str | None = None
    missing_ok: bool = False


@dataclass(frozen=True)
class PopulationSpec:
    """Mid-year populations to use as exposure: key ``data.population``.

    Parameters
    ----------
    path : str
        A table with columns ``area_code, area_name, year, population``, relative to the data root.
    by : {"code", "name"}
        Whether the areas of the data are ONS codes or names.
    column : str
        Name that the exposure gets.
    """

    path: str
    by: Literal["code", "name"] = "code"
    column: str = "population"

    def as_join(self, area: str) -> JoinSpec:
        """Return the join that brings it, carried from mid-year to mid-year."""
        return JoinSpec(self.path, {area: f"area_{self.by}"}, {"population": self.column}, mid_year="year")


@dataclass(frozen=True)
class DataSpec:
    """Where the data stand, and which column plays which part: key ``data``.

    ``root`` is ``"real"`` (found by ``--data`` or SVMODEL_REAL_DATA), a folder relative to the study
    file, or None for the study file's own folder. The other fields are those of
    :meth:`svmodel.Panel.from_frame`, or of the layout's reader (``options``); ``names`` are readable
    names of areas and reporting areas, ``sources`` lines on publisher and licence that reports print.
    """

    path: str
    root: str | None = None
    layout: str = "tidy"
    area: str | None = None
    period: str | None = None
    counts: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    exposures: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    parent: str | None = None
    name: str | None = None
    parent_name: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    joins: tuple[JoinSpec, ...] = ()
    population: PopulationSpec | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[str, ...] = ()

    @property
    def all_joins(self) -> tuple[JoinSpec, ...]:
        """The joins, and the populations as the last of them."""
        if self.population is None:
            return self.joins
        return (*self.joins, self.population.as_join(self.area or "area"))


@dataclass(frozen=True)
class OutcomeSpec:
    """One outcome: its column, the label that readers see, and whether it is a hospital count."""

    column: str
    label: str
    hospital: bool = False


@dataclass(frozen=True)
class InterventionSpec:
    """Where and when something was done: key ``intervention``.

    ``starts`` and ``ends`` are the periods by area. Where the file points to data instead (``starts_from``,
    ``ends_from``: ``{file, area, period}`` or ``{column, period}``), they are found when the data are read.
    """

    name: str
    starts: Mapping[str, pd.Period] = field(default_factory=dict)
    ends: Mapping[str, pd.Period] = field(default_factory=dict)
    starts_from: Mapping[str, Any] | None = None
    ends_from: Mapping[str, Any] | None = None
    cost: tuple[CostLine, ...] = ()
    description: str = ""


@dataclass(frozen=True)
class _Named:
    """A method by its name, with its choices."""

    name: str
    choices: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The name, with the choices where there are any."""
        told = ", ".join(f"{k}={_written(v)}" for k, v in self.choices.items())
        return f"{self.name}({told})" if told else self.name


@dataclass(frozen=True)
class EstimatorSpec(_Named):
    """One estimator: its name, its choices, and the label under which its results stand."""

    def build(self) -> Any:
        """Return the estimator."""
        from svmodel.report.study.registry import estimators

        return estimators()[self.name](**dict(self.choices))


@dataclass(frozen=True)
class InferenceSpec(_Named):
    """Another way to the headline's interval: its name, its choices, and the label under which it stands."""

    def build(self) -> Any:
        """Return the method of inference."""
        from svmodel.report.study.registry import inferences

        return inferences()[self.name](**dict(self.choices))


def _written(value: Any) -> str:
    """Return a choice as a study file writes it."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{k}: {v}' for k, v in value.items())}}}"
    return str(value)


@dataclass(frozen=True)
class SpecificationsSpec:
    """What a specification curve varies beside the study's estimators: key ``specifications``.

    ``first_periods`` are later begins of the window, ``anticipation`` further numbers of periods allowed for, and
    ``draws`` the other assignments of the starts in the joint test.
    """

    first_periods: tuple[pd.Period, ...] = ()
    anticipation: tuple[int, ...] = ()
    draws: int = 199


@dataclass(frozen=True)
class PowerSpec:
    """Sizes of effects whose detection is simulated with the headline estimator, in `draws` panels: key ``power``.

    Rate ratios for a count (0.8 is 20% fewer), differences for a measure.
    """

    effects: tuple[float, ...] = (0.9, 0.8, 0.7, 0.6)
    draws: int = 200


@dataclass(frozen=True)
class BreakSpec:
    """A declared change in how the data came about, from `period` (to `until`, where it was passing)."""

    period: pd.Period
    reason: str
    until: pd.Period | None = None


@dataclass(frozen=True)
class UnitCost:
    """What one event of an outcome costs society, in pounds of `price_year`."""

    outcome: str
    cost: float
    price_year: int
    source: str = ""


@dataclass(frozen=True)
class EconomicsSpec:
    """Unit costs of outcomes, and the year in whose prices the report speaks."""

    unit_costs: tuple[UnitCost, ...] = ()
    price_year: int | None = None


@dataclass(frozen=True)
class DisclosureSpec:
    """The rule for small numbers; see :mod:`svmodel.protect`."""

    rule: str = "none"
    threshold: int | None = None
    round_to: int | None = None

    def build(self) -> Any:
        """Return the Disclosure."""
        from svmodel.protect import Disclosure

        given = {"threshold": self.threshold, "round_to": self.round_to}
        return Disclosure(rule=self.rule, **{k: v for k, v in given.items() if v is not None})

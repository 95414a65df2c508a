"""Study: what a study file asks for, as frozen values. :func:`read_study` reads one, strictly.

The keys of the file are the fields of these types; ``pipelines/demo.yaml`` shows them all at work.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from svmodel.errors import Problem, Problems, StudyError

if TYPE_CHECKING:
    import pandas as pd

    from svmodel.costs import CostLine

__all__ = [
    "BreakSpec",
    "DataSpec",
    "DisclosureSpec",
    "EconomicsSpec",
    "EstimatorSpec",
    "InferenceSpec",
    "InterventionSpec",
    "JoinSpec",
    "OutcomeSpec",
    "PopulationSpec",
    "PowerSpec",
    "SpecificationsSpec",
    "Study",
    "UnitCost",
    "read_study",
]

#: Environment variable that holds the folder of the real data.
REAL_DATA_VARIABLE = "SVMODEL_REAL_DATA"


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
class EstimatorSpec:
    """One estimator: its name, its choices, and the label under which its results stand."""

    name: str
    choices: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The name, with the choices where there are any."""
        return _label(self.name, self.choices)

    def build(self) -> Any:
        """Return the estimator."""
        from svmodel.report.registry import estimators

        return estimators()[self.name](**dict(self.choices))


@dataclass(frozen=True)
class InferenceSpec:
    """Another way to the headline's interval: its name, its choices, and the label under which it stands."""

    name: str
    choices: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The name, with the choices where there are any."""
        return _label(self.name, self.choices)

    def build(self) -> Any:
        """Return the method of inference."""
        from svmodel.report.registry import inferences

        return inferences()[self.name](**dict(self.choices))


def _label(name: str, choices: Mapping[str, Any]) -> str:
    return f"{name}({', '.join(f'{k}={_written(v)}' for k, v in choices.items())})" if choices else name


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
    """The rule for small numbers; see :mod:`svmodel.present.disclosure`."""

    rule: str = "none"
    threshold: int | None = None
    round_to: int | None = None

    def build(self) -> Any:
        """Return the Disclosure."""
        from svmodel.present.disclosure import Disclosure

        given = {"threshold": self.threshold, "round_to": self.round_to}
        return Disclosure(rule=self.rule, **{k: v for k, v in given.items() if v is not None})


@dataclass(frozen=True)
class Study:
    """Everything that one study file asks for. Made by :func:`read_study`.

    Attributes
    ----------
    path : Path
        The study file.
    key : str
        Its name without the ending; the output folder is called so.
    areas : tuple of str or None
        Reporting areas to write reports for; None for all.
    level : {"parent", "area"}
        Whether a report is made for each parent or for each area of the data.
    outcomes : tuple of OutcomeSpec
        The first is the headline.
    estimators : tuple of EstimatorSpec
        The first is the headline.
    inference : tuple of InferenceSpec
        Further methods of inference for the headline.
    checks : tuple of str or None
        None for the default checks.
    check_options : mapping of str to mapping
        What single checks are told, by name.
    specifications : SpecificationsSpec or None
        What a specification curve varies; None for none.
    power : PowerSpec or None
        Effects whose detection is simulated; None for none.
    window : (first, last) or None
    lines : mapping of str to int
        Line of each key, such as ``"data.path"``, so that later errors can name it.
    """

    path: Path
    title: str
    data: DataSpec
    outcomes: tuple[OutcomeSpec, ...]
    description: str = ""
    level: Literal["parent", "area"] = "parent"
    areas: tuple[str, ...] | None = None
    exposure: str | None = None
    covariates: tuple[str, ...] = ()
    intervention: InterventionSpec | None = None
    window: tuple[pd.Period | None, pd.Period | None] | None = None
    anticipation: int = 0
    estimators: tuple[EstimatorSpec, ...] = ()
    inference: tuple[InferenceSpec, ...] = ()
    checks: tuple[str, ...] | None = None
    check_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    specifications: SpecificationsSpec | None = None
    power: PowerSpec | None = None
    breaks: tuple[BreakSpec, ...] = ()
    horizon: int = 12
    economics: EconomicsSpec = field(default_factory=EconomicsSpec)
    notebook: Path | None = None
    seed: int = 0
    disclosure: DisclosureSpec = field(default_factory=DisclosureSpec)
    published: Path | None = None
    notes: tuple[str, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lines", MappingProxyType(dict(self.lines)))

    def __reduce__(self) -> tuple[object, ...]:
        parts = {f: getattr(self, f) for f in self.__dataclass_fields__}
        return _rebuild, ({**parts, "lines": dict(self.lines)},)

    @property
    def key(self) -> str:
        """The study file's name without its ending."""
        return self.path.stem

    @property
    def headline_outcome(self) -> OutcomeSpec:
        """The first outcome."""
        return self.outcomes[0]

    def outcome(self, column: str) -> OutcomeSpec:
        """Return the outcome of that column."""
        return next(o for o in self.outcomes if o.column == column)

    def line(self, *keys: str) -> int | None:
        """Return the line of the first of these keys that the file gives."""
        return next((self.lines[k] for k in keys if k in self.lines), None)

    def data_root(self, given: str | Path | None = None) -> Path:
        """Return the folder that relative data paths start from.

        Parameters
        ----------
        given : path, optional
            What the user gave by ``--data``; it goes before everything else.

        Raises
        ------
        StudyError
            If the study needs the real data and nobody says where they are, or the folder is not there.
        """
        beside = self.path.parent
        problems = Problems()
        if given is not None:
            root, how = Path(given), "given by --data"
        elif self.data.root == "real":
            named = os.environ.get(REAL_DATA_VARIABLE)
            if not named:
                raise StudyError(
                    f"{self.path} cannot be used",
                    [
                        Problem(
                            "the study uses real data, which are not part of the package",
                            "data.root",
                            f"Say where they are with --data FOLDER, or set {REAL_DATA_VARIABLE}=FOLDER.",
                            self.line("data.root"),
                            "no_data_root",
                        )
                    ],
                )
            root, how = Path(named), f"given by {REAL_DATA_VARIABLE}"
        else:
            root, how = beside / (self.data.root or "."), "named by the study file"
        if not root.is_dir():
            problems.add(
                f"there is no folder {str(root)!r} ({how})",
                where="data.root",
                fix=f"Give the folder of the data with --data FOLDER or {REAL_DATA_VARIABLE}=FOLDER.",
                line=self.line("data.root", "data.path"),
                rule="no_data_root",
            )
        problems.raise_if_any(StudyError, f"{self.path} cannot be used")
        return root


def _rebuild(parts: dict[str, Any]) -> Study:
    return Study(**parts)


def read_study(path: str | Path, *, data: str | Path | None = None, look_at_data: bool = True) -> Study:
    """Read and check a study file.

    Parameters
    ----------
    path : path
        A YAML file.
    data : path, optional
        Folder of the data; see :meth:`Study.data_root`.
    look_at_data : bool
        Whether to open the data's header and areas, so that a wrong column or area is reported with
        everything else that is wrong.

    Returns
    -------
    Study

    Raises
    ------
    StudyError
        With every problem at once, each naming its line and the nearest valid name.
    """
    from svmodel.report._study_rules import problems_with_data
    from svmodel.report.study_schema import parse_study

    path = Path(path)
    study, problems = parse_study(path)
    if study is not None and look_at_data:
        problems.extend(problems_with_data(study, data))
    problems.items.sort(key=lambda p: (p.line is None, p.line or 0))
    problems.raise_if_any(StudyError, f"{path} cannot be used")
    assert study is not None, "a file without problems gives a study"
    return study

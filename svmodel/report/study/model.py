"""Study: what a study file asks for, as one frozen value; the keys of the file are its fields."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator
from pydantic.dataclasses import dataclass
from pydantic.json_schema import SkipJsonSchema

from svmodel.errors import Problem, Problems, StudyError, did_you_mean
from svmodel.report.study.fields import (
    LISTED,
    STRICT,
    Keys,
    LastPeriod,
    Names,
    Period,
    Takes,
    Text,
    Told,
    again,
    all_wrong,
    one_of,
    read_text,
    whole,
    wrong,
)
from svmodel.report.study.methods import Checks, Estimators, Inferences, PowerSpec, SpecificationsSpec
from svmodel.report.study.registry import checks, notebooks
from svmodel.report.study.values import (
    BreakSpec,
    DataSpec,
    DisclosureSpec,
    EconomicsSpec,
    ForecastSpec,
    InterventionSpec,
    OutcomeSpec,
)
from svmodel.report.study.yaml_lines import Scalar

#: Environment variable that holds the folder of the real data.
REAL_DATA_VARIABLE = "SVMODEL_REAL_DATA"
#: The newest form of study files that is read.
FORMAT = 1
_DEFAULT_ESTIMATOR = "ExtendedTwoWayFixedEffects"


def _beside(given: Any, info: ValidationInfo) -> Path:
    """Return a file named relative to the study file."""
    if isinstance(given, Path):
        return given
    path = _folder(info) / read_text(given)
    if not path.is_file():
        near = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise wrong("no_file", f"there is no file {str(path)!r}", did_you_mean(path.name, near, limit=4))
    return path


def _notebook(given: Any, info: ValidationInfo) -> Path:
    """Return a notebook that is shipped, by its name, or a file beside the study file."""
    if isinstance(given, Path):
        return given
    name, shipped = read_text(given), notebooks()
    if name in shipped:
        return shipped[name]
    if Path(name).suffix or (_folder(info) / name).is_file():
        return _beside(given, info)
    fix = f"{did_you_mean(name, shipped)} A notebook of your own is named with its ending: my_evaluation.ipynb."
    raise wrong("unknown_notebook", f"no notebook {name!r} is shipped", fix.strip())


def _folder(info: ValidationInfo) -> Path:
    study: Path = (info.context or {})["path"]
    return study.parent


def _two_ends(given: Any) -> Any:
    if len(given) != 2:
        fix = "Write window: [2015-04, 2024-03]; null stands for the data's own end."
        raise wrong("bad_window", "this has to hold the first and the last period", fix)
    return [None if isinstance(end, Scalar) and end.value is None else end for end in given]


def _in_order(window: tuple[Any, Any]) -> tuple[Any, Any]:
    first, last = window
    if first is not None and last is not None:
        if first.freqstr != last.freqstr and {first.freqstr, last.freqstr} != {"D", "M"}:
            raise wrong("bad_window", "the first and the last period are of different lengths")
        if last.end_time < first.start_time:
            raise wrong("bad_window", f"the last period, {last}, is before the first, {first}")
    return window


def _all_or_some(areas: tuple[str, ...]) -> tuple[str, ...] | None:
    return None if areas in ((), ("all",)) else areas


def _once(outcomes: tuple[OutcomeSpec, ...], info: ValidationInfo) -> tuple[OutcomeSpec, ...]:
    columns = [o.column for o in outcomes]
    twice = [i for i, column in enumerate(columns) if column in columns[:i]]
    if twice:
        raise all_wrong(
            ((i, "column"), wrong("outcome_twice", f"the outcome {columns[i]!r} stands twice")) for i in twice
        )
    if not outcomes and not again(info):
        raise wrong("no_outcome", "a study has one outcome or more")
    return outcomes


_A_PATH = {"type": "string"}
_WINDOW = Annotated[
    tuple[Period | None, LastPeriod | None], AfterValidator(_in_order), BeforeValidator(_two_ends), LISTED
]


@dataclass(frozen=True, config=ConfigDict(**STRICT, populate_by_name=True))
class Study(Keys):
    """Everything that one study file asks for. Made by :func:`svmodel.report.read_study`.

    Attributes
    ----------
    path : Path
        The study file.
    key : str
        Its name without the ending; the output folder is called so.
    areas : tuple of str or None
        Reporting areas to write reports for; None for all.
    outcomes : tuple of OutcomeSpec
        The first is the headline.
    estimators : tuple of EstimatorSpec
        The first is the headline.
    checks : tuple of str or None
        None for the default checks.
    check_options : mapping of str to mapping
        What single checks are Told, by name.
    lines : mapping of str to int
        Line of each key, such as ``"data.path"``, so that later errors can name it.
    """

    not_in_file: ClassVar[tuple[str, ...]] = ("path", "lines")

    path: SkipJsonSchema[Path]
    title: Text
    """heading of every page"""
    data: DataSpec
    """where the data are; see below"""
    outcomes: Annotated[tuple[OutcomeSpec, ...], LISTED, AfterValidator(_once)]
    """what is counted; the first is the headline"""
    description: Text = ""
    """a few sentences; printed under methods"""
    level: Annotated[Literal["parent", "area"], one_of("level", ("parent", "area"))] = "parent"
    """whether a report is made for each reporting area, or for each area of the data. Effects are estimated on the
    areas of the data either way. Without parents the two are the same"""
    areas: Annotated[
        Annotated[Names, AfterValidator(_all_or_some)] | None, Told("list of codes or names, or `all`", "none: all")
    ] = None
    """reporting areas to write reports for; the others stay in the fits"""
    exposure: Text | None = None
    """column of persons at risk; an offset in the Poisson methods, and the base of every rate"""
    covariates: Annotated[Names, Told("list of columns")] = ()
    """adjusted for by every estimator"""
    intervention: InterventionSpec | None = None
    """without it no effect is estimated, and the pages say so"""
    window: Annotated[_WINDOW | None, Told("`[first, last]`", "none: all")] = None
    """periods that are used; `null` stands for the data's own end"""
    anticipation: Annotated[int, whole(0)] = 0
    """periods before a start in which an effect may already show; they serve neither as treated nor as control"""
    estimators: Annotated[Estimators, Told("list", "ETWFE, where there is an intervention")] = ()
    """the first gives the headline"""
    inference: Annotated[Inferences, Told("list")] = ()
    """further ways to the uncertainty of the headline result; see below"""
    asked_checks: Annotated[Checks | None, Told("list of names, or `default`", "none: all")] = Field(
        default=None, alias="checks"
    )
    """checks of the headline estimator's results; `[]` for none; some can be told more, see below"""
    specifications: SpecificationsSpec | None = None
    """a specification curve for the headline outcome; see below"""
    power: PowerSpec | None = None
    """what the study could have seen, by simulation; see below"""
    breaks: Annotated[tuple[BreakSpec, ...], LISTED] = ()
    """declared changes in recording or in the world; used by trend and forecast, drawn in figures"""
    forecast: Annotated[ForecastSpec, Told("group", "one year ahead")] = Field(default_factory=ForecastSpec)
    """how far to look"""
    economics: Annotated[EconomicsSpec, Told("group", "none")] = Field(default_factory=EconomicsSpec)
    """what an event costs"""
    notebook: Annotated[
        Annotated[Path, Takes(_notebook, "name or path", _A_PATH)] | None,
        Told("name or path", "the shipped `area_evaluation`"),
    ] = None
    """notebook that is run for every area; its parameters are below. A notebook that is shipped goes by its name
    (`area_evaluation`, `did_evaluation`, `synthetic_control`, `bayesian_evaluation`), any other is a file beside
    the study file"""
    seed: Annotated[int, whole(0)] = 0
    """every random stream is derived from it"""
    disclosure: Annotated[DisclosureSpec, Told("group", "rule `none`")] = Field(default_factory=DisclosureSpec)
    """rule for small numbers; see [disclosure.md](disclosure.md)"""
    published: Annotated[Path, Takes(_beside, "path", _A_PATH)] | None = None
    """numbers to verify a run against; see [reviewers.md](reviewers.md)"""
    notes: Names = ()
    """printed with the data's quality, as written"""
    format: Annotated[int, whole(1)] = FORMAT
    """the form in which the file is written; a newer one than this svmodel reads is refused"""
    lines: SkipJsonSchema[Mapping[str, int]] = Field(default_factory=dict, repr=False)

    @classmethod
    def from_file(cls, given: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        """Return the fields: a study with an intervention has an estimator even where it names none."""
        if "intervention" in given and "estimators" not in given:
            given["estimators"] = [Scalar(_DEFAULT_ESTIMATOR, _DEFAULT_ESTIMATOR)]
        return {**given, **{k: (info.context or {})[k] for k in cls.not_in_file}}

    @model_validator(mode="after")
    def _costs_are_of_outcomes(self) -> Self:
        columns = [o.column for o in self.outcomes]
        errors = [
            (
                ("economics", "unit_costs", i, "outcome"),
                wrong("unknown_outcome", f"{u.outcome!r} is no outcome of the study", did_you_mean(u.outcome, columns)),
            )
            for i, u in enumerate(self.economics.unit_costs)
            if u.outcome not in columns
        ]
        if errors:
            raise all_wrong(errors)
        return self

    @property
    def key(self) -> str:
        """The study file's name without its ending."""
        return self.path.stem

    @property
    def horizon(self) -> int:
        """Periods that are forecast."""
        return self.forecast.horizon

    @property
    def checks(self) -> tuple[str, ...] | None:
        """Names of the checks, in the order in which they are made; None for the default ones."""
        if self.asked_checks is None:
            return None
        names = tuple(c.name for c in self.asked_checks)
        if names == ("default",):
            return None
        return tuple(n for n in checks() if n in names or "default" in names) if "default" in names else names

    @property
    def check_options(self) -> dict[str, dict[str, Any]]:
        """What single checks are Told, by name."""
        return {c.name: dict(c.choices) for c in self.asked_checks or () if c.choices}

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

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
from svmodel.report.study.values import (
    BreakSpec,
    DataSpec,
    DisclosureSpec,
    EconomicsSpec,
    EstimatorSpec,
    InferenceSpec,
    InterventionSpec,
    JoinSpec,
    OutcomeSpec,
    PopulationSpec,
    PowerSpec,
    SpecificationsSpec,
    UnitCost,
)

if TYPE_CHECKING:
    import pandas as pd

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
    from svmodel.report.study.grammar import parse_study
    from svmodel.report.study.rules import problems_with_data

    path = Path(path)
    study, problems = parse_study(path)
    if study is not None and look_at_data:
        problems.extend(problems_with_data(study, data))
    problems.items.sort(key=lambda p: (p.line is None, p.line or 0))
    problems.raise_if_any(StudyError, f"{path} cannot be used")
    assert study is not None, "a file without problems gives a study"
    return study

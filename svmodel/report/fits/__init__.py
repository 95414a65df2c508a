"""StudyContext: everything that is fitted once for a whole study, before any area's page is made."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from svmodel.breaks import Break
from svmodel.design import Design
from svmodel.errors import DataError, DesignError, Problems
from svmodel.files import atomic_file
from svmodel.panel import Panel
from svmodel.present.protected import Protected
from svmodel.report.fits.second_looks import SecondLooks, attempt, take_second_looks
from svmodel.report.study.data import StudyData
from svmodel.report.study.methods import EstimatorSpec
from svmodel.report.study.model import Study
from svmodel.report.study.read import open_data, open_study
from svmodel.result import Result
from svmodel.result.check import CheckResult
from svmodel.seeds import derive_seed
from svmodel.workers import Outcome, Spread, Task

_FORMAT = "svmodel-context-2"


@dataclass(frozen=True, eq=False)
class StudyContext:
    """A study with its data and all its study-wide fits.

    Attributes
    ----------
    study : Study
    panel : Panel
        The data at the level at which effects are estimated, over every period.
    reporting : Panel
        The same, summed to reporting areas; ``panel`` itself where areas have no parents.
    areas : tuple of str
        Reporting areas to make reports for.
    designs : mapping of str to Design
        By outcome; empty without an intervention.
    results : mapping of str to mapping of str to Result
        By outcome, then by estimator label, in the order of the study file.
    failures : mapping of str to mapping of str to str
        What could not be answered: by outcome, then by estimator label (or ``"design"``, ``"forecast"``),
        the message. Reports show them.
    checks : mapping of str to tuple of CheckResult
        Checks of the headline estimator's result, by outcome.
    second_looks : mapping of str to SecondLooks
        Second looks at the headline outcome's effect, by outcome.
    forecasts : mapping of str to Forecast
        Of the reporting areas, by outcome.
    disclosure : Disclosure
    synthetic : bool
        True when the data were simulated; every page says so.
    data_sources : tuple of str
        Publishers and files.
    """

    study: Study
    panel: Panel
    reporting: Panel
    areas: tuple[str, ...]
    disclosure: Any
    designs: Mapping[str, Design] = field(default_factory=dict)
    results: Mapping[str, Mapping[str, Result]] = field(default_factory=dict)
    failures: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    checks: Mapping[str, tuple[CheckResult, ...]] = field(default_factory=dict)
    second_looks: Mapping[str, SecondLooks] = field(default_factory=dict)
    forecasts: Mapping[str, Any] = field(default_factory=dict)
    synthetic: bool = False
    data_sources: tuple[str, ...] = ()

    def headline_result(self, outcome: str | None = None) -> Result | None:
        """Return the result of the first estimator for an outcome (the headline's own by default), if it answered."""
        outcome = outcome or self.study.headline_outcome.column
        if not self.study.estimators:
            return None
        return self.results.get(outcome, {}).get(self.study.estimators[0].label)

    def seed(self, *parts: object) -> int:
        """Return the seed of one random stream: of the study's seed, an area and a method, say."""
        return derive_seed(self.study.seed, *parts)

    @cached_property
    def shown(self) -> Protected:
        """What the study shows: decided once, and kept with the context when it is saved."""
        return Protected.of(self.panel, self.reporting, self.results, self.disclosure)

    def save(self, path: Path | str) -> Path:
        """Write the context as a pickle, to one side and then into place.

        The file is private to one run: it holds the data before disclosure control, so it stands in the
        run's work folder and is removed when the run is complete. Only the svmodel that wrote it reads it.
        """
        path = Path(path)
        _ = self.shown  # stands in the pickle from then on, so that no area's page works it out again
        with atomic_file(path) as out:
            for part in (_FORMAT, self):
                pickle.dump(part, out, protocol=pickle.HIGHEST_PROTOCOL)
        return path


def load(path: Path | str) -> StudyContext:
    """Read what :meth:`StudyContext.save` wrote; or read a study file and fit it, for a notebook opened by hand.

    Parameters
    ----------
    path : path
        A saved context, or a study file (``.yaml``), whose fits then take their time.

    Raises
    ------
    DataError
        If the file is not there or is no context.
    StudyError
        If it is a study file that cannot be used.
    """
    path = Path(path)
    if path.suffix.casefold() in (".yaml", ".yml"):
        return prepare(open_study(path))
    if not path.is_file():
        raise DataError(f"there is no study context at {str(path)!r}; `svmodel run` makes it")
    try:
        with path.open("rb") as held:
            mark = pickle.load(held)  # noqa: S301 - written by this run into its own folder
            context = pickle.load(held) if mark == _FORMAT else None  # noqa: S301 - as above
    except (AttributeError, ImportError):
        mark = "an earlier format"
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError) as error:
        raise DataError(f"{str(path)!r} is no study context: {error}") from None
    if mark != _FORMAT:
        told = mark if isinstance(mark, str) else "an earlier format"
        raise DataError(
            f"{str(path)!r} is no study context of this svmodel: it is of {told}, and {_FORMAT} is read. Remove it and "
            "run `svmodel run` again, or give the study file."
        )
    if not isinstance(context, StudyContext):
        raise DataError(f"{str(path)!r} is no study context")
    return context


def prepare(
    study: Study | StudyData,
    data: Path | str | None = None,
    *,
    workers: Spread | None = None,
    progress: Callable[[str], None] | None = None,
) -> StudyContext:
    """Read the data and fit everything that is study-wide, once.

    Parameters
    ----------
    study : Study or StudyData
        With its data, where they have been opened already.
    data : path, optional
        Folder of the data of a Study; see :meth:`Study.data_root`.
    workers : LocalFork, optional
        How outcomes are fitted side by side; None fits them here, one after the other.
    progress : callable, optional
        Is told what is being fitted.

    Returns
    -------
    StudyContext
        An estimator that refuses is in ``failures`` and stops no other.

    Raises
    ------
    UserError
        If the data cannot be used, or the headline outcome's design has problems.
    """
    say = progress or (lambda _: None)
    if isinstance(study, Study):
        say("reading the data")
        opened = open_data(study, data)
    else:
        opened = study
    study, panel = opened.study, opened.panel
    reporting = panel.aggregate("parent") if panel.parents else panel
    asked = designs(opened)
    _refuse_a_headline_that_cannot_be_asked(study, asked)
    told = opened.told_to_checks if asked else study.check_options
    tasks = [
        Task(o.column, fit_outcome, (study, reporting, o.column, asked.get(o.column), told)) for o in study.outcomes
    ]
    fits: dict[str, OutcomeFits] = {}
    if workers is None:
        for task in tasks:
            say(f"fitting {task.name}")
            fits[task.name] = task.function(*task.arguments)
    else:
        for outcome in workers.run(tasks, started=lambda task: say(f"fitting {task.name}")):
            fits[outcome.name] = _fits_of(outcome, asked.get(outcome.name))
    ordered = {o.column: fits[o.column] for o in study.outcomes}
    return StudyContext(
        study=study,
        panel=panel,
        reporting=reporting,
        areas=opened.areas(),
        disclosure=study.disclosure.build(),
        designs=asked,
        results={o: f.results for o, f in ordered.items() if o in asked},
        failures={o: f.failures for o, f in ordered.items() if f.failures},
        checks={o: f.checks for o, f in ordered.items() if o in asked},
        second_looks={o: f.second_looks for o, f in ordered.items() if f.second_looks is not None},
        forecasts={o: f.forecast for o, f in ordered.items() if f.forecast is not None},
        synthetic=panel.synthetic,
        data_sources=study.data.sources or ((panel.source,) if panel.source else ()),
    )


@dataclass(frozen=True, eq=False)
class OutcomeFits:
    """All that is fitted for one outcome."""

    results: Mapping[str, Result]
    failures: Mapping[str, str]
    checks: tuple[CheckResult, ...]
    forecast: Any
    second_looks: SecondLooks | None = None


def fit_outcome(
    study: Study, reporting: Panel, outcome: str, design: Design | None, told: Mapping[str, Mapping[str, Any]]
) -> OutcomeFits:
    """Fit every estimator, the checks and the forecast of one outcome; what refuses or breaks stops no other."""
    failed: dict[str, str] = {}
    results = {} if design is None else _fit_all(study, design, failed)
    asked = design is not None and outcome == study.headline_outcome.column
    return OutcomeFits(
        results=results,
        failures=failed,
        checks=_check(study, results, told),
        forecast=attempt(failed, "forecast", _forecast, study, reporting, outcome) if study.horizon else None,
        second_looks=take_second_looks(study, design, results) if asked and design is not None else None,
    )


def _fits_of(outcome: Outcome, design: Design | None) -> OutcomeFits:
    """Return what a process fitted, with the design of this process instead of a copy for every result."""
    fits: OutcomeFits = outcome.result()
    return replace(fits, results={label: replace(r, design=design) for label, r in fits.results.items()})


def _refuse_a_headline_that_cannot_be_asked(study: Study, asked: Mapping[str, Design]) -> None:
    design = asked.get(study.headline_outcome.column)
    problems = Problems(list(design.problems()) if design is not None else [])
    problems.raise_if_any(DesignError, f"{study.path} cannot be run: its headline outcome cannot be estimated")


def designs(data: StudyData) -> dict[str, Design]:
    """Return the design for each outcome; none where the study has no intervention.

    Raises
    ------
    StudyError
        If the starts cannot be found.
    """
    study, panel, intervention = data.study, data.panel, data.intervention
    if intervention is None:
        return {}
    return {
        o.column: Design(
            panel,
            outcome=o.column,
            intervention=intervention,
            exposure=study.exposure,
            covariates=study.covariates,
            window=study.window,
            anticipation=study.anticipation,
            good=o.good,
        )
        for o in study.outcomes
    }


def _fit_all(study: Study, design: Design, failed: dict[str, str]) -> dict[str, Result]:
    """Fit every estimator; what refuses, or breaks, is written down and stops no other."""
    fitted: dict[str, Result] = {}
    for spec in study.estimators:
        result = attempt(failed, spec.label, _fit, study, spec, design)
        if result is not None:
            fitted[spec.label] = result
    return fitted


def _fit(study: Study, spec: EstimatorSpec, design: Design) -> Result:
    result: Result = spec.build().fit(design, seed=derive_seed(study.seed, "all areas", design.outcome, spec.label))
    return result


def _check(study: Study, fitted: dict[str, Result], told: Mapping[str, Mapping[str, Any]]) -> tuple[CheckResult, ...]:
    # the checks load every method that they look at, which takes seconds
    from svmodel.checks.runner import CHECKS, OF_POSTERIORS, run

    head = fitted.get(study.estimators[0].label) if study.estimators else None
    if head is None:
        return ()
    seed = derive_seed(study.seed, "all areas", head.design.outcome if head.design else "", "checks")
    names = study.checks
    if names is None and not head.is_posterior:
        names = tuple(n for n in CHECKS if n not in OF_POSTERIORS)
    return tuple(run(head, seed=seed, names=names, options=told))


def _forecast(study: Study, reporting: Panel, outcome: str) -> Any:
    from svmodel.forecast import forecast

    seed = derive_seed(study.seed, "all areas", outcome, "forecast")
    breaks = tuple(Break(b.period, b.reason, b.until) for b in study.breaks)
    # a year ahead, in whatever periods the panel has, unless the study says otherwise
    horizon = study.horizon if study.line("forecast.horizon") else None
    return forecast(reporting, outcome, horizon=horizon, breaks=breaks, seed=seed)

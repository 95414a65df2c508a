"""Second looks at the headline outcome's effect, taken once for a study and each free to fail alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.comparison.compare import Comparison, compare
from svmodel.comparison.specification_curve import SpecificationCurve, specification_curve
from svmodel.design import Design, DesignArrays
from svmodel.errors import EstimationError, UserError
from svmodel.inference import InSpacePlacebos, Placebos
from svmodel.planning.power import Power, power
from svmodel.present.plots import donor_table
from svmodel.report.study import InferenceSpec, PowerSpec, SpecificationsSpec, Study
from svmodel.result import Result
from svmodel.result.method import arrays_of, card, scale_of
from svmodel.seeds import derive_seed

#: How the message of a method begins that broke down, where one that refuses says what is wrong with the question.
FAULT = "a fault in svmodel, not in the data: "
#: Placebo areas that are drawn with the treated ones.
_LINES = 99
#: Areas from which a jackknife over areas of every method takes many minutes.
_MANY_AREAS = 400
#: Donors that are left out one at a time.
_HEAVIEST = 10


def attempt(failed: dict[str, str], label: str, work: Callable[..., Any], *given: Any) -> Any:
    """Return what `work` gives; what refuses, or breaks, is written down under its label and stops nothing else."""
    try:
        return work(*given)
    except UserError as error:
        failed[label] = str(error)
    except Exception as error:  # noqa: BLE001 - a bug in one method is shown, and the others still answer
        failed[label] = f"{FAULT}{type(error).__name__}: {error}"
    return None


@dataclass(frozen=True, eq=False)
class SecondLooks:
    """What stands with the estimates of one outcome.

    Attributes
    ----------
    comparison : Comparison or None
        Of the estimators, without their results and the design, which the context holds; None where fewer than two
        answered.
    placebos : mapping of str to Placebos
        By estimator label, with gaps over time.
    opinions : mapping of str to Result
        The headline's result under other methods of inference, by their labels.
    curve : SpecificationCurve or None
    power : Power or None
    left_out : mapping of str to pandas.DataFrame
        By estimator label, ``area, weight, estimate``: the average effect without each of the heaviest donors.
    failures : mapping of str to str
        By label, why a second look could not be had.
    """

    comparison: Comparison | None = None
    placebos: Mapping[str, Placebos] = field(default_factory=dict)
    opinions: Mapping[str, Result] = field(default_factory=dict)
    curve: SpecificationCurve | None = None
    power: Power | None = None
    left_out: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)


def take_second_looks(study: Study, design: Design, results: Mapping[str, Result]) -> SecondLooks:
    """Take every second look that the study asks for; what refuses or breaks is written down.

    Parameters
    ----------
    study : Study
    design : Design
        Of the headline outcome.
    results : mapping of str to Result
        By estimator label.
    """
    failed: dict[str, str] = {}

    def tried(label: str, look: Callable[..., Any], *given: Any) -> Any:
        # the stream keeps its first name: a new one would change every number drawn
        seed = derive_seed(study.seed, "all areas", design.outcome, "scrutiny", label)
        return attempt(failed, label, look, *given, seed)

    head = results.get(study.estimators[0].label) if study.estimators else None
    mixed = [label for label, result in results.items() if card(result.estimator).mixes_donors]
    comparison = tried("agreement", _compared, study, design, results) if len(results) > 1 else None
    placebos = {k: tried(f"placebos of {k}", _gaps, results[k]) for k in mixed}
    left_out = {k: tried(f"donors of {k}", leave_donors_out, results[k]) for k in mixed}
    opinions = {s.label: tried(s.label, _opinion, s, head) for s in (study.inference if head is not None else ())}
    return SecondLooks(
        comparison=comparison,
        placebos={k: v for k, v in placebos.items() if v is not None},
        opinions={k: v for k, v in opinions.items() if v is not None},
        curve=tried("specifications", _curve, study, study.specifications, design) if study.specifications else None,
        power=tried("power", _power, study, study.power, design) if study.power else None,
        left_out={k: v for k, v in left_out.items() if v is not None},
        failures=failed,
    )


@dataclass(frozen=True, eq=False)
class _Held:
    """A posterior that is there already: it is not sampled again, nor without each area in turn."""

    result: Result

    @property
    def scale(self) -> str:
        """Scale of the draws."""
        return str(scale_of(self.result.estimator))

    def fit(self, design: Design, *, seed: int = 0) -> Result:
        """Return the result."""
        del design, seed
        return self.result


def _compared(study: Study, design: Design, results: Mapping[str, Result], seed: int) -> Comparison:
    methods: dict[str, Any] = {}
    for s in study.estimators:
        bayesian = s.label in results and results[s.label].posterior is not None
        methods[s.label] = _Held(results[s.label]) if bayesian else s.build()
    slow = any(card(method).slow for method in methods.values()) or design.panel.n_areas > _MANY_AREAS
    made = compare(design, methods, jackknife=not slow, seed=seed)
    return replace(made, results={}, design=None)  # type: ignore[arg-type]


def _gaps(result: Result, seed: int) -> Placebos:
    """Return placebos with their gaps: every one where they are few, else a number of them drawn by lot."""
    return InSpacePlacebos(draws=_LINES).placebos(result, seed=seed, paths=True, most=_LINES)


def _opinion(spec: InferenceSpec, head: Result, seed: int) -> Result:
    """Return the headline's result under another method of inference, without what the context holds already."""
    result: Result = spec.build().infer(head, seed=seed)
    return replace(result, design=None, counterfactual=None, weights=None, joint=None)


def leave_donors_out(result: Result, seed: int = 0) -> pd.DataFrame:
    """Return the average effect without each of the heaviest donors, one at a time.

    Parameters
    ----------
    result : Result
    seed : int
        Not used; nothing is drawn.

    Returns
    -------
    pandas.DataFrame
        ``area, weight, estimate``: the weight that it had, averaged over groups of treated areas, and the rate ratio
        without it (a difference for a measure); the first row, without an area, is the effect with all of them.

    Raises
    ------
    EstimationError
        If the method weights no donors, or the result has no design.
    """
    del seed

    design, estimator = result.design, result.estimator
    if design is None:
        raise EstimationError("this result was read without its data; give its design to leave donors out")
    table = donor_table(result)
    weights = (table.groupby("area")["weight"].sum() / table["start"].nunique()).sort_values(ascending=False)
    arrays = arrays_of(estimator, design)
    places = {a: i for i, a in enumerate(arrays.areas)}
    rows: list[tuple[str | None, float, float]] = [(None, np.nan, _shown(result, _point(estimator, arrays)))]
    for area, weight in weights.head(_HEAVIEST).items():
        kept = np.delete(np.arange(len(arrays.areas)), places[str(area)])
        rows.append((str(area), float(weight), _shown(result, _point(estimator, arrays.take(kept)))))
    return pd.DataFrame(rows, columns=["area", "weight", "estimate"])


def _point(estimator: Any, arrays: DesignArrays) -> float:
    """Return an estimator's average effect on its own scale."""
    return float(estimator.point(arrays))


def _shown(result: Result, point: float) -> float:
    """Return a point estimate as a rate ratio where the result is of a count."""
    if scale_of(result.estimator) == "log_rate_ratio":
        return math.exp(point)
    if result.design is None or not result.design.is_count:
        return point
    totals = result.totals
    expected = totals.observed - point * totals.cells_used
    return totals.observed / expected if expected > 0 else math.nan


def _curve(study: Study, spec: SpecificationsSpec, design: Design, seed: int) -> SpecificationCurve:
    first, last = study.window or (None, None)
    begins = [first, *spec.first_periods]
    windows = {"all periods" if b is None else f"from {periods.label(b)}": (b, last) for b in begins}
    return specification_curve(
        design,
        estimators={s.label: s.build() for s in study.estimators},
        windows=windows,
        anticipation=tuple(dict.fromkeys((study.anticipation, *spec.anticipation))),
        draws=spec.draws,
        seed=seed,
    )


def _power(study: Study, spec: PowerSpec, design: Design, seed: int) -> Power:
    return power(design, spec.effects, estimator=study.estimators[0].build(), draws=spec.draws, seed=seed)

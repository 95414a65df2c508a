"""What an estimator says of other assignments and outcomes: by its ``point`` where it has one, else by refits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from svmodel.design import Design, DesignArrays
from svmodel.design.clusters import cluster_words
from svmodel.errors import DataError, DesignError, EstimationError, Problems, did_you_mean
from svmodel.numerics.arrays import Floats, Ints
from svmodel.numerics.cluster.coefficient import Coefficient
from svmodel.panel import Panel
from svmodel.result import PointEstimator, Result, ResultWarning, method
from svmodel.result.interval import Interval, with_interval
from svmodel.result.rule import FEW_CONTROLS, FEW_TREATED, n_controls, n_treated

#: Fewer draws than this reject nothing at 5%.
_FEWEST_DRAWS = 19


def scale_of(result: Result) -> str:
    """Return the scale that the result was estimated on: ``log_rate_ratio`` or ``difference``."""
    known = method.scale_of(result.estimator) or (result.joint.scale if result.joint is not None else None)
    if known is not None:
        return str(known)
    for held, scale in (("difference", "difference"), ("rate_ratio", "log_rate_ratio")):
        if result.has("att", held):
            return scale
    raise EstimationError(f"{type(result.estimator).__name__} gives no average effect to draw inference on")


def log_of(ratio: float) -> float:
    """Return the logarithm of a ratio as permutations are ranked by it; minus infinity of zero."""
    with np.errstate(divide="ignore"):
        return float(np.log(ratio))


def plain_log(ratio: float) -> float:
    """Return the logarithm of a ratio as resampling takes it; at times it differs from `log_of` in the last digit."""
    return math.log(ratio) if ratio > 0 else log_of(ratio)


def estimate_of(result: Result, *, studentised: bool = False, log: Callable[[float], float] = log_of) -> float:
    """Return the average effect as inference works on it, a ratio as its logarithm; NaN where there is none.

    Parameters
    ----------
    result : Result
    studentised : bool
        Whether it is divided by its standard error.
    log : callable
        The logarithm of a ratio.
    """
    ratio = scale_of(result) == "log_rate_ratio"
    held = "rate_ratio" if ratio else "difference"
    if not result.has("att", held):
        return math.nan
    effect = result.effect("att", held)
    estimate = log(effect.estimate) if ratio else effect.estimate
    if not studentised:
        return estimate
    error = error_of(result)
    return estimate / error if error > 0 else math.nan


def error_of(result: Result) -> float:
    """Return the standard error of :func:`estimate_of`, which has to be there; of a ratio its logarithm's."""
    log = scale_of(result) == "log_rate_ratio"
    effect = result.effect("att", "rate_ratio" if log else "difference")
    return effect.std_error / effect.estimate if log and effect.estimate else effect.std_error


def finite_estimate(result: Result) -> float:
    """Return a result's average effect; an EstimationError where it has none that is finite."""
    value = estimate_of(result, log=plain_log)
    if not math.isfinite(value):
        raise EstimationError("the average effect has no finite estimate, so that resampling has nothing to go round")
    return value


def with_choices(estimator: Any, **wanted: Any) -> Any:
    """Return the estimator with other choices, of those that it has; as it is where it cannot be used so."""
    names = {f.name for f in fields(estimator)} if is_dataclass(estimator) else set()
    changes = {name: value for name, value in wanted.items() if name in names}
    try:
        return replace(estimator, **changes) if changes else estimator
    except EstimationError:
        return estimator


@dataclass(frozen=True, eq=False)
class Statistic:
    """The average effect of a result's estimator under other assignments and outcomes.

    Parameters
    ----------
    result : Result
        With its design.
    studentised : bool
        Whether the effect is divided by its standard error; that takes a whole fit.
    """

    result: Result
    studentised: bool = False

    def __post_init__(self) -> None:
        if self.result.design is None:
            raise EstimationError("this result was read without its data; give `design=` to Result.from_json")

    @property
    def design(self) -> Design:
        """The design of the result."""
        return design_of(self.result, "inference by refits")

    @cached_property
    def scale(self) -> str:
        """Scale of the average effect."""
        return scale_of(self.result)

    @property
    def is_fast(self) -> bool:
        """Whether the estimator answers arrays: by ``point``, studentised by ``influence``."""
        estimator = self.result.estimator
        return isinstance(estimator, PointEstimator) and (not self.studentised or isinstance(estimator, HasInfluence))

    def _quick(self, arrays: DesignArrays) -> float:
        estimator: Any = self.result.estimator
        if not self.studentised:
            return float(estimator.point(arrays))
        try:
            estimate, influence = estimator.influence(arrays)
        except EstimationError:
            return math.nan
        error = math.sqrt(float(np.sum(influence**2)))
        return float(estimate) / error if error > 0 else math.nan

    @cached_property
    def arrays(self) -> DesignArrays:
        """The design as the estimator's ``point`` takes it: with columns of its own where it has ``arrays``."""
        return method.arrays_of(self.result.estimator, self.design)

    @cached_property
    def bare(self) -> Any:
        """The estimator without placebos of its own where it has cluster-robust errors, which are all a refit needs."""
        return with_choices(self.result.estimator, inference="cluster")

    def many(self, patterns: Ints, y: Floats | None = None) -> Floats:
        """Return the statistic for each pattern (see :meth:`DesignArrays.assigned`), NaN where it is not identified.

        Parameters
        ----------
        patterns : ndarray of int, shape (B, N)
        y : ndarray, shape (N, T), optional
            Another outcome.
        """
        if self.is_fast:
            arrays = self.arrays if y is None else replace(self.arrays, y=y)
            return np.array([self._quick(arrays.assigned(p)) for p in patterns])
        design = self.design if y is None else with_outcome(self.design, y)
        return np.array([self._refitted(design.reassigned(p)) for p in patterns])

    def among(self, arrays: DesignArrays, design: Callable[[], Design]) -> float:
        """Return the statistic on other arrays, or without ``point`` on the design that they stand for."""
        if self.is_fast:
            return self._quick(arrays)
        return self._refitted(design())

    def _refitted(self, design: Design) -> float:
        try:
            result = self.result.refit(design=design, estimator=self.bare)
        except (DesignError, EstimationError):
            return math.nan  # an assignment whose effect is not identified; it is counted, and the notes say so
        return self.read(result)

    def read(self, result: Result) -> float:
        """Return the statistic of a fit."""
        return estimate_of(result, studentised=self.studentised)


def without_effect(arrays: DesignArrays, effect: float, scale: str) -> Floats:
    """Return the outcome as it would have been under a constant `effect`, shape (N, T).

    On the difference scale the effect is taken from every treated cell; on the log ratio scale the outcome of every
    treated cell is divided by ``exp(effect)``.
    """
    if scale == "difference":
        return np.where(arrays.treated, arrays.y - effect, arrays.y)
    return np.where(arrays.treated, arrays.y * math.exp(-effect), arrays.y)


def with_outcome(design: Design, y: Floats) -> Design:
    """Return the design with another outcome, which stands as a measure since it need not be whole."""
    panel, name = design.view, design.outcome
    if y.shape != (panel.n_areas, panel.n_periods):
        raise DataError(f"an outcome of shape {y.shape} for {panel.n_areas} areas x {panel.n_periods} periods")
    made = replace(
        panel,
        _frame=panel._frame.assign(**{name: y.ravel()}),  # noqa: SLF001 - the panel's own grid, already validated
        counts=tuple(c for c in panel.counts if c != name),
        measures=(*(m for m in panel.measures if m != name), name),
    )
    return replace(design, panel=made, window=None)


@runtime_checkable
class HasCoefficient(Protocol):
    """An estimator whose average effect is a contrast of a two-way model's coefficients."""

    def coefficient(self, arrays: DesignArrays) -> Coefficient:
        """Return the model and the contrast; raise EstimationError where it is not identified."""
        ...


@runtime_checkable
class HasInfluence(Protocol):
    """An estimator that gives what each area, or cluster of areas, adds to the error of its average effect."""

    @property
    def scale(self) -> str:
        """Scale of the estimate: ``log_rate_ratio`` or ``difference``."""
        ...

    def influence(self, arrays: DesignArrays) -> tuple[float, Floats]:
        """Return the average effect and the influence of each cluster, shape (G,), whose squares sum to CR0."""
        ...


@runtime_checkable
class PathEstimator(Protocol):
    """An estimator that gives its counterfactual path before and after the start, without anything else."""

    def path(self, arrays: DesignArrays) -> tuple[Floats, Floats]:
        """Return observed and expected outcome of treated areas, shape (N, T); expected is NaN where there is none."""
        ...


def one_outcome(arrays: DesignArrays, who: str) -> None:
    """Refuse arrays that hold a second outcome, which a method that replaces the first would leave as it was."""
    if type(arrays) is not DesignArrays:
        raise EstimationError(
            f"{who} makes one outcome anew, and this estimator compares two that move together; use ClusterBootstrap, "
            "randomisation inference or placebos"
        )


def data_order(arrays: DesignArrays) -> Ints:
    """Return the rows in an order that depends on what the areas' data are, not on names or on where they stand."""
    exposure = [] if arrays.exposure is None else list(arrays.exposure.T)
    N = len(arrays.start)
    covariates = list(arrays.covariates.reshape(N, -1).T)
    keys = [*covariates, *exposure, *arrays.y.T[::-1], *arrays.status.T, arrays.start]
    return np.lexsort(keys).astype(np.int64)


def design_of(result: Result, who: str) -> Design:
    """Return the design of a result; an EstimationError where it was read without its data."""
    if result.design is None:
        raise EstimationError(f"{who} needs the data, and this result was read without them; give from_json `design=`")
    return result.design


def point_by_rows(result: Result) -> Callable[[Ints], float]:
    """Return the average effect as a function of rows of the design's arrays, which may come several times.

    By ``point``, by ``coefficient``, or else by a fit to a design with the areas under new names; NaN where the
    estimator says that it is not identified. A breakdown of another kind is raised.
    """
    design = design_of(result, "resampling")
    estimator, arrays = result.estimator, method.arrays_of(result.estimator, design)
    if isinstance(estimator, PointEstimator):
        return lambda rows: float(estimator.point(arrays.take(rows)))
    if isinstance(estimator, HasCoefficient):
        return lambda rows: _or_nan(lambda: estimator.coefficient(arrays.take(rows)).estimate)
    return lambda rows: _or_nan(lambda: estimate_of(result.refit(design=resampled(design, rows)), log=plain_log))


def _or_nan(make: Callable[[], float]) -> float:
    try:
        return make()
    except (DesignError, EstimationError):
        return math.nan


def resampled(design: Design, rows: Ints) -> Design:
    """Return the design with some of its areas, each under a new name; an area may come several times."""
    view, told = design.view, design.intervention
    frame = view.to_frame()
    held = dict(iter(frame.groupby("area", sort=False, observed=True)))
    width = len(str(len(rows)))
    names = [f"draw {k:0{width}d}" for k in range(len(rows))]
    taken = [view.areas[int(i)] for i in rows]
    parts = [held[a].assign(area=name) for a, name in zip(taken, names, strict=True)]
    above = _drawn_parents(view, rows, taken)
    if above:
        parts = [part.assign(parent=p) for part, p in zip(parts, above, strict=True)]
    panel = Panel.from_frame(
        pd.concat(parts, ignore_index=True),
        as_given=True,
        area="area",
        period="period",
        counts=view.counts,
        measures=view.measures,
        exposures=view.exposures,
        covariates=view.covariates,
        parent="parent" if above else None,
        synthetic=view.synthetic,
    )
    starts, ends = (
        {n: given[a] for n, a in zip(names, taken, strict=True) if a in given}
        for given in (told.starts, told.ends or {})
    )
    return replace(design, panel=panel, intervention=replace(told, starts=starts, ends=ends), window=None)


def _drawn_parents(view: Panel, rows: Ints, taken: list[str]) -> list[str]:
    """Return the reporting area of each area drawn, a copy of it where the area was drawn before; empty without any."""
    if not view.parents:
        return []
    seen: dict[int, int] = {}
    copies = [seen.setdefault(int(i), -1) for i in rows]
    for k, i in enumerate(rows.tolist()):
        seen[i] += 1
        copies[k] = seen[i]
    return [f"{view.parents.get(a, a)}, draw {c}" for a, c in zip(taken, copies, strict=True)]


def refuse_lone(arrays: DesignArrays, who: str) -> None:
    """Raise an EstimationError where a single area is treated, or serves as control."""
    treated, controls = n_treated(arrays), n_controls(arrays)
    if treated <= 1 or controls <= 1:
        side, one = "treated" if treated <= 1 else "control", cluster_words(arrays.units, 1)
        raise EstimationError(
            f"{who} cannot tell the noise of a single {side} {one}: no resampling shows it. Use inference by "
            "placebo areas."
        )


def independent(arrays: DesignArrays) -> str:
    """Say between what noise is supposed to be independent."""
    return f"It supposes that {cluster_words(arrays.units)} are independent of each other."


def few(arrays: DesignArrays, then: str) -> str:
    """Return `then` after how many areas are treated and serve as controls, where either is few; else nothing."""
    treated, controls = n_treated(arrays), n_controls(arrays)
    if treated >= FEW_TREATED and controls >= FEW_CONTROLS:
        return ""
    what = cluster_words(arrays.units, treated)
    areas = f"{treated} treated {what} and {controls} control{'s' if controls > 1 else ''}"
    return f" With {areas} {then}"


def with_sums(result: Result, coefficient: Coefficient) -> Result:
    """Return the result with the sums that tie its scales, where it does not hold them."""
    if {"observed", "expected"} <= set(result.diagnostics):
        return result
    group = coefficient.terms.group
    assert group is not None
    cells = coefficient.terms.use & (group >= 0)
    observed, estimate = float(coefficient.y[cells].sum()), coefficient.estimate
    ratio = coefficient.family == "poisson"
    expected = observed / math.exp(estimate) if ratio else observed - estimate * float(cells.sum())
    sums = {"observed": observed, "expected": expected, "treated_cells_used": int(cells.sum())}
    return replace(result, diagnostics={**result.diagnostics, **sums})


def problems_of(made: Any, usual: int | None = None, **choices: tuple[str, ...]) -> Problems:
    """Return what is wrong with a method of inference: its draws, its level, and choices that there are not.

    Parameters
    ----------
    made : method of inference
        With ``level`` and, where a `usual` number is proposed, ``draws``.
    usual : int, optional
    **choices
        Valid values by the name of the choice.
    """
    found = Problems()
    if usual is not None and (not isinstance(made.draws, int) or made.draws < _FEWEST_DRAWS):
        found.add(f"{made.draws!r} is no number of draws", where="draws", fix=f"Give {usual}.", rule="draws")
    if not 0 < made.level < 1:
        found.add(f"{made.level!r} is no coverage", where="level", fix="Give 0.95.", rule="level")
    for name, valid in choices.items():
        value = getattr(made, name)
        if value not in valid:
            found.add(f"{value!r} is no {name}", where=name, fix=did_you_mean(str(value), valid), rule="choice")
    return found


def answered(
    result: Result, interval: Interval, *, warns: bool = False, told: Mapping[str, object] | None = None
) -> Result:
    """Return the result with this interval on its average effect.

    Parameters
    ----------
    result : Result
    interval : Interval
    warns : bool
        Whether what it rests on takes away from it.
    told : mapping of str to object, optional
        What else the diagnostics say.
    """
    before = result.uncertainty.why
    if any(w.text == before and w.kind != "interval" for w in result.warnings):
        # why there was no interval stays true of the effect itself
        result = replace(result, diagnostics={k: v for k, v in result.diagnostics.items() if k != "inference_why"})
    made = with_interval(result, interval, told=told)
    kept = tuple(w for w in made.warnings if w.text in made.notes and w.text != interval.why)
    return replace(made, warnings=(*kept, ResultWarning("interval", interval.why)) if warns else kept)

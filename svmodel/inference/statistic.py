"""What an estimator says of other assignments and outcomes: by its ``point`` where it has one, else by refits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from svmodel.design import Design, DesignArrays
from svmodel.errors import DataError, DesignError, EstimationError
from svmodel.numerics.arrays import Floats
from svmodel.numerics.cluster.coefficient import Coefficient
from svmodel.result import PointEstimator, Result, method
from svmodel.result.rule import FEW_CONTROLS, FEW_TREATED, n_controls

if TYPE_CHECKING:
    Rows: TypeAlias = NDArray[np.int64]


def scale_of(result: Result) -> str:
    """Return the scale that the result was estimated on: ``log_rate_ratio`` or ``difference``."""
    if isinstance(result.estimator, PointEstimator):
        return str(result.estimator.scale)
    if result.joint is not None:
        return result.joint.scale
    if result.has("att", "difference"):
        return "difference"
    if result.has("att", "rate_ratio"):
        return "log_rate_ratio"
    raise EstimationError(f"{type(result.estimator).__name__} gives no average effect to draw inference on")


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
        if self.result.design is None:
            raise EstimationError("this result was read without its data")
        return self.result.design

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
        estimator: Any = self.result.estimator
        if is_dataclass(estimator) and "inference" in {f.name for f in fields(estimator)}:
            try:
                return replace(estimator, inference="cluster")  # type: ignore[type-var]
            except EstimationError:  # it has no such errors
                return estimator
        return estimator

    def many(self, patterns: NDArray[np.int64], y: Floats | None = None) -> Floats:
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
            return math.nan  # a deal whose effect is not identified; it is counted and told
        return self.read(result)

    def read(self, result: Result) -> float:
        """Return the statistic of a fit."""
        log = self.scale == "log_rate_ratio"
        held = "rate_ratio" if log else "difference"
        if not result.has("att", held):
            return math.nan
        effect = result.effect("att", held)
        with np.errstate(divide="ignore"):
            estimate = float(np.log(effect.estimate)) if log else effect.estimate
        if not self.studentised:
            return estimate
        error = effect.std_error / effect.estimate if log and effect.estimate else effect.std_error
        return estimate / error if error > 0 else math.nan


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
    """An estimator that gives what each area adds to the error of its average effect."""

    @property
    def scale(self) -> str:
        """Scale of the estimate: ``log_rate_ratio`` or ``difference``."""
        ...

    def influence(self, arrays: DesignArrays) -> tuple[float, NDArray[np.float64]]:
        """Return the average effect and the influence of each area, shape (N,), whose squares sum to CR0."""
        ...


@runtime_checkable
class PathEstimator(Protocol):
    """An estimator that gives its counterfactual path before and after the start, without anything else."""

    def path(self, arrays: DesignArrays) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return observed and expected outcome of treated areas, shape (N, T); expected is NaN where there is none."""
        ...


def one_outcome(arrays: DesignArrays, who: str) -> None:
    """Refuse arrays that hold a second outcome, which a method that makes the first anew would leave as it was."""
    from svmodel.design import DesignArrays

    if type(arrays) is not DesignArrays:
        raise EstimationError(
            f"{who} makes one outcome anew, and this estimator compares two that move together; use ClusterBootstrap, "
            "randomisation inference or placebos"
        )


def data_order(arrays: DesignArrays) -> Rows:
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


def estimate_of(result: Result) -> tuple[str, float]:
    """Return the scale and the value of a result's average effect, as inference works on it."""
    scale = method.scale_of(result.estimator)
    if scale is None:
        scale = "log_rate_ratio" if result.has("att", "rate_ratio") else "difference"
    wanted = "rate_ratio" if scale == "log_rate_ratio" else "difference"
    if not result.has("att", wanted):
        raise EstimationError(f"{type(result.estimator).__name__} gives no average effect on {wanted!r} to work on")
    value = result.effect("att", wanted).estimate
    if scale == "log_rate_ratio":
        value = math.log(value) if value > 0 else -math.inf
    return str(scale), value


def point_by_rows(result: Result) -> Callable[[Rows], float]:
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
    return lambda rows: _or_nan(lambda: estimate_of(result.refit(design=resampled(design, rows)))[1])


def _or_nan(make: Callable[[], float]) -> float:
    try:
        return make()
    except (DesignError, EstimationError):
        return math.nan


def resampled(design: Design, rows: Rows) -> Design:
    """Return the design with some of its areas, each under a new name; an area may come several times."""
    from dataclasses import replace

    import pandas as pd

    from svmodel.design import Intervention
    from svmodel.panel import Panel

    view, told = design.view, design.intervention
    frame = view.to_frame()
    held = dict(iter(frame.groupby("area", sort=False, observed=True)))
    width = len(str(len(rows)))
    names = [f"draw {k:0{width}d}" for k in range(len(rows))]
    taken = [view.areas[int(i)] for i in rows]
    parts = [held[a].assign(area=name) for a, name in zip(taken, names, strict=True)]
    panel = Panel.from_frame(
        pd.concat(parts, ignore_index=True),
        area="area",
        period="period",
        counts=view.counts,
        measures=view.measures,
        exposures=view.exposures,
        covariates=view.covariates,
        synthetic=view.synthetic,
    )
    starts, ends = (
        {n: given[a] for n, a in zip(names, taken, strict=True) if a in given}
        for given in (told.starts, told.ends or {})
    )
    return replace(design, panel=panel, intervention=Intervention(told.name, starts, ends, told.cost), window=None)


def finite_estimate(result: Result) -> tuple[str, float]:
    """Return the scale and the value of a result's average effect; an EstimationError where it is not finite."""
    scale, value = estimate_of(result)
    if not math.isfinite(value):
        raise EstimationError("the average effect has no finite estimate, so that resampling has nothing to go round")
    return scale, value


def refuse_lone(arrays: DesignArrays, who: str) -> None:
    """Raise an EstimationError where a single area is treated, or serves as control."""
    treated, controls = int(arrays.treated.any(axis=1).sum()), n_controls(arrays)
    if treated <= 1 or controls <= 1:
        side = "treated" if treated <= 1 else "control"
        raise EstimationError(
            f"{who} cannot tell the noise of a single {side} area: no resampling of areas shows it. Use inference by "
            "placebo areas."
        )


def few(arrays: DesignArrays) -> str:
    """Return how many areas are treated and serve as controls, where either is few, or nothing."""
    treated, controls = int(arrays.treated.any(axis=1).sum()), n_controls(arrays)
    if treated >= FEW_TREATED and controls >= FEW_CONTROLS:
        return ""
    return f"{treated} treated area{'s' if treated > 1 else ''} and {controls} control{'s' if controls > 1 else ''}"


def with_sums(result: Result, coefficient: Coefficient) -> Result:
    """Return the result with the sums that tie its scales, where it does not hold them."""
    from dataclasses import replace

    held = dict(result.diagnostics)
    if "observed" in held and "expected" in held:
        return result
    group = coefficient.terms.group
    assert group is not None
    cells = coefficient.terms.use & (group >= 0)
    observed, estimate = float(coefficient.y[cells].sum()), coefficient.estimate
    ratio = coefficient.family == "poisson"
    held["observed"] = observed
    held["expected"] = observed / math.exp(estimate) if ratio else observed - estimate * float(cells.sum())
    held["treated_cells_used"] = int(cells.sum())
    return replace(result, diagnostics=held)

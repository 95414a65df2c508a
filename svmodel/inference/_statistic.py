"""What an estimator says of other assignments and outcomes: by its ``point`` where it has one, else by refits."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from svmodel.errors import DataError, DesignError, EstimationError
from svmodel.inference._ways import HasInfluence, arrays_of
from svmodel.result import PointEstimator

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from svmodel.design import Design, DesignArrays
    from svmodel.result import Result

    Floats = NDArray[np.float64]

__all__ = ["Statistic", "scale_of", "with_outcome", "without_effect"]


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
        return arrays_of(self.result.estimator, self.design)

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

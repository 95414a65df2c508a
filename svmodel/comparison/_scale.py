"""Average effects of different methods brought to one scale, quickly, for any arrays of a design."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from svmodel.errors import EstimationError, did_you_mean
from svmodel.inference import arrays_of
from svmodel.result import SCALES, PointEstimator

if TYPE_CHECKING:
    from collections.abc import Callable

    from svmodel.design import Design, DesignArrays
    from svmodel.result import Estimator, Result

__all__ = ["Sums", "as_shown", "checked_scale", "family", "laid_out", "on_scale", "quick", "sums_of"]


@dataclass(frozen=True)
class Sums:
    """What ties the scales of one average effect: events, number and exposure of the treated cells."""

    observed: float
    cells: float
    exposure: float


def sums_of(arrays: DesignArrays) -> Sums:
    """Return the sums over all treated cells whose outcome is known; exposure is NaN where there is none."""
    cells = arrays.treated
    exposure = math.nan if arrays.exposure is None else float(arrays.exposure[cells].sum())
    return Sums(float(arrays.y[cells].sum()), float(cells.sum()), exposure)


def on_scale(value: float, own: str, scale: str, sums: Sums) -> float:
    """Return an effect on another scale; a rate ratio is returned as its logarithm.

    Ratio R, events and difference are tied by the observed sum O, with ``R = O / (O - events)``.

    Parameters
    ----------
    value : float
    own : {"log_rate_ratio", "difference"}
        Scale of `value`.
    scale : str
        One of :data:`svmodel.result.SCALES`.
    sums : Sums

    Returns
    -------
    float
        NaN where the scales cannot be tied: a linear model that expects no event or fewer has no ratio.

    Examples
    --------
    >>> sums = Sums(observed=80.0, cells=10.0, exposure=math.nan)
    >>> round(math.exp(on_scale(-2.0, "difference", "rate_ratio", sums)), 6)
    0.8
    >>> round(on_scale(math.log(0.8), "log_rate_ratio", "events", sums), 6)
    -20.0
    """
    if own == "log_rate_ratio" and scale == "rate_ratio":
        return value
    if own == "log_rate_ratio":
        events = sums.observed * (1 - math.exp(-value)) if math.isfinite(value) else math.nan
    else:
        events = value * sums.cells
    if scale == "rate_ratio":
        expected = sums.observed - events
        if not expected > 0:
            return math.nan
        return math.log(sums.observed / expected) if sums.observed > 0 else -math.inf
    if scale == "events":
        return events
    if scale == "per_100k":
        return events / sums.exposure * 100_000
    return events / sums.cells if sums.cells else math.nan


def laid_out(estimator: Estimator, design: Design) -> DesignArrays:
    """Return the design's arrays as the estimator's ``point`` takes them."""
    return arrays_of(estimator, design)


def quick(estimator: Estimator, scale: str) -> Callable[[DesignArrays], float] | None:
    """Return the average effect on `scale` (a ratio as its logarithm) of any arrays; None without ``point``."""
    if not isinstance(estimator, PointEstimator):
        return None

    def value(arrays: DesignArrays) -> float:
        return on_scale(float(estimator.point(arrays)), estimator.scale, scale, sums_of(arrays))

    return value


def family(estimator: Estimator, result: Result | None = None) -> str:
    """Return ``Poisson`` for a method in ratios, ``linear`` for one in the outcome's units, or nothing."""
    scale = getattr(estimator, "scale", None)
    if scale is None and result is not None and result.joint is not None:
        scale = result.joint.scale
    return {"log_rate_ratio": "Poisson", "difference": "linear"}.get(str(scale), "")


def checked_scale(scale: str | None, *, counts: bool, exposure: bool) -> str:
    """Return the scale, by default a rate ratio for counts and a difference for measures.

    Raises
    ------
    EstimationError
        If there is no such scale, or the outcome has none.
    """
    if scale is None:
        return "rate_ratio" if counts else "difference"
    if scale not in SCALES:
        raise EstimationError(f"no scale is called {scale!r}. {did_you_mean(scale, SCALES)}")
    if not counts and scale != "difference":
        raise EstimationError(f"a measure has a difference only, and no {scale!r}")
    if scale == "per_100k" and not exposure:
        raise EstimationError("rates per 100,000 need a design with an exposure")
    return scale


def as_shown(value: float, scale: str) -> float:
    """Return a value as tables show it: a ratio itself in place of its logarithm."""
    if scale != "rate_ratio":
        return value
    with np.errstate(over="ignore"):
        return float(np.exp(value))

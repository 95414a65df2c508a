"""How far two methods' answers to the same data may differ by chance: the jackknife of their difference."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd

from svmodel.design import Design, DesignArrays
from svmodel.design.clusters import cluster_words, clusters_of
from svmodel.errors import EstimationError, did_you_mean
from svmodel.inference.jackknife import by_t, cv3
from svmodel.numerics.arrays import Floats, Ints
from svmodel.numerics.cluster.membership import Clusters
from svmodel.result import SCALES, Estimator, PointEstimator, Result
from svmodel.result.method import arrays_of, scale_of
from svmodel.result.rule import n_controls, n_treated

COLUMNS = ("first", "second", "difference", "std_error", "conf_low", "conf_high", "df", "p_value", "p_holm", "why")


def differences(
    estimates: Mapping[str, float], estimators: Mapping[str, Estimator], design: Design, scale: str, level: float
) -> pd.DataFrame:
    """Return every pair of methods with the interval of their difference; ratios as differences of logarithms.

    Parameters
    ----------
    estimates : mapping of str to float
        Finite average effects on `scale` (a ratio as its logarithm).
    estimators : mapping of str to Estimator
    design : Design
    scale : str
    level : float
    """
    arrays = replace(design.arrays, clusters=clusters_of(design, design.arrays))
    units, told = arrays.units, _lone(arrays)
    group = units.some(arrays.treated.any(axis=1)).astype(np.int64)
    held: dict[str, tuple[Floats | None, str]] = {}
    for name, value in estimates.items():
        held[name] = (None, told) if told else _left_out(estimators[name], design, units, scale, value)
    rows = []
    for first, second in combinations(estimates, 2):
        gap = estimates[first] - estimates[second]
        found = (math.nan,) * 5
        why = "; ".join(f"{n}: {held[n][1]}" for n in (first, second) if held[n][1] and not told) or told
        one, other = held[first][0], held[second][0]
        if one is not None and other is not None:
            found = jackknife_difference(gap, one - other, group, level)
            # two ways of writing one estimator differ by rounding, and rounding has no interval
            if math.isnan(found[0]):
                why = "the two are one number for these areas"
        rows.append(dict(zip(COLUMNS, (first, second, gap, *found, math.nan, why), strict=True)))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    p, gap = (frame[c].to_numpy(dtype=np.float64) for c in ("p_value", "difference"))
    frame["p_holm"] = _holm(p, np.abs(gap))
    return frame


def jackknife_difference(
    gap: float, without: Floats, group: Ints, level: float
) -> tuple[float, float, float, float, float]:
    """Return standard error (CV3), limits, degrees of freedom and p-value of a difference of two estimates.

    Parameters
    ----------
    gap : float
        The difference with all areas.
    without : ndarray, shape (G,)
        The difference without each area in turn.
    group : ndarray of int, shape (G,)
        1 for treated areas.
    level : float

    Notes
    -----
    Both estimates are found again on the same areas each time, so that what they share cancels in the difference. A
    sum of the two variances would take them for independent, and is far too wide or, where they lean opposite ways,
    too narrow.

    Examples
    --------
    >>> without, treated = np.array([0.9, 1.1, 1.0, 1.0]), np.array([0, 0, 1, 1])
    >>> error, low, high, df, p = jackknife_difference(1.0, without, treated, 0.95)
    >>> round(error, 4), low < 1 < high
    (0.1225, True)
    """
    error, df = cv3(gap - without, group)
    if not error > 1e-9 * max(abs(gap), 1e-3):
        return math.nan, math.nan, math.nan, math.nan, math.nan
    low, high, p = by_t(gap, error, df, level)
    return error, low, high, df, p


def _lone(arrays: DesignArrays) -> str:
    """Return why no jackknife can be had for any method, or nothing."""
    one, many = cluster_words(arrays.units, 1), cluster_words(arrays.units)
    if n_treated(arrays) < 2:
        return f"a single treated {one}: leaving {many} out shows nothing of its noise"
    if n_controls(arrays) < 2:
        return f"a single control: leaving {many} out shows nothing of its noise"
    return ""


def _left_out(
    estimator: Estimator, design: Design, units: Clusters, scale: str, estimate: float
) -> tuple[Floats | None, str]:
    """Return a method's estimate without each area, or cluster of areas, in turn, or why it cannot be had."""
    point = quick(estimator, scale)
    if point is None:
        return None, "gives no quick estimate"
    arrays = arrays_of(estimator, design)
    value = point(arrays)
    # 1e-6: the quick answer stops iterating where the fit does; a gap beyond that is another estimand
    if not abs(value - estimate) <= 1e-6 * max(1.0, abs(estimate)):
        return None, "some treated area-periods are not used, so that its scales cannot be tied"
    out = np.array([point(arrays.take(np.flatnonzero(units.label != k))) for k in range(units.n)])
    if not np.isfinite(out).all():
        return None, f"not identified without some {cluster_words(units, 1)}"
    return out, ""


def _holm(p: Floats, gap: Floats) -> Floats:
    """Return Holm's adjusted p-values; NaN stays, and two ways of writing one method count once."""
    out = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    one, place = np.unique(np.round(np.column_stack([p, gap])[known], 9), axis=0, return_inverse=True)
    # rows come sorted by p
    adjusted = np.minimum(np.maximum.accumulate(one[:, 0] * np.arange(len(one), 0, -1)), 1.0)
    out[known] = adjusted[place.ravel()] if len(one) else out[known]
    return out


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


def quick(estimator: Estimator, scale: str) -> Callable[[DesignArrays], float] | None:
    """Return the average effect on `scale` (a ratio as its logarithm) of any arrays; None without ``point``."""
    if not isinstance(estimator, PointEstimator):
        return None

    def value(arrays: DesignArrays) -> float:
        if arrays.weights is not None and scale != "difference":
            return math.nan  # a weighted mean is tied to no number of events
        return on_scale(float(estimator.point(arrays)), estimator.scale, scale, sums_of(arrays))

    return value


def family(estimator: Estimator, result: Result | None = None) -> str:
    """Return ``Poisson`` for a method in ratios, ``linear`` for one in the outcome's units, or nothing."""
    scale = scale_of(estimator)
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

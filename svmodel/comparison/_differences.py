"""How far two methods' answers to the same data may differ by chance: the jackknife of their difference."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from svmodel.comparison._scale import laid_out, quick
from svmodel.estimates import critical_value
from svmodel.inference.rule import n_controls
from svmodel.numerics.cluster import small_sample

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from svmodel.design import Design, DesignArrays
    from svmodel.result import Estimator

    Floats = NDArray[np.float64]

__all__ = ["COLUMNS", "differences", "jackknife_difference"]

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
    group = np.asarray(design.arrays.treated.any(axis=1), dtype=np.int64)
    told = _lone(design.arrays)
    held: dict[str, tuple[Floats | None, str]] = {}
    for name, value in estimates.items():
        held[name] = (None, told) if told else _left_out(estimators[name], design, scale, value)
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
    gap: float, without: Floats, group: NDArray[np.int64], level: float
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
    Both estimates are found anew on the same areas each time, so that what they share cancels in the difference. A
    sum of the two variances would take them for independent, and is far too wide or, where they lean opposite ways,
    too narrow.

    Examples
    --------
    >>> without, treated = np.array([0.9, 1.1, 1.0, 1.0]), np.array([0, 0, 1, 1])
    >>> error, low, high, df, p = jackknife_difference(1.0, without, treated, 0.95)
    >>> round(error, 4), low < 1 < high
    (0.1225, True)
    """
    from scipy import special

    G = len(without)
    loss = gap - without
    error = float(np.sqrt((G - 1) / G * (loss**2).sum()))
    if not error > 1e-9 * max(abs(gap), 1e-3):
        return math.nan, math.nan, math.nan, math.nan, math.nan
    mean = np.array([loss[group == g].mean() for g in range(2)])
    df = small_sample(loss - mean[group], group).df
    df = min(df, G - 1.0) if np.isfinite(df) else G - 1.0
    half = critical_value(level, df) * error
    return error, gap - half, gap + half, float(df), float(2 * special.stdtr(df, -abs(gap) / error))


def _lone(arrays: DesignArrays) -> str:
    """Return why no jackknife can be had for any method, or nothing."""
    if int(arrays.treated.any(axis=1).sum()) < 2:
        return "a single treated area: leaving areas out shows nothing of its noise"
    if n_controls(arrays) < 2:
        return "a single control: leaving areas out shows nothing of its noise"
    return ""


def _left_out(estimator: Estimator, design: Design, scale: str, estimate: float) -> tuple[Floats | None, str]:
    """Return a method's estimate without each area in turn, or why it cannot be had."""
    point = quick(estimator, scale)
    if point is None:
        return None, "gives no quick estimate"
    arrays = laid_out(estimator, design)
    value = point(arrays)
    # 1e-6: the quick answer stops iterating where the fit does; a gap beyond that is another estimand
    if not abs(value - estimate) <= 1e-6 * max(1.0, abs(estimate)):
        return None, "some treated area-periods are not used, so that its scales cannot be tied"
    rows = np.arange(len(arrays.start))
    out = np.array([point(arrays.take(np.delete(rows, i))) for i in rows])
    if not np.isfinite(out).all():
        return None, "not identified without some area"
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

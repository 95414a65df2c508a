"""The effect on one count over that on another: a change in how much of the same harm is recorded."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from svmodel.errors import EstimationError
from svmodel.inference._assignments import canonical_order
from svmodel.inference.few_treated import placebo_interval
from svmodel.inference.interval import Interval
from svmodel.inference.rule import choose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from svmodel.design import Design, DesignArrays
    from svmodel.result import PointEstimator, Result

__all__ = ["RatioOfEffects", "ratio_interval", "with_second"]

#: Blocks that treated and other areas are each left out by; up to as many areas, one at a time.
_BLOCKS = 60


@dataclass(frozen=True)
class RatioOfEffects:
    """The log rate ratio on the outcome less that on a second one, which stands as the last covariate.

    The second outcome goes where its area goes, so that whatever resamples or deals out areas deals both together.
    """

    estimator: PointEstimator

    @property
    def scale(self) -> str:
        """Always ``log_rate_ratio``."""
        return "log_rate_ratio"

    def point(self, arrays: DesignArrays) -> float:
        """Return the log of the ratio of both effects, NaN where one is not identified or not finite."""
        others, second = arrays.covariates[..., :-1], arrays.covariates[..., -1]
        one = self.estimator.point(replace(arrays, covariates=others))
        two = self.estimator.point(replace(arrays, covariates=others, y=second))
        return one - two if math.isfinite(one) and math.isfinite(two) else math.nan

    def fit(self, design: Design, *, seed: int = 0) -> Result:
        """Refuse: a design has one outcome."""
        del design, seed
        raise EstimationError("a ratio of effects is estimated from arrays")


def with_second(arrays: DesignArrays, second: NDArray[np.float64]) -> DesignArrays:
    """Return the arrays with the second outcome as last covariate; a cell missing in one is missing in both."""
    known = ~np.isnan(arrays.y) & ~np.isnan(second)
    last = np.where(known, second, np.nan)[..., None]
    return replace(arrays, y=np.where(known, arrays.y, np.nan), covariates=np.concatenate([arrays.covariates, last], 2))


def ratio_interval(estimator: PointEstimator, arrays: DesignArrays, level: float = 0.95) -> Interval | str:
    """Return the log ratio of effects with its interval, or why there is none.

    With few treated areas the interval comes from placebo areas, as for any effect; else from leaving out areas (or
    blocks of them) in turn, separately among treated and other areas, with Satterthwaite's degrees of freedom.

    Parameters
    ----------
    estimator : PointEstimator
        On the log scale.
    arrays : DesignArrays
        From :func:`with_second`.
    level : float

    References
    ----------
    Efron and Stein (1981), *Annals of Statistics* 9(3); Shao and Tu (1995), *The Jackknife and Bootstrap*, chapter 6:
    the jackknife by strata.
    """
    both = RatioOfEffects(estimator)
    estimate = both.point(arrays)
    if not math.isfinite(estimate):
        return "the effect on one of both outcomes is not identified, or there was no event"
    choice = choose(arrays)
    if choice.kind == "none":
        return choice.why
    if choice.kind == "placebo":
        try:
            return placebo_interval(both, arrays, counts=True, level=level, why=choice.why)
        except EstimationError as error:
            return error.title
    return _jackknife(both, arrays, estimate, level)


def _jackknife(both: RatioOfEffects, arrays: DesignArrays, estimate: float, level: float) -> Interval | str:
    from scipy import special

    treated = np.asarray(arrays.treated.any(axis=1))
    order = canonical_order(arrays, treated.astype(np.int64))
    parts, df = [], []
    for rows in (order[treated[order]], order[~treated[order]]):
        blocks = [rows[k::_BLOCKS] for k in range(min(_BLOCKS, len(rows)))]
        if len(blocks) < 2:
            return "a single area is treated, or serves as control"
        without = np.array([both.point(arrays.take(order[~np.isin(order, block)])) for block in blocks])
        if not np.isfinite(without).all():
            return "the ratio is not identified without some areas"
        G = len(blocks)
        parts.append((G - 1) / G * float(((without - without.mean()) ** 2).sum()))
        df.append(G - 1)
    variance = sum(parts)
    if not variance > 0:
        return "the ratio has no scatter over areas"
    freedom = variance**2 / sum(v**2 / d for v, d in zip(parts, df, strict=True))
    error = math.sqrt(variance)
    half = float(special.stdtrit(freedom, 0.5 + level / 2)) * error
    p = float(2 * special.stdtr(freedom, -abs(estimate) / error))
    why = f"jackknife over areas, t with {freedom:.0f} degrees of freedom"
    return Interval(both.scale, estimate, error, estimate - half, estimate + half, p, level, "jackknife", why)

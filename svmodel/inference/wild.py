"""Wild cluster bootstraps: of a linear regression with the null imposed, and of scores."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from svmodel.design import DesignArrays
from svmodel.errors import EstimationError
from svmodel.inference import statistic
from svmodel.inference.statistic import HasCoefficient, HasInfluence, answered, few, with_sums
from svmodel.numerics.arrays import Floats, Mask
from svmodel.numerics.cluster.coefficient import Coefficient
from svmodel.numerics.cluster.wild_bootstrap import (
    all_signs,
    group_statistics,
    invert,
    share_at_least,
    wild_draws,
    wild_weights,
)
from svmodel.result import Result
from svmodel.result.interval import Interval
from svmodel.result.method import arrays_of
from svmodel.seeds import derive_seed

_WEIGHTS = ("auto", "rademacher", "webb")
#: With fewer areas than this, signs alone give too few different draws.
_WEBB_BELOW = 12


@dataclass(frozen=True)
class WildClusterBootstrap:
    """Wild cluster bootstrap of the average effect of a linear two-way regression.

    Parameters
    ----------
    draws : int
        Random draws; where no more combinations of weights exist, all are taken.
    weights : {"auto", "rademacher", "webb"}
        ``auto`` takes Webb's six points with fewer than 12 areas, and signs otherwise.
    restricted : bool
        Impose the null (WCR) or not (WCU). With few treated areas the first rejects too seldom and the second too
        often; the note says so.
    level : float
        Coverage of the interval, which holds every null that is not rejected.

    Notes
    -----
    It supposes that areas are independent; it allows any dependence within an area, and errors that differ between
    areas where many are treated. ``std_error`` is CR1.

    References
    ----------
    Cameron, Gelbach and Miller (2008), *Review of Economics and Statistics* 90(3). Roodman, MacKinnon, Nielsen and Webb
    (2019), *Stata Journal* 19(1). MacKinnon and Webb (2017), *Journal of Applied Econometrics* 32(2): few treated.

    Examples
    --------
    >>> import pandas as pd
    >>> from svmodel import Design, Intervention, Panel, did
    >>> counts = {"A": [10, 12, 6, 7], "B": [20, 22, 15, 16], "C": [15, 14, 16, 16], "D": [9, 8, 9, 11]}
    >>> frame = pd.DataFrame([(a, 2020 + t, n) for a, row in counts.items() for t, n in enumerate(row)],
    ...     columns=["area", "year", "harms"])
    >>> panel = Panel.from_frame(frame, area="area", period="year", counts=["harms"])
    >>> design = Design(panel, outcome="harms", intervention=Intervention("patrols", {"A": 2022, "B": 2022}))
    >>> result = did.TwoWayFixedEffects(family="linear").fit(design)
    >>> found = WildClusterBootstrap(weights="rademacher").infer(result)
    >>> found.effect("att", "difference").p_value  # 2 of 16: the sample and its mirror image
    0.125
    """

    draws: int = 9999
    weights: str = "auto"
    restricted: bool = True
    level: float = 0.95

    def __post_init__(self) -> None:
        found = statistic.problems_of(self, 9999, weights=_WEIGHTS)
        found.raise_if_any(EstimationError, f"{type(self).__name__} cannot be used")

    def infer(self, result: Result, *, seed: int = 0) -> Result:
        """Return the result with this interval and p-value on its average effect.

        Parameters
        ----------
        result : Result
            Of an estimator that offers ``coefficient(arrays)`` with a linear family.
        seed : int

        Returns
        -------
        Result

        Raises
        ------
        EstimationError
            If the estimator offers no linear regression, or a single area is treated or serves as control.
        """
        arrays, coefficient = _coefficient(result, "the wild cluster bootstrap")
        if coefficient is None or coefficient.family != "linear":
            raise EstimationError(
                f"{type(result.estimator).__name__} is no linear regression with one average effect; use "
                "ScoreBootstrap for a Poisson model, or ClusterBootstrap"
            )
        fit, contrast, estimate = coefficient.regression, coefficient.contrast, coefficient.estimate
        v, listed, words, error = _deal_and_error(self, coefficient, seed, "WildClusterBootstrap")
        drawn, sample = wild_draws(fit, contrast, v), wild_draws(fit, contrast, all_signs(len(fit.residual)))
        unrestricted = drawn.squared_t(0.0)

        def p_value(null: float) -> float:
            distance = estimate - null
            squared = drawn.squared_t(distance) if self.restricted else unrestricted
            return share_at_least(squared, float(sample.squared_t(distance)[0]), enumerated=listed)

        low, high = invert(p_value, estimate, error, 1 - self.level)
        method = f"wild cluster bootstrap, {words}"
        why = (
            f"The interval is a wild cluster bootstrap's, {'with' if self.restricted else 'without'} the null imposed "
            f"({words}; Cameron, Gelbach and Miller 2008; Roodman and others 2019). {statistic.independent(arrays)}"
        )
        wrong = "too wide (the test rejects too seldom)" if self.restricted else "too narrow"
        why += few(arrays, f"such intervals are known to be {wrong} at times (MacKinnon and Webb 2017).")
        interval = Interval("difference", estimate, error, low, high, p_value(0.0), self.level, method, why)
        return answered(with_sums(result, coefficient), interval)


@dataclass(frozen=True)
class ScoreBootstrap:
    """Score wild cluster bootstrap of a log rate ratio, or of any estimate that is known by its areas' influence.

    Parameters
    ----------
    draws : int
    weights : {"auto", "rademacher", "webb"}
        As for :class:`WildClusterBootstrap`.
    level : float

    Notes
    -----
    Of a Poisson regression (an estimator with ``coefficient``) the null is imposed: the model is fitted under each null
    that the interval asks for, scores at that fit are multiplied by the weights, and a draw takes one step of iterated
    least squares at the fit's working weights, which also gives its variance.

    Of an estimator with ``influence`` the null is not imposed: influences are multiplied, and each draw's mean over the
    treated and over the other areas is taken off before its variance. The interval is symmetric about the estimate.

    Both suppose that areas are independent.

    References
    ----------
    Kline and Santos (2012), *Journal of Econometric Methods* 1(1). Roodman, MacKinnon, Nielsen and Webb (2019), *Stata
    Journal* 19(1), on nulls imposed in maximum likelihood.

    Examples
    --------
    >>> import pandas as pd
    >>> from svmodel import Design, Intervention, Panel, did
    >>> counts = {"A": [10, 12, 6, 7], "B": [20, 22, 15, 16], "C": [15, 14, 16, 16], "D": [9, 8, 9, 11]}
    >>> frame = pd.DataFrame([(a, 2020 + t, n) for a, row in counts.items() for t, n in enumerate(row)],
    ...     columns=["area", "year", "harms"])
    >>> panel = Panel.from_frame(frame, area="area", period="year", counts=["harms"])
    >>> design = Design(panel, outcome="harms", intervention=Intervention("patrols", {"A": 2022, "B": 2022}))
    >>> result = did.TwoWayFixedEffects(family="poisson").fit(design)
    >>> found = ScoreBootstrap(weights="rademacher").infer(result)
    >>> found.effect("att", "rate_ratio").p_value  # 2 of 16: the sample and its mirror image
    0.125
    """

    draws: int = 9999
    weights: str = "auto"
    level: float = 0.95

    def __post_init__(self) -> None:
        found = statistic.problems_of(self, 9999, weights=_WEIGHTS)
        found.raise_if_any(EstimationError, f"{type(self).__name__} cannot be used")

    def infer(self, result: Result, *, seed: int = 0) -> Result:
        """Return the result with this interval and p-value on its average effect.

        Parameters
        ----------
        result : Result
            Of an estimator that offers ``coefficient(arrays)`` with a Poisson family, or ``influence(arrays)``.
        seed : int

        Returns
        -------
        Result

        Raises
        ------
        EstimationError
            If the estimator offers neither, or a single area is treated or serves as control.
        """
        arrays, coefficient = _coefficient(result, "the score bootstrap")
        if coefficient is not None and coefficient.family == "poisson":
            return self._imposed(result, arrays, coefficient, seed)
        if isinstance(result.estimator, HasInfluence):
            return self._by_influence(result, arrays, seed)
        what = "WildClusterBootstrap" if coefficient is not None else "ClusterBootstrap"
        raise EstimationError(
            f"{type(result.estimator).__name__} gives neither a Poisson regression nor its areas' influence; use {what}"
        )

    def _imposed(self, result: Result, arrays: DesignArrays, coefficient: Coefficient, seed: int) -> Result:
        contrast, estimate = coefficient.contrast, coefficient.estimate
        v, listed, words, error = _deal_and_error(self, coefficient, seed, "ScoreBootstrap")
        whole = all_signs(v.shape[1])

        def p_value(null: float) -> float:
            try:
                under = coefficient.under(null)
                both = wild_draws(under, contrast, np.vstack([whole, v])).squared_t(0.0)
            except EstimationError:
                return math.nan
            return share_at_least(both[1:], float(both[0]), enumerated=listed)

        low, high = invert(p_value, estimate, error, 1 - self.level, tolerance=1e-3)
        why = (
            f"The interval is a score wild cluster bootstrap's with the null imposed ({words}; Kline and Santos 2012). "
            f"{statistic.independent(arrays)}"
        )
        why += few(arrays, "such tests are known to reject too seldom or too often (MacKinnon and Webb 2017).")
        method = f"score wild cluster bootstrap, {words}"
        interval = Interval("log_rate_ratio", estimate, error, low, high, p_value(0.0), self.level, method, why)
        return answered(with_sums(result, coefficient), interval)

    def _by_influence(self, result: Result, arrays: DesignArrays, seed: int) -> Result:
        estimator = result.estimator
        assert isinstance(estimator, HasInfluence)
        estimate, psi = estimator.influence(arrays)
        if not np.isfinite(estimate) or not np.isfinite(psi).all():
            raise EstimationError("the average effect has no finite estimate, so that there are no scores to perturb")
        live = psi != 0
        v, listed, words = _deal(self, live, seed, "ScoreBootstrap")
        group = arrays.units.some(arrays.treated.any(axis=1)).astype(np.int64)[live]
        both = group_statistics(psi[live], group, np.vstack([all_signs(int(live.sum())), v[:, live]]))
        drawn = both[1:]
        centred = psi[live] - np.array([psi[live][group == g].mean() for g in group])
        spread = _positive(math.sqrt(float((centred**2).sum())), estimate)

        def p_value(null: float) -> float:
            return share_at_least(drawn, ((estimate - null) / spread) ** 2, enumerated=listed)

        low, high = invert(p_value, estimate, spread, 1 - self.level)
        why = (
            f"The interval is a score wild cluster bootstrap's of the areas' influences ({words}; Kline and Santos "
            f"2012). {statistic.independent(arrays)}"
        )
        why += few(arrays, "such intervals are known to be too narrow (MacKinnon and Webb 2017).")
        method = f"score wild cluster bootstrap, {words}"
        interval = Interval(
            statistic.scale_of(result), estimate, spread, low, high, p_value(0.0), self.level, method, why
        )
        return answered(result, interval)


def _coefficient(result: Result, who: str) -> tuple[DesignArrays, Coefficient | None]:
    """Return the arrays in the order of their data, and the regression where the estimator offers one."""
    estimator = result.estimator
    arrays = arrays_of(estimator, statistic.design_of(result, who))
    statistic.refuse_lone(arrays, who)
    arrays = arrays.take(statistic.data_order(arrays))
    return arrays, estimator.coefficient(arrays) if isinstance(estimator, HasCoefficient) else None


def _deal(made: Any, live: Mask, seed: int, name: str) -> tuple[Floats, bool, str]:
    """Return weights for every area (1 for those that carry nothing), whether all are listed, and words on them."""
    n = int(live.sum())
    kind = made.weights
    if kind == "auto":
        kind = "webb" if n < _WEBB_BELOW else "rademacher"
    drawn, listed = wild_weights(kind, n, made.draws, np.random.default_rng(derive_seed(seed, name)))
    v = np.ones((len(drawn), len(live)))
    v[:, live] = drawn
    what = "signs" if kind == "rademacher" else "Webb's six points"
    return v, listed, f"all {len(v):,} combinations of {what}" if listed else f"{len(v):,} draws of {what}"


def _deal_and_error(made: Any, coefficient: Coefficient, seed: int, name: str) -> tuple[Floats, bool, str, float]:
    """Return what `_deal` gives for the areas in a regression, and the coefficient's CR1 standard error."""
    fit = coefficient.regression
    dealt = _deal(made, np.asarray(fit.columns.any(axis=(1, 2))), seed, name)
    return *dealt, _positive(fit.error(coefficient.contrast, "CR1").std_error, coefficient.estimate)


def _positive(error: float, estimate: float) -> float:
    """Return the standard error; an EstimationError where the areas leave no residual to perturb."""
    if not error > 1e-10 * max(abs(estimate), 1e-300):
        raise EstimationError("areas differ by nothing but the effect, so that there is no noise to perturb")
    return error

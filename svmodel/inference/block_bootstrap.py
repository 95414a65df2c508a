"""Block bootstrap over periods, for methods that follow the treated areas' own series."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from svmodel.design import DesignArrays
from svmodel.errors import EstimationError
from svmodel.inference.bootstrap import from_draws, from_resamples, told_failures
from svmodel.inference.statistic import design_of, finite_estimate, one_outcome, problems_of, scale_of
from svmodel.numerics.arrays import Floats
from svmodel.numerics.resampling.blocks import BLOCKS, block_length, block_rows
from svmodel.result import PointEstimator, Result
from svmodel.result.method import arrays_of
from svmodel.seeds import derive_seed

_INTERVALS = ("percentile", "basic")
#: Blocks that the past has to hold, for the draws to differ.
_FEWEST_BLOCKS = 4


@dataclass(frozen=True)
class BlockBootstrap:
    """Bootstrap that puts blocks of the past's residuals on the fitted series and estimates again.

    Parameters
    ----------
    draws : int
    length : int, optional
        Periods in a block (their mean for ``stationary``); chosen by the residuals' autocorrelation where None.
    blocks : {"moving", "circular", "stationary"}
    interval : {"percentile", "basic"}
    level : float

    Notes
    -----
    The residuals are those of the treated areas before their start, observed less expected, by period for all these
    areas at once, so that what they share stays shared. On a log scale they are divided by the root of the expected
    count. A draw's outcomes are the expected ones, times or plus the average effect after the start, and the drawn
    residuals; where they come out below zero on a log scale they are zero. Other areas (donors) stay as they are.

    It supposes that the noise after the start is like that before, that it is stationary, and that the fitted past is
    right. Residuals of a fit with many coefficients for its periods are too small, and so is the interval then.

    References
    ----------
    Kuensch (1989), *Annals of Statistics* 17(3). Politis and Romano (1994), *Journal of the American Statistical
    Association* 89(428). Patton, Politis and White (2009), *Econometric Reviews* 28(4): the length.

    Examples
    --------
    >>> BlockBootstrap(length=6).draws
    999
    """

    draws: int = 999
    length: int | None = None
    blocks: str = "circular"
    interval: str = "percentile"
    level: float = 0.95

    def __post_init__(self) -> None:
        found = problems_of(self, 999, interval=_INTERVALS, blocks=BLOCKS)
        if self.length is not None and (not isinstance(self.length, int) or self.length < 1):
            found.add(f"{self.length!r} is no number of periods", where="length", fix="Give 6.", rule="length")
        found.raise_if_any(EstimationError, "BlockBootstrap cannot be used")

    def infer(self, result: Result, *, seed: int = 0) -> Result:
        """Return the result with this interval on its average effect, and the draws.

        Parameters
        ----------
        result : Result
            With a counterfactual that covers the treated areas' past, of an estimator with ``point``.
        seed : int

        Returns
        -------
        Result

        Raises
        ------
        EstimationError
            If the estimator has no ``point``, the past holds fewer than four blocks, or more than half of the draws do
            not identify the effect.
        """
        estimator = result.estimator
        arrays = arrays_of(estimator, design_of(result, "BlockBootstrap"))
        one_outcome(arrays, "a block bootstrap")
        if not isinstance(estimator, PointEstimator):
            raise EstimationError(f"{type(estimator).__name__} has no `point(arrays)`, which a block bootstrap needs")
        estimate, log = finite_estimate(result), scale_of(result) == "log_rate_ratio"
        expected = _expected(result, arrays)
        with np.errstate(invalid="ignore"):
            unit = np.sqrt(expected) if log else np.ones_like(expected)
            residual = np.where(arrays.untreated, (arrays.y - expected) / np.where(unit > 0, unit, np.nan), np.nan)
            mean = np.where(arrays.treated, expected * math.exp(estimate) if log else expected + estimate, expected)
        rows = np.flatnonzero(arrays.treated.any(axis=1))
        past = np.flatnonzero(np.isfinite(residual[rows]).all(axis=0))
        noise = residual[np.ix_(rows, past)]
        noise = noise - noise.mean(axis=1, keepdims=True) if len(past) else noise
        length = self.length or (block_length(noise.sum(axis=0), self.blocks) if len(past) else 1)
        if len(past) < max(_FEWEST_BLOCKS * length, 8):
            raise EstimationError(
                f"the fitted past has {len(past)} periods in which all treated areas are seen, too few for blocks of "
                f"{length}"
            )
        redraw = (arrays.treated | arrays.untreated)[rows] & np.isfinite(mean[rows])
        rng = np.random.default_rng(derive_seed(seed, "BlockBootstrap"))
        T, values = len(arrays.periods), np.empty(self.draws)
        scatter = np.sqrt(mean[rows]) if log else np.ones_like(mean[rows])
        for b in range(self.draws):
            drawn = mean[rows] + scatter * noise[:, block_rows(len(past), T, length, self.blocks, rng)]
            y = arrays.y.copy()
            y[rows] = np.where(redraw, np.maximum(drawn, 0.0) if log else drawn, y[rows])
            values[b] = estimator.point(replace(arrays, y=y))
        good = ~np.isnan(values)
        failed = told_failures(good, "draws of periods", values)
        limits = from_draws(values[good], estimate, self.interval, self.level)
        method = f"block bootstrap, {self.draws:,} draws, {self.blocks} blocks of {length}"
        why = (
            f"The interval is a block bootstrap's over periods ({self.draws:,} draws, {self.blocks} blocks of "
            f"{length}; {self.interval}). It supposes that the noise after the start is like that of the "
            f"{len(past)} periods before it, and that the fitted past is right. {failed}"
        ).rstrip()
        return from_resamples(result, estimate, values, good, limits, self.level, method, why)


def _expected(result: Result, arrays: DesignArrays) -> Floats:
    """Return what was expected without the intervention, shape (N, T), NaN where the result does not say."""
    out = np.full(arrays.y.shape, np.nan)
    table = result.counterfactual
    if table is not None:
        place = {a: i for i, a in enumerate(arrays.areas)}
        when = {p: t for t, p in enumerate(arrays.periods)}
        for area, period, value in zip(table["area"], table["period"], table["expected"], strict=True):
            if area in place and period in when:
                out[place[area], when[period]] = value
    return out

"""Residuals of treated areas under a supposed effect, the counterfactual estimated as if none were treated."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property

import numpy as np
import pandas as pd

from svmodel.design import NEVER, TREATED, UNTREATED, DesignArrays
from svmodel.errors import DesignError, EstimationError, Problems, shorten
from svmodel.inference.statistic import PathEstimator, Statistic, one_outcome, without_effect
from svmodel.numerics.arrays import Floats, Ints
from svmodel.result import PointEstimator, Result
from svmodel.result.rule import never_treated

#: Share by which residuals may differ when the periods are put in another order.
_SAME = 1e-5


class Residuals:
    """Residuals of the treated areas in every period, as functions of the effect that is taken away."""

    def __init__(self, result: Result) -> None:
        statistic = Statistic(result)
        self.estimator = result.estimator
        self.scale = statistic.scale
        name = type(self.estimator).__name__
        if not isinstance(self.estimator, PathEstimator | PointEstimator):
            raise EstimationError(
                f"{name} has neither `path` nor `point`; conformal inference estimates many times over"
            )
        arrays = statistic.arrays
        one_outcome(arrays, "conformal inference")
        treated = np.flatnonzero((arrays.status == TREATED).any(axis=1))
        controls = never_treated(arrays)
        found = Problems()
        if (arrays.status[treated] != arrays.status[treated[0]]).any():
            fix = "Use randomisation inference or placebos, or give each start a design of its own."
            found.add(f"{len(treated)} treated areas have different dates", fix=fix, rule="staggered")
        if not len(controls):
            found.add("no area is never treated", fix="Keep areas without the intervention.", rule="no_controls")
        found.raise_if_any(DesignError, "conformal inference cannot answer this design")
        status = arrays.status[treated[0]]
        use = ((status == UNTREATED) | (status == TREATED)) & ~np.isnan(arrays.y[treated]).any(axis=0)
        use &= (~np.isnan(arrays.y[controls])).any(axis=0)
        self.times = np.flatnonzero(use)
        self.after = status[self.times] == TREATED
        if self.after.all() or not self.after.any():
            raise DesignError("the treated areas have no known outcome before their start, or none after it")
        self.n_treated = len(treated)
        self.whole = arrays
        self.rows = np.concatenate([treated, controls])
        self.fits = 0

    def at(self, effect: float, order: Ints | None = None) -> Floats:
        """Return the treated areas' mean residual by period, shape (T,), estimated with periods in another `order`."""
        arrays = replace(self.whole, y=without_effect(self.whole, effect, self.scale)).take(self.rows)
        arrays = _in_order(arrays, self.times if order is None else self.times[order])
        residual = self._by_path(arrays) if isinstance(self.estimator, PathEstimator) else self._by_point(arrays)
        if not np.isfinite(residual).all():
            where = [str(self.whole.periods[int(self.times[t])]) for t in np.flatnonzero(~np.isfinite(residual))]
            raise EstimationError(
                f"{type(self.estimator).__name__} leaves {len(where)} periods without a residual: {shorten(where)}"
            )
        return residual

    def _by_path(self, arrays: DesignArrays) -> Floats:
        """All periods untreated, and an added one to hold the place of the treated."""
        T = arrays.y.shape[1]
        added = replace(
            arrays,
            y=np.column_stack([arrays.y, np.nanmean(arrays.y, axis=1)]),
            exposure=None
            if arrays.exposure is None
            else np.column_stack([arrays.exposure, np.nanmean(arrays.exposure, axis=1)]),
            covariates=np.concatenate([arrays.covariates, np.nanmean(arrays.covariates, axis=1, keepdims=True)], axis=1)
            if arrays.covariates.shape[2]
            else np.empty((len(arrays.y), T + 1, 0)),
            periods=pd.period_range(arrays.periods[0], periods=T + 1, freq=arrays.periods.freq),
        )
        self.fits += 1
        _, expected = self.estimator.path(_treated_last(added, self.n_treated))  # type: ignore[attr-defined]
        gap = arrays.y[: self.n_treated] - expected[: self.n_treated, :T]
        return np.asarray(gap.mean(axis=0))

    def _by_point(self, arrays: DesignArrays) -> Floats:
        """Predict each period from all others, as if it alone were treated."""
        T, n = arrays.y.shape[1], self.n_treated
        out = np.empty(T)
        # what stands in the treated cell tells nothing of what is expected there, and zero events have no logarithm
        filled = np.maximum(np.abs(arrays.y[:n]).mean(axis=1), 1e-3)
        for t in range(T):
            one = _in_order(arrays, np.append(np.delete(np.arange(T), t), t))
            y = one.y.copy()
            y[:n, -1] = filled
            point = float(self.estimator.point(_treated_last(replace(one, y=y), n)))  # type: ignore[attr-defined]
            expected = filled.mean() - point if self.scale == "difference" else filled.mean() * math.exp(-point)
            out[t] = arrays.y[:n, t].mean() - expected
        self.fits += T
        return out

    def check_order(self) -> None:
        """Refuse estimators to which the order of periods matters."""
        T = len(self.times)
        order = np.arange(T)[::-1]
        plain, turned = self.at(0.0), self.at(0.0, order)[::-1]
        if np.abs(plain - turned).max() > _SAME * max(float(np.abs(plain).max()), 1e-12):
            raise EstimationError(
                f"{type(self.estimator).__name__} uses the order of periods, so that its residuals cannot be exchanged "
                "over time; take an estimator that does not (imputation, synthetic control)"
            )

    @cached_property
    def line(self) -> tuple[Floats, Floats] | None:
        """Residuals without effect and what a unit of effect takes from them, where they follow a straight line."""
        base = self.at(0.0)
        unit = float(np.abs(base).mean()) or 1.0
        slope = (self.at(unit) - base) / unit
        third = self.at(-2 * unit)
        straight = np.abs(third - (base - 2 * unit * slope)).max() <= 1e-7 * unit
        return (base, slope) if straight else None


def _in_order(arrays: DesignArrays, times: Ints) -> DesignArrays:
    """Return the arrays with the periods `times`, in this order, under the names of the first periods."""
    return replace(
        arrays,
        y=arrays.y[:, times],
        exposure=None if arrays.exposure is None else arrays.exposure[:, times],
        status=arrays.status[:, times],
        covariates=arrays.covariates[:, times],
        periods=pd.period_range(arrays.periods[0], periods=len(times), freq=arrays.periods.freq),
    )


def _treated_last(arrays: DesignArrays, n_treated: int) -> DesignArrays:
    """Return the arrays with the first areas treated in the last period, and nothing else."""
    N, T = arrays.y.shape
    status = np.full((N, T), UNTREATED, dtype=np.int8)
    status[:n_treated, -1] = TREATED
    start = np.full(N, NEVER, dtype=np.int64)
    start[:n_treated] = T - 1
    return replace(arrays, status=status, start=start, anticipation=0)

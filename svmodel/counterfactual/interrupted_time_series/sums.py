"""Observed against expected events over treated periods, and the variance of their ratio."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from svmodel.counterfactual.interrupted_time_series.fit import Segment
from svmodel.counterfactual.series import path_of, terms_of
from svmodel.design import DesignArrays
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.series.hac import automatic_bandwidth, newey_west, residual_ar1
from svmodel.result.scales import critical_value, linear_row, log_row

#: A sum over fewer periods than this has too few terms for a kernel.
_FEW_PERIODS = 6
#: A variance below this share of what cancelled in it is rounding.
_CANCELLED = 1e-12


@dataclass(frozen=True, eq=False)
class Unit:
    """A treated series with, where it has one, the series it is compared with."""

    fit: Segment
    control: Segment | None = None

    @property
    def expected(self) -> Floats:
        """Events expected without the intervention, given what the comparison series did, shape (T,)."""
        fit, control = self.fit, self.control
        if control is None:
            return fit.expected
        if fit.log:
            return fit.expected * np.exp(control.change)
        return fit.expected + fit.series.exposure * control.change

    def gradients(self) -> list[Floats]:
        """Return derivatives of :attr:`expected` in the series' coefficients and its comparison's, each (T, K)."""
        fit, control = self.fit, self.control
        if control is None:
            return [fit.gradient]
        post = np.zeros_like(control.terms.X)
        post[:, control.terms.post] = control.terms.X[:, control.terms.post]
        if fit.log:
            return [fit.gradient * np.exp(control.change)[:, None], self.expected[:, None] * post]
        return [fit.gradient, fit.series.exposure[:, None] * post]

    @property
    def segments(self) -> list[Segment]:
        """The regressions behind it."""
        return [self.fit] if self.control is None else [self.fit, self.control]


@dataclass(frozen=True, eq=False)
class Sums:
    """Q sums over treated periods.

    Attributes
    ----------
    observed, expected, cells, exposure : ndarray, shape (Q,)
    error : ndarray, shape (Q,)
        Standard error of the log ratio of observed to expected; of their difference for a linear model.
    """

    observed: Floats
    expected: Floats
    cells: Floats
    exposure: Floats
    error: Floats


@dataclass(frozen=True, eq=False)
class Fitted:
    """Every unit, and the errors of their regressions taken together.

    Errors of different series in one period may go together; that is learnt from their residuals, so that intervals of
    sums over areas allow for shocks that areas share (Driscoll and Kraay 1998).
    """

    units: Sequence[Unit]
    errors: str

    @cached_property
    def segments(self) -> list[Segment]:
        """All regressions; units that start together share a comparison series, and count it once each."""
        return [s for u in self.units for s in u.segments]

    @property
    def independent(self) -> bool:
        """Whether errors of different periods are taken as independent."""
        return self.errors in ("model", "poisson")

    @property
    def df(self) -> float:
        """Degrees of freedom of Student's t: those of the smallest regression, fewer where errors follow each other.

        n periods of an AR(1) know a mean as well as ``n (1 - rho) / (1 + rho)`` independent ones (Bartlett 1935). At
        most three quarters are taken off, because a rho that is found so high in a short series is itself in doubt.
        """
        least = float(min(s.df for s in self.segments))
        if self.errors not in ("ar1", "prais_winsten"):
            return least
        return least * max((1 - self.rho) / (1 + self.rho), 0.25)

    @cached_property
    def _ar1(self) -> tuple[float, Floats]:
        """Autocorrelation and the covariance of standardised errors between regressions, shape (S, S)."""
        held = self.segments
        if self.independent:
            rho, variance = 0.0, np.array([1.0 if self.errors == "poisson" else s.dispersion for s in held])
        else:
            rho, variance = residual_ar1(
                [s.z[s.series.used] for s in held],
                [s.maker for s in held],
                [np.flatnonzero(s.series.used) for s in held],
            )
            if self.errors == "prais_winsten":
                rho, variance = max(s.rho for s in held), np.array([s.dispersion for s in held])
        size = np.array([np.sqrt(s.z @ s.z) for s in held])
        with np.errstate(invalid="ignore", divide="ignore"):
            correlation = np.array([[a.z @ b.z for b in held] for a in held]) / np.outer(size, size)
        np.fill_diagonal(correlation, 1.0)
        return rho, np.nan_to_num(correlation) * np.sqrt(np.outer(variance, variance))

    @property
    def rho(self) -> float:
        """Autocorrelation of errors, freed of the bias that fitting brings; 0 where errors are taken as independent."""
        return self._ar1[0]

    @cached_property
    def bandwidth(self) -> int:
        """Lags that the kernel counts for the average effect."""
        weights = [np.where(u.fit.series.after, 1.0, 0.0)[None, :] for u in self.units]
        return automatic_bandwidth(self._influence(self._loads(weights, noise=True))[:, 0])

    def _loads(self, weights: Sequence[Floats], *, noise: bool) -> list[Floats]:
        """Return what each sum ``observed - expected`` owes to standardised errors; one (Q, T) array a regression.

        On the log scale what ``log(observed / expected)`` owes. Without `noise` only the expected side.
        """
        log = self.units[0].fit.log
        observed, expected = self.totals(weights)
        with np.errstate(divide="ignore", invalid="ignore"):
            by_observed = np.where(observed > 0, 1 / observed, np.nan) if log else np.ones_like(observed)
            by_expected = np.where(expected > 0, 1 / expected, np.nan) if log else np.ones_like(expected)
        out = []
        for unit, w in zip(self.units, weights, strict=True):
            for position, (segment, gradient) in enumerate(zip(unit.segments, unit.gradients(), strict=True)):
                load = -by_expected[:, None] * ((w @ np.nan_to_num(gradient)) @ segment.C)
                if noise and position == 0:
                    load = load + by_observed[:, None] * w * segment.spread
                out.append(load)
        return out

    def totals(self, weights: Sequence[Floats]) -> tuple[Floats, Floats]:
        """Return observed and expected events of Q sums, each of shape (Q,)."""
        pairs = list(zip(self.units, weights, strict=True))
        observed = np.sum([w @ np.where(u.fit.series.after, u.fit.series.y, 0.0) for u, w in pairs], axis=0)
        expected = np.sum([w @ np.nan_to_num(u.expected) for u, w in pairs], axis=0)
        return observed, expected

    def _influence(self, loads: Sequence[Floats]) -> Floats:
        """Terms of the sums over time, shape (T, Q), each regression's scaled for the coefficients it spent."""
        return np.sum(
            [k.T * (s.z * np.sqrt(s.n / s.df))[:, None] for k, s in zip(loads, self.segments, strict=True)], axis=0
        )

    def _by_model(self, loads: Sequence[Floats]) -> Floats:
        """Variances when standardised errors follow one AR(1), or none."""
        rho, covariance = self._ar1
        T = loads[0].shape[1]
        R = rho ** np.abs(np.subtract.outer(np.arange(T), np.arange(T))) if rho else np.eye(T)
        carried = [k @ R for k in loads]
        total, apart = np.zeros(len(loads[0])), np.zeros(len(loads[0]))
        for i, k in enumerate(loads):
            for j, c in enumerate(carried):
                part = covariance[i, j] * (k * c).sum(axis=1)
                total += part
                apart += np.abs(part)
        # a series held against its own double leaves a variance that is rounding, of either sign
        return np.where(total > _CANCELLED * apart, total, 0.0)

    def variance(self, weights: Sequence[Floats], *, noise: bool = True) -> Floats:
        """Return the variances of Q sums, on the scale of :meth:`_loads`.

        A kernel needs many periods: sums over one or two take their variance from the AR(1) instead.
        """
        loads = self._loads(weights, noise=noise)
        by_model = self._by_model(loads)
        if self.errors != "newey_west":
            return by_model
        by_kernel = newey_west(self._influence(loads), self.bandwidth)
        if not noise:
            return by_kernel
        periods = np.sum([(w != 0) for w in weights], axis=0).astype(bool).sum(axis=1)
        return np.where(periods < _FEW_PERIODS, by_model, by_kernel)

    def coefficients(self, i: int) -> tuple[Floats, Floats]:
        """Return the intervention's terms of unit `i`, less those of its comparison, and their variances."""
        unit = self.units[i]
        value = np.sum([sign * s.beta[s.terms.post] for s, sign in zip(unit.segments, (1, -1), strict=False)], axis=0)
        held = {id(s): sign for s, sign in zip(unit.segments, (1.0, -1.0), strict=False)}
        loads = [held.get(id(s), 0.0) * s.C[s.terms.post] for s in self.segments]
        if self.errors == "newey_west":
            return value, newey_west(self._influence(loads), self.bandwidth)
        return value, self._by_model(loads)

    @property
    def widening(self) -> float:
        """Kiefer and Vogelsang's (2005) critical value for Bartlett's kernel over the normal's, at 95%."""
        b = (self.bandwidth + 1) / max(s.n for s in self.segments)
        return float(np.polyval([-0.5324, 0.4160, 2.9694, 1.9600], b)) / 1.9600

    def sums(self, weights: Sequence[Floats]) -> Sums:
        """Sum treated periods.

        Parameters
        ----------
        weights : sequence of ndarray, shape (Q, T)
            Weight of each period of a unit in each of Q sums; 0 where it is not treated.
        """
        observed, expected = self.totals(weights)
        pairs = list(zip(self.units, weights, strict=True))
        cells = np.sum([(w != 0).sum(axis=1) * len(u.fit.series.rows) for u, w in pairs], axis=0)
        exposure = np.sum([w @ np.nan_to_num(u.fit.series.exposure) for u, w in pairs], axis=0)
        return Sums(
            observed, expected, cells.astype(np.float64), exposure, np.sqrt(np.maximum(self.variance(weights), 0.0))
        )


@dataclass(frozen=True)
class Writer:
    """How sums are written.

    Parameters
    ----------
    log : bool
        Whether the model is one of ratios.
    counts : bool
        Whether the outcome counts events.
    exposed : bool
        Whether the design has an exposure.
    level, df : float
        Coverage, and Student's degrees of freedom.
    widening : float
        What intervals and p-values take errors times.
    """

    log: bool
    counts: bool
    exposed: bool
    level: float
    df: float
    widening: float

    @property
    def critical(self) -> float:
        """Half the width of an interval in standard errors."""
        return self.widening * critical_value(self.level, self.df)

    def rows(self, term: str, sums: Sums, q: int, **which: Any) -> list[dict[str, Any]]:
        """Return sum `q` on every scale that the model gives."""
        observed, expected, error = (float(v[q]) for v in (sums.observed, sums.expected, sums.error))
        scales = [("difference", 1 / float(sums.cells[q]))]
        if self.exposed and self.counts:
            scales.append(("per_100k", 1e5 / float(sums.exposure[q])))
        if self.counts:
            scales.append(("events", 1.0))
        how: Any = {"level": self.level, "df": self.df, **which}
        wide = error * self.widening
        if not self.log:
            made = [linear_row(term, s, (observed - expected) * f, wide * f, **how) for s, f in scales]
            return [{**r, "std_error": r["std_error"] / self.widening} for r in made]
        if observed <= 0:
            nothing = dict.fromkeys(("std_error", "conf_low", "conf_high", "p_value"), math.nan)
            shared = {"term": term, "level": self.level, **nothing, **which}
            estimates = [("rate_ratio", 0.0), *((s, -expected * f) for s, f in scales)]
            return [{"scale": s, "estimate": v, **shared} for s, v in estimates]
        ratio = log_row(term, math.log(observed / expected), wide, **how)
        limits = (float(ratio[k]) for k in ("conf_low", "conf_high"))
        low, high = (v if math.isnan(v) else observed * (1 - 1 / v) if v > 0 else -math.inf for v in limits)
        out = [{**ratio, "std_error": ratio["std_error"] / self.widening}]
        for scale, f in scales:
            held = {"estimate": (observed - expected) * f, "std_error": expected * error * f}
            out.append({**ratio, "scale": scale, **held, "conf_low": low * f, "conf_high": high * f})
        return out


def term_rows(fitted: Fitted, arrays: DesignArrays, writer: Writer) -> tuple[list[dict[str, Any]], Sums]:
    """Return the rows of every term, and the sums behind them, the average effect's first."""
    asked = terms_of([u.fit.series for u in fitted.units], arrays)
    sums = fitted.sums([np.array(masks, dtype=np.float64) for masks in zip(*(m for _, _, m in asked), strict=True)])
    rows = []
    for q, (term, which, _) in enumerate(asked):
        if sums.cells[q]:
            rows += writer.rows(term, sums, q, **which)
    return rows, sums


def changes(fitted: Fitted, i: int, writer: Writer) -> dict[str, float]:
    """Return the change of level and of slope of unit `i` with their limits; ratios for a log model."""
    out, control = {}, fitted.units[i].control
    # without a change of slope there is a change of level alone
    for name, value, variance in zip(
        ("level_change", "slope_change_per_year"), *(v.tolist() for v in fitted.coefficients(i)), strict=False
    ):
        # a variance that rounding takes below zero is one of nothing
        half = writer.critical * math.sqrt(variance) if variance > 0 else math.nan
        limits = [value, value - half, value + half]
        with np.errstate(over="ignore"):
            told = [float(v) for v in (np.exp(limits) if writer.log else limits)]
        out.update(dict(zip((name, f"{name}_low", f"{name}_high"), told, strict=True)))
    if control is not None:
        out["dispersion_of_controls"] = control.dispersion
    return out


def path(fitted: Fitted, arrays: DesignArrays, writer: Writer) -> pd.DataFrame:
    """Return observed and expected events by period, of each series that is one area and of all together."""

    def numbers(used: list[Mask], live: Ints) -> tuple[Floats, ...]:
        weights = [np.eye(len(arrays.periods))[live] * use for use in used]
        pairs = list(zip(fitted.units, weights, strict=True))
        observed = np.sum([w @ np.nan_to_num(u.fit.series.y) for u, w in pairs], axis=0)
        expected = np.sum([w @ np.nan_to_num(u.expected) for u, w in pairs], axis=0)
        half = writer.critical * np.sqrt(np.maximum(fitted.variance(weights, noise=False), 0.0))
        with np.errstate(over="ignore"):
            limits = expected * np.exp([-half, half]) if writer.log else expected + np.array([-half, half])
        return observed, expected, limits[0], limits[1]

    return path_of([u.fit.series for u in fitted.units], arrays, numbers)

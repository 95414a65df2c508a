"""Panels for power from a model of the history: levels, season, trend, fading shocks, overdispersion."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from svmodel.design import NEVER, TREATED, DesignArrays
from svmodel.errors import EstimationError, Problems
from svmodel.inference.statistic import data_order
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.two_way import TwoWay
from svmodel.numerics.two_way.poisson_fe import fit_poisson, informative_cells
from svmodel.planning.plan import Drawn, Shape
from svmodel.simulate.fields import fading_shocks
from svmodel.simulate.process import draw_counts

#: Lags of the residuals that the noise is fitted to: a year and a half of months, or a third of the history.
_MOST_LAGS = 18
_LONGEST_MEMORY = 0.99


@dataclass(frozen=True)
class Noise:
    """What counts stray by: ``y | s ~ NB2(mu exp(s), k)`` with ``s`` a stationary AR(1) in each area.

    Attributes
    ----------
    dispersion : float
        k, of single cells.
    shock_sd : float
        Standard deviation of s.
    persistence : float
        Correlation of s from one period to the next.
    """

    dispersion: float
    shock_sd: float
    persistence: float


@dataclass(frozen=True, eq=False)
class Model:
    """The fitted model, from which studies of any length are drawn.

    Attributes
    ----------
    rate : ndarray, shape (M,)
        Level of each area of the template: expected events in an average period at its exposure.
    exposure : ndarray, shape (M,) or None
    treated : ndarray of bool, shape (M,)
        Treated areas of the template, from which treated areas are drawn.
    season : ndarray, shape (P,)
        By place in the year, on the log scale; zeros without.
    trend : float
        Per period, on the log scale.
    common_sd, common_persistence : float
        Shocks of whole periods, alike in all areas.
    noise : Noise
    first : pandas.Period
        Of the studies drawn.
    shape : Shape
    n_controls : int
    fixed : bool
        Whether each study has the template's own areas; else they are drawn from it, some several times.
    areas : tuple of str
    order : ndarray of int, shape (M,)
        Of the areas, by their data alone.
    """

    rate: Floats
    exposure: Floats | None
    treated: Mask
    season: Floats
    trend: float
    common_sd: float
    common_persistence: float
    noise: Noise
    first: pd.Period
    shape: Shape
    n_controls: int
    fixed: bool
    areas: tuple[str, ...]
    order: Ints

    def draw(self, place: np.random.Generator, noise: np.random.Generator) -> Drawn:
        """Draw a panel of the study's areas and length."""
        rows = self._areas(place)
        n, T = len(self.shape.start), self.shape.length
        periods = pd.period_range(self.first, periods=T, freq=self.first.freq)
        time = np.arange(T) - (T - 1) / 2
        common = self.common_sd * fading_shocks(noise, 1, T, self.common_persistence)[0]
        path = self.season[_phase(periods, len(self.season))] + self.trend * time + common
        shock = fading_shocks(noise, len(rows), T, self.noise.persistence)
        sd = self.noise.shock_sd
        mean = self.rate[rows][:, None] * np.exp(path[None, :] + sd * shock - sd**2 / 2)
        y, intensity = draw_counts(noise, mean, self.noise.dispersion)
        width = len(str(len(rows)))
        start = np.full(len(rows), NEVER, dtype=np.int64)
        end = np.full(len(rows), NEVER, dtype=np.int64)
        start[:n], end[:n] = self.shape.start, self.shape.end
        exposure = None if self.exposure is None else np.repeat(self.exposure[rows][:, None], T, axis=1)
        names = tuple(f"area {i:0{width}d}" for i in range(1, len(rows) + 1))
        covariates = np.empty((len(rows), T, 0))
        return Drawn(y.astype(np.float64), intensity, exposure, covariates, start, end, names, periods)

    def _areas(self, rng: np.random.Generator) -> Ints:
        """Return the template's areas that the study has, the treated first."""
        treated, rest = self.order[self.treated[self.order]], self.order[~self.treated[self.order]]
        n = len(self.shape.start)
        if self.fixed:
            return np.concatenate([rng.permutation(treated), rest])
        some = treated[rng.integers(0, len(treated), n)]
        others = rest if len(rest) else treated
        return np.concatenate([some, others[rng.integers(0, len(others), self.n_controls)]])


def fit_model(
    arrays: DesignArrays, shape: Shape, *, planned: bool, n_controls: int | None, own_areas: bool, found: Problems
) -> Model | None:
    """Fit the model to the untreated cells; note why it cannot be.

    With `own_areas` each study has the template's; else areas are drawn from them.
    """
    use = ~np.isnan(arrays.y) if planned else arrays.untreated
    use = informative_cells(arrays.y, use)
    # periods with a single area are their own level, and leave no residual
    use &= use.sum(axis=0)[None, :] > 1
    N = len(arrays.areas)
    treated = np.asarray((arrays.status == TREATED).any(axis=1))
    controls = N - int(treated.sum()) if n_controls is None else n_controls
    if controls < 2:
        found.add(f"{controls} controls", where="n_controls", fix="A comparison needs two.", rule="no_controls")
    if use.any(axis=0).sum() < 4 or use.any(axis=1).sum() < 4:
        found.add(
            f"{int(use.any(axis=0).sum())} periods and {int(use.any(axis=1).sum())} areas without intervention are too "
            "few to fit a model to",
            where="design",
            fix="Four of each are the least; a year or more is wanted.",
            rule="no_history",
        )
        return None
    try:
        fit = fit_poisson(arrays.y, TwoWay(use), arrays.exposure)
    except EstimationError as error:
        found.add(f"the counts without intervention have no area and period levels: {error.title}", rule="no_levels")
        return None
    mean = np.where(use, fit.mu, np.nan)
    season, trend, common_sd, common_persistence = _path(arrays, mean, use)
    known = ~np.isnan(arrays.y) & (np.ones_like(use) if planned else arrays.untreated)
    # an area without events has no fitted mean; its level is zero
    total, cells = np.where(known, arrays.y, 0.0).sum(axis=1), np.maximum(known.sum(axis=1), 1)
    exposure = None if arrays.exposure is None else np.nanmean(np.where(known, arrays.exposure, np.nan), axis=1)
    return Model(
        rate=total / cells,
        exposure=exposure,
        treated=treated,
        season=season,
        trend=trend,
        common_sd=common_sd,
        common_persistence=common_persistence,
        noise=fit_noise(arrays.y, mean),
        first=arrays.periods[0],
        shape=shape,
        n_controls=controls,
        fixed=own_areas,
        areas=arrays.areas,
        order=data_order(replace(arrays, y=np.where(known, arrays.y, np.nan))),
    )


def _phase(periods: pd.PeriodIndex, length: int) -> Ints:
    """Return the place of each period in the year."""
    if length == 1:
        return np.zeros(len(periods), dtype=np.int64)
    return np.asarray(periods.month - 1 if length == 12 else periods.quarter - 1, dtype=np.int64)


def _path(arrays: DesignArrays, mean: Floats, use: Mask) -> tuple[Floats, float, float, float]:
    """Return season, trend, and the standard deviation and persistence of what periods stray from them."""
    seen = np.flatnonzero(use.any(axis=0))
    # the common path: fitted means over the levels of the areas seen in a period
    level = np.nanmean(mean, axis=1)
    path = np.array([np.log(np.nansum(mean[:, t]) / level[use[:, t]].sum()) for t in seen])
    freq = arrays.periods.freqstr
    length = {"M": 12, "Q-DEC": 4}.get(freq, 1)
    if len(seen) < 2 * length:
        length = 1
    phase = _phase(arrays.periods[seen], length)
    columns = [np.eye(length)[phase]]
    centred = seen - seen.mean()
    slope = len(seen) >= max(2 * length, 8)
    if slope:
        columns.append(centred[:, None])
    X = np.hstack(columns)
    beta = np.linalg.lstsq(X, path, rcond=None)[0]
    left = path - X @ beta
    spare = len(seen) - X.shape[1]
    variance = float((left**2).sum() / spare) if spare > 0 else 0.0
    # what counting noise alone makes them stray by
    counting = float(np.mean(1 / np.maximum(np.nansum(np.where(use, arrays.y, 0.0), axis=0)[seen], 1)))
    excess = max(variance - counting, 0.0)
    memory = float((left[1:] * left[:-1]).sum() / (left**2).sum()) if (left**2).sum() > 0 else 0.0
    season = beta[:length] - beta[:length].mean()
    return season, float(beta[length]) if slope else 0.0, math.sqrt(excess), min(max(memory, 0.0), 0.9)


def residual_moments(y: Floats, mean: Floats, lags: int) -> Floats:
    """Return ``M_h = sum e_t e_(t-h) / sum mu_t mu_(t-h)`` over areas and periods, h = 0 .. lags, with e = y - mu."""
    known = ~np.isnan(mean) & ~np.isnan(y)
    e, m = np.where(known, y - mean, 0.0), np.where(known, mean, 0.0)
    T = y.shape[1]
    return np.array([(e[:, h:] * e[:, : T - h]).sum() / (m[:, h:] * m[:, : T - h]).sum() for h in range(lags + 1)])


def implied_moments(noise: Noise, length: int, n_areas: float, poisson: float, lags: int) -> Floats:
    """Return what :func:`residual_moments` is on average for this noise.

    Parameters
    ----------
    noise : Noise
    length : int
        Periods from which each area's level was estimated.
    n_areas : float
        Areas from which each period's level was estimated.
    poisson : float
        ``sum mu / sum mu^2`` of the fitted means: what counting adds to lag 0.
    lags : int

    Notes
    -----
    Relative to the mean, cells have covariance ``c(0) = poisson + (1 + k) exp(s^2) - 1`` and
    ``c(h) = exp(s^2 phi^h) - 1``. Taking the area's own mean off leaves ``c(|t - u|) - r(t) - r(u) + q`` with
    ``r(t) = mean_v c(|t - v|)`` and q the mean of r; taking the period's mean off leaves ``1 - 1 / n`` of that. Squares
    of fitted means are too large by 1 + q. Without all this the persistence of shocks comes out too low, and power too
    high.
    """
    h = np.arange(length)
    var = noise.shock_sd**2
    c = np.expm1(var * noise.persistence**h)
    c[0] = poisson + (1 + noise.dispersion) * math.exp(var) - 1
    q = _mean_covariance(c)
    c[0] += q * poisson
    q = _mean_covariance(c)
    C = c[np.abs(h[:, None] - h[None, :])]
    r = C.mean(axis=1)
    left = C - r[:, None] - r[None, :] + q
    share = (1 - 1 / n_areas) / (1 + q)
    return np.array([np.diagonal(left, offset=k).mean() for k in range(lags + 1)]) * share


def _mean_covariance(c: Floats) -> float:
    """Return the variance of a mean over as many periods as there are covariances."""
    length = len(c)
    weight = 2.0 * (length - np.arange(length))
    weight[0] = length
    return float((weight * c).sum() / length**2)


def fit_noise(y: Floats, mean: Floats) -> Noise:
    """Return dispersion, and size and persistence of the shocks, by the moments of the residuals.

    The covariances of residuals at lags 0 to 18 (fewer in a short history) are matched by weighted least squares, with
    allowance for the levels that were fitted (:func:`implied_moments`).

    Parameters
    ----------
    y, mean : ndarray, shape (N, T)
        NaN where not used.
    """
    from scipy.optimize import least_squares

    known = ~np.isnan(mean) & ~np.isnan(y)
    per_area = known.sum(axis=1)
    length = max(round(float(per_area[per_area > 0].mean())), 3)
    n_areas = float(known.sum(axis=0)[known.any(axis=0)].mean())
    lags = max(1, min(_MOST_LAGS, length // 3))
    found = residual_moments(y, mean, lags)
    m = np.where(known, mean, 0.0)
    poisson = float(m.sum() / (m**2).sum())

    def gap(theta: Floats) -> Floats:
        noise = Noise(float(theta[0]), float(theta[1]), float(theta[2]))
        return np.asarray(implied_moments(noise, length, n_areas, poisson, lags) - found)

    best = None
    for memory in (0.3, 0.8, 0.95):
        start = [max(found[0] - poisson, 0.01), math.sqrt(max(found[1], 1e-3)), memory]
        one = least_squares(gap, start, bounds=([0, 0, 0], [20.0, 3.0, _LONGEST_MEMORY]))
        if best is None or one.cost < best.cost:
            best = one
    assert best is not None
    k, sd, memory = (float(v) for v in best.x)
    # shocks without a memory are dispersion under another name
    return Noise(k, sd, memory) if sd > 1e-6 else Noise(k, 0.0, 0.0)

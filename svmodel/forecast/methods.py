"""The forecasting methods: pooled smoothing, and the two simple ones that it has to beat.

Each learns on the past of an origin and gives quantiles for the periods after it. ``at(origin)`` uses
nothing that lies after the origin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from svmodel.forecast.smoothing import Levels, pooled_season, smooth_levels, straddles
from svmodel.numerics.negative_binomial import nb2_dispersion, nb2_quantile

#: Smoothing constants tried; finer where forecasts are more sensitive to them.
ALPHAS = np.array([0.02, 0.04, 0.06, 0.09, 0.12, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8])
#: Years of past origins from which spread and smoothing are learnt.
_WINDOW_YEARS = 5


@dataclass(frozen=True, eq=False)
class History:
    """The counts that methods learn from.

    Attributes
    ----------
    counts : ndarray, shape (n_areas, n_periods)
        NaN where missing.
    season_of : ndarray of int, shape (n_periods,)
    per_year : int
    horizon : int
        Periods ahead.
    breaks : tuple of int
        Periods at which the level is declared to jump.
    """

    counts: NDArray[np.float64]
    season_of: NDArray[np.int64]
    per_year: int
    horizon: int
    breaks: tuple[int, ...] = ()

    @property
    def n_periods(self) -> int:
        """Number of periods, gaps counted."""
        return self.counts.shape[1]

    def target(self, h: int) -> NDArray[np.float64]:
        """Return the counts h + 1 periods after each origin, NaN past the end; shape (n_areas, n_periods)."""
        out = np.full_like(self.counts, np.nan)
        out[:, : self.n_periods - h - 1] = self.counts[:, h + 1 :]
        return out

    def past_origins(self, origin: int) -> NDArray[np.bool_]:
        """Which (origin, horizon) pairs may be learnt from at `origin`; shape (n_periods, horizon).

        Their targets lie at or before `origin`, their origins in the last five years and not in an area's
        first, and no declared break lies between the two: a declared jump is not spread to be learnt.
        """
        start = np.arange(self.n_periods)[:, None]
        target = start + 1 + np.arange(self.horizon)
        recent = start > origin - _WINDOW_YEARS * self.per_year - self.horizon
        usable = (target <= origin) & recent & (start >= self.per_year)
        return usable & ~straddles(self.n_periods, self.horizon, self.breaks)


class Method(Protocol):
    """What forecasts after an origin."""

    name: str

    def at(self, origin: int, quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return quantiles of shape (n_areas, horizon, n_quantiles); NaN where there is no forecast."""
        ...


class PooledSmoothing:
    """Negative binomial exponential smoothing; season, smoothing and dispersion are pooled over areas.

    The expected count h periods after origin o is level_o x season_(o+h). The smoothing constant is the one whose
    forecasts from past origins had the least Poisson deviance; the dispersion k_h in Var = mu + k_h mu^2 is the one
    that makes Pearson's chi-squared of those forecasts right at horizon h.

    References
    ----------
    Snyder, Ord and Beaumont (2012), *International Journal of Forecasting* 28, 485-496 (negative binomial
    predictions from smoothed means); Duncan, Gorr and Szczypula (2001) in *Principles of Forecasting*, 195-213
    (pooling over like areas).
    """

    name = "pooled_smoothing"

    def __init__(self, history: History) -> None:
        self.history = history
        h = history
        self.season = pooled_season(h.counts, h.season_of, h.per_year, h.breaks)
        self.levels: Levels = smooth_levels(h.counts, self.season, h.season_of, ALPHAS, h.breaks)
        origins = np.arange(h.n_periods)
        ahead = (h.season_of[:, None] + 1 + np.arange(h.horizon)) % h.per_year
        self._season_ahead = self.season[origins[:, None], ahead]
        self._known = (self.levels.seen >= h.per_year) & (self.levels.stale < h.per_year)
        self._floored: dict[int, NDArray[np.float64]] = {}
        self._deviance = self._deviances()

    def mean(self, alpha: int, h: int) -> NDArray[np.float64]:
        """Return expected counts h + 1 periods after each origin, shape (n_areas, n_periods).

        A level of zero is lifted to half an event over the (2 - alpha) / alpha periods that smoothing remembers
        (fewer where fewer are observed): that no event was seen does not make one impossible.
        """
        if alpha not in self._floored:
            memory = np.minimum((2 - ALPHAS[alpha]) / ALPHAS[alpha], np.maximum(self.levels.seen, 1))
            level = np.maximum(self.levels.level[alpha], 0.5 / memory)
            self._floored[alpha] = np.where(self._known, level, np.nan)
        return self._floored[alpha] * self._season_ahead[:, h]

    def _deviances(self) -> NDArray[np.float64]:
        """Poisson deviance summed over areas; shape (n_alphas, n_periods, horizon)."""
        h = self.history
        out = np.zeros((len(ALPHAS), h.n_periods, h.horizon))
        for step in range(h.horizon):
            y = h.target(step)
            log_y = np.log(np.where(y > 0, y, 1.0))
            for a in range(len(ALPHAS)):
                mu = self.mean(a, step)
                part = y * (log_y - np.log(mu)) - (y - mu)
                out[a, :, step] = np.nansum(part, axis=0)
        return out

    def alpha_at(self, origin: int) -> int:
        """Return which smoothing constant is chosen at `origin`; a middling one where there is no past."""
        past = self.history.past_origins(origin)
        if not past.any():
            return int(np.argmin(np.abs(ALPHAS - 0.2)))
        return int(np.argmin(self._deviance[:, past].sum(axis=1)))

    def dispersion_at(self, origin: int, alpha: int) -> NDArray[np.float64]:
        """Return k_h, shape (horizon,): averaged over neighbouring horizons, and never falling with them."""
        past = self.history.past_origins(origin)
        k = np.full(self.history.horizon, np.nan)
        for step in range(self.history.horizon):
            origins = past[:, step]
            if origins.any():
                k[step] = nb2_dispersion(self.history.target(step)[:, origins], self.mean(alpha, step)[:, origins])
        known = ~np.isnan(k)
        if not known.any():
            return k
        k = np.interp(np.arange(len(k)), np.flatnonzero(known), k[known])
        smooth = np.convolve(np.r_[k[0], k, k[-1]], np.ones(3) / 3, "valid")
        return np.maximum.accumulate(smooth)

    def at(self, origin: int, quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return quantiles of shape (n_areas, horizon, n_quantiles); NaN where there is no forecast.

        An area whose last count lies some periods back is given the spread of as many more periods ahead.
        """
        h = self.history
        alpha = self.alpha_at(origin)
        k = self.dispersion_at(origin, alpha)
        mean = np.stack([self.mean(alpha, step)[:, origin] for step in range(h.horizon)], axis=1)
        lead = np.minimum(self.levels.stale[:, origin, None] + np.arange(h.horizon), h.horizon - 1)
        return nb2_quantile(quantiles, mean[..., None], k[lead][..., None])


class _Naive:
    """Past counts as they stand, with the spread of past errors pooled over areas.

    Errors are taken on the square-root scale, on which the spread of a count hardly depends on its size, from
    the same past origins as those of pooled smoothing, and made symmetric.

    References
    ----------
    Cramer et al. (2022), *PNAS* 119, e2113561119 (the baseline of the COVID-19 Forecast Hub).
    """

    def __init__(self, history: History) -> None:
        self.history = history

    def _point(self, h: int) -> NDArray[np.float64]:
        raise NotImplementedError

    def at(self, origin: int, quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return quantiles of shape (n_areas, horizon, n_quantiles); NaN where there is no forecast."""
        h = self.history
        past = h.past_origins(origin)
        out = np.full((h.counts.shape[0], h.horizon, len(quantiles)), np.nan)
        tails, signs = np.abs(2 * quantiles - 1), np.sign(quantiles - 0.5)
        for step in range(h.horizon):
            origins = past[:, step]
            point = np.sqrt(self._point(step))
            error = np.abs(np.sqrt(h.target(step)[:, origins]) - point[:, origins])
            error = error[~np.isnan(error)]
            if len(error) == 0:
                continue
            spread = signs * np.quantile(error, tails)
            out[:, step] = np.round(np.maximum(point[:, origin, None] + spread, 0) ** 2)
        return out


class LastValue(_Naive):
    """The last observed count, for every period ahead."""

    name = "last_value"

    def __init__(self, history: History) -> None:
        super().__init__(history)
        index = np.where(np.isnan(history.counts), -1, np.arange(history.n_periods))
        last = np.maximum.accumulate(index, axis=1)
        rows = np.arange(len(last))[:, None]
        self._last = np.where(last >= 0, history.counts[rows, np.maximum(last, 0)], np.nan)

    def _point(self, h: int) -> NDArray[np.float64]:  # noqa: ARG002 - the same for every horizon
        return self._last


class SeasonalNaive(_Naive):
    """The latest count, at or before the origin, of the season that is forecast."""

    name = "seasonal_naive"

    def _point(self, h: int) -> NDArray[np.float64]:
        y, per_year = self.history.counts, self.history.per_year
        back = per_year * -(-(h + 1) // per_year) - (h + 1)
        out = np.full_like(y, np.nan)
        out[:, back:] = y[:, : y.shape[1] - back]
        return out

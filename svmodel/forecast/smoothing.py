"""Season pooled over areas and level smoothed by area, as they were known at each point in time.

Everything here is a filter: what it gives for period t rests on counts up to t alone. A forecast made
from it at a past origin is therefore the forecast that would have been made then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Events that an area's level before a declared break counts for after it.
_EVENTS_KEPT = 10.0


def pooled_season(
    counts: NDArray[np.float64], season_of: NDArray[np.int64], per_year: int, breaks: Sequence[int] = ()
) -> NDArray[np.float64]:
    """Season factors pooled over areas, as known at the end of each period.

    The sum over areas is divided by its centred moving average over a year; a factor is the
    median, over years, of the log ratios of its season, shrunk towards 1 by as much of the factors' spread
    as the scatter between years explains. An area takes part in a ratio only where its whole window is observed.

    Parameters
    ----------
    counts : ndarray, shape (n_areas, n_periods)
        NaN where missing.
    season_of : ndarray of int, shape (n_periods,)
        Month or quarter of each period, from 0.
    per_year : int
        Seasons in a year.
    breaks : sequence of int
        Periods at which the level is declared to jump; windows across a jump are left out.

    Returns
    -------
    ndarray, shape (n_periods, per_year)
        Row t rests on counts up to t. All 1 until every season has two ratios (three years of data), and always
        for yearly data. The geometric mean of a row is 1.

    References
    ----------
    Miller and Williams (2003), *International Journal of Forecasting* 19, 669-684 (shrinking season factors);
    Hyndman and Athanasopoulos (2021), *Forecasting: Principles and Practice*, section 3.4 (ratios).
    """
    n_periods = counts.shape[1]
    factors = np.ones((n_periods, max(per_year, 1)))
    half = per_year // 2
    if per_year < 2 or n_periods < 2 * half + 1:
        return factors
    weights = np.r_[0.5, np.ones(per_year - 1), 0.5] / per_year
    windows = np.lib.stride_tricks.sliding_window_view(counts, per_year + 1, axis=1)
    average = windows @ weights
    whole = ~np.isnan(average)
    top = np.where(whole, counts[:, half : n_periods - half], 0.0).sum(0)
    bottom = np.where(whole, average, 0.0).sum(0)
    good = (top > 0) & (bottom > 0)
    log_ratio = np.full(n_periods, np.nan)
    log_ratio[half : n_periods - half][good] = np.log(top[good] / bottom[good])
    for jump in breaks:
        log_ratio[max(jump - half, 0) : max(jump + half, 0)] = np.nan
    for t in range(n_periods):
        known = log_ratio[: max(t - half + 1, 0)]
        by_season = [_observed(known[season_of[: len(known)] == j]) for j in range(per_year)]
        if min(len(r) for r in by_season) >= 2:
            factors[t] = _shrunk(by_season)
    return factors


def _observed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[~np.isnan(values)]


def _shrunk(by_season: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    effect = np.array([np.median(r) for r in by_season])
    effect -= effect.mean()
    # the median of normal values has up to pi/2 times the variance of their mean
    noise = float(np.mean([np.pi / 2 * r.var(ddof=1) / len(r) for r in by_season]))
    signal = max(float(effect.var(ddof=1)) - noise, 0.0)
    kept = signal / (signal + noise) if signal > 0 else 0.0
    return np.exp(kept * effect)


@dataclass(frozen=True, eq=False)
class Levels:
    """Smoothed levels, and when each area was last seen.

    Attributes
    ----------
    level : ndarray, shape (n_alphas, n_areas, n_periods)
        Expected count in an average season; NaN before an area's first count.
    seen : ndarray of int, shape (n_areas, n_periods)
        Counts observed up to each period.
    stale : ndarray of int, shape (n_areas, n_periods)
        Periods since the last observed count, 0 where it is observed.
    """

    level: NDArray[np.float64]
    seen: NDArray[np.int64]
    stale: NDArray[np.int64]


def smooth_levels(
    counts: NDArray[np.float64],
    season: NDArray[np.float64],
    season_of: NDArray[np.int64],
    alphas: NDArray[np.float64],
    breaks: Sequence[int] = (),
) -> Levels:
    """Exponentially smoothed level of each area, for each smoothing constant.

    level_t = level_(t-1) + g_t (y_t / season_t - level_(t-1)) with g_t = max(alpha, 1 / c_t), where c_t counts the
    area's observations since its first one. So a level begins as a plain mean. A missing count leaves the level where
    it was; it is never a zero.

    At a declared break the level is learnt anew: it becomes the mean of the counts since the break and of a prior
    guess, the level before times the step that all areas together have shown since. The guess weighs as many
    observations as hold ten events, at least one, so a large count is learnt anew within months and a rare one is not
    thrown away for a month or two of noise.

    Parameters
    ----------
    counts : ndarray, shape (n_areas, n_periods)
    season : ndarray, shape (n_periods, per_year)
        Of :func:`pooled_season`.
    season_of : ndarray of int, shape (n_periods,)
    alphas : ndarray, shape (n_alphas,)
    breaks : sequence of int
        Periods at which the level is learnt anew.

    Returns
    -------
    Levels

    References
    ----------
    Gardner (2006), *International Journal of Forecasting* 22, 637-666.
    """
    n_areas, n_periods = counts.shape
    level = np.full((len(alphas), n_areas, n_periods), np.nan)
    seen, stale = np.zeros((2, n_areas, n_periods), dtype=np.int64)
    current = np.full((len(alphas), n_areas), np.nan)
    since = np.zeros((len(alphas), n_areas))
    total, gap = np.zeros((2, n_areas), dtype=np.int64)
    guess: _Guess | None = None
    for t in range(n_periods):
        here = ~np.isnan(counts[:, t])
        total, gap = total + here, np.where(here, 0, gap + 1)
        adjusted = counts[:, t] / season[t, season_of[t]]
        if t in breaks:
            guess = _Guess(current)
            since = guess.weight(since)
        since = since + here
        gain = np.where(here, np.maximum(alphas[:, None], 1 / np.maximum(since, 1)), 0.0)
        first = np.isnan(current) & here
        current = np.where(first, adjusted, current + np.where(here, gain * (adjusted - current), 0.0))
        if guess is not None:
            current = current + guess.correction(adjusted, gain)
        level[:, :, t], seen[:, t], stale[:, t] = current, total, gap
    return Levels(level, seen, stale)


class _Guess:
    """The level expected after a break: the level before it, times the step that all areas share."""

    def __init__(self, level: NDArray[np.float64]) -> None:
        self._level = np.nan_to_num(level)
        #: How much of the smoothed level is still the guess.
        self._share = np.where(np.isnan(level), 0.0, 1.0)
        self._step = np.ones(len(level))
        self._after, self._before = np.zeros((2, len(level)))

    def weight(self, since: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return for how many observations the guess counts: as many as hold ten events, at least one."""
        return np.minimum(since, np.maximum(1.0, _EVENTS_KEPT / np.maximum(self._level, 1e-9)))

    def correction(self, adjusted: NDArray[np.float64], gain: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return by how much levels move because one more period tells more of the common step."""
        here = ~np.isnan(adjusted) & (self._level > 0)
        self._after = self._after + np.where(here, adjusted, 0.0).sum(axis=1)
        self._before = self._before + np.where(here, self._level, 0.0).sum(axis=1)
        step = np.where(self._before > 0, self._after / np.where(self._before > 0, self._before, 1.0), 1.0)
        self._share = self._share * (1 - gain)
        moved = self._share * self._level * (step - self._step)[:, None]
        self._step = step
        return moved


def straddles(n_periods: int, horizon: int, breaks: Sequence[int]) -> NDArray[np.bool_]:
    """Whether a declared break lies between origin and target; shape (n_periods, horizon)."""
    origin = np.arange(n_periods)[:, None]
    target = origin + 1 + np.arange(horizon)
    out = np.zeros((n_periods, horizon), dtype=bool)
    for jump in breaks:
        out |= (origin < jump) & (jump <= target)
    return out

"""Past scores of forecasting methods at rolling origins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel.forecast.methods import History, Method
from svmodel.forecast.scores import covered, weighted_interval_score
from svmodel.forecast.smoothing import straddles

SCORE_COLUMNS = ("method", "area", "horizon", "wis", "coverage_50", "coverage_95", "n")
_MOST_ORIGINS = 24
_YEARS_BEFORE_FIRST = 3


def rolling_origins(n_periods: int, per_year: int, horizon: int) -> tuple[int, ...]:
    """Return the positions of the past origins at which methods are scored, rising.

    Each has three years of data up to it and all of its `horizon` behind it in the data; at most 24 of them, the
    latest, one period apart, or two where the data suffice for 24 of these.
    """
    first, last = _YEARS_BEFORE_FIRST * per_year - 1, n_periods - 1 - horizon
    available = max(last - first + 1, 0)
    step = 2 if available >= 2 * _MOST_ORIGINS else 1
    return tuple(range(last, last - available, -step)[:_MOST_ORIGINS][::-1])


def past_scores(
    methods: Sequence[Method],
    history: History,
    origins: Sequence[int],
    quantiles: NDArray[np.float64],
    areas: Sequence[str],
) -> pd.DataFrame:
    """Score every method at every origin, on the same area-periods.

    At each origin every parameter of a method is learnt anew from counts up to it. An area-period counts where its
    outcome is observed, every method gives a forecast for it, and no declared break lies between it and the origin.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`SCORE_COLUMNS`: by method, for all areas and horizons, for each horizon (``area`` is
        ``"all"``) and for each area (``horizon`` is ``"all"``; else the horizon as text). ``n`` counts the
        area-periods behind a row. Empty without origins.
    """
    if not origins:
        return pd.DataFrame(columns=list(SCORE_COLUMNS))
    n_areas, horizon = len(areas), history.horizon
    jumps = straddles(history.n_periods, horizon, history.breaks)
    shape = (len(methods), len(origins), n_areas, horizon)
    wis, half, most = (np.full(shape, np.nan) for _ in range(3))
    for i, origin in enumerate(origins):
        y = history.counts[:, origin + 1 : origin + 1 + horizon]
        y = np.where(jumps[origin], np.nan, y)
        for j, method in enumerate(methods):
            values = method.at(origin, quantiles)
            wis[j, i] = weighted_interval_score(y, values, quantiles)
            half[j, i] = covered(y, values, quantiles, 0.50)
            most[j, i] = covered(y, values, quantiles, 0.95)
    common = ~np.isnan(wis).any(axis=0)
    frames = [
        _mean_over((0, 1, 2), methods, (wis, half, most), common, ["all"], ["all"]),
        _mean_over((0, 1), methods, (wis, half, most), common, ["all"], [str(h + 1) for h in range(horizon)]),
        _mean_over((0, 2), methods, (wis, half, most), common, list(areas), ["all"]),
    ]
    return pd.concat([f for f in frames if len(f)], ignore_index=True)


def _mean_over(
    axes: tuple[int, ...],
    methods: Sequence[Method],
    scores: tuple[NDArray[np.float64], ...],
    common: NDArray[np.bool_],
    areas: list[str],
    horizons: list[str],
) -> pd.DataFrame:
    """Average the scores (method, origin, area, horizon) over axes of `common` (origin, area, horizon)."""
    n = np.atleast_1d(common.sum(axis=axes)).ravel()
    frames = []
    for j, method in enumerate(methods):
        means = []
        for score in scores:
            total = np.where(common, np.nan_to_num(score[j]), 0.0).sum(axis=axes)
            means.append(np.where(n > 0, np.atleast_1d(total).ravel() / np.maximum(n, 1), np.nan))
        size = len(n)
        frames.append(
            pd.DataFrame(
                {
                    "method": method.name,
                    "area": areas if len(areas) == size else areas * size,
                    "horizon": horizons if len(horizons) == size else horizons * size,
                    "wis": means[0],
                    "coverage_50": means[1],
                    "coverage_95": means[2],
                    "n": n,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)

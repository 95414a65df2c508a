"""Past scores: which origins, which cells, which averages."""

from __future__ import annotations

import numpy as np
import pytest

from svmodel.forecast.backtest import past_scores, rolling_origins
from svmodel.forecast.forecast import QUANTILES
from svmodel.forecast.methods import History, LastValue, PooledSmoothing, SeasonalNaive
from svmodel.forecast.scores import weighted_interval_score

Q = np.array(QUANTILES)


@pytest.mark.parametrize(
    ("n", "per_year", "horizon", "first", "last", "count"),
    [(191, 12, 12, 132, 178, 24), (58, 12, 12, 35, 45, 11), (47, 12, 12, 0, 0, 0), (48, 12, 12, 35, 35, 1)],
)
def test_origins_have_three_years_before_and_the_horizon_after(n, per_year, horizon, first, last, count):
    origins = rolling_origins(n, per_year, horizon)
    assert len(origins) == count
    if count:
        assert (origins[0], origins[-1]) == (first, last)
        assert origins == tuple(sorted(origins))


def history(breaks=(), missing=False):
    rng = np.random.default_rng(4)
    y = rng.poisson(np.linspace(5, 60, 4)[:, None], size=(4, 72)).astype(float)
    if missing:
        y[0, 66] = np.nan
    return History(y, np.arange(72) % 12, 12, 12, breaks)


def test_scores_are_the_plain_means_of_each_forecast_scored_by_itself():
    h = history()
    methods = (PooledSmoothing(h), LastValue(h), SeasonalNaive(h))
    origins = rolling_origins(72, 12, 12)
    scores = past_scores(methods, h, origins, Q, "abcd").set_index(["method", "area", "horizon"])
    for method in methods:
        by_hand = []
        for origin in origins:
            cut = History(h.counts[:, : origin + 1], h.season_of[: origin + 1], 12, 12)
            values = type(method)(cut).at(origin, Q)
            by_hand.append(weighted_interval_score(h.counts[:, origin + 1 : origin + 13], values, Q))
        wis = np.array(by_hand)
        assert scores.loc[(method.name, "all", "all"), "wis"] == pytest.approx(wis.mean())
        assert scores.loc[(method.name, "all", "3"), "wis"] == pytest.approx(wis[:, :, 2].mean())
        assert scores.loc[(method.name, "c", "all"), "wis"] == pytest.approx(wis[:, 2].mean())
        assert scores.loc[(method.name, "all", "all"), "n"] == wis.size


def test_every_method_is_scored_on_the_same_cells():
    h = history(missing=True)
    methods = (PooledSmoothing(h), LastValue(h), SeasonalNaive(h))
    scores = past_scores(methods, h, rolling_origins(72, 12, 12), Q, "abcd")
    n = scores.pivot_table(index=["area", "horizon"], columns="method", values="n")
    assert n.nunique(axis=1).eq(1).all()
    assert n.loc[("a", "all")].iloc[0] < n.loc[("b", "all")].iloc[0]
    assert scores["wis"].notna().all()


def test_cells_across_a_declared_break_are_not_scored():
    plain, told = (
        past_scores((LastValue(h),), h, rolling_origins(72, 12, 12), Q, "abcd")
        for h in (history(), history(breaks=(65,)))
    )
    pick = (plain["area"] == "all") & (plain["horizon"] == "all")
    assert told.loc[pick, "n"].iloc[0] < plain.loc[pick, "n"].iloc[0]


def test_without_origins_there_are_no_scores():
    assert past_scores((), history(), (), Q, "abcd").empty

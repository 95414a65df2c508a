"""The latest year against the year before."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from svmodel import Panel
from svmodel.errors import DesignError
from svmodel.numerics.rates import ratio_interval
from svmodel.profile import change


def panel_of(counts, *, population=None, start="2022-01", freq="M") -> Panel:
    counts = np.atleast_2d(np.asarray(counts, dtype=float))
    n_areas, n = counts.shape
    index = pd.period_range(start, periods=n, freq=freq)
    frame = pd.DataFrame(
        {
            "area": np.repeat([f"A{i:04d}" for i in range(n_areas)], n),
            "period": pd.PeriodIndex(np.tile(index, n_areas), freq=freq),
            "n": counts.ravel(),
        }
    )
    exposures = []
    if population is not None:
        frame["population"] = np.broadcast_to(population, counts.shape).ravel()
        exposures = ["population"]
    return Panel.from_frame(frame, area="area", period="period", counts=["n"], exposures=exposures)


def test_the_ratio_is_of_the_latest_year_over_the_year_before():
    counts = np.r_[np.full(12, 500), np.full(12, 20), np.full(12, 15)]
    row = change(panel_of(counts), "n").iloc[0]
    assert (row["count"], row["count_before"]) == (180, 240)
    assert row["percent_change"] == pytest.approx(-25)
    # counts calmer than Poisson counts are given the plain exact limits
    plain = ratio_interval(180, 1, 240, 1)
    assert (row["conf_low"], row["conf_high"]) == (plain.low, plain.high)
    assert row["percent_low"] == pytest.approx(100 * (plain.low - 1))


def test_with_an_exposure_the_ratio_is_one_of_rates():
    population = np.r_[np.full(12, 100_000), np.full(12, 120_000)]
    row = change(panel_of(np.full(24, 10), population=population), "n", "population").iloc[0]
    assert row["rate_ratio"] == pytest.approx(100 / 120)
    assert (row["rate"], row["rate_before"]) == (pytest.approx(100), pytest.approx(120))


def test_the_interval_covers_where_counts_are_overdispersed_and_seasonal():
    rng = np.random.default_rng(3)
    k = 0.08
    season = np.tile(1 + 0.4 * np.sin(np.arange(12) * np.pi / 6), 2)
    mean = 30 * season * np.repeat([1.0, 0.8], 12)
    counts = rng.poisson(rng.gamma(1 / k, k * mean, size=(1200, 24)))
    table = change(panel_of(counts), "n")
    covered = np.mean((table["conf_low"] <= 0.8) & (table["conf_high"] >= 0.8))
    # 1,200 areas: standard error 0.6 points; the exact limits are a little wide
    assert 0.935 <= covered <= 0.975
    assert table["dispersion"].median() > 2


def test_what_cannot_be_known_is_missing_and_said():
    counts = np.full((4, 24), 5.0)
    counts[0, 3] = np.nan
    counts[1, :12] = 0
    counts[2, 12:] = 0
    table = change(panel_of(counts), "n")
    ratios = ["rate_ratio", "conf_low", "conf_high", "percent_change", "percent_low", "percent_high"]
    assert table.loc[[0, 1], ratios].isna().all(axis=None)
    assert table.loc[0, "note"] == "no count in 'Apr 2022'"
    assert "no event in the year before" in table.loc[1, "note"]
    assert table.loc[2, "rate_ratio"] == 0
    assert table.loc[2, "conf_low"] == 0
    assert 0 < table.loc[2, "conf_high"] < 0.1
    assert table.loc[3, "note"] == ""


def test_yearly_counts_say_that_overdispersion_is_not_measured():
    row = change(panel_of([100, 90], start="2022", freq="Y-DEC"), "n").iloc[0]
    assert row["percent_change"] == pytest.approx(-10)
    assert "plain Poisson" in row["note"]
    quarterly = change(panel_of(np.full(8, 30), start="2022Q1", freq="Q-DEC"), "n").iloc[0]
    assert quarterly["rate_ratio"] == 1
    assert quarterly["note"] == ""


def test_less_than_two_years_is_refused():
    with pytest.raises(DesignError, match="24 months"):
        change(panel_of(np.ones(23)), "n")
    with pytest.raises(DesignError, match="no count"):
        change(panel_of(np.ones(24)), "m")

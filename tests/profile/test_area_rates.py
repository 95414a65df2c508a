"""Rates by area and rolling years."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from svmodel import Panel
from svmodel.errors import DataError, DesignError
from svmodel.numerics.rates import rate_interval
from svmodel.profile import rates, rolling


def panel_of(counts, *, population=50_000.0, start="2022-01", freq="M") -> Panel:
    counts = np.atleast_2d(np.asarray(counts, dtype=float))
    n_areas, n = counts.shape
    index = pd.period_range(start, periods=n, freq=freq)
    frame = pd.DataFrame(
        {
            "area": np.repeat([f"A{i}" for i in range(n_areas)], n),
            "period": pd.PeriodIndex(np.tile(index, n_areas), freq=freq),
            "n": counts.ravel(),
            "population": np.broadcast_to(population, counts.shape).ravel(),
        }
    )
    return Panel.from_frame(frame, area="area", period="period", counts=["n"], exposures=["population"])


def test_the_latest_year_is_taken_with_person_years_and_the_right_interval():
    counts = np.vstack([np.r_[np.full(12, 99), np.full(12, 4)], np.r_[np.full(12, 99), np.zeros(9), 1, 0, 2]])
    population = np.tile(np.r_[np.full(12, 1.0), np.linspace(40_000, 60_000, 12)], (2, 1))
    table = rates(panel_of(counts, population=population), "n", "population").set_index("area")
    assert table["count"].tolist() == [48, 3]
    assert table["exposure"].tolist() == pytest.approx([50_000, 50_000])
    assert table["rate"].tolist() == pytest.approx([96, 6])
    assert table["method"].tolist() == ["byar", "exact"]
    expected = rate_interval([48, 3], 50_000)
    np.testing.assert_allclose(table["conf_low"], expected.low)
    np.testing.assert_allclose(table["conf_high"], expected.high)
    assert (table["note"] == "").all()


def test_a_window_of_another_length_still_gives_a_rate_per_person_year():
    panel = panel_of(np.full(36, 5))
    for window, count in (((None, None), 180), (("2024-07", "2024-12"), 30)):
        table = rates(panel, "n", "population", window=window)
        assert table["count"].item() == count
        assert table["rate"].item() == pytest.approx(120)


def test_a_missing_month_makes_the_rate_missing_and_is_said():
    counts = np.full((3, 24), 5.0)
    counts[0, 20] = np.nan
    population = np.full((3, 24), 50_000.0)
    population[1, 23] = np.nan
    counts[2, 3] = np.nan
    table = rates(panel_of(counts, population=population), "n", "population").set_index("area")
    assert np.isnan(table.loc["A0", ["count", "rate", "conf_low", "conf_high"]].astype(float)).all()
    assert table.loc["A0", "note"] == "no count in 'Sep 2023'"
    assert np.isnan(table.loc["A1", "rate"])
    assert "population is missing" in table.loc["A1", "note"]
    # a gap before the window is no concern of it
    assert table.loc["A2", "rate"] == pytest.approx(120)


def test_quarters_and_years_have_their_own_year():
    quarterly = panel_of(np.full(8, 30), start="2022Q1", freq="Q-DEC")
    assert rates(quarterly, "n", "population")["rate"].item() == pytest.approx(240)
    yearly = panel_of(np.full(4, 30), start="2020", freq="Y-DEC")
    assert rates(yearly, "n", "population")["rate"].item() == pytest.approx(60)


def test_a_wrong_question_names_every_fault():
    with pytest.raises(DesignError) as caught:
        rates(panel_of(np.ones(12)), "m", "populaton", level=95, per=0)
    assert {p.rule for p in caught.value.problems} == {"unknown_outcome", "unknown_exposure", "level", "per"}
    with pytest.raises(DataError):
        rates(panel_of(np.ones(12)), "n", "population", window=("2030-01", "2030-12"))
    with pytest.raises(DesignError, match="number of periods"):
        rolling(panel_of(np.ones(12)), "n", width=0)


def test_rolling_sums_are_the_plain_ones_and_never_reach_across_a_gap():
    rng = np.random.default_rng(1)
    counts = rng.poisson(5.0, size=(2, 30)).astype(float)
    counts[1, 14] = np.nan
    panel = panel_of(counts)
    table = rolling(panel, "n", "population")
    assert list(table.columns) == ["area", "period", "count", "exposure", "rate"]
    for i in range(2):
        rows = table[table["area"] == f"A{i}"]
        by_hand = [counts[i, t - 11 : t + 1].sum() for t in range(11, 30)]
        np.testing.assert_array_equal(rows["count"], by_hand)
        assert rows["period"].tolist() == list(panel.periods[11:])
    # twelve sums hold the missing month, and only those
    gap = table[table["area"] == "A1"]["count"].isna()
    assert gap.sum() == 12
    np.testing.assert_allclose(table["rate"], table["count"] / 50_000 * 100_000)


def test_the_last_rolling_year_is_the_rate_of_the_latest_year():
    panel = panel_of(np.random.default_rng(2).poisson(8, size=(3, 40)))
    last = rolling(panel, "n", "population", width=12).groupby("area").last()
    np.testing.assert_allclose(last["rate"], rates(panel, "n", "population")["rate"])


def test_rolling_without_exposure_has_counts_and_no_rate_and_a_short_panel_no_rows():
    table = rolling(panel_of(np.ones(14)), "n")
    assert table["rate"].isna().all()
    assert table["count"].tolist() == [12, 12, 12]
    assert rolling(panel_of(np.ones(5)), "n").empty


def test_merseyside_rates_are_those_worked_from_the_file():
    root = os.environ.get("SVMODEL_REAL_DATA")
    if not root:
        pytest.skip("SVMODEL_REAL_DATA is not set, so the Merseyside counts are not at hand")
    frame = pd.read_csv(Path(root) / "merseyside_lsoa_monthly.csv")
    people = pd.read_csv(Path(root) / "merseyside_lsoa_covariates.csv").set_index("census_code")
    frame = frame[frame["id"].isin(people.index)]
    frame = frame.assign(
        district=frame["id"].map(people["DistrictCode"]), residents=frame["id"].map(people["residents"])
    )
    panel = Panel.from_frame(
        frame, area="id", period="month", counts=["viol"], exposures=["residents"], parent="district"
    ).aggregate("parent")
    table = rates(panel, "viol", "residents").set_index("area")
    latest = frame[(frame["month"] >= "2023-11-01") & (frame["month"] <= "2024-10-01")]
    by_hand = latest.groupby("district")["viol"].sum() / people.groupby("DistrictCode")["residents"].sum() * 100_000
    np.testing.assert_allclose(table["rate"], by_hand.loc[table.index])
    assert len(table) == 5

"""Trends: what they find, what they cover, what they refuse."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from svmodel import Panel
from svmodel.errors import DesignError, EstimationError
from svmodel.trends import Break, change_table, fit_trend


def panel_of(counts, *, start="2018-01", freq="M", population=None) -> Panel:
    counts = np.atleast_2d(np.asarray(counts, dtype=float))
    periods = pd.period_range(start, periods=counts.shape[1], freq=freq)
    frame = pd.DataFrame(
        {
            "area": np.repeat([f"A{i}" for i in range(len(counts))], counts.shape[1]),
            "period": pd.PeriodIndex(np.tile(periods, len(counts)), freq=freq),
            "n": counts.ravel(),
        }
    )
    exposures = []
    if population is not None:
        frame["population"] = np.broadcast_to(population, counts.shape).ravel()
        exposures = ["population"]
    return Panel.from_frame(frame, area="area", period="period", counts=["n"], exposures=exposures)


def simulate(trials, n, *, mean=50.0, change=-0.05, k=0.05, rho=0.3, seed=1):
    """NB-like counts: Poisson about a lognormal AR(1) level with variance k."""
    rng = np.random.default_rng(seed)
    t = np.arange(n)
    s = np.sqrt(np.log1p(k))
    z = rng.normal(size=(trials, n))
    for i in range(1, n):
        z[:, i] = rho * z[:, i - 1] + np.sqrt(1 - rho**2) * z[:, i]
    season = 0.2 * np.sin(t * np.pi / 6)
    return rng.poisson(mean * np.exp(np.log1p(change) * t / 12 + season + s * z - s**2 / 2))


@pytest.mark.parametrize("rho", [0.0, 0.3])
def test_the_interval_of_the_change_covers(rho):
    counts = simulate(150, 60, rho=rho, seed=4)
    panel = panel_of(counts)
    table = change_table(panel, "n")
    covered = np.mean((table["conf_low"] <= -5) & (table["conf_high"] >= -5))
    # 150 series: the standard error of 95% is 1.8 points, so 90 to 99 is within 2.5 of them
    assert 0.90 <= covered <= 0.99
    # and the interval is no wider than it has to be: it leaves out no change in most series
    assert np.mean(table["conf_high"] < 0) > 0.3


def test_season_and_break_are_found():
    rng = np.random.default_rng(2)
    t = np.arange(120)
    factor = np.exp(0.3 * np.sin(t * np.pi / 6))
    counts = rng.poisson(400 * factor * np.where(t >= 60, 0.7, 1.0) * np.where((t >= 30) & (t < 33), 0.5, 1.0))
    changes = (Break("2023-01", "new recording system"), Break("2020-07", "lockdown", until="2020-09"))
    trend = fit_trend(panel_of(counts), "n", breaks=changes)
    # 120 Poisson counts of about 400: standard errors are 2% or less for factors, 3% for the steps
    np.testing.assert_allclose(trend.season["factor"], factor[:12], rtol=0.06)
    assert np.exp(np.log(trend.season["factor"]).mean()) == pytest.approx(1, abs=1e-9)
    np.testing.assert_allclose(trend.breaks["rate_ratio"], [0.7, 0.5], rtol=0.1)
    assert ((trend.breaks["conf_low"] < [0.7, 0.5]) & (trend.breaks["conf_high"] > [0.7, 0.5])).all()
    assert trend.breaks["percent_change"].iloc[0] == pytest.approx(-30, abs=5)
    assert abs(trend.change_per_year.estimate) < 2
    inside = (trend.fitted["low"] <= trend.fitted["fitted"]) & (trend.fitted["fitted"] <= trend.fitted["high"])
    assert inside.all()


def test_an_undeclared_break_is_taken_for_a_trend():
    counts = np.r_[np.full(60, 300), np.full(60, 200)] + np.tile([0, 5, -5, 3], 30)
    assert fit_trend(panel_of(counts), "n").change_per_year.conf_high < 0
    declared = fit_trend(panel_of(counts), "n", breaks=[Break("2023-01", "new system")])
    assert abs(declared.change_per_year.estimate) < 0.5


def test_with_an_exposure_the_trend_is_one_of_rates():
    t = np.arange(72)
    population = 1e5 * 1.03 ** (t / 12)
    counts = np.round(500 * 1.03 ** (t / 12))
    panel = panel_of(counts, population=population)
    assert fit_trend(panel, "n").change_per_year.estimate == pytest.approx(3, abs=0.05)
    trend = fit_trend(panel, "n", exposure="population")
    assert trend.change_per_year.estimate == pytest.approx(0, abs=0.05)
    assert trend.exposure == "population"


@pytest.mark.parametrize(("freq", "n", "seasons"), [("Q-DEC", 24, 4), ("Y-MAR", 10, 0), ("Y-DEC", 10, 0)])
def test_quarters_and_years_are_handled(freq, n, seasons):
    per_year = {"Q-DEC": 4}.get(freq, 1)
    counts = np.round(2000 * 0.9 ** (np.arange(n) / per_year))
    trend = fit_trend(panel_of(counts, freq=freq), "n")
    assert trend.change_per_year.estimate == pytest.approx(-10, abs=0.1)
    assert len(trend.season) == seasons


def test_missing_months_are_left_out_and_said_and_never_zero():
    counts = simulate(1, 60, mean=200, rho=0)[0].astype(float)
    gappy = counts.copy()
    gappy[[7, 8, 30]] = np.nan
    whole, holed = fit_trend(panel_of(counts), "n"), fit_trend(panel_of(gappy), "n")
    assert holed.diagnostics["n_observed"] == 57
    assert "3 months without a count" in holed.notes[0]
    assert holed.change_per_year.estimate == pytest.approx(whole.change_per_year.estimate, abs=1.5)
    assert holed.fitted["observed"].isna().sum() == 3
    assert holed.fitted["fitted"].notna().all()


def test_several_areas_are_summed_unless_one_is_named():
    counts = simulate(3, 60)
    panel = panel_of(counts)
    together = fit_trend(panel, "n")
    assert together.area == "all areas"
    np.testing.assert_array_equal(together.fitted["observed"], counts.sum(0))
    assert fit_trend(panel, "n", area="A1").diagnostics["events"] == counts[1].sum()


def test_a_month_without_events_drops_the_season_and_says_so():
    counts = np.tile([1, 0, 2, 1, 1, 1, 2, 1, 1, 1, 1, 1], 5)
    trend = fit_trend(panel_of(counts), "n")
    assert trend.season.empty
    assert "any Feb" in trend.notes[0]


@pytest.mark.parametrize(
    ("counts", "rule"),
    [
        (np.full(23, 10), "series_too_short"),
        (np.zeros(48), "all_zero"),
        (np.r_[np.zeros(47), 3], "too_few_events"),
    ],
)
def test_a_series_that_carries_no_trend_is_refused_with_the_reason(counts, rule):
    with pytest.raises(EstimationError) as caught:
        fit_trend(panel_of(counts), "n")
    assert rule in {p.rule for p in caught.value.problems}


def test_breaks_that_cannot_be_fitted_are_refused_all_at_once():
    counts = np.r_[np.full(48, 20), np.zeros(12)]
    changes = [Break("2012-01", "too early"), Break("2030-01", "too late"), Break("2022-01", "all zero after it")]
    with pytest.raises(EstimationError) as caught:
        fit_trend(panel_of(counts), "n", breaks=changes)
    assert [p.rule for p in caught.value.problems] == ["break_outside", "break_outside", "break_no_events"]
    twice = [Break("2020-01", "one"), Break("2020-01", "the same again")]
    with pytest.raises(EstimationError, match="told apart"):
        fit_trend(panel_of(np.full(60, 20) + np.arange(60) % 3), "n", breaks=twice)


def test_too_many_breaks_for_the_series_are_refused():
    changes = [Break(f"2018-{m:02d}", "step") for m in range(2, 13)]
    with pytest.raises(EstimationError, match="parameters"):
        fit_trend(panel_of(np.arange(24) % 5 + 10), "n", breaks=changes)


def test_a_wrong_question_names_every_fault():
    panel = panel_of(np.full(48, 5), population=1000.0)
    with pytest.raises(DesignError) as caught:
        fit_trend(panel, "m", exposure="populaton", area="A9", level=95, breaks=["2020-01"])
    rules = {p.rule for p in caught.value.problems}
    assert rules == {"unknown_outcome", "unknown_exposure", "unknown_area", "level", "not_a_break"}
    assert "'population'" in str(caught.value)


def test_the_table_keeps_refused_areas_with_the_reason():
    counts = np.vstack([simulate(1, 48)[0], np.zeros(48)])
    table = change_table(panel_of(counts), "n").set_index("area")
    assert np.isfinite(table.loc["A0", "change_per_year"])
    assert np.isnan(table.loc["A1", "change_per_year"])
    assert "zero" in table.loc["A1", "note"]


def test_the_panel_is_left_as_it_was_and_the_same_question_has_the_same_answer():
    panel = panel_of(simulate(2, 48))
    before = panel.fingerprint
    first, second = (fit_trend(panel, "n") for _ in range(2))
    assert panel.fingerprint == before
    assert repr(first.change_per_year) == repr(second.change_per_year)  # nan is not equal to itself
    pd.testing.assert_frame_equal(first.fitted, second.fitted)


def test_london_boroughs_each_have_a_trend_quickly():
    root = os.environ.get("SVMODEL_REAL_DATA")
    if not root:
        pytest.skip("SVMODEL_REAL_DATA is not set, so the London counts are not at hand")
    frame = pd.read_csv(Path(root) / "london_borough_violence_monthly.csv")
    frame = frame[frame["offence"] == "VIOLENCE WITH INJURY"].rename(columns={"count": "n"})
    panel = Panel.from_frame(frame, area="borough", period="month", counts=["n"])
    changes = [Break("2020-04", "first lockdown", until="2020-06"), Break("2024-03", "new recording system")]
    began = time.process_time()
    table = change_table(panel, "n", breaks=changes)
    took = (time.process_time() - began) / panel.n_areas
    assert table["change_per_year"].notna().all()
    # summer has more violence than winter in every large city; Camden's July is about 12% above its average month
    camden = fit_trend(panel, "n", area="Camden", breaks=changes).season.set_index("label")
    assert camden.loc["Jul", "conf_low"] > 1 > camden.loc["Feb", "conf_high"]
    # 4 ms each on an idle core; 50 ms is the promise, and leaves room for a busy machine
    assert took < 0.05

"""One area beside the others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from svmodel import Panel
from svmodel.errors import DesignError
from svmodel.profile import REST, comparators, rates


def panel_of(counts, *, population=100_000.0, parent=None) -> Panel:
    counts = np.atleast_2d(np.asarray(counts, dtype=float))
    n_areas, n = counts.shape
    index = pd.period_range("2024-01", periods=n, freq="M")
    frame = pd.DataFrame(
        {
            "area": np.repeat([f"A{i:02d}" for i in range(n_areas)], n),
            "period": pd.PeriodIndex(np.tile(index, n_areas), freq="M"),
            "n": counts.ravel(),
            "population": np.broadcast_to(population, counts.shape).ravel(),
        }
    )
    if parent:
        frame["parent"] = np.repeat(parent, n)
    return Panel.from_frame(
        frame,
        area="area",
        period="period",
        counts=["n"],
        exposures=["population"],
        parent="parent" if parent else None,
    )


def test_the_area_comes_first_then_the_rest_then_the_others_from_the_highest():
    panel = panel_of(np.repeat([[20], [60], [10], [40]], 12, axis=1))
    table = comparators(panel, "n", "population", "A03")
    assert table["area"].tolist() == ["A03", REST, "A01", "A00", "A02"]
    assert table["role"].tolist() == ["area", "rest", "other", "other", "other"]
    assert table["rate"].tolist() == pytest.approx([480, 360, 720, 240, 120])
    assert table["rank"].tolist()[0] == 2
    assert table["rate_ratio"].tolist()[1:] == pytest.approx([480 / 360, 480 / 720, 2, 4])
    assert table.loc[0, ["rate_ratio", "ratio_low", "ratio_high"]].isna().all()
    assert (table["ratio_low"][1:] < table["rate_ratio"][1:]).all()
    assert (table["ratio_high"][1:] > table["rate_ratio"][1:]).all()


def test_rates_are_those_of_the_rates_table_and_the_rest_sums_the_others():
    rng = np.random.default_rng(4)
    population = rng.uniform(5e4, 3e5, size=(6, 1)) * np.ones(12)
    panel = panel_of(rng.poisson(30, size=(6, 12)), population=population)
    table = comparators(panel, "n", "population", "A02").set_index("area")
    plain = rates(panel, "n", "population").set_index("area")
    for column in ("count", "exposure", "rate", "conf_low", "conf_high"):
        np.testing.assert_allclose(table.loc[plain.index, column].astype(float), plain[column])
    others = plain.drop("A02")
    assert table.loc[REST, "rate"] == pytest.approx(others["count"].sum() / others["exposure"].sum() * 1e5)


def test_alike_areas_have_wide_ranks_and_unlike_ones_narrow_ranks():
    rng = np.random.default_rng(5)
    alike = comparators(panel_of(rng.poisson(20, size=(12, 12))), "n", "population", "A05").iloc[0]
    assert (alike["rank_low"], alike["rank_high"]) == (1, 12)
    level = np.linspace(10, 400, 12)[:, None]
    unlike = comparators(panel_of(rng.poisson(level, size=(12, 12))), "n", "population", "A05").iloc[0]
    assert unlike["rank_low"] <= unlike["rank"] <= unlike["rank_high"]
    assert unlike["rank_high"] - unlike["rank_low"] <= 2


def test_the_limits_of_a_rank_hold():
    rng = np.random.default_rng(6)
    true = np.linspace(20, 40, 8)
    k = 0.05
    held = []
    for _ in range(60):
        counts = rng.poisson(rng.gamma(1 / k, k * true[:, None] * np.ones(12)))
        row = comparators(panel_of(counts), "n", "population", "A03").iloc[0]
        held.append(row["rank_low"] <= 5 <= row["rank_high"])
    # A03 is truly fifth from the top; Bonferroni makes the limits hold 95% of the time or more
    assert np.mean(held) >= 0.95


def test_overdispersion_widens_the_ratio():
    rng = np.random.default_rng(7)
    k, mean = 0.2, 60.0
    wild = rng.poisson(rng.gamma(1 / k, k * mean, size=(2, 12)))
    calm = np.full((2, 12), 0.0)
    calm[:] = np.round(wild.sum(axis=1, keepdims=True) / 12)
    loose, tight = (comparators(panel_of(c), "n", "population", "A00").iloc[2] for c in (wild, calm))
    assert loose["dispersion"] > 2
    assert loose["ratio_high"] / loose["ratio_low"] > 1.5 * tight["ratio_high"] / tight["ratio_low"]


def test_areas_without_a_rate_are_left_out_and_said():
    counts = np.full((4, 12), 10.0)
    counts[1, 5] = np.nan
    table = comparators(panel_of(counts), "n", "population", "A00").set_index("area")
    assert np.isnan(table.loc["A01", "rank"])
    assert np.isnan(table.loc["A01", "rate_ratio"])
    assert "Jun 2024" in table.loc["A01", "note"]
    assert table.loc[REST, "count"] == 240
    assert table.loc[REST, "note"] == "1 area without a rate left out"
    assert table.loc["A00", "rank_high"] == 3


def test_an_area_that_is_itself_without_a_rate_has_no_ratio_and_no_rank():
    counts = np.full((3, 12), 10.0)
    counts[0, 5] = np.nan
    table = comparators(panel_of(counts), "n", "population", "A00")
    assert table["rate_ratio"].isna().all()
    assert table.loc[0, ["rank", "rank_low", "rank_high"]].isna().all()


def test_a_study_of_one_area_has_no_rest():
    table = comparators(panel_of(np.full(12, 10)), "n", "population", "A00").set_index("area")
    assert np.isnan(table.loc[REST, "rate"])
    assert table.loc[REST, "note"] == "no other area has a rate"


def test_a_comparator_without_events_has_no_ratio():
    counts = np.vstack([np.full(12, 10), np.zeros(12)])
    table = comparators(panel_of(counts), "n", "population", "A00").set_index("area")
    assert np.isnan(table.loc["A01", "rate_ratio"])
    assert table.loc["A00", "rank_high"] == 1


def test_an_unknown_area_is_told_and_a_reporting_area_shown_the_way():
    panel = panel_of(np.full((4, 12), 5), parent=["X", "X", "Y", "Y"])
    with pytest.raises(DesignError, match=r"aggregate\('parent'\)"):
        comparators(panel, "n", "population", "X")
    with pytest.raises(DesignError, match="A01"):
        comparators(panel, "n", "population", "A001")
    assert comparators(panel.aggregate("parent"), "n", "population", "X")["role"].tolist() == ["area", "rest", "other"]

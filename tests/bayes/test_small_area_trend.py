"""Smoothed small areas: against the truth of simulated maps, plain quantiles of the draws, and what is refused."""

import json
import math

import numpy as np
import pandas as pd
import pytest

import svmodel as sv
from svmodel import simulate
from svmodel.bayes import SmallAreaTrend
from svmodel.errors import DataError, DesignError, EstimationError
from svmodel.simulate.fields import borders, lay_out_map

N, T = 25, 12
NAMES = tuple(f"W{i:02d}" for i in range(N))
NEIGHBOURS = borders(NAMES, lay_out_map((N,)))


def a_panel(seed=0, mean=4.0, holes=0, own=0.0, trials=False, n=N):
    """Counts on a map whose rates rise from one corner to the other, with a trend; and their true log rates."""
    rng = np.random.default_rng(seed)
    at = lay_out_map((n,))
    b = 0.35 * (at - at.mean(axis=0)).sum(axis=1) / at.std()
    m = np.cumsum(rng.normal(0, 0.08, T))
    eta = b[:, None] + (m - m.mean())[None, :] + own * rng.standard_normal((n, T))
    people = rng.integers(2_000, 6_000, (n, 1)) * np.ones((1, T), dtype=np.int64)
    if trials:
        people = rng.integers(20, 60, (n, T))
        eta = eta - 1.0
        y = rng.binomial(people, 1 / (1 + np.exp(-eta))).astype(float)
    else:
        eta = eta + math.log(mean / 4_000)
        y = rng.poisson(people * np.exp(eta)).astype(float)
    if holes:
        y.ravel()[rng.choice(n * T, holes, replace=False)] = np.nan
    months = pd.period_range("2022-01", periods=T, freq="M")
    frame = pd.DataFrame(
        {
            "area": np.repeat(NAMES[:n], T),
            "month": np.tile(months.astype(str), n),
            "y": pd.array(y.ravel(), dtype="Float64").astype("Int64"),
            "people": people.ravel(),
        }
    )
    frame.loc[np.isnan(y.ravel()), "y"] = pd.NA
    return sv.Panel.from_frame(frame, area="area", period="month", counts=["y"], exposures=["people"]), eta


@pytest.fixture(scope="module")
def found():
    panel, eta = a_panel(holes=9)
    estimator = SmallAreaTrend(family="poisson", draws=1500)
    return panel, eta, estimator.fit(panel, "y", exposure="people", neighbours=NEIGHBOURS, seed=1)


def test_smoothed_rates_are_nearer_the_truth_than_raw_ones(found):
    _panel, eta, areas = found
    truth = 1e5 * np.exp(eta).ravel()
    known = areas.rates["raw"].notna()
    smooth = np.log(areas.rates["rate"] / truth)[known]
    raw = np.log((areas.rates["raw"] + 1) / truth)[known]
    assert smooth.std() < 0.35 * raw.std()
    inside = (areas.rates["conf_low"] < truth) & (truth < areas.rates["conf_high"])
    assert 0.85 < inside.mean() <= 1


def test_every_number_is_that_of_the_draws(found):
    panel, _eta, areas = found
    e = areas.posterior.effects
    eta = e["intercept"][:, :, None] + e["area"][:, :, None] + e["period"][:, None, :]
    rate = 1e5 * np.exp(eta)
    flat = rate.reshape(len(rate), -1)
    low, middle, high = np.quantile(flat, [0.025, 0.5, 0.975], axis=0)
    for column, plain in (("conf_low", low), ("rate", middle), ("conf_high", high)):
        np.testing.assert_allclose(areas.rates[column], plain)
    people, y = panel.matrix("people"), panel.matrix("y")
    known = ~np.isnan(y)
    threshold = 1e5 * np.nansum(y) / people[known].sum()
    assert areas.threshold == pytest.approx(threshold)
    assert areas.threshold_is == "the raw rate of all areas together over the window"
    np.testing.assert_allclose(areas.rates["prob_above"], (flat > threshold).mean(axis=0))
    over_time = (rate * people).sum(axis=2) / people.sum(axis=1)
    np.testing.assert_allclose(areas.areas["rate"], np.median(over_time, axis=0))
    np.testing.assert_allclose(areas.areas["prob_above"], (over_time > threshold).mean(axis=0))
    ranks = np.array([[1 + (row > x).sum() for x in row] for row in over_time])
    np.testing.assert_array_equal(areas.areas["rank"], np.quantile(ranks, 0.5, axis=0, method="inverted_cdf"))
    assert (areas.areas["rank_low"] <= areas.areas["rank"]).all()
    assert (areas.areas["rank"] <= areas.areas["rank_high"]).all()
    raw = 1e5 * np.nansum(y, axis=1) / np.where(known, people, 0).sum(axis=1)
    np.testing.assert_allclose(areas.areas["raw"], raw)
    together = (rate * people[None]).sum(axis=1) / people.sum(axis=0)
    np.testing.assert_allclose(areas.trend["rate"], np.median(together, axis=0))
    ratio = together / np.exp(np.log(together).mean(axis=1, keepdims=True))
    np.testing.assert_allclose(areas.trend["ratio"], np.median(ratio, axis=0))
    assert areas.share_by_borders == pytest.approx(np.median(areas.posterior.hyper["area_share"]))


def test_missing_is_not_zero(found):
    panel, _eta, areas = found
    hole = np.isnan(panel.matrix("y")).ravel()
    assert hole.sum() == 9
    assert areas.rates["raw"].isna().to_numpy()[hole].all()
    assert areas.rates["count"].isna().to_numpy()[hole].all()
    assert areas.rates["rate"].notna().all()
    assert any(n.startswith("9 area-months have no count") for n in areas.notes)
    width = np.log(areas.rates["conf_high"] / areas.rates["conf_low"])
    assert width[hole].mean() > width[~hole].mean()


def test_words_and_json(found):
    areas = found[2]
    assert "of the variance between areas follows borders" in str(areas)
    held = json.loads(areas.to_json())
    assert held["format"] == "svmodel-smoothed-areas-1"
    assert held["rates"]["values"]["period"][0] == "2022-01"
    assert held["rates"]["values"]["raw"].count(None) == 9
    assert held["estimator"]["family"] == "poisson"
    assert list(areas.spread["parameter"]) == ["area_sd", "area_share", "period_sd"]


def test_same_seed_same_bits_and_a_given_threshold():
    panel, _ = a_panel()
    estimator = SmallAreaTrend(family="poisson", draws=200, threshold=150.0, per=1000)
    one, two = (estimator.fit(panel, "y", exposure="people", neighbours=NEIGHBOURS, seed=3) for _ in range(2))
    assert one.to_json() == two.to_json()
    assert (one.threshold, one.threshold_is) == (150.0, "given")
    assert (one.areas["prob_above"] == 0).all(), "no rate per 1,000 is above 150"


def test_names_of_areas_do_not_matter():
    panel, _ = a_panel()
    frame = panel.to_frame()
    new = {a: f"X{(7 * i) % N:02d}" for i, a in enumerate(NAMES)}
    renamed = sv.Panel.from_frame(
        frame.assign(area=frame[frame.columns[0]].map(new)),
        area="area",
        period=frame.columns[1],
        counts=["y"],
        exposures=["people"],
    )
    moved = {new[a]: [new[b] for b in held] for a, held in NEIGHBOURS.items()}
    estimator = SmallAreaTrend(family="poisson", draws=1500)
    one = estimator.fit(panel, "y", exposure="people", neighbours=NEIGHBOURS, seed=0).areas.set_index("area")
    two = estimator.fit(renamed, "y", exposure="people", neighbours=moved, seed=0).areas.set_index("area")
    gap = np.log(two["rate"].loc[[new[a] for a in NAMES]].to_numpy() / one["rate"].loc[list(NAMES)].to_numpy())
    width = np.log(one["conf_high"] / one["conf_low"]).loc[list(NAMES)].to_numpy() / 3.92
    # draws meet areas in another order: the same within their Monte Carlo error
    assert (abs(gap) < 4.5 * width * 1.25 * np.sqrt(2 / 1500)).all()


def test_interaction_finds_what_single_cells_do():
    panel, eta = a_panel(seed=3, mean=20, own=0.35)
    with_it = SmallAreaTrend(family="poisson", interaction=True, draws=1000)
    found = with_it.fit(panel, "y", exposure="people", neighbours=NEIGHBOURS)
    row = found.spread.set_index("parameter").loc["interaction_sd"]
    assert row["conf_low"] < 0.35 < row["conf_high"]
    truth = 1e5 * np.exp(eta).ravel()
    inside = (found.rates["conf_low"] < truth) & (truth < found.rates["conf_high"])
    assert 0.9 < inside.mean() < 0.99
    without = SmallAreaTrend(family="poisson", draws=1000).fit(panel, "y", exposure="people", neighbours=NEIGHBOURS)
    error = [np.log(f.rates["rate"] / truth).std() for f in (found, without)]
    assert error[0] < 0.75 * error[1]


def test_binomial_shares():
    panel, eta = a_panel(seed=4, trials=True)
    found = SmallAreaTrend(family="binomial", per=100, draws=500).fit(
        panel, "y", exposure="people", neighbours=NEIGHBOURS
    )
    truth = 100 / (1 + np.exp(-eta)).ravel()
    assert abs(found.rates["rate"] - truth).mean() < 0.5 * abs(found.rates["raw"] - truth).mean()
    assert found.rates["conf_high"].max() < 100
    assert found.spread["meaning"].str.contains("log odds").sum() == 2


def test_islands_and_parts_are_told():
    panel, _ = a_panel()
    cut = {a: [b for b in held if (a < "W10") == (b < "W10") and "W24" not in (a, b)] for a, held in NEIGHBOURS.items()}
    found = SmallAreaTrend(draws=300).fit(panel, "y", exposure="people", neighbours=cut)
    told = " ".join(found.notes)
    assert "1 area borders on none: 'W24'." in told
    assert "The map has 2 connected parts (of 14, 10 areas)" in told
    assert "An area that borders on none" in told


def test_without_borders_areas_are_pooled_alike():
    panel, _ = a_panel()
    found = SmallAreaTrend(draws=300).fit(panel, "y", exposure="people")
    assert math.isnan(found.share_by_borders)
    assert any(n.startswith("No borders were given") for n in found.notes)
    assert "borders" not in str(found)


def test_a_design_gives_its_panel_and_window():
    made = simulate.panel(12, 24, mean=8, cohorts=((12, 3),), seed=2)
    design = made.design("violence", window=("2018-07", None))
    found = SmallAreaTrend(draws=300, order=2).fit(design, neighbours=made.neighbours)
    assert found.diagnostics["periods"] == 18
    assert found.outcome == "violence"
    assert "plays no part" in found.notes[0]


def test_an_unknown_exposure_leaves_its_cell_out_and_says_so():
    panel, _ = a_panel()
    frame = panel.to_frame()
    frame["people"] = frame["people"].astype("Float64")
    frame.loc[:2, "people"] = pd.NA
    area, period = frame.columns[:2]
    holed = sv.Panel.from_frame(frame, area=area, period=period, counts=["y"], exposures=["people"])
    found = SmallAreaTrend(draws=300).fit(holed, "y", exposure="people", neighbours=NEIGHBOURS)
    assert found.rates["raw"].isna().sum() == 3
    assert found.rates["rate"].notna().all()
    assert any(n.startswith("3 area-months have a count but no exposure") for n in found.notes)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"outcome": "z"}, DesignError, "'z' is no count"),
        ({"exposure": None}, DesignError, "a rate needs an exposure"),
        ({"exposure": "peoples"}, DesignError, "Did you mean 'people'"),
        ({"neighbours": {"W01": ["W99"]}}, DataError, "'W99' is no area"),
        ({"window": ("2022-03", "2022-03")}, EstimationError, "one period"),
        ({"window": ("2030-01", None)}, DataError, "holds nothing"),
    ],
)
def test_what_cannot_be_asked_is_refused(given, error, words):
    panel, _ = a_panel()
    asked = {"outcome": "y", "exposure": "people", "neighbours": NEIGHBOURS, **given}
    with pytest.raises(error, match=words):
        SmallAreaTrend().fit(panel, asked.pop("outcome"), **asked)


def test_wrong_choices_are_refused_all_at_once():
    with pytest.raises(EstimationError) as told:
        SmallAreaTrend(family="poison", order=3, area_sd=-1, threshold=0, level=2, draws=5, engine="laplac")
    assert len(told.value.problems) == 7
    assert "Did you mean 'poisson'" in str(told.value)


def test_nothing_to_smooth_is_refused():
    panel, _ = a_panel(mean=1e-9)
    with pytest.raises(EstimationError, match="every count is zero"):
        SmallAreaTrend().fit(panel, "y", exposure="people", neighbours=NEIGHBOURS)
    panel, _ = a_panel(mean=8000.0)
    with pytest.raises(EstimationError, match="counts exceed their trials"):
        SmallAreaTrend(family="binomial").fit(panel, "y", exposure="people", neighbours=NEIGHBOURS)


def test_a_panel_without_exposures_and_counts_beyond_reason_are_told_what_to_do():
    panel, _ = a_panel()
    frame = panel.to_frame()
    area, period = frame.columns[:2]
    bare = sv.Panel.from_frame(frame[[area, period, "y"]], area=area, period=period, counts=["y"])
    with pytest.raises(DesignError, match="or Design, and is a DataFrame"):
        SmallAreaTrend().fit(frame, "y", exposure="people")
    with pytest.raises(DesignError, match="The panel has none: add one"):
        SmallAreaTrend().fit(bare, "y")
    wild = frame.assign(y=frame["y"].astype(float) * 1e13)
    wild = sv.Panel.from_frame(wild, area=area, period=period, counts=["y"], exposures=["people"])
    with pytest.raises(EstimationError, match="Look at the data for counts that cannot be"):
        SmallAreaTrend().fit(wild, "y", exposure="people")


def test_a_fit_that_has_not_converged_is_refused(monkeypatch):
    from svmodel.engine import posterior

    monkeypatch.setattr(posterior, "FEWEST_POINTS", 1e6)
    panel, _ = a_panel()
    with pytest.raises(EstimationError, match="has not converged, so no number is given"):
        SmallAreaTrend(draws=200).fit(panel, "y", exposure="people", neighbours=NEIGHBOURS)

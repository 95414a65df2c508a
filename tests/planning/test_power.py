"""Power: effects put in as they should be, known answers reached, and answers that depend on no accident."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import svmodel as sv
from svmodel.did import ExtendedTwoWayFixedEffects, TwoWayFixedEffects
from svmodel.errors import DesignError
from svmodel.inference import RandomisationInference
from svmodel.numerics.two_way import TwoWay
from svmodel.numerics.two_way.poisson_fe import fit_poisson
from svmodel.planning.history import impose, intensity_behind
from svmodel.planning.model import Noise, fit_noise, implied_moments, residual_moments
from svmodel.planning.plan import crossing, detectable, wilson
from svmodel.simulate.fields import fading_shocks


def history(areas=24, periods=48, start=36, treated=8, **more):
    simulation = sv.simulate.panel(areas, periods, cohorts=[(start, treated)], effect=1.0, **more)
    return sv.Design(simulation.panel, outcome="violence", exposure="population", intervention=simulation.intervention)


@pytest.fixture(scope="module")
def design():
    return history(mean=6, dispersion=0.2, seed=1)


@pytest.fixture(scope="module")
def found(design):
    return sv.power(design, [0.5, 0.75, 1.5], study=(12, 12), draws=40, seed=7)


def test_effects_are_put_in_with_the_right_mean_and_variance():
    """Thinned or added to, a negative binomial of mean 4 and k = 0.5 stays one, of mean 4 r and the same k."""
    rng = np.random.default_rng(1)
    k, mean = 0.5, np.full((1, 200_000), 4.0)
    y = rng.poisson(mean * rng.gamma(1 / k, k, mean.shape)).astype(float)
    intensity = intensity_behind(rng, y, mean, k)
    effects = [0.4, 0.8, 1.0, 1.3, 2.0]
    out = impose(rng, y, intensity, np.ones(mean.shape, dtype=bool), effects)
    for r, counts in zip(effects, out, strict=True):
        m = 4 * r
        # five standard errors of a mean of 200,000
        assert counts.mean() == pytest.approx(m, abs=5 * np.sqrt((m + k * m**2) / 2e5))
        assert counts.var() == pytest.approx(m + k * m**2, rel=0.03)
    # effects share events: a smaller ratio never leaves more
    assert all((a <= b).all() for a, b in pairwise(out))
    assert np.array_equal(out[2], y)


def test_only_treated_and_known_cells_are_touched():
    rng = np.random.default_rng(2)
    y = np.array([[10.0, 10.0, np.nan], [10.0, 10.0, 10.0]])
    treated = np.array([[False, True, True], [False, False, False]])
    fewer, more = impose(rng, y, np.nan_to_num(y), treated, [0.01, 9.0])
    for out in (fewer, more):
        assert out[1].tolist() == [10.0, 10.0, 10.0]
        assert out[0, 0] == 10
        assert np.isnan(out[0, 2])
    assert fewer[0, 1] < 5
    assert more[0, 1] > 40


def test_two_processes_give_what_one_gives(design):
    effects = [0.6, 0.8]
    alone, side_by_side = (sv.power(design, effects, study=(12, 12), draws=12, jobs=j, seed=3) for j in (1, 2))
    pd.testing.assert_frame_equal(alone.table, side_by_side.table)
    assert np.array_equal(alone.rejected, side_by_side.rejected)
    assert alone.text == side_by_side.text


def test_power_rises_with_the_effect_and_no_effect_is_always_there(found):
    table = found.table.set_index("effect")
    assert table.index.tolist() == [0.5, 0.75, 1.0, 1.5]
    assert table["power"][0.5] > table["power"][0.75] > table["power"][1.0]
    assert table["neutral"].tolist() == [False, False, True, False]
    assert (table["low"] <= table["power"]).all()
    assert (table["power"] <= table["high"]).all()
    assert found.type_one_error == table["power"][1.0]
    assert found.rejected.shape == (40, 4)
    assert found.detectable["direction"].tolist() == ["fewer", "more"]
    fewer = found.detectable.iloc[0]
    # limits nearer to no effect come first
    assert fewer["high"] <= fewer["effect"] <= fewer["low"] < 1


def test_a_known_answer_is_reached():
    """Independent normal outcomes, a linear comparison: the least detectable difference has a formula."""
    rng = np.random.default_rng(3)
    N, T, n, sd = 40, 30, 12, 2.0
    rows = [(f"A{i:02d}", 1990 + t, rng.normal(0, sd)) for i in range(N) for t in range(T)]
    panel = sv.Panel.from_frame(
        pd.DataFrame(rows, columns=["area", "year", "score"]), area="area", period="year", measures=["score"]
    )
    planned = sv.Design(
        panel, outcome="score", intervention=sv.Intervention("patrols", {f"A{i:02d}": 2010 for i in range(n)})
    )
    error = sd * np.sqrt((1 / n + 1 / (N - n)) * (1 / 10 + 1 / 5))
    wanted = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * error
    found = sv.power(
        planned,
        [-f * wanted for f in (0.75, 1.0, 1.25, 1.6)],
        study=(10, 5),
        planned=True,
        draws=160,
        seed=1,
    )
    # t with about 20 degrees of freedom asks for 5% more than the normal; a share of 160 has an error of 3%,
    # which is 5% of the size here, and the one history's own variance is off by 4%
    assert -found.detectable["effect"][0] == pytest.approx(1.05 * wanted, rel=0.15)
    assert found.table.loc[found.table["neutral"], "low"].iloc[0] <= 0.05
    exact = stats.norm.cdf(wanted / error - 1.96)
    assert exact == pytest.approx(0.8, abs=1e-3)


def test_both_methods_come_near_the_power_of_fresh_studies():
    """Fresh panels of a known process give the truth; power has one history of that process, fading shocks and all.

    benchmarks/bench_power.py does the same at length. Here the truth has an error of 4 points, and a mean of two
    histories one of 5 (resample) to 10 (model).
    """
    process = {"mean": 8, "dispersion": 0.15, "shock_sd": 0.35, "shock_persistence": 0.9}
    estimator = ExtendedTwoWayFixedEffects(only_average=True)
    hits = []
    for seed in range(120):
        made = sv.simulate.panel(40, 36, cohorts=[(24, 14)], effect=0.75, seed=5_000 + seed, **process)
        design = sv.Design(made.panel, outcome="violence", exposure="population", intervention=made.intervention)
        hits.append(estimator.fit(design).effect().p_value <= 0.05)
    truth = np.mean(hits)
    assert 0.2 < truth < 0.9
    for method in ("resample", "model"):
        found = [
            sv.power(
                history(areas=40, periods=60, start=59, treated=14, seed=seed, **process),
                [0.75],
                study=(24, 12),
                planned=True,
                method=method,
                draws=50,
                seed=seed,
            ).table["power"][0]
            for seed in range(2)
        ]
        assert np.mean(found) == pytest.approx(truth, abs=0.2)


def test_an_invalid_test_is_shown_to_be_one():
    """Cluster-robust errors of two treated areas are far too small without their small-sample correction."""
    wild = history(areas=20, periods=40, start=30, treated=2, shock_sd=0.5, shock_persistence=0.9, mean=20, seed=2)

    class Naive(ExtendedTwoWayFixedEffects):
        def fit(self, design, *, seed=0):
            result = super().fit(design, seed=seed)
            table = result.estimates.copy()
            log_error = table["std_error"] / table["estimate"]
            table["p_value"] = 2 * stats.norm.sf(np.abs(np.log(table["estimate"].abs()) / log_error))
            return type(result)(**{**vars(result), "estimates": table})

    found = sv.power(
        wild, [0.7], estimator=Naive(few_treated=0, inference="cluster"), study=(12, 12), planned=True, draws=80, seed=1
    )
    assert found.type_one_error > 0.15
    assert any("The test is not valid here" in note for note in found.notes)


def test_any_inference_will_do(design):
    found = sv.power(
        design,
        [0.4],
        inference=RandomisationInference(draws=39, interval=False),
        study=(12, 12),
        draws=12,
        seed=2,
    )
    table = found.table.set_index("effect")
    assert table["power"][0.4] >= 0.75
    assert table["power"][1.0] <= 0.4
    assert "with RandomisationInference" in found.text


def test_names_and_order_of_areas_move_nothing(design, found):
    frame = design.panel.to_frame()
    new = {a: f"X{900 - i}" for i, a in enumerate(design.panel.areas)}
    frame["area"] = frame["area"].map(new)
    panel = sv.Panel.from_frame(frame, area="area", period="period", counts=["violence"], exposures=["population"])
    starts = {new[a]: p for a, p in design.intervention.starts.items()}
    other = sv.Design(panel, outcome="violence", exposure="population", intervention=sv.Intervention("patrols", starts))
    again = sv.power(other, [0.5, 0.75, 1.5], study=(12, 12), draws=40, seed=7)
    # sums over areas in another order differ in the last digits, which moves no verdict
    assert np.array_equal(again.rejected, found.rejected)
    np.testing.assert_allclose(again.table["exaggeration"], found.table["exaggeration"], rtol=1e-6)


def test_where_the_history_comes_from(design):
    before = sv.power(design, [0.5], study=(12, 12), draws=10)
    assert any("24 areas without the intervention (all areas before the first start)" in n for n in before.notes)
    assert any("in 13 places along the months" in n for n in before.notes)
    never = sv.power(design, [0.5], draws=10)
    assert any("16 areas without the intervention (areas that are never treated)" in n for n in never.notes)
    assert "8 treated areas and 8 controls of 16 areas without the intervention, 48 periods" in never.text
    planned = sv.power(design, [0.5], planned=True, draws=10)
    assert "8 treated areas and 16 controls of 24 areas without the intervention, 48 periods" in planned.text
    model = sv.power(design, [0.5], method="model", n_treated=20, n_controls=30, study=(60, 24), draws=10)
    assert "20 treated areas and 30 controls, 84 periods" in model.text


def test_treated_cells_of_a_real_intervention_are_never_used():
    """Treated cells are set to a number that no estimate would survive; power must not see it."""
    plain = history(seed=4)
    frame = plain.panel.to_frame()
    treated = frame["area"].isin(plain.intervention.starts) & (frame["period"] >= "2021-01")
    assert treated.sum() == 8 * 12
    frame.loc[treated, "violence"] = 1_000_000
    panel = sv.Panel.from_frame(frame, area="area", period="period", counts=["violence"], exposures=["population"])
    spoilt = sv.Design(panel, outcome="violence", exposure="population", intervention=plain.intervention)
    for more in ({"study": (12, 12)}, {}, {"method": "model"}):
        one, two = (sv.power(d, [0.6], draws=10, seed=1, **more) for d in (plain, spoilt))
        pd.testing.assert_frame_equal(one.table, two.table)


def test_alike_areas_have_the_level_of_the_treated():
    """Treated areas are the largest; drawn at random their likes are smaller, and power is lower."""
    large = sv.simulate.panel(
        40, 40, cohorts=[(28, 6)], effect=1.0, selection="level", level_sd=0.9, mean=5, dispersion=0.05, seed=6
    )
    template = sv.Design(large.panel, outcome="violence", exposure="population", intervention=large.intervention)
    some, alike = (
        sv.power(template, [0.8], study=(12, 12), placement=p, draws=40, seed=1).table["power"][0]
        for p in ("any", "alike")
    )
    assert alike > some + 0.1


def test_the_moments_that_noise_implies_are_those_it_has():
    """Against simulation, with area and period means taken off."""
    noise, N, T, mean = Noise(0.3, 0.5, 0.8), 400, 24, 8.0
    rng = np.random.default_rng(1)
    got, poisson = [], []
    for _ in range(8):
        shock = fading_shocks(rng, N, T, noise.persistence)
        mu = mean * np.exp(noise.shock_sd * shock - noise.shock_sd**2 / 2)
        y = rng.poisson(mu * rng.gamma(1 / noise.dispersion, noise.dispersion, mu.shape)).astype(float)
        fitted = y.mean(axis=1, keepdims=True) * y.mean(axis=0, keepdims=True) / y.mean()
        got.append(residual_moments(y, fitted, 6))
        poisson.append(fitted.sum() / (fitted**2).sum())
    wanted = implied_moments(noise, T, N, float(np.mean(poisson)), 6)
    # a first-order allowance for fitted levels is out by a fiftieth of the size
    np.testing.assert_allclose(np.mean(got, axis=0), wanted, atol=0.02 * wanted[0])


def test_persistence_is_found_in_a_short_history():
    """Taken from residuals as they stand persistence is too low, because levels were fitted to the same months."""
    truth = Noise(0.2, 0.4, 0.85)
    found, naive = [], []
    for seed in range(6):
        made = sv.simulate.panel(
            150,
            36,
            cohorts=[(30, 1)],
            effect=1.0,
            mean=12,
            dispersion=0.2,
            shock_sd=0.4,
            shock_persistence=0.85,
            seed=seed,
        )
        y = made.panel.matrix("violence")
        mean = fit_poisson(y, TwoWay(np.ones(y.shape, dtype=bool)), made.panel.matrix("population")).mu
        found.append(fit_noise(y, mean))
        moments = residual_moments(y, mean, 6)
        naive.append((moments[6] / moments[1]) ** (1 / 5) if moments[6] > 0 else 0.0)
    assert np.mean([n.persistence for n in found]) == pytest.approx(truth.persistence, abs=0.05)
    assert np.mean([n.shock_sd for n in found]) == pytest.approx(truth.shock_sd, abs=0.08)
    assert np.mean([n.dispersion for n in found]) == pytest.approx(truth.dispersion, abs=0.06)
    assert np.mean(naive) < truth.persistence - 0.1


def test_least_detectable_effect_by_hand():
    size, power = np.array([0.0, 0.1, 0.2, 0.3]), np.array([0.05, 0.5, 0.4, 0.9])
    # isotonic: 0.05, 0.45, 0.45, 0.9; 0.8 lies 7/9 of the way from 0.2 to 0.3
    assert crossing(size, power, 0.8) == pytest.approx(0.2 + 0.1 * 0.35 / 0.45)
    assert crossing(size, power, 0.95) == np.inf
    rejected = np.random.default_rng(1).random((400, 4)) < power
    point, low, high = detectable(size, rejected, 0.8, seed=1)
    assert low < point < high
    assert wilson(0, 20)[0] == 0


def test_beyond_what_was_tried_is_missing_and_said(design):
    found = sv.power(design, [0.99], study=(12, 12), draws=10)
    assert np.isnan(found.detectable["effect"][0])
    assert "no effect up to -1.0% is found with 80% power" in found.text


def test_hopeless_questions_are_told_all_at_once(design):
    with pytest.raises(DesignError) as error:
        sv.power(
            design,
            [0.0, -1, "big"],
            estimator=TwoWayFixedEffects,
            inference="bootstrap",
            method="resampel",
            draws=3,
            alpha=1.5,
            target=0,
            n_treated=0,
            n_controls=1,
            study=(0, 12),
            placement="near",
            jobs=0,
        )
    rules = [p.rule for p in error.value.problems]
    assert rules.count("effects") == 3
    for rule in ("estimator", "inference", "method", "draws", "alpha", "target", "study", "placement", "jobs"):
        assert rule in rules
    assert {"n_treated", "n_controls"} <= set(rules)
    assert "Did you mean 'resample'?" in str(error.value)


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"study": (60, 24)}, "too_short"),
        ({"n_treated": 30, "study": (12, 12)}, "too_many"),
        ({"n_treated": 15}, "no_history"),
        ({"n_controls": 40, "study": (12, 12)}, "too_many"),
        ({"effects": [1.0]}, "effects"),
    ],
)
def test_what_no_panel_can_give(design, more, rule):
    with pytest.raises(DesignError) as error:
        sv.power(design, **{"effects": [0.8], "draws": 10, **more})
    assert [p.rule for p in error.value.problems] == [rule]


def test_nothing_before_the_start_and_nobody_untreated():
    everyone = history(areas=6, periods=20, start=5, treated=6, seed=1)
    with pytest.raises(DesignError) as error:
        sv.power(everyone, [0.8])
    assert [p.rule for p in error.value.problems] == ["no_history"]
    assert "5 periods before the first start" in str(error.value)


def test_a_bug_of_an_estimator_is_raised(design):
    class Broken(ExtendedTwoWayFixedEffects):
        def fit(self, design, *, seed=0):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        sv.power(design, [0.8], estimator=Broken(), study=(12, 12), draws=10)


@pytest.mark.parametrize("option", ["draws", "jobs"])
def test_none_is_no_number(design, option):
    with pytest.raises(DesignError, match=f"{option}: None is no whole number"):
        sv.power(design, [0.7], study=(12, 12), planned=True, **{option: None})

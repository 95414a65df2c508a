from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from svmodel import Design, Intervention, Panel, did, simulate
from svmodel.errors import EstimationError
from svmodel.inference import Interval, choose, with_interval
from svmodel.numerics.resampling.placebo_noise import variance_function
from svmodel.result.uncertainty import placebo_interval

LINEAR = did.TwoWayFixedEffects(family="linear")
IMPUTATION = did.Imputation(family="linear")
POISSON = did.TwoWayFixedEffects(family="poisson")


def make(y, starts, kind="counts"):
    names = [f"a{i:03d}" for i in range(len(y))]
    months = pd.period_range("2020-01", periods=y.shape[1], freq="M").astype(str)
    frame = pd.DataFrame({"area": np.repeat(names, y.shape[1]), "month": np.tile(months, len(y)), "n": y.ravel()})
    panel = Panel.from_frame(frame, area="area", period="month", **{kind: ["n"]})
    return Design(panel, outcome="n", intervention=Intervention("x", {names[i]: months[s] for i, s in starts.items()}))


def test_one_treated_area_is_ranked_among_plain_refits():
    rng = np.random.default_rng(1)
    design = make(rng.normal(0, 1, (41, 8)), {7: 5}, kind="measures")
    arrays = design.arrays
    interval = placebo_interval(LINEAR, arrays, counts=False)
    others = [i for i in range(41) if i != 7]
    refits = []
    for j in others:
        moved = make(arrays.y[others], {others.index(j): 5}, kind="measures")
        refits.append(LINEAR.fit(moved).effect("att", "difference").estimate)
    refits = np.array(refits)
    # of 40 placebos and the area itself 2 in 41 lie beyond the second largest size
    reach = np.sort(np.abs(refits))[-2]
    assert interval.low == pytest.approx(interval.estimate - reach, abs=1e-9)
    assert interval.high == pytest.approx(interval.estimate + reach, abs=1e-9)
    assert interval.p_value == (1 + (np.abs(refits) >= abs(interval.estimate)).sum()) / 41
    assert interval.std_error == pytest.approx(np.sqrt(np.mean(refits**2)), rel=1e-9)


@pytest.mark.parametrize("estimator", [LINEAR, POISSON, did.CallawaySantAnna()], ids=lambda e: type(e).__name__)
def test_the_result_carries_it_on_every_scale(estimator):
    simulation = simulate.panel(60, 24, cohorts=((12, 2), (15, 1)), effect=0.7, seed=3)
    result = estimator.fit(simulation.design("violence"))
    assert result.diagnostics["inference"] == "placebo"
    att = result.estimates[result.estimates["term"] == "att"]
    assert att[["conf_low", "conf_high", "p_value"]].notna().all(axis=None)
    assert len(set(att["p_value"])) == 1
    none = np.where(att["scale"] == "rate_ratio", 1.0, 0.0)
    outside = (att["conf_low"] > none) | (att["conf_high"] < none)
    assert len(set(outside)) == 1
    others = result.estimates[result.estimates["term"] != "att"]
    assert others["conf_low"].isna().all()


def test_large_treated_areas_are_given_the_noise_of_large_areas():
    rng = np.random.default_rng(5)
    size = np.repeat([4.0, 100.0], 30)
    y = rng.poisson(size[:, None], (60, 24)).astype(float)
    small = placebo_interval(LINEAR, make(y, {0: 12}).arrays, counts=True)
    large = placebo_interval(LINEAR, make(y, {59: 12}).arrays, counts=True)
    # the noise of a mean of counts grows with the root of the size: fivefold here
    assert 3 < large.std_error / small.std_error < 8
    blind = placebo_interval(LINEAR, make(y, {59: 12}).arrays, counts=False)
    assert blind.std_error < 0.9 * large.std_error


def test_a_placebo_is_standardised_by_the_months_that_a_treated_area_is_known_by():
    """The plain way: plain refits, each divided by its deviation at its mean of the months before the start."""
    rng = np.random.default_rng(8)
    y = rng.negative_binomial(0.7, 0.7 / (0.7 + rng.uniform(3, 9, 46)[:, None]), (46, 20)).astype(float)
    interval = placebo_interval(LINEAR, make(y, {0: 10}).arrays, counts=True)
    others = y[1:]
    refits = [LINEAR.fit(make(others, {j: 10})).effect("att", "difference").estimate for j in range(45)]
    phi, omega = variance_function(np.square(refits), others.mean(axis=1), 0.0)

    def deviation(mean):
        return np.sqrt(phi * mean + omega * mean**2)

    reach = np.sort(np.abs(refits / deviation(others[:, :10].mean(axis=1))))[-2]
    error = deviation(y[0, :10].mean())
    assert interval.std_error == pytest.approx(error, rel=1e-6)
    assert interval.low == pytest.approx(interval.estimate - reach * error, rel=1e-6)
    assert interval.high == pytest.approx(interval.estimate + reach * error, rel=1e-6)


def test_rounding_does_not_decide_which_sums_are_drawn():
    """With one start three linear methods are one number, and so are their limits."""
    y = np.random.default_rng(9).poisson(6, (44, 16))
    arrays = make(y, {0: 8, 1: 8, 2: 8}).arrays
    found = [placebo_interval(e, arrays, counts=True) for e in (LINEAR, IMPUTATION, did.StackedDiD(family="linear"))]
    for other in found[1:]:
        assert (other.low, other.high, other.p_value) == pytest.approx(
            (found[0].low, found[0].high, found[0].p_value), rel=1e-9
        )


def test_it_covers_where_cluster_robust_errors_do_not():
    """100 skewed panels of 60 areas, three treated, no effect; Monte Carlo error two in a hundred."""
    placebo, cluster = [], []
    for seed in range(100):
        simulation = simulate.panel(
            60, 24, mean=3, dispersion=0.5, cohorts=((12, 3),), effect=1.0, level_sd=0.2, seed=seed
        )
        arrays = simulation.design("violence").arrays
        interval = placebo_interval(IMPUTATION, arrays, counts=True)
        placebo.append(interval.low <= 0 <= interval.high)
        estimate, influence = IMPUTATION.influence(arrays)
        cluster.append(abs(estimate) <= 1.96 * np.sqrt(np.sum(influence**2)))
    assert np.mean(placebo) > 0.9
    assert np.mean(cluster) < 0.85


def test_noise_that_the_controls_share_does_not_average_out():
    """Seven treated areas and ten controls, normal noise: without it the interval holds no effect in 91%."""
    rng = np.random.default_rng(1)
    errors, estimates = [], []
    for _ in range(150):
        arrays = make(rng.normal(0, 1, (17, 14)), dict.fromkeys(range(7), 7), kind="measures").arrays
        interval = placebo_interval(IMPUTATION, arrays, counts=False)
        errors.append(interval.std_error**2)
        estimates.append(interval.estimate)
    # variance of a difference of means of 7 and 10 areas, each the mean of 7 less the mean of 7 months
    true = (1 / 7 + 1 / 10) * (2 / 7)
    assert np.mean(errors) == pytest.approx(true, rel=0.1)
    assert np.var(estimates) == pytest.approx(true, rel=0.35)


def test_nothing_is_learnt_from_a_handful():
    y = np.random.default_rng(6).poisson(9, (8, 12)).astype(float)
    with pytest.raises(EstimationError, match="only 7 untreated areas"):
        placebo_interval(LINEAR, make(y, {0: 6}).arrays, counts=True)


def test_the_rule_counts_treated_areas_and_controls():
    def kind(treated, controls, **given):
        y = np.random.default_rng(7).poisson(9, (treated + controls, 12)).astype(float)
        return choose(make(y, dict.fromkeys(range(treated), 6)).arrays, **given)

    assert kind(10, 40).kind == "cluster"
    assert not kind(10, 40).warn
    assert kind(3, 40).kind == "placebo"
    assert "3 treated areas and 40 controls" in kind(3, 40).why
    assert kind(3, 9).kind == "cluster"
    assert kind(3, 9).warn
    assert kind(1, 9).kind == "none"
    assert kind(5, 1).kind == "none"
    assert kind(1, 20).warn
    assert not kind(1, 39).warn
    assert kind(3, 40, wanted="cluster").kind == "cluster"
    assert kind(10, 40, wanted="placebo").kind == "placebo"


@pytest.mark.parametrize("scale", ["difference", "log_rate_ratio"])
def test_an_effect_of_exactly_zero_has_limits(scale):
    y = np.random.default_rng(8).poisson(9, (20, 8)).astype(float)
    result = did.ExtendedTwoWayFixedEffects(family="linear").fit(make(y, dict.fromkeys(range(10), 4)))
    cells = result.diagnostics["treated_cells_used"]
    frame = result.estimates.copy()
    frame.loc[frame["term"] == "att", "estimate"] = np.where(frame["scale"] == "rate_ratio", 1.0, 0.0)[
        frame["term"] == "att"
    ]
    nothing = replace(result, estimates=frame, diagnostics={**result.diagnostics, "observed": 400.0, "expected": 400.0})
    made = with_interval(nothing, Interval(scale, 0.0, 0.1, -0.2, 0.3, 1.0, 0.95, "by hand", "because"))
    events, difference = (made.effect("att", s) for s in ("events", "difference"))
    assert (events.conf_low, events.conf_high) == pytest.approx(
        (difference.conf_low * cells, difference.conf_high * cells)
    )
    assert events.conf_low < 0 < events.conf_high
    ends = (-0.2 * cells, 0.3 * cells) if scale == "difference" else (400 * np.expm1(-0.2), 400 * np.expm1(0.3))
    assert (events.conf_low, events.conf_high) == pytest.approx(ends)


def test_placebos_that_were_asked_for_are_not_put_down_to_few_treated():
    y = np.random.default_rng(7).poisson(9, (50, 12)).astype(float)
    why = choose(make(y, dict.fromkeys(range(10), 6)).arrays, wanted="placebo").why
    assert "as asked for" in why
    assert "so few" not in why
    assert "so few treated" in choose(make(y, dict.fromkeys(range(3), 6)).arrays).why

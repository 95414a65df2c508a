"""What imputation answers, what it refuses, and what it says; its arithmetic is held in test_imputation_plain.py."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svmodel import Design, Intervention, Panel, simulate
from svmodel.did import ExtendedTwoWayFixedEffects, Imputation
from svmodel.errors import EstimationError
from svmodel.numerics.cluster import small_sample
from svmodel.result.scales import critical_value

LINEAR = Imputation(family="linear")


def design_of(y, starts, *, counts=False, people=None, ends=None, anticipation=0, parent=None):
    """A design from an array; `starts` by row."""
    N, T = y.shape
    months = pd.period_range("2020-01", periods=T, freq="M")
    names = [f"a{i:02d}" for i in range(N)]
    frame = pd.DataFrame({"area": np.repeat(names, T), "month": np.tile(months.astype(str), N), "y": y.ravel()})
    kinds = {"counts" if counts else "measures": ["y"]}
    if people is not None:
        frame["people"] = np.broadcast_to(people, y.shape).ravel()
        kinds["exposures"] = ["people"]
    if parent is not None:
        frame["force"] = np.repeat(parent, T)
        kinds["parent"] = "force"
    panel = Panel.from_frame(frame, area="area", period="month", **kinds)
    when = {names[i]: months[g] for i, g in starts.items()}
    over = None if ends is None else {names[i]: months[g] for i, g in ends.items()}
    intervention = Intervention("x", when, over)
    exposure = None if people is None else "people"
    return Design(panel, outcome="y", intervention=intervention, exposure=exposure, anticipation=anticipation)


def noise(n=20, length=10, seed=0):
    rng = np.random.default_rng(seed)
    return 10 + rng.normal(0, 2, (n, 1)) + rng.normal(0, 1, length) + rng.normal(0, 1, (n, length))


def two_cohorts(seed=0, **kwargs):
    return design_of(noise(seed=seed), {**dict.fromkeys(range(8), 4), **dict.fromkeys(range(8, 10), 7)}, **kwargs)


def difference(result, term="att", **which):
    return result.effect(term, "difference", **which)


def test_an_effect_without_noise_is_found_exactly():
    y = np.arange(12.0)[:, None] + np.sin(np.arange(8))
    effect = {(0, 5): -1.0, (0, 6): -2.0, (0, 7): -3.0, (1, 7): -8.0}
    for (i, t), tau in effect.items():
        y[i, t] += tau
    result = LINEAR.fit(design_of(y, {0: 5, 1: 7}))
    assert difference(result).estimate == pytest.approx(-14 / 4)
    assert difference(result, "event", horizon=0).estimate == pytest.approx(-4.5)
    assert difference(result, "area", area="a01").estimate == pytest.approx(-8)
    assert result.weights["weight"].sum() == pytest.approx(1)


def test_treated_outcomes_never_serve_as_controls():
    y = noise()
    starts = {**dict.fromkeys(range(4), 4), **dict.fromkeys(range(4, 8), 7)}
    before = difference(LINEAR.fit(design_of(y, starts)), "cohort", cohort="2020-08").estimate
    y[:4, 4:] += 100
    after = difference(LINEAR.fit(design_of(y, starts)), "cohort", cohort="2020-08").estimate
    assert after == pytest.approx(before, abs=1e-10)


def test_an_area_seen_untreated_once_keeps_its_effect():
    y = noise()
    y[0, :3] = np.nan
    result = LINEAR.fit(design_of(y, dict.fromkeys(range(8), 4)))
    assert result.diagnostics["treated_cells_used"] == 8 * 6
    y[0, 3] = np.nan
    result = LINEAR.fit(design_of(y, dict.fromkeys(range(8), 4)))
    assert result.diagnostics["treated_cells_used"] == 7 * 6
    assert any("A00" in n.upper() and "no known outcome before the start" in n for n in result.notes)


def test_cells_that_cannot_be_imputed_are_left_out_and_named():
    y = noise()
    y[8:, 8] = np.nan
    result = LINEAR.fit(design_of(y, dict.fromkeys(range(8), 4)))
    assert result.diagnostics["treated_cells_used"] == 8 * 5
    assert any(n.startswith("In Sep 2020 no area is untreated") for n in result.notes)
    assert any("40 of 48 treated area-months (83%)" in n for n in result.notes)
    assert not ((result.estimates["term"] == "calendar") & (result.estimates["period"].astype(str) == "2020-09")).any()


def test_unlinked_cells_are_left_out_and_named():
    y = noise()
    # areas 0 to 9 are known early, the others late: no area links the two halves but treated ones
    y[10:, :6], y[8:10, 6:] = np.nan, np.nan
    y[0, :2] = np.nan
    with pytest.raises(EstimationError, match="32 treated area-months"):
        LINEAR.fit(design_of(y, dict.fromkeys(range(8), 6)))
    y[9, 8] = 12.0
    result = LINEAR.fit(design_of(y, dict.fromkeys(range(8), 6)))
    assert result.diagnostics["treated_cells_used"] == 8 * 4


def test_when_everybody_is_treated_the_refusal_names_months():
    y = noise(n=6)
    with pytest.raises(EstimationError) as caught:
        LINEAR.fit(design_of(y, dict.fromkeys(range(6), 4)))
    text = str(caught.value)
    assert "no treated area-period has an expected outcome" in text
    assert "in May 2020, Jun 2020" in text
    assert "no area is untreated" in text
    assert "End the window before" in text


def test_everybody_treated_in_the_end_is_answered_for_the_months_before():
    result = LINEAR.fit(design_of(noise(), {**dict.fromkeys(range(10), 4), **dict.fromkeys(range(10, 20), 7)}))
    assert result.diagnostics["treated_cells_used"] == 10 * 3
    assert any("Aug 2020, Sep 2020, Oct 2020 no area is untreated" in n for n in result.notes)


def test_resamples_that_identify_nothing_give_no_number_and_no_error():
    arrays = design_of(noise(), dict.fromkeys(range(8), 4)).arrays
    all_treated = arrays.assigned(np.zeros(20, dtype=np.int64))
    nobody = arrays.assigned(np.full(20, 19))
    for family in ("linear", "poisson"):
        estimator = Imputation(family=family)
        assert np.isnan(estimator.point(all_treated))
        assert np.isnan(estimator.point(nobody))
        with pytest.raises(EstimationError):
            estimator.influence(all_treated)


def test_anticipation_and_ends_leave_cells_out():
    y = noise()
    y[:8, 3] += 50
    y[:8, 8:] -= 50
    plain = LINEAR.fit(two_cohorts())
    result = LINEAR.fit(design_of(y, dict.fromkeys(range(8), 4), ends=dict.fromkeys(range(8), 7), anticipation=1))
    assert result.diagnostics["treated_cells_used"] == 8 * 4
    assert abs(difference(result).estimate) < 2
    leads = result.estimates.query("term == 'event' and horizon < 0")["horizon"]
    assert sorted(leads) == [-4, -3]
    assert any("relative to horizon -2" in n for n in result.notes)
    assert any("relative to horizon -1" in n for n in plain.notes)


def test_scales_of_a_count_agree():
    rng = np.random.default_rng(5)
    y = rng.poisson(20, (24, 12)).astype(float)
    y[:9, 6:] = rng.poisson(14, (9, 6))
    result = LINEAR.fit(design_of(y, dict.fromkeys(range(9), 6), counts=True, people=2_000.0))
    per_cell, events = difference(result), result.effect("att", "events")
    ratio, rate = result.effect("att", "rate_ratio"), result.effect("att", "per_100k")
    observed = y[:9, 6:].sum()
    assert events.estimate == pytest.approx(54 * per_cell.estimate)
    assert rate.estimate == pytest.approx(per_cell.estimate / 2_000 * 1e5)
    for mine, theirs in zip(
        (ratio.estimate, ratio.conf_low, ratio.conf_high),
        (events.estimate, events.conf_low, events.conf_high),
        strict=True,
    ):
        assert mine == pytest.approx(observed / (observed - theirs))
    assert len({e.p_value for e in (per_cell, events, ratio, rate)}) == 1
    assert result.diagnostics["observed"] / result.diagnostics["expected"] == pytest.approx(ratio.estimate)
    # the delta method's error of a ratio, against a numerical derivative
    step = 1e-6 * observed
    slope = (observed / (observed - events.estimate - step) - ratio.estimate) / step
    assert ratio.std_error == pytest.approx(slope * events.std_error, rel=1e-4)


def test_a_ratio_that_the_linear_model_cannot_give_is_missing():
    y = np.full((20, 10), 1.0)
    y[8:, :5] = 30 + np.arange(5)
    y[::2, 3] += 1
    result = LINEAR.fit(design_of(y, dict.fromkeys(range(8), 5), counts=True))
    assert result.diagnostics["expected"] < 0
    assert not result.has("att", "rate_ratio")
    assert result.has("att", "events")


def test_intervals_are_wider_than_standard_errors_say_where_cohorts_are_small():
    result = LINEAR.fit(two_cohorts())
    effect = difference(result)
    _, influence = LINEAR.influence(two_cohorts().arrays)
    inflation, df = small_sample(influence, np.repeat([0, 1, 2], [8, 2, 10]))
    error = inflation * np.sqrt(influence @ influence)
    assert effect.conf_high - effect.estimate == pytest.approx(critical_value(0.95, df) * error)
    assert error > effect.std_error
    assert any("1 of 2 cohorts have fewer than 8 areas" in n for n in result.notes)
    large = LINEAR.fit(design_of(noise(), dict.fromkeys(range(10), 4)))
    assert not any("cohorts have fewer" in n for n in large.notes)
    effect = difference(large)
    # one cohort of ten against ten: each side's mean is taken from its own, and the factor is that of CR2
    assert (effect.conf_high - effect.estimate) / effect.std_error == pytest.approx(
        critical_value(0.95, 18) * np.sqrt(10 / 9), rel=0.05
    )


def test_a_single_treated_area_has_no_error():
    y = noise(n=12)
    result = Imputation(family="linear", inference="cluster").fit(design_of(y, {0: 4}))
    numbers = result.estimates[["std_error", "conf_low", "conf_high", "p_value"]]
    assert numbers.isna().all().all()
    assert np.isfinite(difference(result).estimate)
    assert result.diagnostics["inference"] == "none"


def test_few_treated_areas_take_the_average_effect_s_interval_from_placebos():
    result = LINEAR.fit(design_of(noise(n=40), dict.fromkeys(range(3), 4)))
    effect = difference(result)
    assert effect.conf_low < effect.estimate < effect.conf_high
    assert "placebo" in result.diagnostics["inference"]
    others = result.estimates[result.estimates["term"] != "att"]
    assert others[["conf_low", "conf_high", "p_value"]].isna().all().all()


def test_a_reporting_area_is_the_average_of_its_areas():
    y = noise()
    parent = ["North"] * 4 + ["South"] * 16
    result = LINEAR.fit(design_of(y, dict.fromkeys(range(8), 4), parent=parent))
    own = [difference(result, "area", area=f"a{i:02d}").estimate for i in range(4)]
    north = difference(result, "area", area="North")
    assert north.estimate == pytest.approx(np.mean(own))
    assert north.std_error > 0
    assert north.conf_low < north.estimate < north.conf_high
    assert any("Every area of North is treated" in n for n in result.notes)


def test_joint_holds_the_leads_alone_so_that_nothing_adds_them_to_effects():
    result = LINEAR.fit(design_of(noise(), dict.fromkeys(range(9), 4)))
    horizons = result.joint.index["horizon"].to_numpy()
    assert horizons.tolist() == [-4, -3, -2]
    errors = [difference(result, "event", horizon=h).std_error for h in horizons]
    np.testing.assert_allclose(np.sqrt(np.diag(result.joint.covariance)), errors, rtol=1e-10)


def test_leads_can_be_fewer():
    result = Imputation(family="linear", leads=2).fit(two_cohorts())
    leads = result.estimates.query("term == 'event' and horizon < 0")["horizon"]
    assert leads.tolist() == [-2]
    assert any("Horizon -2 stands for it and all earlier months" in n for n in result.notes)


def test_without_two_months_before_the_start_there_are_no_leads():
    result = LINEAR.fit(design_of(noise(), dict.fromkeys(range(8), 1)))
    assert not (result.estimates["horizon"] < 0).any()
    assert result.joint is None
    assert any(n.startswith("No effects before the start") for n in result.notes)


def test_poisson_is_extended_two_way_fixed_effects():
    simulation = simulate.panel(n_areas=40, n_periods=24, cohorts=[(12, 9), (16, 9)], seed=3)
    design = Design(
        simulation.panel,
        outcome="violence",
        exposure="population",
        intervention=simulation.intervention,
    )
    ours, theirs = Imputation().fit(design, seed=4), ExtendedTwoWayFixedEffects().fit(design, seed=4)
    pd.testing.assert_frame_equal(ours.estimates, theirs.estimates)
    assert ours.notes == theirs.notes
    assert ours.estimator == Imputation()
    log_ratio = np.log(ours.effect("att", "rate_ratio").estimate)
    assert Imputation().point(design.arrays) == pytest.approx(log_ratio, abs=1e-9)
    estimate, influence = Imputation().influence(design.arrays)
    assert estimate == pytest.approx(log_ratio, abs=1e-9)
    effect = ours.effect("att", "rate_ratio")
    factor = ours.diagnostics["crv1_factor"]
    assert np.sqrt(factor * influence @ influence) == pytest.approx(effect.std_error / effect.estimate, rel=1e-9)


def test_wrong_choices_are_named_together():
    with pytest.raises(EstimationError) as caught:
        Imputation(family="gaussian", level=2, inference="bootstrap")
    assert len(caught.value.problems) == 3
    with pytest.raises(EstimationError, match="Give 2 or more"):
        Imputation(family="linear", leads=1)
    with pytest.raises(EstimationError, match="gives every lead"):
        Imputation(leads=4)


@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100), shift=st.floats(-50, 50))
def test_area_and_month_levels_do_not_matter_and_units_scale(seed, scale, shift):
    design = two_cohorts(seed)
    y = design.arrays.y
    rng = np.random.default_rng(seed)
    other = scale * y + shift + 20 * rng.normal(size=(20, 1)) + 20 * rng.normal(size=10)
    starts = {**dict.fromkeys(range(8), 4), **dict.fromkeys(range(8, 10), 7)}
    ours, theirs = LINEAR.point(design.arrays), LINEAR.point(design_of(other, starts).arrays)
    assert theirs == pytest.approx(scale * ours, abs=1e-8 * (1 + scale))


@given(seed=st.integers(0, 10_000))
def test_the_order_of_areas_does_not_matter(seed):
    arrays = two_cohorts(seed).arrays
    order = np.random.default_rng(seed).permutation(20)
    estimate, influence = LINEAR.influence(arrays)
    moved, theirs = LINEAR.influence(arrays.take(order))
    assert moved == pytest.approx(estimate, abs=1e-10)
    np.testing.assert_allclose(theirs, influence[order], atol=1e-10)


def test_effects_that_build_up_and_differ_by_cohort_are_found_on_average():
    """Sixty panels of known truth: the mean of the estimates, and of the variances, against their spread."""
    rng = np.random.default_rng(11)
    n, length = 40, 16
    start = np.full(n, length + 9)
    start[:9], start[9:20] = 6, 11
    time = np.arange(length)
    on = time >= start[:, None]
    tau = np.where(on, -1.0 - 0.2 * (time - start[:, None]) - (start[:, None] == 11), 0.0)
    truth = tau[on].mean()
    starts = {i: int(start[i]) for i in range(20)}
    misses, held, ratio = [], 0, []
    for _ in range(60):
        y = rng.normal(0, 3, (n, 1)) + 0.3 * time + rng.normal(0, 1, (n, length)).cumsum(axis=1) * 0.3
        y += rng.normal(0, 1, (n, length)) + tau
        effect = difference(LINEAR.fit(design_of(y, starts)))
        misses.append(effect.estimate - truth)
        held += effect.conf_low < truth < effect.conf_high
        ratio.append(effect.std_error)
    spread = np.std(misses)
    # four standard deviations of a mean of sixty, and of a root of a variance from sixty
    assert abs(np.mean(misses)) < 4 * spread / np.sqrt(60)
    assert 1 - 4 / np.sqrt(120) < np.mean(ratio) / spread < 1 + 4 / np.sqrt(120) + 0.15
    # 95% of sixty is 57; fewer than 50 has a chance of 1 in 10,000
    assert held >= 50

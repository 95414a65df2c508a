from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import svmodel as sv
from svmodel.checks.event_path import event_path, grouped
from svmodel.checks.honest_bounds import _allowing_for_weights, honest_bounds, sensitivity_results
from svmodel.did.callaway_santanna import CallawaySantAnna
from svmodel.errors import DataError
from svmodel.numerics.honest import EventStudy
from svmodel.numerics.honest.magnitudes import magnitudes_interval
from svmodel.numerics.honest.smoothness import smoothness_interval
from svmodel.result import JointEstimate

ETWFE = sv.did.ExtendedTwoWayFixedEffects()
TWFE = sv.did.TwoWayFixedEffects(family="poisson")


def joint_of(estimate, covariance, horizons, scale="difference"):
    index = pd.DataFrame({"term": "event", "cohort": None, "period": None, "horizon": np.array(horizons, float)})
    return JointEstimate(scale, index, np.array(estimate, dtype=float), np.array(covariance, dtype=float))


@pytest.fixture(scope="module")
def design(make_design):
    return make_design(1, effect=0.7, starts=(36,), length=60)


@pytest.fixture(scope="module")
def result(design):
    return ETWFE.fit(design)


@pytest.fixture(scope="module")
def check(result):
    return honest_bounds(result)


def test_it_says_what_it_found(check):
    table = check.table
    assert check.status in ("passed", "informative")
    assert set(table["restriction"]) == {"relative_magnitudes", "smoothness"}
    relative = table[table["restriction"] == "relative_magnitudes"]
    assert relative["bound"].tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert (relative["conf_low"] <= relative["set_low"]).all()
    assert (relative["conf_high"] >= relative["set_high"]).all()
    assert (np.diff(relative["conf_high"] - relative["conf_low"]) > 0).all()
    assert ((table["conf_high"] < 1) | (table["conf_low"] > 1)).tolist() == table["excludes_no_effect"].tolist()
    breakdown = relative["breakdown"].iloc[0]
    assert (relative["excludes_no_effect"] == (relative["bound"] <= breakdown)).all()
    assert (check.status == "passed") == (breakdown >= 1)
    assert f"{breakdown:.2f} times" in check.text
    assert "last 12 months before the start" in check.text
    assert table["scale"].unique().tolist() == ["rate_ratio"]
    assert check.to_dict()["table"][0]["restriction"] == "relative_magnitudes"


def test_every_base_ends_in_the_same_path(design, result):
    # ETWFE measures from the average before the start, a regression from the last period: after the move to the last
    # three years and two after they tell the same story, up to what the regression's common errors change
    poisson = grouped(event_path(result))[0]
    raw = grouped(event_path(sv.did.ExtendedTwoWayFixedEffects(few_treated=0).fit(design)))[0]
    np.testing.assert_allclose(raw.estimate, poisson.estimate, atol=1e-9)
    arrays = design.arrays
    ever = arrays.treated.any(axis=1)
    years = [slice(0, 12), slice(12, 24), slice(24, 36), slice(36, 48), slice(48, 60)]
    rate = np.array([[arrays.y[g, y].sum() for y in years] for g in (ever, ~ever)])
    plain = np.log(rate[0]) - np.log(rate[1])
    plain = np.delete(plain - plain[2], 2)
    # averages of monthly logarithms against logarithms of yearly sums: second order in monthly noise of a tenth
    np.testing.assert_allclose(poisson.estimate, plain, atol=0.03)
    assert poisson.positions == pytest.approx([-2, -1, 1, 2], abs=0.03)


def test_the_last_lead_has_the_error_that_the_table_gives(result, design):
    for fitted, slack in ((result, 0.05), (sv.did.ExtendedTwoWayFixedEffects(few_treated=0).fit(design), 0.5)):
        path = event_path(fitted)
        at = list(path.horizon).index(-1)
        effect = fitted.effect("event", "rate_ratio", horizon=-1)
        assert path.estimate[at] == pytest.approx(np.log(effect.estimate))
        assert np.sqrt(path.covariance[at, at]) == pytest.approx(effect.std_error / effect.estimate, rel=slack)
        # and what the estimates are relative to has none
        np.testing.assert_allclose(path.base @ path.covariance @ path.base, 0.0, atol=1e-12)


@pytest.mark.parametrize("leads", [2, 3])
def test_few_leads_keep_their_errors(make_design, leads):
    # with two or three leads an average taken off twice would halve the variances, or take a third of them
    fitted = ETWFE.fit(make_design(1, n=80, treated=40, mean=50, starts=(leads,), length=leads + 3))
    path = event_path(fitted)
    table = fitted.estimates[(fitted.estimates["term"] == "event") & (fitted.estimates["scale"] == "rate_ratio")]
    early = table[table["horizon"] < 0]
    own = ((early["std_error"] / early["estimate"]) ** 2).sum()
    assert np.diag(path.covariance)[path.before].sum() == pytest.approx(own, rel=0.02)
    np.testing.assert_allclose(path.base @ path.covariance @ path.base, 0.0, atol=1e-12)
    # against a plain estimate: areas' own changes between the last lead and each other period
    arrays = fitted.design.arrays
    ever = arrays.treated.any(axis=1)
    rate = arrays.y / arrays.exposure
    change = np.log(rate / rate[:, [leads - 1]])
    plain = sum(change[g].var(axis=0, ddof=1) / g.sum() for g in (ever, ~ever))
    away = np.eye(leads + 3) - np.eye(leads + 3)[leads - 1]
    ours = np.diag(away @ path.covariance @ away.T)
    # 40 areas on a side know a variance to sqrt(2 / 78) = 16%, and the mean of four or five that share a period hardly
    # less well
    assert ours.sum() == pytest.approx(plain.sum(), rel=0.3)


def test_the_overall_effect_is_that_of_the_result(make_design):
    # additive: the weighted sum of the events is the average effect itself
    fitted = CallawaySantAnna(base_period="universal").fit(make_design(3, effect=0.7))
    path = event_path(fitted)
    assert path.weight @ path.estimate == pytest.approx(fitted.effect("att", "difference").estimate)
    # multiplicative: to first order
    fitted = ETWFE.fit(make_design(3, effect=0.7))
    path = event_path(fitted)
    assert path.weight @ path.estimate == pytest.approx(np.log(fitted.effect("att", "rate_ratio").estimate), abs=0.02)


def test_a_varying_base_is_fitted_again(make_design):
    design = make_design(4, effect=0.8, starts=(20,), length=32)
    varying, universal = (CallawaySantAnna(base_period=b).fit(design) for b in ("varying", "universal"))
    ours, theirs = (honest_bounds(r).table for r in (varying, universal))
    pd.testing.assert_frame_equal(ours, theirs)
    again = type(varying).from_json(varying.to_json(), estimator=varying.estimator)
    assert "common base" in honest_bounds(again).text


def test_groups_by_hand(result):
    # 30 months before, 15 after: half-years would make five; years leave two and a half
    horizons = [*range(-30, -1), *range(15)]
    values = np.where(np.array(horizons) < 0, np.array(horizons) + 1, 5.0)
    joint = joint_of(values, np.eye(44), horizons)
    fitted = replace(
        result, joint=joint, estimator=CallawaySantAnna(base_period="universal"), estimates=result.estimates.iloc[:0]
    )
    study, length = grouped(event_path(fitted))
    assert length == 6
    # the reference group: -6 to -1, mean -2.5 relative to -1
    np.testing.assert_allclose(study.positions, [-4, -3, -2, -1, 1, 2, 2.75])
    np.testing.assert_allclose(study.estimate[:4], [-24, -18, -12, -6])
    np.testing.assert_allclose(study.estimate[4:], 7.5)
    assert study.weights.sum() == pytest.approx(1)


def test_a_fall_that_was_there_before_does_not_survive(make_design):
    # a drift of 2% a month and no effect: parallel trends find one, honest bounds do not vouch for it
    found = [honest_bounds(ETWFE.fit(make_design(s, drift=-0.02, starts=(36,), length=60))) for s in range(3)]
    assert [c.status for c in found] == ["informative"] * 3
    for c in found:
        table = c.table.set_index(["restriction", "bound"])
        assert table.loc[("relative_magnitudes", 0.0), "excludes_no_effect"]
        assert not table.loc[("smoothness", 0.0), "excludes_no_effect"]
        assert table.loc[("relative_magnitudes", 1.0), "conf_high"] > 0.95


def test_no_finding_and_none_to_lose(make_design):
    check = honest_bounds(ETWFE.fit(make_design(2, starts=(36,), length=60)))
    assert check.status == "informative"
    assert "no finding" in check.text
    assert check.table["breakdown"].isna().any()


def test_what_it_needs(result, make_design):
    assert honest_bounds(replace(result, joint=None)).status == "not_applicable"
    for horizons, words in (
        ([0, 1, 2], "before the start"),
        ([-4, -3, -2], "from the start on"),
        ([-2, -1, 0], "another time"),
    ):
        fitted = replace(result, joint=joint_of([0.1, 0.2, 0.3], np.eye(3) * 0.1, horizons))
        assert words in honest_bounds(fitted).text
    few = ETWFE.fit(make_design(1, treated=2, starts=(36,), length=60))
    assert honest_bounds(few).status == "not_applicable"


def test_few_areas_get_no_smoothness_bounds(make_design):
    # six years before the start leave four free bends, which four treated areas do not bear
    design = make_design(1, treated=4, starts=(24,), length=36, freq="Q-DEC", effect=0.7)
    fitted = CallawaySantAnna(base_period="universal").fit(design)
    study, length = grouped(event_path(fitted))
    assert (length, study.pre) == (4, 5)
    check = honest_bounds(fitted)
    assert check.table["restriction"].unique().tolist() == ["relative_magnitudes"]
    assert "Too few areas" in check.text


def test_anticipation_is_stepped_over(make_design):
    design = make_design(1, starts=(36,), length=60, anticipation=2)
    path = event_path(TWFE.fit(design))
    assert path.reference == -3
    assert not {-2, -1} & set(path.horizon.tolist())
    study, _ = grouped(path)
    assert study.positions[study.pre] > 1


def test_nothing_is_drawn(result):
    assert honest_bounds(result).text == honest_bounds(result, seed=5).text


def test_the_shortest_interval_covers_with_a_covariance_from_few_areas():
    # four leads and one lag with a common reference; the covariance has 12 degrees of freedom, and there is no effect
    rng = np.random.default_rng(0)
    df, n = 12, 500
    V = np.eye(5) + 1
    wider = (stats.t.ppf(0.975, df) / stats.norm.ppf(0.975)) ** 2
    held = {"plain": 0, "allowed": 0}
    for _ in range(n):
        rows = rng.multivariate_normal(np.zeros(5), V, size=df)
        study = EventStudy(rng.multivariate_normal(np.zeros(5), V), wider * rows.T @ rows / df, pre=4)
        for name, made in (("plain", study), ("allowed", _allowing_for_weights(study, df))):
            found = smoothness_interval(made, 0.0)
            held[name] += found.low <= 0 <= found.high
    # three errors of a share of 500: 0.029
    assert held["allowed"] / n >= 0.95 - 0.029
    assert held["plain"] < held["allowed"] - 0.02 * n


def test_options_choose_the_rows_and_the_effect(make_design):
    result = sv.did.TwoWayFixedEffects(family="linear").fit(
        make_design(1, effect=0.7, noise=0, length=36, starts=(24,))
    )
    check = honest_bounds(result, magnitudes=[0.25, 3.0], bends=[0.4])
    rows = check.table.groupby("restriction")["bound"].apply(list)
    assert rows["relative_magnitudes"] == [0.0, 0.25, 1.0, 3.0]
    assert rows["smoothness"] == [0.0, 0.4]
    whole = check.table["estimate"].iloc[0]
    late = honest_bounds(result, horizon=5)
    assert "the effect 5 months after the start is" in late.text
    assert late.table["estimate"].iloc[0] != whole
    assert "reach from +0 to" in honest_bounds(result, horizon=99).text
    with pytest.raises(DataError, match="cannot be a bound"):
        honest_bounds(result, magnitudes=[-1.0])


def test_bounds_of_estimates_from_elsewhere_are_those_of_the_kernels():
    beta, V = np.array([0.1, -0.05, -0.6, -0.8]), 0.01 * (np.eye(4) + 0.5)
    study = EventStudy(beta, V, 2)
    made = sensitivity_results(beta, V, 2, mbar=[0.5], m=[0.0, 0.02], horizon=(0, 1))
    table = made.set_index(["restriction", "bound"])
    low, high = magnitudes_interval(study, 0.5)[:2]
    assert tuple(table.loc[("relative_magnitudes", 0.5), ["conf_low", "conf_high"]]) == (low, high)
    found = smoothness_interval(study, 0.02)
    row = table.loc[("smoothness", 0.02)]
    assert (row["estimate"], row["conf_low"], row["conf_high"]) == (found.estimate, found.low, found.high)
    assert (row["estimate"] - row["conf_low"]) == pytest.approx(row["conf_high"] - row["estimate"])
    with pytest.raises(DataError):
        sensitivity_results(beta, V[:3, :3], 2)

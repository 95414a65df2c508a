from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from svmodel.checks.pre_trends import hotelling_test, pre_trends
from svmodel.did.callaway_santanna import CallawaySantAnna
from svmodel.result import JointEstimate

CS = CallawaySantAnna(base_period="universal")


def joint_of(estimate, covariance, horizons, scale="log_rate_ratio"):
    index = pd.DataFrame({"term": "event", "cohort": None, "period": None, "horizon": horizons})
    return JointEstimate(scale, index, np.array(estimate, dtype=float), np.array(covariance, dtype=float))


def groups_of(check):
    return check.table[check.table["quantity"] == "group"]


@pytest.fixture(scope="module")
def result(make_design):
    return CS.fit(make_design(1))


@pytest.fixture(name="with_joint")
def _with_joint(result):
    """Return the result with other event effects, and another design where given."""

    def change(joint, design=None):
        return replace(result, joint=joint, design=result.design if design is None else design)

    return change


def test_hotelling_holds_its_size_where_a_plain_wald_test_does_not():
    # 15 means from 25 independent rows: exact for Hotelling, hopeless for chi-squared
    rng = np.random.default_rng(0)
    ours, plain = 0, 0
    for _ in range(400):
        x = rng.normal(size=(25, 15))
        mean, covariance = x.mean(axis=0), np.cov(x.T) / 25
        ours += hotelling_test(mean, covariance, 24)[2] < 0.05
        plain += stats.chi2.sf(mean @ np.linalg.solve(covariance, mean), 15) < 0.05
    assert 0.02 < ours / 400 < 0.09  # 0.05 +- 3.7 standard errors of a share of 400
    assert plain / 400 > 0.3


def test_one_restriction_is_a_t_test():
    for b, v, df in ((1.3, 0.4, 7), (-2.0, 0.9, 30)):
        expected = 2 * stats.t.sf(abs(b) / np.sqrt(v), df)
        assert hotelling_test(np.array([b]), np.array([[v]]), df)[2] == pytest.approx(expected, rel=1e-10)


def test_a_singular_covariance_loses_rank_and_says_so():
    # the third lead is the sum of the first two, so it brings nothing
    L = np.array([[1.0, 0], [0, 1], [1, 1]])
    b, V = np.array([0.5, -0.2]), np.array([[0.2, 0.05], [0.05, 0.1]])
    statistic, rank, p = hotelling_test(L @ b, L @ V @ L.T, 20)
    assert rank == 2
    plain = hotelling_test(b, V, 20)
    assert (statistic, p) == (pytest.approx(plain[0]), pytest.approx(plain[2]))
    assert hotelling_test(np.zeros(2), np.zeros((2, 2)), 20)[1] == 0
    assert np.isnan(hotelling_test(np.ones(3), np.eye(3), 2)[2])


def test_parallel_areas_pass_and_the_words_warn(result):
    check = pre_trends(result)
    assert check.status == "passed"
    assert "does not prove" in check.text
    assert "Roth" in check.text
    # 11 treated and 47 control areas of freedom bear at most a third as many groups
    assert len(groups_of(check)) < -result.joint.index["horizon"].min()
    assert "averaged into" in check.text


def test_size_and_power(make_design):
    n = 40
    parallel = [pre_trends(CS.fit(make_design(s))).status for s in range(n)]
    # a share of 0.05 of 40 exceeds 0.175 once in 700 times
    assert parallel.count("failed") / n <= 0.175
    drifting = [pre_trends(CS.fit(make_design(s, drift=0.015))).status for s in range(10)]
    assert drifting.count("failed") >= 8


def test_the_largest_gap_and_its_place_are_named(with_joint):
    horizons = [-4, -3, -2, 0]
    joint = joint_of([0.01, -0.3, 0.02, 0.9], np.eye(4) * 0.004, horizons)
    fitted = with_joint(joint)
    check = pre_trends(fitted)
    assert "-25.9%, 3 periods before" in check.text  # exp(-0.3) - 1
    assert check.status == "failed"
    assert groups_of(check)["first_horizon"].tolist() == [-4, -3, -2]


def test_reference_and_anticipation_are_no_leads(make_design, with_joint):
    joint = joint_of([0.0, 5.0, 0.0], np.diag([0.01, 0.01, 0.0]), [-3, -2, -1])
    check = pre_trends(with_joint(joint, make_design(1, anticipation=2)))
    assert check.status == "passed"
    assert groups_of(check)["first_horizon"].tolist() == [-3]
    assert pre_trends(with_joint(joint)).status == "failed"


def test_a_lead_without_an_error_of_its_own_takes_no_part(with_joint):
    joint = joint_of([0.1, 3.0, 0.05], np.diag([0.01, 1e-30, 0.01]), [-4, -3, -2])
    check = pre_trends(with_joint(joint))
    assert check.status == "passed"
    assert groups_of(check)["first_horizon"].tolist() == [-4, -2]


def test_what_it_needs(result, make_design):
    assert pre_trends(replace(result, joint=None)).status == "not_applicable"
    only_after = joint_of([0.1], [[0.01]], [0])
    assert "reference" in pre_trends(replace(result, joint=only_after)).text
    one = CS.fit(make_design(1, treated=1, starts=(30,)))
    assert pre_trends(one).status == "not_applicable"


def test_it_works_on_a_result_read_back(result):
    again = type(result).from_json(result.to_json())
    assert pre_trends(again).text == pre_trends(result).text


def test_equivalence_bounds_of_the_largest_and_of_the_average(with_joint):
    fitted = with_joint(joint_of([0.1, -0.3, 0.02, 0.9], np.eye(4) * 0.004, [-4, -3, -2, 0]))
    check = pre_trends(fitted)
    groups = groups_of(check)
    average = check.table[check.table["quantity"] == "average"].iloc[0]
    # two one-sided t tests at 5%: the 90% interval ends there
    df = 1 / ((1 / 12 + 1 / 48) ** -2 * ((1 / 12) ** 2 / 11 + (1 / 48) ** 2 / 47))
    t = stats.t.ppf(0.95, df)
    np.testing.assert_allclose(groups["equivalence_bound"], np.array([0.1, 0.3, 0.02]) + t * np.sqrt(0.004))
    assert average["equivalence_bound"] == pytest.approx(0.06 + t * np.sqrt(0.004 / 3))
    largest = np.exp(groups["equivalence_bound"].max()) - 1
    assert f"gap of up to {100 * largest:.1f}%" in check.text

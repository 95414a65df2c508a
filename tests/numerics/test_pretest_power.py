import numpy as np
import pytest
from scipy import stats

from svmodel.numerics.honest.pretest_power import (
    equivalence_bound,
    joint_test_passing,
    joint_test_slope,
    separate_tests_passing,
    separate_tests_slope,
)

# He and Wang (2017), the example of the R package pretrends (its README) and of its Stata version (its source)
TIMES = np.array([-3.0, -2, -1])
SIGMA = np.array(
    [
        [0.0089065712, 0.0044883136, 0.0014587025, 0.0012157689, 0.0020327645, 0.0013225015, 0.0019617728],
        [0.0044883136, 0.0059369169, 0.0027500791, 0.0013505858, 0.0014315459, 0.0012067792, 0.0013847158],
        [0.0014587025, 0.0027500791, 0.0030386248, 0.0009056166, 0.0006791299, 0.0010167636, 0.0007090144],
        [0.0012157689, 0.0013505858, 0.0009056166, 0.0039247409, 0.002596118, 0.0017326149, 0.0022345525],
        [0.0020327645, 0.0014315459, 0.0006791299, 0.002596118, 0.008065897, 0.0058753751, 0.0037414359],
        [0.0013225015, 0.0012067792, 0.0010167636, 0.0017326149, 0.0058753751, 0.007881579, 0.0036507095],
        [0.0019617728, 0.0013847158, 0.0007090144, 0.0022345525, 0.0037414359, 0.0036507095, 0.0097884266],
    ]
)


def test_he_and_wang_as_published():
    before = SIGMA[:3, :3]
    # R prints 0.05205871; its root is found to 1e-4 of the range and its probability by random points (its own power
    # there is 0.4999776), so that the fifth digit is noise
    assert separate_tests_slope(TIMES, before, 0.5) == pytest.approx(0.05205871, rel=2e-4)
    slope = 0.05205871
    made = separate_tests_passing(slope * TIMES, before)
    assert made.power == pytest.approx(0.4999776, abs=1e-4)
    # "meanAfterPretesting", to R's own random error in the fifth digit
    np.testing.assert_allclose(made.mean, [-0.09230764, -0.05555285, -0.02790950], atol=2e-5)
    after = slope * np.arange(1, 5) + SIGMA[3:, :3] @ np.linalg.solve(before, made.mean - slope * TIMES)
    np.testing.assert_allclose(after, [0.06490184, 0.12084694, 0.16946498, 0.22453827], atol=2e-5)
    # the Bayes factor: how much likelier passing is without a trend
    ratio = (1 - made.power) / (1 - separate_tests_passing(np.zeros(3), before).power)
    assert ratio == pytest.approx(0.56901, abs=2e-4)
    # its second example, a curve
    assert separate_tests_passing(0.024 * TIMES**2, before).power == pytest.approx(0.6624282, abs=1e-4)


def test_against_a_plain_simulation():
    rng = np.random.default_rng(0)
    V = SIGMA[:3, :3]
    mean = 0.06 * TIMES
    draws = rng.multivariate_normal(mean, V, size=400_000)
    quadratic = np.einsum("ni,ij,nj->n", draws, np.linalg.inv(V), draws)
    critical = stats.chi2.ppf(0.95, 3)
    passes = {
        "separate": (np.abs(draws) <= 1.96 * np.sqrt(np.diag(V))).all(axis=1),
        "joint": quadratic <= critical,
    }
    made = {"separate": separate_tests_passing(mean, V), "joint": joint_test_passing(mean, V, critical)}
    for name, kept in passes.items():
        # errors of the simulation: 0.0008 of the power, 0.0003 of a mean, 1e-5 of a covariance; four of each
        assert made[name].power == pytest.approx(1 - kept.mean(), abs=0.0032)
        np.testing.assert_allclose(made[name].mean, draws[kept].mean(axis=0), atol=0.0012)
        np.testing.assert_allclose(made[name].spread, np.cov(draws[kept].T), atol=6e-5)


def test_joint_power_is_that_of_hotellings_test():
    rng = np.random.default_rng(1)
    V, df, n = SIGMA[:3, :3], 25, 4_000
    slope = joint_test_slope(TIMES, V, 0.8, df=df)
    rows = rng.multivariate_normal(np.zeros(3), V, size=(n, df))
    estimated = np.einsum("nri,nrj->nij", rows, rows) / df
    b = rng.multivariate_normal(slope * TIMES, V, size=n)
    q = np.einsum("ni,ni->n", b, np.linalg.solve(estimated, b[..., None])[..., 0])
    f = (df - 2) / (df * 3) * q
    assert (f > stats.f.ppf(0.95, 3, df - 2)).mean() == pytest.approx(0.8, abs=0.025)
    assert joint_test_slope(TIMES, V, 0.8) < slope
    large = joint_test_slope(TIMES, V, 0.8, df=1e6)
    assert large == pytest.approx(joint_test_slope(TIMES, V, 0.8), rel=1e-4)


def test_one_estimate_is_a_plain_test():
    V = np.array([[0.04]])
    for slope in (separate_tests_slope(np.array([-2.0]), V, 0.5), joint_test_slope(np.array([-2.0]), V, 0.5)):
        # found half of the time where the trend is as large as the critical value, but for the other tail
        assert 2 * slope == pytest.approx(1.96 * 0.2, rel=1e-3)
    both = separate_tests_passing(np.array([0.3]), V), joint_test_passing(np.array([0.3]), V, 1.96**2)
    assert both[0].power == pytest.approx(both[1].power, abs=1e-6)
    assert both[0].mean == pytest.approx(both[1].mean, abs=1e-6)
    assert both[0].spread == pytest.approx(both[1].spread, abs=1e-6)


def test_what_cannot_be():
    for f in (separate_tests_slope, joint_test_slope):
        for power in (0.01, 1.0):
            with pytest.raises(ValueError, match="power must lie"):
                f(TIMES, SIGMA[:3, :3], power)
    with pytest.raises(ValueError, match="degrees of freedom"):
        joint_test_slope(TIMES, SIGMA[:3, :3], 0.8, df=2)


def test_a_trend_beyond_the_bound_seldom_passes_for_less():
    rng = np.random.default_rng(2)
    n, df = 40_000, 9
    for truth in (0.0, 0.5, 2.0, 5.0):
        error = np.sqrt(rng.chisquare(df, n) / df)
        found = equivalence_bound(rng.normal(truth, 1, n), error, df=df)
        # 0.05 and four errors of a share of 40,000
        assert (found <= truth).mean() <= 0.05 + 0.0044
    assert (found <= truth).mean() > 0.04  # and the test is not idle
    np.testing.assert_allclose(equivalence_bound(np.array([1.0, -1.0]), 0.0), 1.0)

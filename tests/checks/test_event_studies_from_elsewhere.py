"""Bounds and power of an event study that is given as estimates and their covariance, and of several horizons."""

import numpy as np
import pytest

import svmodel as sv
from svmodel.checks import honest_bounds, pre_trend_power, pretrends, sensitivity_results
from svmodel.checks.event_path import at_horizon, chosen, event_path
from svmodel.errors import DataError

# He and Wang (2017), the example of the R package pretrends
T_VEC = [-4, -3, -2, 0, 1, 2, 3]
BETA = [0.066703148, -0.007701792, -0.015307202, 0.083861577, 0.170738170, 0.232222971, 0.172635728]
SIGMA = [
    [0.0089065712, 0.0044883136, 0.0014587025, 0.0012157689, 0.0020327645, 0.0013225015, 0.0019617728],
    [0.0044883136, 0.0059369169, 0.0027500791, 0.0013505858, 0.0014315459, 0.0012067792, 0.0013847158],
    [0.0014587025, 0.0027500791, 0.0030386248, 0.0009056166, 0.0006791299, 0.0010167636, 0.0007090144],
    [0.0012157689, 0.0013505858, 0.0009056166, 0.0039247409, 0.002596118, 0.0017326149, 0.0022345525],
    [0.0020327645, 0.0014315459, 0.0006791299, 0.002596118, 0.008065897, 0.0058753751, 0.0037414359],
    [0.0013225015, 0.0012067792, 0.0010167636, 0.0017326149, 0.0058753751, 0.007881579, 0.0036507095],
    [0.0019617728, 0.0013847158, 0.0007090144, 0.0022345525, 0.0037414359, 0.0036507095, 0.0097884266],
]


def test_pretrends_as_published():
    made = pretrends(BETA, SIGMA, T_VEC)
    assert made.slope == pytest.approx(0.05205871, rel=2e-4)
    assert made.power == pytest.approx(0.5, abs=1e-6)
    assert made.bayes_factor == pytest.approx(0.56901, abs=2e-4)
    expected = [-0.0923, -0.0556, -0.0279, 0.0649, 0.1208, 0.1695, 0.2245]
    # R's times before the start are relative to -1, and so is its slope
    given = pretrends(BETA, SIGMA, T_VEC, delta_true=0.05205871 * (np.array(T_VEC) + 1.0))
    np.testing.assert_allclose(given.event_plot["mean_after_pretesting"], expected, atol=1e-4)
    assert given.bias == pytest.approx(0.05205871 * 2.5)
    assert given.bias_if_passed == pytest.approx(np.mean(expected[3:]), abs=1e-4)
    assert np.isnan(given.slope)


def test_the_likelihood_ratio_is_that_of_normal_densities():
    from scipy import stats

    delta = 0.03 * (np.array(T_VEC) + 1.0)
    made = pretrends(BETA, SIGMA, T_VEC, delta)
    V = np.array(SIGMA)[:3, :3]
    ratio = stats.multivariate_normal.pdf(BETA[:3], delta[:3], V) / stats.multivariate_normal.pdf(
        BETA[:3], np.zeros(3), V
    )
    assert made.likelihood_ratio == pytest.approx(ratio)


def test_the_effect_asked_about_may_be_any_average():
    one, pair, several = (pretrends(BETA, SIGMA, T_VEC, horizon=h) for h in (2, (0, 1), [0, 3]))
    assert one.bias == pytest.approx(3 * one.slope)
    assert pair.bias == pytest.approx(1.5 * one.slope)
    assert several.bias == pytest.approx(2.5 * one.slope)
    tilted = pretrends(BETA, SIGMA, T_VEC, horizon=[0, 3], weights=[3, 1])
    assert tilted.bias == pytest.approx(1.75 * one.slope)


def test_bounds_of_an_average_are_those_of_its_weights():
    V = 0.01 * (np.eye(5) + 0.5)
    beta = [0.1, -0.05, -0.6, -0.8, -0.7]
    late = sensitivity_results(beta, V, 2, mbar=[1.0], m=[], horizon=[1, 2], weights=[1, 3])
    swapped = sensitivity_results(beta, V, 2, mbar=[1.0], m=[], horizon=(0, 2), weights=[0, 0.25, 0.75])
    columns = ["estimate", "conf_low", "conf_high"]
    np.testing.assert_allclose(late[columns].astype(float), swapped[columns].astype(float))
    assert late["restriction"].tolist() == ["relative_magnitudes"]
    assert sensitivity_results(beta, V, 2, mbar=[], m=[0, 0.1])["bound"].tolist() == [0, 0.1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sigma": np.eye(3)}, "K x K"),
        ({"betahat": ["a", "b"]}, "must be numbers"),
        ({"betahat": [0.0, np.nan, 1.0, 1.0]}, "finite"),
        ({"sigma": np.arange(16.0).reshape(4, 4)}, "symmetric"),
        ({"num_post_periods": 3}, "are not 2 before the start and 3 after"),
        ({"mbar": [-1.0]}, "cannot be a bound"),
        ({"horizon": 2}, "reach from"),
        ({"horizon": (1, 0)}, "no horizons"),
        ({"horizon": "1"}, "no horizons"),
        ({"horizon": (0, 1), "weights": [1.0]}, "as many weights"),
        ({"horizon": (0, 1), "weights": [0.0, 0.0]}, "as many weights"),
    ],
)
def test_what_cannot_be_used_is_refused(change, words):
    good = {"betahat": [0.1, -0.05, -0.6, -0.8], "sigma": np.eye(4), "num_pre_periods": 2, "mbar": [1.0]}
    with pytest.raises(DataError, match=words):
        sensitivity_results(**{**good, **change})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"t_vec": [-4, -3, -1, 0, 1, 2, 3]}, "without the reference"),
        ({"t_vec": T_VEC[:6]}, "as many times"),
        ({"t_vec": [-9, -8, -7, -6, -5, -4, -3]}, "from the start"),
        ({"delta_true": [1.0]}, "departure at as many times"),
        ({"target_power": 1.2}, "power must lie between"),
        ({"sigma": np.zeros((7, 7))}, "full rank"),
    ],
)
def test_what_pretrends_cannot_use_is_refused(change, words):
    with pytest.raises(DataError, match=words):
        pretrends(**{"betahat": BETA, "sigma": SIGMA, "t_vec": T_VEC, **change})


def test_horizons_are_one_a_range_or_a_list():
    assert chosen(2) == [2]
    assert chosen(np.int64(2)) == [2]
    assert chosen((0, 2)) == [0, 1, 2]
    assert chosen([0, 2]) == [0, 2]
    for wrong in (-1, 1.5, True, [], [0, -1]):
        with pytest.raises(DataError, match="no horizons"):
            chosen(wrong)


def test_checks_take_several_horizons(make_design):
    result = sv.did.TwoWayFixedEffects(family="linear").fit(
        make_design(1, effect=0.7, noise=0, length=36, starts=(24,))
    )
    path = event_path(result)
    after = path.horizon[~path.before]
    several = at_horizon(path, (0, 5))
    assert after[several.weight[~path.before] > 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert several.weight.sum() == pytest.approx(1)
    for made in (honest_bounds(result, horizon=(0, 5)), pre_trend_power(result, horizon=(0, 5))):
        assert "average effect from 0 to 5 months after the start" in made.text
    one, other = (pre_trend_power(result, horizon=[0, 4], weights=w).table["bias"].iloc[0] for w in ([1, 0], [0, 1]))
    mixed = pre_trend_power(result, horizon=[0, 4], weights=[1, 1])
    assert mixed.table["bias"].iloc[0] == pytest.approx((one + other) / 2)
    assert "0 and 4 months after the start" in mixed.text
    assert "reach from +0 to" in pre_trend_power(result, horizon=(0, 99)).text

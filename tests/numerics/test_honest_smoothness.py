import numpy as np
import pytest
from scipy import optimize, stats

from svmodel.numerics.honest import EventStudy, steps
from svmodel.numerics.honest.smoothness import (
    folded_normal_quantile,
    smoothness_breakdown,
    smoothness_interval,
    smoothness_set,
)


def random_study(seed, pre=5, post=3, weights=None):
    rng = np.random.default_rng(seed)
    G = rng.normal(size=(pre + post, pre + post + 4))
    return EventStudy(rng.normal(0, 0.1, pre + post), G @ G.T / (pre + post + 4) * 0.01, pre, weights)


def differences(study):
    K, n = study.pre, len(study.estimate)
    return np.delete(np.diff(np.eye(n + 1), 2, axis=0), K, axis=1)


def worst_bias(study, weights, bound):
    """Largest bias of a linear estimator, by a linear programme over the departures."""
    D = differences(study)
    made = optimize.linprog(-weights, np.vstack([D, -D]), np.full(2 * len(D), bound), bounds=(None, None))
    return np.inf if made.status == 3 else -made.fun


def test_folded_normal():
    for t in (0.0, 0.3, 2.0, 7.0, 50.0):
        c = folded_normal_quantile(t)
        assert stats.norm.cdf(c - t) - stats.norm.cdf(-c - t) == pytest.approx(0.95, abs=1e-12)
        h = 1e-5
        slope = (folded_normal_quantile(t + h) - folded_normal_quantile(abs(t - h))) / (2 * h)
        assert np.tanh(t * c) == pytest.approx(slope if t else 0.0, abs=1e-5)


@pytest.mark.parametrize("weights", [None, [1.0, 0, 0], [0.5, -1.0, 2.0]])
def test_bias_and_variance_are_what_they_are_said_to_be(weights):
    for seed in range(2):
        study = random_study(seed, weights=weights)
        for bound in (0.0, 0.01, 0.3):
            found = smoothness_interval(study, bound)
            assert worst_bias(study, found.weights, bound) == pytest.approx(found.bias, abs=1e-9)
            variance = found.weights @ study.covariance @ found.weights
            assert found.std_error == pytest.approx(np.sqrt(variance))
            np.testing.assert_allclose(found.weights[5:], study.weights)
            half = found.std_error * folded_normal_quantile(found.bias / found.std_error)
            assert found.half_length == pytest.approx(half)


def test_no_linear_estimator_is_shorter():
    # plain: all weights on the estimates before the reference are free but for one, and minimised over directly
    for seed in range(2):
        study = random_study(seed, pre=3, post=2)
        made = steps(study, "bend")
        for bound in (0.0, 0.003, 0.03, 0.3):

            def half(u, study=study, made=made, bound=bound):
                w = made.extrapolated + made.before.T @ u
                h = np.sqrt(w @ study.covariance @ w)
                return h * folded_normal_quantile(bound * (np.abs(made.reach).sum() + np.abs(u).sum()) / h)

            tries = [
                optimize.minimize(half, start, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-12})
                for start in ([0.0, 0.0], [1.0, -1.0])
            ]
            best = min(t.fun for t in tries)
            assert smoothness_interval(study, bound).half_length == pytest.approx(best, rel=1e-7)


def test_straight_lines_are_taken_out_whole():
    study = random_study(1)
    tilted = EventStudy(study.estimate + 0.7 * study.positions, study.covariance, 5)
    for bound in (0.0, 0.05):
        np.testing.assert_allclose(smoothness_interval(tilted, bound)[:2], smoothness_interval(study, bound)[:2])


def test_equal_errors_make_ties_and_many_periods_stay_exact():
    for pre, post in ((15, 1), (24, 1), (30, 8), (1, 4)):
        n = pre + post
        study = EventStudy(np.linspace(-1, 1, n), np.eye(n) * 0.01 + 0.01, pre)
        for bound in (1e-4, 0.01):
            assert smoothness_interval(study, bound).gap < 1e-9


def test_coverage_is_exact_for_the_worst_departure():
    study = random_study(2)
    D = differences(study)
    for bound in (0.0, 0.02, 0.2):
        found = smoothness_interval(study, bound)
        # the worst departure: every bend as large as it may be, with the sign of its weight
        u = np.linalg.lstsq(D.T, found.weights, rcond=None)[0]
        delta = np.linalg.lstsq(D, bound * np.sign(u), rcond=None)[0]
        rng = np.random.default_rng(0)
        draws = rng.multivariate_normal(delta, study.covariance, size=20_000) @ found.weights
        # 0.95 -+ 4 standard errors of a share of 20,000
        assert (np.abs(draws) <= found.half_length).mean() == pytest.approx(0.95, abs=0.0062)


def test_set_and_breakdown():
    study = EventStudy([-0.03, -0.02, -0.01, -0.5, -0.5], np.eye(5) * 1e-4, 3)
    low, high = smoothness_set(study, 0.02)
    # the line goes on to .01 and .02; bends of .02 at the reference and the first period add .02 and .06
    assert (low, high) == (pytest.approx(-0.515 - 0.04), pytest.approx(-0.515 + 0.04))
    found = smoothness_breakdown(study)
    assert smoothness_interval(study, found * 0.999).high < 0 < smoothness_interval(study, found * 1.001).high
    assert np.isnan(smoothness_breakdown(EventStudy([0.1, 0.1, 0.0], np.eye(3), 2)))
    for wrong in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="at least 0"):
            smoothness_interval(study, wrong)


def test_a_singular_covariance_is_answered():
    L = np.array([[1.0, 0], [0, 1], [1, 1], [1, -1]])
    study = EventStudy([0.1, 0.2, 0.4, 0.6], L @ L.T * 0.01, 2)
    found = smoothness_interval(study, 0.05)
    assert found.gap < 1e-6
    assert worst_bias(study, found.weights, 0.05) == pytest.approx(found.bias)

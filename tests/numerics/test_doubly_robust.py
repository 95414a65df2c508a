"""The two-by-two estimators: what they give up when a model is wrong, and when they refuse."""

import numpy as np
import pytest
import statsmodels.api as sm

from svmodel.numerics.two_way.doubly_robust import doubly_robust, logit_probabilities


def sample(n=400, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    treated = rng.random(n) < 1 / (1 + np.exp(0.5 - x[:, 0]))
    change = 1 + x @ [0.5, -0.3] - 2.0 * treated + rng.normal(size=n)
    return change[:, None], treated, x


def test_logit_is_the_maximum_that_statsmodels_finds():
    _, treated, x = sample()
    X = sm.add_constant(x)
    theirs = sm.Logit(treated.astype(float), X).fit(disp=0, tol=1e-12).predict()
    # both stop within 1e-11 of the same maximum
    np.testing.assert_allclose(logit_probabilities(treated, X), theirs, rtol=1e-9)


def test_logit_has_no_maximum_where_the_groups_are_separated():
    x = np.column_stack([np.ones(8), np.arange(8.0)])
    assert logit_probabilities(np.arange(8) > 4, x) is None


def test_columns_do_not_depend_on_each_other():
    change, treated, x = sample()
    both = doubly_robust(np.hstack([change, change**2]), treated, x)
    alone = doubly_robust(change**2, treated, x)
    np.testing.assert_allclose(both.att[1], alone.att[0], rtol=1e-12)
    np.testing.assert_allclose(both.influence[:, 1], alone.influence[:, 0], rtol=1e-9, atol=1e-15)


def test_contributions_sum_to_zero():
    # an influence function has mean zero; the sum of 400 doubles of order 1/400 is exact to about 1e-15
    for method in ("dr", "reg", "ipw"):
        assert doubly_robust(*sample(), method=method).influence.sum() == pytest.approx(0, abs=1e-13)


def test_doubly_robust_is_right_if_either_model_is_right():
    """At 40,000 areas the standard error is about .02; a wrong model alone is off by more than ten of them."""
    rng = np.random.default_rng(4)
    n = 40_000
    z = rng.normal(size=(n, 1))
    nonlinear = z**2  # what the linear model of z misses

    propensity_right = rng.random(n) < 1 / (1 + np.exp(0.5 - 0.8 * z[:, 0]))
    change = (1 + nonlinear[:, 0] + z[:, 0] + rng.normal(size=n) - 1.0 * propensity_right)[:, None]
    assert doubly_robust(change, propensity_right, z, method="dr").att[0] == pytest.approx(-1, abs=0.1)
    assert abs(doubly_robust(change, propensity_right, z, method="reg").att[0] + 1) > 0.2

    outcome_right = rng.random(n) < 1 / (1 + np.exp(1.5 - 0.8 * nonlinear[:, 0] - 0.8 * z[:, 0]))
    change = (1 + 2 * z[:, 0] + rng.normal(size=n) - 1.0 * outcome_right)[:, None]
    assert doubly_robust(change, outcome_right, z, method="dr").att[0] == pytest.approx(-1, abs=0.1)
    assert abs(doubly_robust(change, outcome_right, z, method="ipw").att[0] + 1) > 0.2


def test_errors_are_those_of_repeated_samples():
    """Over 400 samples the mean analytic error is within 4 s.e. (1/sqrt(800), 3.5%) of the spread of estimates."""
    for method in ("dr", "reg", "ipw"):
        found = [doubly_robust(*sample(seed=s), method=method) for s in range(400)]
        spread = np.std([f.att[0] for f in found])
        analytic = np.mean([np.sqrt((f.influence**2).sum()) for f in found])
        assert analytic == pytest.approx(spread, rel=0.14)


def test_units_and_origin_of_a_covariate_do_not_matter():
    change, treated, x = sample()
    moved = doubly_robust(change, treated, x * [1e6, 1e-3] + [3e6, 5])
    plain = doubly_robust(change, treated, x)
    np.testing.assert_allclose(moved.att, plain.att, rtol=1e-9)
    np.testing.assert_allclose(moved.influence, plain.influence, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("method", ["dr", "reg", "ipw"])
def test_refuses_collinear_covariates_and_empty_groups(method):
    change, treated, x = sample()
    assert "collinear" in doubly_robust(change, treated, np.hstack([x, x[:, :1] * 2]), method=method).failure
    nobody = doubly_robust(change, np.zeros_like(treated), x, method=method)
    assert nobody.failure
    assert np.isnan(nobody.att).all()


def test_refuses_without_overlap_but_not_by_regression():
    change, treated, x = sample()
    apart = x + 50 * treated[:, None]
    assert "overlap" in doubly_robust(change, treated, apart).failure
    assert "overlap" in doubly_robust(change, treated, apart, method="ipw").failure
    assert not doubly_robust(change, treated, apart, method="reg").failure

"""NB2 quantiles, likelihood and dispersion against scipy and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from svmodel.errors import DataError
from svmodel.numerics.negative_binomial import nb2_dispersion, nb2_log_likelihood, nb2_quantile


@given(st.floats(0.01, 0.99), st.floats(0.01, 2000), st.floats(1e-6, 5))
def test_a_quantile_is_the_smallest_count_that_reaches_its_probability(p, mean, k):
    q = float(nb2_quantile(p, mean, k))
    law = stats.nbinom(1 / k, 1 / (1 + k * mean))
    # at a probability that lies within rounding of a step either side of the step is right
    assert law.cdf(q) >= p - 1e-9
    assert q == 0 or law.cdf(q - 1) < p + 1e-9


def test_quantiles_are_those_of_scipy():
    rng = np.random.default_rng(0)
    mean, k = np.exp(rng.uniform(-4, 9, 4000)), np.exp(rng.uniform(-9, 4, 4000))
    p = rng.choice([0.001, 0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975, 0.999], 4000)
    np.testing.assert_array_equal(nb2_quantile(p, mean, k), stats.nbinom.ppf(p, 1 / k, 1 / (1 + k * mean)))


def test_no_dispersion_is_poisson_and_no_mean_is_zero():
    p = np.array([0.025, 0.5, 0.975])
    np.testing.assert_array_equal(nb2_quantile(p, 12.3, 0.0), stats.poisson.ppf(p, 12.3))
    np.testing.assert_array_equal(nb2_quantile(p, 12.3, 1e-10), stats.poisson.ppf(p, 12.3))
    np.testing.assert_array_equal(nb2_quantile(p, 0.0, 0.5), 0.0)
    assert np.isnan(nb2_quantile(0.5, np.nan, 0.1))


@given(st.integers(0, 500), st.floats(0.01, 500), st.floats(1e-4, 5))
def test_likelihood_is_that_of_scipy(count, mean, k):
    expected = stats.nbinom.logpmf(count, 1 / k, 1 / (1 + k * mean))
    # gammaln(1/k) of some 1e5 leaves about 1e-10 of rounding
    assert nb2_log_likelihood(count, mean, k) == pytest.approx(expected, rel=1e-7, abs=1e-7)


def test_likelihood_without_dispersion_is_poisson():
    assert nb2_log_likelihood(4, 5.5, 0.0) == pytest.approx(stats.poisson.logpmf(4, 5.5), rel=1e-12)


@pytest.mark.parametrize("k", [0.02, 0.3, 2.0])
def test_dispersion_is_found_again(k):
    rng = np.random.default_rng(3)
    mean = rng.uniform(2, 200, size=20_000)
    y = rng.poisson(rng.gamma(1 / k, k * mean))
    # the moment estimate of 20,000 counts has a relative standard error of about 1.5% (3% for k = 2)
    assert nb2_dispersion(y, mean) == pytest.approx(k, rel=0.1)


def test_dispersion_solves_its_equation_and_counts_parameters():
    y, mu = np.array([3.0, 14, 8, 30]), np.array([6.0, 10, 9, 18])
    k = nb2_dispersion(y, mu, parameters=1)
    assert ((y - mu) ** 2 / (mu + k * mu**2)).sum() == pytest.approx(3, rel=1e-8)


def test_counts_calmer_than_poisson_have_no_dispersion():
    assert nb2_dispersion([10, 10, 10], [10, 10, 10]) == 0
    assert np.isnan(nb2_dispersion([10.0, np.nan], [10, 10], parameters=1))


def test_faults_are_told():
    with pytest.raises(DataError) as caught:
        nb2_quantile(1.5, -1, -0.1)
    assert {p.rule for p in caught.value.problems} == {"probability", "mean", "dispersion"}
    with pytest.raises(DataError):
        nb2_log_likelihood(-1, 2, 0.1)
    with pytest.raises(DataError):
        nb2_dispersion([1], [0])

"""Priors of hyperparameters: densities integrate to 1 and match draws."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from svmodel.numerics.latent.priors import Beta, Exponential, GammaPrecision, HalfNormal

PRIORS = [HalfNormal(0.7), Exponential(3.0), GammaPrecision(16.0, 0.02), Beta(1, 1), Beta(2, 5), Beta(5, 2, low=-1.0)]


@pytest.mark.parametrize("prior", PRIORS, ids=repr)
def test_density_of_u_integrates_to_one(prior):
    total, _ = integrate.quad(lambda u: math.exp(prior.log_density(u)), -40, 40, points=[-5, 0, 5], limit=400)
    assert total == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("prior", PRIORS, ids=repr)
def test_draws_have_the_density(prior):
    rng = np.random.default_rng(3)
    draws = np.array([prior.draw(rng) for _ in range(4000)])

    def below(h):
        # u grows with the value: the share of the density up to where the value is h
        low, high = -40.0, 40.0
        for _ in range(80):
            middle = (low + high) / 2
            low, high = (middle, high) if prior.value(middle) < h else (low, middle)
        return integrate.quad(lambda u: math.exp(prior.log_density(u)), -40, low, points=[min(low, -5)], limit=300)[0]

    tenths = np.array([below(h) for h in np.quantile(draws, np.arange(0.1, 1, 0.1))])
    # a quantile's share of the distribution has the s.d. (p (1 - p) / n)^(1/2), 0.008 at the most
    np.testing.assert_allclose(tenths, np.arange(0.1, 1, 0.1), atol=0.032)


@pytest.mark.parametrize(
    ("prior", "plain"),
    [
        (HalfNormal(0.7), lambda h: stats.halfnorm.logpdf(h, scale=0.7) + math.log(h)),
        (Exponential(3.0), lambda h: stats.expon.logpdf(h, scale=1 / 3) + math.log(h)),
        (GammaPrecision(4.0, 0.5), lambda h: stats.gamma.logpdf(h**-2, 4, scale=2) + math.log(2 * h**-2)),
        (Beta(2, 5), lambda h: stats.beta.logpdf(h, 2, 5) + math.log(h * (1 - h))),
    ],
)
@pytest.mark.parametrize("u", [-3.0, -0.4, 1.1])
def test_density_is_that_of_scipy_with_the_jacobian(prior, plain, u):
    assert prior.log_density(u) == pytest.approx(plain(prior.value(u)), abs=1e-10)


def test_words():
    assert HalfNormal(0.5).describe() == "half-normal, with 95% below 0.98"
    assert stats.expon.cdf(1.0, scale=1 / 3) == pytest.approx(0.95, abs=2e-3)
    assert Exponential(3.0).describe() == "exponential, with 95% below 1"

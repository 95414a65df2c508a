"""Likelihoods: values against scipy, derivatives against differences, the Poisson limit, and effects integrated out."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln

from svmodel.numerics.latent.cells import Integrated
from svmodel.numerics.latent.likelihoods import Binomial, Gaussian, NegativeBinomial, Poisson
from svmodel.numerics.latent.priors import HalfNormal

Y = np.array([0.0, 0, 1, 2, 5, 17, 240])
ETA = np.array([-3.0, 1.2, 0.0, -1.0, 1.5, 2.4, 5.6])
TRIALS = np.array([1.0, 4, 3, 2, 9, 40, 300])
PRIOR = HalfNormal(1.0)
HYPER = {"overdispersion": 0.4, "noise_sd": 0.7, "cell_sd": 0.5}
LIKELIHOODS = {
    "poisson": Poisson(Y),
    "negative binomial": NegativeBinomial(Y, PRIOR),
    "binomial": Binomial(Y, TRIALS),
    "gaussian": Gaussian(Y, np.linspace(0.5, 3, 7), PRIOR),
    "published": Gaussian(Y, np.linspace(0.5, 3, 7)),
    "poisson, integrated": Integrated(Poisson(Y), "cell_sd", PRIOR),
    "negative binomial, integrated": Integrated(NegativeBinomial(Y, PRIOR), "cell_sd", PRIOR),
    "binomial, integrated": Integrated(Binomial(Y, TRIALS), "cell_sd", PRIOR),
}


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("poisson", lambda: stats.poisson.logpmf(Y, np.exp(ETA))),
        ("negative binomial", lambda: stats.nbinom.logpmf(Y, 0.4**-2, 1 / (1 + 0.16 * np.exp(ETA)))),
        ("binomial", lambda: stats.binom.logpmf(Y, TRIALS, 1 / (1 + np.exp(-ETA)))),
        ("gaussian", lambda: stats.norm.logpdf(Y, ETA, 0.7 * np.linspace(0.5, 3, 7))),
        ("published", lambda: stats.norm.logpdf(Y, ETA, np.linspace(0.5, 3, 7))),
    ],
)
def test_values_are_those_of_scipy(name, plain):
    likelihood = LIKELIHOODS[name]
    np.testing.assert_allclose(likelihood.pointwise(ETA, HYPER), plain(), atol=1e-9)
    assert likelihood.value(ETA, HYPER) == pytest.approx(plain().sum(), abs=1e-8)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_derivatives_are_those_of_the_value(name):
    likelihood, h = LIKELIHOODS[name], 1e-4

    def plain(eta):
        return likelihood.pointwise(eta, HYPER)

    def first(eta):
        return likelihood.derivatives(eta, HYPER).first

    def weight(eta):
        return likelihood.derivatives(eta, HYPER).weight

    np.testing.assert_allclose(first(ETA), (plain(ETA + h) - plain(ETA - h)) / (2 * h), rtol=1e-5, atol=2e-5)
    np.testing.assert_allclose(-weight(ETA), (first(ETA + h) - first(ETA - h)) / (2 * h), rtol=1e-4, atol=2e-5)
    third = -(weight(ETA + h) - weight(ETA - h)) / (2 * h)
    np.testing.assert_allclose(likelihood.third(ETA, HYPER), third, rtol=1e-3, atol=2e-4)
    assert (weight(ETA) >= 0).all()


def test_negative_binomial_tends_to_poisson_without_loss_of_digits():
    nb, poisson, hyper = NegativeBinomial(Y, PRIOR), Poisson(Y), {"overdispersion": 1e-9}
    np.testing.assert_allclose(nb.pointwise(ETA, hyper), poisson.pointwise(ETA, {}), atol=1e-10)
    assert nb.value(ETA, hyper) == pytest.approx(poisson.value(ETA, {}), abs=1e-9)
    for a, b in zip(nb.derivatives(ETA, hyper), poisson.derivatives(ETA, {}), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    np.testing.assert_allclose(nb.third(ETA, hyper), poisson.third(ETA, {}), rtol=1e-12)


@pytest.mark.parametrize("name", ["poisson", "negative binomial", "binomial", "gaussian"])
def test_draws_have_the_mean_and_variance(name):
    rng, eta = np.random.default_rng(5), np.full(40_000, 0.8)
    y = np.full(40_000, 1.0)
    made = {
        "poisson": (Poisson(y), np.exp(0.8), np.exp(0.8)),
        "negative binomial": (NegativeBinomial(y, PRIOR), np.exp(0.8), np.exp(0.8) + (0.4 * np.exp(0.8)) ** 2),
        "binomial": (Binomial(y, 5 * y), 5 / (1 + np.exp(-0.8)), 5 * np.exp(-0.8) / (1 + np.exp(-0.8)) ** 2),
        "gaussian": (Gaussian(y, 2 * y, PRIOR), 0.8, 1.4**2),
    }
    likelihood, mean, variance = made[name]
    drawn = likelihood.draw(eta, HYPER, rng)
    assert drawn.mean() == pytest.approx(mean, abs=4 * np.sqrt(variance / 40_000))
    assert drawn.var() == pytest.approx(variance, rel=0.05)


@pytest.mark.parametrize("sd", [1e-6, 0.05, 0.3, 0.49, 0.51, 1.0])
@pytest.mark.parametrize("inner", ["poisson", "negative binomial", "binomial"])
def test_effects_are_integrated_out_as_on_a_fine_grid(inner, sd):
    likelihood = LIKELIHOODS[inner]
    hyper = {**HYPER, "cell_sd": sd}
    z = np.linspace(-25, 25, 40_001)
    density = stats.norm.pdf(z) * (z[1] - z[0])
    values = np.array([likelihood.pointwise(ETA + sd * step, hyper) for step in z])
    top = values.max(axis=0)
    plain = top + np.log(density @ np.exp(values - top))
    got = Integrated(likelihood, "cell_sd", PRIOR).pointwise(ETA, hyper)
    np.testing.assert_allclose(got, plain, atol=2e-6)


def test_integrated_effects_are_drawn_with_their_posterior_moments():
    inner = Poisson(np.array([0.0, 3.0, 60.0]))
    at, hyper = np.array([0.5, 0.5, 3.5]), {"cell_sd": 0.6}
    drawn = Integrated(inner, "cell_sd", PRIOR).draw_effects(
        np.tile(at, (60_000, 1)), at, hyper, np.random.default_rng(1)
    )
    d = np.linspace(-5, 5, 40_001)
    for j in range(3):
        cell = Poisson(np.full(len(d), inner.y[j]))
        p = np.exp(cell.pointwise(at[j] + d, {}) - 0.5 * (d / 0.6) ** 2)
        p /= p.sum()
        sd = np.sqrt(p @ d**2 - (p @ d) ** 2)
        assert drawn[:, j].mean() == pytest.approx(p @ d, abs=4.5 * sd / np.sqrt(60_000))
        assert drawn[:, j].std() == pytest.approx(sd, rel=0.02)


@pytest.mark.parametrize("s", [2.0, 0.3, 1e-3, 1e-6, 1e-9])
def test_large_counts_are_summed_by_stirlings_series(s):
    """Against the sum factor by factor, and without an array as long as the count."""
    counts = np.array([0.0, 7.0, 999.0, 1000.0, 1001.0, 5000.0, 200_000.0])
    made = NegativeBinomial(counts, HalfNormal(0.5))
    alpha = s**-2
    eta = np.log(counts + 1.0)
    plain = [
        np.log1p(np.arange(int(k)) / alpha).sum() + k * e - (k + alpha) * np.log1p(np.exp(e) / alpha) - gammaln(k + 1)
        for k, e in zip(counts, eta, strict=True)
    ]
    found = made.pointwise(eta, {"overdispersion": s})
    np.testing.assert_allclose(found, plain, rtol=1e-9, atol=1e-7)
    assert made.value(eta, {"overdispersion": s}) == pytest.approx(sum(plain), rel=1e-9, abs=1e-6)
    assert len(made._tally) == 1001

"""Inclusions, coefficients and noise against the posterior over all models, written out."""

import itertools

import numpy as np
import pytest
from scipy import stats

from svmodel.numerics.series.spike_and_slab import SpikeAndSlab, _sweep, truncated_variance

PRIOR = {"inclusion": 0.3, "df": 10.0, "guess": 0.5, "upper": 1.2}


def data(n=30, p=4):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, p))
    X[:, 3] = X[:, 2] + 0.3 * rng.normal(size=n)
    y = 0.5 * X[:, 0] + 0.3 * X[:, 2] + rng.normal(0, 0.7, n)
    return X - X.mean(axis=0), y


def over_all_models(X, y):
    """Probability of each model and mean coefficients, by quadrature over the noise in each of 2^P models."""
    n, p = X.shape
    gram = X.T @ X
    omega = 0.01 / n * (gram + np.diag(np.diag(gram))) / 2
    models, weight, means = [], [], []
    grid = np.linspace(1e-3, PRIOR["upper"] ** 2, 20_000)
    for member in itertools.product([False, True], repeat=p):
        m = np.flatnonzero(member)
        prior = np.prod([PRIOR["inclusion"] if j in m else 1 - PRIOR["inclusion"] for j in range(p)])
        covariance = X[:, m] @ np.linalg.inv(omega[np.ix_(m, m)]) @ X[:, m].T + np.eye(n) if len(m) else np.eye(n)

        size, square = np.linalg.slogdet(covariance)[1], y @ np.linalg.solve(covariance, y)
        log_fit = -0.5 * (n * np.log(grid) + size + square / grid)
        log_prior = stats.invgamma(PRIOR["df"] / 2, scale=PRIOR["df"] * PRIOR["guess"] ** 2 / 2).logpdf(grid)
        weight.append(prior * np.trapezoid(np.exp(log_fit + log_prior), grid))
        beta = np.zeros(p)
        if len(m):
            beta[m] = np.linalg.solve((gram + omega)[np.ix_(m, m)], X[:, m].T @ y)
        models.append(member)
        means.append(beta)
    weight = np.array(weight) / np.sum(weight)
    return weight @ np.array(models, dtype=float), weight @ np.array(means)


def test_the_sampler_finds_the_posterior_over_models():
    X, y = data()
    inclusion, beta = over_all_models(X, y)
    sampler, rng = SpikeAndSlab(X, **PRIOR), np.random.default_rng(2)
    draws = np.array([np.r_[sampler.step(y, rng)[0], sampler.member] for _ in range(5000)])
    # an inclusion of p is known to sqrt(p q / 5000) if draws were independent, .007 at most; twice that for Gibbs, and
    # three standard errors
    assert draws[:, 4:].mean(axis=0) == pytest.approx(inclusion, abs=0.04)
    assert draws[:, :4].mean(axis=0) == pytest.approx(beta, abs=0.03)


def test_the_noise_is_cut_off_and_conjugate_where_all_are_in():
    X, y = data()
    sampler, rng = SpikeAndSlab(X, **{**PRIOR, "inclusion": 1.0, "upper": 10.0}), np.random.default_rng(3)
    draws = np.array([sampler.step(y, rng)[1] for _ in range(4000)])
    A = sampler.precision
    rest = PRIOR["df"] * PRIOR["guess"] ** 2 + y @ y - (X.T @ y) @ np.linalg.solve(A, X.T @ y)
    exact = stats.invgamma((PRIOR["df"] + len(y)) / 2, scale=rest / 2)
    assert stats.kstest(draws, exact.cdf).pvalue > 1e-4
    low = np.array([truncated_variance(12, 12.0, 0.8, rng) for _ in range(4000)])
    cut = stats.invgamma(6, scale=6)
    assert stats.kstest(low, lambda v: np.minimum(cut.cdf(v) / cut.cdf(0.64), 1)).pvalue > 1e-4
    # where the data say far more than the bound allows, the bound is the answer
    assert truncated_variance(5000, 1e9, 1.0, rng) == 1.0


def test_a_sweep_taken_twice_is_no_sweep_and_a_whole_one_is_minus_the_inverse():
    A = data()[0].T @ data()[0]
    S = A.copy()
    for j in range(4):
        _sweep(S, j)
    assert pytest.approx(np.linalg.inv(A), rel=1e-9) == -S
    for j in (2, 0, 3, 1):
        _sweep(S, j)
    np.testing.assert_allclose(S, A, rtol=1e-9)


def test_what_a_candidate_brings_is_the_ratio_of_two_models():
    X, y = data()
    sampler = SpikeAndSlab(X, **PRIOR)
    sampler._toggle(0)
    sampler._toggle(3)
    total = float(y @ y) + sampler.sum_of_squares
    brings, gain, rest = sampler._brings(X.T @ y, total)

    def model(m):
        A, P, b = sampler.precision[np.ix_(m, m)], sampler.prior[np.ix_(m, m)], (X.T @ y)[m]
        return 0.5 * (np.linalg.slogdet(P)[1] - np.linalg.slogdet(A)[1]), total - b @ np.linalg.solve(A, b)

    here = model([0, 3])
    assert rest[0] == pytest.approx(here[1])
    for j, there in ((0, [3]), (3, [0]), (1, [0, 1, 3]), (2, [0, 2, 3])):
        one, other = (here, model(there)) if j in (0, 3) else (model(there), here)
        assert brings[j] == pytest.approx(sampler.log_odds + one[0] - other[0])
        assert gain[j] == pytest.approx(other[1] - one[1])

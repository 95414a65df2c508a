"""Hyperparameters integrated out: against plain quadrature, and the mean's correction against importance sampling."""

import numpy as np
import pytest
from scipy import stats

from svmodel.numerics.latent.grid import Entry, LatentGrid
from svmodel.numerics.latent.laplace import LatentProblem
from svmodel.numerics.latent.likelihoods import Gaussian, Poisson
from svmodel.numerics.latent.nested import integrate
from svmodel.numerics.latent.priors import HalfNormal
from svmodel.numerics.latent.structures import Fixed, Independent, RandomWalk


def small_counts(seed=1, n=12, mean=1.0):
    """Few counts of about one, one effect each and an intercept."""
    rng = np.random.default_rng(seed)
    y = rng.poisson(mean * np.exp(rng.normal(0, 0.6, n))).astype(float)
    blocks = [Entry(1, np.zeros((1, 1), dtype=np.int64)), Entry(n, np.arange(n)[:, None])]
    grid = LatentGrid(blocks, np.ones((n, 1), dtype=bool))
    structures = [Fixed(0.0, 1.0), Independent(n, "sd", HalfNormal(0.5))]
    return LatentProblem(grid, structures, Poisson(y), np.zeros(n)), y


def test_two_hyperparameters_against_a_plain_grid():
    # Gaussian data: the density of the hyperparameters and the field given them are known exactly
    rng = np.random.default_rng(2)
    N, T = 8, 9
    blocks = [
        Entry(1, np.zeros((1, 1), dtype=np.int64)),
        Entry(N, np.arange(N)[:, None]),
        Entry(T, np.arange(T)[None, :]),
    ]
    grid = LatentGrid(blocks, np.ones((N, T), dtype=bool))
    y = (rng.normal(0, 0.5, (N, 1)) + np.cumsum(rng.normal(0, 0.3, T))[None, :] + rng.normal(0, 0.6, (N, T))).ravel()
    area, walk = Independent(N, "area_sd", HalfNormal(0.7)), RandomWalk(T, "period_sd", HalfNormal(0.3))
    problem = LatentProblem(grid, [Fixed(0.0, 1.0), area, walk], Gaussian(y, np.full(N * T, 0.6)), np.zeros(N * T))
    nested = integrate(problem, seed=0)
    field, theta = nested.draw(20_000, np.random.default_rng(0))

    A = grid.matrix.toarray()
    # the density of a log standard deviation that may be zero falls like exp(u) only
    us = [np.linspace(-4, 1.2, 31), np.linspace(-12, 0.5, 76)]
    size = (len(us[0]), len(us[1]))
    log_density, mean, square = np.empty(size), np.empty((*size, A.shape[1])), np.empty((*size, A.shape[1]))
    for i, u in enumerate(us[0]):
        for j, v in enumerate(us[1]):
            C = np.zeros((A.shape[1],) * 2)
            C[0, 0] = 1.0
            C[1 : N + 1, 1 : N + 1] = np.exp(2 * u) * np.eye(N)
            D = np.diff(np.eye(T), axis=0)
            C[N + 1 :, N + 1 :] = np.exp(2 * v) * np.linalg.pinv(D.T @ D)
            S = A @ C @ A.T + 0.36 * np.eye(N * T)
            G = np.linalg.solve(S, A @ C).T
            log_density[i, j] = stats.multivariate_normal.logpdf(y, np.zeros(N * T), S)
            log_density[i, j] += area.prior.log_density(u) + walk.prior.log_density(v)
            mean[i, j] = G @ y
            square[i, j] = np.diag(C - G @ A @ C) + mean[i, j] ** 2
    p = np.exp(log_density - log_density.max())
    p /= p.sum()
    truth = np.einsum("ij,ijk->k", p, mean)
    sd = np.sqrt(np.einsum("ij,ijk->k", p, square) - truth**2)
    assert nested.effective_points > 20
    np.testing.assert_allclose(abs(field.mean(axis=0) - truth) / sd, 0, atol=0.06)
    np.testing.assert_allclose(field.std(axis=0) / sd, 1, atol=0.05)
    for k, axis in enumerate((1, 0)):
        own = p.sum(axis=axis)
        centre = own @ us[k]
        spread = np.sqrt(own @ us[k] ** 2 - centre**2)
        assert theta[:, k].mean() == pytest.approx(centre, abs=0.08 * spread)
        assert theta[:, k].std() == pytest.approx(spread, rel=0.1)


@pytest.mark.parametrize("sd", [0.3, 0.8])
def test_the_correction_of_the_mean_is_that_of_a_long_importance_sample(sd):
    problem, y = small_counts()
    found = problem.conditional(np.array([np.log(sd)]))
    rng = np.random.default_rng(0)
    n, size = len(y), 400_000
    # given the intercept the effects are independent: each is integrated on a grid, the intercept on another
    mu = np.linspace(-2.5, 2.5, 201)
    b = np.linspace(-6, 6, 601) * sd
    weight = stats.norm.pdf(b, scale=sd)
    like = np.exp(stats.poisson.logpmf(y[:, None, None], np.exp(mu[None, :, None] + b[None, None, :]))) * weight
    whole = like.sum(axis=2)
    log_mu = stats.norm.logpdf(mu) + np.log(whole).sum(axis=0)
    p = np.exp(log_mu - log_mu.max())
    p /= p.sum()
    effects = (like * b).sum(axis=2) / whole
    truth = np.concatenate([[p @ mu], effects @ p])
    # and once more by importance sampling from a wide proposal about the mode
    x = found.mode[:, None] + 1.1 * found.factor.draw(size, rng)
    A = problem.grid.matrix
    eta = A @ x
    log_target = (y[:, None] * eta - np.exp(eta)).sum(axis=0)
    log_target -= 0.5 * x[0] ** 2 + 0.5 * (x[1:] ** 2).sum(axis=0) / sd**2
    away = x - found.mode[:, None]
    H = np.linalg.inv(found.factor.solve(np.eye(n + 1)))
    log_weight = log_target + 0.5 * np.einsum("is,ij,js->s", away, H / 1.21, away)
    w = np.exp(log_weight - log_weight.max())
    w /= w.sum()
    scale = np.sqrt(np.diag(found.factor.solve(np.eye(n + 1))))
    assert (abs(x @ w - truth) < 0.02 * scale).all()
    raw = abs(found.mode - truth) / scale
    corrected = abs(found.mode + problem.mean_shift(found) - truth) / scale
    assert raw.max() > 0.1, "the counts are too large for the correction to matter"
    assert corrected.max() < 0.35 * raw.max()
    assert corrected.max() < 0.05


def test_weights_are_those_of_importance_and_parts_are_drawn_by_them():
    problem, _ = small_counts()
    nested = integrate(problem, points=32, seed=3)
    assert nested.weights.sum() == pytest.approx(1)
    assert (np.diff(np.cumsum(nested.weights)) > 0).all()
    assert nested.failures == 0
    assert 1 <= nested.effective_points <= len(nested.parts)


def test_without_hyperparameters_there_is_one_part():
    n = 6
    grid = LatentGrid([Entry(1, np.zeros((1, 1), dtype=np.int64))], np.ones((n, 1), dtype=bool))
    y = np.arange(n, dtype=float)
    nested = integrate(LatentProblem(grid, [Fixed(0.0, 10.0)], Gaussian(y, np.ones(n)), np.zeros(n)))
    assert len(nested.parts) == 1
    assert nested.parts[0].mode[0] == pytest.approx(y.sum() / (n + 0.01))
    field, theta = nested.draw(50_000, np.random.default_rng(0))
    assert theta.shape == (50_000, 0)
    assert field.std() == pytest.approx((n + 0.01) ** -0.5, rel=0.02)


def test_seeds_matter_and_hold():
    problem, _ = small_counts()
    one, same, other = (integrate(problem, points=16, seed=s).weights for s in (1, 1, 2))
    assert one.tobytes() == same.tobytes()
    assert one.tobytes() != other.tobytes()

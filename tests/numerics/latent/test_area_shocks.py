"""Shocks of areas that last: eliminated area by area, the same as in one whole matrix."""

from dataclasses import replace

import numpy as np
import pytest

from svmodel.numerics.latent.area_shocks import AreaShocks, StartedWalk
from svmodel.numerics.latent.graph import BorderGraph
from svmodel.numerics.latent.grid import Entry, LatentGrid
from svmodel.numerics.latent.laplace import LatentProblem
from svmodel.numerics.latent.likelihoods import NegativeBinomial, Poisson
from svmodel.numerics.latent.nested import integrate
from svmodel.numerics.latent.priors import Beta, HalfNormal
from svmodel.numerics.latent.structures import AR1, BYM2, CellEffects, Fixed, Independent, RandomWalk

HYPER = {
    "area_sd": 0.5, "share": 0.6, "period_sd": 0.15, "effect_sd": 0.1, "shock_sd": 0.3, "shock_rho": 0.8,
    "horizon_sd": 0.1, "overdispersion": 0.3, "cell_sd": 0.3,
}  # fmt: skip


class Whole:
    """The same shocks as a structure of which nothing is known but its precision."""

    def __init__(self, shocks):
        self.shocks, self.size, self.mean, self.hypers = shocks, shocks.size, shocks.mean, shocks.hypers
        self.precision, self.draw = shocks.precision, shocks.draw


def series_of(kind, T):
    if kind == "ar1":
        return AR1(T, "shock_sd", HalfNormal(0.3), "shock_rho", Beta(4, 2))
    return StartedWalk(T, "shock_sd", HalfNormal(0.1))


def panel(kind="ar1", on_a_map=False, family="negative_binomial", N=7, T=9, seed=0, cells=False):
    """A difference-in-differences with effects by area and by horizon, a covariate, and a tenth of cells unknown."""
    rng = np.random.default_rng(seed)
    start = np.where(np.arange(N) < 3, [5, 6, 5] + [0] * (N - 3), T)
    D = (np.arange(T)[None, :] >= start[:, None]).astype(float)
    horizon = np.where(D > 0, np.arange(T)[None, :] - start[:, None], -1)
    own = np.where(np.arange(N) < 3, np.arange(N), -1)[:, None]
    nowhere = np.zeros((1, 1), dtype=np.int64)
    graph = BorderGraph(N, np.array([(i, i + 1) for i in range(N - 2)]))
    areas = Independent(N, "area_sd", HalfNormal(0.7), zero_sum=True)
    if on_a_map:
        areas = BYM2(graph, "area_sd", HalfNormal(0.7), "share", Beta(1, 1))
    blocks = [
        (AreaShocks(N, series_of(kind, T)), Entry(N * T, np.arange(N * T).reshape(N, T))),
        (Fixed(1.0, 1.0), Entry(1, nowhere)),
        (areas, Entry(N, np.arange(N)[:, None])),
        (RandomWalk(T, "period_sd", HalfNormal(0.2)), Entry(T, np.arange(T)[None, :])),
        (Fixed(0.0, 0.5), Entry(1, nowhere, rng.normal(size=(N, T)))),
        (Fixed(0.0, 0.35), Entry(1, nowhere, D)),
        (Independent(3, "effect_sd", HalfNormal(0.2)), Entry(3, own, D)),
        (RandomWalk(4, "horizon_sd", HalfNormal(0.1)), Entry(4, horizon, D)),
    ]
    if cells:
        blocks.append((CellEffects(N * T, "cell_sd", HalfNormal(0.5)), Entry(N * T, np.arange(N * T).reshape(N, T))))
    known = rng.random((N, T)) < 0.9
    known[N - 1] = False
    structures = [s for s, _ in blocks]
    grid = LatentGrid([e for _, e in blocks], known)
    offset = rng.normal(0.5, 0.3, int(known.sum()))
    eta = offset + grid.predictor(np.concatenate([s.draw(HYPER, rng) for s in structures]))
    empty = np.zeros(len(eta))
    likelihood = Poisson(empty) if family == "poisson" else NegativeBinomial(empty, HalfNormal(0.5))
    return LatentProblem(grid, structures, replace(likelihood, y=likelihood.draw(eta, HYPER, rng)), offset)


def as_a_whole(problem):
    return replace(problem, structures=[Whole(s) if isinstance(s, AreaShocks) else s for s in problem.structures])


def theta_of(problem):
    logs = {n: np.log(HYPER[n] / (1 - HYPER[n])) if isinstance(p, Beta) else np.log(HYPER[n])
            for n, p in problem.hypers.items()}  # fmt: skip
    return np.array(list(logs.values()))


CASES = {
    "ar1": {},
    "walk": {"kind": "walk"},
    "poisson": {"family": "poisson"},
    "on a map": {"on_a_map": True},
    "cells beside": {"cells": True},
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_what_one_whole_matrix_gives(case):
    problem = panel(**CASES[case])
    plain = as_a_whole(problem)
    theta = theta_of(problem)
    mine, theirs = problem.conditional(theta), plain.conditional(theta)
    assert mine.log_density == pytest.approx(theirs.log_density, abs=1e-6)
    np.testing.assert_allclose(problem.worked.predictor(mine.mode), plain.worked.predictor(theirs.mode), atol=1e-5)
    # the shocks stand last where they are worked with, and first as they were given
    order = np.roll(np.arange(len(theirs.mode)), -problem.structures[0].size)
    b = np.random.default_rng(1).normal(size=len(order))
    np.testing.assert_allclose(mine.factor.solve(b[order]), theirs.factor.solve(b)[order], rtol=1e-5, atol=1e-6)
    prior = problem.worked.prior(problem.values(theta))
    np.testing.assert_allclose(
        prior.times(b[order]), plain.worked.prior(plain.values(theta)).times(b)[order], rtol=1e-7, atol=1e-4
    )


@pytest.mark.parametrize("case", ["ar1", "walk"])
def test_draws_have_the_mean_and_spread_of_one_whole_matrix(case):
    problem = panel(**CASES[case])
    plain = as_a_whole(problem)
    theta = theta_of(problem)
    n = 6000
    mine = problem.draw(problem.conditional(theta), n, np.random.default_rng(2))
    found = plain.conditional(theta)
    identity = np.eye(len(found.mode))
    C = np.column_stack([found.factor.solve(e) for e in identity])
    sd = np.sqrt(np.diag(C))
    centre = found.mode + plain.mean_shift(found)
    # the shift's variances are told by 128 draws
    assert (abs(mine.mean(axis=0) - centre) < 0.12 * sd).all()
    z = (np.cov(mine.T) - C) / np.sqrt((np.outer(sd**2, sd**2) + C**2) / n)
    live = np.outer(sd > 1e-4, sd > 1e-4)
    assert abs(z[live]).max() < 5.5


def test_variances_of_predictors_are_those_of_the_whole():
    problem = panel()
    plain, theta = as_a_whole(problem), theta_of(problem)
    mine, theirs = problem.conditional(theta), plain.conditional(theta)
    a = mine.factor.variance(problem.worked.grid)
    b = theirs.factor.variance(plain.worked.grid)
    assert abs(a / b - 1).max() < 0.35
    assert abs((a / b).mean() - 1) < 0.05


def test_hyperparameters_are_integrated_as_with_the_whole():
    problem = panel(N=6, T=6)
    a, b = integrate(problem, points=16, seed=1), integrate(as_a_whole(problem), points=16, seed=1)
    assert a.effective_points > 3
    low = min(len(a.parts), len(b.parts))
    assert low > 8
    # the same points, reached by the same climb, to what a finite difference leaves of it
    mean = [np.average([p.theta for p in n.parts], axis=0, weights=n.weights) for n in (a, b)]
    np.testing.assert_allclose(mean[0], mean[1], atol=0.05)


def test_precisions_are_those_of_draws():
    for kind in ("ar1", "walk"):
        shocks = AreaShocks(2, series_of(kind, 5))
        rng = np.random.default_rng(3)
        x = np.array([shocks.draw(HYPER, rng) for _ in range(8000)])
        Q, determinant = shocks.precision(HYPER)
        C = np.linalg.inv(Q)
        d = np.diag(C)
        assert (abs(np.cov(x.T) - C) < 4.8 * np.sqrt((np.outer(d, d) + C**2) / 8000)).all()
        assert np.linalg.slogdet(Q)[1] == pytest.approx(determinant)


def test_a_model_has_one_block_of_them():
    problem = panel()
    twice = replace(
        problem,
        structures=[*problem.structures, problem.structures[0]],
        grid=LatentGrid([*problem.grid.entries, problem.grid.entries[0]], problem.grid.known),
    )
    with pytest.raises(ValueError, match="one block of areas' shocks"):
        twice.conditional(theta_of(problem))

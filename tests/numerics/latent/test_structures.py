"""Structures: the precision is that of the draws, the determinant is that of the precision, dense or sparse."""

import numpy as np
import pytest

from svmodel.numerics.latent.graph import BorderGraph
from svmodel.numerics.latent.priors import Beta, HalfNormal
from svmodel.numerics.latent.sparse import OpenBYM2, SparsePrior, opened
from svmodel.numerics.latent.structures import AR1, BYM2, Fixed, Independent, RandomWalk, Seasonal

SD, RHO = HalfNormal(1.0), Beta(1, 1)
MAP = BorderGraph(8, np.array([[0, 1], [0, 2], [1, 2], [2, 3], [4, 5], [5, 6]]))
STRUCTURES = {
    "fixed": Fixed(0.3, 2.0, 3),
    "independent": Independent(5, "sd", SD),
    "about zero": Independent(5, "sd", SD, zero_sum=True),
    "walk": RandomWalk(7, "sd", SD),
    "walk of order 2": RandomWalk(7, "sd", SD, order=2, slope_sd=0.7),
    "season": Seasonal(6, "sd", SD),
    "ar1": AR1(6, "sd", SD, "rho", Beta(1, 1, low=-1.0)),
    "map": BYM2(MAP, "sd", SD, "rho", RHO),
}
HYPERS = [{"sd": sd, "rho": rho} for sd in (0.3, 1.0, 2.5) for rho in (0.05, 0.5, 0.95)]


@pytest.mark.parametrize("name", STRUCTURES)
def test_precision_inverts_the_covariance_of_draws(name):
    structure, hyper = STRUCTURES[name], {"sd": 0.6, "rho": 0.7}
    rng = np.random.default_rng(11)
    n = 8000
    x = np.array([structure.draw(hyper, rng) for _ in range(n)])
    C = np.linalg.inv(structure.precision(hyper)[0])
    d = np.diag(C)
    assert (abs(np.cov(x.T) - C) < 4.8 * np.sqrt((np.outer(d, d) + C**2) / n) + 3e-6).all()
    assert (abs(x.mean(axis=0) - structure.mean) < 4.5 * np.sqrt(d / n) + 1e-9).all()


@pytest.mark.parametrize("name", STRUCTURES)
def test_log_determinant_is_right_up_to_a_constant(name):
    structure = STRUCTURES[name]
    gap = []
    for hyper in HYPERS:
        Q, determinant = structure.precision(hyper)
        np.testing.assert_allclose(Q, Q.T)
        gap.append(np.linalg.slogdet(Q)[1] - determinant)
    # a walk of order 2 keeps its sum and its slope apart from the rest to the digits of the held sum
    np.testing.assert_allclose(gap, gap[0], atol=1e-5 if name != "walk of order 2" else 0.02)


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("hyper", HYPERS[::4], ids=str)
def test_the_sparse_form_has_the_same_precision(name, hyper):
    structure = STRUCTURES[name]
    Q, determinant = structure.precision(hyper)
    prior = SparsePrior.of([opened(structure)], hyper)
    whole = np.column_stack([prior.times(e) for e in np.eye(opened(structure).size)])
    if name != "map":
        np.testing.assert_allclose(whole, Q, rtol=1e-9, atol=1e-6)
        assert prior.log_determinant == pytest.approx(determinant)
        return
    # of b alone: phi is integrated out by the Schur complement
    n = structure.size
    b, both, phi = whole[:n, :n], whole[:n, n:], whole[n:, n:]
    np.testing.assert_allclose(b - both @ np.linalg.solve(phi, both.T), Q, rtol=1e-4, atol=1e-3)


def test_the_sparse_map_has_the_same_determinant_up_to_a_constant():
    closed = STRUCTURES["map"]
    gap = []
    for hyper in HYPERS:
        whole, _ = OpenBYM2(closed).precision(hyper)
        n = closed.size
        given_b = np.linalg.slogdet(whole[n:, n:])[1]
        # p(b) = p(b, phi) / p(phi | b)
        gap.append(OpenBYM2(closed).root(hyper).log_determinant - given_b - closed.precision(hyper)[1])
    np.testing.assert_allclose(gap, gap[0], atol=1e-4)


def test_a_walk_is_that_of_its_steps():
    Q, _ = RandomWalk(4, "sd", SD).precision({"sd": 0.5})
    x = np.array([0.3, -0.1, -0.4, 0.2])
    assert x @ Q @ x == pytest.approx((np.diff(x) ** 2).sum() / 0.25, abs=1e-9)
    Q, _ = RandomWalk(5, "sd", SD, order=2, slope_sd=0.7).precision({"sd": 0.5})
    line = np.linspace(-0.5, 0.5, 5)
    assert line @ Q @ line == pytest.approx(1 / 0.7**2, abs=1e-9)

"""The Gaussian approximation: exact for Gaussian data, the same dense and sparse, and cells' effects integrated out."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from svmodel.numerics.latent.graph import BorderGraph
from svmodel.numerics.latent.grid import Entry, LatentGrid
from svmodel.numerics.latent.laplace import LatentProblem, ModeError
from svmodel.numerics.latent.likelihoods import Gaussian, NegativeBinomial, Poisson
from svmodel.numerics.latent.nested import integrate
from svmodel.numerics.latent.priors import Beta, HalfNormal
from svmodel.numerics.latent.structures import BYM2, CellEffects, Fixed, Independent, RandomWalk


def entries(N, T):
    return [
        Entry(1, np.zeros((1, 1), dtype=np.int64)),
        Entry(N, np.arange(N)[:, None]),
        Entry(T, np.arange(T)[None, :]),
    ]


def a_map(side):
    """A square of areas, another of two, and an island."""
    at = np.arange(side * side).reshape(side, side)
    pairs = [*zip(at[:, :-1].ravel(), at[:, 1:].ravel()), *zip(at[:-1].ravel(), at[1:].ravel())]  # noqa: B905
    n = side * side
    return BorderGraph(n + 3, np.array([*pairs, (n, n + 1)], dtype=np.int64))


def on_a_map(side=5, T=8, seed=0, family="negative_binomial", own=False):
    """A problem with area effects on a map, a walk, and counts drawn from it; a tenth of the cells unknown."""
    rng = np.random.default_rng(seed)
    graph = a_map(side)
    N = graph.size
    structures = [
        Fixed(1.0, 1.0),
        BYM2(graph, "area_sd", HalfNormal(0.7), "share", Beta(1, 1)),
        RandomWalk(T, "period_sd", HalfNormal(0.2)),
    ]
    hyper = {"area_sd": 0.6, "share": 0.6, "period_sd": 0.15, "overdispersion": 0.3, "cell_sd": 0.4}
    field = [np.array([1.0]), structures[1].draw(hyper, rng), structures[2].draw(hyper, rng)]
    blocks = entries(N, T)
    known = rng.random((N, T)) < 0.9
    if own:
        structures.append(CellEffects(N * T, "cell_sd", HalfNormal(0.5)))
        blocks.append(Entry(N * T, np.arange(N * T).reshape(N, T)))
        field.append(structures[3].draw(hyper, rng))
    grid = LatentGrid(blocks, known)
    offset = rng.normal(0, 0.3, int(known.sum()))
    eta = offset + grid.predictor(np.concatenate(field))
    nb = NegativeBinomial(np.zeros(len(eta)), HalfNormal(0.5))
    likelihood = nb if family == "negative_binomial" else Poisson(np.zeros(len(eta)))
    return LatentProblem(grid, structures, replace(likelihood, y=likelihood.draw(eta, hyper, rng)), offset)


def theta_of(problem, **values):
    """Turn hyperparameters into theta by bisection."""
    out = []
    for name, prior in problem.hypers.items():
        low, high = -30.0, 30.0
        for _ in range(100):
            middle = (low + high) / 2
            low, high = (middle, high) if prior.value(middle) < values[name] else (low, middle)
        out.append(low)
    return np.array(out)


def test_gaussian_data_are_answered_by_plain_algebra():
    rng = np.random.default_rng(4)
    N, T = 4, 6
    grid = LatentGrid(entries(N, T), rng.random((N, T)) < 0.8)
    n = int(grid.known.sum())
    y, sd, offset = rng.normal(size=n), rng.uniform(0.3, 1, n), rng.normal(size=n)
    structures = [
        Fixed(0.4, 2.0),
        Independent(N, "area_sd", HalfNormal(1), mean=0.2),
        RandomWalk(T, "period_sd", HalfNormal(1)),
    ]
    problem = LatentProblem(grid, structures, Gaussian(y, sd), offset)
    A = grid.matrix.toarray()
    mean = np.array([0.4, *[0.2] * N, *[0.0] * T])
    gap = []
    for area_sd, period_sd in [(0.3, 0.2), (1.0, 0.7), (2.0, 0.05)]:
        theta = np.log([area_sd, period_sd])
        found = problem.conditional(theta)
        Q = np.zeros((11, 11))
        Q[0, 0] = 0.25
        Q[1:5, 1:5] = np.eye(N) / area_sd**2
        D = np.diff(np.eye(T), axis=0)
        Q[5:, 5:] = D.T @ D / period_sd**2 + 1e6 / T
        C = np.linalg.inv(Q)
        S = A @ C @ A.T + np.diag(sd**2)
        gain = C @ A.T @ np.linalg.inv(S)
        np.testing.assert_allclose(found.mode, mean + gain @ (y - offset - A @ mean), atol=1e-7)
        after = C - gain @ A @ C
        np.testing.assert_allclose(found.factor.solve(np.eye(11)), after, atol=1e-8)
        np.testing.assert_allclose(found.factor.variance(grid), np.diag(A @ after @ A.T), atol=1e-8)
        assert not problem.mean_shift(found).any()
        marginal = stats.multivariate_normal.logpdf(y, offset + A @ mean, S) + problem.log_prior(theta)
        gap.append(found.log_density - marginal)
    np.testing.assert_allclose(gap, gap[0], atol=1e-6)


@pytest.mark.parametrize("own", [False, True])
def test_sparse_and_dense_are_the_same(own):
    dense = on_a_map(own=own, family="poisson" if own else "negative_binomial")
    sparse = replace(dense, sparse=True)
    N = dense.grid.entries[1].size
    gap = []
    for sd, share in [(0.3, 0.1), (0.6, 0.6), (1.5, 0.97)]:
        theta = theta_of(dense, area_sd=sd, share=share, period_sd=0.1, overdispersion=0.2, cell_sd=0.3)
        a, b = dense.conditional(theta), sparse.conditional(theta)
        gap.append(a.log_density - b.log_density)
        np.testing.assert_allclose(a.mode[: 1 + N], b.mode[: 1 + N], atol=2e-5)
        np.testing.assert_allclose(a.mode[1 + N :], b.mode[1 + 2 * N :], atol=2e-5)
        # the variance of cells is told from draws in the sparse form
        ratio = b.factor.variance(sparse.worked.grid) / a.factor.variance(dense.worked.grid)
        assert abs(ratio.mean() - 1) < 0.1
    np.testing.assert_allclose(gap, gap[0], atol=1e-4)


def test_draws_sparse_and_dense_have_the_same_moments():
    dense = on_a_map()
    sparse = replace(dense, sparse=True)
    theta = theta_of(dense, area_sd=0.6, share=0.6, period_sd=0.1, overdispersion=0.2)
    size = 4000
    both = [p.draw(p.conditional(theta), size, np.random.default_rng(s)) for s, p in enumerate((dense, sparse))]
    assert both[0].shape == both[1].shape == (size, dense.grid.size)
    sd = both[0].std(axis=0)
    # 4.5 s.d. of the difference of two means, and a share of the mean correction that is told from draws
    assert (abs(both[0].mean(axis=0) - both[1].mean(axis=0)) < (4.5 * np.sqrt(2 / size) + 0.02) * sd).all()
    assert (abs(both[1].std(axis=0) / sd - 1) < 4.5 / np.sqrt(size)).all()


def test_sums_are_held_in_both_forms():
    problem = on_a_map()
    theta = theta_of(problem, area_sd=0.6, share=0.6, period_sd=0.1, overdispersion=0.2)
    for sparse in (False, True):
        form = replace(problem, sparse=sparse)
        drawn = form.draw(form.conditional(theta), 50, np.random.default_rng(0))
        assert abs(drawn[:, problem.grid.blocks[2]].sum(axis=1)).max() < 0.02


def test_effects_of_cells_are_those_of_the_explicit_model():
    # the same model with the effects in the field: where counts are large, Laplace's method is good for both
    rng = np.random.default_rng(8)
    N, T = 5, 6
    blocks = [*entries(N, T), Entry(N * T, np.arange(N * T).reshape(N, T))]
    known = rng.random((N, T)) < 0.9
    grid = LatentGrid(blocks, known)
    shared = [Fixed(5.0, 1.0), Independent(N, "area_sd", HalfNormal(0.7)), RandomWalk(T, "period_sd", HalfNormal(0.2))]
    offset = np.zeros(int(known.sum()))
    y = rng.poisson(np.exp(rng.normal(5, 0.4, len(offset)))).astype(float)
    apart = LatentProblem(grid, [*shared, CellEffects(N * T, "cell_sd", HalfNormal(0.5))], Poisson(y), offset)
    inside = LatentProblem(grid, [*shared, Independent(N * T, "cell_sd", HalfNormal(0.5))], Poisson(y), offset)
    assert list(apart.hypers) == list(inside.hypers)
    assert apart.worked.grid.size == 1 + N + T
    gap, draws = [], []
    for cell_sd in (0.2, 0.4, 0.6):
        theta = theta_of(apart, area_sd=0.3, period_sd=0.1, cell_sd=cell_sd)
        a, b = apart.conditional(theta), inside.conditional(theta)
        gap.append(a.log_density - b.log_density)
        draws = [p.draw(part, 6000, np.random.default_rng(1)) for p, part in ((apart, a), (inside, b))]
        # the correction of the mean is of first order in one, and exact for cells in the other
        sd = draws[1].std(axis=0)
        assert (abs(draws[0].mean(axis=0) - draws[1].mean(axis=0)) < 0.1 * sd).all()
        np.testing.assert_allclose(draws[0].std(axis=0), sd, rtol=0.06)
    np.testing.assert_allclose(gap, gap[0], atol=0.02)
    # effects of cells that are not known have their prior
    unknown = 1 + N + T + np.flatnonzero(~known.ravel())
    assert draws[0][:, unknown].std() == pytest.approx(0.6, rel=0.03)


def test_same_seed_same_bits():
    for sparse in (False, True):
        problem = replace(on_a_map(side=3), sparse=sparse)
        one, two = (integrate(problem, points=16, seed=5).draw(40, np.random.default_rng(2)) for _ in range(2))
        assert one[0].tobytes() == two[0].tobytes()
        assert one[1].tobytes() == two[1].tobytes()


def test_hopeless_data_have_no_mode():
    problem = on_a_map(side=3)
    broken = replace(problem, offset=np.full(len(problem.offset), np.nan))
    for sparse in (False, True):
        with pytest.raises(ModeError):
            replace(broken, sparse=sparse).conditional(problem.start())
        with pytest.raises(ModeError, match="no mode at the hyperparameters to begin with"):
            integrate(replace(broken, sparse=sparse))


def test_large_fields_choose_the_sparse_form_by_themselves():
    problem = on_a_map(side=46, T=2)
    assert problem.grid.size > 2000
    assert problem.worked.sparse is True
    assert on_a_map(side=3, own=True).worked.sparse is False


def test_two_blocks_of_cells_are_refused():
    problem = on_a_map(side=3, own=True)
    twice = replace(
        problem,
        grid=LatentGrid([*problem.grid.entries, problem.grid.entries[3]], problem.grid.known),
        structures=[*problem.structures, problem.structures[3]],
    )
    with pytest.raises(ValueError, match="one block"):
        twice.conditional(problem.start())

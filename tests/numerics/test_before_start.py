"""The joint test of effects before the start against laws that are known."""

import numpy as np
import pytest
from scipy import stats

from svmodel.checks.pre_trends import score_test
from svmodel.numerics.two_way import TwoWay
from svmodel.numerics.two_way.before_start import areas_alike, before_start, linear_null, pool, scores


def two_groups(n, m, T, seed):
    """Return outcomes of n treated and m other areas, and the weights of the T - 1 changes from the last period."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(n + m, T)) + rng.normal(size=(n + m, 1))
    changes = np.hstack([np.eye(T - 1), -np.ones((T - 1, 1))])
    weights = np.stack([changes / n, -changes / m], axis=1)
    return y, weights, np.repeat([0, 1], [n, m]), changes


@pytest.mark.parametrize(("n", "T"), [(5, 2), (5, 4), (8, 5)])
def test_two_groups_of_like_size_are_hotellings_two_samples(n, T):
    y, weights, kind, changes = two_groups(n, n, T, seed=T)
    made = scores(weights, kind, linear_null(y, TwoWay(np.ones(y.shape, dtype=bool))))
    x = y @ changes.T
    gap = x[:n].mean(axis=0) - x[n:].mean(axis=0)
    pooled = ((n - 1) * np.atleast_2d(np.cov(x[:n].T)) + (n - 1) * np.atleast_2d(np.cov(x[n:].T))) / (2 * n - 2)
    q, df = T - 1, 2 * n - 2
    t2 = n / 2 * gap @ np.linalg.solve(pooled, gap)
    known = stats.f.sf((df - q + 1) / (df * q) * t2, q, df - q + 1)
    np.testing.assert_allclose(made.estimate, gap)
    assert made.areas == pytest.approx(2 * n - 1)
    assert score_test(made.estimate, made.covariance, made.areas)[2] == pytest.approx(known, rel=1e-6)


def test_the_covariance_is_right_on_average_with_gaps_and_few_areas():
    rng = np.random.default_rng(2)
    use = rng.random((7, 6)) < 0.8
    use[0] = True
    terms = TwoWay(use)
    weights = np.where(use, rng.normal(size=(2, 7, 6)), 0.0)
    kind = np.arange(7)
    made = [scores(weights, kind, linear_null(rng.normal(size=use.shape), terms)) for _ in range(4000)]
    # as one number: the trace of what is found against the true covariance is the number of effects
    true = np.einsum("rnt,qnt->rq", weights, weights)
    found = np.mean([m.covariance for m in made], axis=0)
    assert np.trace(np.linalg.solve(true, found)) == pytest.approx(2, rel=0.06)


@pytest.mark.parametrize(("variance", "counts"), [((1.0, 0.1), (2, 8)), ((1.0, 0.25), (2, 4)), ((1.0, 0.02), (6, 40))])
def test_areas_alike_give_the_variance_and_nearly_the_tail(variance, counts):
    found = float(areas_alike(np.array(variance)[:, None], np.array(counts))[0])
    each = np.repeat(variance, counts)
    u = np.random.default_rng(0).normal(size=(200_000, len(each))) * np.sqrt(each)
    ratio = u.sum(axis=1) ** 2 / (u**2).sum(axis=1)
    assert ratio.var() == pytest.approx(2 * (1 - 3 / (found + 2)), rel=0.02)
    critical = found * stats.beta.ppf(0.95, 0.5, (found - 1) / 2)
    assert 0.043 < (ratio > critical).mean() < 0.052


def test_groups_are_as_many_as_the_areas_bear_and_a_spare_one_is_left_out():
    y, _, kind, _ = two_groups(10, 10, 9, seed=0)
    null = linear_null(y, TwoWay(np.ones(y.shape, dtype=bool)))
    changes = np.hstack([np.eye(8), -np.ones((8, 1))])

    def weigh(L):
        return np.stack([L @ changes / 10, -L @ changes / 10], axis=1)

    horizons = np.arange(-9, -1)
    made = before_start(horizons, weigh, kind, null)
    assert len(made.groups) == 4  # 19 degrees of freedom, four for each group
    assert sorted(h for group in made.groups for h in group) == horizons.tolist()
    spare = before_start(horizons, weigh, kind, null, spare=1)
    assert len(spare.groups) == 4
    assert max(h for group in spare.groups for h in group) < -2
    assert before_start(horizons[:1], lambda L: weigh(L @ np.eye(1, 8)), kind, null, spare=1) is None
    assert pool(horizons, 1)[0].tolist() == [[1 / 8] * 8]

import numpy as np
import pytest

from svmodel.numerics.cluster import (
    cluster_covariance,
    crv1_factor,
    shrink_correlation,
    small_sample,
    working_variance,
)


def test_no_factor_without_freedom():
    assert np.isnan(crv1_factor(10, 10, 5))
    assert np.isnan(crv1_factor(10, 2, 1))
    assert crv1_factor(10**9, 5, 10**6) == pytest.approx(1, abs=1e-5)


def test_covariance_of_a_mean_by_cluster():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    influence = (x - x.mean(axis=0)) / 40
    np.testing.assert_allclose(cluster_covariance(influence, 40 / 39), np.cov(x.T) / 40)


def test_shrinking_keeps_large_correlations_and_drops_chance_ones():
    rng = np.random.default_rng(1)
    chance = np.corrcoef(rng.normal(size=(15, 12)).T)
    real = np.full((12, 12), 0.8) + 0.2 * np.eye(12)
    assert np.abs(shrink_correlation(chance, 15) - np.eye(12)).max() < np.abs(chance - np.eye(12)).max() / 3
    assert np.abs(shrink_correlation(real, 200) - real).max() < 0.01
    assert np.linalg.eigvalsh(shrink_correlation(np.corrcoef(rng.normal(size=(6, 12)).T), 6)).min() > 0.05


def test_an_interval_has_the_larger_of_two_corrections_not_both():
    u = np.array([1.0, -1.0, 1.0, -1.0])
    one_group = np.zeros(4, dtype=int)
    alone = small_sample(u, one_group)
    assert alone.inflation**2 == pytest.approx(4 / 3)
    assert small_sample(u, one_group, factor=1.2).inflation ** 2 * 1.2 == pytest.approx(4 / 3)
    assert small_sample(u, one_group, factor=1.5).inflation == 1
    assert small_sample(u, one_group, factor=1.5).df == alone.df


@pytest.mark.parametrize(("phi", "omega"), [(1.0, 0.0), (0.0, 0.3), (2.0, 0.1)])
def test_the_working_variance_finds_chance_and_shocks(phi, omega):
    """Slow and plain: non-negative least squares of each column, on relative deviations."""
    from scipy.optimize import nnls

    rng = np.random.default_rng(5)
    m = rng.lognormal(3, 0.5, 400)
    member = np.eye(2)[np.repeat([0, 1], [150, 250])]
    total = member @ (member.T @ m)
    u = rng.standard_normal((400, 3)) * (np.sqrt(phi * m + omega * m**2) / total)[:, None]
    found = working_variance(u, member, m)
    for k in range(3):
        coefficients, _ = nnls(np.column_stack([1 / m, np.ones(400)]), (u[:, k] * total / m) ** 2)
        np.testing.assert_allclose(found[:, k], coefficients[0] * m + coefficients[1] * m**2, rtol=1e-6)
    truth = phi * m + omega * m**2
    np.testing.assert_allclose(found.mean(axis=1).sum(), truth.sum(), rtol=0.2)

import numpy as np
import pytest

from svmodel.numerics.cluster import cluster_covariance, crv1_factor, shrink_correlation


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

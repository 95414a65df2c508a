"""Multipliers and the critical values they give."""

import numpy as np
import pytest
from scipy import stats

from svmodel.numerics.cluster.multiplier_bootstrap import multipliers, sup_t_critical_value, sup_t_test


@pytest.mark.parametrize(("kind", "third"), [("rademacher", 0.0), ("mammen", 1.0)])
def test_multipliers_have_their_moments(kind, third):
    # a million draws: the mean's s.e. is .001, the second and third moments' below .003
    v = multipliers(1000, 1000, np.random.default_rng(0), kind=kind).astype(float)
    assert v.mean() == pytest.approx(0, abs=0.005)
    assert (v**2).mean() == pytest.approx(1, abs=0.01)
    assert (v**3).mean() == pytest.approx(third, abs=0.015)
    assert len(np.unique(v)) == 2


def test_rows_and_columns_are_independent():
    v = multipliers(2000, 50, np.random.default_rng(1)).astype(float)
    off = np.corrcoef(v.T) - np.eye(50)
    assert np.abs(off).max() < 5 / np.sqrt(2000)  # five s.e. over 1,225 pairs


def test_independent_estimates_need_the_sidak_value():
    # of 10 independent normals the largest is below z in level of all draws: P(|z|)^10 = .95
    influence = np.kron(np.eye(10), np.ones((200, 1)))
    draws = multipliers(20_000, 2000, np.random.default_rng(2))
    sidak = stats.norm.ppf(0.5 + 0.95 ** (1 / 10) / 2)
    # sd of a .95 quantile over 20,000 draws is about .012; the discreteness of 200 signs adds as much
    assert sup_t_critical_value(influence, draws) == pytest.approx(sidak, abs=0.06)


def test_equal_estimates_need_the_pointwise_value():
    influence = np.repeat(np.random.default_rng(3).normal(size=(500, 1)), 8, axis=1)
    draws = multipliers(20_000, 500, np.random.default_rng(4))
    assert sup_t_critical_value(influence, draws) == pytest.approx(1.96, abs=0.05)


def test_never_below_the_pointwise_value_and_missing_without_variation():
    draws = multipliers(99, 4, np.random.default_rng(5))
    assert sup_t_critical_value(np.eye(4)[:, :1], draws) == pytest.approx(stats.norm.ppf(0.975))
    assert np.isnan(sup_t_critical_value(np.zeros((4, 2)), draws))
    assert np.isnan(sup_t_test(np.ones(2), np.zeros((4, 2)), draws)).all()


def test_the_largest_t_rejects_a_true_null_at_its_level():
    """400 samples of 400 areas and 30 estimates: rejections at 5% are Binomial(400, .05), limits .001 and .999.

    With few areas the test rejects too often (8 to 9% at 60 areas), because the t statistics have thicker tails
    than the multipliers know of; so do all normal intervals of influence functions.
    """
    rng = np.random.default_rng(6)
    rejected = 0
    for _ in range(400):
        data = rng.normal(size=(400, 30)) + rng.normal(size=(400, 1))
        mean = data.mean(axis=0)
        p_value = sup_t_test(mean, (data - mean) / 400, multipliers(199, 400, rng))[1]
        rejected += p_value <= 0.05
    low, high = stats.binom.ppf([0.001, 0.999], 400, 0.05)
    assert low <= rejected <= high

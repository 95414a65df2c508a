import numpy as np
import pytest

from svmodel.numerics.cluster import small_sample


def test_equal_areas_give_hc2_and_satterthwaite():
    """Two groups of n and m areas with equal squares: the two-sample t test of Welch (1947)."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=8), 3 * rng.normal(size=20)
    influence = np.concatenate([(x - x.mean()) / 8, -(y - y.mean()) / 20])
    group = np.repeat([0, 1], [8, 20])
    small = small_sample(influence, group)
    v, w = x.var(ddof=1) / 8, y.var(ddof=1) / 20
    assert (influence**2).sum() * small.inflation**2 == pytest.approx(v + w, rel=1e-12)
    assert small.df == pytest.approx((v + w) ** 2 / (v**2 / 7 + w**2 / 19), rel=1e-12)


def test_unequal_sizes_leave_fewer_degrees_of_freedom():
    group = np.zeros(12, dtype=int)
    even = small_sample(np.tile([1.0, -1.0], 6), group)
    size = np.array([10.0] + [1.0] * 11)
    # deviations that grow with the size, as those of shocks in rates do
    uneven = small_sample(np.tile([1.0, -1.0], 6) * size, group, size)
    assert even.df == pytest.approx(11)
    a = size**2
    assert uneven.df == pytest.approx(max(a.sum() ** 2 / (a**2).sum() * 11 / 12, 1))
    assert uneven.df < 3
    assert even.inflation == uneven.inflation


def test_a_group_of_one_adds_nothing_and_nothing_at_all_is_not_a_number():
    influence = np.array([0.5, 1.0, -1.0, 1.0, -1.0])
    group = np.array([7, 0, 0, 0, 0])
    assert small_sample(influence, group) == pytest.approx(small_sample(influence[1:], group[1:]))
    alone = small_sample(np.array([1.0, 2.0]), np.array([0, 1]))
    assert alone.inflation == 1
    assert np.isnan(alone.df)


def test_many_estimates_at_once_are_one_by_one():
    rng = np.random.default_rng(5)
    influence, group, size = rng.normal(size=(30, 4)), rng.integers(0, 3, 30), rng.uniform(1, 5, 30)
    together = small_sample(influence, group, size)
    for k in range(4):
        assert small_sample(influence[:, k], group, size) == pytest.approx((together.inflation[k], together.df[k]))


def test_rounding_of_zero_is_no_area():
    influence, group = np.array([1.0, -1.0, 0.5, 0.0]), np.array([0, 0, 0, 0])
    rounded = influence + np.array([0, 0, 0, 1e-17])
    assert small_sample(rounded, group) == small_sample(influence, group)

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svmodel.numerics.resampling.conley_taber import PlaceboSums, placebo_sums
from svmodel.numerics.resampling.permutations import rank_p_value


def test_a_single_area_lies_outside_as_often_as_the_level_says():
    """Exchangeable areas of any law: the share of areas beyond the quantiles of the others is one less the level."""
    rng = np.random.default_rng(1)
    outside = 0
    for _ in range(4000):
        z = rng.gamma(0.5, 1.0, 60)
        low, high = PlaceboSums(np.sort(z[1:] - 0.5), 59, 1).critical(0.95)
        outside += not low <= z[0] - 0.5 <= high
    # the three furthest of 60 lie outside, whatever the law
    assert outside / 4000 == pytest.approx(0.05, abs=0.011)


def test_sums_are_those_of_every_choice():
    misses, deviations = np.array([-2.0, 1.0, 4.0]), np.array([1.0, 2.0, 3.0])
    scales = np.array([3.0, 5.0])
    plain = sorted(
        (3 * misses[i] + 5 * misses[j]) / np.sqrt(9 * deviations[i] ** 2 + 25 * deviations[j] ** 2)
        for i, j in itertools.product(range(3), repeat=2)
    )
    found = placebo_sums([(misses, deviations, scales)])
    np.testing.assert_allclose(found.values, plain, atol=1e-11)
    assert (found.areas, found.treated) == (3, 2)


def test_many_sums_are_drawn_and_always_the_same():
    rng = np.random.default_rng(2)
    z = rng.normal(size=50)
    parts = [(z, np.ones(50), np.full(4, 2.0))]
    one = placebo_sums(parts)
    shuffled = placebo_sums([(rng.permutation(z), np.ones(50), np.full(4, 2.0))])
    np.testing.assert_array_equal(one.values, shuffled.values)
    # the sum of four normal misses in standard deviations is normal
    assert np.std(one.values) == pytest.approx(np.std(z), rel=0.05)


def test_areas_of_two_kinds_are_drawn_from_their_own_placebos():
    tight, wide = np.array([-1.0, 1.0]), np.array([-10.0, 10.0])
    found = placebo_sums([(tight, np.ones(2), np.ones(1)), (wide, np.full(2, 10.0), np.full(1, 10.0))])
    np.testing.assert_allclose(found.values, np.array([-101, -99, 99, 101]) / np.hypot(1, 100), rtol=1e-12)


@given(st.integers(40, 200), st.floats(-3, 3), st.integers(1, 5))
def test_a_p_value_is_the_level_of_the_interval_that_ends_there(m, statistic, treated):
    values = np.sort(np.random.default_rng(m).standard_t(3, m))
    sums = PlaceboSums(values, m, treated)
    p = sums.p_value(statistic)
    assert 1 / (m + 1) <= p <= 1
    assert p == rank_p_value(statistic, np.round(values * sums.widening, 10))
    for level in (0.5, 0.8, 0.95):
        low, high = sums.critical(level)
        assert low == -high
        assert (p <= 1 - level + 1e-9) == (not low <= statistic <= high)


def test_few_placebos_stand_in_for_nothing_but_a_standard_deviation():
    sums = PlaceboSums(np.linspace(-1, 1, 12), 12, 1)
    low, high = sums.critical(0.95)
    assert (low, high) == (-high, high)
    assert high == pytest.approx(2.2281, abs=1e-4)  # t with 10 degrees of freedom
    assert sums.p_value(high) == pytest.approx(0.05, abs=1e-9)


def test_placebos_without_an_event_bound_nothing():
    values = np.sort(np.append(np.random.default_rng(3).normal(size=58), [-np.inf, -np.inf]))
    made = PlaceboSums(values, 60, 1)
    # two of sixty strayed without end: the third furthest limits 95%, and nothing limits 97%
    assert made.critical(0.95)[1] == pytest.approx(np.abs(values[2:]).max(), abs=1e-9)
    assert made.critical(0.97) == (-np.inf, np.inf)
    assert made.p_value(1e6) == 3 / 61


def test_a_level_beyond_what_placebos_show_gives_no_limit():
    assert PlaceboSums(np.arange(59.0) - 29, 59, 1).critical(0.99) == (-np.inf, np.inf)


def test_p_and_interval_agree_where_all_placebos_strayed_to_one_side():
    # an estimate of -.5 among placebos from -4 to -1 fell less than all of them: no evidence of a fall
    made = PlaceboSums(np.linspace(-4, -1, 99), 99, 1)
    low, high = made.critical(0.95)
    assert made.p_value(-0.5) == 1
    for statistic in (-4.1, -3.95, -3.9, -3.0, -1.0, -0.5, 0.0, 0.5):
        assert (made.p_value(statistic) <= 0.05) == (statistic < low or statistic > high)

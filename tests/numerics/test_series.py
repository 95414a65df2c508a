"""Sums of areas as series: against sums written out, with gaps, and in an order that names do not touch."""

import numpy as np
import pytest

from svmodel.numerics.series import sum_series, treated_series

Y = np.array([[1.0, 2.0, 3.0, 4.0], [5.0, np.nan, 7.0, 8.0], [2.0, 2.0, 2.0, 9.0], [6.0, 6.0, 6.0, 6.0]])
SIZE = np.array([[10.0], [30.0], [20.0], [40.0]]) * np.ones(4)
X = np.arange(16.0).reshape(4, 4, 1)
START = np.array([2, 2, 3, 10**6])
BEFORE = np.arange(4)[None, :] < START[:, None]
AFTER = ~BEFORE


def test_a_sum_is_known_where_all_its_areas_are():
    made = sum_series(Y, SIZE, X, np.array([0, 1]), 2, BEFORE[0], AFTER[0])
    np.testing.assert_array_equal(made.y, [6.0, np.nan, 10.0, 12.0])
    np.testing.assert_array_equal(made.exposure, np.full(4, 40.0))
    np.testing.assert_array_equal(made.before, [True, False, False, False])
    np.testing.assert_array_equal(made.after, [False, False, True, True])
    assert made.lost == 1
    assert made.rate[0] == 6 / 40
    # weighted by exposure: a quarter of area 0 and three quarters of area 1
    assert made.covariates[0, 0] == pytest.approx(0.25 * X[0, 0, 0] + 0.75 * X[1, 0, 0])
    bare = sum_series(Y, None, X, np.array([0, 1]), 2, BEFORE[0], AFTER[0])
    np.testing.assert_array_equal(bare.exposure, np.full(4, 2.0))


def test_areas_with_one_start_are_one_series_and_the_untreated_is_none():
    together = treated_series(Y, SIZE, X, START, BEFORE, AFTER, each=False)
    assert [s.rows.tolist() for s in together] == [[0, 1], [2]]
    assert [s.start for s in together] == [2, 3]
    each = treated_series(Y, SIZE, X, START, BEFORE, AFTER, each=True)
    assert [s.rows.tolist() for s in each] == [[0], [1], [2]]


def test_the_order_of_areas_does_not_matter():
    turned = np.array([3, 2, 1, 0])
    parts = (Y[turned], SIZE[turned], X[turned], START[turned], BEFORE[turned], AFTER[turned])
    for each in (False, True):
        one = treated_series(Y, SIZE, X, START, BEFORE, AFTER, each=each)
        two = treated_series(*parts, each=each)
        for a, b in zip(one, two, strict=True):
            np.testing.assert_array_equal(a.y, b.y)
            assert sorted(a.rows) == sorted(turned[b.rows])

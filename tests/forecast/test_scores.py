"""Interval scores against their definition and against the quantile (pinball) form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svmodel.errors import DataError
from svmodel.forecast.scores import check_quantiles, covered, interval_score, weighted_interval_score

Q = np.array([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975])


def test_interval_score_is_the_width_and_a_penalty_for_each_miss():
    # worked by hand from eq. 1: 8 wide; missed by 2 above or 3 below at alpha = 0.2
    np.testing.assert_allclose(interval_score([5, 12, -1], 2, 10, 0.2), [8, 8 + 20, 8 + 30])


def test_weighted_score_is_eq_2_by_hand():
    values = np.array([2.0, 4, 6, 8, 10, 13, 18])
    y = 14.0
    parts = 0.5 * abs(y - 8) + 0.025 * 16 + 0.1 * (9 + 10 * 1) + 0.25 * (4 + 4 * 4)
    assert weighted_interval_score(y, values, Q) == pytest.approx(parts / 3.5)


@given(st.lists(st.integers(0, 60), min_size=7, max_size=7), st.integers(0, 80))
def test_weighted_score_is_the_mean_pinball_loss_doubled(values, y):
    # Bracher et al. (2021), section 2.2: the weights make WIS the mean over quantiles of 2 x pinball loss
    v = np.sort(np.array(values, dtype=float))
    pinball = np.where(y >= v, Q * (y - v), (1 - Q) * (v - y))
    # the median's absolute error counts w_0 = 1/2, which is its doubled pinball loss halved: K + 1/2 against 2K + 1
    assert weighted_interval_score(y, v, Q) == pytest.approx(2 * pinball.sum() / (2 * 3 + 1), abs=1e-9)


def test_missing_stays_missing():
    assert np.isnan(weighted_interval_score(np.nan, np.arange(7.0), Q))
    assert np.isnan(covered([3, np.nan], [np.arange(7.0), np.arange(7.0)], Q, 0.95)[1])


def test_coverage_counts_both_ends():
    values = np.tile(np.arange(7.0), (4, 1))
    np.testing.assert_array_equal(covered([0, 6, 7, 3], values, Q, 0.95), [1, 1, 0, 1])
    np.testing.assert_array_equal(covered([1, 2, 4, 5], values, Q, 0.5), [0, 1, 1, 0])
    with pytest.raises(DataError, match="not among"):
        covered(1, np.arange(7.0), Q, 0.9)


def test_quantiles_that_cannot_be_scored_are_refused_all_at_once():
    with pytest.raises(DataError) as caught:
        check_quantiles([0.5, 0.3, 1.2])
    rules = {p.rule for p in caught.value.problems}
    assert rules == {"quantile_range", "quantile_order", "quantile_pairs", "quantile_needed"}

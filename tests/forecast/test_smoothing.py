"""Season and level: right, pooled, and blind to what comes after."""

from __future__ import annotations

import numpy as np
import pytest

from svmodel.forecast.smoothing import pooled_season, smooth_levels, straddles

RNG_SEED = 8
MONTH = np.arange(84) % 12
FACTORS = np.exp(0.25 * np.sin(np.arange(12) * np.pi / 6))
FACTORS = FACTORS / np.exp(np.log(FACTORS).mean())


def counts(n_areas=6, n=84, mean=100.0):
    rng = np.random.default_rng(RNG_SEED)
    level = mean * np.linspace(0.5, 2, n_areas)[:, None]
    return rng.poisson(level * FACTORS[np.arange(n) % 12]).astype(float)


def test_the_season_is_found_after_three_years_and_not_before():
    season = pooled_season(counts(), MONTH, 12)
    # two ratios a month need 24 months and half a window on each side: the 36th month completes the last
    assert (season[:35] == 1).all()
    assert (season[36] != 1).all()
    # a monthly ratio of about 700 pooled events has a standard error of 4%, a median of several of about 2%
    np.testing.assert_allclose(season[-1], FACTORS, atol=0.06)
    np.testing.assert_allclose(np.log(season).mean(axis=1), 0, atol=1e-12)


def test_without_a_season_the_factors_are_shrunk_to_nearly_one():
    rng = np.random.default_rng(2)
    found = np.log([pooled_season(rng.poisson(20.0, size=(3, 84)).astype(float), MONTH, 12)[-1] for _ in range(40)])
    # the median of six monthly ratios of 60 events strays by some 7%; shrinking has to take away half of that or more
    assert np.sqrt((found**2).mean()) < 0.035


def test_nothing_rests_on_later_counts():
    y = counts()
    changed = y.copy()
    changed[:, 60:] = 7
    season, other = pooled_season(y, MONTH, 12), pooled_season(changed, MONTH, 12)
    np.testing.assert_array_equal(season[:60], other[:60])
    alphas = np.array([0.1, 0.5])
    before = smooth_levels(y, season, MONTH, alphas, breaks=[40])
    after = smooth_levels(changed, other, MONTH, alphas, breaks=[40])
    np.testing.assert_array_equal(before.level[:, :, :60], after.level[:, :, :60])


def test_a_missing_count_leaves_the_level_and_is_no_zero():
    y = np.full((1, 84), 50.0)
    y[0, 40:43] = np.nan
    levels = smooth_levels(y, np.ones((84, 12)), MONTH, np.array([0.3]))
    np.testing.assert_allclose(levels.level, 50)
    assert levels.stale[0, 38:45].tolist() == [0, 0, 1, 2, 3, 0, 0]
    assert levels.seen[0, -1] == 81


def test_the_level_begins_as_a_mean_and_then_is_smoothed():
    y = np.arange(1.0, 85)[None, :]
    level = smooth_levels(y, np.ones((84, 12)), MONTH, np.array([0.1])).level[0, 0]
    np.testing.assert_allclose(level[:10], [np.arange(1, t + 2).mean() for t in range(10)])
    assert level[20] == pytest.approx(level[19] + 0.1 * (21 - level[19]))


def test_an_area_that_starts_late_has_no_level_before():
    y = np.full((2, 84), 5.0)
    y[1, :30] = np.nan
    levels = smooth_levels(y, np.ones((84, 12)), MONTH, np.array([0.1]))
    assert np.isnan(levels.level[0, 1, :30]).all()
    assert levels.level[0, 1, 30] == 5


def test_the_level_is_learnt_anew_after_a_break_but_not_from_one_rare_event():
    y = np.full((2, 84), [[200.0], [0.2]])
    y[:, 60:] = [[100.0], [0.0]]
    alpha = np.array([0.02])
    plain = smooth_levels(y, np.ones((84, 12)), MONTH, alpha).level[0]
    told = smooth_levels(y, np.ones((84, 12)), MONTH, alpha, breaks=[60]).level[0]
    assert plain[0, 65] > 180
    # the large area's own six counts and the common step agree; the rare area follows the step, not its two zeros
    assert told[0, 65] == pytest.approx(100, rel=0.001)
    assert told[1, 61] == pytest.approx(0.5 * 0.2 * 50 / 52, rel=0.005)


def test_after_a_break_an_area_moves_away_from_the_common_step():
    y = np.full((3, 84), 100.0)
    y[:, 60:] = [[50.0], [50.0], [80.0]]
    told = smooth_levels(y, np.ones((84, 12)), MONTH, np.array([0.02]), breaks=[60]).level[0]
    assert told[2, 60] == pytest.approx((60 + 80) / 2)
    assert told[2, 79] == pytest.approx((60 + 20 * 80) / 21)
    y[2, 60:] = np.nan
    told = smooth_levels(y, np.ones((84, 12)), MONTH, np.array([0.02]), breaks=[60]).level[0]
    assert told[2, 70] == pytest.approx(50)


def test_windows_across_a_break_do_not_bend_the_season():
    y = counts()
    broken = y.copy()
    broken[:, 60:] = np.round(0.5 * broken[:, 60:])
    told = pooled_season(broken, MONTH, 12, breaks=[60])[-1]
    np.testing.assert_allclose(told, FACTORS, atol=0.06)


def test_quarters_have_quarterly_seasons_and_years_none():
    quarter = np.arange(40) % 4
    rng = np.random.default_rng(1)
    y = rng.poisson(500 * np.array([0.8, 1.0, 1.3, 0.9])[quarter], size=(3, 40)).astype(float)
    found = pooled_season(y, quarter, 4)[-1]
    wanted = np.array([0.8, 1.0, 1.3, 0.9])
    np.testing.assert_allclose(found, wanted / np.exp(np.log(wanted).mean()), atol=0.04)
    assert (pooled_season(y[:, :10], np.zeros(10, dtype=int), 1) == 1).all()


def test_pairs_across_a_break_are_known():
    mask = straddles(10, 3, [5])
    assert np.argwhere(mask).tolist() == [[2, 2], [3, 1], [3, 2], [4, 0], [4, 1], [4, 2]]

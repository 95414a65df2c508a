"""Methods: what they predict, and that an origin never sees what comes after it."""

from __future__ import annotations

import numpy as np
import pytest

from svmodel.forecast.forecast import QUANTILES
from svmodel.forecast.methods import ALPHAS, History, LastValue, PooledSmoothing, SeasonalNaive

Q = np.array(QUANTILES)
METHODS = (PooledSmoothing, LastValue, SeasonalNaive)


def history(counts, *, horizon=12, breaks=()) -> History:
    return History(counts, np.arange(counts.shape[1]) % 12, 12, horizon, breaks)


def simulated(n_areas=8, n=96, k=0.05, seed=3):
    rng = np.random.default_rng(seed)
    mean = np.linspace(10, 120, n_areas)[:, None] * np.exp(0.2 * np.sin(np.arange(n) * np.pi / 6))
    return rng.poisson(rng.gamma(1 / k, k * mean)).astype(float)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("breaks", [(), (50,)])
def test_an_origin_never_sees_what_comes_after_it(method, breaks):
    y = simulated()
    later = y.copy()
    later[:, 70:] = np.random.default_rng(0).poisson(500, size=later[:, 70:].shape)
    before = method(history(y, breaks=breaks)).at(69, Q)
    np.testing.assert_array_equal(before, method(history(later, breaks=breaks)).at(69, Q))
    # and one step later it does
    assert (before != method(history(later, breaks=breaks)).at(75, Q)).any()


@pytest.mark.parametrize("method", METHODS)
def test_a_series_cut_at_the_origin_gives_the_same_forecast(method):
    y = simulated()
    whole, cut = method(history(y)), method(history(y[:, :80]))
    np.testing.assert_array_equal(whole.at(79, Q), cut.at(79, Q))


@pytest.mark.parametrize("method", METHODS)
def test_quantiles_are_whole_counts_that_rise(method):
    values = method(history(simulated())).at(95, Q)
    assert values.shape == (8, 12, 7)
    assert (values >= 0).all()
    assert (values == np.round(values)).all()
    assert (np.diff(values, axis=2) >= 0).all()


def test_dispersion_and_level_are_found_where_the_level_is_constant():
    y = simulated(n_areas=20, n=120, k=0.08)
    ours = PooledSmoothing(history(y))
    alpha = ours.alpha_at(119)
    assert ALPHAS[alpha] <= 0.06
    # 1,200 cells a horizon: standard error of k about 5%; the error of the level adds a few per cent
    np.testing.assert_allclose(ours.dispersion_at(119, alpha), 0.08, rtol=0.25)


def test_a_wandering_level_is_followed_and_its_spread_grows_with_the_horizon():
    rng = np.random.default_rng(6)
    walk = np.exp(np.log(80) + np.cumsum(rng.normal(0, 0.12, size=(15, 120)), axis=1))
    ours = PooledSmoothing(history(rng.poisson(walk).astype(float)))
    alpha = ours.alpha_at(119)
    assert ALPHAS[alpha] >= 0.5
    k = ours.dispersion_at(119, alpha)
    assert k[-1] > 3 * k[0]
    assert (np.diff(k) >= 0).all()


def test_an_area_without_events_is_not_taken_for_impossible():
    y = simulated()
    y[0] = 0
    ours = PooledSmoothing(history(y))
    mean = ours.mean(ours.alpha_at(95), 0)[0, -1]
    assert 0 < mean < 0.1


def test_a_stale_area_is_given_the_spread_of_a_longer_lead():
    rng = np.random.default_rng(6)
    y = rng.poisson(np.exp(np.log(80) + np.cumsum(rng.normal(0, 0.12, size=(15, 120)), axis=1))).astype(float)
    y[0] = y[1]
    y[0, 116:] = np.nan
    y[1, 116:] = y[1, 115]
    ours = PooledSmoothing(history(y))
    k = ours.dispersion_at(119, ours.alpha_at(119))
    values = ours.at(119, Q)[0, 0]
    mean = ours.mean(ours.alpha_at(119), 0)[0, 119]
    assert k[4] > k[0]
    # its 95% limits are those of a lead of five periods, not of one
    from svmodel.numerics.negative_binomial import nb2_quantile

    np.testing.assert_array_equal(values, nb2_quantile(Q, mean, k[4]))


def test_baselines_are_what_their_names_say():
    y = simulated()
    y[2, 95] = np.nan
    median = LastValue(history(y)).at(95, Q)[:, :, 3]
    assert (median[0] == y[0, 95]).all()
    assert (median[2] == y[2, 94]).all()
    seasonal = SeasonalNaive(history(y, horizon=18)).at(95, Q)[:, :, 3]
    np.testing.assert_array_equal(seasonal[0, :12], y[0, 84:96])
    np.testing.assert_array_equal(seasonal[0, 12:], y[0, 84:90])
    assert np.isnan(seasonal[2, 11])


def test_a_declared_break_is_no_spread_to_learn():
    y = simulated()
    y[:, 60:] = np.round(y[:, 60:] * 0.4)
    plain, told = PooledSmoothing(history(y)), PooledSmoothing(history(y, breaks=(60,)))
    k_plain = plain.dispersion_at(95, plain.alpha_at(95))
    k_told = told.dispersion_at(95, told.alpha_at(95))
    assert k_told[-1] < 0.5 * k_plain[-1]

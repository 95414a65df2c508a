import numpy as np
import pandas as pd
import pytest

from svmodel.design import NEVER
from svmodel.errors import DesignError
from svmodel.simulate.process import (
    Dip,
    Process,
    apply_effect,
    common_path,
    draw_counts,
    expected_untreated,
    rate_ratio_path,
)

MONTHS = pd.period_range("2019-01", periods=36, freq="M")


def untreated(process, n=5, seed=1, months=MONTHS):
    rng = np.random.default_rng(seed)
    shock = rng.standard_normal((n, len(months)))
    relative = np.ones((n, len(months)))
    return expected_untreated(process, common_path(process, months), rng.standard_normal(n), shock, relative), shock


def test_common_path_is_trend_season_and_dips():
    process = Process("v", trend=0.12, season=0.2, peak_month=7, dips=(Dip("2020-04", "2020-06", 0.5),))
    path = common_path(process, MONTHS)
    july_2019, january_2020, may_2020 = 6, 12, 16
    assert path[july_2019] == pytest.approx(0.12 * 6 / 12 + 0.2)
    assert path[january_2020] == pytest.approx(0.12 - 0.2)
    assert path[may_2020] == pytest.approx(0.12 * 16 / 12 + 0.2 * np.cos(2 * np.pi * -2 / 12) + np.log(0.5))


def test_counts_have_the_mean_and_variance_of_a_negative_binomial():
    n = 400_000
    counts, _ = draw_counts(np.random.default_rng(3), np.full(n, 6.0), 0.25)
    # Mean 6, variance 6 + 0.25 * 36 = 15: standard error of the mean 0.006; of the variance about
    # sqrt((m4 - 15^2) / n) < 0.07 with m4 < 5 * 15^2 for this shape. Four standard errors each.
    assert counts.mean() == pytest.approx(6, abs=4 * np.sqrt(15 / n))
    assert counts.var() == pytest.approx(15, abs=0.28)
    poisson, _ = draw_counts(np.random.default_rng(3), np.full(n, 6.0), 0.0)
    assert poisson.var() == pytest.approx(6, abs=0.1)


@pytest.mark.parametrize("theta", [0.7, 1.0, 1.4])
def test_the_effect_keeps_the_negative_binomial(theta):
    n = 400_000
    rng = np.random.default_rng(5)
    counts, intensity = draw_counts(rng, np.full(n, 6.0), 0.25)
    recorded = apply_effect(rng, counts, intensity, np.full(n, theta))
    mean = 6 * theta
    variance = mean + 0.25 * mean**2
    # Four standard errors, as above (variances up to 26).
    assert recorded.mean() == pytest.approx(mean, abs=4 * np.sqrt(variance / n))
    assert recorded.var() == pytest.approx(variance, rel=0.02)
    if theta == 1.0:
        assert (recorded == counts).all()
    else:
        assert (recorded <= counts).all() if theta < 1 else (recorded >= counts).all()


def test_shocks_leave_the_mean_in_place():
    process = Process("v", mean=4, level_sd=0, shock_sd=0.3)
    shock = np.random.default_rng(1).standard_normal((1, 200_000))
    m = expected_untreated(process, np.zeros(200_000), np.zeros(1), shock, np.ones((1, 200_000)))
    # Log-normal with standard deviation 0.307 of its mean: standard error 4 * 0.307 / sqrt(200000) = 0.003.
    assert m.mean() == pytest.approx(4, abs=0.011)


def test_effects_build_up_in_equal_steps_of_the_logarithm():
    process = Process("v", effect=0.5, build_up=3)
    m, shock = untreated(process)
    theta = rate_ratio_path(process, np.array([10, NEVER, NEVER, NEVER, 30]), m, shock)
    assert np.allclose(theta[0, 8:15], [1, 1, 0.5**0.25, 0.5**0.5, 0.5**0.75, 0.5, 0.5])
    assert (theta[1:4] == 1).all()
    assert theta[4, 29] == 1
    assert theta[4, -1] == 0.5


def test_additive_trends_are_parallel_in_events():
    process = Process("v", mean=10, level_sd=0.2, trend=-0.02, season=0.1, effect=0.8, additive=True)
    m, shock = untreated(process)
    apart = m - m[0]
    assert np.allclose(apart, apart[:, :1])
    theta = rate_ratio_path(process, np.array([10, NEVER, NEVER, 20, 30]), m, shock)
    assert np.allclose((m * (theta - 1))[0, 10:], -2.0)
    assert np.allclose((m * (theta - 1))[3, 20:], -2.0)


def test_multiplicative_trends_are_parallel_in_logarithms():
    process = Process("v", trend=-0.02, season=0.1)
    m, _ = untreated(process)
    apart = np.log(m) - np.log(m[0])
    assert np.allclose(apart, apart[:, :1])


def test_an_additive_process_that_needs_negative_counts_is_refused():
    with pytest.raises(DesignError, match="negative counts"):
        untreated(Process("v", level_sd=0.5, effect=0.2, additive=True), n=200)


def test_every_wrong_parameter_is_named_at_once():
    with pytest.raises(DesignError) as caught:
        Process("v", mean=0, dispersion=-1, effect=-0.1, shock_persistence=1.5)
    assert {p.where for p in caught.value.problems} == {"mean", "dispersion", "effect", "shock_persistence"}
    with pytest.raises(DesignError, match="never fade"):
        Process("v", shock_persistence=1.0)

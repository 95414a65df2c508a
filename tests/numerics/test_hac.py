"""Kernels against sums written out and statsmodels; the autocorrelation against series whose one is known."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.diagnostic import acorr_ljungbox
from statsmodels.stats.sandwich_covariance import S_hac_simple, weights_bartlett
from statsmodels.tsa.stattools import acf

from svmodel.numerics.series.hac import autocorrelation, automatic_bandwidth, ljung_box, newey_west, residual_ar1


def ar1(rng, rho, size, n=1):
    e = rng.normal(size=(n, size))
    out = np.empty_like(e)
    out[:, 0] = e[:, 0] / np.sqrt(1 - rho**2)
    for t in range(1, size):
        out[:, t] = rho * out[:, t - 1] + e[:, t]
    return out


@pytest.mark.parametrize("lags", [0, 1, 5])
def test_the_kernel_is_that_of_statsmodels(lags):
    u = ar1(np.random.default_rng(1), 0.5, 60, 3).T
    theirs = S_hac_simple(u, nlags=lags, weights_func=weights_bartlett)
    # the same sums in another order
    assert newey_west(u, lags) == pytest.approx(np.diag(theirs), rel=1e-12)


def test_a_missing_period_is_a_term_of_zero():
    u = np.array([1.0, 2.0, 0.0, 3.0])
    by_hand = 1 + 4 + 9 + 2 * (0.5 * (1 * 2))
    assert float(newey_west(u, 1)) == pytest.approx(by_hand)


def test_the_bandwidth_is_newey_and_wests_plug_in():
    u = ar1(np.random.default_rng(2), 0.6, 144)[0]
    T = len(u)
    n = int(4 * (T / 100) ** (2 / 9))
    gamma = [sum(u[t] * u[t - j] for t in range(j, T)) / T for j in range(n + 1)]
    s0 = gamma[0] + 2 * sum(gamma[1:])
    s1 = 2 * sum(j * gamma[j] for j in range(1, n + 1))
    assert automatic_bandwidth(u) == int(1.1447 * (s1 / s0) ** (2 / 3) * T ** (1 / 3))
    assert automatic_bandwidth(np.zeros(30)) == 0
    assert automatic_bandwidth(np.cumsum(u)) <= T // 4


@pytest.mark.parametrize("rho", [0.0, 0.4, 0.7])
def test_autocorrelation_is_freed_of_the_bias_of_fitting(rho):
    T, n = 60, 300
    t = np.arange(T)
    X = np.column_stack([np.ones(T), t / T, t >= 40, *(f(2 * np.pi * t / 12) for f in (np.sin, np.cos))])
    maker = np.eye(T) - X @ np.linalg.pinv(X)
    found = [residual_ar1([maker @ y], [maker], [t]) for y in ar1(np.random.default_rng(3), rho, T, n)]
    estimate = np.array([f[0] for f in found])
    residual = np.array([float(autocorrelation(maker @ y, 1)[0]) for y in ar1(np.random.default_rng(3), rho, T, n)])
    # s.d. of one estimate is about .13, so .008 of their mean; the median has no bias from the cut at 0
    if rho > 0:
        assert np.median(estimate) == pytest.approx(rho, abs=0.06)
        assert residual.mean() < rho - 0.05
    variance = np.array([f[1][0] for f in found]) * (1 - rho**2)
    assert variance.mean() == pytest.approx(1.0, abs=0.25)


def test_one_autocorrelation_for_several_series_with_gaps():
    rng = np.random.default_rng(4)
    series = ar1(rng, 0.5, 400, 4)
    times = [np.sort(rng.choice(400, 300, replace=False)) for _ in series]
    found = residual_ar1([s[t] for s, t in zip(series, times, strict=True)], [np.eye(300)] * 4, times)
    # 1200 observations: standard error about .03
    assert found[0] == pytest.approx(0.5, abs=0.1)
    assert found[1] == pytest.approx(np.full(4, 1 / 0.75), rel=0.3)


def test_ljung_box_is_that_of_statsmodels():
    u = ar1(np.random.default_rng(5), 0.3, 80)[0]
    theirs = acorr_ljungbox(u, lags=[6])
    q, p = ljung_box(u, 6)
    assert q == pytest.approx(float(theirs["lb_stat"].iloc[0]), rel=1e-10)
    assert p == pytest.approx(float(theirs["lb_pvalue"].iloc[0]), rel=1e-8)
    assert autocorrelation(u, 6) == pytest.approx(acf(u, nlags=6)[1:], rel=1e-10)
    gaps = np.where(np.arange(80) % 9 == 0, np.nan, u)
    assert 0 < ljung_box(gaps, 6)[1] < 1
    assert stats.chi2.sf(ljung_box(gaps, 6)[0], 6) == pytest.approx(ljung_box(gaps, 6)[1])

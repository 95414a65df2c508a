"""The series regression against statsmodels, and its covariance against simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from svmodel.breaks import Break
from svmodel.errors import EstimationError
from svmodel.trends.regression import autocorrelated_covariance, fit_series
from svmodel.trends.terms import build_terms

MONTHS = pd.period_range("2018-01", periods=72, freq="M")


def series(seed: int = 0, mean: float = 40.0, k: float = 0.05):
    rng = np.random.default_rng(seed)
    X = build_terms(MONTHS, (Break("2021-01", "new system"),), with_season=True).X
    mu = mean * np.exp(-0.05 * X[:, 1] + 0.2 * np.sin(np.arange(72) * np.pi / 6))
    return rng.poisson(rng.gamma(1 / k, k * mu)).astype(float), X


def test_coefficients_are_those_of_statsmodels_at_the_same_dispersion():
    y, X = series()
    offset = np.log(np.linspace(1e5, 1.2e5, 72))
    fit = fit_series(y, X, offset, np.arange(72))
    assert fit.dispersion > 0
    peer = sm.GLM(y, X, family=sm.families.NegativeBinomial(alpha=fit.dispersion), offset=offset).fit(tol=1e-12)
    # both solve one set of equations to about 1e-9
    np.testing.assert_allclose(fit.coefficients, peer.params, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(fit.mean, peer.mu, rtol=1e-6)
    assert peer.pearson_chi2 / peer.df_resid == pytest.approx(1, abs=1e-6)


def test_without_autocorrelation_the_covariance_is_the_usual_one():
    y, X = series()
    y = y[::-1]  # any order will do: rho is held at 0 by putting the periods far apart
    fit = fit_series(y, X, np.zeros(72), 10 * np.arange(72))
    peer = sm.GLM(y, X, family=sm.families.NegativeBinomial(alpha=fit.dispersion)).fit(tol=1e-12)
    assert fit.autocorrelation == 0
    np.testing.assert_allclose(fit.covariance, peer.cov_params(), rtol=1e-5, atol=1e-10)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6])
def test_autocorrelation_is_found_free_of_the_bias_of_fitting(rho):
    rng = np.random.default_rng(5)
    X = build_terms(MONTHS, (), with_season=True).X
    M = np.eye(72) - X @ np.linalg.solve(X.T @ X, X.T)
    R = rho ** np.abs(np.subtract.outer(np.arange(72), np.arange(72)))
    errors = rng.normal(size=(300, 72)) @ np.linalg.cholesky(R).T
    found = [autocorrelated_covariance(X, e, np.arange(72))[1] for e in errors @ M]
    plain = [e[1:] @ e[:-1] / (e @ e) for e in errors @ M]
    # estimates are cut at 0, which lifts their mean by about 0.07 where there is none; 0.05 is four times the
    # Monte Carlo error of the mean. The plain estimate is low.
    if rho == 0:
        assert np.median(found) <= 0.05
    else:
        assert np.mean(found) == pytest.approx(rho, abs=0.06)
        assert np.mean(plain) < rho - 0.04


def test_covariance_is_the_sampling_variance_under_autocorrelation():
    rng = np.random.default_rng(9)
    X = build_terms(MONTHS, (), with_season=True).X
    R = 0.5 ** np.abs(np.subtract.outer(np.arange(72), np.arange(72)))
    errors = rng.normal(size=(400, 72)) @ np.linalg.cholesky(R).T
    b = np.linalg.lstsq(X, errors.T, rcond=None)[0]
    residuals = errors - (X @ b).T
    said = np.mean([autocorrelated_covariance(X, e, np.arange(72))[0][1, 1] for e in residuals])
    # relative Monte Carlo error of a variance from 400 draws: 7%; the mean of the estimates is a little low
    assert said == pytest.approx(b[1].var(), rel=0.25)


def test_a_gap_is_a_gap_in_time():
    y, X = series()
    y = np.round(y * np.exp(0.5 * np.sin(np.arange(72) / 4)))
    kept = np.r_[0:30, 42:72]
    fit = fit_series(y[kept], X[kept], np.zeros(60), kept)
    closed = fit_series(y[kept], X[kept], np.zeros(60), np.arange(60))
    np.testing.assert_allclose(fit.coefficients, closed.coefficients)
    assert fit.autocorrelation > 0.3
    assert not np.allclose(fit.covariance, closed.covariance)


def test_an_unbounded_effect_is_refused():
    y, X = series()
    y = np.where(X[:, -1] > 0, 0.0, y)
    with pytest.raises(EstimationError):
        fit_series(y, X, np.zeros(72), np.arange(72))

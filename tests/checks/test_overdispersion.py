from dataclasses import replace

import numpy as np
import pytest

from svmodel.checks.overdispersion import overdispersion, pearson_dispersion
from svmodel.did.callaway_santanna import CallawaySantAnna

CS = CallawaySantAnna(simultaneous=False)


def value(check, quantity):
    return check.table.set_index("quantity")["value"][quantity]


def test_poisson_counts_have_dispersion_one(make_design):
    phis = [pearson_dispersion(make_design(s, noise=0.0).arrays)[0] for s in range(5)]
    # each phi has standard error sqrt(2 / df), about 0.03 with 2,500 untreated cells; the mean of five 0.013
    assert np.mean(phis) == pytest.approx(1.0, abs=0.05)


def test_the_dispersion_planted_is_found(make_design):
    phi, df, mean = pearson_dispersion(make_design(0, noise=0.2, mean=20).arrays)
    # Var / mean = 1 + 0.2 mu, over cells; mu differs by area, so its mean stands in within a fifth
    assert phi == pytest.approx(1 + 0.2 * mean, rel=0.2)
    arrays = make_design(0).arrays
    assert df == int(arrays.untreated.sum()) - 60 - 47


def test_the_fit_is_that_of_statsmodels(make_design):
    import statsmodels.api as sm

    arrays = make_design(2, n=8, length=10, treated=2, starts=(5, 6)).arrays
    i, t = np.nonzero(arrays.untreated)
    X = np.column_stack([np.eye(8)[i], np.eye(10)[t][:, 1:]])
    fit = sm.GLM(arrays.y[i, t], X, family=sm.families.Poisson(), exposure=arrays.exposure[i, t]).fit()
    phi, df, _ = pearson_dispersion(arrays)
    assert df == int(fit.df_resid)
    assert phi == pytest.approx(fit.pearson_chi2 / fit.df_resid, rel=1e-6)


def test_it_informs_and_says_why_errors_are_clustered(make_design):
    check = overdispersion(CS.fit(make_design(0, noise=0.2)))
    assert check.status == "informative"
    assert "how areas differ" in check.text
    assert value(check, "error_factor") == pytest.approx(np.sqrt(value(check, "dispersion")))
    even = overdispersion(CS.fit(make_design(0, noise=0.0)))
    assert "no more than chance explains" in even.text


def test_it_fails_errors_that_trust_the_poisson_law(make_design):
    fitted = CS.fit(make_design(0, noise=0.2))
    assert overdispersion(replace(fitted, diagnostics={"variance": "model"})).status == "failed"
    assert overdispersion(replace(fitted, diagnostics={"variance": "cluster-robust"})).status == "informative"


def test_what_it_needs(make_design):
    fitted = CS.fit(make_design(0))
    assert overdispersion(replace(fitted, design=None)).status == "not_applicable"
    measure = CS.fit(make_design(0, outcome="score", exposure=None))
    assert overdispersion(measure).status == "not_applicable"


def test_sparse_counts_are_called_rough(make_design):
    check = overdispersion(CS.fit(make_design(0, mean=0.3)))
    assert "rough" in check.text

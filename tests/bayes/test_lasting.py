"""Shocks that last are seen in the residuals, and independent ones are not."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from svmodel import simulate
from svmodel.bayes import HierarchicalDiD
from svmodel.bayes.hierarchical_did import autocorrelation
from svmodel.errors import EstimationError

LASTING = {"shock_sd": 0.35, "shock_persistence": 0.8}


def fitted(seed, lasting_shocks=0, shocks="none", **kind):
    made = simulate.panel(40, 36, mean=12, effect=0.8, cohorts=((18, 6),), seed=seed, **kind)
    estimator = HierarchicalDiD(draws=400, lasting_shocks=lasting_shocks, shocks=shocks)
    return estimator.fit(made.design("violence"), seed=1)


def test_the_number_is_that_of_residuals_written_out():
    result = fitted(1)
    told = result.diagnostics["residual_autocorrelation"]
    model, posterior = result.posterior.model, result.posterior.posterior
    effects = {k: v[::2] for k, v in posterior.effects.items()}
    mean = np.exp(model.predictor(effects, model.known)).mean(axis=0).reshape(40, 36)
    s = np.median(posterior.hyper["overdispersion"])
    z = (model.y - mean) / np.sqrt(mean + (s * mean) ** 2)
    pairs = [(z[i, t], z[i, t - 1]) for i in range(40) for t in range(1, 36)]
    expected = np.mean([a * b for a, b in pairs]) / np.mean(z**2) + 1 / 36
    assert told["value"] == pytest.approx(expected, rel=1e-9)
    assert told["pairs"] == 40 * 35
    assert told["z"] == pytest.approx(told["value"] * math.sqrt(1400))


def test_it_warns_where_shocks_last_and_no_more_once_the_model_has_them():
    warned = fitted(2, **LASTING)
    assert warned.diagnostics["inference_in_doubt"]
    assert any("What befalls an area lasts" in n and '`shocks="ar1"` has such shocks' in n for n in warned.notes)
    calm = fitted(2, lasting_shocks=6, **LASTING)
    assert calm.diagnostics["residual_autocorrelation"]["z"] < warned.diagnostics["residual_autocorrelation"]["z"] / 2


@pytest.mark.parametrize("shocks", ["ar1", "walk"])
def test_shocks_that_last_are_learnt_and_widen_the_interval(shocks):
    plain, modelled = fitted(2, **LASTING), fitted(2, shocks=shocks, **LASTING)
    assert not modelled.diagnostics["shocks_last"]
    a, b = (r.effect("att", "rate_ratio") for r in (plain, modelled))
    assert math.log(b.conf_high / b.conf_low) > 1.4 * math.log(a.conf_high / a.conf_low)
    assert b.conf_low < 0.8 < b.conf_high
    hyper = modelled.posterior.posterior.hyper
    if shocks == "ar1":
        # drawn with .35 at .8, 40 areas x 36 periods
        assert 0.27 < np.median(hyper["shock_sd"]) < 0.45
        assert 0.6 < np.median(hyper["shock_persistence"]) < 0.92
    else:
        assert 0.1 < np.median(hyper["wander_sd"]) < 0.3


def test_shocks_that_are_not_there_are_learnt_to_be_small():
    plain, modelled = fitted(1), fitted(1, shocks="ar1")
    assert np.median(modelled.posterior.posterior.hyper["shock_sd"]) < 0.1
    a, b = (r.effect("att", "rate_ratio") for r in (plain, modelled))
    assert math.log(b.conf_high / b.conf_low) < 1.25 * math.log(a.conf_high / a.conf_low)
    assert b.estimate == pytest.approx(a.estimate, rel=0.02)


def test_two_kinds_of_shocks_are_one_too_many():
    with pytest.raises(EstimationError, match="lasting_shocks"):
        HierarchicalDiD(shocks="ar1", lasting_shocks=6)
    with pytest.raises(EstimationError, match="ar1"):
        HierarchicalDiD(shocks="ar2")


def test_it_is_silent_where_they_do_not():
    results = [fitted(seed) for seed in range(8)]
    z = np.array([r.diagnostics["residual_autocorrelation"]["z"] for r in results])
    # 8 means of about zero: a mean beyond 1.3 has a chance of less than 1 in 4,000 either way
    assert abs(z.mean()) < 1.3
    assert not any(r.diagnostics["inference_in_doubt"] for r in results)


def test_without_two_periods_in_a_row_there_is_none():
    result = fitted(1)
    model = result.posterior.model
    y = model.y.copy()
    y[:, ::2] = np.nan
    left = autocorrelation(SimpleNamespace(model=model.with_outcome(y)), result.posterior.posterior)
    assert left.pairs == 0
    assert math.isnan(left.value)
    assert not left.lasting


def test_effects_that_are_not_pooled_say_what_that_believes_of_their_average():
    made = simulate.panel(30, 20, mean=12, cohorts=((10, 12),), level_sd=0.01, population_spread=0.0, seed=1)
    result = HierarchicalDiD(pooling="none", draws=400).fit(made.design("violence"), seed=1)
    told = result.diagnostics["prior_of_average"]
    # twelve areas of nearly one size: log-normals of s.d. .35 with a mean of exp(.35^2 / 2)
    spread = math.sqrt(math.expm1(0.35**2) / 12)
    assert math.log(told["high"] / told["low"]) == pytest.approx(2 * 1.96 * spread, rel=0.1)
    assert any("Each effect has the prior by itself" in n for n in result.notes)
    pooled = HierarchicalDiD(draws=400).fit(made.design("violence"), seed=1)
    assert "prior_of_average" not in pooled.diagnostics

import warnings

import numpy as np
import pytest
from scipy import stats as laws

from svmodel.numerics.pareto_smoothing import fit_generalised_pareto, pareto_smoothed, trusted_below
from svmodel.numerics.power_scaling import cjs_distance, power_scaling_sensitivity


@pytest.fixture(scope="module")
def arviz():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pytest.importorskip("arviz", reason="ArviZ is the oracle here, and is not installed")
        if not hasattr(found, "psislw"):
            pytest.skip("this ArviZ has another interface")
    return found


@pytest.mark.parametrize(("scale", "size"), [(0.1, 1000), (0.7, 4000), (1.5, 4000), (3.0, 999)])
def test_weights_and_k_are_those_of_arviz(arviz, scale, size):
    x = scale * np.random.default_rng(size).standard_t(5, size)
    weights, k = pareto_smoothed(x)
    theirs, their_k = arviz.psislw(x.copy())
    # same arithmetic in another order
    np.testing.assert_allclose(weights, theirs, atol=1e-9)
    assert k == pytest.approx(float(their_k), abs=1e-9)


@pytest.mark.parametrize("k", [-0.3, 0.2, 0.6])
def test_the_pareto_law_that_was_drawn_from_is_found(k):
    u = np.random.default_rng(3).random(20_000)
    found, sigma = fit_generalised_pareto(np.sort(1.5 * (u**-k - 1) / k))
    # the standard error of k is about (1 + k) / sqrt(n), below 0.012
    assert found == pytest.approx(k, abs=0.04)
    assert sigma == pytest.approx(1.5, rel=0.05)


def test_smoothing_makes_a_heavy_tailed_mean_less_noisy():
    # draws with mean 1 weighted to mean 2.6: k = 1 - 1 / 2.6 = 0.6, so that the weights have no variance
    rng, raw, smooth = np.random.default_rng(5), [], []
    for _ in range(300):
        x = rng.exponential(1.0, 500)
        log = -x / 2.6 + x
        w = np.exp(log - log.max())
        raw.append(np.average(x, weights=w))
        smooth.append(np.average(x, weights=np.exp(pareto_smoothed(log)[0])))
    error = [np.sqrt(np.mean((np.array(v) - 2.6) ** 2)) for v in (raw, smooth)]
    assert error[1] < error[0]


def test_alike_ratios_need_no_smoothing():
    weights, k = pareto_smoothed(np.full(50, 7.0))
    np.testing.assert_allclose(np.exp(weights), 1 / 50)
    assert k == -np.inf


def test_few_draws_have_no_shape():
    weights, k = pareto_smoothed([0.0, 1.0, 2.0, 3.0])
    assert k == np.inf
    assert np.exp(weights).sum() == pytest.approx(1)
    assert trusted_below(100) < trusted_below(1_000) < trusted_below(10_000) == 0.7


def test_sensitivity_is_that_of_arviz(arviz):
    from arviz.stats import stats

    rng = np.random.default_rng(2)
    x = rng.normal(1.5, 0.7, 4000)
    log = -0.5 * (x / 0.8) ** 2
    sensitivity, _ = power_scaling_sensitivity(x, log)
    weights = [np.exp(arviz.psislw((a - 1) * log)[0]) for a in (1 / 1.01, 1.01)]
    # ArviZ's first distribution function runs from 1/S to 1 - 1/S in equal steps, a difference of 1/S^2
    assert sensitivity == pytest.approx(
        stats._powerscale_sens(x, lower_weights=weights[0], upper_weights=weights[1], delta=0.01), rel=2e-3
    )


def test_the_sensitivity_of_a_normal_mean_is_that_of_its_known_posterior():
    """The posterior under a scaled prior is normal, so that the distance is had by integration, without weights."""
    y, se, prior_sd = 2.0, 0.5, 1.0

    def posterior(alpha):
        precision = 1 / se**2 + alpha / prior_sd**2
        return laws.norm(y / se**2 / precision, precision**-0.5)

    def distance(alpha, sign, ends):
        grid = np.linspace(*ends, 40_001)
        P, Q = ((d.cdf(grid) if sign > 0 else d.sf(-grid)) for d in (posterior(1.0), posterior(alpha)))
        M = np.log2((P + Q) / 2)
        return np.sqrt(np.sum(P * (np.log2(P) - M) + Q * (np.log2(Q) - M)) / np.sum(P + Q))

    x = posterior(1.0).ppf((np.arange(20_000) + 0.5) / 20_000)
    found, k = power_scaling_sensitivity(x, -0.5 * (x / prior_sd) ** 2)
    ends = {1: (x[0], x[-1]), -1: (-x[-1], -x[0])}
    by_power = [max(distance(a, s, ends[s]) for s in (1, -1)) for a in (1 / 1.01, 1.01)]
    # an integral over 20,000 steps, and a distance of 0.003
    assert found == pytest.approx(sum(by_power) / (2 * np.log2(1.01)), rel=0.03)
    assert k < 0.5


def test_distance_of_distributions_apart_nears_one():
    x = np.concatenate([np.linspace(0, 1, 500), np.linspace(100, 101, 500)])
    assert cjs_distance(x, np.r_[np.zeros(500), np.ones(500)]) > 0.5
    assert cjs_distance(x, np.ones(1000)) == pytest.approx(0, abs=1e-7)

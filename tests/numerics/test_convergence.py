"""R-hat and effective draws against chains whose answer is known."""

import numpy as np
import pytest

from svmodel.numerics.series.convergence import effective_draws, r_hat


def chains(rho, n=4, length=2000, seed=1):
    rng = np.random.default_rng(seed)
    out = np.empty((n, length))
    out[:, 0] = rng.normal(size=n)
    for t in range(1, length):
        out[:, t] = rho * out[:, t - 1] + np.sqrt(1 - rho**2) * rng.normal(size=n)
    return out


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_an_ar1_is_worth_what_theory_says(rho):
    # n (1 - rho) / (1 + rho); the estimate is off by some 10% at 8000 draws
    assert effective_draws(chains(rho)) == pytest.approx(8000 * (1 - rho) / (1 + rho), rel=0.25)
    assert r_hat(chains(rho)) < 1.02


def test_chains_in_different_places_or_of_different_spread_are_seen():
    mixed = chains(0.0)
    assert r_hat(mixed + np.array([[0.0], [0.0], [0.0], [1.0]])) > 1.05
    assert r_hat(mixed * np.array([[1.0], [1.0], [1.0], [3.0]])) > 1.05
    assert r_hat(mixed + np.linspace(0, 2, 2000)) > 1.05


def test_heavy_tails_do_no_harm_and_a_constant_has_no_answer():
    rng = np.random.default_rng(2)
    assert r_hat(rng.standard_cauchy((4, 1000))) < 1.01
    assert np.isnan(r_hat(np.ones((2, 100))))
    assert np.isnan(effective_draws(np.ones((2, 100))))

import numpy as np
import pytest

from svmodel.numerics.firth import firth_logistic


def penalised(beta, y, X):
    """Return Firth's penalised log likelihood (1993, eq. 3.1 with Jeffreys' prior)."""
    p = 1 / (1 + np.exp(-X @ beta))
    information = (X * (p * (1 - p))[:, None]).T @ X
    return float(y @ np.log(p) + (1 - y) @ np.log(1 - p)) + 0.5 * np.linalg.slogdet(information)[1]


@pytest.mark.parametrize("separated", [False, True])
def test_it_is_where_the_penalised_likelihood_is_highest(separated):
    rng = np.random.default_rng(3)
    x = rng.normal(size=30)
    y = (x > 0.3) * 1.0 if separated else (rng.random(30) < 1 / (1 + np.exp(-x))) * 1.0
    X = np.column_stack([np.ones(30), x])
    fit = firth_logistic(y, X)
    assert fit.converged
    from scipy.optimize import minimize

    slow = minimize(
        lambda b: -penalised(b, y, X), np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}
    )
    np.testing.assert_allclose(fit.coefficients, slow.x, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(fit.probability, 1 / (1 + np.exp(-X @ fit.coefficients)))


def test_a_constant_alone_shrinks_towards_a_half():
    y = np.r_[np.ones(3), np.zeros(7)]
    fit = firth_logistic(y, np.ones((10, 1)))
    assert fit.probability[0] == pytest.approx(3.5 / 11)  # half an event more on either side

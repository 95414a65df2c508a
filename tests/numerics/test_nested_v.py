"""Nested predictor weights against plain optimisers, and the conditions of their optimum."""

import numpy as np
import pytest
from scipy.optimize import minimize

from svmodel.numerics.synthetic.nested_v import RATIO, nested_v
from svmodel.numerics.synthetic.simplex import simplex_weights


def drawn(seed, K=4, J=9, T=12):
    rng = np.random.default_rng(seed)
    loading = rng.normal(size=(2, J + 1))
    X = rng.normal(size=(K, 2)) @ loading + 0.3 * rng.normal(size=(K, J + 1))
    Z = 50 + rng.normal(size=(T, 2)) @ loading * 3 + rng.normal(size=(T, J + 1))
    return X[:, 1:], X[:, 0], Z[:, 1:], Z[:, 0]


def plain_inner(v, X0, x1):
    """W(V) by a general optimiser from the middle of the simplex."""
    J = X0.shape[1]
    found = minimize(
        lambda w: float(v @ (x1 - X0 @ w) ** 2),
        np.full(J, 1 / J),
        jac=lambda w: -2 * X0.T @ (v * (x1 - X0 @ w)),
        bounds=[(0, 1)] * J,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(J)},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    return found.x


@pytest.mark.parametrize("seed", range(4))
def test_donor_weights_are_the_inner_optimum_at_the_v_that_is_returned(seed):
    X0, x1, Z0, z1 = drawn(seed)
    fit = nested_v(X0, x1, Z0, z1)
    spread = np.column_stack([X0, x1]).std(axis=1, ddof=1)
    plain = plain_inner(fit.v, X0 / spread[:, None], x1 / spread)
    inside = float(fit.v @ (x1 / spread - X0 / spread[:, None] @ plain) ** 2)
    # the general optimiser is right to about 1e-7; ours may only be better
    assert fit.inner <= inside + 1e-9
    assert fit.weights.sum() == pytest.approx(1)
    assert (fit.weights >= 0).all()
    assert fit.v.sum() == pytest.approx(1)
    assert fit.v.max() / fit.v.min() <= RATIO * (1 + 1e-9)
    assert fit.loss == pytest.approx(np.mean((z1 - Z0 @ fit.weights) ** 2))


@pytest.mark.parametrize("seed", range(4))
def test_no_v_of_many_drawn_ones_fits_the_outcome_better(seed):
    X0, x1, Z0, z1 = drawn(seed)
    fit = nested_v(X0, x1, Z0, z1)
    spread = np.column_stack([X0, x1]).std(axis=1, ddof=1)
    rng = np.random.default_rng(100 + seed)
    for _ in range(400):
        v = np.exp(rng.uniform(0, np.log(RATIO), len(x1)))
        w = simplex_weights(np.sqrt(v / v.sum())[:, None] * X0 / spread[:, None], np.sqrt(v / v.sum()) * x1 / spread)
        assert fit.loss <= np.mean((z1 - Z0 @ w.weights) ** 2) * (1 + 1e-9)
    assert fit.bound <= fit.loss * (1 + 1e-9)


def test_a_supported_optimum_is_taken_without_a_search():
    # every period before the start is a predictor, so equal weights give the best fit of the outcome
    _, _, Z0, z1 = drawn(9)
    fit = nested_v(Z0 / Z0.std(axis=1, keepdims=True), z1 / Z0.std(axis=1), Z0, z1)
    free = simplex_weights(Z0, z1)
    assert fit.supported
    assert fit.loss == pytest.approx(free.objective, rel=1e-6)
    np.testing.assert_allclose(fit.weights, free.weights, atol=1e-6)


def test_units_of_predictors_do_not_matter():
    X0, x1, Z0, z1 = drawn(2)
    unit = np.array([1e3, 1e-4, 1.0, 7.0])
    one, other = nested_v(X0, x1, Z0, z1), nested_v(unit[:, None] * X0, unit * x1, Z0, z1)
    np.testing.assert_allclose(one.weights, other.weights, atol=1e-6)


def test_a_predictor_that_never_varies_is_refused():
    X0, x1, Z0, z1 = drawn(0)
    X0[1], x1[1] = 3.0, 3.0
    with pytest.raises(ValueError, match="vary"):
        nested_v(X0, x1, Z0, z1)

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svmodel.errors import EstimationError
from svmodel.numerics.two_way import TwoWay, components
from svmodel.numerics.two_way.poisson_fe import fit_poisson, informative_cells


def dense_fit(y, use, exposure=None, X=None):
    """Area and period dummies by Newton on every coefficient; returns the expected count of each cell."""
    N, T = y.shape
    area, period = np.nonzero(use)
    Z = np.column_stack([area == i for i in range(N)] + [period == t for t in range(1, T)]).astype(float)
    if X is not None:
        Z = np.column_stack([Z, X[use]])
    offset = np.zeros(use.sum()) if exposure is None else np.log(exposure[use])
    beta = np.linalg.lstsq(Z, np.log(y[use] + 0.5) - offset, rcond=None)[0]
    for _ in range(100):
        mu = np.exp(Z @ beta + offset)
        beta += np.linalg.lstsq(Z.T @ (mu[:, None] * Z), Z.T @ (y[use] - mu), rcond=None)[0]
    out = np.zeros((N, T))
    out[use] = np.exp(Z @ beta + offset)
    return out, beta


def test_fit_is_that_of_all_dummies():
    rng = np.random.default_rng(4)
    use = rng.random((12, 8)) < 0.85
    exposure = rng.uniform(1, 5, (12, 8))
    X = rng.normal(size=(12, 8, 1))
    y = rng.poisson(4 * exposure * np.exp(0.3 * X[..., 0])).astype(float)
    fit = fit_poisson(np.where(use, y, np.nan), TwoWay(use, covariates=X), exposure)
    expected, beta = dense_fit(y, use, exposure, X)
    np.testing.assert_allclose(fit.mu, expected, rtol=1e-8)
    assert fit.theta[-1] == pytest.approx(beta[-1], abs=1e-9)
    np.testing.assert_allclose((fit.level[:, None] * fit.shape)[use], expected[use], rtol=1e-8)


def test_influence_of_an_area_is_what_a_little_more_of_it_does():
    """An area's influence is the derivative of the estimate with respect to the area's weight in the score."""
    rng = np.random.default_rng(5)
    y = rng.poisson(6.0, (10, 6)).astype(float)
    y[0] = [9, 2, 8, 3, 7, 5]
    use = np.ones((10, 6), dtype=bool)
    fit = fit_poisson(y, TwoWay(use))
    step = 1e-5
    # a copy of area 0 with a weight: counts scaled by the weight add just that share of its score
    more = fit_poisson(np.vstack([y, step * y[0]]), TwoWay(np.ones((11, 6), dtype=bool)))
    np.testing.assert_allclose((more.theta - fit.theta) / step, fit.influence[0], atol=1e-4)
    np.testing.assert_allclose(fit.influence.sum(axis=0), 0, atol=1e-10)


def test_totals_by_area_and_by_period_are_met():
    rng = np.random.default_rng(6)
    y = rng.poisson(3.0, (30, 9)).astype(float)
    use = informative_cells(y, rng.random((30, 9)) < 0.7)
    fit = fit_poisson(y, TwoWay(use))
    np.testing.assert_allclose(fit.residual.sum(axis=0), 0, atol=1e-8)
    np.testing.assert_allclose(fit.residual.sum(axis=1), 0, atol=1e-8)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(2, 5), st.floats(0.2, 1.2))
def test_left_out_cells_are_those_whose_expected_count_goes_to_zero(seed, N, T, mean):
    """Newton steps on the whole run towards zero on just the cells that are left out, and agree on the others."""
    rng = np.random.default_rng(seed)
    use = rng.random((N, T)) < 0.8
    y = rng.poisson(mean, (N, T)).astype(float)
    keep = informative_cells(y, use)
    assert not (keep & ~use).any()
    assert not (y[use & ~keep] > 0).any()
    if not keep.any():
        return
    fit = fit_poisson(y, TwoWay(keep))
    # iterative proportional fitting converges to the supremum even where no finite estimate exists
    mu = use.astype(float)
    for _ in range(1500):
        for axis in (1, 0):
            have, want = mu.sum(axis=axis, keepdims=True), np.where(use, y, 0).sum(axis=axis, keepdims=True)
            mu *= np.divide(want, have, out=np.zeros_like(have), where=have > 0)
    # where a block empties, proportional fitting closes in like 1 / iterations: 1,500 leave some 2e-3
    np.testing.assert_allclose(mu[use], np.where(keep, fit.mu, 0.0)[use], atol=1e-2)


def test_a_block_of_zeros_is_left_out():
    y = np.array([[3, 2, 0, 0], [1, 4, 0, 0], [0, 0, 2, 3], [0, 0, 1, 4.0]])
    use = np.ones((4, 4), dtype=bool)
    assert informative_cells(y, use).all(), "zeros on both sides hold each other"
    use[2:, :2] = False
    keep = informative_cells(y, use)
    assert keep.astype(int).tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]
    assert components(keep).tolist() == [0, 0, 1, 1]


def test_a_group_without_events_is_left_out():
    y = np.array([[3, 0, 2.0], [1, 4, 2], [2, 1, 1]])
    group = np.array([[-1, 0, -1], [-1, -1, -1], [-1, -1, -1]])
    assert informative_cells(y, np.ones((3, 3), dtype=bool), group).astype(int).tolist()[0] == [1, 0, 1]


def test_what_cannot_be_fitted_is_refused():
    use = np.ones((2, 2), dtype=bool)
    with pytest.raises(EstimationError, match="never negative"):
        fit_poisson(np.array([[1.0, -1], [1, 1]]), TwoWay(use))
    with pytest.raises(EstimationError, match="no event"):
        fit_poisson(np.zeros((2, 2)), TwoWay(use))
    with pytest.raises(EstimationError):  # area 0's second cell drives its own group's coefficient to minus infinity
        fit_poisson(np.array([[3.0, 0], [1, 1]]), TwoWay(use, group=np.array([[-1, 0], [-1, -1]])))

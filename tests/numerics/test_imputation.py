import numpy as np
import pytest

from svmodel.numerics.two_way import TwoWay
from svmodel.numerics.two_way.imputation import impute_cohort, sum_cells
from svmodel.numerics.two_way.poisson_fe import fit_poisson


@pytest.fixture
def imputed():
    rng = np.random.default_rng(9)
    y = rng.poisson(8.0, (20, 10)).astype(float)
    use = np.ones((20, 10), dtype=bool)
    use[:6, 6:] = False
    return y, use, fit_poisson(y, TwoWay(use))


def block_of(y, use, fit, areas):
    return impute_cohort(y, fit, areas, level_cells=use[areas], target=~use[areas])


def test_expected_is_level_by_shape_and_sums_are_weighted(imputed):
    y, use, fit = imputed
    block = block_of(y, use, fit, np.arange(6))
    expected = (fit.level[:, None] * fit.shape)[:6] * ~use[:6]
    np.testing.assert_allclose(block.expected, expected, rtol=1e-12)
    w = np.random.default_rng(0).random((3, 10))
    sums = sum_cells([block], [w])
    np.testing.assert_allclose(sums.expected, w @ expected.sum(axis=0))
    np.testing.assert_allclose(sums.observed, w @ (y[:6] * ~use[:6]).sum(axis=0))


def test_cohorts_taken_apart_add_up(imputed):
    y, use, fit = imputed
    parts = [block_of(y, use, fit, np.arange(3)), block_of(y, use, fit, np.arange(3, 6))]
    w = np.ones((1, 10))
    both = sum_cells(parts, [w, w])
    alone = sum_cells(parts[:1], [w]) + sum_cells(parts[1:], [w])
    for name in ("observed", "expected", "of_observed", "of_expected", "of_shape"):
        np.testing.assert_allclose(getattr(both, name), getattr(alone, name), atol=1e-12)


def test_influences_sum_to_zero_in_each_cohort_and_period(imputed):
    y, use, fit = imputed
    block = block_of(y, use, fit, np.arange(6))
    np.testing.assert_allclose(block.own_observed.sum(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(sum_cells([block], [np.eye(10)[6:]]).of_log_ratio.sum(axis=0), 0, atol=1e-10)


def test_gradient_is_the_derivative(imputed):
    y, use, fit = imputed
    block = block_of(y, use, fit, np.arange(6))
    step = 1e-6
    for p in range(9):
        theta = fit.theta.copy()
        theta[p] += step
        shape = np.exp(fit.terms.index(theta))[:6]
        level = (y[:6] * use[:6]).sum(axis=1) / (shape * use[:6]).sum(axis=1)
        moved = ((level[:, None] * shape) * ~use[:6]).sum(axis=0)
        np.testing.assert_allclose((moved - block.expected.sum(axis=0)) / step, block.gradient[:, p], atol=1e-3)

"""Linear imputation of cells: what is linked, and derivatives."""

import numpy as np
import pytest

from svmodel.errors import EstimationError
from svmodel.numerics.two_way.linear_imputation import impute_linear, linked_cells


def test_linked_cells_follow_chains_of_areas():
    use = np.zeros((5, 6), dtype=bool)
    use[0, :2], use[1, 1:3], use[2, 3:5] = True, True, True
    use[3, 2] = True
    linked = linked_cells(use)
    assert linked[[0, 1, 3]].astype(int).tolist() == [[1, 1, 1, 0, 0, 0]] * 3
    assert linked[2].astype(int).tolist() == [0, 0, 0, 1, 1, 0]
    assert not linked[4].any()  # never seen untreated


def test_the_gradient_is_the_derivative_of_expected_sums():
    rng = np.random.default_rng(1)
    y = rng.normal(size=(8, 6))
    treated = np.zeros((8, 6), dtype=bool)
    treated[:3, 4:] = True
    use = ~treated & (rng.random((8, 6)) > 0.1)
    moving = rng.normal(size=(8, 6, 1))
    made = impute_linear(y, use, treated, None, moving)
    areas = np.arange(3)
    gradient = made.gradient(areas)
    terms, theta = made.fit.terms, made.fit.theta
    for p in range(terms.size):
        moved = theta.copy()
        moved[p] += 1
        index = terms.index(moved)
        level = np.array([(y[i] - index[i])[use[i]].mean() for i in areas])
        expected = np.where(made.target[areas], level[:, None] + index[areas], 0.0).sum(axis=0)
        held = np.where(made.target[areas], made.expected[areas], 0.0).sum(axis=0)
        np.testing.assert_allclose(expected - held, gradient[:, p], atol=1e-10)


def test_effects_about_a_mean_sum_to_zero_by_period():
    rng = np.random.default_rng(2)
    y, treated = rng.normal(size=(9, 6)), np.zeros((9, 6), dtype=bool)
    treated[:4, 3:], treated[1, 4] = True, False
    made = impute_linear(y, np.arange(6)[None, :] < np.where(np.arange(9) < 4, 3, 6)[:, None], treated)
    own = made.about_mean(np.arange(4))
    np.testing.assert_allclose(own.sum(axis=0), 0, atol=1e-12)
    assert own[1, 4] == 0
    assert made.about_mean(np.arange(4), made.average).sum() == pytest.approx(0, abs=1e-12)


def test_without_an_untreated_cell_it_is_refused():
    nothing = np.zeros((3, 3), dtype=bool)
    with pytest.raises(EstimationError, match="nothing can be expected"):
        impute_linear(np.ones((3, 3)), nothing, ~nothing)

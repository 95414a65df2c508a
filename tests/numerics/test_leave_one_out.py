import numpy as np
import pytest

from svmodel.numerics.synthetic.leave_one_out import leaving_one_out
from svmodel.numerics.synthetic.many_columns import by_dual
from svmodel.numerics.synthetic.simplex import simplex_weights


def one_by_one(A, b, which, ridge):
    """The slow plain version: every problem from its own rows."""
    return np.array(
        [simplex_weights(np.delete(A, i, axis=0), np.delete(b, i), ridge=ridge, intercept=True).weights for i in which]
    )


@pytest.mark.parametrize(("rows", "columns"), [(60, 12), (300, 24), (31, 15), (20, 30)])
@pytest.mark.parametrize("noise", [0.05, 3.0])
def test_rows_left_out_one_at_a_time_give_what_each_problem_gives(rows, columns, noise):
    rng = np.random.default_rng(rows)
    A = 500 + rng.normal(0, 30, (rows, 1)) + rng.normal(size=(rows, 2)) @ rng.normal(size=(2, columns))
    A = A + rng.normal(0, noise, A.shape)
    A[0] += 40 * rng.normal(size=columns)  # a row that moves the answer when it goes
    b = A[:, -3:].mean(axis=1) + rng.normal(size=rows)
    ridge = (1e-6 * noise) ** 2
    first = simplex_weights(A, b, ridge=ridge, intercept=True).weights
    which = np.arange(0, rows, 2)
    found = leaving_one_out(A, b, which, ridge=ridge, weights=first)
    np.testing.assert_allclose(found, one_by_one(A, b, which, ridge), atol=1e-8)
    assert np.abs(found - first).max() > 1e-3


def test_no_row_to_leave_out_is_no_answer():
    A, b = np.random.default_rng(0).normal(size=(2, 9, 9))[0], np.arange(9.0)
    assert leaving_one_out(A, b, np.arange(0), ridge=0.0, weights=np.full(9, 1 / 9)).shape == (0, 9)
    assert leaving_one_out(A[:, :2], b, np.arange(0), ridge=0.0, weights=np.full(2, 0.5)).shape == (0, 2)


@pytest.mark.parametrize("ridge", [0.0, 1e-3, 50.0])
@pytest.mark.parametrize("averaged", [1, 40])
def test_many_columns_end_where_an_active_set_on_all_of_them_does(ridge, averaged, monkeypatch):
    from svmodel.numerics.synthetic import simplex

    rng = np.random.default_rng(4)
    Y = rng.poisson(np.exp(rng.normal(2.5, 0.6, (150 + averaged, 1))), (150 + averaged, 12)).astype(float)
    A, b = Y[:150].T, Y[150:].mean(axis=0)
    for intercept in (False, True):
        quick = simplex_weights(A, b, ridge=ridge, intercept=intercept)
        with monkeypatch.context() as patch:
            patch.setattr(simplex, "_MANY", 10_000)
            slow = simplex_weights(A, b, ridge=ridge, intercept=intercept)
        np.testing.assert_allclose(quick.weights, slow.weights, atol=1e-9)
        assert quick.unique == slow.unique
        assert quick.kkt < 1e-10
        if quick.dual is not None:
            again = simplex_weights(A, b + 0.01, ridge=ridge, intercept=intercept, dual=quick.dual)
            cold = simplex_weights(A, b + 0.01, ridge=ridge, intercept=intercept)
            np.testing.assert_allclose(again.weights, cold.weights, atol=1e-12)


def test_the_dual_says_so_where_no_weights_meet_the_target():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(4, 60))
    inside, outside = A[:, :30].mean(axis=1), 10 * A[:, 0]
    weights, dual = by_dual(A, inside, 0.0)
    np.testing.assert_allclose(A @ weights, inside, atol=1e-12)
    # the weights are what the dual says
    np.testing.assert_allclose(weights, np.maximum(A.T @ dual[:4] + dual[4], 0), atol=1e-12)
    assert by_dual(A, outside, 0.0) is None
    assert by_dual(np.zeros((3, 12)), np.zeros(3), 1.0) is None

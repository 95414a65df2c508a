import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from svmodel.numerics.synthetic.simplex import _beginning, _non_negative, _Problem, active_set, simplex_weights


def drawn(seed, rows, columns):
    rng = np.random.default_rng(seed)
    common = np.cumsum(rng.normal(size=(rows, 1)), axis=0)
    A = 50 + common + rng.normal(0, 5, columns) + rng.normal(size=(rows, columns))
    return A, A[:, : min(3, columns)].mean(axis=1) + rng.normal(size=rows)


def projected(v):
    """Nearest point of the simplex, by sorting."""
    u = np.sort(v)[::-1]
    excess = (np.cumsum(u) - 1) / np.arange(1, len(v) + 1)
    return np.maximum(v - excess[np.flatnonzero(u > excess)[-1]], 0)


def by_projected_gradient(A, b, ridge, intercept, steps=30_000):
    """The slow plain version: accelerated projected gradient with restarts, run long."""
    if intercept:
        A, b = A - A.mean(axis=0), b - b.mean()
    H = A.T @ A / len(b) + ridge * np.eye(A.shape[1])
    c = A.T @ b / len(b)
    length = 1 / np.linalg.eigvalsh(H)[-1]
    w = old = np.full(A.shape[1], 1 / A.shape[1])
    t = 1.0
    for _ in range(steps):
        t_next = (1 + np.sqrt(1 + 4 * t * t)) / 2
        ahead = w + (t - 1) / t_next * (w - old)
        new = projected(ahead - length * (H @ ahead - c))
        if (ahead - new) @ (new - w) > 0:
            t_next, new = 1.0, projected(w - length * (H @ w - c))
        old, w, t = w, new, t_next
    return w


def objective(w, A, b, ridge, intercept):
    left = A @ w - b
    left = left - left.mean() if intercept else left
    return left @ left / len(b) + ridge * w @ w


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("ridge", [0.0, 0.3])
@pytest.mark.parametrize(("rows", "columns"), [(30, 8), (19, 38)])
def test_it_is_where_slow_methods_end(rows, columns, ridge, intercept):
    A, b = drawn(3, rows, columns)
    fit = simplex_weights(A, b, ridge=ridge, intercept=intercept)
    slow = by_projected_gradient(A, b, ridge, intercept)
    assert fit.objective == pytest.approx(objective(fit.weights, A, b, ridge, intercept), rel=1e-9)
    # the slow method only approaches the optimum, from above
    assert fit.objective <= objective(slow, A, b, ridge, intercept) + 1e-12
    np.testing.assert_allclose(fit.weights, slow, atol=1e-6)
    other = minimize(
        objective,
        np.full(columns, 1 / columns),
        args=(A, b, ridge, intercept),
        method="SLSQP",
        bounds=[(0, 1)] * columns,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"maxiter": 1000, "ftol": 1e-14},
    )
    # SLSQP with numerical derivatives stops some 1e-7 short
    assert fit.objective <= other.fun + 1e-12
    assert fit.objective == pytest.approx(other.fun, rel=1e-5)


def test_the_intercept_is_the_mean_gap():
    A, b = drawn(1, 20, 6)
    fit = simplex_weights(A, b + 7, intercept=True)
    assert fit.intercept == pytest.approx((b + 7 - A @ fit.weights).mean())
    assert simplex_weights(A, b).intercept == 0


problems = st.builds(
    lambda seed, rows, columns, ridge, intercept: (*drawn(seed, rows, columns), ridge, intercept),
    st.integers(0, 2**32 - 1),
    st.integers(1, 25),
    st.integers(1, 40),
    st.sampled_from([0.0, 1e-8, 0.1, 30.0]),
    st.booleans(),
)


@settings(max_examples=80, deadline=None)
@given(problems)
def test_the_optimum_is_proved(problem):
    A, b, ridge, intercept = problem
    fit = simplex_weights(A, b, ridge=ridge, intercept=intercept)
    assert fit.weights.min() >= 0
    assert fit.weights.sum() == pytest.approx(1, abs=1e-12)
    assert fit.kkt < 1e-9
    # the conditions, worked out anew from the untransformed problem
    left = A @ fit.weights + fit.intercept - b
    gradient = 2 * A.T @ left / len(b) + 2 * ridge * fit.weights
    gap = max(float(np.max(gradient @ fit.weights - gradient)), 0)
    size = float(((A - b[:, None]) ** 2).mean(axis=0).max()) + ridge
    assert gap <= 1e-9 * size
    assert fit.gap == pytest.approx(gap, abs=1e-9 * size)


@settings(max_examples=40, deadline=None)
@given(problems, st.integers(0, 2**32 - 1), st.sampled_from([1e-5, 1.0, 1e5]))
def test_order_scale_and_beginning_do_not_matter(problem, seed, scale):
    A, b, ridge, intercept = problem
    fit = simplex_weights(A, b, ridge=ridge, intercept=intercept)
    rng = np.random.default_rng(seed)
    order = rng.permutation(A.shape[1])
    other = simplex_weights(
        scale * A[:, order], scale * b, ridge=ridge * scale**2, intercept=intercept, start=rng.random(len(order))
    )
    assert other.objective == pytest.approx(fit.objective * scale**2, rel=1e-7, abs=1e-12 * scale**2)
    if ridge == 0 or ridge > 1e-6:
        np.testing.assert_allclose(other.weights, fit.weights[order], atol=1e-6)


def test_of_many_best_weights_the_smallest_are_returned():
    # twins share what one of them would get
    A, b = drawn(5, 30, 4)
    single = simplex_weights(A, b)
    twins = simplex_weights(np.column_stack([A, A[:, 0]]), b)
    assert single.unique
    assert not twins.unique
    np.testing.assert_allclose(twins.weights[[0, 4]], single.weights[0] / 2, atol=1e-9)
    # a target inside the hull of more columns than rows is met exactly, in many ways
    rng = np.random.default_rng(0)
    A = rng.normal(size=(3, 12))
    b = A.mean(axis=1)
    fit = simplex_weights(A, b)
    assert fit.objective == pytest.approx(0, abs=1e-20)
    assert not fit.unique
    np.testing.assert_allclose(fit.weights, 1 / 12, atol=1e-9)
    # a ridge leaves one answer
    assert simplex_weights(A, b, ridge=0.01).unique


def test_a_face_without_idle_columns_is_not_taken_for_several_answers():
    # the third column lies between the others, and the target is a corner: only one answer
    A = np.array([[0.0, 2.0, 1.0], [0.0, 2.0, 1.0]])
    fit = simplex_weights(A, np.zeros(2))
    assert fit.unique
    np.testing.assert_allclose(fit.weights, [1, 0, 0], atol=1e-12)


def test_the_way_round_a_stall_finds_the_same_optimum():
    for seed in range(20):
        A, b = drawn(seed, 15, 30)
        for ridge, intercept in ((0.0, False), (0.2, True)):
            problem = _Problem.of(A, b, ridge, intercept)
            one, other = active_set(problem, _beginning(problem, None)), _non_negative(problem)
            np.testing.assert_allclose(one, other, atol=1e-7)
            assert problem.residual(other)[1] < 1e-9


def test_a_constant_problem_and_a_single_column():
    fit = simplex_weights(np.full((4, 3), 2.0), np.full(4, 2.0))
    assert fit.objective == 0
    assert fit.gap == 0
    assert fit.weights.sum() == pytest.approx(1)
    assert simplex_weights(np.ones((2, 1)), np.array([3.0, 5.0])).weights.tolist() == [1.0]


@pytest.mark.parametrize(
    ("A", "b", "options", "said"),
    [
        (np.ones((2, 0)), np.ones(2), {}, "do not fit"),
        (np.ones((2, 2)), np.ones(3), {}, "do not fit"),
        (np.array([[1.0, np.nan]]), np.ones(1), {}, "known and finite"),
        (np.ones((2, 2)), np.ones(2), {"ridge": -1.0}, "ridge"),
        (np.ones((2, 2)), np.ones(2), {"start": np.ones(3)}, "start"),
    ],
)
def test_what_has_no_answer_is_refused(A, b, options, said):
    with pytest.raises(ValueError, match=said):
        simplex_weights(A, b, **options)

"""Ridge-augmented weights against the formula written out, its two limits, and a cross-validation by hand."""

import numpy as np
import pytest

from svmodel.numerics.synthetic.ridge_augmented import augment, cross_validate, ridge_augmented
from svmodel.numerics.synthetic.simplex import simplex_weights


def drawn(seed, T=10, J=15, above=4.0):
    rng = np.random.default_rng(seed)
    A = 20 + rng.normal(0, 2, J)[None, :] + np.cumsum(rng.normal(size=(T, 1)), axis=0) + rng.normal(size=(T, J))
    return A, A[:, :3].mean(axis=1) + above + rng.normal(0, 0.3, T)


@pytest.mark.parametrize("penalty", [0.1, 10.0, 1e3])
def test_equation_10_written_out(penalty):
    A, b = drawn(0)
    w = simplex_weights(A, b).weights
    # rows are donors, columns periods, centred by the donors' means, as in the paper
    X0, x1 = A.T - A.T.mean(axis=0), b - A.T.mean(axis=0)
    plain = w + (x1 - X0.T @ w) @ np.linalg.inv(X0.T @ X0 + penalty * np.eye(len(b))) @ X0.T
    fit = ridge_augmented(A, b, penalty=penalty)
    np.testing.assert_allclose(fit.weights, plain, atol=1e-10)
    assert fit.weights.sum() == pytest.approx(1)


def test_it_is_the_outcome_model_that_the_paper_adds():
    # the synthetic outcome plus a ridge regression's forecast of what the weights leave over
    A, b = drawn(1)
    after = np.random.default_rng(5).normal(20, 3, A.shape[1])
    w, penalty = simplex_weights(A, b).weights, 5.0
    X0, x1 = A.T - A.T.mean(axis=0), b - A.T.mean(axis=0)
    slope = np.linalg.solve(X0.T @ X0 + penalty * np.eye(len(b)), X0.T @ (after - after.mean()))
    corrected = w @ after + (x1 - w @ X0) @ slope
    assert augment(A, b, w, np.array([penalty]))[0] @ after == pytest.approx(corrected)


def test_it_lies_between_the_simplex_and_a_perfect_fit():
    A, b = drawn(2)
    w = simplex_weights(A, b).weights
    tight, loose = augment(A, b, w, np.array([1e12, 1e-9]))
    np.testing.assert_allclose(tight, w, atol=1e-6)
    # more donors than periods: without a penalty the fit is perfect
    np.testing.assert_allclose(A @ loose, b, atol=1e-6)
    gaps = [np.mean((b - A @ ridge_augmented(A, b, penalty=p).weights) ** 2) for p in (1e4, 1e2, 1.0)]
    assert gaps[0] > gaps[1] > gaps[2]


def test_cross_validation_by_hand():
    A, b = drawn(3, T=6)
    penalties, errors, std_errors = cross_validate(A, b)
    squares = []
    for t in range(6):
        kept = [s for s in range(6) if s != t]
        fit = ridge_augmented(A[kept], b[kept], penalty=float(penalties[7]))
        squares.append((b[t] - fit.weights @ A[t]) ** 2)
    assert errors[7] == pytest.approx(np.mean(squares))
    assert std_errors[7] == pytest.approx(np.std(squares, ddof=1) / np.sqrt(6))


def test_the_penalty_is_the_largest_within_one_standard_error():
    A, b = drawn(4)
    fit = ridge_augmented(A, b)
    best = int(fit.errors.argmin())
    fine = fit.errors <= fit.errors[best] + fit.std_errors[best]
    assert fit.penalty == fit.penalties[fine].max()


def test_an_intercept_takes_levels_away_first():
    A, b = drawn(5)
    one = ridge_augmented(A, b, penalty=3.0, intercept=True)
    other = ridge_augmented(A, b + 100, penalty=3.0, intercept=True)
    np.testing.assert_allclose(one.weights, other.weights, atol=1e-9)


def test_what_cannot_be_chosen_is_refused():
    A, b = drawn(6, T=2)
    with pytest.raises(ValueError, match="three"):
        ridge_augmented(A, b)
    with pytest.raises(ValueError, match="positive"):
        ridge_augmented(A, b, penalty=0.0)

"""The map from effects to cells, against dense algebra."""

import numpy as np
import pytest

from svmodel.numerics.latent.grid import Entry, LatentGrid

N, T = 4, 5


@pytest.fixture
def grid():
    rng = np.random.default_rng(0)
    known = rng.random((N, T)) < 0.8
    part = np.where(rng.random((N, T)) < 0.5, np.arange(T)[None, :] % 3, -1)
    return LatentGrid(
        [
            Entry(1, np.zeros((1, 1), dtype=np.int64)),
            Entry(N, np.arange(N)[:, None]),
            Entry(T, np.arange(T)[None, :]),
            Entry(3, part, rng.normal(size=(N, T))),
        ],
        known,
    )


def dense(grid):
    rows = []
    for i, t in np.argwhere(grid.known):
        row = []
        for entry in grid.entries:
            own = np.zeros(entry.size)
            k = np.broadcast_to(entry.index, (N, T))[i, t]
            if k >= 0:
                own[k] = 1.0 if entry.value is None else entry.value[i, t]
            row.append(own)
        rows.append(np.concatenate(row))
    return np.array(rows)


def test_matrix_and_products(grid):
    A, rng = dense(grid), np.random.default_rng(1)
    np.testing.assert_array_equal(grid.matrix.toarray(), A)
    x, many, score = rng.normal(size=13), rng.normal(size=(6, 13)), rng.normal(size=len(A))
    np.testing.assert_allclose(grid.predictor(x), A @ x)
    np.testing.assert_allclose(grid.predictor(many), many @ A.T)
    np.testing.assert_allclose(grid.back(score), A.T @ score)
    assert [(b.start, b.stop) for b in grid.blocks] == [(0, 1), (1, 5), (5, 10), (10, 13)]


def test_gram_dense_and_sparse(grid):
    A, weight = dense(grid), np.random.default_rng(2).random(int(grid.known.sum()))
    plain = A.T @ (weight[:, None] * A)
    into = np.full((13, 13), 7.0)
    grid.add_gram(into, weight)
    np.testing.assert_allclose(np.tril(into) - 7 * np.tri(13), np.tril(plain), atol=1e-12)
    np.testing.assert_allclose(grid.gram(weight).toarray(), plain, atol=1e-12)


def test_variance_reads_the_lower_triangle(grid):
    A, rng = dense(grid), np.random.default_rng(3)
    root = rng.normal(size=(13, 13))
    C = root @ root.T
    np.testing.assert_allclose(grid.variance(np.tril(C)), np.diag(A @ C @ A.T), atol=1e-10)

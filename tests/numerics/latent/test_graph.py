"""The scaled field over a map, against plain dense algebra."""

import numpy as np
import pytest

from svmodel.numerics.latent.graph import BorderGraph


def a_map(seed=0, n=23):
    """Three connected parts (a ring of 4, a random tree of 7 with chords, a pair) and islands, shuffled."""
    rng = np.random.default_rng(seed)
    pairs = [(0, 1), (1, 2), (2, 3), (3, 0), (11, 12)]
    pairs += [(int(rng.integers(4, j)), j) for j in range(5, 11)] + [(4, 10), (5, 9)]
    pairs = {tuple(sorted(p)) for p in pairs}
    place = rng.permutation(n)
    return BorderGraph(n, np.array(sorted(tuple(sorted((int(place[a]), int(place[b])))) for a, b in pairs)))


def plain_covariance(graph):
    """The covariance of phi, part by part, by the pseudo-inverse."""
    n = graph.size
    W = np.zeros((n, n))
    for a, b in graph.pairs:
        W[a, b] = W[b, a] = 1
    reached = np.linalg.matrix_power(W + np.eye(n), n) > 0
    C = np.zeros((n, n))
    for members in {tuple(np.flatnonzero(row)) for row in reached}:
        at = np.ix_(members, members)
        if len(members) == 1:
            C[at] = 1.0
            continue
        own = np.linalg.pinv(np.diag(W[at].sum(axis=1)) - W[at])
        C[at] = own / np.exp(np.log(np.diag(own)).mean())
    return C


@pytest.mark.parametrize("seed", range(3))
def test_spectrum_is_the_pseudo_inverse_part_by_part(seed):
    graph = a_map(seed)
    U, v = graph.spectrum
    np.testing.assert_allclose(U @ U.T, np.eye(graph.size), atol=1e-12)
    np.testing.assert_allclose((U * v) @ U.T, plain_covariance(graph), atol=1e-10)


def test_generalised_variance_is_one_in_every_part():
    graph = a_map()
    U, v = graph.spectrum
    marginal = np.diag((U * v) @ U.T)
    assert sorted(len(p) for p in graph.parts) == [2, 4, 7]
    for part in graph.parts:
        assert np.exp(np.log(marginal[part]).mean()) == pytest.approx(1, abs=1e-10)
    np.testing.assert_allclose(marginal[graph.islands], 1)
    assert len(graph.islands) == 23 - 13


def test_root_squares_to_the_precision_and_levels_are_what_it_does_not_see():
    graph = a_map()
    Q = (graph.root.T @ graph.root).toarray()
    np.testing.assert_allclose(Q, np.linalg.pinv(plain_covariance(graph)), atol=1e-9)
    np.testing.assert_allclose(Q @ graph.levels.T.toarray(), 0, atol=1e-12)
    np.testing.assert_allclose((graph.levels @ graph.levels.T).toarray(), np.eye(3), atol=1e-12)


def test_a_map_of_islands_is_independent():
    graph = BorderGraph(4, np.empty((0, 2), dtype=np.int64))
    U, v = graph.spectrum
    np.testing.assert_allclose((U * v) @ U.T, np.eye(4))
    assert graph.levels.shape == (0, 4)


def test_a_line_of_four_has_the_scale_reckoned_by_hand():
    # marginal variances of a walk x_1..x_4 of unit steps about its mean: sums of (j/4)^2-weighted steps
    graph = BorderGraph(4, np.array([[0, 1], [1, 2], [2, 3]]))
    own = np.array([0.875, 0.375, 0.375, 0.875])
    assert graph.scales[0] == pytest.approx(np.exp(np.log(own).mean()), abs=1e-12)

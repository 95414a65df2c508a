import numpy as np
import pytest

from svmodel.errors import EstimationError
from svmodel.numerics.two_way import TwoWay, components


@pytest.fixture
def terms():
    rng = np.random.default_rng(0)
    use = rng.random((7, 5)) < 0.8
    return TwoWay(use, rng.normal(size=(7, 2)), rng.integers(-1, 3, (7, 5)), rng.normal(size=(7, 5, 2)))


def columns(terms):
    """Every column written out, shape (N, T, P)."""
    N, T = terms.shape
    period = np.einsum("ts,na->ntsa", np.eye(T), terms.by_period).reshape(N, T, -1)
    groups = (terms.group[..., None] == np.arange(terms.n_groups)).astype(float)
    return np.concatenate([period, groups, terms.covariates], axis=2)


def test_sums_and_products_are_those_of_the_written_out_columns(terms):
    rng = np.random.default_rng(1)
    Z, v = columns(terms), rng.random(terms.shape) * terms.use
    theta = rng.normal(size=terms.size)
    np.testing.assert_allclose(terms.index(theta), Z @ theta)
    np.testing.assert_allclose(terms.area_sums(v), np.einsum("nt,ntp->np", v, Z), atol=1e-12)
    np.testing.assert_allclose(terms.period_sums(v), np.einsum("nt,ntp->tp", v, Z), atol=1e-12)
    mean = np.einsum("nt,ntp->np", v, Z) / v.sum(axis=1, keepdims=True)
    centred = Z - mean[:, None, :]
    H = np.einsum("nt,ntp,ntq->pq", v, centred, centred)
    np.testing.assert_allclose(terms.normal(v).H, H, atol=1e-12)


def test_quadratic_forms_are_those_of_the_written_out_columns(terms):
    rng = np.random.default_rng(2)
    plain = TwoWay(terms.use, terms.slopes, None, terms.covariates)
    Z = np.concatenate([columns(terms)[:, :, : plain.n_period_terms], terms.covariates], axis=2)
    root = rng.normal(size=(plain.size, plain.size))
    centre = rng.normal(size=(7, plain.size))
    away = Z - centre[:, None, :]
    np.testing.assert_allclose(
        plain.quadratic(root @ root.T, centre), np.einsum("ntp,pq,ntq->nt", away, root @ root.T, away), rtol=1e-10
    )


def test_one_reference_period_in_each_component():
    use = np.zeros((4, 6), dtype=bool)
    use[:2, :3] = use[2:, 3:5] = True
    assert components(use).tolist() == [0, 0, 0, 1, 1, -1]
    assert TwoWay(use).free.tolist() == [0, 1, 3]


def test_dependent_columns_are_named_and_not_solved():
    use = np.ones((4, 3), dtype=bool)
    group = np.where(np.arange(4)[:, None] < 2, 0, -1) + np.zeros((4, 3), dtype=int)  # an area effect in disguise
    normal = TwoWay(use, group=group).normal(np.ones((4, 3)))
    assert normal.dependent.tolist() == [3]
    with pytest.raises(EstimationError, match="one coefficient cannot be told apart"):
        normal.solve(np.ones(4))
    twice = TwoWay(use, covariates=np.repeat(np.random.default_rng(0).normal(size=(4, 3, 1)), 2, axis=2))
    assert twice.normal(np.ones((4, 3))).dependent.tolist() == [4]

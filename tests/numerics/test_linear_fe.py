import numpy as np
import pytest

from svmodel.numerics.two_way import TwoWay
from svmodel.numerics.two_way.linear_fe import fit_linear


@pytest.mark.parametrize("weighted", [False, True])
def test_fit_is_that_of_all_dummies(weighted):
    rng = np.random.default_rng(7)
    N, T = 11, 7
    use = rng.random((N, T)) < 0.85
    group = np.where(rng.random((N, T)) < 0.3, 0, -1)
    X = rng.normal(size=(N, T, 1))
    y = rng.normal(size=(N, T))
    w = rng.uniform(0.5, 2, (N, T)) if weighted else np.ones((N, T))
    fit = fit_linear(np.where(use, y, np.nan), TwoWay(use, None, group, X), w if weighted else None)
    area, period = np.nonzero(use)
    Z = np.column_stack([area == i for i in range(N)] + [period == t for t in range(T)] + [group[use] == 0, X[use]])
    root = np.sqrt(w[use])[:, None]
    beta = np.linalg.lstsq(root * Z, root[:, 0] * y[use], rcond=None)[0]
    np.testing.assert_allclose(fit.theta[-2:], beta[-2:], atol=1e-10)
    np.testing.assert_allclose(fit.residual[use], (w[use] * (y[use] - Z @ beta)), atol=1e-10)
    assert not fit.residual[~use].any()
    np.testing.assert_allclose(fit.influence.sum(axis=0), 0, atol=1e-10)

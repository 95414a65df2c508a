import numpy as np
import pytest
from scipy import stats

from svmodel.errors import EstimationError
from svmodel.numerics.cluster.cr_variance import of_linear, of_rows
from svmodel.numerics.cluster.wild_bootstrap import (
    all_signs,
    group_statistics,
    invert,
    share_at_least,
    wild_draws,
    wild_weights,
)
from svmodel.numerics.two_way import TwoWay
from svmodel.numerics.two_way.linear_fe import fit_linear


def two_way(seed, n=9, length=6):
    rng = np.random.default_rng(seed)
    use = rng.random((n, length)) < 0.9
    use[0] = True
    start = np.full(n, length)
    start[:4] = [2, 2, 4, 4]
    group = np.where(np.arange(length)[None, :] >= start[:, None], 0, -1)
    x = rng.normal(size=(n, length, 1))
    y = rng.normal(size=(n, 1)) + rng.normal(size=length) + rng.normal(size=(n, length)) + x[:, :, 0]
    return y, TwoWay(use, None, group, x)


def refitted(y, terms, null, v):
    """Each draw as it is written down: restricted fit, new outcomes, unrestricted fit, CR0 t."""
    use, d = terms.use, (terms.group == 0).astype(float)
    plain = TwoWay(use, None, None, terms.covariates)
    under = fit_linear(np.where(use, y - null * d, np.nan), plain).residual
    fitted = np.where(use, y - under, np.nan)
    at, found = terms.shape[1], []
    for row in v:
        fit = fit_linear(fitted + under * row[:, None], terms)
        found.append((fit.theta[at] - null) ** 2 / (fit.influence[:, at] ** 2).sum())
    return np.array(found)


@pytest.mark.parametrize("null", [0.0, 0.7, -2.0])
def test_draws_are_those_of_refits(null):
    y, terms = two_way(1)
    fit = fit_linear(np.where(terms.use, y, np.nan), terms)
    regression = of_linear(fit)
    at = terms.shape[1]
    contrast = (terms.free == at).astype(float)
    v = wild_weights("webb", 9, 50, np.random.default_rng(0))[0]
    distance = fit.theta[at] - null
    ours = wild_draws(regression, contrast, v).squared_t(distance)
    np.testing.assert_allclose(ours, refitted(y, terms, null, v), rtol=1e-8)
    sample = wild_draws(regression, contrast, all_signs(9)).squared_t(distance)[0]
    assert sample == pytest.approx(distance**2 / (fit.influence[:, at] ** 2).sum(), rel=1e-9)


def test_any_contrast_is_that_of_a_reparametrised_regression():
    """b1 - b2 in y ~ x1 + x2 is the coefficient of x1 in y ~ x1 + (x1 + x2)."""
    rng = np.random.default_rng(2)
    X, g = np.column_stack([np.ones(40), rng.normal(size=(40, 2))]), np.repeat(np.arange(8), 5)
    y = rng.normal(size=40)
    other = np.column_stack([X[:, 0], X[:, 1], X[:, 1] + X[:, 2]])
    e = y - X @ np.linalg.lstsq(X, y, rcond=None)[0]
    v = wild_weights("rademacher", 8, 64, np.random.default_rng(0))[0]
    one = wild_draws(of_rows(X, e, g), np.array([0, 1.0, -1.0]), v).squared_t(0.4)
    two = wild_draws(of_rows(other, e, g), np.array([0, 1.0, 0]), v).squared_t(0.4)
    np.testing.assert_allclose(one, two, rtol=1e-9)


def test_a_mean_of_clusters_enumerated_by_hand():
    """Four clusters of one: every sign, the null imposed, t from the draw's own mean."""
    y = np.array([1.0, 2.0, 4.0, 5.5])
    v, enumerated = wild_weights("rademacher", 4, 99, np.random.default_rng(0))
    assert enumerated
    assert len(v) == 16
    draws = wild_draws(of_rows(np.ones((4, 1)), y - y.mean(), np.arange(4)), np.ones(1), v)
    by_hand = [z.sum() ** 2 / ((z - z.mean()) ** 2).sum() for z in v * y]
    np.testing.assert_allclose(draws.squared_t(y.mean()), by_hand, rtol=1e-9)
    observed = y.sum() ** 2 / ((y - y.mean()) ** 2).sum()
    assert share_at_least(draws.squared_t(y.mean()), observed, enumerated=True) == 2 / 16


def test_weights_have_mean_zero_and_variance_one():
    for kind in ("rademacher", "webb"):
        v, enumerated = wild_weights(kind, 20, 4_000, np.random.default_rng(1))
        assert not enumerated
        # 80,000 draws: s.d. of the mean .0035, of the variance below .003
        assert abs(v.mean()) < 0.015
        assert abs((v**2).mean() - 1) < 0.015
    listed = wild_weights("webb", 2, 99, np.random.default_rng(1))[0]
    assert len(np.unique(listed, axis=0)) == 36
    assert (listed**2).mean() == pytest.approx(1)
    with pytest.raises(EstimationError, match="webb"):
        wild_weights("web", 3, 9, np.random.default_rng(0))


def test_score_draws_of_two_means():
    rng = np.random.default_rng(3)
    psi = rng.normal(size=7)
    group = np.array([0, 0, 0, 1, 1, 1, 1])
    v = wild_weights("rademacher", 7, 30, rng)[0]
    plain = []
    for row in v:
        z = row * psi
        rest = np.concatenate([z[:3] - z[:3].mean(), z[3:] - z[3:].mean()])
        plain.append(z.sum() ** 2 / (rest @ rest))
    np.testing.assert_allclose(group_statistics(psi, group, v), plain, rtol=1e-12)


def test_inversion_finds_the_hull_and_infinity():
    low, high = invert(lambda b: 2 * stats.norm.sf(abs(b - 3) / 2), 3.0, 2.0, 0.1)
    assert (low, high) == pytest.approx((3 - 2 * 1.6448536, 3 + 2 * 1.6448536), abs=1e-5)
    assert invert(lambda _: 0.2, 0.0, 1.0, 0.05) == (-np.inf, np.inf)

    def dips(b):
        return 0.0 if 1.0 < b < 1.3 or abs(b) > 4 else 0.5

    assert invert(dips, 0.0, 1.0, 0.05)[1] == pytest.approx(4, abs=1e-5)

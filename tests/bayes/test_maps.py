"""Area effects on a map: what borders give, against dense algebra, and what they refuse."""

import numpy as np
import pytest

from svmodel.bayes.maps import bym2
from svmodel.errors import DataError
from svmodel.numerics.latent.priors import HalfNormal

AREAS = ("A", "B", "C", "D", "E", "F", "G")
BORDERS = {"A": ["B", "C"], "B": ["C"], "C": ["D"], "E": "F"}


def dense(hyper):
    """The covariance of the effects, plainly."""
    W = np.zeros((7, 7))
    for a, several in BORDERS.items():
        for b in several:
            i, j = AREAS.index(a), AREAS.index(b)
            W[i, j] = W[j, i] = 1
    C = np.zeros((7, 7))
    for part in ([0, 1, 2, 3], [4, 5]):
        at = np.ix_(part, part)
        own = np.linalg.pinv(np.diag(W[at].sum(axis=1)) - W[at])
        C[at] = own / np.exp(np.log(np.diag(own)).mean())
    C[6, 6] = 1
    rho = hyper["area_share"]
    return hyper["area_sd"] ** 2 * (rho * C + (1 - rho) * np.eye(7))


@pytest.mark.parametrize("sd", [0.2, 1.3])
@pytest.mark.parametrize("rho", [0.02, 0.5, 0.97])
def test_precision_and_determinant_are_the_dense_formulas(sd, rho):
    structure = bym2(BORDERS, AREAS, HalfNormal(0.7))
    hyper = {"area_sd": sd, "area_share": rho}
    Q, determinant = structure.precision(hyper)
    C = dense(hyper)
    np.testing.assert_allclose(Q @ C, np.eye(7), atol=1e-9)
    assert determinant == pytest.approx(-np.linalg.slogdet(C)[1], abs=1e-9)


def test_draws_have_the_covariance():
    structure = bym2(BORDERS, AREAS, HalfNormal(0.7))
    hyper = {"area_sd": 0.8, "area_share": 0.6}
    rng = np.random.default_rng(1)
    x = np.array([structure.draw(hyper, rng) for _ in range(20_000)])
    C = dense(hyper)
    # the s.d. of a sample covariance: ((C_ii C_jj + C_ij^2) / n)^(1/2)
    d = np.diag(C)
    error = np.sqrt((np.outer(d, d) + C**2) / len(x))
    assert (abs(np.cov(x.T) - C) < 4.5 * error).all()
    assert (abs(x.mean(axis=0)) < 4.5 * np.sqrt(d / len(x))).all()


def test_the_order_of_areas_does_not_matter():
    order = [6, 2, 0, 5, 1, 3, 4]
    hyper = {"area_sd": 0.8, "area_share": 0.6}
    first = bym2(BORDERS, AREAS, HalfNormal(0.7)).precision(hyper)[0]
    second = bym2(BORDERS, tuple(AREAS[i] for i in order), HalfNormal(0.7)).precision(hyper)[0]
    np.testing.assert_allclose(second, first[np.ix_(order, order)], atol=1e-10)


def test_an_unknown_area_is_refused_with_its_nearest_name():
    with pytest.raises(DataError, match=r"'Bolton' is no area of the panel\. Did you mean 'Boltn'"):
        bym2([("Boltn", "Bolton"), ("Boltn", "Bury")], ("Boltn", "Bury"), HalfNormal(1.0))

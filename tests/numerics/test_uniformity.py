"""Bands and p-values of ranks against plain simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from svmodel.numerics.uniformity import chi_square_p, ecdf_band, ecdf_p, rank_among

N, MOST, POINTS = 60, 199, 20


@pytest.fixture(scope="module")
def uniform():
    return np.random.default_rng(1).integers(0, MOST + 1, size=(4000, N))


def counts(ranks):
    edges = np.arange(1, POINTS) * (MOST + 1) // POINTS
    return (ranks[:, :, None] < edges).sum(axis=1)


def test_the_band_holds_as_often_as_it_says_and_not_much_oftener(uniform):
    band = ecdf_band(N, points=POINTS, level=0.9)
    below = counts(uniform)
    held = ((below >= band.low) & (below <= band.high)).all(axis=1).mean()
    # binomial standard error .005; the band is discrete, so that its probability lies above the level
    assert 0.885 < held < 0.93


def test_the_p_value_is_the_share_of_uniform_ranks_that_depart_as_far(uniform):
    share = np.arange(1, POINTS) / POINTS

    def departure(ranks):
        below = counts(ranks)
        tail = 2 * np.minimum(stats.binom.cdf(below, N, share), stats.binom.sf(below - 1, N, share))
        return tail.min(axis=1)

    simulated = departure(uniform)
    for ranks in (uniform[0], uniform[1], (uniform[2] * 0.9).astype(int), (uniform[3] // 2 + 50).astype(int)):
        observed = departure(ranks[None])[0]
        expected = np.mean(simulated <= observed * (1 + 1e-9))
        # four standard errors of 4,000 simulations
        assert ecdf_p(ranks, MOST, points=POINTS) == pytest.approx(expected, abs=4 * 0.5 / math.sqrt(4000))


def test_p_values_of_uniform_ranks_are_not_small_too_often(uniform):
    p = np.array([ecdf_p(r, MOST, points=POINTS) for r in uniform[:400]])
    assert np.mean(p <= 0.05) <= stats.binom.ppf(0.9999, 400, 0.05) / 400
    assert np.mean(p <= 0.5) > 0.3


@pytest.mark.parametrize(
    "lie", [lambda u: u**1.4, lambda u: 0.5 + 0.75 * (u - 0.5), lambda u: np.where(u < 0.1, u / 3, u)]
)
def test_shifted_narrow_and_heavy_ended_ranks_are_found(lie):
    u = np.random.default_rng(2).random(1000)
    ranks = (lie(u) * (MOST + 1)).astype(int)
    assert ecdf_p(ranks, MOST, points=50) < 1e-4
    assert chi_square_p(ranks, MOST) < 1e-4


def test_ties_are_broken_by_lot():
    rng = np.random.default_rng(3)
    ranks = np.array([rank_among(1.0, np.ones(9), rng) for _ in range(1000)])
    assert set(ranks) == set(range(10))
    assert chi_square_p(ranks, 9, bins=10) > 1e-4


def test_ranks_that_cannot_be_cut_evenly_are_refused_and_few_ranks_have_no_chi_square():
    with pytest.raises(ValueError, match="cannot be cut"):
        ecdf_p(np.arange(10), 99, points=30)
    with pytest.raises(ValueError, match="equal bins"):
        chi_square_p(np.arange(10), 99, bins=30)
    assert math.isnan(chi_square_p(np.arange(50), 99))
    assert math.isnan(ecdf_p(np.arange(0), 99))


@pytest.mark.parametrize(("n", "points"), [(2, 2), (10, 2), (10, 5), (200, 20)])
def test_ranks_that_could_not_be_more_even_are_never_alarming(n, points):
    """No count lies nearer to what is expected at the point that departs least: nothing is inside, not everything."""
    assert ecdf_p(np.arange(n) % points, points - 1, points=points) == pytest.approx(1.0)

import numpy as np
import pytest

from svmodel.errors import EstimationError
from svmodel.numerics.resampling.blocks import BLOCKS, block_length, block_rows


@pytest.mark.parametrize("kind", BLOCKS)
def test_blocks_go_on_as_time_does(kind):
    rng = np.random.default_rng(1)
    rows = np.concatenate([np.append(block_rows(30, 40, 5, kind, rng), -9) for _ in range(2_000)])
    inside = (rows[1:] >= 0) & (rows[:-1] >= 0)
    follows = (np.diff(rows) == 1) | ((rows[1:] == 0) & (rows[:-1] == 29) & (kind != "moving"))
    # of 39 steps 7 go to a new block, or one in five by chance; a new block follows on by chance about once in 30
    expected = {"moving": 32 / 39, "circular": 32 / 39, "stationary": 0.8}[kind]
    assert follows[inside].mean() == pytest.approx(expected + (1 - expected) / 30, abs=0.01)
    if kind != "moving":
        # every period equally often: 80,000 draws, 2,667 each, s.d. with dependence near 100
        assert np.bincount(rows[rows >= 0], minlength=30).min() > 2_300


def test_the_length_grows_with_autocorrelation_as_theory_says():
    """AR(1): sum |k| R(k) = 2 r / (1 - r)^2 g and spectrum (1 + r) / (1 - r) g at 0, with g the variance."""
    n, r = 40_000, 0.6
    rng = np.random.default_rng(2)
    e = rng.normal(size=n + 200)
    x = np.zeros(n + 200)
    for t in range(1, n + 200):
        x[t] = r * x[t - 1] + e[t]
    x = x[200:]
    G, spectrum = 2 * r / (1 - r) ** 2, (1 + r) / (1 - r)
    for kind, constant in (("circular", 4 / 3), ("stationary", 2.0)):
        theory = (2 * G**2 / (constant * spectrum**2) * n) ** (1 / 3)
        assert block_length(x, kind) == pytest.approx(theory, rel=0.12)
    assert block_length(rng.normal(size=n)) <= 3
    assert block_length(np.ones(50)) == 1


def test_impossible_blocks_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(EstimationError, match="cannot be cut"):
        block_rows(4, 4, 5, "moving", rng)
    with pytest.raises(EstimationError, match="circular"):
        block_rows(4, 4, 2, "circle", rng)

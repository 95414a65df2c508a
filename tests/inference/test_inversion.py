"""Intervals by inversion against a slow plain grid."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svmodel.inference.inversion import accepted_linear, invert
from svmodel.numerics.resampling.permutations import distance_limit, needed

NUMBERS = st.floats(-5, 5, allow_nan=False).map(lambda v: round(v, 2))


def on_a_grid(estimate, others, slopes, level, grid):
    """The effects of a grid that are kept, straight from the definition."""
    kept = []
    for tau in grid:
        b = sum(abs(t - c * tau) >= abs(estimate - tau) - 1e-9 for t, c in zip(others, slopes, strict=True))
        if (1 + b) / (1 + len(others)) > 1 - level + 1e-12:
            kept.append(tau)
    return kept


@given(
    st.lists(st.tuples(NUMBERS, st.floats(-0.99, 0.99).map(lambda v: round(v, 2))), min_size=1, max_size=30), NUMBERS
)
def test_straight_lines_against_a_grid(pairs, estimate):
    others, slopes = (np.array(v) for v in zip(*pairs, strict=True))
    low, high = accepted_linear(estimate, others, slopes, level=0.8)
    grid = np.linspace(estimate - 20, estimate + 20, 2_001)
    kept = on_a_grid(estimate, others, slopes, 0.8, grid)
    if len(others) < 4:
        assert (low, high) == (-math.inf, math.inf)
        return
    # a limit lies between the last point of the grid that is kept and the next, unless the grid ends before it
    assert max(low, grid[0]) <= kept[0] + 1e-6
    assert kept[0] <= max(low, grid[0]) + 0.02 + 1e-6
    assert min(high, grid[-1]) >= kept[-1] - 1e-6
    assert kept[-1] >= min(high, grid[-1]) - 0.02 - 1e-6


@given(st.lists(st.tuples(NUMBERS, st.sampled_from([-2.0, -1.0, 0.5, 1.0, 1.5])), min_size=4, max_size=12), NUMBERS)
def test_steep_lines_keep_the_whole_set(pairs, estimate):
    """A dealt effect as steep as the actual one may keep effects beyond a gap, or without end; none is lost."""
    others, slopes = (np.array(v) for v in zip(*pairs, strict=True))
    low, high = accepted_linear(estimate, others, slopes, level=0.8)
    kept = on_a_grid(estimate, others, slopes, 0.8, np.linspace(estimate - 40, estimate + 40, 801))
    assert low <= kept[0] + 1e-6
    assert high >= kept[-1] - 1e-6


def test_needed_is_a_whole_number_in_spite_of_rounding():
    for total in range(1, 400):
        exact = sum(1 for b in range(total) if (b + 1) * 20 <= total)  # b that reject at 5%
        assert needed(0.95, total) == exact


def test_a_distance_is_that_of_the_smallest_share():
    sizes = np.arange(1.0, 40.0)
    grid = np.linspace(0, 50, 5_001)
    kept = [d for d in grid if (1 + (sizes >= d).sum()) / 40 > 0.05 + 1e-12]
    assert distance_limit(sizes, 0.95) == pytest.approx(kept[-1], abs=0.01)


def curves(rng, count):
    others, slopes, bends = rng.normal(0, 0.1, count), rng.uniform(-0.5, 0.5, count), rng.uniform(-0.3, 0.3, count)

    def evaluate(effect, rows):
        # log ratios bend: what is taken from some treated cells weighs less as it grows
        out = np.append(-0.2 - effect, others - slopes * effect + bends * effect**2 + 0.2 * bends * effect**3)
        return out[rows]

    return evaluate


@pytest.mark.parametrize("seed", range(5))
def test_curves_against_a_grid(seed):
    evaluate = curves(np.random.default_rng(seed), 199)
    limits = invert(evaluate, evaluate(0.0, slice(None)), -0.2, 0.95)
    grid = np.linspace(-1.2, 0.8, 4_001)
    kept = []
    for tau in grid:
        held = np.abs(evaluate(tau, slice(None)))
        if (held[1:] >= held[0]).sum() >= 10:
            kept.append(tau)
    assert not limits.exact
    # 1% of the distance, of the second order; the grid's step is 0.0005
    assert (limits.low, limits.high) == pytest.approx((kept[0], kept[-1]), abs=0.001)
    assert limits.rounds <= 5


def test_lines_are_recognised_and_cost_one_round():
    rng = np.random.default_rng(3)
    others, slopes = rng.normal(0, 1, 99), rng.uniform(-0.3, 0.3, 99)
    asked = []

    def evaluate(effect, rows):
        held = np.append(2.0 - effect, others - slopes * effect)[rows]
        asked.append(len(held))
        return held

    limits = invert(evaluate, np.append(2.0, others), 2.0, 0.95)
    assert limits.exact
    assert limits.rounds == 1
    assert sum(asked) <= 100 + 12
    assert (limits.low, limits.high) == accepted_linear(2.0, others, slopes, 0.95)


def test_infinite_statistics_are_as_far_as_any():
    evaluate = curves(np.random.default_rng(0), 199)

    def with_empty(effect, rows):
        out = evaluate(effect, slice(None)).copy()
        out[1:13] = -np.inf  # more than the ten that keep an effect
        return out[rows]

    limits = invert(with_empty, with_empty(0.0, slice(None)), -0.2, 0.95)
    assert (limits.low, limits.high) == (-math.inf, math.inf)

"""Counting, listing and drawing distinct assignments, against brute force."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svmodel.numerics.resampling.permutations import (
    count_assignments,
    every_assignment,
    rank_p_value,
    sample_assignments,
)

LABELS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=7)


def brute(labels, strata):
    """Every distinct deal within strata, by going through all permutations of the areas."""
    n = len(labels)
    allowed = (p for p in permutations(range(n)) if all(strata[i] == strata[j] for i, j in enumerate(p)))
    return {tuple(labels[list(p)]) for p in allowed}


@given(LABELS)
def test_every_assignment_is_listed_once(pairs):
    labels, strata = (np.array(v) for v in zip(*pairs, strict=True))
    listed = [tuple(a) for a in every_assignment(labels, strata)]
    assert len(set(listed)) == len(listed) == count_assignments(labels, strata)
    assert set(listed) == brute(labels, strata)


@given(LABELS, st.integers(0, 5))
def test_draws_stay_in_their_strata_and_keep_the_labels(pairs, seed):
    labels, strata = (np.array(v) for v in zip(*pairs, strict=True))
    most = count_assignments(labels, strata) - 1
    drawn = sample_assignments(labels, strata, most, np.random.default_rng(seed))
    assert {tuple(d) for d in drawn} == brute(labels, strata) - {tuple(labels)}
    for s in set(strata):
        mine = strata == s
        assert (np.sort(drawn[:, mine], axis=1) == np.sort(labels[mine])).all()


def test_more_draws_than_there_are_is_refused():
    with pytest.raises(ValueError, match="take every one"):
        sample_assignments(np.array([0, 1, 1]), np.zeros(3, dtype=int), 3, np.random.default_rng(0))


def test_draws_are_equally_likely():
    labels, one = np.array([0, 0, 0, 1, 1, 2]), np.zeros(6, dtype=int)
    rng = np.random.default_rng(1)
    names = [tuple(a) for a in every_assignment(labels, one) if tuple(a) != tuple(labels)]
    count = dict.fromkeys(names, 0)
    for _ in range(2_000):
        for d in sample_assignments(labels, one, 6, rng):
            count[tuple(d)] += 1
    seen = np.array(list(count.values()))
    expected = 12_000 / len(names)
    # chi-square with 58 degrees of freedom; drawing without replacement makes it smaller still. Its 99.9% point is 97.
    assert len(names) == 59
    assert ((seen - expected) ** 2 / expected).sum() < 97


def test_large_counts_are_exact():
    assert count_assignments(np.repeat([0, 1], [30, 10]), np.zeros(40, dtype=int)) == math.comb(40, 10)


def test_a_p_value_is_a_rank_and_never_zero():
    assert rank_p_value(100.0, np.zeros(999)) == 1 / 1000
    assert rank_p_value(0.3, np.array([0.1 + 0.2, -0.1])) == 2 / 3  # equal but for rounding
    assert rank_p_value(-math.inf, np.array([-math.inf, 1.0, 2.0])) == 2 / 4
    assert math.isnan(rank_p_value(math.nan, np.zeros(3)))

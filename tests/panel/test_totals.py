"""Totals among areas are found as fast among thousands as among a few."""

import numpy as np
import pandas as pd
import pytest

from svmodel import Panel

MONTHS = [f"2024-{m:02d}" for m in range(1, 7)]


def frame_of(counts):
    areas = [f"area {i}" for i in range(len(counts))]
    return pd.DataFrame(
        {"area": np.repeat(areas, len(MONTHS)), "month": MONTHS * len(areas), "violence": np.ravel(counts)}
    )


def left_out(counts):
    frame = frame_of(counts).dropna()
    panel = Panel.from_frame(frame, area="area", period="month", counts=["violence"])
    return {f"area {i}" for i in range(len(counts))} - set(panel.areas)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("n", [4, 30])
def test_the_sum_of_all_others_is_found_wherever_it_stands(seed, n):
    rng = np.random.default_rng([seed, n])
    counts = rng.poisson(rng.uniform(0.5, 40, (n, 1)), (n, len(MONTHS))).astype(float)
    assert left_out(counts) == set()
    at = int(rng.integers(n + 1))
    with_total = np.insert(counts, at, counts.sum(axis=0), axis=0)
    assert left_out(with_total) == {f"area {at}"}
    one_more = with_total.copy()
    one_more[at, 3] += 1
    assert left_out(one_more) == set()


def test_a_month_that_an_area_lacks_proves_nothing_and_disproves_nothing():
    counts = np.random.default_rng(1).poisson(9, (5, len(MONTHS))).astype(float)
    total = counts.sum(axis=0)
    counts[2, 4] = np.nan
    assert left_out(np.vstack([counts, total])) == {"area 5"}
    counts[2, 2:] = np.nan
    assert left_out(np.vstack([counts, total])) == set()


def test_a_total_among_thousands():
    counts = np.random.default_rng(2).poisson(3, (6000, len(MONTHS)))
    assert left_out(np.vstack([counts, counts.sum(axis=0)])) == {"area 6000"}

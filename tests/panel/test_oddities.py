"""Panels say aloud what is odd about them, and nothing where nothing is."""

import numpy as np
import pandas as pd
import pytest

from svmodel import Panel

MONTHS = pd.period_range("2020-01", periods=36, freq="M")


def rules(y, people=None):
    n = len(y)
    frame = pd.DataFrame(
        {
            "area": np.repeat([f"A{i:02d}" for i in range(n)], y.shape[1]),
            "month": np.tile(MONTHS[: y.shape[1]].astype(str), n),
            "n": y.ravel(),
        }
    )
    if people is not None:
        frame["people"] = np.broadcast_to(people, y.shape).ravel()
    panel = Panel.from_frame(
        frame, area="area", period="month", counts=["n"], exposures=[] if people is None else ["people"]
    )
    odd = {"period_of_zeros", "repeated_year", "constant_area", "level_jump", "exposure_in_thousands", "exposure_jump"}
    return {e.rule: e.reason for e in panel.ledger if e.rule in odd}


def drawn(seed, mean=9.0, n=12):
    return np.random.default_rng(seed).poisson(mean, (n, 36)).astype(float)


@pytest.mark.parametrize("mean", [0.2, 2, 30, 400])
def test_ordinary_counts_are_not_odd(mean):
    for seed in range(10):
        y = drawn(seed, mean)
        y[seed, 3] = np.nan
        assert rules(y, 20_000.0) == {}


def test_a_month_of_zeros_everywhere():
    y = drawn(0)
    y[:, 14] = 0
    assert "Mar 2021" in rules(y)["period_of_zeros"]
    y[:, 14] = np.nan
    assert rules(y) == {}


def test_a_year_that_was_copied_over_another():
    y = drawn(1)
    y[:, 24:] = y[:, :12]
    assert "Jan 2022 to Dec 2022 repeats every count of Jan 2020 to Dec 2020" in rules(y)["repeated_year"]


def test_an_area_that_never_changes():
    y = drawn(2)
    y[4] = 7
    assert "A04 (7)" in rules(y)["constant_area"]


def test_a_level_that_jumps_tenfold_and_a_single_value_that_does():
    y = drawn(3)
    y[5, 20:] *= 20
    assert "A05" in rules(y)["level_jump"]
    assert "Sep 2021" in rules(y)["level_jump"]
    y = drawn(4)
    y[6, 30] = 130
    assert "A06: 130 in Jul 2022" in rules(y)["level_jump"].replace("  ", " ")


def test_an_exposure_in_thousands_and_one_that_jumps():
    y = drawn(5)
    assert "in thousands" in rules(y, 25.0)["exposure_in_thousands"]
    people = np.full((12, 36), 20_000.0)
    people[3, 12:] /= 1000
    assert "A03 from Dec 2020 to Jan 2021" in rules(y, people)["exposure_jump"]

"""Declared breaks: read at the door, placed in an index."""

from __future__ import annotations

import pandas as pd
import pytest

from svmodel.breaks import Break
from svmodel.errors import DataError

MONTHS = pd.period_range("2019-01", "2021-12", freq="M")


def test_a_lasting_break_has_no_stop():
    assert Break("2020-03", "new recording system").within(MONTHS) == (14, None)


def test_a_temporary_break_stops_after_its_last_period():
    assert Break("2020-04", "lockdown", until="2020-06").within(MONTHS) == (15, 18)


def test_a_month_counts_from_the_quarter_that_holds_it():
    quarters = pd.period_range("2019Q1", "2021Q4", freq="Q-DEC")
    assert Break("2020-05", "lockdown", until="2020-07").within(quarters) == (5, 7)


def test_every_fault_is_told_at_once():
    with pytest.raises(DataError) as caught:
        Break("spring", " ", until="2020-13")
    assert len(caught.value.problems) == 3
    with pytest.raises(DataError, match="before it starts"):
        Break("2020-06", "lockdown", until="2020-04")
    with pytest.raises(DataError, match="one kind of period"):
        Break("2020-06", "lockdown", until="2020Q4")


def test_breaks_are_values():
    assert Break("2020-06", "lockdown") == Break("Jun 2020", "lockdown")
    assert len({Break("2020-06", "x"), Break("2020-06", "x")}) == 1

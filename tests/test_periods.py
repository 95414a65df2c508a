import datetime as dt

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svmodel import periods
from svmodel.errors import DataError


@pytest.mark.parametrize(
    ("value", "expected", "freq"),
    [
        ("2019-04", "2019-04", "M"),
        ("2019-04-01", "2019-04", "M"),
        ("2019/04/01", "2019-04", "M"),
        ("201904", "2019-04", "M"),
        ("Apr 2019", "2019-04", "M"),
        ("april-2019", "2019-04", "M"),
        (dt.date(2019, 4, 1), "2019-04", "M"),
        (pd.Timestamp("2019-04-01"), "2019-04", "M"),
        ("2019Q2", "2019Q2", "Q-DEC"),
        ("2019-q2", "2019Q2", "Q-DEC"),
        (2019, "2019", "Y-DEC"),
        (2019.0, "2019", "Y-DEC"),
        ("2019/20", "2020", "Y-MAR"),
        ("2019/2020", "2020", "Y-MAR"),
        ("1999/00", "2000", "Y-MAR"),
    ],
)
def test_parse(value, expected, freq):
    assert periods.parse(value) == pd.Period(expected, freq=freq)


def test_financial_quarter_one_is_april_to_june():
    quarter = periods.parse("2019/20 Q1")
    assert (quarter.start_time.month, quarter.end_time.month, quarter.start_time.year) == (4, 6, 2019)
    last = periods.parse("2019/20 Q4")
    assert (last.start_time.month, last.start_time.year) == (1, 2020)


@pytest.mark.parametrize("first", range(2000, 2013))
def test_a_financial_year_is_never_read_as_a_month(first):
    # 2000/01 to 2011/12 look like months with a slash; they are how the Home Office writes its years
    period = periods.parse(f"{first}/{(first + 1) % 100:02d}")
    assert period.freqstr == "Y-MAR"
    assert period.start_time == pd.Timestamp(first, 4, 1)


@pytest.mark.parametrize(
    "value", ["", "2019-13", "2019/04", "2019/21", "spring 2019", "2019Q5", None, pd.NaT, float("nan"), "13", True]
)
def test_what_names_no_period_is_refused(value):
    with pytest.raises(DataError):
        periods.parse(value)


def test_a_period_of_another_frequency_is_refused():
    with pytest.raises(DataError, match="frequency h; use days"):
        periods.parse(pd.Period("2019-04-01 10:00", freq="h"))


@given(
    st.sampled_from(list(periods.FREQUENCIES)),
    st.integers(0, 600),
)
def test_code_reads_back_to_the_same_period(freq, steps):
    period = pd.Period("1985-01", freq="M").asfreq(freq) + (steps if freq == "M" else steps // 12)
    assert periods.parse(periods.code(period)) == period


def test_words():
    assert periods.label(periods.parse("2020Q1")) == "2020Q1 (2019/20 Q4)"
    for freq, word, count in (("M", "month", 12), ("Q-DEC", "quarter", 4), ("Y-DEC", "year", 1), ("Y-MAR", "fin", 1)):
        index = pd.PeriodIndex([pd.Period("2019-01", freq="M").asfreq(freq)])
        assert periods.describe_frequency(index).startswith(word)
        assert periods.per_year(index) == count

"""A column of periods is read in one way, proved by its own values, or it is asked about once."""

import datetime as dt

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svmodel import Intervention, Panel, periods
from svmodel.errors import DataError

MONTHS = pd.period_range("2019-10", "2021-03", freq="M")
QUARTERS = pd.period_range("2019Q2", periods=9, freq="Q-DEC")
FINANCIAL = pd.period_range("2015", periods=6, freq="Y-MAR")

SPELLINGS = {
    "Apr-21": lambda p: p.strftime("%b-%y"),
    "Apr'21": lambda p: p.strftime("%b'%y"),
    "April 2021": lambda p: p.strftime("%B %Y"),
    "2021 Apr": lambda p: p.strftime("%Y %b"),
    "04/2021": lambda p: p.strftime("%m/%Y"),
    "2021/04": lambda p: p.strftime("%Y/%m"),
    "01/04/2021": lambda p: p.strftime("01/%m/%Y"),
    "1/4/21": lambda p: f"1/{p.month}/{p.year % 100}",
    "4/1/2021": lambda p: f"{p.month}/1/{p.year}",
    "30/04/2021": lambda p: p.end_time.strftime("%d/%m/%Y"),
    "30.04.2021": lambda p: p.end_time.strftime("%d.%m.%Y"),
    "1 April 2021": lambda p: p.strftime("1 %B %Y"),
    "01-Apr-2021": lambda p: p.strftime("01-%b-%Y"),
    "April 1, 2021": lambda p: p.strftime("%B 1, %Y"),
    "2021-04-01": lambda p: p.strftime("%Y-%m-01"),
    "2021-04-01 00:00:00": lambda p: p.strftime("%Y-%m-01 00:00:00"),
    "01/04/2021 00:00": lambda p: p.strftime("01/%m/%Y 00:00"),
    "20210401": lambda p: p.strftime("%Y%m01"),
    "202104": lambda p: p.strftime("%Y%m"),
    "serial": lambda p: (p.start_time - pd.Timestamp("1899-12-30")).days,
    "serial in text": lambda p: str((p.start_time - pd.Timestamp("1899-12-30")).days),
    "date cell": lambda p: dt.date(p.year, p.month, 1),
    "timestamp": lambda p: p.start_time,
    "in UTC": lambda p: p.start_time.tz_localize("Europe/London").tz_convert("UTC"),
    "in UTC, text": lambda p: (
        p.start_time.tz_localize("Europe/London").tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
    ),
    "with a note": lambda p: p.strftime("%b-%y (p)"),
    "with blanks": lambda p: p.strftime(" %B\u00a0%Y "),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_a_month(spelling):
    found = periods.read_column([SPELLINGS[spelling](p) for p in MONTHS])
    assert found.index.equals(MONTHS)
    assert found.choices == ()
    assert found.unread == ()


@pytest.mark.parametrize(
    ("write", "right"),
    [
        (lambda p: f"Q{p.quarter} {p.year}", QUARTERS),
        (lambda p: f"{p.year} Quarter {p.quarter}", QUARTERS),
        (lambda p: f"{p.start_time:%b}-{p.end_time:%b} {p.year}", QUARTERS),
        (lambda p: f"{p.start_time:%B} to {p.end_time:%B} {p.year}", QUARTERS),
        (lambda p: f"quarter ending {p.end_time:%B %Y}", QUARTERS),
        (lambda p: periods.label(p).split("(")[1][:-1], QUARTERS),
        (lambda p: p.start_time.strftime("%d/%m/%Y"), QUARTERS),
        (lambda p: p.end_time.strftime("%d/%m/%Y"), QUARTERS),
        (lambda p: p.start_time, QUARTERS),
        (lambda p: p.end_time.strftime("%b-%y"), QUARTERS),
        (lambda p: f"{p.year - 1}-{p.year % 100}", FINANCIAL),
        (lambda p: f"{p.year - 1}\u2013{p.year % 100}", FINANCIAL),
        (lambda p: f"FY{p.year - 1}/{p.year % 100}", FINANCIAL),
        (lambda p: f"fy{(p.year - 1) % 100}-{p.year % 100}", FINANCIAL),
        (lambda p: f"{p.year - 1} to {p.year}", FINANCIAL),
        (lambda p: f"Year ending March {p.year}", FINANCIAL),
        (lambda p: f"Apr {p.year - 1} to Mar {p.year}", FINANCIAL),
        (lambda p: p.start_time, FINANCIAL),
        (lambda p: p.end_time.strftime("%d/%m/%Y"), FINANCIAL),
        (lambda p: f"academic year {p.year - 1}/{p.year % 100}", FINANCIAL.asfreq("M", "start").asfreq("Y-AUG") + 1),
    ],
)
def test_every_spelling_of_quarters_and_years(write, right):
    source = FINANCIAL if right.freqstr == "Y-AUG" else right
    found = periods.read_column([write(p) for p in source])
    assert found.index.equals(right)


@pytest.mark.parametrize(
    ("values", "choices"),
    [
        (["01/02/2021", "02/03/2021"], ("day first", "month first")),
        (["03/04/21", "05/06/21", "07/08/21"], ("day first", "month first")),
        (["200910", "201011", "201112"], ("months", "financial years", "academic years")),
        (["2009-10", "2010-11", "2011-12"], ("months", "financial years", "academic years")),
        (["201617", "201718"], ("financial years", "academic years")),
        (["15 Feb 2020", "15 May 2020", "15 Aug 2020"], ("months", "quarters")),
        (
            ["30 June 2019", "30 June 2020", "30 June 2021"],
            ("months", "calendar years", "financial years", "academic years"),
        ),
    ],
)
def test_what_nobody_can_tell_is_asked_about_once(values, choices):
    found = periods.read_column(values)
    assert found.choices == choices
    assert found.index.isna().all()
    frame = pd.DataFrame({"area": "A", "when": values, "n": 1})
    with pytest.raises(DataError) as caught:
        Panel.from_frame(frame, area="area", period="when", counts=["n"])
    assert [p.rule for p in caught.value.problems] == ["period_ambiguous"]
    read = set()
    for answer in choices:
        panel = Panel.from_frame(frame, area="area", period="when", counts=["n"], period_written=answer)
        assert panel.ledger.has("period_reading") or answer == "months"
        read.add(panel.periods[0])
    assert len(read) == len(choices)


def test_a_day_above_twelve_settles_the_order_for_all():
    found = periods.read_column(["01/02/2021", "13/02/2021"])
    assert set(found.index) == {pd.Period("2021-02", "M")}
    assert "day first" in found.said
    found = periods.read_column(["01/02/2021", "02/13/2021"])
    assert found.index[0] == pd.Period("2021-01", "M")


def test_days_in_both_orders_are_no_column():
    found = periods.read_column(["13/02/2021", "02/13/2021"])
    assert found.unread == ("02/13/2021",)
    frame = pd.DataFrame({"area": ["A", "B"], "when": ["13/02/2021", "02/13/2021"], "n": 1})
    with pytest.raises(DataError, match="1 value names no period: '02/13/2021'"):
        Panel.from_frame(frame, area="area", period="when", counts=["n"])


def test_dates_that_a_spreadsheet_exchanged_are_not_believed():
    frame = pd.DataFrame({"area": "A", "when": [dt.date(2021, 5, 4), "13/04/2021"], "n": 1})
    with pytest.raises(DataError, match="exchanged"):
        Panel.from_frame(frame, area="area", period="when", counts=["n"])


def test_an_academic_column_says_so_itself():
    column = pd.Series(["201617", "201718"], name="Academic year")
    assert periods.read_column(column).index.freqstr == "Y-AUG"
    assert periods.label(periods.read_column(column).index[0]) == "academic year 2016/17"


def test_months_that_stand_three_apart_are_quarters_unless_said():
    values = ["2016-01", "2016-04", "2016-10"]
    assert list(periods.read_column(values).index.astype(str)) == ["2016Q1", "2016Q2", "2016Q4"]
    assert periods.read_column(values, written="months").index.freqstr == "M"
    assert periods.read_column(values[:2]).index.freqstr == "M"


def test_a_moment_is_taken_on_its_day_in_london_unless_said():
    moments = pd.Series(pd.to_datetime(["2019-04-30T23:00Z", "2019-05-31T23:30Z"]))
    assert list(periods.read_column(moments).index.month) == [5, 6]
    assert list(periods.read_column(moments, written="UTC").index.month) == [4, 5]
    assert Intervention("x", starts={"A": moments[0]}).starts["A"] == pd.Period("2019-05", "M")


@pytest.mark.parametrize("value", ["21-Apr", "soon", "31/02/2021", "2021-13", "13/13/2021", "FY20", True, "2021.5"])
def test_what_names_no_period_stays_unread(value):
    found = periods.read_column(["2021-04", value])
    assert found.unread == (value,)


def test_an_answer_that_is_none_names_the_nearest():
    with pytest.raises(DataError, match="Did you mean 'day first'"):
        periods.read_column(["01/02/2021"], written="days first")


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 500), st.integers(4, 40), st.sampled_from(sorted(set(SPELLINGS) - {"1/4/21", "Apr-21", "Apr'21"}))
)
def test_whatever_is_written_is_read_back_or_asked_about(first, n, spelling):
    months = pd.period_range(pd.Period("1990-01", "M") + first, periods=n, freq="M")
    found = periods.read_column([SPELLINGS[spelling](p) for p in months])
    assert found.choices or found.index.equals(months)

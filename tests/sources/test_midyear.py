import numpy as np
import pandas as pd
import pytest

from svmodel.errors import DataError
from svmodel.sources.midyear import at_periods, interpolate

YEARS, PERSONS = np.array([2020.0, 2021.0]), np.array([1200.0, 1440.0])


@pytest.mark.parametrize(
    ("first", "freq", "expected"),
    [
        # The middle of July 2020 is half a month after 30 June: 1,200 + 240 x 0.5 / 12.
        ("2020-07", "M", 1210.0),
        ("2021-06", "M", 1430.0),
        # July to September: its middle is one and a half months after 30 June.
        ("2020Q3", "Q-DEC", 1230.0),
        # The middle of a calendar year is 30 June itself, of a financial year 30 September.
        ("2020", "Y-DEC", 1200.0),
        ("2021", "Y-MAR", 1260.0),
        ("2019-12", "M", 1200.0),
        ("2023-01", "M", 1440.0),
    ],
)
def test_straight_lines_between_30_junes(first, freq, expected):
    assert interpolate(YEARS, PERSONS, pd.PeriodIndex([first], freq=freq)) == pytest.approx([expected], rel=1e-12)


def _population():
    return pd.DataFrame(
        {
            "code": ["B", "A", "A", "B"],
            "year": ["2021", "2021", "2020", "2020"],
            "population": [10.0, 1440.0, 1200.0, 20.0],
        }
    )


def test_each_row_gets_its_area_and_period():
    keys = pd.Series(["A", "B", "C", "A"])
    index = pd.PeriodIndex(["2020-07", "2020-07", "2020-07", "2022-03"], freq="M")
    values, entries = at_periods(_population(), keys, index, key="code", year="year", value="population", where="f")
    assert values[:2] == pytest.approx([1210.0, 20 - 10 * 0.5 / 12])
    assert np.isnan(values[2])
    assert values[3] == 1440.0
    (entry,) = entries
    assert (entry.rule, entry.rows, entry.action) == ("population_held", 1, "noted")
    assert "after mid-2021" in entry.reason
    assert "Mar 2022" in entry.reason


def test_a_year_that_is_no_year():
    frame = _population().assign(year="mid")
    with pytest.raises(DataError, match="'mid' is no year"):
        at_periods(
            frame,
            pd.Series(["A"]),
            pd.PeriodIndex(["2020-07"], freq="M"),
            key="code",
            year="year",
            value="population",
            where="f",
        )

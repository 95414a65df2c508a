import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from svmodel.result import COLUMNS
from svmodel.result.scales import critical_value, estimates_frame, is_rounding, linear_row, log_row


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("df", [None, 3, 12, math.inf])
def test_critical_value_is_that_of_scipy_stats(level, df):
    expected = stats.norm.ppf(0.5 + level / 2) if df in (None, math.inf) else stats.t.ppf(0.5 + level / 2, df)
    assert critical_value(level, df) == pytest.approx(expected, rel=1e-12)


@given(st.floats(-3, 3), st.floats(1e-3, 2), st.sampled_from([None, 4.0, 30.0]))
def test_interval_and_p_value_agree(estimate, error, df):
    row = linear_row("att", "difference", estimate, error, df=df)
    excludes_zero = row["conf_low"] > 0 or row["conf_high"] < 0
    if abs(row["p_value"] - 0.05) > 1e-9:  # on the line itself rounding decides
        assert excludes_zero == (row["p_value"] < 0.05)


@given(st.floats(-3, 3), st.floats(1e-3, 2))
def test_the_ratio_has_the_sign_and_p_value_of_its_logarithm(log_estimate, error):
    ratio = log_row("att", log_estimate, error)
    linear = linear_row("att", "difference", log_estimate, error)
    assert ratio["p_value"] == linear["p_value"]
    assert ratio["conf_low"] == pytest.approx(math.exp(linear["conf_low"]), rel=1e-14)
    assert ratio["std_error"] == pytest.approx(ratio["estimate"] * error)


def test_a_limit_beyond_the_largest_float_is_infinite():
    row = log_row("att", -20.0, 500.0)
    assert row["conf_high"] == math.inf
    assert row["conf_low"] == 0.0


def test_an_error_that_is_only_rounding_is_missing():
    for row in (linear_row("event", "difference", -352.0, 9.9e-13), log_row("event", -0.4, 0.0)):
        assert math.isnan(row["std_error"])
        assert math.isnan(row["conf_low"])
        assert math.isnan(row["p_value"])
    reference = log_row("event", 0.0, 0.0, horizon=-1)
    assert (reference["estimate"], reference["conf_low"], reference["std_error"]) == (1.0, 1.0, 0.0)
    assert is_rounding(1e-16, 1e-15, logarithm=True)
    assert list(is_rounding(np.array([1.0, 1.0, np.nan]), np.array([1e-15, 0.1, np.nan]))) == [True, False, False]


def test_a_missing_error_gives_a_missing_interval():
    for error in (math.nan, 0.0):
        row = linear_row("att", "difference", 1.0, error)
        assert math.isnan(row["p_value"])
    assert math.isnan(linear_row("att", "difference", 1.0, math.nan)["conf_low"])


def test_the_frame_has_every_column_in_place_and_missing_stays_missing():
    period = pd.Period("2020-01", freq="M")
    frame = estimates_frame([linear_row("att", "difference", 1.0, 0.5), log_row("event", 0.0, 0.1, cohort=period)])
    assert tuple(frame.columns) == COLUMNS
    assert frame.loc[0, "cohort"] is None
    assert frame.loc[1, "cohort"] == period
    assert np.isnan(frame.loc[0, "horizon"])
    assert frame["prob_reduction"].isna().all()
    assert tuple(estimates_frame([]).columns) == COLUMNS

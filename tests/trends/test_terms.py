"""The columns of a trend regression."""

from __future__ import annotations

import numpy as np
import pandas as pd

from svmodel.breaks import Break
from svmodel.trends.terms import build_terms, season_contrast, season_labels, season_of


def test_years_are_counted_from_the_middle():
    for freq, per_year in (("M", 12), ("Q-DEC", 4), ("Y-DEC", 1)):
        terms = build_terms(pd.period_range("2015", periods=3 * per_year, freq=freq), (), with_season=False)
        assert abs(terms.X[:, 1].mean()) < 1e-12
        np.testing.assert_allclose(np.diff(terms.X[:, 1]), 1 / per_year)


def test_season_effects_sum_to_zero():
    index = pd.period_range("2015-04", periods=24, freq="M")
    terms = build_terms(index, (), with_season=True)
    assert terms.X[:, terms.season].shape == (24, 11)
    np.testing.assert_array_equal(terms.X[:12, terms.season].sum(0), 0)
    np.testing.assert_array_equal(season_contrast(4).sum(0), 0)


def test_season_names_follow_the_calendar():
    index = pd.period_range("2015-04", periods=3, freq="M")
    assert [season_labels(index)[j] for j in season_of(index)] == ["Apr", "May", "Jun"]
    assert season_labels(pd.period_range("2015", periods=2, freq="Y-MAR")) == ()


def test_yearly_data_have_no_season_even_when_asked():
    assert build_terms(pd.period_range("2015", periods=6, freq="Y-DEC"), (), with_season=True).X.shape == (6, 2)


def test_a_temporary_break_is_a_window_and_a_lasting_one_a_step():
    index = pd.period_range("2020-01", periods=12, freq="M")
    changes = (Break("2020-04", "lockdown", until="2020-06"), Break("2020-09", "new system"))
    terms = build_terms(index, changes, with_season=False)
    steps = terms.X[:, terms.breaks]
    assert np.flatnonzero(steps[:, 0]).tolist() == [3, 4, 5]
    assert np.flatnonzero(steps[:, 1]).tolist() == [8, 9, 10, 11]

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svmodel.errors import DataError, StudyError
from svmodel.protect import Disclosure

COUNTS = st.lists(st.integers(0, 400), min_size=1, max_size=60)


def test_the_hes_rule_is_the_published_one():
    # NHS Digital, September 2018: 1 to 7 hidden, zeros unchanged, all others to the nearest 5
    shown = Disclosure("hes").counts(np.arange(0, 24))
    assert shown[0] == 0
    assert np.isnan(shown[1:8]).all()
    assert shown[8:].tolist() == [10] * 5 + [15] * 5 + [20] * 5 + [25]


def test_missing_stays_missing_and_is_not_called_hidden():
    frame = Disclosure("hes").protect(pd.DataFrame({"n": [np.nan, 3.0, 0.0]}), counts=["n"])
    assert frame["n_flag"].tolist() == ["x", "c", ""]
    assert frame["n"].isna().tolist() == [True, True, False]


def test_derived_numbers_are_hidden_with_their_count_and_made_from_the_rounded_one():
    frame = pd.DataFrame({"n": [4, 23], "people": [1000.0, 1000.0], "rate": [400.0, 2300.0], "low": [1.0, 2.0]})
    derived = {"rate": lambda f: f["n"] / f["people"] * 1e5}
    shown = Disclosure("hes").protect(frame, counts=["n"], derived=derived)
    assert shown["n"].tolist()[1] == 25
    assert np.isnan(shown["rate"][0])
    assert shown["rate"][1] == 2500
    named = Disclosure("hes").protect(frame, counts=["n"], derived=["low"])
    assert named["low_flag"].tolist() == ["c", ""]


def test_the_input_is_untouched_and_an_unknown_column_is_named():
    frame = pd.DataFrame({"count": [3, 9]})
    before = frame.copy()
    Disclosure("threshold", threshold=5).protect(frame, counts=["count"])
    pd.testing.assert_frame_equal(frame, before)
    with pytest.raises(DataError, match="Did you mean 'count'"):
        Disclosure().protect(frame, counts=["counts"])


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"rule": "hess"}, "Did you mean 'hes'"),
        ({"rule": "threshold", "threshold": 0}, "whole number"),
        ({"rule": "threshold", "threshold": 2}, "tells what it hides"),
        ({"rule": "threshold", "threshold": 5, "round_to": 20}, "as zero"),
        ({"rule": "hes", "threshold": 5}, "its own numbers"),
        ({"rule": "none", "threshold": 5}, "takes no numbers"),
    ],
)
def test_rules_that_make_no_sense_are_refused(given, match):
    with pytest.raises(StudyError, match=match):
        Disclosure(**given)


def test_a_rule_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Disclosure("hes").rule = "none"


@given(
    COUNTS,
    st.sampled_from([Disclosure("hes"), Disclosure("threshold", threshold=5), Disclosure("threshold", threshold=20)]),
)
def test_no_small_count_is_shown_and_zero_means_zero(counts, rule):
    shown = rule.counts(counts)
    small = [0 < c < rule.threshold for c in counts]
    assert np.isnan(shown).tolist() == small
    assert all((s == 0) == (c == 0) for s, c, hid in zip(shown, counts, small, strict=True) if not hid)


@given(COUNTS)
def test_a_hidden_count_does_not_follow_from_the_total(counts):
    """What is shown of a series and its total leaves at least two values for a hidden count."""
    rule = Disclosure("threshold", threshold=5).for_series(counts)
    shown, total = rule.counts(counts), rule.count(float(sum(counts)))
    hidden = np.isnan(shown)
    if not hidden.any() or np.isnan(total):
        return
    assert rule.rounds
    half = rule.round_to / 2
    # a rounded count c may be anything from c - half up to just below c + half; a shown zero is exact
    exact = (shown == 0) | hidden
    low = np.nansum(np.where(exact, 0, shown - half))
    high = np.nansum(np.where(exact, 0, shown + half))
    others = hidden.sum() - 1
    least = max(1, total - half - high - 4 * others)
    most = min(4, total + half - low - others)
    if (~exact).any() or others:
        assert most - least >= 1


def test_a_series_without_a_hidden_count_stays_exact():
    assert Disclosure("threshold", threshold=5).for_series([12, 0, 31]).count(13) == 13
    assert Disclosure("threshold", threshold=5).for_series([12, 3, 31]).count(13) == 15


def test_modelled_counts_are_coarse_only_under_a_rule():
    assert Disclosure().model([12.34]).tolist() == [12.34]
    assert Disclosure("threshold", threshold=5).model([12.34]).tolist() == [12]
    assert Disclosure("hes").model([12.6]).tolist() == [15]


def test_free_text_keeps_names_dates_and_percentages():
    rule = Disclosure("threshold", threshold=5)
    text = "without Ward 4 of N: 3 events, 1,204 in all, -2.5% (p = 0.003), 3% since 2019-04, £3"
    masked = "without Ward 4 of N: [c] events, 1,204 in all, -2.5% (p = 0.003), 3% since 2019-04, £3"
    assert rule.free_text(text, ["Ward 4 of N"]) == masked
    assert Disclosure().free_text(text) == text


def test_the_rule_is_described_in_words():
    assert "No count on this page is hidden" in Disclosure().describe()
    assert "Counts from 1 to 7 are hidden" in Disclosure("hes").describe()

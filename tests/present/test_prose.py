import math

import pytest

from svmodel.present import prose
from svmodel.result import Effect


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (-22.04, -4.0, "between 4.0% and 22.0% fewer"),
        (2.0, 9.0, "between 2.0% and 9.0% more"),
        (-4.0, 8.0, "between 4.0% fewer and 8.0% more"),
        (-4.0, 0.01, "between 4.0% fewer and less than 0.1% more"),
        (-4.0, -0.01, "between less than 0.1% and 4.0% fewer"),
        (-0.01, 0.02, "no change to within 0.1%"),
        (float("nan"), 1.0, "its uncertainty could not be worked out"),
    ],
)
def test_intervals_say_fewer_for_negative(low, high, words):
    assert prose.change_interval(low, high) == words


def test_negative_is_always_fewer_and_never_a_bare_sign():
    assert prose.change(-3.0) == "3.0% fewer"
    assert prose.events_change(-1204.2) == "about 1,204 fewer"
    assert prose.events_change(3.7) == "about 4 more"
    assert prose.change(-0.04) == "no change"


def test_missing_is_said_and_never_zero():
    for write in (prose.number, prose.count, prose.rate, prose.percent, prose.pounds, prose.change):
        assert write(math.nan) == "not available"


def test_pounds_turn_to_millions_at_the_rounding_edge():
    assert prose.pounds(999_999.4) == "£999,999"
    assert prose.pounds(999_999.6) == "£1.00 million"
    assert prose.pounds(-0.2) == "£0"


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (0.7, 0.9, "side of a fall"),
        (1.1, 1.4, "side of a rise"),
        (0.9, 1.1, "cannot rule out"),
        (math.nan, 1, "No interval"),
    ],
)
def test_certainty_is_honest(low, high, says):
    assert says in prose.certainty(Effect("att", "rate_ratio", 0.8, 0.1, low, high, 0.95, 0.1))


def test_lists_and_names():
    assert prose.join([]) == ""
    assert prose.join(["a"]) == "a"
    assert prose.outcome_name("A&E visits") == "A&E visits"

"""One effect as everything tells it: the rule for its direction, and how checks are counted."""

import math

import pytest

from svmodel.present.facts import EffectFact, Tally
from svmodel.result import Effect


def effect(scale, estimate, low, high, p=float("nan"), probability=float("nan")):
    return Effect("att", scale, estimate, 0.1, low, high, 0.95, p, probability)


def fact(*, ratio=None, events=None, difference=None, **more):
    return EffectFact("m", ratio, None, events, difference, **more)


@pytest.mark.parametrize(
    ("ratio", "events", "says"),
    [
        ((0.808, 0.734, 0.901, 0.001), (-100, -150, -40), "fewer"),
        ((1.4, 1.1, 1.8, 0.01), (30, 8, 60), "more"),
        ((0.9, 0.7, 1.1, 0.3), (-10, -40, 12), "unclear"),
        ((0.9, 0.8, 1.01, 0.044), (-10, -20, 2), "unclear"),  # interval and test say different things
        ((0.9, 0.8, 0.99, 0.061), (-10, -20, -1), "unclear"),
        ((0.9, 0.8, 0.99, 0.04), (-10, -20, 1), "unclear"),  # another scale's interval holds no change
        ((0.9, 0.8, 0.99, 0.04), (-10, -20, 0.0), "fewer"),  # a limit that rounding moved to nought
        ((0.9, 0.8, 0.99, math.nan), (-10, math.nan, math.nan), "fewer"),
        ((0.9, math.nan, math.nan, math.nan), (-10, math.nan, math.nan), "unknown"),
        ((2.0, 1.2, math.inf, 0.01), (10, 2, 20), "unknown"),
    ],
)
def test_one_rule_says_which_way_an_effect_points(ratio, events, says):
    made = fact(ratio=effect("rate_ratio", *ratio), events=effect("events", *events))
    assert made.direction == says
    assert made.clear is (says in ("fewer", "more"))


def test_title_and_sentence_say_the_same():
    clear = fact(ratio=effect("rate_ratio", 0.808, 0.734, 0.901, 0.001))
    assert clear.title == "fewer than expected"
    assert clear.certainty == "The whole 95% interval is on the side of a fall."
    doubtful = fact(ratio=effect("rate_ratio", 0.9, 0.8, 1.01, 0.044))
    assert doubtful.title == "no clear difference from expected"
    assert doubtful.certainty == (
        "The 95% interval holds no effect, and its test says otherwise (p = 0.044): take this as a borderline result, "
        "which shows no clear difference."
    )
    open_ended = fact(ratio=effect("rate_ratio", 2.0, 1.2, math.inf, 0.01))
    assert open_ended.title == "observed and expected"
    assert open_ended.certainty.startswith("No interval could be worked out")


def test_what_is_hidden_points_nowhere():
    hidden = fact(ratio=effect("rate_ratio", 0.5, 0.4, 0.6, 0.001), hidden=True)
    assert (hidden.direction, hidden.title, hidden.told, hidden.certainty) == (
        "hidden",
        "observed and expected",
        None,
        "",
    )


def test_checks_are_counted_among_those_that_could_be_made():
    tally = Tally.of(["failed"] * 3 + ["passed"] * 3 + ["informative"] + ["not_applicable"] * 5 + ["errored"])
    assert (tally.warned, tally.made, tally.broke) == (3, 7, 1)
    assert tally.cell == "3 of 7, 1 broke down"
    assert tally.words("it") == "Read with care: 3 of the 7 checks that could be made of it warn. 1 more broke down."
    assert Tally.of([]).words("it") == "No check could be made of it."
    assert Tally.of(["passed"]).words("it") == "None of the one check that could be made of it warns."

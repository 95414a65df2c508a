"""Posteriors in words: whole per cent, never nought or a hundred, and both ends of what cannot be ruled out."""

import math
import re

import numpy as np
import pytest

from svmodel.present import posterior_words as words
from svmodel.present.facts import EffectFact
from svmodel.present.tables import effects_table
from svmodel.result import Effect
from svmodel.words import chance


def effect(ratio, low, high, probability, p=math.nan):
    return Effect("att", "rate_ratio", ratio, 0.1, low, high, 0.95, p, probability)


def test_no_probability_is_told_as_nought_or_a_hundred():
    for probability in np.linspace(0, 1, 2001):
        told = chance(float(probability))
        assert told not in ("0%", "100%")
        number = int(re.search(r"\d+", told)[0])
        assert 1 <= number <= 99
        if told[0].isdigit():
            assert abs(number - 100 * probability) <= 0.5 + 1e-9
        else:
            assert (told == "more than 99%") == (probability >= 0.995)
            assert (told == "less than 1%") == (probability <= 0.005)


@pytest.mark.parametrize(
    ("ratio", "low", "high", "probability", "begins", "ends"),
    [
        (0.91, 0.78, 1.06, 0.83, "There is an 83% probability that violence fell,", "a fall of 22% or a rise of 6%."),
        (
            0.8,
            0.72,
            0.9,
            0.9999,
            "There is a probability of more than 99% that",
            "Falls between 10% and 28% fit the data.",
        ),
        (
            1.2,
            1.05,
            1.4,
            0.002,
            "There is a probability of less than 1% that",
            "Rises between 5% and 40% fit the data.",
        ),
        (1.0, 0.9996, 1.0004, 0.5, "There is a 50% probability", "The data cannot rule out no effect."),
        (0.99, 0.9, 0.9999, 0.98, "There is a 98% probability", "Falls between hardly any and 10% fit the data."),
        (0.0, 0.0, 3.0, 0.7, "There is a 70% probability", "a fall of 100% or a rise of 200%."),
    ],
)
def test_the_headline_says_probability_size_and_what_cannot_be_ruled_out(ratio, low, high, probability, begins, ends):
    told = words.headline(effect(ratio, low, high, probability), "Violence", intervention="patrols")
    assert told.startswith(begins)
    assert told.endswith(ends)
    assert "without patrols" in told
    assert not re.search(r"significant|\bnan\b|likely|p-value", told)


def test_a_rise_that_is_likelier_is_told_with_its_own_probability():
    told = words.headline(effect(1.17, 0.95, 1.44, 0.07), "Admissions", "in Sefton")
    assert told.startswith("There is a 7% probability that admissions in Sefton fell, compared")
    assert "and a 93% probability that it rose." in told


def test_without_limits_or_probability_the_words_say_so():
    told = words.headline(effect(0.9, math.nan, math.nan, math.nan), "Violence")
    assert "is not known" in told
    assert "nan" not in told


def fact(ratio):
    return EffectFact("M", ratio, None, None)


def test_the_table_has_the_columns_that_its_methods_fill():
    bayes, old = effect(0.9, 0.8, 1.02, 0.94), effect(0.9, 0.8, 1.02, math.nan, p=0.04)
    both = effect(0.9, 0.8, 1.02, 0.94, p=0.12)
    assert effects_table([("B", fact(bayes))], "T").header[-1] == "Probability of a fall"
    assert effects_table([("B", fact(bayes))], "T").rows[0][-1] == "94%"
    assert effects_table([("F", fact(old))], "T").header[-1] == "p-value"
    mixed = effects_table([("B", fact(bayes)), ("F", fact(old)), ("S", fact(both))], "T")
    assert mixed.header[-2:] == ("p-value", "Probability of a fall")
    assert [row[-2:] for row in mixed.rows] == [("[z]", "94%"), ("0.040", "[z]"), ("0.120", "94%")]
    assert "[z] does not apply." in mixed.html()
    assert "A posterior has no p-value" in mixed.note

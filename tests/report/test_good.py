"""Words for an outcome of which more is good, and for a measure."""

import pandas as pd
import pytest

from svmodel import Design, Intervention, Panel
from svmodel.errors import DesignError
from svmodel.present.facts import EffectFact, agreement
from svmodel.present.posterior_words import any_change
from svmodel.present.tables import effects_table
from svmodel.report.pages.effect_words import effect_words
from svmodel.result import Effect


def design(good=None, outcome="visits"):
    frame = pd.DataFrame({"area": ["A", "A", "B", "B"], "month": ["2024-01", "2024-02"] * 2, "visits": 3, "score": 0.5})
    roles = {"counts": ["visits"], "measures": ["score"]}
    panel = Panel.from_frame(frame, area="area", period="month", **roles)
    return Design(panel, outcome=outcome, intervention=Intervention("patrols", {"A": "2024-02"}), good=good)


def fact(meaning, **changes):
    ratio = Effect("att", "rate_ratio", 1.2, 0.05, 1.1, 1.3, 0.95, **{"p_value": 0.01, **changes})
    return EffectFact("M", ratio, None, None, posterior="prob_reduction" in changes, meaning=meaning)


def test_attendance_that_rose_is_nowhere_a_harm():
    good = design("more").meaning
    told = effect_words(fact(good, p_value=float("nan"), prob_reduction=0.02), "School attendance", "in Sefton")
    assert told.startswith("There is a 98% probability that school attendance in Sefton rose, compared")
    table = effects_table([("M", fact(good, p_value=float("nan"), prob_reduction=0.02))], "T")
    assert (table.header[-1], table.rows[0][-1]) == ("Probability of a rise", "98%")
    assert table.note.startswith("Below zero means fewer; more is good here.")
    assert "harm" not in f"{told} {table.note}"
    assert effects_table([("M", fact(design().meaning))], "T").note.startswith("Below zero means fewer harms.")


def test_a_measure_is_lower_or_higher_and_neither_way_is_good():
    measure = design(outcome="score").meaning
    assert fact(measure).title == "higher than expected"
    assert "20.0% higher than expected" in effect_words(fact(measure), "Safety", "in Sefton")
    assert agreement(["more", "more"], measure) == "All 2 methods find higher than expected"
    assert any_change(0.9, "safety", meaning=measure).endswith("fell, and a 10% probability that it rose.")
    assert fact(design().meaning).title == "more than expected"


def test_a_way_that_is_none_is_refused():
    with pytest.raises(DesignError, match="good is 'less'"):
        design("less")

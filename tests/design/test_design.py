import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svmodel.costs import CostLine
from svmodel.design import EXCLUDED, NEVER, TREATED, UNTREATED, Design, Intervention
from svmodel.errors import DesignError
from svmodel.panel import Panel
from svmodel.testing import designs

MONTHS = pd.period_range("2024-01", periods=6, freq="M")


def panel(n=3, values=None):
    rows = [(f"A{i}", str(m), i + t, 100.0, 1.0) for i in range(n) for t, m in enumerate(MONTHS)]
    frame = pd.DataFrame(rows, columns=["area", "month", "n", "people", "poverty"])
    if values is not None:
        frame["n"] = values
    return Panel.from_frame(
        frame, area="area", period="month", counts=["n"], exposures=["people"], covariates=["poverty"]
    )


def design(starts=None, **choices):
    choices = {"outcome": "n", "exposure": "people"} | choices
    return Design(panel(), intervention=Intervention("x", starts or {"A0": "2024-04"}), **choices)


def rules(d):
    return [p.rule for p in d.problems()]


def test_an_intervention_tells_every_problem_at_once():
    with pytest.raises(DesignError) as caught:
        Intervention("x", {"A": "2024-04", "B": "soon"}, ends={"A": "2024-01", "C": "2024-05"}, cost=-1)
    assert [p.rule for p in caught.value.problems] == ["period_unreadable", "end_first", "end_without_start", "cost"]


@pytest.mark.parametrize("cost", ["1000", float("nan"), [1, 2], True and -3])
def test_a_cost_is_an_amount_or_lines(cost):
    with pytest.raises(DesignError, match="cost"):
        Intervention("x", {"A": "2024-04"}, cost=cost)


def test_a_cost_may_be_an_amount_a_line_or_lines():
    line = CostLine("course", 1, 10.0, 2021)
    assert Intervention("x", {}, cost=5).cost == 5.0
    assert Intervention("x", {}, cost=line).cost == (line,)
    assert Intervention("x", {}, cost=[line, line]).cost == (line, line)


def test_an_intervention_is_frozen_and_crosses_a_process_border():
    intervention = Intervention("x", {"B": "2024-04", "A": "2024-05"}, ends={"B": "2024-06"}, cost=5)
    assert intervention.areas == ("A", "B")
    with pytest.raises(TypeError):
        intervention.starts["A"] = "2024-06"
    again = pickle.loads(pickle.dumps(intervention))
    assert (again.starts, again.ends, again.cost) == (intervention.starts, intervention.ends, intervention.cost)


def test_a_sound_design_has_no_problem():
    assert design().problems() == ()
    design().require()


def test_every_problem_at_once():
    bad = Design(
        panel(),
        outcome="m",
        exposure="peple",
        covariates=("povert",),
        intervention=Intervention("x", {"A0": "2024-01", "B": "2024-02", "A1": "2024Q1"}),
        anticipation=-1,
    )
    assert set(rules(bad)) == {
        "unknown_outcome",
        "unknown_exposure",
        "unknown_covariate",
        "unknown_area",
        "frequency",
        "no_pre_period",
        "anticipation",
    }
    with pytest.raises(DesignError) as caught:
        bad.require()
    assert len(caught.value.problems) == len(bad.problems())
    with pytest.raises(DesignError):
        _ = bad.arrays


@pytest.mark.parametrize(
    ("choices", "rule"),
    [
        ({"starts": {"A0": "2024-07"}}, "no_post_period"),
        ({"starts": {"ZZ": "2024-04"}}, "nobody_treated"),
        ({"starts": {"A0": "2024-02"}, "anticipation": 1}, "no_pre_period"),
        ({"window": ("2025-01", None)}, "window"),
        ({"window": ("soon", None)}, "window"),
        ({"window": ("2024-04", None)}, "no_pre_period"),
        ({"window": (None, "2024-03")}, "no_post_period"),
        ({"anticipation": 1.5}, "anticipation"),
        ({"anticipation": "2"}, "anticipation"),
    ],
)
def test_each_rule_fires(choices, rule):
    assert rule in rules(design(**choices))


def test_a_constant_or_absent_outcome_is_refused():
    intervention = Intervention("x", {"A0": "2024-04"})
    constant = Design(panel(values=7), outcome="n", intervention=intervention)
    assert rules(constant) == ["constant_outcome"]
    absent = Design(panel(values=np.nan), outcome="n", intervention=intervention)
    assert rules(absent) == ["outcome_missing"]


@pytest.mark.parametrize(
    ("months", "rule"), [(slice(3, 6), "no_known_post"), (slice(0, 3), "no_known_pre")], ids=["after", "before"]
)
def test_an_outcome_missing_around_every_start_is_refused(months, rule):
    values = np.arange(18.0).reshape(3, 6)
    values[0, months] = np.nan
    gone = Design(panel(values=values.ravel()), outcome="n", intervention=Intervention("x", {"A0": "2024-04"}))
    assert rules(gone) == [rule]
    both = Intervention("x", {"A0": "2024-04", "A1": "2024-04"})
    assert Design(gone.panel, outcome="n", intervention=both).problems() == ()


def test_an_exposure_missing_where_the_outcome_is_known_is_refused():
    frame = panel().to_frame()
    frame.loc[3, ["people", "poverty"]] = np.nan
    lacking = Panel.from_frame(
        frame, area="area", period="period", counts=["n"], exposures=["people"], covariates=["poverty"]
    )
    bad = Design(
        lacking,
        outcome="n",
        exposure="people",
        covariates="poverty",
        intervention=Intervention("x", {"A0": "2024-04"}),
    )
    assert rules(bad) == ["exposure_missing", "covariate_missing"]
    frame.loc[3, "n"] = np.nan
    both = Panel.from_frame(frame, area="area", period="period", counts=["n"], exposures=["people"])
    assert Design(both, outcome="n", exposure="people", intervention=bad.intervention).problems() == ()


def test_status_of_every_cell():
    d = Design(
        panel(),
        outcome="n",
        intervention=Intervention("x", {"A0": "2024-03", "A1": "2024-05"}, ends={"A0": "2024-04"}),
        anticipation=1,
    )
    u, t, e = UNTREATED, TREATED, EXCLUDED
    np.testing.assert_array_equal(d.arrays.status, [[u, e, t, t, e, e], [u, u, u, e, t, t], [u] * 6])
    np.testing.assert_array_equal(d.arrays.start, [2, 4, NEVER])
    np.testing.assert_array_equal(d.arrays.horizon[0], np.arange(6) - 2)


def test_the_window_moves_the_start_index():
    arrays = design(window=("2024-02", None)).arrays
    assert arrays.start[0] == 2
    assert arrays.y.shape == (3, 5)
    assert arrays.periods[0] == MONTHS[1]


@settings(max_examples=40, deadline=None)
@given(designs(missing=True), st.integers(0, 2))
def test_cells_are_treated_untreated_or_neither_and_missing_is_none_of_them(d, anticipation):
    again = Design(
        d.panel, outcome=d.outcome, exposure=d.exposure, intervention=d.intervention, anticipation=anticipation
    )
    arrays = again.arrays
    missing = np.isnan(arrays.y)
    assert not (arrays.treated & arrays.untreated).any()
    assert not ((arrays.treated | arrays.untreated) & missing).any()
    np.testing.assert_array_equal(arrays.treated | arrays.untreated, ~missing & (arrays.status != EXCLUDED))
    for i, area in enumerate(arrays.areas):
        start = d.intervention.starts.get(area)
        for t, period in enumerate(arrays.periods):
            if start is not None and period >= start:
                assert arrays.status[i, t] == TREATED
            elif start is not None and period >= start - anticipation:
                assert arrays.status[i, t] == EXCLUDED
            else:
                assert arrays.status[i, t] == UNTREATED


def test_describe_says_what_where_and_when():
    assert design().describe() == "Effect of x on n in 1 of 3 areas, starting Apr 2024, over Jan 2024 to Jun 2024"


def test_starts_that_name_no_area_and_parts_of_the_wrong_type_are_said():
    with pytest.raises(DesignError, match="does not say which area"):
        Intervention("x", starts=["A"])
    with pytest.raises(DesignError, match="does not say which area"):
        Intervention("x", starts={"A": "2024-01"}, ends="2024-02")
    with pytest.raises(DesignError, match=r"has to be a svmodel\.Panel, and is a str"):
        Design("panel", outcome="n", intervention=Intervention("x", starts={"A": "2024-01"}))


def test_the_start_of_a_reporting_area_is_that_of_each_small_area_in_it():
    rows = [(f"A{i}", "P" if i < 3 else "Q", str(m), i + t) for i in range(6) for t, m in enumerate(MONTHS)]
    frame = pd.DataFrame(rows, columns=["area", "parent", "month", "n"])
    small = Panel.from_frame(frame, area="area", period="month", counts=["n"], parent="parent")
    given_starts = {"P": "2024-03", "A1": "2024-05"}
    design = Design(small, outcome="n", intervention=Intervention("x", given_starts, ends={"P": "2024-05"}))
    assert design.problems() == ()
    assert {a: str(p) for a, p in design.intervention.starts.items()} == {
        "A0": "2024-03",
        "A1": "2024-05",
        "A2": "2024-03",
    }
    assert set(design.intervention.ends) == {"A0", "A1", "A2"}
    unknown = Design(small, outcome="n", intervention=Intervention("x", {"R": "2024-03", "P": "2024-03"}))
    assert [p.rule for p in unknown.problems()] == ["unknown_area"]

import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import pytest

import svmodel as sv
from svmodel import checks
from svmodel.did.callaway_santanna import CallawaySantAnna
from svmodel.errors import UserError

BAYESIAN = {
    "prior_predictive",
    "convergence",
    "engine_agreement",
    "posterior_predictive",
    "leave_one_out",
    "prior_sensitivity",
}


@pytest.fixture(scope="module")
def result(make_design):
    return CallawaySantAnna().fit(make_design(2, effect=0.7))


def test_all_checks_in_their_order(result):
    before = result.to_json()
    found = sv.checks.run(result, seed=3)
    assert [c.name for c in found] == list(checks.CHECKS)
    asked = {"negative_controls", "spillover", "recording_practice"}
    silent = {c.name for c in found if c.status == "not_applicable"}
    assert silent == asked | BAYESIAN, "the first need to be told something, the others a posterior"
    assert {c.status for c in found} <= {"passed", "failed", "informative", "not_applicable"}
    assert result.to_json() == before
    for check in found:
        if check.name in asked:
            assert "(option `" in check.text
            continue
        if check.name in BAYESIAN:
            assert "not Bayesian" in check.text
            continue
        assert check.text.endswith((".", ")"))
        assert not re.search(r"\bnan\b", check.text), check.text
        assert check.table is not None


def test_a_check_says_the_same_alone(result):
    alone = checks.run(result, seed=3, names=["regression_to_the_mean"])
    among = checks.run(result, seed=3, names=["overlap", "regression_to_the_mean"])
    assert alone[0].text == next(c.text for c in among if c.name == "regression_to_the_mean")


def test_names_pick_and_order(result):
    found = checks.run(result, names=["overdispersion", "pre_trends"])
    assert [c.name for c in found] == ["overdispersion", "pre_trends"]
    assert [c.name for c in checks.run(result, names="overdispersion")] == ["overdispersion"]


def test_options_reach_their_check(result):
    areas = result.design.panel.areas
    line = list(pairwise(areas))
    found = checks.run(result, names=["spillover", "anticipation"], options={"spillover": {"neighbours": line}})
    assert found[0].status in ("passed", "failed", "informative")
    fewer = checks.run(result, names=["anticipation"], options={"anticipation": {"n_periods": 1}})[0]
    assert len(fewer.table) < len(found[1].table)


def test_unknown_options_are_told_with_the_nearest(result):
    wrong = {"spilover": {}, "spillover": {"neighbour": {}}, "overlap": {"of": 1}}
    with pytest.raises(UserError) as caught:
        checks.run(result, names=["overlap"], options=wrong)
    assert len(caught.value.problems) == 3
    for word in ("'spillover'", "'neighbours'", "It has none."):
        assert word in str(caught.value)


def test_an_option_that_cannot_be_used_is_shown_and_the_others_go_on(result):
    told = {"negative_controls": {"outcomes": ["nothing"]}}
    found = checks.run(result, names=["negative_controls", "overlap"], options=told)
    assert found[0].status == "errored"
    assert "'nothing' is no outcome of the panel" in found[0].text
    assert found[1].status != "errored"


def test_every_unknown_name_with_the_nearest(result):
    with pytest.raises(UserError) as caught:
        checks.run(result, names=["pretrends", "placebo", "overdispersion"])
    assert len(caught.value.problems) == 2
    assert "'pre_trends'" in str(caught.value)


def test_a_check_that_breaks_is_shown_and_the_others_go_on(result):
    broken = replace(result, design="no design at all")
    found = {c.name: c for c in checks.run(broken)}
    assert found["overdispersion"].status == "errored"
    assert "AttributeError" in found["overdispersion"].text
    assert len(found) == len(checks.CHECKS)


def test_a_result_without_data_is_answered_in_words(result):
    again = type(result).from_json(result.to_json())
    statuses = {c.name: c.status for c in checks.run(again)}
    assert statuses.pop("pre_trends") in ("passed", "failed")
    assert set(statuses.values()) == {"not_applicable"}


def test_importing_the_checks_loads_no_heavy_package():
    heavy = "('scipy.stats', 'statsmodels', 'matplotlib')"
    code = f"import sys, svmodel.checks; print([m for m in {heavy} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"

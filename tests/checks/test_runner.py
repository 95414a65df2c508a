import re
import subprocess
import sys
from dataclasses import replace

import pytest

import svmodel as sv
from svmodel import checks
from svmodel.did.callaway_santanna import CallawaySantAnna
from svmodel.errors import UserError


@pytest.fixture(scope="module")
def result(make_design):
    return CallawaySantAnna().fit(make_design(2, effect=0.7))


def test_all_checks_in_their_order(result):
    before = result.to_json()
    found = sv.checks.run(result, seed=3)
    assert [c.name for c in found] == list(checks.CHECKS)
    assert {c.status for c in found} <= {"passed", "failed", "informative"}
    assert result.to_json() == before
    for check in found:
        assert check.text.endswith((".", ")"))
        assert not re.search(r"\bnan\b", check.text), check.text
        assert check.table is not None


def test_a_check_says_the_same_alone(result):
    alone = checks.run(result, seed=3, names=["regression_to_the_mean"])
    among = checks.run(result, seed=3)
    assert alone[0].text == next(c.text for c in among if c.name == "regression_to_the_mean")


def test_names_pick_and_order(result):
    found = checks.run(result, names=["overdispersion", "pre_trends"])
    assert [c.name for c in found] == ["overdispersion", "pre_trends"]
    assert [c.name for c in checks.run(result, names="overdispersion")] == ["overdispersion"]


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

"""A method that refuses is no failure of a run; one that breaks down is, and the run says so."""

import json
from types import SimpleNamespace

import pytest

from svmodel.errors import EstimationError
from svmodel.report.fits import _fit_all
from svmodel.report.fits.second_looks import FAULT
from svmodel.report.run import RunReport, _faults
from svmodel.report.run.manifest import AreaOutcome


class Breaks:
    def fit(self, design, *, seed):
        raise ZeroDivisionError("a slip of ours")


class Refuses:
    def fit(self, design, *, seed):
        raise EstimationError("no area is left to compare with")


@pytest.fixture
def failed():
    study = SimpleNamespace(
        seed=1,
        estimators=[SimpleNamespace(label="one", build=Breaks), SimpleNamespace(label="two", build=Refuses)],
    )
    said = {}
    assert _fit_all(study, SimpleNamespace(outcome="robbery"), said) == {}
    return said


def test_both_are_written_down_and_told_apart(failed):
    assert failed == {
        "one": f"{FAULT}ZeroDivisionError: a slip of ours",
        "two": "no area is left to compare with",
    }


def test_a_run_reports_what_broke_down_once(failed, tmp_path):
    for code in ("N", "S"):
        (tmp_path / code).mkdir()
        (tmp_path / code / "result.json").write_text(json.dumps({"failures": {"robbery": failed}}))
    outcomes = (
        AreaOutcome("N", "North", "made"),
        AreaOutcome("S", "South", "skipped"),
        AreaOutcome("W", "W", "failed"),
    )
    faults = _faults(SimpleNamespace(area_folder=lambda code: tmp_path / code), outcomes)
    assert faults == (f"robbery, one: {FAULT}ZeroDivisionError: a slip of ours",)
    assert RunReport(None, outcomes, tmp_path, 1.0, faults).faults == faults

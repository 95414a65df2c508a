"""A quick form of benchmarks/calibrate_checks.py: checks fire where their fault is planted, and not where it is not.

The full study, with 1,000 panels a row, is run by `make calibrate`.
"""

import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import calibrate_checks as study  # noqa: E402 - a script, found by its folder

DRAWS = 16
SMALL = {"n_areas": 100, "n_periods": 36, "cohorts": ((18, 8), (22, 8))}
CASES = (
    study.Case("regression_to_the_mean", "observed", True, {**SMALL, "selection": "observed"}),
    study.Case("regression_to_the_mean", "lot", False, {**SMALL, "selection": "lot"}),
    study.Case("spillover", "x 1.3", True, {**SMALL, "spillover": 1.3}),
    study.Case("spillover", "x 1", False, SMALL),
)


@pytest.fixture(scope="module", autouse=True)
def _average_alone():
    """All that the two checks ask for is the average effect, which costs a fraction by itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "ESTIMATOR", replace(study.ESTIMATOR, only_average=True))
        yield


@pytest.fixture(scope="module")
def drawn():
    return study.draw_all(CASES, DRAWS)


def test_checks_fire_where_the_fault_is_planted_and_not_elsewhere(drawn):
    table = study.tabulate(drawn).set_index(["check", "case"])
    assert (table["unanswered"] == 0).all()
    assert (table.loc[table["planted"], "fired"] >= 0.8).all()
    assert (table.loc[~table["planted"], "fired"] <= 0.2).all()  # 5% of 16 and chance: 1 in 100 sets is above 3


def test_draws_are_their_own_and_do_not_hang_on_the_number_of_them(drawn):
    alone = study.draw_all(CASES[2:3], 2)
    first = drawn[drawn["case"] == "x 1.3"].head(2).reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, first)
    assert drawn["seed"].is_unique


def test_what_is_planted_is_what_the_page_says(drawn):
    table = study.tabulate(drawn)
    page = study.page(table, DRAWS)
    for row in table.itertuples():
        assert f"| `{row.check}` | {row.case} | {'yes' if row.planted else 'no'} | {row.fired:.1%}" in page
    unheard = study.tabulate(drawn.assign(status="errored"))
    assert (unheard["unanswered"] == DRAWS).all()
    assert not unheard.loc[unheard["planted"], "holds"].any()
    assert "It does not hold in 2 of the 4 rows." in study.page(unheard, DRAWS)
    assert "counted as not fired" in study.page(unheard, DRAWS)


def test_every_case_of_the_study_can_be_simulated():
    assert len({case.key for case in study.CASES}) == len(study.CASES)
    for case in study.CASES:
        assert study.simulate.panel(**case.settings, seed=1).starts
        assert case.planted == (
            case.settings.get("selection") == "observed" or case.settings.get("spillover", 1.0) != 1.0
        )

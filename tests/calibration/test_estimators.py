"""A quick form of the two studies of default intervals: few kinds of panels, enough draws to see an interval that lies.

The full studies are benchmarks/calibrate_estimators.py and benchmarks/calibrate_inference.py.
"""

import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

from svmodel import did

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import calibrate_estimators as every  # noqa: E402 - a script, found by its folder
import calibrate_estimators_page  # noqa: E402
import calibrate_inference as rule  # noqa: E402

HELD = BENCHMARKS / "results" / "calibration_estimators.csv"
DRAWS = 50
ROWS = {row.name: row for row in every.ROWS}
#: Estimator, treated areas, starts in turn, overdispersion.
CELLS = [
    ("Imputation, linear", 20, False, 8),
    ("Imputation, linear", 3, False, 8),
    ("Sun and Abraham", 20, True, 8),
    ("Sun and Abraham", 1, False, 8),
    ("TWFE, Poisson", 20, False, 8),
    ("Synthetic DiD", 20, False, 8),
    ("Interrupted time series", 1, False, 8),
]
#: The Poisson ETWFE: treated, mean, overdispersion, starts in turn; 36 months.
ETWFE = [(20, 5.0, 8, False), (5, 5.0, 8, True), (3, 0.5, 1, False), (1, 5.0, 8, False)]


def fewest(draws, coverage=0.92):
    """Fewer than this have a chance of 1 in 1000 where intervals hold 92 times in 100."""
    return stats.binom.ppf(0.001, draws, coverage)


@pytest.mark.parametrize(("name", "treated", "staggered", "overdispersion"), CELLS)
def test_the_default_interval_holds_the_truth(name, treated, staggered, overdispersion):
    row = ROWS[name]
    cell = every.Cell(treated, staggered, overdispersion, row.additive, 1.0)
    drawn = [every.one_draw(row, cell, seed) for seed in cell.seeds(DRAWS)]
    made = every.summary(row, cell, drawn)
    assert made["refused"] == 0
    assert made["coverage"] * DRAWS >= fewest(DRAWS), made
    assert made["rejected"] == pytest.approx(1 - made["coverage"])
    assert made["bounded"] > 0.9
    assert made["warned"] == 0


@pytest.mark.parametrize(("treated", "mean", "overdispersion", "staggered"), ETWFE)
def test_few_treated_areas_in_the_poisson_etwfe(treated, mean, overdispersion, staggered):
    cell = rule.Cell(treated, 36, mean, overdispersion, shock=False, staggered=staggered)
    made = rule.summary(cell, 0.8, [rule.one_draw(cell, 0.8, seed) for seed in cell.seeds(DRAWS)])
    answered = DRAWS - made["refused"]
    assert answered > 0.9 * DRAWS
    assert made["inference"] == ("cluster" if treated >= 8 else "placebo")
    assert made["coverage"] * answered >= fewest(answered), made
    assert made["coverage_events"] * answered >= fewest(answered), made


def test_the_study_can_see_an_interval_that_lies():
    row = replace(ROWS["Imputation, linear"], estimator=did.Imputation(family="linear", level=0.6))
    cell = every.Cell(20, False, 8, True, 1.0)
    made = every.summary(row, cell, [every.one_draw(row, cell, seed) for seed in cell.seeds(DRAWS)])
    assert made["coverage"] * DRAWS < fewest(DRAWS)


def test_with_one_start_the_linear_methods_that_are_left_out_are_those_that_are_shown():
    cell = every.Cell(3, False, 8, True, 0.8)
    design = cell.simulate(cell.seeds(1)[0]).design("violence")

    def limits(name):
        effect = ROWS[name].estimator.fit(design).effect("att", "difference")
        return effect.estimate, effect.conf_low, effect.conf_high, effect.p_value

    for same in ("ETWFE, linear", "TWFE, linear", "Stacked, linear"):
        assert limits(same) == pytest.approx(limits("Imputation, linear"), rel=1e-6)
    assert limits("Sun and Abraham") == pytest.approx(limits("Callaway and Sant'Anna, never treated"), rel=1e-6)


def test_lines_do_not_depend_on_processes_and_more_draws_go_on_from_fewer():
    row = replace(ROWS["Sun and Abraham"], panels=((20, False),))
    one, two = (every.table([row], 6, jobs=j) for j in (1, 2))
    assert one.equals(two)
    cell = every.Cell(20, False, 8, True, 1.0)
    assert cell.seeds(40)[:30] == cell.seeds(30)


def test_a_page_marks_what_is_outside_and_whether_the_package_said_so():
    row = {"estimator": "e", "treated": 1, "staggered": False, "overdispersion": 1, "panels": 1000, "refused": 0}
    row |= {"rejected": 0.1, "below": 0.02, "inference": "cluster", "coverage": 0.90}
    made = pd.DataFrame([{**row, "effect": 1.0, "warned": 0.0}, {**row, "effect": 0.8, "warned": 1.0}])
    text = calibrate_estimators_page.page(made)
    assert "| 90.0% !! |" in text
    assert "| 90.0% ! |" in text
    assert "Of 2 coverages 0 lie within 93% to 97% as far as can be told, 1 outside where the package warns" in text


@pytest.mark.skipif(not HELD.exists(), reason="`make calibrate` has not written the table of the estimators yet")
def test_the_committed_table_has_every_estimator_and_marks_nothing_in_silence():
    held = pd.read_csv(HELD)
    expected = {(r.name, *p) for r in every.ROWS for p in r.panels}
    assert set(zip(held["estimator"], held["treated"], held["staggered"], strict=True)) == expected
    page = HELD.with_suffix(".md").read_text(encoding="utf-8")
    assert page == calibrate_estimators_page.page(held)
    assert "and 0 outside where it does not" in page

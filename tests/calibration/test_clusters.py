"""A quick form of benchmarks/calibrate_clusters.py: boroughs were treated, and the rows are their wards."""

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import calibrate_clusters as study  # noqa: E402 - a script, found by its folder

PANELS = 40


@pytest.mark.parametrize("name", ["24 boroughs of 3 to 15, 10 treated", "32 boroughs of 10, 4 treated"])
def test_a_true_null_is_rejected_as_often_as_said(name):
    methods = ("TWFE", "Imputation, linear", "ETWFE")
    for method, (rejected, known) in study.rates(name, PANELS, methods).items():
        assert known == PANELS, method
        assert rejected <= 7, method  # 40 panels at 7% reject more than 7 times once in 120


def test_ward_by_ward_it_is_rejected_far_more_often():
    rejected, _ = study.rates("32 boroughs of 10, 12 treated", PANELS, ("TWFE, by ward",))["TWFE, by ward"]
    assert rejected >= 9

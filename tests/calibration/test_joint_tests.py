"""A quick form of benchmarks/calibrate_joint_tests.py: two designs in which single areas used to decide the test."""

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import calibrate_joint_tests as study  # noqa: E402 - a script, found by its folder

PANELS = 40


@pytest.mark.parametrize("name", ["20 and 1, 60 areas", "10 of 1, 50 areas"])
def test_the_joint_test_of_leads_holds_its_size(name):
    found = study.rates(name, PANELS)
    for method, (failed, tests) in found.items():
        assert tests >= PANELS // 3, method
        assert failed <= 7, method  # 40 panels at 7% fail more than 7 times once in 120

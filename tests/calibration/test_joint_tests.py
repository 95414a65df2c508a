"""The committed table of benchmarks/calibrate_joint_tests.py, and a quick form of it."""

import sys
from pathlib import Path

import pytest
from scipy import stats

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import calibrate_joint_tests as study  # noqa: E402 - a script, found by its folder

PANELS = 40
QUICK = ["20 and 1, 60 areas", "10 of 1, 50 areas"]
#: With a true size of 6% one of all the quick cells exceeds this once in 10,000 times.
MOST = int(stats.binom.isf(1e-4 / (len(QUICK) * len(study.METHODS)), PANELS, 0.06))


def cells(heading):
    """Return the numbers of one table of the page, None where no test could be made."""
    page = study.TABLE.read_text(encoding="utf-8").split(f"## {heading}")[1].split("## ")[0]
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")][1:]
    return {name: [None if v == "-" else float(v) for v in values] for name, *values in rows}


def test_the_committed_table_has_every_design_and_no_size_above_7_per_cent():
    size, power = cells("Size"), cells("Power")
    assert set(size) == set(power) == set(study.DESIGNS)
    for name, values in size.items():
        assert len(values) == len(study.METHODS)
        for found, seen in zip(values, power[name], strict=True):
            assert (found is None) == (seen is None)
            if found is not None:
                # above 2%, and above all with power: a test that never rejects is none
                assert 2 <= found <= 7, name
                assert seen > 10, name
    made = [v for values in size.values() for v in values if v is not None]
    assert len(made) >= 0.8 * sum(len(v) for v in size.values())


@pytest.mark.parametrize("name", QUICK)
def test_the_joint_test_of_leads_holds_its_size(name):
    for method, (failed, tests) in study.rates(name, PANELS).items():
        assert tests == PANELS, method
        assert failed <= MOST, method

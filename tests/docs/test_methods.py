"""The page on methods against the code and the results: every estimator and check, and every number that is quoted."""

import inspect
import re
import runpy
from pathlib import Path

import pytest

from svmodel.checks import CHECKS
from svmodel.numerics import rates
from svmodel.report.study.registry import estimators
from svmodel.result import SCALES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
RESULTS = ROOT / "benchmarks" / "results"
QUOTES = runpy.run_path(str(ROOT / "docs" / "quote_calibration.py"))


@pytest.mark.parametrize("name", estimators())
def test_every_estimator_has_its_section_with_every_choice_and_default(name):
    section = PAGE.split(f"\n## {name}\n")[1].split("\n## ")[0]
    call = " ".join(re.search(rf"`(?:did\.|counterfactual\.|bayes\.)?{name}\((.*?)\)`", section, re.DOTALL)[1].split())
    for choice in inspect.signature(estimators()[name]).parameters.values():
        told = re.search(rf"\b{choice.name}=([^,]*)", call)
        assert told, f"{name} has the choice {choice.name}"
        default = str(choice.default) if not isinstance(choice.default, str) else f'"{choice.default}"'
        assert told[1].split(" | ")[0] == default


def test_scales_and_checks_are_all_there():
    assert set(re.findall(r"^\| `(\w+)` \| [^|]* \| [^|]* \|$", PAGE.split("## ETWFE")[0], re.MULTILINE)) >= set(SCALES)
    section = PAGE.split("\n## Checks\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(CHECKS)
    assert f"below {rates.BYAR_FROM} events" in PAGE


def test_the_coverage_table_is_that_of_the_results():
    results = (RESULTS / "calibration.md").read_text(encoding="utf-8")
    stands = QUOTES["renewed"](PAGE, results) == PAGE
    assert stands, "the calibration was run again: python docs/quote_calibration.py copies its table to methods.md"
    assert PAGE.count("ETWFE Poisson") > 5, "the results are no longer laid out as the script reads them"


def test_scenarios_that_the_text_names_are_in_the_table():
    table = PAGE.split(QUOTES["START"])[1].split(QUOTES["END"])[0]
    named = re.findall(r'scenarios? "([^"]*)"', " ".join(PAGE.split(QUOTES["END"])[1].split()))
    assert len(named) == 3
    assert [n for n in named if n not in table] == []


def test_every_number_quoted_stands_in_the_results_that_are_named():
    rows = re.findall(
        r"^\| ([^|]*) \| ([^|]*) \| \[[\w.]+\]\(\.\./benchmarks/results/([\w.]+)\) \|$", PAGE, re.MULTILINE
    )
    assert len(rows) == 5
    for what, measured, file in rows:
        lines = (RESULTS / file).read_text(encoding="utf-8").splitlines()
        # of a table with several data sets, the row of the one that is meant
        subject = what.removeprefix("Forecast, ").split(" (")[0]
        lines = [line for line in lines if line.startswith(f"| {subject}")][:1] if file == "forecast.md" else lines
        there = set(re.findall(r"[\d.]+(?:e-\d+)?", "\n".join(lines)))
        quoted = re.findall(r"\d\.\d+|\de-\d+", measured)
        assert quoted or file == "calibration.md"
        assert [q for q in quoted if q not in there] == []

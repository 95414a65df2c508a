"""The page on coverage against the results, the rule and what results say of themselves."""

import inspect
import re
import runpy
import typing
from pathlib import Path

from svmodel.counterfactual import InterruptedTimeSeries
from svmodel.result import rule

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
QUOTES = runpy.run_path(str(ROOT / "docs" / "quote_calibration.py"))


def test_what_is_quoted_is_what_the_tables_say():
    stands = QUOTES["with_marks"](PAGE) == PAGE
    assert stands, "the calibration was run again: python docs/quote_calibration.py copies its verdict to coverage.md"


def test_the_verdict_and_the_marked_lines_are_found():
    fine = "# T\n\nOf 3 coverages 1 lies within.\n\n| a | b |\n|---|--:|\n| x | 95.0% |\n"
    quoted = QUOTES["verdict_and_marks"](fine + "| y | 90.0% ! |\n| z | 80% !! |\n").splitlines()
    assert quoted == [
        "Of 3 coverages 1 lies within.",
        "",
        "| a | b |",
        "|---|--:|",
        "| y | 90.0% ! |",
        "| z | 80% !! |",
    ]
    assert QUOTES["verdict_and_marks"](fine) == "Of 3 coverages 1 lies within."


def test_of_the_bayesian_models_marked_ranks_and_all_fixed_effects_are_quoted():
    ranks = "# T\n\nOf 2 models 1 has no mark.\n\n| m | p |\n|---|--:|\n| a | 0.5 |\n| b | 0.001 ! |\n"
    fixed = "\n## Effects that are fixed, so\n\nOf 1 coverages 1 lies within.\n\n| c | d |\n|---|--:|\n| x | 95.0% |\n"
    quoted = QUOTES["of_bayes"](ranks + fixed)
    assert "Ranks: Of 2 models 1 has no mark." in quoted
    assert "| b | 0.001 ! |" in quoted
    assert "| a | 0.5 |" not in quoted
    assert "Fixed effects: Of 1 coverages 1 lies within." in quoted
    assert "| x | 95.0% |" in quoted
    assert QUOTES["of_bayes"](ranks).startswith("Ranks")
    assert QUOTES["of_bayes"](f"# T\n\n{QUOTES['NOT_MADE']}\n") == QUOTES["NOT_MADE"]


def test_the_limits_of_the_rule_are_told_as_they_are():
    cluster = re.search(r"^\| `cluster` \| (.*) \|$", PAGE, re.MULTILINE)[1]
    few = f"{rule.FEW_TREATED} treated areas"
    assert cluster == f"{few} or more | fewer than {few} or {rule.FEW_CONTROLS} controls"
    never = f"fewer than {rule.ENOUGH_PLACEBOS} never treated areas"
    assert f"{never}; of a single treated area fewer than {rule.SHAPE_TOLD}" in PAGE


def test_every_kind_of_inference_has_its_line():
    listed = set(re.findall(r"`(\w+)`", "\n".join(re.findall(r"^\| (`[^|]*) \|", PAGE, re.MULTILINE))))
    assert listed == {*typing.get_args(rule.Kind), "jackknife", "bootstrap", "series", "posterior"}
    source = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "svmodel" / "counterfactual").rglob("*.py"))
    assert [kind for kind in listed - {"cluster"} if f'"{kind}"' not in source] == []
    errors = inspect.signature(InterruptedTimeSeries).parameters["errors"].default
    assert f'`errors="{errors}"` (the default)' in PAGE

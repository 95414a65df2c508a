"""What the page on extending shows works as it stands there."""

import re
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from svmodel import simulate
from svmodel.checks.declared import declaration
from svmodel.result.method import card
from svmodel.testing import check_estimator

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "extending.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shown():
    names = {"__name__": "shown"}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "docs/extending.md", "exec"), names)
    return names


@pytest.fixture(scope="module")
def design():
    return simulate.panel(20, 24, mean=15, cohorts=((12, 6),), effect=0.7, seed=1).design("violence")


def test_the_estimator_keeps_its_promises(shown):
    estimator = shown["Change"]()
    kept = [
        "frozen",
        "input_untouched",
        "same_seed_same_bits",
        "relabelling",
        "refit",
        "table",
        "problems_refused",
    ]
    check_estimator(estimator, only=kept)
    assert card(estimator).short == "Change"


def test_what_it_warns_of_is_a_warning(shown, design):
    result = shown["Change"]().fit(design)
    assert [w.kind for w in result.warnings] == ["interval"]
    assert len(result.notes) == 2
    assert result.effect("att", "difference").estimate < 0


def test_the_check_answers_and_declares_itself(shown, design):
    result = shown["Change"]().fit(design)
    assert shown["quiet_months"](result).status == "passed"
    assert shown["quiet_months"](result, most=-1.0).status == "failed"
    assert declaration(shown["quiet_months"]).needs == ("data", "counts")


def test_the_section_has_what_a_section_needs(shown):
    class View:
        place = "Quay"

    made = shown["build"](View())
    assert (made.key, made.title, made.answer) == ("hours", "When does it happen?", "By night in Quay.")


def test_the_source_gives_an_extract(shown, tmp_path):
    path = tmp_path / "calls.csv"
    pd.DataFrame({"Ward": ["A", "B"], "Month": ["2024-01", "2024-02"], "Calls": [3, None]}).to_csv(path, index=False)
    frame = shown["ambulance"](path).frame
    assert list(frame.columns) == ["area", "calls", "period"]
    assert frame["calls"].isna().tolist() == [False, True]


def test_its_entry_points_are_those_that_are_looked_up():
    held = tomllib.loads(re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1])["project"]["entry-points"]
    looked_up = {p.read_text(encoding="utf-8") for p in (Path(__file__).resolve().parents[2] / "svmodel").rglob("*.py")}
    assert all(any(f'"{group}"' in text for text in looked_up) for group in held)
    assert set(held) == {f"svmodel.{kind}" for kind in ("estimators", "checks", "sections", "sources")}

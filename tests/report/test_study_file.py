"""What a study file may be: its format, what is still found beside what is wrong, its notebook's parameters."""

import json
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import nbformat
import pytest
from pydantic import ValidationError

from svmodel.errors import StudyError
from svmodel.report.run.worker import AreaTask
from svmodel.report.study import EstimatorSpec, OutcomeSpec, open_study, read_study
from svmodel.report.study.fields import fields_of
from svmodel.report.study.notebook import NotebookParameters, problems_of_notebook
from svmodel.report.study.read import parse_study
from svmodel.report.study.registry import notebooks

ROOT = Path(__file__).resolve().parents[2]


def rules_of(path):
    return [(p.line, p.rule) for p in parse_study(path)[1]]


def test_a_file_without_a_format_is_of_the_first(write_study):
    assert read_study(write_study()).format == 1
    assert read_study(write_study(more="format: 1\n")).format == 1


def test_a_newer_format_is_refused_before_anything_else_is_said(write_study):
    with pytest.raises(StudyError) as caught:
        read_study(write_study(more="format: 2\ncourses: {}\nseed: many\n"))
    (problem,) = caught.value.problems
    assert (problem.line, problem.rule) == (16, "newer_format")
    assert "is written in format 2; this svmodel reads format 1 and older" in problem.what
    assert "Update svmodel" in problem.fix


@pytest.mark.parametrize("given", ["0", "new", "1.5", "true"])
def test_a_format_is_a_whole_number(given, write_study):
    ((line, rule),) = rules_of(write_study(more=f"format: {given}\n"))
    assert (line, rule) in [(16, "out_of_range"), (16, "wrong_type")]


def test_rules_between_keys_are_kept_beside_other_mistakes(write_study):
    more = """\
    intervention:
      starts: {A1: 2024-13, A9: 2024-02}
    breaks:
      - {period: 2024-02, until: 2024-01, reason: x}
      - 7
    economics:
      unit_costs:
        - {outcome: arson, cost: 5, price_year: 2015}
        - {outcome: violence, cost: much, price_year: 2015}
    window: [2024-13, 2023-01]
    """
    with pytest.raises(StudyError) as caught:
        read_study(write_study(more=more), look_at_data=True)
    assert [(p.line, p.where, p.rule) for p in caught.value.problems] == [
        (17, "intervention.name", "missing_key"),
        (17, "intervention.starts.A1", "bad_period"),
        (17, "intervention.starts", "unknown_area"),
        (19, "breaks[1].until", "bad_period"),
        (20, "breaks[2]", "wrong_type"),
        (23, "economics.unit_costs[1].outcome", "unknown_outcome"),
        (24, "economics.unit_costs[2].cost", "wrong_type"),
        (25, "window[1]", "bad_period"),
        (25, "window", "window"),
    ]


def test_nothing_is_said_of_what_has_lost_what_was_wrong_in_it(write_study):
    assert rules_of(write_study(more="intervention: {name: X, starts: {A1: 2024-13}}\n")) == [(16, "bad_period")]
    assert rules_of(write_study(text="outcomes: [{label: A}]\ntitle: A\ndata: {path: a}\n")) == [(1, "missing_key")]
    assert rules_of(write_study(text="title: !!python/name:a b\ndata: {path: a}\noutcomes: [{column: n}]\n")) == [
        (1, "unreadable_value")
    ]


def test_items_keep_their_numbers_when_others_are_wrong(write_study):
    more = "estimators:\n  - No\n  - {TwoWayFixedEffects: {famly: 1}}\n  - CallawaySantAnna\n  - CallawaySantAnna\n"
    _, problems = parse_study(write_study(more=more))
    assert [(p.line, p.where) for p in problems] == [
        (17, "estimators[1]"),
        (18, "estimators[2]"),
        (20, "estimators[4]"),
    ]


def test_names_are_taken_as_they_are_written(write_study):
    path = write_study(more="notes: [no, 007, 2024-01-01]\n")
    assert read_study(path).notes == ("no", "007", "2024-01-01")


def test_a_value_that_holds_itself_is_told(write_study):
    assert (16, "unreadable_value") in rules_of(write_study(more="notes: &a [*a]\n"))


def test_a_study_is_frozen_and_goes_to_other_processes(write_study):
    study = read_study(write_study(more="intervention: {name: X, starts: {A1: 2024-02}}\nwindow: [2024-01, null]\n"))
    assert pickle.loads(pickle.dumps(study)) == study
    assert replace(study, seed=3).seed == 3
    with pytest.raises(FrozenInstanceError):
        study.seed = 3
    with pytest.raises(ValidationError):
        replace(study, seed="three")
    with pytest.raises(ValidationError):
        OutcomeSpec("violence", "Violence", colour="red")
    assert OutcomeSpec("a_b").label == "a b"
    assert EstimatorSpec("Imputation", {"family": "linear"}).build().family == "linear"


def test_pydantic_is_loaded_for_study_files_alone():
    code = "import sys, svmodel, svmodel.cli; print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


def write_notebook(folder, cell):
    cells = [] if cell is None else [nbformat.v4.new_code_cell(cell, metadata={"tags": ["parameters"]})]
    path = folder / "own.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_code_cell("1 + 1")]), path)


@pytest.mark.parametrize(
    ("cell", "rules"),
    [
        (None, []),
        ('context = area_code = output = ""', []),
        ('context: str = "a"\narea_code = None\noutput = "."\nmore = 3', []),
        ('context = ""\narea = ""\noutput = ""', ["unknown_parameter"]),
        ('context = ""\narea_code = 3\noutput = ""', ["wrong_type"]),
        ("context = = 3", ["no_notebook"]),
    ],
)
def test_the_parameters_of_a_notebook_are_those_that_it_is_given(cell, rules, write_study):
    path = write_study(more="notebook: own.ipynb\n")
    write_notebook(path.parent, cell)
    assert [(p.line, p.rule) for p in problems_of_notebook(read_study(path))] == [(16, r) for r in rules]
    if rules:
        with pytest.raises(StudyError, match=r"own\.ipynb"):
            open_study(path)
    else:
        assert open_study(path).study.notebook.name == "own.ipynb"


def test_what_is_no_notebook_is_told(write_study):
    path = write_study(more="notebook: own.ipynb\n")
    for text in ("no JSON", json.dumps({"cells": 3}), json.dumps([])):
        (path.parent / "own.ipynb").write_text(text)
        assert [p.rule for p in problems_of_notebook(read_study(path))] == ["no_notebook"]


@pytest.mark.parametrize("name", sorted(notebooks()))
def test_the_shipped_notebooks_name_them_all(name, write_study):
    study = read_study(write_study(more=f"notebook: {name}\n"))
    assert problems_of_notebook(study) == []
    cells = json.loads(study.notebook.read_text())["cells"]
    (cell,) = [c for c in cells if "parameters" in c["metadata"].get("tags", [])]
    assert all(f"{p} = " in "".join(cell["source"]) for p in fields_of(NotebookParameters))


def test_the_worker_gives_them_and_no_others(tmp_path):
    task = AreaTask("N", "", "", str(tmp_path / "a" / "context.pickle"), "", "", "")
    assert task.parameters(tmp_path / "b") == NotebookParameters("../a/context.pickle", "N", ".")

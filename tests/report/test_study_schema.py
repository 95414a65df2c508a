"""The JSON Schema that editors complete study files from."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from svmodel.errors import Problems
from svmodel.report.study.registry import estimators
from svmodel.report.study.schema import json_schema
from svmodel.report.study.yaml_lines import plain, read_yaml

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted(p for p in (ROOT / "pipelines").glob("*.yaml") if not p.name.endswith("_published.yaml"))
SMALLEST = "title: A\ndata: {path: a.csv}\noutcomes: [{column: n}]\n"


@pytest.fixture(scope="module")
def validator():
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def content(path):
    return plain(read_yaml(path, Problems())[0])


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_the_shipped_studies_are_valid(path, validator):
    assert [e.message for e in validator.iter_errors(content(path))] == []


def test_all_of_them_are_looked_at():
    assert len(SHIPPED) >= 6


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ("exposur: people\n", []),
        ("seed: many\n", ["seed"]),
        ("seed: -1\n", ["seed"]),
        ("forecast: {horizon: 700}\n", ["forecast", "horizon"]),
        ("level: ward\n", ["level"]),
        ("window: [2020-01]\n", ["window"]),
        ("estimators: [TwoWayFixedEffect]\n", ["estimators", 0]),
        ("estimators: [{TwoWayFixedEffects: {famly: linear}}]\n", ["estimators", 0]),
        ("estimators: [{TwoWayFixedEffects: {family: cubic}}]\n", ["estimators", 0]),
        ("checks: [{spillover: {neighbors: a.csv}}]\n", ["checks"]),
        ("disclosure: {rule: treshold}\n", ["disclosure", "rule"]),
        ("breaks: [{period: 2020-01}]\n", ["breaks", 0]),
    ],
)
def test_a_wrong_study_is_not(more, place, validator, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(SMALLEST)
    assert validator.is_valid(content(path))
    path.write_text(SMALLEST + more)
    assert place in [list(e.path) for e in validator.iter_errors(content(path))]


def test_the_command_writes_it_and_says_how_editors_find_it(tmp_path):
    out = tmp_path / "study.schema.json"
    command = [sys.executable, "-m", "svmodel", "schema"]
    done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True, check=True, cwd=ROOT)
    assert f"# yaml-language-server: $schema={out}" in done.stdout
    written = json.loads(out.read_text())
    assert written == json_schema()
    assert set(written["$defs"]["EstimatorSpec"]["anyOf"][0]["enum"]) == set(estimators())
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert json.loads(printed.stdout) == written

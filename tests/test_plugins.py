"""Things that another package brings by entry points: found by name, loaded when looked up, told of when broken."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from svmodel.errors import UserError
from svmodel.plugins import Plugged

ROOT = Path(__file__).resolve().parents[1]
MODULE = '''
from dataclasses import dataclass

import pandas as pd

from svmodel.did import TwoWayFixedEffects
from svmodel.ledger import Extract, Ledger
from svmodel.result.check import CheckResult


@dataclass(frozen=True)
class Theirs:
    """An estimator of another package."""

    family: str = "poisson"

    def fit(self, design, *, seed=0):
        return TwoWayFixedEffects(family=self.family).fit(design, seed=seed)


def their_check(result, *, seed=0, threshold=1):
    """Answer with what it was told."""
    return CheckResult("their_check", "passed", f"told {threshold}")


def their_layout(path, *, factor=1):
    """Read a file of theirs."""
    frame = pd.read_csv(path, sep=";")
    frame["period"] = pd.PeriodIndex(frame["period"], freq="M")
    frame["n"] = frame["n"] * factor
    return Extract(frame, Ledger(), "theirs")
'''
ENTRY_POINTS = """
[svmodel.estimators]
Theirs = theirs:Theirs
TwoWayFixedEffects = theirs:Theirs
Broken = not_there_at_all:Broken

[svmodel.checks]
their_check = theirs:their_check

[svmodel.sources]
their_layout = theirs:their_layout

[svmodel.sections]
their_section = theirs:their_check
"""
STUDY = """
title: With things of another package
data: {path: rows.txt, layout: their_layout, options: {factor: 2}}
outcomes: [{column: n}]
intervention: {name: Patrols, starts: {A: 2020-07}}
estimators:
  - Theirs: {family: poisson}
  - their-package.TwoWayFixedEffects
checks:
  - their_check: {threshold: 7}
forecast: {horizon: 0}
"""


@pytest.fixture
def package(tmp_path):
    """Install a package into a folder of its own; give the folder."""
    site = tmp_path / "site"
    info = site / "their_package-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "theirs.py").write_text(MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    rows = [f"{a};2020-{m:02d};{10 + i + m % 3}" for i, a in enumerate("ABCDEF") for m in range(1, 13)]
    (tmp_path / "rows.txt").write_text("area;period;n\n" + "\n".join(rows) + "\n")
    return site


def run(site, code, *arguments):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(site)])}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False, timeout=240)


def test_a_study_file_finds_an_estimator_a_check_and_a_layout_of_another_package(package, tmp_path):
    study = tmp_path / "study.yaml"
    study.write_text(STUDY)
    done = run(
        package,
        """
import json, sys
from svmodel.report import open_study, prepare
context = prepare(open_study(sys.argv[1]))
(made,) = context.checks["n"]
print(json.dumps([list(context.results["n"]), made.name, made.text, context.panel.matrix("n")[0, 0], context.failures]))
""",
        study,
    )
    assert done.returncode == 0, done.stderr
    labels, name, summary, first, failures = json.loads(done.stdout.splitlines()[-1])
    assert labels == ["Theirs(family=poisson)", "their-package.TwoWayFixedEffects"]
    assert (name, summary) == ("their_check", "told 7")
    assert first == 2 * 11
    assert failures == {}


def test_wrong_names_and_broken_packages_are_problems_with_their_line(package, tmp_path):
    study = tmp_path / "study.yaml"
    text = STUDY.replace("- Theirs: {family", "- Theirs: {famly").replace("{threshold: 7}", "{treshold: 7}")
    study.write_text(text.replace("their-package.TwoWayFixedEffects", "Broken").replace("factor", "fector"))
    done = run(package, "import sys; from svmodel.report import read_study; read_study(sys.argv[1])", study)
    assert "Theirs has no choice 'famly'. Did you mean 'family'?" in done.stderr
    assert "their_check has no option 'treshold'. Did you mean 'threshold'?" in done.stderr
    assert "line 3: there is no key 'fector' in data.options. Did you mean 'factor'?" in done.stderr
    assert "line 8, estimators[2]: 'Broken' comes from the package 'their-package' and cannot be loaded" in done.stderr
    assert "4 problems" in done.stderr


def test_the_schema_knows_them(package):
    done = run(
        package, "import json; from svmodel.report.study.schema import json_schema; print(json.dumps(json_schema()))"
    )
    assert done.returncode == 0, done.stderr
    schema = json.loads(done.stdout)
    assert "Theirs" in schema["$defs"]["EstimatorSpec"]["anyOf"][0]["enum"]
    assert "their_check" in schema["$defs"]["CheckSpec"]["anyOf"][0]["enum"]
    assert "their_layout" in schema["$defs"]["DataSpec"]["properties"]["layout"]["enum"]


def test_sections_of_another_package_follow_the_pages_own(package):
    done = run(package, "from svmodel.report.study.registry import sections; print(list(sections({'effect': 1})))")
    assert done.stdout.strip() == "['effect', 'their_section']", done.stderr


def test_nothing_of_another_package_is_loaded_before_it_is_looked_up(package):
    (package / "theirs.py").write_text("raise SystemError('loaded')")
    done = run(package, "from svmodel.report.study.registry import estimators; print('Theirs' in estimators())")
    assert done.stdout.strip() == "True", done.stderr


def test_a_name_that_nobody_has_is_no_thing():
    with pytest.raises(KeyError):
        Plugged({"a": 1}, "svmodel.no_such_group")["b"]


def test_what_cannot_be_loaded_names_the_package(monkeypatch):
    from importlib.metadata import EntryPoint

    import svmodel.plugins

    point = EntryPoint("x", "svmodel.nowhere:X", "svmodel.estimators")
    monkeypatch.setattr(svmodel.plugins, "entry_points", lambda group: [point])
    with pytest.raises(UserError, match=r"'x' comes from the package 'an unknown package' and cannot be loaded: Mod"):
        Plugged({}, "svmodel.estimators")["x"]

"""A warning of a method stands on the page that a reader opens, after a whole run of a study."""

import re
import subprocess
import sys
from html import unescape

import pytest

STUDY = """
title: Study with next to no controls
description: Made for tests
data:
  path: data.csv
  area: ward
  period: month
  counts: [violence]
  exposures: [people]
  parent: borough
  name: ward_name
  names: {N: North, S: South, E: East, W: West}
outcomes:
  - column: violence
    label: Violence with injury
exposure: people
intervention:
  name: Patrols
  starts: {starts}
estimators:
  - ExtendedTwoWayFixedEffects: {family: poisson}
  - TwoWayFixedEffects: {family: linear}
checks: []
forecast: {horizon: 0}
seed: 11
"""


@pytest.fixture
def study(tmp_path, small_study):
    """Sixteen wards, fourteen of them treated at once; two of the wards never have an event."""
    frame = small_study.make_frame(scale=20.0).drop(columns="robbery")
    frame = frame[frame["month"] >= "2021-01"]
    frame.loc[frame["ward"].isin(["N1", "S1"]), "violence"] = 0
    frame.to_csv(tmp_path / "data.csv", index=False)
    treated = sorted(set(frame["ward"]) - {"W3", "W4"})
    path = tmp_path / "hopeless.yaml"
    path.write_text(STUDY.replace("{starts}", "{" + ", ".join(f"{w}: 2022-07" for w in treated) + "}").lstrip())
    return path


def test_the_warnings_of_a_hopeless_design_are_on_the_page_of_an_area(study, tmp_path):
    command = [sys.executable, "-m", "svmodel", "run", str(study), "--out", str(tmp_path / "out"), "--areas", "N"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    page = (tmp_path / "out" / "hopeless" / "areas" / "N" / "report.html").read_text(encoding="utf-8")
    text = " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())
    assert "with so few control areas are known to be too small at times" in text
    assert "2 treated areas without a single event before the start" in text
    assert "14 treated areas and 2 controls" in text

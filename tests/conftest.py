"""Small studies that several rooms' tests run: data of three areas, and a notebook of two cells."""

import json
import os
import sys
import textwrap
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from hypothesis import settings

from svmodel.result import COLUMNS

# Independent answers that several rooms' tests, and benchmarks, hold ours to.
sys.path.insert(0, str(Path(__file__).parent / "oracles"))

# The same examples on every machine, so that a red test is about the change and not about luck. For a hunt with new
# examples: HYPOTHESIS_PROFILE=default python -m pytest tests/property
settings.register_profile("steady", derandomize=True, database=None, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

CSV = """code,month,district,name,treated,robbery,violence,people
A1,2024-01,N,Quay,0,1,12,1000
A1,2024-02,N,Quay,0,2,11,1000
A1,2024-03,N,Quay,0,0,10,1000
A2,2024-01,N,Dock,1,3,21,2000
A2,2024-02,N,Dock,1,4,20,2000
A2,2024-03,N,Dock,1,2,12,2000
B1,2024-01,S,Hill,0,5,31,3000
B1,2024-02,S,Hill,0,3,30,3000
B1,2024-03,S,Hill,0,4,33,3000
"""

STUDY = """
title: A study
data:
  path: data.csv
  area: code
  period: month
  counts: [robbery, violence]
  exposures: [people]
  parent: district
  name: name
  names: {N: North, S: South}
outcomes:
  - column: violence
    label: Violence
  - column: robbery
exposure: people
"""

#: A notebook that shows that it got its parameters, fails for the areas it is told to, and writes a page.
NOTEBOOK = """
import json, os, sys, time
from pathlib import Path
import svmodel
from svmodel.report import fits as contexts
held = contexts.load(context)
print("working on", area_code)
rule = json.loads(Path(os.environ["SVMODEL_TEST_RULE"]).read_text()) if "SVMODEL_TEST_RULE" in os.environ else {}
if area_code in rule.get("fail", []):
    raise svmodel.errors.DataError(f"nothing is known of {area_code}")
if area_code in rule.get("break", []):
    raise ZeroDivisionError("division by zero")
if area_code in rule.get("die", []):
    os.kill(os.getppid(), 9)
if area_code in rule.get("sleep", []):
    Path(rule["started"]).touch()
    (Path(output) / "half.html").write_text("half")
    time.sleep(60)
place = Path(output)
(place / "report.html").write_text(f"<h1>{held.reporting.label(area_code)}</h1>")
seed = held.seed(area_code, "test")
(place / "result.json").write_text(json.dumps({"executable": sys.executable, "seed": seed}))
"""


def write_notebook(path, source=NOTEBOOK):
    cells = [
        nbformat.v4.new_code_cell('context = area_code = output = ""', metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(source),
    ]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    for i, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{i}"
    nbformat.write(notebook, path)


@pytest.fixture
def write_study(tmp_path):
    """Write a study file with its data; `text` is the whole file, `more` is put after the small study."""
    folder = tmp_path / "studies"
    folder.mkdir()
    (folder / "data.csv").write_text(CSV)

    def write(text=None, more="", name="small.yaml"):
        path = folder / name
        path.write_text(textwrap.dedent(STUDY if text is None else text).lstrip() + textwrap.dedent(more))
        return path

    return write


@pytest.fixture
def runnable(write_study, tmp_path):
    """A study that only tests the machinery: no fits, and a notebook of two cells."""
    write_notebook(tmp_path / "studies" / "tiny.ipynb")
    return write_study(more="forecast: {horizon: 0}\nnotebook: tiny.ipynb\nseed: 7\n")


@pytest.fixture
def finished_run(tmp_path):
    """A run of two areas: what is study-wide stands in both, each area's own estimate in its own."""
    run = tmp_path / "study"
    att = {"term": "att", "scale": "rate_ratio", "estimate": 0.8173, "conf_low": 0.7049, "conf_high": 0.9512}
    events = [{"term": "event", "scale": "rate_ratio", "horizon": h, "estimate": 1 - h / 10} for h in (-1, 0, 1)]
    for code, own in (("N", 0.5), ("S", 0.6)):
        folder = run / "areas" / code
        folder.mkdir(parents=True)
        rows = [att, *events, {"term": "area", "scale": "rate_ratio", "estimate": own, "area": code}]
        frame = pd.DataFrame(rows, columns=list(COLUMNS)).assign(outcome="violence", estimator="M")
        frame.to_csv(folder / "estimates.csv", index=False)
    (run / "manifest.json").write_text(json.dumps({"format": "svmodel-manifest-1"}))
    return run

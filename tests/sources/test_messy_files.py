"""From a file as people keep it to a study that runs, with at most one answered question."""

import json
import re

import numpy as np
import pytest
from messy_files import AREAS, FILES, write
from messy_more import MORE

from svmodel.files import atomic_folder
from svmodel.report import fits
from svmodel.report.pages.area import open_area
from svmodel.report.run import plan_study, run_study
from svmodel.report.run.manifest import mark
from svmodel.report.study.new import new_study
from svmodel.report.study.read import open_study


def _studied(name, folder, files=FILES):
    """Write the file and its study, and give the one answer that it needs."""
    path, totals, answer = write(name, folder, files)
    study, found = new_study(path)
    text = study.read_text(encoding="utf-8")
    keys = [q.key for q in found.questions]
    assert keys == ([] if answer is None else [answer.partition(":")[0]])
    if answer is not None:
        text, n = re.subn(rf"^  # {keys[0]}: .*$", f"  {answer}", text, flags=re.MULTILINE)
        assert n == 1
    study.write_text(text, encoding="utf-8")
    return study, totals


@pytest.mark.parametrize("name", FILES)
def test_totals_are_exact(tmp_path, name):
    study, totals = _studied(name, tmp_path)
    panel = open_study(study).panel
    assert panel.areas == AREAS
    assert {c: np.nansum(panel.matrix(c)) for c in panel.counts} == totals


@pytest.mark.parametrize("name", MORE)
def test_totals_of_siblings_are_exact(tmp_path, name):
    study, totals = _studied(name, tmp_path, MORE)
    panel = open_study(study).panel
    assert panel.areas == AREAS
    assert {c: np.nansum(panel.matrix(c)) for c in panel.counts} == totals


def _write_notebook(path):
    """A notebook of one section: the shipped one takes a quarter of a minute for every area."""
    calls = [
        'context = area_code = output = ""',
        "from svmodel.report import open_area\narea = open_area(context, area_code, output)",
        "area.quality()",
        "area.write()",
    ]
    made = [
        {
            "cell_type": "code",
            "outputs": [],
            "execution_count": None,
            "id": f"c{i}",
            "metadata": {"tags": [] if i else ["parameters"]},
            "source": call,
        }
        for i, call in enumerate(calls)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    path.write_text(json.dumps({"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))


def _cut(study, folder):
    """Keep the study to one area, without a forecast."""
    _write_notebook(folder / "short.ipynb")
    cut = "\nareas: [Ashby]\nforecast: {horizon: 0}\nnotebook: short.ipynb\n"
    study.write_text(study.read_text(encoding="utf-8") + cut, encoding="utf-8")


@pytest.mark.parametrize("name", FILES)
def test_it_comes_to_its_index(tmp_path, name):
    """All that a run does but for the notebook's kernel, which takes seconds to begin: its cells are called here."""
    study, totals = _studied(name, tmp_path)
    _cut(study, tmp_path)
    plan, _ = plan_study(study, out=tmp_path / "out")
    (job,) = plan.selected
    plan.context.parent.mkdir(parents=True)
    fits.prepare(open_study(study)).save(plan.context)
    with atomic_folder(plan.area_folder(job.code)) as folder:
        area = open_area(plan.context, job.code, folder)
        area.quality()
        area.write()
        mark(folder, job.hash)
    report = run_study(study, out=tmp_path / "out", jobs=1)
    assert [(o.code, o.status) for o in report.outcomes] == [("Ashby", "skipped")]  # what was made above is whole
    assert not report.faults
    page = (plan.area_folder(job.code) / "report.html").read_text(encoding="utf-8")
    assert "Ashby" in report.index.read_text(encoding="utf-8")
    assert all(column in page for column in totals)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bars", "areasheets", "orderless", "twoheads"])
def test_it_runs_to_its_index(tmp_path, name):
    study, _ = _studied(name, tmp_path)
    _cut(study, tmp_path)
    report = run_study(study, out=tmp_path / "out", jobs=1)
    assert [(o.code, o.status) for o in report.outcomes] == [("Ashby", "made")]
    assert not report.faults
    assert report.index.is_file()

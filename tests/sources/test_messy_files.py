"""From a file as people keep it to a study that runs, with at most one answered question."""

import re

import numpy as np
import pytest
from messy_files import AREAS, FILES, write

from svmodel.report.run import run_study
from svmodel.report.study.new import new_study
from svmodel.report.study.read import open_study


def _studied(name, folder):
    """Write the file and its study, and give the one answer that it needs."""
    path, totals, answer = write(name, folder)
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


@pytest.mark.parametrize("name", FILES)
def test_it_runs_to_its_index(tmp_path, name):
    study, _ = _studied(name, tmp_path)
    cut = "\nareas: [Ashby]\nforecast: {horizon: 0}\nnotebook: short.ipynb\n"
    study.write_text(study.read_text(encoding="utf-8") + cut, encoding="utf-8")
    report = run_study(study, out=tmp_path / "out", jobs=1)
    assert not report.failed and not report.faults
    assert report.index.is_file()

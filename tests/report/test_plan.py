import os
from pathlib import Path

import pytest

from svmodel.report.run import plan_study
from svmodel.report.run.plan import code_version, package_versions, study_parameters
from svmodel.report.study import read_study

ROOT = Path(__file__).resolve().parents[2]


def test_the_dry_plan_changes_with_what_matters_and_only_with_it(runnable, tmp_path):
    plan, panel = plan_study(runnable, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert panel.n_areas == 3
    assert [(j.code, j.name, j.selected) for j in plan.jobs] == [("N", "North", True), ("S", "South", True)]
    assert len({j.hash for j in plan.jobs}) == 2
    same, _ = plan_study(runnable, out=tmp_path / "elsewhere")
    assert [j.hash for j in same.jobs] == [j.hash for j in plan.jobs]
    text = runnable.read_text()
    for change in ("title: A study", "title: Another"), ("seed: 7", "seed: 8"):
        runnable.write_text(text.replace(*change))
        other, _ = plan_study(runnable, out=tmp_path / "out")
        assert not {j.hash for j in other.jobs} & {j.hash for j in plan.jobs}
    runnable.write_text("# a remark\n" + text)
    assert plan_study(runnable, out=tmp_path / "out")[0].study_hash == plan.study_hash
    for name, change in (
        ("data.csv", ("A1,2024-01,N,Quay,0,1", "A1,2024-01,N,Quay,0,2")),
        ("tiny.ipynb", ("half", "h")),
    ):
        path = runnable.parent / name
        held = path.read_text()
        path.write_text(held.replace(*change))
        assert plan_study(runnable, out=tmp_path / "out")[0].study_hash != plan.study_hash
        path.write_text(held)


def test_parameters_name_no_place_of_this_machine(runnable, tmp_path):
    parameters = study_parameters(read_study(runnable))
    assert str(tmp_path) not in str(parameters)
    assert parameters["outcomes"][0] == {"column": "violence", "label": "Violence", "hospital": False, "good": None}


def test_code_and_versions_are_told():
    assert len(code_version()) == 64
    assert package_versions()["pandas"][0].isdigit()


@pytest.mark.parametrize(("name", "reports", "first"), [("merseyside", 5, "Knowsley"), ("london", 32, "Barnet")])
def test_the_real_studies_have_a_report_for_every_authority(name, reports, first, tmp_path):
    if "SVMODEL_REAL_DATA" not in os.environ:
        pytest.skip("SVMODEL_REAL_DATA does not say where the real data are")
    plan, panel = plan_study(ROOT / "pipelines" / f"{name}.yaml", out=tmp_path)
    assert len(plan.selected) == reports
    assert first in {j.name for j in plan.selected}
    assert not panel.synthetic

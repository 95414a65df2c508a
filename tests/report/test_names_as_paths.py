"""Areas and outcomes whose names are no names of files: every page is written inside its folder, to its own place."""

import json

import numpy as np
import pandas as pd
import pytest

from svmodel.report import open_area, prepare
from svmodel.report.publish.verify import read_estimates
from svmodel.report.run.index import index_page, read_numbers
from svmodel.report.run.manifest import AreaOutcome, write_manifest
from svmodel.report.run.plan import make_plan
from svmodel.report.study.read import open_study

AREAS = ("../../evil", "CON", "a/b", "N1", "trailing.", "<b>")
OUTCOMES = ("violence w/ injury", "..", "robbery")
STUDY = """
title: Names
data: {path: data.csv, area: area, period: month, counts: %s}
outcomes: [{column: violence w/ injury}, {column: ".."}, {column: robbery}]
intervention: {name: Patrols, starts: {a/b: 2021-01, CON: 2021-01}}
estimators: [TwoWayFixedEffects]
checks: []
forecast: {horizon: 0}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The plan, the pages of all areas, and everything that was written beside the data."""
    folder = tmp_path_factory.mktemp("names")
    rng = np.random.default_rng(1)
    months = pd.period_range("2019-01", periods=36, freq="M")
    rows = [(a, str(m), *rng.poisson(20, 3)) for a in AREAS for m in months]
    (folder / "in").mkdir()
    pd.DataFrame(rows, columns=["area", "month", *OUTCOMES]).to_csv(folder / "in" / "data.csv", index=False)
    (folder / "in" / "con.yaml").write_text(STUDY % json.dumps(list(OUTCOMES)))
    opened = open_study(folder / "in" / "con.yaml")
    plan = make_plan(opened, folder / "out" / "deep")
    context = prepare(opened)
    for code in AREAS:
        report = open_area(context, code, plan.area_folder(code))
        report.happening()
        report.effect()
        report.write()
    return folder, plan


def test_every_area_has_a_folder_of_its_own_in_the_run(made):
    folder, plan = made
    assert plan.folder.parent == folder / "out" / "deep"
    assert plan.folder.name.startswith("con-")
    places = {plan.area_folder(a) for a in AREAS}
    assert {p.parent for p in places} == {plan.folder / "areas"}
    assert len({p.name.casefold() for p in places}) == len(AREAS)
    assert plan.area_folder("N1").name == "N1"
    written = [p for p in folder.rglob("*") if p.is_file() and (folder / "in") not in p.parents]
    assert all(plan.folder / "areas" in p.parents for p in written)
    assert all((place / "report.html").is_file() for place in places)


def test_every_figure_has_files_and_is_linked(made):
    _, plan = made
    for code in AREAS:
        place = plan.area_folder(code)
        html = (place / "report.html").read_text(encoding="utf-8")
        drawn = sorted(p.stem for p in (place / "figures").glob("*.svg"))
        assert len(drawn) >= 6
        for name in drawn:
            assert f'href="figures/{name}.csv"' in html
        assert len([n for n in drawn if n.startswith("robbery_")]) >= 2


def test_the_index_and_the_verification_find_areas_by_their_codes(made):
    _, plan = made
    outcomes = tuple(AreaOutcome(j.code, j.name, "made", folder=plan.folder_name(j.code)) for j in plan.selected)
    assert set(read_numbers(plan.folder, AREAS, plan.folders)) == set(AREAS)
    html = index_page(plan.study, outcomes, synthetic=False)
    assert f'href="areas/{plan.folder_name("../../evil")}/report.html"' in html
    assert "../../evil/" not in html
    write_manifest(plan, outcomes, started="", seconds=1.0)
    assert set(read_estimates(plan.folder)["report"]) == set(AREAS)

"""R's did 2.5.1 on the county employment data, all 24 specifications, and shootings in New York precincts."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import svmodel as sv
from svmodel.did.callaway_santanna import CallawaySantAnna

DATA = os.environ.get("SVMODEL_REAL_DATA")
GOLDEN = Path(DATA) / ".." / "golden" if DATA else Path("golden-data-not-given")
pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="SVMODEL_REAL_DATA does not lead to the golden values")

CONTROL = {"nevertreated": "never_treated", "notyettreated": "not_yet_treated"}
#: The reference printed 13 digits, so a point agrees to about 1e-9 of the smallest (.002); 1e-6 is what we promise.
POINT = 1e-6
#: Analytic standard errors; the reference's logit stops at a deviance change of 1e-8, ours at the maximum.
ERROR = 1e-5


@pytest.fixture(scope="module")
def specifications():
    found = json.loads((GOLDEN / "ref" / "did_mpdta.json").read_text())["results"]
    assert len(found) == 24
    return found


@pytest.fixture(scope="module")
def counties():
    frame = pd.read_csv(GOLDEN / "mpdta.csv")
    frame["county"], frame["year"] = frame["countyreal"].astype(int).astype(str), frame["year"].astype(int)
    panel = sv.Panel.from_frame(frame, area="county", period="year", measures=["lemp"], covariates=["lpop"])
    first = frame[frame["first.treat"] > 0].drop_duplicates("county")
    return panel, dict(zip(first["county"], first["first.treat"].astype(int).astype(str), strict=True))


def fit(counties, spec, **choices):
    panel, starts = counties
    if spec["anticipation"]:
        # R drops the 20 counties of 2004: with one year of anticipation 2003 is no clean year for them
        starts = {a: s for a, s in starts.items() if s != "2004"}
        panel = panel.select(areas=[a for a in panel.areas if counties[1].get(a) != "2004"])
    assert panel.n_areas == spec["n"]
    design = sv.Design(
        panel,
        outcome="lemp",
        intervention=sv.Intervention("minimum wage", starts=starts),
        covariates=("lpop",) if spec["xformla"] == "~lpop" else (),
        anticipation=spec["anticipation"],
    )
    estimator = CallawaySantAnna(
        control=CONTROL[spec["control_group"]], method=spec["est_method"], base_period=spec["base_period"], **choices
    )
    return estimator.fit(design)


def assert_rows(frame, att, se):
    np.testing.assert_allclose(frame["estimate"], att, rtol=POINT, atol=1e-12)
    reported = np.array([np.nan if s is None else s for s in se], dtype=float)
    np.testing.assert_allclose(frame["std_error"], reported, rtol=ERROR, equal_nan=True)


@pytest.mark.parametrize("number", range(24))
def test_all_of_a_specification(specifications, counties, number):
    spec = specifications[number]
    result = fit(counties, spec)
    frame = result.estimates

    cells = frame[frame["term"] == "cell"]
    assert [p.year for p in cells["cohort"]] == spec["group"]
    assert [p.year for p in cells["period"]] == spec["t"]
    assert_rows(cells, spec["att"], spec["se"])

    for term, key in (
        ("att", "simple"),
        ("event_average", "dynamic"),
        ("cohort_average", "group_agg"),
        ("calendar_average", "calendar"),
    ):
        effect = result.effect(term, "difference")
        assert effect.estimate == pytest.approx(spec[key]["overall_att"], rel=POINT)
        assert effect.std_error == pytest.approx(spec[key]["overall_se"], rel=ERROR)
    for term, key, column in (
        ("event", "dynamic", "horizon"),
        ("cohort", "group_agg", "cohort"),
        ("calendar", "calendar", "period"),
    ):
        rows = frame[frame["term"] == term]
        assert [getattr(v, "year", v) for v in rows[column]] == spec[key]["egt"]
        assert_rows(rows, spec[key]["att_egt"], spec[key]["se_egt"])

    assert result.diagnostics["before_start_statistic"] == pytest.approx(spec["W"], rel=1e-6)
    assert result.diagnostics["before_start_p_value"] == pytest.approx(
        spec["Wpval"], abs=5.1e-6
    )  # printed to 5 decimals


@pytest.mark.parametrize("number", range(24))
def test_event_study_of_a_balanced_set_of_cohorts(specifications, counties, number):
    spec = specifications[number]
    result = fit(counties, spec, balance=1)
    rows = result.estimates[result.estimates["term"] == "event"]
    assert list(rows["horizon"]) == spec["dynamic_balance1"]["egt"]
    assert_rows(rows, spec["dynamic_balance1"]["att_egt"], spec["dynamic_balance1"]["se_egt"])
    effect = result.effect("event_average", "difference")
    assert effect.estimate == pytest.approx(spec["dynamic_balance1"]["overall_att"], rel=POINT)
    assert effect.std_error == pytest.approx(spec["dynamic_balance1"]["overall_se"], rel=ERROR)


def test_cure_violence_in_new_york_precincts():
    frame = pd.read_csv(GOLDEN / "nyc_shootings_precinct_month.csv", dtype={"precinct": str})
    frame["when"] = frame["year"].astype(str) + "-" + frame["month"].astype(str).str.zfill(2)
    panel = sv.Panel.from_frame(frame, area="precinct", period="when", counts=["shootings"])
    first = frame[frame["yearCure"] > 0].drop_duplicates("precinct")
    starts = {r.precinct: f"{r.yearCure}-{r.monthCure:02d}" for r in first.itertuples()}
    design = sv.Design(panel, outcome="shootings", intervention=sv.Intervention("Cure Violence", starts=starts))
    result = CallawaySantAnna().fit(design)
    effect = result.effect("att", "difference")
    # The simple average; precincts that start after 2020 serve as never treated. Printed to seven decimals.
    assert effect.estimate == pytest.approx(-0.2593985, abs=5.1e-8)
    assert effect.std_error == pytest.approx(0.5509553, abs=5.1e-8)
    assert result.effect("att", "events").estimate == pytest.approx(-0.2593985 * 1315, abs=1e-4)
    assert any("cohorts have fewer than 5 areas" in note for note in result.notes)

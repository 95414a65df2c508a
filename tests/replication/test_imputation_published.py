"""Imputation on county employment and on shootings in New York precincts, against R's didimputation."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import svmodel as sv

DATA = os.environ.get("SVMODEL_REAL_DATA")
GOLDEN = Path(DATA) / ".." / "golden" if DATA else Path("golden-data-not-given")
pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="SVMODEL_REAL_DATA does not lead to the golden values")

# Both sides solve the same least squares, fixest by alternating projections that stop at 1e-6 of a fixed effect or so:
# its points are good to about 1e-7 relative, its analytic errors to about 1e-6.
POINT, ERROR = 1e-6, 1e-5


@pytest.fixture(scope="module")
def reference():
    files = ("fixest_etwfe_nyc.json", "fixest_sunab_did2s_nycmonth.json")
    return {k: v for file in files for k, v in json.loads((GOLDEN / "ref" / file).read_text()).items()}


@pytest.fixture(scope="module")
def counties():
    frame = pd.read_csv(GOLDEN / "mpdta.csv")
    frame["county"], frame["year"] = frame["countyreal"].astype(int).astype(str), frame["year"].astype(int)
    panel = sv.Panel.from_frame(frame, area="county", period="year", measures=["lemp"])
    first = frame[frame["first.treat"] > 0].drop_duplicates("county")
    starts = dict(zip(first["county"], first["first.treat"].astype(int), strict=True))
    return sv.Design(panel, outcome="lemp", intervention=sv.Intervention("minimum wage", starts))


@pytest.fixture(scope="module")
def shootings():
    frame = pd.read_csv(GOLDEN / "nyc_shootings_precinct_month.csv")
    frame["month"] = frame["year"].astype(str) + "-" + frame["month"].astype(str).str.zfill(2)
    frame["precinct"] = frame["precinct"].astype(str)
    panel = sv.Panel.from_frame(frame, area="precinct", period="month", counts=["shootings"])
    first = frame[frame["yearCure"] > 0].drop_duplicates("precinct")
    starts = {r.precinct: f"{int(r.yearCure)}-{int(r.monthCure):02d}" for r in first.itertuples()}
    return sv.Design(panel, outcome="shootings", intervention=sv.Intervention("Cure Violence", starts))


def test_county_employment(counties, reference):
    result = sv.did.Imputation(family="linear").fit(counties)
    effect, golden = result.effect("att", "difference"), reference["mpdta_bjs_static"]
    assert effect.estimate == pytest.approx(golden["estimate"], rel=POINT)
    assert effect.std_error == pytest.approx(golden["std.error"], rel=ERROR)
    # printed to seven decimals
    assert effect.estimate == pytest.approx(-0.0477099, abs=5e-8)
    assert effect.std_error == pytest.approx(0.0132225, abs=5e-8)


def test_county_employment_by_horizon_with_leads(counties, reference):
    result = sv.did.Imputation(family="linear").fit(counties)
    golden = reference["mpdta_bjs_dyn"]
    assert golden["term"] == ["-4", "-3", "-2", "0", "1", "2", "3"]
    for term, estimate, error in zip(golden["term"], golden["estimate"], golden["std.error"], strict=True):
        effect = result.effect("event", "difference", horizon=int(term))
        assert effect.estimate == pytest.approx(estimate, rel=POINT, abs=1e-9)
        assert effect.std_error == pytest.approx(error, rel=ERROR)
    # printed to seven decimals
    for horizon, printed in enumerate((-0.0310669, -0.0522349, -0.1360781, -0.1047075)):
        assert result.effect("event", "difference", horizon=horizon).estimate == pytest.approx(printed, abs=5e-8)


def test_new_york_linear(shootings, reference):
    result = sv.did.Imputation(family="linear").fit(shootings)
    effect, golden = result.effect("att", "difference"), reference["nyc_month_bjs"]
    assert effect.estimate == pytest.approx(golden["estimate"], rel=POINT)
    assert effect.std_error == pytest.approx(golden["std.error"], rel=ERROR)
    assert result.diagnostics["treated_cells_used"] == 1315
    # cohorts of one to six precincts: the interval cannot rest on what is left about their own means
    assert effect.conf_high - effect.estimate > 3 * 1.96 * effect.std_error / 2
    # -28% of its own counterfactual, and the note says so beside the share of zeros
    assert result.effect("att", "rate_ratio").percent[0] == pytest.approx(-28, abs=0.5)
    (note,) = [n for n in result.notes if "are zero" in n]
    assert note.startswith("47% of area-months are zero")
    assert "-28% of its own counterfactual" in note
    assert "Poisson" in note


def test_new_york_poisson(shootings, reference):
    result = sv.did.Imputation(family="poisson").fit(shootings)
    observed, expected = reference["nyc_month_poisson_imputation"]
    assert result.diagnostics["observed"] == observed == 4278
    # R stops its Poisson fit at 1e-8 of the deviance
    assert result.diagnostics["expected"] == pytest.approx(expected, rel=1e-7)
    assert result.effect("att", "rate_ratio").percent[0] == pytest.approx(-8.511764, abs=5e-7)
    assert result.diagnostics["treated_cells_used"] == 1315
    assert not any("are zero: a linear model" in n for n in result.notes)
    assert sv.did.Imputation().point(shootings.arrays) == pytest.approx(np.log(observed / expected), abs=1e-7)


@pytest.mark.parametrize("estimator", [sv.did.TwoWayFixedEffects(family="linear"), sv.did.CallawaySantAnna()], ids=repr)
def test_other_linear_models_say_it_too(shootings, estimator):
    assert any(n.startswith("47% of area-months are zero") for n in estimator.fit(shootings).notes)


def test_poisson_employment_is_the_etwfe_golden(counties):
    frame = counties.panel.to_frame()
    frame["emp"] = np.exp(frame["lemp"])
    panel = sv.Panel.from_frame(frame, area="area", period="period", measures=["emp"])
    design = sv.Design(panel, outcome="emp", intervention=counties.intervention)
    # printed to five decimals
    assert sv.did.Imputation(family="poisson").fit(design).effect("att", "difference").estimate == pytest.approx(
        -28.91383, abs=5e-6
    )

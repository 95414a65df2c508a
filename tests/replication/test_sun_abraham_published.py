"""Sun and Abraham's estimator on county employment, against R's fixest (sunab), and on shootings in New York."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest

import svmodel as sv

DATA = os.environ.get("SVMODEL_REAL_DATA")
GOLDEN = Path(DATA) / ".." / "golden" if DATA else Path("golden-data-not-given")
pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="SVMODEL_REAL_DATA does not lead to the golden values")

# fixest takes fixed effects out by alternating projections, which leaves points good to about 1e-8 and errors to 1e-6.
POINT, ERROR = 1e-6, 1e-5


@pytest.fixture(scope="module")
def reference():
    return json.loads((GOLDEN / "ref" / "fixest_sunab_did2s_nycmonth.json").read_text())


def test_county_employment(reference):
    frame = pd.read_csv(GOLDEN / "mpdta.csv")
    frame["county"], frame["year"] = frame["countyreal"].astype(int).astype(str), frame["year"].astype(int)
    panel = sv.Panel.from_frame(frame, area="county", period="year", measures=["lemp"])
    first = frame[frame["first.treat"] > 0].drop_duplicates("county")
    starts = dict(zip(first["county"], first["first.treat"].astype(int), strict=True))
    design = sv.Design(panel, outcome="lemp", intervention=sv.Intervention("minimum wage", starts))
    result = sv.did.SunAbraham().fit(design)
    effect, golden = result.effect("att", "difference"), reference["mpdta_sunab_att"]
    assert effect.estimate == pytest.approx(golden["est"], rel=POINT)
    assert effect.std_error == pytest.approx(golden["se"], rel=ERROR)
    # printed to seven decimals
    assert effect.estimate == pytest.approx(-0.0399513, abs=5e-8)
    assert effect.std_error == pytest.approx(0.0117963, abs=5e-8)
    dynamic = reference["mpdta_sunab_dyn"]
    for term, estimate, error in zip(dynamic["term"], dynamic["est"], dynamic["se"], strict=True):
        effect = result.effect("event", "difference", horizon=int(term.removeprefix("year::")))
        assert effect.estimate == pytest.approx(estimate, rel=POINT)
        assert effect.std_error == pytest.approx(error, rel=ERROR)


def test_new_york_precinct_months(reference):
    """The panel is complete, so that the average effect is Callaway and Sant'Anna's with never treated controls."""
    frame = pd.read_csv(GOLDEN / "nyc_shootings_precinct_month.csv")
    frame["month"] = frame["year"].astype(str) + "-" + frame["month"].astype(str).str.zfill(2)
    frame["precinct"] = frame["precinct"].astype(str)
    panel = sv.Panel.from_frame(frame, area="precinct", period="month", counts=["shootings"])
    first = frame[frame["yearCure"] > 0].drop_duplicates("precinct")
    starts = {r.precinct: f"{int(r.yearCure)}-{int(r.monthCure):02d}" for r in first.itertuples()}
    design = sv.Design(panel, outcome="shootings", intervention=sv.Intervention("Cure Violence", starts))
    result = sv.did.SunAbraham().fit(design)
    effect = result.effect("att", "difference")
    assert effect.estimate == pytest.approx(reference["nyc_month_cs_nevertreated"][0], rel=POINT)
    assert any(n.startswith("47% of area-months are zero") for n in result.notes)

"""Two-way fixed effects on county employment and on shootings in New York precincts."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import svmodel as sv

DATA = os.environ.get("SVMODEL_REAL_DATA")
GOLDEN = Path(DATA) / ".." / "golden" if DATA else Path("golden-data-not-given")
pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="SVMODEL_REAL_DATA does not lead to the golden values")


def test_county_employment():
    frame = pd.read_csv(GOLDEN / "mpdta.csv")
    frame["county"], frame["year"] = frame["countyreal"].astype(int).astype(str), frame["year"].astype(int)
    panel = sv.Panel.from_frame(frame, area="county", period="year", measures=["lemp"])
    first = frame[frame["first.treat"] > 0].drop_duplicates("county")
    starts = dict(zip(first["county"], first["first.treat"].astype(int), strict=True))
    design = sv.Design(panel, outcome="lemp", intervention=sv.Intervention("minimum wage", starts))
    result = sv.did.TwoWayFixedEffects(family="linear").fit(design)
    effect = result.effect("att", "difference")
    # printed to seven decimals
    assert effect.estimate == pytest.approx(-0.0365489, abs=5e-8)
    assert effect.std_error == pytest.approx(0.0132652, abs=5e-8)
    # the weights of the cells sum to one, and weigh the saturated effects up to the same coefficient
    assert result.weights["weight"].sum() == pytest.approx(1)
    assert not result.has("att", "rate_ratio")


def test_new_york_precinct_months():
    frame = pd.read_csv(GOLDEN / "nyc_shootings_precinct_month.csv")
    frame["month"] = frame["year"].astype(str) + "-" + frame["month"].astype(str).str.zfill(2)
    frame["precinct"] = frame["precinct"].astype(str)
    panel = sv.Panel.from_frame(frame, area="precinct", period="month", counts=["shootings"])
    first = frame[frame["yearCure"] > 0].drop_duplicates("precinct")
    starts = {r.precinct: f"{int(r.yearCure)}-{int(r.monthCure):02d}" for r in first.itertuples()}
    design = sv.Design(panel, outcome="shootings", intervention=sv.Intervention("Cure Violence", starts))
    effect = sv.did.TwoWayFixedEffects(family="poisson").fit(design).effect("att", "rate_ratio")
    # printed to seven decimals
    assert np.log(effect.estimate) == pytest.approx(-0.0905393, abs=5e-8)
    assert effect.std_error / effect.estimate == pytest.approx(0.0384306, abs=5e-8)

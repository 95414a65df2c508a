"""Exact cluster-robust variances and resampling on published data, beside the published CRV1 errors."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import svmodel as sv
from svmodel.inference import Jackknife, ScoreBootstrap, WildClusterBootstrap

DATA = os.environ.get("SVMODEL_REAL_DATA")
GOLDEN = Path(DATA) / ".." / "golden" if DATA else Path("golden-data-not-given")
pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="SVMODEL_REAL_DATA does not lead to the golden values")


@pytest.fixture(scope="module")
def employment():
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


def test_employment_linear(employment):
    """Published: -0.0365489 (0.0132652, CRV1)."""
    twfe = sv.did.TwoWayFixedEffects(family="linear")
    result, held = twfe.fit(employment), twfe.coefficient(employment.arrays)
    fit, contrast = held.regression, held.contrast
    assert held.estimate == pytest.approx(-0.0365489, abs=5e-8)
    assert fit.error(contrast, "CR1").std_error == pytest.approx(0.0132652, abs=5e-8)
    errors = [fit.error(contrast, kind).std_error for kind in ("CR0", "CR2", "CR3")]
    assert errors == sorted(errors)
    # 500 counties: small-sample corrections are below 2%
    assert errors[2] / errors[0] < 1.02
    assert 20 < fit.error(contrast, "CR2").df < 499
    assert Jackknife().infer(result).effect("att", "difference").std_error == pytest.approx(errors[2], rel=1e-8)


def test_employment_wild(employment):
    result = sv.did.TwoWayFixedEffects(family="linear").fit(employment)
    found = WildClusterBootstrap().infer(result, seed=1).effect("att", "difference")
    usual = result.effect("att", "difference")
    # with 191 of 500 counties treated the bootstrap and Student's t have to agree; simulation error .0008
    assert found.p_value == pytest.approx(usual.p_value, abs=0.004)
    assert (found.conf_low, found.conf_high) == pytest.approx((usual.conf_low, usual.conf_high), abs=0.1 * 0.0132652)


@pytest.mark.filterwarnings("ignore")
def test_employment_crv3_of_pyfixest(employment):
    pf = pytest.importorskip("pyfixest")
    # every sixth county: theirs refits once for each
    a = employment.arrays.take(np.arange(0, 500, 6))
    i, t = np.nonzero(a.untreated | a.treated)
    frame = pd.DataFrame({"y": a.y[i, t], "d": a.treated[i, t].astype(int), "i": i, "t": t})
    theirs = pf.feols("y ~ d + C(t) | i", frame, vcov={"CRV3": "i"}, ssc=pf.ssc(k_adj=False, G_adj=False))
    held = sv.did.TwoWayFixedEffects(family="linear").coefficient(a)
    ours = held.regression.error(held.contrast, "CR3").std_error
    assert ours == pytest.approx(float(theirs.se()["d"]) * np.sqrt(83 / 84), rel=1e-7)


def test_shootings_poisson(shootings):
    """Published: -0.0905393 (0.0384306, CRV1 by precinct)."""
    twfe = sv.did.TwoWayFixedEffects()
    held = twfe.coefficient(shootings.arrays)
    assert held.estimate == pytest.approx(-0.0905393, abs=5e-8)
    assert held.regression.error(held.contrast, "CR1").std_error == pytest.approx(0.0384306, abs=5e-8)
    found = ScoreBootstrap(draws=1999).infer(twfe.fit(shootings), seed=1).effect("att", "rate_ratio")
    assert found.conf_low < np.exp(-0.0905393) < found.conf_high
    assert found.p_value == pytest.approx(twfe.fit(shootings).effect("att", "rate_ratio").p_value, abs=0.04)

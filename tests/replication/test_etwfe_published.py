"""Linear ETWFE and cohort effects on the county employment data: R's etwfe with fixest."""

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
#: The reference printed 13 digits; 1e-9 of the smallest cell (.0025) is what they hold.
POINT, ERROR = 1e-6, 1e-7


@pytest.fixture(scope="module")
def reference():
    return json.loads((GOLDEN / "ref" / "fixest_etwfe_nyc.json").read_text())


def design(outcome, *covariates):
    frame = pd.read_csv(GOLDEN / "mpdta.csv")
    frame["county"], frame["year"] = frame["countyreal"].astype(int).astype(str), frame["year"].astype(int)
    frame["employment"] = np.exp(frame["lemp"])
    panel = sv.Panel.from_frame(frame, area="county", period="year", measures=[outcome], covariates=["lpop"])
    first = frame[frame["first.treat"] > 0].drop_duplicates("county")
    starts = dict(zip(first["county"], first["first.treat"].astype(int), strict=True))
    return sv.Design(
        panel, outcome=outcome, intervention=sv.Intervention("minimum wage", starts), covariates=covariates
    )


@pytest.mark.parametrize(("effects", "key"), [("area", "mpdta_etwfe_ols_unit"), ("cohort", "mpdta_etwfe_ols_group")])
def test_linear_estimates_and_errors(reference, effects, key):
    result = sv.did.ExtendedTwoWayFixedEffects(family="linear", effects=effects).fit(design("lemp"))
    given = reference[key]
    effect = result.effect("att", "difference")
    assert effect.estimate == pytest.approx(given["att"], rel=POINT)
    assert effect.std_error == pytest.approx(given["se"], rel=ERROR)
    for name, estimate, error in zip(*(given["coef"][k] for k in ("term", "est", "se")), strict=True):
        cohort, year = name.removeprefix(".c::").split("_")
        cell = result.effect("cell", "difference", cohort=cohort, period=year)
        assert cell.estimate == pytest.approx(estimate, rel=POINT)
        assert cell.std_error == pytest.approx(error, rel=ERROR)


def test_linear_with_population():
    """Published: -0.0506270 (0.0124973), cohort effects, population centred at cohort means, margins over the treated.

    The error is that of the mean of the treated cohort-years' effects, with the covariate's means taken as known.
    Area effects give the same estimate; their error is 0.0124796, because slopes of cohorts, of no account in it, are
    not counted as coefficients.
    """
    effect = (
        sv.did.ExtendedTwoWayFixedEffects(family="linear", effects="cohort")
        .fit(design("lemp", "lpop"))
        .effect("att", "difference")
    )
    # printed to seven decimals
    assert effect.estimate == pytest.approx(-0.0506270, abs=5e-8)
    assert effect.std_error == pytest.approx(0.0124973, abs=5e-8)
    area = sv.did.ExtendedTwoWayFixedEffects(family="linear").fit(design("lemp", "lpop")).effect("att", "difference")
    assert area.estimate == pytest.approx(effect.estimate, rel=1e-9)


def test_poisson_with_cohort_effects(reference):
    estimator = sv.did.ExtendedTwoWayFixedEffects(family="poisson", effects="cohort")
    plain = estimator.fit(design("employment"))
    assert plain.effect("att", "difference").estimate == pytest.approx(reference["mpdta_etwfe_poisson_ATT"], rel=POINT)
    given = reference["mpdta_etwfe_poisson_group"]
    for name, estimate, error in zip(given["term"], given["est"], given["se"], strict=True):
        cohort, year = name.removeprefix(".c::").split("_")
        cell = plain.effect("cell", "rate_ratio", cohort=cohort, period=year)
        assert np.log(cell.estimate) == pytest.approx(estimate, rel=1e-5)
        # the reference's seven errors scatter about a dense regression by up to 2.7e-5, where its iterations stopped
        assert cell.std_error / cell.estimate == pytest.approx(error, rel=3e-5)
    # published: -28.57481, printed to five decimals
    with_population = estimator.fit(design("employment", "lpop")).effect("att", "difference").estimate
    assert with_population == pytest.approx(-28.57481, abs=5e-6)


def test_new_york_in_numbers_is_not_new_york_in_per_cent():
    """Published: -1.2642847 (0.1152307) by imputation, which is -28% of its own counterfactual; Poisson says -8.5%."""
    frame = pd.read_csv(GOLDEN / "nyc_shootings_precinct_month.csv")
    frame["month"] = frame["year"].astype(str) + "-" + frame["month"].astype(str).str.zfill(2)
    frame["precinct"] = frame["precinct"].astype(str)
    panel = sv.Panel.from_frame(frame, area="precinct", period="month", counts=["shootings"])
    first = frame[frame["yearCure"] > 0].drop_duplicates("precinct")
    starts = {r.precinct: f"{int(r.yearCure)}-{int(r.monthCure):02d}" for r in first.itertuples()}
    question = sv.Design(panel, outcome="shootings", intervention=sv.Intervention("Cure Violence", starts))
    result = sv.did.ExtendedTwoWayFixedEffects(family="linear", few_treated=0, only_average=True).fit(question)
    effect = result.effect("att", "difference")
    # printed to seven decimals; the published error has no small-sample factor
    assert effect.estimate == pytest.approx(-1.2642847, abs=5e-8)
    assert effect.std_error / np.sqrt(result.diagnostics["crv1_factor"]) == pytest.approx(0.1152307, abs=5e-8)
    assert result.effect("att", "rate_ratio").percent[0] == pytest.approx(-28.0, abs=0.05)
    assert any("-28% of its own counterfactual" in note for note in result.notes)

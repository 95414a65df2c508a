"""Poisson imputation on county employment (R etwfe/fixest) and on shootings in New York precincts."""

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


@pytest.fixture(scope="module")
def reference():
    return json.loads((GOLDEN / "ref" / "fixest_etwfe_nyc.json").read_text())


@pytest.fixture(scope="module")
def counties():
    frame = pd.read_csv(GOLDEN / "mpdta.csv")
    frame["county"], frame["year"] = frame["countyreal"].astype(int).astype(str), frame["year"].astype(int)
    frame["employment"] = np.exp(frame["lemp"])
    panel = sv.Panel.from_frame(frame, area="county", period="year", measures=["employment"], covariates=["lpop"])
    first = frame[frame["first.treat"] > 0].drop_duplicates("county")
    starts = dict(zip(first["county"], first["first.treat"].astype(int), strict=True))
    return sv.Design(panel, outcome="employment", intervention=sv.Intervention("minimum wage", starts))


@pytest.fixture(scope="module")
def shootings():
    frame = pd.read_csv(GOLDEN / "nyc_shootings_precinct_month.csv")
    frame["month"] = frame["year"].astype(str) + "-" + frame["month"].astype(str).str.zfill(2)
    frame["precinct"] = frame["precinct"].astype(str)
    panel = sv.Panel.from_frame(frame, area="precinct", period="month", counts=["shootings"])
    first = frame[frame["yearCure"] > 0].drop_duplicates("precinct")
    starts = {r.precinct: f"{int(r.yearCure)}-{int(r.monthCure):02d}" for r in first.itertuples()}
    return sv.Design(panel, outcome="shootings", intervention=sv.Intervention("Cure Violence", starts))


def test_county_employment_effects_are_those_of_etwfe(counties, reference):
    result = sv.did.ExtendedTwoWayFixedEffects(family="poisson", few_treated=0).fit(counties)
    # 1e-6: what the golden README promises; the reference stops at fixest's 1e-8 relative change in deviance
    assert result.effect("att", "difference").estimate == pytest.approx(reference["mpdta_etwfe_poisson_ATT"], rel=1e-6)
    for h, value in enumerate(reference["mpdta_etwfe_poisson_es"]):
        # relative to 26, the size of the smallest but one: the effect at horizon 1 is small between large counts
        assert result.effect("event", "difference", horizon=h).estimate == pytest.approx(value, abs=26e-6)


def test_county_employment_cells_and_errors_are_those_of_fixest(counties, reference):
    result = sv.did.ExtendedTwoWayFixedEffects(family="poisson", few_treated=0).fit(counties)
    given = reference["mpdta_etwfe_poisson_group"]
    # The reference has cohort effects where we have area effects. Point estimates and influences are the same; the
    # small-sample factor differs: it counts 4 cohort and 5 period effects less one, and 7 cells, none of them nested.
    n, g = 2500, 500
    theirs = (n - 1) / (n - (7 + 4 + 5 - 1)) * g / (g - 1)
    for name, estimate, error in zip(given["term"], given["est"], given["se"], strict=True):
        cohort, year = name.removeprefix(".c::").split("_")
        cell = result.effect("cell", "rate_ratio", cohort=cohort, period=year)
        assert np.log(cell.estimate) == pytest.approx(estimate, rel=1e-5)
        ours = cell.std_error / cell.estimate / np.sqrt(result.diagnostics["crv1_factor"])
        # Ours equal a dense regression to 1e-14 of themselves; the reference's seven scatter about them by up to
        # 2.7e-5, each by another amount, so that is where its iterations stopped.
        assert ours == pytest.approx(error / np.sqrt(theirs), rel=3e-5)


def test_population_gives_each_year_its_own_slope(counties):
    """The golden -28.57481 is of a model with cohort effects, and slopes of population by cohort and by year.

    Ours has area effects, in which a cohort's slope is absorbed, so it answers -28.5564 instead; here it is held to
    that regression with all columns written out. With cohort effects in their place, the same columns give the
    golden value, which shows that this is the whole difference.
    """
    design = sv.Design(counties.panel, outcome="employment", intervention=counties.intervention, covariates=("lpop",))
    ours = sv.did.ExtendedTwoWayFixedEffects(family="poisson").fit(design).effect("att", "difference").estimate
    a = design.arrays
    N, T = a.y.shape
    area, year = np.repeat(np.arange(N), T), np.tile(np.arange(T), N)
    x, y, treated = a.covariates[..., 0].ravel(), a.y.ravel(), a.treated.ravel()
    years = np.column_stack([year == t for t in range(1, T)]).astype(float)
    slopes = years * x[:, None]
    areas = np.column_stack([area == i for i in range(N)]).astype(float)
    cohorts = np.column_stack([a.start[area] == g for g in np.unique(a.start)]).astype(float)
    assert ours == pytest.approx(_att(y, treated, np.hstack([areas, years, slopes])), rel=1e-6)
    with_cohorts = _att(y, treated, np.hstack([cohorts, cohorts * x[:, None], years, slopes]))
    # printed to five decimals
    assert with_cohorts == pytest.approx(-28.57481, abs=5e-6)


def _att(y, treated, X):
    """Mean of observed less expected over treated cells, expected by a Poisson regression on the others."""
    U, V = X[~treated], y[~treated]
    beta = np.linalg.lstsq(U, np.log(V), rcond=None)[0]
    for _ in range(30):
        mu = np.exp(U @ beta)
        beta += np.linalg.lstsq(U.T @ (mu[:, None] * U), U.T @ (V - mu), rcond=None)[0]
    return float((y[treated] - np.exp(X[treated] @ beta)).mean())


def test_new_york_observed_and_expected(shootings):
    result = sv.did.ExtendedTwoWayFixedEffects().fit(shootings)
    assert result.diagnostics["observed"] == 4278
    assert result.diagnostics["treated_cells_used"] == 1315
    # printed to six decimals
    assert result.diagnostics["expected"] == pytest.approx(4676.011019, abs=5e-7)
    assert result.effect("att", "rate_ratio").percent[0] == pytest.approx(-8.511764, abs=5e-7)
    assert result.effect("att", "events").estimate == pytest.approx(4278 - 4676.011019, abs=5e-7)
    assert result.effect("att", "difference").estimate == pytest.approx((4278 - 4676.011019) / 1315, abs=1e-9)
    assert any("start after the last month" in note for note in result.notes)

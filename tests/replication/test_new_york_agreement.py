"""Shootings in New York precincts: the linear and the Poisson answers differ threefold, and the comparison says so."""

import os
from pathlib import Path

import pandas as pd
import pytest

import svmodel as sv
from svmodel import did

DATA = os.environ.get("SVMODEL_REAL_DATA")
GOLDEN = Path(DATA) / ".." / "golden" if DATA else Path("golden-data-not-given")
pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="SVMODEL_REAL_DATA does not lead to the golden values")


@pytest.fixture(scope="module")
def shootings():
    frame = pd.read_csv(GOLDEN / "nyc_shootings_precinct_month.csv")
    frame["month"] = frame["year"].astype(str) + "-" + frame["month"].astype(str).str.zfill(2)
    frame["precinct"] = frame["precinct"].astype(str)
    panel = sv.Panel.from_frame(frame, area="precinct", period="month", counts=["shootings"])
    first = frame[frame["yearCure"] > 0].drop_duplicates("precinct")
    starts = {r.precinct: f"{int(r.yearCure)}-{int(r.monthCure):02d}" for r in first.itertuples()}
    return sv.Design(panel, outcome="shootings", intervention=sv.Intervention("Cure Violence", starts))


@pytest.fixture(scope="module")
def comparison(shootings):
    methods = [
        did.Imputation(),
        did.TwoWayFixedEffects(),
        did.Imputation(family="linear"),
        did.CallawaySantAnna(),
        did.TwoWayFixedEffects(family="linear"),
    ]
    return sv.compare(shootings, methods, seed=1)


def test_estimates_are_the_golden_ones_on_one_scale(comparison):
    ratio = comparison.table.set_index("method")["estimate"]
    # printed: -8.511764%, exp(-0.0905393), and 4278 observed with -1.2642847 a month in 1,315 cells
    assert 100 * (ratio["Imputation Poisson"] - 1) == pytest.approx(-8.511764, abs=5e-7)
    assert ratio["TWFE Poisson"] == pytest.approx(0.9134384, abs=5e-7)
    assert ratio["Imputation linear"] == pytest.approx(4278 / (4278 + 1.2642847 * 1315), abs=1e-7)
    assert ratio["Callaway-Sant'Anna"] == pytest.approx(4278 / (4278 + 0.2593985 * 1315), abs=1e-7)


def test_the_report_says_that_linear_and_poisson_differ_threefold_and_why(comparison):
    assert (
        "The linear and the Poisson answers differ threefold: -28.0% (Imputation linear) against -8.5% "
        "(Imputation Poisson). 47% of area-months are zero."
    ) in comparison.text
    assert "read the Poisson answer" in comparison.text
    # on the same precincts the gap is no accident: the jackknife of the difference is far from zero
    pair = comparison.differences.set_index(["first", "second"]).loc[("Imputation Poisson", "Imputation linear")]
    assert pair.p_holm < 1e-6
    assert "The gap is more than chance leaves." in comparison.text


def test_an_implied_ratio_of_linear_twfe_is_marked(comparison):
    row = comparison.table.set_index("method").loc["TWFE linear"]
    assert row.implied
    assert row.estimate < 0.8

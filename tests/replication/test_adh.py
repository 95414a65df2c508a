"""Abadie, Diamond and Hainmueller (2010): California's tobacco programme by predictors with nested weights."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import svmodel as sv
from svmodel.counterfactual import SyntheticControl

DATA = os.environ.get("SVMODEL_REAL_DATA")
GOLDEN = Path(DATA) / ".." / "golden" if DATA else Path("golden-data-not-given")
pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="SVMODEL_REAL_DATA does not lead to the golden values")

PREDICTORS = [
    ("lnincome", 1980, 1988),
    ("age15to24", 1980, 1988),
    ("retprice", 1980, 1988),
    ("beer", 1984, 1988),
    ("outcome", 1975),
    ("outcome", 1980),
    ("outcome", 1988),
]
#: The file numbers the 39 states in the order of the alphabet.
STATES = {4: "Colorado", 5: "Connecticut", 19: "Montana", 21: "Nevada", 34: "Utah"}
PUBLISHED = {"Utah": 0.334, "Nevada": 0.234, "Montana": 0.199, "Colorado": 0.164, "Connecticut": 0.069}


@pytest.fixture(scope="module")
def design():
    frame = pd.read_csv(GOLDEN / "prop99_smoking_predictors.csv")
    frame["year"] = frame["year"].astype(int)
    frame["state"] = [f"state {int(s):02d}" for s in frame["state"]]
    panel = sv.Panel.from_frame(
        frame,
        area="state",
        period="year",
        measures=["cigsale"],
        covariates=["lnincome", "beer", "age15to24", "retprice"],
    )
    return sv.Design(panel, outcome="cigsale", intervention=sv.Intervention("Proposition 99", {"state 03": 1989}))


@pytest.fixture(scope="module")
def result(design):
    return SyntheticControl(predictors=PREDICTORS).fit(design)


def test_the_published_weights(result):
    donors = result.weights[result.weights["role"] == "donor"].set_index("area")["weight"]
    # printed to three decimals; the search that printed them stopped short of the minimum (mean square 3.089 at the
    # printed weights, 3.079 here), and the largest distance, 0.0037 for Colorado, is what lies between
    assert set(donors.index) == {f"state {i:02d}" for i in STATES}
    for i, state in STATES.items():
        assert donors[f"state {i:02d}"] == pytest.approx(PUBLISHED[state], abs=0.005)


def test_california_ranks_first_of_39_by_the_ratio_of_gaps(result):
    # section 3.4 of the paper: no placebo's ratio of mean square gaps is as large, p = 1 / 39 = 0.026
    assert result.diagnostics["placebos"] == 38
    assert result.diagnostics["p_value_rmspe_ratio"] == pytest.approx(1 / 39)
    assert result.diagnostics["hull"] == "inside"


def test_the_table_of_predictors(result):
    # table 1 of the paper, columns real and synthetic, to the printed digits; beer is from 1984
    table = result.diagnostics["balance"].set_index("predictor")
    printed = {
        "lnincome 1980 to 1988": (10.08, 9.86, 0.005),
        "retprice 1980 to 1988": (89.42, 89.41, 0.02),
        "beer 1984 to 1988": (24.28, 24.20, 0.05),
        "outcome 1988": (90.10, 91.62, 0.05),
        "outcome 1980": (120.20, 120.43, 0.05),
        "outcome 1975": (127.10, 126.99, 0.1),
    }
    for name, (real, synthetic, room) in printed.items():
        assert table.loc[name, "treated"] == pytest.approx(real, abs=0.005)
        # weights within 0.005 of the printed ones move a synthetic value a little
        assert table.loc[name, "synthetic"] == pytest.approx(synthetic, abs=room)
    assert any("lnincome" in note for note in result.notes if note.startswith("Not balanced"))


def test_the_minimum_is_below_that_of_the_published_weights(design, result):
    y = design.panel.matrix("cigsale")
    areas = list(design.panel.areas)
    published = np.zeros(39)
    for i, state in STATES.items():
        published[areas.index(f"state {i:02d}")] = PUBLISHED[state]
    gap = y[areas.index("state 03"), :19] - published @ y[:, :19]
    assert result.diagnostics["rmspe_before"] < np.sqrt(np.mean(gap**2))


def test_point_is_the_effect(design, result):
    estimator = result.estimator
    effect = result.effect("att", "difference")
    assert estimator.point(estimator.arrays(design)) == effect.estimate
    # California's fall by 2000 is told as about 26 packs a year
    assert result.effect("event", "difference", horizon=11).estimate == pytest.approx(-26, abs=1)

"""Power of a place-based pilot in Merseyside: 13 treated and 64 control LSOAs, 36 months before and 22 after."""

import os
from pathlib import Path

import pandas as pd
import pytest

import svmodel as sv

DATA = os.environ.get("SVMODEL_REAL_DATA")
FILE = Path(DATA) / "merseyside_lsoa_monthly.csv" if DATA else Path("real-data-not-given")
pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="SVMODEL_REAL_DATA does not lead to the Merseyside months")


@pytest.fixture(scope="module")
def pilot():
    frame = pd.read_csv(FILE, usecols=["id", "month", "viol", "treatment"])
    frame["month"] = frame["month"].str[:7]
    panel = sv.Panel.from_frame(frame, area="id", period="month", counts=["viol"])
    treated = sorted(frame.loc[frame["treatment"] == 1, "id"].unique())
    starts = dict.fromkeys(treated, "2023-01")
    return sv.Design(panel, outcome="viol", intervention=sv.Intervention("Clear, hold, build", starts))


@pytest.mark.parametrize("method", ["resample", "model"])
def test_only_a_fall_of_about_a_fifth_could_be_found(pilot, method):
    """The domain notes say about 16%, without the counts or the method it was computed for.

    Areas that stray as these LSOAs did for years on end make it a fifth: measured 20.1% among areas like the treated
    and 25.3% from the model with 150 draws. 24 draws place it within a quarter.
    """
    found = sv.power(
        pilot,
        [0.65, 0.75, 0.85],
        n_treated=13,
        n_controls=64,
        placement="alike",
        method=method,
        draws=24,
        seed=1,
    )
    assert "13 treated areas and 64 controls" in found.text
    assert ", 58 periods, " in found.text
    least = found.detectable["effect"][0]
    assert 0.70 < least < 0.87
    assert found.type_one_error <= 0.25

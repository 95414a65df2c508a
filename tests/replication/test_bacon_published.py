"""Goodman-Bacon's decomposition of the county employment data, as published."""

import os
from pathlib import Path

import pandas as pd
import pytest

import svmodel as sv

DATA = os.environ.get("SVMODEL_REAL_DATA")
GOLDEN = Path(DATA) / ".." / "golden" if DATA else Path("golden-data-not-given")
pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="SVMODEL_REAL_DATA does not lead to the golden values")


def test_weights_by_type_and_the_coefficient():
    frame = pd.read_csv(GOLDEN / "mpdta.csv")
    frame["county"], frame["year"] = frame["countyreal"].astype(int).astype(str), frame["year"].astype(int)
    panel = sv.Panel.from_frame(frame, area="county", period="year", measures=["lemp"])
    first = frame[frame["first.treat"] > 0].drop_duplicates("county")
    starts = dict(zip(first["county"], first["first.treat"].astype(int), strict=True))
    design = sv.Design(panel, outcome="lemp", intervention=sv.Intervention("minimum wage", starts))
    table = sv.did.bacon_decomposition(design)
    weights = table.groupby("type")["weight"].sum()
    # printed to six decimals
    assert weights["treated_vs_never"] == pytest.approx(0.862774, abs=5e-7)
    assert weights["earlier_vs_later"] == pytest.approx(0.083301, abs=5e-7)
    assert weights["later_vs_earlier"] == pytest.approx(0.053924, abs=5e-7)
    assert table["weight"] @ table["estimate"] == pytest.approx(-0.0365489, abs=5e-8)

"""Florida's stand-your-ground law by segmented regression (Humphreys, Gasparrini and Wiebe 2017)."""

import os
from pathlib import Path

import pandas as pd
import pytest

import svmodel as sv

DATA = os.environ.get("SVMODEL_REAL_DATA")
GOLDEN = Path(DATA) / ".." / "golden" if DATA else Path("golden-data-not-given")
pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="SVMODEL_REAL_DATA does not lead to the golden values")


@pytest.fixture(scope="module")
def states():
    frame = pd.read_csv(GOLDEN / "us_homicide_state_monthly_1999-2014.csv")
    at = frame["time"] - 1
    frame["month"] = (1999 + at // 12).astype(str) + "-" + (at % 12 + 1).astype(str).str.zfill(2)
    # homicides of a few months in 2001 are means of other months, so no counts
    return sv.Panel.from_frame(
        frame[["State", "month", "Homicide_num", "Homicide_count", "Population"]],
        area="State",
        period="month",
        counts=["Homicide_num"],
        measures=["Homicide_count"],
        exposures=["Population"],
    )


#: As published, of measures as of counts.
LAW = "quasipoisson"


def law(panel, outcome):
    # time 82
    intervention = sv.Intervention("Stand your ground", {"Florida": "2005-10"})
    return sv.Design(panel, outcome=outcome, exposure="Population", intervention=intervention)


@pytest.mark.parametrize(
    ("outcome", "published"),
    [("Homicide_count", (1.244, 1.164, 1.331)), ("Homicide_num", (1.316, 1.202, 1.440))],
    ids=["homicide", "by firearm"],
)
def test_the_published_change_of_level(states, outcome, published):
    estimator = sv.counterfactual.InterruptedTimeSeries(slope_change=False, errors="model", family=LAW)
    result = estimator.fit(law(states, outcome))
    effect = result.effect("att", "rate_ratio")
    # printed to three decimals; 1.3305 is printed as 1.331 and 1.2025 as 1.202, so half a unit and no more
    assert (effect.estimate, effect.conf_low, effect.conf_high) == pytest.approx(published, abs=6e-4)
    assert result.diagnostics["level_change"] == pytest.approx(effect.estimate, rel=1e-9)


def test_errors_that_follow_each_other_widen_the_interval(states):
    wide = sv.counterfactual.InterruptedTimeSeries(slope_change=False, family=LAW)
    narrow = sv.counterfactual.InterruptedTimeSeries(slope_change=False, errors="model", family=LAW)
    design = law(states, "Homicide_num")
    one, other = wide.fit(design), narrow.fit(design)
    assert one.effect().estimate == other.effect().estimate
    # Ljung and Box reject independence, and the answer stands even so
    assert one.diagnostics["ljung_box_p"] < 0.01
    assert any("hang together" in n and "too small" in n for n in other.notes)
    assert one.effect().std_error > 1.2 * other.effect().std_error
    assert one.effect().conf_low > 1


def test_states_without_the_law_take_some_of_it_off(states):
    lone = sv.counterfactual.InterruptedTimeSeries(slope_change=False, family=LAW)
    held = sv.counterfactual.InterruptedTimeSeries(slope_change=False, controls="untreated", family=LAW)
    design = law(states, "Homicide_num")
    assert 1 < held.fit(design).effect().estimate < lone.fit(design).effect().estimate

from dataclasses import replace

import numpy as np
import pytest

from svmodel.breaks import Break
from svmodel.checks import recording_practice
from svmodel.checks.recording_practice import RatioOfEffects, with_second
from svmodel.did.callaway_santanna import CallawaySantAnna
from svmodel.did.etwfe import ExtendedTwoWayFixedEffects
from svmodel.errors import DataError
from svmodel.panel import Panel
from svmodel.result import Result
from svmodel.result.scales import estimates_frame

ETWFE = ExtendedTwoWayFixedEffects()


def two_records(design, seed=0, recorded=1.0):
    """Take `events` for the harm; 4 in 10 reach a hospital, and 8 in 10 are recorded, when treated times `recorded`."""
    frame = design.panel.to_frame()
    start = frame["area"].map({a: p.ordinal for a, p in design.intervention.starts.items()})
    treated = frame["period"].map(lambda p: p.ordinal) >= start
    rng = np.random.default_rng(100 + seed)
    harm = frame["events"].to_numpy(dtype=int)
    frame["hospital"] = rng.binomial(harm, 0.4)
    frame["events"] = rng.binomial(harm, 0.8 * np.where(treated, recorded, 1.0))
    panel = Panel.from_frame(
        frame, area="area", period="period", counts=["events", "hospital"], measures=["score"], exposures=["people"]
    )
    return replace(design, panel=panel)


def row(found, quantity):
    return found.table[found.table["quantity"] == quantity].iloc[0]


def test_a_fall_in_recording_is_told_from_a_fall_in_harm(make_design):
    less = recording_practice(ETWFE.fit(two_records(make_design(1), recorded=0.8)), outcome="hospital")
    assert less.status == "failed"
    assert "less of what happens seems to be recorded" in less.text
    assert row(less, "ratio_of_effects")["estimate"] == pytest.approx(0.8, abs=0.06)
    harm = recording_practice(ETWFE.fit(two_records(make_design(1, effect=0.7))), outcome="hospital")
    assert harm.status == "passed"
    assert row(harm, "effect_second")["conf_high"] < 1


def test_more_recording_hides_a_fall(make_design):
    design = two_records(make_design(2, effect=0.8), recorded=1.2)
    found = recording_practice(ETWFE.fit(design), outcome="hospital")
    assert found.status == "failed"
    assert "hides a fall" in found.text


def test_the_ratio_is_that_of_two_fits(make_design):
    design = two_records(make_design(3, effect=0.8), recorded=0.9)
    one, two = (
        ETWFE.fit(replace(design, outcome=o)).effect("att", "rate_ratio").estimate for o in ("events", "hospital")
    )
    found = recording_practice(ETWFE.fit(design), outcome="hospital")
    assert row(found, "ratio_of_effects")["estimate"] == pytest.approx(one / two)
    other = recording_practice(CallawaySantAnna(simultaneous=False).fit(design), outcome="hospital")
    assert row(other, "ratio_of_effects")["estimate"] == pytest.approx(one / two)


@pytest.mark.parametrize("treated", [12, 3])
def test_it_keeps_still_where_recording_stood_still(make_design, treated):
    choices = {"n": 40, "length": 40, "treated": treated, "effect": 0.8, "starts": (28,)}
    found = [
        recording_practice(ETWFE.fit(two_records(make_design(s, **choices), s)), outcome="hospital").status
        for s in range(8)
    ]
    assert found.count("failed") <= 2


def test_cells_missing_in_one_record_are_missing_in_both(make_design):
    arrays = two_records(make_design(4)).arrays
    second = np.ones_like(arrays.y)
    second[3, 5] = np.nan
    both = with_second(replace(arrays, y=np.where(np.arange(48) == 7, np.nan, arrays.y)), second)
    assert np.isnan(both.y[3, 5])
    assert np.isnan(both.covariates[:, 7, -1]).all()
    assert RatioOfEffects(ETWFE).point(both) == pytest.approx(ETWFE.point(replace(both, covariates=arrays.covariates)))


def test_the_ratio_of_counts_by_year_and_group(make_design):
    design = two_records(make_design(5))
    table = recording_practice(ETWFE.fit(design), outcome="hospital").table
    arrays = design.arrays
    treated = arrays.start < 48
    plain = arrays.y[treated][:, 12:24].sum() / design.view.matrix("hospital")[treated][:, 12:24].sum()
    shown = table[(table["quantity"] == "ratio_treated") & (table["period"] == "Jan 2019 to Dec 2019")]
    assert shown["estimate"].tolist() == [pytest.approx(plain)]


def test_a_declared_break_near_a_start_is_told(make_design):
    result = ETWFE.fit(two_records(make_design(6)))
    near, far = Break("2020-05", "new recording system"), Break("2018-05", "another")
    found = recording_practice(result, outcome="hospital", breaks=[near, far])
    assert found.status in ("informative", "failed")
    assert "new recording system" in found.text
    assert "another" not in found.text
    assert "new recording system" in recording_practice(result, breaks=near).text
    assert recording_practice(result, breaks=[far]).status == "not_applicable"


def test_what_it_needs(make_design):
    result = ETWFE.fit(two_records(make_design(7)))
    assert recording_practice(result).status == "not_applicable"
    assert recording_practice(Result(estimates_frame([]), None, ETWFE), outcome="x").status == "not_applicable"
    with pytest.raises(DataError, match="Did you mean 'hospital'"):
        recording_practice(result, outcome="hospitl")
    with pytest.raises(DataError, match="the study itself"):
        recording_practice(result, outcome="events")
    with pytest.raises(DataError, match="Break"):
        recording_practice(result, breaks=["2020-05"])


def test_a_single_treated_area_among_few_gets_no_interval(make_design):
    found = recording_practice(ETWFE.fit(two_records(make_design(8, n=8, treated=1, starts=(30,)))), outcome="hospital")
    assert found.status == "informative"
    assert "could not be tested" in found.text

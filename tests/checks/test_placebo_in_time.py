from dataclasses import replace

import numpy as np
import pytest

from svmodel.checks import run
from svmodel.checks.placebo_in_time import placebo_design, placebo_in_time
from svmodel.did.callaway_santanna import CallawaySantAnna

CS = CallawaySantAnna(simultaneous=False)


def test_no_truly_treated_cell_takes_part(make_design):
    for anticipation in (0, 2):
        design = make_design(0, anticipation=anticipation)
        placebo, shift = placebo_design(design)
        assert shift == (30 - anticipation) // 2
        old, new = design.arrays, placebo.arrays
        length = len(new.periods)
        real = (old.horizon >= -anticipation)[:, :length] & (old.start < len(old.periods))[:, None]
        assert not (new.treated & real).any()
        assert not (new.untreated & real).any()
        assert new.treated.any()
        assert new.periods[-1] == old.periods[36 - anticipation - 1]


def test_no_effect_is_found_where_there_is_none(make_design):
    statuses = [placebo_in_time(CS.fit(make_design(s, effect=0.7))).status for s in range(20)]
    # the real effect must not leak in; 1 of 20 fails by chance, and 5 or more once in 400 times
    assert statuses.count("failed") <= 4
    assert set(statuses) <= {"passed", "failed"}


def test_a_drift_is_found(make_design):
    checks = [placebo_in_time(CS.fit(make_design(s, drift=0.04, noise=0.02))) for s in range(5)]
    assert [c.status for c in checks].count("failed") >= 4
    assert "drifting apart" in checks[0].text
    assert list(checks[0].table["start"]) == ["placebo", "real"]


def test_areas_that_start_after_the_data_stay_in(make_design):
    design = make_design(0, window=(None, "2020-12"))  # the second cohort starts in January 2021
    placebo, _ = placebo_design(design)
    assert placebo.problems() == ()
    assert placebo.arrays.y.shape[0] == 60
    second = [i for i, s in enumerate(design.arrays.start) if s == 36]
    assert len(second) == 6
    assert not placebo.arrays.treated[second].any()


def test_too_short_a_time_before(make_design):
    fitted = CS.fit(make_design(0, starts=(3, 20)))
    check = placebo_in_time(fitted)
    assert check.status == "not_applicable"
    assert "3 months" in check.text


def test_what_it_needs(make_design):
    fitted = CS.fit(make_design(0))
    assert placebo_in_time(replace(fitted, design=None)).status == "not_applicable"
    without = fitted.estimates[fitted.estimates["term"] != "att"]
    assert placebo_in_time(replace(fitted, estimates=without)).status == "not_applicable"


def test_an_effect_without_an_interval_is_not_spoken_of(make_design):
    fitted = CS.fit(make_design(0))
    bare = replace(fitted, estimates=fitted.estimates.assign(std_error=np.nan, conf_low=np.nan, conf_high=np.nan))
    for name in ("placebo_in_time", "leave_one_area_out"):
        (check,) = run(bare, names=[name])
        assert check.status == "not_applicable"
        assert "with an interval" in check.text


def test_a_refusal_is_told_not_swallowed(make_design):
    everyone = make_design(0, n=12, treated=12, starts=(30, 36))
    fitted = CallawaySantAnna(control="not_yet_treated", simultaneous=False).fit(everyone)
    strict = replace(fitted, estimator=CS)  # needs never-treated areas, and there is none
    check = placebo_in_time(strict)
    assert check.status == "not_applicable"
    assert "never" in check.text


def test_the_anticipation_may_cover_all(make_design):
    design = make_design(0, n=20, length=20, treated=4, starts=(9,), anticipation=5)
    assert placebo_in_time(CS.fit(design)).status in ("passed", "failed", "not_applicable")
    design = make_design(0, length=40, starts=(20,))
    assert np.isfinite(placebo_in_time(CS.fit(design)).table["estimate"]).all()


@pytest.mark.parametrize("freq", ["M", "Q-DEC"])
def test_the_words_name_the_period(make_design, freq):
    word = {"M": "month", "Q-DEC": "quarter"}[freq]
    assert f"15 {word}s" in placebo_in_time(CS.fit(make_design(0, freq=freq))).text

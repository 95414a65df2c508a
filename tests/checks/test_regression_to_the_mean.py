from dataclasses import dataclass, replace

import numpy as np
import pytest

from svmodel import simulate
from svmodel.checks import regression_to_the_mean
from svmodel.did.callaway_santanna import CallawaySantAnna
from svmodel.estimates import estimates_frame, log_row
from svmodel.result import Result


@dataclass(frozen=True)
class Unused:
    """Stands where the estimator stands; this check asks the design only."""


def check(design, seed=0):
    return regression_to_the_mean(Result(estimates_frame([log_row("att", -0.1, 0.05)]), design, Unused()), seed=seed)


def value(found, quantity):
    return found.table.set_index("quantity")["value"][quantity]


def share_failed(designs):
    found = [check(d, seed=s).status for s, d in enumerate(designs)]
    assert set(found) <= {"passed", "failed"}
    return found.count("failed") / len(found)


def test_it_fires_where_areas_were_chosen_at_a_passing_high(make_design):
    assert share_failed(make_design(s, shock=0.3, choose="shock") for s in range(60)) >= 0.8


@pytest.mark.parametrize(("choose", "shock"), [("lot", 0.3), ("level", 0.0), ("level", 0.3)])
def test_it_keeps_still_where_they_were_not(make_design, choose, shock):
    # by lot, or for a permanent level: neither reverts. A share of 0.05 of 60 passes 0.1 in 1 of 12 sets of panels;
    # these are fixed sets
    assert share_failed(make_design(s, shock=shock, choose=choose) for s in range(60)) <= 0.1


def test_a_real_effect_does_not_set_it_off(make_design):
    assert share_failed(make_design(s, effect=0.6) for s in range(30)) <= 0.1


def test_it_fires_on_the_panels_of_simulate():
    chosen = {"shock_sd": 0.25, "shock_persistence": 0.8}
    fired = share_failed(simulate.panel(seed=s, selection="observed", **chosen).design() for s in range(12))
    still = share_failed(simulate.panel(seed=s, selection="level", **chosen).design() for s in range(12))
    assert fired >= 0.8
    assert still <= 0.1


def test_the_excess_and_what_fades_are_those_planted(make_design):
    designs = [make_design(s, shock=0.3, choose="shock", n=200, treated=40, starts=(30,)) for s in range(8)]
    found = [check(d) for d in designs]
    excess = [_gap(d, slice(0, 18), slice(18, 30)) for d in designs]
    after = [_gap(d, slice(18, 30), slice(30, 48)) for d in designs]
    np.testing.assert_allclose([value(f, "excess") for f in found], excess, rtol=0.02)  # exposure weights differ
    # nothing was done here, so the fall after the window is reversion alone; the mean of 8 has an error of 0.02
    assert np.mean([value(f, "fades_to") for f in found]) == pytest.approx(np.mean(after), abs=0.06)
    whole = [_gap(d, slice(0, 30), slice(30, 48)) for d in designs]
    assert np.mean([value(f, "bias") for f in found]) == pytest.approx(np.mean(whole), abs=0.06)


def _gap(design, one, two):
    """Return the change of the treated areas' rate from one span to the other, over that of the rest."""
    arrays = design.arrays
    treated = arrays.start < 48

    def rate(rows, span):
        return arrays.y[rows][:, span].sum() / arrays.exposure[rows][:, span].sum()

    return rate(treated, two) / rate(treated, one) / (rate(~treated, two) / rate(~treated, one))


def test_what_lasts_is_not_said_to_fade():
    lasting = {"shock_sd": 0.4, "shock_persistence": 0.98, "dispersion": 0.0, "mean": 40.0}
    stays = [value(check(simulate.panel(seed=s, **lasting).design()), "persistence") for s in range(3)]
    passing = {"shock_sd": 0.4, "shock_persistence": 0.0, "dispersion": 0.0, "mean": 40.0}
    goes = [value(check(simulate.panel(seed=s, **passing).design()), "persistence") for s in range(3)]
    assert min(stays) > 0.4
    assert max(goes) < 0.15


def test_the_same_seed_gives_the_same_answer(make_design):
    design = make_design(4, shock=0.2, choose="shock")
    assert check(design, seed=5).text == check(design, seed=5).text
    assert value(check(design, seed=5), "excess") == value(check(design, seed=6), "excess")


def test_the_words_give_the_direction(make_design):
    found = check(make_design(0, shock=0.4, choose="shock"))
    assert found.status == "failed"
    assert "passing high" in found.text
    assert "The effect found is -9.5%" in found.text  # exp(-0.1) - 1
    assert value(found, "window") == 12
    fine = check(make_design(0))
    assert "no clear sign" in fine.text


def test_areas_with_gaps_are_left_out_and_counted(make_design):
    from svmodel.panel import Panel

    design = make_design(0)
    frame = design.panel.to_frame()
    gap = (frame["area"] == min(design.intervention.starts)) & (frame["period"] == "2018-05")
    frame.loc[gap, "events"] = np.nan
    panel = Panel.from_frame(frame, area="area", period="period", counts=["events"], exposures=["people"])
    assert "1 treated area" in check(replace(design, panel=panel)).text


def test_what_it_needs(make_design):
    assert check(make_design(0, outcome="score", exposure=None)).status == "not_applicable"
    assert check(make_design(0, starts=(3, 20))).status == "not_applicable"
    assert check(make_design(0, n=13, treated=12)).status == "not_applicable"
    nothing = Result(estimates_frame([]), None, Unused())
    assert regression_to_the_mean(nothing).status == "not_applicable"


def test_one_treated_area_among_many(make_design):
    found = check(make_design(0, treated=1, starts=(30,)))
    assert found.status in ("passed", "failed")
    assert np.isfinite(value(found, "excess"))


def test_it_takes_the_result_of_an_estimator(make_design):
    fitted = CallawaySantAnna(simultaneous=False).fit(make_design(0))
    assert regression_to_the_mean(fitted).status == "passed"

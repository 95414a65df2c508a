from dataclasses import dataclass, replace

import numpy as np
import pytest

from svmodel import simulate
from svmodel.checks import regression_to_the_mean
from svmodel.checks.regression_to_the_mean import _cohorts, _p_value, _parts
from svmodel.did.callaway_santanna import CallawaySantAnna
from svmodel.numerics.firth import firth_logistic
from svmodel.result import Result
from svmodel.result.scales import estimates_frame, log_row


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


@pytest.mark.parametrize("noise", [{}, {"shock_sd": 0.25, "shock_persistence": 0.6, "dispersion": 0.05}])
def test_it_fires_in_small_panels_too(noise):
    size = {"n_areas": 100, "n_periods": 48, "cohorts": ((30, 10), (36, 10)), **noise}
    fired = share_failed(simulate.panel(seed=s, selection="observed", **size).design() for s in range(20))
    level = share_failed(simulate.panel(seed=s, selection="level", **size).design() for s in range(20))
    lot = share_failed(simulate.panel(seed=s, selection="lot", **size).design() for s in range(20))
    assert fired >= 0.9
    assert max(level, lot) <= 0.15  # 5% of 20, and chance


def test_the_sum_and_its_tosses_are_those_of_the_docstring():
    """The statistic step by step, for one cohort without exposure."""
    design = simulate.panel(60, 40, cohorts=[(30, 12)], selection="observed", seed=3).design(exposure=None)
    y, treated = design.arrays.y, design.arrays.start == 30
    R, E = y[:, 18:30].sum(axis=1), y[:, :18].sum(axis=1)
    g = R.sum() / (E.sum() * 12 / 18)
    x = np.log(R + E)
    X = np.column_stack([np.ones(60), (x - x.mean()) / x.std()])
    p = firth_logistic(treated * 1.0, X).probability
    z = (R - g * E * 12 / 18) / np.sqrt(R + E)
    W = np.diag(p * (1 - p))
    z = z - X @ np.linalg.solve(X.T @ W @ X, X.T @ W @ z)
    parts = _parts(_cohorts(design, 12), 60)
    np.testing.assert_allclose(parts, (treated - p) * z, atol=1e-7)
    rng = np.random.default_rng(0)
    for those in (parts, parts * np.where(np.arange(60) % 3 == 0, -1, 1)):
        tossed = (rng.choice([-1, 1], (20_000, 60)) * np.abs(those)).sum(axis=1)
        assert _p_value(those, 0) == pytest.approx(float((tossed >= those.sum()).mean()), abs=0.03)
        assert _p_value(those[::-1], 0) == pytest.approx(_p_value(those, 0), abs=1e-3)


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

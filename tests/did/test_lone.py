import numpy as np
import pandas as pd
import pytest

from svmodel import Design, Intervention, Panel
from svmodel.did import CallawaySantAnna, ExtendedTwoWayFixedEffects, TwoWayFixedEffects

ESTIMATORS = [
    ExtendedTwoWayFixedEffects(),
    TwoWayFixedEffects(),
    TwoWayFixedEffects(family="linear"),
    CallawaySantAnna(n_boot=99),
]


def _design(treated, controls, y=None):
    rng = np.random.default_rng(3)
    n, periods = treated + controls, 16
    months = pd.period_range("2022-01", periods=periods, freq="M").astype(str)
    y = rng.poisson(12, (n, periods)) if y is None else y
    areas = [f"a{i:02d}" for i in range(n)]
    frame = pd.DataFrame({"area": np.repeat(areas, periods), "month": np.tile(months, n), "n": y.ravel()})
    panel = Panel.from_frame(frame, area="area", period="month", counts=["n"])
    return Design(panel, outcome="n", intervention=Intervention("x", dict.fromkeys(areas[:treated], months[8])))


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_no_interval_rests_on_a_single_control(estimator):
    result = estimator.fit(_design(10, 1))
    att = result.effect("att", "events")
    assert np.isfinite(att.estimate)
    assert np.isnan([att.conf_low, att.conf_high, att.p_value]).all()
    assert result.estimates[["conf_low", "conf_high", "p_value"]].isna().all(axis=None)
    assert any("10 treated areas and 1 control" in n and "No interval" in n for n in result.notes)
    assert result.diagnostics["inference"] == "none"
    assert "no interval" in str(result.headline())
    assert "nan" not in str(result.headline())
    if result.counterfactual is not None:
        assert result.counterfactual[["low", "high"]].isna().all(axis=None)


@pytest.mark.parametrize("estimator", ESTIMATORS[1:], ids=repr)
def test_no_interval_rests_on_a_single_treated_area(estimator):
    result = estimator.fit(_design(1, 9))
    assert np.isnan(result.effect("att", "events").conf_low)
    assert any("No interval is given" in n for n in result.notes)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_a_single_treated_area_is_held_against_how_untreated_ones_strayed(estimator):
    result = estimator.fit(_design(1, 12))
    assert np.isfinite(result.effect("att", "events").conf_low)
    assert result.diagnostics["inference"] == "placebo"
    assert result.diagnostics["inference_in_doubt"]
    assert any("the shape of such noise cannot be told" in n for n in result.notes)
    assert not estimator.fit(_design(1, 39)).diagnostics["inference_in_doubt"]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_few_controls_are_said(estimator):
    few = estimator.fit(_design(10, 3))
    assert np.isfinite(few.effect("att", "events").conf_low)
    assert any("10 treated areas and 3 controls" in n and "too small at times" in n for n in few.notes)
    assert few.diagnostics["inference_in_doubt"]
    many = estimator.fit(_design(10, 8))
    assert not any("too small at times" in n for n in many.notes)
    assert not many.diagnostics["inference_in_doubt"]


def test_a_period_without_an_event_among_controls_costs_its_horizon_and_not_the_answer():
    y = np.random.default_rng(4).poisson(6, (20, 16))
    y[8:, 11] = 0
    result = TwoWayFixedEffects().fit(_design(8, 12, y))
    assert np.isfinite(result.effect("att", "rate_ratio").conf_low)
    assert 3 not in set(result.estimates["horizon"])
    assert 4 in set(result.estimates["horizon"])
    assert any("horizon +3 left out" in n for n in result.notes)


def test_json_gives_back_equal_tables():
    for estimator in ESTIMATORS:
        result = estimator.fit(_design(6, 6))
        again = type(result).from_json(result.to_json())
        pd.testing.assert_frame_equal(again.estimates, result.estimates)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_a_reporting_area_treated_as_a_whole_is_said(estimator):
    design = _design(6, 6)
    frame = design.panel.to_frame().assign(parent=lambda f: np.where(f["area"] < "a06", "P", "Q"))
    panel = Panel.from_frame(frame, area="area", period="period", counts=["n"], parent="parent")
    whole = Design(panel, outcome="n", intervention=Intervention("x", {"P": "2022-09"}))
    result = estimator.fit(whole)
    assert result.effect("att", "events").estimate == estimator.fit(design).effect("att", "events").estimate
    # by itself a reporting area among two tells nothing of what else befell it
    assert any("Every area of P is treated" in n or "1 treated reporting area and 1 control" in n for n in result.notes)
    part = Intervention("x", dict.fromkeys(panel.areas[:5], "2022-09"))
    assert not any("Every area of" in n for n in estimator.fit(Design(panel, outcome="n", intervention=part)).notes)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_an_end_is_said(estimator):
    design = _design(6, 6)
    old = design.intervention
    cut = Design(design.panel, outcome="n", intervention=Intervention("x", old.starts, ends={"a02": "2022-12"}))
    (note,) = (n for n in estimator.fit(cut).notes if "intervention ended" in n)
    assert note == "The intervention ended in a02: the months after the end are left out."
    assert not any("intervention ended" in n for n in estimator.fit(design).notes)

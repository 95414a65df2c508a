"""Warnings of methods reach the page: real fits of designs that cannot carry what is asked of them."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from svmodel import Design, Intervention, Panel, bayes, counterfactual, did, simulate
from svmodel.report.pages.notices import notices, without_interval

MONTHS = pd.period_range("2017-01", periods=48, freq="M")


def design_of(n_areas, treated, mean, *, seed=1, start="2019-07", effect=0.7, spread=0.3):
    rng = np.random.default_rng(seed)
    level = mean * np.exp(rng.normal(0, spread, n_areas))[:, None] * np.ones(len(MONTHS))
    after = np.asarray(pd.Period(start, "M") <= MONTHS)
    level[: len(treated)] *= np.where(after, effect, 1.0)
    areas = [f"A{i:03d}" for i in range(n_areas)]
    frame = pd.DataFrame(
        {
            "area": np.repeat(areas, len(MONTHS)),
            "month": np.tile(MONTHS.astype(str), n_areas),
            "harms": rng.poisson(level).ravel(),
            "people": 5_000,
        }
    )
    panel = Panel.from_frame(frame, area="area", period="month", counts=["harms"], exposures=["people"])
    starts = dict.fromkeys(areas[: len(treated)], start)
    return Design(panel, outcome="harms", exposure="people", intervention=Intervention("Patrols", starts))


@pytest.fixture(scope="module")
def plain():
    return design_of(40, range(12), 20.0)


@pytest.mark.parametrize(
    "estimator",
    [
        did.ExtendedTwoWayFixedEffects(),
        did.ExtendedTwoWayFixedEffects(family="linear"),
        did.TwoWayFixedEffects(),
        did.Imputation(family="linear"),
        did.CallawaySantAnna(n_boot=99),
        did.StackedDiD(),
        counterfactual.SyntheticControl(block=3, draws=19),
        counterfactual.SyntheticDiD(),
        counterfactual.InterruptedTimeSeries(),
        counterfactual.StructuralTimeSeries(controls="sum", draws=200, warmup=100, chains=2),
    ],
    ids=lambda e: f"{type(e).__name__}-{getattr(e, 'family', '')}",
)
def test_every_method_says_what_its_interval_rests_on(plain, estimator):
    result = estimator.fit(plain, seed=1)
    assert not without_interval(result)
    assert re.search(r"interval|error|posterior|p-value", result.uncertainty.why, re.IGNORECASE)


def test_a_sound_design_has_no_warnings(plain):
    assert notices(did.ExtendedTwoWayFixedEffects().fit(plain)) == ()


def test_a_single_treated_area_among_few_has_no_interval_and_says_why():
    result = did.ExtendedTwoWayFixedEffects().fit(design_of(8, range(1), 20.0))
    (first, *_) = notices(result)
    assert first.kind == "No interval"
    assert "No interval is given" in first.text


def test_an_interval_in_doubt_is_a_warning_with_its_reason():
    result = did.ExtendedTwoWayFixedEffects().fit(design_of(30, range(1), 20.0))
    assert result.diagnostics["inference_in_doubt"]
    assert not without_interval(result)
    (first, *_) = notices(result)
    assert first.kind == "Interval in doubt"
    assert "hangs on one area" in first.text


def test_many_zeros_under_a_linear_model_are_a_warning():
    texts = [n.text for n in notices(did.Imputation(family="linear").fit(design_of(60, range(20), 0.7)))]
    assert any("of area-months are zero" in t and "Poisson" in t for t in texts)


def test_an_area_outside_its_donors_hull_is_a_warning_and_has_no_interval():
    design = design_of(30, range(1), 20.0, spread=0.1)
    panel = design.panel
    frame = panel.to_frame()
    frame.loc[frame["area"] == "A000", "harms"] *= 4
    far = Panel.from_frame(frame, area="area", period="period", counts=["harms"], exposures=["people"])
    result = counterfactual.SyntheticControl(block=3).fit(replace(design, panel=far))
    texts = [n.text for n in notices(result)]
    assert without_interval(result)
    assert any("OUTSIDE THE DONORS' HULL" in t for t in texts)


def test_a_lone_series_says_that_it_has_no_controls(plain):
    texts = [n.text for n in notices(counterfactual.InterruptedTimeSeries().fit(plain))]
    assert any("against its own past alone" in t for t in texts)


def test_twice_the_same_warning_is_said_once(plain):
    result = counterfactual.InterruptedTimeSeries().fit(plain)
    twice = replace(result, warnings=(*result.warnings, *result.warnings))
    assert notices(twice) == notices(result)


@pytest.mark.parametrize(
    ("estimator", "areas", "treated", "beginning"),
    [
        (did.SunAbraham(), 12, 9, "Only 3 areas serve as controls"),
        (bayes.StructuralCounterfactual(draws=200), 4, 1, "Only 3 areas stand for what happened elsewhere"),
        (counterfactual.StructuralTimeSeries(draws=200, chains=2), 20, 1, "The interval is in doubt"),
    ],
    ids=["Sun and Abraham", "structural counterfactual", "structural series"],
)
def test_few_areas_that_stand_for_elsewhere_and_doubtful_intervals_are_on_the_page(
    estimator, areas, treated, beginning
):
    design = simulate.panel(areas, 36, mean=20, cohorts=((24, treated),), seed=1).design("violence")
    found = notices(estimator.fit(design, seed=1))
    assert any(n.text.startswith(beginning) for n in found), found


DOUBTED = {
    "ETWFE": did.ExtendedTwoWayFixedEffects(),
    "TWFE linear": did.TwoWayFixedEffects(family="linear"),
    "Callaway-Sant'Anna": did.CallawaySantAnna(n_boot=99),
    "synthetic DiD": counterfactual.SyntheticDiD(n_draws=39),
    "synthetic control": counterfactual.SyntheticControl(draws=19),
    "interrupted series": counterfactual.InterruptedTimeSeries(controls="untreated"),
    "structural series": counterfactual.StructuralTimeSeries(draws=200, warmup=100, chains=2),
    "hierarchical": bayes.HierarchicalDiD(draws=200),
    "Bayesian structural, counts": bayes.StructuralCounterfactual(draws=200),
    "Bayesian structural, Gaussian": bayes.StructuralCounterfactual(family="gaussian", draws=200),
}


@pytest.fixture(scope="module")
def far_from_all():
    """Return a design whose treated areas are five times as high as every control."""
    design = simulate.panel(24, 36, mean=20, cohorts=((24, 3),), seed=1).design("violence")
    frame = design.panel.to_frame()
    treated = frame["area"].isin(list(design.intervention.starts))
    frame.loc[treated, "violence"] *= 5
    roles = {"area": "area", "period": "period", "counts": ["violence"], "exposures": ["population"]}
    return replace(design, panel=Panel.from_frame(frame, **roles))


@pytest.mark.parametrize("name", DOUBTED)
def test_what_no_interval_shows_of_a_design_is_a_warning_by_every_kind_of_method(far_from_all, name):
    result = DOUBTED[name].fit(far_from_all, seed=1)
    said = [n for n in result.notes if n.startswith("No control is like")]
    assert said, result.notes
    assert {w.text for w in result.warnings} >= set(said)
    assert {n.text for n in notices(result)} >= set(said)

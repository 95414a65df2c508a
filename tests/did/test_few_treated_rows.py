"""Where the rule asks for placebo areas, the average effect has such an interval and no other row has one."""

import dataclasses

import numpy as np
import pytest

import svmodel as sv
from svmodel import did

ESTIMATORS = [
    did.ExtendedTwoWayFixedEffects(family="linear"),
    did.ExtendedTwoWayFixedEffects(effects="cohort"),
    did.StackedDiD(),
    did.StackedDiD(family="linear"),
    did.TripleDifference("theft"),
    did.TripleDifference("theft", family="linear"),
]


@pytest.fixture(scope="module")
def design():
    made = sv.simulate.panel(n_areas=40, n_periods=24, cohorts=[(12, 3)], effect=0.6, seed=3)
    frame = made.panel.to_frame()
    frame["theft"] = np.random.default_rng(0).poisson(20, len(frame))
    panel = sv.Panel.from_frame(
        frame, area="area", period="period", counts=["violence", "theft"], exposures=["population"]
    )
    return sv.Design(panel, outcome="violence", exposure="population", intervention=made.intervention)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_three_treated_areas(design, estimator):
    result = estimator.fit(design)
    assert "placebo" in result.diagnostics["inference"]
    rows = result.estimates
    att = rows[rows["term"] == "att"]
    assert (att["conf_low"] < att["estimate"]).all()
    assert (att["estimate"] < att["conf_high"]).all()
    assert rows.loc[rows["term"] != "att", ["conf_low", "conf_high", "p_value"]].isna().all(axis=None)
    assert estimator.fit(design).to_json() == result.to_json()


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_what_the_user_asks_for_is_given(design, estimator):
    result = dataclasses.replace(estimator, inference="cluster").fit(design)
    assert result.diagnostics["inference"] == "cluster"
    assert result.estimates.query("term == 'event'")["conf_low"].notna().any()

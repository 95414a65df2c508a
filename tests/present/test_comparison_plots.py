"""Figures of agreement and planning: words, data, refusals in their place, nothing hidden let out."""

import numpy as np
import pytest

import svmodel as sv
from svmodel import did, plots
from svmodel.counterfactual import SyntheticControl
from svmodel.errors import EstimationError
from svmodel.protect import Disclosure


@pytest.fixture(scope="module")
def design():
    made = sv.simulate.panel(14, 20, cohorts=[(12, 12)], effect=0.6, mean=10, seed=2)
    return sv.Design(made.panel, outcome="violence", exposure="population", intervention=made.intervention)


@pytest.fixture(scope="module")
def comparison(design):
    return sv.compare(
        design, [did.ExtendedTwoWayFixedEffects(), did.TwoWayFixedEffects(family="linear"), SyntheticControl()]
    )


@pytest.fixture(scope="module")
def curve(design):
    methods = [did.ExtendedTwoWayFixedEffects(), did.Imputation(family="linear")]
    return sv.specification_curve(design, estimators=methods, windows=[None, ("2018-06", "2019-06")], draws=19)


@pytest.fixture(scope="module")
def power(design):
    return sv.power(design, [0.5, 0.8, 1.5], study=(6, 4), n_treated=4, draws=12)


def test_forest_has_a_row_for_every_method_refusals_with_reasons(comparison):
    figure = plots.forest(comparison, label="Violence", names={"TWFE linear": "Two-way"})
    data = figure.data
    assert data["method"].tolist() == ["ETWFE Poisson", "Two-way", "Synthetic control"]
    known = comparison.table["estimate"].to_numpy()[:2]
    assert data["change"].to_numpy()[:2] == pytest.approx(100 * (known - 1))
    assert data["change_flag"].tolist() == ["", "", "x"]
    assert data["reason"].iloc[2] == comparison.table["reason"].iloc[2] != ""
    assert "No effect is shown for Synthetic control." in figure.alt
    assert "2 of 2 are below zero" in figure.alt
    texts = [t.get_text() for t in figure.canvas.axes[0].texts]
    assert any(t.startswith("no answer: ") for t in texts)
    assert figure.svg() == plots.forest(comparison, label="Violence", names={"TWFE linear": "Two-way"}).svg()


def test_forest_on_events_and_under_a_disclosure_rule(design, comparison):
    events = sv.compare(design, [did.ExtendedTwoWayFixedEffects()], scale="events")
    figure = plots.forest(events, disclosure=Disclosure("threshold", threshold=20))
    assert figure.data["change"].iloc[0] != events.table["estimate"].iloc[0]
    assert figure.data["change"].iloc[0] == pytest.approx(events.table["estimate"].iloc[0], rel=0.2)
    with pytest.raises(EstimationError, match="no method's effect can be shown"):
        plots.forest(comparison, disclosure=Disclosure("threshold", threshold=10**6))


def test_specification_curve_shows_choices_beneath(curve):
    figure = plots.specification_curve(curve, label="Violence")
    above, below = figure.canvas.axes
    labels = [t.get_text() for t in below.get_yticklabels()]
    assert labels[:2] == ["estimator: ETWFE Poisson", "estimator: Imputation linear"]
    assert len(labels) == 4
    # every specification is marked once for each choice that varies
    assert sum(len(line.get_xdata()) for line in below.lines) == 2 * len(curve.table)
    assert np.all(np.diff(figure.data["change"]) >= 0)
    assert "under 4 specifications" in figure.alt
    assert "joint p-value" in figure.alt
    assert above.get_ylabel() == "Change"
    assert figure.svg().startswith("<svg")


def test_specifications_with_few_events_are_left_out(curve):
    few = Disclosure("threshold", threshold=int(curve.table["observed"].min()) + 1)
    figure = plots.specification_curve(curve, disclosure=few)
    assert len(figure.data) == 2
    assert "2 are left out because they rest on few events" in figure.alt
    with pytest.raises(EstimationError, match="can be shown"):
        plots.specification_curve(curve, disclosure=Disclosure("threshold", threshold=10**6))


def test_power_curve_says_target_and_error_of_the_first_kind(power):
    figure = plots.power_curve(power, label="Violence")
    assert figure.data["change"].to_numpy() == pytest.approx([-50, -20, 0, 50])
    assert f"Without a change {power.type_one_error:.1%} of studies find one." in figure.alt
    assert figure.title.startswith(("Least detectable change", "No change tried"))
    texts = [t.get_text() for t in figure.canvas.axes[0].texts]
    assert "target 80%" in texts
    assert figure.svg() == plots.power_curve(power, label="Violence").svg()

"""Every estimator of svmodel.did keeps every promise of svmodel.testing."""

import inspect
from dataclasses import replace

import numpy as np
import pytest

from svmodel import Panel, did
from svmodel.testing import PROMISES, check_estimator
from svmodel.testing.examples import example_panel

ESTIMATORS = [
    did.TwoWayFixedEffects(family="poisson"),
    did.TwoWayFixedEffects(family="linear"),
    did.ExtendedTwoWayFixedEffects(),
    did.ExtendedTwoWayFixedEffects(family="linear"),
    did.ExtendedTwoWayFixedEffects(family="linear", effects="cohort"),
    did.ExtendedTwoWayFixedEffects(effects="cohort"),
    did.StackedDiD(),
    did.StackedDiD(family="linear", pre=8, post=7, weights="none"),
    did.CallawaySantAnna(),
    did.CallawaySantAnna(sampling="cross_sections"),
    did.CallawaySantAnna(control="not_yet_treated", method="reg", base_period="universal", simultaneous=False),
    did.Imputation(),
    did.Imputation(family="linear"),
    did.SunAbraham(),
]


#: Needs a second outcome, which the panels that the promises simulate do not have. What those promises are about
#: (errors, sign, gaps, refusals) is held in test_triple_difference.py.
WITH_A_SECOND_OUTCOME = [did.TripleDifference("theft"), did.TripleDifference("theft", family="linear")]
ITS_OWN = {"zero_effect_covered", "sign", "constant_outcome", "missing_is_not_zero"}


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_it_keeps_every_promise(estimator):
    check_estimator(estimator)


@pytest.mark.parametrize("estimator", WITH_A_SECOND_OUTCOME, ids=repr)
def test_with_a_second_outcome_it_keeps_every_other_promise(estimator):
    design = example_panel(effect=0.8, seed=0)
    frame = design.panel.to_frame()
    frame["theft"] = np.random.default_rng(5).poisson(30, len(frame))
    panel = Panel.from_frame(
        frame, area="area", period="period", counts=["events", "theft"], exposures=["population"], synthetic=True
    )
    kept = [name for name in PROMISES if name not in ITS_OWN]
    check_estimator(estimator, design=replace(design, panel=panel), only=kept)


def test_no_estimator_is_forgotten():
    # a class of this room is an estimator; its functions are diagnostics
    classes = {name for name in did.__all__ if inspect.isclass(getattr(did, name))}
    assert {type(e).__name__ for e in [*ESTIMATORS, *WITH_A_SECOND_OUTCOME]} == classes

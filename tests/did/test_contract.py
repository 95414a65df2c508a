"""Every estimator of svmodel.did keeps every promise of svmodel.testing."""

import inspect

import pytest

from svmodel import did
from svmodel.testing import check_estimator

ESTIMATORS = [
    did.TwoWayFixedEffects(family="poisson"),
    did.TwoWayFixedEffects(family="linear"),
    did.ExtendedTwoWayFixedEffects(),
    did.ExtendedTwoWayFixedEffects(family="linear"),
    did.ExtendedTwoWayFixedEffects(family="linear", effects="cohort"),
    did.ExtendedTwoWayFixedEffects(effects="cohort"),
    did.CallawaySantAnna(),
    did.CallawaySantAnna(control="not_yet_treated", method="reg", base_period="universal", simultaneous=False),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_it_keeps_every_promise(estimator):
    check_estimator(estimator)


def test_no_estimator_is_forgotten():
    # a class of this room is an estimator; its functions are diagnostics
    classes = {name for name in did.__all__ if inspect.isclass(getattr(did, name))}
    assert {type(e).__name__ for e in ESTIMATORS} == classes

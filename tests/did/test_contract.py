"""Every estimator of svmodel.did keeps every promise of svmodel.testing."""

import pytest

from svmodel import did
from svmodel.testing import check_estimator

ESTIMATORS = [
    did.TwoWayFixedEffects(family="poisson"),
    did.TwoWayFixedEffects(family="linear"),
    did.ExtendedTwoWayFixedEffects(),
    did.CallawaySantAnna(),
    did.CallawaySantAnna(control="not_yet_treated", method="reg", base_period="universal", simultaneous=False),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_it_keeps_every_promise(estimator):
    check_estimator(estimator)


def test_no_estimator_is_forgotten():
    assert {type(e).__name__ for e in ESTIMATORS} == set(did.__all__)

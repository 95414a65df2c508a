"""Every estimator of svmodel.counterfactual keeps every promise of svmodel.testing, or its exception stands here."""

import pytest

from svmodel import counterfactual
from svmodel.testing import check_estimator

#: Public name -> the settings that are tried.
SETTINGS = {
    "SyntheticDiD": [
        {},
        {"method": "did"},
        {"rates": False},
        {"inference": "placebo", "n_draws": 40},
    ],
    # ten areas in two cohorts are dealt out among the donors; fewer draws than by default, for the time it takes, and
    # where a fit takes longest the fewest that give an interval
    "SyntheticControl": [
        {"draws": 39},
        {"pooled": False, "intercept": True, "draws": 19},
        {"augment": "ridge", "block": 2, "draws": 19},
    ],
}
#: Estimators that are held to the promises in a test file of their own; a line in SETTINGS takes its name from here.
ELSEWHERE = {"InterruptedTimeSeries", "StructuralTimeSeries"}
ESTIMATORS = [
    getattr(counterfactual, name)(**choices)
    for name, settings in SETTINGS.items()
    for choices in settings
    if name in counterfactual.__all__
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_it_keeps_every_promise(estimator):
    check_estimator(estimator)


def test_no_estimator_is_forgotten():
    tried = {type(e).__name__ for e in ESTIMATORS}
    assert set(counterfactual.__all__) - tried - ELSEWHERE == set()

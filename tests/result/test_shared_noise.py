"""Methods that take areas for separate trials say so where it was reporting areas that were treated."""

import numpy as np
import pandas as pd
import pytest

from svmodel import Design, Intervention, Panel, bayes, counterfactual
from svmodel.comparison.differences import differences
from svmodel.did import ExtendedTwoWayFixedEffects, Imputation, TwoWayFixedEffects
from svmodel.result.doubts import shared_noise


def design(*, parents=True, odd=False):
    rng = np.random.default_rng(2)
    shock = rng.normal(0, 0.2, (16, 10)).cumsum(axis=1) / 2
    rows = [
        (f"B{b:02d}w{j}", f"B{b:02d}", 2010 + t, rng.poisson(40 * np.exp(shock[b, t])))
        for b in range(16)
        for j in range(3)
        for t in range(10)
    ]
    frame = pd.DataFrame(rows, columns=["ward", "borough", "year", "n"])
    panel = Panel.from_frame(frame, area="ward", period="year", counts=["n"], parent="borough" if parents else None)
    starts = {f"B{b:02d}w{j}": 2016 for b in (3, 7) for j in range(3)}
    if odd:
        starts.pop("B03w1")
    return Design(panel, outcome="n", intervention=Intervention("patrols", starts))


METHODS = [
    counterfactual.SyntheticControl(),
    counterfactual.SyntheticDiD(),
    bayes.HierarchicalDiD(),
]


@pytest.mark.parametrize("estimator", METHODS, ids=lambda e: type(e).__name__)
def test_a_method_without_clusters_is_in_doubt(estimator):
    result = estimator.fit(design(), seed=1)
    assert any("its 6 treated areas lie in 2 reporting areas" in n for n in result.notes)
    assert any("its 6 treated areas lie in 2 reporting areas" in w.text for w in result.warnings)
    assert result.uncertainty.in_doubt


def test_nothing_is_said_where_areas_were_treated():
    assert shared_noise(design(parents=False)) == []
    assert shared_noise(design(odd=True)) == []
    assert len(shared_noise(design())) == 1


def test_differences_between_methods_leave_out_reporting_areas():
    estimators = {"TWFE": TwoWayFixedEffects(), "ETWFE": ExtendedTwoWayFixedEffects(), "linear": Imputation("linear")}
    whole, odd = design(), design(odd=True)
    found = {}
    for name, asked in (("whole", whole), ("odd", odd)):
        estimates = {k: float(np.log(e.fit(asked).effect("att", "rate_ratio").estimate)) for k, e in estimators.items()}
        found[name] = differences(estimates, estimators, asked, "rate_ratio", 0.95)
    assert (found["whole"]["df"].dropna() <= 15).all()
    assert found["whole"]["std_error"].notna().any()
    one = Design(whole.panel, outcome="n", intervention=Intervention("x", {f"B03w{j}": 2016 for j in range(3)}))
    table = differences(
        {"TWFE": 0.0, "ETWFE": 0.1}, {k: estimators[k] for k in ("TWFE", "ETWFE")}, one, "rate_ratio", 0.95
    )
    assert "a single treated reporting area" in table["why"].iloc[0]

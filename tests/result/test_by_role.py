"""The family follows the outcome's role, and an effect without a scale is on the method's own."""

import numpy as np
import pandas as pd
import pytest

import svmodel as sv
from svmodel.did import (
    ExtendedTwoWayFixedEffects,
    Imputation,
    StackedDiD,
    TwoWayFixedEffects,
)

MONTHS = [str(p) for p in pd.period_range("2020-01", periods=36, freq="M")]


def design(role):
    rng = np.random.default_rng(5)
    rows = [
        (f"A{i:02d}", m, float(rng.poisson(40) - 12 * (i < 6 and t >= 24)))
        for i in range(20)
        for t, m in enumerate(MONTHS)
    ]
    frame = pd.DataFrame(rows, columns=["area", "month", "y"])
    panel = sv.Panel.from_frame(frame, area="area", period="month", **{role: ["y"]})
    starts = {f"A{i:02d}": MONTHS[24] for i in range(6)}
    return sv.Design(panel, outcome="y", intervention=sv.Intervention("patrols", starts=starts))


@pytest.mark.parametrize(
    "estimator",
    [ExtendedTwoWayFixedEffects, TwoWayFixedEffects, Imputation, StackedDiD],
    ids=lambda e: e.__name__,
)
def test_a_measure_is_answered_in_its_own_units_unless_asked_otherwise(estimator):
    measured = estimator().fit(design("measures"))
    assert measured.estimator.family == "linear"
    assert measured.own_scale == "difference"
    assert repr(measured.effect()) == repr(
        estimator(family="linear").fit(design("measures")).effect("att", "difference")
    )
    assert any("is a measure and no count" in n for n in measured.notes)
    assert measured.effect().estimate == pytest.approx(-12, abs=3)
    counted = estimator().fit(design("counts"))
    assert counted.estimator == estimator()
    assert repr(counted.effect()) == repr(counted.effect("att", "rate_ratio"))
    assert not any("is a measure" in n for n in counted.notes)
    asked = estimator(family="poisson").fit(design("measures"))
    assert asked.estimator.family == "poisson"  # what was named is taken, ratio or none
    assert not any("is a measure and no count" in n for n in asked.notes)
    assert asked.effect().scale == "rate_ratio"


def test_a_method_of_differences_gives_a_difference():
    result = sv.counterfactual.SyntheticDiD().fit(design("counts"))
    assert repr(result.effect()) == repr(result.effect("att", "difference"))
    assert repr(sv.Result.from_json(result.to_json()).effect()) == repr(result.effect())

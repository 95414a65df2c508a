"""The note on a linear model of a count of which many cells are zero."""

import numpy as np
import pandas as pd
import pytest

from svmodel import Design, Intervention, Panel
from svmodel.did import CallawaySantAnna, Imputation, SunAbraham, TwoWayFixedEffects
from svmodel.result.doubts import share_of_zeros

LINEAR = [Imputation(family="linear"), SunAbraham(), TwoWayFixedEffects(family="linear"), CallawaySantAnna()]


def make(mean, *, measure=False, missing=False):
    rng = np.random.default_rng(7)
    N, T = 30, 12
    y = rng.poisson(mean, (N, T)).astype(float)
    if missing:
        y[y == 0] = np.where(rng.random((y == 0).sum()) < 0.5, np.nan, 0)
    months = pd.period_range("2020-01", periods=T, freq="M").astype(str)
    names = [f"a{i:02d}" for i in range(N)]
    frame = pd.DataFrame({"area": np.repeat(names, T), "month": np.tile(months, N), "harm": y.ravel()})
    panel = Panel.from_frame(frame, area="area", period="month", **{"measures" if measure else "counts": ["harm"]})
    return Design(panel, outcome="harm", intervention=Intervention("x", dict.fromkeys(names[:10], "2020-07")))


def said(result):
    return [n for n in result.notes if "are zero: a linear model" in n]


@pytest.mark.parametrize("estimator", LINEAR, ids=repr)
def test_it_is_said_of_a_count_with_many_zeros_with_the_model_s_own_number(estimator):
    design = make(0.5)
    result = estimator.fit(design)
    (note,) = said(result)
    assert note.startswith(f"{(design.arrays.y == 0).mean():.0%} of area-months are zero")
    effect, observed = result.effect("att", "difference").estimate, design.arrays.y[design.arrays.treated].mean()
    assert f"{effect / (observed - effect):+.0%} of its own counterfactual" in note


@pytest.mark.parametrize("estimator", LINEAR, ids=repr)
def test_it_is_not_said_of_a_busier_count_or_of_a_measure(estimator):
    assert not said(estimator.fit(make(3)))
    assert not said(estimator.fit(make(0.5, measure=True)))


def test_it_is_not_said_by_poisson_models():
    for estimator in (Imputation(), TwoWayFixedEffects()):
        assert not said(estimator.fit(make(0.5)))


def test_missing_cells_are_no_zeros():
    arrays = make(0.5, missing=True).arrays
    assert share_of_zeros(arrays) == (arrays.y == 0).sum() / (~np.isnan(arrays.y)).sum()

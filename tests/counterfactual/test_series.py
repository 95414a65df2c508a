"""Treated areas as series, and the untreated areas beside them."""

import numpy as np
import pandas as pd
import pytest

import svmodel as sv
from svmodel.counterfactual import InterruptedTimeSeries, SyntheticDiD
from svmodel.counterfactual.series import control_rows, treated_series, whole


def design_of(counts, starts, names=None, covariate=None):
    n, length = counts.shape
    names = names or [f"A{i:02d}" for i in range(n)]
    months = pd.period_range("2015-01", periods=length, freq="M").astype(str)
    frame = pd.DataFrame({"area": np.repeat(names, length), "month": np.tile(months, n), "n": counts.ravel()})
    columns = {}
    if covariate is not None:
        frame["x"], columns = covariate.ravel(), {"covariates": ["x"]}
    panel = sv.Panel.from_frame(frame, area="area", period="month", counts=["n"], **columns)
    patrols = sv.Intervention("patrols", starts={names[i]: months[t] for i, t in starts.items()})
    return sv.Design(panel, outcome="n", intervention=patrols, covariates=tuple(columns.get("covariates", ())))


def test_series_that_add_up_to_the_same_stand_in_the_order_of_their_data():
    counts = np.array([[1, 2, 3, 4], [4, 3, 2, 1], [2, 2, 2, 2]], dtype=float)
    for names in (["A", "B", "C"], ["Z", "B", "C"]):
        arrays = design_of(counts, {0: 2, 1: 2}, names).arrays
        first, second = treated_series(arrays, each=True)
        assert first.y.tolist() == [1, 2, 3, 4]
        assert second.y.tolist() == [4, 3, 2, 1]


def test_gaps_in_single_untreated_areas_do_not_take_months_from_their_sum():
    rng = np.random.default_rng(2)
    counts = rng.poisson(30.0, (31, 60)).astype(float)
    # every untreated area but ten lacks a month of its own; the sum of all would lack twenty
    for i in range(20):
        counts[1 + i, 2 * i] = np.nan
    design = design_of(counts, {0: 48})
    arrays = design.arrays
    series = treated_series(arrays, each=False)[0]
    assert whole(arrays, control_rows(arrays), series).tolist() == list(range(21, 31))
    result = InterruptedTimeSeries(controls="untreated", slope_change=False).fit(design)
    kept = design_of(np.delete(counts, range(1, 21), axis=0), {0: 48})
    alone = InterruptedTimeSeries(controls="untreated", slope_change=False).fit(kept)
    assert result.effect().estimate == pytest.approx(alone.effect().estimate, rel=1e-12)
    assert result.effect().std_error == pytest.approx(alone.effect().std_error, rel=1e-9)
    assert any("20 untreated areas are not compared with" in n for n in result.notes)
    assert not any("not compared with" in n for n in alone.notes)


def test_where_every_untreated_area_has_a_gap_their_sum_is_taken_without_those_months():
    rng = np.random.default_rng(3)
    counts = rng.poisson(30.0, (6, 60)).astype(float)
    for i in range(5):
        counts[1 + i, i] = np.nan
    result = InterruptedTimeSeries(controls="untreated", slope_change=False).fit(design_of(counts, {0: 48}))
    assert any("5 months of series are left out" in n for n in result.notes)


def test_covariates_leave_no_trace_of_names_in_synthetic_did():
    rng = np.random.default_rng(4)
    counts, x = rng.poisson(8.0, (5, 30)).astype(float), rng.normal(size=(5, 30))
    found = [
        SyntheticDiD(n_draws=20).point(design_of(counts, {0: 20, 1: 22}, names, x).arrays)
        for names in (None, [f"Z{9 - i}" for i in range(5)])
    ]
    assert found[0] == found[1]

"""Resampling, permutation and placebos by cluster: ward rows answer as the boroughs that were treated."""

import numpy as np
import pandas as pd
import pytest

from svmodel import Design, Intervention, Panel, did
from svmodel.errors import DesignError, EstimationError
from svmodel.inference import (
    ClusterBootstrap,
    InSpacePlacebos,
    Jackknife,
    RandomisationInference,
    ScoreBootstrap,
    WildClusterBootstrap,
)

YEARS = 8


def rows(boroughs=11, each=3, seed=0):
    rng = np.random.default_rng(seed)
    shock = rng.normal(0, 3, (boroughs, YEARS)).cumsum(axis=1)
    held = [
        (f"B{i:02d}w{j}", f"B{i:02d}", 2010 + t, int(max(rng.poisson(30) + shock[i, t], 1)))
        for i in range(boroughs)
        for j in range(each)
        for t in range(YEARS)
    ]
    return pd.DataFrame(held, columns=["ward", "borough", "year", "n"])


def pair(frame, treated, start=2014):
    """Return the question put to ward rows, and to borough rows with the mean of their wards."""
    frame = frame.assign(score=frame["n"].astype(float), size=frame["ward"].str[-1].astype(float))
    roles = {"period": "year", "measures": ["score"], "covariates": ["size"]}
    small = Panel.from_frame(frame, area="ward", counts=["n"], parent="borough", **roles)
    grid = frame.groupby(["borough", "year"], as_index=False).agg({"n": "sum", "score": "mean", "size": "mean"})
    whole = Panel.from_frame(grid, area="borough", counts=["n"], **roles)
    what = Intervention("patrols", dict.fromkeys(treated, start))
    return [lambda outcome, p=p: Design(p, outcome=outcome, intervention=what) for p in (small, whole)]


LINEAR = did.TwoWayFixedEffects(family="linear")
METHODS = [
    (RandomisationInference(draws=99), LINEAR, "difference"),
    (RandomisationInference(draws=999, interval=False), did.Imputation(family="linear"), "difference"),
    (InSpacePlacebos(), LINEAR, "difference"),
    (Jackknife(), LINEAR, "difference"),
    (Jackknife(), did.TwoWayFixedEffects(), "rate_ratio"),
    (WildClusterBootstrap(weights="rademacher"), LINEAR, "difference"),
    (ScoreBootstrap(weights="rademacher"), did.TwoWayFixedEffects(), "rate_ratio"),
    (ScoreBootstrap(weights="rademacher"), did.Imputation(family="linear"), "difference"),
]


@pytest.mark.parametrize(("method", "estimator", "scale"), METHODS, ids=lambda v: type(v).__name__)
def test_ward_rows_answer_as_the_boroughs_that_were_treated(method, estimator, scale):
    small, whole = pair(rows(), ["B01", "B04", "B07"])
    outcome = "n" if scale == "rate_ratio" else "score"
    one, other = (method.infer(estimator.fit(ask(outcome)), seed=4) for ask in (small, whole))
    mine, theirs = one.effect("att", scale), other.effect("att", scale)
    # every way of dealing starts, leaving out or changing signs is tried, but for what draws take from order
    for part in ("estimate", "conf_low", "conf_high", "p_value"):
        if isinstance(method, RandomisationInference) and method.interval and part != "estimate":
            continue
        assert getattr(mine, part) == pytest.approx(getattr(theirs, part), rel=2e-3, nan_ok=True), part
    for name in ("assignments", "placebos_possible"):
        assert one.diagnostics.get(name) == other.diagnostics.get(name)
    if isinstance(method, RandomisationInference):
        assert one.diagnostics["assignments"] == 165  # 3 of 11 boroughs, not 9 of 33 wards
    if not isinstance(method, RandomisationInference | InSpacePlacebos):
        assert "reporting areas are independent" in one.diagnostics["inference_why"]


def test_bootstrap_draws_whole_boroughs():
    small, whole = pair(rows(14), ["B01", "B04", "B07", "B08", "B10", "B12"])
    results = [LINEAR.fit(ask("score")) for ask in (small, whole)]
    one, other = (ClusterBootstrap(draws=399).infer(r, seed=2).effect("att", "difference") for r in results)
    assert one.std_error == pytest.approx(other.std_error, rel=0.2)
    alone = did.TwoWayFixedEffects(family="linear", cluster="area").fit(small("score"))
    assert ClusterBootstrap(draws=199).infer(alone, seed=2).effect("att", "difference").std_error < 0.8 * one.std_error
    t = ClusterBootstrap(draws=99, interval="bootstrap_t").infer(results[0], seed=2).effect("att", "difference")
    assert t.conf_low < t.estimate < t.conf_high


def test_one_treated_borough_is_one_treated_unit():
    small, _ = pair(rows(), ["B01"])
    result = LINEAR.fit(small("score"))
    for method in (ClusterBootstrap(), Jackknife(), WildClusterBootstrap()):
        with pytest.raises(EstimationError, match="single treated reporting area"):
            method.infer(result)
    held = InSpacePlacebos().placebos(result)
    assert held.total == 10
    assert sorted(name for (name,) in held.areas) == [f"B{i:02d}" for i in range(11) if i != 1]


def test_strata_that_part_the_areas_of_a_cluster_are_refused():
    small, _ = pair(rows(), ["B01", "B04", "B07"])
    result = LINEAR.fit(small("score"))
    with pytest.raises(DesignError, match="strata part their areas"):
        RandomisationInference(strata="size").infer(result)
    by_ward = did.TwoWayFixedEffects(family="linear", cluster="area").fit(small("score"))
    found = RandomisationInference(strata="size", draws=49, interval=False).infer(by_ward)
    assert found.diagnostics["assignments"] == 165**3

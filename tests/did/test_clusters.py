"""Errors that allow for what the areas of one reporting area share, by every estimator, and the rule that picks them.

Ward rows of boroughs that were treated as a whole, as many in each, are the boroughs over again: an estimate on them is
that on borough rows, and what a borough adds to its error is what its wards add together.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pyfixest_regression import regress

from svmodel import Design, Intervention, Panel, did
from svmodel.design.clusters import clusters_of
from svmodel.errors import DesignError
from svmodel.numerics.cluster.membership import Clusters
from svmodel.result.method import arrays_of
from svmodel.result.rule import choose

MONTHS = 18


def wards(boroughs, each, cohorts, *, seed=0, shared=0.15):
    """Return ward rows with a shock that wards of a borough share, and the boroughs' starts."""
    rng = np.random.default_rng(seed)
    starts, b = {}, 0
    for first, many in cohorts:
        starts |= {f"B{b + k:02d}": pd.Period("2022-01", "M") + first for k in range(many)}
        b += many
    shock = rng.normal(0, shared, (boroughs, MONTHS)).cumsum(axis=1) / 2
    level = rng.uniform(15, 40, (boroughs, each))
    rows = [
        (
            f"B{i:02d}w{j}",
            f"B{i:02d}",
            str(pd.Period("2022-01", "M") + t),
            rng.poisson(level[i, j] * np.exp(shock[i, t])),
        )
        for i in range(boroughs)
        for j in range(each)
        for t in range(MONTHS)
    ]
    frame = pd.DataFrame(rows, columns=["ward", "borough", "month", "n"])
    frame["score"] = frame["n"] + rng.normal(0, 1, len(frame)).round(3)
    frame["other"] = rng.poisson(30, len(frame))
    frame["otherscore"] = frame["other"].astype(float)
    frame["zone"] = frame["borough"].str[1:].astype(float) // 2
    return frame, starts


def ward_design(frame, starts, outcome="score", **how):
    roles = {"counts": ["n", "other"], "measures": ["score", "otherscore"], "covariates": ["zone"]}
    panel = Panel.from_frame(frame, area="ward", period="month", parent="borough", **roles)
    return Design(panel, outcome=outcome, intervention=Intervention("patrols", starts), **how)


def borough_design(frame, starts, outcome="score"):
    how = {"n": "sum", "other": "sum", "score": "mean", "otherscore": "mean"}
    grid = frame.groupby(["borough", "month"], as_index=False).agg(how)
    panel = Panel.from_frame(
        grid, area="borough", period="month", counts=["n", "other"], measures=["score", "otherscore"]
    )
    return Design(panel, outcome=outcome, intervention=Intervention("patrols", starts))


STAGGERED = {"boroughs": 26, "each": 3, "cohorts": [(8, 9), (11, 8)]}
LINEAR = [
    did.TwoWayFixedEffects(family="linear"),
    did.Imputation(family="linear"),
    did.StackedDiD(family="linear"),
    did.SunAbraham(),
    did.TripleDifference("otherscore", family="linear"),
    did.ExtendedTwoWayFixedEffects(family="linear"),
    did.CallawaySantAnna(control="not_yet_treated"),
    did.CallawaySantAnna(sampling="cross_sections"),
]
POISSON = [
    did.TwoWayFixedEffects(),
    did.StackedDiD(),
    did.TripleDifference("other"),
    did.ExtendedTwoWayFixedEffects(),
    did.Imputation(),
]


def test_sums_counts_and_groups_of_clusters():
    units = Clusters(np.array([0, 1, 0, 2]), "parent")
    assert units.sums(np.array([[1.0], [2.0], [3.0], [4.0]])).tolist() == [[4.0], [2.0], [4.0]]
    assert units.count(np.array([True, False, True, False])) == 1
    assert units.pools(np.array([5, -1, 5, -1])).tolist() == [5, -1, -1]
    # a cluster on both sides is a group of its own kind, unless the area on one side takes no part
    assert units.pools(np.array([5, -1, -1, -1])).tolist() == [-3, -1, -1]
    assert units.pools(np.array([5, -1, -1, -1]), np.array([True, True, False, True])).tolist() == [5, -1, -1]
    # an area drawn twice is in a copy of its cluster, with what else was drawn twice
    assert units.take(np.array([0, 2, 0, 2, 1])).label.tolist() == [0, 0, 1, 1, 2]


@pytest.mark.parametrize("estimator", LINEAR + POISSON, ids=lambda e: f"{type(e).__name__}-{getattr(e, 'family', '')}")
def test_wards_of_boroughs_treated_as_a_whole_answer_as_boroughs(estimator):
    frame, starts = wards(**STAGGERED)
    poisson = getattr(estimator, "family", "linear") == "poisson"
    outcome, scale = ("n", "rate_ratio") if poisson else ("score", "difference")
    small = estimator.fit(ward_design(frame, starts, outcome))
    whole = estimator.fit(borough_design(frame, starts, outcome))
    assert small.diagnostics["clusters"] == whole.diagnostics["clusters"] == 26
    factor = np.sqrt(small.diagnostics.get("crv1_factor", 1) / whole.diagnostics.get("crv1_factor", 1))
    assert 0.9 < factor < 1.0 or "crv1_factor" not in small.diagnostics
    for term, which in (("att", {}), ("event", {"horizon": 3})):
        one, other = small.effect(term, scale, **which), whole.effect(term, scale, **which)
        assert one.estimate == pytest.approx(other.estimate, rel=1e-6, abs=1e-9)
        # an event study has more coefficients, and so a small-sample factor of its own
        assert one.std_error == pytest.approx(other.std_error * factor, rel=2e-6 if term == "att" else 0.02)
    # as if each ward were a trial of its own the error is far smaller
    alone = replace(estimator, cluster="area").fit(ward_design(frame, starts, outcome))
    assert alone.effect("att", scale).std_error < 0.8 * small.effect("att", scale).std_error
    assert any("what the areas of one reporting area share (78 areas in 26 reporting areas" in n for n in small.notes)
    assert not any("share" in n and "Standard errors allow" in n for n in alone.notes)


@pytest.mark.parametrize("family", ["linear", "poisson"])
def test_two_way_errors_by_parent_and_by_column_are_those_of_pyfixest(family):
    frame, starts = wards(**STAGGERED, seed=3)
    outcome, scale = ("n", "rate_ratio") if family == "poisson" else ("score", "difference")
    first = frame["borough"].map(starts).astype(str).replace("NaT", "2099-01")
    begun = frame["month"] >= first
    cells = frame.assign(on=begun.astype(float), area=frame["ward"], period=frame["month"])
    for cluster, column in (("parent", "borough"), ("zone", "zone"), ("area", "ward")):
        theirs = regress(cells, outcome=outcome, regressors=("on",), family=family, cluster=column)
        ours = did.TwoWayFixedEffects(family=family, cluster=cluster).fit(ward_design(frame, starts, outcome))
        estimate, error = theirs["on"]
        effect = ours.effect("att", scale)
        if family == "poisson":
            estimate, error = np.exp(estimate), np.exp(estimate) * error
        assert effect.estimate == pytest.approx(estimate, rel=1e-6)
        assert effect.std_error == pytest.approx(error, rel=1e-5)
        assert ours.diagnostics["clusters"] == theirs.n_clusters


def test_the_rule_takes_reporting_areas_where_starts_never_differ_within_them():
    frame, starts = wards(12, 3, [(8, 5)])
    whole = ward_design(frame, starts)
    assert clusters_of(whole, whole.arrays).by == "parent"
    # one ward that started by itself: wards were treated, not boroughs
    odd = ward_design(frame, {**starts, "B09w1": "2022-12"})
    assert clusters_of(odd, odd.arrays).single
    # an end that differs says the same
    own = {f"{b}w{j}": when for b, when in starts.items() for j in range(3)}
    ends = Intervention("patrols", own, ends={"B00w0": "2023-02"})
    ended = Design(whole.panel, outcome="score", intervention=ends)
    assert clusters_of(ended, ended.arrays).single
    # treated boroughs of one ward each: nothing is shared
    one = frame[~frame["borough"].isin(list(starts)) | frame["ward"].str.endswith("w0")]
    lone = ward_design(one, starts)
    assert clusters_of(lone, lone.arrays).single


def test_districts_without_reporting_areas_are_taken_by_police_force():
    names = [
        "Knowsley",
        "Liverpool",
        "Sefton",
        "St Helens",
        "Wirral",
        "Bolton",
        "Bury",
        "Leeds",
        "Bradford",
        "Cornwall",
    ]
    rows = [(a, 2015 + t, 5 + (t * 7 + k) % 4) for k, a in enumerate(names) for t in range(6)]
    frame = pd.DataFrame(rows, columns=["area", "year", "n"])
    panel = Panel.from_frame(frame, area="area", period="year", counts=["n"])
    mersey = Design(panel, outcome="n", intervention=Intervention("VRU", dict.fromkeys(names[:5], 2018)))
    found = clusters_of(mersey, mersey.arrays)
    assert (found.by, found.n) == ("parent", 4)  # Merseyside, Greater Manchester, West Yorkshire, Cornwall
    one = Design(panel, outcome="n", intervention=Intervention("patrols", {"Wirral": 2018}))
    assert clusters_of(one, one.arrays).single


def test_one_treated_borough_of_twelve_wards_gets_placebos_of_boroughs_or_nothing():
    frame, starts = wards(6, 12, [(9, 1)])
    result = did.TwoWayFixedEffects().fit(ward_design(frame, starts, "n"))
    assert result.diagnostics["inference"] == "none"
    assert np.isnan(result.effect("att", "rate_ratio").conf_low)
    assert "1 treated reporting area and 5 controls" in result.diagnostics["inference_why"]
    many, start = wards(45, 12, [(9, 1)])
    for estimator, outcome, scale in (
        (did.TwoWayFixedEffects(), "n", "rate_ratio"),
        (did.Imputation(family="linear"), "score", "difference"),
        (did.Imputation(family="linear"), "n", "events"),
        (did.ExtendedTwoWayFixedEffects(), "n", "rate_ratio"),
        (did.ExtendedTwoWayFixedEffects(family="linear"), "score", "difference"),
    ):
        small = estimator.fit(ward_design(many, start, outcome))
        whole = estimator.fit(borough_design(many, start, outcome))
        assert small.diagnostics["inference"] == "placebo"
        assert "untreated reporting areas" in small.diagnostics["inference_why"]
        one, other = small.effect("att", scale), whole.effect("att", scale)
        for part in ("estimate", "std_error", "conf_low", "conf_high", "p_value"):
            # what the shape over time adds has a small-sample factor that counts cells
            near = 5e-3 if isinstance(estimator, did.ExtendedTwoWayFixedEffects) else 1e-5
            assert getattr(one, part) == pytest.approx(getattr(other, part), rel=near), (estimator, part)


def test_starts_that_differ_within_clusters_bear_no_placebos():
    frame, starts = wards(14, 3, [(8, 2)])
    odd = {f"{b}w0": period for b, period in starts.items()}
    estimator = did.TwoWayFixedEffects(cluster="parent", inference="placebo")
    result = estimator.fit(ward_design(frame, odd, "n"))
    assert result.diagnostics["inference"] == "cluster"
    said = "No placebos, which were asked for: starts differ within reporting areas."
    assert said in result.diagnostics["inference_why"]


def test_callaway_santanna_clusters_every_row():
    frame, starts = wards(**STAGGERED)
    estimator = did.CallawaySantAnna(n_boot=199)
    small, whole = estimator.fit(ward_design(frame, starts)), estimator.fit(borough_design(frame, starts))
    columns = ["estimate", "std_error", "p_value"]
    keys = ["term", "scale", "cohort", "period", "horizon"]
    one, other = (r.estimates.sort_values(keys)[columns].to_numpy(dtype=float) for r in (small, whole))
    assert len(one) > 50
    np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(small.joint.covariance, whole.joint.covariance, rtol=1e-7, atol=1e-9)
    for name in ("pretest_statistic", "pretest_largest_t"):
        assert small.diagnostics[name] == pytest.approx(whole.diagnostics[name], nan_ok=True)
    counted = estimator.fit(ward_design(frame, starts, "n")).effect("att", "rate_ratio")
    theirs = estimator.fit(borough_design(frame, starts, "n")).effect("att", "rate_ratio")
    assert counted.std_error == pytest.approx(theirs.std_error, rel=1e-7)


def test_what_a_single_cluster_is_behind_has_no_error():
    frame, starts = wards(24, 4, [(8, 9), (14, 1)])
    result = did.Imputation(family="linear").fit(ward_design(frame, starts))
    rows = result.estimates
    late = rows[(rows["term"] == "cohort") & (rows["cohort"] == pd.Period("2023-03", "M"))]
    assert len(late) == 1
    assert late["std_error"].isna().all()
    assert late["conf_low"].isna().all()
    event = did.TwoWayFixedEffects(family="linear", leads=4, lags=9).fit(ward_design(frame, starts))
    assert np.isfinite(event.effect("event", "difference", horizon=2).std_error)
    # a borough's own effect rests on wards that share their noise
    own = rows[(rows["term"] == "area") & (rows["area"] == "B00")]
    assert own["std_error"].isna().all()


def test_doors():
    frame, starts = wards(12, 2, [(8, 5)])
    design = ward_design(frame, starts)
    given = {w: w[:3] for w in design.panel.areas}
    found = [arrays_of(did.SunAbraham(cluster=c), design).units for c in ("parent", given)]
    assert found[0].label.tolist() == found[1].label.tolist()
    for cluster, said in (
        ("parnet", "parent"),
        ("score", "moves over time"),
        ({"B00w0": 1}, "23 areas have no cluster"),
        (7, "names no clusters"),
    ):
        with pytest.raises(DesignError, match=said):
            did.SunAbraham(cluster=cluster).fit(design)
    bare = borough_design(frame, starts)
    with pytest.raises(DesignError, match="names no reporting areas"):
        did.SunAbraham(cluster="parent").fit(bare)
    assert choose(arrays_of(did.SunAbraham(), design)).n_controls == choose(bare.arrays).n_controls == 7

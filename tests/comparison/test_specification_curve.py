"""Every combination of choices, refusals kept, and a joint test that is exact where starts are a lottery."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

import svmodel as sv
from svmodel.comparison.specifications import statistics
from svmodel.did import ExtendedTwoWayFixedEffects, Imputation, TwoWayFixedEffects
from svmodel.errors import DesignError, EstimationError


def made(areas=14, periods=20, cohorts=((10, 3), (13, 2)), effect=0.6, seed=2, **more):
    simulation = sv.simulate.panel(areas, periods, cohorts=cohorts, effect=effect, mean=10, seed=seed, **more)
    return sv.Design(simulation.panel, outcome="violence", exposure="population", intervention=simulation.intervention)


@pytest.fixture(scope="module")
def design():
    return made()


@pytest.fixture(scope="module")
def curve(design):
    untreated = [a for a in design.panel.areas if a not in design.intervention.starts]
    return sv.specification_curve(
        design,
        estimators=[ExtendedTwoWayFixedEffects(inference="cluster"), TwoWayFixedEffects(inference="cluster")],
        controls={"all": None, "seven": untreated[:7]},
        windows=[None, ("2018-04", "2019-08"), ("2018-01", "2018-10")],
        anticipation=[0, 2],
        draws=19,
        seed=4,
    )


def test_every_combination_is_there_once_and_is_what_it_says(design, curve):
    choices = ["estimator", "controls", "window", "outcome", "covariates", "anticipation"]
    assert len(curve.table) == 2 * 2 * 3 * 2
    assert not curve.table.duplicated(choices).any()
    assert curve.choices == ("estimator", "controls", "window", "anticipation")
    known = curve.table[curve.table["estimate"].notna()]
    assert known["estimate"].is_monotonic_increasing
    assert known["rank"].tolist() == list(range(1, len(known) + 1))
    picked = known[
        (known["estimator"] == "TWFE Poisson")
        & (known["controls"] == "seven")
        & (known["window"] == "Apr 2018 to Aug 2019")
        & (known["anticipation"] == "2")
    ].iloc[0]
    untreated = [a for a in design.panel.areas if a not in design.intervention.starts]
    own = sv.Design(
        design.panel.select(areas=[*untreated[:7], *design.intervention.starts]),
        outcome="violence",
        exposure="population",
        intervention=design.intervention,
        window=("2018-04", "2019-08"),
        anticipation=2,
    )
    effect = TwoWayFixedEffects(inference="cluster").fit(own, seed=4).effect()
    assert (picked.estimate, picked.conf_low, picked.p_value) == (effect.estimate, effect.conf_low, effect.p_value)


def test_refusals_stay_with_their_reason(curve):
    refused = curve.table[curve.table["status"] == "refused"]
    # a window that ends before any start holds no treated period, whatever else is chosen
    assert set(refused["window"]) == {"Jan 2018 to Oct 2018"}
    assert len(refused) == 8
    assert refused["reason"].str.contains("every start is after the last period").all()
    assert refused.index.min() == len(curve.table) - 8
    assert any("8 specifications were refused" in note for note in curve.notes)


def test_the_joint_test_is_that_of_plain_refits():
    """Two of six areas, all 30 ways to deal out two different starts, written out as loops of whole fits."""
    design = made(areas=6, periods=12, cohorts=((6, 1), (8, 1)), seed=5)
    methods = {"one": TwoWayFixedEffects(), "two": Imputation(family="linear")}
    found = sv.specification_curve(design, estimators=methods, windows=[None, ("2018-02", "2018-12")], draws=99)
    areas = design.panel.areas
    starts = sorted(design.intervention.starts.values())
    actual = tuple(a for p in starts for a, q in design.intervention.starts.items() if q == p)
    values = {}
    for pair in permutations(areas, 2):
        row = []
        for method in methods.values():
            for window in (None, ("2018-02", "2018-12")):
                other = sv.Design(
                    design.panel,
                    outcome="violence",
                    exposure="population",
                    intervention=sv.Intervention("dealt", dict(zip(pair, starts, strict=True))),
                    window=window,
                )
                row.append(np.log(method.fit(other).effect().estimate) if method.family == "poisson" else np.nan)
                if method.family == "linear":
                    a = other.arrays
                    gap = method.fit(other).effect("att", "difference").estimate * a.treated.sum()
                    observed = a.y[a.treated].sum()
                    row[-1] = np.log(observed / (observed - gap))
        values[pair] = row
    # specifications are made window by window, estimators innermost
    order = [0, 2, 1, 3]
    whole = np.array([values[actual], *[v for k, v in values.items() if k != actual]])[:, order]
    assert found.draws.shape == (30, 4)
    np.testing.assert_allclose(found.draws[0], whole[0], rtol=1e-6)
    np.testing.assert_allclose(np.sort(found.draws, axis=0), np.sort(whole, axis=0), rtol=1e-5, atol=1e-7)
    median = np.abs(np.median(whole, axis=1))
    side = np.maximum((whole < 0).mean(axis=1), (whole > 0).mean(axis=1))
    clear = np.array([[(np.abs(whole[:, k]) >= abs(v) - 1e-9).mean() <= 0.05 for k, v in enumerate(r)] for r in whole])
    share = np.maximum((clear & (whole < 0)).mean(axis=1), (clear & (whole > 0)).mean(axis=1))
    for name, stat in (
        ("size of the median effect", median),
        ("share significant on one side", share),
        ("share on one side", side),
    ):
        row = found.joint.set_index("statistic").loc[name]
        assert row.observed == pytest.approx(stat[0], rel=1e-5)
        assert row.p_value == pytest.approx((stat >= stat[0] - 1e-9).mean())


def test_each_joint_test_keeps_its_level():
    """Starts are a lottery here, so p <= 0.1 in a tenth of panels at most."""
    p = []
    for seed in range(30):
        design = made(areas=7, periods=10, cohorts=((5, 2),), effect=1.0, seed=seed)
        methods = [TwoWayFixedEffects(inference="cluster"), TwoWayFixedEffects(family="linear", inference="cluster")]
        found = sv.specification_curve(design, estimators=methods, draws=99, alpha=0.2)
        p.append(found.joint["p_value"].tolist())
    low = (np.array(p) <= 0.1).sum(axis=0)
    # binomial(30, 0.1) exceeds 8 once in 500
    assert (low <= 8).all()
    # and the test is no constant: it also comes out small at times
    assert low[0] >= 1


def test_a_strong_effect_is_found():
    found = sv.specification_curve(
        made(effect=0.3), estimators=[ExtendedTwoWayFixedEffects(), TwoWayFixedEffects()], draws=99
    )
    assert found.joint["p_value"][0] == 0.01
    assert found.table["p_randomised"].max() <= 0.02
    assert found.draws.shape == (100, 2)


def test_starts_are_dealt_out_among_areas_that_all_specifications_hold(design, curve):
    assert any("among 12 areas, in 19 of" in note for note in curve.notes)
    untreated = [a for a in design.panel.areas if a not in design.intervention.starts]
    apart = sv.specification_curve(
        design, estimators=[TwoWayFixedEffects()], controls={"a": untreated[:4], "b": untreated[4:]}, draws=19
    )
    # only the treated are in both, and their two starts can still be dealt out among them
    assert any("among 5 areas, in 9 of 9 other ways" in note for note in apart.notes)
    one = made(cohorts=((10, 5),))
    rest = [a for a in one.panel.areas if a not in one.intervention.starts]
    none = sv.specification_curve(
        one, estimators=[TwoWayFixedEffects()], controls={"a": rest[:4], "b": rest[4:]}, draws=19
    )
    assert none.joint["p_value"].isna().all()
    assert "There is no joint test." in none.text
    assert any("dealt out in one way only" in note for note in none.notes)


def test_same_seed_same_bits(design):
    first, second = (
        sv.specification_curve(design, estimators=[TwoWayFixedEffects()], draws=9, seed=3) for _ in range(2)
    )
    pd.testing.assert_frame_equal(first.table, second.table)
    assert np.array_equal(first.draws, second.draws)
    other = sv.specification_curve(design, estimators=[TwoWayFixedEffects()], draws=9, seed=4)
    assert not np.array_equal(first.draws, other.draws)


def test_statistics_pass_over_what_is_not_identified():
    values = np.array([[-2.0, np.nan], [1.0, -1.0], [-1.0, -0.5], [0.5, 0.2]])
    three, p = statistics(values, 0.25)
    assert p[:, 0].tolist() == [0.25, 0.75, 0.75, 1.0]
    assert np.isnan(p[0, 1])
    assert three[0].tolist() == [2.0, 1.0, 1.0]
    assert three[1].tolist() == [0.0, 0.0, 0.5]


def test_all_problems_come_at_once(design):
    with pytest.raises(EstimationError) as error:
        sv.specification_curve(
            design,
            estimators=[TwoWayFixedEffects],
            controls={"x": ["Nowhere"]},
            windows=[("2031-01", "2031-02")],
            outcomes=["violense"],
            covariates=["density"],
            anticipation=[-1],
            draws=-1,
            alpha=2,
        )
    said = str(error.value)
    for word in ("is no estimator", "Nowhere", "('2031-01', '2031-02')", "'violence'", "density", "-1", "alpha"):
        assert word in said
    assert len(error.value.problems) >= 8
    with pytest.raises(EstimationError, match="no estimator is given"):
        sv.specification_curve(design, estimators=[])
    nobody = sv.Design(design.panel, outcome="violence", intervention=sv.Intervention("none", {}))
    with pytest.raises(DesignError):
        sv.specification_curve(nobody, estimators=[TwoWayFixedEffects()])

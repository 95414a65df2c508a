"""Methods side by side: one scale, every refusal kept, and differences that allow for the data they share."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

import svmodel as sv
from svmodel.comparison.agreement import fold
from svmodel.comparison.differences import Sums, _holm, on_scale
from svmodel.counterfactual import SyntheticControl
from svmodel.did import CallawaySantAnna, ExtendedTwoWayFixedEffects, Imputation, SunAbraham, TwoWayFixedEffects
from svmodel.errors import DesignError, EstimationError


def design_of(simulation, **more):
    return sv.Design(
        simulation.panel, outcome="violence", exposure="population", intervention=simulation.intervention, **more
    )


@pytest.fixture(scope="module")
def design():
    return design_of(sv.simulate.panel(24, 24, cohorts=[(12, 5), (16, 4)], effect=0.7, mean=8, level_sd=0.8, seed=3))


@pytest.fixture(scope="module")
def comparison(design):
    methods = [
        ExtendedTwoWayFixedEffects(),
        TwoWayFixedEffects(),
        TwoWayFixedEffects(family="linear"),
        Imputation(family="linear"),
        CallawaySantAnna(),
        SunAbraham(),
    ]
    return sv.compare(design, methods, seed=1)


def test_every_method_keeps_its_own_numbers(design, comparison):
    table = comparison.table.set_index("method")
    for name, estimator in (
        ("ETWFE Poisson", ExtendedTwoWayFixedEffects()),
        ("Callaway-Sant'Anna", CallawaySantAnna()),
    ):
        own = estimator.fit(design, seed=1).effect("att", "rate_ratio")
        held = table.loc[name]
        assert (held.estimate, held.conf_low, held.conf_high) == (own.estimate, own.conf_low, own.conf_high)
        assert held.p_value == own.p_value
        assert not held.implied
    assert table["inference"].tolist() == ["cluster"] * 6


def test_a_ratio_that_a_method_does_not_give_is_worked_out_and_marked(design, comparison):
    row = comparison.table.set_index("method").loc["TWFE linear"]
    effect = TwoWayFixedEffects(family="linear").fit(design).effect("att", "difference")
    a = design.arrays
    observed, cells = a.y[a.treated].sum(), a.treated.sum()
    expected = [observed / (observed - v * cells) for v in (effect.estimate, effect.conf_low, effect.conf_high)]
    assert row.implied
    assert [row.estimate, row.conf_low, row.conf_high] == pytest.approx(expected, rel=1e-12)
    assert row.p_value == effect.p_value


def test_other_scales_are_those_of_the_results(design):
    for scale in ("events", "per_100k", "difference"):
        found = sv.compare(design, [ExtendedTwoWayFixedEffects(), TwoWayFixedEffects(family="linear")], scale=scale)
        for name, estimate in zip(found.table["method"], found.table["estimate"], strict=True):
            assert estimate == found.results[name].effect("att", scale).estimate
        # the pairs' differences are on the same scale, and the quick estimates agree with it
        assert found.differences["difference"][0] == pytest.approx(-np.diff(found.table["estimate"])[0], rel=1e-9)
        assert np.isfinite(found.differences["std_error"][0])


def test_the_jackknife_of_a_difference_is_that_of_whole_fits(design):
    one, two = ExtendedTwoWayFixedEffects(), Imputation(family="linear")
    row = sv.compare(design, {"one": one, "two": two}).differences.iloc[0]

    def gap(d):
        return np.log(one.fit(d).effect().estimate) - np.log(two.fit(d).effect("att", "rate_ratio").estimate)

    areas = design.panel.areas
    whole, left = gap(design), []
    for area in areas:
        panel = design.panel.select(areas=[a for a in areas if a != area])
        starts = {a: p for a, p in design.intervention.starts.items() if a != area}
        rest = sv.Design(
            panel, outcome="violence", exposure="population", intervention=sv.Intervention("less one", starts)
        )
        left.append(gap(rest))
    G = len(areas)
    error = np.sqrt((G - 1) / G * ((np.array(left) - whole) ** 2).sum())
    assert row.difference == pytest.approx(whole, rel=1e-6)
    # quick estimates and fits stop iterating at slightly different points
    assert row.std_error == pytest.approx(error, rel=1e-4)
    assert row.conf_low < whole < row.conf_high


def test_shared_noise_cancels_in_a_difference(comparison):
    """Poisson ETWFE and TWFE see the same counts: as if independent, their difference had several times the error."""
    pairs = comparison.differences.set_index(["first", "second"])
    error = pairs.loc[("ETWFE Poisson", "TWFE Poisson"), "std_error"]
    held = [comparison.results[m].effect() for m in ("ETWFE Poisson", "TWFE Poisson")]
    apart = np.sqrt(sum((e.std_error / e.estimate) ** 2 for e in held))
    assert error < apart / 3


def test_a_difference_of_two_right_methods_is_rarely_called_one():
    """Both are right when effects are alike and nothing is staggered wrongly: 5% of intervals may leave out zero."""
    missed = []
    for seed in range(30):
        made = sv.simulate.panel(
            20, 16, cohorts=[(8, 4), (11, 4)], effect=1.0, mean=20, additive=True, level_sd=0.2, seed=seed
        )
        found = sv.compare(design_of(made), [TwoWayFixedEffects(family="linear"), SunAbraham()], scale="difference")
        row = found.differences.iloc[0]
        missed.append(not row.conf_low <= 0 <= row.conf_high)
    # binomial(30, 0.05) exceeds 5 once in 300
    assert sum(missed) <= 5


def test_equal_answers_count_once(comparison):
    assert "Callaway-Sant'Anna and Sun-Abraham give the same number here and count once." in comparison.text
    row = comparison.differences.set_index(["first", "second"]).loc[("Callaway-Sant'Anna", "Sun-Abraham")]
    assert np.isnan(row.std_error)
    assert "one number" in row.why


def test_the_sentence_says_what_the_table_shows(comparison):
    below = (comparison.table["estimate"] < 1).sum()
    assert below == 6
    assert "6 of 6 methods give an average effect." in comparison.text
    assert "All 5 answers point to fewer" in comparison.text
    low, high = (100 * (v - 1) for v in (comparison.table["estimate"].min(), comparison.table["estimate"].max()))
    assert f"the estimates run from {low:+.1f}% to {high:+.1f}%" in comparison.text


def test_refusals_are_rows_with_the_reason():
    frame = pd.DataFrame(
        [(a, 2010 + t, 10 + t * i - 4 * (a == "A" and t > 5)) for i, a in enumerate("ABC") for t in range(9)],
        columns=["area", "year", "n"],
    )
    panel = sv.Panel.from_frame(frame, area="area", period="year", counts=["n"])
    few = sv.Design(panel, outcome="n", intervention=sv.Intervention("patrols", {"A": 2016}))
    found = sv.compare(few, [SyntheticControl(), TwoWayFixedEffects()])
    assert found.table["status"].tolist() == ["refused", "no_interval"]
    refused, bare = found.table["reason"]
    assert "three" in refused or "3" in refused
    assert "No interval" in bare or "no interval" in bare
    assert f"Synthetic control refuses: {refused.rstrip('.')}." in found.text
    with pytest.raises(EstimationError, match="none of 1 methods answers"):
        sv.compare(few, [SyntheticControl()])


def test_a_single_treated_area_has_no_jackknife():
    made = sv.simulate.panel(20, 24, cohorts=[(12, 1)], effect=0.5, seed=1)
    found = sv.compare(design_of(made), [ExtendedTwoWayFixedEffects(), TwoWayFixedEffects()])
    assert found.differences["p_value"].isna().all()
    assert found.differences["why"].tolist() == ["a single treated area: leaving areas out shows nothing of its noise"]


@dataclass(frozen=True)
class Broken:
    def fit(self, design, *, seed=0):
        raise ZeroDivisionError("a bug")


@dataclass(frozen=True)
class Slow:
    """An estimator without a quick estimate."""

    def fit(self, design, *, seed=0):
        return TwoWayFixedEffects().fit(design, seed=seed)


def test_bugs_are_not_refusals(design):
    with pytest.raises(ZeroDivisionError):
        sv.compare(design, [TwoWayFixedEffects(), Broken()])


def test_without_a_quick_estimate_there_is_no_difference_interval(design):
    found = sv.compare(design, [ExtendedTwoWayFixedEffects(), Slow()])
    assert np.isnan(found.differences["std_error"][0])
    assert found.differences["why"][0] == "Slow: gives no quick estimate"


def test_defaults_suit_the_design(design):
    found = sv.compare(design)
    assert found.table["method"].tolist() == [
        "ETWFE Poisson",
        "TWFE Poisson",
        "Imputation linear",
        "Callaway-Sant'Anna",
        "Sun-Abraham",
        "Synthetic DiD",
    ]
    assert found.scale == "rate_ratio"
    assert (found.table["status"] != "refused").all()


def test_a_measure_is_compared_in_its_own_units():
    rng = np.random.default_rng(1)
    rows = [(f"A{i:02d}", 2010 + t, rng.normal() - (i < 9 and t > 4)) for i in range(20) for t in range(9)]
    panel = sv.Panel.from_frame(
        pd.DataFrame(rows, columns=["area", "year", "score"]), area="area", period="year", measures=["score"]
    )
    starts = {f"A{i:02d}": 2015 for i in range(9)}
    measured = sv.Design(panel, outcome="score", intervention=sv.Intervention("patrols", starts))
    found = sv.compare(measured, [TwoWayFixedEffects(family="linear"), SunAbraham()])
    assert found.scale == "difference"
    assert not found.table["implied"].any()
    with pytest.raises(EstimationError, match="a measure has a difference only"):
        sv.compare(measured, scale="rate_ratio")


def test_a_linear_answer_beside_a_poisson_one_is_explained_by_levels(comparison):
    """With few zeros the reason is that both cannot hold where levels differ, and no zeros are blamed."""
    one = comparison.table.set_index("method")["estimate"]
    apart = abs(one["TWFE linear"] - 1) / abs(one["TWFE Poisson"] - 1)
    assert ("The linear and the Poisson answers" in comparison.text) == (apart >= 2 or apart <= 0.5)
    assert "are zero. A linear model" not in comparison.text


def test_names_and_order_of_areas_move_nothing(design):
    frame = design.panel.to_frame()
    frame["area"] = frame["area"].map({a: f"X{900 - i}" for i, a in enumerate(design.panel.areas)})
    panel = sv.Panel.from_frame(frame, area="area", period="period", counts=["violence"], exposures=["population"])
    starts = {
        f"X{900 - i}": design.intervention.starts[a]
        for i, a in enumerate(design.panel.areas)
        if a in design.intervention.starts
    }
    other = sv.Design(panel, outcome="violence", exposure="population", intervention=sv.Intervention("patrols", starts))
    methods = [ExtendedTwoWayFixedEffects(), TwoWayFixedEffects()]
    one, two = (sv.compare(d, methods) for d in (design, other))
    columns = ["difference", "std_error", "p_value"]
    np.testing.assert_allclose(
        one.differences[columns].astype(float), two.differences[columns].astype(float), rtol=1e-7
    )


def test_all_problems_come_at_once(design):
    with pytest.raises(EstimationError) as error:
        sv.compare(design, [TwoWayFixedEffects, TwoWayFixedEffects(), TwoWayFixedEffects()], scale="rate", level=2)
    said = str(error.value)
    assert "4 problems" in said
    assert "'rate_ratio'" in said
    nobody = sv.Design(design.panel, outcome="violence", intervention=sv.Intervention("none", {}))
    with pytest.raises(DesignError, match="cannot be estimated"):
        sv.compare(nobody)


def test_holm_by_hand():
    assert _holm(np.array([0.01, 0.04, np.nan, 0.03]), np.arange(4.0))[[0, 1, 3]] == pytest.approx([0.03, 0.06, 0.06])
    # one method written in two ways is one comparison
    assert _holm(np.array([0.01, 0.01, 0.04]), np.array([1.0, 1.0, 2.0])) == pytest.approx([0.02, 0.02, 0.04])


def test_scales_go_there_and_back():
    sums = Sums(90.0, 12.0, 1e5)
    for value in (-3.0, 0.5):
        ratio = on_scale(value, "difference", "rate_ratio", sums)
        assert on_scale(ratio, "log_rate_ratio", "difference", sums) == pytest.approx(value)
        assert on_scale(value, "difference", "per_100k", sums) == pytest.approx(12 * value)
    # a rise by more than was seen expects fewer than none: no ratio
    assert np.isnan(on_scale(8.0, "difference", "rate_ratio", sums))


def test_how_many_times():
    assert [fold(a, b) for a, b in ((-28.0, -8.5), (10, 5), (-70, 10))] == ["threefold", "twofold", "by a factor of 7"]

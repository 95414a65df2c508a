"""Randomisation of starts: exact on small panels, against brute force, and indifferent to order and names."""

import math
import runpy
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svmodel.did import Imputation, TwoWayFixedEffects
from svmodel.errors import DesignError, EstimationError
from svmodel.inference import RandomisationInference, level_strata
from svmodel.inference.assignments import draw_lot, strata_labels

plain = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("plain.py"))))
STARTS = {1: 3, 4: 3, 6: 5}


def noise(seed, n=7, length=8):
    return np.random.default_rng(seed).normal(0, 1, (n, length))


def infer(design, estimator=None, **choices):
    estimator = estimator or plain.Averages()
    return RandomisationInference(**choices).infer(estimator.fit(design))


def brute_values(arrays, estimator, allowed=lambda p: True):
    """The statistic of every distinct deal, by going through all permutations of areas."""
    seen = {}
    for p in permutations(range(len(arrays.areas))):
        if allowed(p):
            dealt = arrays.assigned(np.array(p))
            seen[dealt.status.tobytes() + dealt.start.tobytes()] = dealt
    return np.array([estimator.point(a) for a in seen.values()])


def test_enumeration_is_brute_force():
    made = plain.design(noise(1), STARTS, ends={6: 6})
    result = infer(made, interval=False)
    values = brute_values(made.arrays, plain.Averages())
    actual = plain.Averages().point(made.arrays)
    assert len(values) == result.diagnostics["assignments"] == 7 * math.comb(6, 2)
    assert result.effect("att", "difference").p_value == (np.abs(values) >= abs(actual) - 1e-12).mean()
    assert "all 105 distinct ways" in result.notes[-1]


def test_enumeration_within_strata_is_brute_force():
    bands = [0, 0, 1, 1, 0, 1, 1]
    made = plain.design(noise(2), STARTS, parents=[f"part {b}" for b in bands], covariate=np.array(bands, dtype=float))
    values = brute_values(made.arrays, plain.Averages(), lambda p: all(bands[i] == bands[j] for i, j in enumerate(p)))
    actual = plain.Averages().point(made.arrays)
    expected = (np.abs(values) >= abs(actual) - 1e-12).mean()
    by_area = dict(zip(made.arrays.areas, bands, strict=True))
    for strata in (by_area, "parent", "band"):
        result = infer(made, strata=strata, interval=False)
        assert result.diagnostics["assignments"] == len(values) == 3 * 4
        assert result.effect("att", "difference").p_value == expected
        assert "within strata" in result.notes[-1]


def every_p_value(y, starts, estimator, **choices):
    """The p-value under each assignment that might have been the actual one, the outcomes as they are."""
    n = len(y)
    kinds = [starts.get(i) for i in range(n)]
    out = []
    for order in sorted(set(permutations(kinds)), key=str):
        given_ = {i: t for i, t in enumerate(order) if t is not None}
        out.append(infer(plain.design(y, given_), estimator, **choices).effect("att", "difference").p_value)
    return np.array(out)


@pytest.mark.parametrize("choices", [{}, {"draws": 7}], ids=["every one", "drawn"])
def test_the_test_is_exact_under_the_sharp_null(choices):
    """Over all assignments, P(p <= alpha) <= alpha; drawn samples on average over seeds, which are one here."""
    y = np.round(noise(3, n=6, length=5), 1)
    p = every_p_value(y, {0: 2, 3: 3}, plain.Averages(), interval=False, **choices)
    assert len(p) == 30
    for alpha in np.unique(p):
        room = 0.0 if not choices else 0.2  # of drawn samples, the share over 30 assignments strays from its mean
        assert (p <= alpha + 1e-12).mean() <= alpha + 1e-12 + room
    assert p.min() == (1 / 30 if not choices else 1 / 8)


def test_drawn_p_values_hold_their_level_over_seeds():
    y = noise(4, n=8, length=6)
    made = plain.design(y, {2: 3, 5: 3, 7: 4})
    arrays, estimator = made.arrays, plain.Averages()
    rng = np.random.default_rng(5)
    p = []
    for seed in range(400):
        # the actual assignment is drawn too, as in a lottery
        order = [int(i) for i in rng.permutation(8)]
        dealt = plain.design(y, {i: {2: 3, 5: 3, 7: 4}[j] for i, j in enumerate(order) if j in (2, 5, 7)})
        held = RandomisationInference(draws=19).distribution(estimator.fit(dealt), seed=seed)
        assert not held.enumerated
        p.append(held.p_value)
    # exact: P(p <= k / 20) = k / 20; four standard errors of 400 draws
    for k in (1, 2, 5, 10):
        assert np.mean(np.array(p) <= k / 20 + 1e-12) == pytest.approx(
            k / 20, abs=4 * math.sqrt(k / 20 * (1 - k / 20) / 400)
        )
    assert arrays.y.shape == (8, 6)


def on_a_grid(made, estimator, level, grid, undo, allowed=lambda p: True):
    arrays = made.arrays
    kept = []
    for tau in grid:
        from dataclasses import replace

        nulled = replace(arrays, y=undo(arrays, tau))
        values = np.abs(brute_values(nulled, estimator, allowed))
        if (values >= abs(estimator.point(nulled)) * (1 - 1e-9)).mean() > 1 - level + 1e-12:
            kept.append(tau)
    return kept[0], kept[-1]


def test_the_interval_of_a_difference_is_the_slow_one():
    y = noise(6, n=6, length=6)
    made = plain.design(y, {0: 3, 3: 4})
    effect = infer(made, level=0.8).effect("att", "difference")
    grid = np.linspace(-6, 6, 241)
    slow = on_a_grid(made, plain.Averages(), 0.8, grid, lambda a, tau: np.where(a.treated, a.y - tau, a.y))
    assert slow[0] - 0.05 <= effect.conf_low <= slow[0] + 1e-9
    assert slow[1] - 1e-9 <= effect.conf_high <= slow[1] + 0.05


def test_the_interval_of_a_ratio_is_the_slow_one():
    y = np.random.default_rng(8).poisson(30, (6, 6)).astype(float)
    made = plain.design(y, {0: 3, 3: 4}, counts=True)
    result = infer(made, plain.Averages(ratio=True), level=0.8)
    effect = result.effect("att", "rate_ratio")
    grid = np.linspace(-0.8, 0.8, 401)
    undo = lambda a, tau: np.where(a.treated, a.y * np.exp(-tau), a.y)  # noqa: E731
    slow = on_a_grid(made, plain.Averages(ratio=True), 0.8, grid, undo)
    # the grid's step is 0.004
    assert np.log([effect.conf_low, effect.conf_high]) == pytest.approx(slow, abs=0.005)
    assert "approximate" in result.notes[-1]


@pytest.mark.parametrize(
    "estimator", [Imputation(family="linear"), Imputation(family="poisson")], ids=["linear", "poisson"]
)
def test_intervals_of_imputation_agree_with_tests_at_their_limits(estimator):
    """Just inside a limit the effect is kept, just outside it is not: tested by taking it from the data."""
    from dataclasses import replace

    from svmodel.inference.statistic import without_effect

    rng = np.random.default_rng(9)
    y = rng.poisson(40 * np.exp(rng.normal(0, 0.3, (20, 1))), (20, 12)).astype(float)
    starts = {i: 6 + i % 3 for i in range(9)}
    made = plain.design(y, starts, counts=True)
    choice = RandomisationInference(draws=99, level=0.9)
    fitted = estimator.fit(made)
    effect = choice.infer(fitted).effect("att", "rate_ratio" if estimator.family == "poisson" else "difference")
    low, high = effect.conf_low, effect.conf_high
    if estimator.family == "poisson":
        low, high = np.log([low, high])
    patterns = choice.distribution(fitted).patterns

    def p_value(tau):
        arrays = replace(made.arrays, y=without_effect(made.arrays, tau, estimator.scale))
        values = np.abs([estimator.point(arrays.assigned(p)) for p in patterns])
        return (values >= values[0] * (1 - 1e-9)).mean()

    room = 0.01 * (high - low)
    assert low < fitted_estimate(fitted, estimator) < high
    for limit, out in ((low, -1), (high, 1)):
        assert p_value(limit - out * room) > 0.1
        assert p_value(limit + out * room) <= 0.1


def fitted_estimate(result, estimator):
    if estimator.scale == "difference":
        return result.effect("att", "difference").estimate
    return math.log(result.effect("att", "rate_ratio").estimate)


def test_a_planted_effect_is_found_and_covered_at_the_nominal_rate():
    covered = []
    for seed in range(100):
        y = noise(seed, n=10, length=8)
        y[:4, 5:] -= 5.0
        effect = infer(plain.design(y, dict.fromkeys(range(4), 5)), plain.Changes()).effect("att", "difference")
        assert effect.conf_high < 0
        assert effect.p_value == 1 / math.comb(10, 4)
        assert math.isnan(effect.std_error)
        covered.append(effect.conf_low <= -5 <= effect.conf_high)
    # exact: 1 - 10 / 210; four standard errors of 100 panels
    assert np.mean(covered) == pytest.approx(1 - 10 / 210, abs=4 * math.sqrt(0.05 * 0.95 / 100))


def test_every_scale_carries_the_same_test():
    y = np.random.default_rng(20).poisson(30, (25, 8)).astype(float)
    people = np.full((25, 8), 1_000.0)
    made = plain.design(y, {0: 5, 1: 5, 2: 6}, counts=True, exposure=people, anticipation=1)
    for estimator in (Imputation(family="linear", inference="cluster"), Imputation(inference="cluster")):
        for draws in (60, 9):  # the second leaves no interval
            result = RandomisationInference(draws=draws).infer(estimator.fit(made))
            rows = result.estimates[result.estimates["term"] == "att"].set_index("scale")
            assert set(rows.index) == {"rate_ratio", "per_100k", "events", "difference"}
            assert rows["p_value"].nunique() == 1
            assert rows["std_error"].isna().all()
            if draws == 9:
                assert not np.isfinite(rows[["conf_low", "conf_high"]]).all(axis=1).any()
                assert "anticipation and after an end" not in result.notes[-1]
                continue
            outside = rows["conf_low"].gt(rows.index.map({"rate_ratio": 1.0}).fillna(0.0)) | rows["conf_high"].lt(
                rows.index.map({"rate_ratio": 1.0}).fillna(0.0)
            )
            assert outside.nunique() == 1
            assert (rows["conf_low"] < rows["estimate"]).all()
            assert (rows["estimate"] < rows["conf_high"]).all()
            assert any("anticipation and after an end as they were recorded" in n for n in result.notes)


def test_too_few_assignments_give_no_interval_and_say_so():
    result = infer(plain.design(noise(11, n=5), {0: 4}))
    effect = result.effect("att", "difference")
    assert math.isnan(effect.conf_low)
    assert math.isnan(effect.conf_high)
    assert effect.p_value >= 1 / 5
    assert any("With 5 assignments no p-value can be below 0.200" in n for n in result.notes)


def test_order_and_names_of_areas_change_nothing():
    y = noise(12, n=30, length=8)
    starts = {i: 4 + i % 2 for i in range(8)}
    choice = RandomisationInference(draws=99)
    estimator = Imputation(family="linear")
    one = choice.infer(estimator.fit(plain.design(y, starts)), seed=7)
    order = np.random.default_rng(0).permutation(30)
    names = [f"ward {k:02d}" for k in range(30)]
    moved = {int(np.flatnonzero(order == i)[0]): t for i, t in starts.items()}
    other = choice.infer(estimator.fit(plain.design(y[order], moved, names=names)), seed=7)
    a, b = one.effect("att", "difference"), other.effect("att", "difference")
    assert a.p_value == b.p_value
    assert (a.conf_low, a.conf_high) == pytest.approx((b.conf_low, b.conf_high), rel=1e-9)
    again = choice.infer(estimator.fit(plain.design(y, starts)), seed=7).effect("att", "difference")
    assert (a.p_value, a.conf_low, a.conf_high) == (again.p_value, again.conf_low, again.conf_high)
    drawn = [choice.distribution(estimator.fit(plain.design(y, starts)), seed=s).others for s in (7, 8)]
    assert not np.array_equal(*drawn)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=4, max_size=12),
    st.integers(1, 60),
    st.integers(0, 9),
)
def test_no_deal_crosses_a_stratum_and_all_keep_the_patterns(areas, draws, seed):
    kinds, strata = zip(*areas, strict=True)
    starts = {i: 2 + k for i, k in enumerate(kinds) if k}
    if not starts:
        return
    arrays = plain.design(noise(0, n=len(areas), length=8), starts, anticipation=1).arrays
    labels = strata_labels(dict(zip(arrays.areas, strata, strict=True)), None, arrays)
    try:
        lot = draw_lot(arrays, labels)
    except DesignError:
        assert all(len({k for k, s in areas if s == one}) == 1 for one in set(strata))
        return
    dealt = [arrays.assigned(p) for p in lot.others(draws, seed)]
    assert len(dealt) == min(draws, lot.total - 1)
    seen = {arrays.status.tobytes() + arrays.start.tobytes()}
    for d in dealt:
        for s in set(strata):
            mine = np.array(strata) == s
            assert sorted(d.start[mine]) == sorted(arrays.start[mine])
        # status goes with its start
        assert all(
            (d.status[i] == arrays.status[list(arrays.start).index(d.start[i])]).all() for i in range(len(areas))
        )
        seen.add(d.status.tobytes() + d.start.tobytes())
    assert len(seen) == len(dealt) + 1


def test_refits_and_point_agree():
    made = plain.design(noise(13), {1: 4, 4: 4})
    fast = infer(made, plain.Changes()).effect("att", "difference")
    slow = infer(made, plain.RefitOnly(plain.Changes())).effect("att", "difference")
    assert slow.p_value == fast.p_value
    assert (slow.conf_low, slow.conf_high) == pytest.approx((fast.conf_low, fast.conf_high), rel=1e-9)


def test_refits_of_counts_invert_with_an_outcome_that_is_not_whole():
    y = np.random.default_rng(14).poisson(30, (7, 6)).astype(float)
    made = plain.design(y, {0: 3, 3: 3}, counts=True)
    inner = plain.Changes(ratio=True)
    fast = infer(made, inner, level=0.8).effect("att", "rate_ratio")
    slow = infer(made, plain.RefitOnly(inner), level=0.8).effect("att", "rate_ratio")
    assert (slow.conf_low, slow.conf_high) == pytest.approx((fast.conf_low, fast.conf_high), rel=1e-6)


def test_studentised_is_the_ratio_to_the_standard_error():
    made = plain.design(noise(15, n=8), {0: 4, 3: 4, 5: 4})
    fitted = TwoWayFixedEffects(family="linear").fit(made)
    held = RandomisationInference(statistic="studentised").distribution(fitted)
    row = fitted.effect("att", "difference")
    assert held.observed == pytest.approx(row.estimate / row.std_error)
    slow = []
    for p in held.patterns:
        e = TwoWayFixedEffects(family="linear").fit(made.reassigned(p)).effect("att", "difference")
        slow.append(abs(e.estimate / e.std_error))
    assert held.p_value == (np.array(slow) >= slow[0] * (1 - 1e-9)).mean()
    assert len(held.others) == math.comb(8, 3) - 1


def test_studentised_interval_holds_where_the_test_keeps():
    y = noise(16, n=20, length=10)
    y[:6, 5:] -= 1.0
    fitted = Imputation(family="linear").fit(plain.design(y, {i: 5 + i % 2 for i in range(6)}))
    result = RandomisationInference(draws=99, statistic="studentised", level=0.9).infer(fitted)
    effect = result.effect("att", "difference")
    assert effect.conf_low < effect.estimate < effect.conf_high
    assert (effect.p_value <= 0.1) == (not effect.conf_low <= 0 <= effect.conf_high)


def test_deals_that_are_not_identified_are_left_out_and_told():
    y = noise(17, n=6, length=5)
    y[5, 3:] = np.nan  # dealt there, no treated cell is known
    made = plain.design(y, {1: 3})

    class Strict(plain.Averages):
        def point(self, arrays):
            return super().point(arrays) if arrays.treated.any() else float("nan")

    result = infer(made, Strict(), interval=False)
    assert result.diagnostics["assignments_unidentified"] == 1
    assert result.diagnostics["assignments_tried"] == 5
    assert "1 left the effect unidentified" in result.notes[-1]


def test_no_treated_event_gives_a_p_value_and_no_interval():
    y = np.random.default_rng(18).poisson(2, (9, 6)).astype(float)
    y[0, 3:] = 0
    result = infer(plain.design(y, {0: 3}, counts=True), plain.Averages(ratio=True))
    effect = result.effect("att", "rate_ratio")
    assert effect.p_value == (1 + sum(y[i, 3:].sum() == 0 for i in range(1, 9))) / 9
    assert math.isnan(effect.conf_low)
    assert "No event was seen in the treated cells" in result.notes[-1]


def test_level_strata_use_the_time_before_anything_started():
    y = np.tile(np.array([[1.0], [9.0], [2.0], [8.0]]), (1, 6))
    y[0, 3:] = 100.0
    people = np.array([[10.0], [1000.0], [10.0], [10.0]]) * np.ones((1, 6))
    plainly = level_strata(plain.design(y, {0: 3}, counts=True), bands=2)
    assert list(plainly.values()) == [0, 1, 0, 1]
    rates = level_strata(plain.design(y, {0: 3}, counts=True, exposure=people), bands=2)
    assert list(rates.values()) == [0, 0, 1, 1]
    with pytest.raises(DesignError, match="9 bands of 4 areas"):
        level_strata(plain.design(y, {0: 3}), bands=9)


def test_refusals_say_why():
    made = plain.design(noise(19), STARTS)
    fitted = plain.Averages().fit(made)
    everyone = plain.Averages().fit(plain.design(noise(19), dict.fromkeys(range(7), 4)))
    with pytest.raises(DesignError, match="one way only"):
        RandomisationInference().infer(everyone)
    with pytest.raises(DesignError, match="7 areas have no stratum"):
        RandomisationInference(strata={}).infer(fitted)
    with pytest.raises(DesignError, match=r"no column 'outcom'.*Did you mean 'outcome'"):
        RandomisationInference(strata="outcom").infer(fitted)
    with pytest.raises(DesignError, match="moves within areas"):
        RandomisationInference(strata="outcome").infer(fitted)
    with pytest.raises(DesignError, match="no reporting areas"):
        RandomisationInference(strata="parent").infer(fitted)
    with pytest.raises(EstimationError, match="3 problems"):
        RandomisationInference(draws=0, statistic="t", level=2)
    from dataclasses import replace

    with pytest.raises(EstimationError, match="without its data"):
        RandomisationInference().infer(replace(fitted, design=None))

"""What areas add to many cells, held by cohort, against the plain table of every area and cell."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import svmodel as sv
from svmodel.did.callaway_santanna import CallawaySantAnna
from svmodel.did.callaway_santanna.averages import Linear
from svmodel.did.callaway_santanna.cells import cross_section_effects, group_time_effects
from svmodel.did.callaway_santanna.report import pools_of
from svmodel.did.callaway_santanna.single_cells import Scale, SingleCells, log_ratio
from svmodel.numerics.arrays import row_order
from svmodel.numerics.cluster.multiplier_bootstrap import multipliers, sup_t_critical_value

T = 14
SIZES = {4: 7, 6: 1, 7: 2, 9: 5, 12: 9}  # start -> areas: cohorts of one and of two among larger ones


def design(*, seed=1, never=11, gaps=0, covariate=False, ends=False, anticipation=0, whole=True):
    """Counts with cohorts of unlike sizes; `gaps` outcomes missing at random, and one area late."""
    rng = np.random.default_rng(seed)
    start = rng.permutation(np.repeat([*SIZES, 99], [*SIZES.values(), never]))
    n = len(start)
    level = rng.gamma(4, 3, size=n)[:, None]
    y = rng.poisson(level * np.where(np.arange(T) >= start[:, None], 0.7, 1.0)).astype(float)
    y = y if whole else y + rng.normal(size=y.shape)
    y.ravel()[rng.choice(y.size, gaps, replace=False)] = np.nan
    if gaps:
        y[0, :5] = np.nan
    names = np.array([f"area {i:02d}" for i in range(n)], dtype=object)
    periods = pd.period_range("2020-01", periods=T, freq="M")
    frame = pd.DataFrame({"area": np.repeat(names, T), "month": np.tile(periods.astype(str), n), "y": y.ravel()})
    frame["people"] = np.repeat(rng.integers(1_000, 5_000, n), T)
    frame["x"] = np.repeat(rng.normal(size=n), T)
    kind = {"counts": ["y"], "exposures": ["people"]} if whole else {"measures": ["y"]}
    panel = sv.Panel.from_frame(frame, area="area", period="month", covariates=["x"], **kind)
    starts = {names[i]: periods[start[i]] for i in range(n) if start[i] < T}
    until = {names[i]: periods[start[i] + 3] for i in np.flatnonzero(start == 4)[:2]} if ends else {}
    return sv.Design(
        panel,
        outcome="y",
        exposure="people" if whole else None,
        intervention=sv.Intervention("patrols", starts, ends=until),
        covariates=("x",) if covariate else (),
        anticipation=anticipation,
    )


KINDS = {
    "complete": {},
    "a measure": {"whole": False},
    "gaps": {"gaps": 30},
    "no area never treated": {"never": 0},
    "gaps and none never treated": {"never": 0, "gaps": 25},
    "covariates": {"covariate": True, "never": 25},
    "ends and anticipation": {"ends": True, "anticipation": 1},
}


def cells_of(arrays, *, sampling="panel", **choices):
    estimate = group_time_effects if sampling == "panel" else cross_section_effects
    times = np.flatnonzero(~np.isnan(arrays.y).all(axis=0))
    given = {"control": "not_yet_treated", "method": "dr", "base_period": "varying", **choices}
    cells = estimate(arrays, times, anticipation=arrays.anticipation, **given)
    return cells.take(cells.identified)


def plain(arrays, cells, *, control):
    """Contributions, treated and controls of every area and cell by loops over both, without covariates."""
    y, N, K = arrays.y, len(arrays.areas), len(cells.att)
    share, treated, controls = np.zeros((N, K)), np.zeros((N, K), dtype=bool), np.zeros((N, K), dtype=bool)
    for k, (g, t, b) in enumerate(zip(cells.cohort, cells.time, cells.base, strict=True)):
        for i in range(N):
            if np.isnan(y[i, t]) or np.isnan(y[i, b]) or (arrays.status[i, t] == 2 and t >= arrays.start[i]):
                continue
            later = arrays.start[i] > max(t, b) + arrays.anticipation and arrays.start[i] != g
            treated[i, k] = arrays.start[i] == g
            controls[i, k] = later if control == "not_yet_treated" else arrays.start[i] > T
        for who, sign in ((treated[:, k], 1), (controls[:, k], -1)):
            change = y[who, t] - y[who, b]
            share[who, k] = sign * (change - change.mean()) / who.sum()
    return share, treated, controls


@pytest.mark.parametrize("control", ["never_treated", "not_yet_treated"])
@pytest.mark.parametrize("base", ["varying", "universal"])
@pytest.mark.parametrize("kind", [k for k in KINDS if k != "covariates"])
def test_cohorts_together_add_what_areas_and_cells_one_by_one_do(kind, base, control):
    arrays = design(**KINDS[kind]).arrays
    if control == "never_treated" and "never treated" in kind:
        control = "not_yet_treated"
    cells = cells_of(arrays, control=control, base_period=base)
    share, treated, controls = plain(arrays, cells, control=control)
    held = cells.contributions
    everything = np.ones(len(cells.att), dtype=bool)
    assert len(cells.att) > 40
    np.testing.assert_allclose(held.columns(everything), share, atol=1e-13)
    np.testing.assert_allclose(held.variances, (share**2).sum(axis=0), rtol=1e-10, atol=1e-20)
    np.testing.assert_array_equal(cells.n_treated, treated.sum(axis=0))
    np.testing.assert_array_equal(cells.n_controls, controls.sum(axis=0))
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(len(cells.att), 3)) * (rng.random((len(cells.att), 3)) < 0.3)
    np.testing.assert_allclose(held.weighted(weights), share @ weights, atol=1e-12)
    np.testing.assert_allclose(held.summed(weights), treated @ weights, atol=1e-12)
    np.testing.assert_allclose(held.summed(weights, treated=False), controls @ weights, atol=1e-12)
    outcome = np.where(treated, arrays.y[:, cells.time], 0.0).sum(axis=0)
    np.testing.assert_allclose(cells.observed(arrays.y), outcome, rtol=1e-12)
    of_cohort = {g: int(treated[:, cells.cohort == g].any(axis=1).sum()) for g in np.unique(cells.cohort).tolist()}
    assert cells.sizes == of_cohort


@pytest.mark.parametrize("sampling", ["panel", "cross_sections"])
@pytest.mark.parametrize("kind", [k for k in KINDS if k != "a measure"])
def test_single_cells_have_the_errors_of_their_columns(kind, sampling):
    arrays = design(**KINDS[kind]).arrays
    every = cells_of(arrays, sampling=sampling)
    pools = pools_of(arrays)
    draws = multipliers(299, len(arrays.areas), np.random.default_rng(3))
    for cells in (every, every.take(every.horizon >= 0)):
        single = SingleCells(cells, pools, arrays.y, draws)
        share = cells.contributions.columns(np.ones(len(cells.att), dtype=bool))
        above = np.zeros(share.shape)
        for part, outcome in cells.treated_outcomes(arrays.y):
            inside = np.ones(outcome.shape, dtype=bool) if part.present is None else part.present
            mean = (single.observed / cells.n_treated)[part.cells, None]
            above[np.ix_(part.rows, part.cells)] = np.where(inside, outcome - mean, 0.0).T
        ratio = log_ratio(cells, single.observed)
        tables = {
            "difference": (Scale(cells.att, np.ones(len(cells.att))), share),
            "log ratio": (ratio, share * ratio.of_effect + above * ratio.of_outcome),
        }
        for scale, influence in tables.values():
            known = ~np.isnan(scale.estimate)
            expected = Linear(scale.estimate[known], influence[:, known])
            found = single.measured(scale)
            np.testing.assert_allclose(found.std_error[known], expected.std_error, rtol=1e-10)
            for name in ("inflation", "df"):
                mine, theirs = getattr(found.small, name)[known], getattr(expected.measured(pools).small, name)
                np.testing.assert_allclose(mine, theirs, rtol=1e-9)
            critical = sup_t_critical_value(expected.influence, draws, level=0.9)
            assert single.critical(scale, found, level=0.9) == pytest.approx(critical, abs=2e-4)


def test_controls_that_change_as_their_mean_count_as_controls_but_not_as_noise():
    # of four controls two change exactly as the mean: they stand in the comparison, and their residual is no residual
    y = np.array([[5, 5, 3, 3], [4, 4, 4, 1], [3, 3, 3, 3], [6, 6, 6, 6], [2, 2, 4, 4], [8, 8, 6, 6.0]])
    periods = pd.period_range("2020-01", periods=4, freq="M")
    names = list("ABCDEF")
    frame = pd.DataFrame({"area": np.repeat(names, 4), "month": np.tile(periods.astype(str), 6), "y": y.ravel()})
    panel = sv.Panel.from_frame(frame, area="area", period="month", counts=["y"])
    intervention = sv.Intervention("patrols", {"A": "2020-03", "B": "2020-03"})
    arrays = sv.Design(panel, outcome="y", intervention=intervention).arrays
    cells = cells_of(arrays, control="never_treated")
    last = cells.take(cells.time == 2)
    assert last.n_controls.tolist() == [4]
    assert last.contributions.summed(np.ones((1, 1)), treated=False).ravel().tolist() == [0, 0, 1, 1, 1, 1]
    measured = SingleCells(last, pools_of(arrays), arrays.y, None).measured(Scale(last.att, np.ones(1)))
    column = last.contributions.columns(np.ones(1, dtype=bool))
    assert (column != 0).ravel().tolist() == [True, True, False, False, True, True]
    # both pools have two areas with a residual: one degree of freedom each, and the variance doubled
    assert measured.small.inflation**2 == pytest.approx(2.0)


def test_an_average_alone_needs_no_contributions(monkeypatch):
    arrays = design(gaps=20).arrays
    estimator = CallawaySantAnna()
    expected = estimator.fit(design(gaps=20)).effect("att", "difference").estimate

    def made(*_):
        raise AssertionError("contributions were made")

    monkeypatch.setattr("svmodel.did.callaway_santanna.mean_changes.MeanChanges.parts", made)
    assert estimator.point(arrays) == pytest.approx(expected, rel=1e-12)


def test_contributions_grow_with_the_areas_that_take_part():
    # 40 cohorts and nobody never treated: a cell rests on its cohort and on those that start later
    n, months = 400, 48
    rng = np.random.default_rng(2)
    starts = 8 + np.arange(n) % 40
    y = rng.normal(size=(n, months))
    periods = pd.period_range("2018-01", periods=months, freq="M")
    names = [f"area {i:03d}" for i in range(n)]
    frame = pd.DataFrame({"area": np.repeat(names, months), "month": np.tile(periods.astype(str), n), "y": y.ravel()})
    panel = sv.Panel.from_frame(frame, area="area", period="month", measures=["y"])
    intervention = sv.Intervention("i", {names[i]: periods[starts[i]] for i in range(n)})
    arrays = sv.Design(panel, outcome="y", intervention=intervention).arrays
    cells = cells_of(arrays)
    held = sum(part.share.size for part in cells.contributions.parts)
    assert held < 0.6 * n * len(cells.att)
    assert all(part.present is None for part in cells.contributions.parts)


def test_shifting_levels_by_a_million_moves_no_error():
    frame = design(whole=False)
    arrays = frame.arrays
    moved = replace(arrays, y=arrays.y + 1e6 * np.arange(len(arrays.areas))[:, None])
    one, two = (cells_of(a).contributions.variances for a in (arrays, moved))
    np.testing.assert_allclose(one, two, rtol=1e-7)


def test_rows_are_ordered_by_as_few_columns_as_it_takes():
    rng = np.random.default_rng(4)
    for width in (1, 3, 4, 5, 17):
        keys = rng.integers(0, 2, (60, width)).astype(float)
        keys[rng.random(keys.shape) < 0.1] = np.nan
        assert row_order(keys).tolist() == np.lexsort(keys.T[::-1]).tolist()


def test_weights_drawn_in_another_order_are_the_same_weights():
    order = np.random.default_rng(0).permutation(50)
    for kind in ("rademacher", "mammen"):
        as_drawn = multipliers(20, 50, np.random.default_rng(1), kind=kind)
        assert (multipliers(20, 50, np.random.default_rng(1), kind=kind, order=order) == as_drawn[:, order]).all()

"""What Callaway-Sant'Anna answers, what it refuses, and that its intervals cover a known truth."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import svmodel as sv
from svmodel.design import NEVER
from svmodel.did.averages import table_of
from svmodel.did.callaway_santanna import CallawaySantAnna
from svmodel.did.callaway_santanna.averages import Keys, Linear
from svmodel.did.callaway_santanna.report import block
from svmodel.errors import EstimationError
from svmodel.numerics.cluster import small_sample
from svmodel.result import Result
from svmodel.result.scales import critical_value, linear_row, log_row
from svmodel.testing import check_estimator

N_AREAS, N_PERIODS = 40, 14
PERIODS = pd.period_range("2020-01", periods=N_PERIODS, freq="M")
STARTS = {6: 9, 9: 8, 11: 7}


def long_frame(y, x=None, population=None):
    n, T = y.shape
    names = np.repeat([f"area {i:03d}" for i in range(n)], T)
    frame = pd.DataFrame({"area": names, "month": np.tile(PERIODS[:T].astype(str), n), "y": y.ravel()})
    if x is not None:
        frame["x"] = np.repeat(x, T)
    if population is not None:
        frame["population"] = np.repeat(population, T)
    return frame


def as_design(y, start, *, kind="counts", x=None, population=None, ends=None, **choices):
    """Design from arrays: y (N, T), start (N,) as index of PERIODS, -1 where never treated."""
    panel = sv.Panel.from_frame(
        long_frame(y, x, population),
        area="area",
        period="month",
        covariates=[] if x is None else ["x"],
        exposures=[] if population is None else ["population"],
        **{kind: ["y"]},
    )
    intervention = sv.Intervention(
        "patrols", starts={f"area {i:03d}": PERIODS[0] + int(s) for i, s in enumerate(start) if s >= 0}, ends=ends
    )
    return sv.Design(
        panel,
        outcome="y",
        intervention=intervention,
        covariates=() if x is None else ("x",),
        exposure=None if population is None else "population",
        **choices,
    )


def counts(seed=3, *, starts=STARTS, n=N_AREAS):
    rng = np.random.default_rng(seed)
    treated = sum(starts.values())
    start = np.repeat([*starts, -1], [*starts.values(), n - treated])
    effect = np.where((start >= 0)[:, None] & (np.arange(N_PERIODS) >= start[:, None]), 0.8, 1.0)
    level = rng.gamma(9, 2, size=n)
    return rng.poisson(level[:, None] * effect).astype(float), start, rng


@pytest.fixture(scope="module")
def fitted():
    y, start, rng = counts()
    design = as_design(y, start, population=rng.integers(1_000, 9_000, size=len(y)).astype(float))
    return CallawaySantAnna().fit(design, seed=1), y, start, design


def rows_of(result, term, scale="difference"):
    frame = result.estimates
    return frame[(frame["term"] == term) & (frame["scale"] == scale)].reset_index(drop=True)


# ---- scales ------------------------------------------------------------------------------------------------------


def test_the_scales_of_counts_are_one_effect(fitted):
    result, y, start, design = fitted
    treated = (start >= 0)[:, None] & (np.arange(N_PERIODS) >= start[:, None])
    population = design.panel.matrix("population")
    difference, events = result.effect("att", "difference"), result.effect("att", "events")
    assert events.estimate == pytest.approx(difference.estimate * treated.sum(), rel=1e-12)
    assert events.std_error == pytest.approx(difference.std_error * treated.sum(), rel=1e-12)
    assert events.p_value == pytest.approx(difference.p_value, rel=1e-9)
    rate = result.effect("att", "per_100k")
    assert rate.estimate == pytest.approx(1e5 * events.estimate / population[treated].sum(), rel=1e-12)
    assert rate.p_value == pytest.approx(difference.p_value, rel=1e-9)
    ratio = result.effect("att", "rate_ratio")
    observed = y[treated].sum()
    assert ratio.estimate == pytest.approx(observed / (observed - events.estimate), rel=1e-12)
    assert ratio.estimate == pytest.approx(0.8, abs=0.1)


def test_the_rate_ratio_has_no_error_where_every_area_falls_by_the_same_share():
    # every area's count is constant, then falls to exactly a half: heterogeneous differences, one ratio
    level = np.repeat([[20.0], [40.0], [60.0], [80.0], [30.0], [50.0]], 8, axis=1)
    start = np.array([4, 4, 4, 4, -1, -1])
    level[:4, 4:] /= 2
    result = CallawaySantAnna().fit(as_design(level, start))
    assert result.effect("att", "difference").std_error > 1
    ratio = result.effect("att", "rate_ratio")
    assert ratio.estimate == pytest.approx(0.5, rel=1e-12)
    assert not ratio.std_error > 1e-12


def test_events_are_only_given_where_there_are_events_to_sum(fitted):
    result, *_ = fitted
    assert (rows_of(result, "event", "events")["horizon"] >= 0).all()
    for term in ("event_average", "cohort_average", "calendar_average"):
        assert result.has(term, "difference")
        assert not result.has(term, "events")


def test_a_measure_has_a_difference_only():
    y, start, _ = counts()
    result = CallawaySantAnna().fit(as_design(np.log1p(y), start, kind="measures"))
    assert set(result.estimates["scale"]) == {"difference"}


def test_a_ratio_without_an_expected_number_is_missing_and_said():
    y = np.zeros((6, 6))
    y[:, 0] = 1
    y[0, 4] = 1
    result = CallawaySantAnna().fit(as_design(y, np.array([3, 3, 3, -1, -1, -1])))
    ratios = rows_of(result, "cell", "rate_ratio")
    assert ratios["estimate"].notna().all()
    assert len(ratios) < len(rows_of(result, "cell"))
    assert any("rate ratios are missing" in note for note in result.notes)


def test_rows_are_those_of_the_shared_row_makers_widened_for_small_cohorts():
    rng = np.random.default_rng(0)
    part = Linear(rng.normal(size=3), rng.normal(size=(5, 3)))
    index = np.arange(3.0)
    term = Keys("cell", index, index, index * 0)
    start = np.array([3, 3, NEVER, NEVER, NEVER])
    measured, areas = part.measured(start), np.array([2, 2, 2])
    for scale in ("difference", "rate_ratio"):
        table = table_of([block(term, scale, measured, critical_value(0.9), areas, 0.9)], PERIODS, 0.9)
        for i, row in table.iterrows():
            small = small_sample(part.influence[:, i], start)
            options = {"level": 0.9, "df": small.df}
            wide = small.inflation * part.std_error[i]
            make = (
                linear_row("cell", "difference", part.estimate[i], wide, **options)
                if scale == "difference"
                else log_row("cell", part.estimate[i], wide, **options)
            )
            for name in ("estimate", "conf_low", "conf_high", "level", "p_value"):
                assert row[name] == pytest.approx(make[name], rel=1e-12)
            assert row["std_error"] == pytest.approx(make["std_error"] / small.inflation, rel=1e-12)
            assert (row["cohort"], row["period"]) == (PERIODS[i], PERIODS[i])
    alone = table_of([block(term, "difference", measured, critical_value(0.9), np.array([1, 2, 1]), 0.9)], PERIODS, 0.9)
    assert alone[["conf_low", "conf_high", "p_value"]].isna().all(axis=1).tolist() == [True, False, True]


# ---- structure ---------------------------------------------------------------------------------------------------


def test_joint_holds_the_events_and_their_errors(fitted):
    result, *_ = fitted
    events = rows_of(result, "event")
    assert result.joint.scale == "difference"
    np.testing.assert_array_equal(result.joint.index["horizon"], events["horizon"])
    np.testing.assert_allclose(result.joint.estimate, events["estimate"], rtol=0, atol=0)
    np.testing.assert_allclose(np.sqrt(np.diag(result.joint.covariance)), events["std_error"], rtol=1e-12)
    assert (events["horizon"] < 0).any()


def test_counterfactual_sums_to_the_events(fitted):
    result, *_ = fitted
    frame = result.counterfactual
    total = frame["area"] == "all treated"
    gap = frame["observed"] - frame["expected"]
    events = result.effect("att", "events").estimate
    assert gap[total].sum() == pytest.approx(events, rel=1e-12)
    assert gap[~total].sum() == pytest.approx(events, rel=1e-12)
    assert frame.loc[total, ["low", "high"]].notna().all().all()
    assert frame.loc[~total, ["low", "high"]].isna().all().all()
    by_period = frame[~total].groupby("period")["observed"].sum()
    np.testing.assert_allclose(frame[total].set_index("period")["observed"].sort_index(), by_period.sort_index())
    # what the pointwise interval of the period's events leaves for the expected sum
    pointwise = result.refit(estimator=replace(result.estimator, simultaneous=False))
    calendar = rows_of(pointwise, "calendar", "events").set_index("period")
    sums = frame[total].set_index("period")
    np.testing.assert_allclose(sums["high"], sums["observed"] - calendar["conf_low"].loc[sums.index], rtol=1e-12)
    np.testing.assert_allclose(sums["low"], sums["observed"] - calendar["conf_high"].loc[sums.index], rtol=1e-12)


def test_weights_are_those_of_the_average(fitted):
    result, *_ = fitted
    cells = rows_of(result, "cell")
    cells = cells[cells["horizon"] >= 0]
    merged = result.weights.merge(cells, on=["cohort", "period"])
    assert result.weights["weight"].sum() == pytest.approx(1)
    assert (merged["weight"] * merged["estimate"]).sum() == pytest.approx(result.effect("att", "difference").estimate)


def test_json_round_trip(fitted):
    result, *_, design = fitted
    text = result.to_json()
    back = Result.from_json(text, design=design)
    assert back.to_json() == text
    assert back.estimator == result.estimator
    assert back.refit().to_json() == text


def test_simultaneous_intervals_are_wider_and_the_seed_moves_nothing_else(fitted):
    result, *_, design = fitted
    pointwise = CallawaySantAnna(simultaneous=False).fit(design, seed=1).estimates
    other = CallawaySantAnna().fit(design, seed=2).estimates
    same = CallawaySantAnna().fit(design, seed=1).estimates
    pd.testing.assert_frame_equal(same, result.estimates, check_exact=True)
    fixed = ["term", "scale", "estimate", "std_error", "p_value"]
    pd.testing.assert_frame_equal(pointwise[fixed], result.estimates[fixed], check_exact=True)
    pd.testing.assert_frame_equal(other[fixed], result.estimates[fixed], check_exact=True)
    width = lambda frame: (frame["conf_high"] - frame["conf_low"]).to_numpy()  # noqa: E731
    family = result.estimates["term"].isin(["cell", "event", "cohort", "calendar"])
    assert (width(result.estimates)[family] > width(pointwise)[family]).all()
    np.testing.assert_array_equal(width(result.estimates)[~family], width(pointwise)[~family])
    assert (width(other) != width(result.estimates)).any()


@pytest.mark.parametrize("choices", [{}, {"control": "not_yet_treated", "base_period": "universal"}])
def test_keeps_the_promises_of_an_estimator(choices):
    check_estimator(CallawaySantAnna(**choices))


# ---- what cannot be answered -------------------------------------------------------------------------------------


def test_no_never_treated_area_names_the_other_control():
    y, start, _ = counts()
    design = as_design(y[start >= 0], start[start >= 0])
    with pytest.raises(EstimationError, match="not_yet_treated"):
        CallawaySantAnna().fit(design)


def test_the_last_cohort_has_no_controls_and_it_is_said():
    y, start, _ = counts()
    result = CallawaySantAnna(control="not_yet_treated").fit(as_design(y[start >= 0], start[start >= 0]))
    cells = rows_of(result, "cell")
    assert set(cells["cohort"]) == {PERIODS[6], PERIODS[9]}
    assert cells["period"].max() == PERIODS[10]  # from month 11 on nobody is untreated
    text = " ".join(result.notes)
    assert "started in Dec 2020 is not identified: no control area" in text
    assert "effects after a start are not identified (starts Jul 2020, Oct 2020): no control area" in text


def test_nothing_identified_is_an_error():
    y, start, _ = counts(starts={6: 20, 9: 20})
    both = start.copy()
    both[:] = 6
    with pytest.raises(EstimationError, match="no control area"):
        CallawaySantAnna(control="not_yet_treated").fit(as_design(y, both))


def test_a_missing_outcome_touches_only_the_comparisons_that_need_it(fitted):
    result, y, start, _ = fitted
    holed = y.copy()
    holed[2, 8] = np.nan  # treated from 6 on
    frame = rows_of(CallawaySantAnna().fit(as_design(holed, start)), "cell").set_index(["cohort", "period"])
    whole = rows_of(result, "cell").set_index(["cohort", "period"])
    moved = frame.index[(frame["estimate"] - whole["estimate"]).abs() > 1e-12]
    assert set(moved) == {(PERIODS[6], PERIODS[8])}
    # by hand: the cohort's other eight areas against the never treated
    own, never = np.flatnonzero(start == 6), start < 0
    own = own[own != 2]
    change = y[:, 8] - y[:, 5]
    assert frame.loc[(PERIODS[6], PERIODS[8]), "estimate"] == pytest.approx(change[own].mean() - change[never].mean())


def test_missing_areas_are_named_and_counted():
    y, start, _ = counts()
    y[2, 8] = y[30, 3] = y[30, 4] = np.nan
    result = CallawaySantAnna().fit(as_design(y, start))
    note = next(n for n in result.notes if "lack the outcome" in n)
    assert "2 areas lack the outcome in 3 area-months (area 002, area 030)" in note
    assert result.effect("att", "events").estimate == pytest.approx(
        rows_of(result, "cohort", "events")["estimate"].sum(), rel=1e-12
    )


def test_a_month_that_no_area_has_is_passed_over():
    y, start, _ = counts()
    y[:, 5] = np.nan  # the last month before the first start
    result = CallawaySantAnna().fit(as_design(y, start))
    cell = rows_of(result, "cell").set_index(["cohort", "period"]).loc[(PERIODS[6], PERIODS[6])]
    change = y[:, 6] - y[:, 4]
    assert cell["estimate"] == pytest.approx(change[start == 6].mean() - change[start < 0].mean())
    assert PERIODS[5] not in set(rows_of(result, "cell")["period"])
    assert any("No area has an outcome in Jun 2020" in n for n in result.notes)


def test_small_cohorts_are_warned_of():
    y, start, _ = counts(starts={6: 9, 9: 1})
    result = CallawaySantAnna().fit(as_design(y, start))
    assert any("1 cohort has fewer than 5 areas: Oct 2020 (1)" in n for n in result.notes)


def test_without_overlap_a_cell_is_not_identified():
    y, start, rng = counts()
    x = rng.normal(size=len(y)) + 10 * (start == 6)  # tells the first cohort from everyone else
    result = CallawaySantAnna().fit(as_design(y, start, x=x))
    assert set(rows_of(result, "cell")["cohort"]) == {PERIODS[9], PERIODS[11]}
    assert any("Jul 2020 is not identified: no overlap" in n for n in result.notes)
    regression = CallawaySantAnna(method="reg").fit(as_design(y, start, x=x))  # needs no propensity
    assert PERIODS[6] in set(rows_of(regression, "cell")["cohort"])


def test_collinear_covariates_are_not_guessed_at():
    y, start, _ = counts()
    with pytest.raises(EstimationError, match="collinear"):
        CallawaySantAnna().fit(as_design(y, start, x=np.full(len(y), 0.1)))


def test_too_many_effects_for_a_wald_test_are_left_to_the_largest_t(fitted):
    result, *_ = fitted
    found = result.diagnostics
    assert np.isnan(found["pretest_statistic"])
    assert any("No Wald test" in n for n in result.notes)
    assert 0.05 < found["pretest_largest_t_p_value"] <= 1  # the simulated trends are parallel


def test_the_wald_test_rejects_parallel_trends_at_its_level():
    """200 panels of 140 areas with 3 and 4 effects before two starts: rejections are Binomial(200, .05)."""
    from scipy import stats

    rng = np.random.default_rng(8)
    start = np.repeat([4, 5, -1], [40, 40, 60])
    rejected = 0
    for _ in range(200):
        y = rng.normal(size=(140, 6)).cumsum(axis=1)
        found = CallawaySantAnna(simultaneous=False, n_boot=1).fit(as_design(y, start, kind="measures")).diagnostics
        assert found["pretest_df"] == 7
        rejected += found["pretest_p_value"] <= 0.05
    low, high = stats.binom.ppf([0.001, 0.999], 200, 0.05)
    assert low <= rejected <= high


def test_the_largest_t_finds_a_broken_past():
    y, start, _ = counts()
    y[start == 9, 7] += 60
    result = CallawaySantAnna().fit(as_design(y, start))
    assert result.diagnostics["pretest_largest_t_p_value"] < 0.01


# ---- treatment over time -----------------------------------------------------------------------------------------


def test_anticipation_moves_the_base_back(fitted):
    _, y, start, _ = fitted
    result = CallawaySantAnna().fit(as_design(y, start, anticipation=2))
    cells = rows_of(result, "cell").set_index(["cohort", "period"])["estimate"]
    for t in (4, 5, 6, 9):
        change = y[:, t] - y[:, 3]
        assert cells[PERIODS[6], PERIODS[t]] == pytest.approx(change[start == 6].mean() - change[start < 0].mean())
    assert result.diagnostics["pretest_df"] < result.diagnostics["before_start_df"]


def test_a_start_after_the_last_period_serves_as_never_treated(fitted):
    result, y, start, _ = fitted
    late = np.where(start < 0, N_PERIODS + 3, start)
    with_late = CallawaySantAnna().fit(as_design(y, late))
    np.testing.assert_array_equal(rows_of(with_late, "cell")["estimate"], rows_of(result, "cell")["estimate"])
    assert any("start after the last month and serve as never treated" in n for n in with_late.notes)


def test_periods_after_an_end_are_left_out(fitted):
    _, y, start, _ = fitted
    ended = CallawaySantAnna().fit(as_design(y, start, ends={"area 000": PERIODS[9]}))
    frame = ended.counterfactual
    assert frame.loc[frame["area"] == "area 000", "period"].max() == PERIODS[9]
    cell = rows_of(ended, "cell").set_index(["cohort", "period"]).loc[(PERIODS[6], PERIODS[10])]
    own = np.flatnonzero(start == 6)[1:]
    change = y[:, 10] - y[:, 5]
    assert cell["estimate"] == pytest.approx(change[own].mean() - change[start < 0].mean())
    assert any("ended in area 000" in n for n in ended.notes)


def test_balance_keeps_one_set_of_cohorts(fitted):
    *_, design = fitted
    events = rows_of(CallawaySantAnna(balance=4).fit(design), "event")
    cells = rows_of(CallawaySantAnna().fit(design), "cell")
    assert events["horizon"].max() == 4
    kept = cells[cells["cohort"].isin([PERIODS[6], PERIODS[9]]) & (cells["horizon"] == 2)].set_index("cohort")
    sizes = pd.Series({PERIODS[6]: 9, PERIODS[9]: 8})
    expected = (kept["estimate"] * sizes).sum() / sizes.sum()
    assert events.set_index("horizon").loc[2, "estimate"] == pytest.approx(expected)


def test_wrong_choices_are_all_named_at_once():
    with pytest.raises(EstimationError) as found:
        CallawaySantAnna(
            control="never", method="drr", base_period="fixed", level=95, n_boot=0, multiplier="x", balance=-1
        )
    assert len(found.value.problems) == 7
    with pytest.raises(EstimationError, match="Did you mean 'never_treated'"):
        CallawaySantAnna(control="never_treatd")


def test_a_result_without_noise_has_no_standard_error():
    time = np.arange(N_PERIODS, dtype=float)
    start = np.array([6, 6, 9, 9, -1, -1])
    y = 5 + time[None, :] + 3.3 * np.arange(6)[:, None] - 0.7 * (time >= np.where(start < 0, 99, start)[:, None])
    result = CallawaySantAnna().fit(as_design(y, start, kind="measures"))
    effect = result.effect("att", "difference")
    assert effect.estimate == pytest.approx(-0.7)
    assert np.isnan(effect.std_error)
    assert np.isnan(effect.p_value)


# ---- known truth -------------------------------------------------------------------------------------------------


def test_intervals_cover_a_known_heterogeneous_effect():
    """200 panels of 120 areas x 12 months, three cohorts drawn at random, effects that differ by cohort and horizon.

    A 95% interval covers in Binomial(200, .95) panels; the limits are its .001 and .999 quantiles, so that a
    method at the nominal rate fails one time in 500, and never with this fixed seed.
    """
    from scipy import stats

    low, high = stats.binom.ppf([0.001, 0.999], 200, 0.95)
    rng = np.random.default_rng(11)
    n, T = 120, 12
    cohorts, share = np.array([5, 7, 9, -1]), np.array([0.2, 0.15, 0.15, 0.5])
    time = np.arange(T)
    mean_effect = {g: np.where(time >= g, -1.0 - 0.15 * (time - g) - 0.2 * (g == 7), 0.0) for g in cohorts[:3]}
    weight = {g: s * (T - g) for g, s in zip(cohorts[:3], share, strict=False)}
    truth = sum(s * mean_effect[g].sum() for g, s in zip(cohorts[:3], share, strict=False)) / sum(weight.values())
    covered = {"att": 0, "cohort_average": 0, "event band": 0}
    by_cohort = np.array([mean_effect[g][g:].mean() for g in cohorts[:3]])
    cohort_truth = (by_cohort * share[:3]).sum() / share[:3].sum()
    for panel in range(200):
        start = rng.choice(cohorts, size=n, p=share)
        level = rng.normal(10, 3, size=n)
        own = rng.normal(1, 0.5, size=n)  # areas differ in how much they respond
        noise = np.zeros((n, T))
        shocks = rng.normal(size=(n, T))
        for t in range(T):  # autocorrelated within an area, as counts are
            noise[:, t] = 0.5 * noise[:, t - 1] + shocks[:, t]
        y = level[:, None] + 0.3 * time + noise
        for g in cohorts[:3]:
            y += (start == g)[:, None] * own[:, None] * mean_effect[g]
        result = CallawaySantAnna(n_boot=499).fit(as_design(y, start, kind="measures"), seed=panel)
        for term, true in (("att", truth), ("cohort_average", cohort_truth)):
            effect = result.effect(term, "difference")
            covered[term] += effect.conf_low <= true <= effect.conf_high
        events = rows_of(result, "event")
        true_event = [
            sum(s * mean_effect[g][g + int(e)] for g, s in zip(cohorts[:3], share, strict=False) if 1 <= g + e < T)
            / sum(s for g, s in zip(cohorts[:3], share, strict=False) if 1 <= g + e < T)
            for e in events["horizon"]
        ]
        covered["event band"] += ((events["conf_low"] <= true_event) & (true_event <= events["conf_high"])).all()
    assert all(low <= c <= high for c in covered.values()), covered


def test_rate_ratio_intervals_cover_a_known_ratio():
    """200 panels of 100 areas whose Poisson levels differ fourfold; the intervention takes 30% off each.

    The level is the same in all periods, so that the additive model holds too. Limits as in the test above.
    """
    from scipy import stats

    low, high = stats.binom.ppf([0.001, 0.999], 200, 0.95)
    rng = np.random.default_rng(12)
    covered = 0
    for panel in range(200):
        start = rng.permutation(np.repeat([4, 6, -1], [20, 20, 60]))
        treated = (start >= 0)[:, None] & (np.arange(8) >= start[:, None])
        y = rng.poisson(rng.gamma(6, 2, size=100)[:, None] * np.where(treated, 0.7, 1.0)).astype(float)
        ratio = (
            CallawaySantAnna(simultaneous=False, n_boot=1)
            .fit(as_design(y, start), seed=panel)
            .effect("att", "rate_ratio")
        )
        covered += ratio.conf_low <= 0.7 <= ratio.conf_high
    assert low <= covered <= high, covered

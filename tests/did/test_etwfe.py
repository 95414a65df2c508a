import numpy as np
import pandas as pd
import pytest

from svmodel import Design, Intervention, Panel, Result
from svmodel.did import ExtendedTwoWayFixedEffects
from svmodel.did.etwfe.areas import area_rows, own_sums
from svmodel.did.expected_poisson import impute
from svmodel.errors import DesignError, EstimationError
from svmodel.result.many_effects import only
from svmodel.testing import check_estimator


def make(y, starts, *, people=None, parents=None, ends=None, anticipation=0, **columns):
    """A monthly design from an areas x periods array; starts by row."""
    N, T = np.shape(y)
    months = pd.period_range("2020-01", periods=T, freq="M")
    frame = pd.DataFrame(
        {"area": np.repeat([f"a{i:02d}" for i in range(N)], T), "period": np.tile(months.astype(str), N)}
    )
    frame["y"] = np.asarray(y, dtype=float).ravel()
    for name, values in columns.items():
        frame[name] = np.asarray(values, dtype=float).ravel()
    if people is not None:
        frame["people"] = np.broadcast_to(np.asarray(people, dtype=float).reshape(-1, 1), (N, T)).ravel()
    if parents is not None:
        frame["parent"] = np.repeat(parents, T)
    panel = Panel.from_frame(
        frame,
        area="area",
        period="period",
        counts=["y"],
        covariates=list(columns),
        exposures=["people"] if people is not None else [],
        parent="parent" if parents is not None else None,
    )
    intervention = Intervention(
        "x",
        {f"a{i:02d}": months[s] for i, s in starts.items()},
        {f"a{i:02d}": months[e] for i, e in (ends or {}).items()},
    )
    return Design(
        panel,
        outcome="y",
        intervention=intervention,
        exposure="people" if people is not None else None,
        covariates=tuple(columns),
        anticipation=anticipation,
    )


def counts(seed, N=30, T=12, mean=10.0, *, dispersion=0.0):
    rng = np.random.default_rng(seed)
    mu = mean * np.exp(rng.normal(0, 0.4, (N, 1)) + 0.1 * np.sin(np.arange(T))[None, :])
    if dispersion:
        mu = mu * rng.gamma(1 / dispersion, dispersion, (N, T))
    return rng.poisson(mu).astype(float)


fit = ExtendedTwoWayFixedEffects().fit


def test_promises_are_kept_with_cluster_robust_errors_throughout():
    check_estimator(ExtendedTwoWayFixedEffects(few_treated=0))


def test_scales_are_one_answer_in_four_units():
    y = counts(1)
    result = fit(make(y, dict.fromkeys(range(10), 6), people=np.arange(30) * 100 + 1000))
    observed, expected = result.diagnostics["observed"], result.diagnostics["expected"]
    exposure = 6 * (np.arange(10) * 100 + 1000).sum()
    assert observed == y[:10, 6:].sum()
    ratio, events = result.effect("att", "rate_ratio"), result.effect("att", "events")
    assert ratio.estimate == pytest.approx(observed / expected)
    assert events.estimate == pytest.approx(observed - expected)
    assert result.effect("att", "difference").estimate == pytest.approx(events.estimate / 60)
    assert result.effect("att", "per_100k").estimate == pytest.approx(events.estimate / exposure * 1e5)
    assert len({result.effect("att", s).p_value for s in ("rate_ratio", "events", "difference", "per_100k")}) == 1
    table = result.tidy()
    wide = table.pivot_table(index=["term", "area", "cohort", "period", "horizon"], columns="scale", dropna=False)
    apart = (wide["conf_high"]["rate_ratio"] < 1) != (wide["conf_high"]["difference"] < 0)
    assert not apart[wide["estimate"]["rate_ratio"].notna()].any()


def test_per_100k_is_missing_without_an_exposure():
    result = fit(make(counts(1), dict.fromkeys(range(10), 6)))
    assert not (result.estimates["scale"] == "per_100k").any()
    assert result.headline().per_100k is None


@pytest.mark.parametrize("treated", [10, 3])
def test_the_average_alone_is_that_of_the_whole_answer(treated):
    """Tests of many panels rest on this: the average alone costs a fraction."""
    design = make(counts(3, dispersion=0.3), {i: 6 + i % 2 for i in range(treated)}, people=np.arange(30) * 100 + 1000)
    alone, whole = ExtendedTwoWayFixedEffects(only_average=True).fit(design), fit(design)
    assert set(alone.estimates["term"]) == {"att"}
    rows = whole.estimates.query("term == 'att'").reset_index(drop=True)
    pd.testing.assert_frame_equal(alone.estimates, rows, rtol=1e-12, check_dtype=False)
    assert alone.diagnostics["inference"] == whole.diagnostics["inference"]


def test_averages_weigh_as_they_say():
    y = counts(2)
    result = fit(make(y, {**dict.fromkeys(range(8), 4), **dict.fromkeys(range(8, 12), 9)}))
    table = result.estimates

    def mean(term, weights=None):
        rows = table[(table["term"] == term) & (table["scale"] == "difference")]
        rows = rows[rows["horizon"].isna() | (rows["horizon"] >= 0)]
        return np.average(rows["estimate"], weights=weights)

    for term, weights in (("event", None), ("calendar", None), ("cohort", [8, 4])):
        assert result.effect(f"{term}_average", "difference").estimate == pytest.approx(mean(term, weights))


def test_areas_add_up_to_their_parent_and_to_all():
    parents = ["p"] * 15 + ["q"] * 15
    result = fit(make(counts(3), {**dict.fromkeys(range(6), 6), 20: 8}, parents=parents))
    table = result.estimates
    own = table[(table["term"] == "area") & (table["scale"] == "events")].set_index("area")["estimate"]
    assert own["p"] == pytest.approx(own[[f"a{i:02d}" for i in range(6)]].sum())
    assert own["q"] == pytest.approx(own["a20"])
    assert result.effect("att", "events").estimate == pytest.approx(own["p"] + own["q"])
    path = result.counterfactual
    assert set(path["area"]) == {*(f"a{i:02d}" for i in (*range(6), 20)), "p", "q", "all treated"}
    late = path[[p >= pd.Period("2020-09", "M") for p in path["period"]]]
    total = late.groupby("area")[["observed", "expected"]].sum()
    np.testing.assert_allclose(total.loc["all treated"], total.loc[["p", "q"]].sum())
    assert (path["low"] < path["expected"]).all()
    assert (path["expected"] < path["high"]).all()


def test_pre_start_counts_of_an_area_sum_to_those_expected():
    y = counts(4)
    result = fit(make(y, dict.fromkeys(range(9), 6)))
    path = result.counterfactual
    before = (
        path[[p < pd.Period("2020-07", "M") for p in path["period"]]].groupby("area")[["observed", "expected"]].sum()
    )
    np.testing.assert_allclose(before["observed"], before["expected"], rtol=1e-8)


def test_a_steady_departure_shows_as_a_line_through_the_start():
    """A log-linear trend of the treated alone: leads and lags lie on one line, and the line does not break."""
    T, N = 16, 40
    mean = np.full((N, T), 10.0**6)
    mean[:10] *= np.exp(0.01 * np.arange(T))
    result = fit(make(np.round(mean) + np.arange(N)[:, None], dict.fromkeys(range(10), 8)))
    rows = result.estimates.query("term == 'event' and scale == 'rate_ratio'")
    log = np.log(rows["estimate"].to_numpy())
    assert rows["horizon"].tolist() == list(range(-8, 8))
    # 0.01 a month; the level is a mean of counts, not of logs, which bends nothing and shifts by less than 1e-3
    np.testing.assert_allclose(np.diff(log), 0.01, atol=1e-5)
    assert log[:8].mean() == pytest.approx(0, abs=1e-3)


def test_leads_are_not_diluted_by_the_treated_serving_as_their_own_controls():
    y = np.full((20, 10), 10.0**6) + np.arange(20)[:, None]
    y[:10, 2] = np.round(y[:10, 2] * 1.2)  # half of all areas jump in one month before the start
    result = fit(make(y, dict.fromkeys(range(10), 6)))
    lead = {h: result.effect("event", "rate_ratio", horizon=h).estimate for h in range(-6, 0)}
    others = np.mean([lead[h] for h in lead if h != -4])
    assert lead[-4] / others == pytest.approx(1.2, rel=1e-3)


def test_anticipation_and_ends_leave_cells_out():
    y = counts(5)
    result = fit(make(y, dict.fromkeys(range(9), 6), ends={0: 8}, anticipation=2))
    assert result.diagnostics["observed"] == y[1:9, 6:].sum() + y[0, 6:9].sum()
    horizons = set(result.estimates.loc[result.estimates["term"] == "event", "horizon"])
    assert horizons == {-6.0, -5.0, -4.0, -3.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0}


def test_a_period_with_everyone_treated_is_named_and_left_out():
    y = counts(6, N=20)
    result = fit(make(y, {**dict.fromkeys(range(10), 5), **dict.fromkeys(range(10, 20), 9)}))
    assert result.diagnostics["observed"] == y[:10, 5:9].sum()
    text = " ".join(result.notes)
    assert "In Oct 2020, Nov 2020, Dec 2020 no area is untreated" in text
    assert "The average effect is taken over 40 of 100 treated area-months (40%)" in text
    cohorts = {str(c) for c in result.estimates["cohort"] if c is not None}
    assert cohorts == {"2020-06"}


def test_nothing_identified_is_an_error():
    with pytest.raises(EstimationError, match="every area is treated"):
        fit(make(counts(7, N=6), dict.fromkeys(range(6), 5)))


def test_a_treated_area_without_events_before_stays_in_the_sums_and_has_no_effect_of_its_own():
    y = counts(8, mean=4.0)
    y[0, :6] = 0
    result = fit(make(y, dict.fromkeys(range(10), 6)))
    assert result.diagnostics["observed"] == y[:10, 6:].sum()
    assert any("1 treated area without a single event before the start (a00)" in n for n in result.notes)
    assert "a00" not in set(result.estimates["area"])
    assert "a00" not in set(result.counterfactual["area"])
    # the same as the saturated regression, in which the cohort's level counts and not the area's
    full = ExtendedTwoWayFixedEffects(few_treated=0).fit(make(y, dict.fromkeys(range(10), 6)))
    never = y[10:]
    cohort = y[:10]
    B = never.sum(axis=0)
    expected = cohort[:, :6].sum() * B[6:].sum() / B[:6].sum()
    assert full.diagnostics["expected"] == pytest.approx(expected)


def test_untreated_areas_without_events_are_named():
    y = counts(9)
    y[25] = 0
    result = fit(make(y, dict.fromkeys(range(10), 6)))
    assert any("1 untreated area without an event (a25)" in n for n in result.notes)
    assert result.diagnostics["clusters"] == 29


def test_a_silent_month_is_named_and_expects_nothing():
    y = counts(10)
    y[10:, 8] = 0
    result = fit(make(y, dict.fromkeys(range(10), 6)))
    assert any("No untreated area had an event in Sep 2020" in n for n in result.notes)
    assert not result.estimates.query("term == 'calendar'")["period"].astype(str).eq("2020-09").any()
    assert result.diagnostics["observed"] == y[:10, 6:].sum()


def test_missing_counts_are_left_out_cell_by_cell():
    y = counts(11)
    y[0, 7] = y[20, 2] = np.nan
    result = fit(make(y, dict.fromkeys(range(10), 6)))
    assert result.diagnostics["treated_cells_used"] == 59
    assert result.diagnostics["observed"] == np.nansum(y[:10, 6:])


def test_an_area_never_seen_before_its_start_is_named():
    y = counts(12)
    y[0, :6] = np.nan
    result = fit(make(y, dict.fromkeys(range(10), 6)))
    assert any(n.startswith("a00: no known count before the start") for n in result.notes)
    assert any("54 of 60" in n for n in result.notes)


def test_few_treated_areas_take_their_noise_from_the_untreated():
    design = make(counts(13), dict.fromkeys(range(3), 6))
    result = fit(design)
    assert result.diagnostics["inference"] == "placebo"
    assert any(n.startswith("3 treated areas") and "Conley and Taber" in n for n in result.notes)
    plain = ExtendedTwoWayFixedEffects(few_treated=0).fit(design)
    assert any("too narrow" in n for n in plain.notes)
    assert plain.diagnostics["inference"] == "cluster"
    one = ExtendedTwoWayFixedEffects(few_treated=0).fit(make(counts(13), {0: 6}))
    # with a cohort of one, the saturated regression fits its cells exactly: only the controls' noise is left
    safe = fit(make(counts(13), {0: 6})).effect("att", "rate_ratio")
    assert one.effect("att", "rate_ratio").std_error < 0.5 * safe.std_error


def test_no_interval_where_nothing_can_be_learnt():
    result = fit(make(counts(14, N=8), {0: 6}))
    row = result.effect("area", "rate_ratio", area="a00")
    assert np.isfinite(row.estimate)
    assert np.isnan(row.std_error)
    assert np.isnan(row.conf_low)
    assert any("Fewer than ten untreated areas" in n for n in result.notes)


def test_covariates_that_stand_still_get_a_trend_of_their_own():
    """With a trend that follows a covariate, the plain effect is biased, and the adjusted one is not."""
    rng = np.random.default_rng(15)
    N, T = 40, 12
    x = np.where(np.arange(N) < 15, 1.0, 0.0) + rng.normal(0, 0.5, N)
    mean = 10.0**5 * np.exp(0.02 * x[:, None] * np.arange(T)[None, :])
    design = dict.fromkeys(range(15), 6)
    still = np.broadcast_to(x[:, None], (N, T))
    adjusted = fit(make(np.round(mean), design, x=still)).effect("att", "rate_ratio").estimate
    plain = fit(make(np.round(mean), design)).effect("att", "rate_ratio").estimate
    assert adjusted == pytest.approx(1, abs=1e-4)
    assert plain > 1.05


def test_a_covariate_that_moves_gets_one_coefficient():
    rng = np.random.default_rng(16)
    x = rng.normal(size=(30, 12))
    y = np.round(10.0**5 * np.exp(0.3 * x))
    result = fit(make(y, dict.fromkeys(range(10), 6), x=x))
    assert result.effect("att", "rate_ratio").estimate == pytest.approx(1, abs=1e-4)
    late = result.counterfactual.query("area == 'a00'")
    np.testing.assert_allclose(late["expected"], late["observed"], rtol=1e-3)


def test_covariates_that_say_the_same_are_refused():
    x = np.random.default_rng(0).normal(size=(30, 12))
    with pytest.raises(DesignError, match="covariate 'twice' is a combination of 'x'"):
        fit(make(counts(17), dict.fromkeys(range(10), 6), x=x, twice=2 * x))
    # one that periods hold already
    trend = np.tile(np.arange(12.0), (30, 1))
    with pytest.raises(EstimationError, match="cannot be told apart from area and period effects"):
        fit(make(counts(17), dict.fromkeys(range(10), 6), trend=trend))


def test_result_comes_back_from_json():
    result = fit(make(counts(18), dict.fromkeys(range(10), 6), parents=["p"] * 30))
    again = Result.from_json(result.to_json())
    pd.testing.assert_frame_equal(again.counterfactual, result.counterfactual)
    np.testing.assert_array_equal(again.joint.covariance, result.joint.covariance)


def test_choices_are_checked():
    with pytest.raises(EstimationError, match="has no family 'binomial'; it has 'poisson' and 'linear'"):
        ExtendedTwoWayFixedEffects(family="binomial")
    with pytest.raises(EstimationError, match="has no effects 'region'"):
        ExtendedTwoWayFixedEffects(effects="region")
    with pytest.raises(EstimationError, match="'bootstrap' is no inference"):
        ExtendedTwoWayFixedEffects(inference="bootstrap")
    with pytest.raises(EstimationError, match="between 0 and 1"):
        ExtendedTwoWayFixedEffects(level=95)


@pytest.mark.parametrize(("mean", "effect"), [(5.0, 1.0), (50.0, 0.7)])
def test_intervals_of_an_areas_own_effect_cover(mean, effect):
    """Over panels with dispersion 0.1, 95% intervals of single areas hold the known effect.

    100 panels x 3 areas; errors of areas in one panel share the controls only, so the count of hits is nearly binomial
    with s.d. sqrt(.95 * .05 / 300) = 1.3%. Long runs (750 areas a line) gave 94.3% to 96.3%; 91% to 99% is 3 s.d.
    """
    hits = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        mu = mean * np.exp(rng.normal(0, 0.4, (50, 1))) * np.ones((50, 36))
        mu[:3, 24:] *= effect
        y = rng.poisson(mu * rng.gamma(10, 0.1, mu.shape))
        imputed = impute(make(y, dict.fromkeys(range(3), 24)).arrays, few=8)
        own = own_sums(imputed, counts=True)
        blocks = area_rows(imputed, own, {str(k): np.array([k]) for k in range(3)}, 0.95, counts=True)
        ratios = only(blocks[0], "rate_ratio")
        hits += ((ratios["conf_low"] <= effect) & (effect <= ratios["conf_high"])).tolist()
    assert len(hits) == 300
    assert 0.91 <= np.mean(hits) <= 0.99

"""Triple differences against two imputations written out, and by simulation with a shock common to both outcomes."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import svmodel as sv
from svmodel.did import ExtendedTwoWayFixedEffects, TripleDifference
from svmodel.errors import DesignError, EstimationError

N, T = 45, 14
STARTS = np.array([6] * 10 + [9] * 10 + [99] * 25)
ON = np.arange(T)[None, :] >= STARTS[:, None]


def make(night, day, measure=False, starts=STARTS, **extra):
    n, t = night.shape
    frame = pd.DataFrame(
        {
            "area": np.repeat([f"A{i:03d}" for i in range(n)], t),
            "month": np.tile(pd.period_range("2022-01", periods=t, freq="M").astype(str), n),
            "night": night.ravel(),
            "day": day.ravel(),
            "people": np.repeat(np.linspace(900, 1500, n), t),
        }
    )
    kind = {"measures" if measure else "counts": ["night", "day"]}
    panel = sv.Panel.from_frame(frame, area="area", period="month", exposures=["people"], **kind)
    months = pd.period_range("2022-01", periods=t, freq="M")
    when = {f"A{i:03d}": months[s] for i, s in enumerate(starts) if s < t}
    return sv.Design(panel, outcome="night", intervention=sv.Intervention("patrols", when), exposure="people", **extra)


def counts(rng, effect=1.0, shock=1.0, mean=12.0):
    """Two counts whose areas share levels and monthly shocks; treated areas meet `shock` in both from their start."""
    level = rng.normal(0, 0.3, (N, 1))
    both = rng.gamma(8.0, 1 / 8, (N, T)) * np.exp(level) * np.where(ON, shock, 1.0)
    season = np.exp(0.2 * np.sin(np.arange(T) / 2))
    return (
        rng.poisson(mean * both * season * np.where(ON, effect, 1.0)).astype(float),
        rng.poisson(1.5 * mean * both).astype(float),
    )


def test_the_ratio_is_that_of_two_imputations():
    night, day = counts(np.random.default_rng(1), 0.7, 1.3)
    design = make(night, day)
    result = TripleDifference("day").fit(design)
    one = ExtendedTwoWayFixedEffects().fit(design)
    other = ExtendedTwoWayFixedEffects().fit(replace(design, outcome="day"))
    ratio = one.effect("att", "rate_ratio").estimate / other.effect("att", "rate_ratio").estimate
    assert result.effect("att", "rate_ratio").estimate == pytest.approx(ratio, rel=1e-9)
    expected = one.diagnostics["expected"] * other.effect("att", "rate_ratio").estimate
    assert result.effect("att", "events").estimate == pytest.approx(night[ON].sum() - expected, rel=1e-9)
    people = design.arrays.exposure[ON].sum()
    per = (night[ON].sum() - expected) / people * 1e5
    assert result.effect("att", "per_100k").estimate == pytest.approx(per, rel=1e-9)
    for h in (-3, 0, 4):
        apart = one.effect("event", "rate_ratio", horizon=h).estimate
        apart /= other.effect("event", "rate_ratio", horizon=h).estimate
        assert result.effect("event", "rate_ratio", horizon=h).estimate == pytest.approx(apart, rel=1e-9)
    for g in ("2022-07", "2022-10"):
        apart = one.effect("cohort", "rate_ratio", cohort=g).estimate
        apart /= other.effect("cohort", "rate_ratio", cohort=g).estimate
        assert result.effect("cohort", "rate_ratio", cohort=g).estimate == pytest.approx(apart, rel=1e-9)
    assert result.joint.index["horizon"].is_unique
    events = result.estimates.query("term == 'event' and scale == 'rate_ratio'").set_index("horizon")["estimate"]
    np.testing.assert_allclose(np.exp(result.joint.estimate), events.loc[result.joint.index["horizon"]])
    assert result.diagnostics["comparison_effect"] == pytest.approx(other.effect("att", "rate_ratio").estimate)


def saturated_influence(y):
    """Return log(O / E) over the treated cells and what each area adds, from the saturated regression written out."""
    area, time = (v.ravel() for v in np.indices(y.shape))
    groups = [(g, t) for g in (6, 9) for t in range(g, T)]
    cells = np.column_stack([(STARTS[area] == g) & (time == t) for g, t in groups]).astype(float)
    plain = np.column_stack([np.eye(N)[area], np.eye(T)[time][:, 1:]])
    X, v = np.column_stack([plain, cells]), y.ravel()
    beta = np.linalg.lstsq(X, np.log(v + 0.5), rcond=None)[0]
    for _ in range(30):
        mu = np.exp(X @ beta)
        beta += np.linalg.solve(X.T @ (mu[:, None] * X), X.T @ (v - mu))
    mu = np.exp(X @ beta)
    scores = np.stack([(X * (v - mu)[:, None])[area == i].sum(axis=0) for i in range(N)])
    influence = scores @ np.linalg.inv(X.T @ (mu[:, None] * X))
    expected = np.exp(plain @ beta[: plain.shape[1]])
    on = ON.ravel()
    O, E = mu[on].sum(), expected[on].sum()
    jacobian = (X * mu[:, None])[on].sum(axis=0) / O
    jacobian[: plain.shape[1]] -= (plain * expected[:, None])[on].sum(axis=0) / E
    return np.log(O / E), influence @ jacobian


def test_poisson_errors_are_those_of_two_saturated_regressions_clustered_together():
    night, day = counts(np.random.default_rng(2), 0.8, 1.2, mean=40.0)
    result = TripleDifference("day", few_treated=0).fit(make(night, day))
    (one, of_one), (other, of_other) = saturated_influence(night), saturated_influence(day)
    effect = result.effect("att", "rate_ratio")
    assert np.log(effect.estimate) == pytest.approx(one - other, abs=1e-9)
    error = np.sqrt(result.diagnostics["crv1_factor"]) * np.linalg.norm(of_one - of_other)
    assert effect.std_error / effect.estimate == pytest.approx(error, rel=1e-7)
    # what moves both outcomes cancels, which separate errors would not show
    assert error < 0.9 * np.sqrt(of_one @ of_one + of_other @ of_other)


def test_linear_is_the_imputation_of_the_difference():
    rng = np.random.default_rng(3)
    night, day = rng.normal(size=(N, T)) - 0.5 * ON, rng.normal(size=(N, T))
    design = make(night, day, measure=True)
    result = TripleDifference("day", family="linear").fit(design)
    apart = ExtendedTwoWayFixedEffects(family="linear").fit(make(night - day, day, measure=True))
    for term, which in (("att", {}), ("event", {"horizon": 2}), ("event", {"horizon": -3}), ("event_average", {})):
        mine, theirs = (r.effect(term, "difference", **which) for r in (result, apart))
        assert mine.estimate == pytest.approx(theirs.estimate, abs=1e-12)
        assert mine.std_error == pytest.approx(theirs.std_error, rel=1e-10)
        assert mine.p_value == pytest.approx(theirs.p_value, rel=1e-9)
    assert result.diagnostics["outcome_effect"] - result.diagnostics["comparison_effect"] == pytest.approx(
        result.effect("att", "difference").estimate
    )
    observed = result.counterfactual.query("area == 'all treated'")["observed"].sum()
    assert observed == pytest.approx(night[ON].sum())


@pytest.mark.parametrize("family", ["poisson", "linear"])
def test_the_point_alone_is_the_fits_average(family):
    design = make(*counts(np.random.default_rng(4), mean=1.0))
    estimator = TripleDifference("day", family=family)
    fitted = estimator.fit(design)
    effect = fitted.effect("att", "rate_ratio" if family == "poisson" else "difference").estimate
    arrays = estimator.arrays(design)
    assert estimator.point(arrays) == pytest.approx(np.log(effect) if family == "poisson" else effect, rel=1e-9)
    order = np.random.default_rng(0).permutation(N)
    assert estimator.point(arrays.take(order)) == pytest.approx(estimator.point(arrays), rel=1e-8)
    assert np.isnan(estimator.point(arrays.assigned(np.full(N, N - 1))))
    with pytest.raises(EstimationError, match=r"estimator\.arrays\(design\)"):
        estimator.point(design.arrays)


def test_a_missing_count_is_left_out_of_both():
    night, day = counts(np.random.default_rng(5))
    gaps = day.copy()
    gaps[3, 10], gaps[30, 2] = np.nan, np.nan
    both = night.copy()
    both[np.isnan(gaps)] = np.nan
    result, same = TripleDifference("day").fit(make(night, gaps)), TripleDifference("day").fit(make(both, gaps))
    zeros = TripleDifference("day").fit(make(night, np.nan_to_num(gaps)))
    effects = [r.effect("att", "rate_ratio").estimate for r in (result, same, zeros)]
    assert effects[0] == effects[1] != effects[2]
    assert any("day is missing in 2 area-months" in n for n in result.notes)


def test_what_it_cannot_answer_is_refused():
    night, day = counts(np.random.default_rng(6))
    design = make(night, day)
    with pytest.raises(DesignError, match="no outcome of the panel") as caught:
        TripleDifference("dya").fit(design)
    assert "day" in str(caught.value)
    with pytest.raises(DesignError, match="the outcome itself"):
        TripleDifference("night").fit(design)
    with pytest.raises(DesignError, match="never changes"):
        TripleDifference("day").fit(make(night, np.full(day.shape, 5.0)))
    with pytest.raises(EstimationError, match="no ratio of ratios"):
        TripleDifference("day").fit(make(night, np.where(ON, 0.0, day)))
    with pytest.raises(EstimationError) as wrong:
        TripleDifference("day", family="logit", level=95, inference="wild")
    assert len(wrong.value.problems) == 3


@pytest.mark.parametrize(("effect", "shock"), [(1.0, 1.4), (0.7, 1.4)])
def test_a_common_shock_misleads_plain_differences_and_not_these(effect, shock):
    """Something raises both outcomes by 40% where and when the intervention starts; 100 panels."""
    rng = np.random.default_rng(7)
    hits = plain = 0
    logs = []
    for _ in range(100):
        design = make(*counts(rng, effect, shock))
        found = TripleDifference("day").fit(design).effect("att", "rate_ratio")
        hits += found.conf_low <= effect <= found.conf_high
        logs.append(np.log(found.estimate))
        alone = ExtendedTwoWayFixedEffects(only_average=True).fit(design).effect("att", "rate_ratio")
        plain += alone.conf_low <= effect <= alone.conf_high
    # binomial of 100 at 95%: four standard deviations of 2.2 below 95
    assert hits >= 86
    assert plain <= 10
    assert np.mean(logs) == pytest.approx(np.log(effect), abs=4 * np.std(logs) / 10)


def test_leads_are_paired_by_cohort_where_one_has_none_in_the_comparison():
    night, day = counts(np.random.default_rng(9))
    day[STARTS == 6, :6] = 0  # no event before the start, and so nothing to compare there
    result = TripleDifference("day").fit(make(night, day))
    events = result.estimates[(result.estimates["term"] == "event") & (result.estimates["scale"] == "rate_ratio")]
    assert set(events.loc[events["horizon"] < 0, "horizon"]) == set(range(-9, 0))

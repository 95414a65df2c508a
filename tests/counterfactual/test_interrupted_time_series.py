"""Interrupted series against statsmodels and sums written out, in coverage, and where they cannot answer."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from svmodel import Design, Intervention, Panel
from svmodel.counterfactual import InterruptedTimeSeries
from svmodel.errors import EstimationError
from svmodel.result.scales import critical_value
from svmodel.testing import PROMISES, check_estimator

MONTHS = pd.period_range("2014-01", periods=84, freq="M")
START = 60


def panel(counts, population=None, first="2014-01", measure=False, **covariates):
    """Make a panel of rows of counts, one an area, from A on."""
    counts = np.atleast_2d(np.asarray(counts, dtype=float))
    n, length = counts.shape
    frame = pd.DataFrame(
        {
            "area": np.repeat([chr(65 + i) for i in range(n)], length),
            "month": np.tile(pd.period_range(first, periods=length, freq="M").astype(str), n),
            "n": counts.ravel(),
            "people": (np.full((n, length), 50_000.0) if population is None else np.atleast_2d(population)).ravel(),
            **{k: np.ravel(v) for k, v in covariates.items()},
        }
    )
    kind = {"measures" if measure else "counts": ["n"]}
    return Panel.from_frame(
        frame, area="area", period="month", exposures=["people"], covariates=list(covariates), **kind
    )


def design(counts, starts=None, **kwargs):
    covariates = {k: kwargs.pop(k) for k in ("x", "w") if k in kwargs}
    choices = {k: kwargs.pop(k) for k in ("ends", "anticipation") if k in kwargs}
    made = panel(counts, **kwargs, **covariates)
    told = starts or {"A": made.periods[START]}
    return Design(
        made,
        outcome="n",
        exposure="people",
        intervention=Intervention("law", told, choices.get("ends")),
        covariates=tuple(covariates),
        anticipation=choices.get("anticipation", 0),
    )


def mean_path(length=84, start=START, level=0.8, slope=0.0, size=60.0):
    t = np.arange(length)
    base = size * np.exp(-0.003 * t + 0.1 * np.sin(2 * np.pi * t / 12))
    return base * np.where(t >= start, level * np.exp(slope * (t - start) / 12), 1.0)


@pytest.fixture(scope="module")
def counts():
    return np.random.default_rng(1).negative_binomial(20, 20 / (20 + mean_path(slope=-0.1)))


def columns(start=START, *, slope=True, length=84):
    t = np.arange(length)
    on = (t >= start).astype(float)
    X = [np.ones(length), t, on, *([on * (t - start)] if slope else [])]
    return np.column_stack(X + [f(2 * np.pi * k * t / 12) for k in (1, 2) for f in (np.sin, np.cos)])


def test_rate_ratio_and_its_model_error_are_those_of_statsmodels(counts):
    X = columns()
    fit = sm.GLM(counts, X, family=sm.families.Poisson(), offset=np.log(np.full(84, 5e4))).fit(scale="X2")
    without = X.copy()
    without[:, 2:4] = 0
    expected = 5e4 * np.exp(without @ fit.params)
    after = np.arange(84) >= START
    # the observed sum is the fitted one, so the delta method over all coefficients gives the error of the ratio
    fitted = fit.fittedvalues
    gradient = (fitted[after] @ X[after]) / fitted[after].sum() - (expected[after] @ without[after]) / expected[
        after
    ].sum()
    error = np.sqrt(gradient @ fit.cov_params() @ gradient)
    result = InterruptedTimeSeries(errors="model").fit(design(counts))
    effect = result.effect("att", "rate_ratio")
    ratio = counts[after].sum() / expected[after].sum()
    # both iterate to 1e-8 or better
    assert effect.estimate == pytest.approx(ratio, rel=1e-7)
    assert effect.std_error == pytest.approx(ratio * error, rel=1e-6)
    assert effect.conf_low == pytest.approx(ratio * np.exp(-critical_value() * error), rel=1e-6)
    told = result.diagnostics
    assert told["level_change"] == pytest.approx(np.exp(fit.params[2]), rel=1e-7)
    half = critical_value() * fit.bse[2]
    assert told["level_change_low"] == pytest.approx(np.exp(fit.params[2] - half), rel=1e-6)
    assert told["slope_change_per_year"] == pytest.approx(np.exp(12 * fit.params[3]), rel=1e-6)
    assert told["dispersion"] == pytest.approx(fit.scale, rel=1e-7)
    assert told["series"][0]["durbin_watson"] == pytest.approx(
        sm.stats.stattools.durbin_watson(fit.resid_deviance), rel=1e-6
    )
    path = result.counterfactual
    assert (path["area"] == "all treated").sum() == 84
    one = path[path["area"] == "A"]
    assert one["expected"].to_numpy() == pytest.approx(expected, rel=1e-6)
    spread = np.sqrt(np.einsum("tk,kl,tl->t", without, fit.cov_params(), without))
    assert one["high"].to_numpy() == pytest.approx(expected * np.exp(critical_value() * spread), rel=1e-6)


def test_the_newey_west_error_is_the_sandwich_of_statsmodels(counts):
    X = columns(slope=False)
    result = InterruptedTimeSeries(errors="newey_west", slope_change=False).fit(design(counts))
    fit = sm.GLM(counts, X, family=sm.families.Poisson(), offset=np.log(np.full(84, 5e4))).fit(
        cov_type="HAC", cov_kwds={"maxlags": result.diagnostics["bandwidth"]}
    )
    effect = result.effect("att", "rate_ratio")
    assert effect.estimate == pytest.approx(np.exp(fit.params[2]), rel=1e-7)
    # theirs without the correction n / (n - K), that we apply to the variance
    assert effect.std_error / effect.estimate == pytest.approx(fit.bse[2] * np.sqrt(84 / 77), rel=1e-5)
    b = (result.diagnostics["bandwidth"] + 1) / 84
    wide = (1.96 + 2.9694 * b + 0.4160 * b**2 - 0.5324 * b**3) / 1.96
    half = wide * critical_value(0.95, 77) * effect.std_error / effect.estimate
    assert effect.conf_high == pytest.approx(effect.estimate * np.exp(half), rel=1e-9)


def test_the_autocorrelated_error_is_the_sandwich_written_out(counts):
    result = InterruptedTimeSeries(slope_change=False).fit(design(counts))
    rho = result.diagnostics["autocorrelation"]
    X = columns(slope=False)
    mu = sm.GLM(counts, X, family=sm.families.Poisson(), offset=np.log(np.full(84, 5e4))).fit().fittedvalues
    Z = X * np.sqrt(mu)[:, None]
    A = np.linalg.inv(Z.T @ Z)
    R = rho ** np.abs(np.subtract.outer(np.arange(84), np.arange(84)))
    M = np.eye(84) - Z @ A @ Z.T
    phi = ((counts - mu) ** 2 / mu).sum() / np.trace(M @ R)
    variance = phi * (A @ Z.T @ R @ Z @ A)[2, 2]
    effect = result.effect("att", "rate_ratio")
    assert effect.std_error / effect.estimate == pytest.approx(np.sqrt(variance), rel=1e-6)


def test_prais_winsten_is_its_transform_written_out():
    rng = np.random.default_rng(1)
    e = rng.normal(size=84)
    for t in range(1, 84):
        e[t] += 0.6 * e[t - 1]
    y = 100 + 0.1 * np.arange(84) - 8 * (np.arange(84) >= START) + 3 * e
    held = design(y, measure=True)
    result = InterruptedTimeSeries(family="linear", errors="prais_winsten", slope_change=False).fit(held)
    rho = result.diagnostics["autocorrelation"]
    assert rho > 0.3
    X = columns(slope=False)

    def transformed(v):
        out = v - rho * np.vstack([np.zeros(v.shape[1]), v[:-1]])
        out[0] = np.sqrt(1 - rho**2) * v[0]
        return out

    b = np.linalg.lstsq(transformed(X), transformed(y[:, None]), rcond=None)[0][:, 0]
    assert result.diagnostics["level_change"] * 5e4 == pytest.approx(b[2], rel=1e-9)
    assert not result.has("att", "rate_ratio")


def test_the_negative_binomial_solves_its_own_equations(counts):
    held = design(counts)
    result = InterruptedTimeSeries(family="negative_binomial", errors="model").fit(held)
    k = result.diagnostics["negative_binomial_k"]
    assert 0 < k < 0.3
    fit = sm.GLM(counts, columns(), family=sm.families.NegativeBinomial(alpha=k), offset=np.log(np.full(84, 5e4))).fit()
    # k stands to about 1e-9, and coefficients follow it
    assert result.diagnostics["level_change"] == pytest.approx(np.exp(fit.params[2]), rel=1e-6)
    assert result.diagnostics["dispersion"] == pytest.approx(1.0, abs=1e-6)


def test_scales_agree_and_point_is_the_estimate(counts):
    held = design(counts)
    for estimator in (
        InterruptedTimeSeries(),
        InterruptedTimeSeries(family="negative_binomial", season="months"),
        InterruptedTimeSeries(family="linear"),
    ):
        result = estimator.fit(held)
        observed, expected = result.diagnostics["observed"], result.diagnostics["expected"]
        events = result.effect("att", "events")
        assert events.estimate == pytest.approx(observed - expected)
        assert result.effect("att", "difference").estimate == pytest.approx((observed - expected) / 24)
        assert result.effect("att", "per_100k").conf_low == pytest.approx(events.conf_low / 24 / 0.5)
        if estimator.scale == "difference":
            assert estimator.point(held.arrays) == pytest.approx(events.estimate / 24, rel=1e-12)
            continue
        ratio = result.effect("att", "rate_ratio")
        assert ratio.estimate == pytest.approx(observed / expected)
        assert estimator.point(held.arrays) == pytest.approx(np.log(ratio.estimate), rel=1e-12)
        assert events.conf_high == pytest.approx(observed * (1 - 1 / ratio.conf_high))
        assert events.p_value == ratio.p_value
        horizons = result.estimates.query("term == 'event' and scale == 'events'")
        assert horizons["estimate"].sum() == pytest.approx(events.estimate)
        assert list(horizons["horizon"]) == list(range(24))


def test_areas_are_summed_by_start_or_fitted_each():
    rng = np.random.default_rng(3)
    counts = rng.poisson([mean_path(start=s) for s in (60, 60, 66, 84)])
    starts = {"A": MONTHS[60], "B": MONTHS[60], "C": MONTHS[66]}
    summed = InterruptedTimeSeries(slope_change=False).fit(design(counts, starts))
    assert len(summed.diagnostics["series"]) == 2
    assert any("2 areas are summed" in n for n in summed.notes)
    lone = InterruptedTimeSeries(slope_change=False).fit(design(counts[:2].sum(axis=0)))
    assert summed.effect("cohort", cohort=MONTHS[60]).estimate == pytest.approx(lone.effect().estimate)
    each = InterruptedTimeSeries(slope_change=False, areas="each").fit(design(counts, starts))
    parts = each.estimates.query("term == 'area' and scale == 'events'")
    assert list(parts["area"]) == ["A", "B", "C"]
    assert parts["estimate"].sum() == pytest.approx(each.effect("att", "events").estimate)
    assert each.diagnostics["treated_cells_used"] == 24 + 24 + 18
    total = each.counterfactual.query("area == 'all treated'")
    assert total["observed"].sum() == counts[:3].sum()


def test_shocks_that_areas_share_widen_the_interval_of_their_sum():
    rng = np.random.default_rng(4)
    shared = np.exp(rng.normal(0, 0.3, 84))
    same = rng.poisson([200 * shared] * 4)
    apart = rng.poisson([200 * np.exp(rng.normal(0, 0.3, 84)) for _ in range(4)])
    starts = dict.fromkeys("ABCD", MONTHS[START])
    estimator = InterruptedTimeSeries(areas="each", slope_change=False)
    one, other = (estimator.fit(design(y, starts)).effect() for y in (same, apart))
    # four shared shocks are one; four of their own halve the error
    assert one.std_error / other.std_error == pytest.approx(2.0, abs=0.6)


def test_controls_take_off_what_happened_everywhere():
    rng = np.random.default_rng(5)
    bump = np.where(np.arange(84) >= START, 1.5, 1.0)
    counts = rng.poisson([mean_path(level=0.8) * bump, *[mean_path(level=1.0, size=90) * bump] * 4])
    alone = InterruptedTimeSeries(slope_change=False).fit(design(counts))
    held = InterruptedTimeSeries(slope_change=False, controls="untreated").fit(design(counts))
    assert alone.effect().estimate == pytest.approx(1.2, abs=0.1)
    assert held.effect().estimate == pytest.approx(0.8, abs=0.08)
    # one joint regression with a level, a trend, a season and a change of its own for the controls
    y = np.r_[counts[0], counts[1:].sum(axis=0)]
    X = columns(slope=False)

    joint = np.vstack([np.hstack([X, X]), np.hstack([X, np.zeros_like(X)])])
    people = np.r_[np.full(84, 5e4), np.full(84, 2e5)]
    fit = sm.GLM(y, joint, family=sm.families.Poisson(), offset=np.log(people)).fit()
    assert held.effect().estimate == pytest.approx(np.exp(fit.params[X.shape[1] + 2]), rel=1e-6)
    assert held.diagnostics["level_change"] == pytest.approx(held.effect().estimate, rel=1e-9)
    linear = InterruptedTimeSeries(family="linear", slope_change=False, controls="untreated").fit(design(counts))
    assert linear.effect("att", "difference").estimate < 0


def test_covariates_anticipation_and_ends_are_heeded():
    rng = np.random.default_rng(6)
    x = rng.normal(size=84)
    y = rng.poisson(mean_path(size=300) * np.exp(0.3 * x))
    plain, adjusted = (InterruptedTimeSeries().fit(d) for d in (design(y), design(y, x=x)))
    assert adjusted.effect().std_error < 0.6 * plain.effect().std_error
    still = InterruptedTimeSeries().fit(design(y, w=np.ones(84)))
    assert still.effect().estimate == plain.effect().estimate
    assert any("stand still" in n for n in still.notes)
    y[57:60] = 900
    y[80:] = 900
    odd = design(y, x=x, anticipation=3, ends={"A": MONTHS[79]})
    result = InterruptedTimeSeries().fit(odd)
    assert result.diagnostics["treated_cells_used"] == 20
    assert result.effect().conf_low < 0.8 < result.effect().conf_high
    assert set(result.counterfactual["period"]).isdisjoint({MONTHS[58], MONTHS[82]})


def test_a_missing_month_is_left_out_and_told():
    y = np.random.default_rng(7).poisson(mean_path()).astype(float)
    y[[10, 70]] = np.nan
    result = InterruptedTimeSeries().fit(design(y))
    assert result.diagnostics["periods_before"] == 59
    assert result.diagnostics["treated_cells_used"] == 23
    assert any("2 months of series are left out" in n for n in result.notes)


def test_quarters_and_years_have_the_season_that_they_can():
    rng = np.random.default_rng(8)
    for freq, length in (("Q", 40), ("Y", 20)):
        index = pd.period_range("2000", periods=length, freq=freq).astype(str)
        frame = pd.DataFrame({"area": "A", "t": index, "n": rng.poisson(100, length)})
        made = Panel.from_frame(frame, area="area", period="t", counts=["n"])
        held = Design(made, outcome="n", intervention=Intervention("law", {"A": made.periods[length // 2]}))
        fits = [InterruptedTimeSeries(season=s).fit(held) for s in ("harmonics", "months")]
        # two harmonics of quarters, one of them without a sine, are one effect a quarter
        assert fits[0].effect().estimate == pytest.approx(fits[1].effect().estimate, rel=1e-8)
        assert fits[0].diagnostics["df"] <= length - (7 if freq == "Q" else 4)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda y: y[50:], "few_before"),
        (lambda y: y[:62], "few_after"),
        (lambda y: np.where(np.arange(84) < START, 0, y), "no_events"),
        (lambda y: np.where(np.arange(84) >= START, 0, y), "no_events"),
    ],
)
def test_series_that_cannot_carry_it_are_refused(counts, change, rule):
    y = change(counts)
    lost = 50 if len(y) == 34 else 0
    held = design(y, {"A": MONTHS[START - lost]})
    with pytest.raises(EstimationError) as error:
        InterruptedTimeSeries().fit(held)
    assert rule in {p.rule for p in error.value.problems}
    point = InterruptedTimeSeries().point(held.arrays)
    assert np.isnan(point) or point == -np.inf


def test_every_problem_is_told_at_once(counts):
    rows = np.vstack([counts, np.where(np.arange(84) < START, 0, counts), np.zeros(84), counts])
    held = design(rows, dict.fromkeys("ABC", MONTHS[START]))
    with pytest.raises(EstimationError) as error:
        InterruptedTimeSeries(areas="each").fit(held)
    assert sorted(p.rule for p in error.value.problems) == ["constant_series", "no_events"]
    with pytest.raises(EstimationError, match="no area is untreated"):
        InterruptedTimeSeries(controls="untreated").fit(design(counts))
    score = design(counts, measure=True)
    with pytest.raises(EstimationError, match="for counts"):
        InterruptedTimeSeries(family="poisson").fit(score)
    with pytest.raises(EstimationError) as error:
        InterruptedTimeSeries(family="poison", season="harmonic", harmonics=0, level=2)
    assert len(error.value.problems) == 4
    with pytest.raises(EstimationError, match="linear"):
        InterruptedTimeSeries(errors="prais_winsten")
    with pytest.raises(EstimationError, match="placebos"):
        InterruptedTimeSeries(inference="placebo").fit(design(counts))


def test_a_month_without_events_has_no_ratio_of_its_own(counts):
    y = counts.copy()
    y[START + 2] = 0
    rows = InterruptedTimeSeries().fit(design(y)).estimates.query("term == 'event' and horizon == 2")
    rows = rows.set_index("scale")
    assert rows.loc["rate_ratio", "estimate"] == 0
    assert rows.loc["events", "estimate"] < 0
    assert rows["conf_high"].isna().all()


def test_notes_say_what_a_reader_has_to_know():
    rng = np.random.default_rng(9)
    plain = InterruptedTimeSeries().fit(design(rng.poisson(mean_path())))
    assert any("anything else that happened at the same time" in n for n in plain.notes)
    few = InterruptedTimeSeries().fit(design(rng.poisson(mean_path(size=0.9))))
    assert any("less than one event" in n for n in few.notes)
    e = rng.normal(size=84)
    for t in range(1, 84):
        e[t] += 0.8 * e[t - 1]
    lasting = InterruptedTimeSeries(errors="model").fit(design(rng.poisson(500 * np.exp(0.2 * e))))
    assert any("hang together" in n for n in lasting.notes)
    short = InterruptedTimeSeries(slope_change=False).fit(design(rng.poisson(mean_path())[:62]))
    assert any("Only 2 months" in n for n in short.notes)
    young = design(rng.poisson(mean_path(start=15)), {"A": MONTHS[15]})
    notes = " ".join(InterruptedTimeSeries().fit(young).notes)
    assert "Only 15 months before" in notes
    assert "longer" in notes


def test_placebo_areas_can_give_the_interval():
    rng = np.random.default_rng(10)
    counts = rng.poisson([mean_path(level=0.6)] + [mean_path(level=1.0)] * 24)
    result = InterruptedTimeSeries(inference="placebo", slope_change=False).fit(design(counts))
    effect = result.effect()
    assert effect.conf_low < 0.6 < effect.conf_high < 1
    assert "placebo" in result.diagnostics["inference"]


def test_intervals_hold_the_truth_where_errors_follow_each_other():
    """60 + 24 months, log errors of s.d. .15 with autocorrelation .4; the docstring has the figures of 1,000 panels."""
    rng, n = np.random.default_rng(11), 100
    estimators = {e: InterruptedTimeSeries(errors=e) for e in ("ar1", "model")}
    held = dict.fromkeys(estimators, 0)
    for _ in range(n):
        e = rng.normal(size=84) * np.sqrt(1 - 0.4**2)
        e[0] /= np.sqrt(1 - 0.4**2)
        for t in range(1, 84):
            e[t] += 0.4 * e[t - 1]
        y = rng.poisson(mean_path(level=0.8) * np.exp(0.15 * e - 0.15**2 / 2))
        case = design(y)
        for name, estimator in estimators.items():
            effect = estimator.fit(case).effect()
            held[name] += effect.conf_low < 0.8 < effect.conf_high
    # a true 92% is let pass, but for 1 in 1000; errors that take months as independent cover some 85%
    assert held["ar1"] >= stats.binom.ppf(0.001, n, 0.92)
    assert held["model"] < held["ar1"]


@pytest.mark.parametrize(
    "estimator",
    [
        InterruptedTimeSeries(),
        InterruptedTimeSeries(slope_change=False, errors="newey_west", areas="each"),
        InterruptedTimeSeries(slope_change=False, family="negative_binomial", controls="untreated"),
        InterruptedTimeSeries(family="linear", errors="prais_winsten"),
    ],
    ids=repr,
)
def test_it_keeps_every_promise(estimator):
    check_estimator(estimator)


def test_errors_of_the_poisson_model_keep_every_promise_but_one():
    """They trust the Poisson variance, and the promise on zero effects is there to catch that."""
    only = [p for p in PROMISES if p != "zero_effect_covered"]
    check_estimator(InterruptedTimeSeries(family="poisson", errors="model"), only=only)

"""Structural time series: calibrated draws, known answers, and where it cannot answer."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.tsa.statespace.structural import UnobservedComponents

from svmodel import Design, Intervention, Panel
from svmodel.counterfactual import StructuralTimeSeries
from svmodel.counterfactual.structural_time_series.predict import Priors, sample
from svmodel.errors import EstimationError
from svmodel.numerics.series.spike_and_slab import truncated_variance
from svmodel.numerics.series.state_space import structural
from svmodel.testing import check_estimator

MONTHS = pd.period_range("2016-01", periods=72, freq="M")
START = 54
QUICK = {"draws": 250, "warmup": 150, "chains": 2}
#: For fits by the dozen that are held to one another, and not to numbers of their own.
QUICKEST = {"draws": 100, "warmup": 100, "chains": 2}


def design(counts, starts=None, *, exposure=None, measure=False, window=None):
    counts = np.atleast_2d(np.asarray(counts, dtype=float))
    n, length = counts.shape
    frame = pd.DataFrame(
        {
            "area": np.repeat([chr(65 + i) for i in range(n)], length),
            "month": np.tile(MONTHS[:length].astype(str), n),
            "n": counts.ravel(),
        }
    )
    names = []
    if exposure is not None:
        frame["people"] = np.ravel(exposure)
        names = ["people"]
    made = Panel.from_frame(
        frame, area="area", period="month", exposures=names, **{"measures" if measure else "counts": ["n"]}
    )
    return Design(
        made,
        outcome="n",
        exposure="people" if names else None,
        intervention=Intervention("law", starts or {"A": MONTHS[START]}),
        window=window,
    )


def series(seed, effect=0.7, controls=3, size=100):
    """A treated area that follows the first of some controls, from row 1 on."""
    rng = np.random.default_rng(seed)
    common = np.exp(np.cumsum(rng.normal(0, 0.05, 72)) + 0.1 * np.sin(2 * np.pi * np.arange(72) / 12))
    on = np.where(np.arange(72) >= START, effect, 1.0)
    others = [rng.poisson(size * np.exp(rng.normal(0, 0.2, 72))) for _ in range(controls - 1)]
    return np.array([rng.poisson(size * common * on), rng.poisson(5 * size * common), *others])


def test_a_known_effect_is_found_and_the_right_control_chosen():
    held = design(series(1))
    result = StructuralTimeSeries().fit(held)
    effect = result.effect("att", "rate_ratio")
    assert effect.conf_low < 0.7 < effect.conf_high < 1
    assert effect.prob_reduction > 0.999
    assert effect.p_value < 0.01
    weights = result.weights.set_index("area")
    # with the intercept's place four may come in and three are expected, so each is in with .75 before the data
    assert weights.loc["B", "inclusion"] == 1.0
    assert weights.loc["B", "weight"] > 0.5
    assert weights.loc["C", "inclusion"] < 0.75
    assert result.diagnostics["series"][0]["r_hat"] < 1.05


def test_scales_agree_and_draws_carry_the_interval():
    y = series(2)
    people = np.full(y.shape, 20_000.0)
    result = StructuralTimeSeries(**QUICK).fit(design(y, exposure=people))
    told = result.diagnostics
    events, ratio = result.effect("att", "events"), result.effect("att", "rate_ratio")
    assert told["observed"] == y[0, START:].sum()
    assert events.estimate == pytest.approx(told["observed"] - told["expected"])
    assert ratio.estimate == pytest.approx(told["observed"] / told["expected"])
    assert told["observed"] / ratio.conf_low == pytest.approx(told["observed"] - events.conf_low)
    assert result.effect("att", "per_100k").conf_high == pytest.approx(events.conf_high / 18 * 5)
    assert result.draws * 18 == pytest.approx(result.draws * told["treated_cells_used"])
    low, high = np.quantile(result.draws * 18, [0.025, 0.975])
    assert (low, high) == pytest.approx((events.conf_low, events.conf_high))
    assert events.prob_reduction == pytest.approx((result.draws < 0).mean())
    horizons = result.estimates.query("term == 'event' and scale == 'events'")
    assert horizons["estimate"].sum() == pytest.approx(events.estimate)
    path = result.counterfactual.query("area == 'all treated'")
    assert path["observed"].sum() == y[0].sum()
    # limits of what would have been observed: before the start they hold about 95 of 100 months
    before = path.iloc[:START]
    assert before["observed"].between(before["low"], before["high"]).mean() > 0.85


def test_same_seed_same_bits_and_another_seed_another_draw():
    held = design(series(3))
    estimator = StructuralTimeSeries(**QUICK)
    assert estimator.fit(held, seed=5).to_json() == estimator.fit(held, seed=5).to_json()
    one, other = (estimator.fit(held, seed=s).effect("att", "events") for s in (5, 6))
    assert one.estimate != other.estimate
    # 500 draws know a mean to 1/22 of the standard error; five of these
    assert one.estimate == pytest.approx(other.estimate, abs=0.25 * one.std_error)
    # the same draws, divided by the number of cells before or after the sum
    assert estimator.point(held.arrays) == pytest.approx(
        estimator.fit(held).effect("att", "difference").estimate, rel=1e-12
    )


def test_draws_at_known_variances_are_the_smoother_of_statsmodels():
    """With priors that leave no doubt about the variances, the sampler is Kalman's smoother and forecast."""
    rng = np.random.default_rng(4)
    y = np.cumsum(rng.normal(0, 0.2, 60)) + rng.normal(0, 0.5, 60)
    y = (y - y[:48].mean()) / y[:48].std(ddof=1)
    seen = np.where(np.arange(60) < 48, y, np.nan)
    space, step, noise = structural(60, first_level=(y[0], 1.0)), 0.3, 0.6
    draws = np.array([space.signal(space.draw(seen, noise**2, np.array([step**2]), rng)) for _ in range(3000)])
    model = UnobservedComponents(seen, level="llevel")
    model.initialize_known(np.array([y[0]]), np.array([[1.0]]))
    smoothed = model.smooth([noise**2, step**2])
    sd = np.sqrt(smoothed.smoothed_state_cov[0, 0])
    # 5 standard errors of 3000 draws
    assert (np.abs(draws.mean(axis=0) - smoothed.smoothed_state[0]) < 5 * sd / np.sqrt(3000)).all()
    assert draws.std(axis=0) == pytest.approx(sd, rel=0.08)


def test_the_sampler_is_calibrated():
    """Ranks of the true variances and of a prediction among their draws are uniform (Talts and others 2018).

    Series are drawn from the priors themselves, 120 of them, with two candidates that are both in.
    """
    rng = np.random.default_rng(5)
    n, T, until = 120, 30, 24
    priors = Priors(level_sd=0.3, level_df=8.0, model_size=3.0)
    ranks = []
    for _ in range(n):
        X = rng.normal(size=(T, 2))
        step = np.sqrt(truncated_variance(8.0, 8.0 * 0.3**2, 1.0, rng))
        noise = np.sqrt(truncated_variance(50.0, 50.0 * 0.2, 1.2, rng))
        known = X[:until]
        gram = known.T @ known
        omega = 0.01 / until * (gram + np.diag(np.diag(gram))) / 2
        beta = noise * np.linalg.cholesky(np.linalg.inv(omega)) @ rng.standard_normal(2)
        # the first level has the first observation for its prior's mean: draw that pair so that it is
        shift = rng.normal()
        level = np.r_[0.0, np.cumsum(rng.normal(0, step, T - 1))] + shift
        y = level + X @ beta + rng.normal(0, noise, T)
        seen = np.where(np.arange(T) < until, y, np.nan)
        got = sample(
            seen, X, priors, slope=False, seasons=1, chains=1, draws=300, warmup=60, seed=int(rng.integers(1e9))
        )
        late = got.signal[0, :, until:].sum(axis=1)
        truth = (level + X @ beta)[until:].sum()
        ranks.append(
            [
                (got.shock_sd[0, ::5, 0] < step).mean(),
                (got.noise_sd[0, ::5] < noise).mean(),
                (late[::5] < truth).mean(),
            ]
        )
    # the sampler takes y_0 for the prior's mean of the first level, which is no part of a joint distribution: what that
    # shifts is a small part of the level's error, and below what 120 ranks can see
    for rank in np.array(ranks).T:
        assert stats.kstest(rank, "uniform").pvalue > 1e-3


def test_a_season_is_learnt_and_carried_on():
    rng = np.random.default_rng(6)
    t = np.arange(72)
    y = rng.poisson(200 * np.exp(0.4 * np.sin(2 * np.pi * t / 12)))
    # 18 months end within a year, so that a season which is not known passes for an effect
    with_season = StructuralTimeSeries(controls="none", season="dummies", **QUICK).fit(design(y))
    without = StructuralTimeSeries(controls="none", **QUICK).fit(design(y))
    one, other = (r.effect("att", "rate_ratio") for r in (with_season, without))
    assert abs(np.log(one.estimate)) < 0.5 * abs(np.log(other.estimate))
    assert one.std_error < 0.6 * other.std_error
    assert any("Nothing here knows of the season" in n for n in without.notes)
    assert any("own past alone" in n for n in with_season.notes)
    noise = [r.diagnostics["series"][0]["noise_sd"] for r in (with_season, without)]
    assert noise[0] < 0.5 * noise[1]


def test_a_slope_makes_long_predictions_wide():
    held = design(series(7))
    level, slope = (
        StructuralTimeSeries(trend=trend, controls="none", **QUICK).fit(held) for trend in ("level", "local_linear")
    )
    assert slope.effect("att", "events").std_error > 1.5 * level.effect("att", "events").std_error


def test_logs_and_sums_of_areas():
    rng = np.random.default_rng(8)
    rows = series(8, controls=4)
    starts = {"A": MONTHS[START], "C": MONTHS[START], "D": MONTHS[60]}
    held = design(rows, starts)
    summed = StructuralTimeSeries(transform="log", **QUICK).fit(held)
    assert len(summed.diagnostics["series"]) == 2
    assert summed.diagnostics["treated_cells_used"] == 18 + 18 + 12
    log_ratio = summed.effect("att", "rate_ratio")
    low, high = np.exp(np.quantile(summed.draws, [0.025, 0.975]))
    assert (low, high) == pytest.approx((log_ratio.conf_low, log_ratio.conf_high), rel=0.01)
    each = StructuralTimeSeries(areas="each", controls="sum", **QUICK).fit(held)
    assert sorted(set(each.estimates.query("term == 'area'")["area"])) == ["A", "C", "D"]
    assert set(each.weights["area"]) == {"all untreated"}
    assert any("one by one" in n for n in each.notes)
    rows[0, 3] = 0
    with pytest.raises(EstimationError, match="without events"):
        StructuralTimeSeries(transform="log").fit(design(rows))
    assert rng is not None


def test_a_prediction_that_may_be_nothing_bounds_no_ratio():
    rng = np.random.default_rng(9)
    y = rng.poisson(0.4, 72)
    y[60:] = 2
    made = design(y, {"A": MONTHS[70]})
    effect = StructuralTimeSeries(controls="none", **QUICK).fit(made).effect("att", "rate_ratio")
    assert effect.conf_high == np.inf
    assert effect.conf_low > 0
    notes = StructuralTimeSeries(controls="none", **QUICK).fit(made).notes
    assert any("less than 5 events" in n for n in notes)


def test_no_event_after_the_start_has_no_interval_of_a_ratio():
    rows = series(13)
    rows[0, START:] = 0
    result = StructuralTimeSeries(**QUICK).fit(design(rows))
    ratio, events = result.effect("att", "rate_ratio"), result.effect("att", "events")
    assert ratio.estimate == 0
    assert np.isnan(ratio.conf_high)
    assert events.conf_high < 0


def test_areas_with_gaps_are_no_candidates_and_gaps_in_the_treated_are_left_out():
    rows = series(10).astype(float)
    rows[2, 5] = np.nan
    rows[0, 20] = rows[0, 60] = np.nan
    result = StructuralTimeSeries(**QUICK).fit(design(rows))
    assert set(result.weights["area"]) == {"B", "D"}
    assert result.diagnostics["treated_cells_used"] == 17
    assert any("1 untreated areas are left out" in n for n in result.notes)
    assert any("2 months of treated series are left out" in n for n in result.notes)


def test_what_it_cannot_answer_is_refused_with_every_reason():
    rows = series(11, controls=4)
    rows[2, :START] = 4
    held = design(rows[:, : START + 6], {"A": MONTHS[8], "C": MONTHS[START]})
    with pytest.raises(EstimationError) as error:
        StructuralTimeSeries().fit(held)
    assert sorted(p.rule for p in error.value.problems) == ["constant_series", "few_before"]
    assert np.isnan(StructuralTimeSeries().point(held.arrays))
    with pytest.raises(EstimationError) as error:
        StructuralTimeSeries(trend="linear", draws=10, level_sd=0.0, chains=1)
    assert len(error.value.problems) == 4
    with pytest.raises(EstimationError, match="season='none'"):
        StructuralTimeSeries(season="dummies").fit(design(rows, {"A": MONTHS[20]}))


def test_chains_that_have_not_met_are_refused(monkeypatch):
    from svmodel.counterfactual.structural_time_series import predict as _sts_predict

    monkeypatch.setattr(_sts_predict, "_DOUBLINGS", 0)
    # a level that may be anything, no warmup: its variance is far from where it belongs after 100 draws
    loose = StructuralTimeSeries(level_sd=1e-4, level_df=0.01, draws=100, warmup=0, controls="none")
    with pytest.raises(EstimationError, match="have not met"):
        loose.fit(design(series(12)))


@pytest.mark.parametrize(
    "estimator",
    [
        StructuralTimeSeries(controls="sum", **QUICKEST),
        pytest.param(StructuralTimeSeries(**QUICKEST), marks=pytest.mark.slow),
    ],
    ids=repr,
)
def test_it_keeps_every_promise(estimator):
    check_estimator(estimator)


def test_the_share_that_controls_explain_sets_the_noise():
    """With half the variance unexplained, R's prior of a fifth, worth 50 observations, pulls the noise down."""
    rng = np.random.default_rng(12)
    T, until = 70, 60
    X = rng.normal(size=(T, 1))
    y = np.where(np.arange(T) < until, np.sqrt(0.5) * X[:, 0] + np.sqrt(0.5) * rng.normal(size=T), np.nan)
    noise = {}
    for explained, df in ((0.8, 50.0), (0.5, 50.0), (0.8, 1e-2), (0.5, 1e4)):
        got = sample(
            y,
            X,
            Priors(explained=explained, explained_df=df),
            slope=False,
            seasons=1,
            chains=2,
            draws=400,
            warmup=100,
            seed=1,
        )
        noise[explained, df] = float((got.noise_sd**2).mean())
    # the mean of an inverse gamma with df + n: close to the average of guess and residuals, by their weights
    residual = noise[0.8, 1e-2]
    for explained in (0.8, 0.5):
        expected = (50 * (1 - explained) + until * residual) / (50 + until)
        assert noise[explained, 50.0] == pytest.approx(expected, rel=0.06)
    assert noise[0.5, 1e4] == pytest.approx(0.5, rel=0.02)
    with pytest.raises(EstimationError, match="share that is explained"):
        StructuralTimeSeries(explained=1.0)

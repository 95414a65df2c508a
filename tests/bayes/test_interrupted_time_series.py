"""Interrupted series against maximum likelihood, against a sum over a grid, in coverage, and where it cannot answer."""

import itertools

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import special

import svmodel as sv
from svmodel.bayes import InterruptedTimeSeries, RatioPrior
from svmodel.errors import EstimationError

START = 60


def design(counts, *, starts=None, first="2014-01", freq="M", people=50_000.0, ends=None, start=START):
    """Make a design of rows of counts, one an area, from A on; all start at once unless said otherwise."""
    counts = np.atleast_2d(np.asarray(counts, dtype=float))
    n, length = counts.shape
    index = pd.period_range(first, periods=length, freq=freq)
    areas = [chr(65 + i) for i in range(n)]
    frame = pd.DataFrame(
        {
            "area": np.repeat(areas, length),
            "period": np.tile(index.astype(str), n),
            "n": counts.ravel(),
            "people": np.broadcast_to(people, counts.shape).ravel(),
        }
    )
    panel = sv.Panel.from_frame(frame, area="area", period="period", counts=["n"], exposures=["people"])
    when = {a: index[s] for a, s in (starts or dict.fromkeys(areas, start)).items()}
    return sv.Design(panel, outcome="n", exposure="people", intervention=sv.Intervention("patrols", when, ends))


def series(rng, mean=60.0, effect=1.0, sd=0.0, rho=0.0, length=84, start=START):
    time = np.arange(length)
    e = sd * rng.standard_normal(length)
    for t in range(1, length):
        e[t] = rho * e[t - 1] + np.sqrt(1 - rho**2) * e[t]
    path = np.log(mean) - 0.002 * time + 0.15 * np.sin(2 * np.pi * time / 12) + e + np.log(effect) * (time >= start)
    return rng.poisson(np.exp(path))


def regressors(length=84, start=START):
    time = np.arange(length)
    years, on = (time - start) / 12, (time >= start).astype(float)
    waves = [f(2 * np.pi * k * time / 12) for k in (1, 2) for f in (np.sin, np.cos)]
    return np.column_stack([np.ones(length), years, *waves, on, on * years])


FLAT = {"prior": "flat", "slope_prior": "flat", "trend_sd": 10.0, "season": "harmonics", "shocks": "none"}


@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
def test_flat_priors_are_maximum_likelihood(family):
    rng = np.random.default_rng(1)
    y = series(rng, mean=300.0, effect=0.85)
    if family == "negative_binomial":
        y = rng.poisson(y * rng.gamma(50, 1 / 50, len(y)))
    X = regressors()
    if family == "poisson":
        fitted = sm.GLM(y, X, family=sm.families.Poisson(), offset=np.full(84, np.log(50_000))).fit()
        beta, covariance = fitted.params, fitted.cov_params()
    else:
        start = [*sm.GLM(y, X, family=sm.families.Poisson(), offset=np.full(84, np.log(50_000))).fit().params, 0.02]
        model = sm.NegativeBinomial(y, X, offset=np.full(84, np.log(50_000)))
        fitted = model.fit(start_params=start, disp=0, maxiter=500)
        beta, covariance = fitted.params[:-1], fitted.cov_params()[:-1, :-1]
    without = X.copy()
    without[:, -2:] = 0
    both, none = (50_000 * np.exp(M @ beta)[START:] for M in (X, without))
    log_ratio = np.log(both.sum() / none.sum())
    gradient = both @ X[START:] / both.sum() - none @ without[START:] / none.sum()
    error = np.sqrt(gradient @ covariance @ gradient)
    result = InterruptedTimeSeries(family=family, overdispersion=2.0, draws=10_000, **FLAT).fit(design(y), seed=1)
    # a prior of s.d. 1 on the intercept and of .3 on waves is all that is left, and moves nothing beside draws' error
    assert np.median(result.draws) == pytest.approx(log_ratio, abs=0.06 * error)
    # maximum likelihood takes its overdispersion for the truth, and divides by no degrees of freedom
    assert result.draws.std() == pytest.approx(error, rel=0.03 if family == "poisson" else 0.15)


def test_by_a_sum_over_a_grid():
    """Yearly Poisson counts with a trend and a level change: three coefficients, summed over outright."""
    y = np.array([30, 25, 33, 28, 31, 26, 29, 18, 22, 17])
    estimator = InterruptedTimeSeries(
        family="poisson", shocks="none", slope_change=False, prior=RatioPrior(0.9, 0.3), trend_sd=0.1, draws=40_000
    )
    held = design(y, first="2010", freq="Y", start=7, people=1000.0)
    result = estimator.fit(held, seed=1)
    years, on = np.arange(10) - 7.0, np.arange(10) >= 7
    centre = np.log(y[:7].mean() / 1000)
    a, b, c = (
        np.linspace(centre - 1.2, centre + 1.2, 121),
        np.linspace(-0.4, 0.4, 101),
        np.linspace(-1.8, 1.2, 121),
    )
    log = np.empty((121, 101, 121))
    for i, j in itertools.product(range(121), range(101)):
        eta = a[i] + b[j] * years[None, :] + c[:, None] * on[None, :] + np.log(1000)
        log[i, j] = (y * eta - np.exp(eta)).sum(axis=1)
    log -= 0.5 * ((a - centre) / 1.0)[:, None, None] ** 2 + 0.5 * (b / 0.1)[None, :, None] ** 2
    log -= 0.5 * ((c - np.log(0.9)) / 0.3)[None, None, :] ** 2
    weight = np.exp(log - special.logsumexp(log)).sum(axis=(0, 1))
    mean = weight @ c
    sd = np.sqrt(weight @ (c - mean) ** 2)
    # the mean is right to first order of the Laplace approximation; 40,000 draws know it to .005 s.d.
    assert result.draws.mean() == pytest.approx(mean, abs=0.03 * sd)
    assert result.draws.std() == pytest.approx(sd, rel=0.03)
    assert result.probability() == pytest.approx(weight[c < 0].sum(), abs=0.01)


def test_known_truth_is_covered():
    held, z = 0, []
    for seed in range(24):
        rng = np.random.default_rng([5, seed])
        effect = float(np.exp(rng.normal(0, 0.35)))
        y = series(rng, effect=effect, sd=0.12, rho=0.4)
        told = InterruptedTimeSeries(slope_change=False, draws=500).fit(design(y), seed=seed).effect("att")
        held += told.conf_low < effect < told.conf_high
        z.append(np.log(told.estimate / effect) / (told.std_error / told.estimate))
    # binomial: six or more misses of 24 at 95% happen once in 1,000
    assert held >= 19
    assert abs(np.mean(z)) < 3.3 / np.sqrt(24)


def test_shocks_that_last_widen_the_interval():
    y = series(np.random.default_rng(3), mean=200, sd=0.15, rho=0.7)
    last, gone = (InterruptedTimeSeries(shocks=s).fit(design(y), seed=1) for s in ("ar1", "none"))
    assert last.effect("att").std_error > 1.5 * gone.effect("att").std_error
    assert any("too narrow" in n for n in gone.notes)


def test_persistence_may_be_negative_where_it_is_let():
    y = series(np.random.default_rng(14), mean=400, sd=0.2, rho=-0.8)
    told = {
        low: InterruptedTimeSeries(least_persistence=low).fit(design(y), seed=1).diagnostics["hyperparameters"]
        for low in (-1.0, 0.0)
    }
    assert told[-1.0]["persistence"]["high"] < 0
    assert told[0.0]["persistence"]["low"] > 0


def test_the_level_change_is_the_effect_where_the_slope_does_not_change():
    y = series(np.random.default_rng(4), effect=0.7)
    result = InterruptedTimeSeries(slope_change=False).fit(design(y), seed=1)
    (told,) = result.diagnostics["series"]
    assert told["level_change"] == pytest.approx(result.effect("att").estimate, rel=1e-12)
    assert "slope_change_per_year" not in told
    assert (told["periods_before"], told["periods_after"]) == (60, 24)


def test_a_fall_that_grows_is_seen_as_one():
    time = np.arange(84)
    on = time >= START
    y = np.random.default_rng(5).poisson(300 * np.exp(-0.25 * on * (time - START) / 12))
    told = InterruptedTimeSeries(slope_prior="neutral").fit(design(y), seed=1)
    (line,) = told.diagnostics["series"]
    assert line["level_change_low"] < 1 < line["level_change_high"]
    assert line["slope_change_per_year_high"] < 1
    assert line["slope_change_per_year_low"] < np.exp(-0.25) < line["slope_change_per_year_high"]
    by_horizon = told.tidy().query("term == 'event' and scale == 'rate_ratio'").set_index("horizon")["estimate"]
    assert by_horizon[23.0] < by_horizon[11.0] < by_horizon[0.0]


def test_a_series_with_one_treated_month_has_no_change_of_slope():
    rng = np.random.default_rng(13)
    counts = np.stack([series(rng, mean=m, effect=0.8) for m in (40, 60)])
    held = design(counts, starts={"A": 60, "B": 83})
    several, one = InterruptedTimeSeries().fit(held, seed=1).diagnostics["series"]
    assert (several["periods_after"], one["periods_after"]) == (24, 1)
    assert "slope_change_per_year" in several
    # what the model says of the slope there is its prior, and no change of level may lean on it
    assert not any(key.startswith("slope_change") for key in one)
    result = InterruptedTimeSeries().fit(held, seed=1)
    effect = result.effect("area", "rate_ratio", area="B")
    assert one["level_change"] == pytest.approx(effect.estimate, rel=1e-9)


def test_areas_are_summed_by_start_or_each_by_itself():
    rng = np.random.default_rng(6)
    counts = np.stack([series(rng, mean=m, effect=0.8) for m in (40, 60, 50)])
    held = design(counts, starts={"A": 60, "B": 60, "C": 66})
    summed = InterruptedTimeSeries().fit(held, seed=1)
    assert summed.tidy().query("term == 'area'")["area"].unique().tolist() == ["C"]
    assert set(summed.counterfactual["area"]) == {"C", "all treated"}
    assert [s["series"] for s in summed.diagnostics["series"]] == ["2 areas from Jan 2019", "C"]
    cells = 24 + 24 + 18
    assert summed.diagnostics["treated_cells_used"] == cells
    assert summed.diagnostics["treated_areas"] == 3
    difference, events = summed.effect("att", "difference"), summed.effect("att", "events")
    assert difference.estimate * cells == pytest.approx(events.estimate)
    assert summed.effect("att", "per_100k").estimate == pytest.approx(events.estimate / (cells * 50_000) * 1e5)
    total = summed.counterfactual.query("area == 'all treated' and period == @pd.Period('2020-01', 'M')")
    assert total["observed"].item() == counts[:, 72].sum()
    each = InterruptedTimeSeries(areas="each").fit(held, seed=1)
    assert sorted(each.tidy().query("term == 'area'")["area"].unique()) == ["A", "B", "C"]
    assert len(each.tidy().query("term == 'cohort' and scale == 'rate_ratio'")) == 2


def test_a_missing_month_is_missing():
    y = series(np.random.default_rng(7)).astype(float)
    y[[10, 70]] = np.nan
    result = InterruptedTimeSeries().fit(design(y), seed=1)
    assert result.diagnostics["treated_cells_used"] == 23
    both = np.stack([y, series(np.random.default_rng(8))])
    summed = InterruptedTimeSeries().fit(design(both), seed=1)
    assert summed.diagnostics["treated_cells_used"] == 46
    assert any("miss one of their areas" in n for n in summed.notes)


def test_an_area_that_is_known_too_late_is_in_no_sum_and_named():
    """Area C is known from shortly before its start on only: the sum of A and B is that of A and B."""
    rng = np.random.default_rng(16)
    both = np.stack([series(rng, mean=m).astype(float) for m in (40, 60)])
    late = np.full(84, np.nan)
    late[START - 11 :] = 30.0
    alone = InterruptedTimeSeries().fit(design(both), seed=1)
    result = InterruptedTimeSeries().fit(design(np.vstack([both, late])), seed=1)
    one, other = (r.effect("att", "rate_ratio") for r in (result, alone))
    assert (one.estimate, one.conf_low, one.conf_high) == (other.estimate, other.conf_low, other.conf_high)
    said = [w.text for w in result.warnings if w.kind == "identification"]
    assert any("48 of 72 treated area-months: C is in no sum, because fewer than 12 months" in t for t in said)
    assert not any("in no sum" in n for n in alone.notes)
    # by itself it is refused, and named
    with pytest.raises(EstimationError, match="C: 11 known months before the start"):
        InterruptedTimeSeries(areas="each").fit(design(np.vstack([both, late])), seed=1)
    # with a year before the start it is summed
    late[START - 12] = 30.0
    assert not any("in no sum" in n for n in InterruptedTimeSeries().fit(design(np.vstack([both, late])), seed=1).notes)


@pytest.mark.parametrize(("freq", "first", "season"), [("M", "2014-01", 12), ("Q", "2004Q1", 4), ("Y", "1930", 0)])
def test_the_season_follows_the_frequency(freq, first, season):
    y = np.random.default_rng(9).poisson(40, 84)
    question = InterruptedTimeSeries().ask(design(y, freq=freq, first=first).arrays)
    sizes = [t.structure.size for t in question.model.terms if t.name.startswith("season")]
    assert sizes == ([season] if season else [])


def test_not_one_event_after_the_start_is_answered_with_a_note():
    y = series(np.random.default_rng(10), mean=3.0)
    y[START:] = 0
    result = InterruptedTimeSeries().fit(design(y), seed=1)
    assert result.effect("att").conf_high < 1
    assert any("Not one event" in n for n in result.notes)


def test_hopeless_series_are_refused_with_reasons():
    rng = np.random.default_rng(11)
    short = design(rng.poisson(20, 20), start=5)
    with pytest.raises(EstimationError, match=r"5 known months before the start, and 12 are needed"):
        InterruptedTimeSeries().fit(short)
    zero = np.zeros((2, 84))
    zero[1] = rng.poisson(20, 84)
    zero[1, :START] = 0
    with pytest.raises(EstimationError) as caught:
        InterruptedTimeSeries(areas="each").fit(design(zero))
    assert str(caught.value).count("not one event before the start") == 2
    # beside an area that does change: a design in which nothing does is refused by itself
    flat = design(np.stack([np.full(84, 5), rng.poisson(20, 84)]), starts={"A": START})
    with pytest.raises(EstimationError, match="is 5 in every month"):
        InterruptedTimeSeries().fit(flat)
    assert np.isnan(InterruptedTimeSeries().point(short.arrays))


def test_wrong_choices_are_said_at_once():
    with pytest.raises(EstimationError) as caught:
        InterruptedTimeSeries(season="month", prior="sceptic", trend_sd=0.0, least_persistence=1.0)
    for part in ("season", "sceptical", "trend_sd", "least_persistence"):
        assert part in str(caught.value)


def test_point_is_the_effect_of_fit():
    held = design(series(np.random.default_rng(12), effect=0.8))
    estimator = InterruptedTimeSeries()
    told = np.log(estimator.fit(held, seed=0).effect("att").estimate)
    assert estimator.point(held.arrays) == pytest.approx(told, rel=1e-12)

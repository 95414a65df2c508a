"""Meta-analysis against plain quadrature, the eight schools, the weighted mean, and simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import svmodel as sv
from svmodel.bayes import MetaAnalysis, RatioPrior
from svmodel.bayes.meta_analysis import NEW, POOLED
from svmodel.errors import EstimationError

#: Rubin (1981), table 1, as in Gelman and others (2013), table 5.2: coaching in eight schools.
SCHOOLS = pd.DataFrame(
    {
        "label": list("ABCDEFGH"),
        "estimate": [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0],
        "std_error": [15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0],
    }
)


def quadrature(y, s, mean, sd, scale, points=4000):
    """Return posterior moments by a sum over tau: BDA3, equations 5.17, 5.20 and 5.21, with a prior on mu."""
    tau = np.linspace(1e-6, 6 * max(s.max(), y.std()) if scale > 50 else 8 * scale, points)
    variance = s**2 + tau[:, None] ** 2
    precision = 1 / sd**2 + (1 / variance).sum(axis=1)
    mu = (mean / sd**2 + (y / variance).sum(axis=1)) / precision
    # marginal density of y given tau, mu integrated out
    log = -0.5 * np.log(variance).sum(axis=1) - 0.5 * np.log(precision) - 0.5 * (y**2 / variance).sum(axis=1)
    log += 0.5 * mu**2 * precision - 0.5 * (tau / scale) ** 2
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    pooled = weight @ mu
    own_sd = 1 / (1 / s**2 + tau[:, None] ** -2)
    theta = own_sd * (y / s**2 + mu[:, None] / tau[:, None] ** 2)
    return {
        "mean": pooled,
        "sd": np.sqrt(weight @ (1 / precision + mu**2) - pooled**2),
        "tau": weight @ tau,
        "tau_quantiles": np.interp([0.025, 0.5, 0.975], np.cumsum(weight), tau),
        "theta": weight @ theta,
        "below": weight @ stats.norm.cdf(-mu * np.sqrt(precision)),
        "new_sd": np.sqrt(weight @ (1 / precision + tau**2 + mu**2) - pooled**2),
    }


def test_eight_schools_as_published():
    # flat on mu and on tau above 0, as BDA3 section 5.5 has them
    answer = MetaAnalysis("difference", prior=(0.0, 1e4), between_sd=1e4, draws=40_000).fit(SCHOOLS, seed=1)
    mu, tau = answer.draws(), answer.posterior.hyper["between_sd"]
    # printed as 8 and, by most programs, 6.6, from a posterior s.d. of 5 each: .3 is the rounding and the points' error
    assert mu.mean() == pytest.approx(8.0, abs=0.3)
    assert tau.mean() == pytest.approx(6.6, abs=0.3)
    # BDA3 table 5.3: the median of school A is about 10, and its 95% interval about -2 to 31
    row = answer.tidy().set_index("label").loc["A"]
    assert row["estimate"] == pytest.approx(10, abs=0.7)
    assert (row["low"], row["high"]) == pytest.approx((-2, 31), abs=1.5)


@pytest.mark.parametrize(("sd", "scale"), [(1e4, 1e4), (10.0, 5.0), (50.0, 20.0)])
def test_eight_schools_by_quadrature(sd, scale):
    y, s = SCHOOLS["estimate"].to_numpy(), SCHOOLS["std_error"].to_numpy()
    exact = quadrature(y, s, 0.0, sd, scale)
    answer = MetaAnalysis("difference", prior=(0.0, sd), between_sd=scale, draws=40_000).fit(SCHOOLS, seed=2)
    mu, tau = answer.draws(), answer.posterior.hyper["between_sd"]
    # the only approximation is the integral over tau: some fifty effective points, about .05 posterior s.d.
    assert mu.mean() == pytest.approx(exact["mean"], abs=0.05 * exact["sd"])
    assert mu.std() == pytest.approx(exact["sd"], rel=0.05)
    assert tau.mean() == pytest.approx(exact["tau"], rel=0.05)
    assert np.quantile(tau, [0.5, 0.975]) == pytest.approx(exact["tau_quantiles"][1:], rel=0.1)
    shrunken = answer.tidy().query("kind == 'study'")
    drawn = np.array([answer.draws(label).mean() for label in shrunken["label"]])
    assert drawn == pytest.approx(exact["theta"], abs=0.05 * 10)
    assert answer.probability() == pytest.approx(exact["below"], abs=0.015)
    assert answer.draws(NEW).std() == pytest.approx(exact["new_sd"], rel=0.07)


def test_no_difference_between_studies_is_the_weighted_mean():
    y, s = SCHOOLS["estimate"].to_numpy(), SCHOOLS["std_error"].to_numpy()
    answer = MetaAnalysis("difference", prior=(0.0, 1e5), between_sd=1e-4, draws=20_000).fit(SCHOOLS, seed=3)
    w = s**-2.0
    sd = w.sum() ** -0.5
    assert answer.draws().mean() == pytest.approx((w @ y) / w.sum(), abs=4 * sd / np.sqrt(20_000))
    assert answer.draws().std() == pytest.approx(sd, rel=0.02)
    assert answer.heterogeneity["high"] < 1e-6


def test_coverage_of_the_pooled_effect_and_of_a_new_area():
    rng = np.random.default_rng(4)
    held = {POOLED: 0, NEW: 0}
    n, k = 200, 8
    estimator = MetaAnalysis(prior=RatioPrior(1.0, 0.35), between_sd=0.2, draws=1000)
    for i in range(n):
        # truth from the prior: coverage is then exact
        mu, tau = rng.normal(0, 0.35), abs(rng.normal(0, 0.2))
        s = rng.uniform(0.05, 0.3, k)
        theta = rng.normal(mu, tau, k)
        frame = pd.DataFrame(
            {"label": [f"s{j}" for j in range(k)], "estimate": np.exp(rng.normal(theta, s)), "log_std_error": s}
        )
        answer = estimator.fit(frame, seed=i)
        for of, truth in ((POOLED, mu), (NEW, rng.normal(mu, tau))):
            low, high = np.quantile(answer.draws(of), [0.025, 0.975])
            held[of] += low < np.exp(truth) < high
    # binomial error of 95% in 200 is 1.5 points: three of them
    assert held[POOLED] / n == pytest.approx(0.95, abs=0.047)
    assert held[NEW] / n == pytest.approx(0.95, abs=0.047)


def test_limits_on_the_ratio_scale_are_those_of_the_logarithm():
    s = np.array([0.1, 0.2, 0.15])
    ratio = np.array([0.8, 0.9, 1.1])
    by_error = pd.DataFrame({"label": list("abc"), "estimate": ratio, "log_std_error": s})
    by_limits = by_error.drop(columns="log_std_error").assign(
        low=ratio * np.exp(-1.959964 * s), high=ratio * np.exp(1.959964 * s)
    )
    one, other = (MetaAnalysis().fit(f, seed=1).tidy() for f in (by_error, by_limits))
    assert one["estimate"].to_numpy() == pytest.approx(other["estimate"].to_numpy(), rel=1e-5)
    assert one["raw_low"].to_numpy()[:3] == pytest.approx(by_limits["low"].to_numpy())
    # limits that are even on the wrong scale are noticed
    odd = by_limits.assign(low=ratio - 0.5, high=ratio + 0.5)
    assert any("evenly" in n for n in MetaAnalysis().fit(odd, seed=1).notes)


def test_shrinkage_is_towards_the_pooled_effect_and_wider_errors_move_more():
    answer = MetaAnalysis("difference", prior=(0.0, 100.0), between_sd=10.0).fit(SCHOOLS, seed=1)
    table = answer.tidy().query("kind == 'study'")
    pooled = answer.pooled["estimate"]
    far = (table["raw"] - pooled).abs() > 5
    assert ((table["estimate"] - pooled).abs() < (table["raw"] - pooled).abs())[far].all()
    assert answer.new_area["high"] - answer.new_area["low"] > answer.pooled["high"] - answer.pooled["low"]
    assert 0 < answer.heterogeneity["estimate"] < 1
    assert answer.probability(reduction=5.0) < answer.probability()


def test_results_are_pooled_by_their_average_effect_and_one_result_by_its_areas():
    fitted = {}
    for seed, name in enumerate(("north", "south", "west")):
        made = sv.simulate.panel(30, 24, mean=20, effect=0.8, cohorts=((12, 8),), seed=seed)
        fitted[name] = sv.did.ExtendedTwoWayFixedEffects(family="poisson").fit(made.design("violence"))
    answer = MetaAnalysis().fit(fitted, seed=1)
    assert list(answer.tidy()["label"]) == ["north", "south", "west", POOLED, NEW]
    assert answer.tidy()["raw"][0] == pytest.approx(fitted["north"].effect("att", "rate_ratio").estimate)
    assert 0.6 < answer.pooled["estimate"] < 1.0
    bayes = sv.bayes.HierarchicalDiD(prior="flat", pooling="none", draws=500).fit(made.design("violence"))
    areas = MetaAnalysis().fit(bayes, seed=1)
    assert len(areas.studies.labels) == 8
    assert any("share their controls" in n for n in areas.notes)
    assert any("pulled twice" in n for n in areas.notes)


def test_everything_wrong_is_said_at_once():
    bad = pd.DataFrame({"label": ["a", "a", "b"], "estimate": [1.0, np.nan, 2.0], "log_std_error": [0.1, 0.1, 0.0]})
    with pytest.raises(EstimationError) as caught:
        MetaAnalysis().fit(bad.assign(estimate=[1.0, 2.0, 2.0]))
    assert "two studies are called 'a'" in str(caught.value)
    assert "not above 0" in str(caught.value)
    with pytest.raises(EstimationError, match="above 0"):
        MetaAnalysis().fit(bad)
    with pytest.raises(EstimationError, match="nothing of how far effects differ"):
        MetaAnalysis("difference", prior=(0.0, 1.0)).fit(SCHOOLS.head(1))
    with pytest.raises(EstimationError, match="log_std_error"):
        MetaAnalysis().fit(SCHOOLS)
    with pytest.raises(EstimationError, match="column 'label'"):
        MetaAnalysis().fit(SCHOOLS.drop(columns="label"))
    with pytest.raises(EstimationError, match="mean and standard deviation"):
        MetaAnalysis("difference")
    with pytest.raises(EstimationError, match="sceptical"):
        MetaAnalysis(prior="sceptic")
    answer = MetaAnalysis("difference", prior=(0.0, 10.0), between_sd=5.0).fit(SCHOOLS, seed=1)
    with pytest.raises(EstimationError, match="no study 'Z'"):
        answer.probability(of="Z")


def test_same_seed_same_draws():
    estimator = MetaAnalysis("difference", prior=(0.0, 10.0), between_sd=5.0)
    one, other = estimator.fit(SCHOOLS, seed=5), estimator.fit(SCHOOLS, seed=5)
    pd.testing.assert_frame_equal(one.tidy(), other.tidy(), check_exact=True)
    assert not np.array_equal(one.draws(), estimator.fit(SCHOOLS, seed=6).draws())

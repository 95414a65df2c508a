"""Hierarchical difference-in-differences against maximum likelihood and plain integration, and where it must stop."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from svmodel import Design, Intervention, Panel, simulate
from svmodel.bayes import HierarchicalDiD, RatioPrior
from svmodel.engine import run
from svmodel.errors import DesignError, EstimationError
from svmodel.numerics.latent.structures import Fixed
from svmodel.result import Result

#: No belief of weight: standard deviations of areas and periods may be anything, and so may effects.
FLAT = {"prior": "flat", "area_sd": 50.0, "period_sd": 20.0}
MONTHS = pd.period_range("2020-01", periods=60, freq="M").astype(str)


def design_of(y, starts, *, exposure=None, anticipation=0, ends=None, names=None):
    """Areas are rows of `y`, NaN for missing; `starts` gives the index of the first treated month by row."""
    y = np.asarray(y, dtype=float)
    names = names or [f"a{i:02d}" for i in range(len(y))]
    rows = [(names[i], MONTHS[t], v) for i, row in enumerate(y) for t, v in enumerate(row) if not np.isnan(v)]
    frame = pd.DataFrame(rows, columns=["area", "month", "harm"])
    given = {}
    if exposure is not None:
        frame["people"] = [exposure[names.index(a)] for a in frame["area"]]
        given = {"exposures": ["people"]}
    panel = Panel.from_frame(frame, area="area", period="month", counts=["harm"], **given)
    told = Intervention(
        "patrols",
        {names[i]: MONTHS[t] for i, t in starts.items()},
        ends={names[i]: MONTHS[t] for i, t in (ends or {}).items()},
    )
    return Design(
        panel, outcome="harm", intervention=told, anticipation=anticipation, exposure="people" if given else None
    )


def made(seed=1, **kind):
    settings = {"mean": 15, "effect": 0.7, "cohorts": ((9, 2), (12, 3)), **kind}
    return simulate.panel(14, 20, seed=seed, **settings).design("violence")


def varied(family, seed=1):
    """Counts whose areas and months differ so much that neither is drawn to its neighbours: as if by dummies."""
    rng = np.random.default_rng(seed)
    mean = np.exp(np.log(60) + rng.normal(0, 1, (14, 1)) + rng.normal(0, 0.6, (1, 20)))
    starts = {0: 9, 1: 9, 2: 12, 3: 12, 4: 12}
    for i, t in starts.items():
        mean[i, t:] *= 0.7
    shock = rng.gamma(1 / 0.15, 0.15, mean.shape) if family == "negative_binomial" else 1.0
    return design_of(rng.poisson(mean * shock), starts, exposure=[1000] * 14)


def by_dummies(design, own):
    """Return y, columns and log exposure of the regression with a dummy for each area and period."""
    a = design.arrays
    keep = a.treated | a.untreated
    area, time = np.nonzero(keep)
    columns = [np.eye(a.y.shape[0])[area], np.eye(a.y.shape[1])[time][:, 1:]]
    D = a.treated[keep].astype(float)
    rows = np.flatnonzero(a.treated.any(axis=1))
    columns.append(np.column_stack([D * (area == i) for i in rows]) if own else D[:, None])
    return a.y[keep], np.hstack(columns), np.log(a.exposure[keep])


@pytest.mark.parametrize("pooling", ["complete", "none"])
def test_flat_priors_and_no_pooling_at_all_are_maximum_likelihood(pooling):
    """Without pooling of areas and periods either: their effects have priors of their own, as wide."""
    design = varied("poisson")
    question = HierarchicalDiD(pooling=pooling, family="poisson", prior="flat").ask(design.arrays)
    terms = tuple(
        replace(t, structure=Fixed(0.0, 10.0, t.structure.size)) if t.name in ("area", "period") else t
        for t in question.model.terms
    )
    posterior = run(replace(question.model, terms=terms), "laplace", draws=20_000, seed=1)
    ours = posterior.effects["effect" if pooling == "complete" else "effect_own"]
    y, X, offset = by_dummies(design, own=pooling == "none")
    found = sm.GLM(y, X, family=sm.families.Poisson(), offset=offset).fit(tol=1e-12)
    for draws, b, error in zip(ours.T, found.params[-ours.shape[1] :], found.bse[-ours.shape[1] :], strict=True):
        # the median of 20,000 draws has an error of .009 s.d.; 118 events put the median .03 s.d. off the mode
        assert np.median(draws) == pytest.approx(b, abs=0.06 * error)
        assert draws.std() == pytest.approx(error, rel=0.025)


def test_with_flat_priors_the_estimator_s_common_ratio_is_that_of_maximum_likelihood():
    design = varied("poisson")
    effect = HierarchicalDiD(pooling="complete", family="poisson", **FLAT).fit(design, seed=1).effect("att")
    y, X, offset = by_dummies(design, own=False)
    found = sm.GLM(y, X, family=sm.families.Poisson(), offset=offset).fit(tol=1e-12)
    # areas and periods are still drawn a little to their neighbours: the standard deviations are estimated
    assert np.log(effect.estimate) == pytest.approx(found.params[-1], abs=0.1 * found.bse[-1])
    assert effect.std_error / effect.estimate == pytest.approx(found.bse[-1], rel=0.05)


def test_flat_priors_are_maximum_likelihood_for_overdispersed_counts():
    design = varied("negative_binomial")
    result = HierarchicalDiD(pooling="complete", overdispersion=5.0, **FLAT).fit(design, seed=1)
    y, X, offset = by_dummies(design, own=False)
    found = sm.NegativeBinomial(y, X, offset=offset).fit(disp=0, maxiter=500, method="bfgs", gtol=1e-6)
    effect = result.effect("att", "rate_ratio")
    error = found.bse[-2]
    assert np.log(effect.estimate) == pytest.approx(found.params[-2], abs=0.1 * error)
    # maximum likelihood takes the overdispersion for smaller than it is: 34 coefficients are fitted to 280 counts,
    # which costs a factor of about (280 / 246)^(1/2) = 1.07 in errors
    width = np.log(effect.conf_high / effect.conf_low) / 2 / 1.96
    assert 1.0 < width / error < 1.15
    s = result.diagnostics["hyperparameters"]["overdispersion"]
    assert s["low"] < found.params[-1] ** 0.5 < s["high"]
    assert s["median"] > found.params[-1] ** 0.5


def test_strong_pooling_is_the_common_effect():
    design = made()
    common = HierarchicalDiD(pooling="complete").fit(design, seed=1)
    pooled = HierarchicalDiD(effect_sd=1e-4).fit(design, seed=1)
    one, two = (r.effect("att", "rate_ratio") for r in (common, pooled))
    assert np.log(two.estimate / one.estimate) == pytest.approx(0, abs=0.1 * one.std_error)
    assert two.std_error == pytest.approx(one.std_error, rel=0.06)
    areas = pooled.estimates.query("term == 'area' and scale == 'rate_ratio'")["estimate"]
    assert np.ptp(np.log(areas)) < 1e-3


def test_pooling_draws_areas_to_their_mean_and_more_so_those_of_few_events():
    design = made(level_sd=1.0, mean=10)
    pooled, alone = (HierarchicalDiD(pooling=p).fit(design, seed=1) for p in ("partial", "none"))
    effects = [
        np.log(r.estimates.query("term == 'area' and scale == 'rate_ratio'").set_index("area")["estimate"])
        for r in (pooled, alone)
    ]
    assert effects[0].std() < 0.8 * effects[1].std()
    wide = [r.estimates.query("term == 'area' and scale == 'rate_ratio'")["std_error"].mean() for r in (pooled, alone)]
    assert wide[0] < wide[1]


def plain_posterior(y, treated, prior, *, n, seed):
    """Log ratio of sums by importance sampling from the default prior, written out anew: draws and log weights."""
    rng = np.random.default_rng(seed)
    N, T = y.shape
    mu = np.log(y.mean()) + rng.standard_normal(n)
    a = rng.standard_normal((n, N)) * np.abs(rng.normal(0, 0.7, n))[:, None]
    a -= a.mean(axis=1, keepdims=True)
    steps = rng.standard_normal((n, T - 1)) * np.abs(rng.normal(0, 0.2, n))[:, None]
    m = np.hstack([np.zeros((n, 1)), np.cumsum(steps, axis=1)])
    m -= m.mean(axis=1, keepdims=True)
    rows = np.flatnonzero(treated.any(axis=1))
    tau = rng.normal(np.log(prior.median), prior.sd, n)
    own = np.zeros((n, N))
    own[:, rows] = tau[:, None] + rng.standard_normal((n, len(rows))) * np.abs(rng.normal(0, 0.2, n))[:, None]
    shape = np.abs(rng.normal(0, 0.5, n)) ** -2.0
    base = np.exp(mu[:, None, None] + a[:, :, None] + m[:, None, :])
    mean = base * np.exp(own[:, :, None] * treated)
    log_p = stats.nbinom.logpmf(y, shape[:, None, None], shape[:, None, None] / (shape[:, None, None] + mean))
    ratio = np.log((mean * treated).sum(axis=(1, 2)) / (base * treated).sum(axis=(1, 2)))
    return ratio, log_p.sum(axis=(1, 2))


@pytest.mark.parametrize(
    ("y", "starts"),
    [([[6, 4, 5, 1], [3, 5, 2, 3], [2, 1, 1, 0]], {0: 2, 2: 3}), ([[0, 1, 0, 0], [1, 0, 2, 1], [0, 0, 1, 0]], {0: 2})],
)
def test_a_small_case_is_what_plain_integration_gives(y, starts):
    y = np.array(y, dtype=float)
    design = design_of(y, starts)
    prior = RatioPrior(0.9, 0.5)
    result = HierarchicalDiD(prior=prior).fit(design, seed=1)
    parts = [plain_posterior(y, design.arrays.treated, prior, n=100_000, seed=k) for k in range(3)]
    ratio, log_weight = (np.concatenate(p) for p in zip(*parts, strict=True))
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    assert 1 / (weight**2).sum() > 1500
    mean = weight @ ratio
    sd = np.sqrt(weight @ (ratio - mean) ** 2)
    # 1,500 effective draws have errors of .026 s.d., and of 2% in the s.d. The approximation is at its worst with few
    # events: 6 in all make the s.d. 8% too small, of which the result warns
    few = y.sum() < 10
    assert result.draws.mean() == pytest.approx(mean, abs=0.12 * sd)
    assert result.draws.std() == pytest.approx(sd, rel=0.12 if few else 0.07)
    assert result.diagnostics["inference_in_doubt"] or not few
    assert any("nested Laplace is a little too sure" in n for n in result.notes) or not few
    assert result.probability() == pytest.approx(weight[ratio < 0].sum(), abs=0.04)


def test_two_areas_and_two_periods_are_the_ratio_of_ratios():
    result = HierarchicalDiD(family="poisson", **FLAT).fit(design_of([[4000, 2000], [3000, 3300]], {0: 1}), seed=1)
    effect = result.effect("att", "rate_ratio")
    by_hand = (2000 / 4000) / (3300 / 3000)
    error = np.sqrt(1 / 4000 + 1 / 2000 + 1 / 3000 + 1 / 3300)
    assert np.log(effect.estimate) == pytest.approx(np.log(by_hand), abs=0.1 * error)
    assert effect.std_error / effect.estimate == pytest.approx(error, rel=0.06)


BUSY = np.random.default_rng(5).poisson(20, (6, 12)).astype(float)


def test_everybody_treated_at_once_is_refused_and_in_turn_is_compared_as_far_as_it_goes():
    with pytest.raises(EstimationError, match=r"no treated area-period can be compared: 36 treated area-periods"):
        HierarchicalDiD().fit(design_of(BUSY, dict.fromkeys(range(6), 6)))
    design = design_of(BUSY, {i: 4 + i for i in range(6)})
    result = HierarchicalDiD().fit(design, seed=1)
    a = design.arrays
    comparable = a.treated & a.untreated.any(axis=0)
    assert (result.posterior.question.target == comparable).all()
    assert not result.posterior.model.known[a.treated & ~comparable].any()
    assert result.diagnostics["treated_cells_used"] == comparable.sum() < a.treated.sum()
    assert any("have no untreated area in the same period" in n for n in result.notes)


def test_no_period_before_is_refused_by_the_design_and_one_area_without_is_left_out():
    with pytest.raises(DesignError, match="no period before"):
        HierarchicalDiD().fit(design_of(BUSY, {0: 0}))
    y = BUSY.copy()
    y[0, :6] = np.nan
    result = HierarchicalDiD().fit(design_of(y, {0: 6, 1: 6}), seed=1)
    assert not result.posterior.question.target[0].any()
    assert any("1 treated areas have no known period before the start" in n for n in result.notes)
    assert "a00" not in set(result.estimates["area"].dropna())


def test_areas_that_never_have_an_event_are_nothing_to_hold_others_against():
    y = BUSY.copy()
    y[1:] = 0
    with pytest.raises(EstimationError, match="6 treated area-periods have no untreated area that ever has an event"):
        HierarchicalDiD().fit(design_of(y, {0: 6}))
    y[1] = BUSY[1]
    late = HierarchicalDiD().fit(design_of(y, {0: 6, 1: 9}), seed=1)
    # an area that is treated later stands for the first three periods, and nothing for the rest
    assert late.diagnostics["treated_cells_used"] == 3
    assert any("6 treated area-periods have no untreated area that ever has" in n for n in late.notes)
    # one event anywhere before makes an area that may have had more
    y[1], y[2, 0] = 0, 1
    assert HierarchicalDiD().fit(design_of(y, {0: 6}), seed=1).diagnostics["treated_cells_used"] == 6


def test_cells_that_no_chain_of_counts_links_are_left_out():
    y = BUSY.copy()
    y[:3, 6:] = np.nan  # three areas are seen in the first half alone,
    y[3:, :6] = np.nan  # and three in the second
    y[0, 6:] = 20  # but for one that is treated then
    y[1, 8:], y[4, :2] = np.nan, np.nan
    with pytest.raises(EstimationError, match="no chain of known counts links 6 treated"):
        HierarchicalDiD().fit(design_of(y, {0: 6}))
    y[4, 3] = 18  # a single count that links them
    assert HierarchicalDiD().fit(design_of(y, {0: 6}), seed=1).diagnostics["treated_cells_used"] == 6


def test_a_treated_area_without_an_event_gets_a_pooled_effect_and_a_wide_one():
    y = BUSY.copy()
    y[0] = 0
    result = HierarchicalDiD().fit(design_of(y, {0: 6, 1: 6, 2: 6}), seed=1)
    none, some = (result.effect("area", "rate_ratio", area=a) for a in ("a00", "a01"))
    assert np.isfinite([none.conf_low, none.conf_high]).all()
    assert none.conf_high / none.conf_low > some.conf_high / some.conf_low
    with pytest.raises(DesignError, match="is 0 in every period in every treated area"):
        HierarchicalDiD().fit(design_of(y, {0: 6}))


def test_a_single_treated_area_has_one_effect_whatever_the_pooling():
    design = design_of(BUSY, {0: 6})
    results = [HierarchicalDiD(pooling=p).fit(design, seed=1) for p in ("partial", "none", "complete")]
    assert len({r.effect("att", "rate_ratio").estimate for r in results}) == 1
    assert "effect_sd" not in results[0].posterior.posterior.hyper


def test_missing_counts_are_not_zeros():
    y = BUSY.copy()
    y[4, 5] = np.nan
    y[0, 8] = np.nan
    result = HierarchicalDiD().fit(design_of(y, {0: 6}), seed=1)
    zeros = HierarchicalDiD().fit(design_of(np.nan_to_num(y), {0: 6}), seed=1)
    assert result.diagnostics["treated_cells_used"] == 5
    assert result.effect("att", "rate_ratio").estimate > zeros.effect("att", "rate_ratio").estimate
    # what a missing cell would have held cannot matter
    assert result.posterior.model.known.sum() == y.size - 2


def test_anticipation_and_what_follows_an_end_are_neither_treated_nor_control():
    y = BUSY.copy()
    y[0, 4:6] = 500
    y[1, 10:] = 500
    wild = HierarchicalDiD().fit(design_of(y, {0: 6, 1: 6}, anticipation=2, ends={1: 9}), seed=1)
    y[0, 4:6] = 1
    y[1, 10:] = 1
    calm = HierarchicalDiD().fit(design_of(y, {0: 6, 1: 6}, anticipation=2, ends={1: 9}), seed=1)
    pd.testing.assert_frame_equal(wild.estimates, calm.estimates, check_exact=True)


def test_a_measure_is_refused():
    rows = [(f"a{i}", MONTHS[t], v / 3) for i, row in enumerate(BUSY) for t, v in enumerate(row)]
    frame = pd.DataFrame(rows, columns=["area", "month", "score"])
    panel = Panel.from_frame(frame, area="area", period="month", measures=["score"])
    with pytest.raises(EstimationError, match="needs a count"):
        HierarchicalDiD().fit(Design(panel, outcome="score", intervention=Intervention("patrols", {"a0": MONTHS[6]})))


@pytest.fixture(scope="module")
def result():
    return HierarchicalDiD().fit(made(), seed=3)


def test_the_same_seed_gives_the_same_bits_and_another_one_hardly_another_answer(result):
    again = HierarchicalDiD().fit(made(), seed=3)
    pd.testing.assert_frame_equal(result.estimates, again.estimates, check_exact=True)
    assert (result.draws == again.draws).all()
    other = HierarchicalDiD().fit(made(), seed=4)
    assert not (result.draws == other.draws).all()
    assert other.draws.mean() == pytest.approx(result.draws.mean(), abs=0.1 * result.draws.std())
    assert other.draws.std() == pytest.approx(result.draws.std(), rel=0.06)


def test_the_order_of_areas_is_irrelevant():
    one = HierarchicalDiD().fit(design_of(BUSY, {0: 6, 2: 7}), seed=1)
    turned = BUSY[::-1]
    two = HierarchicalDiD().fit(design_of(turned, {5: 6, 3: 7}), seed=1)
    # the same posterior, in other draws
    assert two.draws.mean() == pytest.approx(one.draws.mean(), abs=0.08 * one.draws.std())
    assert two.draws.std() == pytest.approx(one.draws.std(), rel=0.06)
    shares = [r.diagnostics["convergence"]["effective_points"] for r in (one, two)]
    assert shares[0] == pytest.approx(shares[1], rel=0.05)


def test_twice_the_exposure_is_half_the_rate_and_the_same_ratio():
    people = [1000 * (i + 1) for i in range(6)]
    one, two = (
        HierarchicalDiD().fit(design_of(BUSY, {0: 6, 2: 7}, exposure=[k * p for p in people]), seed=1) for k in (1, 2)
    )
    for scale, factor in (("rate_ratio", 1), ("events", 1), ("difference", 1), ("per_100k", 0.5)):
        a, b = (r.effect("att", scale) for r in (one, two))
        # the hyperparameters' mode is looked for by steps, whose last digits differ
        assert b.estimate == pytest.approx(factor * a.estimate, rel=1e-4)
        assert b.conf_low == pytest.approx(factor * a.conf_low, rel=1e-3)


def test_the_same_rate_in_larger_areas_counts_for_more():
    """An effect of a half in a large area and none in a small one averages by size, not by area."""
    rng = np.random.default_rng(2)
    rate = np.array([200, 20, 100, 100, 100, 100.0])
    y = rng.poisson(rate[:, None] * np.ones(16)).astype(float)
    y[0, 8:] = rng.poisson(100, 8)
    result = HierarchicalDiD(pooling="none", prior="flat").fit(design_of(y, {0: 8, 1: 8}), seed=1)
    by_size = (0.5 * 200 + 20) / 220
    assert result.effect("att", "rate_ratio").estimate == pytest.approx(by_size, abs=0.06)


def test_rows_agree_over_scales_and_with_the_draws(result):
    table = result.estimates.drop(columns=["term"]).assign(term=result.estimates["term"].astype(str))
    keys = ["term", "area", "cohort", "period", "horizon"]
    signs = table.assign(
        side=np.sign(np.where(table["scale"] == "rate_ratio", np.log(table["estimate"].abs()), table["estimate"]))
    )
    for column in ("side", "prob_reduction"):
        several = signs.groupby(keys, dropna=False)[column].agg(np.ptp)
        assert (several == 0).all()
    assert table["p_value"].isna().all()
    assert ((table["conf_low"] < table["estimate"]) & (table["estimate"] < table["conf_high"])).all()
    ratio, events = result.effect("att", "rate_ratio"), result.effect("att", "events")
    assert ratio.estimate == pytest.approx(np.median(np.exp(result.draws)), rel=1e-12)
    assert events.conf_low == pytest.approx(np.quantile(result.event_draws, 0.025), rel=1e-12)
    exposure = result.design.arrays.exposure[result.design.arrays.treated].sum()
    per = result.effect("att", "per_100k")
    assert per.estimate == pytest.approx(events.estimate / exposure * 1e5, rel=1e-12)
    # effects of areas add up to the whole in every draw, and their means do
    parts = result.posterior.question.cells(result.posterior.posterior, result.design.arrays, 0.95)
    assert (parts.with_it - parts.without).sum(axis=1) == pytest.approx(result.event_draws)


def test_probabilities_are_shares_of_the_draws(result):
    assert result.probability() == result.effect("att", "rate_ratio").prob_reduction == np.mean(result.draws < 0)
    assert result.probability(reduction=0.25) == np.mean(np.exp(result.draws) <= 0.75)
    assert result.probability(events=40) == np.mean(result.event_draws <= -40)
    assert result.probability(reduction=0.1) >= result.probability(reduction=0.2)
    with pytest.raises(EstimationError, match="below 1"):
        result.probability(reduction=1)


def test_it_comes_back_from_json(result):
    back = Result.from_json(result.to_json(), design=result.design, estimator=result.estimator)
    pd.testing.assert_frame_equal(back.estimates, result.estimates)
    assert back.draws == pytest.approx(result.draws)
    assert back.event_draws == pytest.approx(result.event_draws)
    assert back.notes == result.notes
    assert back.diagnostics["hyperparameters"] == result.diagnostics["hyperparameters"]


def test_a_sceptic_is_moved_less_than_others(result):
    sceptic, keen = (HierarchicalDiD(prior=p).fit(made(), seed=3) for p in ("sceptical", "enthusiastic"))
    assert result.draws.mean() < sceptic.draws.mean() < 0
    assert keen.draws.mean() < sceptic.draws.mean()


def test_shocks_that_last_widen_the_interval_where_there_are_some():
    design = made(shock_sd=0.35, shock_persistence=0.85, mean=40)
    short, lasting = (HierarchicalDiD(lasting_shocks=k).fit(design, seed=1) for k in (0, 5))
    wide = [r.effect("att", "rate_ratio") for r in (short, lasting)]
    assert wide[1].conf_high / wide[1].conf_low > wide[0].conf_high / wide[0].conf_low
    assert lasting.diagnostics["hyperparameters"]["shock_sd"]["low"] > 0.05
    assert lasting.posterior.posterior.effects["shock"].shape[1] == 14 * 4


def test_effects_by_horizon_follow_one_that_builds_up():
    calm = {"mean": 150, "dispersion": 0.01, "level_sd": 0.2}
    design = simulate.panel(30, 24, effect=0.5, build_up=9, cohorts=((12, 12),), seed=2, **calm).design("violence")
    rows = HierarchicalDiD(by_horizon=True).fit(design, seed=1).estimates
    ratio = rows.query("term == 'event' and scale == 'rate_ratio'").set_index("horizon")["estimate"]
    true = 0.5 ** (np.minimum(np.arange(12) + 1, 10) / 10)
    assert np.abs(np.log(ratio) - np.log(true)).max() < 0.12
    flat = HierarchicalDiD().fit(design, seed=1).estimates
    level = flat.query("term == 'event' and scale == 'rate_ratio'")["estimate"]
    assert np.ptp(np.log(level)) < 0.02


def test_over_cohorts_an_effect_is_shared_by_those_that_start_together():
    result = HierarchicalDiD(over="cohorts").fit(made(), seed=1)
    assert result.posterior.posterior.effects["effect_own"].shape[1] == 2
    rows = result.estimates.query("term == 'area' and scale == 'rate_ratio'")["estimate"]
    assert rows.round(9).nunique() == 2


def test_bad_choices_are_told_all_at_once():
    with pytest.raises(EstimationError) as caught:
        HierarchicalDiD(pooling="partal", over="area", prior="neutrel", area_sd=0, level=1, draws=10, lasting_shocks=-1)
    assert {p.rule for p in caught.value.problems} == {
        "pooling",
        "over",
        "prior",
        "area_sd",
        "level",
        "draws",
        "lasting_shocks",
    }
    assert "'partial'" in str(caught.value)

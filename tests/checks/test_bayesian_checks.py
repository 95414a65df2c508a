"""Checks of Bayesian results: on panels whose faults are known, and against plain versions."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from svmodel import checks, simulate
from svmodel.bayes import HierarchicalDiD, RatioPrior
from svmodel.checks.convergence import convergence
from svmodel.checks.engine_agreement import engine_agreement
from svmodel.checks.leave_one_out import LeaveOneOut, leave_one_out, left_out_densities
from svmodel.checks.posterior_predictive import posterior_predictive
from svmodel.checks.prior_predictive import prior_predictive
from svmodel.checks.prior_sensitivity import _log_prior, power_scaling, prior_sensitivity
from svmodel.did.twfe import TwoWayFixedEffects
from svmodel.engine import run
from svmodel.engine.posterior import Convergence
from svmodel.errors import DataError
from svmodel.numerics.latent.priors import Beta, Exponential, GammaPrecision, HalfNormal

WORKFLOW = ("prior_predictive", "convergence", "engine_agreement", "posterior_predictive", "leave_one_out")


def made(seed=1, n=14, length=24, mean=10, treated=4, **process):
    return simulate.panel(n, length, mean=mean, cohorts=((length // 2, treated),), seed=seed, **process)


def fitted(seed=1, *, model=None, **process):
    estimator = HierarchicalDiD(draws=1000, **(model or {}))
    return estimator.fit(made(seed, **process).design("violence"), seed=seed)


@pytest.fixture(scope="module")
def result():
    return fitted(effect=0.7)


@pytest.fixture(scope="module")
def frequentist():
    return TwoWayFixedEffects().fit(made(effect=0.7).design("violence"))


# --- what they say of themselves --------------------


def test_they_are_not_applicable_where_nothing_is_bayesian(frequentist):
    for check in checks.run(frequentist, names=[*WORKFLOW, "prior_sensitivity"]):
        assert check.status == "not_applicable"
        assert "not Bayesian" in check.text


def test_every_check_of_a_posterior_speaks_in_words(result):
    before = result.to_json()
    # placebos in space take 99 refits, and have a test of their own
    for check in checks.run(result, names=[n for n in checks.CHECKS if n != "placebo_in_space"]):
        assert check.status != "errored", check.text
        assert "nan" not in check.text, check.text
    assert result.to_json() == before


def test_a_result_read_from_its_file_tells_its_convergence_and_no_more(result):
    again = type(result).from_json(result.to_json())
    assert convergence(again).text == convergence(result).text
    for check in checks.run(again, names=["prior_predictive", "posterior_predictive", "leave_one_out"]):
        assert check.status == "not_applicable"
        assert "fit it again" in check.text


def test_seeds_repeat_and_other_checks_do_not_matter(result):
    alone = checks.run(result, seed=4, names=["posterior_predictive"])[0]
    among = checks.run(result, seed=4, names=["prior_predictive", "posterior_predictive"])[1]
    assert alone.table.equals(among.table)
    assert not alone.table.equals(posterior_predictive(result, seed=5).table)


# --- prior predictive --------------------


def test_what_the_prior_says_of_the_effect_is_what_it_was_told():
    """One effect for all areas: the ratio of sums is the effect itself, whose prior is known."""
    belief = RatioPrior(0.8, 0.2)
    found = prior_predictive(fitted(model={"pooling": "complete", "prior": belief})).table.set_index("quantity")
    row = found.loc["rate_ratio"]
    # 400 draws: a 2.5% point of a normal has a Monte Carlo error of about 0.13 s.d., the median of 0.06
    assert np.log([row.prior_low, row.prior_high]) == pytest.approx(np.log(belief.limits), abs=0.1)
    assert np.log(row.prior_median) == pytest.approx(np.log(0.8), abs=0.05)


def test_a_flat_prior_expects_what_nobody_expects(result):
    assert prior_predictive(result).status == "passed"
    found = prior_predictive(fitted(model={"prior": "flat"}))
    assert found.status == "failed"
    assert "no belief anyone holds" in found.text


def test_data_outside_what_the_prior_expects_are_noticed(result):
    """The level is centred on the data, so that the fault has to be put in the model."""
    held = result.posterior
    shifted = replace(held.model, offset=held.model.offset + 6.0)
    wrong = replace(result, posterior=replace(held, question=replace(held.question, model=shifted)))
    found = prior_predictive(wrong)
    assert found.status == "failed"
    assert "outside what the priors expect" in found.text


# --- convergence --------------------


def told(result, **numbers):
    held = {**result.diagnostics["convergence"], **numbers}
    return replace(result, diagnostics={**result.diagnostics, "convergence": held})


def test_convergence_of_the_approximation(result):
    found = convergence(result)
    assert found.status == "passed"
    shown = found.table.set_index("quantity")["value"]
    assert shown["effective_points"] == result.posterior.posterior.convergence.effective_points
    assert convergence(told(result, effective_points=4.0)).status == "failed"
    assert convergence(told(result, largest_weight=0.5)).status == "informative"
    assert convergence(told(result, failures=100)).status == "informative"


def test_convergence_of_chains(result):
    nuts = told(result, effective_points=np.nan, r_hat=1.002, ess_bulk=1500.0, ess_tail=1300.0, energy=0.9)
    nuts = replace(nuts, diagnostics={**nuts.diagnostics, "engine": "nuts"})
    found = convergence(nuts)
    assert found.status == "passed"
    assert list(found.table["quantity"]) == ["r_hat", "ess_bulk", "ess_tail", "divergences", "energy"]
    for fault in ({"r_hat": 1.05}, {"ess_tail": 200.0}, {"divergences": 3}, {"energy": 0.1}):
        assert Convergence(**fault).problems, "the fault planted is one"
        assert convergence(told(nuts, **fault)).status == "failed"


# --- engine agreement --------------------


def test_the_slow_engine_runs_only_where_it_is_asked_for(result):
    found = engine_agreement(result)
    assert found.status == "not_applicable"
    assert "(option `audit`: true)" in found.text
    with pytest.raises(DataError):
        engine_agreement(result, audit="yes")


# --- posterior predictive --------------------


def test_it_passes_where_the_model_is_right_and_fails_poisson_on_scattered_counts():
    right = [posterior_predictive(fitted(s, dispersion=0.2)).status for s in range(24)]
    poisson = {"family": "poisson"}
    wrong = [posterior_predictive(fitted(s, model=poisson, dispersion=0.2)).status for s in range(12)]
    even = [posterior_predictive(fitted(s, model=poisson, dispersion=0.0)).status for s in range(12)]
    # three tests at 1% or 2%, conservative: one in 24 by chance is likely, three are not
    assert right.count("failed") <= 2
    assert wrong.count("failed") == 12
    assert even.count("failed") <= 1


def test_zeros_beyond_the_model_are_noticed():
    """A quarter of cells set to zero: a recording system that was switched off at times."""
    caught = 0
    for seed in range(4):
        design = made(seed, mean=12).design("violence")
        y = design.arrays.y
        off = np.random.default_rng(seed).random(y.shape) < 0.25
        frame = design.panel._frame.assign(violence=np.where(off, 0, y).astype(np.int64).ravel())
        spoilt = replace(design, panel=replace(design.panel, _frame=frame))
        found = posterior_predictive(HierarchicalDiD(draws=1000).fit(spoilt))
        zeros = found.table.set_index("statistic").loc["share_of_zeros"]
        assert zeros.observed == pytest.approx((np.where(off, 0, y) == 0).mean())
        caught += found.status == "failed" and "zeros" in found.text
    assert caught == 4


def test_shocks_that_last_are_noticed():
    lasting = {"shock_sd": 0.35, "shock_persistence": 0.9}
    found = [posterior_predictive(fitted(s, mean=30, dispersion=0.05, **lasting)) for s in range(5)]
    assert sum(f.status == "failed" and "carries over" in f.text for f in found) >= 4


def test_the_statistics_are_those_of_a_plain_version(result):
    """The observed dispersion and autocorrelation by loops over cells, at each draw's own mean."""
    held = result.posterior
    model, effects = held.model, held.posterior.effects
    some = {name: values[::2] for name, values in effects.items()}
    eta = model.predictor(some, model.known)
    dispersion, carried = [], []
    for row in eta:
        r = np.full(model.y.shape, np.nan)
        r[model.known] = (model.y[model.known] - np.exp(row)) / np.exp(row / 2)
        pairs = [r[i, t] * r[i, t - 1] for i in range(len(r)) for t in range(1, r.shape[1])]
        dispersion.append(np.nanmean(r**2))
        carried.append(np.nanmean(pairs) / np.nanmean(r**2))
    table = posterior_predictive(result).table.set_index("statistic")["observed"]
    assert table["dispersion"] == pytest.approx(np.median(dispersion))
    assert table["autocorrelation"] == pytest.approx(np.median(carried))


# --- leave one out --------------------


def test_leave_one_out_is_what_refits_without_each_count_give():
    result = fitted(3, n=5, length=6, treated=2, mean=6)
    held = result.posterior
    model = held.model
    posterior = run(model, "laplace", draws=4000, seed=1)
    found = left_out_densities(model, posterior)
    exact = []
    for i, t in zip(*np.nonzero(model.known), strict=True):
        y = model.y.copy()
        y[i, t] = np.nan
        without = run(model.with_outcome(y), "laplace", draws=4000, seed=2)
        cell = np.zeros(y.shape, dtype=bool)
        cell[i, t] = True
        alone = model.with_outcome(np.where(cell, model.y, np.nan))
        eta = alone.predictor(without.effects, cell)[:, 0]
        s = without.hyper["overdispersion"]
        density = [
            alone.likelihood.pointwise(np.array([e]), {"overdispersion": v})[0] for e, v in zip(eta, s, strict=True)
        ]
        exact.append(np.log(np.mean(np.exp(density))))
    gap = found.elpd - np.array(exact)
    # Monte Carlo error of a log mean of 4,000 densities is below 0.02 for most cells; one count far in the tail has a
    # refit whose own error is 0.15
    calm = found.k < 0.6
    assert calm.sum() >= 25
    assert np.abs(gap[calm]).max() < 0.15
    assert np.abs(gap).max() < 0.8
    assert gap[calm].sum() == pytest.approx(0, abs=0.4)


def test_leave_one_out_prefers_the_law_that_made_the_counts():
    scattered = leave_one_out(fitted(2, dispersion=0.3, model={"family": "poisson"}))
    assert scattered.status == "failed"
    assert "use it" in scattered.text
    right = leave_one_out(fitted(2, dispersion=0.3))
    assert right.status != "failed"
    table = right.table.set_index("model")
    assert table["difference"]["Poisson"] < -2 * table["std_error"]["Poisson"]


def test_a_model_beside_that_has_not_converged_foretells_nothing(monkeypatch, result):
    module = sys.modules[leave_one_out.__module__]
    plain = module.run

    def lost(model, *given, **choices):
        posterior = plain(model, *given, **choices)
        if model.family != "poisson":
            return posterior
        return replace(posterior, convergence=replace(posterior.convergence, effective_points=2.0))

    monkeypatch.setattr(module, "run", lost)
    found = leave_one_out(result)
    assert "Poisson: no fit" in found.text
    assert np.isnan(found.table.set_index("model")["elpd"]["Poisson"])


def test_weights_are_trusted_by_the_number_of_draws_that_were_weighted():
    k = np.array([0.4, 0.55, 0.65, 0.72, np.nan])
    untrusted = [LeaveOneOut(np.zeros(5), k, 1, draws).untrusted for draws in (100, 500, 4000)]
    # 1 - 1 / log10 S is 0.5 for 100 draws and 0.63 for 500; 0.7 is the most
    assert untrusted == [3, 2, 1]


def test_leave_one_out_sees_a_large_effect_and_no_small_one():
    gaps = [
        leave_one_out(fitted(5, effect=e, mean=20, dispersion=0.05)).table.set_index("model")["difference"]
        for e in (0.5, 1.0)
    ]
    large, none = (g["without the intervention"] for g in gaps)
    assert large < -20
    assert none > -4


# --- prior sensitivity --------------------


def test_a_belief_that_the_data_contradict_is_found():
    sure = {"prior": RatioPrior(1.3, 0.05), "pooling": "complete"}
    found = [prior_sensitivity(fitted(s, model=sure, effect=0.7, mean=30, dispersion=0.05)) for s in range(3)]
    assert [f.status for f in found] == ["failed"] * 3
    assert all("contradict each other" in f.text for f in found)


def test_a_wide_belief_beside_good_data_moves_nothing():
    found = prior_sensitivity(fitted(1, effect=0.7, mean=40, dispersion=0.02))
    assert found.status == "passed"
    rows = found.table.set_index("row")
    assert rows["sensitivity"]["belief"] < 0.05 < rows["sensitivity"]["likelihood"]


def test_data_that_say_little_leave_the_belief_to_decide():
    weak = {"prior": RatioPrior(0.85, 0.1), "pooling": "complete"}
    found = prior_sensitivity(fitted(1, n=4, length=8, treated=1, mean=1, model=weak))
    rows = found.table.set_index("row")["sensitivity"]
    assert rows["belief"] > 0.05 > rows["likelihood"]
    assert "belief largely decides" in found.text


def test_the_beliefs_shown_are_what_refits_give(result):
    table = prior_sensitivity(result).table.set_index("row")
    for name in ("sceptical", "flat"):
        effect = result.refit(estimator=replace(result.estimator, prior=name)).effect()
        assert table.loc[name, "estimate"] == effect.estimate
        assert table.loc[name, "prob_reduction"] == effect.prob_reduction
    distance = np.log(table["estimate"])
    assert abs(distance["sceptical"]) < abs(distance["neutral"]) < abs(distance["flat"])


def test_a_belief_given_by_its_numbers_is_shown_with_its_limits():
    found = prior_sensitivity(fitted(model={"prior": {"median": 0.9, "sd": 0.2}})).table.set_index("row")
    limits = found.loc["as fitted", ["prior_low", "prior_high"]].astype(float)
    assert tuple(limits) == pytest.approx(RatioPrior(0.9, 0.2).limits)


@pytest.mark.parametrize(
    ("prior", "written"),
    [
        (HalfNormal(0.4), lambda h: stats.halfnorm.logpdf(h, scale=0.4)),
        (Exponential(3.0), lambda h: stats.expon.logpdf(h, scale=1 / 3)),
        (GammaPrecision(2.0, 0.1), lambda h: stats.gamma.logpdf(h**-2.0, 2.0, scale=10.0)),
        (Beta(2.0, 3.0), lambda h: stats.beta.logpdf(h, 2.0, 3.0)),
        (Beta(2.0, 2.0, low=-1.0), lambda h: stats.beta.logpdf((h + 1) / 2, 2.0, 2.0)),
    ],
    ids=lambda v: repr(v) if not callable(v) else "",
)
def test_priors_are_scaled_as_they_are_written(prior, written):
    """Up to a constant: without the Jacobian of the scale that engines know."""
    h = np.linspace(0.05, 0.95, 7)
    gap = _log_prior(prior, h) - written(h)
    np.testing.assert_allclose(gap, gap[0], atol=1e-9)


def test_beliefs_without_an_answer_agree_with_nobody(monkeypatch, result):
    """A refit that is refused leaves a row without an estimate; silence is no agreement."""
    module = sys.modules[prior_sensitivity.__module__]
    plain = module._under
    lost = {"row": "sceptical", "problem": "refused"}
    monkeypatch.setattr(module, "_under", lambda held, name: lost if name == "sceptical" else plain(held, name))
    found = prior_sensitivity(result)
    assert "Under the belief sceptical there was no answer" in found.text
    assert "same conclusion" not in found.text
    assert found.status == "informative"


def test_power_scaling_agrees_with_fits_under_another_power():
    """A normal belief raised to a power is a normal belief with another s.d.: that can be refitted."""
    belief = RatioPrior(0.9, 0.15)
    arrays = made(4, mean=8).design("violence").arrays
    base = HierarchicalDiD(draws=4000, pooling="complete", prior=belief)
    question = base.ask(arrays)
    posterior = run(question.model, "laplace", draws=4000, seed=1)
    from svmodel.bayes.question import Fitted

    sensitivity = power_scaling(Fitted(question, posterior))["belief"][0]

    # moments of the refits, and from them the distance between two normal laws by integration
    def law(power):
        scaled = replace(base, prior=RatioPrior(0.9, 0.15 / np.sqrt(power)))
        draws = run(scaled.ask(arrays).model, "laplace", draws=4000, seed=1).effects["effect"][:, 0]
        return stats.norm(draws.mean(), draws.std())

    def distance(a, b, sign):
        x = sign * np.linspace(a.mean() - 3.5 * a.std(), a.mean() + 3.5 * a.std(), 20_001)
        P, Q = (d.cdf(x) if sign > 0 else d.sf(x) for d in (a, b))
        order = np.argsort(x)
        P, Q = (v[order] if sign > 0 else v[::-1][order[::-1]] for v in (P, Q))
        M = np.log2((P + Q) / 2)
        return np.sqrt(np.sum(P * (np.log2(P) - M) + Q * (np.log2(Q) - M)) / np.sum(P + Q))

    # a power of 2 and of 1/2, one doubling each way, where the refits' own error is small beside the move
    moved = np.mean([max(distance(law(1.0), law(a), s) for s in (1, -1)) for a in (0.5, 2.0)])
    assert sensitivity == pytest.approx(moved, rel=0.4)


# --- the checks that refit --------------------


def test_refits_are_by_the_quick_engine(monkeypatch, result):
    from svmodel.bayes import answer

    asked = []
    plain = answer.run

    def noted(model, engine="laplace", **choices):
        asked.append(engine)
        return plain(model, "laplace", **choices)

    monkeypatch.setattr(answer, "run", noted)
    published = replace(result, estimator=replace(result.estimator, engine="nuts"))
    checks.run(published, names=["placebo_in_time", "anticipation", "leave_one_area_out"])
    assert asked
    assert set(asked) == {"laplace"}


def test_placebos_in_space_of_a_posterior_are_drawn_where_there_are_many():
    found = checks.placebo_in_space(fitted(1, n=16, treated=3, effect=0.6), draws=19)
    assert found.status in ("passed", "failed", "informative")
    assert len(found.table) == 20


def test_negative_controls_take_tail_areas_for_p_values():
    from svmodel.checks.effects import evidence, tail_area

    result = fitted(1, effect=0.5, mean=30)
    effect = result.effect()
    assert np.isnan(effect.p_value)
    assert tail_area(effect) == pytest.approx(2 * min(effect.prob_reduction, 1 - effect.prob_reduction))
    assert evidence(effect) == "probability of a fall: more than 99%"
    assert tail_area(replace(effect, p_value=0.2)) == 0.2


# --- figures --------------------


def test_figures_of_checks_say_what_they_show(result):
    from svmodel.present.plots import check_figure
    from svmodel.protect import Disclosure

    seen, beliefs = checks.run(result, names=["posterior_predictive", "prior_sensitivity"])
    figure = check_figure(seen, label="Violence")
    outside = ((seen.table["observed"] < seen.table["low"]) | (seen.table["observed"] > seen.table["high"])).sum()
    assert f"in 4 respects: {outside} lie" in figure.alt
    assert set(figure.data["statistic"]) == set(seen.table["statistic"])
    change = beliefs.table.set_index("row")["estimate"]["sceptical"]
    shown = check_figure(beliefs, label="Violence")
    assert f"sceptical {100 * (change - 1):.1f}%".replace("-", "") in shown.alt.replace("-", "").replace("\u2212", "")
    hides = Disclosure("threshold")
    assert check_figure(seen, disclosure=hides) is None, "its statistics hold counts of single area-periods"
    assert check_figure(beliefs, disclosure=hides) is not None


def test_a_model_without_a_term_for_the_effect_has_no_belief_to_weigh(result):
    held = result.posterior
    without = replace(held, question=replace(held.question, treatment=""))
    assert power_scaling(without) == {}
    assert "no belief to weigh" in prior_sensitivity(replace(result, posterior=without)).text

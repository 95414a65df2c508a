"""Structural counterfactuals against exact algebra, maximum likelihood, known truth, and where they cannot answer."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import svmodel as sv
from svmodel.bayes import StructuralCounterfactual
from svmodel.bayes.rows import sum_rows
from svmodel.errors import EstimationError

START, T = 60, 84


def panel(rows, *, measure=False, first="2015-01"):
    index = pd.period_range(first, periods=len(rows[0]), freq="M").astype(str)
    areas = ["A", *(f"C{k}" for k in range(len(rows) - 1))]
    frame = pd.concat([pd.DataFrame({"area": a, "month": index, "n": y}) for a, y in zip(areas, rows, strict=True)])
    kind = {"measures" if measure else "counts": ["n"]}
    return sv.Panel.from_frame(frame, area="area", period="month", **kind), index


def design(rows, *, measure=False, treated=("A",), start=START):
    held, index = panel(rows, measure=measure)
    return sv.Design(held, outcome="n", intervention=sv.Intervention("patrols", dict.fromkeys(treated, index[start])))


def counts(rng, mean=60.0, effect=1.0, controls=8, sd=0.08):
    """Draw one treated row and controls that share a fall, a season and shocks."""
    time = np.arange(T)
    path = -0.003 * time + 0.1 * np.sin(2 * np.pi * time / 12) + 0.1 * rng.standard_normal(T)
    rows = [rng.poisson(mean * np.exp(path + sd * rng.standard_normal(T))) for _ in range(controls + 1)]
    rows[0] = rng.binomial(rows[0], np.where(time >= START, effect, 1.0))
    return rows


def test_gaussian_draws_are_those_of_exact_algebra():
    """With both standard deviations fixed the prediction is a normal distribution that can be written down."""
    rng = np.random.default_rng(1)
    x = 50 + np.cumsum(rng.normal(size=T))
    y = 20 + 0.8 * x + 2 * rng.normal(size=T)
    # a prior worth a million observations fixes a standard deviation
    step, noise = 0.05, 0.6
    estimator = StructuralCounterfactual(
        family="gaussian", level_sd=step, level_df=1e6, explained=1 - noise**2, explained_df=1e6, draws=20_000
    )
    held = design([y, x], measure=True)
    result = estimator.fit(held, seed=1)
    before = np.arange(START)
    standard = (y - y[before].mean()) / y[before].std(ddof=1)
    z = (x - x[before].mean()) / x[before].std(ddof=1)
    # covariance of intercept, walk about its mean, and regression
    walk = step**2 * np.minimum.outer(np.arange(T), np.arange(T))
    centre = np.eye(T) - 1 / T
    K = 1.0 + centre @ walk @ centre + noise**2 / 0.01 * np.outer(z, z)
    mean = np.full(T, standard[0])
    own = K[np.ix_(before, before)] + noise**2 * np.eye(START)
    later = np.arange(START, T)
    gain = K[np.ix_(later, before)] @ np.linalg.inv(own)
    expected = mean[later] + gain @ (standard[before] - mean[before])
    spread = K[np.ix_(later, later)] - gain @ K[np.ix_(before, later)] + noise**2 * np.eye(T - START)
    scale = y[before].std(ddof=1)
    total = y[before].mean() * len(later) + scale * expected.sum()
    sd = scale * np.sqrt(spread.sum())
    predicted = result.posterior.question.predicted(result.posterior.posterior, result.posterior.question.target)
    drawn = predicted.sum(axis=1)
    assert drawn.mean() == pytest.approx(total, abs=4 * sd / np.sqrt(20_000))
    assert drawn.std() == pytest.approx(sd, rel=4 / np.sqrt(2 * 20_000))
    each = y[before].mean() + scale * expected
    assert predicted.mean(axis=0) == pytest.approx(each, abs=5 * scale / np.sqrt(20_000))


def test_without_shrinkage_it_is_the_poisson_regression_of_the_periods_before():
    rng = np.random.default_rng(2)
    rows = counts(rng, mean=200.0)
    common = np.log(np.sum(rows[1:], axis=0) + 0.5)
    X = np.column_stack([np.ones(T), common - common[:START].mean()])
    fitted = sm.GLM(rows[0][:START], X[:START], family=sm.families.Poisson()).fit()
    ahead = np.exp(X[START:] @ fitted.params)
    gradient = ahead @ X[START:]
    error = np.sqrt(gradient @ fitted.cov_params() @ gradient)
    estimator = StructuralCounterfactual(
        family="poisson", controls="sum", shocks="none", level_sd=1e-5, level_df=1e8, common_sd=100.0, draws=10_000
    )
    result = estimator.fit(design(rows), seed=1)
    question, posterior = result.posterior.question, result.posterior.posterior
    expected = question.predicted(posterior, question.target, noise=False).sum(axis=1)
    assert np.median(expected) == pytest.approx(ahead.sum(), abs=0.06 * error)
    assert expected.std() == pytest.approx(error, rel=0.04)
    # counts that would have been observed carry the Poisson noise of their sum besides
    predicted = question.predicted(posterior, question.target).sum(axis=1)
    assert predicted.std() == pytest.approx(np.sqrt(error**2 + ahead.sum()), rel=0.04)


def test_strong_pooling_of_single_controls_is_their_sum():
    rows = counts(np.random.default_rng(3))
    choices = {"level_df": 1e6, "draws": 10_000}
    pooled = StructuralCounterfactual(control_sd=1e-4, **choices).fit(design(rows), seed=1).effect("att")
    total = StructuralCounterfactual(controls="sum", **choices).fit(design(rows), seed=1).effect("att")
    assert pooled.estimate == pytest.approx(total.estimate, abs=0.1 * total.std_error)
    assert pooled.std_error == pytest.approx(total.std_error, rel=0.1)


def test_known_truth_is_covered():
    held, z = 0, []
    for seed in range(24):
        rng = np.random.default_rng([4, seed])
        rows = counts(rng, effect=0.75)
        told = StructuralCounterfactual(controls="sum", draws=500).fit(design(rows), seed=seed).effect("att")
        held += told.conf_low < 0.75 < told.conf_high
        z.append(np.log(told.estimate / 0.75) / (told.std_error / told.estimate))
    # binomial: six or more misses of 24 at 95% happen once in 1,000
    assert held >= 19
    assert abs(np.mean(z)) < 3.3 / np.sqrt(24)


def test_the_answer_is_the_observed_against_the_predicted():
    rows = counts(np.random.default_rng(5), effect=0.8)
    result = StructuralCounterfactual().fit(design(rows), seed=1)
    question, posterior = result.posterior.question, result.posterior.posterior
    predicted = question.predicted(posterior, question.target).sum(axis=1)
    observed = rows[0][START:].sum()
    assert result.diagnostics["observed"] == observed
    assert result.event_draws == pytest.approx(observed - predicted)
    assert result.effect("att", "rate_ratio").estimate == pytest.approx(np.median(observed / predicted))
    assert result.probability() == result.effect("att").prob_reduction
    # whole counts, the same ones when asked again
    assert (predicted == np.round(predicted)).all()
    assert (predicted == question.predicted(posterior, question.target).sum(axis=1)).all()
    path = result.counterfactual.query("area == 'A'")
    inside = path["observed"].between(path["low"], path["high"])[: START - 1].mean()
    assert inside > 0.85


def test_the_model_is_blind_to_what_was_observed_after_the_start():
    rows = counts(np.random.default_rng(6))
    other = [rows[0].copy(), *rows[1:]]
    other[0][START:] = 999
    one, two = (StructuralCounterfactual().fit(design(r), seed=1) for r in (rows, other))
    assert one.diagnostics["expected"] == two.diagnostics["expected"]


def test_a_measure_is_answered_by_the_gaussian_family_alone():
    rng = np.random.default_rng(7)
    x = 50 + rng.normal(size=T)
    held = design([x + rng.normal(size=T), x], measure=True)
    with pytest.raises(EstimationError, match="family='gaussian'"):
        StructuralCounterfactual().fit(held)
    result = StructuralCounterfactual(family="gaussian").fit(held, seed=1)
    assert set(result.tidy()["scale"]) == {"difference"}
    assert result.event_draws is None
    assert StructuralCounterfactual(family="gaussian").scale == "difference"


def test_many_candidates_are_pooled_in_the_gaussian_family():
    rows = counts(np.random.default_rng(8), controls=12)
    result = StructuralCounterfactual(family="gaussian").fit(design(rows), seed=1)
    assert "control_sd" in result.diagnostics["hyperparameters"]
    few = StructuralCounterfactual(family="gaussian", controls="sum").fit(design(rows), seed=1)
    assert "control_sd" not in few.diagnostics["hyperparameters"]
    # standardised noise cannot be explained beyond what it is: in-sample fits by 12 columns would leave next to none
    assert result.diagnostics["hyperparameters"]["noise_sd"]["median"] > 0.3


def test_where_none_may_have_been_the_ratio_has_no_upper_limit():
    (ratio, *_) = sum_rows("att", np.full(100, 2.0), np.r_[np.zeros(10), np.ones(90)], 4.0, None)
    assert ratio["conf_high"] == np.inf
    assert np.isnan(ratio["std_error"])
    assert ratio["estimate"] == 2.0
    rows = counts(np.random.default_rng(9), mean=1.5, controls=6)
    result = StructuralCounterfactual(controls="sum").fit(design(rows, start=82), seed=1)
    assert np.isfinite(result.effect("att", "events").conf_high)
    assert any("no upper limit" in n for n in result.notes)


def test_series_by_start_and_areas_by_themselves():
    rng = np.random.default_rng(10)
    rows = counts(rng, controls=8)
    summed = StructuralCounterfactual(controls="sum").fit(design(rows, treated=("A", "C0")), seed=1)
    assert summed.diagnostics["treated_areas"] == 2
    assert set(summed.counterfactual["area"]) == {"all treated"}
    assert summed.diagnostics["observed"] == rows[0][START:].sum() + rows[1][START:].sum()
    each = StructuralCounterfactual(controls="sum", areas="each").fit(design(rows, treated=("A", "C0")), seed=1)
    assert sorted(each.tidy().query("term == 'area'")["area"].unique()) == ["A", "C0"]


def test_a_ratio_of_nothing_to_nothing_is_not_known():
    (ratio, events, _) = sum_rows("area", np.zeros(100), np.zeros(100), 4.0, None)
    assert np.isnan([ratio[k] for k in ("estimate", "conf_low", "conf_high", "prob_reduction")]).all()
    assert (events["estimate"], events["conf_low"], events["conf_high"]) == (0.0, 0.0, 0.0)
    # where some draws have an event, those that have none say that nothing changed
    (some, *_) = sum_rows("area", np.zeros(100), np.r_[np.zeros(90), np.ones(10)], 4.0, None)
    assert (some["estimate"], some["prob_reduction"]) == (1.0, 0.1)


@pytest.mark.parametrize("family", ["negative_binomial", "gaussian"])
def test_controls_in_which_nothing_ever_happened_are_none(family):
    rows = counts(np.random.default_rng(14), controls=3)
    empty = [rows[0], *(np.zeros(T, dtype=int) for _ in rows[1:])]
    result, alone = (
        StructuralCounterfactual(family=family, controls=kind).fit(design(empty), seed=1)
        for kind in ("untreated", "none")
    )
    assert any("its own past alone" in n for n in result.notes)
    assert not any("predict the treated series" in n for n in result.notes)
    pd.testing.assert_frame_equal(result.estimates, alone.estimates, check_exact=True)


def test_not_one_event_after_the_start_is_said():
    rows = counts(np.random.default_rng(15))
    rows[0][START:] = 0
    result = StructuralCounterfactual().fit(design(rows), seed=1)
    assert result.effect("att", "rate_ratio").estimate == 0
    assert np.isnan(result.effect("att", "rate_ratio").conf_high)
    assert result.effect("att", "events").conf_low < result.effect("att", "events").conf_high < 0
    assert any("Not one event was seen" in n for n in result.notes)


def test_an_area_that_is_known_too_late_is_in_no_sum_and_named():
    rows = [r.astype(float) for r in counts(np.random.default_rng(17), controls=8)]
    rows[1][: START - 6] = np.nan
    result = StructuralCounterfactual(controls="sum").fit(design(rows, treated=("A", "C0")), seed=1)
    assert result.diagnostics["observed"] == rows[0][START:].sum()
    said = [w.text for w in result.warnings if w.kind == "identification"]
    assert any("C0 is in no sum, because fewer than 12 months before the start are known" in t for t in said)


def test_a_control_with_a_gap_is_left_out_and_said():
    rows = [r.astype(float) for r in counts(np.random.default_rng(11))]
    rows[3][5] = np.nan
    result = StructuralCounterfactual().fit(design(rows), seed=1)
    assert any(n.startswith("1 untreated areas are left out") for n in result.notes)


def test_hopeless_series_are_refused_with_reasons():
    rng = np.random.default_rng(12)
    rows = counts(rng)
    with pytest.raises(EstimationError, match="4 known months before the start, and 12 are needed"):
        StructuralCounterfactual().fit(design(rows, start=4))
    zero = [np.where(np.arange(T) < START, 0, rows[0]), *rows[1:]]
    with pytest.raises(EstimationError, match="not one event before the start"):
        StructuralCounterfactual().fit(design(zero))
    with pytest.raises(EstimationError, match="in every month before the start"):
        StructuralCounterfactual(family="gaussian").fit(design(zero))
    assert np.isnan(StructuralCounterfactual().point(design(zero).arrays))


def test_without_controls_it_says_what_it_cannot_know():
    rows = counts(np.random.default_rng(13))
    alone = StructuralCounterfactual(controls="none").fit(design(rows), seed=1)
    assert any("its own past alone" in n for n in alone.notes)
    assert any("season='auto'" in n for n in alone.notes)
    assert StructuralCounterfactual(controls="none", season="auto").fit(design(rows), seed=1).has("att", "events")


def test_wrong_choices_are_said_at_once():
    with pytest.raises(EstimationError) as caught:
        StructuralCounterfactual(family="normal", level_sd=0.0, explained=1.0, draws=10)
    for part in ("family", "level_sd", "explained", "draws"):
        assert part in str(caught.value)

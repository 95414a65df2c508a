"""Assurance: against the closed form of normal laws, against fits by hand, and what it refuses."""

import numpy as np
import pytest
from scipy import stats as laws

import svmodel as sv
from svmodel.bayes import HierarchicalDiD, RatioPrior
from svmodel.comparison import StatedStudy
from svmodel.errors import DesignError
from svmodel.planning.assurance import assurance
from svmodel.planning.runs import Bar, conclude

LARGE = StatedStudy(
    mean=400, n_treated=4, n_controls=8, before=6, after=6, dispersion=0.0, common_sd=0.3, common_persistence=0.0
)


@pytest.fixture(scope="module")
def history():
    return sv.simulate.panel(16, 40, mean=15, dispersion=0.05, cohorts=((39, 4),), effect=1.0, seed=3).design(
        "violence"
    )


def sampling_variance(plan):
    """Return the variance of the log rate ratio of a Poisson model with area and period levels: inverse information."""
    rate = plan.source.rate
    n, T = len(rate), plan.before + plan.after
    treated = np.isin(np.arange(n), np.flatnonzero(plan.source.treated))
    mean = np.repeat(rate[:, None], T, axis=1)
    D = (treated[:, None] & (np.arange(T) >= plan.before)[None, :]).astype(float)
    X = np.column_stack(
        [np.kron(np.eye(n), np.ones((T, 1))), np.kron(np.ones((n, 1)), np.eye(T))[:, 1:], D.ravel()[:, None]]
    )
    return np.linalg.inv(X.T @ (X * mean.ravel()[:, None]))[-1, -1]


def closed_form(plan, design_prior, analysis_prior, bar):
    """O'Hagan, Stevens and Campbell (2005): a normal estimate, a normal design prior, a normal analysis prior."""
    V = sampling_variance(plan)
    precision = 1 / V + 1 / analysis_prior.sd**2
    z = laws.norm.ppf(bar.probability)
    # the posterior mean has to lie z posterior s.d. below the bar
    needed = np.log1p(-bar.reduction) - z * precision**-0.5
    estimate = V * (needed * precision - analysis_prior.mean_log / analysis_prior.sd**2)
    return laws.norm(design_prior.mean_log, np.sqrt(design_prior.sd**2 + V)).cdf(estimate)


@pytest.mark.parametrize(
    ("design_prior", "analysis_prior", "bar"),
    [
        (RatioPrior(0.97, 0.03), RatioPrior(1.0, 0.35), Bar("probability", 0.95, 0.0, 0.95)),
        (RatioPrior(0.94, 0.04), RatioPrior(1.0, 0.02), Bar("probability", 0.9, 0.03, 0.95)),
    ],
)
def test_where_counts_are_large_it_is_the_closed_form_of_normal_laws(design_prior, analysis_prior, bar):
    estimator = HierarchicalDiD(pooling="complete", family="poisson", prior=analysis_prior, period_sd=1.0)
    found = assurance(
        LARGE,
        design_prior,
        probability=bar.probability,
        reduction=bar.reduction,
        estimator=estimator,
        draws=300,
        seed=5,
    )
    expected = closed_form(LARGE, design_prior, analysis_prior, bar)
    assert 0.2 < expected < 0.8, "elsewhere the test would say little"
    # three Monte Carlo standard errors of 300 studies, which is 0.086 at a half
    assert found.probability == pytest.approx(expected, abs=3 * np.sqrt(expected * (1 - expected) / 300))


def test_every_true_effect_is_from_the_belief_and_every_answer_its_own():
    belief = RatioPrior(0.8, 0.2)
    plan = StatedStudy(mean=15, n_treated=3, n_controls=6, before=8, after=8)
    found = assurance(plan, belief, draws=60, effects=[1.0, 0.7], seed=1)
    log = np.log(found.draws["effect"])
    # the mean of 60 draws has a standard error of 0.026, their s.d. one of 0.018
    assert log.mean() == pytest.approx(belief.mean_log, abs=0.08)
    assert log.std() == pytest.approx(0.2, abs=0.06)
    assert found.probability == found.draws["conclusive"].mean()
    assert (found.draws["conclusive"] == (found.draws["prob_reduction"] >= 0.95)).all()
    groups = found.table.groupby("group")["studies"].sum()
    assert groups["fifth"] == groups["belief"] == 60
    effects = found.table[found.table["group"] == "effect"]
    assert list(effects["effect_low"]) == [0.7, 1.0]
    assert effects["conclusive"].iloc[0] > effects["conclusive"].iloc[1]
    assert any("Without any effect" in n for n in found.notes)
    assert f"{found.probability:.0%} chance of being conclusive" in found.text


def test_a_study_is_the_fit_of_the_estimator_itself():
    """The quick way round a Design gives the draws of `fit` on the same panel."""
    from svmodel.design import TREATED
    from svmodel.planning.history import impose
    from svmodel.planning.plan import Roles, as_design, status_of
    from svmodel.planning.runs import Planned, one_study
    from svmodel.seeds import derive_seed

    plan = StatedStudy(mean=15, n_treated=2, n_controls=5, before=6, after=6)
    estimator = HierarchicalDiD(draws=500)
    work = Planned(plan.source, estimator, RatioPrior(0.8, 0.1), (), Bar("probability", 0.95, 0.0, 0.95), 7)
    true, (found,) = one_study(work, 3)
    place, noise, effect = (
        np.random.default_rng(derive_seed(7, "assurance", n, 3)) for n in ("place", "noise", "effect")
    )
    drawn = work.source.draw(place, noise)
    treated = status_of(drawn.start, drawn.end, 12, 0) == TREATED
    (y,) = impose(effect, drawn.y, drawn.intensity, treated, (true,))
    from dataclasses import replace

    design = as_design(replace(drawn, y=y), Roles("events", True, None, (), (), "patrols", ()), 0)
    result = estimator.fit(design, seed=derive_seed(7, "assurance", "fit", 3) % 2**32)
    # areas stand in another order, so that the same posterior is drawn by other numbers: 500 draws have an error of
    # 0.045 posterior s.d. in the median
    spread = result.draws.std()
    assert found.estimate == pytest.approx(np.median(result.draws), abs=5 * 0.056 * spread)
    assert found.prob_reduction == pytest.approx(result.probability(), abs=0.06)


def test_from_the_users_own_panel(history):
    found = assurance(history, "enthusiastic", study=(12, 8), planned=True, draws=20, seed=2)
    assert 0 <= found.low <= found.probability <= found.high <= 1
    assert any("real periods" in n for n in found.notes)
    modelled = assurance(history, "enthusiastic", method="model", study=(12, 8), planned=True, draws=12, seed=2)
    assert any("from a model" in n for n in modelled.notes)


def test_more_areas_and_a_lower_bar_are_more_often_conclusive():
    belief = RatioPrior(0.85, 0.1)
    small = StatedStudy(mean=8, n_treated=2, n_controls=6, before=8, after=6)
    large = StatedStudy(mean=8, n_treated=8, n_controls=16, before=12, after=12)
    found = [assurance(p, belief, draws=40, seed=1).probability for p in (small, large)]
    assert found[0] < found[1]
    lower = assurance(small, belief, probability=0.8, draws=40, seed=1).probability
    assert lower > found[0]
    sure = assurance(large, belief, conclusive="interval", reduction=0.1, draws=40, seed=1).probability
    assert sure < found[1]


def test_seed_and_processes_do_not_move_a_digit():
    plan = StatedStudy(mean=10, n_treated=2, n_controls=4, before=6, after=6)
    one = assurance(plan, "neutral", draws=12, seed=4)
    two = assurance(plan, "neutral", draws=12, seed=4, jobs=2)
    assert one.draws.equals(two.draws)
    assert not one.draws.equals(assurance(plan, "neutral", draws=12, seed=5).draws)


def test_an_interval_may_be_conclusive_on_either_side():
    up = np.random.default_rng(1).normal(0.4, 0.1, 2000)
    either, beyond = Bar("interval", 0.95, 0.0, 0.95), Bar("interval", 0.95, 0.1, 0.95)
    assert conclude(up, either)
    assert conclude(-up, either)
    assert not conclude(up, beyond)
    assert conclude(-up, beyond)
    assert not conclude(np.r_[up, -up], either)


def test_everything_wrong_is_told_at_once(history):
    with pytest.raises(DesignError) as caught:
        assurance(
            history,
            "enthusiast",
            conclusive="certain",
            probability=1.2,
            reduction=-0.1,
            effects=[0.0],
            estimator=sv.did.TwoWayFixedEffects(),
            draws=3,
        )
    assert {p.where for p in caught.value.problems} == {
        "belief",
        "conclusive",
        "probability",
        "reduction",
        "effects",
        "estimator",
        "draws",
    }
    with pytest.raises(DesignError) as caught:
        assurance(StatedStudy(9, 2, 4, 6, 6), "flat", study=(6, 6))
    assert {p.rule for p in caught.value.problems} == {"flat", "stated"}
    with pytest.raises(DesignError) as caught:
        StatedStudy(mean=0, n_treated=0, n_controls=1, before=6, after=6, shock_persistence=1.0)
    assert len(caught.value.problems) == 4


def test_the_figure_carries_the_chance_and_the_effects():
    plan = StatedStudy(mean=10, n_treated=2, n_controls=4, before=6, after=6)
    found = assurance(plan, "enthusiastic", draws=20, effects=[0.7, 1.0], seed=1)
    figure = sv.plots.assurance_curve(found, label="Violence")
    assert f"{found.probability:.0%}" in figure.alt
    assert len(figure.data) == 7
    assert figure.svg() == sv.plots.assurance_curve(found, label="Violence").svg()

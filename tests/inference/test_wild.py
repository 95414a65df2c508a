import itertools
from dataclasses import dataclass, replace

import numpy as np
import pytest

from svmodel import Design, Panel, did
from svmodel.errors import EstimationError
from svmodel.inference import ScoreBootstrap, WildClusterBootstrap
from svmodel.numerics.cluster.coefficient import Coefficient
from svmodel.numerics.cluster.wild_bootstrap import all_signs, invert, share_at_least, wild_draws, wild_weights
from svmodel.numerics.two_way import TwoWay
from svmodel.numerics.two_way.linear_fe import fit_linear
from svmodel.simulate import panel


def design(seed=0, n=14, length=12, treated=5, effect=0.8, **more):
    made = panel(
        n, length, mean=20.0, dispersion=0.1, effect=effect, cohorts=[(length // 2, treated)], seed=seed, **more
    )
    return Design(made.panel, outcome="violence", exposure="population", intervention=made.intervention)


def linear(d):
    return did.TwoWayFixedEffects(family="linear").fit(d)


def poisson(d):
    return did.TwoWayFixedEffects(family="poisson").fit(d)


def test_the_p_value_is_that_of_refits_with_every_sign():
    d = design(1, n=8, length=6, treated=3)
    arrays = d.arrays
    on = arrays.treated.astype(float)
    terms = TwoWay(np.ones(on.shape, bool), None, np.where(on > 0, 0, -1))
    at = terms.shape[1]

    def squared_t(y):
        fit = fit_linear(y, terms)
        return fit.theta[at] ** 2 / (fit.influence[:, at] ** 2).sum()

    under = fit_linear(arrays.y, TwoWay(terms.use)).residual
    signs = itertools.product([-1.0, 1.0], repeat=8)
    drawn = np.array([squared_t(arrays.y - under + under * np.array(v)[:, None]) for v in signs])
    by_hand = np.mean(drawn >= squared_t(arrays.y) * (1 - 1e-9))
    found = WildClusterBootstrap(weights="rademacher").infer(linear(d))
    assert found.effect("att", "difference").p_value == pytest.approx(by_hand, abs=1e-12)
    assert "all 256 combinations" in found.diagnostics["inference"]


@pytest.mark.parametrize("restricted", [True, False])
def test_limits_are_where_the_test_turns(restricted):
    result = linear(design(2))
    method = WildClusterBootstrap(draws=999, restricted=restricted)
    effect = method.infer(result, seed=3).effect("att", "difference")
    units = result.effect("att", "events").estimate / result.effect("att", "difference").estimate
    events = method.infer(result, seed=3).effect("att", "events")
    assert (events.conf_low, events.conf_high) == pytest.approx((effect.conf_low * units, effect.conf_high * units))

    def p_of(null):
        moved = result.design.panel
        frame = moved.to_frame()
        arrays = result.design.arrays
        # a measure, because counts less a null are no counts
        frame["shifted"] = frame["violence"] - null * arrays.treated.ravel()
        p = Panel.from_frame(frame, area="area", period="period", measures=["shifted"], exposures=["population"])
        d = Design(p, outcome="shifted", intervention=result.design.intervention)
        return method.infer(linear(d), seed=3).effect("att", "difference").p_value

    for limit, out in ((effect.conf_low, -1), (effect.conf_high, 1)):
        step = 1e-3 * effect.std_error
        assert p_of(limit + out * step) <= 0.05
        assert p_of(limit - out * step) > 0.05


def poisson_by_hand(y, d, area, period, null, v):
    """Score test under a null in dense algebra: restricted fit by IRLS, one weighted step a draw."""
    Z = np.column_stack([(area[:, None] == np.unique(area)), (period[:, None] == np.unique(period)[1:])]).astype(float)
    gamma = np.linalg.lstsq(Z, np.log(y + 0.5), rcond=None)[0]
    for _ in range(60):
        mu = np.exp(Z @ gamma + null * d)
        gamma = gamma + np.linalg.solve(Z.T @ (mu[:, None] * Z), Z.T @ (y - mu))
    mu = np.exp(Z @ gamma + null * d)
    X = np.column_stack([d, Z]) * np.sqrt(mu)[:, None]
    u = (y - mu) / np.sqrt(mu)
    M = np.linalg.inv(X.T @ X)
    found = []
    for row in v:
        drawn = u * row[area]
        beta = M @ X.T @ drawn
        left = drawn - X @ beta
        scores = np.array([M[0] @ X[area == g].T @ left[area == g] for g in np.unique(area)])
        found.append(beta[0] ** 2 / (scores**2).sum())
    return np.array(found)


@pytest.mark.parametrize("null", [0.0, -0.3])
def test_poisson_scores_under_a_null_are_those_of_dense_algebra(null):
    arrays = design(3, n=7, length=6, treated=3).arrays
    on = arrays.treated
    terms = TwoWay(np.ones(on.shape, bool), None, np.where(on, 0, -1))
    held = Coefficient("poisson", arrays.y, terms, np.ones(1))
    v = wild_weights("webb", 7, 40, np.random.default_rng(0))[0]
    ours = wild_draws(held.under(null), held.contrast, np.vstack([all_signs(7), v])).squared_t(0.0)
    i, t = np.nonzero(terms.use)
    plain = poisson_by_hand(arrays.y.ravel(), on.ravel().astype(float), i, t, null, np.vstack([all_signs(7), v]))
    # the Poisson fit stops with indices known to about 1e-12
    np.testing.assert_allclose(ours, plain, rtol=1e-6)


def test_the_score_interval_holds_what_its_test_keeps():
    result = poisson(design(4, n=20, treated=8))
    found = ScoreBootstrap(draws=499).infer(result, seed=1).effect("att", "rate_ratio")
    events = ScoreBootstrap(draws=499).infer(result, seed=1).effect("att", "events")
    assert found.conf_low < found.estimate < found.conf_high
    assert found.p_value > 0.05 or found.conf_high < 1 or found.conf_low > 1
    assert np.sign(events.conf_high) == np.sign(found.conf_high - 1)
    # many areas, so near the interval of the t; the two differ by what they do with few areas
    theirs = result.effect("att", "rate_ratio")
    ratio = np.log(found.conf_high / found.conf_low) / np.log(theirs.conf_high / theirs.conf_low)
    assert 0.7 < ratio < 1.5


@dataclass(frozen=True)
class Changes:
    """Treated areas' mean change less the others': an estimator that gives its areas' influence."""

    level: float = 0.95

    @property
    def scale(self):
        return "difference"

    def influence(self, arrays):
        treated = arrays.treated.any(axis=1)
        half = arrays.y.shape[1] // 2
        change = arrays.y[:, half:].mean(axis=1) - arrays.y[:, :half].mean(axis=1)
        centred = change - np.where(treated, change[treated].mean(), change[~treated].mean())
        psi = np.where(treated, centred / treated.sum(), -centred / (~treated).sum())
        return float(change[treated].mean() - change[~treated].mean()), psi

    def fit(self, d, *, seed=0):
        return replace(linear(d), estimator=self)


def test_scores_by_influence_agree_with_welch_and_with_the_regression():
    d = design(5, n=40, treated=15)
    result = Changes().fit(d)
    estimate, psi = Changes().influence(d.arrays)
    assert estimate == pytest.approx(result.effect("att", "difference").estimate)
    found = ScoreBootstrap(draws=4999).infer(result, seed=2).effect("att", "difference")
    assert found.std_error == pytest.approx(np.sqrt((psi**2).sum()), rel=1e-9)
    wild = WildClusterBootstrap(draws=4999, restricted=False).infer(linear(d), seed=2).effect("att", "difference")
    # the same two-sample problem: only the draws differ
    assert found.conf_high - found.conf_low == pytest.approx(wild.conf_high - wild.conf_low, rel=0.08)


@pytest.mark.parametrize(
    ("method", "fit", "scale"),
    [
        (WildClusterBootstrap(draws=199), linear, "difference"),
        (ScoreBootstrap(draws=199), poisson, "rate_ratio"),
    ],
)
def test_neither_the_order_nor_the_names_of_areas_matter(method, fit, scale):
    d = design(6, n=20)
    frame = d.panel.to_frame()
    areas = sorted(frame["area"].unique())
    other = dict(zip(areas, [f"z{k:03d}" for k in np.random.default_rng(1).permutation(len(areas))], strict=True))
    renamed = Panel.from_frame(
        frame.assign(area=frame["area"].map(other)),
        area="area",
        period="period",
        counts=["violence"],
        exposures=["population"],
    )
    starts = {other[a]: p for a, p in d.intervention.starts.items()}
    moved = replace(d, panel=renamed, intervention=replace(d.intervention, starts=starts))
    one, two = method.infer(fit(d), seed=4), method.infer(fit(moved), seed=4)
    a, b = one.effect("att", scale), two.effect("att", scale)
    assert a.p_value == b.p_value
    assert (a.conf_low, a.conf_high) == pytest.approx((b.conf_low, b.conf_high), rel=1e-9)
    again = method.infer(fit(d), seed=4)
    assert again.to_json() == one.to_json()
    assert method.infer(fit(d), seed=5).effect("att", scale).conf_low != a.conf_low


def test_a_single_treated_area_and_wrong_models_are_refused():
    lone = design(7, treated=1)
    with pytest.raises(EstimationError, match="single treated area"):
        WildClusterBootstrap().infer(linear(lone))
    with pytest.raises(EstimationError, match="single treated area"):
        ScoreBootstrap().infer(poisson(lone))
    with pytest.raises(EstimationError, match="ScoreBootstrap"):
        WildClusterBootstrap().infer(poisson(design(7)))
    with pytest.raises(EstimationError, match="WildClusterBootstrap"):
        ScoreBootstrap().infer(linear(design(7)))
    with pytest.raises(EstimationError, match="ClusterBootstrap"):
        WildClusterBootstrap().infer(did.CallawaySantAnna().fit(design(7)))
    with pytest.raises(EstimationError, match="webb") as caught:
        WildClusterBootstrap(draws=3, weights="wepp", level=2)
    assert len(caught.value.problems) == 3


def test_without_noise_there_is_nothing_to_perturb():
    d = design(9)
    frame = d.panel.to_frame().assign(x=lambda f: 5.0 - 2.0 * d.arrays.treated.ravel())
    p = Panel.from_frame(frame, area="area", period="period", measures=["x"])
    still = Design(p, outcome="x", intervention=d.intervention)
    with pytest.raises(EstimationError, match="no noise to perturb"):
        WildClusterBootstrap(draws=99).infer(linear(still))


def test_few_treated_areas_are_said():
    few = WildClusterBootstrap(draws=99).infer(linear(design(8, n=20, treated=3)))
    assert "3 treated areas" in few.notes[-1]
    assert "too seldom" in few.notes[-1]
    many = WildClusterBootstrap(draws=99).infer(linear(design(8, n=30, treated=12)))
    assert "MacKinnon and Webb" not in many.notes[-1]


def rejections(treated, *, restricted, family="linear", panels=400, n=24, length=6):
    """Share of panels without an effect in which a nominal 5% test rejects; areas' shocks last."""
    rng = np.random.default_rng([treated, restricted])
    on = (np.arange(n) < treated)[:, None] & (np.arange(length) >= length // 2)[None, :]
    terms = TwoWay(np.ones((n, length), bool), None, np.where(on, 0, -1))
    count = 0
    for _ in range(panels):
        shock = np.cumsum(rng.normal(size=(n, length)), axis=1)
        y = shock if family == "linear" else rng.poisson(20 * np.exp(0.2 * shock)).astype(float)
        held = Coefficient(family, y, terms, np.ones(1))
        v = np.vstack([all_signs(n), wild_weights("rademacher", n, 199, rng)[0]])
        fit = held.regression if family == "linear" else held.under(0.0)
        distance = held.estimate if family == "linear" else 0.0
        draws = wild_draws(fit, held.contrast, v)
        squared = draws.squared_t(distance)
        drawn = squared if restricted else draws.squared_t(0.0)
        count += share_at_least(drawn[1:], squared[0], enumerated=False) <= 0.05
    return count / panels


def test_level_with_enough_treated_areas():
    # a true 5% gives 400 panels a standard error of 1.1 points
    assert 0.02 < rejections(10, restricted=True) < 0.085
    assert 0.02 < rejections(10, restricted=True, family="poisson") < 0.09


def test_few_treated_areas_mislead_as_mackinnon_and_webb_say():
    """With one or two treated areas the null imposed rejects next to never, and without it far too often."""
    assert rejections(2, restricted=True, panels=200) < 0.03
    assert rejections(2, restricted=False, panels=200) > 0.12


def test_a_null_whose_p_value_is_the_level_is_rejected_whatever_rounding_says():
    # 1 - 0.8 is a little below the 0.2 that the p-value is on this stretch
    assert invert(lambda null: 1.0 if abs(null) < 1 else 0.2, 0.0, 1.0, 1 - 0.8) == pytest.approx((-1, 1), abs=1e-5)

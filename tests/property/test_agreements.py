"""Estimators that are the same by algebra give the same numbers, on any panel of the kind for which they are."""

import numpy as np
import pandas as pd
import pytest

from svmodel import Design, Intervention, Panel, did

TERMS = ("att", "event", "cohort", "calendar", "cell", "event_average", "cohort_average", "calendar_average")
SEEDS = (0, 1, 2)

AT_ONCE = dict.fromkeys(range(9), 5)
IN_TURN = {**dict.fromkeys(range(9), 4), **dict.fromkeys(range(9, 18), 6), **dict.fromkeys(range(18, 20), 8), 20: 12}


def make(y, starts, *, exposure=None, covariates=None, frequency="M", ends=None, anticipation=0):
    """Return a design on an areas x periods array of counts; a start beyond the last period is a plan."""
    N, T = y.shape
    names = [f"a{i:03d}" for i in range(N)]
    when = pd.period_range("2015", periods=T, freq=frequency)
    frame = pd.DataFrame({"area": np.repeat(names, T), "period": np.tile(when.astype(str), N), "n": y.ravel()})
    extra = {} if exposure is None else {"exposures": ["people"]}
    if exposure is not None:
        frame["people"] = exposure.ravel()
    x = [] if covariates is None else [f"x{k}" for k in range(covariates.shape[2])]
    for k, name in enumerate(x):
        frame[name] = covariates[:, :, k].ravel()
    panel = Panel.from_frame(frame, area="area", period="period", counts=["n"], covariates=x, **extra)
    started, ended = ({names[i]: str(when[0] + s) for i, s in given.items()} for given in (starts, ends or {}))
    return Design(
        panel,
        outcome="n",
        exposure=None if exposure is None else "people",
        covariates=tuple(x),
        anticipation=anticipation,
        intervention=Intervention("patrols", started, ended),
    )


def counts(seed, N=30, T=10):
    rng = np.random.default_rng(seed)
    level, period = rng.normal(0, 0.4, (N, 1)), rng.normal(0, 0.2, (1, T))
    return rng.poisson(6 * np.exp(level + period), (N, T)).astype(float)


def people(seed, N=30, T=10):
    """Return exposures that move over time, in each area in its own way."""
    rng = np.random.default_rng(100 + seed)
    return np.round(1000 * np.exp(rng.normal(0, 0.3, (N, 1)) + rng.normal(0, 0.05, (N, T))))


def att(estimator, design, scale=None):
    wanted = scale or ("difference" if estimator.scale == "difference" else "rate_ratio")
    return estimator.fit(design).effect("att", wanted)


def same(one, other, terms, columns=("estimate",), *, after=False):
    """Assert that two results have the same rows of `terms`, and the same numbers in them."""
    keys = ["term", "scale", "cohort", "period", "horizon"]
    frames = []
    for result in (one, other):
        frame = result.estimates
        frame = frame[frame["term"].isin(terms) & ~(after & (frame["horizon"] < 0))]
        frame = frame.assign(cohort=frame["cohort"].astype(str), period=frame["period"].astype(str))
        frames.append(frame.set_index(keys)[list(columns)].sort_index())
    assert len(frames[0])
    pd.testing.assert_frame_equal(*frames, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_linear_imputation_is_linear_etwfe(seed):
    y = counts(seed)
    y[np.random.default_rng(seed).random(y.shape) < 0.1] = np.nan
    design = make(y, IN_TURN, exposure=people(seed), anticipation=seed % 2, ends={0: 6, 10: 8})
    one, other = (e(family="linear").fit(design) for e in (did.Imputation, did.ExtendedTwoWayFixedEffects))
    same(one, other, [t for t in TERMS if not t.endswith("average")], after=True)
    # averages of averages are the sum of nothing, and have no other scale that both give
    for term in (t for t in TERMS if t.endswith("average")):
        assert one.effect(term, "difference").estimate == pytest.approx(other.effect(term, "difference").estimate)


@pytest.mark.parametrize("seed", SEEDS)
def test_poisson_imputation_is_poisson_etwfe(seed):
    design = make(counts(seed), IN_TURN, exposure=people(seed))
    same(
        did.Imputation().fit(design),
        did.ExtendedTwoWayFixedEffects().fit(design),
        (*TERMS, "area"),
        ("estimate", "std_error", "conf_low", "conf_high", "p_value"),
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_with_one_cohort_linear_imputation_is_two_way_fixed_effects(seed):
    design = make(counts(seed), AT_ONCE, exposure=people(seed))
    plain = att(did.TwoWayFixedEffects(family="linear"), design)
    assert att(did.Imputation(family="linear"), design).estimate == pytest.approx(plain.estimate, abs=1e-9)
    for scale in ("events", "per_100k"):
        assert att(did.Imputation(family="linear"), design, scale).estimate == pytest.approx(
            att(did.TwoWayFixedEffects(family="linear"), design, scale).estimate, rel=1e-9
        )


@pytest.mark.parametrize("seed", SEEDS)
def test_with_one_cohort_and_exposures_that_stand_still_poisson_imputation_is_two_way_fixed_effects(seed):
    still = np.repeat(people(seed)[:, :1], 10, axis=1)
    for exposure in (None, still):
        design = make(counts(seed), AT_ONCE, exposure=exposure)
        one, other = (att(e(), design).estimate for e in (did.TwoWayFixedEffects, did.ExtendedTwoWayFixedEffects))
        assert one == pytest.approx(other, rel=1e-8)


@pytest.mark.parametrize("effects", ["area", "cohort"])
@pytest.mark.parametrize("family", ["linear", "poisson"])
def test_area_and_cohort_effects_agree_on_complete_panels(family, effects):
    design = make(counts(3), IN_TURN)
    estimator = did.ExtendedTwoWayFixedEffects(family=family, effects=effects)
    assert att(estimator, design).estimate == pytest.approx(
        att(did.Imputation(family=family), design).estimate, rel=1e-7
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("family", ["linear", "poisson"])
@pytest.mark.parametrize("weights", ["corrective", "none"])
def test_one_stack_over_the_whole_panel_is_two_way_fixed_effects(family, weights, seed):
    design = make(counts(seed), AT_ONCE, exposure=people(seed))
    stacked = did.StackedDiD(family=family, pre=5, post=4, weights=weights).fit(design)
    plain = did.TwoWayFixedEffects(family=family, leads=5, lags=4).fit(design)
    for scale in ("events", "difference", "per_100k"):
        one, other = (r.effect("att", scale) for r in (stacked, plain))
        for name in ("estimate", "std_error", "conf_low", "conf_high", "p_value"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-7)
    for h in (-5, -3, 0, 4):
        assert stacked.effect("event", "difference", horizon=h).estimate == pytest.approx(
            plain.effect("event", "difference", horizon=h).estimate, rel=1e-7
        )


@pytest.mark.parametrize("anticipation", [0, 1, 2])
@pytest.mark.parametrize("seed", SEEDS)
def test_sun_abraham_is_callaway_santanna_on_complete_panels(seed, anticipation):
    design = make(counts(seed), IN_TURN, exposure=people(seed), anticipation=anticipation)
    sun, callaway = did.SunAbraham().fit(design), did.CallawaySantAnna().fit(design)
    same(sun, callaway, TERMS, after=True)
    # before the start with one base for all, as in the regression
    universal = did.CallawaySantAnna(base_period="universal").fit(design)
    for h in range(-6, -1 - anticipation):
        assert sun.effect("event", "difference", horizon=h).estimate == pytest.approx(
            universal.effect("event", "difference", horizon=h).estimate, abs=1e-9
        )


@pytest.mark.parametrize("control", ["never_treated", "not_yet_treated"])
@pytest.mark.parametrize("base_period", ["varying", "universal"])
def test_cross_sections_are_the_panel_where_every_area_is_seen(control, base_period):
    design = make(counts(4), IN_TURN, exposure=people(4), anticipation=1)
    panel, cross = (
        did.CallawaySantAnna(control=control, base_period=base_period, sampling=s).fit(design)
        for s in ("panel", "cross_sections")
    )
    same(panel, cross, TERMS, ("estimate", "std_error", "p_value"))


@pytest.mark.parametrize("method", ["dr", "reg", "ipw"])
def test_without_covariates_the_methods_of_adjustment_are_one(method):
    design = make(counts(5), IN_TURN, exposure=people(5))
    same(
        did.CallawaySantAnna(method=method).fit(design),
        did.CallawaySantAnna().fit(design),
        TERMS,
        ("estimate", "std_error"),
    )


def test_stacks_with_one_period_before_are_callaway_santanna_weighted_by_treated_areas():
    y = counts(6)
    starts = {i: s for i, s in IN_TURN.items() if s < 12}
    stacked = did.StackedDiD(family="linear", pre=1, post=1).fit(make(y, starts))
    parts = []
    for g in (4, 6, 8):
        # a stack by itself: its cohort and the areas untreated from g - 1 to g + 1
        inside = [i for i in range(30) if starts.get(i) == g or starts.get(i, 99) > g + 1]
        alone = make(y[inside], {k: g for k, i in enumerate(inside) if starts.get(i) == g})
        parts.append(did.CallawaySantAnna().fit(alone).estimates)
    size = np.array([9, 9, 2])
    for h in (0, 1):
        each = [p[(p["term"] == "event") & (p["scale"] == "difference") & (p["horizon"] == h)] for p in parts]
        mean = size @ [float(e["estimate"].iloc[0]) for e in each] / size.sum()
        assert stacked.effect("event", "difference", horizon=h).estimate == pytest.approx(mean, abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_bacon_decomposition_adds_up_to_two_way_fixed_effects(seed):
    design = make(counts(seed), {i: s for i, s in IN_TURN.items() if s < 12})
    table = did.bacon_decomposition(design)
    assert table["weight"].sum() == pytest.approx(1.0, abs=1e-12)
    total = float(table["weight"] @ table["estimate"])
    assert total == pytest.approx(att(did.TwoWayFixedEffects(family="linear"), design).estimate, abs=1e-9)


def test_a_linear_triple_difference_is_the_effect_on_the_difference_of_outcomes():
    y, other = counts(7), counts(8)
    design = make(y, IN_TURN)
    frame = design.panel.to_frame().assign(other=other.ravel(), apart=(y - other).ravel())
    panel = Panel.from_frame(frame, area="area", period="period", counts=["n", "other"], measures=["apart"])
    both = Design(panel, outcome="n", intervention=design.intervention)
    apart = Design(panel, outcome="apart", intervention=design.intervention)
    triple = did.TripleDifference("other", family="linear").fit(both).effect("att", "difference")
    plain = did.ExtendedTwoWayFixedEffects(family="linear").fit(apart).effect("att", "difference")
    for name in ("estimate", "std_error", "conf_low", "conf_high", "p_value"):
        assert getattr(triple, name) == pytest.approx(getattr(plain, name), rel=1e-9)
    ratios = did.TripleDifference("other").fit(both).effect("att", "rate_ratio").estimate
    one, two = (
        did.Imputation().fit(Design(panel, outcome=o, intervention=design.intervention)).effect("att").estimate
        for o in ("n", "other")
    )
    assert ratios == pytest.approx(one / two, rel=1e-9)


def columns_of(still, moving, N, T):
    """Return dummies of areas and periods, a still covariate by period and a moving one, all cells in rows."""
    i, t = (v.ravel() for v in np.mgrid[:N, :T])
    return np.hstack([np.eye(N)[i], np.eye(T)[t], np.eye(T)[t] * still[i], moving.reshape(-1, 1)])


@pytest.mark.parametrize(("frequency", "seed"), [("M", 1), ("Q", 2), ("Y", 3)])
def test_gaps_ends_anticipation_and_covariates_are_those_of_regressions_written_out(frequency, seed):
    N, T = 26, 11
    rng = np.random.default_rng(100 + seed)
    y = counts(seed, N, T)
    y[rng.random(y.shape) < 0.06] = np.nan
    still, moving = rng.normal(size=(N, 1)), rng.normal(size=(N, T))
    starts = {**dict.fromkeys(range(4), 4), **dict.fromkeys(range(4, 9), 6), 12: 9, 13: 15}
    both = np.stack([np.repeat(still, T, axis=1), moving], axis=-1)
    design = make(y, starts, covariates=both, frequency=frequency, ends={1: 5, 5: 8}, anticipation=1)
    arrays = design.arrays
    X, y = columns_of(still, moving, N, T), arrays.y.ravel()
    use, treated = arrays.untreated.ravel(), arrays.treated.ravel()
    assert arrays.treated.sum() == did.Imputation(family="linear").fit(design).diagnostics["treated_cells_used"]
    coefficient = np.linalg.pinv(X[use]) @ y[use]
    imputed = float((y[treated] - X[treated] @ coefficient).mean())
    for estimator in (did.Imputation(family="linear"), did.ExtendedTwoWayFixedEffects(family="linear")):
        assert att(estimator, design).estimate == pytest.approx(imputed, abs=1e-8)
    known = use | treated
    with_effect = np.column_stack([X, treated])[known]
    static = float((np.linalg.pinv(with_effect) @ y[known])[-1])
    assert att(did.TwoWayFixedEffects(family="linear"), design).estimate == pytest.approx(static, abs=1e-8)


ALL = [
    did.TwoWayFixedEffects(),
    did.TwoWayFixedEffects(family="linear"),
    did.Imputation(),
    did.Imputation(family="linear"),
    did.ExtendedTwoWayFixedEffects(family="linear"),
    did.ExtendedTwoWayFixedEffects(effects="cohort"),
    did.CallawaySantAnna(simultaneous=False),
    did.CallawaySantAnna(control="not_yet_treated", simultaneous=False),
    did.CallawaySantAnna(sampling="cross_sections", simultaneous=False),
    did.SunAbraham(),
    did.StackedDiD(pre=2, post=1),
    did.StackedDiD(family="linear", pre=2, post=1, weights="none"),
]


@pytest.mark.parametrize("estimator", ALL, ids=lambda e: f"{type(e).__name__}-{getattr(e, 'family', '')}")
@pytest.mark.parametrize("seed", [0, 1])
def test_scales_sums_and_intervals_of_one_result_agree(estimator, seed):
    rng = np.random.default_rng(seed)
    y = counts(seed)
    y[rng.random(y.shape) < 0.1] = np.nan
    design = make(y, IN_TURN, exposure=people(seed), anticipation=1, ends={0: 6, 10: 8})
    result = estimator.fit(design)
    held = result.diagnostics
    average = {s: result.effect("att", s).estimate for s in ("difference", "events")}
    point = estimator.point(design.arrays)
    on_scale = average["difference"] if estimator.scale == "difference" else np.log(result.effect("att").estimate)
    assert point == pytest.approx(on_scale, abs=1e-9)
    assert held["observed"] - held["expected"] == pytest.approx(average["events"], rel=1e-8)
    assert average["difference"] * held["treated_cells_used"] == pytest.approx(average["events"], rel=1e-8)
    if result.weights is not None and not isinstance(estimator, did.StackedDiD):
        assert result.weights["weight"].sum() == pytest.approx(1.0, abs=1e-12)
    table = result.estimates.dropna(subset=["conf_low", "p_value"])
    assert ((table["conf_low"] <= table["estimate"]) & (table["estimate"] <= table["conf_high"])).all()
    none = np.where(table["scale"] == "rate_ratio", 1.0, 0.0)
    outside = (table["conf_low"] > none) | (table["conf_high"] < none)
    assert (outside == (table["p_value"] < 0.05)).all()

"""Synthetic control against plain optimisers, plain enumeration, and data whose truth is known."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

import svmodel as sv
from svmodel.counterfactual import SyntheticControl
from svmodel.counterfactual.synthetic_control import Predictor
from svmodel.errors import DesignError, EstimationError


def design_of(values, treated, *, exposure=None, counts=False, covariates=None, ends=None, anticipation=0, first=1991):
    """A design from an areas x years array; `treated` maps rows to start columns."""
    N, T = values.shape
    held = {
        "area": np.repeat([f"A{i:02d}" for i in range(N)], T),
        "year": np.tile(np.arange(first, first + T), N),
        "y": values.ravel(),
    }
    if exposure is not None:
        held["people"] = exposure.ravel()
    for name, column in (covariates or {}).items():
        held[name] = column.ravel()
    panel = sv.Panel.from_frame(
        pd.DataFrame(held),
        area="area",
        period="year",
        counts=["y"] if counts else [],
        measures=[] if counts else ["y"],
        exposures=["people"] if exposure is not None else [],
        covariates=list(covariates or {}),
    )
    starts = {f"A{i:02d}": first + t for i, t in treated.items()}
    ends = None if ends is None else {f"A{i:02d}": first + t for i, t in ends.items()}
    return sv.Design(
        panel,
        outcome="y",
        exposure="people" if exposure is not None else None,
        intervention=sv.Intervention("a programme", starts, ends),
        anticipation=anticipation,
    )


def factors(seed, N=22, T=30, start=20, effect=0.0, noise=1.0):
    """Two drifting factors; the treated area 0 leans on the first one more than donors on average."""
    rng = np.random.default_rng(seed)
    path = np.cumsum(rng.normal(0, 1, (2, T)) + np.array([[1.0], [0.0]]), axis=1)
    lean = rng.uniform(0, 1, N)
    lean[0] = 0.85
    y = 60 + lean[:, None] * path[0] + (1 - lean[:, None]) * path[1] + rng.normal(0, noise, (N, T))
    y[0, start:] += effect
    return y


def rates(seed, N=24, T=36, start=24, treated=(0,), effect=1.0):
    """Counts of areas of very different size."""
    rng = np.random.default_rng(seed)
    people = np.round(rng.uniform(5_000, 80_000, (N, 1)) * np.ones((1, T)))
    level = np.exp(rng.normal(0, 0.3, (N, 1)) + 0.02 * rng.normal(size=(N, 1)) * np.arange(T))
    on = np.zeros((N, T))
    on[list(treated), start:] = 1
    return rng.poisson(0.004 * people * level * np.where(on, effect, 1.0)).astype(float), people


def slow(A, b, *, intercept=False):
    """Simplex weights by a general optimiser, from several starts."""
    J = A.shape[1]
    if intercept:
        A, b = A - A.mean(axis=0), b - b.mean()
    rng = np.random.default_rng(0)
    best = None
    scale = np.abs(b).mean() or 1.0
    for k in range(3):
        found = minimize(
            lambda w: float(np.mean((b - A @ w) ** 2)) / scale**2,
            np.full(J, 1 / J) if k == 0 else rng.dirichlet(np.ones(J)),
            jac=lambda w: -2 * A.T @ (b - A @ w) / len(b) / scale**2,
            bounds=[(0, 1)] * J,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(J)},
            method="SLSQP",
            options={"ftol": 1e-15, "maxiter": 2000},
        )
        if best is None or found.fun < best.fun:
            best = found
    return best.x


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("block", [1, 4])
def test_against_a_slow_plain_version_on_rates(intercept, block):
    y, people = rates(1, N=7)
    result = SyntheticControl(intercept=intercept, block=block).fit(design_of(y, {0: 24}, exposure=people, counts=True))
    shape = (7, 24 // block, block)
    r = y[:, :24].reshape(shape).sum(axis=2) / people[:, :24].reshape(shape).sum(axis=2)
    A, b = r[1:].T, r[0]
    w = slow(A, b, intercept=intercept)
    offset = float(np.mean(b - A @ w)) if intercept else 0.0
    expected = ((y / people)[1:, 24:].T @ w + offset) * people[0, 24:]
    got = result.effect("att", "events")
    # the general optimiser finds weights to about 1e-6, and 12 periods of some 100 events are summed
    assert got.estimate == pytest.approx(y[0, 24:].sum() - expected.sum(), abs=0.02)
    ratio = result.effect("att", "rate_ratio").estimate
    assert ratio == pytest.approx(y[0, 24:].sum() / expected.sum(), abs=1e-4)
    assert result.effect("att", "per_100k").estimate == pytest.approx(1e5 * got.estimate / people[0, 24:].sum())
    assert result.effect("att", "difference").estimate == pytest.approx(got.estimate / 12)
    path = result.counterfactual[result.counterfactual["area"] == "A00"]
    np.testing.assert_allclose(path["expected"].to_numpy()[-12:], expected, atol=0.01)
    assert result.diagnostics["observed"] == y[0, 24:].sum()


def test_placebos_are_enumerated_and_the_treated_area_is_never_a_donor():
    y = factors(3, N=21)
    result = SyntheticControl().fit(design_of(y, {0: 20}))

    def gap(i, donors):
        w = slow(y[donors, :20].T, y[i, :20])
        return y[i] - w @ y[donors]

    donors = list(range(1, 21))
    own = gap(0, donors)
    placebo = np.array([gap(j, [d for d in donors if d != j]) for j in donors])
    effect, errors = own[20:].mean(), placebo[:, 20:].mean(axis=1)
    att = result.effect("att", "difference")
    assert att.estimate == pytest.approx(effect, abs=2e-3)
    assert att.std_error == pytest.approx(errors.std(), rel=1e-3)
    assert att.p_value == pytest.approx((1 + (np.abs(errors) >= abs(effect)).sum()) / 21)
    # with 20 placebos a constant effect is rejected at 5% only where it is beyond every one of them
    assert att.conf_high - att.estimate == pytest.approx(np.abs(errors).max(), rel=1e-3)

    def ratio(g):
        return np.sqrt(np.mean(g[20:] ** 2) / np.mean(g[:20] ** 2))

    rank = 1 + sum(ratio(g) >= ratio(own) for g in placebo)
    assert result.diagnostics["p_value_rmspe_ratio"] == pytest.approx(rank / 21)
    assert result.diagnostics["placebos"] == 20


def test_interval_and_p_value_agree():
    for seed in range(6):
        for effect in (0.0, -3.0):
            att = SyntheticControl().fit(design_of(factors(seed, effect=effect), {0: 20})).effect("att", "difference")
            assert (att.p_value <= 0.05) == (not att.conf_low <= 0 <= att.conf_high)


def test_it_is_right_where_difference_in_differences_is_wrong():
    estimates, differences, missed = [], [], 0
    for seed in range(30):
        y = factors(seed, effect=-5.0)
        att = SyntheticControl().fit(design_of(y, {0: 20})).effect("att", "difference")
        estimates.append(att.estimate)
        change = y[:, 20:].mean(axis=1) - y[:, :20].mean(axis=1)
        differences.append(change[0] - change[1:].mean())
        missed += not att.conf_low <= -5 <= att.conf_high
    # 30 estimates with a standard deviation of about 0.6: their mean is known to 0.11
    assert np.mean(estimates) == pytest.approx(-5, abs=0.5)
    # the treated area leans 0.35 more on a factor that rises by 15 on average
    assert np.mean(differences) > -5 + 2
    # of 30 intervals at 95%, five or more missing has a probability of 0.016
    assert missed <= 5


def test_several_areas_of_one_start_are_pooled_by_population():
    y, people = rates(4, treated=(0, 1, 2))
    result = SyntheticControl(draws=19).fit(design_of(y, dict.fromkeys((0, 1, 2), 24), exposure=people, counts=True))
    together, heads = y[:3].sum(axis=0), people[:3].sum(axis=0)
    r = (y / people)[3:]
    w = slow(r[:, :24].T, (together / heads)[:24])
    events = together[24:].sum() - float((w @ r[:, 24:]) @ heads[24:])
    assert result.effect("att", "events").estimate == pytest.approx(events, abs=0.3)
    assert result.diagnostics["placebos"] == 19
    assert not result.diagnostics["placebos_enumerated"]
    assert not result.has("area", "events")


def test_staggered_areas_are_matched_before_their_own_start_and_added_up_in_event_time():
    y, people = rates(5, treated=())
    both = design_of(y, {0: 20, 1: 26}, exposure=people, counts=True)
    result = SyntheticControl(draws=19).fit(both)
    rows = np.arange(24)
    one = design_of(y[rows != 1], {0: 20}, exposure=people[rows != 1], counts=True)
    other = design_of(y[1:], {0: 26}, exposure=people[1:], counts=True)
    parts = [SyntheticControl().fit(d).effect("att", "events").estimate for d in (one, other)]
    assert result.effect("att", "events").estimate == pytest.approx(sum(parts))
    assert result.effect("area", "events", area="A00").estimate == pytest.approx(parts[0])
    # both reach horizon 9; only the first reaches 12
    first = SyntheticControl().fit(one)
    assert result.effect("event", "events", horizon=12).estimate == pytest.approx(
        first.effect("event", "events", horizon=12).estimate
    )


def test_two_treated_areas_are_dealt_out_in_every_way():
    y = factors(6, N=10)
    result = SyntheticControl().fit(design_of(y, {0: 20, 1: 20}))
    assert result.diagnostics["placebos"] == math.comb(8, 2)
    assert result.diagnostics["placebos_enumerated"]


def test_an_area_outside_the_hull_is_told_and_gets_no_interval():
    y = factors(7)
    y[0] += 40
    result = SyntheticControl().fit(design_of(y, {0: 20}))
    assert result.diagnostics["hull"] == "outside"
    assert result.notes[0].startswith("OUTSIDE THE DONORS' HULL: A00 lies above every donor in 20")
    att = result.effect("att", "difference")
    assert np.isfinite(att.estimate)
    assert np.isnan([att.std_error, att.conf_low, att.conf_high, att.p_value]).all()
    assert result.estimates[["std_error", "conf_low", "p_value"]].isna().all(axis=None)
    # where only the level differs, an intercept takes it away
    free = SyntheticControl(intercept=True).fit(design_of(y, {0: 20}))
    assert free.diagnostics["hull"] == "inside"
    assert np.isfinite(free.effect("att", "difference").p_value)


def test_areas_inside_the_hull_are_seldom_called_outside():
    called = [
        SyntheticControl(draws=19).fit(design_of(factors(s), {0: 20})).diagnostics["hull"] == "outside"
        for s in range(40)
    ]
    # the rule works at about 1%; four or more of 40 has then a probability of 0.001
    assert sum(called) <= 3


def test_gaps_drop_donors_and_never_count_as_zero():
    y = factors(8)
    y[5, 3] = np.nan
    y[0, 22] = np.nan
    result = SyntheticControl().fit(design_of(y, {0: 20}))
    assert result.diagnostics["donors"] == 20
    assert any("A05" in n and "gaps" in n for n in result.notes)
    assert result.diagnostics["treated_cells_used"] == 9
    kept = np.arange(22) != 5
    without = y[kept]
    again = SyntheticControl().fit(design_of(without, {0: 20}))
    assert again.effect("att", "difference").estimate == result.effect("att", "difference").estimate


def test_a_period_that_most_donors_lack_is_left_out():
    y = factors(9)
    y[2:, 7] = np.nan
    result = SyntheticControl().fit(design_of(y, {0: 20}))
    assert result.diagnostics["donors"] == 21
    assert any(n.startswith("1998: unknown in most") for n in result.notes)


def test_cells_after_an_end_and_of_anticipation_are_not_used():
    y = factors(10)
    changed = y.copy()
    changed[0, 25:] += 100
    changed[0, 18:20] += 100
    choices = {"ends": {0: 24}, "anticipation": 2}
    one, other = (SyntheticControl().fit(design_of(v, {0: 20}, **choices)) for v in (y, changed))
    pd.testing.assert_frame_equal(one.estimates, other.estimates)
    assert one.diagnostics["treated_cells_used"] == 5


def test_too_little_is_refused():
    y = factors(11)
    with pytest.raises(EstimationError, match="never treated"):
        SyntheticControl().fit(design_of(y, dict.fromkeys(range(20), 20)))
    with pytest.raises(EstimationError, match="no treated area is known in 3"):
        SyntheticControl().fit(design_of(y, {0: 2}))
    for i in range(1, 20):
        y[i, i] = np.nan
    with pytest.raises(EstimationError, match="known in every period"):
        SyntheticControl().fit(design_of(y, {0: 20}))


def test_too_few_placebos_give_no_interval_and_say_so():
    result = SyntheticControl().fit(design_of(factors(12, N=9), {0: 20}))
    att = result.effect("att", "difference")
    assert np.isfinite([att.std_error, att.p_value]).all()
    assert np.isnan([att.conf_low, att.conf_high]).all()
    assert any("it takes 19" in n for n in result.notes)
    alone = SyntheticControl().fit(design_of(factors(12, N=4), {0: 20}))
    assert np.isnan(alone.effect("att", "difference").std_error)
    assert any("too few" in n for n in alone.notes)


@pytest.mark.parametrize(
    "estimator",
    [
        SyntheticControl(),
        SyntheticControl(pooled=False),
        SyntheticControl(augment="ridge", penalty=1e-6),
        SyntheticControl(intercept=True, block=2),
    ],
    ids=repr,
)
def test_point_is_the_average_effect(estimator):
    y, people = rates(13, N=12)
    design = design_of(y, {0: 20, 1: 20, 2: 26}, exposure=people, counts=True)
    att = replace(estimator, draws=19).fit(design).effect("att", "difference").estimate
    assert estimator.point(design.arrays) == att
    assert estimator.scale == "difference"
    pattern = np.array([*range(3, 12), 0, 1, 2])
    assert math.isfinite(estimator.point(design.arrays.assigned(pattern)))
    assert math.isnan(estimator.point(design.arrays.assigned(np.zeros(12, dtype=int))))


def test_paths_add_up_to_the_effect():
    y, people = rates(13, N=12)
    design = design_of(y, {0: 20, 1: 20, 2: 26}, exposure=people, counts=True)
    observed, expected = SyntheticControl().path(design.arrays)
    treated = np.arange(36) >= np.array([20, 20, 26])[:, None]
    gap = (observed - expected)[:3][treated]
    assert gap.mean() == pytest.approx(SyntheticControl().point(design.arrays))
    assert np.isnan(expected[3:]).all()
    assert not np.isnan(expected[:3]).any()


def test_errors_allow_for_the_size_of_the_treated_area():
    # rates alike everywhere, so that only chance in counts is left: its variance goes with one over size
    estimates, errors, bare = [], [], []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        people = np.exp(rng.uniform(np.log(10_000), np.log(160_000), (30, 1))) * np.ones((1, 24))
        people[0] = 10_000
        y = rng.poisson(0.003 * people).astype(float)
        design = design_of(y, {0: 16}, exposure=people, counts=True)
        att = SyntheticControl().fit(design).effect("att", "per_100k")
        estimates.append(att.estimate)
        errors.append(att.std_error)
        gap = [
            SyntheticControl().point(design.arrays.assigned(_turned(30, j)).take(np.arange(1, 30))) for j in (1, 5, 9)
        ]
        bare += [1e5 * g / people[j, 0] for g, j in zip(gap, (1, 5, 9), strict=True)]
    spread = np.std(estimates)
    # a standard deviation from 25 draws is known to 14%, and errors are learnt from 29 donors; without the allowance
    # errors would be those of donors of all sizes, which are less than three quarters as large
    assert 0.65 < np.nanmean(errors) / spread < 1.5
    assert np.std(bare) < 0.75 * spread


def _turned(n, j):
    """The intervention of area 0 is given to area `j`, and area 0 has none."""
    pattern = np.arange(n)
    pattern[0], pattern[j] = j, 0
    return pattern


def with_covariates(seed):
    rng = np.random.default_rng(seed)
    y = factors(seed)
    share = y[:, :20].mean(axis=1, keepdims=True) + rng.normal(0, 0.5, (22, 30))
    share[:, 25:] = np.nan
    return design_of(y, {0: 20}, covariates={"income": share, "young": rng.normal(size=(22, 30))})


def test_predictors_by_name_window_and_lag():
    design = with_covariates(14)
    estimator = SyntheticControl(predictors=["young", ("income", 1995, 2005), ("outcome", 2010)])
    assert estimator.method == "predictors"
    assert estimator.predictors[1] == Predictor("income", "1995", "2005")
    result = estimator.fit(design)
    table = result.diagnostics["balance"].set_index("predictor")
    income = design.panel.matrix("income")
    assert table.loc["income 1995 to 2005", "treated"] == pytest.approx(income[0, 4:15].mean())
    assert table.loc["outcome 2010", "donor_mean"] == pytest.approx(design.panel.matrix("y")[1:, 19].mean())
    v = result.weights[result.weights["role"] == "predictor"]["weight"]
    assert v.sum() == pytest.approx(1)
    assert sv.Result.from_json(result.to_json()).estimator == estimator
    assert estimator.point(estimator.arrays(design)) == result.effect("att", "difference").estimate
    with pytest.raises(EstimationError, match="arrays"):
        estimator.point(design.arrays)


def test_predictors_that_cannot_be_used_are_named():
    design = with_covariates(15)
    with pytest.raises(DesignError, match="income"):
        SyntheticControl(predictors=["incom"]).fit(design)
    with pytest.raises(DesignError, match="outcome"):
        SyntheticControl(predictors=[("y", 2000)]).fit(design)
    with pytest.raises(EstimationError, match="beyond the time before the start"):
        SyntheticControl(predictors=[("income", 2005, 2012)]).fit(design)
    with pytest.raises(EstimationError, match="outside the data"):
        SyntheticControl(predictors=[("income", 1980)]).fit(design)
    still = design_of(factors(15), {0: 20}, covariates={"same": np.ones((22, 30))})
    with pytest.raises(EstimationError, match="the same in every area"):
        SyntheticControl(predictors=["same"]).fit(still)


def test_choices_that_contradict_each_other_are_all_told_at_once():
    with pytest.raises(EstimationError) as told:
        SyntheticControl(augment="lasso", inference="cluster", block=0, penalty=1.0, level=2, method="predictors")
    assert {p.rule for p in told.value.problems} == {
        "augment",
        "inference",
        "block",
        "penalty",
        "level",
        "predictors",
    }


def test_ridge_mends_what_weights_cannot_reach():
    y = factors(16)
    y[0] += 6 * np.linspace(0, 1, 30)
    plain = SyntheticControl(draws=19).fit(design_of(y, {0: 20}))
    ridge = SyntheticControl(augment="ridge", draws=19).fit(design_of(y, {0: 20}))
    assert ridge.diagnostics["rmspe_before"] < plain.diagnostics["rmspe_before"]
    assert (ridge.weights["weight"] < 0).any()
    assert ridge.weights["weight"].sum() == pytest.approx(1)
    assert any("extrapolates" in n for n in ridge.notes)

"""Synthetic DiD against a slow plain version of the paper's equations, written here from eq. 1 to 6."""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

import svmodel as sv
from svmodel.counterfactual import SyntheticDiD
from svmodel.errors import EstimationError

MONTHS = pd.period_range("2020-01", periods=60, freq="M")


def drawn(seed=0, areas=14, length=12, factor=2.0):
    """Working outcomes of areas that follow two common series with weights of their own."""
    rng = np.random.default_rng(seed)
    series = np.cumsum(rng.normal(size=(2, length)), axis=1)
    return (
        40
        + rng.normal(0, 4, (areas, 1))
        + rng.uniform(0, factor, (areas, 2)) @ series
        + rng.normal(size=(areas, length))
    )


def design_of(y, starts, *, people=None, covariate=None, **options):
    n, length = y.shape
    names = [f"area {i:02d}" for i in range(n)]
    frame = pd.DataFrame(
        {"area": np.repeat(names, length), "month": np.tile(MONTHS[:length].astype(str), n), "outcome": y.ravel()}
    )
    roles = {"counts": ["outcome"]} if people is not None else {"measures": ["outcome"]}
    if people is not None:
        frame["people"] = np.broadcast_to(people, y.shape).ravel()
        roles["exposures"] = ["people"]
    if covariate is not None:
        frame["covariate"] = covariate.ravel()
        roles["covariates"] = ["covariate"]
    panel = sv.Panel.from_frame(frame, area="area", period="month", **roles)
    ends = options.pop("ends", None)
    told = sv.Intervention(
        "patrols",
        {names[i]: MONTHS[t] for i, t in starts.items()},
        {names[i]: MONTHS[t] for i, t in (ends or {}).items()},
    )
    return sv.Design(
        panel,
        outcome="outcome",
        intervention=told,
        exposure="people" if people is not None else None,
        covariates=("covariate",) if covariate is not None else (),
        **options,
    )


def plain_weights(A, b, ridge, free=True):
    """Weights of eq. 4 or 6 by a general-purpose optimiser over weights and intercept."""
    n = A.shape[1]

    def value(v):
        left = v[0] + A @ v[1:] - b
        slope = np.append(left.sum(), A.T @ left) * 2 / len(b)
        slope[1:] += 2 * ridge * v[1:]
        slope[0] *= free
        return left @ left / len(b) + ridge * v[1:] @ v[1:], slope

    found = minimize(
        value,
        np.append(0.0, np.full(n, 1 / n)),
        jac=True,
        method="SLSQP",
        bounds=[(None, None) if free else (0, 0)] + [(0, 1)] * n,
        constraints={"type": "eq", "fun": lambda v: v[1:].sum() - 1, "jac": lambda v: np.append(0.0, np.ones(n))},
        options={"maxiter": 2000, "ftol": 1e-15},
    )
    return found.x[1:]


def plain_sdid(y, treated, first, noise=None, weights=None):
    """One block of areas that start together; the estimate and its weights."""
    donors = [i for i in range(len(y)) if i not in treated]
    own, others = y[list(treated)].mean(axis=0), y[donors]
    n_after = y.shape[1] - first
    if noise is None:
        noise = np.diff(others[:, :first], axis=1).std(ddof=1)
    if weights is None:
        zeta = (len(treated) * n_after) ** 0.25 * noise
        omega = plain_weights(others[:, :first].T, own[:first], zeta**2)
        lam = plain_weights(others[:, :first], others[:, first:].mean(axis=1), (1e-6 * noise) ** 2)
    else:
        omega, lam = weights
    gap = own - omega @ others
    return gap[first:].mean() - lam @ gap[:first], omega, lam


def att(result, scale="difference"):
    return result.effect("att", scale)


def test_one_block_is_the_papers_equations():
    y = drawn(1)
    for starts in ({0: 8}, {0: 8, 3: 8, 5: 8}):
        result = SyntheticDiD().fit(design_of(y, starts))
        expected, omega, lam = plain_sdid(y, list(starts), 8)
        assert att(result).estimate == pytest.approx(expected, abs=1e-4)
        held = result.weights
        np.testing.assert_allclose(held.loc[held["kind"] == "area", "weight"], omega, atol=1e-4)
        np.testing.assert_allclose(held.loc[held["kind"] == "period", "weight"], lam, atol=1e-4)
        assert max(result.diagnostics["kkt"]) < 1e-10


def test_did_is_the_difference_of_mean_changes_and_sc_the_weighted_gap():
    y = drawn(2)
    design = design_of(y, {0: 8})
    change = y[:, 8:].mean(axis=1) - y[:, :8].mean(axis=1)
    assert att(SyntheticDiD(method="did").fit(design)).estimate == pytest.approx(change[0] - change[1:].mean())
    omega = plain_weights(y[1:, :8].T, y[0, :8], 0.0, free=False)
    gap = y[0] - omega @ y[1:]
    assert att(SyntheticDiD(method="sc").fit(design)).estimate == pytest.approx(gap[8:].mean(), abs=1e-3)


def test_cohorts_are_averaged_by_their_treated_cells():
    y = drawn(3)
    result = SyntheticDiD().fit(design_of(y, {0: 6, 1: 9, 2: 9}))
    never = list(range(3, 14))
    parts, cells = [], [6, 6]
    for rows, first in (([0], 6), ([1, 2], 9)):
        part = design_of(y[rows + never], dict.fromkeys(range(len(rows)), first))
        parts.append(att(SyntheticDiD().fit(part)).estimate)
    assert att(result).estimate == pytest.approx(np.average(parts, weights=cells), rel=1e-9)
    for first, part in zip((6, 9), parts, strict=True):
        assert result.effect("cohort", "difference", cohort=MONTHS[first]).estimate == pytest.approx(part, rel=1e-9)
    # by horizon: both cohorts reach horizon 2, one of them horizon 5
    early = SyntheticDiD().fit(design_of(y[[0, *never]], {0: 6}))
    late = SyntheticDiD().fit(design_of(y[[1, 2, *never]], {0: 9, 1: 9}))

    def at(fit, h):
        return fit.effect("event", "difference", horizon=h).estimate

    assert at(result, 5) == pytest.approx(at(early, 5))
    assert at(result, 2) == pytest.approx((at(early, 2) + 2 * at(late, 2)) / 3)
    assert at(result, -4) == pytest.approx((at(early, -4) + 2 * at(late, -4)) / 3)


def test_placebos_are_all_donors_and_p_and_interval_agree():
    y = drawn(4, areas=22)
    design = design_of(y, {0: 8})
    result = SyntheticDiD().fit(design)
    noise = np.diff(y[1:, :8], axis=1).std(ddof=1)
    others = y[1:]
    effects = np.array([plain_sdid(others, [k], 8, noise)[0] for k in range(21)])
    effect = att(result)
    assert result.diagnostics["inference"] == "placebo"
    assert result.diagnostics["draws"] == 21
    assert effect.std_error == pytest.approx(effects.std(), rel=1e-3)
    assert effect.p_value == pytest.approx((1 + (np.abs(effects) >= abs(effect.estimate)).sum()) / 22)
    assert effect.conf_high - effect.estimate == pytest.approx(np.abs(effects).max(), rel=1e-3)
    # an effect at the limit is just not rejected, one beyond it is: tried by taking the effect off
    for shift, rejected in ((0.999, False), (1.001, True)):
        moved = y.copy()
        moved[0, 8:] -= effect.estimate + shift * (effect.conf_high - effect.estimate)
        p = att(SyntheticDiD().fit(design_of(moved, {0: 8}))).p_value
        assert (p <= 0.05) == rejected


def test_pairs_of_donors_are_gone_through_or_drawn():
    y = drawn(5, areas=22)
    design = design_of(y, {0: 8, 1: 8})
    result = SyntheticDiD(inference="placebo").fit(design)
    others = y[2:]
    change = others[:, 8:].mean(axis=1) - others[:, :8].mean(axis=1)
    assert result.diagnostics["draws"] == math.comb(20, 2)
    # the plain version for equal weights, where it takes no optimiser
    did = att(SyntheticDiD(method="did", inference="placebo").fit(design))
    pairs = [change[list(s)].mean() - np.delete(change, s).mean() for s in combinations(range(20), 2)]
    assert did.std_error == pytest.approx(np.std(pairs))
    some = [att(SyntheticDiD(method="did", inference="placebo", n_draws=100).fit(design, seed=s)) for s in (1, 1, 2)]
    assert some[0].std_error == some[1].std_error
    assert some[0].std_error != some[2].std_error
    # 100 of 190 pairs: the standard deviation is known to about 7%
    assert some[0].std_error == pytest.approx(did.std_error, rel=0.3)
    # staggered starts: every area in every place, 20 x 19 ordered pairs
    staggered = SyntheticDiD(method="did", inference="placebo").fit(design_of(y, {0: 6, 1: 8}))
    assert staggered.diagnostics["draws"] == 380


def test_the_jackknife_leaves_out_one_area_at_a_time_with_weights_held():
    y = drawn(6, areas=30)
    treated = list(range(9))
    result = SyntheticDiD(inference="jackknife").fit(design_of(y, dict.fromkeys(treated, 8)))
    assert result.diagnostics["inference"] == "jackknife"
    full, omega, lam = plain_sdid(y, treated, 8)
    values = []
    for i in range(30):
        rest = np.delete(y, i, axis=0)
        if i < 9:
            values.append(plain_sdid(rest, treated[:-1], 8, weights=(omega, lam))[0])
        else:
            w = np.delete(omega, i - 9)
            values.append(plain_sdid(rest, treated, 8, weights=(w / w.sum(), lam))[0])
    error = math.sqrt(29 / 30 * ((np.array(values) - full) ** 2).sum())
    assert att(result).std_error == pytest.approx(error, rel=1e-3)
    assert att(result).estimate - att(result).conf_low > 1.96 * error
    # by default each donor's change is taken with time weights that were found without it
    strays = []
    for j in range(21):
        rest = np.delete(y[9:], j, axis=0)
        noise = np.diff(y[9:, :8], axis=1).std(ddof=1)
        others = plain_weights(rest[:, :8], rest[:, 8:].mean(axis=1), (1e-6 * noise) ** 2)
        gap = y[9 + j] - omega @ y[9:]
        strays.append(omega[j] / (1 - omega[j]) * (gap[8:].mean() - others @ gap[:8]))
    own = np.array(values[:9]) - full
    auto = SyntheticDiD().fit(design_of(y, dict.fromkeys(treated, 8)))
    assert auto.diagnostics["inference"] == "jackknife"
    wider = math.sqrt(29 / 30 * ((own**2).sum() + (np.array(strays) ** 2).sum()))
    assert att(auto).std_error == pytest.approx(wider, rel=1e-3)
    assert wider > error
    # the bootstrap is another way to the same error
    again = SyntheticDiD(inference="bootstrap", n_draws=1000).fit(design_of(y, dict.fromkeys(treated, 8)), seed=1)
    assert again.diagnostics["inference"] == "bootstrap"
    assert att(again).std_error == pytest.approx(error, rel=0.35)


def test_rates_give_back_events_by_exposure():
    rng = np.random.default_rng(7)
    people = rng.uniform(50_000, 400_000, (30, 1)).round()
    y = rng.poisson(people / 1e5 * np.clip(drawn(7, areas=30), 5, None)).astype(float)
    result = SyntheticDiD().fit(design_of(y, {0: 8}, people=people))
    rate = y / people * 1e5
    expected, _, _ = plain_sdid(rate, [0], 8)
    assert att(result, "per_100k").estimate == pytest.approx(expected, abs=1e-3)
    assert att(result, "events").estimate == pytest.approx(expected * 4 * people[0, 0] / 1e5, rel=1e-4)
    events, observed = att(result, "events"), y[0, 8:].sum()
    ratio = att(result, "rate_ratio")
    assert ratio.estimate == pytest.approx(observed / (observed - events.estimate))
    assert ratio.conf_low == pytest.approx(observed / (observed - events.conf_low))
    assert ratio.p_value == events.p_value
    path = result.counterfactual[result.counterfactual["area"] == "all treated"]
    assert (path["observed"] - path["expected"])[-4:].sum() == pytest.approx(events.estimate)
    assert path["low"].notna().sum() == 4
    assert result.diagnostics["observed"] - result.diagnostics["expected"] == pytest.approx(events.estimate)
    # one exposure for all: rates or numbers come to the same
    design = design_of(y, {0: 8}, people=np.full((30, 1), 2e5))
    one, other = SyntheticDiD().fit(design), SyntheticDiD(rates=False).fit(design)
    assert att(one, "events").estimate == pytest.approx(att(other, "events").estimate)
    assert any("not rates" in n for n in other.notes)


def test_noise_of_small_areas_is_allowed_for():
    # pure counting noise: the rate of an area with a sixteenth of the people strays four times as far
    rng = np.random.default_rng(8)
    people = np.tile([[50_000.0], [800_000.0]], (20, 1))
    y = rng.poisson(people / 1e5 * 40, (40, 24)).astype(float)
    for i, other in ((0, 1), (1, 0)):
        errors = [
            att(SyntheticDiD(method="did").fit(design_of(y, {k: 16}, people=people)), "per_100k").std_error
            for k in (i, other)
        ]
        ratio = errors[0] / errors[1]
        assert (ratio > 2.5) if i == 0 else (ratio < 0.4)


def test_point_is_the_fit_and_never_raises():
    rng = np.random.default_rng(9)
    people = rng.uniform(50_000, 400_000, (24, 1)).round()
    y = rng.poisson(people / 1e5 * 40, (24, 14)).astype(float)
    design = design_of(y, {0: 8, 1: 10}, people=people)
    for method in ("sdid", "did", "sc"):
        estimator = SyntheticDiD(method=method, n_draws=20)
        # bit for bit
        assert estimator.point(design.arrays) == att(estimator.fit(design)).estimate
    everyone = design.arrays.assigned(np.zeros(24, dtype=np.int64))
    assert math.isnan(SyntheticDiD().point(everyone))
    assert math.isnan(SyntheticDiD().point(replace(design.arrays, y=np.full((24, 14), 3.0), exposure=None)))


def test_anticipation_ends_and_gaps_are_respected():
    y = drawn(10)
    held = att(SyntheticDiD().fit(design_of(y, {0: 8}, anticipation=2))).estimate
    shaken = y.copy()
    shaken[0, 6:8] += 50
    assert att(SyntheticDiD().fit(design_of(shaken, {0: 8}, anticipation=2))).estimate == held
    before = np.delete(y, [6, 7], axis=1)
    assert held == pytest.approx(att(SyntheticDiD().fit(design_of(before, {0: 6}))).estimate)

    ended = SyntheticDiD().fit(design_of(y, {0: 8}, ends={0: 9}))
    assert att(ended).estimate == pytest.approx(att(SyntheticDiD().fit(design_of(y[:, :10], {0: 8}))).estimate)
    assert any("after the end" in n for n in ended.notes)

    gap = y.copy()
    gap[5, 3] = np.nan
    result = SyntheticDiD().fit(design_of(gap, {0: 8}))
    assert att(result).estimate == pytest.approx(
        att(SyntheticDiD().fit(design_of(np.delete(y, 5, axis=0), {0: 8}))).estimate
    )
    assert any("area 05" in n and "never taken as zero" in n for n in result.notes)

    gap = y.copy()
    gap[0, [2, 9]] = np.nan
    result = SyntheticDiD().fit(design_of(gap, {0: 8}))
    assert result.diagnostics["treated_cells_used"] == 3
    expected = plain_sdid(np.delete(y, [2, 9], axis=1), [0], 7)[0]
    assert att(result).estimate == pytest.approx(expected, abs=1e-3)
    assert any("2 area-months of treated areas" in n for n in result.notes)


def test_covariates_are_projected_out_on_untreated_cells():
    rng = np.random.default_rng(11)
    y, x = drawn(11), rng.normal(size=(14, 12))
    x[0, 8:] += 3
    seen = y + 2.5 * x
    result = SyntheticDiD().fit(design_of(seen, {0: 8}, covariate=x))
    use = np.ones((14, 12), dtype=bool)
    use[0, 8:] = False
    who, when = np.nonzero(use)
    columns = np.column_stack([np.eye(14)[who], np.eye(12)[when][:, 1:], x[use]])
    beta = np.linalg.lstsq(columns, seen[use])[0][-1]
    expected = att(SyntheticDiD().fit(design_of(seen - beta * x, {0: 8}))).estimate
    assert att(result).estimate == pytest.approx(expected, rel=1e-6)
    assert abs(att(result).estimate - expected) < abs(
        att(SyntheticDiD().fit(design_of(seen, {0: 8}))).estimate - expected
    )
    assert any("projected out" in n and f"{beta:.4g}" in n for n in result.notes)


def test_a_planted_effect_is_found_where_plain_did_is_biased():
    # treated areas lean on the common series more than donors do on average, but not more than all of them
    misses = {"sdid": [], "did": []}
    for seed in range(40):
        rng = np.random.default_rng(seed)
        load = np.append(1.6, rng.uniform(0, 2, 30))
        series = np.linspace(0, 8, 30) + np.sin(np.arange(30))
        y = 50 + rng.normal(0, 3, (31, 1)) + load[:, None] * series + rng.normal(0, 0.7, (31, 30))
        y[0, 20:] -= 5
        for method, held in misses.items():
            held.append(SyntheticDiD(method=method).point(design_of(y, {0: 20}).arrays) + 5)
    assert np.mean(misses["did"]) > 1.5
    assert abs(np.mean(misses["sdid"])) < 0.6
    assert np.std(misses["sdid"]) < 1


def test_ranks_among_exchangeable_areas_reject_as_often_as_they_say():
    rng = np.random.default_rng(12)
    p = []
    for _ in range(100):
        y = rng.normal(size=(20, 8))
        p.append(att(SyntheticDiD(method="did").fit(design_of(y, {0: 5}))).p_value)
    # 100 draws of a uniform rank over 20 places: a tenth, and the mean, within four standard errors
    assert np.mean(np.array(p) <= 0.1 + 1e-9) == pytest.approx(0.1, abs=0.12)
    assert np.mean(p) == pytest.approx(0.525, abs=0.12)


def test_hopeless_designs_are_refused_with_every_reason():
    y = drawn(13)
    everyone = {i: 6 + i % 3 for i in range(14)}
    with pytest.raises(EstimationError, match="no area is never treated"):
        SyntheticDiD().fit(design_of(y, everyone))
    with pytest.raises(EstimationError, match="fewer than two known periods"):
        SyntheticDiD().fit(design_of(y, {0: 1}))
    holes = y.copy()
    holes[np.arange(1, 14), np.arange(1, 14) % 12] = np.nan
    with pytest.raises(EstimationError, match="fewer than two of 13 never treated"):
        SyntheticDiD().fit(design_of(holes, {0: 8}))
    flat = np.full((6, 10), 4.0)
    flat[0] = np.arange(10)
    with pytest.raises(EstimationError, match="never changes"):
        SyntheticDiD().fit(design_of(flat, {0: 6}))


def test_areas_that_cannot_be_used_are_named_and_the_rest_is_answered():
    y = drawn(14)
    result = SyntheticDiD().fit(design_of(y, {0: 1, 1: 8}))
    assert any("area 00" in n and "fewer than 2 months" in n for n in result.notes)
    rest = SyntheticDiD().fit(design_of(y[1:], {0: 8}))
    assert att(result).estimate == pytest.approx(att(rest).estimate)


def test_outside_the_donors_it_says_so_and_what_follows():
    y = drawn(15, areas=25)
    y[0] += 60
    sdid, sc = SyntheticDiD().fit(design_of(y, {0: 8})), SyntheticDiD(method="sc").fit(design_of(y, {0: 8}))
    assert any("above every donor" in n and "intercept allows a constant gap" in n for n in sdid.notes)
    assert any("counts as effect" in n for n in sc.notes)
    assert any("Poor fit" in n for n in sc.notes)
    assert sdid.diagnostics["above"] == [1.0]
    y[0] += np.linspace(0, 80, 12)
    assert any("Poor fit" in n for n in SyntheticDiD().fit(design_of(y, {0: 8})).notes)


def test_few_donors_give_no_interval():
    y = drawn(16, areas=4)
    few = SyntheticDiD().fit(design_of(y, {0: 8}))
    assert math.isnan(att(few).conf_low)
    assert any("Only 3 donors" in n for n in few.notes)
    asked = SyntheticDiD(inference="placebo").fit(design_of(y, {0: 8}))
    assert att(asked).p_value >= 0.25
    assert math.isnan(att(asked).conf_low)
    assert math.isnan(att(asked).conf_high)
    assert any("which is therefore not given" in n for n in asked.notes)
    none = SyntheticDiD(inference="placebo").fit(design_of(y, {0: 8, 1: 8}))
    assert math.isnan(att(none).conf_low)
    assert any("too few donors to stand in" in n for n in none.notes)


def test_a_single_treated_area_has_no_jackknife():
    y = drawn(19, areas=25)
    for asked in ("cluster", "jackknife", "bootstrap"):
        result = SyntheticDiD(inference=asked).fit(design_of(y, {0: 8}))
        assert math.isnan(att(result).conf_low)
        assert any(f"inference='{asked}'" in n and "No interval" in n for n in result.notes)
    # several cohorts of one area each: the bootstrap, and the notes say why
    result = SyntheticDiD(inference="cluster", n_draws=100).fit(design_of(y, {i: 6 + i for i in range(4)}))
    assert result.diagnostics["inference"] == "bootstrap"
    assert att(result).std_error > 0
    assert any("jackknife would need two treated areas" in n for n in result.notes)


def test_frank_wolfe_stops_near_the_optimum():
    design = design_of(drawn(17), {0: 8})
    exact, early = SyntheticDiD().point(design.arrays), SyntheticDiD(solver="frank_wolfe").point(design.arrays)
    assert early != exact
    assert early == pytest.approx(exact, abs=0.1)


def test_choices_are_refused_all_at_once():
    with pytest.raises(EstimationError) as raised:
        SyntheticDiD(method="sdidd", level=2, inference="jacknife", n_draws=1, solver="cvx", rates=1)
    assert {p.where for p in raised.value.problems} == {"method", "level", "inference", "n_draws", "solver", "rates"}
    assert "jackknife" in str(raised.value)


def test_not_even_rounding_hangs_on_names_where_periods_outnumber_donors():
    # time weights are then held together by a ridge of 1e-12 alone, and the sixth digit was rounding
    rng = np.random.default_rng(5)
    n, length = 12, 40
    counts = rng.poisson(rng.uniform(2, 20, (n, 1)), (n, length))
    months = pd.period_range("2018-01", periods=length, freq="M").astype(str)

    def fitted(names):
        frame = pd.DataFrame({"area": np.repeat(names, length), "month": np.tile(months, n), "n": counts.ravel()})
        panel = sv.Panel.from_frame(frame, area="area", period="month", counts=["n"])
        starts = {names[0]: months[24], names[1]: months[24]}
        design = sv.Design(panel, outcome="n", intervention=sv.Intervention("patrols", starts=starts))
        return SyntheticDiD(n_draws=40).fit(design)

    one, other = fitted([f"A{i:02d}" for i in range(n)]), fitted([f"Z{99 - i}" for i in range(n)])
    numbers = ["estimate", "std_error", "conf_low", "conf_high", "p_value"]
    np.testing.assert_array_equal(one.estimates[numbers], other.estimates[numbers])
    listed = one.weights[one.weights["kind"] == "area"]["area"].tolist()
    assert listed == sorted(listed)

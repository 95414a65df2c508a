"""Sun and Abraham's estimator against dense regressions and pyfixest, what it refuses and what it says."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyfixest_regression import regress

from svmodel import Design, Intervention, Panel
from svmodel.did import CallawaySantAnna, SunAbraham
from svmodel.errors import EstimationError
from svmodel.numerics.cluster import small_sample
from svmodel.result.scales import critical_value

# The dense regression is a pseudo-inverse of all columns: rounding.
ROUNDING = 1e-8
N, T = 26, 10
STARTS = {4: range(9), 7: range(9, 13), 8: range(13, 14)}


def make(seed=1, *, gaps=0.0, covariates=(), never=True, holes=(), control=None, starts=STARTS):
    """A staggered panel: cohorts of nine, four and one; `holes` are (areas, months) to leave out."""
    rng = np.random.default_rng(seed)
    start = np.full(N, T + 5)
    for g, areas in starts.items():
        start[list(areas)] = g
    if not never:
        start[start > T] = 9
    size = rng.normal(0, 1, N)
    moving = rng.normal(0, 1, (N, T)).cumsum(axis=1)
    time = np.arange(T)
    y = 20 + rng.normal(0, 3, (N, 1)) + rng.normal(0, 1, T) + 0.2 * time * size[:, None] + 0.5 * moving
    y += rng.normal(0, 1, (N, T)) * rng.uniform(0.5, 2, (N, 1))
    on = time >= start[:, None]
    y += np.where(on, -2 - 0.3 * (time - start[:, None]) + 0.1 * start[:, None], 0)
    y[rng.random((N, T)) < gaps] = np.nan
    for areas, months in holes:
        y[np.ix_(list(areas), list(months))] = np.nan
    if control is not None:
        y[14 + control :] = np.nan
        start, y = start[: 14 + control], y[: 14 + control]
    months = pd.period_range("2020-01", periods=T, freq="M")
    n = len(y)
    names = [f"a{i:02d}" for i in range(n)]
    frame = pd.DataFrame(
        {
            "area": np.repeat(names, T),
            "month": np.tile(months.astype(str), n),
            "score": y.ravel(),
            "size": np.repeat(size[:n], T),
            "moving": moving[:n].ravel(),
        }
    )
    panel = Panel.from_frame(frame, area="area", period="month", measures=["score"], covariates=["size", "moving"])
    when = {names[i]: months[start[i]] for i in range(n) if start[i] < T}
    return Design(panel, outcome="score", intervention=Intervention("x", when), covariates=covariates)


class Dense:
    """Columns for areas, months, covariates, and every cohort and month but the last one known before the start."""

    def __init__(self, design):
        a = design.arrays
        n = len(a.areas)
        start = np.where(a.start < T, a.start, -1)
        if not (start < 0).any():  # the last to start serve as controls until then
            start = np.where(start == start.max(), -1, start)
        use = (a.untreated | (a.treated & (start[:, None] >= 0))).ravel()
        area, period, cohort = np.repeat(np.arange(n), T), np.tile(np.arange(T), n), np.repeat(start, T)
        with_control = np.unique(period[use & (cohort < 0)])
        use &= np.isin(period, with_control)
        self.cells, dummies = [], []
        for g in np.unique(start[start >= 0]):
            known = np.unique(period[use & (cohort == g)])
            reference = known[known < g].max()
            for t in known[known != reference]:
                self.cells.append((g, t))
                dummies.append((cohort == g) & (period == t))
        X = [area == i for i in range(n)] + [period == t for t in range(1, T)]
        for k, name in enumerate(design.covariates):
            x = a.covariates[..., k].ravel()
            X += [x * (period == t) for t in range(1, T)] if name == "size" else [x]
        K = len(dummies)
        X = np.column_stack(dummies + X).astype(float)[use]
        y, area, period, cohort = a.y.ravel()[use], area[use], period[use], cohort[use]
        inverse = np.linalg.pinv(X.T @ X)
        beta = inverse @ X.T @ y
        scores = np.stack([((y - X @ beta)[:, None] * X)[area == i].sum(axis=0) for i in range(n)])
        clusters = len(np.unique(area))
        k = np.linalg.matrix_rank(X) - clusters + 1  # area effects are nested in the clusters
        self.factor = (len(y) - 1) / (len(y) - k) * clusters / (clusters - 1)
        self.beta, self.covariance = beta[:K], (self.factor * inverse @ scores.T @ scores @ inverse)[:K, :K]
        self.count = np.array([((cohort == g) & (period == t)).sum() for g, t in self.cells], dtype=float)

    def average(self, pick):
        w = np.array([n * pick(g, t) for n, (g, t) in zip(self.count, self.cells, strict=True)])
        w /= w.sum()
        return w @ self.beta, np.sqrt(w @ self.covariance @ w)


CASES = {
    "complete": {},
    "gaps": {"gaps": 0.15},
    "the last to start as controls": {"never": False},
    "a reference month that a cohort lacks": {"holes": [(range(9, 13), [6])]},
    "covariates": {"covariates": ("size", "moving")},
    "covariates and gaps": {"covariates": ("size", "moving"), "gaps": 0.1, "seed": 6},
}


@pytest.fixture(scope="module", params=CASES.values(), ids=CASES)
def both(request):
    design = make(**request.param)
    return design, SunAbraham().fit(design), Dense(design)


def test_every_term_is_that_of_the_dense_regression(both):
    design, result, dense = both
    months = design.arrays.periods
    cohorts = sorted({g for g, _ in dense.cells})
    wanted = [("att", {}, lambda g, t: t >= g)]
    horizons = sorted({t - g for g, t in dense.cells})
    wanted += [("event", {"horizon": h}, lambda g, t, h=h: t - g == h) for h in horizons]
    for c in cohorts:
        wanted.append(("cohort", {"cohort": str(months[c])}, lambda g, t, c=c: g == c and t >= g))
        where = {"cohort": str(months[c]), "period": str(months[8])}
        wanted.append(("cell", where, lambda g, t, c=c: g == c and t == 8))
    after = sorted({t for g, t in dense.cells if t >= g})
    wanted += [("calendar", {"period": str(months[w])}, lambda g, t, w=w: t == w and t >= g) for w in after]
    errors = 0
    for term, which, pick in wanted:
        effect = result.effect(term, "difference", **which)
        estimate, error = dense.average(pick)
        assert effect.estimate == pytest.approx(estimate, abs=ROUNDING), (term, which)
        if np.isfinite(effect.std_error):
            assert effect.std_error == pytest.approx(error, rel=1e-7), (term, which)
            errors += 1
    assert errors >= 12
    assert result.diagnostics["crv1_factor"] == pytest.approx(dense.factor, rel=1e-12)


def test_point_is_the_average_effect(both):
    design, result, _ = both
    att = result.effect("att", "difference").estimate
    assert SunAbraham().point(design.arrays) == pytest.approx(att, abs=1e-12)
    assert result.weights["weight"].sum() == pytest.approx(1)


def test_joint_is_that_of_the_dense_regression():
    # cohorts of eight and nine, so that errors are those of the residuals throughout
    design = make(starts={4: range(9), 7: range(9, 17)})
    result, dense = SunAbraham().fit(design), Dense(design)
    horizons = result.joint.index["horizon"].to_numpy()
    W = np.array([[n * (t - g == h) for n, (g, t) in zip(dense.count, dense.cells, strict=True)] for h in horizons])
    W = W / W.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(result.joint.estimate, W @ dense.beta, atol=ROUNDING)
    np.testing.assert_allclose(result.joint.covariance, W @ dense.covariance @ W.T, rtol=1e-6, atol=1e-10)


def test_every_coefficient_is_that_of_pyfixest():
    design = make(starts={4: range(9), 7: range(9, 17)}, gaps=0.1)
    a = design.arrays
    frame = pd.DataFrame({"area": np.repeat(np.arange(N), T), "period": np.tile(np.arange(T), N), "y": a.y.ravel()})
    names = {}
    for g in (4, 7):
        for t in (t for t in range(T) if t != g - 1):
            names[g, t] = f"d{g}x{t}"
            frame[names[g, t]] = ((a.start[frame["area"]] == g) & (frame["period"] == t)).astype(float)
    peer = regress(frame.dropna(), outcome="y", regressors=tuple(names.values()))
    result = SunAbraham().fit(design)
    for (g, t), name in names.items():
        if t >= g:
            ours = result.effect("cell", "difference", cohort=str(a.periods[g]), period=str(a.periods[t]))
            estimate, error = peer[name]
            # pyfixest demeans until it settles at 1e-6 or so
            assert ours.estimate == pytest.approx(estimate, abs=1e-5)
            assert ours.std_error == pytest.approx(error, rel=1e-5)


def test_complete_panels_give_callaway_and_sant_anna_s_effects():
    design = make()
    ours = SunAbraham().fit(design)
    theirs = CallawaySantAnna(base_period="universal", simultaneous=False).fit(design)
    for term, which in (("att", {}), ("cohort", {"cohort": "2020-05"}), ("event", {"horizon": 2})):
        mine, other = ours.effect(term, "difference", **which), theirs.effect(term, "difference", **which)
        assert mine.estimate == pytest.approx(other.estimate, abs=1e-10)


def test_small_cohorts_are_held_against_the_average_effect_of_all():
    design = make()
    result = SunAbraham().fit(design)
    four = result.effect("cohort", "difference", cohort="2020-08")
    one = result.effect("cohort", "difference", cohort="2020-09")
    assert four.conf_high - four.conf_low > 2 * 1.96 * four.std_error
    assert np.isnan(one.std_error)
    assert np.isnan(one.conf_low)
    assert any("2 of 3 cohorts have fewer than 8 areas" in n for n in result.notes)


def test_the_residuals_behind_an_interval_by_hand():
    """A cohort of two: its cells about the controls' path plus the average effect, own levels taken out."""
    design = make(starts={4: range(12), 7: range(12, 14)})
    a = design.arrays
    result = SunAbraham().fit(design)
    control = a.y[a.start > T].mean(axis=0)
    average = result.effect("att", "difference").estimate
    mine = a.y[12:14] - control - average * (np.arange(T) >= 7)
    mine = (mine - mine.mean(axis=1, keepdims=True)) / 2
    weights = np.zeros(T)
    weights[7:], weights[6] = 1 / 3, -1
    influence = np.zeros(N)
    influence[12:14] = mine @ weights
    residual = a.y[a.start > T] - control
    residual = (residual - residual.mean(axis=1, keepdims=True)) / len(residual)
    influence[14:] = -residual @ weights
    factor = result.diagnostics["crv1_factor"]
    inflation, df = small_sample(influence, np.repeat([0, 1, 2], [12, 2, 12]), factor=factor)
    half = critical_value(0.95, df) * inflation * np.sqrt(factor * influence @ influence)
    effect = result.effect("cohort", "difference", cohort="2020-08")
    assert effect.conf_high - effect.estimate == pytest.approx(half)


def test_the_last_to_start_have_no_effect_and_the_notes_say_so():
    result = SunAbraham().fit(make(never=False))
    assert result.diagnostics["treated_cells_used"] == 9 * 5 + 4 * 2 + 1
    assert any("No area is never treated: the last to start" in n for n in result.notes)
    assert any("54 of 80 treated area-months (68%)" in n for n in result.notes)


def test_a_missing_reference_is_named():
    result = SunAbraham().fit(make(holes=[(range(9, 13), [6])]))
    said = "Effects by horizon are relative to horizon -1, and where that is not known (starts Aug 2020) to the last"
    assert any(n.startswith(said) for n in result.notes)


def test_cells_without_a_control_are_left_out():
    design = make(holes=[(range(14, 26), [8])])
    result = SunAbraham().fit(design)
    assert result.diagnostics["treated_cells_used"] == int(design.arrays.treated.sum()) - 14
    assert not ((result.estimates["term"] == "calendar") & (result.estimates["period"].astype(str) == "2020-09")).any()
    assert any("the others have no control" in n for n in result.notes)
    # what is left is untouched by the month that nobody was compared in
    whole = SunAbraham().fit(make(holes=[(range(26), [8])]))
    assert result.effect("cohort", "difference", cohort="2020-05").estimate == pytest.approx(
        whole.effect("cohort", "difference", cohort="2020-05").estimate
    )


def test_a_cohort_unknown_before_its_start_is_left_out_and_named():
    result = SunAbraham().fit(make(holes=[(range(9, 13), range(7))]))
    assert any("The cohort of Aug 2020 has no effect: no period before the start" in n for n in result.notes)


def test_areas_that_start_together_have_nothing_to_be_compared_with():
    with pytest.raises(EstimationError, match="all areas start at once"):
        SunAbraham().fit(make(starts={5: range(26)}))
    arrays = make().arrays
    assert np.isnan(SunAbraham().point(arrays.assigned(np.zeros(N, dtype=np.int64))))
    assert np.isnan(SunAbraham().point(arrays.assigned(np.full(N, 20))))


def test_covariates_that_are_cohorts_are_refused():
    design = make(covariates=("size",))
    frame = design.panel.to_frame()
    frame["size"] = (frame["area"] < "a09").astype(float)
    panel = Panel.from_frame(frame, area="area", period="period", measures=["score"], covariates=["size"])
    with pytest.raises(EstimationError, match="cannot be told apart"):
        SunAbraham().fit(Design(panel, outcome="score", intervention=design.intervention, covariates=("size",)))


def test_a_single_control_gives_no_interval():
    result = SunAbraham().fit(make(control=1))
    assert result.estimates[["conf_low", "conf_high", "p_value"]].isna().all().all()
    assert result.counterfactual["low"].isna().all()
    assert result.diagnostics["inference"] == "none"
    assert any("A single area serves as control" in n for n in result.notes)
    few = SunAbraham().fit(make(control=3))
    assert any(n.startswith("Only 3 areas serve as controls") for n in few.notes)


def test_wrong_choices_are_named_together():
    with pytest.raises(EstimationError) as caught:
        SunAbraham(level=0, inference="bootstrap")
    assert len(caught.value.problems) == 2


@given(seed=st.integers(0, 10_000))
def test_levels_do_not_matter_and_order_does_not(seed):
    arrays = make(seed, gaps=0.1).arrays
    rng = np.random.default_rng(seed)
    moved = replace(arrays, y=3 * arrays.y + rng.normal(0, 10, (N, 1)) + rng.normal(0, 10, T))
    order = rng.permutation(N)
    one = SunAbraham().point(arrays)
    assert SunAbraham().point(moved.take(order)) == pytest.approx(3 * one, abs=1e-8)


def test_effects_that_build_up_and_differ_by_cohort_are_found_on_average():
    """Sixty panels of known truth: the mean of the estimates, and of the errors, against their spread."""
    rng = np.random.default_rng(2)
    n, length = 40, 12
    start = np.full(n, length + 9)
    start[:9], start[9:20] = 5, 8
    time = np.arange(length)
    on = time >= start[:, None]
    tau = np.where(on, -1.0 - 0.2 * (time - start[:, None]) - (start[:, None] == 8), 0.0)
    truth = {h: tau[on & (time - start[:, None] == h)].mean() for h in range(7)}
    months = pd.period_range("2020-01", periods=length, freq="M")
    names = [f"a{i:02d}" for i in range(n)]
    frame = pd.DataFrame({"area": np.repeat(names, length), "month": np.tile(months.astype(str), n)})
    starts = Intervention("x", {names[i]: months[start[i]] for i in range(20)})
    misses, held, errors = [], 0, []
    for _ in range(60):
        y = rng.normal(0, 3, (n, 1)) + 0.3 * time + rng.normal(0, 1, (n, length)) + tau
        panel = Panel.from_frame(frame.assign(y=y.ravel()), area="area", period="month", measures=["y"])
        result = SunAbraham().fit(Design(panel, outcome="y", intervention=starts))
        effects = [result.effect("event", "difference", horizon=h) for h in truth]
        misses.append([e.estimate - v for e, v in zip(effects, truth.values(), strict=True)])
        errors.append([e.std_error for e in effects])
        held += sum(e.conf_low < v < e.conf_high for e, v in zip(effects, truth.values(), strict=True))
    spread = np.std(misses, axis=0)
    # four standard deviations of a mean of sixty, and of a root of a variance from sixty
    assert (np.abs(np.mean(misses, axis=0)) < 4 * spread / np.sqrt(60)).all()
    ratio = np.mean(errors, axis=0) / spread
    assert (ratio > 1 - 4 / np.sqrt(120)).all()
    assert (ratio < 1 + 4 / np.sqrt(120)).all()
    # 95% of 420 is 399; they are correlated, so the limit leaves the spread of sixty independent ones
    assert held / 420 > 0.95 - 4 * np.sqrt(0.95 * 0.05 / 60)

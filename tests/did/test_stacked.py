"""Stacked difference-in-differences against the regression with every column written out, and by simulation."""

import numpy as np
import pandas as pd
import pytest

import svmodel as sv
from svmodel.did import StackedDiD
from svmodel.errors import EstimationError

STARTS = np.array([5] * 4 + [7] * 6 + [9] * 3 + [99] * 12)
N, T, PRE, POST = len(STARTS), 13, 4, 3


def make(y, starts=STARTS, x=None, exposure=None, count=False, **extra):
    n, t = y.shape
    frame = pd.DataFrame(
        {
            "area": np.repeat([f"A{i:03d}" for i in range(n)], t),
            "year": np.tile(np.arange(2001, 2001 + t), n),
            "y": y.ravel(),
        }
    )
    if x is not None:
        frame["x"] = np.repeat(x, t)
    if exposure is not None:
        frame["people"] = exposure.ravel()
    panel = sv.Panel.from_frame(
        frame,
        area="area",
        period="year",
        counts=["y"] if count else [],
        measures=[] if count else ["y"],
        exposures=["people"] if exposure is not None else [],
        covariates=["x"] if x is not None else [],
    )
    when = {f"A{i:03d}": int(2001 + s) for i, s in enumerate(starts) if s < t}
    return sv.Design(
        panel,
        outcome="y",
        intervention=sv.Intervention("patrols", when),
        covariates=("x",) if x is not None else (),
        exposure="people" if exposure is not None else None,
        **extra,
    )


def stacked(y, corrective, starts=STARTS):
    """Return the stacked data, one row an area-period of a stack, written out plainly."""
    parts = []
    for s, g in enumerate((5, 7, 9)):
        for i in range(len(starts)):
            if starts[i] == g or starts[i] > g + POST:
                parts += [(s, i, t, t - g, starts[i] == g, y[i, t]) for t in range(g - PRE, g + POST + 1)]
    frame = pd.DataFrame(parts, columns=["stack", "area", "time", "h", "treated", "y"])
    first = frame[frame["h"] == 0]
    n_treated = first["treated"].sum()
    n_control = len(first) - n_treated
    frame["w"] = 1.0
    if corrective:
        for s, part in first.groupby("stack"):
            own = part["treated"].sum()
            q = (own / n_treated) / ((len(part) - own) / n_control)
            frame.loc[(frame["stack"] == s) & ~frame["treated"], "w"] = q
    return frame


def dense(frame, groups, family="linear", offset=None):
    """Weighted regression with effects of stack x area and stack x period; coefficients and CR0 covariance by area."""
    unit = frame.groupby(["stack", "area"]).ngroup().to_numpy()
    when = frame.groupby(["stack", "h"]).ngroup().to_numpy()
    # the first period of each stack is the reference
    periods = np.eye(when.max() + 1)[when][:, frame.groupby(["stack", "h"]).first().reset_index()["h"] > -PRE]
    X = np.column_stack([groups, np.eye(unit.max() + 1)[unit], periods])
    y, w = frame["y"].to_numpy(float), frame["w"].to_numpy()
    if family == "linear":
        inverse = np.linalg.pinv(X.T @ (w[:, None] * X))
        beta = inverse @ (X.T @ (w * y))
        e = w * (y - X @ beta)
    else:
        import statsmodels.api as sm

        fit = sm.GLM(y, X, sm.families.Poisson(), offset=offset, var_weights=w).fit(tol=1e-13, maxiter=200)
        beta = fit.params
        mu = fit.mu
        inverse = np.linalg.pinv(X.T @ ((w * mu)[:, None] * X))
        e = w * (y - mu)
    influence = np.stack([(X * e[:, None])[frame["area"] == i].sum(axis=0) for i in frame["area"].unique()]) @ inverse
    Q = groups.shape[1]
    n, G = len(y), frame["area"].nunique()
    k = np.linalg.matrix_rank(X) - (unit.max() + 1) + frame["stack"].nunique()
    factor = (n - 1) / (n - k) * G / (G - 1)
    return beta[:Q], factor * (influence.T @ influence)[:Q, :Q]


@pytest.fixture
def outcome():
    rng = np.random.default_rng(7)
    on = np.arange(T)[None, :] >= STARTS[:, None]
    return rng.normal(size=(N, 1)) + rng.normal(size=T) + rng.normal(size=(N, T)) - on * (STARTS[:, None] % 5)


@pytest.mark.parametrize("weights", ["corrective", "none"])
def test_linear_is_the_weighted_regression(outcome, weights):
    frame = stacked(outcome, weights == "corrective")
    result = StackedDiD(family="linear", pre=PRE, post=POST, weights=weights).fit(make(outcome))
    on = ((frame["h"] >= 0) & frame["treated"]).to_numpy(float)[:, None]
    beta, V = dense(frame, on)
    effect = result.effect("att", "difference")
    assert effect.estimate == pytest.approx(beta[0], abs=1e-9)
    assert effect.std_error == pytest.approx(np.sqrt(V[0, 0]), rel=1e-8)
    horizons = [h for h in range(-PRE, POST + 1) if h != -1]
    groups = np.column_stack([(frame["h"] == h) & frame["treated"] for h in horizons]).astype(float)
    beta, V = dense(frame, groups)
    for j, h in enumerate(horizons):
        effect = result.effect("event", "difference", horizon=h)
        assert effect.estimate == pytest.approx(beta[j], abs=1e-9)
        assert effect.std_error == pytest.approx(np.sqrt(V[j, j]), rel=1e-8)
    after = np.array([h >= 0 for h in horizons]) / (POST + 1)
    average = result.effect("event_average", "difference")
    assert average.estimate == pytest.approx(after @ beta, abs=1e-9)
    assert average.std_error == pytest.approx(np.sqrt(after @ V @ after), rel=1e-8)
    np.testing.assert_allclose(result.joint.covariance, V, atol=1e-10)


def test_corrective_weights_give_the_trimmed_aggregate(outcome):
    """Every horizon is the mean over cohorts, by their treated areas, of the cohort's own comparison of means."""
    result = StackedDiD(family="linear", pre=PRE, post=POST).fit(make(outcome))
    plain = StackedDiD(family="linear", pre=PRE, post=POST, weights="none").fit(make(outcome))
    for h in (-4, -2, 0, 3):
        total = 0.0
        for g in (5, 7, 9):
            change = outcome[:, g + h] - outcome[:, g - 1]
            clean = g + POST < STARTS
            total += (g == STARTS).sum() / 13 * (change[g == STARTS].mean() - change[clean].mean())
        assert result.effect("event", "difference", horizon=h).estimate == pytest.approx(total, abs=1e-9)
        assert abs(plain.effect("event", "difference", horizon=h).estimate - total) > 1e-4


@pytest.mark.parametrize("weights", ["corrective", "none"])
def test_poisson_is_the_weighted_regression_with_an_offset(weights):
    rng = np.random.default_rng(9)
    people = rng.uniform(800, 1200, (N, T))
    on = np.arange(T)[None, :] >= STARTS[:, None]
    y = rng.poisson(people / 60 * np.exp(rng.normal(0, 0.3, (N, 1))) * np.where(on, 0.7, 1.0)).astype(float)
    frame = stacked(y, weights == "corrective")
    offset = np.log(people[frame["area"], frame["time"]])
    result = StackedDiD(pre=PRE, post=POST, weights=weights).fit(make(y, exposure=people, count=True))
    after = ((frame["h"] >= 0) & frame["treated"]).to_numpy()
    beta, V = dense(frame, after.astype(float)[:, None], "poisson", offset)
    effect = result.effect("att", "rate_ratio")
    assert np.log(effect.estimate) == pytest.approx(beta[0], abs=1e-8)
    assert effect.std_error / effect.estimate == pytest.approx(np.sqrt(V[0, 0]), rel=1e-6)
    observed = frame["y"][after].sum()
    assert result.effect("att", "events").estimate == pytest.approx(observed * (1 - np.exp(-beta[0])), rel=1e-7)


def test_covariates_that_stand_still_get_a_slope_in_every_horizon(outcome):
    x = np.random.default_rng(1).normal(size=N)
    result = StackedDiD(family="linear", pre=PRE, post=POST).fit(make(outcome, x=x))
    frame = stacked(outcome, True)
    on = ((frame["h"] >= 0) & frame["treated"]).to_numpy(float)[:, None]
    slopes = np.column_stack([(frame["h"] == h) * x[frame["area"]] for h in range(-PRE, POST)])
    beta, _ = dense(frame, np.hstack([on, slopes]))
    assert result.effect("att", "difference").estimate == pytest.approx(beta[0], abs=1e-9)


def test_windows_outside_the_panel_and_without_clean_controls_are_named(outcome):
    wide = StackedDiD(family="linear", pre=6, post=3).fit(make(outcome))
    assert wide.diagnostics["stacks"] == 2
    assert any("Starts in 2006 (4 areas) are left out: their window leaves the panel" in n for n in wide.notes)
    starts = np.array([5] * 10 + [9] * 15)
    alone = StackedDiD(family="linear", pre=3, post=2).fit(make(outcome, starts))
    assert any("Starts in 2010 (15 areas) are left out: no area stays untreated" in n for n in alone.notes)
    with pytest.raises(EstimationError, match="nothing to stack: no cohort has a window inside"):
        StackedDiD(pre=12, post=3).fit(make(np.abs(outcome)))
    with pytest.raises(EstimationError, match="no cohort has a clean control"):
        StackedDiD(family="linear").fit(make(outcome, np.full(N, 5)))
    default = StackedDiD(family="linear").fit(make(outcome))
    assert (default.diagnostics["pre"], default.diagnostics["post"]) == (5, 3)


def test_a_horizon_without_an_event_is_left_out_and_said():
    rng = np.random.default_rng(3)
    y = rng.poisson(3.0, (N, T)).astype(float)
    for g in (5, 7, 9):
        y[g == STARTS, g + 2] = 0.0
    result = StackedDiD(pre=PRE, post=POST).fit(make(y, count=True))
    horizons = result.estimates.query("term == 'event' and scale == 'rate_ratio'")["horizon"].tolist()
    assert 2 not in horizons
    assert any("horizon +2 left out" in n for n in result.notes)
    y[:, 8] = np.where(STARTS == 99, 0.0, y[:, 8])  # controls silent: those cells say nothing, the rest stands
    assert np.isfinite(StackedDiD(pre=PRE, post=POST).fit(make(y, count=True)).effect("att", "rate_ratio").std_error)


def test_anticipation_moves_the_reference_and_leaves_the_window(outcome):
    result = StackedDiD(family="linear", pre=PRE, post=POST).fit(make(outcome, anticipation=1))
    horizons = result.estimates.query("term == 'event' and scale == 'difference'")["horizon"].tolist()
    assert horizons == [-4, -3, 0, 1, 2, 3]
    assert any("relative to horizon -2" in n for n in result.notes)


@pytest.mark.parametrize("family", ["linear", "poisson"])
def test_the_point_alone_is_the_fits_average(family):
    made = sv.simulate.panel(n_areas=30, n_periods=20, cohorts=[(8, 5), (13, 5)], mean=2.0, seed=4)
    design = sv.Design(made.panel, outcome="violence", exposure="population", intervention=made.intervention)
    estimator = StackedDiD(family=family)
    fitted = estimator.fit(design)
    effect = fitted.effect("att", "difference" if family == "linear" else "rate_ratio").estimate
    assert estimator.point(design.arrays) == pytest.approx(effect if family == "linear" else np.log(effect), rel=1e-9)
    nobody = design.arrays.assigned(np.full(30, int(np.flatnonzero(design.arrays.start > 20)[0])))
    assert np.isnan(estimator.point(nobody))


def test_choices_are_checked_all_at_once():
    with pytest.raises(EstimationError) as caught:
        StackedDiD(family="logit", pre=0, weights="some", inference="wild")
    assert len(caught.value.problems) == 4


def test_intervals_cover_where_effects_grow_and_two_way_fixed_effects_are_wrong():
    """Effects of 1 to 4 over four periods in three cohorts; 120 panels. The trimmed aggregate is 2.5."""
    rng = np.random.default_rng(2)
    starts = np.array([5] * 15 + [7] * 15 + [9] * 15 + [99] * 25)
    when = np.arange(T)[None, :] - starts[:, None]
    truth = np.where(when >= 0, np.minimum(when, 3) + 1.0, 0.0)
    hits, found = 0, []
    for _ in range(120):
        noise = rng.normal(size=(70, T))
        for t in range(1, T):
            noise[:, t] += 0.4 * noise[:, t - 1]
        result = StackedDiD(family="linear", pre=PRE, post=POST).fit(make(truth + noise, starts))
        effect = result.effect("att", "difference")
        hits += effect.conf_low <= 2.5 <= effect.conf_high
        found.append(effect.estimate)
    # binomial of 120 at 95%: 114 on average, standard deviation 2.4; four of them leave 104 to 120
    assert 104 <= hits <= 120
    assert np.mean(found) == pytest.approx(2.5, abs=4 * np.std(found) / np.sqrt(120))

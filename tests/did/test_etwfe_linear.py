"""Linear ETWFE, and cohort effects in both families, against regressions with every column written out."""

import numpy as np
import pandas as pd
import pytest

from svmodel import Design, Intervention, Panel, did
from svmodel.errors import EstimationError
from svmodel.result.scales import ratio_of_difference
from svmodel.simulate import panel as simulate_panel

N, T = 40, 9
STARTS = np.array([4] * 10 + [6] * 9 + [99] * 21)


def make(y, starts=STARTS, x=None, exposure=None, count=False):
    """Return a design on an areas x periods array."""
    n, t = y.shape
    area, year = np.repeat([f"A{i:03d}" for i in range(n)], t), np.tile(np.arange(2001, 2001 + t), n)
    frame = pd.DataFrame({"area": area, "year": year, "y": y.ravel()})
    for name, value in (("x", x), ("people", exposure)):
        if value is not None:
            frame[name] = np.broadcast_to(value, y.shape).ravel() if value.ndim == 2 else np.repeat(value, t)
    panel = Panel.from_frame(
        frame,
        area="area",
        period="year",
        counts=["y"] if count else [],
        measures=[] if count else ["y"],
        exposures=["people"] if exposure is not None else [],
        covariates=["x"] if x is not None else [],
    )
    when = {f"A{i:03d}": int(2001 + s) for i, s in enumerate(starts) if s < t}
    return Design(
        panel,
        outcome="y",
        intervention=Intervention("patrols", when),
        covariates=("x",) if x is not None else (),
        exposure="people" if exposure is not None else None,
    )


@pytest.fixture
def data():
    rng = np.random.default_rng(3)
    x = rng.normal(size=N)
    y = rng.normal(size=(N, 1)) * 2 + rng.normal(size=T) + 0.3 * x[:, None] * np.arange(T) + rng.normal(size=(N, T))
    return x, y - 0.5 * (np.arange(T)[None, :] >= STARTS[:, None]) * (1 + x[:, None])


def saturated(y, x, levels, starts=STARTS):
    """Regress on levels (dummies of areas or cohorts), period and cohort-period dummies; coefficients, CR1 covariance.

    Covariates are centred at cohort means among the treated (Wooldridge 2025, eq. 5.3), and have slopes by period,
    and by cohort where the levels are those of cohorts.
    """
    n, t = y.shape
    area, time = np.repeat(np.arange(n), t), np.tile(np.arange(t), n)
    groups = [(g, s) for g in np.unique(starts[starts < t]) for s in range(g, t)]
    cells = np.column_stack([(starts[area] == g) & (time == s) for g, s in groups]).astype(float)
    columns = [cells, np.eye(levels.max() + 1)[levels[area]], np.eye(t)[time][:, 1:]]
    if x is not None:
        centred = x - np.array([x[starts == g].mean() for g in starts])
        columns += [cells * centred[area, None], np.eye(t)[time][:, 1:] * x[area, None]]
        if levels.max() + 1 < n:
            columns.append(np.eye(levels.max() + 1)[levels[area]] * x[area, None])
    X = np.hstack(columns)
    inverse = np.linalg.pinv(X.T @ X)
    beta = inverse @ (X.T @ y.ravel())
    e = y.ravel() - X @ beta
    score = np.stack([(X * e[:, None])[area == i].sum(axis=0) for i in range(n)])
    rank = np.linalg.matrix_rank(X)
    influence = score @ inverse
    # area effects are nested in the clusters, and then every period counts (as fixest has it)
    k = rank - (n - 1) if levels.max() + 1 == n else rank
    factor = (n * t - 1) / (n * t - k) * n / (n - 1)
    size = cells.sum(axis=0)
    return groups, beta[: len(groups)], factor * influence.T @ influence, size


@pytest.mark.parametrize("with_x", [False, True])
@pytest.mark.parametrize("effects", ["area", "cohort"])
def test_estimates_and_errors_are_those_of_the_saturated_regression(data, effects, with_x):
    x, y = data
    levels = np.arange(N) if effects == "area" else np.unique(STARTS, return_inverse=True)[1]
    groups, tau, V, size = saturated(y, x if with_x else None, levels)
    result = did.ExtendedTwoWayFixedEffects(family="linear", effects=effects).fit(make(y, x=x if with_x else None))
    K = len(groups)
    for k, (g, s) in enumerate(groups):
        cell = result.effect("cell", "difference", cohort=2001 + int(g), period=2001 + int(s))
        assert cell.estimate == pytest.approx(tau[k], abs=1e-9)
        assert cell.std_error == pytest.approx(np.sqrt(V[k, k]), rel=1e-8)
    horizon = np.array([s - g for g, s in groups])
    sets = {("att", None): np.ones(K)} | {("event", h): (horizon == h) * 1.0 for h in np.unique(horizon)}
    for (term, h), chosen in sets.items():
        w = chosen * size / (chosen @ size)
        which = {} if h is None else {"horizon": int(h)}
        effect = result.effect(term, "difference", **which)
        assert effect.estimate == pytest.approx(w @ tau, abs=1e-9)
        assert effect.std_error == pytest.approx(np.sqrt(w @ V[:K, :K] @ w), rel=1e-8)
    horizons = np.unique(horizon)
    mean = np.mean([(horizon == h) * size / ((horizon == h) @ size) for h in horizons], axis=0)
    average = result.effect("event_average", "difference")
    assert average.estimate == pytest.approx(mean @ tau, abs=1e-9)
    assert average.std_error == pytest.approx(np.sqrt(mean @ V[:K, :K] @ mean), rel=1e-8)


def test_with_gaps_each_treated_cell_is_held_against_a_fit_to_the_untreated(data):
    _, y = data
    rng = np.random.default_rng(5)
    holes = y.copy()
    holes[rng.random(y.shape) < 0.1] = np.nan
    design = make(holes)
    a = design.arrays
    area, time = (v.ravel() for v in np.indices(a.y.shape))
    X = np.column_stack([np.eye(N)[area], np.eye(T)[time][:, 1:]])
    use = a.untreated.ravel()
    beta = np.linalg.lstsq(X[use], a.y.ravel()[use], rcond=None)[0]
    gap = (a.y.ravel() - X @ beta)[a.treated.ravel()]
    estimator = did.ExtendedTwoWayFixedEffects(family="linear")
    assert estimator.fit(design).effect("att", "difference").estimate == pytest.approx(gap.mean(), abs=1e-9)
    # the error of the imputation is that of fixed weights on residuals (Borusyak, Jaravel and Spiess 2024, eq. 7)
    weight = np.zeros(N * T)
    weight[a.treated.ravel()] = 1 / a.treated.sum()
    weight[use] = -X[use] @ np.linalg.pinv(X[use].T @ X[use]) @ (X.T @ weight)
    residual = np.nan_to_num(a.y.ravel() - X @ beta)
    for g, s in {(int(STARTS[i]), int(t)) for i, t in zip(*np.nonzero(a.treated), strict=True)}:
        at = a.treated.ravel() & (STARTS[area] == g) & (time == s)
        residual[at] -= residual[at].mean()
    influence = np.bincount(area, weights=weight * residual)
    fitted = estimator.fit(design)
    error = np.sqrt(fitted.diagnostics["crv1_factor"] * influence @ influence)
    assert fitted.effect("att", "difference").std_error == pytest.approx(error, rel=1e-8)


def test_poisson_cohort_effects_are_the_saturated_regression(data):
    """Against statsmodels with every column, the treated cohort-periods' slopes too, and an offset."""
    import statsmodels.api as sm

    x, _ = data
    rng = np.random.default_rng(8)
    people = rng.uniform(500, 3000, (N, 1)) * np.ones(T)
    on = np.arange(T)[None, :] >= STARTS[:, None]
    y = rng.poisson(people / 100 * np.exp(0.1 * x[:, None] + 0.05 * np.arange(T)) * np.where(on, 0.7, 1.0)).astype(
        float
    )
    design = make(y, x=x, exposure=people, count=True)
    result = did.ExtendedTwoWayFixedEffects(effects="cohort").fit(design)
    area, time = (v.ravel() for v in np.indices(y.shape))
    label = np.unique(STARTS, return_inverse=True)[1][area]
    base = [np.eye(3)[label], np.eye(T)[time][:, 1:]]
    base += [b * x[area, None] for b in base]
    plain = np.hstack(base)
    groups = [(g, s) for g in (4, 6) for s in range(g, T)]
    cells = np.column_stack([(STARTS[area] == g) & (time == s) for g, s in groups]).astype(float)
    X = np.hstack([plain, cells, cells * x[area, None]])
    fit = sm.GLM(y.ravel(), X, sm.families.Poisson(), offset=np.log(people.ravel())).fit(tol=1e-12)
    P = plain.shape[1]
    treated = on.ravel()
    expected = np.exp(plain @ fit.params[:P]) * people.ravel()
    E, O = expected[treated].sum(), y.ravel()[treated].sum()
    assert result.diagnostics["expected"] == pytest.approx(E, rel=1e-7)
    assert result.effect("att", "rate_ratio").estimate == pytest.approx(O / E, rel=1e-7)
    # the delta method over all coefficients, with CR1 by area
    mu = np.exp(X @ fit.params) * people.ravel()
    inverse = np.linalg.pinv(X.T @ (mu[:, None] * X))
    score = np.stack([(X * (y.ravel() - mu)[:, None])[area == i].sum(axis=0) for i in range(N)])
    influence = score @ inverse
    jacobian = (X * mu[:, None])[treated].sum(axis=0) / O
    jacobian[:P] -= (plain * expected[:, None])[treated].sum(axis=0) / E
    factor = (N * T - 1) / (N * T - np.linalg.matrix_rank(X)) * N / (N - 1)
    error = np.sqrt(factor) * np.linalg.norm(influence @ jacobian)
    effect = result.effect("att", "rate_ratio")
    assert effect.std_error / effect.estimate == pytest.approx(error, rel=1e-6)


@pytest.mark.parametrize(
    "estimator",
    [did.ExtendedTwoWayFixedEffects(family=f, effects=e) for f in ("linear", "poisson") for e in ("area", "cohort")],
    ids=repr,
)
def test_the_point_alone_is_the_fits_average(estimator):
    simulation = simulate_panel(n_areas=30, n_periods=20, cohorts=[(10, 5), (13, 5)], mean=2.0, seed=4)
    design = Design(simulation.panel, outcome="violence", exposure="population", intervention=simulation.intervention)
    fitted = estimator.fit(design)
    effect = fitted.effect("att", "rate_ratio" if estimator.scale == "log_rate_ratio" else "difference").estimate
    value = np.log(effect) if estimator.scale == "log_rate_ratio" else effect
    assert estimator.point(design.arrays) == pytest.approx(value, rel=1e-9)
    assert set(fitted.diagnostics) >= {"observed", "expected", "treated_cells_used"}
    nobody = design.arrays.assigned(np.full(30, int(np.flatnonzero(design.arrays.start > 20)[0])))
    assert np.isnan(estimator.point(nobody))


def test_before_the_start_a_steady_drift_is_a_line_without_a_break(data):
    _, y = data
    rng = np.random.default_rng(1)
    flat = rng.normal(size=(N, 1)) + rng.normal(size=T) + 0.2 * (STARTS == 6)[:, None] * np.arange(T)
    result = did.ExtendedTwoWayFixedEffects(family="linear").fit(make(flat, np.where(STARTS == 4, 99, STARTS)))
    events = result.estimates.query("term == 'event' and scale == 'difference'").sort_values("horizon")
    assert events["horizon"].tolist() == list(range(-6, 3))
    np.testing.assert_allclose(np.diff(events["estimate"]), 0.2, atol=1e-9)
    assert events.query("horizon < 0")["estimate"].sum() == pytest.approx(0.0, abs=1e-9)
    assert result.joint is None or -1 not in result.joint.index["horizon"].tolist()
    full = did.ExtendedTwoWayFixedEffects(family="linear").fit(make(y))
    assert {-6, -2, 0, 4} <= set(full.joint.index["horizon"].astype(int))
    assert -1 not in set(full.joint.index["horizon"].astype(int))
    assert full.joint.index["horizon"].is_unique
    events = full.estimates.query("term == 'event' and scale == 'difference'").set_index("horizon")["estimate"]
    np.testing.assert_allclose(full.joint.estimate, events.loc[full.joint.index["horizon"]])
    assert np.linalg.eigvalsh(full.joint.covariance).min() > -1e-12


def test_small_cohorts_show_their_noise(data):
    """A cohort of one area has no residual about its own mean; held against the pooled effect it has."""
    _, y = data
    starts = np.where(np.arange(N) < 12, np.arange(N) % 4 + 4, 99)
    starts[0] = 8
    design = make(y, starts)
    pooled = did.ExtendedTwoWayFixedEffects(family="linear").fit(design)
    own = did.ExtendedTwoWayFixedEffects(family="linear", few_treated=0).fit(design)
    assert pooled.effect("att", "difference").std_error > own.effect("att", "difference").std_error
    assert (
        pooled.effect("cohort", "difference", cohort=2009).std_error
        > own.effect("cohort", "difference", cohort=2009).std_error
    )


def test_what_it_cannot_answer_is_refused_or_said(data):
    _, y = data
    with pytest.raises(EstimationError, match="no treated area-period has an expected outcome"):
        did.ExtendedTwoWayFixedEffects(family="linear").fit(make(y, np.full(N, 4)))
    with pytest.raises(EstimationError, match="never negative"):
        did.ExtendedTwoWayFixedEffects(family="poisson", effects="cohort").fit(make(y))
    counts = np.random.default_rng(2).poisson(0.4, y.shape).astype(float)
    result = did.ExtendedTwoWayFixedEffects(family="linear").fit(make(counts, count=True))
    assert any("are zero: a linear model lets every area" in note for note in result.notes)
    alone = did.ExtendedTwoWayFixedEffects(family="linear", only_average=True).fit(make(counts, count=True))
    assert set(alone.estimates["term"]) == {"att"}
    pd.testing.assert_frame_equal(alone.estimates, result.estimates.query("term == 'att'").reset_index(drop=True))
    single = did.ExtendedTwoWayFixedEffects(family="linear").fit(make(y[:6], np.array([4] + [99] * 5)))
    assert np.isnan(single.effect("att", "difference").conf_low)
    assert single.diagnostics["inference"] == "none"


def test_linear_intervals_cover():
    """A true difference of -0.5 in 24 of 60 areas, errors that persist: 300 panels, 95% intervals."""
    rng = np.random.default_rng(11)
    starts = np.array([6] * 12 + [8] * 12 + [99] * 36)
    hits = 0
    for _ in range(300):
        noise = rng.normal(size=(60, 12))
        for t in range(1, 12):
            noise[:, t] += 0.5 * noise[:, t - 1]
        y = rng.normal(size=(60, 1)) + noise - 0.5 * (np.arange(12)[None, :] >= starts[:, None])
        estimator = did.ExtendedTwoWayFixedEffects(family="linear", only_average=True)
        effect = estimator.fit(make(y, starts)).effect("att", "difference")
        hits += effect.conf_low <= -0.5 <= effect.conf_high
    # binomial of 300 at 95%: 285 on average, standard deviation 3.8; four of them leave 270 to 300
    assert 270 <= hits <= 300


def test_an_effect_of_exactly_zero_has_a_ratio_with_limits():
    row = {"estimate": 0.0, "std_error": 0.5, "conf_low": -1.0, "conf_high": 1.0, "p_value": 1.0}
    made = ratio_of_difference(row, 40.0, 40.0, 0.0, unit=10.0)
    assert (made["estimate"], made["conf_low"], made["conf_high"]) == (1.0, 40 / 50, 40 / 30)
    assert made["std_error"] == pytest.approx(0.5 * 10 / 40)
    unknown = ratio_of_difference(row, 40.0, 40.0, 0.0)
    assert np.isnan([unknown["conf_low"], unknown["conf_high"], unknown["std_error"]]).all()

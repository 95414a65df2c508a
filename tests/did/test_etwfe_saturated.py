"""Imputation against the saturated Poisson regression: pyfixest's, and a slow dense one written from the definition."""

import numpy as np
import pandas as pd
import pytest
from pyfixest_regression import regress

from svmodel import Design, Intervention, Panel
from svmodel.did import ExtendedTwoWayFixedEffects

# Both sides solve the same equations by Newton steps; pyfixest stops at a deviance change of 1e-12, which leaves
# coefficients good to about 1e-7 and standard errors to about 1e-6 of themselves.
POINT, ERROR = 1e-6, 1e-5
# The dense version is exact to rounding.
ROUNDING = 1e-8


def make(seed=3, n=24, length=12, people=False):
    """A staggered panel; exposures grow in proportion, by an area's size and a common growth."""
    rng = np.random.default_rng(seed)
    start = np.full(n, length)
    start[:5], start[5:9] = 5, 8
    treated = np.arange(length)[None, :] >= start[:, None]
    mean = np.exp(1.5 + rng.normal(0, 0.4, (n, 1)) + rng.normal(0, 0.1, (1, length)))
    y = rng.negative_binomial(5, 5 / (5 + mean * np.where(treated, 0.7, 1.0)))
    months = pd.period_range("2020-01", periods=length, freq="M")
    areas = [f"a{i:02d}" for i in range(n)]
    size, growth = rng.uniform(500, 2000, n), 1 + 0.01 * np.arange(length)
    frame = pd.DataFrame(
        {
            "area": np.repeat(areas, length),
            "period": np.tile(months.astype(str), n),
            "y": y.ravel(),
            "people": (size[:, None] * growth).ravel(),
        }
    )
    panel = Panel.from_frame(frame, area="area", period="period", counts=["y"], exposures=["people"])
    intervention = Intervention("x", {areas[i]: months[start[i]] for i in range(9)})
    return Design(panel, outcome="y", intervention=intervention, exposure="people" if people else None)


@pytest.fixture(scope="module", params=[False, True], ids=["no exposure", "exposure"])
def design(request):
    return make(people=request.param)


@pytest.fixture(scope="module")
def result(design):
    return ExtendedTwoWayFixedEffects(few_treated=0).fit(design)


class Dense:
    """The saturated Poisson regression with a column for every area, period and cohort x period."""

    def __init__(self, design):
        a = design.arrays
        N, T = a.y.shape
        self.start, self.treated = a.start, a.treated
        g, t = np.nonzero(np.array([[((a.start == s) & a.treated[:, k]).any() for k in range(T)] for s in range(T)]))
        self.cells = list(zip(g, t, strict=True))
        area, period = np.repeat(np.arange(N), T), np.tile(np.arange(T), N)
        dummies = [(a.start[area] == g) & (period == t) for g, t in self.cells]
        X = np.column_stack([area == i for i in range(N)] + [period == k for k in range(1, T)] + dummies).astype(float)
        y = a.y.ravel()
        offset = np.zeros(N * T) if a.exposure is None else np.log(a.exposure.ravel())
        beta = np.zeros(X.shape[1])
        beta[:N] = np.log(y.mean()) - offset.mean()
        for _ in range(50):
            mu = np.exp(X @ beta + offset)
            beta += np.linalg.solve(X.T @ (mu[:, None] * X), X.T @ (y - mu))
        mu = np.exp(X @ beta + offset)
        scores = np.stack([((y - mu)[:, None] * X)[area == i].sum(axis=0) for i in range(N)])
        bread = np.linalg.inv(X.T @ (mu[:, None] * X))
        k = len(self.cells) + T  # area effects are nested in the clusters
        self.factor = (N * T - 1) / (N * T - k) * N / (N - 1)
        self.covariance = self.factor * bread @ scores.T @ scores @ bread
        self.beta, self.X, self.offset, self.area, self.period, self.first = beta, X, offset, area, period, N + T - 1

    def effect(self, pick):
        """Log rate ratio and events of picked treated cells, with delta-method errors over all coefficients."""
        untreated = self.X.copy()
        untreated[:, self.first :] = 0
        pick = pick.ravel() & self.treated.ravel()
        one, none = (np.exp(X @ self.beta + self.offset)[pick] for X in (self.X, untreated))
        to_one, to_none = one @ self.X[pick], none @ untreated[pick]
        O, E = one.sum(), none.sum()
        log, events = to_one / O - to_none / E, to_one - to_none
        return (
            np.log(O / E),
            np.sqrt(log @ self.covariance @ log),
            O - E,
            np.sqrt(events @ self.covariance @ events),
        )


@pytest.fixture(scope="module")
def dense(design):
    return Dense(design)


def picks(design):
    a = design.arrays
    time = np.arange(a.y.shape[1])[None, :]
    yield "att", {}, np.ones(a.y.shape, dtype=bool)
    for g in (5, 8):
        yield "cohort", {"cohort": str(a.periods[g])}, a.start[:, None] + 0 * time == g
        for t in range(g, 12):
            where = {"cohort": str(a.periods[g]), "period": str(a.periods[t])}
            yield "cell", where, (a.start[:, None] == g) & (time == t)
    for h in range(7):
        yield "event", {"horizon": h}, time - a.start[:, None] == h
    for t in range(5, 12):
        yield "calendar", {"period": str(a.periods[t])}, (time == t) & (a.start[:, None] >= 0)


def test_every_effect_and_error_is_that_of_the_dense_saturated_regression(design, result, dense):
    assert result.diagnostics["crv1_factor"] == pytest.approx(dense.factor, rel=ROUNDING)
    count = 0
    for term, where, pick in picks(design):
        log, log_error, events, events_error = dense.effect(pick)
        ratio, difference = result.effect(term, "rate_ratio", **where), result.effect(term, "events", **where)
        assert np.log(ratio.estimate) == pytest.approx(log, abs=ROUNDING), (term, where)
        assert ratio.std_error / ratio.estimate == pytest.approx(log_error, rel=ROUNDING), (term, where)
        assert difference.estimate == pytest.approx(events, rel=1e-6, abs=ROUNDING), (term, where)
        assert difference.std_error == pytest.approx(events_error, rel=ROUNDING), (term, where)
        count += 1
    assert count == 1 + 2 + 7 + 4 + 7 + 7


def test_every_cell_is_that_of_pyfixest(design, result):
    a = design.arrays
    N, T = a.y.shape
    frame = pd.DataFrame({"area": np.repeat(np.arange(N), T), "period": np.tile(np.arange(T), N), "y": a.y.ravel()})
    frame["log_people"] = 0.0 if a.exposure is None else np.log(a.exposure.ravel())
    names = {}
    for g in (5, 8):
        for t in range(g, T):
            names[g, t] = f"d{g}x{t}"
            frame[names[g, t]] = ((a.start[frame["area"]] == g) & (frame["period"] == t)).astype(float)
    peer = regress(
        frame,
        outcome="y",
        regressors=tuple(names.values()),
        family="poisson",
        offset=None if a.exposure is None else "log_people",
    )
    assert len(peer.names) == len(names)
    for (g, t), name in names.items():
        ours = result.effect("cell", "rate_ratio", cohort=str(a.periods[g]), period=str(a.periods[t]))
        estimate, error = peer[name]
        assert np.log(ours.estimate) == pytest.approx(estimate, abs=POINT)
        assert ours.std_error / ours.estimate == pytest.approx(error, rel=ERROR)


def test_joint_covariance_is_that_of_the_dense_regression(design, result, dense):
    a = design.arrays
    untreated = dense.X.copy()
    untreated[:, dense.first :] = 0
    one, none = (np.exp(X @ dense.beta + dense.offset) for X in (dense.X, untreated))
    gradients = []
    for h in range(7):
        pick = ((np.arange(12)[None, :] - a.start[:, None]) == h).ravel() & a.treated.ravel()
        gradients.append(one[pick] @ dense.X[pick] / one[pick].sum() - none[pick] @ untreated[pick] / none[pick].sum())
    expected = np.array(gradients) @ dense.covariance @ np.array(gradients).T
    after = result.joint.pick(result.joint.index["horizon"].to_numpy() >= 0)
    np.testing.assert_allclose(after.covariance, expected, rtol=1e-6, atol=1e-12)


def test_a_lead_is_that_of_a_regression_with_the_cohort_held_apart(design, result):
    """One cohort's leads: dummies for each of its periods before the start, others' untreated cells as controls.

    The regression fixes one lead at zero, here the first; both sides are then set against the cohort's average.
    """
    a = design.arrays
    T = a.y.shape[1]
    starts = {k: v for k, v in design.intervention.starts.items() if v == a.periods[5]}
    only = Design(design.panel, outcome="y", intervention=Intervention("x", starts), exposure=design.exposure)
    kept = only.panel.select(areas=[n for i, n in enumerate(a.areas) if a.start[i] != 8])
    only = Design(kept, outcome="y", intervention=Intervention("x", starts), exposure=design.exposure)
    ours = ExtendedTwoWayFixedEffects(few_treated=0).fit(only)
    b = only.arrays
    rows = len(b.areas)
    frame = pd.DataFrame({"area": np.repeat(np.arange(rows), T), "period": np.tile(np.arange(T), rows)})
    frame["y"] = b.y.ravel()
    frame["log_people"] = 0.0 if b.exposure is None else np.log(b.exposure.ravel())
    cohort = b.start[frame["area"]] == 5
    names = []
    for t in range(1, T):
        names.append(f"d{t}")
        frame[names[-1]] = (cohort & (frame["period"] == t)).astype(float)
    frame = frame[~cohort | (frame["period"] < 5)].drop(columns=names[4:])
    peer = regress(
        frame,
        outcome="y",
        regressors=tuple(names[:4]),
        family="poisson",
        offset=None if b.exposure is None else "log_people",
    )
    log = np.array([0.0, *peer.estimate])
    observed = b.y[b.start == 5][:, :5].sum(axis=0)
    # relative to the average before the start: expected counts in proportion to observed / exp(lead), summing alike
    expected = observed / np.exp(log)
    expected *= observed.sum() / expected.sum()
    for h in range(-5, 0):
        effect = ours.effect("event", "rate_ratio", horizon=h)
        assert effect.estimate == pytest.approx(observed[h + 5] / expected[h + 5], rel=POINT)
    # contrasts between leads do not depend on the normalisation, and so have the regression's standard errors,
    # up to the small-sample factor: ours counts the cells of the whole design
    joint = ours.joint.pick(ours.joint.index["horizon"].to_numpy() < 0)
    contrast = joint.estimate[1:] - joint.estimate[0]
    np.testing.assert_allclose(contrast, peer.estimate[:3], rtol=0, atol=POINT)
    D = np.array([[-1.0, 1, 0, 0], [-1, 0, 1, 0], [-1, 0, 0, 1]])
    theirs = np.sqrt(np.diag(peer.covariance)[:3] / _factor(peer, 4 + T))
    mine = np.sqrt(np.diag(D @ joint.covariance @ D.T) / ours.diagnostics["crv1_factor"])
    np.testing.assert_allclose(mine, theirs, rtol=ERROR)


def _factor(peer, k):
    n, g = peer.n_cells, peer.n_clusters
    return (n - 1) / (n - k) * g / (g - 1)

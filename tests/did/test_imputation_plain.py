"""Linear imputation against a slow version written from the paper: a column for every area, period and covariate."""

import numpy as np
import pandas as pd
import pytest

from svmodel import Design, Intervention, Panel
from svmodel.did import Imputation

# Both sides solve the same normal equations, one by Cholesky after the area effects are taken out, one by a
# pseudo-inverse of all columns; what parts them is rounding.
ROUNDING = 1e-8
N, T = 26, 12
STARTS = {5: range(9), 8: range(9, 13), 10: range(13, 14)}


def make(seed=1, *, gaps=0.0, covariates=(), singleton=False):
    """A measure in a staggered panel: cohorts of nine, four and one."""
    rng = np.random.default_rng(seed)
    start = np.full(N, T + 5)
    for g, areas in STARTS.items():
        start[list(areas)] = g
    size = rng.normal(0, 1, N)
    moving = rng.normal(0, 1, (N, T)).cumsum(axis=1)
    time = np.arange(T)
    y = rng.normal(0, 3, (N, 1)) + rng.normal(0, 1, T) + 0.2 * time * size[:, None] + 0.5 * moving
    y += rng.normal(0, 1, (N, T)) * rng.uniform(0.5, 2, (N, 1))
    on = time >= start[:, None]
    y += np.where(on, -2 - 0.3 * (time - start[:, None]) + 0.1 * start[:, None], 0)
    y[rng.random((N, T)) < gaps] = np.nan
    if singleton:
        y[0, :4], y[20, 1:] = np.nan, np.nan
    months = pd.period_range("2020-01", periods=T, freq="M")
    names = [f"a{i:02d}" for i in range(N)]
    frame = pd.DataFrame(
        {
            "area": np.repeat(names, T),
            "month": np.tile(months.astype(str), N),
            "score": y.ravel(),
            "size": np.repeat(size, T),
            "moving": moving.ravel(),
        }
    )
    panel = Panel.from_frame(frame, area="area", period="month", measures=["score"], covariates=["size", "moving"])
    starts = {names[i]: months[g] for g, areas in STARTS.items() for i in areas}
    return Design(panel, outcome="score", intervention=Intervention("x", starts), covariates=covariates)


class Plain:
    """Columns for everything, tau by hand, and the variance of section 4.3 from the weights of all cells."""

    def __init__(self, design):
        a = design.arrays
        self.a, self.shape = a, a.y.shape
        area, period = np.repeat(np.arange(N), T), np.tile(np.arange(T), N)
        columns = [area == i for i in range(N)] + [period == t for t in range(1, T)]
        for name in design.covariates:
            x = a.covariates[..., design.covariates.index(name)].ravel()
            columns += [x * (period == t) for t in range(1, T)] if name == "size" else [x]
        self.Z = np.column_stack(columns).astype(float)
        self.untreated, self.treated = a.untreated.ravel(), a.treated.ravel()
        self.y = np.nan_to_num(a.y.ravel())
        Z0 = self.Z[self.untreated]
        self.inverse = np.linalg.pinv(Z0.T @ Z0)
        self.beta = self.inverse @ Z0.T @ self.y[self.untreated]
        self.tau = np.where(self.treated, self.y - self.Z @ self.beta, 0.0)
        self.area, self.period, self.start = area, period, np.repeat(a.start, T)
        self.horizon = period - self.start

    def average(self, weights):
        """Estimate and standard error of a weighted sum of effects."""
        w = np.where(self.treated, weights, 0.0)
        v = w.copy()
        Z0 = self.Z[self.untreated]
        v[self.untreated] = -Z0 @ self.inverse @ self.Z[self.treated].T @ w[self.treated]
        e = np.where(self.untreated, self.y - self.Z @ self.beta, 0.0)
        for g in np.unique(self.start[self.treated]):
            for t in range(g, T):
                cell = self.treated & (self.start == g) & (self.period == t)
                total = (v[cell] ** 2).sum()
                mean = (v[cell] ** 2 * self.tau[cell]).sum() / total if total else 0.0
                e[cell] = self.tau[cell] - mean
        by_area = np.bincount(self.area, weights=v * e)
        return float(w @ self.tau), float(np.sqrt(by_area @ by_area))

    def alike(self, cells):
        inside = (cells & self.treated).astype(float)
        return inside / inside.sum()


CASES = {
    "complete": {},
    "gaps": {"gaps": 0.15},
    "singletons": {"singleton": True},
    "covariates": {"covariates": ("size", "moving")},
    "covariates and gaps": {"covariates": ("size", "moving"), "gaps": 0.1, "seed": 4},
}


@pytest.fixture(scope="module", params=CASES.values(), ids=CASES)
def both(request):
    design = make(**request.param)
    return design, Imputation(family="linear").fit(design), Plain(design)


def held(result, term, **which):
    effect = result.effect(term, "difference", **which)
    return effect.estimate, effect.std_error


def test_every_term_and_its_standard_error(both):
    design, result, plain = both
    months = design.arrays.periods
    every = np.ones(N * T, dtype=bool)
    wanted = [("att", {}, plain.alike(every))]
    by = {"event": [], "cohort": [], "calendar": []}
    for h in range(7):
        by["event"].append(plain.alike(plain.horizon == h))
        wanted.append(("event", {"horizon": h}, by["event"][-1]))
    for t in range(5, T):
        by["calendar"].append(plain.alike(plain.period == t))
        wanted.append(("calendar", {"period": str(months[t])}, by["calendar"][-1]))
    for g in (5, 8, 10):
        by["cohort"].append(plain.alike(plain.start == g))
        if g != 10:
            wanted.append(("cohort", {"cohort": str(months[g])}, by["cohort"][-1]))
            cell = plain.alike((plain.start == g) & (plain.period == 10))
            wanted.append(("cell", {"cohort": str(months[g]), "period": str(months[10])}, cell))
    areas = {g: float((plain.treated & (plain.start == g)).reshape(N, T).any(axis=1).sum()) for g in (5, 8, 10)}
    share = np.array(list(areas.values())) / sum(areas.values())
    wanted.append(("event_average", {}, np.mean(by["event"], axis=0)))
    wanted.append(("calendar_average", {}, np.mean(by["calendar"], axis=0)))
    wanted.append(("cohort_average", {}, share @ np.array(by["cohort"])))
    for term, which, weights in wanted:
        estimate, error = held(result, term, **which)
        expected, expected_error = plain.average(weights)
        assert estimate == pytest.approx(expected, abs=ROUNDING), (term, which)
        if np.isfinite(error):
            assert error == pytest.approx(expected_error, rel=ROUNDING), (term, which)
        else:  # it rests on a single area
            cells = plain.treated & (weights > 0)
            assert len(np.unique(plain.area[cells])) == 1, (term, which)


def test_each_area_s_own_effect(both):
    design, result, plain = both
    for i, name in enumerate(design.arrays.areas):
        own = plain.treated & (plain.area == i)
        if own.any():
            effect = result.effect("area", "difference", area=name)
            assert effect.estimate == pytest.approx(plain.tau[own].mean(), abs=ROUNDING)
            assert np.isnan(effect.std_error)
            assert np.isnan(effect.conf_low)


def test_leads_are_those_of_a_regression_on_untreated_cells(both):
    design, result, plain = both
    keep = plain.untreated
    ever = design.arrays.treated.any(axis=1)[plain.area]
    # at least half of the treated areas reach five periods before the start, where earlier ones are binned
    h = np.where(ever, np.maximum(plain.horizon, -5), 0)
    leads = np.column_stack([(h == k) & ever for k in (-5, -4, -3, -2)]).astype(float)
    X = np.hstack([leads, plain.Z])[keep]
    inverse = np.linalg.pinv(X.T @ X)
    beta = inverse @ X.T @ plain.y[keep]
    residual = plain.y[keep] - X @ beta
    scores = np.stack([(residual[:, None] * X)[plain.area[keep] == i].sum(axis=0) for i in range(N)])
    n, clusters = int(keep.sum()), len(np.unique(plain.area[keep]))
    k = np.linalg.matrix_rank(X) - clusters + 1  # area effects are nested in the clusters
    factor = (n - 1) / (n - k) * clusters / (clusters - 1)
    covariance = factor * inverse @ scores.T @ scores @ inverse
    for j, horizon in enumerate((-5, -4, -3, -2)):
        estimate, error = held(result, "event", horizon=horizon)
        assert estimate == pytest.approx(beta[j], abs=ROUNDING)
        assert error == pytest.approx(np.sqrt(covariance[j, j]), rel=ROUNDING)
    np.testing.assert_allclose(result.joint.covariance, covariance[:4, :4], rtol=1e-6)


def test_the_counterfactual_is_the_fitted_outcome(both):
    design, result, plain = both
    fitted = (plain.Z @ plain.beta).reshape(N, T)
    frame = result.counterfactual
    own = frame[frame["area"] == "a03"]
    months = list(design.arrays.periods)
    at = [months.index(p) for p in own["period"]]
    np.testing.assert_allclose(own["expected"], fitted[3, at], atol=ROUNDING)
    np.testing.assert_array_equal(own["observed"], design.arrays.y[3, at])
    every = frame[frame["area"] == "all treated"].set_index("period")
    known = design.arrays.treated[:, -1]
    assert every["expected"].iloc[-1] == pytest.approx(fitted[known, -1].sum(), abs=1e-7)
    gap = result.effect("calendar", "difference", period=str(months[-1]))
    last = every.iloc[-1]
    # the limits of the expected sum are those of the effect, seen from the observed sum
    assert last["observed"] - last["low"] == pytest.approx(gap.conf_high * known.sum(), abs=1e-7)
    assert last["observed"] - last["high"] == pytest.approx(gap.conf_low * known.sum(), abs=1e-7)


def test_point_and_influence(both):
    design, result, _ = both
    estimator = Imputation(family="linear")
    att = result.effect("att", "difference").estimate
    assert estimator.point(design.arrays) == pytest.approx(att, abs=1e-12)
    estimate, influence = estimator.influence(design.arrays)
    assert estimate == pytest.approx(att, abs=1e-12)
    assert influence.shape == (N,)
    assert np.sqrt(influence @ influence) > result.effect("att", "difference").std_error

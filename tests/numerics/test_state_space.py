"""Banded draws of states against the dense normal distribution that they stand for, and against statsmodels."""

import numpy as np
import pytest
from statsmodels.tsa.statespace.structural import UnobservedComponents

from svmodel.errors import EstimationError
from svmodel.numerics.series.state_space import structural

Y = np.array([1.0, 2.5, np.nan, 2.0, 3.5, 3.0, 4.5, np.nan, 4.0, 5.5, np.nan, np.nan])
FORMS = [
    ({}, [0.3]),
    ({"slope": True}, [0.3, 0.05]),
    ({"seasons": 4}, [0.3, 0.1]),
    ({"slope": True, "seasons": 4}, [0.3, 0.05, 0.1]),
]
NOISE = 0.7


def dense(form, variances, y):
    """Mean and covariance of all states given y, by writing every state out from the shocks and conditioning."""
    T = len(y)
    slope, S = form.get("slope", False), form.get("seasons", 1)
    variances = dict(
        zip(["level", *(["slope"] if slope else []), *(["season"] if S > 1 else [])], variances, strict=True)
    )
    m = 1 + slope + (S > 1)
    # the joint distribution by simulation's algebra: states are linear in first states and shocks
    sources, sd, mean = [], [], []

    def source(scale, centre=0.0):
        sources.append(len(sources))
        sd.append(scale)
        mean.append(centre)
        return len(sources) - 1

    rows = []
    level = {source(1.0, 1.0): 1.0}
    drift = {source(1.0, 0.25): 1.0} if slope else {}
    seasons = []
    for t in range(T):
        if t:
            level = {k: level.get(k, 0) + drift.get(k, 0) for k in {*level, *drift}}
            level[source(np.sqrt(variances["level"]))] = 1.0
            if slope:
                drift = {**drift, source(np.sqrt(variances["slope"])): 1.0}
        if S > 1:
            if t < S - 1:
                seasons.append({source(1.0): 1.0})
            else:
                last = seasons[-(S - 1) :]
                new = {k: -sum(s.get(k, 0) for s in last) for k in set().union(*last)}
                new[source(np.sqrt(variances["season"]))] = 1.0
                seasons.append(new)
        rows += [level, *([drift] if slope else []), *([seasons[-1]] if S > 1 else [])]
    L = np.zeros((T * m, len(sources)))
    for i, row in enumerate(rows):
        for k, v in row.items():
            L[i, k] = v
    centre, covariance = L @ np.array(mean), L @ np.diag(np.square(sd)) @ L.T
    Z = np.zeros((T, T * m))
    for t in range(T):
        Z[t, t * m] = 1
        if S > 1:
            Z[t, t * m + m - 1] = 1
    known = ~np.isnan(y)
    Z = Z[known]
    gain = covariance @ Z.T @ np.linalg.inv(Z @ covariance @ Z.T + NOISE * np.eye(known.sum()))
    return centre + gain @ (y[known] - Z @ centre), covariance - gain @ Z @ covariance


@pytest.mark.parametrize(("form", "variances"), FORMS)
def test_mean_and_covariance_are_those_of_the_dense_normal(form, variances):
    space = structural(len(Y), first_level=(1.0, 1.0), first_slope=(0.25, 1.0), **form)
    mean, covariance = dense(form, variances, Y)
    assert space.mean(Y, NOISE, np.array(variances)) == pytest.approx(mean, abs=1e-10)
    factor, _ = space.moments(Y, NOISE, np.array(variances))
    width, size = factor.shape
    U = np.zeros((size, size))
    for d in range(width):
        U += np.diag(factor[width - 1 - d, d:], d)
    assert np.linalg.inv(U.T @ U) == pytest.approx(covariance, abs=1e-10)


@pytest.mark.parametrize(("form", "variances"), FORMS)
def test_draws_have_that_mean_and_covariance(form, variances):
    space = structural(len(Y), first_level=(1.0, 1.0), first_slope=(0.25, 1.0), **form)
    mean, covariance = dense(form, variances, Y)
    rng, n = np.random.default_rng(1), 4000
    draws = np.array([space.draw(Y, NOISE, np.array(variances), rng) for _ in range(n)])
    sd = np.sqrt(np.diag(covariance))
    # the mean of n draws is known to sd / sqrt(n); 5 of these leave a chance of 1e-5 over all states
    assert (np.abs(draws.mean(axis=0) - mean) < 5 * sd / np.sqrt(n)).all()
    assert np.cov(draws.T) / np.outer(sd, sd) == pytest.approx(covariance / np.outer(sd, sd), abs=5 * np.sqrt(2 / n))


def test_the_smoothed_level_is_that_of_statsmodels():
    rng = np.random.default_rng(2)
    y = np.cumsum(rng.normal(0, 0.3, 80)) + rng.normal(0, 0.8, 80)
    model = UnobservedComponents(y, level="llevel")
    model.initialize_known(np.array([y[0]]), np.array([[1.0]]))
    theirs = model.smooth([0.8**2, 0.3**2]).smoothed_state[0]
    space = structural(80, first_level=(y[0], 1.0))
    assert space.signal(space.mean(y, 0.8**2, np.array([0.3**2]))) == pytest.approx(theirs, abs=1e-8)


def test_shocks_are_counted_up_to_the_period_asked_for():
    space = structural(8, slope=True, seasons=3)
    rng = np.random.default_rng(3)
    theta = rng.normal(size=(8, 3))
    level, slope, season = theta.T
    until = 6
    told = space.squares(theta.ravel(), until)
    u = level[1:until] - level[: until - 1] - slope[: until - 1]
    v = np.diff(slope[:until])
    w = np.array([season[t - 2 : t + 1].sum() for t in range(2, until)])
    assert told == [(5, pytest.approx(u @ u)), (5, pytest.approx(v @ v)), (4, pytest.approx(w @ w))]


def test_states_that_nothing_bounds_are_refused():
    space = structural(3)
    with pytest.raises(EstimationError, match="floating point"):
        space.moments(np.full(3, np.nan), 1.0, np.array([-1.0]))

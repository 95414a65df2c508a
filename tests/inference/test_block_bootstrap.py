"""The block bootstrap with a straight line through the past, for which everything is known."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from svmodel import Design, Intervention, Panel, did
from svmodel.errors import EstimationError
from svmodel.inference import BlockBootstrap

PAST, ALL = 60, 72


@dataclass(frozen=True)
class Line:
    """A line through the treated area's past, carried on: observed less expected, or the log of their ratio."""

    scale: str = "difference"

    def expected(self, arrays):
        i = int(np.flatnonzero(arrays.treated.any(axis=1))[0])
        t = np.arange(arrays.y.shape[1])
        past = arrays.untreated[i]
        X = np.column_stack([np.ones(len(t)), t])
        return i, X @ np.linalg.lstsq(X[past], arrays.y[i, past], rcond=None)[0]

    def point(self, arrays):
        i, expected = self.expected(arrays)
        after = arrays.treated[i]
        if self.scale == "difference":
            return float((arrays.y[i] - expected)[after].mean())
        return float(np.log(arrays.y[i, after].sum() / expected[after].sum()))

    def fit(self, d, *, seed=0):
        made = did.TwoWayFixedEffects(family="linear").fit(d)
        i, expected = self.expected(d.arrays)
        frame = pd.DataFrame(
            {
                "area": d.arrays.areas[i],
                "period": list(d.arrays.periods),
                "observed": d.arrays.y[i],
                "expected": expected,
                "low": np.nan,
                "high": np.nan,
            }
        )
        rows = made.estimates.query("term == 'att'").copy()
        value = self.point(d.arrays)
        rows.loc[rows["scale"] == "difference", "estimate"] = value
        if self.scale == "log_rate_ratio":
            rows = rows.head(1).assign(scale="rate_ratio", estimate=np.exp(value))
        else:
            rows = rows[rows["scale"] == "difference"]
        held = {"observed": 1.0, "expected": 1.0, "treated_cells_used": 12}
        return replace(made, estimates=rows, counterfactual=frame, estimator=self, diagnostics=held)


def series(rng, *, persistence, n=ALL):
    e = rng.normal(size=n + 50)
    x = np.zeros(n + 50)
    for t in range(1, n + 50):
        x[t] = persistence * x[t - 1] + e[t]
    return x[50:] * np.sqrt(1 - persistence**2)


def design(y):
    frame = pd.DataFrame(
        {
            "area": np.repeat([f"a{k}" for k in range(4)], ALL),
            "month": np.tile(pd.period_range("2015-01", periods=ALL, freq="M").astype(str), 4),
            "x": np.concatenate([y, *[np.random.default_rng(k).normal(size=ALL) for k in range(3)]]),
        }
    )
    panel = Panel.from_frame(frame, area="area", period="month", measures=["x"])
    return Design(panel, outcome="x", intervention=Intervention("x", {"a0": panel.periods[PAST]}))


def test_independent_noise_gives_the_textbook_error_of_a_forecast_mean():
    rng = np.random.default_rng(1)
    y = 50 + 0.1 * np.arange(ALL) + rng.normal(size=ALL)
    d = design(y)
    result = Line().fit(d)
    found = BlockBootstrap(draws=1999, length=1).infer(result, seed=1).effect("att", "difference")
    t = np.arange(ALL)
    X = np.column_stack([np.ones(ALL), t])
    past, after = X[:PAST], X[PAST:].mean(axis=0)
    residual = (y - Line().expected(d.arrays)[1])[:PAST]
    wanted = residual.std() * np.sqrt(1 / (ALL - PAST) + after @ np.linalg.inv(past.T @ past) @ after)
    # the standard deviation of 2,000 draws is known to 1.6%
    assert found.std_error == pytest.approx(wanted, rel=0.06)
    assert found.estimate == pytest.approx(result.effect("att", "difference").estimate)


def test_blocks_keep_dependence_that_single_periods_lose():
    y = 50 + series(np.random.default_rng(2), persistence=0.7)
    result = Line().fit(design(y))
    wide = BlockBootstrap(draws=999).infer(result, seed=1)
    narrow = BlockBootstrap(draws=999, length=1).infer(result, seed=1)
    assert "blocks of 1;" not in wide.notes[-1]
    ratio = wide.effect("att", "difference").std_error / narrow.effect("att", "difference").std_error
    assert ratio > 1.4


@pytest.mark.parametrize("blocks", ["moving", "stationary"])
def test_every_kind_is_deterministic_by_seed(blocks):
    result = Line().fit(design(50 + series(np.random.default_rng(3), persistence=0.4)))
    method = BlockBootstrap(draws=99, blocks=blocks, length=5, interval="basic")
    one = method.infer(result, seed=1)
    np.testing.assert_array_equal(one.draws, method.infer(result, seed=1).draws)
    assert not np.array_equal(one.draws, method.infer(result, seed=2).draws)
    effect = one.effect("att", "difference")
    assert effect.conf_low < effect.estimate < effect.conf_high


def test_a_ratio_has_noise_that_grows_with_its_count():
    rng = np.random.default_rng(4)
    y = rng.poisson(np.where(np.arange(ALL) < PAST, 40.0, 30.0)).astype(float)
    result = Line("log_rate_ratio").fit(design(y))
    found = BlockBootstrap(draws=1999, length=1).infer(result, seed=1)
    # Poisson: log ratio of 12 months against a line through 60, by the delta method
    X = np.column_stack([np.ones(ALL), np.arange(ALL)])
    after = X[PAST:].mean(axis=0)
    lever = after @ np.linalg.inv(X[:PAST].T @ X[:PAST]) @ after
    wanted = np.sqrt(1 / (12 * 30) + 40 * lever / 40**2)
    # the dispersion of 60 counts is known to 20%, its root to 10%
    assert np.std(found.draws) == pytest.approx(wanted, rel=0.3)


def test_coverage_with_noise_that_lasts():
    """AR(1) of .3 with 60 months' past; the interval forgets what the line took out, so somewhat below 95%."""
    rng = np.random.default_rng(5)
    held = 0
    base = Line().fit(design(50 + rng.normal(size=ALL)))
    d = base.design
    for k in range(100):
        y = d.arrays.y.copy()
        y[0] = 50 + series(rng, persistence=0.3)
        arrays = replace(d.arrays, y=y)
        i, expected = Line().expected(arrays)
        value = Line().point(arrays)
        rows = base.estimates.assign(estimate=value)
        past = base.counterfactual.assign(expected=expected)
        result = replace(
            base, estimates=rows, counterfactual=past, design=SimpleNamespace(arrays=arrays, panel=d.panel)
        )
        effect = BlockBootstrap(draws=99).infer(result, seed=k).effect("att", "difference")
        held += effect.conf_low <= 0 <= effect.conf_high
        assert i == 0
    assert 0.8 < held / 100 < 0.995


def test_what_cannot_be_done_is_refused():
    d = design(50 + series(np.random.default_rng(6), persistence=0.2))
    with pytest.raises(EstimationError, match="no `point"):
        BlockBootstrap().infer(replace(Line().fit(d), estimator=object()))
    with pytest.raises(EstimationError, match="too few for blocks of 20"):
        BlockBootstrap(length=20).infer(Line().fit(d))
    with pytest.raises(EstimationError, match="too few"):
        BlockBootstrap().infer(replace(Line().fit(d), counterfactual=None))
    with pytest.raises(EstimationError) as caught:
        BlockBootstrap(length=0, blocks="round", interval="bca")
    assert len(caught.value.problems) == 3

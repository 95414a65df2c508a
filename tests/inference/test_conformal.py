"""Conformal inference: against the paper's algorithm written out, and by simulation with errors that last."""

import math
import runpy
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from svmodel.did import Imputation
from svmodel.errors import DesignError, EstimationError
from svmodel.inference import Conformal

plain = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("plain.py"))))
LINEAR = Imputation(family="linear", inference="cluster")
POISSON = Imputation(family="poisson", inference="cluster")


def residuals(y, treated, after, tau):
    """Two-way residuals of the mean treated area under the null, all periods in the fit."""
    y = y.copy()
    y[np.ix_(treated, np.flatnonzero(after))] -= tau
    rest = [i for i in range(len(y)) if i not in treated]
    gap = y[treated].mean(axis=0) - y[rest].mean(axis=0)
    return gap - gap.mean()


def moving_block(u, after, q=1.0):
    """Equation (2): the share of shifts with a statistic at least as large."""
    S = [(np.abs(np.roll(u, -j)[after]) ** q).sum() for j in range(len(u))]
    return np.mean(np.array(S) >= S[0] * (1 - 1e-9))


def autoregressive(seed, n=12, length=60, rho=0.5):
    rng = np.random.default_rng(seed)
    e = rng.normal(0, 1, (n, length + 20))
    y = np.zeros_like(e)
    for t in range(1, length + 20):
        y[:, t] = rho * y[:, t - 1] + e[:, t]
    return y[:, 20:] + rng.normal(0, 2, (n, 1)) + rng.normal(0, 1, (1, length))


@pytest.mark.parametrize("tau", [0.0, 0.7, -1.0])
@pytest.mark.parametrize("q", [1.0, 2.0])
@pytest.mark.parametrize("estimator", [plain.WithPath(), LINEAR], ids=["path", "point"])
def test_moving_blocks_are_the_papers(estimator, tau, q):
    y = autoregressive(1, n=8, length=30)
    y[[2, 5], 24:] -= 1.0
    after = np.arange(30) >= 24
    expected = moving_block(residuals(y, [2, 5], after, tau), after, q)
    fitted = estimator.fit(plain.design(y, {2: 24, 5: 24}))
    # predicting a period from all others scales every two-way residual by T / (T - 1), which changes no rank
    assert Conformal(norm=q).p_value(fitted, tau) == pytest.approx(expected)


def test_choices_of_periods_are_the_papers():
    y = autoregressive(2, n=6, length=10)
    after = np.arange(10) >= 7
    u = residuals(y, [0], after, 0.5)
    S = np.array([np.abs(u[list(c)]).sum() for c in combinations(range(10), 3)])
    fitted = plain.WithPath().fit(plain.design(y, {0: 7}))
    p = Conformal(permutations="iid").p_value(fitted, 0.5)
    assert p == pytest.approx((np.abs(u[after]).sum() * (1 - 1e-9) <= S).mean())
    drawn = Conformal(permutations="iid", draws=60).p_value(fitted, 0.5, seed=1)
    # 60 of 120 without replacement
    assert drawn == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / 120) + 1 / 61)
    assert drawn == Conformal(permutations="iid", draws=60).p_value(fitted, 0.5, seed=1)


def test_the_interval_is_that_of_a_slow_grid():
    y = autoregressive(3, length=40)
    y[0, 34:] -= 3.0
    after = np.arange(40) >= 34
    result = Conformal(level=0.9).infer(LINEAR.fit(plain.design(y, {0: 34})))
    row = result.effect("att", "difference")
    grid = np.arange(-8, 3, 0.01)
    kept = [tau for tau in grid if moving_block(residuals(y, [0], after, tau), after) > 0.1 + 1e-12]
    assert (row.conf_low, row.conf_high) == pytest.approx((kept[0], kept[-1]), abs=0.02)
    assert row.p_value == moving_block(residuals(y, [0], after, 0.0), after)
    assert math.isnan(row.std_error)
    assert result.diagnostics["conformal_permutations"] == 40


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_one_treated_area_with_errors_that_last(rho):
    """Size at 10% with one treated area, 8 of 80 periods: moving blocks hold it under AR(1) errors."""
    after = np.arange(80) >= 72
    rejected = {"ours": 0, "slow": 0}
    runs = 250
    for seed in range(runs):
        y = autoregressive(1_000 + seed, n=6, length=80, rho=rho)
        p = Conformal().p_value(plain.WithPath().fit(plain.design(y, {0: 72})))
        rejected["ours"] += p <= 0.1
        rejected["slow"] += moving_block(residuals(y, [0], after, 0.0), after) <= 0.1
    assert rejected["ours"] == rejected["slow"]
    # four standard errors of 250 panels, and 2 points for the approximation under correlation
    assert rejected["ours"] / runs == pytest.approx(0.1, abs=4 * math.sqrt(0.1 * 0.9 / runs) + 0.02)


def test_choices_of_periods_reject_too_often_where_errors_last():
    """What the note warns of: iid permutations do not hold under AR(1) errors, moving blocks do."""
    count = {"iid": 0, "moving_block": 0}
    for seed in range(120):
        y = autoregressive(2_000 + seed, n=4, length=60, rho=0.8)
        fitted = plain.WithPath().fit(plain.design(y, {0: 54}))
        for scheme in count:
            count[scheme] += Conformal(permutations=scheme, draws=199).p_value(fitted) <= 0.1
    assert count["iid"] > 1.5 * 0.1 * 120
    assert count["moving_block"] < count["iid"]


def test_a_fall_in_counts_is_found_and_bounded():
    rng = np.random.default_rng(4)
    season = np.exp(0.2 * np.sin(np.arange(48) / 12 * 2 * np.pi))
    mean = 60 * season * np.exp(rng.normal(0, 0.3, (15, 1)))
    mean[0, 40:] *= 0.6
    y = rng.poisson(mean).astype(float)
    people = np.tile(rng.uniform(900, 1100, (15, 1)), (1, 48))
    result = Conformal().infer(POISSON.fit(plain.design(y, {0: 40}, counts=True, exposure=people)))
    row = result.effect("att", "rate_ratio")
    assert row.conf_low < 0.6 < row.conf_high < 1
    assert row.p_value <= 0.05
    events = result.effect("att", "events")
    assert events.conf_low < events.estimate < events.conf_high < 0


def test_the_path_of_counts_and_the_periods_predicted_in_turn_agree():
    """A Poisson estimator with a path gives nearly the residuals that its point gives."""
    y = np.random.default_rng(5).poisson(50, (9, 40)).astype(float)

    class PoissonPath(Imputation):
        def path(self, arrays):
            from svmodel.numerics.two_way import TwoWay
            from svmodel.numerics.two_way.poisson_fe import fit_poisson

            fit = fit_poisson(arrays.y, TwoWay(arrays.untreated), arrays.exposure)
            return arrays.y, fit.level[:, None] * fit.shape

    made = plain.design(y, {0: 30}, counts=True)
    one = Conformal().p_value(PoissonPath(inference="cluster").fit(made))
    assert one == pytest.approx(Conformal().p_value(POISSON.fit(made)), abs=2 / 40)


def test_order_and_names_of_areas_change_nothing():
    y = autoregressive(6, n=10, length=30)
    one = Conformal().infer(LINEAR.fit(plain.design(y, {3: 25}))).effect("att", "difference")
    order = np.random.default_rng(0).permutation(10)
    made = plain.design(y[order], {int(np.flatnonzero(order == 3)[0]): 25}, names=[f"w{i}" for i in range(10)])
    other = Conformal().infer(LINEAR.fit(made)).effect("att", "difference")
    assert other.p_value == one.p_value
    assert (other.conf_low, other.conf_high) == pytest.approx((one.conf_low, one.conf_high), abs=1e-6)


def test_cells_of_anticipation_and_after_the_end_take_no_part():
    y = autoregressive(7, n=8, length=34)
    y[0, 23], y[0, 31:] = 99.0, -99.0  # anticipated, and after the end
    made = plain.design(y, {0: 24}, ends={0: 30}, anticipation=1)
    keep = np.r_[0:23, 24:31]
    shorter = plain.design(y[:, keep], {0: 23})
    p = [Conformal().p_value(plain.WithPath().fit(d), 0.3) for d in (made, shorter)]
    assert p[0] == p[1]


def test_too_few_periods_give_no_interval_and_say_so():
    result = Conformal().infer(LINEAR.fit(plain.design(autoregressive(8, n=6, length=12), {0: 10})))
    row = result.effect("att", "difference")
    assert math.isnan(row.conf_low)
    assert math.isnan(row.conf_high)
    assert row.p_value >= 1 / 12
    assert any("With 12 of them no p-value can be below 0.083" in n for n in result.notes)


def test_refusals_say_why():
    y = autoregressive(9, n=8, length=30)
    with pytest.raises(DesignError, match="2 treated areas have different dates"):
        Conformal().infer(LINEAR.fit(plain.design(y, {0: 20, 1: 22})))
    with pytest.raises(EstimationError, match="neither `path` nor `point`"):
        Conformal().infer(plain.RefitOnly().fit(plain.design(y, {0: 20})))
    with pytest.raises(EstimationError, match="3 problems"):
        Conformal(permutations="block", level=1, norm=0.5)


def test_an_estimator_that_uses_the_order_of_periods_is_refused():
    """The last period before the start as base: its residuals depend on which period that is."""

    class Last(plain.Changes):
        def point(self, arrays):
            treated = arrays.treated.any(axis=1)
            t = int(np.flatnonzero(arrays.treated[treated][0])[0])
            move = arrays.y[:, t] - arrays.y[:, t - 1]
            return float(move[treated].mean() - move[~treated].mean())

    with pytest.raises(EstimationError, match="uses the order of periods"):
        Conformal().infer(Last().fit(plain.design(autoregressive(10, n=8, length=30), {0: 25})))

from dataclasses import dataclass, replace

import numpy as np
import pytest

from svmodel import Design, Intervention, Panel, did
from svmodel.errors import EstimationError
from svmodel.inference import ClusterBootstrap
from svmodel.inference.bootstrap import from_draws
from svmodel.inference.statistic import point_by_rows, resampled
from svmodel.result import PointEstimator
from svmodel.simulate import panel


def design(seed=0, n=24, length=12, cohorts=((6, 8),), effect=0.8):
    made = panel(n, length, mean=20.0, dispersion=0.1, effect=effect, cohorts=cohorts, seed=seed)
    return Design(made.panel, outcome="violence", exposure="population", intervention=made.intervention)


@dataclass(frozen=True)
class Changes:
    """Treated areas' mean change less the others', with `point` and `influence`."""

    fail_from: int = 10**9

    @property
    def scale(self):
        return "difference"

    def change(self, arrays):
        half = arrays.y.shape[1] // 2
        return arrays.y[:, half:].mean(axis=1) - arrays.y[:, :half].mean(axis=1), arrays.treated.any(axis=1)

    def point(self, arrays):
        change, treated = self.change(arrays)
        if len(set(arrays.areas)) >= self.fail_from:
            return float("nan")
        return float(change[treated].mean() - change[~treated].mean())

    def influence(self, arrays):
        change, treated = self.change(arrays)
        centred = change - np.where(treated, change[treated].mean(), change[~treated].mean())
        return self.point(arrays), np.where(treated, centred / treated.sum(), -centred / (~treated).sum())

    def fit(self, d, *, seed=0):
        made = did.TwoWayFixedEffects(family="linear").fit(d)
        return replace(made, estimator=self)


@dataclass(frozen=True)
class OnlyFits:
    """Two-way fixed effects without any of the quick ways."""

    family: str = "linear"

    def fit(self, d, *, seed=0):
        return replace(did.TwoWayFixedEffects(family=self.family).fit(d), estimator=self)


def test_quick_and_slow_ways_agree_on_every_resample():
    d = design(1)
    rng = np.random.default_rng(0)
    for family in ("linear", "poisson"):
        quick = point_by_rows(did.TwoWayFixedEffects(family=family).fit(d))
        slow = point_by_rows(OnlyFits(family).fit(d))
        for _ in range(4):
            rows = rng.integers(0, 24, 24)
            assert quick(rows) == pytest.approx(slow(rows), rel=1e-7, nan_ok=True)
    assert np.isnan(quick(np.flatnonzero(d.arrays.treated.any(axis=1))))


def test_a_resampled_design_has_the_same_arrays():
    d = replace(design(2), window=("2018-03", None))
    rows = np.array([3, 3, 0, 11, 23, 5])
    made, wanted = resampled(d, rows).arrays, d.arrays.take(rows)
    np.testing.assert_array_equal(made.y, wanted.y)
    np.testing.assert_array_equal(made.exposure, wanted.exposure)
    np.testing.assert_array_equal(made.status, wanted.status)
    np.testing.assert_array_equal(made.start, wanted.start)


def test_the_spread_is_that_of_theory():
    """Two means drawn apart: the variance of a draw is the sum of the sample's variances by n, over n."""
    d = design(3, n=30, cohorts=((6, 12),))
    result = Changes().fit(d)
    assert isinstance(result.estimator, PointEstimator)
    change, treated = Changes().change(d.arrays)
    wanted = change[treated].var() / treated.sum() + change[~treated].var() / (~treated).sum()
    found = ClusterBootstrap(draws=3999).infer(result, seed=1)
    effect = found.effect("att", "difference")
    # the standard error of a standard deviation of 4,000 draws is 1.1%
    assert effect.std_error == pytest.approx(np.sqrt(wanted), rel=0.05)
    draws = np.sort(found.draws)
    assert (effect.conf_low, effect.conf_high) == (draws[99], draws[3899])
    basic = ClusterBootstrap(draws=3999, interval="basic").infer(result, seed=1).effect("att", "difference")
    assert basic.conf_low == pytest.approx(2 * effect.estimate - effect.conf_high)


def test_bootstrap_t_by_hand():
    d = design(4)
    result = Changes().fit(d)
    found = ClusterBootstrap(draws=1999, interval="bootstrap_t").infer(result, seed=2).effect("att", "difference")
    estimate, psi = Changes().influence(d.arrays)
    own = np.sqrt((psi**2).sum())
    rng, treated = np.random.default_rng(9), d.arrays.treated.any(axis=1)
    t = []
    for _ in range(1999):
        rows = np.concatenate([rng.choice(np.flatnonzero(g), g.sum()) for g in (treated, ~treated)])
        value, part = Changes().influence(d.arrays.take(rows))
        t.append((value - estimate) / np.sqrt((part**2).sum()))
    low, high = estimate - own * np.quantile(t, 0.975), estimate - own * np.quantile(t, 0.025)
    # quantiles of 2,000 draws each: about 4% of the half width
    assert (found.conf_low, found.conf_high) == pytest.approx((low, high), abs=0.2 * own)
    percentile = ClusterBootstrap(draws=1999).infer(result, seed=2).effect("att", "difference")
    assert found.conf_high - found.conf_low > percentile.conf_high - percentile.conf_low


def test_bootstrap_t_by_whole_fits():
    result = OnlyFits().fit(design(5, n=12, length=6, cohorts=((3, 5),)))
    found = ClusterBootstrap(draws=19, interval="bootstrap_t").infer(result, seed=1)
    effect = found.effect("att", "difference")
    assert effect.conf_low < effect.estimate < effect.conf_high


def test_draws_keep_their_treated_areas():
    seen = []

    @dataclass(frozen=True)
    class Watch(Changes):
        def point(self, arrays):
            treated = arrays.treated.any(axis=1)
            seen.append((int(treated.sum()), tuple(np.unique(arrays.start[treated], return_counts=True)[1])))
            return super().point(arrays)

    result = Watch().fit(design(6, cohorts=((4, 5), (8, 3))))
    ClusterBootstrap(draws=50).infer(result)
    assert {n for n, _ in seen} == {8}
    assert len({by for _, by in seen}) > 1
    seen.clear()
    ClusterBootstrap(draws=50, strata="cohort").infer(result)
    assert {by for _, by in seen} == {(5, 3)}
    seen.clear()
    ClusterBootstrap(draws=50, strata="none").infer(result)
    assert len({n for n, _ in seen}) > 1


def test_failed_draws_are_counted_said_and_too_many_refused():
    d = design(7)
    distinct = sorted(_distinct(d, draws=400))
    some, most = distinct[int(0.85 * 400)], distinct[int(0.2 * 400)]
    found = ClusterBootstrap(draws=400).infer(Changes(some).fit(d), seed=0)
    failed = found.diagnostics["bootstrap_failed"]
    assert failed == sum(k >= some for k in distinct)
    assert len(found.draws) == 400 - failed
    assert f"{failed:,} of 400 resamples of areas do not identify" in found.notes[-1]
    with pytest.raises(EstimationError, match="of 400 resamples of areas do not identify"):
        ClusterBootstrap(draws=400).infer(Changes(most).fit(d), seed=0)


def _distinct(d, draws):
    held = []

    @dataclass(frozen=True)
    class Count(Changes):
        def point(self, arrays):
            held.append(len(set(arrays.areas)))
            return super().point(arrays)

    ClusterBootstrap(draws=draws).infer(Count().fit(d), seed=0)
    return held


def test_neither_order_nor_names_matter_and_a_seed_is_kept():
    d = design(8)
    frame = d.panel.to_frame()
    areas = sorted(frame["area"].unique())
    other = dict(zip(areas, [f"z{k:03d}" for k in np.random.default_rng(1).permutation(24)], strict=True))
    renamed = Panel.from_frame(
        frame.assign(area=frame["area"].map(other)),
        area="area",
        period="period",
        counts=["violence"],
        exposures=["population"],
    )
    moved = replace(
        d, panel=renamed, intervention=Intervention("x", {other[a]: p for a, p in d.intervention.starts.items()})
    )
    method, twfe = ClusterBootstrap(draws=199), did.TwoWayFixedEffects()
    one, two = method.infer(twfe.fit(d), seed=3), method.infer(twfe.fit(moved), seed=3)
    np.testing.assert_allclose(np.sort(one.draws), np.sort(two.draws), rtol=1e-8, atol=1e-10)
    assert method.infer(twfe.fit(d), seed=3).to_json() == one.to_json()
    assert not np.array_equal(method.infer(twfe.fit(d), seed=4).draws, one.draws)


def test_designs_that_show_no_noise_are_refused():
    with pytest.raises(EstimationError, match="single treated area"):
        ClusterBootstrap(draws=19).infer(Changes().fit(design(9, cohorts=((6, 1),))))
    with pytest.raises(EstimationError, match="1 of 2 cohorts are a single area"):
        ClusterBootstrap(draws=19, strata="cohort").infer(Changes().fit(design(9, cohorts=((4, 5), (8, 1)))))
    with pytest.raises(EstimationError) as caught:
        ClusterBootstrap(draws=1, interval="bca", strata="region", level=0)
    assert len(caught.value.problems) == 4


def test_areas_that_differ_by_nothing_show_no_noise():
    d = design(9)

    @dataclass(frozen=True)
    class Still(Changes):
        def point(self, arrays):
            return -1.0

    with pytest.raises(EstimationError, match="same estimate"):
        ClusterBootstrap(draws=19).infer(Still().fit(d))


def test_few_treated_are_said():
    found = ClusterBootstrap(draws=99).infer(Changes().fit(design(10, cohorts=((6, 3),))))
    assert "3 treated areas" in found.notes[-1]
    assert "too narrow" in found.notes[-1]


def test_infinite_draws_stay_infinite():
    draws = np.append(np.full(10, -np.inf), np.linspace(-1, 1, 89))
    low, high, _ = from_draws(draws, 0.0, "percentile", 0.95)
    assert low == -np.inf
    assert np.isfinite(high)
    low, high, _ = from_draws(draws, 0.0, "basic", 0.95)
    assert np.isfinite(low)
    assert high == np.inf

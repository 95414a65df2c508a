"""Noise that grows with level, where no exposure tells an area's size."""

import math

import numpy as np
import pandas as pd
import pytest

from svmodel import Design, Intervention, Panel
from svmodel.counterfactual import SyntheticControl, SyntheticDiD
from svmodel.counterfactual.noise_by_level import excess, learn, moments, roughness

MONTHS = [str(p) for p in pd.period_range("2018-01", periods=48, freq="M")]


def design(seed: int, own: float, donors: float, *, ratio: float = 1.0, noisy: float = 1.0) -> Design:
    rng = np.random.default_rng(seed)
    mean = np.full((40, 48), float(donors))
    mean[0] = own
    mean[0, 36:] *= ratio
    y = rng.poisson(mean)
    if noisy > 1:
        y[0] = np.round(own + noisy * math.sqrt(own) * rng.normal(size=48)).clip(0)
    frame = pd.DataFrame(
        {"area": np.repeat([f"A{i:02d}" for i in range(40)], 48), "month": MONTHS * 40, "n": y.ravel()}
    )
    panel = Panel.from_frame(frame, area="area", period="month", counts=["n"])
    return Design(panel, outcome="n", intervention=Intervention("patrols", starts={"A00": MONTHS[36]}))


@pytest.mark.parametrize("estimator", [SyntheticDiD(), SyntheticControl(intercept=True)])
def test_a_large_area_among_small_donors_finds_no_effect_where_there_is_none(estimator):
    results = [estimator.fit(design(seed, 300, 6), seed=1) for seed in range(20)]
    p = np.array([r.effect("att", "events").p_value for r in results])
    # unscaled placebos found an effect in 14 of 20; 4 or more of 20 has a chance of 1.6% at a size of 5%
    assert (p < 0.05).sum() <= 3
    # the error of a mean of twelve Poisson counts of 300, and that of the weighted past
    error = np.nanmedian([r.effect("att", "difference").std_error for r in results])
    assert 0.8 < error / math.sqrt(300 / 12) < 2.2
    assert all(r.uncertainty.in_doubt for r in results)
    assert any("No control is like" in w.text and w.kind == "interval" for w in results[0].warnings)


@pytest.mark.parametrize("estimator", [SyntheticDiD(), SyntheticControl(intercept=True)])
def test_a_small_area_among_large_donors_keeps_its_power(estimator):
    found = [
        estimator.fit(design(seed, 6, 300, ratio=0.4), seed=1).effect("att", "events").p_value for seed in range(12)
    ]
    # with the placebos of large areas as they stand it was found in none
    assert np.mean(np.array(found) < 0.05) > 0.3


def test_an_area_that_strays_by_itself_is_given_its_own_noise():
    for estimator in (SyntheticDiD(), SyntheticControl(intercept=True)):
        calm, wild = (estimator.fit(design(3, 20, 20, noisy=k), seed=1) for k in (1.0, 4.0))
        assert wild.effect("att", "events").std_error > 2 * calm.effect("att", "events").std_error
        assert any("times as far as donors of their level" in n for n in wild.notes)
        assert not any("times as far as donors of their level" in n for n in calm.notes)


def test_the_variance_is_learnt_with_the_donors_part():
    rng = np.random.default_rng(0)
    level = rng.uniform(5, 50, 4000)
    at = np.array([moments(level[[j]], np.full(10, 0.1), level[:10]) for j in range(len(level))])
    assert at[0, 0] == pytest.approx(level[0] + 0.01 * level[:10].sum())
    assert at[0, 1] == pytest.approx(level[0] ** 2 + 0.01 * (level[:10] ** 2).sum())
    noise = learn(rng.normal(size=len(level)) ** 2 * (at @ [1.5, 0.02]), at, floor=1.0)
    np.testing.assert_allclose(noise.variance(at), at @ [1.5, 0.02], rtol=0.15)
    assert noise.omega > 0
    assert learn(np.zeros(len(level)), at, floor=0.5).phi == pytest.approx(0.5)


def test_excess_is_told_only_beyond_chance():
    rng = np.random.default_rng(1)
    told = [excess(roughness(rng.normal(size=36)), 1.0, 36) for _ in range(500)]
    assert np.mean(np.array(told) > 1) < 0.08
    assert excess(4.0, 1.0, 36) == 4.0
    assert excess(4.0, 1.0, 5) == 1.0
    assert excess(4.0, 0.0, 36) == 1.0

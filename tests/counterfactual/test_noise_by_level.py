"""Noise that grows with level, where no exposure tells an area's size."""

import math

import numpy as np
import pandas as pd
import pytest

from svmodel import Design, Intervention, Panel
from svmodel.counterfactual import SyntheticControl, SyntheticDiD
from svmodel.counterfactual.noise_by_level import own_variance, roughness

MONTHS = [str(p) for p in pd.period_range("2018-01", periods=48, freq="M")]


def design(
    seed: int, own: float, donors: float, *, ratio: float = 1.0, noisy: float = 1.0, shape: float | None = None
) -> Design:
    rng = np.random.default_rng(seed)
    mean = np.full((40, 48), float(donors))
    mean[0] = own
    mean[0, 36:] *= ratio
    if shape is not None:
        mean = mean * rng.gamma(shape, 1 / shape, mean.shape)
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


@pytest.mark.parametrize("estimator", [SyntheticDiD(), SyntheticControl(intercept=True)])
def test_overdispersion_that_only_a_large_area_shows_is_no_effect(estimator):
    p = np.array(
        [estimator.fit(design(s, 300, 6, shape=50), seed=1).effect("att", "events").p_value for s in range(25)]
    )
    # with the variance by level that donors tell, 14% of such studies were called significant
    assert (p[~np.isnan(p)] <= 0.05).sum() <= 4


def test_an_area_that_strays_by_itself_is_given_its_own_noise():
    for estimator in (SyntheticDiD(), SyntheticControl(intercept=True)):
        calm, wild = (estimator.fit(design(3, 20, 20, noisy=k), seed=1) for k in (1.0, 4.0))
        assert wild.effect("att", "events").std_error > 2 * calm.effect("att", "events").std_error


def test_which_donor_stands_for_the_largest_area_does_not_hang_on_its_size():
    # one donor is large and has a large change: it stands for the large treated area in a third of its sets, not in all
    rng = np.random.default_rng(5)
    mean = np.full((24, 48), 10.0)
    mean[:3] = [[300.0], [30.0], [6.0]]
    mean[3] = 90.0
    mean[3, 36:] *= 3.0
    names = [f"A{i:02d}" for i in range(24)]
    frame = pd.DataFrame({"area": np.repeat(names, 48), "month": MONTHS * 24, "n": rng.poisson(mean).ravel()})
    panel = Panel.from_frame(frame, area="area", period="month", counts=["n"])
    starts = dict.fromkeys(names[:3], MONTHS[36])
    made = Design(panel, outcome="n", intervention=Intervention("patrols", starts=starts))
    result = SyntheticDiD(n_draws=2000).fit(made)
    assert result.diagnostics["inference"] == "placebo"
    assert result.diagnostics["draws"] == 1330
    # of 1,330 sets of 21 donors 190 hold it. In 63 it stands for the area of 300, and the 66th largest placebo is the
    # limit; had it stood there in all of its sets, the limit would lie 2.4 errors off
    effect = result.effect("att", "events")
    assert (effect.conf_high - effect.conf_low) / 2 / effect.std_error < 2.0


def test_the_variance_is_the_area_s_own_above_a_floor_by_its_level():
    rng = np.random.default_rng(0)
    gap = rng.normal(0, 3, 4000)
    even, level = np.full(10, 0.1), np.full(10, 4.0)
    for centred in (True, False):
        told = own_variance(gap, np.array([4.0]), even, level, centred=centred, fitted=False)
        assert told == pytest.approx(9.0, rel=0.08)
    # a constant gap is noise where the method does not take it off
    assert own_variance(gap + 4, np.array([4.0]), even, level, centred=True) == pytest.approx(9.0, rel=0.08)
    assert own_variance(gap + 4, np.array([4.0]), even, level, centred=False) == pytest.approx(25.0, rel=0.08)
    # two areas of 4 averaged, and ten donors of 4 at a tenth each
    still = np.zeros(9), np.array([4.0, 4.0]), even, level
    assert own_variance(*still, centred=True) == pytest.approx(2 + 0.4)
    assert own_variance(*still, centred=True, fitted=False) == pytest.approx((2 + 0.4) / 2)


def test_every_donor_that_follows_the_area_takes_a_degree_of_freedom():
    rng = np.random.default_rng(2)
    told = []
    for _ in range(400):
        y, donors = rng.normal(size=40), rng.normal(size=(40, 8))
        design = np.column_stack([np.ones(40), donors])
        left = y - design @ np.linalg.lstsq(design, y)[0]
        told.append(own_variance(left, np.zeros(1), np.ones(9), np.zeros(9), centred=True))
    # nine coefficients, of which the weights' sum takes one back
    assert np.mean(told) == pytest.approx(1.0, rel=0.03)


def test_roughness_is_the_variance_of_noise_and_leaves_a_drift_out():
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 2, 5000)
    assert roughness(noise + np.linspace(0, 100, 5000)) == pytest.approx(4.0, rel=0.06)

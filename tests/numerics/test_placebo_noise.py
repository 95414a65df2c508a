import numpy as np
import pytest

from svmodel.numerics.resampling.placebo_noise import learn_noise, ratio_interval


def panel(seed, *, phi=1.0, drift=0.0, n=4000, mean=20.0):
    """Counts with variance phi times the mean, and a step of relative size `drift` at the window."""
    rng = np.random.default_rng(seed)
    level = mean * np.exp(rng.normal(0, 0.6, n))
    mu = level[:, None] * np.ones(20)
    mu[:, 12:] *= (1 + drift * rng.standard_normal(n))[:, None]
    counts = rng.poisson(np.maximum(mu, 0) / phi) * phi
    return counts, np.ones((n, 20)), counts.mean(axis=1)


def learnt(counts, shape, level, *, as_counts=True):
    before = np.arange(20) < 12
    window = (np.arange(20) >= 12).astype(float)[None, :]
    return learn_noise(counts, shape, level, np.ones(shape.shape, bool), before, window, counts=as_counts)


def test_poisson_noise_is_found():
    noise = learnt(*panel(0))
    assert noise.share[0] == pytest.approx(8 / 12)
    # d = sum of 8 - (8/12) sum of 12: variance E (1 + 8/12); 4,000 squared misses are good to sqrt(2/4000) = 2%
    assert noise.phi[0] == pytest.approx(1 + 8 / 12, rel=0.1)
    assert noise.omega[0] < 1e-3
    assert noise.areas[0] == 4000


def test_wider_noise_and_drift_are_told_apart():
    assert learnt(*panel(1, phi=3.0), as_counts=False).phi[0] == pytest.approx(3 * (1 + 8 / 12), rel=0.15)
    # a step of 20% adds (0.2 E)^2; the level that sizes are measured by holds some of it, hence the room
    assert learnt(*panel(2, drift=0.2)).omega[0] == pytest.approx(0.04, rel=0.25)


def test_counts_are_never_taken_for_less_noisy_than_poisson():
    level = np.linspace(5, 50, 30)
    even = np.repeat(level[:, None], 20, axis=1)
    noise = learnt(even, np.ones((30, 20)), level)
    assert (noise.phi[0], noise.omega[0]) == (pytest.approx(1 + 8 / 12), 0.0)


def test_fewer_than_ten_areas_teach_nothing():
    counts, shape, level = panel(3, n=9)
    noise = learnt(counts, shape, level)
    assert np.isnan(noise.phi[0])
    assert noise.areas[0] == 9


def test_the_order_of_size_does_not_matter():
    counts, shape, level = panel(4, n=50)
    one, other = learnt(counts, shape, level), learnt(counts[::-1], shape, level[::-1])
    assert one.phi[0] == pytest.approx(other.phi[0], rel=1e-10)


@pytest.mark.parametrize(("observed", "linear", "square"), [(30.0, 60.0, 40.0), (90.0, 90.0, 0.0), (0.0, 50.0, 30.0)])
def test_limits_are_just_rejected(observed, linear, square):
    low, high = ratio_interval(observed, 50.0, linear, square, 1.96)
    assert low <= observed / 50 <= high
    for r in (low, high):
        if r > 0:
            assert abs(observed - 50 * r) / np.sqrt(linear * r + square * r**2) == pytest.approx(1.96)


def test_a_ratio_to_nearly_nothing_has_no_upper_limit():
    low, high = ratio_interval(8.0, 3.0, 3.0, 9.0, 1.96)
    assert high == np.inf
    assert abs(8 - 3 * low) / np.sqrt(3 * low + 9 * low**2) == pytest.approx(1.96)


def test_a_count_too_uncertain_to_bound_the_ratio_bounds_nothing():
    """Without an event, and with noise as large as what was expected, every ratio is within two deviations."""
    assert ratio_interval(0.0, 3.0, 0.0, 9.0, 2.0) == (0.0, np.inf)

import math

import numpy as np
import pytest

from svmodel.numerics.displacement import (
    Windows,
    change_dispersion,
    displacement_difference,
    displacement_quotient,
)


def made(rng, *, target=0.7, ring=1.0, J=40, mean=60.0, phi=1.0):
    """Counts of one cohort: quasi-Poisson by a gamma factor of each count."""

    def draw(m, size):
        intensity = m if phi == 1.0 else rng.gamma(m / (phi - 1), phi - 1, size)
        return rng.poisson(intensity, size).astype(float)

    control = np.column_stack([draw(mean, J), draw(mean, J)])
    own = [np.array([draw(mean, n).sum(), draw(mean * r, n).sum()]) for n, r in ((8, target), (12, ring))]
    return Windows(own[0], own[1], control, (8, 12))


def test_the_quotient_is_that_of_bowers_and_johnson():
    rng = np.random.default_rng(0)
    w = made(rng, ring=1.1)
    (C0, C1), (A0, A1), (B0, B1) = w.control.sum(axis=0), w.target, w.ring
    plain = (B1 / C1 - B0 / C0) / (A1 / C1 - A0 / C0)
    assert displacement_quotient([w], 1.0, 1.96).value == pytest.approx(plain)


def test_fieller_s_ends_are_where_the_test_just_rejects():
    w = made(np.random.default_rng(1))
    t = 2.0
    found = displacement_quotient([w], 1.3, t)
    C0, C1 = w.control.sum(axis=0)
    r = C1 / C0
    off = (w.control[:, 1] - r * w.control[:, 0]) / C0
    J = len(off)
    for q in (found.low, found.high):
        gap = (w.ring[1] - r * w.ring[0]) - q * (w.target[1] - r * w.target[0])
        own = 1.3 * (w.ring[1] + r**2 * w.ring[0] + q**2 * (w.target[1] + r**2 * w.target[0]))
        shared = (w.ring[0] - q * w.target[0]) ** 2 * float(off @ off) * J / (J - 1)
        assert gap**2 == pytest.approx(t**2 * (own + shared))


def test_no_fall_no_quotient_and_no_clear_fall_no_limits():
    even = np.tile([50.0, 50.0], (20, 1))
    rose = Windows(np.array([100.0, 120.0]), np.array([100.0, 90.0]), even, (2, 2))
    assert math.isnan(displacement_quotient([rose], 1.0, 1.96).value)
    hardly = Windows(np.array([100.0, 98.0]), np.array([100.0, 90.0]), even, (2, 2))
    found = displacement_quotient([hardly], 1.0, 1.96)
    assert math.isinf(found.low)
    assert math.isinf(found.high)
    assert found.value == pytest.approx(5.0)


@pytest.mark.parametrize("phi", [1.0, 3.0])
def test_the_interval_holds_the_truth(phi):
    rng = np.random.default_rng(5)
    truth = (12 * 60 * (1.1 - 1)) / (8 * 60 * (0.6 - 1))
    inside = bounded = 0
    for _ in range(600):
        w = made(rng, target=0.6, ring=1.1, phi=phi)
        found = displacement_quotient([w], change_dispersion(w.control)[0], 2.02)
        inside += found.low <= truth <= found.high
        bounded += math.isfinite(found.low)
    assert bounded > 550
    assert 0.92 <= inside / 600 <= 0.98  # Monte Carlo error 0.009


def test_the_dispersion_is_that_of_the_counts():
    rng = np.random.default_rng(7)
    for phi in (1.0, 4.0):
        mean = np.mean([change_dispersion(made(rng, phi=phi, J=200).control)[0] for _ in range(40)])
        assert mean == pytest.approx(phi, rel=0.1)
    assert math.isnan(change_dispersion(np.array([[3.0, 4.0]]))[0])


def test_differences_are_those_of_wheeler_and_ratcliffe_and_their_errors_hold():
    rng = np.random.default_rng(9)
    drawn = [made(rng) for _ in range(2_000)]
    found = [displacement_difference([w], 1.0) for w in drawn]
    for name in ("target", "ring", "total"):
        values = np.array([f[name].value for f in found])
        errors = np.array([f[name].poisson_error for f in found])
        assert np.mean(errors) == pytest.approx(values.std(), rel=0.05)
        truth = {"target": -0.3 * 60 * 8, "ring": 0.0, "total": -0.3 * 60 * 8}[name]
        assert values.mean() == pytest.approx(truth, abs=4 * values.std() / math.sqrt(2_000))
    w = drawn[0]
    C = w.control.sum(axis=0)
    weight = 8 / 40
    plain = w.target[1] - w.target[0] - weight * (C[1] - C[0])
    assert found[0]["target"].value == pytest.approx(plain)
    assert found[0]["target"].poisson_error ** 2 == pytest.approx(w.target.sum() + weight**2 * C.sum())
    wider = displacement_difference([w], 4.0)["target"]
    assert wider.error == pytest.approx(2 * wider.poisson_error)

"""Chains that cannot be judged are refused: a diagnostic that is NaN is none that an engine does not have."""

import numpy as np
import pytest

from svmodel.engine.posterior import convergence_of

SHAPE = (4, 500)


def chains(spoil=lambda x: None, seed=0):
    x = np.random.default_rng(seed).normal(size=SHAPE)
    spoil(x)
    return x


def traced(energy):
    """Return what a trace of any version of ArviZ holds of the sampler's own statistics."""
    xarray = pytest.importorskip("xarray")
    statistics = {"energy": energy, "diverging": np.zeros(SHAPE, dtype=bool)}
    return {"sample_stats": xarray.Dataset({name: (("chain", "draw"), v) for name, v in statistics.items()})}


def put(value, where):
    def spoil(x):
        x[where] = value

    return spoil


@pytest.fixture(scope="module")
def trace():
    return traced(chains(seed=1))


def test_independent_draws_arrive(trace):
    found = convergence_of(trace, {"x": chains()})
    assert found.arrived
    assert found.r_hat < 1.01
    assert 1500 < found.ess_bulk < 2500


@pytest.mark.parametrize(
    "spoil",
    [put(np.nan, (1, 3)), put(np.nan, slice(None)), put(np.inf, 0), put(np.arange(4.0)[:, None], slice(None))],
    ids=["one not finite", "none finite", "a chain infinite", "chains that do not move"],
)
def test_draws_that_cannot_be_judged_do_not(trace, spoil):
    found = convergence_of(trace, {"x": chains(), "odd": chains(spoil)})
    assert not found.arrived
    assert found.worst == "odd"
    assert np.isfinite(found.ess_bulk)


def test_an_energy_that_does_not_move_does_not():
    found = convergence_of(traced(np.ones(SHAPE)), {"x": chains()})
    assert found.energy == 0
    assert any("missing information" in p for p in found.problems)

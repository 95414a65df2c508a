import numpy as np

from svmodel.numerics.two_way import TwoWay
from svmodel.numerics.two_way.poisson_fe import fit_poisson
from svmodel.numerics.two_way.separation import separated_cells


def test_without_the_separated_cells_the_fit_settles_where_the_plain_one_runs_away():
    rng = np.random.default_rng(1)
    y = rng.poisson(5, (10, 8)).astype(float)
    group = np.full((10, 8), -1)
    group[:4, 4:] = np.arange(4)
    y[4:, 6] = 0  # no control has an event in the period that only the third group holds otherwise
    found = separated_cells(y, TwoWay(np.ones_like(y, dtype=bool), group=group))
    expected = np.zeros_like(found)
    expected[4:, 6] = True
    assert (found == expected).all()
    left = np.where(group == 2, -1, np.where(group == 3, 2, group))
    assert np.isfinite(fit_poisson(y, TwoWay(~found, group=left)).theta).all()


def test_zeros_alone_are_not_separated():
    rng = np.random.default_rng(2)
    y = rng.poisson(0.5, (30, 12)).astype(float)
    assert not separated_cells(y, TwoWay(np.ones_like(y, dtype=bool))).any()

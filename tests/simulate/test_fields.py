import numpy as np
import pytest

from svmodel.simulate.fields import fading_shocks, lay_out_map, smooth_field


def test_districts_stand_side_by_side_and_no_two_areas_in_one_place():
    points = lay_out_map((13, 41, 23))
    assert points.shape == (77, 2)
    assert len(np.unique(points, axis=0)) == 77
    assert points[:13, 0].max() < points[13:54, 0].min()


def test_near_areas_are_more_alike_than_far_ones():
    points = lay_out_map((36,))
    draws = np.array([smooth_field(np.random.default_rng(s), points, 1.5) for s in range(4000)])
    correlation = np.corrcoef(draws.T)
    # Standard error of a correlation over 4000 draws is below 0.016: four of them.
    assert correlation[0, 1] == pytest.approx(np.exp(-1 / 1.5), abs=0.064)
    assert correlation[0, 35] == pytest.approx(np.exp(-np.sqrt(50) / 1.5), abs=0.064)
    assert draws.var() == pytest.approx(1, abs=0.05)


def test_no_reach_gives_independent_areas():
    points = lay_out_map((4,))
    assert (smooth_field(np.random.default_rng(2), points, 0) == np.random.default_rng(2).standard_normal(4)).all()


def test_shocks_fade_at_their_pace():
    shocks = fading_shocks(np.random.default_rng(1), 20_000, 30, 0.6)
    # Standard error of a correlation over 20000 areas is 0.007 at most: four of them.
    for gap in (1, 3):
        assert np.corrcoef(shocks[:, 10], shocks[:, 10 + gap])[0, 1] == pytest.approx(0.6**gap, abs=0.028)
    assert shocks[:, 0].std() == pytest.approx(1, abs=0.02)
    assert shocks[:, -1].std() == pytest.approx(1, abs=0.02)

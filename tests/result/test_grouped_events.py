"""Event studies by groups of horizons: means, covariance, and what they are relative to."""

import numpy as np
import pytest

import svmodel as sv
from svmodel.errors import EstimationError

METHODS = {
    "reference": sv.did.TwoWayFixedEffects(family="linear"),
    "average": sv.did.ExtendedTwoWayFixedEffects(family="poisson"),
    "varying": sv.did.CallawaySantAnna(),
}


@pytest.fixture(name="design", scope="module")
def _design():
    made = sv.simulate.panel(n_areas=30, n_periods=24, cohorts=[(12, 10)], seed=2)
    return sv.Design(made.panel, outcome="violence", intervention=made.intervention)


@pytest.mark.parametrize("base", METHODS)
def test_groups_are_means_and_their_covariance_is_that_of_means(design, base):
    result = METHODS[base].fit(design)
    ratio = result.own_scale == "rate_ratio"
    events = result.event_study("quarter")
    table = events.table.set_index("horizon")
    assert table.index.tolist() == list(range(-12, 12, 3))
    joint = result.joint
    held = joint.index["horizon"].to_numpy()
    L = np.array([np.isin(held, [h, h + 1, h + 2]) / 3 for h in (0, 3, 6, 9)])
    estimate = L @ joint.estimate
    found = table.loc[[0, 3, 6, 9]]
    np.testing.assert_allclose(found["estimate"], np.exp(estimate) if ratio else estimate)
    covariance = L @ joint.covariance @ L.T
    np.testing.assert_allclose(events.covariance[4:, 4:], covariance)
    np.testing.assert_allclose(found["std_error"], np.sqrt(np.diag(covariance)))


def test_the_reference_is_told_and_no_part_of_its_group(design):
    made = {base: method.fit(design).event_study(3) for base, method in METHODS.items()}
    assert made["reference"].relative_to == "horizon -1"
    assert made["reference"].reference == -1
    assert made["reference"].table.set_index("horizon").loc[-3, "horizons"] == 2
    assert made["average"].relative_to == "the average before the start"
    assert made["varying"].relative_to == "the period before each"
    assert made["varying"].reference is None


def test_single_horizons_are_the_rows_of_the_result(design):
    result = METHODS["reference"].fit(design)
    table = result.event_study().table.set_index("horizon")
    for h in (-5, 0, 7):
        effect = result.effect("event", horizon=h)
        assert table.loc[h, "estimate"] == pytest.approx(effect.estimate)
        assert table.loc[h, "conf_low"] == pytest.approx(effect.conf_low)
    assert result.event_study("year").table["horizon"].tolist() == [-12, 0]


@pytest.mark.parametrize("every", [0, -3, 1.5, True, "week"])
def test_what_makes_no_group_is_refused(design, every):
    with pytest.raises(EstimationError, match="make no"):
        METHODS["reference"].fit(design).event_study(every)


def test_a_method_without_effects_by_time_says_so(design):
    alone = sv.did.ExtendedTwoWayFixedEffects(family="poisson", only_average=True).fit(design)
    with pytest.raises(EstimationError, match="gives no 'event'"):
        alone.event_study(3)

import numpy as np
import pytest

from svmodel.errors import DataError
from svmodel.simulate import panel


@pytest.fixture(scope="module")
def simulation():
    return panel(n_areas=30, n_periods=36, cohorts=[(18, 5), (24, 4)], mean=8, effect=0.75, build_up=4, seed=11)


def test_the_scales_agree(simulation):
    truth = simulation.truth["violence"]
    whole = truth.effect()
    treated = truth.treated
    assert whole.cells == 5 * 18 + 4 * 12 == treated.sum()
    assert whole.rate_ratio == pytest.approx((truth.untreated * truth.theta)[treated].sum() / whole.untreated)
    assert whole.events == pytest.approx(whole.untreated * (whole.rate_ratio - 1))
    assert whole.difference * whole.cells == pytest.approx(whole.events)
    assert whole.per_100k * truth.exposure[treated].sum() / 100_000 == pytest.approx(whole.events)
    # building up, so weaker on average than once whole
    assert 0.75 < whole.rate_ratio < 1


def test_areas_add_up(simulation):
    truth = simulation.truth["violence"]
    parts = [truth.effect([a]) for a in simulation.starts]
    assert sum(p.events for p in parts) == pytest.approx(truth.effect().events)
    assert sum(p.recorded_change for p in parts) == truth.effect().recorded_change


def test_the_panel_holds_the_recorded_counts(simulation):
    truth = simulation.truth["violence"]
    assert (simulation.panel.matrix("violence") == truth.counts).all()
    assert simulation.panel.areas == truth.areas
    assert (truth.counts[~truth.treated] == truth.counts_without[~truth.treated]).all()
    arrays = simulation.design().arrays
    assert (arrays.treated == truth.treated).all()


def test_the_recorded_change_is_the_true_one_but_for_chance():
    changes = []
    for seed in range(60):
        truth = panel(n_areas=20, n_periods=24, cohorts=[(12, 6)], seed=seed).truth["violence"]
        changes.append(truth.effect().recorded_change / truth.effect().events)
    # Each ratio scatters by about 8% (some 150 events averted); the mean of 60 by about 1%: four of these.
    assert np.mean(changes) == pytest.approx(1, abs=0.045)


def test_untreated_or_unknown_areas_have_no_effect(simulation):
    truth = simulation.truth["violence"]
    never = next(a for a in truth.areas if a not in simulation.starts)
    with pytest.raises(DataError, match="none of these areas"):
        truth.effect([never])
    with pytest.raises(DataError, match="no area of this simulation"):
        truth.effect(["area 99x"])


def test_before_after_by_hand():
    simulation = panel(n_areas=12, n_periods=40, cohorts=[(20, 3)], seed=4)
    truth = simulation.truth["violence"]
    compared = truth.before_after(months=6, lag=2)
    treated = truth.start < 40
    assert compared.naive == truth.counts[treated, 20:26].sum() / truth.counts[treated, 12:18].sum()
    expected = truth.counts_without[treated, 20:26].sum() / truth.counts_without[treated, 12:18].sum()
    assert compared.without_effect == expected
    each = truth.counts[~treated]
    assert compared.untreated_areas == pytest.approx(each[:, 20:26].sum() / each[:, 12:18].sum())

import numpy as np
import pytest

from svmodel.errors import DesignError
from svmodel.simulate import panel
from svmodel.simulate.fields import lay_out_map

SMALL = {"n_areas": 40, "n_periods": 48, "cohorts": [(30, 6), (36, 4)]}


def test_same_seed_same_bits():
    one, two, other = (panel(**SMALL, shock_sd=0.2, shock_persistence=0.5, seed=s) for s in (7, 7, 8))
    assert one.panel.fingerprint == two.panel.fingerprint != other.panel.fingerprint
    assert one.starts == two.starts
    assert (one.truth["violence"].untreated == two.truth["violence"].untreated).all()


def test_it_is_marked_synthetic_and_answers_a_sound_design():
    simulation = panel(**SMALL)
    assert simulation.panel.synthetic
    assert simulation.design().problems() == ()
    sizes = sorted(str(p) for p in simulation.starts.values())
    assert sizes.count("2020-07") == 6
    assert sizes.count("2021-01") == 4


def test_the_effect_touches_nothing_but_treated_cells():
    strong, none = (panel(**SMALL, effect=e, seed=3) for e in (0.5, 1.0))
    treated = strong.truth["violence"].treated
    assert (strong.truth["violence"].counts[~treated] == none.truth["violence"].counts[~treated]).all()
    assert strong.truth["violence"].counts[treated].sum() < 0.7 * none.truth["violence"].counts[treated].sum()
    assert none.truth["violence"].effect().events == 0


def regression_to_the_mean(selection):
    compared = [
        panel(
            n_areas=60, n_periods=48, cohorts=[(30, 12)], shock_sd=0.3, shock_persistence=0.6, selection=selection,
            effect=1.0, seed=seed,
        ).truth["violence"].before_after()
        for seed in range(40)
    ]  # fmt: skip
    return np.log([c.regression_to_the_mean for c in compared])


@pytest.mark.parametrize(("selection", "there"), [("lot", False), ("level", False), ("observed", True)])
def test_only_a_choice_on_records_brings_regression_to_the_mean(selection, there):
    logs = regression_to_the_mean(selection)
    z = logs.mean() / (logs.std(ddof=1) / np.sqrt(len(logs)))
    # Far below zero where it is there (about -12), within chance where it is not.
    assert z < -6 if there else abs(z) < 3.5


def test_selection_on_level_or_records_takes_high_areas():
    for selection in ("level", "observed"):
        simulation = panel(**SMALL, selection=selection, seed=2)
        truth = simulation.truth["violence"]
        level = truth.untreated.mean(axis=1)
        assert level[truth.start < 48].mean() > 1.4 * level[truth.start >= 48].mean()


def test_an_additive_panel_is_parallel_in_rates_too():
    simulation = panel(**SMALL, additive=True, level_sd=0.2, seed=5)
    truth = simulation.truth["violence"]
    assert np.ptp(truth.exposure) == 0
    assert truth.effect().difference == pytest.approx(-0.2 * 10)


def test_every_wrong_argument_is_named_at_once():
    with pytest.raises(DesignError) as caught:
        panel(n_areas=10, n_periods=24, cohorts=[(30, 5), (6, 8), (12, 0)], selection="observd")
    assert [p.rule for p in caught.value.problems] == ["start", "cohort_size", "areas", "selection"]
    assert "'observed'" in str(caught.value)
    with pytest.raises(DesignError, match="no 12 months to choose on"):
        panel(n_areas=10, n_periods=24, cohorts=[(6, 2)], selection="observed")


def test_spillover_changes_never_treated_neighbours_alone():
    choices = {"n_areas": 49, "n_periods": 30, "cohorts": [(10, 3), (20, 3)], "effect": 0.7, "seed": 5}
    plain, spilt = panel(**choices), panel(**choices, spillover=1.3)
    assert spilt.starts == plain.starts
    one, two = plain.truth["violence"], spilt.truth["violence"]
    np.testing.assert_array_equal(one.counts_without, two.counts_without)
    start = dict(zip(two.areas, two.start, strict=True))
    for i, area in enumerate(two.areas):
        first = min((start[b] for b in spilt.neighbours[area]), default=10**6)
        near = (start[area] >= 30) & (np.arange(30) >= first)
        np.testing.assert_allclose(two.theta[i], one.theta[i] * np.where(near, 1.3, 1.0))
    assert two.effect().rate_ratio == one.effect().rate_ratio
    assert "spillover" not in plain.settings
    assert spilt.settings["spillover"] == 1.3


def test_neighbours_stand_next_to_each_other():
    made = panel(n_areas=23, n_periods=12, cohorts=[(6, 2)])
    points = dict(zip(made.panel.areas, lay_out_map((23,)), strict=True))
    for a, here in points.items():
        near = {b for b, there in points.items() if np.abs(here - there).sum() == 1}
        assert set(made.neighbours[a]) == near


def test_spillover_of_nothing_or_too_little_is_refused():
    with pytest.raises(DesignError, match="spillover"):
        panel(n_areas=10, n_periods=12, cohorts=[(6, 2)], spillover=0)
    with pytest.raises(DesignError, match="negative counts"):
        panel(40, 24, cohorts=[(12, 5)], additive=True, level_sd=0.5, effect=0.95, trend=0, season=0, spillover=0.05)

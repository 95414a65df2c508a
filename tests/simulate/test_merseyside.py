from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import svmodel as sv
from svmodel.areas import is_code
from svmodel.errors import DesignError
from svmodel.simulate import MERSEYSIDE, Cohort, merseyside, simulate_recipe

COMMITTED = Path(__file__).resolve().parents[2] / "data_synthetic" / "merseyside"


@pytest.fixture(scope="module")
def simulation():
    return merseyside(seed=2026)


def test_composition(simulation):
    panel = simulation.panel
    assert (panel.n_areas, panel.n_periods) == (120, 84)
    assert panel.reporting_areas == ("E08000011", "E08000012", "E08000013", "E08000014", "E08000015")
    assert panel.label("E08000013") == "St Helens"
    assert panel.label("SYN-STH-01") == "St Helens synthetic area 01"
    assert not any(is_code(a) for a in panel.areas)
    assert panel.synthetic
    assert not np.isnan(panel.matrix("population")).any()


def test_levels_are_realistic(simulation):
    means = {c: simulation.panel.matrix(c).mean() for c in simulation.panel.counts}
    assert 7 < means["violence_with_injury"] < 12
    assert 12 < means["violence_without_injury"] < 18
    assert 0.8 < means["possession_of_weapons"] < 1.8
    assert 0.1 < means["sharp_object_admissions"] < 0.3
    violence = simulation.panel.matrix("violence_with_injury")
    # DOMAIN 5.2: real small-area counts have far more variance than mean.
    assert violence.var() / violence.mean() > 3


def test_treated_areas(simulation):
    parents = [simulation.panel.parents[a] for a in simulation.starts]
    assert len(parents) == 24
    assert set(parents) == {"E08000011", "E08000012", "E08000014", "E08000015"}
    assert sorted({str(p) for p in simulation.starts.values()}) == ["2022-10", "2023-04", "2023-10"]


def test_known_effects(simulation):
    ratios = {o: t.effect().rate_ratio for o, t in simulation.truth.items()}
    assert ratios == pytest.approx(
        {
            "violence_with_injury": 0.80,
            "violence_without_injury": 0.90,
            "possession_of_weapons": 0.85,
            "sharp_object_admissions": 1.00,
        }
    )
    assert simulation.truth["sharp_object_admissions"].effect().recorded_change == 0


def test_the_pandemic_is_there(simulation):
    monthly = simulation.panel.matrix("violence_with_injury").sum(axis=0)
    months = simulation.panel.periods
    spring = [monthly[(months >= f"{y}-04") & (months <= f"{y}-06")].sum() for y in (2019, 2020, 2021)]
    # 0.7 of the years around; a quarter of a year holds some 3,500 events, so chance and shocks move a ratio by 3%.
    assert spring[1] / spring[0] == pytest.approx(0.7, abs=0.1)
    assert spring[1] / spring[2] == pytest.approx(0.7, abs=0.1)


def test_neighbours_have_like_levels(simulation):
    level = np.log(simulation.truth["violence_with_injury"].untreated.mean(axis=1))
    liverpool = [i for i, a in enumerate(simulation.panel.areas) if a.startswith("SYN-LIV")]
    columns = np.arange(len(liverpool)) // 7  # the block is seven high
    next_door = [(i, i + 1) for i in range(len(liverpool) - 1) if columns[i] == columns[i + 1]]
    a, b = np.array([[level[liverpool[i]], level[liverpool[j]]] for i, j in next_door]).T
    assert np.corrcoef(a, b)[0, 1] > 0.2


def test_areas_were_chosen_on_a_high_that_fades():
    logs = [
        np.log(
            merseyside(seed=s, processes=MERSEYSIDE.processes[:1])
            .truth["violence_with_injury"]
            .before_after(months=12, lag=3)
            .regression_to_the_mean
        )
        for s in range(30)
    ]
    # About -0.12 with a scatter of 0.05 between seeds: the mean of 30 is known to 0.01.
    assert np.mean(logs) < -0.08


def test_the_committed_data_are_made_by_the_recipe(simulation):
    # Values, not bytes: a Parquet file changes with the version of its writer.
    committed = sv.read_panel(COMMITTED / "panel.parquet")
    assert committed.synthetic
    assert committed.fingerprint == simulation.panel.fingerprint
    assert dict(committed.parents) == dict(simulation.panel.parents)
    assert dict(committed.names) == dict(simulation.panel.names)


def test_outcomes_do_not_depend_on_each_other(simulation):
    alone = merseyside(seed=2026, processes=MERSEYSIDE.processes[:1])
    assert (alone.truth["violence_with_injury"].counts == simulation.truth["violence_with_injury"].counts).all()


def test_effects_can_be_changed():
    simulation = merseyside(seed=1, effects={"violence_with_injury": 1.0}, build_up=6)
    assert simulation.truth["violence_with_injury"].effect().events == 0
    assert 0.90 < simulation.truth["violence_without_injury"].effect().rate_ratio < 1


def test_wrong_changes_are_named_at_once():
    with pytest.raises(DesignError) as caught:
        merseyside(effects={"violence_with_injry": 0.9}, cohort=())
    assert "'violence_with_injury'" in str(caught.value)
    assert "'cohorts'" in str(caught.value)
    wrong = replace(MERSEYSIDE, cohorts=(Cohort("2018-02", {"LVI": 1}), Cohort("2022-10", {"KNO": 99})))
    with pytest.raises(DesignError) as caught:
        simulate_recipe(wrong, seed=1)
    assert len(caught.value.problems) == 3

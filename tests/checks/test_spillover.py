from dataclasses import replace

import numpy as np
import pytest

from svmodel import simulate
from svmodel.adjacency import read_adjacency, rings
from svmodel.checks import spillover
from svmodel.checks.spillover_designs import clean_design, ring_design, surroundings
from svmodel.design import Intervention
from svmodel.did.callaway_santanna import CallawaySantAnna
from svmodel.did.etwfe import ExtendedTwoWayFixedEffects
from svmodel.errors import DataError
from svmodel.result import Result
from svmodel.result.scales import estimates_frame

ETWFE = ExtendedTwoWayFixedEffects()
#: The average effect alone, which is all that this check asks for, at a fraction of the cost: for many panels.
AVERAGE = ExtendedTwoWayFixedEffects(only_average=True)
SMALL = {"n_areas": 100, "n_periods": 36, "cohorts": ((18, 8), (22, 8))}


def check(simulation, **choices):
    return spillover(AVERAGE.fit(simulation.design()), neighbours=simulation.neighbours, **choices)


def row(found, quantity, ring=None):
    rows = found.table[found.table["quantity"] == quantity]
    return (rows if ring is None else rows[rows["ring"] == ring]).iloc[0]


@pytest.mark.parametrize(("ratio", "word"), [(1.25, "displacement"), (0.75, "diffusion of benefit")])
def test_it_fires_where_spillover_is_planted_and_says_which_way(ratio, word):
    found = [check(simulate.panel(**SMALL, spillover=ratio, seed=s)) for s in range(12)]
    assert [f.status for f in found].count("failed") >= 10
    assert all(f"({word})" in f.text for f in found if f.status == "failed")
    estimates = [row(f, "effect_on_ring", 1)["estimate"] for f in found]
    assert np.mean(np.log(estimates)) == pytest.approx(np.log(ratio), abs=0.05)


def test_it_keeps_still_where_there_is_none():
    found = [check(simulate.panel(**SMALL, seed=s)).status for s in range(20)]
    assert set(found) == {"passed", "failed"}
    assert found.count("failed") <= 3  # 5% of 20, and chance


def test_clean_controls_take_the_bias_away():
    made = [simulate.panel(**SMALL, spillover=1.3, effect=0.8, seed=s) for s in range(8)]
    found = [check(m) for m in made]
    biased = np.mean([np.log(row(f, "effect")["estimate"]) for f in found])
    clean = np.mean([np.log(row(f, "effect_with_clean_controls")["estimate"]) for f in found])
    assert clean == pytest.approx(np.log(0.8), abs=0.06)
    assert biased < clean - 0.08


def plain_surroundings(simulation, k):
    """Return by hand the ring of every area and its first start, walking from area to area."""
    starts = dict(simulation.starts)
    ring = dict.fromkeys(starts, 0)
    first = dict(starts)
    for step in range(1, k + 1):
        near = {}
        for a, r in list(ring.items()):
            if r == step - 1:
                for b in simulation.neighbours[a]:
                    if b not in ring:
                        near[b] = min(near.get(b, first[a]), first[a])
        ring |= dict.fromkeys(near, step)
        first |= near
    return ring, first


def test_rings_have_the_first_start_next_door_and_treated_areas_take_no_part():
    made = simulate.panel(**{**SMALL, "cohorts": ((14, 3), (20, 3))}, seed=4)
    design = made.design()
    arrays = design.arrays
    borders = read_adjacency(made.neighbours, arrays.areas).borders
    around = surroundings(arrays, borders, rings(borders, arrays.start < 36), most=3, fewest=10)
    ring, first = plain_surroundings(made, around.n_rings)
    for k in range(1, around.n_rings + 1):
        of_ring = ring_design(design, around, k)
        assert dict(of_ring.intervention.starts) == {a: first[a] for a, r in ring.items() if r == k}
        assert set(of_ring.panel.areas) == {a for a in arrays.areas if ring.get(a) == k or a not in ring}
    clean = clean_design(design, around)
    assert set(clean.panel.areas) == {a for a in arrays.areas if ring.get(a, 9) == 0 or a not in ring}
    assert clean.intervention.starts == design.intervention.starts


def test_the_first_ring_s_row_is_a_fit_of_its_own():
    made = simulate.panel(**SMALL, seed=5)
    design = made.design()
    ring, first = plain_surroundings(made, 1)
    near = {a: first[a] for a, r in ring.items() if r == 1}
    others = [a for a in design.panel.areas if a in near or a not in ring]
    alone = ETWFE.fit(replace(design, panel=design.panel.select(areas=others), intervention=Intervention("x", near)))
    found = row(check(made, n_rings=1), "effect_on_ring", 1)
    assert found["estimate"] == pytest.approx(alone.effect("att", "rate_ratio").estimate)
    assert found["conf_low"] == pytest.approx(alone.effect("att", "rate_ratio").conf_low)
    assert found["areas"] == len(near)


def test_ends_are_handed_on():
    made = simulate.panel(**{**SMALL, "cohorts": ((14, 3),)}, seed=4)
    design = made.design()
    ends = dict.fromkeys(made.starts, design.panel.periods[29])
    design = replace(design, intervention=Intervention("x", dict(made.starts), ends))
    borders = read_adjacency(made.neighbours, design.panel.areas).borders
    around = surroundings(design.arrays, borders, rings(borders, design.arrays.start < 36), most=1, fewest=10)
    assert set(ring_design(design, around, 1).intervention.ends.values()) == {design.panel.periods[29]}


def test_the_quotient_is_told_and_is_not_defined_without_a_fall():
    found = check(simulate.panel(**SMALL, spillover=1.2, effect=0.6, seed=1))
    quotient = row(found, "weighted_displacement_quotient")
    assert quotient["conf_low"] < quotient["estimate"] < quotient["conf_high"]
    assert quotient["estimate"] < 0
    assert f"{quotient['estimate']:+.2f}" in found.text
    total = row(found, "weighted_displacement_difference_total")
    parts = [row(found, f"weighted_displacement_difference_{p}")["estimate"] for p in ("target", "ring")]
    assert total["estimate"] == pytest.approx(sum(parts))
    rose = check(simulate.panel(**SMALL, effect=1.4, seed=1))
    assert "not defined" in rose.text
    assert np.isnan(row(rose, "weighted_displacement_quotient")["estimate"])


def test_a_method_with_less_power_gets_a_second_opinion():
    made = simulate.panel(spillover=1.15, seed=3)
    estimator = CallawaySantAnna(simultaneous=False)
    found = spillover(estimator.fit(made.design()), neighbours=made.neighbours)
    assert found.status == "informative"
    assert "Extended two-way fixed effects" in found.text
    assert row(found, "effect_on_ring_two_way")["conf_low"] > 1


def test_what_it_needs():
    made = simulate.panel(**SMALL, seed=6)
    result = ETWFE.fit(made.design())
    assert "nobody said which areas border" in spillover(result).text
    assert spillover(Result(estimates_frame([]), None, ETWFE), neighbours=made.neighbours).status == "not_applicable"
    apart = [tuple(a for a in made.panel.areas if a not in made.starts)[:2]]
    assert "no never treated area borders" in spillover(result, neighbours=apart).text
    everyone = {a: [b for b in made.panel.areas if b != a] for a in made.panel.areas}
    crowded = spillover(result, neighbours=everyone)
    assert crowded.status == "not_applicable"
    assert "only 0 areas lie beyond" in crowded.text
    with pytest.raises(DataError, match="no area of the panel"):
        spillover(result, neighbours={"nowhere": ["area 001"]})
    with pytest.raises(DataError, match="whole number"):
        spillover(result, neighbours=made.neighbours, n_rings=0)


def test_borders_as_pairs_and_in_any_order_give_the_same():
    made = simulate.panel(**SMALL, seed=7)
    result = ETWFE.fit(made.design())
    pairs = [(b, a) for a, held in reversed(made.neighbours.items()) for b in held]
    one, two = spillover(result, neighbours=made.neighbours), spillover(result, neighbours=pairs)
    assert one.text == two.text
    assert one.table.equals(two.table)

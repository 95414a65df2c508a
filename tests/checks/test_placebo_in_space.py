import numpy as np
import pytest

from svmodel import simulate
from svmodel.checks import placebo_in_space
from svmodel.did.etwfe import ExtendedTwoWayFixedEffects
from svmodel.did.twfe import TwoWayFixedEffects
from svmodel.errors import DataError
from svmodel.inference import InSpacePlacebos
from svmodel.result import Result
from svmodel.result.scales import estimates_frame, log_row

ETWFE = ExtendedTwoWayFixedEffects()
#: The average effect alone, which is all that this check asks for: for many panels.
AVERAGE = ExtendedTwoWayFixedEffects(only_average=True)


def test_a_real_effect_stands_out(make_design):
    found = placebo_in_space(ETWFE.fit(make_design(1, effect=0.6)), draws=199)
    assert found.status == "passed"
    assert "rare where nothing was done" in found.text
    assert "p = 0.005" in found.text  # 1 in 200
    real = found.table[~found.table["placebo"]]
    assert real["estimate"].tolist() == pytest.approx([ETWFE.point(make_design(1, effect=0.6).arrays)])
    assert found.table["placebo"].sum() == 199


def test_all_areas_are_tried_where_one_is_treated(make_design):
    design = make_design(2, treated=1, n=31, starts=(30,), effect=0.3)
    result = ETWFE.fit(design)
    found = placebo_in_space(result)
    assert "all 30 never treated areas" in found.text
    named = set(found.table.loc[found.table["placebo"], "areas"])
    assert named == set(design.panel.areas) - set(design.intervention.starts)
    placebos = InSpacePlacebos().placebos(result)
    assert f"p = {placebos.p_value:.3f}" in found.text


def test_few_placebos_say_so(make_design):
    found = placebo_in_space(ETWFE.fit(make_design(3, treated=1, n=12, starts=(30,))))
    assert found.status == "informative"
    assert "no p-value can be below 0.08" in found.text  # 1 in 12


def test_an_interval_that_is_too_narrow_fails(make_design):
    """An error that is a tenth of what placebos show makes any effect significant."""
    result = ETWFE.fit(make_design(4, effect=1.0))
    effect = float(np.log(result.effect("att", "rate_ratio").estimate))
    narrow = Result(estimates_frame([log_row("att", effect, abs(effect) / 3)]), result.design, ETWFE)
    found = placebo_in_space(narrow, draws=99)
    assert found.status == "failed"
    assert "too narrow" in found.text


def test_the_seed_decides_the_draws_and_names_decide_nothing(make_design):
    result = ETWFE.fit(make_design(5))
    one, two, other = (placebo_in_space(result, seed=s, draws=50).table["estimate"] for s in (1, 1, 2))
    assert one.tolist() == two.tolist()
    assert one.tolist() != other.tolist()


def test_what_it_cannot_answer(make_design):
    assert placebo_in_space(Result(estimates_frame([]), None, ETWFE)).status == "not_applicable"
    few = placebo_in_space(ETWFE.fit(make_design(6, n=13, treated=12, starts=(30, 36, 40))))
    assert few.status == "not_applicable"
    assert "too few" in few.text
    with pytest.raises(DataError, match="whole number"):
        placebo_in_space(ETWFE.fit(make_design(6)), draws=0)


def test_what_would_take_too_long_is_left_out_with_a_pointer():
    design = simulate.panel(n_areas=200, n_periods=60, cohorts=[(36, 2)], mean=3.0, seed=1).design()
    found = placebo_in_space(TwoWayFixedEffects().fit(design), draws=5)
    assert found.status == "not_applicable"  # 19,503 sets of 11,880 cells
    assert "19,503 placebos" in found.text


def test_it_fires_as_often_as_chance_where_nothing_is_wrong(make_design):
    found = [placebo_in_space(AVERAGE.fit(make_design(s, n=40, length=40)), draws=39).status for s in range(15)]
    assert found.count("failed") <= 2

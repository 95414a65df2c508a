import dataclasses

import numpy as np
import pytest

from svmodel.costs import CostLine
from svmodel.design import Design, Intervention
from svmodel.did import CallawaySantAnna
from svmodel.economics import COURSES, STPR, UnitCost, cost_total, unit_cost, valuation_table, value
from svmodel.errors import DesignError, EstimationError
from svmodel.result import Result
from svmodel.simulate import panel

ONE = unit_cost("violence_with_injury")


def fit(simulation, **choices) -> Result:
    return CallawaySantAnna(simultaneous=False).fit(simulation.design(**choices))


@pytest.fixture(scope="module")
def result():
    """Six treated areas of two cohorts over 24 months: two years of treated periods."""
    return fit(panel(n_areas=30, n_periods=48, cohorts=[(24, 4), (30, 2)], effect=0.7, seed=3))


def test_the_arithmetic(result):
    valued = value(result, ONE, COURSES, price_year=2024)
    effect = result.effect("att", "events")
    one = 14_050 / 0.751536
    factor = 60 / 132 + 72 / 132 / 1.035
    cost = 56_918.64 / 0.856358
    assert valued.averted.estimate == -effect.estimate > 0
    assert (valued.averted.low, valued.averted.high) == (-effect.conf_high, -effect.conf_low)
    assert valued.discount_factor == pytest.approx(factor)
    assert valued.benefit.estimate == pytest.approx(-effect.estimate * one * factor)
    assert valued.cost.amount == pytest.approx(cost)
    assert valued.net.low == pytest.approx(-effect.conf_high * one * factor - cost)
    assert valued.benefit_cost_ratio.high == pytest.approx(-effect.conf_low * one * factor / cost)
    assert valued.break_even_events == pytest.approx(cost / one / factor)
    arrays = result.design.arrays
    expected = arrays.y[arrays.treated].sum() - effect.estimate
    assert valued.break_even_percent == pytest.approx(100 * valued.break_even_events / expected)
    assert valued.level == 0.95


def test_averting_the_break_even_pays_exactly(result):
    valued = value(result, ONE, COURSES)
    pounds_per_event = valued.benefit.estimate / valued.averted.estimate
    assert valued.break_even_events * pounds_per_event == pytest.approx(valued.cost.amount)


def test_more_harms_are_a_loss():
    harm = value(fit(panel(n_areas=30, n_periods=36, cohorts=[(24, 6)], effect=1.5, seed=1)), ONE, COURSES)
    assert harm.averted.estimate < 0
    assert harm.benefit.estimate < 0
    assert harm.net.estimate < -harm.cost.amount
    assert harm.benefit_cost_ratio.estimate < 0
    assert harm.break_even_events > 0


def test_discounting_only_beyond_a_year():
    within = fit(panel(n_areas=30, n_periods=36, cohorts=[(24, 6)], seed=2))
    assert value(within, ONE).discount_factor == 1
    assert not any("discount" in note for note in value(within, ONE).notes)
    beyond = fit(panel(n_areas=30, n_periods=37, cohorts=[(24, 6)], seed=2))
    valued = value(beyond, ONE)
    assert valued.discount_factor == pytest.approx((12 + 1 / 1.035) / 13)
    assert any(STPR.name in note and STPR.in_force in note for note in valued.notes)
    assert value(beyond, ONE, discount=None).discount_factor == 1


def test_price_base_does_not_change_what_pays(result):
    then, now = (value(result, ONE, COURSES, price_year=y) for y in (2015, 2024))
    assert then.benefit_cost_ratio.estimate == pytest.approx(now.benefit_cost_ratio.estimate)
    assert then.break_even_events == pytest.approx(now.break_even_events)
    assert then.net.estimate == pytest.approx(now.net.estimate * 0.751536)


def test_without_costs_what_needs_them_is_missing(result):
    valued = value(result, ONE)
    assert valued.cost is None
    assert valued.net is None
    assert valued.break_even_events is None
    assert valued.benefit.estimate > 0
    assert "net benefit" not in set(valuation_table(valued)["measure"])


def test_the_cost_of_the_intervention_is_taken_unless_another_is_given(result):
    intervention = Intervention("x", starts=result.design.intervention.starts, cost=COURSES)
    design = Design(result.design.panel, outcome="violence", exposure="population", intervention=intervention)
    costed = result.refit(design=design)
    assert value(costed, ONE).cost == cost_total(COURSES, price_year=2024)
    assert value(costed, ONE, [CostLine("a", 1, 10, 2024)]).cost.amount == 10
    bare = value(costed, ONE, 5_000.0)
    assert bare.cost.amount == 5_000
    assert any("bare sum" in note for note in bare.notes)


def test_draws_give_the_probability_that_it_pays(result):
    assert value(result, ONE, COURSES).probability_pays is None
    arrays = result.design.arrays
    observed = arrays.y[arrays.treated].sum()
    needed = value(result, ONE, COURSES).break_even_events
    # three draws of the log ratio avert just more than needed, one just less
    ratio = np.array([observed / (observed + needed * k) for k in (1.1, 2.0, 1.001, 0.999)])
    drawn = dataclasses.replace(result, draws=np.log(ratio))
    assert value(drawn, ONE, COURSES).probability_pays == 0.75


def test_multiplier_needs_its_source(result):
    with pytest.raises(DesignError, match="multiplier_source"):
        value(result, ONE, multiplier=2.0)
    with pytest.raises(DesignError, match="multiplier"):
        value(result, ONE, multiplier=0.5, multiplier_source="x")
    doubled = value(result, ONE, COURSES, multiplier=2.0, multiplier_source="local survey")
    assert doubled.benefit.estimate == pytest.approx(2 * value(result, ONE).benefit.estimate)
    assert any("local survey" in note for note in doubled.notes)
    assert any("no multiplier" in note for note in value(result, ONE).notes)


def test_notes_say_what_kind_of_pounds(result):
    social = value(result, ONE).notes
    assert any("social cost" in note for note in social)
    # the simulated outcome is called `violence`
    assert any("that of violence_with_injury; the outcome is violence" in note for note in social)
    own = UnitCost("violence", 900, 2024, "force finance", perspective="fiscal", verified=False)
    notes = value(result, own).notes
    assert any("fiscal cost" in note for note in notes)
    assert any("not verified" in note for note in notes)
    assert not any("the outcome is" in note for note in notes)


def test_a_result_without_events_or_design_is_refused(result):
    table = result.estimates
    with pytest.raises(EstimationError, match="no effect in events"):
        value(dataclasses.replace(result, estimates=table[table["scale"] != "events"]), ONE)
    with pytest.raises(EstimationError, match="read it with `design=`"):
        value(Result.from_json(result.to_json()), ONE)


def test_table(result):
    table = valuation_table(value(result, ONE, COURSES))
    assert list(table.columns) == ["measure", "unit", "estimate", "low", "high"]
    rows = table.set_index("measure")
    assert rows.loc["net benefit", "estimate"] == pytest.approx(
        rows.loc["benefit", "estimate"] - rows.loc["cost", "estimate"]
    )
    assert np.isnan(rows.loc["cost", "low"])

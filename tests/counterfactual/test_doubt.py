"""Results say whether their interval is known to be too narrow, in a word for machines and in words for readers."""

import pytest

from svmodel import counterfactual, simulate


@pytest.fixture(scope="module")
def one():
    return simulate.panel(42, 36, mean=8, cohorts=[(18, 1)], seed=4).design("violence")


@pytest.fixture(scope="module")
def many():
    return simulate.panel(42, 30, mean=8, cohorts=[(15, 12)], seed=4).design("violence")


def test_a_structural_series_always_doubts_its_interval(one):
    for controls in ("sum", "none"):
        result = counterfactual.StructuralTimeSeries(controls=controls, draws=200, chains=2).fit(one)
        assert result.diagnostics["inference_in_doubt"] is True
        assert any("interval is in doubt" in n and "79 to 92 of 100" in n for n in result.notes)


@pytest.mark.parametrize(
    ("given", "doubt"),
    [({}, False), ({"errors": "newey_west"}, True), ({"errors": "model"}, True), ({"inference": "placebo"}, False)],
)
def test_an_interrupted_series_doubts_errors_that_take_periods_as_independent(one, given, doubt):
    result = counterfactual.InterruptedTimeSeries(slope_change=False, **given).fit(one)
    assert result.diagnostics["inference_in_doubt"] is doubt
    if doubt:
        assert any("too small" in n for n in result.notes)


def test_a_series_of_less_than_one_event_a_month_is_in_doubt():
    rare = simulate.panel(12, 48, mean=0.6, dispersion=0.1, level_sd=0.1, cohorts=[(30, 1)], effect=1.0, seed=2)
    result = counterfactual.InterruptedTimeSeries(slope_change=False).fit(rare.design("violence"))
    assert result.diagnostics["inference_in_doubt"] is True
    assert any("less than one event a month" in n for n in result.notes)


def test_synthetic_did_doubts_a_jackknife_of_few_areas(one, many):
    few = simulate.panel(42, 30, mean=8, cohorts=[(15, 3)], seed=4).design("violence")
    assert counterfactual.SyntheticDiD().fit(one).diagnostics["inference_in_doubt"] is False
    assert counterfactual.SyntheticDiD().fit(many).diagnostics["inference_in_doubt"] is False
    forced = counterfactual.SyntheticDiD(inference="jackknife").fit(few)
    assert forced.diagnostics["inference_in_doubt"] is True
    assert any("read the interval as the least there is" in n for n in forced.notes)
    assert counterfactual.SyntheticDiD(inference="jackknife").fit(one).diagnostics["inference_in_doubt"] is True


def test_a_synthetic_control_doubts_nothing_where_placebos_can_be_drawn(one):
    result = counterfactual.SyntheticControl().fit(one)
    assert result.diagnostics["inference_in_doubt"] is (result.diagnostics["inference"] == "none")

"""Which notes of a Bayesian result are warnings, that pages show where a reader cannot overlook them."""

import pytest

from svmodel import simulate
from svmodel.bayes import HierarchicalDiD, InterruptedTimeSeries, StructuralCounterfactual

ALONE = "held against its own past alone"


def texts(result, kind=None):
    assert [w.text for w in result.warnings] == [n for n in result.notes if n in {w.text for w in result.warnings}]
    return [w.text for w in result.warnings if kind in (None, w.kind)]


@pytest.fixture(scope="module")
def series():
    return simulate.panel(2, 48, mean=20, cohorts=((20, 1),), effect=0.8, seed=1).design("violence")


def test_a_series_alone_and_a_line_carried_far(series):
    result = InterruptedTimeSeries(draws=100).fit(series, seed=1)
    assert [ALONE in t for t in texts(result, "identification")] == [True]
    assert ["carried on for longer (months)" in t for t in texts(result, "fit")] == [True]
    assert len(result.warnings) == 2
    assert result.is_posterior
    assert result.uncertainty.why.startswith("Posterior probability (nested Laplace")


def test_a_single_control_and_none(series):
    one = StructuralCounterfactual(draws=100).fit(series, seed=1)
    assert [t[:40] for t in texts(one)] == ["One untreated area stands for what happe"]
    none = StructuralCounterfactual(draws=100, controls="none").fit(series, seed=1)
    assert [ALONE in t for t in texts(none, "identification")] == [True]


def test_few_events_for_a_normal_law():
    design = simulate.panel(30, 36, mean=1, cohorts=((24, 2),), seed=4).design("violence")
    result = StructuralCounterfactual(family="gaussian", controls="sum", draws=100).fit(design, seed=1)
    assert ["have less than 5 events a month" in t for t in texts(result, "fit")] == [True]
    assert not StructuralCounterfactual(draws=100).fit(design, seed=1).warnings


def test_cells_that_cannot_be_compared():
    design = simulate.panel(8, 24, mean=20, cohorts=((12, 4), (16, 4)), seed=1).design("violence")
    result = HierarchicalDiD(draws=100, pooling="complete").fit(design, seed=1)
    (text,) = texts(result, "identification")
    assert text.startswith("The average effect is taken over ")
    assert result.totals.cells_used < result.totals.cells

"""What svmodel promises of every estimator, of the Bayesian ones: each takes a design of counts."""

from dataclasses import replace

import pytest

from svmodel import Design, Intervention, Panel, simulate
from svmodel.bayes import HierarchicalDiD, InterruptedTimeSeries, StructuralCounterfactual
from svmodel.testing import PROMISES, check_estimator

ESTIMATORS = {
    "hierarchical": HierarchicalDiD(draws=1000),
    "interrupted": InterruptedTimeSeries(draws=1000),
    "structural": StructuralCounterfactual(draws=1000),
    "structural, gaussian": StructuralCounterfactual(family="gaussian", controls="sum", draws=1000),
}
#: Where areas are effects of the model, other names put the same random numbers on other areas: the posterior is the
#: same, its draws are not. The contract lets numbers that change with the seed differ by .15 of their error, and of 800
#: limits the furthest is within that with 20,000 draws (each knows a limit to .03 of its error) and not with 1,000.
#: Series are put in the order of their data, so that theirs are the same draws.
MANY = {("hierarchical", "relabelling"): 20_000}


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_promises(name, promise):
    estimator = ESTIMATORS[name]
    check_estimator(replace(estimator, draws=MANY.get((name, promise), estimator.draws)), only=[promise])


@pytest.mark.parametrize("name", ["interrupted", "structural", "structural, gaussian"])
def test_names_do_not_touch_a_single_bit_of_a_series(name):
    made = simulate.panel(12, 36, mean=30, cohorts=((24, 3),), seed=1)
    design = made.design("violence")
    names = {a: f"renamed {len(design.panel.areas) - i:02d}" for i, a in enumerate(design.panel.areas)}
    frame = design.panel.to_frame().assign(area=lambda f: f["area"].map(names))
    roles = {"area": "area", "period": "period", "counts": ["violence"], "exposures": ["population"]}
    starts = {names[a]: p for a, p in design.intervention.starts.items()}
    renamed = Panel.from_frame(frame, **roles)
    other = Design(renamed, outcome="violence", exposure="population", intervention=Intervention("patrols", starts))
    one, two = (ESTIMATORS[name].fit(d, seed=3) for d in (design, other))
    assert (one.draws == two.draws).all()

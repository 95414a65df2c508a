"""What the page says of priors: words for every hyperparameter that there is, and for none that there is not."""

from types import SimpleNamespace

from svmodel import simulate
from svmodel.bayes import HierarchicalDiD, InterruptedTimeSeries, StructuralCounterfactual
from svmodel.report.pages.parts.sampled import HYPERPARAMETERS, _priors


def test_every_hyperparameter_of_a_result_has_words_and_no_other():
    made = simulate.panel(12, 40, mean=20, cohorts=((24, 3),), seed=1)
    arrays = made.design("violence").arrays
    borders = {a: [b for b in others if b in arrays.areas] for a, others in made.neighbours.items()}
    estimators = [
        HierarchicalDiD(by_horizon=True, lasting_shocks=6, neighbours=borders),
        HierarchicalDiD(),
        InterruptedTimeSeries(),
        InterruptedTimeSeries(season="harmonics"),
        StructuralCounterfactual(season="auto"),
        StructuralCounterfactual(family="gaussian", season="auto"),
    ]
    named = set().union(*(e.ask(arrays).model.hypers for e in estimators))
    assert named == set(HYPERPARAMETERS)


def test_spreads_of_a_gaussian_model_are_not_said_to_be_logarithms():
    view = SimpleNamespace(headline=SimpleNamespace(label="Violence"), method_name=str)
    one = {"prior": "half-normal", "median": 0.5, "low": 0.3, "high": 0.8}
    log, gaussian = (
        _priors(view, "model", {"hyperparameters": {name: one}}).note for name in ("overdispersion", "noise_sd")
    )
    assert "standard deviations of logarithms" in log
    assert "logarithms" not in gaussian
    assert "standard deviation of 1 before the start" in gaussian

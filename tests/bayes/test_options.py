"""Choices that make no sense are refused in words, by every model and all at once: never by a traceback."""

import math

import numpy as np
import pandas as pd
import pytest

import svmodel as sv
from svmodel import simulate
from svmodel.bayes import (
    HierarchicalDiD,
    InterruptedTimeSeries,
    MetaAnalysis,
    PyMCModel,
    RatioPrior,
    SmallAreaTrend,
    StructuralCounterfactual,
)
from svmodel.bayes.ratio_prior import NAMED
from svmodel.errors import EstimationError

MODELS = [HierarchicalDiD, InterruptedTimeSeries, StructuralCounterfactual, SmallAreaTrend, MetaAnalysis]
BELIEVERS = [HierarchicalDiD, InterruptedTimeSeries, MetaAnalysis]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("level", [0, 1, "a", None, math.nan, True])
def test_a_level_is_a_number_between_0_and_1(model, level):
    with pytest.raises(EstimationError, match="the level must lie between 0 and 1"):
        model(level=level)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("draws", [0, 1, 99, 500.0, "many", None, True])
def test_draws_are_a_whole_number_of_100_or_more(model, draws):
    with pytest.raises(EstimationError, match="draws must be a whole number of 100 or more"):
        model(draws=draws)


@pytest.mark.parametrize("model", BELIEVERS)
@pytest.mark.parametrize(
    "prior", [None, 5, {1}, np.array([1.0, 2.0]), "sceptic", {"median": 1}, {"median": 1, "sd": "b"}]
)
def test_a_prior_is_a_belief(model, prior):
    with pytest.raises(EstimationError, match="prior"):
        model(prior=prior)


@pytest.mark.parametrize(
    ("model", "choice"),
    [
        (HierarchicalDiD, {"area_sd": "a"}),
        (HierarchicalDiD, {"area_sd": None}),
        (InterruptedTimeSeries, {"trend_sd": None}),
        (InterruptedTimeSeries, {"least_persistence": "a"}),
        (StructuralCounterfactual, {"level_df": None}),
        (StructuralCounterfactual, {"explained": "x"}),
        (SmallAreaTrend, {"per": None}),
        (MetaAnalysis, {"between_sd": [1]}),
        (MetaAnalysis, {"scale": "difference", "prior": ("a", 1)}),
    ],
)
def test_a_scale_is_a_number(model, choice):
    with pytest.raises(EstimationError, match="cannot be used so"):
        model(**choice)


def test_what_is_none_by_default_may_be_none():
    assert StructuralCounterfactual(level_sd=None).step_sd == 0.005
    assert SmallAreaTrend(threshold=None).threshold is None


def test_an_own_model_has_a_level_between_0_and_1():
    with pytest.raises(EstimationError, match="the level must lie between 0 and 1"):
        PyMCModel(lambda arrays: None, log_ratio="effect", level="a")


@pytest.mark.parametrize("given", [("a", 1.0), (None, 1.0), (1.0, "a"), (True, 1.0), (1.0, 0.0), (math.nan, 1.0)])
def test_a_ratio_s_prior_is_two_numbers_above_0(given):
    with pytest.raises(EstimationError, match=r"needs a median and an s\.d\. above 0"):
        RatioPrior(*given)


def test_a_prior_without_limits_says_so():
    belief = RatioPrior(1.0, 1000.0)
    assert belief.limits == (0.0, math.inf)
    assert belief.describe() == "no change, with 95% probability between any fall and any rise"


def test_named_beliefs_are_what_is_said_of_them():
    low, high = NAMED["sceptical"].limits
    assert low == pytest.approx(0.8, rel=0.03)
    assert high == pytest.approx(1.2, rel=0.03)
    assert NAMED["neutral"].limits == pytest.approx((0.5, 2.0), rel=0.01)
    eager = NAMED["enthusiastic"]
    assert eager.median == 0.85
    assert eager.limits[1] > 1


@pytest.mark.parametrize("reduction", [math.nan, math.inf, "a", None, 1.0])
def test_a_reduction_is_a_number(reduction):
    frame = pd.DataFrame({"label": ["a", "b"], "estimate": [0.8, 0.9], "log_std_error": [0.1, 0.1]})
    answers = [MetaAnalysis(draws=100).fit(frame)]
    if reduction != 1.0:
        plain = frame.rename(columns={"log_std_error": "std_error"})
        answers.append(MetaAnalysis("difference", prior=(0.0, 1.0), draws=100).fit(plain))
    for answer in answers:
        with pytest.raises(EstimationError, match="a reduction is"):
            answer.probability(reduction=reduction)


def test_two_columns_of_one_name_are_refused():
    frame = pd.DataFrame({"label": ["a", "b"], "estimate": [0.8, 0.9], "low": [0.6, 0.7], "high": [1.1, 1.2]})
    with pytest.raises(EstimationError, match="two columns are called 'low'"):
        MetaAnalysis().fit(pd.concat([frame, frame[["low"]]], axis=1))


def test_whole_numbers_of_numpy_are_whole_numbers():
    assert HierarchicalDiD(draws=np.int64(500)).draws == 500


@pytest.mark.parametrize("seed", [-1, 1.5, True, None])
def test_a_seed_is_a_whole_number_of_0_or_more(seed):
    made = simulate.panel(8, 12, mean=8, cohorts=((6, 3),), seed=1)
    with pytest.raises(EstimationError, match="a seed is a whole number of 0 or more"):
        HierarchicalDiD(draws=100).fit(made.design("violence"), seed=seed)


STILL = [
    (HierarchicalDiD, "1 of 1 covariates are the same throughout the area-months that the model uses"),
    (InterruptedTimeSeries, "1 of 1 covariates are the same throughout the area-months that the model uses"),
    (StructuralCounterfactual, "Covariates of the design play no part in this model"),
]


@pytest.mark.parametrize(("model", "said"), STILL)
def test_a_covariate_that_plays_no_part_is_said_to_play_none(model, said):
    made = simulate.panel(8, 36, mean=8, cohorts=((20, 3),), seed=1)
    panel = sv.Panel.from_frame(
        made.panel.to_frame().reset_index().assign(still=3.0),
        area="area",
        period="period",
        counts=["violence"],
        exposures=["population"],
        covariates=["still"],
    )
    design = sv.Design(panel, outcome="violence", intervention=made.intervention, covariates=("still",))
    assert said in " ".join(model(draws=100).fit(design, seed=1).notes)

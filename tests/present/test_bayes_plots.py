"""Figures of posteriors: what is drawn is what the draws say, after disclosure control."""

import numpy as np
import pandas as pd
import pytest

import svmodel as sv
from svmodel import bayes, plots
from svmodel.bayes.of_area import sums_of, with_and_without
from svmodel.errors import DataError, EstimationError
from svmodel.protect import Disclosure


@pytest.fixture(scope="module")
def result():
    made = sv.simulate.panel(12, 24, cohorts=[(14, 3), (18, 3)], effect=0.7, mean=12, seed=4)
    frame = made.panel.to_frame()
    frame["borough"] = [f"B{int(a[-1]) % 2}" for a in frame["area"].astype(str)]
    panel = sv.Panel.from_frame(
        frame, area="area", period="period", counts=["violence"], exposures=["population"], parent="borough"
    )
    design = sv.Design(panel, outcome="violence", exposure="population", intervention=made.intervention)
    return bayes.HierarchicalDiD(draws=1000).fit(design, seed=2)


def test_prior_and_posterior_are_densities_and_the_words_have_the_probability(result):
    figure = plots.prior_posterior(result, label="Violence")
    x, after = figure.data["change"].to_numpy(), figure.data["posterior"].to_numpy()
    assert np.trapezoid(after, x) == pytest.approx(1, abs=0.02)
    below = x <= 0
    assert np.trapezoid(after[below], x[below]) == pytest.approx(result.probability(), abs=0.02)
    # the prior's density at no change, of a log-normal about 1 with s.d. 0.35
    at_zero = np.interp(0, x, figure.data["prior"])
    assert at_zero == pytest.approx(1 / (0.35 * np.sqrt(2 * np.pi)) / 100, rel=0.01)
    assert "50%" in figure.alt
    assert figure.svg() == plots.prior_posterior(result, label="Violence").svg()


def test_shrinkage_draws_pooled_effects_inside_the_raw_ones(result):
    data = plots.shrinkage(result).data
    assert len(data) == 6
    assert np.ptp(data["pooled"]) < np.ptp(data["raw"])
    own = result.effect("area", "rate_ratio", area=str(data["area"].iloc[0]))
    assert data["pooled"].iloc[0] == pytest.approx(100 * (own.estimate - 1))
    with pytest.raises(EstimationError, match="fewer than two"):
        plots.shrinkage(result, disclosure=Disclosure("threshold", threshold=10**6))


def test_counts_with_and_without_agree_before_the_start_and_differ_by_the_effect(result):
    frame = with_and_without(result)
    before = (frame["period"] < min(result.design.intervention.starts.values())).to_numpy()
    assert frame.loc[before, "with_it"].to_numpy() == pytest.approx(frame.loc[before, "without"].to_numpy())
    gap = float((frame["with_it"] - frame["without"]).sum())
    assert gap == pytest.approx(result.effect("att", "events").estimate, rel=0.05)
    figure = plots.with_and_without(result, label="Violence")
    assert "fewer" in figure.title
    rounded = plots.with_and_without(result, disclosure=Disclosure("threshold", threshold=5, round_to=5)).data
    assert (rounded[["observed", "with_it", "without_low"]].dropna() % 5 == 0).all().all()


def test_a_reporting_area_is_the_sum_of_its_treated_areas(result):
    inside = [a for a in result.design.intervention.starts if result.design.panel.parents[a] == "B0"]
    parts = [sums_of(result, a) for a in inside]
    both, none = sums_of(result, "B0")
    assert both == pytest.approx(sum(p[0] for p in parts))
    assert none == pytest.approx(sum(p[1] for p in parts))
    effect = result.effect("area", "events", area="B0")
    assert effect.estimate == pytest.approx(float(np.median(both - none)))
    assert effect.prob_reduction == pytest.approx(float((both < none).mean()))
    path = result.counterfactual
    mine = path[path["area"].isin(inside)].groupby("period")["observed"].sum()
    assert path[path["area"] == "B0"].set_index("period")["observed"].to_dict() == mine.to_dict()


def test_what_is_not_there_is_refused_with_the_nearest_name(result):
    with pytest.raises(EstimationError, match="no effect is known in 'B9'"):
        sums_of(result, "B9")
    read = sv.Result.from_json(result.to_json(), design=result.design)
    assert read.estimator == result.estimator
    with pytest.raises(EstimationError, match="holds no posterior"):
        sums_of(read)
    assert plots.prior_posterior(read).data["prior"].notna().all()


def test_ranked_areas_stand_in_order_and_those_that_are_clear_are_counted():
    frame = pd.DataFrame(
        {
            "area": list("ABCD"),
            "estimate": [1.0, 2.0, 0.4, np.nan],
            "low": [0.8, 1.5, 0.2, 0],
            "high": [1.2, 3.0, 0.6, 9],
        }
    )
    figure = plots.ranked_areas(frame, label="Violence")
    assert figure.data["area"].tolist() == ["B", "A", "C"]
    assert "above 1 lie the intervals of 1, below it of 1; 1 hold it" in figure.alt
    assert [t.get_text() for t in figure.canvas.axes[0].get_yticklabels()] == ["B", "A", "C"]
    many = pd.DataFrame({"area": range(300), "estimate": 1.0, "low": 0.9, "high": 1.1})
    assert plots.ranked_areas(many).canvas.axes[0].get_yticks().size == 0
    with pytest.raises(DataError, match="column 'high'"):
        plots.ranked_areas(frame.drop(columns="high"))
    with pytest.raises(DataError, match="no area"):
        plots.ranked_areas(frame.iloc[3:])

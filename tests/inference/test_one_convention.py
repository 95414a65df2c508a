"""The same estimate from the same donors has one p-value, by whatever road it is come to."""

import numpy as np
import pandas as pd
import pytest

from svmodel import Design, Intervention, Panel
from svmodel.checks import placebo_in_space
from svmodel.counterfactual import SyntheticControl, SyntheticDiD
from svmodel.did import CallawaySantAnna, Imputation, TwoWayFixedEffects
from svmodel.inference import InSpacePlacebos
from svmodel.numerics.resampling.permutations import rank_p_value


def made(seed: int, donors: int, effect: float) -> Design:
    rng = np.random.default_rng(seed)
    y = 30 + rng.normal(0, 3, (donors + 1, 1)) + rng.standard_t(4, (donors + 1, 12))
    y[0, 8:] += effect
    names = [f"A{i:02d}" for i in range(donors + 1)]
    frame = pd.DataFrame(
        {"area": np.repeat(names, 12), "year": np.tile(np.arange(2010, 2022), len(names)), "score": y.ravel()}
    )
    panel = Panel.from_frame(frame, area="area", period="year", measures=["score"])
    return Design(panel, outcome="score", intervention=Intervention("it", {"A00": 2018}))


@pytest.mark.parametrize("donors", [20, 38, 50])
@pytest.mark.parametrize("effect", [0.0, -1.2, -6.0])
def test_five_roads_to_one_difference_in_differences_give_one_p_value(donors, effect):
    design = made(donors, donors, effect)
    linear = TwoWayFixedEffects(family="linear").fit(design)
    roads = {
        "two-way": linear,
        "imputation": Imputation(family="linear").fit(design),
        "synthetic DiD with equal weights": SyntheticDiD(method="did").fit(design),
        "in-space placebos": InSpacePlacebos().infer(linear),
    }
    effects = {name: result.effect("att", "difference") for name, result in roads.items()}
    first = effects["two-way"]
    for name, other in effects.items():
        assert other.estimate == pytest.approx(first.estimate, rel=1e-9), name
        assert other.p_value == pytest.approx(first.p_value, rel=1e-12), name
        # limits are rounded to ten digits on one of the roads
        assert (other.conf_low, other.conf_high) == pytest.approx((first.conf_low, first.conf_high), rel=1e-8), name
    check = placebo_in_space(linear)
    placebos = check.table.loc[check.table["placebo"], "estimate"].to_numpy()
    assert rank_p_value(first.estimate, placebos) == pytest.approx(first.p_value, rel=1e-12)
    assert first.p_value >= 1 / (donors + 1)
    if effect == -6.0:
        # 1 in 51, where the doubled smaller tail would say 2 in 51
        assert first.p_value == pytest.approx(1 / (donors + 1))


def test_an_effect_as_large_as_a_placebo_ties_with_it_in_spite_of_rounding():
    others = np.array([0.1 + 0.2, -1.0, 0.05])
    assert rank_p_value(-0.3, others) == rank_p_value(0.1 + 0.2, others) == 3 / 4
    assert rank_p_value(0.3 * (1 + 1e-6), others) == 2 / 4
    assert np.isnan(rank_p_value(np.nan, others))
    assert np.isnan(rank_p_value(1.0, np.empty(0)))


def test_a_p_value_and_its_interval_agree_whatever_the_estimator():
    for seed in range(6):
        design = made(seed, 30, -2.0 + 0.5 * seed)
        for estimator in (
            TwoWayFixedEffects(family="linear"),
            CallawaySantAnna(),
            SyntheticDiD(),
            SyntheticControl(),
        ):
            effect = estimator.fit(design).effect("att", "difference")
            if np.isnan(effect.p_value):
                continue
            outside = effect.conf_low > 0 or effect.conf_high < 0
            assert outside == (effect.p_value <= 0.05 + 1e-12), (seed, type(estimator).__name__)

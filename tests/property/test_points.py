"""What resampling asks for thousands of times is what a fit answers: ``point`` equals the average effect."""

import inspect
import math
from functools import cache

import numpy as np
import pandas as pd
import pytest

from svmodel import Design, Intervention, Panel, counterfactual, did
from svmodel.counterfactual import SyntheticControl
from svmodel.errors import UserError
from svmodel.inference import arrays_of
from svmodel.result import PointEstimator

T = 24
MONTHS = pd.period_range("2019-01", periods=T, freq="M")

ESTIMATORS = [
    did.TwoWayFixedEffects(),
    did.TwoWayFixedEffects(family="linear"),
    did.Imputation(),
    did.Imputation(family="linear"),
    did.ExtendedTwoWayFixedEffects(),
    did.ExtendedTwoWayFixedEffects(family="linear"),
    did.ExtendedTwoWayFixedEffects(effects="cohort"),
    did.ExtendedTwoWayFixedEffects(family="linear", effects="cohort"),
    did.SunAbraham(),
    did.CallawaySantAnna(n_boot=19),
    did.CallawaySantAnna(control="not_yet_treated", method="reg", base_period="universal", n_boot=19),
    did.CallawaySantAnna(sampling="cross_sections", n_boot=19),
    did.StackedDiD(),
    did.StackedDiD(family="linear", pre=8, post=5, weights="none"),
    did.TripleDifference("theft"),
    did.TripleDifference("theft", family="linear"),
    counterfactual.InterruptedTimeSeries(season="none"),
    counterfactual.InterruptedTimeSeries(season="none", family="linear", areas="each", controls="untreated"),
    counterfactual.SyntheticControl(draws=19),
    counterfactual.SyntheticControl(predictors=("income", ("outcome", "2019-06")), draws=19),
    counterfactual.SyntheticControl(augment="ridge", block=3, pooled=False, draws=19),
    counterfactual.SyntheticDiD(n_draws=20),
    counterfactual.SyntheticDiD(method="did", rates=False, n_draws=20),
    counterfactual.StructuralTimeSeries(draws=100, warmup=100, chains=2, controls="sum"),
]


def panel(seed, *, gaps=0.0):
    """Thirty areas with a second count, people, and a covariate that moves and one that stands still."""
    rng = np.random.default_rng(seed)
    n = 30
    people = np.round(rng.uniform(8_000, 16_000, n))
    mean = 60 * people[:, None] / 12_000 * np.exp(rng.normal(0, 0.2, n)[:, None] - 0.004 * np.arange(T))
    frame = pd.DataFrame(
        {
            "area": np.repeat([f"area {i:02d}" for i in range(n)], T),
            "month": np.tile(MONTHS.astype(str), n),
            "violence": rng.poisson(mean * rng.gamma(10, 0.1, (n, T))).ravel().astype(float),
            "theft": rng.poisson(90, n * T),
            "people": np.repeat(people, T),
            "income": rng.normal(size=n * T),
            "deprivation": np.repeat(rng.normal(size=n), T),
        }
    )
    frame.loc[rng.random(n * T) < gaps, "violence"] = np.nan
    return Panel.from_frame(
        frame,
        area="area",
        period="month",
        counts=["violence", "theft"],
        exposures=["people"],
        covariates=["income", "deprivation"],
    )


def design(seed, starts, *, gaps=0.0, ends=None, **choices):
    named = {f"area {i:02d}": MONTHS[s] for i, s in starts.items()}
    stopped = {f"area {i:02d}": MONTHS[s] for i, s in (ends or {}).items()}
    return Design(
        panel(seed, gaps=gaps),
        outcome="violence",
        intervention=Intervention("patrols", named, stopped),
        **choices,
    )


STAGGERED = {**dict.fromkeys(range(5), 13), **dict.fromkeys(range(5, 10), 16)}
DESIGNS = {
    "one start": design(1, dict.fromkeys(range(9), 14)),
    "staggered, exposure": design(2, STAGGERED, exposure="people"),
    "gaps": design(3, STAGGERED, gaps=0.02, exposure="people"),
    "covariates": design(4, dict.fromkeys(range(9), 14), covariates=("income", "deprivation")),
    "ends": design(5, STAGGERED, ends={0: 18, 1: 20, 6: 21}),
    "anticipation, one late": design(6, {**dict.fromkeys(range(9), 15), 9: 22}, anticipation=2, exposure="people"),
    "one area": design(7, {0: 14}, exposure="people"),
}


#: Nested weights and ridges for each area take seconds a fit; on two of the designs they are tried.
HEAVY = [e for e in ESTIMATORS if getattr(e, "predictors", ()) or getattr(e, "augment", "none") == "ridge"]
PAIRS = [
    pytest.param(e, name, id=f"{e!r}-{name}")
    for e in ESTIMATORS
    for name in (DESIGNS if e not in HEAVY else ("gaps", "one area"))
]


@cache
def point_of(estimator, name):
    return estimator.point(arrays_of(estimator, DESIGNS[name]))


def average(estimator, of):
    """The average effect of a fit on the estimator's scale, NaN where it is refused or not given."""
    try:
        result = estimator.fit(of)
    except UserError:
        return math.nan
    scale = "rate_ratio" if estimator.scale == "log_rate_ratio" else "difference"
    if not result.has("att", scale):
        return math.nan
    value = result.effect("att", scale).estimate
    return math.log(value) if scale == "rate_ratio" else value


@pytest.mark.parametrize(("estimator", "name"), PAIRS)
def test_the_point_is_the_average_effect_of_the_fit(estimator, name):
    assert isinstance(estimator, PointEstimator)
    fitted = average(estimator, DESIGNS[name])
    assert point_of(estimator, name) == pytest.approx(fitted, rel=1e-7, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_every_estimator_answers_most_of_these_designs(estimator):
    """Two refusals agree too; this holds the test above to numbers."""
    points = [point_of(*pair.values) for pair in PAIRS if pair.values[0] is estimator]
    assert np.isfinite(points).mean() > 0.5, points


def test_no_estimator_is_forgotten():
    classes = {name for room in (did, counterfactual) for name in room.__all__ if inspect.isclass(getattr(room, name))}
    assert {type(e).__name__ for e in ESTIMATORS} == classes


def test_arrays_of_gives_what_a_point_needs():
    of = DESIGNS["one start"]
    assert arrays_of(did.Imputation(), of) is of.arrays
    assert arrays_of(did.TripleDifference("theft"), of).comparison.shape == of.arrays.y.shape
    assert arrays_of(SyntheticControl(predictors=("income",)), of).covariates.shape[2] == 1

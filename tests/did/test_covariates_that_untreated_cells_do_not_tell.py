"""A covariate that untreated cells say nothing of: every method refuses it by name."""

import numpy as np
import pandas as pd
import pytest

import svmodel as sv
from svmodel.design.covariates import untold_covariates

T, START = 24, 16
MONTHS = [str(p) for p in pd.period_range("2019-01", periods=T, freq="M")]
ESTIMATORS = {
    "TWFE linear": sv.did.TwoWayFixedEffects(family="linear"),
    "TWFE Poisson": sv.did.TwoWayFixedEffects(),
    "stacked linear": sv.did.StackedDiD(family="linear"),
    "stacked Poisson": sv.did.StackedDiD(),
    "imputation linear": sv.did.Imputation(family="linear"),
    "imputation Poisson": sv.did.Imputation(),
    "ETWFE linear": sv.did.ExtendedTwoWayFixedEffects(family="linear"),
    "ETWFE Poisson": sv.did.ExtendedTwoWayFixedEffects(),
    "ETWFE by cohort": sv.did.ExtendedTwoWayFixedEffects(effects="cohort"),
    "Sun and Abraham": sv.did.SunAbraham(),
    "Callaway and Sant'Anna": sv.did.CallawaySantAnna(),
    "triple difference": sv.did.TripleDifference(comparison_outcome="other"),
    "hierarchical": sv.bayes.HierarchicalDiD(),
}


def hours(i, t, rng):
    return (1 + (i + t) % 2) * (i < 6 and t >= START)


def second_programme(i, t, rng):
    return float(i < 3 and t >= START + 3)


def a_constant_but_for_treated(i, t, rng):
    return 7.0 + hours(i, t, rng)


def level_and_trend_but_for_treated(i, t, rng):
    return i + 0.5 * t + hours(i, t, rng)


def honest(i, t, rng):
    return rng.normal()


def make(*covariates):
    rng = np.random.default_rng(3)
    rows = []
    for i in range(20):
        for t, m in enumerate(MONTHS):
            x = [c(i, t, rng) for c in covariates]
            n = rng.poisson(40 + i + t % 5 - 4 * hours(i, t, rng))
            rows.append((f"A{i:02d}", m, n, rng.poisson(30), *x))
    names = [c.__name__ for c in covariates]
    frame = pd.DataFrame(rows, columns=["area", "month", "n", "other", *names])
    panel = sv.Panel.from_frame(frame, area="area", period="month", counts=["n", "other"], covariates=names)
    starts = {f"A{i:02d}": MONTHS[START] for i in range(6)}
    intervention = sv.Intervention("patrols", starts=starts)
    return sv.Design(panel, outcome="n", covariates=tuple(names), intervention=intervention)


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("covariate", [hours, second_programme, a_constant_but_for_treated])
def test_it_is_refused_by_name(name, covariate):
    with pytest.raises(sv.UserError) as refused:
        ESTIMATORS[name].fit(make(covariate, honest))
    assert covariate.__name__ in str(refused.value)
    assert "honest" not in str(refused.value)


@pytest.mark.parametrize("name", [n for n in ESTIMATORS if "Callaway" not in n])
def test_a_level_and_a_trend_are_held_already(name):
    # Callaway and Sant'Anna take the value before the start, which tells areas apart
    with pytest.raises(sv.UserError, match="level_and_trend_but_for_treated"):
        ESTIMATORS[name].fit(make(level_and_trend_but_for_treated))


def twice(i, t, rng):
    return 2 * np.sin(3 * i + t * t) + hours(i, t, rng)


def once(i, t, rng):
    return np.sin(3 * i + t * t)


@pytest.mark.parametrize("name", [n for n in ESTIMATORS if "Callaway" not in n])
def test_covariates_that_untreated_cells_cannot_tell_apart_are_both_named(name):
    with pytest.raises(sv.UserError) as refused:
        ESTIMATORS[name].fit(make(once, twice))
    assert "once" in str(refused.value)
    assert "twice" in str(refused.value)


@pytest.mark.parametrize("name", [n for n in ESTIMATORS if n != "hierarchical"])
def test_one_that_they_do_tell_is_adjusted_for(name):
    result = ESTIMATORS[name].fit(make(honest))
    assert result.headline is not None


def test_the_place_of_each_is_found():
    arrays = make(honest, hours, once).arrays
    assert untold_covariates(arrays) == (1,)
    assert arrays.covariate_names == ("honest", "hours", "once")
    assert untold_covariates(make(honest, once).arrays) == ()
    assert untold_covariates(make().arrays) == ()

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy import stats

from svmodel import Design, did
from svmodel.errors import EstimationError
from svmodel.inference import Jackknife
from svmodel.numerics.cluster import small_sample
from svmodel.numerics.cluster.coefficient import Coefficient
from svmodel.numerics.two_way import TwoWay
from svmodel.numerics.two_way.poisson_fe import fit_poisson
from svmodel.simulate import panel


def design(seed=0, n=20, length=10, cohorts=((5, 7),)):
    made = panel(n, length, mean=20.0, dispersion=0.1, effect=0.8, cohorts=cohorts, seed=seed)
    return Design(made.panel, outcome="violence", exposure="population", intervention=made.intervention)


def test_for_a_linear_regression_it_is_cr3():
    d = design(1)
    twfe = did.TwoWayFixedEffects(family="linear", inference="cluster")
    held = twfe.coefficient(d.arrays)
    found = Jackknife().infer(twfe.fit(d))
    effect = found.effect("att", "difference")
    assert effect.std_error == pytest.approx(held.regression.error(held.contrast, "CR3").std_error, rel=1e-8)
    assert effect.std_error > twfe.fit(d).effect("att", "difference").std_error
    assert effect.conf_low < effect.estimate < effect.conf_high


def test_the_table_holds_each_refit():
    d = design(2)
    table = Jackknife().table(did.TwoWayFixedEffects().fit(d))
    arrays = d.arrays
    group = np.where(arrays.treated, 0, -1)
    for i in (0, 7, 19):
        rows = np.delete(np.arange(20), i)
        terms = TwoWay(np.ones((19, 10), bool), None, group[rows])
        by_hand = fit_poisson(arrays.y[rows], terms, arrays.exposure[rows]).theta[10]
        assert table["estimate_without"][i] == pytest.approx(by_hand, rel=1e-6)
    assert table["area"].tolist() == list(arrays.areas)
    assert table["treated"].sum() == 7
    assert set(table["scale"]) == {"log_rate_ratio"}
    np.testing.assert_allclose(table["share"], table["influence"] ** 2 / (table["influence"] ** 2).sum())


def test_nothing_is_random_and_the_ratio_is_on_the_log_scale():
    result = did.TwoWayFixedEffects().fit(design(3))
    one, two = Jackknife().infer(result, seed=1), Jackknife().infer(result, seed=2)
    assert one.to_json() == two.to_json()
    effect = one.effect("att", "rate_ratio")
    assert effect.estimate / effect.conf_low == pytest.approx(effect.conf_high / effect.estimate, rel=1e-9)
    wider = Jackknife(level=0.99).infer(result).effect("att", "rate_ratio")
    assert wider.conf_low < effect.conf_low


def test_level_by_simulation():
    """Random walks without an effect; 300 panels, a standard error of 1.3 points."""
    rng = np.random.default_rng(5)
    d = design(4)
    treated = d.arrays.treated
    terms = TwoWay(np.ones(treated.shape, bool), None, np.where(treated, 0, -1))
    missed = 0
    group = treated.any(axis=1).astype(int)
    for _ in range(300):
        held = Coefficient("linear", np.cumsum(rng.normal(size=treated.shape), axis=1), terms, np.ones(1))
        loss = held.regression.influence("CR3") @ held.contrast
        error = held.regression.error(held.contrast, "CR3").std_error
        df = min(small_sample(loss, group).df, 19)
        missed += abs(held.estimate) > stats.t.ppf(0.975, df) * error
    assert 0.01 < missed / 300 < 0.085


def test_an_effect_that_hangs_on_one_area_is_refused():
    with pytest.raises(EstimationError, match="single treated area"):
        Jackknife().infer(did.TwoWayFixedEffects().fit(design(6, cohorts=((5, 1),))))

    @dataclass(frozen=True)
    class Needs(did.TwoWayFixedEffects):
        """Not identified without the first area."""

        @property
        def scale(self):
            return "log_rate_ratio"

        def point(self, arrays):
            return self.coefficient(arrays).estimate if "area 00" in arrays.areas else float("nan")

    d = design(7)
    result = replace(did.TwoWayFixedEffects().fit(d), estimator=Needs())
    with pytest.raises(EstimationError, match="without 'area 00'"):
        Jackknife().infer(result)
    table = Jackknife().table(result)
    assert np.flatnonzero(table["influence"].isna()).tolist() == [0]
    with pytest.raises(EstimationError, match="level"):
        Jackknife(level=1.5)

import numpy as np
import pandas as pd
import pytest
from pyfixest_regression import regress

from svmodel import Design, Intervention, Panel
from svmodel.did import TwoWayFixedEffects
from svmodel.errors import EstimationError


def make(y, starts, *, exposure=None, x=None, measure=False, anticipation=0):
    N, T = np.shape(y)
    months = pd.period_range("2020-01", periods=T, freq="M")
    frame = pd.DataFrame(
        {"area": np.repeat([f"a{i:02d}" for i in range(N)], T), "period": np.tile(months.astype(str), N)}
    )
    frame["y"] = np.asarray(y, dtype=float).ravel()
    if exposure is not None:
        frame["people"] = np.asarray(exposure, dtype=float).ravel()
    if x is not None:
        frame["x"] = np.asarray(x, dtype=float).ravel()
    panel = Panel.from_frame(
        frame,
        area="area",
        period="period",
        counts=[] if measure else ["y"],
        measures=["y"] if measure else [],
        exposures=[] if exposure is None else ["people"],
        covariates=[] if x is None else ["x"],
    )
    return Design(
        panel,
        outcome="y",
        intervention=Intervention("x", {f"a{i:02d}": months[s] for i, s in starts.items()}),
        exposure=None if exposure is None else "people",
        covariates=() if x is None else ("x",),
        anticipation=anticipation,
    )


@pytest.fixture(scope="module")
def staggered():
    rng = np.random.default_rng(11)
    N, T = 30, 14
    people = rng.uniform(1000, 3000, (N, 1)) * (1 + 0.02 * rng.random((N, T)))
    x = rng.normal(size=(N, T))
    y = rng.negative_binomial(4, 4 / (4 + 0.004 * people * np.exp(0.2 * x)))
    return make(y, {**dict.fromkeys(range(6), 6), **dict.fromkeys(range(6, 11), 9)}, exposure=people, x=x)


def long(design):
    a = design.arrays
    N, T = a.y.shape
    frame = pd.DataFrame({"area": np.repeat(np.arange(N), T), "period": np.tile(np.arange(T), N), "y": a.y.ravel()})
    frame["x"], frame["logpeople"] = a.covariates[..., 0].ravel(), np.log(a.exposure.ravel())
    frame["d"] = a.treated.ravel().astype(float)
    frame["h"] = np.where(a.start[frame["area"]] < T, a.horizon.ravel(), -1)
    return frame


@pytest.mark.parametrize("family", ["poisson", "linear"])
def test_coefficient_error_and_event_study_are_those_of_pyfixest(staggered, family):
    frame = long(staggered)
    result = TwoWayFixedEffects(family=family, leads=4, lags=5).fit(staggered)
    offset = "logpeople" if family == "poisson" else None
    scale = "rate_ratio" if family == "poisson" else "difference"

    def ours(term, **which):
        e = result.effect(term, scale, **which)
        return (np.log(e.estimate), e.std_error / e.estimate) if family == "poisson" else (e.estimate, e.std_error)

    peer = regress(frame, outcome="y", regressors=("d", "x"), family=family, offset=offset)
    # pyfixest stops at a deviance change of 1e-12: some 1e-7 in coefficients, 1e-6 in errors
    assert ours("att") == (pytest.approx(peer["d"][0], abs=1e-6), pytest.approx(peer["d"][1], rel=1e-5))
    names = {}
    for h in (-4, -3, -2, 0, 1, 2, 3, 4, 5):
        names[h] = f"h{h}".replace("-", "m")
        frame[names[h]] = (frame["h"].clip(-4, 5) == h).astype(float)
    peer = regress(frame, outcome="y", regressors=(*names.values(), "x"), family=family, offset=offset)
    for h, name in names.items():
        estimate, error = ours("event", horizon=h)
        assert estimate == pytest.approx(peer[name][0], abs=1e-6)
        assert error == pytest.approx(peer[name][1], rel=1e-5)
    K = len(names)
    assert result.joint.index["horizon"].tolist() == [float(h) for h in names]
    np.testing.assert_allclose(result.joint.covariance, peer.covariance[:K, :K], rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("family", ["poisson", "linear"])
def test_weights_turn_cell_effects_into_the_coefficient(family):
    """A noiseless panel with another effect in every cell: the coefficient is their weighted sum, as theorem 1 says."""
    rng = np.random.default_rng(12)
    N, T = 20, 8
    base = 1000 * np.exp(rng.normal(0, 0.3, (N, 1)) + rng.normal(0, 0.1, (1, T)))
    start = np.array([3] * 8 + [6] * 6 + [99] * 6)
    effect = {(g, t): rng.normal(0, 0.001) for g in (3, 6) for t in range(g, T)}
    each = np.array([[effect.get((start[i], t), 0.0) for t in range(T)] for i in range(N)])
    mean = base * np.exp(each) if family == "poisson" else rng.normal(size=(N, 1)) + rng.normal(size=(1, T)) + each
    result = TwoWayFixedEffects(family=family).fit(
        make(mean, {i: int(s) for i, s in enumerate(start) if s < T}, measure=True)
    )
    months = pd.period_range("2020-01", periods=T, freq="M")
    w = result.weights
    assert w["weight"].sum() == pytest.approx(1)
    value = sum(r.weight * effect[months.get_loc(r.cohort), months.get_loc(r.period)] for r in w.itertuples())
    if family == "poisson":
        # to first order in effects of 0.1%, so to about 1e-6
        assert np.log(result.effect("att", "rate_ratio").estimate) == pytest.approx(value, abs=3e-6)
    else:
        assert result.effect("att", "difference").estimate == pytest.approx(value, abs=1e-10)


def test_staggered_starts_carry_a_warning_with_the_negative_weights():
    rng = np.random.default_rng(13)
    y = rng.poisson(20, (12, 20))
    result = TwoWayFixedEffects().fit(make(y, {**dict.fromkeys(range(8), 2), **dict.fromkeys(range(8, 11), 17)}))
    share = result.diagnostics["share_of_weight_negative"]
    assert share < -0.01
    assert any("weights that can be negative" in n and f"sum to {share:.2f}" in n for n in result.notes)
    together = TwoWayFixedEffects().fit(make(y, dict.fromkeys(range(5), 10)))
    assert not any("negative" in n for n in together.notes)


def test_bins_reference_and_few_areas_are_said():
    y = np.random.default_rng(14).poisson(20, (20, 40))
    result = TwoWayFixedEffects(leads=6, lags=4).fit(make(y, dict.fromkeys(range(4), 20), anticipation=2))
    text = " ".join(result.notes)
    assert "horizon -6 stands for it and all earlier months" in text
    assert "horizon +4 stands for it and all later months" in text
    assert "relative to horizon -3" in text
    assert "4 treated areas and 16 controls" in text
    assert result.joint.index["horizon"].tolist() == [-6, -5, -4, 0, 1, 2, 3, 4]


def test_areas_without_events_are_named_and_left_out():
    y = np.random.default_rng(15).poisson(5, (20, 10))
    y[3] = y[15] = 0
    result = TwoWayFixedEffects().fit(make(y, dict.fromkeys(range(8), 5)))
    assert any("2 areas without a single event (a03, a15; 1 treated)" in n for n in result.notes)
    assert result.diagnostics["clusters"] == 18
    assert TwoWayFixedEffects(family="linear").fit(make(y, dict.fromkeys(range(8), 5))).diagnostics["clusters"] == 20


def test_what_cannot_be_answered_is_an_error():
    y = np.random.default_rng(16).poisson(5, (6, 10)).astype(float)
    with pytest.raises(EstimationError, match="no area is left to compare with"):
        TwoWayFixedEffects().fit(make(y, dict.fromkeys(range(6), 5)))
    y[:2, 5:] = 0
    with pytest.raises(EstimationError, match="no event was seen in the treated"):
        TwoWayFixedEffects().fit(make(y, dict.fromkeys(range(2), 5)))
    with pytest.raises(EstimationError, match="never negative"):
        TwoWayFixedEffects(family="poisson").fit(make(y - 3, dict.fromkeys(range(2), 5), measure=True))


def test_a_horizon_without_events_is_named_and_the_rest_stands():
    y = np.random.default_rng(17).poisson(5, (12, 10))
    y[:3, 7] = 0
    result = TwoWayFixedEffects().fit(make(y, dict.fromkeys(range(3), 5)))
    assert any("horizon +2 left out: no event was seen" in n for n in result.notes)
    assert 2.0 not in set(result.estimates["horizon"])
    assert 3.0 in set(result.estimates["horizon"])


def test_everyone_treated_at_some_time_leaves_some_horizons_unknown():
    y = np.random.default_rng(18).poisson(50, (12, 10))
    result = TwoWayFixedEffects().fit(make(y, {**dict.fromkeys(range(6), 4), **dict.fromkeys(range(6, 12), 7)}))
    assert any("cannot be told apart" in n and n.startswith("Event study") for n in result.notes)
    assert np.isfinite(result.effect("att").estimate)


def test_missing_counts_are_left_out():
    y = np.random.default_rng(19).poisson(5, (12, 10)).astype(float)
    y[0, 6] = y[9, 1] = np.nan
    result = TwoWayFixedEffects().fit(make(y, dict.fromkeys(range(3), 5)))
    assert result.diagnostics["cells"] == 118
    assert result.diagnostics["treated_cells"] == 14


def test_choices_are_checked():
    with pytest.raises(EstimationError, match="'poisson' and 'linear'"):
        TwoWayFixedEffects(family="gaussian")
    with pytest.raises(EstimationError, match="leads of 2 or more"):
        TwoWayFixedEffects(leads=1)


def test_the_average_stands_where_a_covariate_is_a_horizon():
    y = np.random.default_rng(20).poisson(9, (12, 10))
    x = np.zeros((12, 10))
    x[:3, 6] = 1.0  # horizon +1 of the treated, and nothing else
    result = TwoWayFixedEffects().fit(make(y, dict.fromkeys(range(3), 5), x=x))
    assert np.isfinite(result.effect("att").estimate)
    assert not (result.estimates["term"] == "event").any()
    assert any(n.startswith("No event study: the covariates") for n in result.notes)

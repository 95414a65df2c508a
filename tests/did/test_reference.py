"""What an event study is measured from: a reference that is missing, and designs in which nobody is never treated."""

import numpy as np
import pandas as pd
import pytest

import svmodel as sv
from svmodel.checks.honest_bounds import honest_bounds
from svmodel.checks.pre_trend_power import pre_trend_power
from svmodel.checks.pre_trends import pre_trends

T = 16
MONTHS = [str(p) for p in pd.period_range("2021-01", periods=T, freq="M")]
AT_ONCE = dict.fromkeys(range(6), 8)
IN_TURN = {**dict.fromkeys(range(5), 6), **dict.fromkeys(range(5, 9), 10)}
TWFE = sv.did.TwoWayFixedEffects(family="linear")
STACKED = sv.did.StackedDiD(family="linear")
IMPUTATION = sv.did.Imputation(family="linear")
PATHS = [TWFE, STACKED, IMPUTATION, sv.did.SunAbraham(), sv.did.ExtendedTwoWayFixedEffects(family="linear")]


def make(starts, *, unknown=(), all_unknown=(), n=18, effect=lambda h: -3.0, noise=0.0, **asked):
    """Return a design without noise: every treated area falls by `effect` of the horizon, and moved in step before."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(n):
        for t, m in enumerate(MONTHS):
            h = t - starts[i] if i in starts else -99
            if h in all_unknown or (i, h) in unknown:
                continue
            rows.append((f"A{i:02d}", m, 60 + i + t % 4 + (effect(h) if h >= 0 else 0) + noise * rng.normal()))
    frame = pd.DataFrame(rows, columns=["area", "month", "n"])
    panel = sv.Panel.from_frame(frame, area="area", period="month", measures=["n"])
    given = {f"A{i:02d}": MONTHS[g] for i, g in starts.items()}
    return sv.Design(panel, outcome="n", intervention=sv.Intervention("patrols", starts=given), **asked)


def path_of(result):
    table = result.estimates
    rows = table[(table["term"] == "event") & (table["scale"] == "difference")]
    return dict(zip(rows["horizon"].astype(int), rows["estimate"], strict=True))


def is_right(path, effect=lambda h: -3.0):
    return all(v == pytest.approx(0.0 if h < 0 else effect(h), abs=1e-6) for h, v in path.items())


@pytest.mark.parametrize("estimator", PATHS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize(
    "made",
    [
        {"starts": AT_ONCE, "all_unknown": (-1,)},
        {"starts": AT_ONCE, "all_unknown": (-1, -2)},
        {"starts": AT_ONCE, "all_unknown": (-8,)},
        {"starts": AT_ONCE, "unknown": {(0, -1), (1, -1)}},
        {"starts": IN_TURN, "unknown": {(i, -1) for i in range(5)}},
        {"starts": IN_TURN, "effect": lambda h: -1.0 - h},
        {"starts": AT_ONCE, "anticipation": 2},
        {"starts": AT_ONCE, "anticipation": 2, "all_unknown": (-3,)},
        {"starts": AT_ONCE, "anticipation": 6},
        {"starts": AT_ONCE, "window": (MONTHS[6], MONTHS[14])},
        {"starts": AT_ONCE, "window": (MONTHS[7], MONTHS[14])},
    ],
    ids=[
        "reference unknown",
        "two unknown",
        "first lead unknown",
        "in some areas",
        "in one cohort",
        "growing effects",
        "anticipation",
        "its reference unknown",
        "long anticipation",
        "window cuts leads",
        "window of one lead",
    ],
)
def test_every_horizon_that_is_given_is_right(estimator, made):
    result = estimator.fit(make(**made))
    effect = made.get("effect", lambda h: -3.0)
    path = path_of(result)
    assert path
    assert is_right(path, effect)
    unknown = set(made.get("all_unknown", ()))
    assert not unknown & set(path)


@pytest.mark.parametrize("estimator", [TWFE, STACKED, IMPUTATION], ids=lambda e: type(e).__name__)
def test_a_moved_reference_is_said_and_checks_measure_from_it(estimator):
    result = estimator.fit(make(AT_ONCE, all_unknown=(-1,), noise=0.3))
    assert result.joint.reference == -2
    assert -2 not in result.joint.index["horizon"].to_numpy()
    assert any("no treated area is known at horizon -1" in w.text for w in result.warnings)
    assert type(result).from_json(result.to_json()).joint.reference == -2
    assert pre_trends(result).table["last_horizon"].max() == -3
    if estimator is not IMPUTATION:
        assert pre_trend_power(result).status == "informative"
        assert honest_bounds(result).status in ("passed", "informative")


@pytest.mark.parametrize("estimator", [TWFE, STACKED], ids=lambda e: type(e).__name__)
def test_areas_without_the_reference_are_counted(estimator):
    notes = estimator.fit(make(AT_ONCE, unknown={(0, -1), (1, -1)})).notes
    assert any("2 treated areas are not known at horizon -1" in n for n in notes)
    assert not any("not known at horizon" in n for n in estimator.fit(make(AT_ONCE)).notes)


@pytest.mark.parametrize("effect", [lambda h: -3.0, lambda h: -1.0 - h], ids=["level", "growing"])
@pytest.mark.parametrize("sizes", [(9, 9), (12, 6)])
def test_where_all_are_treated_no_drift_is_called_zero(sizes, effect):
    starts = {**dict.fromkeys(range(sizes[0]), 6), **dict.fromkeys(range(sizes[0], 18), 10)}
    design = make(starts, effect=effect)
    result = TWFE.fit(design)
    assert path_of(result) == {}
    assert result.joint is None
    assert any("no area is never treated" in n for n in result.notes)
    leads = {h: v for h, v in path_of(IMPUTATION.fit(design)).items() if h < 0}
    assert leads == {}
    assert pre_trends(result).status == "not_applicable"
    for estimator in (sv.did.SunAbraham(), sv.did.CallawaySantAnna(control="not_yet_treated", base_period="universal")):
        assert is_right(path_of(estimator.fit(design)), effect)


def test_bins_that_were_asked_for_identify_a_path_and_say_so():
    starts = {**dict.fromkeys(range(9), 6), **dict.fromkeys(range(9, 18), 10)}
    result = sv.did.TwoWayFixedEffects(family="linear", leads=3, lags=3).fit(make(starts))
    assert is_right(path_of(result))
    assert any("straight drift" in w.text for w in result.warnings)


def test_all_at_once_without_a_control_is_refused():
    design = make(dict.fromkeys(range(18), 8))
    for estimator in PATHS:
        with pytest.raises(sv.UserError):
            estimator.fit(design)


def test_a_reference_is_never_an_end_that_stands_for_other_horizons():
    # anticipation of three periods: with two leads the reference itself used to hold all horizons before it
    drift = make(AT_ONCE, anticipation=3, effect=lambda h: -3.0)
    result = sv.did.TwoWayFixedEffects(family="linear", leads=2).fit(drift)
    assert min(path_of(result)) < -4
    assert is_right(path_of(result))

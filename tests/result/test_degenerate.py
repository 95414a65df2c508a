"""No table holds a number that only looks like one: of any estimator, on designs without noise or without events."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest

from svmodel import Design, Intervention, Panel, bayes, counterfactual, did
from svmodel.errors import UserError
from svmodel.result.degenerate import LEAST_P, bounded, sound
from svmodel.result.scales import estimates_frame, linear_row, log_row

AREAS, PERIODS, START = 24, 30, 20
ESTIMATORS = {
    "Callaway and Sant'Anna": did.CallawaySantAnna(),
    "ETWFE": did.ExtendedTwoWayFixedEffects(),
    "ETWFE by clusters": did.ExtendedTwoWayFixedEffects(inference="cluster"),
    "ETWFE, linear": did.ExtendedTwoWayFixedEffects(family="linear"),
    "Imputation": did.Imputation(),
    "Imputation, linear": did.Imputation(family="linear"),
    "Stacked": did.StackedDiD(),
    "Sun and Abraham": did.SunAbraham(),
    "TWFE": did.TwoWayFixedEffects(),
    "TWFE, linear": did.TwoWayFixedEffects(family="linear"),
    "ITS": counterfactual.InterruptedTimeSeries(),
    "ITS, linear": counterfactual.InterruptedTimeSeries(family="linear"),
    "ITS, Newey and West": counterfactual.InterruptedTimeSeries(errors="newey_west"),
    "ITS with controls": counterfactual.InterruptedTimeSeries(controls="untreated"),
    "Structural series": counterfactual.StructuralTimeSeries(draws=200, chains=2),
    "Synthetic control": counterfactual.SyntheticControl(),
    "Synthetic control, free level": counterfactual.SyntheticControl(intercept=True),
    "Synthetic DiD": counterfactual.SyntheticDiD(),
    "Hierarchical": bayes.HierarchicalDiD(),
    "Bayesian ITS": bayes.InterruptedTimeSeries(),
}


def counts(kind: str, treated: int) -> np.ndarray:
    """Return counts of a degenerate design, the first areas treated from the start on."""
    rng = np.random.default_rng(0)
    y, on = rng.poisson(8, (AREAS, PERIODS)).astype(float), np.arange(AREAS) < treated
    if kind == "all zeros after":
        y[:, START:] = 0
    elif kind == "all zeros":
        y[:] = 0
    elif kind == "constant":
        y[:] = 7
    elif kind == "perfect fit":
        y[:] = y[-1]
    elif kind == "perfect fit, doubled":
        y[:] = y[-1]
        y[on, START:] *= 2
    elif kind == "treated zero before":
        y[on, :START] = 0
    elif kind == "one treated zero before":
        y[0, :START] = 0
    elif kind == "treated zero after":
        y[on, START:] = 0
    elif kind == "one event":
        y[:] = 0
        y[0, START + 3] = 1
    elif kind == "one event of a control":
        y[:] = 0
        y[-1, 3] = 1
    elif kind == "huge":
        y = rng.poisson(1e9, y.shape).astype(float)
        y[on, START:] = rng.poisson(5e8, (treated, PERIODS - START))
    elif kind == "controls constant":
        y[~on] = 7
    elif kind == "treated constant":
        y[on] = 7
        y[on, START:] = 3
    elif kind == "a step without noise":
        y[:] = 7
        y[on, START:] = 3
    return y


KINDS = (
    "all zeros after",
    "all zeros",
    "constant",
    "perfect fit",
    "perfect fit, doubled",
    "treated zero before",
    "one treated zero before",
    "treated zero after",
    "one event",
    "one event of a control",
    "huge",
    "controls constant",
    "treated constant",
    "a step without noise",
)


def design(y: np.ndarray, treated: int, *, exposure: bool, several: bool) -> Design:
    months = [str(p) for p in pd.period_range("2018-01", periods=PERIODS, freq="M")]
    areas = [f"A{i:02d}" for i in range(AREAS)]
    frame = pd.DataFrame({"area": np.repeat(areas, PERIODS), "month": np.tile(months, AREAS), "n": y.ravel()})
    frame["people"] = np.repeat(10_000 + 100 * np.arange(AREAS), PERIODS)
    panel = Panel.from_frame(frame, area="area", period="month", counts=["n"], exposures=["people"])
    starts = {areas[i]: months[START + 2 * (i % 2) * several] for i in range(treated)}
    return Design(
        panel, outcome="n", exposure="people" if exposure else None, intervention=Intervention("patrols", starts=starts)
    )


def faults(table: pd.DataFrame) -> list[str]:
    """Return what a table of estimates must not hold."""
    found = []
    for row in table.itertuples(index=False):
        ratio, limits = row.scale == "rate_ratio", (row.conf_low, row.conf_high)
        zero = row.estimate == (1.0 if ratio else 0.0)
        if row.horizon < 0 and zero and not row.std_error > 0:
            continue  # a reference period
        wrong = []
        if math.isinf(row.estimate) or math.isinf(row.std_error) or row.std_error == 0:
            wrong.append("estimate or error")
        if math.isnan(row.conf_low) != math.isnan(row.conf_high):
            wrong.append("half an interval")
        elif not math.isnan(row.conf_low):
            if not row.conf_low < row.conf_high:
                wrong.append("no width")
            if all(map(math.isinf, limits)) or (ratio and limits == (0, math.inf)):
                wrong.append("no bound")
            room = 1e-9 * abs(row.estimate)
            if not row.conf_low - room <= row.estimate <= row.conf_high + room:
                wrong.append("outside its interval")
        if row.p_value < LEAST_P:
            wrong.append("tail")
        if wrong:
            found.append(f"{row.term} {row.scale}: {', '.join(wrong)}: {row.estimate} {limits} p {row.p_value}")
    return found


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize(("treated", "exposure", "several"), [(1, True, False), (10, False, True), (2, True, True)])
def test_no_degenerate_number_reaches_a_table_and_no_warning_leaks(name, treated, exposure, several):
    wrong = []
    kinds = KINDS if "Bayes" not in name and name != "Hierarchical" else ("all zeros after", "perfect fit", "huge")
    for kind in kinds:
        asked = design(counts(kind, treated), treated, exposure=exposure, several=several)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                result = ESTIMATORS[name].fit(asked, seed=1)
            except UserError:
                continue
        wrong += [f"{kind}: {fault}" for fault in faults(result.estimates)]
        att = result.estimates[result.estimates["term"] == "att"]
        if len(att) and att[["conf_low", "conf_high"]].isna().all(axis=None):
            assert result.diagnostics["inference_in_doubt"] is True, kind
            assert result.notes, kind
    assert not wrong, wrong[:5]


def rows(*made: dict) -> pd.DataFrame:
    return estimates_frame(made)


def test_an_interval_without_width_goes_on_every_scale_and_says_why():
    found = sound(
        rows(
            {**log_row("att", 0.1, 0.1), "conf_low": 1.1, "conf_high": 1.1},
            linear_row("att", "events", 9.0, 2.0),
            log_row("area", 0.1, 0.2, area="A"),
        )
    )
    att = found.estimates[found.estimates["term"] == "att"]
    assert att[["std_error", "conf_low", "conf_high", "p_value"]].isna().all(axis=None)
    assert att["estimate"].notna().all()
    assert found.estimates.loc[2, "conf_low"] > 0
    assert [n.kind for n in found.notes] == ["interval"]
    assert "no noise" in found.notes[0].text


def test_a_ratio_of_no_event_loses_limits_of_nothing_and_events_keep_theirs():
    nothing = {
        **log_row("att", 0.0, 0.1),
        "estimate": 0.0,
        "std_error": 0.0,
        "conf_low": 0.0,
        "conf_high": 0.0,
        "p_value": 0.02,
    }
    found = sound(rows(nothing, {**linear_row("att", "events", -30.0, 10.0), "p_value": 0.02})).estimates
    assert math.isnan(found.loc[0, "conf_high"])
    assert math.isnan(found.loc[0, "std_error"])
    assert found.loc[0, ["estimate", "p_value"]].tolist() == [0.0, 0.02]
    assert found.loc[1, "conf_low"] < -30 < found.loc[1, "conf_high"]


@pytest.mark.parametrize(
    ("scale", "low", "high", "kept"),
    [
        ("events", -math.inf, math.inf, False),
        ("events", -math.inf, -math.inf, False),
        ("events", math.nan, 3.0, False),
        ("events", 5.0, -5.0, False),
        ("events", -math.inf, 3.0, True),
        ("rate_ratio", 0.0, math.inf, False),
        ("rate_ratio", 0.3, math.inf, True),
        ("rate_ratio", 0.0, 0.4, True),
    ],
)
def test_limits_bound_something_or_are_missing(scale, low, high, kept):
    row = {**linear_row("att", scale, 0.35, 0.1), "conf_low": low, "conf_high": high}
    found = sound(rows(row))
    assert found.estimates[["conf_low", "conf_high"]].notna().all(axis=None) == kept
    assert bool(found.notes) != kept


def test_a_reference_period_keeps_its_zeros_and_two_of_them_do_not():
    one = [
        linear_row("event", "difference", 0.0, 0.0, horizon=-1),
        linear_row("event", "difference", 1.0, 0.5, horizon=0),
    ]
    pd.testing.assert_frame_equal(sound(rows(*one)).estimates, rows(*one))
    two = sound(rows(*one, linear_row("event", "difference", 0.0, 0.0, horizon=-5))).estimates
    assert two.loc[[0, 2], "conf_low"].isna().all()


def test_tails_end_where_data_end():
    found = sound(rows(linear_row("att", "events", 50.0, 1.0)))
    assert found.estimates.loc[0, "p_value"] == LEAST_P
    assert found.estimates.loc[0, "conf_low"] > 48
    assert not sound(found.estimates).notes


def test_expected_outcomes_without_bounds_have_none():
    path = pd.DataFrame({"low": [-math.inf, 1.0, 0.0, 2.0], "high": [math.inf, math.inf, math.inf, 3.0]})
    assert bounded(path)["low"].isna().tolist() == [True, False, True, False]
    assert bounded(path)["high"].isna().tolist() == [True, False, True, False]


def test_a_series_without_noise_has_no_autocorrelation_and_no_interval():
    months = [str(p) for p in pd.period_range("2018-01", periods=60, freq="M")]
    for family in ("quasipoisson", "linear"):
        frame = pd.DataFrame({"area": "A", "month": months, "n": [7] * 40 + [3] * 20})
        panel = Panel.from_frame(frame, area="area", period="month", counts=["n"])
        asked = Design(panel, outcome="n", intervention=Intervention("patrols", starts={"A": months[40]}))
        result = counterfactual.InterruptedTimeSeries(family=family).fit(asked)
        events = result.effect("att", "events")
        assert events.estimate == pytest.approx(-80)
        assert math.isnan(events.conf_low)
        assert math.isnan(events.conf_high)
        assert math.isnan(events.p_value)
        assert result.diagnostics["autocorrelation"] == 0
        assert np.isnan(result.diagnostics["autocorrelations"]).all()
        assert result.uncertainty.in_doubt
        assert "no noise" in result.uncertainty.why
        assert not any("0.95" in n or "hang together" in n for n in result.notes)


def test_an_area_known_too_late_is_left_out_of_a_sum_by_name():
    rng = np.random.default_rng(0)
    months = [str(p) for p in pd.period_range("2018-01", periods=48, freq="M")]
    for known_from in (24, 20):
        frame = pd.DataFrame(
            [
                (f"A{i:02d}", m, rng.poisson(12))
                for i in range(8)
                for t, m in enumerate(months)
                if i != 3 or t >= known_from
            ],
            columns=["area", "month", "n"],
        )
        panel = Panel.from_frame(frame, area="area", period="month", counts=["n"])
        starts = {f"A{i:02d}": months[24] for i in range(6)}
        asked = Design(panel, outcome="n", intervention=Intervention("patrols", starts=starts))
        for estimator in (
            counterfactual.InterruptedTimeSeries(),
            counterfactual.StructuralTimeSeries(draws=200, chains=2),
        ):
            result = estimator.fit(asked, seed=1)
            assert any("A03" in w.text and w.about == ("A03",) for w in result.warnings), result.notes
            without = frame[frame["area"] != "A03"]
            only = Panel.from_frame(without, area="area", period="month", counts=["n"])
            fewer = Intervention("patrols", starts={a: m for a, m in starts.items() if a != "A03"})
            clean = estimator.fit(Design(only, outcome="n", intervention=fewer), seed=1)
            assert result.effect("att", "events").estimate == pytest.approx(
                clean.effect("att", "events").estimate, rel=0.2
            )

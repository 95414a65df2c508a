"""A quick form of `make calibrate`: small panels of known effect, enough draws to see an interval that lies.

The full study, with 500 panels a scenario and its table, is benchmarks/calibrate.py.
"""

import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import calibrate  # noqa: E402 - a script, found by its folder

DRAWS = 80
#: 36 areas and 30 months keep a fit quick; 15 treated areas are nearly enough for errors clustered by area.
SMALL = {
    "n_areas": 36,
    "n_periods": 30,
    "cohorts": ((18, 8), (22, 7)),
    "mean": 8.0,
    "shock_sd": 0.15,
    "shock_persistence": 0.5,
}
SCENARIOS = {
    "in logs, effect 0.80": calibrate.Scenario("in logs, effect 0.80", {**SMALL, "effect": 0.8}),
    "in logs, no effect": calibrate.Scenario("in logs, no effect", {**SMALL, "effect": 1.0}, ("ETWFE Poisson",)),
    "in events, effect -1.6": calibrate.Scenario(
        "in events, effect -1.6", {**SMALL, **calibrate.IN_EVENTS, "effect": 0.8}, calibrate.ADDITIVE
    ),
}
FITS = [(s.name, e) for s in SCENARIOS.values() for e in s.estimators]


@pytest.fixture(scope="module", autouse=True)
def _average_alone():
    """All that is tabulated is the average effect, which costs a fraction by itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(
            calibrate.ESTIMATORS, "ETWFE Poisson", replace(calibrate.ESTIMATORS["ETWFE Poisson"], only_average=True)
        )
        yield


@pytest.fixture(scope="module")
def table():
    drawn = calibrate.draw_all(list(SCENARIOS.values()), DRAWS)
    return calibrate.tabulate(drawn).set_index(["scenario", "estimator"])


@pytest.mark.parametrize(("scenario", "estimator"), FITS)
def test_intervals_hold_the_truth(table, scenario, estimator):
    rows = table.loc[[(scenario, estimator)]]
    # Errors clustered by area are a little small with 15 treated areas: a true coverage of 92% is let pass, and
    # the chance of 1 in 1000 below that. An interval half as wide as it ought to be covers 67% and fails.
    fewest = stats.binom.ppf(0.001, DRAWS, 0.92) / DRAWS
    assert (rows["coverage"] >= fewest).all(), rows[["scale", "coverage"]]
    assert (rows["failed"] == 0).all()


@pytest.mark.parametrize(("scenario", "estimator"), FITS)
def test_standard_errors_are_neither_too_small_nor_too_large(table, scenario, estimator):
    rows = table.loc[[(scenario, estimator)]]
    # A standard deviation over n draws is known to 1 / sqrt(2 n), 8%; three of these.
    assert rows["se_ratio"].between(0.76, 1.24).all(), rows[["scale", "se_ratio"]]


@pytest.mark.parametrize(("scenario", "estimator"), FITS)
def test_no_bias_beyond_chance(table, scenario, estimator):
    rows = table.loc[[(scenario, estimator)]]
    # Chance, and a twentieth of a standard deviation: the logarithm of a noisy ratio is bent by half its variance,
    # which with a standard deviation of 0.1 is that.
    assert (rows["bias"].abs() < 3.5 * rows["bias_mc"] + 0.05 * rows["sd"]).all(), rows[["scale", "bias", "bias_mc"]]


def test_the_study_can_see_a_wrong_estimator():
    """Two-way fixed effects on an effect that builds up: the study must say that the interval lies."""
    settings = {
        **SMALL,
        "n_areas": 60,
        "mean": 20.0,
        "shock_sd": 0.0,
        "dispersion": 0.02,
        "cohorts": ((8, 15), (20, 15)),
        "effect": 0.4,
        "build_up": 20,
    }
    growing = calibrate.Scenario("growing", settings)
    table = calibrate.tabulate(calibrate.draw_all([growing], 20)).set_index(["estimator", "scale"])
    assert table.loc[("TWFE Poisson", "rate_ratio"), "coverage"] < 0.5
    assert table.loc[("ETWFE Poisson", "rate_ratio"), "coverage"] > 0.8


def test_draws_do_not_depend_on_processes():
    scenario = calibrate.Scenario("small", {**SMALL, **calibrate.IN_EVENTS}, ("Callaway-Sant'Anna, never treated",))
    one, two = (calibrate.draw_all([scenario], 30, jobs=j) for j in (1, 2))
    assert one.equals(two)


def test_the_committed_table_has_every_scenario():
    held = pd.read_csv(BENCHMARKS / "results" / "calibration.csv")
    assert set(held["scenario"]) == {s.name for s in calibrate.SCENARIOS}
    assert held["draws"].min() >= 490
    assert (held["failed"] == 0).all()

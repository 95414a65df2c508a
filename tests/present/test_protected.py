"""What is let out: attacks that use only published numbers must not find a hidden count."""

import numpy as np
import pandas as pd
import pytest

from svmodel import Design, Intervention, Panel
from svmodel.errors import DataError, EstimationError
from svmodel.present.protected import Protected, ProtectedPanel, ProtectedResult
from svmodel.protect import Disclosure
from svmodel.result import Result

RULE = Disclosure("threshold", threshold=5)
HES = Disclosure("hes")


@pytest.fixture(scope="module")
def panel():
    rng = np.random.default_rng(5)
    rows = []
    for parent, level in (("P", 30), ("Q", 4)):
        for child in "123":
            n = rng.poisson(level, 36)
            rows += [
                (f"{parent}{child}", m, parent, int(c), 10_000.0)
                for m, c in zip(pd.period_range("2021-01", periods=36, freq="M").astype(str), n, strict=True)
            ]
    frame = pd.DataFrame(rows, columns=["area", "month", "parent", "n", "people"])
    return Panel.from_frame(frame, area="area", period="month", counts=["n"], exposures=["people"], parent="parent")


@pytest.fixture(scope="module")
def result(panel):
    from svmodel.did import ExtendedTwoWayFixedEffects

    patrols = Intervention("patrols", starts={"P1": "2023-01", "Q1": "2023-01", "Q2": "2023-12"})
    return ExtendedTwoWayFixedEffects().fit(Design(panel, outcome="n", exposure="people", intervention=patrols))


def test_without_a_rule_everything_is_as_it_was(panel, result):
    exact = ProtectedPanel(panel).monthly("n", "Q1")
    assert exact["count"].tolist() == panel.matrix("n")[panel.areas.index("Q1")].tolist()
    pd.testing.assert_frame_equal(ProtectedResult(result).estimates.drop(columns="estimate_flag"), result.estimates)


def test_a_series_with_hidden_months_is_rounded_and_one_without_is_exact(panel):
    small = ProtectedPanel(panel, RULE).monthly("n", "Q1")
    assert (small["count_flag"] == "c").any()
    assert (small["count"].dropna() % 5 == 0).all()
    large = ProtectedPanel(panel, RULE).monthly("n", "P1")
    assert large["count"].tolist() == panel.matrix("n")[panel.areas.index("P1")].tolist()


def test_running_years_do_not_give_a_hidden_month_back(panel):
    """The difference of two running years is a month less the same month a year before."""
    truth = panel.matrix("n")[panel.areas.index("Q1")]
    frame = ProtectedPanel(panel, RULE).rolling_rates("n", "people")
    sums = frame[frame["area"] == "Q1"].set_index("period")["count"]
    assert (sums % 5 == 0).all()
    everyone = frame[frame["area"] == "all areas"]["count"]
    assert (everyone % 5 == 0).all(), "the total over areas would give a rounded area back"
    assert not np.allclose(sums.diff().dropna(), truth[12:] - truth[:-12])
    rates = frame["rate"].to_numpy() * frame["exposure"].to_numpy() / 1e5
    assert np.allclose(rates, frame["count"], equal_nan=True), "rates are made from the protected counts"


def test_what_was_treated_and_the_total_do_not_give_the_rest_back(panel, result):
    """An exact total and an exact treated part give the rest; where that is small, the part is rounded."""
    frame = ProtectedResult(result, RULE).counterfactual("Q")
    assert (frame["observed"].dropna() % 5 == 0).all()
    hidden = frame["observed_flag"] == "c"
    assert hidden.any()
    for column in ("expected", "difference"):
        assert frame.loc[hidden, column].isna().all(), f"{column} would give a hidden count back"


def test_an_effect_on_few_events_is_hidden_on_every_scale(panel, result):
    # Q2 is treated for one month, with between 1 and 4 events
    observed = panel.matrix("n")[panel.areas.index("Q2")][-1]
    assert 0 < observed < 8
    held = ProtectedResult(result, HES)
    shown = held.estimates
    rows = shown[(shown["term"] == "area") & (shown["area"] == "Q2")]
    assert len(rows) >= 3
    assert (rows["estimate_flag"] == "c").all()
    assert rows[["estimate", "std_error", "conf_low", "conf_high", "p_value"]].isna().all(axis=None)
    assert held.effect("area", "rate_ratio", area="Q2") is None
    assert held.effect("att", "rate_ratio") is not None


def test_events_are_rounded_and_their_multiples_move_with_them(result):
    shown = ProtectedResult(result, HES).estimates
    att = shown[shown["term"] == "att"].set_index("scale")
    exact = result.estimates[result.estimates["term"] == "att"].set_index("scale")
    assert att.loc["events", "estimate"] % 5 == 0
    ratio = att.loc["per_100k", "estimate"] / att.loc["events", "estimate"]
    assert ratio == pytest.approx(exact.loc["per_100k", "estimate"] / exact.loc["events", "estimate"])
    assert np.isnan(att.loc["per_100k", "std_error"]), "an exact error and p-value would give the exact difference back"
    assert att.loc["rate_ratio", "estimate"] == exact.loc["rate_ratio", "estimate"]


def test_totals_agree_with_the_table_of_effects(result):
    totals = ProtectedResult(result).totals()
    events = result.effect("att", "events").estimate
    assert totals["observed"] - totals["expected"] == pytest.approx(events)
    arrays = result.design.arrays
    assert totals["observed"] == arrays.y[arrays.treated].sum()


def test_a_result_without_its_design_is_not_published_under_a_rule(result):
    bare = Result.from_json(result.to_json())
    assert len(ProtectedResult(bare).estimates)
    with pytest.raises(DataError, match="without its design"):
        _ = ProtectedResult(bare, HES).estimates


def test_an_area_without_a_counterfactual_is_named(result):
    with pytest.raises(EstimationError, match="'P3'"):
        ProtectedResult(result).counterfactual("P3")


def test_what_a_study_shows_is_decided_once_from_all_its_results(panel, result):
    held = Protected.of(panel, panel.aggregate("parent"), {"n": {"one": result, "two": result}}, HES)
    assert list(held.results["n"]) == ["one", "two"]
    frame = held.results["n"]["one"].estimates
    assert frame is held.results["n"]["one"].estimates, "worked out once"
    pd.testing.assert_frame_equal(frame, ProtectedResult(result, HES).estimates)
    assert held.reporting.panel.areas == ("P", "Q")
    assert held.panel.disclosure is HES


def test_running_rates_that_a_reader_changes_stay_as_they_were(panel):
    counts = ProtectedPanel(panel, RULE)
    first = counts.rolling_rates("n", "people")
    first["count"] = 0.0
    assert (counts.rolling_rates("n", "people")["count"] > 0).any()

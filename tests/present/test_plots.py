"""Every figure says something, carries its data, is the same twice, and draws protected numbers only."""

import numpy as np
import pandas as pd
import pytest

from svmodel import Design, Intervention, Panel, plots
from svmodel.errors import DataError, EstimationError
from svmodel.protect import Disclosure
from svmodel.result.figure import Figure

RULE = Disclosure("threshold", threshold=20)
TREATED = "AEFGH"


@pytest.fixture(scope="module")
def panel():
    rng = np.random.default_rng(2)
    months = pd.period_range("2020-01", periods=48, freq="M").astype(str)
    rows = []
    for number, area in enumerate("ABCDEFGHIJKLMNOPQRST"):
        level = 24 if area == "C" else 40 + 3 * number
        fell = np.where((np.arange(48) >= 36) & (area in TREATED), 0.7, 1.0)
        rows += [(area, m, int(n), 50_000.0) for m, n in zip(months, rng.poisson(level * fell), strict=True)]
    frame = pd.DataFrame(rows, columns=["area", "month", "n", "people"])
    return Panel.from_frame(frame, area="area", period="month", counts=["n"], exposures=["people"])


@pytest.fixture(scope="module")
def result(panel):
    from svmodel.did import ExtendedTwoWayFixedEffects

    patrols = Intervention("patrols", starts=dict.fromkeys(TREATED, "2023-01"))
    return ExtendedTwoWayFixedEffects().fit(Design(panel, outcome="n", exposure="people", intervention=patrols))


@pytest.fixture(scope="module")
def forecast(panel):
    from svmodel.forecast import forecast

    return forecast(panel, "n", horizon=6, seed=1)


def make_all(panel, result, forecast, disclosure=None):
    from svmodel.trends import fit_trend

    fitted = fit_trend(panel, "n", area="C").fitted
    by_horizon = forecast.scores[(forecast.scores["area"] == "all") & (forecast.scores["horizon"] != "all")]
    break_ = (pd.Period("2020-04", "M"), pd.Period("2020-09", "M"), "lockdown")
    return {
        "rolling": plots.rolling(panel, "n", "C", label="Robbery", breaks=[break_], disclosure=disclosure),
        "trend": plots.trend(
            fitted, label="Robbery", place="C", change=(-2.0, -4.0, -1.0), breaks=[break_], disclosure=disclosure
        ),
        "comparators": plots.comparators(panel, "n", "people", "C", label="Robbery", disclosure=disclosure),
        "observed_expected": plots.observed_expected(result, "A", label="Robbery", disclosure=disclosure),
        "all_treated": plots.observed_expected(result, label="Robbery", disclosure=disclosure),
        "event_study": plots.event_study(result, label="Robbery", disclosure=disclosure),
        "methods": plots.estimators_compared({"one": result, "two": result}, label="Robbery", disclosure=disclosure),
        "fan": plots.forecast_fan(forecast, panel, "n", "C", label="Robbery", disclosure=disclosure),
        "scores": plots.forecast_scores(by_horizon, label="Robbery"),
    }


@pytest.fixture(scope="module")
def figures(panel, result, forecast):
    return make_all(panel, result, forecast)


def test_every_figure_has_a_short_title_words_and_data(figures):
    for name, figure in figures.items():
        assert isinstance(figure, Figure)
        assert 1 <= len(figure.title.split()) <= 10, name
        assert any(c.isdigit() for c in figure.alt), name
        assert len(figure.data), name
        assert "nan" not in figure.alt.casefold(), name


def test_the_same_figure_has_the_same_bytes(panel, result, forecast, figures):
    again = make_all(panel, result, forecast)
    for name, figure in figures.items():
        assert figure.svg() == again[name].svg(), name


def test_directions_in_words_are_those_of_the_numbers(figures, panel, result):
    years = panel.matrix("n")[panel.areas.index("C")]
    now, before = years[-12:].sum(), years[-24:-12].sum()
    assert ("lower" if now < before else "higher") in figures["rolling"].title
    assert f"{years[-12:].sum():,.0f}" in figures["rolling"].alt
    assert "falling year on year" in figures["trend"].title
    events = result.effect("att", "events")
    assert events.conf_high < 0
    assert "fewer than expected" in figures["all_treated"].title
    assert f"{-events.estimate:,.0f} fewer than expected" in figures["all_treated"].alt


def test_titles_claim_no_more_than_the_intervals(panel):
    from svmodel.did import ExtendedTwoWayFixedEffects

    others = panel.select(areas=[a for a in panel.areas if a not in TREATED])
    nothing = Intervention("nothing", starts=dict.fromkeys("BIJ", "2023-01"))
    found = ExtendedTwoWayFixedEffects().fit(Design(others, outcome="n", exposure="people", intervention=nothing))
    effect = found.effect("att", "events")
    assert effect.conf_low < 0 < effect.conf_high
    assert plots.observed_expected(found, label="Robbery").title == "Robbery: no clear difference from expected"
    assert plots.event_study(found, label="Robbery").title == "Robbery: no clear change after the start"


def test_expected_and_observed_are_the_results_own(figures, result):
    held = result.counterfactual[result.counterfactual["area"] == "A"]
    np.testing.assert_array_equal(figures["observed_expected"].data["expected"], held["expected"])
    np.testing.assert_array_equal(figures["observed_expected"].data["observed"], held["observed"])


def test_small_counts_are_in_no_data_and_no_words(panel, result, forecast):
    own = panel.matrix("n")[panel.areas.index("C")]
    assert ((own > 0) & (own < 20)).any()
    protected = make_all(panel, result, forecast, RULE)
    for name in ("rolling", "trend", "fan"):
        data = protected[name].data
        for column in ("count", "observed"):
            if column in data:
                shown = data[column].dropna()
                assert not ((shown > 0) & (shown < 20)).any(), name
                assert (shown % 10 == 0).all(), name


def test_a_path_that_is_hidden_leaves_a_gap_in_the_drawing(panel, result, forecast):
    exact = make_all(panel, result, forecast)["trend"]
    hidden = make_all(panel, result, forecast, RULE)["trend"]
    line = hidden.canvas.axes[0].lines[0].get_ydata()
    assert np.isnan(np.asarray(line, dtype=float)).sum() == hidden.data["observed"].isna().sum() > 0
    assert not np.isnan(np.asarray(exact.canvas.axes[0].lines[0].get_ydata(), dtype=float)).any()


def test_a_forecast_says_lower_or_higher_only_outside_its_inner_spread(panel):
    from types import SimpleNamespace

    level = panel.matrix("n")[0, -3:].mean()
    ahead = pd.period_range("2024-01", periods=3, freq="M")

    def title(middle):
        spread = {0.05: -20, 0.25: -5, 0.5: 0, 0.75: 5, 0.95: 20}
        rows = [("A", p, q, middle + off) for p in ahead for q, off in spread.items()]
        made = SimpleNamespace(quantiles=pd.DataFrame(rows, columns=["area", "period", "quantile", "value"]))
        return plots.forecast_fan(made, panel, "n", "A", label="Robbery").title

    assert title(level + 3) == "Robbery: about the same ahead"
    assert title(level + 8) == "Robbery: higher ahead"
    assert title(level - 8) == "Robbery: lower ahead"


def test_a_running_year_needs_a_year(panel):
    with pytest.raises(DataError, match="needs 12 periods"):
        plots.rolling(panel.select(window=("2023-06", None)), "n", "A")


def test_a_method_without_horizons_says_so(result):
    from dataclasses import replace

    bare = replace(result, estimates=result.estimates[result.estimates["term"] == "att"])
    with pytest.raises(EstimationError, match="time since the start"):
        plots.event_study(bare)
    with pytest.raises(EstimationError, match="no method"):
        plots.estimators_compared({})


def test_an_effect_without_bounds_does_not_break_the_drawing(result):
    from dataclasses import replace

    frame = result.estimates.copy()
    at = frame.index[(frame["term"] == "event") & (frame["scale"] == "rate_ratio")][-1]
    frame.loc[at, ["estimate", "conf_high"]] = np.inf
    figure = plots.event_study(replace(result, estimates=frame))
    low, high = figure.canvas.axes[0].get_ylim()
    assert np.isfinite([low, high]).all()
    assert figure.data["change"].isna().sum() == 1
    assert not np.isinf(figure.data["change"]).any()


def test_labels_at_line_ends_do_not_overlap():
    from svmodel.present.style import canvas, end_labels

    figure, axes = canvas()
    axes.plot([0, 1], [0, 100])
    axes.set_ylim(0, 100)
    end_labels(
        axes, [(1, 50, "one", "k"), (1, 50.5, "two", "k"), (1, 99, "three", "k"), (1, float("nan"), "none", "k")]
    )
    heights = sorted(text.xyann[1] for text in axes.texts)
    assert len(heights) == 3
    assert min(np.diff(heights)) >= 0.07
    assert heights[-1] <= 1
    assert figure.axes == [axes]

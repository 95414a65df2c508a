"""Panels of days and of weeks: reading them, asking of them, and what cannot be answered of them."""

import numpy as np
import pandas as pd
import pytest

import svmodel as sv
from svmodel import periods
from svmodel.breaks import Break
from svmodel.checks import anticipation
from svmodel.counterfactual import InterruptedTimeSeries, StructuralTimeSeries
from svmodel.did import TwoWayFixedEffects
from svmodel.errors import DataError, DesignError, EstimationError
from svmodel.forecast import forecast
from svmodel.report.study.new import new_study
from svmodel.report.study.read import open_study
from svmodel.result import Result
from svmodel.trends import fit_trend

MONDAYS = pd.date_range("2019-01-07", periods=160, freq="7D")
DAYS = pd.date_range("2019-01-07", periods=600, freq="D")


def read(values, name="x", **options):
    return periods.read_column(pd.Series(list(values), name=name), **options)


@pytest.mark.parametrize(
    ("values", "name", "first"),
    [
        (["2021-W14", "2021-W15"], "x", "2021-04-05/2021-04-11"),
        (["Week 14 2021", "Wk 15, 2021"], "x", "2021-04-05/2021-04-11"),
        (["w/c 5 April 2021", "w/c 12 April 2021"], "x", "2021-04-05/2021-04-11"),
        (["w/c 05/04/2021", "w/c 19/04/2021"], "x", "2021-04-05/2021-04-11"),
        (["Week ending 11/04/2021", "Week ending 25/04/2021"], "x", "2021-04-05/2021-04-11"),
        (["05/04/2021", "12/04/2021", "19/04/2021"], "x", "2021-04-05/2021-04-11"),
        (["2021-04-11", "2021-04-18", "2021-04-25"], "Week ending", "2021-04-05/2021-04-11"),
        (["2021-04-02", "2021-04-09", "2021-04-16"], "week commencing", "2021-04-02/2021-04-08"),
        (["2021-04-07 to 2021-04-13"], "x", "2021-04-07/2021-04-13"),
        (["2020-W53"], "x", "2020-12-28/2021-01-03"),
        ([44291, 44298, 44305], "x", "2021-04-05/2021-04-11"),
    ],
)
def test_every_spelling_of_a_week(values, name, first):
    found = read(values, name)
    assert str(found.index[0]) == first
    assert not found.unread
    assert len(set(found.index)) == len(values)


def test_weeks_of_other_weekdays_are_asked_about_and_answered():
    fridays = [f"2021-04-{d:02d}" for d in (2, 9, 16, 23)]
    assert read(fridays).choices == ("week beginning", "week ending")
    assert str(read(fridays, written="week beginning").index[0]) == "2021-04-02/2021-04-08"
    assert str(read(fridays, written="week ending").index[0]) == "2021-03-27/2021-04-02"
    assert read(["2021-W54"]).unread == ("2021-W54",)


def test_dates_are_days_where_a_month_holds_many_and_months_where_it_holds_one():
    days = read(pd.date_range("2021-03-25", periods=20).strftime("%d/%m/%Y"))
    assert days.index.freqstr == "D"
    assert "each is a day" in days.said
    assert read(["13/04/2021", "01/05/2021", "07/06/2021"]).index.freqstr == "M"
    assert read(["2021-04-01", "2021-04-02", "2021-04-03"], written="months").index.freqstr == "M"
    sparse = read(["2021-04-01", "2021-04-30", "2021-05-01", "2021-06-01"])
    assert sparse.choices == ("months", "days")
    moments = pd.Series(pd.date_range("2021-06-01 23:30", periods=5, freq="D", tz="UTC"))
    assert str(periods.read_column(moments).index[0]) == "2021-06-02"  # half past midnight in London


@pytest.mark.parametrize("freq", ["D", "W-SUN", "W-TUE", "W-SAT"])
def test_codes_read_back_and_sort(freq):
    index = pd.period_range("2019-12-20", periods=30, freq=freq)
    codes = [periods.code(p) for p in index]
    assert [periods.parse(c) for c in codes] == list(index)
    assert codes == sorted(codes)


def test_a_day_stays_a_day_only_where_it_says_more_than_its_month():
    assert str(periods.parse("2021-04-17")) == "2021-04"
    assert [str(periods.parse_first(d)) for d in ("2021-04-17", "2021-04-01")] == ["2021-04-17", "2021-04"]
    assert [str(periods.parse_last(d)) for d in ("2021-04-01", "2021-04-30")] == ["2021-04-01", "2021-04"]
    with pytest.raises(DataError, match="may be"):
        periods.parse_first("01/04/2021")


def daily(effect=1.0, *, weekend=0.5, drop=()):
    rng = np.random.default_rng(5)
    pieces = []
    for a in range(10):
        level = 20 + a + 10 * weekend * (DAYS.day_of_week >= 5)
        level = level * np.where((np.arange(600) >= 450) & (a < 3), effect, 1.0)
        pieces.append(pd.DataFrame({"area": f"A{a}", "date": DAYS, "n": rng.poisson(level)}))
    frame = pd.concat(pieces, ignore_index=True)
    return frame[~frame["date"].isin(pd.to_datetime(list(drop)))]


def panel_of(frame, period="date"):
    return sv.Panel.from_frame(frame, area="area", period=period, counts=["n"])


def design_of(panel, start, **options):
    starts = {f"A{a}": start for a in range(3)}
    return sv.Design(panel, outcome="n", intervention=sv.Intervention("patrols", starts=starts), **options)


def test_a_panel_of_days_has_its_gaps_sums_and_windows():
    panel = panel_of(daily(drop=["2019-03-05"]))
    assert panel.n_periods == 600
    assert [(e.rule, e.where) for e in panel.ledger if e.action == "missing"] == [("missing_period", "1 whole day")]
    weeks = panel.aggregate("week")
    assert weeks.periods[0] == pd.Period("2019-01-07", "W-SUN")
    assert weeks.matrix("n")[0, 0] == panel.matrix("n")[0, :7].sum()
    months = panel.aggregate("month")
    assert str(months.periods[0]) == "2019-02"
    assert np.isnan(months.matrix("n")[:, 1]).all()  # March lacks a day, and a part is no whole
    with pytest.raises(DataError, match="a month is not made up of weeks"):
        weeks.aggregate("month")
    chosen = panel.select(window=("2019-02-03", "2019-03-01"))
    assert (str(chosen.periods[0]), str(chosen.periods[-1])) == ("2019-02-03", "2019-03-01")
    assert str(panel.select(window=("2019-02", "2019-02")).periods[-1]) == "2019-02-28"


@pytest.mark.parametrize(
    ("start", "day"), [("2020-04-01", "2020-04-01"), ("2020-04", "2020-04-01"), ("2020-04-14", "2020-04-14")]
)
def test_starts_fit_the_panel(start, day):
    panel = panel_of(daily())
    assert str(design_of(panel, start).intervention.starts["A0"]) == day
    by_week = design_of(panel.aggregate("week"), start).intervention.starts["A0"]
    assert by_week == pd.Period(day, "W-SUN")
    assert str(design_of(panel.aggregate("month"), start).intervention.starts["A0"]) == "2020-04"


def test_ends_and_breaks_fit_the_panel():
    panel = panel_of(daily())
    asked = sv.Intervention("patrols", starts={"A0": "2020-04-02"}, ends={"A0": "2020-05-01"})
    assert str(sv.Design(panel, outcome="n", intervention=asked).intervention.ends["A0"]) == "2020-05-01"
    with pytest.raises(DesignError, match="before it starts"):
        sv.Intervention("patrols", starts={"A0": "2020-04-20"}, ends={"A0": "2020-04-19"})
    dip = Break("2020-03-23", "lockdown", until="2020-05-31")
    index = panel.periods
    start, stop = dip.within(index)
    assert (str(index[start]), str(index[stop])) == ("2020-03-23", "2020-06-01")


def test_days_give_their_effect_and_come_back_from_json():
    design = design_of(panel_of(daily(0.7)), "2020-04-01")
    assert not design.problems()
    result = TwoWayFixedEffects().fit(design)
    assert result.effect().estimate == pytest.approx(0.7, abs=0.03)
    again = Result.from_json(result.to_json())
    assert again.estimates.equals(result.estimates)


def test_a_series_of_days_knows_weekdays_and_the_year():
    days = pd.date_range("2018-01-01", periods=1000, freq="D")
    t = np.arange(1000)
    mean = (
        50 * np.exp(0.3 * np.sin(2 * np.pi * t / 365.25) + 0.5 * (days.day_of_week >= 5)) * np.where(t >= 900, 0.8, 1)
    )
    frame = pd.DataFrame({"area": "A0", "date": days, "n": np.round(mean)})
    design = sv.Design(panel_of(frame), outcome="n", intervention=sv.Intervention("x", starts={"A0": days[900]}))
    result = InterruptedTimeSeries(harmonics=1).fit(design)
    assert result.effect().estimate == pytest.approx(0.8, abs=0.005)
    path = result.counterfactual
    expected = path.loc[path["area"] == "A0", "expected"].to_numpy()[-14:]
    assert expected == pytest.approx(mean[-14:] / 0.8, rel=0.02)  # the weekends among them


def test_a_series_of_weeks_keeps_to_the_year_and_not_to_52_weeks():
    weeks = pd.date_range("2010-01-04", periods=620, freq="7D")
    t = np.arange(620)
    mean = 400 * np.exp(0.4 * np.cos(2 * np.pi * t / (365.25 / 7))) * np.where(t >= 570, 0.8, 1)
    frame = pd.DataFrame({"area": "A0", "date": weeks, "n": np.round(mean)})
    design = sv.Design(panel_of(frame), outcome="n", intervention=sv.Intervention("x", starts={"A0": weeks[570]}))
    assert InterruptedTimeSeries(harmonics=1).fit(design).effect().estimate == pytest.approx(0.8, abs=0.002)


def test_what_needs_a_season_says_so():
    panel = panel_of(daily())
    design = design_of(panel.select(window=("2019-10", None)), "2020-04-01")
    with pytest.raises(EstimationError, match=r"needs 365. Give earlier data, or use season='none'"):
        InterruptedTimeSeries().fit(design)
    with pytest.raises(EstimationError, match="no whole number of days makes a year"):
        StructuralTimeSeries(season="dummies").fit(design)
    with pytest.raises(DesignError, match="not that of days"):
        forecast(panel, "n")
    with pytest.raises(DesignError, match="not that of weeks"):
        forecast(panel.aggregate("week"), "n")
    with pytest.raises(DesignError, match=r"Sum the days: panel.aggregate\('week'\)"):
        fit_trend(panel, "n", area="A0")


def test_a_check_before_the_start_looks_at_a_quarter_of_a_year():
    result = TwoWayFixedEffects().fit(design_of(panel_of(daily(0.7)).aggregate("week"), "2020-04-01"))
    told = anticipation(result)
    assert "13 weeks" in told.text


def test_a_trend_of_weeks_is_per_year():
    t = np.arange(160)
    frame = pd.DataFrame({"area": "A0", "date": MONDAYS, "n": np.round(300 * 0.9 ** (t * 7 / 365.25))})
    assert fit_trend(panel_of(frame), "n", area="A0").change_per_year.estimate == pytest.approx(-10, abs=0.2)


def test_a_study_of_weeks_goes_from_file_to_design(tmp_path):
    frame = daily(0.7)
    frame = (
        frame.groupby(["area", pd.Grouper(key="date", freq="W-MON", label="left", closed="left")])["n"]
        .sum()
        .reset_index()
    )
    frame["Week commencing"] = frame.pop("date").dt.strftime("%d/%m/%Y")
    frame.to_csv(tmp_path / "weeks.csv", index=False)
    study, found = new_study(tmp_path / "weeks.csv")
    assert not found.questions
    text = study.read_text(encoding="utf-8") + "\nintervention: {name: X, starts: {A0: 2020-04-01, A1: 2020-04-08}}\n"
    study.write_text(text + "window: [2019-02-01, 2020-08-16]\n", encoding="utf-8")
    opened = open_study(study)
    assert opened.panel.periods.freqstr == "W-SUN"
    assert str(opened.panel.periods[-1]) == "2020-08-10/2020-08-16"
    starts = opened.intervention.starts
    assert [str(starts[a]) for a in ("A0", "A1")] == ["2020-03-30/2020-04-05", "2020-04-06/2020-04-12"]


def test_year_and_week_in_two_columns_are_one_period(tmp_path):
    lines = "".join(f"{a},{y},{w},{w}\n" for a in "AB" for y, w in ((2020, 52), (2020, 53), (2021, 1)))
    (tmp_path / "weeks.csv").write_text("Area,Year,Week,Robbery\n" + lines)
    study, found = new_study(tmp_path / "weeks.csv")
    panel = open_study(study).panel
    assert not found.questions
    assert [periods.code(p) for p in panel.periods] == ["2020-W52", "2020-W53", "2021-W01"]
    assert panel.matrix("Robbery").tolist() == [[52, 53, 1]] * 2

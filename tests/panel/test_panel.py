import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svmodel.errors import DataError
from svmodel.panel import Panel
from svmodel.testing import panels
from svmodel.testing.strategies import frames, panel_of

quick = settings(max_examples=40, deadline=None)


def make(rows, **roles):
    frame = pd.DataFrame(rows, columns=["area", "month", "n", "people"])
    return Panel.from_frame(frame, area="area", period="month", **({"counts": ["n"], "exposures": ["people"]} | roles))


ROWS = [("A", "2024-01", 3, 100), ("A", "2024-02", 4, 100), ("B", "2024-01", 0, 50), ("B", "2024-02", 2, 51)]


@quick
@given(frames(), st.randoms(use_true_random=False))
def test_any_order_of_rows_gives_the_same_panel(frame, random):
    order = list(range(len(frame)))
    random.shuffle(order)
    straight, shuffled = panel_of(frame), panel_of(frame.iloc[order])
    pd.testing.assert_frame_equal(straight.to_frame(), shuffled.to_frame())
    assert straight.fingerprint == shuffled.fingerprint
    assert straight.ledger == shuffled.ledger


@quick
@given(frames())
def test_the_frame_given_is_untouched_and_not_shared(frame):
    before = frame.copy(deep=True)
    panel = panel_of(frame)
    pd.testing.assert_frame_equal(frame, before)
    held = panel.to_frame()
    frame.loc[0, "events"] = 999.0
    copy = panel.to_frame()
    copy.loc[0, "events"] = 999.0
    panel.matrix("events")[0, 0] = 999.0
    pd.testing.assert_frame_equal(panel.to_frame(), held)


@quick
@given(frames(), st.data())
def test_a_row_that_is_absent_or_empty_is_missing_and_never_zero(frame, data):
    last = frame["period"].max()
    inner = [i for i in frame.index if frame.loc[i, "area"] != "area 00" and frame.loc[i, "period"] != last]
    gone = data.draw(st.sets(st.sampled_from(inner), max_size=len(inner) - 1))
    panel = panel_of(frame.drop(index=list(gone)))
    if panel.areas != tuple(sorted(frame["area"].unique())):
        return
    expected = frame.copy()
    expected.loc[list(gone), ["events", "score", "population"]] = np.nan
    values = expected.sort_values(["area", "period"])["events"].to_numpy().reshape(panel.n_areas, -1)
    np.testing.assert_array_equal(panel.matrix("events"), values)
    assert sum(e.rows for e in panel.ledger if e.rule == "missing_period") == len(gone)


@quick
@given(panels(), st.data())
def test_selecting_is_the_same_in_any_order_and_keeps_the_cells(panel, data):
    areas = data.draw(st.lists(st.sampled_from(panel.areas), min_size=1, unique=True))
    ends = sorted(data.draw(st.lists(st.sampled_from(list(panel.periods)), min_size=2, max_size=2)))
    window = (ends[0], ends[1])
    chosen = panel.select(areas, window)
    assert chosen.fingerprint == panel.select(window=window).select(areas).fingerprint
    assert chosen.fingerprint == panel.select(areas[::-1]).select(window=window).fingerprint
    rows = [panel.areas.index(a) for a in sorted(areas)]
    first, last = (panel.periods.get_loc(p) for p in ends)
    np.testing.assert_array_equal(chosen.matrix("events"), panel.matrix("events")[rows, first : last + 1])
    assert panel.select().fingerprint == panel.fingerprint


@quick
@given(panels())
def test_summing_to_parents_and_then_to_all_is_summing_to_all(panel):
    parents, everything = panel.aggregate("parent"), panel.aggregate("all")
    assert parents.areas == panel.reporting_areas
    np.testing.assert_array_equal(parents.matrix("events").sum(axis=0), everything.matrix("events")[0])
    np.testing.assert_array_equal(panel.matrix("events").sum(axis=0), everything.matrix("events")[0])
    np.testing.assert_array_equal(panel.matrix("population").sum(axis=0), everything.matrix("population")[0])


@quick
@given(panels(periods=(3, 30)))
def test_a_year_is_the_sum_of_its_periods_or_missing(panel):
    if panel.periods.freqstr not in ("M", "Q-DEC"):
        return
    wanted = {"M": 12, "Q-DEC": 4}[panel.periods.freqstr]
    long = panel.to_frame().assign(year=lambda f: f["period"].dt.year)
    sums = {
        (area, year): rows["events"].sum(skipna=False)
        for (area, year), rows in long.groupby(["area", "year"])
        if len(rows) == wanted
    }
    if not sums:
        with pytest.raises(DataError, match="covered in full"):
            panel.aggregate("year")
        return
    yearly = panel.aggregate("year")
    found = {(r.area, r.period.year): r.events for r in yearly.to_frame().itertuples()}
    assert found.keys() == sums.keys()
    np.testing.assert_array_equal(list(found.values()), [sums[k] for k in found])
    assert yearly.ledger.total("dropped") == len(long) - wanted * len(sums)


@quick
@given(panels())
def test_a_panel_crosses_a_process_border_whole(panel):
    again = pickle.loads(pickle.dumps(panel))
    assert again.fingerprint == panel.fingerprint
    assert (again.parents, again.names, again.ledger) == (panel.parents, panel.names, panel.ledger)


def test_every_problem_in_one_message():
    rows = [
        ("A", "2024-01", "3", 100),
        ("A", "2024-01", "4", 100),
        ("A", "2024-02", "-4", 0),
        ("B", "soon", "many", 100),
        ("B", "2024-02", "1.5", 100),
        ("", "2024-03", "2", 100),
        ("C", "2024-05", "2", 100),
    ]
    frame = pd.DataFrame(rows, columns=["area", "month", "n", "people"])
    with pytest.raises(DataError) as caught:
        Panel.from_frame(
            frame,
            area="area",
            period="month",
            counts=["n"],
            exposures=["people"],
            known_areas=["A", "B", "Cc"],
            first_line=2,
        )
    assert {p.rule for p in caught.value.problems} == {
        "duplicate_area_period",
        "negative_count",
        "exposure_not_positive",
        "period_unreadable",
        "text_count",
        "fractional_count",
        "area_blank",
        "unknown_area",
        "missing_period",
    }
    text = str(caught.value)
    assert "line 3" in text  # the repeat, counted from the file's first line
    assert "'Cc'" in text


def test_unknown_columns_are_named_with_the_nearest():
    with pytest.raises(DataError) as caught:
        make(ROWS, counts=["m"], exposures=["poeple"])
    assert [p.rule for p in caught.value.problems] == ["unknown_column", "unknown_column"]
    assert "'people'" in str(caught.value)


def test_mixed_lsoa_vintages_are_found_only_where_the_new_codes_enter_late():
    both = [("E01006412", "2023-01", 1, 9), ("E01006412", "2024-01", 1, 9), ("E01033793", "2024-01", 1, 9)]
    with pytest.raises(DataError) as caught:
        make(both)
    assert "mixed_lsoa_vintages" in {p.rule for p in caught.value.problems}
    assert make([*both, ("E01033793", "2023-01", 1, 9)]).n_areas == 2


def test_a_code_out_of_range_is_an_unknown_area():
    with pytest.raises(DataError, match="E09000099"):
        make([("E09000001", "2024-01", 1, 9), ("E09000002", "2024-01", 1, 9), ("E09000099", "2024-01", 1, 9)])


@pytest.mark.parametrize("column", ["area", "period"])
def test_data_may_not_take_the_panels_own_names(column):
    frame = pd.DataFrame({"code": ["A", "B"], "month": ["2024-01"] * 2, "n": [1, 2], column: [5.0, 6.0]})
    with pytest.raises(DataError) as caught:
        Panel.from_frame(frame, area="code", period="month", counts=["n"], covariates=[column])
    assert [p.rule for p in caught.value.problems] == ["reserved_name"]


def test_one_name_is_one_column():
    assert make(ROWS, counts="n", exposures="people").counts == ("n",)


def test_a_column_has_one_role():
    with pytest.raises(DataError) as caught:
        make(ROWS, counts=["n"], measures=["n"])
    assert [p.rule for p in caught.value.problems] == ["two_roles"]


def test_an_area_has_one_parent():
    frame = pd.DataFrame({"area": ["A", "A"], "month": ["2024-01", "2024-02"], "n": [1, 2], "borough": ["x", "y"]})
    with pytest.raises(DataError) as caught:
        Panel.from_frame(frame, area="area", period="month", counts=["n"], parent="borough")
    assert [p.rule for p in caught.value.problems] == ["not_constant_by_area"]


def test_an_empty_frame_is_refused():
    with pytest.raises(DataError, match="no rows"):
        make([])


def test_a_whole_missing_month_is_kept_and_told():
    panel = make([("A", "2024-01", 3, 100), ("A", "2024-03", 4, 100)])
    assert list(panel.periods.astype(str)) == ["2024-01", "2024-02", "2024-03"]
    np.testing.assert_array_equal(panel.matrix("n"), [[3, np.nan, 4]])
    assert panel.ledger.entries[0].rule == "missing_period"


def test_select_names_every_unknown_area_and_a_bad_window_at_once():
    with pytest.raises(DataError) as caught:
        make(ROWS).select(["A", "AA", "Q"], window=("soon", None))
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("window", [("2025-01", None), ("2024-02", "2024-01")])
def test_an_empty_selection_is_refused(window):
    with pytest.raises(DataError, match="holds nothing"):
        make(ROWS).select(window=window)


def test_a_window_in_years_takes_the_whole_year():
    rows = [("A", f"{y}-{m:02d}", 1, 10) for y in (2022, 2023, 2024) for m in range(1, 13)]
    panel = make(rows).select(window=(2023, 2023))
    assert (str(panel.periods[0]), str(panel.periods[-1])) == ("2023-01", "2023-12")
    assert make(rows).select(window=("2022/23", "2022/23")).n_periods == 12


def test_years_do_not_make_financial_years_nor_quarters():
    panel = make([("A", 2020, 3, 9), ("A", 2021, 4, 9)])
    for to in ("financial year", "quarter"):
        with pytest.raises(DataError, match="not made up of years"):
            panel.aggregate(to)
    assert panel.aggregate("year").fingerprint == panel.fingerprint


def test_calendar_and_financial_years_are_different_data():
    assert make([("A", "2020", 3, 9)]).fingerprint != make([("A", "2019/20", 3, 9)]).fingerprint


def test_aggregate_names_what_it_knows():
    with pytest.raises(DataError, match="'quarter'"):
        make(ROWS).aggregate("quater")
    with pytest.raises(DataError, match="parent"):
        make(ROWS).aggregate("parent")


def test_matrix_names_the_nearest_column():
    with pytest.raises(DataError, match="'people'"):
        make(ROWS).matrix("peopl")


def test_synthetic_rows_mark_the_panel():
    frame = pd.DataFrame(ROWS, columns=["area", "month", "n", "people"]).assign(synthetic=["no", "no", "yes", "no"])
    assert Panel.from_frame(frame, area="area", period="month", counts=["n"]).synthetic
    assert "SYNTHETIC" in repr(Panel.from_frame(frame, area="area", period="month", counts=["n"]))
    assert not make(ROWS).synthetic


def test_children_and_labels():
    frame = pd.DataFrame(
        {
            "ward": ["w1", "w2", "w3"],
            "month": ["2024-01"] * 3,
            "n": [1, 2, 3],
            "borough": ["b1", "b1", "b2"],
            "ward_name": ["One", "Two", "Three"],
            "borough_name": ["First", "First", "Second"],
        }
    )
    panel = Panel.from_frame(
        frame,
        area="ward",
        period="month",
        counts=["n"],
        parent="borough",
        name="ward_name",
        parent_name="borough_name",
    )
    assert panel.children("b1") == ("w1", "w2")
    assert panel.children("b9") == ()
    assert (panel.label("w1"), panel.label("b2"), panel.label("zz")) == ("One", "Second", "zz")
    assert make(ROWS).children("A") == ("A",)
    assert make(ROWS).reporting_areas == ("A", "B")


def test_what_is_no_frame_and_what_is_no_window_is_said():
    with pytest.raises(DataError, match="not from a dict"):
        Panel.from_frame({"area": ["A"]}, area="area", period="period")
    frame = pd.DataFrame({"area": ["A", "A"], "month": ["2024-01", "2024-02"], "n": [1, 2]})
    panel = Panel.from_frame(frame, area="area", period="month", counts=["n"])
    for window in ("2024-01", ("2024-01", "2024-02", "2024-03")):
        with pytest.raises(DataError, match="is no window"):
            panel.select(window=window)


def test_financial_years_written_with_a_hyphen_are_not_months():
    def make(months):
        frame = pd.DataFrame({"area": ["A"] * len(months), "month": months, "n": [1] * len(months)})
        return Panel.from_frame(frame, area="area", period="month", counts=["n"])

    pairs = ["2008-09", "2009-10", "2010-11", "2011-12"]
    with pytest.raises(DataError, match="3 ways: months, financial years or academic years") as caught:
        make(pairs)
    assert "period_written: financial years" in str(caught.value)
    answered = Panel.from_frame(
        pd.DataFrame({"area": "A", "month": pairs, "n": 1}),
        area="area",
        period="month",
        counts=["n"],
        period_written="financial years",
    )
    assert answered.periods[0] == pd.Period("2009", "Y-MAR")
    assert answered.ledger.has("period_reading")
    # a thirteenth month does not exist, so these can be nothing else
    assert make([*pairs, "2012-13"]).periods.freqstr == "Y-MAR"
    assert make(["2008-09", "2008-10"]).n_periods == 2
    assert make(["2008-09"]).n_periods == 1


def test_codes_in_small_letters_are_no_other_areas():
    frame = pd.DataFrame({"area": ["E08000012", "e08000012"], "month": ["2024-01", "2024-02"], "n": [1, 2]})
    with pytest.raises(DataError, match="'e08000012' are codes in small letters") as caught:
        Panel.from_frame(frame, area="area", period="month", counts=["n"])
    assert "Write them as 'E08000012'" in str(caught.value)

"""Numbers as people write them, old and free workbooks, and what the ledger says of what is missing."""

import pathlib

import numpy as np
import pytest
from cases import case

from svmodel.errors import DataError
from svmodel.report.describe import describe_data
from svmodel.report.study.understood import understand
from svmodel.sources import read_panel
from svmodel.sources.cells import decimals_of, kind_of_cell, number_of, read_numbers, tidy_cell
from svmodel.sources.table import open_book

BOOKS = pathlib.Path(__file__).parent / "workbooks"


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("12[1]", 12),
        ("12*", 12),
        ("1,234 (r)", 1234),
        ("12\u00b9", 12),
        ("12 \u2020", 12),
        ("-0", 0),
        ("(3)", -3),
        ("nil", 0),
        ("12 (34)", None),
        ("12p", None),
        ("none", None),
        ("1.234,5", None),
    ],
)
def test_marks_behind_a_number_are_none_of_it(cell, number):
    found = number_of(tidy_cell(cell))
    assert found == number
    assert found is None or not np.signbit(found) or found < 0


def test_high_digits_are_footnotes_but_powers_of_lengths_are_not():
    assert [tidy_cell(t) for t in ("Ashby\u00b2", "per km\u00b2", "3 m\u00b2")] == ["Ashby", "per km2", "3 m2"]


@pytest.mark.parametrize(
    ("cells", "sign"),
    [
        (["1.234,5", "17"], "comma"),
        (["1.234.567"], "comma"),
        (["1,5"], "comma"),
        (["1,234.5", "17"], "point"),
        (["0.5"], "point"),
        (["1.234", "999"], None),
        (["12", "x"], None),
        (["1,5", "1.5"], "both"),
    ],
)
def test_a_column_shows_its_decimal_sign(cells, sign):
    assert decimals_of(cells)[0] == sign


def test_decimals_of_both_kinds_are_told_and_never_guessed(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("area;month;n\nA;2021-04;1,5\nA;2021-05;1.5\nB;2021-04;2\nB;2021-05;3\n")
    with pytest.raises(DataError, match="text, not numbers: '1,5'"):
        read_panel(path, area="area", period="month", measures=["n"])


@pytest.mark.parametrize(("answer", "total"), [("comma", 2468), ("point", 2.468)])
def test_a_decimal_sign_that_nothing_shows_is_asked_about(tmp_path, answer, total):
    path = tmp_path / "a.csv"
    path.write_text("area;month;n\nA;2021-04;1.234\nB;2021-04;1.234\n")
    columns = {"area": "area", "period": "month", "measures": ["n"]}
    with pytest.raises(DataError, match="decimal: comma, or decimal: point"):
        read_panel(path, **columns)
    assert np.nansum(read_panel(path, **columns, decimal=answer).matrix("n")) == pytest.approx(total)


def test_a_point_among_commas_is_a_point(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("area,month,n\nA,2021-04,1.234\nB,2021-04,2.5\n")
    assert np.nansum(read_panel(path, area="area", period="month", measures=["n"]).matrix("n")) == pytest.approx(3.734)


@pytest.mark.parametrize("ending", ["xls", "ods"])
def test_workbooks_of_other_programs(ending):
    """Written by LibreOffice: styled dates, repeated cells, formulas, a merged title, a hidden column and sheet."""
    found = understand(BOOKS / f"districts.{ending}")
    assert not found.questions
    assert found.panel.areas == ("North", "South", "West")
    assert np.nan_to_num(found.panel.matrix("count"), nan=-1).tolist() == [[12, 12, 12], [0, 7, -1], [5, 5, 1204]]
    assert found.left_out == {"Total": "it is the sum of the periods beside it", "Calls": "it is empty"}
    missing = [e for e in found.panel.ledger if e.action == "missing"]
    assert [(e.rule, e.rows) for e in missing] == [("suppressed", 1)]


def test_what_is_missing_for_a_reason_is_not_also_empty(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("area,month,n\nA,2021-04,<5\nA,2021-05,\nB,2021-04,*\nB,2021-05,7\n")
    panel = read_panel(path, area="area", period="month", counts=["n"])
    told = {(e.rule, e.rows) for e in panel.ledger if e.action == "missing"}
    assert told == {("suppressed", 1), ("missing_value", 1)}
    assert sum(e.rows for e in panel.ledger if e.action == "missing") == np.isnan(panel.matrix("n")).sum() == 3
    assert any("1 more values are empty" in e.reason for e in panel.ledger)


def test_an_export_to_excel_that_is_a_page_says_how_to_save_it(tmp_path):
    path = tmp_path / "export.xls"
    path.write_text("<html><table><tr><td>1</td></tr></table></html>")
    with pytest.raises(DataError, match=r"web page. Open it in a spreadsheet program and save it as .xlsx"):
        describe_data(path)


def test_ambulance_calls_of_a_file_that_ends_its_lines_in_cr():
    path = case("ambulance_assault_ward_cr.csv")
    (sheet,) = open_book(path).sheets
    assert len(sheet.rows) == 13
    assert sheet.rows[5] == ("00AA", "Bishopsgate", "00AAFE", "188")
    with pytest.raises(DataError, match=r"Name them with --period; it has 'Bor_Code', 'WardName'"):
        describe_data(path)


def test_populations_of_publishers_are_exposures_and_never_outcomes():
    found = understand(case("fingertips_compare_areas.csv"))
    assert found.spec.exposures == ("denominator",)
    assert "denominator" not in found.spec.counts
    found = understand(case("dfe_exclusions_la_200910_201112.csv"))
    assert found.spec.exposures == ("headcount",)
    assert "fixed_excl" in found.spec.counts
    assert "headcount" in found.panel.exposures


def test_numbers_of_a_column_say_each_way_in_which_they_were_read():
    assert read_numbers(["12*", "£5", "17%", "(3)"]).signs == (
        "'12*' is read as 12",
        "'£5' is read as 5",
        "'17%' is read as 17",
    )
    assert [kind_of_cell(t) for t in ("1.234,5", "none", "<5", "Ash")] == ["number", "dash", "mark", "text"]

"""What stands in and around a table: sums, headings, marks, ragged rows, and what is asked."""

import numpy as np
import openpyxl
import pytest

from svmodel.errors import DataError, Problem, UserError
from svmodel.panel.rules import Roles
from svmodel.report.describe import describe_data, grouped
from svmodel.report.study.new import new_study
from svmodel.report.study.read import open_study
from svmodel.sources import read_panel
from svmodel.sources.cells import mark_of, number_of, read_numbers
from svmodel.sources.table import open_book
from svmodel.sources.tidy import open_tidy

MONTHS = ("Apr-21", "May-21", "Jun-21", "Jul-21")


def _n(area, t):
    return (ord(area) * 7 + t * t * 3) % 17 + 3


ALL = sum(_n(a, t) for a in "ABC" for t in range(4))
LONG = "Area,Month,n\n" + "".join(f"{a},{MONTHS[t]},{_n(a, t)}\n" for a in "ABC" for t in range(4))


def _written(folder, text, name="a.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def _studied(folder, text, name="a.csv"):
    study, found = new_study(_written(folder, text, name))
    assert not found.questions
    return open_study(study).panel


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("1,234", 1234),
        ("1 234", 1234),
        ("1\u00a0234", 1234),
        ("£1,234.50", 1234.5),
        ("(17)", -17),
        ("\u221217", -17),
        ("12%", 12),
        ("7 (r)", 7),
        (3.0, 3),
        ("12,34", None),
        ("1,2345", None),
        ("seven", None),
        (True, None),
        ("-", None),
        ("2021-04", None),
    ],
)
def test_a_cell_is_a_number_or_none(cell, number):
    assert number_of(read_numbers([cell]).values[0] if number is not None else cell) == number


@pytest.mark.parametrize(
    "cell", ["*", "c", "[c]", "[x]", "..", ":", "z", "<5", "fewer than 5", "1 to 7", "#N/A", "n/a"]
)
def test_a_mark_is_missing_with_its_reason(cell):
    found = read_numbers(["1", cell])
    assert found.values == [1.0, None]
    assert [mark for mark, _ in found.marks] == [cell]
    assert mark_of(cell)


@pytest.mark.parametrize(("answer", "total"), [("nil", 1), ("missing", 1)])
def test_dashes_are_asked_about_once_and_answered(tmp_path, answer, total):
    path = _written(tmp_path, "Area,Month,n,m\nA,2024-01,1,-\nA,2024-02,-,2\n")
    columns = {"area": "Area", "period": "Month", "counts": ["n", "m"]}
    with pytest.raises(DataError, match="dashes: nil, or dashes: missing") as caught:
        read_panel(path, **columns)
    assert len(caught.value.problems) == 1
    values = read_panel(path, **columns, dashes=answer).matrix("n")
    assert np.nansum(values) == total
    assert bool(np.isnan(values).any()) is (answer == "missing")
    with pytest.raises(DataError, match="'zero' is no answer"):
        read_panel(path, **columns, dashes="zero")


def test_totals_of_each_area_and_of_all_are_left_out_by_their_numbers(tmp_path):
    text = "Area,Month,n\n"
    for a in "ABC":
        text += "".join(f"{a},{MONTHS[t]},{_n(a, t)}\n" for t in range(4))
        text += f"{a} total,,{sum(_n(a, t) for t in range(4))}\n"
    panel = _studied(tmp_path, text + f"Grand total,,{ALL}\n")
    assert panel.areas == ("A", "B", "C")
    assert panel.matrix("n").sum() == ALL
    assert panel.ledger.has("total_row")


@pytest.mark.parametrize(
    "text",
    [
        LONG + f"Total,,{ALL + 1}\n",
        "Area," + ",".join(MONTHS) + ",Total\n" + "".join(f"{a},1,2,3,5,99\n" for a in "ABC"),
    ],
)
def test_a_total_that_does_not_add_up_is_no_total(tmp_path, text):
    with pytest.raises(DataError) as caught:
        describe_data(_written(tmp_path, text))
    assert "do not add up" in str(caught.value) or "not the sum" in str(caught.value)


def test_headings_inside_a_table_are_kinds_of_counts(tmp_path):
    text = "Area,Apr-21,May-21,Jun-21\nViolence,,,\nA,1,2,3\nB,4,5,6\nRobbery,,,\nA,7,8,9\nB,1,1,2\n"
    panel = _studied(tmp_path, text)
    assert {c: panel.matrix(c).sum() for c in panel.counts} == {"Violence": 21, "Robbery": 28}


def test_quarters_under_financial_years(tmp_path):
    text = "Police force,2020/21,,2021/22,\n,Q1,Q2,Q1,Q2\nA,1,2,3,4\nB,5,6,7,8\n"
    panel = _studied(tmp_path, text)
    assert [str(p) for p in panel.periods] == ["2020Q2", "2020Q3", "2020Q4", "2021Q1", "2021Q2", "2021Q3"]
    assert panel.matrix("count")[0, [0, 1, 4, 5]].tolist() == [1, 2, 3, 4]
    assert np.isnan(panel.matrix("count")[:, 2:4]).all()


@pytest.mark.parametrize("spoilt", ["B,May-21", "B,May-21,5,7"])
def test_a_row_that_is_not_whole_is_named_and_not_filled_up(tmp_path, spoilt):
    text = LONG.replace(f"B,May-21,{_n('B', 1)}", spoilt) + "\nSource: us\n"
    with pytest.raises(DataError, match=r"line 7: it has \d fields where the header has 3"):
        describe_data(_written(tmp_path, text))


def test_words_among_counts_are_told_with_their_rows(tmp_path):
    text = LONG.replace(",", ";").replace(f"B;May-21;{_n('B', 1)}", "B;May-21;about ten")
    with pytest.raises(DataError, match="row 7: 1 values are text, not numbers: 'about ten'"):
        describe_data(_written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("just words\nand more\n", "holds no table"),
        (LONG.partition("\n")[2], "no row of column names stands above"),
        ("Area,Apr,May,Jun\nA,1,2,3\nB,4,5,6\n", "have no year"),
        (LONG + "\nTeam,Shift,Leader\nX,1,Y\nZ,2,W\n", "second table"),
    ],
)
def test_what_is_no_table_says_why(tmp_path, text, says):
    with pytest.raises(DataError, match=says):
        describe_data(_written(tmp_path, text))


def test_one_area_whose_columns_are_outcomes(tmp_path):
    text = "Month,Violence,Robbery\n" + "".join(f"{m},{i + 3},{i * i}\n" for i, m in enumerate(MONTHS))
    path = _written(tmp_path, text, "sefton.csv")
    panel = read_panel(path, counts=["Violence", "Robbery"], columns_are="outcomes")
    assert panel.areas == ("sefton",)
    assert panel.matrix("Violence").sum() == 18
    panel = read_panel(path, counts=["n"], columns_are="areas")
    assert panel.areas == ("Robbery", "Violence")
    assert panel.matrix("n").sum() == 32


def test_of_several_layouts_the_one_with_most_is_read_and_any_can_be_asked_for(tmp_path):
    book = openpyxl.Workbook()
    for name, n in (("Small", 2), ("Large", 4)):
        sheet = book.create_sheet(name)
        sheet.append(["Area", "Month", f"n of {name}"])
        for a in "ABC":
            for t in range(n):
                sheet.append([a, MONTHS[t], _n(a, t)])
    path = tmp_path / "a.xlsx"
    book.save(path)
    assert "'Small'" in describe_data(path)
    assert read_panel(path, counts=["n of Large"]).matrix("n of Large").sum() == ALL
    assert read_panel(path, counts=["n of Small"], sheet="Small").n_periods == 2
    with pytest.raises(DataError, match="Did you mean 'Small'"):
        read_panel(path, counts=["n"], sheet="Smal")


def test_codes_that_are_numbers_keep_their_zeros(tmp_path):
    path = _written(tmp_path, "Beat;Month;n\n007;2024-01;1\n010;2024-01;2\n")
    file = open_tidy(path, Roles("Beat", "Month", ("n",)))
    assert file.frame["Beat"].tolist() == ["007", "010"]


def test_utf_16_without_its_mark(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(LONG.encode("utf-16-le"))
    assert open_book(path).sheets[0].rows[0] == ("Area", "Month", "n")


def test_a_study_file_is_never_written_over(tmp_path):
    path = _written(tmp_path, LONG)
    new_study(path)
    with pytest.raises(UserError, match="is there already"):
        new_study(path)


def test_a_study_of_wrong_data_says_what_is_wrong(tmp_path):
    study, found = new_study(_written(tmp_path, LONG.replace(f"A,Apr-21,{_n('A', 0)}", "A,Apr-21,-4")))
    assert [p.rule for p in found.problems] == ["negative_count"]
    assert "1 counts are negative" in study.read_text(encoding="utf-8")


def test_check_says_totals_by_year_and_the_columns_left_out(tmp_path):
    text = LONG.replace("n\n", "n,Remark\n", 1).replace("\nA,Apr-21", "\nA,Apr-21", 1)
    text = "\n".join(line if i == 0 or not line else f"{line},ok" for i, line in enumerate(text.split("\n")))
    told = describe_data(_written(tmp_path, text))
    assert f"in all: 2021 {ALL}" in told
    assert "column 'Remark' is left out: words, not numbers" in told


def test_problems_of_one_kind_are_one_line():
    kind = [Problem(f"{n} is odd", where=f"line {n}", rule="odd") for n in range(2, 9)]
    (one,) = grouped(kind)
    assert str(one) == "lines 2, 3, 4 and 4 more: 2 is odd; 7 of this kind."
    assert len(grouped([*kind, Problem("x", rule="other")])) == 2

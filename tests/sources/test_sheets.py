import re
import tracemalloc
import zipfile

import pytest
from cases import case
from spreadsheets import write_ods, write_xlsx

from svmodel.errors import DataError
from svmodel.sources.sheets import rows_of

ROWS = [["Table", None, None], [], ["Code", "Name", "n"], ["E08000012", "Liverpool & Co", 7], [None, None, 1.5]]
EXPECTED = [
    ("One", 1, ("Table",)),
    ("One", 3, ("Code", "Name", "n")),
    ("One", 4, ("E08000012", "Liverpool & Co", 7)),
    ("One", 5, (None, None, 1.5)),
    ("Two", 1, ("x",)),
]


@pytest.mark.parametrize("write", [write_ods, write_xlsx])
def test_rows_of_every_sheet(tmp_path, write):
    path = tmp_path / ("a.ods" if write is write_ods else "a.xlsx")
    write(path, {"One": ROWS, "Two": [["x"]]})
    assert list(rows_of(path)) == EXPECTED


def test_csv_is_one_sheet(tmp_path):
    path = tmp_path / "prc.csv"
    path.write_bytes('﻿a,b\r\n\r\n"x, y",\r\n'.encode())
    assert list(rows_of(path)) == [("prc", 1, ("a", "b")), ("prc", 3, ("x, y",))]


def test_repeated_cells_and_rows_of_ods(tmp_path):
    row = (
        '<table:table-row table:number-rows-repeated="2">'
        '<table:table-cell table:number-columns-repeated="2"/>'
        '<table:table-cell table:number-columns-repeated="3" office:value-type="float" office:value="4"/>'
        '<table:covered-table-cell/><table:table-cell office:value-type="string">'
        "<office:annotation><text:p>a remark</text:p></office:annotation>"
        '<text:p>one<text:s text:c="2"/>two</text:p><text:p>three</text:p></table:table-cell>'
        "</table:table-row>"
    )
    empty = '<table:table-row table:number-rows-repeated="10"><table:table-cell/></table:table-row>'
    path = write_ods(tmp_path / "a.ods", {"S": [row, empty, ["x"]]})
    whole = (None, None, 4, 4, 4, None, "one  two\nthree")
    assert list(rows_of(path)) == [("S", 1, whole), ("S", 2, whole), ("S", 13, ("x",))]


def test_memory_does_not_grow_with_an_ods_file(tmp_path):
    def peak(n):
        path = write_ods(
            tmp_path / f"{n}.ods", {"2023_24": (["2023/24", 1, "Merseyside", "x" * 400, i] for i in range(n))}
        )
        tracemalloc.start()
        assert sum(1 for _ in rows_of(path)) == n
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    # 1,000 rows unpack to 0.9 MB of XML, 5,000 to 4.5 MB; one chunk of 128 kB and its rows are held.
    small, large = peak(1_000), peak(5_000)
    assert large < 1.2 * small
    assert large < 2e6


def test_damaged_files(tmp_path):
    path = write_ods(tmp_path / "a.ods", {"S": ['<table:table-row><table:table-cell office:value-type="x">']})
    with pytest.raises(DataError, match="damaged spreadsheet"):
        list(rows_of(path))
    book = write_xlsx(tmp_path / "a.xlsx", {"S": [["x"]]})
    book.write_bytes(book.read_bytes()[:-30])
    with pytest.raises(DataError, match="broken zip archive"):
        list(rows_of(book))
    text = tmp_path / "b.xlsx"
    text.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="not what its name says: it is text"):
        list(rows_of(text))
    latin = tmp_path / "c.csv"
    latin.write_bytes(b"a\nM\xf4n\n")
    with pytest.raises(DataError, match="not written in UTF-8"):
        list(rows_of(latin))


def test_a_workbook_that_says_it_is_one_cell_large(tmp_path):
    whole = write_xlsx(tmp_path / "whole.xlsx", {"One": ROWS, "Two": [["x"]]})
    path = tmp_path / "false.xlsx"
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.startswith("xl/worksheets/sheet"):
                content = re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="A1"', content)
                assert b'ref="A1"' in content
            new.writestr(name, content)
    assert list(rows_of(path)) == EXPECTED


def test_a_workbook_of_nomis():
    rows = list(rows_of(case("nomis_population_age.xlsx")))
    assert len(rows) == 18
    assert next(r for _, number, r in rows if number == 8)[:4] == ("All Ages", 6269161, 4865583, 9002488)

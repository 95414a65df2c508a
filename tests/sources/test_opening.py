import gzip
import io
import zipfile

import pandas as pd
import pytest

from svmodel.errors import DataError
from svmodel.sources.opening import find_folder, read_table, require_kind

GOOD = "area,month,n\nA,2024-01,3\nB,2024-01,0\n"


def _zip(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return buffer.getvalue()


def _parquet():
    buffer = io.BytesIO()
    pd.DataFrame({"a": [1]}).to_parquet(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b" \n\n", "is empty"),
        ("a.csv", b"area,month,n\n", "holds only a header"),
        ("a.csv", b"area,month,n\n\n\n", "holds only a header"),
        ("a.csv", _zip("xl/workbook.xml"), "it is an Excel workbook"),
        ("a.csv", _zip("content.xml"), "it is an OpenDocument spreadsheet"),
        ("a.csv", _zip("b.txt"), "it is a zip archive"),
        ("a.csv", b"PK\x03\x04broken", "broken zip archive"),
        ("a.csv", _parquet(), "it is a Parquet file"),
        ("a.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook"),
        ("a.csv", b"\xef\xbb\xbf<!DOCTYPE html><html>", "it is a web page"),
        ("a.csv", b"%PDF-1.7", "it is a PDF"),
        ("a.csv", b"a,b\n\x00\x01", "a binary file"),
        ("a.csv", "area,n\nA,1\n".encode("utf-16"), "UTF-16"),
        ("a.csv", b"area,n\nA,1\nYnys M\xf4n,2\n", "not written in UTF-8 (line 3)"),
        ("a.csv", b"ar\xe9a,n\nA,1\n", "not written in UTF-8 (line 1)"),
        ("a.csv", b"area;month;n\nA;2024-01;3\n", "parted by semicolons"),
        ("a.csv", b'area,n\nA,"1\nB,2\nC,3\n', "line 2: a value in column 'n' runs over several lines"),
        ("a.csv", b"area,n\nA,1\n\nB,2\n", "blank lines between its rows (line 3)"),
        ("a.csv", gzip.compress(GOOD.encode(), mtime=0), "it is a gzip archive. Read it as .csv.gz"),
        ("a.csv.gz", GOOD.encode(), "it is text"),
        ("a.csv.gz", gzip.compress(GOOD.encode() * 200, mtime=0)[:60], "copy or download it again"),
        ("a.doc", GOOD.encode(), "its name must end in"),
    ],
)
def test_one_clear_line(tmp_path, name, content, says):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_table(path, text=["area"])
    message = str(caught.value)
    assert says in message
    assert str(path) in message
    assert "\n" not in message


def test_a_parquet_that_is_text(tmp_path):
    path = tmp_path / "a.parquet"
    path.write_text(GOOD)
    with pytest.raises(DataError, match="not what its name says: it is text"):
        require_kind(path, "parquet")


def test_ragged_rows_are_named_by_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("area,month,n\nA,2024-01,3\nB,2024-01\nC,2024-01,1,9\n")
    with pytest.raises(DataError) as caught:
        read_table(path)
    assert [p.line for p in caught.value.problems] == [3, 4]
    assert "2 fields where the header has 3" in str(caught.value)


def test_a_missing_file_names_the_nearest(tmp_path):
    (tmp_path / "merseyside.csv").write_text(GOOD)
    with pytest.raises(DataError, match=r"Did you mean 'merseyside.csv'"):
        read_table(tmp_path / "merseside.csv")
    with pytest.raises(DataError, match="does not exist"):
        read_table(tmp_path / "no" / "a.csv")
    with pytest.raises(DataError, match="is a folder, not a file"):
        read_table(tmp_path)
    with pytest.raises(DataError, match="is a file, not a folder"):
        find_folder(tmp_path / "merseyside.csv")
    with pytest.raises(DataError, match="there is no folder 'x'"):
        find_folder(tmp_path / "x")


def test_codes_keep_their_zeros_and_the_mark_at_the_start_is_passed_over(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("﻿area,n,flag\n007,1,true\n008,NA,false\n\n".encode())
    frame = read_table(path, text=["area"]).to_pandas()
    assert list(frame.columns) == ["area", "n", "flag"]
    assert frame["area"].tolist() == ["007", "008"]
    assert frame["n"].isna().tolist() == [False, True]
    assert frame["flag"].tolist() == ["true", "false"]


def test_gzip_and_crlf(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(GOOD.replace("\n", "\r\n").encode()))
    assert read_table(path).to_pydict() == {"area": ["A", "B"], "month": ["2024-01"] * 2, "n": [3, 0]} or (
        read_table(path, text=["month"]).to_pydict()["month"] == ["2024-01"] * 2
    )

"""Rows of spreadsheets, one at a time: xlsx, ods and csv, in memory that does not grow with the file."""

from __future__ import annotations

import csv
import io
import warnings
import zipfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.parsers import expat

from svmodel.errors import DataError
from svmodel.sources.opening import open_text, require_kind

Row = tuple[object, ...]
_CHUNK = 1 << 17
_TABLE = "urn:oasis:names:tc:opendocument:xmlns:table:1.0 "
_OFFICE = "urn:oasis:names:tc:opendocument:xmlns:office:1.0 "
_TEXT = "urn:oasis:names:tc:opendocument:xmlns:text:1.0 "
_ROW, _PARAGRAPH = _TABLE + "table-row", _TEXT + "p"
_CELLS = frozenset({_TABLE + "table-cell", _TABLE + "covered-table-cell"})


def rows_of(path: str | Path) -> Iterator[tuple[str, int, Row]]:
    """Read the rows of every sheet, in order.

    Parameters
    ----------
    path : str or Path
        ``.xlsx``, ``.ods``, ``.csv`` or ``.csv.gz``. An ods file may unpack to more than a gigabyte
        of XML; it is streamed from the archive.

    Yields
    ------
    sheet : str
        Name of the sheet; the file's name without ending for csv.
    number : int
        Number of the row in its sheet, from 1. Rows that are empty are passed over but counted.
    row : tuple
        Text, numbers or None, without the empty cells at its end.

    Raises
    ------
    DataError
        If the file is missing, empty, damaged or not what its name says.
    """
    path = Path(path)
    kind = require_kind(path, "xlsx", "ods", "csv", "gzip")
    reader = {"xlsx": _xlsx, "ods": _ods}.get(kind, _csv)
    for sheet, number, row in reader(path):
        end = len(row)
        while end and (row[end - 1] is None or row[end - 1] == ""):
            end -= 1
        if end:
            yield sheet, number, row[:end]


def _csv(path: Path) -> Iterator[tuple[str, int, Row]]:
    sheet = path.name.split(".")[0]
    with open_text(path) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text)
        try:
            for row in reader:
                yield sheet, reader.line_num, tuple(row)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path} is not written in UTF-8 (after line {reader.line_num}); save it as CSV UTF-8"
            ) from error
        except (csv.Error, OSError, EOFError) as error:
            raise DataError(f"{path} is damaged after line {reader.line_num}; copy or download it again") from error


def _xlsx(path: Path) -> Iterator[tuple[str, int, Row]]:
    import openpyxl

    with warnings.catch_warnings():
        # Styles, validations and print settings that openpyxl does not know are not data.
        warnings.filterwarnings("ignore", category=UserWarning, module="openpyxl")
        try:
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        except (KeyError, ValueError, zipfile.BadZipFile, OSError) as error:
            raise DataError(f"{path} is a damaged workbook; copy or download it again") from error
        try:
            for sheet in book.worksheets:
                # Some publishers write that the sheet is one cell large; the rows that stand there tell.
                sheet.reset_dimensions()
                for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
                    yield sheet.title, number, tuple(row)
        finally:
            book.close()


class _Ods:
    """Turns the events of content.xml into rows; holds one row at a time."""

    def __init__(self) -> None:
        self.ready: deque[tuple[str, int, Row]] = deque()
        self._sheet = ""
        self._number = 0
        self._row: list[object] = []
        self._empty = 0
        self._row_repeat = 1
        self._cell: dict[str, str] | None = None
        self._text: list[str] = []
        self._notes = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        # The commonest come first: there are millions of cells and paragraphs, and a handful of sheets.
        if name in _CELLS:
            self._cell, self._text = attributes, []
        elif name == _PARAGRAPH:
            if self._text and not self._notes:
                self._text.append("\n")
        elif name == _ROW:
            self._row, self._empty = [], 0
            self._row_repeat = int(attributes.get(_TABLE + "number-rows-repeated", "1"))
        elif name == _TABLE + "table":
            self._sheet, self._number = attributes.get(_TABLE + "name", ""), 0
        elif name == _OFFICE + "annotation":
            self._notes += 1
        elif name == _TEXT + "s" and not self._notes:
            self._text.append(" " * int(attributes.get(_TEXT + "c", "1")))
        elif name in (_TEXT + "line-break", _TEXT + "tab") and not self._notes:
            self._text.append("\n" if name.endswith("break") else "\t")

    def characters(self, text: str) -> None:
        if self._cell is not None and not self._notes:
            self._text.append(text)

    def end(self, name: str) -> None:
        if name == _PARAGRAPH:
            return
        if name in _CELLS and self._cell is not None:
            repeat = int(self._cell.get(_TABLE + "number-columns-repeated", "1"))
            value = self._value(self._cell)
            self._cell = None
            if value is None:
                # Empty cells are only written when a filled one follows: a row ends in 16,000 of them.
                self._empty += repeat
            else:
                self._row += [None] * self._empty + [value] * repeat
                self._empty = 0
        elif name == _ROW:
            if self._row:
                row = tuple(self._row)
                for i in range(self._row_repeat):
                    self.ready.append((self._sheet, self._number + i + 1, row))
            self._number += self._row_repeat
        elif name == _OFFICE + "annotation":
            self._notes -= 1

    def _value(self, cell: dict[str, str]) -> object:
        kind = cell.get(_OFFICE + "value-type")
        if kind in ("float", "percentage", "currency"):
            number = float(cell[_OFFICE + "value"])
            return int(number) if number.is_integer() else number
        if kind == "date":
            return cell.get(_OFFICE + "date-value")
        text = "".join(self._text).strip()
        return text or cell.get(_OFFICE + "string-value") or None


def _ods(path: Path) -> Iterator[tuple[str, int, Row]]:
    state = _Ods()
    parser: Any = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = state.start
    parser.EndElementHandler = state.end
    parser.CharacterDataHandler = state.characters
    try:
        with zipfile.ZipFile(path) as archive, archive.open("content.xml") as content:
            while chunk := content.read(_CHUNK):
                parser.Parse(chunk, False)
                while state.ready:
                    yield state.ready.popleft()
            parser.Parse(b"", True)
    except (expat.ExpatError, zipfile.BadZipFile, KeyError, EOFError, OSError) as error:
        raise DataError(f"{path} is a damaged spreadsheet; copy or download it again") from error
    yield from state.ready

"""A table of any make as sheets of cells: text in any usual encoding and separator, and workbooks."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from svmodel.errors import DataError, shorten
from svmodel.ledger import LedgerEntry
from svmodel.sources.cells import tidy_cell
from svmodel.sources.opening import Opened, open_once
from svmodel.sources.sheets import rows_of

Row = tuple[object, ...]
#: Kinds of files that are opened here, as :func:`svmodel.sources.opening.open_once` calls them.
KINDS = ("csv", "gzip", "utf-16", "xlsx", "xls", "ods")
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_TRIED_LINES = 300
_SEPARATOR_HINT = re.compile(r"^sep=.?,*$", re.IGNORECASE)


@dataclass(frozen=True, eq=False, repr=False)
class Sheet:
    """One sheet: its name and its rows from the first; row ``i`` is row ``i + 1`` of the spreadsheet."""

    name: str
    rows: list[Row]


@dataclass(frozen=True, eq=False, repr=False)
class Book:
    """The sheets of a file that can be seen, what has to be said of how it was opened, and what parts its columns."""

    path: Path
    sheets: tuple[Sheet, ...]
    said: tuple[LedgerEntry, ...]
    is_text: bool
    separator: str = ","


def open_book(file: str | Path | Opened) -> Book:
    """Open a table of any make.

    Parameters
    ----------
    file : str, Path or Opened
        Text (``.csv``, ``.txt``, ``.tsv``, also ``.gz``) in UTF-8, UTF-16 or Windows-1252, its columns parted by
        commas, semicolons, tabs or bars; or a workbook (``.xlsx``, ``.xlsm``, ``.xls``, ``.ods``).

    Raises
    ------
    DataError
        If the file is missing, empty, damaged or not what its name says.
    """
    opened = file if isinstance(file, Opened) else open_once(file, *KINDS)
    return _workbook(opened) if opened.kind in ("xlsx", "xls", "ods") else _text(opened)


def _text(opened: Opened) -> Book:
    path = opened.path
    try:
        raw = gzip.decompress(opened.content) if opened.kind == "gzip" else opened.content
    except (OSError, EOFError) as error:
        raise DataError(f"{path} is broken off or damaged; copy or download it again") from error
    text, said = _decoded(path, raw)
    sign = _separator(text)
    if sign != ",":
        what = f"the columns are parted by {_SEPARATORS[sign]}"
        said.append(LedgerEntry("noted", 0, what, path.name, "separator"))
    rows: list[Row] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=sign)
    try:
        for row in reader:
            # a quoted value may run over several lines; what follows keeps the number of its line
            rows.extend(() for _ in range(reader.line_num - len(rows) - 1))
            # the hint by which some programs are told the separator is no row of the table
            rows.append(tuple(tidy_cell(c) for c in row) if rows or not _SEPARATOR_HINT.match(",".join(row)) else ())
    except csv.Error as error:
        raise DataError(f"{path} is damaged after line {reader.line_num}; copy or download it again") from error
    return Book(path, (Sheet(path.name.split(".")[0], rows),), tuple(said), True, sign)


def _decoded(path: Path, raw: bytes) -> tuple[str, list[LedgerEntry]]:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in raw[:200]:
        name = (
            "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-16-le" if raw[1:2] == b"\x00" else "utf-16-be"
        )
        try:
            return raw.decode(name), [LedgerEntry("noted", 0, "the text is in UTF-16", path.name, "encoding")]
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is broken off: it is no whole text in UTF-16") from error
    try:
        return raw.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        at = error.start
    try:
        text = raw.decode("cp1252")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is text in an unknown encoding; save it as CSV UTF-8") from error
    word = next((w for w in text[max(0, at - 40) : at + 40].replace(",", "\n").split("\n") if not w.isascii()), "")
    what = f"the text is not in UTF-8; it is read as Windows-1252, as in {word.strip()!r}"
    return text, [LedgerEntry("noted", 0, what, path.name, "encoding")]


def _separator(text: str) -> str:
    """Return the sign that parts most lines into the same number of fields, the more fields the better."""
    lines = [line for line in io.StringIO(text, newline=None).read().split("\n") if line.strip()][:_TRIED_LINES]
    best, sign = (0, 0), ","
    for tried in _SEPARATORS:
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=tried) if len(row) > 1)
        if widths:
            width, n = max(widths.items(), key=lambda item: (item[1], item[0]))
            if (n, width) > best:
                best, sign = (n, width), tried
    return sign


def _workbook(opened: Opened) -> Book:
    import python_calamine as calamine  # loads a library of its own, which text does not need

    path = opened.path
    try:
        book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(opened.content))
        kinds = {m.name: (m.typ, m.visible) for m in book.sheets_metadata}
        sheets, hidden = [], []
        for name, (typ, visible) in kinds.items():
            if typ != calamine.SheetTypeEnum.WorkSheet:
                continue
            if visible != calamine.SheetVisibleEnum.Visible:
                hidden.append(name)
                continue
            sheet = book.get_sheet_by_name(name)
            rows = [[tidy_cell(c) for c in row] for row in sheet.to_python(skip_empty_area=False)]
            _fill_down(rows, sheet.merged_cell_ranges or [])
            sheets.append(Sheet(name, [tuple(r) for r in rows]))
    except calamine.PasswordError as error:
        raise DataError(f"{path} is locked with a password; save it without one") from error
    except (calamine.CalamineError, OSError, ValueError) as error:
        if opened.kind == "ods":  # one that is written more freely than the library allows
            return _ods(opened)
        raise DataError(f"{path} is a damaged workbook; copy or download it again") from error
    said = []
    if hidden:
        what = f"hidden sheets are passed over: {shorten(hidden)}"
        said.append(LedgerEntry("noted", len(hidden), what, path.name, "hidden_sheet"))
    return Book(path, tuple(sheets), tuple(said), False)


def _ods(opened: Opened) -> Book:
    sheets: dict[str, list[Row]] = {}
    for sheet, number, row in rows_of(opened.path):
        rows = sheets.setdefault(sheet, [])
        rows.extend(() for _ in range(number - len(rows) - 1))
        rows.append(tuple(tidy_cell(c) for c in row))
    return Book(opened.path, tuple(Sheet(name, rows) for name, rows in sheets.items()), (), False)


def _fill_down(rows: list[list[object]], merged: list[tuple[tuple[int, int], tuple[int, int]]]) -> None:
    """Give each row under a cell that is merged downwards the value of that cell."""
    for (top, left), (bottom, right) in merged:
        if top < bottom and left == right and top < len(rows):
            for row in rows[top + 1 : bottom + 1]:
                if left < len(row):
                    row[left] = rows[top][left]

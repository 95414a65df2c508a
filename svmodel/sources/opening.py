"""Opening a file that a user named: is it there, is it what its name says, is every row whole."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from svmodel.errors import DataError, Problem, did_you_mean, shorten

if TYPE_CHECKING:
    import pyarrow as pa


_KINDS = {
    ".csv": "csv",
    ".txt": "csv",
    ".tsv": "csv",
    ".csv.gz": "gzip",
    ".txt.gz": "gzip",
    ".tsv.gz": "gzip",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".xls": "xls",
    ".ods": "ods",
}
_WORDS = {
    "csv": "text",
    "gzip": "a gzip archive",
    "parquet": "a Parquet file",
    "xlsx": "an Excel workbook",
    "xls": "an old Excel workbook (.xls)",
    "ods": "an OpenDocument spreadsheet",
    "zip": "a zip archive",
    "html": "a web page",
    "pdf": "a PDF",
    "arrow": "an Arrow file",
    "binary": "a binary file of unknown kind",
    "utf-16": "text in UTF-16",
    "empty": "empty",
}
#: Empty fields, and R's way of writing one. Anything else that is no number is a problem.
MISSING = ["", "NA"]
#: Bytes at the beginning of a file that tell what it is.
_HEAD = 65_536


def find_file(path: str | Path) -> Path:
    """Return the path of a file that is there and can be read.

    Raises
    ------
    DataError
        If it is missing (naming the nearest file in that folder), a folder, or may not be read.
    """
    path = _there(path)
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    return path


def _there(path: str | Path) -> Path:
    path = Path(path)
    if path.is_dir():
        raise DataError(f"{path} is a folder, not a file. {_list(path)}".rstrip())
    if not path.exists():
        _raise_missing(path, "file")
    return path


def find_folder(path: str | Path) -> Path:
    """Return the path of a folder that is there.

    Raises
    ------
    DataError
        If it is missing (naming the nearest), or is a file.
    """
    path = Path(path)
    if path.is_file():
        raise DataError(f"{path} is a file, not a folder")
    if not path.exists():
        _raise_missing(path, "folder")
    return path


def _raise_missing(path: Path, word: str) -> None:
    parent = path.parent
    if not parent.is_dir():
        raise DataError(f"there is no {word} {path}: the folder {parent} does not exist")
    raise DataError(f"there is no {word} {path.name!r} in {parent.resolve()}. {_list(parent, path.name)}".rstrip())


def _list(folder: Path, name: str = "") -> str:
    names = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
    return did_you_mean(name, names, limit=5) if name else f"It holds {shorten(names)}." if names else "It is empty."


@dataclass(frozen=True, eq=False, repr=False)
class Opened:
    """A file that was opened once and read whole.

    Parameters
    ----------
    path : Path
    kind : str
        csv, gzip or parquet: what its name and its content agree on.
    content : bytes
    """

    path: Path
    kind: str
    content: bytes

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(self.content).hexdigest()

    def text(self) -> BinaryIO:
        """Return the bytes of its text, unpacked."""
        held = io.BytesIO(self.content)
        return cast("BinaryIO", gzip.open(held, "rb")) if self.kind == "gzip" else held


def open_once(path: str | Path, *allowed: str) -> Opened:
    """Open a file once, and read it whole, so that whoever needs it again need not open it.

    Parameters
    ----------
    path : str or Path
    *allowed : str
        Kinds that the caller reads.

    Raises
    ------
    DataError
        As :func:`require_kind`.
    """
    path = _there(path)
    named = _named_kind(path, allowed)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    return Opened(path, _agreed(path, named, kind_of(path, content[:_HEAD]), allowed), content)


def kind_of(path: Path, head: bytes) -> str:
    """Return what a file is by how it begins: csv (any text), gzip, parquet, xlsx, ods, zip, html, pdf, ..."""
    if not head.strip():
        return "empty"
    magic = {b"PAR1": "parquet", b"\x1f\x8b": "gzip", b"%PDF": "pdf", b"\xd0\xcf\x11\xe0": "xls", b"ARROW1": "arrow"}
    for start, kind in magic.items():
        if head.startswith(start):
            return kind
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_zip(path)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if b"\x00" in head:
        if len(head) > 3 and (not any(head[1:200:2]) or not any(head[0:200:2])):  # without its mark
            return "utf-16"
        return "binary"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:200].lower()
    return "html" if text.startswith((b"<!doctype html", b"<html", b"<?xml", b"<head")) else "csv"


def _kind_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except zipfile.BadZipFile as error:
        raise DataError(f"{path} is a broken zip archive; copy or download it again") from error
    if "xl/workbook.xml" in names:
        return "xlsx"
    return "ods" if "content.xml" in names else "zip"


def require_kind(path: str | Path, *allowed: str) -> str:
    """Return the kind of the file (csv, gzip, parquet, xlsx, ods) once name and content agree.

    Parameters
    ----------
    path : str or Path
        A file whose name ends in one of the endings that are known here.
    *allowed : str
        Kinds that the caller reads.

    Raises
    ------
    DataError
        One line: the file is missing, empty, of a kind that is not read here, or is not what its
        name says.
    """
    path = find_file(path)
    named = _named_kind(path, allowed)
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return _agreed(path, named, kind_of(path, head), allowed)


def _named_kind(path: Path, allowed: tuple[str, ...]) -> str:
    lower = path.name.casefold()
    named = next((kind for end, kind in _KINDS.items() if lower.endswith(end)), None)
    if named is None or named not in allowed:
        endings = [end for end, kind in _KINDS.items() if kind in allowed]
        raise DataError(f"{path} is not a file that can be read here: its name must end in {', '.join(endings)}")
    return named


def _agreed(path: Path, named: str, found: str, allowed: tuple[str, ...]) -> str:
    if found == "empty":
        raise DataError(f"{path} is empty")
    if found == "utf-16" and named == "csv":
        if "utf-16" in allowed:
            return found
        raise DataError(f"{path} is text in UTF-16; save it as CSV UTF-8")
    if found != named:
        hint = f" Read it as {_ending_for(found)}." if found in allowed else " Download or export it again."
        if found == "html" and named in ("xls", "xlsx"):  # what many case systems call an export to Excel
            hint = " Open it in a spreadsheet program and save it as .xlsx."
        raise DataError(f"{path} is not what its name says: it is {_WORDS[found]}.{hint}")
    return found


def _ending_for(kind: str) -> str:
    return next(end for end, k in _KINDS.items() if k == kind)


def open_text(path: Path) -> BinaryIO:
    """Open a plain or gzipped text file for reading bytes."""
    return cast("BinaryIO", gzip.open(path, "rb")) if path.name.casefold().endswith(".gz") else path.open("rb")


def read_table(
    path: str | Path | Opened, *, text: Iterable[str] = (), columns: Iterable[str] | None = None
) -> pa.Table:
    """Read a CSV file whole, after checking that every row is.

    Row ``i`` of the table is line ``i + 2`` of the file.

    Parameters
    ----------
    path : str, Path or Opened
        A ``.csv`` or ``.csv.gz`` file in UTF-8, with or without a byte order mark, with a header.
    text : iterable of str
        Columns to keep as text (codes and periods). Others become numbers where every value is one.
    columns : iterable of str, optional
        Columns to keep; all of them by default. A column that is not there is passed over.

    Raises
    ------
    DataError
        Missing, empty, header only, not text, not UTF-8 (naming the line), a quote that is never
        closed, or rows that are shorter or longer than the header (naming the lines).
    """
    import pyarrow as pa

    file = path if isinstance(path, Opened) else open_once(path, "csv", "gzip")
    header = read_header(file)
    keep = header if columns is None else [c for c in columns if c in header]
    types = {c: pa.string() for c in text if c in header}
    table = _parse(file, keep, types)
    odd = {
        f.name: pa.string()
        for f in table.schema
        if not (pa.types.is_integer(f.type) or pa.types.is_floating(f.type) or pa.types.is_string(f.type))
        and not pa.types.is_null(f.type)
    }
    if odd:
        table = _parse(file, keep, types | odd)
    return _whole_rows(file.path, table)


def read_header(path: Path | Opened) -> list[str]:
    """Return the column names of a CSV file; spaces around them are passed over by no one.

    Raises
    ------
    DataError
        If the file is a broken archive, is not UTF-8, or the header does not look like a CSV header.
    """
    import csv

    text, path = (path.text(), path.path) if isinstance(path, Opened) else (open_text(path), path)
    try:
        with text:
            first = text.readline()
    except (OSError, EOFError) as error:
        raise DataError(f"{path} is a broken gzip archive; copy or download it again") from error
    try:
        line = first.decode("utf-8-sig").rstrip("\r\n").split("\r")[0]
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not written in UTF-8 (line 1); save it as CSV UTF-8") from error
    header = next(csv.reader([line]), [])
    if len(header) == 1:
        for sign, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if header[0].count(sign) >= 1:
                raise DataError(f"{path} has its columns parted by {word}, not by commas; save it as CSV with commas")
    return header


def _parse(opened: Opened, keep: list[str], types: dict[str, pa.DataType]) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv

    path = opened.path
    ragged: list[Problem] = []

    def note(row: csv.InvalidRow) -> str:
        what = f"it has {row.actual_columns} fields where the header has {row.expected_columns}"
        ragged.append(Problem(what, line=row.number, rule="ragged_row"))
        return "skip"

    try:
        with opened.text() as file:
            table = csv.read_csv(
                file,
                read_options=csv.ReadOptions(use_threads=False),
                parse_options=csv.ParseOptions(
                    invalid_row_handler=note, ignore_empty_lines=False, newlines_in_values=True
                ),
                convert_options=csv.ConvertOptions(
                    column_types=types,
                    null_values=MISSING,
                    strings_can_be_null=True,
                    # A doubled column cannot be asked for by name; the panel's rules name it.
                    include_columns=keep if len(set(keep)) == len(keep) else None,
                ),
            )
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        _raise_if_not_utf8(opened)
        raise DataError(f"{path} cannot be read as CSV: {str(error).splitlines()[0]}") from error
    except (OSError, EOFError) as error:
        raise DataError(f"{path} is broken off or damaged; copy or download it again") from error
    if any(pa.types.is_binary(f.type) for f in table.schema):
        _raise_if_not_utf8(opened)
    if ragged:
        more = [Problem(f"{len(ragged) - 10:,} more rows are ragged", rule="ragged_row")] if len(ragged) > 10 else []
        raise DataError(f"{path} has rows that are not whole", [*ragged[:10], *more])
    return table


def _raise_if_not_utf8(opened: Opened) -> None:
    with opened.text() as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{opened.path} is not written in UTF-8 (line {number}); save it as CSV UTF-8"
                ) from error


def _whole_rows(path: Path, table: pa.Table) -> pa.Table:
    """Check for blank lines inside and for quotes that swallow lines; drop blank lines at the end."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    blank = np.ones(len(table), dtype=bool)
    for field, column in zip(table.schema, table.columns, strict=True):
        blank &= column.is_null().to_numpy()
        if pa.types.is_string(field.type):
            swallowed = pc.fill_null(pc.match_substring(column, "\n"), False).to_numpy()
            if swallowed.any():
                line = int(np.flatnonzero(swallowed)[0]) + 2
                raise DataError(
                    f"{path}, line {line}: a value in column {field.name!r} runs over several lines. "
                    "Close its quotation mark, or write it on one line."
                )
    filled = np.flatnonzero(~blank)
    if not len(filled):
        raise DataError(f"{path} holds only a header and no rows")
    last = int(filled[-1]) + 1
    inside = np.flatnonzero(blank[:last])
    if len(inside):
        lines = shorten([str(i + 2) for i in inside]).replace("'", "")
        raise DataError(f"{path} has {len(inside)} blank lines between its rows (line {lines}). Delete them.")
    return table.slice(0, last)

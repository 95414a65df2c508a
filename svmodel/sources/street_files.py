"""One street file of data.police.uk: found by its name, read fast, and counted by LSOA and crime type."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from svmodel.errors import DataError, Problem, Problems, did_you_mean
from svmodel.sources.contract import match_columns
from svmodel.sources.opening import MISSING, Opened, open_once, read_header, read_table

if TYPE_CHECKING:
    import pyarrow as pa

CRIME_TYPES = (
    "Anti-social behaviour",
    "Bicycle theft",
    "Burglary",
    "Criminal damage and arson",
    "Drugs",
    "Other crime",
    "Other theft",
    "Possession of weapons",
    "Public order",
    "Robbery",
    "Shoplifting",
    "Theft from the person",
    "Vehicle crime",
    "Violence and sexual offences",
)
TRANSPORT = "btp"
_OLD_TYPES = ("Violent crime", "Public disorder and weapons")
_COLUMNS = {
    "id": ["Crime ID"],
    "month": ["Month"],
    "falls_within": ["Falls within"],
    "area": ["LSOA code"],
    "name": ["LSOA name"],
    "type": ["Crime type"],
}
_FILE = re.compile(r"^(\d{4}-(?:0[1-9]|1[0-2]))-([a-z][a-z-]*)-street\.csv(?:\.gz)?$")
_TYPE_OF = {name: i for i, name in enumerate(CRIME_TYPES)}
#: Columns that tell which other file of data.police.uk it is.
_OTHER_KINDS = {
    "Outcome type": "it is a file of outcomes, not of crimes. ",
    "Legislation": "it is a file of stop and search, not of crimes. ",
    "Easting": "it is a download of 2012, which gives no LSOA; download these months again. ",
}


def street_files(folder: Path) -> Iterator[Path]:
    """Give the street files of a folder, in order; links to folders are followed, each folder once."""
    been: set[str] = set()
    for at, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(at)
        if real in been:
            folders.clear()
            continue
        been.add(real)
        folders.sort()
        for name in sorted(names):
            if not name.startswith(".") and re.search(r"-street\.csv(\.gz)?$", name):
                yield Path(at, name)


def find_street_files(folder: Path, title: str) -> dict[tuple[str, str], Path]:
    """Return (month, force) -> file.

    Raises
    ------
    DataError
        For names that are no month and force, a file in another month's folder, two files for one force and month, or
        no file at all.
    """
    problems = Problems()
    found: dict[tuple[str, str], Path] = {}
    for file in street_files(folder):
        named = _FILE.match(file.name)
        if named is None:
            problems.add("the name is not YYYY-MM-<force>-street.csv", where=file.name, rule="file_name")
            continue
        if re.fullmatch(r"\d{4}-\d{2}", file.parent.name) and file.parent.name != named[1]:
            what = f"it stands in the folder of {file.parent.name}"
            problems.add(what, where=file.name, rule="file_name")
        if (named[1], named[2]) in found:
            what = f"{named[2]} has two files for {named[1]}"
            problems.add(what, where=str(file.relative_to(folder)), fix="Keep one of them.", rule="file_twice")
        found[named[1], named[2]] = file
    if not found and not problems:
        raise DataError(f"{folder} holds no file YYYY-MM/YYYY-MM-<force>-street.csv. Unpack a data.police.uk download.")
    problems.raise_if_any(DataError, title)
    return found


@dataclass(frozen=True, eq=False)
class StreetCounts:
    """What one street file holds, counted.

    Attributes
    ----------
    codes : list of str
        LSOA codes of the file.
    names : dict of str to str
        Code -> name, where it has one.
    area, kind, n : ndarray, shape (n_cells,)
        Position in `codes`, position in :data:`CRIME_TYPES`, number of crimes.
    rows, blank, repeated, other_month : int
        Rows of the file's month; those of them without an LSOA, and whose Crime ID stands in the file before; rows of
        other months, which are counted nowhere else.
    within : dict of str to int
        Rows by what "Falls within" says.
    """

    codes: list[str]
    names: dict[str, str]
    area: NDArray[np.intp]
    kind: NDArray[np.intp]
    n: NDArray[np.int64]
    rows: int
    blank: int
    repeated: int
    other_month: int
    within: dict[str, int]


def count_street_file(path: Path, month: str, problems: Problems) -> StreetCounts | None:
    """Read one street file and count its rows.

    Parameters
    ----------
    path : Path
    month : str
        Month in the file's name, ``YYYY-MM``.
    problems : Problems
        Takes crime types that are none.

    Returns
    -------
    StreetCounts or None
        None for a file without rows: it says no more than a file that is not there.

    Raises
    ------
    DataError
        If it is no street file, or its rows are not whole.
    """
    if path.stat().st_size == 0:
        return None
    file = open_once(path, "csv", "gzip")
    table, columns = _open(file)
    if table is None:
        return None
    coded = {k: _Coded.of(table.column(columns[k])) for k in ("month", "falls_within", "area", "name", "type")}
    months, types = coded["month"], coded["type"]
    of_month = months.is_value(month)
    _check_types(types, of_month, path, problems)
    lacking = of_month & (coded["area"].codes < 0)
    # What a code is called is read off the first row that has it.
    code, name = coded["area"].codes, coded["name"]
    usable = np.flatnonzero(of_month & (code >= 0))
    present, first = np.unique(code[usable], return_index=True)
    called = [name.values[j] if j >= 0 else None for j in name.codes[usable[first]]]
    codes = [coded["area"].values[i] for i in present]
    position = np.full(len(coded["area"].values), -1)
    position[present] = np.arange(len(present))
    kinds = np.array([_TYPE_OF.get(v, -1) for v in types.values] or [-1])[types.codes]
    counted = usable[(kinds[usable] >= 0) & (types.codes[usable] >= 0)]
    cells = np.bincount(position[code[counted]] * len(CRIME_TYPES) + kinds[counted])
    at = np.flatnonzero(cells)
    within = np.bincount(coded["falls_within"].codes[of_month] + 1, minlength=len(coded["falls_within"].values) + 1)
    return StreetCounts(
        codes=codes,
        names={c: n for c, n in zip(codes, called, strict=True) if n is not None},
        area=at // len(CRIME_TYPES),
        kind=at % len(CRIME_TYPES),
        n=cells[at],
        rows=int(of_month.sum()),
        blank=int(lacking.sum()),
        repeated=_repeated(table, columns, of_month),
        other_month=int((~of_month).sum()),
        within={v: int(n) for v, n in zip(coded["falls_within"].values, within[1:], strict=True) if n},
    )


@dataclass(frozen=True, eq=False)
class _Coded:
    """A column as whole numbers and what they stand for; -1 is missing. Spaces around values do not count."""

    codes: NDArray[np.intp]
    values: list[str]

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> _Coded:
        import pyarrow as pa

        if not pa.types.is_dictionary(column.type):
            column = column.cast(pa.string()).dictionary_encode()
        array = column.unify_dictionaries().combine_chunks()
        array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
        index: dict[str, int] = {}
        stand = [v.strip() for v in array.dictionary.to_pylist()]
        ours = np.array([index.setdefault(v, len(index)) if v else -1 for v in stand] + [-1], dtype=np.intp)
        return cls(ours[array.indices.fill_null(-1).to_numpy()], list(index))

    def is_value(self, value: str) -> NDArray[np.bool_]:
        at = self.values.index(value) if value in self.values else -2
        return np.asarray(self.codes == at)


def _open(file: Opened) -> tuple[pa.Table | None, dict[str, str]]:
    import pyarrow as pa
    from pyarrow import csv

    header = read_header(file)
    columns, lacking = match_columns(header, _COLUMNS, optional=["id"])
    content = file.text().read()
    if content.find(b"\n") in (-1, len(content) - 1):
        return None, columns
    if lacking:
        note = next((words for column, words in _OTHER_KINDS.items() if column in header), "")
        raise DataError(
            f"{file.path} cannot be used",
            [Problem(note + p.what, f"{file.path.name}, header", p.fix, rule=p.rule) for p in lacking],
        )
    coded = pa.dictionary(pa.int32(), pa.string())
    types = {theirs: pa.string() if ours == "id" else coded for ours, theirs in columns.items()}
    try:
        table = csv.read_csv(
            io.BytesIO(content),
            read_options=csv.ReadOptions(use_threads=False),
            parse_options=csv.ParseOptions(ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(
                column_types=types,
                null_values=MISSING,
                strings_can_be_null=True,
                include_columns=list(columns.values()),
            ),
        )
    except pa.ArrowInvalid:
        table = None
    lines = content.count(b"\n") + (not content.endswith(b"\n"))
    if table is None or len(table) != lines - 1:
        # Something is odd: the careful reader says what and where, or finds that it is harmless.
        table = read_table(file, text=header)
    return table, columns


def _check_types(types: _Coded, of_month: NDArray[np.bool_], path: Path, problems: Problems) -> None:
    standing = set(np.unique(types.codes[of_month]).tolist())
    for at, name in enumerate(types.values):
        if name in _TYPE_OF or at not in standing:
            continue
        line = int((of_month & (types.codes == at)).argmax()) + 2
        fix = (
            "It is a category of before May 2013; read later months only."
            if name in _OLD_TYPES
            else did_you_mean(name, CRIME_TYPES, limit=14)
        )
        problems.add(f"{name!r} is no crime type", where=path.name, fix=fix, line=line, rule="crime_type")
    blank = of_month & (types.codes < 0)
    if blank.any():
        what = f"{int(blank.sum())} rows have no crime type"
        problems.add(what, where=path.name, line=int(blank.argmax()) + 2, rule="crime_type")


def _repeated(table: pa.Table, columns: dict[str, str], of_month: NDArray[np.bool_]) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc

    if "id" not in columns:
        return 0
    ids = table.column(columns["id"])
    if not of_month.all():
        ids = ids.filter(pa.array(of_month))
    return int(len(ids) - ids.null_count - pc.count_distinct(ids).as_py())


def same_force(slug_of_file: str, name: str) -> bool:
    """Compare "devon-and-cornwall" with "Devon & Cornwall Police"."""
    if slug_of_file == TRANSPORT:
        return "transport" in name.casefold()
    words = set(re.findall(r"[a-z]+", name.casefold().replace("&", " and ")))
    return set(slug_of_file.split("-")) <= words


def pick_types(types: Sequence[str]) -> list[int]:
    """Return the positions of crime types in :data:`CRIME_TYPES`."""
    return [_TYPE_OF[t] for t in types]

"""Files that svmodel knows and that are not the data of a study: what each is for, in one line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from svmodel.errors import DataError
from svmodel.sources.opening import read_header, require_kind
from svmodel.sources.sheets import rows_of

_HEADER_ROWS = 40
_STREET = frozenset({"month", "fallswithin", "lsoacode", "crimetype"})
#: Columns (small letters and digits alone) that tell the file, what it is, and what it is for.
_KNOWN: tuple[tuple[frozenset[str], str], ...] = (
    (
        frozenset({"outcometype", "lsoacode"}),
        (
            "a file of outcomes of data.police.uk, which counts what became of crimes, in the month of the outcome. "
            "svmodel reads the street files beside it: name their folder"
        ),
    ),
    (
        frozenset({"legislation", "selfdefinedethnicity"}),
        (
            "a stop and search file of data.police.uk, which gives no LSOA. svmodel reads the street files beside it: "
            "name their folder"
        ),
    ),
    (
        frozenset({"lsoa11cd", "lsoa21cd"}),
        (
            "the ONS lookup of LSOAs 2011 to 2021, and holds no counts. It serves as `lookup` of the layout police_uk, "
            "as `lsoa_lookup` of tidy, and in svmodel.sources.LsoaLookup.read"
        ),
    ),
    (
        frozenset({"ladcd", "cspcd", "pfacd"}),
        (
            "the ONS lookup of districts, partnerships and forces, and holds no counts. It serves "
            "svmodel.sources.AreaLookup.read"
        ),
    ),
    (
        frozenset({"indicatorid", "yearrange", "areacode", "sexid"}),
        "a Fingertips upload, which numbers its ages and sexes. Download the indicator's data as CSV instead",
    ),
)
#: With one of these a table has rows for periods, so it is data, whatever else it carries.
_DATED = frozenset({"month", "date", "period", "quarter", "year", "monthyear", "financialyear", "timeperiod"})
_POPULATION = frozenset({"areacode", "areaname", "geography", "year", "population"})
_IMD = re.compile(r"^index ?of ?multiple ?deprivation", re.IGNORECASE)
_NAMES_AND_CODES = re.compile(r"^[a-z0-9]{2,6}\d\d(cd|nm|nmw|cdo)$")
_MID_YEAR = re.compile(r"^mye ?\d( - (persons|males|females))?$", re.IGNORECASE)


class OtherPurposeError(DataError):
    """A file that svmodel knows, but not as data of a study."""


def refuse_other_purposes(path: Path) -> None:
    """Say what a file is for that is known and is not the data of a study.

    Parameters
    ----------
    path : Path
        A file that is there.

    Raises
    ------
    OtherPurposeError
        One line: what the file is, and where it serves.
    DataError
        If the file cannot be read.
    """
    kind = require_kind(path, "csv", "gzip", "xlsx", "ods", "parquet")
    what = ""
    if kind in ("csv", "gzip"):
        what = _of_header(path, read_header(path))
    elif kind in ("xlsx", "ods"):
        what = _of_workbook(path)
    if what:
        raise OtherPurposeError(f"{path} is {what}.")


def _plain(names: Iterable[object]) -> set[str]:
    return {re.sub(r"[^a-z0-9]", "", str(n).casefold()) for n in names if n is not None} - {""}


def _of_header(path: Path, header: Sequence[object]) -> str:
    names = _plain(header)
    if names >= _STREET:
        folder = path.resolve().parent
        folder = folder.parent if re.fullmatch(r"\d{4}-\d{2}", folder.name) else folder
        return (
            "one street file of data.police.uk. The layout police_uk reads its folder, with all forces and months: "
            f"name {folder}"
        )
    if names == _POPULATION:
        return "a table of mid-year populations, and holds no counts. It serves as `population` of a study's data"
    unnumbered = {re.sub(r"\d\d(?=(cd|nm)$)", "", n) for n in names}
    for signs, what in _KNOWN:
        its_own = {"outcometype", "legislation"} & signs
        if (signs <= names or signs <= unnumbered) and (its_own or not names & _DATED):
            return what
    if names & _DATED:
        return ""
    if any(_IMD.match(str(h or "")) for h in header):
        return (
            "a table of the Indices of Deprivation, which has a row for each area and no periods. Bring its columns to "
            "the data with `joins`, and name them under `covariates`"
        )
    if len(names) > 1 and sum(bool(_NAMES_AND_CODES.match(n)) for n in names) >= max(2, len(names) - 2):
        return "an ONS lookup of areas, and holds no counts. Bring its columns to the data with `joins`"
    return ""


def _of_workbook(path: Path) -> str:
    tried: dict[str, int] = {}
    titles: list[str] = []
    for sheet, _, row in rows_of(path):
        if _MID_YEAR.match(sheet.strip()):
            return (
                "the ONS workbook of mid-year population estimates, and holds no counts. It serves as `population` of "
                "a study's data (written out by svmodel.sources.mid_year_population)"
            )
        tried[sheet] = tried.get(sheet, 0) + 1
        if tried[sheet] <= _HEADER_ROWS:
            if what := _of_header(path, row):
                return what
            first = str(row[0] or "").casefold()
            titles += [first] if len(titles) < _HEADER_ROWS else []
            if _is_nomis(titles, first):
                return (
                    "a Nomis download of population, areas in columns and no codes, and holds no counts. Download it "
                    "with one row for each area and with codes; it then serves as `population` of a study's data"
                )
        elif len(tried) > 3:
            break
    return ""


def _is_nomis(titles: list[str], first: str) -> bool:
    population = any("population" in t for t in titles)
    return first in ("all ages", "age 0") and (population or any("nomis" in t or "ons crown" in t for t in titles))

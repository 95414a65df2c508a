"""What each column of a table is likely to be, from its name and its values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from svmodel.areas import is_code
from svmodel.errors import DataError, shorten
from svmodel.periods.spelling import readings
from svmodel.sources.cells import kind_of_cell
from svmodel.sources.find_table import TOTAL
from svmodel.sources.opening import read_table

_AREA = re.compile(
    r"^(area|lsoa|msoa|ward|lad|la|csp|borough|district|local_authority|authority|council|force|police_force|pfa|geography"
    r"|precinct|neighbourhood|town|place|location|locality|beat|sector|region|parish|id)"
    r"(_?(11|21|\d\d)?(cd|nm)|_?(code|name|id))?$"
)
_PERIOD = re.compile(
    r"^(period|month|date|quarter|year|financial_?year|academic_?year|month_?year|year_?month|time|time_?period|week"
    r"|month_beginning|month_ending|year_ending|quarter_ending)$"
)
_LOOSE_AREA = re.compile(r"area|ward|borough|district|authorit|council|force|lsoa|place|name")
_EXPOSURE = re.compile(
    r"(^|_)(pop|populations?|residents|exposure|denominator|head_?count)($|_)|^(all_|total_|number_of_)?persons$"
)
_NOT_COUNTS = re.compile(
    r"(^|_)(lat|latitude|long|longitude|lon|x|y|easting|northing|rate|rates|per|share|percent|percentage|change|rank|id|code"
    r"|average|mean|sortable)($|_)|^synthetic$|^year$"
)
#: A count that runs from 0 or 1 on over fewer rows may be one.
_FEWEST_NUMBERED = 8


@dataclass(frozen=True)
class Columns:
    """The columns of a tidy file by role."""

    area: str
    period: str
    counts: tuple[str, ...]
    exposures: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [f"area {self.area!r}", f"period {self.period!r}", f"counts {shorten(self.counts, limit=12)}"]
        if self.exposures:
            parts.append(f"exposures {shorten(self.exposures, limit=4)}")
        return ", ".join(parts)


def guess_columns(
    path: str | Path, *, area: str | None = None, period: str | None = None, counts: Iterable[str] = ()
) -> Columns:
    """Guess which columns of a CSV file are the area, the period, counts and populations.

    Parameters
    ----------
    path : str or Path
        A ``.csv`` or ``.csv.gz`` file, one row for each area and period.
    area, period, counts
        What is known already; only the rest is guessed.

    Returns
    -------
    Columns
        A column counts as one of counts when at least half of its filled values are whole numbers, so
        that a negative or text value in it is still found to be wrong.

    Raises
    ------
    DataError
        If the file cannot be read, or no column looks like an area, a period or a count.
    """
    path = Path(path)
    return columns_of(path, read_table(path).to_pandas(), area=area, period=period, counts=counts)


def columns_of(
    path: Path, frame: pd.DataFrame, *, area: str | None = None, period: str | None = None, counts: Iterable[str] = ()
) -> Columns:
    """Guess the columns of a table that is open already; as :func:`guess_columns`."""
    counts = tuple(counts)
    free = [c for c in frame.columns if c not in {area, period, *counts}]
    period = period or guess_period(frame[free])
    free = [c for c in free if c != period]
    area = area or guess_area(frame[free])
    free = [c for c in free if c != area]
    tidy = {c: _tidy(c) for c in free}
    exposures = tuple(c for c in free if is_population(c) and _mostly(frame[c], _is_number))
    if not counts:
        numeric = [c for c in free if c not in exposures and not _NOT_COUNTS.search(tidy[c])]
        numeric = [c for c in numeric if not counts_the_rows(frame[c])]
        counts = tuple(c for c in numeric if not _AREA.match(tidy[c]) and _mostly(frame[c], _is_whole))
    lacking = [w for w, found in (("--area", area), ("--period", period), ("--counts", counts)) if not found]
    if area is None or period is None or not counts:
        raise DataError(
            f"{path} does not show which of its columns are what. Name them with {', '.join(lacking)}; "
            f"it has {shorten([str(c) for c in frame.columns], limit=12)}."
        )
    return Columns(area, period, counts, exposures)


def is_population(name: object) -> bool:
    """Return whether a column is called after people at risk: an exposure, and no outcome.

    Examples
    --------
    >>> [is_population(n) for n in ("Population (mid-2021)", "Denominator", "headcount", "Missing persons")]
    [True, True, True, False]
    """
    return bool(_EXPOSURE.search(_tidy(name)))


def counts_the_rows(column: pd.Series) -> bool:
    """Return whether a column numbers its rows, one by one from 0 or 1 on."""
    if len(column) < _FEWEST_NUMBERED or (
        not pd.api.types.is_object_dtype(column.dtype) and (not pd.api.types.is_numeric_dtype(column.dtype))
    ):
        return False
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
    return bool(values[0] in (0.0, 1.0) and (np.diff(values) == 1).all())


def guess_period(frame: pd.DataFrame) -> str | None:
    """Return the column of periods: by its name where its values name any, else by its values."""
    tidy = {c: _tidy(c) for c in frame.columns}
    named = [c for c in frame.columns if _PERIOD.match(tidy[c])]
    good = next((c for c in named if _mostly(frame[c], _names_period)), None)
    dated = next((c for c in frame.columns if _mostly(frame[c], _is_period)), None)
    return good or dated or (named[0] if named else None)


def guess_area(frame: pd.DataFrame) -> str | None:
    """Return the column of areas: codes first, then by its name, then the only column of words."""
    coded = [c for c in frame.columns if _mostly(frame[c], is_code)]
    # With two columns of codes the finer one has more of them: the other is what it lies in.
    if coded:
        return str(max(coded, key=lambda c: frame[c].nunique()))
    named = [c for c in frame.columns if _AREA.match(_tidy(c))]
    if named:
        # of several the finest, as far as the names of totals do not count; the last where they are alike
        return str(max(reversed(named), key=lambda c: frame[c][~frame[c].map(_is_total)].nunique()))
    loose = [c for c in frame.columns if _LOOSE_AREA.search(_tidy(c)) and _mostly(frame[c], _is_word)]
    words = [c for c in frame.columns if _mostly(frame[c], _is_word)]
    return str(loose[0]) if loose else str(words[0]) if len(words) == 1 else None


def _tidy(name: object) -> str:
    return re.sub(r"[^a-z0-9]+", "_", str(name).strip().casefold()).strip("_")


def _is_total(value: object) -> bool:
    return isinstance(value, str) and bool(TOTAL.search(value.strip()))


def _is_word(value: object) -> bool:
    return kind_of_cell(value) in ("text", "mark")


def _names_period(value: object) -> bool:
    return bool(readings(value))


def _mostly(column: pd.Series, holds: Callable[[object], bool]) -> bool:
    values = column.dropna().head(2000)
    return len(values) > 0 and sum(holds(v) for v in values) * 2 >= len(values)


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True


def _is_whole(value: object) -> bool:
    return _is_number(value) and float(str(value)).is_integer()


def _is_period(value: object) -> bool:
    return not isinstance(value, (int, float)) and kind_of_cell(value) != "number" and bool(readings(value))

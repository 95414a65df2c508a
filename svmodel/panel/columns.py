"""The columns of a frame as areas, periods and numbers; what cannot be read so becomes a problem with its rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel import periods
from svmodel.area_names import area_name
from svmodel.errors import DataError, Problems, shorten
from svmodel.ledger import LedgerEntry


class Rows:
    """Names rows the way the user sees them: lines of a file, or labels of a frame."""

    def __init__(self, index: pd.Index, first_line: int | None, kept: NDArray[np.int64] | None = None) -> None:
        self._index = index
        self._first_line = first_line
        self._kept = np.arange(len(index)) if kept is None else kept

    def within(self, keep: NDArray[np.bool_]) -> Rows:
        """Return the names of the rows that are kept."""
        return Rows(self._index, self._first_line, self._kept[keep])

    def __call__(self, mask: NDArray[np.bool_] | pd.Series) -> str:
        """Return where the marked rows stand, in words."""
        positions = self._kept[np.flatnonzero(np.asarray(mask))]
        if self._first_line is None:
            names = [str(self._index[i]) for i in positions[:5]]
            word = "row" if len(positions) == 1 else "rows"
        else:
            names = [str(i + self._first_line) for i in positions[:5]]
            word = "line" if len(positions) == 1 else "lines"
        more = f" and {len(positions) - 5:,} more" if len(positions) > 5 else ""
        return f"{word} {', '.join(names)}{more}"


@dataclass(frozen=True, eq=False)
class Areas:
    """A column of areas as codes into sorted names; -1 where blank."""

    codes: NDArray[np.int64]
    names: NDArray[np.object_]

    @classmethod
    def read(cls, column: pd.Series) -> Areas:
        """Factorise first, so that text is handled once for each distinct value and not for each row."""
        raw, distinct = pd.factorize(column)
        text = _whole([area_name(d) for d in distinct])
        names = sorted({t for t in text if t})
        at = {name: i for i, name in enumerate(names)}
        lookup = np.array([*(at.get(t, -1) for t in text), -1], dtype=np.int64)
        return cls(lookup[raw], np.array(names, dtype=object))

    def put_together(self, to: NDArray[np.int64]) -> Areas:
        """Return the areas with each name taken for the one whose place stands in `to`."""
        kept = np.unique(to)
        place = np.append(np.searchsorted(kept, to), -1)
        return Areas(place[self.codes], self.names[kept])

    def take(self, keep: NDArray[np.bool_]) -> Areas:
        """Return the areas of some rows; names without a row are forgotten."""
        held, codes = np.unique(self.codes[keep], return_inverse=True)
        blank = int(held[:1].tolist() == [-1])
        return Areas(codes.astype(np.int64) - blank, self.names[held[blank:]])

    def series(self) -> pd.Series:
        """Return the names row by row; blank ones are missing."""
        return pd.Series(np.append(self.names, pd.NA)[self.codes], dtype="string")


def _whole(texts: list[str]) -> list[str]:
    """Return numbers that a blank in their column turned into decimal ones as the whole numbers that they are."""
    return [t[:-2] for t in texts] if texts and all(t[:-2].isdigit() and t.endswith(".0") for t in texts) else texts


def area_column(column: pd.Series, rows: Rows, problems: Problems) -> Areas:
    """Return the areas of the rows; blank ones become a problem."""
    area = Areas.read(column)
    blank = area.codes < 0
    if blank.any():
        problems.add(
            f"the area is blank in {int(blank.sum()):,} rows",
            where=rows(blank),
            fix="Drop them on purpose, or read them with a source that puts them in the ledger.",
            rule="area_blank",
        )
    return area


def period_column(
    column: pd.Series, rows: Rows, problems: Problems, written: str | None = None
) -> tuple[pd.PeriodIndex, tuple[LedgerEntry, ...]]:
    """Return the periods of the rows in one frequency, and how they were read where that needs saying.

    What is blank, unreadable, mixed or to be read in several ways is a problem; `written` answers the last.
    """
    where = f"column {column.name!r}"
    try:
        found = periods.read_column(column, written=written)
    except DataError as error:
        problems.add(error.title, where="period_written", rule="period_written")
        return pd.PeriodIndex([pd.NaT] * len(column), freq="M"), ()
    blank = column.isna().to_numpy() | (column.astype("string").str.strip() == "").fillna(False).to_numpy(dtype=bool)
    if blank.any():
        problems.add(f"the period is blank in {int(blank.sum()):,} rows", where=rows(blank), rule="period_blank")
    if found.unread:
        lines = np.asarray(found.index.isna()) & ~blank & column.isin(list(found.unread)).to_numpy()
        problems.add(
            f"{len(found.unread)} value{'s name' if len(found.unread) > 1 else ' names'} no period: "
            f"{shorten([str(v).strip() for v in found.unread], limit=3)}",
            where=f"{where}, {rows(lines)}",
            fix=_of_dates_and_texts(column) or "Write 2019-04, 2019Q2, 2019/20 Q1, 2019 or 2019/20.",
            rule="period_unreadable",
        )
    if found.choices:
        first = [str(v).strip() for v in column[~blank].drop_duplicates()]
        problems.add(
            f"{shorten(first, limit=3)} may be read in {len(found.choices)} ways: {_in_words(found.choices)}",
            where=where,
            fix=f"Say which: period_written: {found.choices[0]}"
            + "".join(f", or period_written: {c}" for c in found.choices[1:])
            + ".",
            rule="period_ambiguous",
        )
    if found.kinds:
        problems.add(f"{periods.mixed_words(found.kinds)} are mixed", where=where, rule="period_mixed")
    said = (LedgerEntry("noted", len(column), found.said, where, "period_reading"),) if found.said else ()
    return found.index, said


def _in_words(choices: tuple[str, ...]) -> str:
    return ", ".join(choices[:-1]) + f" or {choices[-1]}"


def _of_dates_and_texts(column: pd.Series) -> str:
    """Return what to do where date cells stand beside days in text: the spreadsheet exchanged day and month."""
    if column.dtype != object or not any(hasattr(v, "year") for v in column.dropna()):
        return ""
    return (
        "The other cells are dates: the spreadsheet took for dates what it could in its own order of day and month, "
        "so these may be exchanged. Export the column again as text or as 2019-04-01."
    )


def numbers_in(column: pd.Series, name: str, role: str, rows: Rows, problems: Problems) -> NDArray[np.float64]:
    """Return the column as numbers; text, negative and fractional values become problems."""
    numbers = pd.to_numeric(column, errors="coerce").astype("float64").to_numpy()
    blank = column.isna().to_numpy()
    if column.dtype == object or isinstance(column.dtype, pd.StringDtype):
        blank = blank | (column.astype("string").str.strip() == "").fillna(False).to_numpy(dtype=bool)
    text = np.isnan(numbers) & ~blank
    where = f"column {name!r}"
    if text.any():
        shown = shorten(column[text].unique(), limit=3)
        problems.add(
            f"{int(text.sum()):,} values are text, not numbers: {shown}",
            where=f"{where}, {rows(text)}",
            fix="Leave a suppressed or missing value empty; it is then kept as missing, never as zero.",
            rule="text_count" if role == "count" else "text_value",
        )
    infinite = np.isinf(numbers)
    if infinite.any():
        problems.add("a value is infinite", where=f"{where}, {rows(infinite)}", rule="infinite_value")
    if role == "count":
        negative = numbers < 0
        if negative.any():
            shown = shorten(column[negative].unique(), limit=3)
            problems.add(
                f"{int(negative.sum()):,} counts are negative ({shown})",
                where=f"{where}, {rows(negative)}",
                fix="A count of events is 0 or more; leave it empty where it is not known.",
                rule="negative_count",
            )
        part = np.isfinite(numbers) & (numbers != np.floor(numbers))
        if part.any():
            problems.add(
                f"{int(part.sum()):,} counts are not whole numbers",
                where=f"{where}, {rows(part)}",
                fix=f"Name {name!r} under measures if it is not a count.",
                rule="fractional_count",
            )
    if role == "exposure":
        low = numbers <= 0
        if low.any():
            problems.add(
                f"{int(low.sum()):,} exposures are zero or negative",
                where=f"{where}, {rows(low)}",
                fix="An exposure is a population at risk and is above zero.",
                rule="exposure_not_positive",
            )
    return numbers

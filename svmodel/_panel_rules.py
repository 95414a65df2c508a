"""The rules that a frame has to meet before it becomes a Panel, and the grid it is laid out on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel._vintage_rule import vintage_note, vintage_problems
from svmodel.areas import is_code, is_known, lsoa_2021_only
from svmodel.errors import DataError, Problem, Problems, did_you_mean, shorten
from svmodel.ledger import LedgerEntry

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Roles:
    """Which column plays which part."""

    area: str
    period: str
    counts: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    exposures: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    parent: str | None = None
    name: str | None = None
    parent_name: str | None = None

    @property
    def data(self) -> tuple[str, ...]:
        return (*self.counts, *self.measures, *self.exposures, *self.covariates)

    @property
    def all(self) -> tuple[str, ...]:
        extra = (self.parent, self.name, self.parent_name)
        return (self.area, self.period, *self.data, *(e for e in extra if e is not None))


@dataclass(frozen=True, eq=False)
class Grid:
    """A checked frame with one row for every area and period."""

    frame: pd.DataFrame
    areas: tuple[str, ...]
    periods: pd.PeriodIndex
    parents: dict[str, str]
    names: dict[str, str]
    ledger: tuple[LedgerEntry, ...]


class _Rows:
    """Names rows the way the user sees them: lines of a file, or labels of a frame."""

    def __init__(self, index: pd.Index, first_line: int | None) -> None:
        self._index = index
        self._first_line = first_line

    def __call__(self, mask: NDArray[np.bool_] | pd.Series) -> str:
        positions = np.flatnonzero(np.asarray(mask))
        if self._first_line is None:
            names = [str(self._index[i]) for i in positions[:5]]
            word = "row" if len(positions) == 1 else "rows"
        else:
            names = [str(i + self._first_line) for i in positions[:5]]
            word = "line" if len(positions) == 1 else "lines"
        more = f" and {len(positions) - 5:,} more" if len(positions) > 5 else ""
        return f"{word} {', '.join(names)}{more}"


def check_and_grid(
    frame: pd.DataFrame,
    roles: Roles,
    *,
    known_areas: Iterable[str] | None,
    title: str,
    first_line: int | None,
) -> Grid:
    """Check `frame` against every rule; return the full grid, or raise with all problems at once."""
    problems = Problems()
    _check_columns(frame, roles, problems)
    problems.raise_if_any(DataError, title)
    if frame.empty:
        raise DataError(f"{title}: it has no rows")
    rows = _Rows(frame.index, first_line)
    area = _area_column(frame[roles.area], rows, problems)
    period = _period_column(frame[roles.period], rows, problems)
    values = {c: _numbers(frame[c], c, _role(c, roles), rows, problems) for c in roles.data}
    usable = (area.codes >= 0) & period.notna()
    _check_duplicates(area, period, usable, rows, problems)
    _check_areas(area, known_areas, rows, problems)
    notes: tuple[LedgerEntry, ...] = ()
    if lsoa_2021_only(area.names):
        total = np.nansum([np.zeros(len(frame)), *(values[c] for c in roles.counts)], axis=0)
        mixed = vintage_problems(area.series(), period, usable, total, column=roles.area)
        problems.extend(mixed)
        notes = () if mixed else vintage_note(str(a) for a in area.names)
    parents = _constant_by_area(frame, roles.parent, area, problems)
    names = _constant_by_area(frame, roles.name, area, problems)
    if roles.parent is not None and roles.parent_name is not None:
        names |= _constant_by_area(frame, roles.parent_name, _Areas.read(frame[roles.parent]), problems)
    gaps = (*notes, *_gaps(area, period, usable))
    if problems:
        problems.extend(Problem(e.reason, where=e.where, rule=e.rule) for e in gaps)
    problems.raise_if_any(DataError, title)
    return _lay_out(area, period, values, roles, parents, names, gaps)


@dataclass(frozen=True, eq=False)
class _Areas:
    """A column of areas as codes into sorted names; -1 where blank."""

    codes: NDArray[np.int64]
    names: NDArray[np.object_]

    @classmethod
    def read(cls, column: pd.Series) -> _Areas:
        """Factorise first, so that text is handled once for each distinct value and not for each row."""
        raw, distinct = pd.factorize(column)
        text = [str(d).strip() for d in distinct]
        names = sorted({t for t in text if t})
        at = {name: i for i, name in enumerate(names)}
        lookup = np.array([*(at.get(t, -1) for t in text), -1], dtype=np.int64)
        return cls(lookup[raw], np.array(names, dtype=object))

    def series(self) -> pd.Series:
        """Return the names row by row; blank ones are missing."""
        return pd.Series(np.append(self.names, pd.NA)[self.codes], dtype="string")


def _check_columns(frame: pd.DataFrame, roles: Roles, problems: Problems) -> None:
    doubled = frame.columns[frame.columns.duplicated()]
    for column in doubled:
        problems.add(f"column {column!r} stands twice", rule="column_twice")
    for column in dict.fromkeys(roles.all):
        if column not in frame.columns:
            problems.add(
                f"there is no column {column!r}", fix=did_you_mean(column, frame.columns), rule="unknown_column"
            )
    reserved = {"area": roles.area, "period": roles.period}
    for column in (c for c in reserved if c in roles.data):
        problems.add(
            f"column {column!r} was given as data, but that name is the panel's own",
            fix=f"Rename it; {column!r} is what the panel calls column {reserved[column]!r}.",
            rule="reserved_name",
        )
    twice = [c for c in dict.fromkeys(roles.data) if roles.data.count(c) > 1]
    for column in twice:
        problems.add(f"column {column!r} was given two roles", fix="Give it one.", rule="two_roles")


def _role(column: str, roles: Roles) -> str:
    if column in roles.counts:
        return "count"
    return "exposure" if column in roles.exposures else "number"


def _area_column(column: pd.Series, rows: _Rows, problems: Problems) -> _Areas:
    area = _Areas.read(column)
    blank = area.codes < 0
    if blank.any():
        problems.add(
            f"the area is blank in {int(blank.sum()):,} rows",
            where=rows(blank),
            fix="Drop them on purpose, or read them with a source that puts them in the ledger.",
            rule="area_blank",
        )
    return area


def _period_column(column: pd.Series, rows: _Rows, problems: Problems) -> pd.PeriodIndex:
    if isinstance(column.dtype, pd.PeriodDtype) and column.dtype.freq.freqstr in periods.FREQUENCIES:
        index = pd.PeriodIndex(column)
        blank = index.isna()
        if blank.any():
            problems.add(f"the period is blank in {int(blank.sum()):,} rows", where=rows(blank), rule="period_blank")
        return index
    codes, distinct = pd.factorize(column)
    parsed: list[pd.Period | None] = []
    for i, value in enumerate(distinct):
        try:
            parsed.append(periods.parse(value))
        except DataError as error:
            problems.add(error.title, where=f"column {column.name!r}, {rows(codes == i)}", rule="period_unreadable")
            parsed.append(None)
    if (codes == -1).any():
        where = rows(codes == -1)
        problems.add(f"the period is blank in {int((codes == -1).sum()):,} rows", where=where, rule="period_blank")
    texts = [str(value).strip() for value in distinct]
    if len(texts) > 1 and all(_is_year_pair(text) for text in texts):
        problems.add(
            f"{shorten(texts, limit=3)} would be read as months, but look like financial years",
            where=f"column {column.name!r}",
            fix=f"Write {texts[0].replace('-', '/')} for a financial year; a month of every year as a full date.",
            rule="period_ambiguous",
        )
    kinds = sorted({p.freqstr for p in parsed if p is not None})
    if len(kinds) > 1:
        words = " and ".join(periods.FREQUENCIES[k] + "s" for k in kinds)
        problems.add(f"{words} are mixed", where=f"column {column.name!r}", rule="period_mixed")
    freq = kinds[0] if kinds else "M"
    lookup = pd.PeriodIndex([p if p is not None and p.freqstr == freq else pd.NaT for p in [*parsed, None]], freq=freq)
    return lookup[codes]


def _is_year_pair(text: str) -> bool:
    """Return whether the text reads as a month, 2008-09, and as the financial year of that name as well."""
    first, _, second = text.partition("-")
    return (
        len(first) == 4 and len(second) == 2 and text.replace("-", "").isdigit() and int(second) == int(first[2:]) + 1
    )


def _numbers(column: pd.Series, name: str, role: str, rows: _Rows, problems: Problems) -> NDArray[np.float64]:
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


def _check_duplicates(
    area: _Areas, period: pd.PeriodIndex, usable: NDArray[np.bool_], rows: _Rows, problems: Problems
) -> None:
    keys = pd.Series(period.asi8 * len(area.names) + area.codes)
    again = usable & _duplicated(keys, usable)
    if again.any():
        pairs = [f"{area.names[area.codes[i]]} {period[i]}" for i in np.flatnonzero(again)[:3]]
        problems.add(
            f"{int(again.sum()):,} area-periods stand more than once: {shorten(pairs, limit=3)}",
            where=rows(again),
            fix="Sum or drop the repeats; the panel does not choose between them.",
            rule="duplicate_area_period",
        )


def _duplicated(keys: pd.Series, usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    again = np.zeros(len(keys), dtype=bool)
    again[usable] = keys[usable].duplicated(keep="first").to_numpy()
    return again


def _check_areas(area: _Areas, known_areas: Iterable[str] | None, rows: _Rows, problems: Problems) -> None:
    present = [str(a) for a in area.names]
    small = [a for a in present if not is_code(a) and is_code(a.upper())]
    if small:
        problems.add(
            f"{shorten(small, limit=3)} are codes in small letters",
            where=rows(np.isin(area.codes, [present.index(a) for a in small])),
            fix=f"Write them as {small[0].upper()!r}, or they pass for other areas.",
            rule="code_in_small_letters",
        )
    if known_areas is not None:
        known = {str(k) for k in known_areas}
        unknown = [a for a in present if a not in known]
        choices: list[str] = sorted(known)
    else:
        codes = [a for a in present if is_code(a)]
        if len(codes) * 2 <= len(present):
            return
        unknown = [a for a in present if not is_known(a)]
        choices = [a for a in present if is_known(a)]
    for name in unknown[:10]:
        problems.add(
            f"{name!r} is not a known area",
            where=rows(area.codes == present.index(name)),
            fix=did_you_mean(name, choices, limit=3),
            rule="unknown_area",
        )
    if len(unknown) > 10:
        problems.add(f"{len(unknown) - 10} more areas are not known", rule="unknown_area")


def _constant_by_area(frame: pd.DataFrame, column: str | None, area: _Areas, problems: Problems) -> dict[str, str]:
    if column is None:
        return {}
    values = _Areas.read(frame[column])
    known = (area.codes >= 0) & (values.codes >= 0)
    pairs = pd.DataFrame({"area": area.codes[known], "value": values.codes[known]}).drop_duplicates()
    several = area.names[np.unique(pairs["area"][pairs["area"].duplicated()])]
    if len(several):
        problems.add(
            f"{shorten(several, limit=3)} have more than one value in column {column!r}",
            fix="Give each area one value.",
            rule="not_constant_by_area",
        )
    lacking = area.names[~np.isin(np.arange(len(area.names)), pairs["area"])]
    if len(lacking):
        problems.add(f"{shorten(lacking, limit=3)} have no value in column {column!r}", rule="blank_by_area")
    return {str(area.names[a]): str(values.names[v]) for a, v in pairs.itertuples(index=False)}


def _gaps(area: _Areas, period: pd.PeriodIndex, usable: NDArray[np.bool_]) -> tuple[LedgerEntry, ...]:
    """Name the area-periods that the frame lacks between its first and its last period."""
    if not usable.any():
        return ()
    at = period.asi8[usable]
    first = int(at.min())
    grid = pd.PeriodIndex.from_ordinals(np.arange(first, at.max() + 1), freq=period.freqstr)
    held = np.zeros((len(area.names), len(grid)), dtype=bool)
    held[area.codes[usable], at - first] = True
    here = held.any(axis=1)
    seen = held.any(axis=0)
    word = periods.describe_frequency(grid)
    empty = grid[~seen]
    entries = []
    if len(empty):
        entries.append(
            LedgerEntry(
                "missing",
                len(empty) * int(here.sum()),
                f"no area has a row for {shorten([periods.label(p) for p in empty])}; kept as missing, not as zero",
                where=f"{len(empty)} whole {word}{'s' if len(empty) > 1 else ''}",
                rule="missing_period",
            )
        )
    lack: NDArray[np.bool_] = np.outer(here, seen) & ~held
    short = np.flatnonzero(lack.any(axis=1))
    if len(short):
        number = int(lack.sum())
        which = [f"{area.names[i]} {grid[t]}" for i in short[:3] for t in np.flatnonzero(lack[i])]
        entries.append(
            LedgerEntry(
                "missing",
                number,
                f"{len(short)} area{'s lack' if len(short) > 1 else ' lacks'} {number:,} area-{word}s "
                f"({shorten(which, limit=3)}); kept as missing, not as zero",
                where=f"{len(short)} area{'s' if len(short) > 1 else ''}",
                rule="missing_period",
            )
        )
    return tuple(entries)


def _lay_out(
    area: _Areas,
    period: pd.PeriodIndex,
    values: dict[str, NDArray[np.float64]],
    roles: Roles,
    parents: dict[str, str],
    names: dict[str, str],
    gaps: tuple[LedgerEntry, ...],
) -> Grid:
    at = period.asi8
    grid = pd.PeriodIndex.from_ordinals(np.arange(at.min(), at.max() + 1), freq=period.freqstr)
    cell = area.codes * len(grid) + (at - at.min())
    size = len(area.names) * len(grid)
    columns: dict[str, object] = {
        "area": np.repeat(area.names, len(grid)),
        "period": pd.PeriodIndex.from_ordinals(np.tile(grid.asi8, len(area.names)), freq=grid.freqstr),
    }
    ledger = list(gaps)
    for name in roles.data:
        full = np.full(size, np.nan)
        full[cell] = values[name]
        columns[name] = full
        blank = int(np.isnan(values[name]).sum())
        if blank:
            reason = f"{blank:,} values are empty; kept as missing, not as zero"
            ledger.append(LedgerEntry("missing", blank, reason, where=f"column {name!r}", rule="missing_value"))
    frame = pd.DataFrame(columns)
    return Grid(frame, tuple(str(a) for a in area.names), grid, parents, names, tuple(ledger))

"""The rules that a frame has to meet before it becomes a Panel, and the grid it is laid out on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel import periods
from svmodel.area_names import area_name, spelling_key
from svmodel.areas import is_code, is_known, lsoa_2021_only
from svmodel.errors import DataError, Problem, Problems, did_you_mean, shorten
from svmodel.ledger import LedgerEntry
from svmodel.panel.columns import Areas, Rows, area_column, numbers_in, period_column
from svmodel.panel.oddities import oddities
from svmodel.panel.spellings import one_spelling
from svmodel.panel.totals import total_rows
from svmodel.panel.vintage import vintage_note, vintage_problems
from svmodel.words import one_or_more


@dataclass(frozen=True)
class Roles:
    """Which column plays which part.

    Parameters
    ----------
    area, period : str
        Columns that name the area and the period; empty where nobody has said it yet.
    counts, measures, exposures, covariates : tuple of str
    parent, name, parent_name : str, optional
        Columns with the reporting area, the area's name and the reporting area's name.
    """

    area: str = ""
    period: str = ""
    counts: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    exposures: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    parent: str | None = None
    name: str | None = None
    parent_name: str | None = None

    @property
    def data(self) -> tuple[str, ...]:
        """Columns that hold numbers."""
        return (*self.counts, *self.measures, *self.exposures, *self.covariates)

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns that name areas and periods."""
        return tuple(c for c in (self.area, self.period, self.parent, self.name, self.parent_name) if c)

    @property
    def all(self) -> tuple[str, ...]:
        """Every column that plays a part."""
        extra = (self.parent, self.name, self.parent_name)
        return (self.area, self.period, *self.data, *(e for e in extra if e is not None))

    @property
    def named(self) -> dict[str, Any]:
        """The roles by name, as arguments of :meth:`svmodel.Panel.from_frame`."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def over(self, others: Roles) -> Roles:
        """Return the roles with those that nobody has named taken from others."""
        return Roles(**{role: column or getattr(others, role) for role, column in self.named.items()})

    def without(self, columns: set[str]) -> Roles:
        """Return the roles without some columns; area and period stay."""
        kept: dict[str, Any] = {
            r: tuple(c for c in v if c not in columns) if isinstance(v, tuple) else None if v in columns else v
            for r, v in self.named.items()
        }
        return Roles(**kept | {"area": self.area, "period": self.period})


@dataclass(frozen=True, eq=False)
class Grid:
    """A checked frame with one row for every area and period."""

    frame: pd.DataFrame
    areas: tuple[str, ...]
    periods: pd.PeriodIndex
    parents: dict[str, str]
    names: dict[str, str]
    ledger: tuple[LedgerEntry, ...]


def check_and_grid(
    frame: pd.DataFrame,
    roles: Roles,
    *,
    known_areas: Iterable[str] | None,
    title: str,
    first_line: int | None,
    period_written: str | None = None,
    leave_out: Iterable[str] = (),
    as_given: bool = False,
    vintage_settled: bool = False,
    explained: Mapping[str, int] = MappingProxyType({}),
) -> Grid:
    """Check `frame` against every rule; return the full grid, or raise with all problems at once."""
    problems = Problems()
    _check_columns(frame, roles, problems)
    problems.raise_if_any(DataError, title)
    if frame.empty:
        raise DataError(f"{title}: it has no rows")
    rows = Rows(frame.index, first_line)
    area = area_column(frame[roles.area], rows, problems)
    period, said = period_column(frame[roles.period], rows, problems, period_written)
    entries: list[LedgerEntry] = list(said)
    if not as_given:
        area, spelt = one_spelling(area, period, _usable(area, period), rows, problems)
        entries.extend(spelt)
    out, named = _left_out(area, leave_out, problems)
    if out.all():
        raise DataError(f"{title}: no area is left")
    frame, area, period, rows = frame.loc[~out], area.take(~out), period[~out], rows.within(~out)
    values = {c: numbers_in(frame[c], c, _role(c, roles), rows, problems) for c in roles.data}
    counted = {c: values[c] for c in roles.counts}
    total, dropped = (
        (np.zeros(len(frame), dtype=bool), ())
        if as_given
        else total_rows(area, period, _usable(area, period), counted, rows, problems)
    )
    entries.extend([*named, *dropped])
    frame, area, period, rows = frame.loc[~total], area.take(~total), period[~total], rows.within(~total)
    values = {c: v[~total] for c, v in values.items()}
    usable = _usable(area, period)
    _check_duplicates(area, period, usable, rows, problems)
    _check_areas(area, known_areas, rows, problems)
    notes: tuple[LedgerEntry, ...] = ()
    if not vintage_settled and lsoa_2021_only(area.names):
        total = np.nansum([np.zeros(len(frame)), *(values[c] for c in roles.counts)], axis=0)
        mixed = vintage_problems(area.series(), period, usable, total, column=roles.area)
        problems.extend(mixed)
        notes = () if mixed else vintage_note(str(a) for a in area.names)
    parents = _constant_by_area(frame, roles.parent, area, problems)
    names = _constant_by_area(frame, roles.name, area, problems)
    if roles.parent is not None and roles.parent_name is not None:
        names |= _constant_by_area(frame, roles.parent_name, Areas.read(frame[roles.parent]), problems)
    gaps = (*notes, *_gaps(area, period, usable))
    if problems:
        problems.extend(Problem(e.reason, where=e.where, rule=e.rule) for e in gaps)
    problems.raise_if_any(DataError, title)
    grid = _lay_out(area, period, values, roles, parents, names, (*entries, *gaps), explained)
    if as_given:
        return grid
    shape = (len(grid.areas), len(grid.periods))
    of = {c: grid.frame[c].to_numpy(dtype=np.float64).reshape(shape) for c in (*roles.counts, *roles.exposures)}
    odd = oddities({c: of[c] for c in roles.counts}, {c: of[c] for c in roles.exposures}, grid.areas, grid.periods)
    return replace(grid, ledger=(*grid.ledger, *odd))


def _usable(area: Areas, period: pd.PeriodIndex) -> NDArray[np.bool_]:
    return np.asarray((area.codes >= 0) & period.notna())


def _left_out(
    area: Areas, leave_out: Iterable[str], problems: Problems
) -> tuple[NDArray[np.bool_], tuple[LedgerEntry, ...]]:
    """Return the rows of areas that the owner leaves out on purpose."""
    given = one_or_more(leave_out)
    if not given:
        return np.zeros(len(area.codes), dtype=bool), ()
    keys = {spelling_key(str(n)): i for i, n in enumerate(area.names)}
    for name in (n for n in given if spelling_key(area_name(n)) not in keys):
        fix = did_you_mean(name, area.names, limit=4)
        problems.add(f"{name!r} is no area of the data", where="leave_out", fix=fix, rule="unknown_area")
    places = [keys[k] for k in map(spelling_key, map(area_name, given)) if k in keys]
    out = np.isin(area.codes, places)
    reason = f"{shorten([area.names[i] for i in places], limit=3)} left out on purpose"
    return out, (LedgerEntry("dropped", int(out.sum()), reason, f"{len(places)} areas", "left_out"),) if places else ()


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


def _check_duplicates(
    area: Areas, period: pd.PeriodIndex, usable: NDArray[np.bool_], rows: Rows, problems: Problems
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


def _check_areas(area: Areas, known_areas: Iterable[str] | None, rows: Rows, problems: Problems) -> None:
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


def _constant_by_area(frame: pd.DataFrame, column: str | None, area: Areas, problems: Problems) -> dict[str, str]:
    if column is None:
        return {}
    values = Areas.read(frame[column])
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


def _gaps(area: Areas, period: pd.PeriodIndex, usable: NDArray[np.bool_]) -> tuple[LedgerEntry, ...]:
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
    area: Areas,
    period: pd.PeriodIndex,
    values: dict[str, NDArray[np.float64]],
    roles: Roles,
    parents: dict[str, str],
    names: dict[str, str],
    gaps: tuple[LedgerEntry, ...],
    explained: Mapping[str, int],
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
        where = f"column {name!r}"
        blank = int(np.isnan(values[name]).sum()) - explained.get(where, 0)
        if blank > 0:
            more = "more " if where in explained else ""
            reason = f"{blank:,} {more}values are empty; kept as missing, not as zero"
            ledger.append(LedgerEntry("missing", blank, reason, where=where, rule="missing_value"))
    frame = pd.DataFrame(columns)
    return Grid(frame, tuple(str(a) for a in area.names), grid, parents, names, tuple(ledger))

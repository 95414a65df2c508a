"""A table of any make as tidy rows: one for each area and period, its numbers as numbers, all that was done said."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from svmodel.errors import DataError, Problem, did_you_mean, shorten
from svmodel.panel.rules import Roles
from svmodel.sources.answers import Answers, TidyTable
from svmodel.sources.cells import mostly_counts
from svmodel.sources.find_table import TOTAL, YEAR_NAME, FoundTable, find_table, is_short, period_text, with_year
from svmodel.sources.guess import counts_the_rows, is_population
from svmodel.sources.labels import fill_labels, name_totals, spread_labels
from svmodel.sources.number_columns import read_number_columns
from svmodel.sources.row_keys import YEAR_TEXT, find_keys, join_year_and_month, value_name
from svmodel.sources.sums import drop_sums_over_time, unnested, without_sum_columns, without_sum_rows
from svmodel.sources.table import Book


def tidy_table(book: Book, roles: Roles, answers: Answers) -> TidyTable:
    """Return the tidy rows of a book.

    Parameters
    ----------
    book : Book
    roles : Roles
        What is known of the columns, by the names that they have in the file or shall have.
    answers : Answers

    Raises
    ------
    DataError
        If there is no table in it, or an answer names what is not there.
    """
    found = [t for t in (find_table(s, is_text=book.is_text) for s in book.sheets) if t is not None]
    if not found:
        raise DataError(f"{book.path} holds no table: nowhere do numbers stand under names of columns")
    made = TidyTable(pd.DataFrame(), entries=list(book.said))
    tables = _chosen_sheets(book, found, answers, made)
    for table in tables:
        made.entries.extend(table.said)
        made.problems.extend(table.problems)
    if not any(t.rows for t in tables):
        raise DataError(f"{book.path} cannot be used", made.problems)
    wide = [_long(t, made, roles, answers) for t in tables]
    parts = ["sheet"] if len(tables) > 1 else []
    parts += ["section"] if any(t.sections and any(t.sections) for t in tables) else []
    frame = pd.concat(wide)
    if any(p in frame.columns for p in parts):  # columns of the file go before what is made here
        parts = [p for p in parts if p not in frame.columns]
    for part in parts:
        values = [s for t, w in zip(tables, wide, strict=True) for s in _part(t, part, w)]
        frame[part] = values
    made.frame = frame
    join_year_and_month(made)
    area, period = find_keys(book, made, roles, answers, parts)
    if area is not None:
        name_totals(made, area, period, parts)
        fill_labels(made, area, period, parts)
    drop_sums_over_time(made, area, period)
    keys = [c for c in (area, period, *parts, roles.parent, roles.name, roles.parent_name) if c]
    read_number_columns(made, keys, roles, answers, decimal_asked=book.separator != ",")
    if area is not None and period is not None:
        spread_labels(made, area, period, roles, parts)
    made.frame = made.frame.drop(columns=[p for p in parts if p in made.frame.columns and p != area])
    return made


def _part(table: FoundTable, part: str, piece: pd.DataFrame) -> list[str]:
    if part == "sheet":
        return [table.sheet] * len(piece)
    at = dict(zip(table.numbers, table.sections, strict=True))
    return [at[n] for n in piece.index]


def _chosen_sheets(book: Book, found: list[FoundTable], answers: Answers, made: TidyTable) -> list[FoundTable]:
    """Return the sheets that are read: the one asked for, else all those of the layout with the most numbers."""
    if answers.sheet is not None:
        names = [t.sheet for t in found]
        if answers.sheet not in names:
            raise DataError(
                f"{book.path} has no sheet {answers.sheet!r} with a table. {did_you_mean(answers.sheet, names)}"
            )
        return [t for t in found if t.sheet == answers.sheet]
    if len(found) == 1:
        return found
    groups: dict[tuple[str, ...], list[FoundTable]] = {}
    for table in found:
        groups.setdefault(_signature(table), []).append(table)
    best = max(groups.values(), key=lambda g: sum(len(t.rows) * len(t.header) for t in g))
    names = [t.sheet for t in best]
    others = [t.sheet for t in found if t.sheet not in names]
    if len(best) > 1:
        made.say(
            "sheets_stacked",
            len(best),
            f"{len(best)} sheets of one layout are read: {shorten(names)}",
            where=book.path.name,
        )
    if others:
        what = f"sheet {names[0]!r} is read, which holds most; not read: {shorten(others)} (sheet: reads another)"
        if len(best) > 1:
            what = f"sheets of another layout are not read: {shorten(others)} (sheet: reads one of them)"
        made.say("sheets_left_out", len(others), what, where=book.path.name)
    return best


def _signature(table: FoundTable) -> tuple[str, ...]:
    """Return the names of the columns that name no period, in small letters."""
    wide = "a column for each period" if _period_columns(table) else ""
    rest = (period_text(p)[1] for p in table.header if not period_text(p)[0] and not is_short(" ".join(p)))
    return (wide, *sorted({r.casefold() for r in rest if not TOTAL.search(r)}))


def _period_columns(table: FoundTable) -> dict[int, tuple[str, str]]:
    """Return the columns that hold one period each -> period and label; empty where the table is long already."""
    found: dict[int, tuple[str, str]] = {}
    for j, parts in enumerate(table.header):
        when, label = period_text(parts)
        short = [p for p in parts if is_short(p)]
        if not when and short:
            when, label = short[0], " ".join(p for p in parts if p not in short)
        if when and mostly_counts([r[j] for r in table.rows]):
            found[j] = (when, label)
    return found if len(found) > 1 else {}


def _long(table: FoundTable, made: TidyTable, roles: Roles, answers: Answers) -> pd.DataFrame:
    """Return the rows of a sheet; a table with a column for each period becomes one with a row for each."""
    names = _unique(table, made)
    gone = [j for j, n in enumerate(names) if n in answers.leave_out_columns]
    made.left_out.update({names[j]: "left out on purpose" for j in gone})
    if gone:
        table, names = table.without(gone), tuple(n for j, n in enumerate(names) if j not in gone)
    made.headers.update(zip(names, table.header, strict=True))
    frame = pd.DataFrame(table.rows, columns=list(names), index=table.numbers, dtype=object)
    _leave_out_row_numbers(frame, made)
    frame = unnested(frame.drop(columns=[c for c in made.left_out if c in frame.columns]), answers, made)
    at = dict(zip(table.numbers, table.sections, strict=True))
    frame = without_sum_rows(frame, [at[n] for n in frame.index], made)
    when = _period_columns(table)
    return frame if not when else _melted(frame, table, when, names, made, roles)


def _leave_out_row_numbers(frame: pd.DataFrame, made: TidyTable) -> None:
    """Leave out columns that count the rows, from 0 or 1 on."""
    for name in frame.columns:
        if counts_the_rows(frame[name]) and name not in made.left_out:
            made.left_out[name] = "it numbers the rows"
            made.say("row_numbers", 0, f"{name!r} numbers the rows and is left out")


def _melted(
    frame: pd.DataFrame,
    table: FoundTable,
    when: dict[int, tuple[str, str]],
    names: Sequence[str],
    made: TidyTable,
    roles: Roles,
) -> pd.DataFrame:
    """Return a table with a column for each period as one with a row for each."""
    stated = {names[j] for j in when}
    when = _dated(table, when, names, made)
    when = without_sum_columns(table, when, names, made)
    dates = sorted(when)
    first, last = when[dates[0]][0], when[dates[-1]][0]
    what = f"{len(dates)} columns hold a period each, {first} to {last}; each becomes a row"
    where = f"columns {table.letters[dates[0]]} to {table.letters[dates[-1]]}"
    made.say("periods_in_columns", len(dates), what, where=where)
    ids = [c for c in frame.columns if c not in stated]
    years = [c for c in ids if YEAR_NAME.match(c) and any(is_short(p) for d in dates for p in table.header[d])][:1]
    keep = [c for c in ids if c not in years and c not in made.left_out]
    out: list[pd.DataFrame] = []
    for label in dict.fromkeys(when[j][1] for j in dates):
        value = label or value_name(roles, frame)
        pieces = []
        for j in (d for d in dates if when[d][1] == label):
            piece = frame[keep].copy()
            piece["period"] = when[j][0]
            if years and is_short(when[j][0]):
                piece["period"] = [None if y is None else with_year(when[j][0], str(y)) for y in frame[years[0]]]
            piece[value] = frame[names[j]]
            pieces.append(piece)
        out.append(pd.concat(pieces))
    long = out[0]
    for more in out[1:]:
        # the same rows in the same order, unless a period stands under one label alone
        left, right = (f.assign(__row=f.index) for f in (long, more))
        long = left.merge(right, on=[*keep, "period", "__row"], how="outer", sort=False).set_index("__row")
        long.index.name = None
    values = tuple(dict.fromkeys(when[j][1] or value_name(roles, frame) for j in dates))
    exposures = tuple(v for v in values if is_population(v))
    made.roles = Roles("", "period", tuple(v for v in values if v not in exposures), exposures=exposures)
    return long


def _unique(table: FoundTable, made: TidyTable) -> tuple[str, ...]:
    """Return the names of the columns; of two with one name the second takes its letter along."""
    seen: set[str] = set()
    names = []
    for name, letter in zip(table.names, table.letters, strict=True):
        new = name if name not in seen else f"{name} ({letter})"
        if new != name:
            made.say(
                "column_twice",
                0,
                f"the column {name!r} stands twice; the second is called {new!r}",
                where=f"column {letter}",
            )
        seen.add(new)
        names.append(new)
    return tuple(names)


def _dated(
    table: FoundTable, when: dict[int, tuple[str, str]], names: Sequence[str], made: TidyTable
) -> dict[int, tuple[str, str]]:
    """Give months without a year the year of the sheet or of its title, where no column holds it."""
    if not any(is_short(w) for w, _ in when.values()) or any(YEAR_NAME.match(n) for n in names):
        return when
    for text, place in [(table.sheet, "name of the sheet"), *((t, "title") for t in table.title)]:
        years = list(dict.fromkeys(YEAR_TEXT.findall(text)))
        if len(years) == 1:
            made.say(
                "year_of_months",
                len(when),
                f"the months are of {years[0]}, as the {place} says",
                where=f"sheet {table.sheet!r}",
            )
            return {j: (with_year(w, years[0]) or w, label) for j, (w, label) in when.items()}
    made.problems.append(
        Problem(
            f"the months in its columns ({shorten([w for w, _ in when.values()], limit=3)}) have no year",
            where=f"sheet {table.sheet!r}",
            fix="Write the year into their names (Apr 2021), into the name of the sheet, or into a column Year.",
            rule="month_without_year",
        )
    )
    return when

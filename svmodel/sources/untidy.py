"""A table of any make as tidy rows: one for each area and period, its numbers as numbers, all that was done said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.areas import is_code
from svmodel.errors import DataError, Problem, did_you_mean, shorten
from svmodel.ledger import LedgerEntry
from svmodel.panel.rules import Roles
from svmodel.sources.cells import kind_of_cell, read_numbers
from svmodel.sources.find_table import TOTAL, FoundTable, find_table, is_short, period_text, with_year
from svmodel.sources.guess import guess_area, guess_period
from svmodel.sources.table import Book

#: What columns of years, and of months or quarters without their year, are called.
YEAR_NAME = re.compile(r"^(financial |calendar |academic |fin\.? )?(year|fy)$", re.IGNORECASE)
PART_NAME = re.compile(r"^(month|quarter|qtr)( name| number)?$", re.IGNORECASE)
_YEAR_TEXT = re.compile(r"(?:19|20)\d\d(?: ?[-/–] ?(?:\d{4}|\d\d))?(?!\d)")
_LABEL_NAME = re.compile(r"offence|crime|outcome|type|categor|measure|indicator|group|series", re.IGNORECASE)
_POPULATION = re.compile(r"popul|residents|persons|denominator", re.IGNORECASE)
_MOST_LABELS = 60


@dataclass(frozen=True)
class Answers:
    """What the owner of a file has said about it.

    Parameters
    ----------
    sheet : str, optional
        The sheet to read.
    columns_are : {"areas", "outcomes"}, optional
        What the columns of numbers are in a table that names no area in its rows.
    dashes : {"nil", "missing"}, optional
        What ``-`` and ``.`` stand for.
    leave_out_columns : tuple of str
        Columns that are neither periods nor counts, such as a total that does not add up.
    """

    sheet: str | None = None
    columns_are: str | None = None
    dashes: str | None = None
    leave_out_columns: tuple[str, ...] = ()


#: Answer -> what may be answered.
CHOICES = {"columns_are": ("areas", "outcomes"), "dashes": ("nil", "missing")}


@dataclass(frozen=True)
class Question:
    """What only the owner of the file can know: the key that answers it, and the answers."""

    key: str
    choices: tuple[str, ...]
    what: str
    where: str = ""

    @property
    def problem(self) -> Problem:
        """The question as a problem, for a message."""
        fix = "Say which: " + ", or ".join(f"{self.key}: {c}" for c in self.choices) + "."
        return Problem(self.what, where=self.where, fix=fix, rule=f"ask_{self.key}")


@dataclass(eq=False, repr=False)
class TidyTable:
    """The tidy rows of a table.

    Parameters
    ----------
    frame : pandas.DataFrame
        Its index holds the rows of the spreadsheet, or the lines of the text.
    roles : Roles
        Of the columns that were made here; empty where the table had them itself.
    entries : list of LedgerEntry
    left_out : dict of str to str
        Column -> why it is not used.
    questions : list of Question
    problems : list of Problem
    """

    frame: pd.DataFrame
    roles: Roles = field(default_factory=Roles)
    entries: list[LedgerEntry] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def say(self, rule: str, rows: int, what: str, *, where: str = "", action: str = "noted") -> None:
        """Put one thing into the ledger."""
        self.entries.append(LedgerEntry(action, rows, what, where, rule))  # type: ignore[arg-type]


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
    _join_year_and_month(made)
    area, period = _find_keys(book, made, roles, answers, parts)
    if area is not None:
        _name_totals(made, area, period, parts)
        _fill_labels(made, area, period, parts)
    _drop_sums_over_time(made, area, period)
    _numbers(
        made, [c for c in (area, period, *parts, roles.parent, roles.name, roles.parent_name) if c], roles, answers
    )
    if area is not None and period is not None:
        _spread_labels(made, area, period, roles, parts)
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
        if when and _mostly_counts([r[j] for r in table.rows]):
            found[j] = (when, label)
    return found if len(found) > 1 else {}


def _mostly_counts(values: Sequence[object]) -> bool:
    kinds = [kind_of_cell(v) for v in values]
    filled = [k for k in kinds if k != "blank"]
    return bool(filled) and sum(k in ("number", "mark", "dash") for k in filled) * 2 >= len(filled)


def _long(table: FoundTable, made: TidyTable, roles: Roles, answers: Answers) -> pd.DataFrame:
    """Return the rows of a sheet; a table with a column for each period becomes one with a row for each."""
    names = _unique(table, made)
    frame = pd.DataFrame(table.rows, columns=list(names), index=table.numbers, dtype=object)
    gone = [c for c in answers.leave_out_columns if c in frame.columns]
    for name in gone:
        made.left_out[name] = "left out on purpose"
    if gone:
        kept = [j for j, n in enumerate(names) if n not in gone]
        table = FoundTable(
            table.sheet,
            tuple(table.header[j] for j in kept),
            tuple(table.letters[j] for j in kept),
            [tuple(r[j] for j in kept) for r in table.rows],
            table.numbers,
            table.sections,
            table.title,
        )
        names, frame = tuple(names[j] for j in kept), frame.drop(columns=gone)
    when = _period_columns(table)
    if not when:
        return frame
    when = _dated(table, when, names, made)
    ids = [j for j in range(len(names)) if j not in when]
    when = _without_totals(table, when, ids, names, made)
    dates = [j for j in range(len(names)) if j in when]
    first, last = when[dates[0]][0], when[dates[-1]][0]
    what = f"{len(dates)} columns hold a period each, {first} to {last}; each becomes a row"
    made.say(
        "periods_in_columns", len(dates), what, where=f"columns {table.letters[dates[0]]} to {table.letters[dates[-1]]}"
    )
    labels = list(dict.fromkeys(when[j][1] for j in dates))
    year = [j for j in ids if YEAR_NAME.match(names[j]) and any(is_short(p) for d in dates for p in table.header[d])]
    out = []
    keep = [j for j in ids if j not in year and names[j] not in made.left_out]
    for label in labels:
        value = label or _value_name(roles, frame)
        pieces = []
        for j in (d for d in dates if when[d][1] == label):
            piece = frame[[names[i] for i in keep]].copy()
            piece["period"] = (
                [with_year(when[j][0], str(y)) if y is not None else None for y in frame[names[year[0]]]]
                if year and is_short(when[j][0])
                else when[j][0]
            )
            piece[value] = frame[names[j]]
            pieces.append(piece)
        out.append(pd.concat(pieces))
    long = out[0]
    for more in out[1:]:
        # the same rows in the same order, unless a period stands under one label alone
        keys = [*(names[i] for i in keep), "period"]
        left, right = (f.assign(__row=f.index) for f in (long, more))
        long = left.merge(right, on=[*keys, "__row"], how="outer", sort=False).set_index("__row")
        long.index.name = None
    values = tuple(label or _value_name(roles, frame) for label in labels)
    exposures = tuple(v for v in values if _POPULATION.search(v))
    made.roles = Roles("", "period", tuple(v for v in values if v not in exposures), exposures=exposures)
    return long


def _value_name(roles: Roles, frame: pd.DataFrame) -> str:
    """Return the name of the numbers in a table that does not name them: the one that the owner gives, else "count"."""
    given = [c for c in roles.data if c not in frame.columns]
    return given[0] if len(given) == 1 else "count"


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
        years = list(dict.fromkeys(_YEAR_TEXT.findall(text)))
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


def _without_totals(
    table: FoundTable, when: dict[int, tuple[str, str]], ids: list[int], names: Sequence[str], made: TidyTable
) -> dict[int, tuple[str, str]]:
    """Leave out columns that are sums of the periods, proved by their numbers; ask about what is only called so."""
    values = {j: read_numbers(r[j] for r in table.rows).array for j in range(len(names))}
    lengths: dict[str, int] = {}
    for w, _ in when.values():
        freq = _frequency(w)
        lengths[freq] = lengths.get(freq, 0) + 1
    usual = max(lengths, key=lambda f: lengths[f])
    other = [j for j in when if _frequency(when[j][0]) != usual]
    rest = {j: w for j, w in when.items() if j not in other}
    for j in [*other, *ids]:
        if not _mostly_counts([r[j] for r in table.rows]):
            continue
        label = when[j][1] if j in other else ""
        same = [d for d in rest if not label or rest[d][1] == label]
        if _is_sum(values, j, same):
            made.left_out[names[j]] = "it is the sum of the periods beside it"
            where = f"column {table.letters[j]}"
            made.say(
                "total_column", 0, f"{names[j]!r} is the sum of the periods beside it and is left out", where=where
            )
        elif j in other or TOTAL.search(names[j]):
            made.problems.append(
                Problem(
                    f"{names[j]!r} looks like a sum of the periods beside it, but its numbers do not add up",
                    where=f"column {table.letters[j]}",
                    fix=f"Correct it, or say leave_out_columns: [{names[j]}].",
                    rule="total_does_not_add_up",
                )
            )
        elif not _POPULATION.search(names[j]) and not _coded(table, j) and not YEAR_NAME.match(names[j]):
            made.left_out[names[j]] = "its numbers belong to no period"
    return rest


def _coded(table: FoundTable, j: int) -> bool:
    return bool(re.search(r"code|\bid\b|area|ward|district", " ".join(table.header[j]), re.IGNORECASE)) or j == 0


def _frequency(text: str) -> str:
    if is_short(text):
        return "M" if not text.strip().casefold().startswith("q") else "Q-DEC"
    found = periods.read_column([text])
    return found.index.freqstr if not found.choices else "M"


def _is_sum(values: dict[int, np.ndarray], j: int, others: list[int]) -> bool:
    """Return whether a column is the sum of all others, or of those between it and the sum before it."""
    before = [o for o in others if o < j]
    runs = [others, before, *(before[-n:] for n in (12, 4, 3, 6) if len(before) > n)]
    return any(_adds_up(values[j], np.column_stack([values[o] for o in run])) for run in runs if len(run) > 1)


def _adds_up(total: np.ndarray, parts: np.ndarray) -> bool:
    """Return whether totals are the sums of the parts, in every row in which all are known, of which there is one."""
    known = np.isfinite(total) & np.isfinite(parts).all(axis=1)
    return bool(known.any() and np.allclose(total[known], parts[known].sum(axis=1), atol=1e-6) and total[known].any())


def _join_year_and_month(made: TidyTable) -> None:
    """Make one column of periods of a column of years and one of months or quarters."""
    frame = made.frame
    years = [c for c in frame.columns if YEAR_NAME.match(str(c))]
    parts = [c for c in frame.columns if PART_NAME.match(str(c))]
    if not years or not parts or "period" in frame.columns:
        return
    year, part = years[0], parts[0]
    filled = frame[year].ffill()
    made_of = [
        None if m is None or pd.isna(m) or y is None else with_year(str(m), str(y))
        for y, m in zip(filled, frame[part], strict=True)
    ]
    if not frame[part].notna().any() or sum(m is not None for m in made_of) * 2 < frame[part].notna().sum():
        return
    frame = frame.copy()
    frame["period"] = [
        m if m is not None else (p if p is not None else None) for m, p in zip(made_of, frame[part], strict=True)
    ]
    made.frame = frame.drop(columns=[year, part])
    made.roles = made.roles.over(Roles("", "period"))
    made.say("year_and_month", len(frame), f"columns {year!r} and {part!r} are read together as the period")


def _find_keys(
    book: Book, made: TidyTable, roles: Roles, answers: Answers, parts: list[str]
) -> tuple[str | None, str | None]:
    """Return the columns of areas and of periods; a table that names no area in its rows is asked about."""
    frame = made.frame
    plain = frame.drop(columns=parts)
    period = next((p for p in (roles.period, made.roles.period) if p and p in frame.columns), None)
    period = period or guess_period(plain.drop(columns=[c for c in [roles.area] if c in plain.columns]))
    area = roles.area if roles.area in frame.columns else guess_area(plain.drop(columns=[period] if period else []))
    if area is not None or period is None:
        made.roles = made.roles.over(Roles(area or "", period or ""))
        return area, period
    if "sheet" in parts and len(set(frame["sheet"])) > 1 and not any(_YEAR_TEXT.search(s) for s in set(frame["sheet"])):
        made.frame = frame.assign(area=frame["sheet"]).drop(columns=["sheet"])
        parts.remove("sheet")
        made.say("area_of_sheet", len(set(frame["sheet"])), "the names of the sheets are read as the areas")
    else:
        numeric = [c for c in plain.columns if c != period and _mostly_counts(list(frame[c]))]
        coded = len(numeric) > 1 and all(is_code(str(c)) for c in numeric if not TOTAL.search(str(c)))
        what = "areas" if coded else answers.columns_are
        if what is None and len(numeric) > 1:
            text = f"no column names an area, and {shorten(numeric, limit=3)} may be areas, or outcomes of one area"
            made.questions.append(Question("columns_are", CHOICES["columns_are"], text))
            return None, period
        if what == "areas":
            value = _value_name(roles, frame)
            keep = [c for c in frame.columns if c not in numeric]
            pieces = [frame[keep].assign(area=str(c), **{value: frame[c]}) for c in numeric]
            made.frame = pd.concat(pieces)
            made.roles = Roles("area", period, (value,))
            made.say("areas_in_columns", len(numeric), f"{len(numeric)} columns hold an area each; each becomes rows")
        else:
            made.frame = frame.assign(area=book.path.name.split(".")[0])
            made.say(
                "one_area",
                len(frame),
                f"no column names an area; all rows are of one, called {book.path.name.split('.')[0]!r}",
            )
    made.roles = made.roles.over(Roles("area", period))
    return "area", period


def _name_totals(made: TidyTable, area: str, period: str | None, parts: list[str]) -> None:
    """Call a row whose area is blank and that is a total by another column so; its numbers have to prove it."""
    frame = made.frame
    for column in _texts(frame, [area, period or "", *parts]):
        total = frame[area].isna() & frame[column].map(lambda v: isinstance(v, str) and bool(TOTAL.search(v)))
        if total.any():
            frame = frame.assign(**{area: frame[area].where(~total, frame[column])})
    made.frame = frame


def _fill_labels(made: TidyTable, area: str, period: str | None, parts: list[str]) -> None:
    """Write a name that stands only in the first of its rows into the rows below it."""
    frame = made.frame
    for column in dict.fromkeys([area, *([period] if period else []), *_texts(frame, [area, period or "", *parts])]):
        values = frame[column]
        blank = values.isna().to_numpy()
        if not blank.any() or blank[0] or ("periods_in_columns" in {e.rule for e in made.entries} and column == period):
            continue
        runs = values[~blank]
        filled = values.ffill()
        # names that stand once each, and whose rows below hold nothing twice, are headings of their rows
        if len(runs) * 2 > len(values) or (runs.to_numpy()[1:] == runs.to_numpy()[:-1]).any():
            continue
        keys = [
            c for c in dict.fromkeys([area, *([period] if period else []), *_texts(frame, parts)]) if c in frame.columns
        ]
        trial = frame.assign(**{str(column): filled})
        if column in (area, period) and trial[keys].astype(str).duplicated().any():
            continue
        frame = trial
        what = f"{int(blank.sum()):,} blank cells below a name are read as that name"
        made.say("filled_down", int(blank.sum()), what, where=f"column {column!r}")
    made.frame = frame


def _texts(frame: pd.DataFrame, but: list[str]) -> list[str]:
    return [
        c
        for c in frame.columns
        if c not in but and not _mostly_counts(list(frame[c].dropna().head(2000))) and frame[c].notna().any()
    ]


def _drop_sums_over_time(made: TidyTable, area: str | None, period: str | None) -> None:
    """Leave out rows that are the sum of the periods or of everything, proved by their numbers."""
    frame = made.frame
    if period is None:
        return
    called = frame[period].map(lambda v: isinstance(v, str) and bool(TOTAL.search(v.strip()))).to_numpy(dtype=bool)
    if area is not None:
        blank = frame[period].isna().to_numpy()
        called = called | blank & frame[area].map(
            lambda v: isinstance(v, str) and bool(TOTAL.search(v.strip()))
        ).to_numpy(dtype=bool)
    if not called.any():
        return
    numeric = [c for c in frame.columns if c not in (area, period) and _mostly_counts(list(frame[c]))]
    values = {c: read_numbers(frame[c]).array for c in numeric}
    wrong = []
    for i in np.flatnonzero(called):
        same = ~called
        if area is not None and "areas_in_columns" in {e.rule for e in made.entries}:
            same = same & (frame[area] == frame[area].iloc[i]).to_numpy()
        elif area is not None and frame[area].notna().iloc[i] and not TOTAL.search(str(frame[area].iloc[i])):
            same = same & (frame[area].ffill() == frame[area].iloc[i]).to_numpy()
        before = same & (np.arange(len(frame)) < i)
        last = max((k for k in np.flatnonzero(called) if k < i), default=-1)
        since = before & (np.arange(len(frame)) > last)
        ok = any(
            mask.any()
            and all(
                not np.isfinite(v[i]) or np.isnan(v[mask]).any() or np.isclose(v[mask].sum(), v[i])
                for v in values.values()
            )
            and any(np.isfinite(v[i]) and not np.isnan(v[mask]).any() for v in values.values())
            for mask in (same, before, since)
        )
        if not ok:
            wrong.append(frame.index[i])
    if wrong:
        made.problems.append(
            Problem(
                f"{len(wrong)} rows are called a total, but their numbers are not the sum of the others",
                where=f"row{'s' if len(wrong) > 1 else ''} {', '.join(map(str, wrong[:3]))}",
                fix="Correct the numbers, or delete these rows.",
                rule="total_does_not_add_up",
            )
        )
        return
    rows = ", ".join(str(r) for r in dict.fromkeys(frame.index[called]))
    made.say(
        "total_row", int(called.sum()), "they are the sum of the periods", where=f"row {rows}"[:60], action="dropped"
    )
    made.frame = frame.loc[~called]


def _numbers(made: TidyTable, keys: list[str], roles: Roles, answers: Answers) -> None:
    """Turn the columns of numbers into numbers; marks and dashes are missing, and said."""
    wanted = set(roles.data)
    chosen = [
        c
        for c in made.frame.columns
        if c not in keys
        and (c in wanted or _mostly_counts(list(made.frame[c].dropna().head(5000))))
        and not _is_coded_column(made.frame[c])
    ]
    clean_numbers(made, chosen, answers)


def _is_coded_column(column: pd.Series) -> bool:
    """Return whether numbers are names: codes with a zero in front."""
    texts = [v for v in column.dropna().head(2000) if isinstance(v, str)]
    return any(re.fullmatch(r"0\d+", t) for t in texts)


def clean_numbers(made: TidyTable, columns: Sequence[str], answers: Answers) -> None:
    """Turn columns into numbers; what stands in place of a number is missing, with its reason in the ledger.

    Parameters
    ----------
    made : TidyTable
        Its frame gets the numbers, its ledger and questions what was found.
    columns : sequence of str
    answers : Answers
    """
    frame = made.frame.copy()
    dashed: dict[str, int] = {}
    for column in columns:
        found = read_numbers(frame[column], dashes=answers.dashes)
        worded = any(isinstance(v, str) for v in found.values)
        # beside a text, numbers keep the look that they have in the file, for the message
        values = [int(v) if worded and isinstance(v, float) and v.is_integer() else v for v in found.values]
        frame[column] = pd.Series(values, index=frame.index, dtype=object if worded else "float64")
        where = f"column {column!r}"
        reasons: dict[str, tuple[int, list[str]]] = {}
        for (mark, reason), n in found.marks.items():
            total, marks = reasons.get(reason, (0, []))
            reasons[reason] = (total + n, [*marks, mark])
        for reason, (n, marks) in reasons.items():
            made.say(
                "suppressed", n, f"{n:,} cells say {shorten(marks, limit=3)}: {reason}", where=where, action="missing"
            )
        if found.dashes:
            dashed[column] = found.dashes
        if found.signs:
            made.say("signs", 0, found.signs[0], where=where)
    if dashed and answers.dashes is None:
        first = next(iter(dashed))
        signs = sorted({str(v) for v in made.frame[first] if kind_of_cell(v) == "dash"})
        n = sum(dashed.values())
        what = f"{n:,} cells hold {shorten(signs)}, which some publishers write for nil and others for not known"
        made.questions.append(Question("dashes", CHOICES["dashes"], what, f"column {shorten(list(dashed), limit=2)}"))
    elif dashed and answers.dashes == "nil":
        made.say(
            "dashes_nil",
            sum(dashed.values()),
            "'-' and '.' are nil, as the owner says",
            where=f"column {shorten(list(dashed), limit=2)}",
        )
    elif dashed:
        made.say(
            "dashes",
            sum(dashed.values()),
            "'-' and '.' are not known, as the owner says",
            where=f"column {shorten(list(dashed), limit=2)}",
            action="missing",
        )
    made.frame = frame


def _spread_labels(made: TidyTable, area: str, period: str, roles: Roles, parts: list[str]) -> None:
    """Give each kind of count a column of its own, where a column of words tells rows of one area and period apart."""
    frame = made.frame
    if roles.counts and all(c in frame.columns for c in roles.counts):
        return
    if not frame[[area, period]].astype(str).duplicated().any():
        return
    texts = [c for c in _texts(frame, [area, period]) if frame[c].nunique() <= _MOST_LABELS]
    order = sorted(texts, key=lambda c: (not _LABEL_NAME.search(str(c)), c in parts))
    label = next((c for c in order if not _repeats(frame, [area, period, c])), None)
    pair = None
    if label is None:
        pair = next(
            ((a, b) for i, a in enumerate(order) for b in order[i + 1 :] if not _repeats(frame, [area, period, a, b])),
            None,
        )
        if pair is None:
            return
    labels = (
        frame[label].astype(str) if pair is None else frame[pair[0]].astype(str) + ", " + frame[pair[1]].astype(str)
    )
    named = repr(label) if pair is None else f"{pair[0]!r} and {pair[1]!r}"
    numeric = [c for c in frame.columns if c not in (area, period) and pd.api.types.is_numeric_dtype(frame[c].dtype)]
    exposures = [c for c in numeric if _POPULATION.search(str(c))]
    values = [c for c in numeric if c not in exposures]
    if not values:
        return
    keys = frame[[area, period]].astype(str).agg("\0".join, axis=1)
    first = ~keys.duplicated()
    constant = [
        c
        for c in frame.columns
        if c not in values and bool(frame.groupby(keys.to_numpy())[c].nunique(dropna=False).max() == 1)
    ]
    wide = frame.loc[first, constant].copy()
    wide_keys = keys[first].to_numpy()
    made_columns = []
    for name in dict.fromkeys(labels):
        chosen = (labels == name).to_numpy()
        for value in values:
            column = name if len(values) == 1 else f"{name}, {value}"
            at = dict(zip(keys[chosen], frame.loc[chosen, value], strict=True))
            wide[column] = [at.get(k, np.nan) for k in wide_keys]
            made_columns.append(column)
    what = f"{named} tells the rows of an area and period apart; each of its {labels.nunique()} values becomes a column"
    made.say("kinds_in_rows", len(frame), f"{what}: {shorten(list(dict.fromkeys(labels)), limit=4)}")
    made.frame = wide
    made.roles = Roles(area, period, tuple(made_columns), exposures=tuple(e for e in exposures if e in wide.columns))


def _repeats(frame: pd.DataFrame, columns: list[str]) -> bool:
    return bool(frame[columns].astype(str).duplicated().any())

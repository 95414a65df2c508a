"""Where in a sheet the table stands: its header, its rows, and what stands around it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from svmodel.errors import Problem, shorten
from svmodel.ledger import LedgerEntry
from svmodel.periods.spelling import month_number, readings
from svmodel.sources.cells import kind_of_cell
from svmodel.sources.table import Row, Sheet

#: What the sum of others is called.
TOTAL = re.compile(
    r"^(grand |sub-? ?|overall )?totals?$|^total\b|\btotals?$|^(sum|all|overall|year to date|ytd|12 months)$",
    re.IGNORECASE,
)
#: What columns of years, and of months or quarters without their year, are called.
YEAR_NAME = re.compile(r"^(financial |calendar |academic |fin\.? )?(year|fy|blwyddyn)$", re.IGNORECASE)
PART_NAME = re.compile(r"^(month|quarter|qtr|mis|chwarter|(iso )?(week|wk))( name| number| no\.?)?$", re.IGNORECASE)
_NOTE = re.compile(
    r"^(notes?|sources?|footnotes?|\[?\(?\d{1,2}[\]).:]|\*|crown copyright|©|prepared|contact)", re.IGNORECASE
)
_QUARTER = re.compile(r"^(Q|Qtr ?|Quarter ?)([1-4])$", re.IGNORECASE)
_MOST_HEADER_ROWS = 4
_YEARS = range(1980, 2061)


@dataclass(frozen=True, eq=False, repr=False)
class FoundTable:
    """A table as it stands in its sheet.

    Parameters
    ----------
    sheet : str
    header : tuple of tuple of str
        For each column the parts of its name, from the top row of the header down; one part where it has one row.
    letters : tuple of str
        Letter of each column in the spreadsheet.
    rows : list of tuple
        Cells of the data, in the order of the columns.
    numbers : list of int
        Row of the spreadsheet of each.
    sections : list of str
        The heading inside the table under which each row stands; empty where there is none.
    title : tuple of str
        What stands above the header.
    said : tuple of LedgerEntry
    problems : tuple of Problem
    """

    sheet: str
    header: tuple[tuple[str, ...], ...]
    letters: tuple[str, ...]
    rows: list[Row]
    numbers: list[int]
    sections: list[str]
    title: tuple[str, ...] = ()
    said: tuple[LedgerEntry, ...] = ()
    problems: tuple[Problem, ...] = field(default=())

    @property
    def names(self) -> tuple[str, ...]:
        """The parts of each name as one text."""
        return tuple(" ".join(parts) for parts in self.header)

    def without(self, columns: Sequence[int]) -> FoundTable:
        """Return the table without some of its columns, by their places."""
        kept = [j for j in range(len(self.header)) if j not in set(columns)]
        rows = [tuple(r[j] for j in kept) for r in self.rows]
        header, letters = tuple(self.header[j] for j in kept), tuple(self.letters[j] for j in kept)
        return replace(self, header=header, letters=letters, rows=rows)


def find_table(sheet: Sheet, *, is_text: bool = False) -> FoundTable | None:
    """Find the table of a sheet; None where the sheet holds no numbers under names.

    Parameters
    ----------
    sheet : Sheet
    is_text : bool
        Whether its rows are lines of a text file, for the words.
    """
    line = "line" if is_text else "row"
    width = max((len(r) for r in sheet.rows), default=0)
    rows = [r + (None,) * (width - len(r)) for r in sheet.rows]
    filled = [sum(c is not None for c in r) for r in rows]
    begin = _first_data_row(rows, filled)
    if begin is None:
        return None
    head = _header_rows(rows, filled, begin)
    if not head:
        what = f"no row of column names stands above the first row of numbers ({line} {begin + 1})"
        fix = "Write the name of each column in a row above the numbers."
        problem = Problem(what, where="" if is_text else f"sheet {sheet.name!r}", fix=fix, rule="no_header")
        return FoundTable(sheet.name, (), (), [], [], [], problems=(problem,))
    title = [str(c) for r in rows[: head[0]] for c in r if c is not None]
    end = _end(rows, filled, begin)
    kept = [j for j in range(width) if any(rows[i][j] is not None for i in (*head, *range(begin, end)))]
    header = _names(rows, head, kept)
    letters = tuple(_letter(j) for j in kept)
    said: list[LedgerEntry] = []
    where = f"sheet {sheet.name!r}" if not is_text else ""

    def say(rule: str, n: int, what: str, action: str = "noted") -> None:
        said.append(LedgerEntry(action, n, what, where, rule))  # type: ignore[arg-type]

    if head[0] > 0 or len(head) > 1:
        spot = f"{line} {head[0] + 1}" if len(head) == 1 else f"{line}s {head[0] + 1} to {head[-1] + 1}"
        above = f"; above it: {shorten(list(dict.fromkeys(title)), limit=2)}" if title else ""
        say("header_row", head[0], f"the names of the columns stand in {spot}{above}")
    data, numbers, sections, problems = [], [], [], []
    again, section, heads = 0, "", []
    texts = _text_columns(rows, begin, end, kept)
    for i in range(begin, end):
        cells = tuple(rows[i][j] for j in kept)
        if not any(c is not None for c in cells):
            continue
        if i != head[-1] and cells == tuple(rows[head[-1]][j] for j in kept):
            again += 1
        elif filled[i] == 1 and len(kept) > 2:
            section = next(str(c) for c in cells if c is not None)
            heads.append(i)
        elif _heads_a_table(cells, texts, rows, kept):
            what = (
                f"{line} {i + 1} looks like the header of a second table: {shorten([c for c in cells if c], limit=4)}"
            )
            problems.append(
                Problem(what, where=where, fix="Put each table in a sheet of its own.", rule="second_table")
            )
        else:
            data.append(cells)
            numbers.append(i + 1)
            sections.append(section)
            fields, named = len(sheet.rows[i]), len(sheet.rows[head[-1]])
            if is_text and fields != named and not any(isinstance(c, str) and TOTAL.search(c) for c in cells):
                what = f"it has {fields} fields where the header has {named}"
                problems.append(Problem(what, line=i + 1, rule="ragged_row"))
    # a heading above the very first row stands above the header's end, as a lone cell between the two
    lone = [i for i in range(head[-1] + 1, begin) if filled[i] == 1]
    # of tables under each other, each with its header, the first is named by the title
    lone = lone or [i for i in range(head[0]) if filled[i] == 1 and again and sections[0] == ""]
    if heads and lone:
        first = next(str(c) for c in rows[lone[-1]] if c is not None)
        sections = [s or first for s in sections]
    if again:
        say("header_again", again, f"the header stands again in {again} rows, which are left out", "dropped")
    below = [i for i in range(end, len(rows)) if filled[i]]
    if below:
        first = next(str(c) for c in rows[below[0]] if c is not None)
        say(
            "footnotes",
            len(below),
            f"notes below the table, from {line} {below[0] + 1}: {shorten([first[:60]])}",
            "dropped",
        )
    return FoundTable(sheet.name, header, letters, data, numbers, sections, tuple(title), tuple(said), tuple(problems))


def _heads_a_table(cells: Row, texts: list[bool], rows: list[Row], kept: list[int]) -> bool:
    """Return whether a row inside the data is a header: words where numbers stand, and none that the columns know."""
    if any(_counts(c) for c in cells):
        return False
    if not any(kind_of_cell(c) == "text" for j, c in enumerate(cells) if not texts[j]):
        return False
    return all(sum(r[kept[j]] == c for r in rows) == 1 for j, c in enumerate(cells) if texts[j] and c is not None)


def _counts(cell: object) -> bool:
    """Return whether a cell is a number, or stands in place of one."""
    return kind_of_cell(cell) in ("number", "mark", "dash")


def _may_be_name(cell: object) -> bool:
    """Return whether a cell can be a column's name: a text, or a number that names a year or a month."""
    kind = kind_of_cell(cell)
    if kind in ("text", "date"):
        return True
    if kind == "number":
        text = str(cell)
        return (text.isdigit() and int(text) in _YEARS) or (
            bool(re.fullmatch(r"(19|20)\d\d(0[1-9]|1[0-2])", text)) or bool(re.fullmatch(r"4[0-9]{4}", text))
        )
    return False


def _is_header_like(row: Sequence[object]) -> bool:
    cells = [c for c in row if c is not None]
    numeric = [c for c in cells if kind_of_cell(c) == "number"]
    if not all(_may_be_name(c) for c in cells):
        return False
    # years as names go up by one; two counts that look like years do not
    return len(numeric) < 2 or len(set(numeric)) == len(numeric) or len(cells) > len(numeric)


def _first_data_row(rows: list[Row], filled: list[int]) -> int | None:
    with_numbers = [i for i, r in enumerate(rows) if filled[i] >= 2 and any(_counts(c) for c in r)]
    if not with_numbers:
        return None
    usual = float(np.median([filled[i] for i in with_numbers]))
    enough = [i for i in with_numbers if filled[i] >= max(2.0, 0.5 * usual)]
    # years or months as names over columns look like numbers; a header that names nothing else is followed by more rows
    for i in enough:
        if not _is_header_like(rows[i]):
            return i
        if _is_years_row_of_data(rows, i):
            return i
    return None


def _is_years_row_of_data(rows: list[Row], i: int) -> bool:
    """Tell `Sefton, 2019, 2020` as data, under a header of texts, from the same as a header."""
    above = next((r for r in reversed(rows[:i]) if sum(c is not None for c in r) >= 2), None)
    if above is None or not _is_header_like(above):
        return False
    return (
        all(isinstance(above[j], str) for j, c in enumerate(rows[i]) if c is not None)
        and sum(kind_of_cell(c) == "number" for c in rows[i]) == 1
        and not any(kind_of_cell(c) == "text" and month_number(str(c)) for c in rows[i])
    )


def _header_rows(rows: list[Row], filled: list[int], begin: int) -> list[int]:
    """Return the rows of the header, from the top: the nearest above the data, and those that part its names."""
    bottom = next((i for i in range(begin - 1, -1, -1) if filled[i] >= 2), None)
    if bottom is None or not _is_header_like(rows[bottom]):
        return []
    head = [bottom]
    while head[0] > 0 and len(head) < _MOST_HEADER_ROWS:
        i = head[0] - 1
        distinct = {str(c) for c in rows[i] if c is not None}
        if filled[i] == 0 or not _is_header_like(rows[i]):
            break
        names = [c for c in rows[head[0]] if c is not None]
        lacking = len(set(map(str, names))) < len(names) or filled[head[0]] < filled[i]
        beside = any(rows[i][j] is not None and rows[head[0]][j] is None for j in range(len(rows[i])))
        if len(distinct) < 2 and not (lacking and filled[i] > 0 and rows[i][0] is None):
            break
        if not (lacking or beside or all(is_short(c) for c in names[1:])):
            break
        head.insert(0, i)
    return head


def _names(rows: list[Row], head: list[int], kept: list[int]) -> tuple[tuple[str, ...], ...]:
    """Return the parts of the names; an upper name reaches over the columns to its right that have none."""
    table: list[list[str]] = []
    for i in head:
        reach, line = "", []
        for j in range(kept[0], kept[-1] + 1):
            cell = rows[i][j]
            if cell is not None:
                reach = _written(cell)
            elif i == head[-1]:
                reach = ""
            if j in kept:
                line.append(reach if cell is not None or i != head[-1] else "")
        table.append(line)
    # a line that says the same of every column of numbers ("Number") names none of them
    for line in table if len(table) > 1 else []:
        said = [n for n in line if n]
        if len(said) > 2 and len(set(said)) == 1:
            line[:] = [""] * len(line)
    names = []
    for k, j in enumerate(kept):
        parts = list(dict.fromkeys(line[k] for line in table if line[k]))
        names.append(tuple(parts) or (f"column {_letter(j)}",))
    return tuple(names)


def _written(cell: object) -> str:
    if isinstance(cell, (dt.date, dt.datetime)):
        return cell.isoformat()[:10]
    return str(cell)


def _end(rows: list[Row], filled: list[int], begin: int) -> int:
    """Return the row after the last of the data: below it stand notes alone."""
    last = begin
    usual = float(np.median([f for f in filled[begin:] if f >= 2] or [2]))
    for i in range(begin, len(rows)):
        some = [c for c in rows[i] if c is not None]
        if len(some) < 2 or (len(some) < 0.5 * usual and not any(_counts(c) for c in some)):
            continue
        if len(some) <= 2 < usual and isinstance(some[0], str) and (len(some[0]) > 60 or _NOTE.match(some[0])):
            continue
        last = i
    return last + 1


def _text_columns(rows: list[Row], begin: int, end: int, kept: list[int]) -> list[bool]:
    answer = []
    for j in kept:
        kinds = [kind_of_cell(rows[i][j]) for i in range(begin, end)]
        words = sum(k in ("text", "date") for k in kinds)
        answer.append(words * 2 > sum(k != "blank" for k in kinds))
    return answer


def _letter(j: int) -> str:
    letters = ""
    j += 1
    while j:
        j, rest = divmod(j - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def period_text(parts: Sequence[str]) -> tuple[str, str]:
    """Return which of the parts of a column's name name a period, and the others; both joined by blanks.

    A month without its year, under the year, becomes both: the year that is a financial one decides by the month.

    Examples
    --------
    >>> period_text(["Robbery", "Apr-21"]), period_text(["2021/22", "January"]), period_text(["Borough"])
    (('Apr-21', 'Robbery'), ('January 2022', ''), ('', 'Borough'))
    """
    months = [p for p in parts if is_short(p)]
    whole = [p for p in parts if p not in months and readings(p)]
    rest = [p for p in parts if p not in months and p not in whole]
    if months and whole:
        return with_year(months[0], whole[0]) or " ".join([*months, *whole]), " ".join(rest)
    if months or not whole:
        return "", " ".join(parts)
    return whole[-1], " ".join([*rest, *whole[:-1]] if len(whole) == 1 else rest)


def is_short(text: object) -> bool:
    """Return whether a text names a month or a quarter without its year."""
    return month_number(str(text)) is not None or bool(_QUARTER.match(str(text).strip()))


def with_year(month: str, year: str, *, week: bool = False) -> str | None:
    """Return a month, quarter or (numbered) week with the year that stands beside it; None where that is no year.

    Examples
    --------
    >>> with_year("March", "2021/22"), with_year("Apr", "2021"), with_year("4", "2021")
    ('March 2022', 'Apr 2021', '2021-04')
    """
    text = str(year).strip()
    pair = re.fullmatch(r"(?:FY ?)?((?:19|20)\d\d) ?[-/–] ?(\d\d|\d{4})", text, re.IGNORECASE)
    first = int(pair[1]) if pair else int(text) if re.fullmatch(r"(19|20)\d\d", text) else None
    if first is None:
        return None
    name = str(month).strip()
    if week:
        number_of_week = re.fullmatch(r"(?:w(?:ee)?k?)? ?(\d{1,2})(?:\.0)?", name, re.IGNORECASE)
        return f"{first}-W{int(number_of_week[1]):02d}" if number_of_week and not pair else None
    if name.isdigit() and 1 <= int(name) <= 12:
        return f"{first + (1 if pair and int(name) < 4 else 0)}-{int(name):02d}"
    if quarter := _QUARTER.match(name):
        return f"{f'{first}/{(first + 1) % 100:02d}' if pair else first} Q{quarter[2]}"
    if (number := month_number(name)) is None:
        return None
    return f"{name} {first + (1 if pair and number < 4 else 0)}"

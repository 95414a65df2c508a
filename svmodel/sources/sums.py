"""Rows and columns of a table that are the sum of others: left out where their numbers prove it, else told."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel import periods
from svmodel.areas import is_code
from svmodel.errors import Problem, shorten
from svmodel.panel.sums import adds_up
from svmodel.periods.spelling import readings
from svmodel.sources.answers import Answers, TidyTable, which_is_above
from svmodel.sources.cells import mostly_counts, read_numbers
from svmodel.sources.find_table import TOTAL, YEAR_NAME, FoundTable, is_short
from svmodel.sources.guess import is_population

_CODED = re.compile(r"code|\bid\b|area|ward|district", re.IGNORECASE)


def is_total(value: object) -> bool:
    """Return whether a cell is what the sum of others is called."""
    return isinstance(value, str) and bool(TOTAL.search(value.strip()))


def text_columns(frame: pd.DataFrame, but: Sequence[str] = ()) -> list[str]:
    """Return the columns that hold words or dates."""
    return [
        c
        for c in frame.columns
        if c not in but and not mostly_counts(list(frame[c].dropna().head(2000))) and frame[c].notna().any()
    ]


def without_sum_columns(
    table: FoundTable, when: dict[int, tuple[str, str]], names: Sequence[str], made: TidyTable
) -> dict[int, tuple[str, str]]:
    """Leave out columns that are sums of the periods beside them; ask about what is only called so.

    Parameters
    ----------
    table : FoundTable
    when : dict of int to (str, str)
        Place of each column that holds a period -> the period and the label over it.
    names : sequence of str
        Of all columns.
    made : TidyTable
        Takes what was found.

    Returns
    -------
    dict of int to (str, str)
        Those of `when` that are no sums.
    """
    values = {j: read_numbers(r[j] for r in table.rows).array for j in range(len(names))}
    lengths = Counter(_frequency(w) for w, _ in when.values())
    usual = max(lengths, key=lambda f: lengths[f])
    other = [j for j in when if _frequency(when[j][0]) != usual]
    rest = {j: w for j, w in when.items() if j not in other}
    last = -1
    for j in sorted({*other, *(j for j in range(len(names)) if j not in when)}):
        if not mostly_counts([r[j] for r in table.rows]):
            continue
        label = when[j][1] if j in other else ""
        same = [d for d in rest if not label or rest[d][1] == label]
        where = f"column {table.letters[j]}"
        if _is_sum(values, j, same, last):
            last = j
            made.left_out[names[j]] = "it is the sum of the periods beside it"
            what = f"{names[j]!r} is the sum of the periods beside it and is left out"
            made.say("total_column", 0, what, where=where)
        elif j in other or is_total(names[j]):
            what = f"{names[j]!r} looks like a sum of the periods beside it, but its numbers do not add up"
            fix = f"Correct it, or say leave_out_columns: [{names[j]}]."
            made.problems.append(Problem(what, where=where, fix=fix, rule="total_does_not_add_up"))
        elif not is_population(names[j]) and not _coded(table, j) and not YEAR_NAME.match(names[j]):
            made.left_out[names[j]] = "its numbers belong to no period"
    return rest


def _coded(table: FoundTable, j: int) -> bool:
    return bool(_CODED.search(" ".join(table.header[j]))) or j == 0


def _frequency(text: str) -> str:
    if is_short(text):
        return "M" if not text.strip().casefold().startswith("q") else "Q-DEC"
    found = periods.read_column([text])
    return found.index.freqstr if not found.choices else "M"


def _is_sum(values: dict[int, NDArray[np.float64]], j: int, others: list[int], last: int) -> bool:
    """Return whether a column is the sum of all others, of those before it, or of those since the sum before it."""
    before = [o for o in others if o < j]
    runs = [others, before, [o for o in before if o > last], *(before[-n:] for n in (12, 4, 3, 6) if len(before) > n)]
    return any(adds_up(values[j], np.stack([values[o] for o in run])) for run in runs if len(run) > 1)


def without_sum_rows(frame: pd.DataFrame, sections: Sequence[str], made: TidyTable) -> pd.DataFrame:
    """Return a table without the rows that a lone word calls a total and that are the sum of rows above them.

    Such rows part a table ("Ashby Total", "Grand Total"). A total with other words in its row (a period, an offence)
    is a total of areas, which is told where areas and periods are known.

    Parameters
    ----------
    frame : pandas.DataFrame
    sections : sequence of str
        The heading under which each row stands.
    made : TidyTable
        Takes what was done.
    """
    texts = text_columns(frame)
    rows = _called(frame, texts)
    if not rows or (len(rows) == 1 and len(texts) < 2 and len(set(sections)) < 2):
        return frame
    values = _matrix(frame, texts)
    free = np.array([i not in rows for i in range(len(frame))])
    section = np.asarray(sections, dtype=object)
    heads = frame[texts[0]].ffill().to_numpy()
    proved = []
    for i, column in rows.items():
        above = free & (np.arange(len(frame)) < i)
        same = max((k for k, c in rows.items() if c == column and k < i), default=-1)
        any_last = max((k for k in rows if k < i), default=-1)
        base = str(frame[column].iloc[i]).casefold().removesuffix("total").strip()
        own = np.array([isinstance(h, str) and h.strip().casefold() == base for h in heads])
        runs = [above & (np.arange(len(frame)) > same), above & (np.arange(len(frame)) > any_last), above & own]
        runs += [above & (section == section[i]), above, free]
        if any(run.any() and adds_up(values[i], values[run], nil=True) for run in runs):
            proved.append(i)
    if not proved:
        return frame
    names = list(dict.fromkeys(str(frame[rows[i]].iloc[i]) for i in proved))
    where = f"row{'s' if len(proved) > 1 else ''} {', '.join(str(frame.index[i]) for i in proved[:5])}"
    made.say(
        "total_row", len(proved), f"{shorten(names, limit=3)}: sums of rows above them", where=where, action="dropped"
    )
    return frame.iloc[[i for i in range(len(frame)) if i not in set(proved)]]


def _called(frame: pd.DataFrame, texts: list[str]) -> dict[int, str]:
    """Return the rows whose only word is what a total is called -> the column in which it stands."""
    found = {}
    for i, row in enumerate(frame[texts].itertuples(index=False)):
        words = [(c, v) for c, v in zip(texts, row, strict=True) if v is not None and not pd.isna(v)]
        if len(words) == 1 and is_total(words[0][1]):
            found[i] = words[0][0]
    return found


def _matrix(frame: pd.DataFrame, texts: list[str]) -> NDArray[np.float64]:
    """Return the numbers of a table, rows by columns; NaN where there is none."""
    numeric = [c for c in frame.columns if c not in texts and mostly_counts(list(frame[c]))]
    if not numeric:
        return np.full((len(frame), 0), np.nan)
    return np.column_stack([read_numbers(frame[c]).array for c in numeric])


def unnested(frame: pd.DataFrame, answers: Answers, made: TidyTable) -> pd.DataFrame:
    """Return a table whose one column of words holds two levels, as a pivot table does, with a column for each.

    A row that names the upper level holds the sums of the rows below it; without that proof nothing is done.

    Parameters
    ----------
    frame : pandas.DataFrame
    answers : Answers
    made : TidyTable
        Takes what was done, and the question which of the levels are the areas.
    """
    texts = text_columns(frame)
    if len(texts) != 1 or not frame.columns.is_unique:
        return frame
    labels = [None if v is None or pd.isna(v) else v for v in frame[texts[0]]]
    often = Counter(labels)
    outer = [i for i, v in enumerate(labels) if often[v] == 1 and not is_total(v)]
    if None in often or len(outer) < 2 or outer[0] != 0 or max(often.values()) < 2:
        return frame
    values = _matrix(frame, texts)
    ends = [*outer[1:], len(labels)]
    for i, end in zip(outer, ends, strict=True):
        inner = [k for k in range(i + 1, end) if not is_total(labels[k])]
        if not inner or not adds_up(values[i], values[inner], nil=True):
            return frame
    upper = [labels[i] for i in outer]
    order = ("areas over outcomes", "outcomes over areas")
    given = answers.nested
    if all(readings(v) or is_short(v) for v in labels if often[v] > 1):
        names = (texts[0], "period")
    else:
        if given is None and not all(is_code(str(v)) for v in upper):
            lower = [v for v in often if often[v] > 1]
            made.questions.append(which_is_above(upper, lower, f"column {texts[0]!r}"))
        names = ("item", "area") if given == order[1] else ("area", "item")
    wide = frame.drop(columns=[texts[0]])
    above = pd.Series([v if i in set(outer) or is_total(v) else None for i, v in enumerate(labels)], index=frame.index)
    wide.insert(0, names[0], above.ffill())
    wide.insert(1, names[1], [None if i in set(outer) or is_total(v) else v for i, v in enumerate(labels)])
    made.say(
        "nested_rows", len(frame), f"column {texts[0]!r} holds two levels; the {len(outer)} rows of the upper are sums"
    )
    return wide.iloc[[i for i in range(len(frame)) if i not in set(outer)]]


def drop_sums_over_time(made: TidyTable, area: str | None, period: str | None) -> None:
    """Leave out rows that are the sum of the periods or of everything; those called so that are none are a problem."""
    frame = made.frame
    if period is None:
        return
    called = frame[period].map(is_total).to_numpy(dtype=bool)
    if area is not None:
        called = called | frame[period].isna().to_numpy() & frame[area].map(is_total).to_numpy(dtype=bool)
    if not called.any():
        return
    numeric = [c for c in frame.columns if c not in (area, period) and mostly_counts(list(frame[c]))]
    values = np.column_stack([read_numbers(frame[c]).array for c in numeric]) if numeric else np.empty((len(frame), 0))
    place = np.arange(len(frame))
    wrong = []
    for i in map(int, np.flatnonzero(called)):
        same = ~called & _of_same_area(frame, area, i, made)
        last = max((k for k in np.flatnonzero(called) if k < i), default=-1)
        runs = (same, same & (place < i), same & (place < i) & (place > last))
        if not any(run.any() and adds_up(values[i], values[run], nil=True) for run in runs):
            wrong.append(frame.index[i])
    if wrong:
        what = f"{len(wrong)} rows are called a total, but their numbers are not the sum of the others"
        where = f"row{'s' if len(wrong) > 1 else ''} {', '.join(map(str, wrong[:3]))}"
        fix = "Correct the numbers, or delete these rows."
        made.problems.append(Problem(what, where=where, fix=fix, rule="total_does_not_add_up"))
        return
    rows = ", ".join(str(r) for r in dict.fromkeys(frame.index[called]))
    made.say(
        "total_row", int(called.sum()), "they are the sum of the periods", where=f"row {rows}"[:60], action="dropped"
    )
    made.frame = frame.loc[~called]


def _of_same_area(frame: pd.DataFrame, area: str | None, i: int, made: TidyTable) -> NDArray[np.bool_]:
    """Return the rows of the area of a total; all of them where it is a total of all."""
    if area is None:
        return np.ones(len(frame), dtype=bool)
    if "areas_in_columns" in {e.rule for e in made.entries}:
        return np.asarray(frame[area] == frame[area].iloc[i])
    if pd.notna(frame[area].iloc[i]) and not is_total(frame[area].iloc[i]):
        return np.asarray(frame[area].ffill() == frame[area].iloc[i])
    return np.ones(len(frame), dtype=bool)

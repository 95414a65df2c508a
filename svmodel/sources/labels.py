"""Words that tell the rows of one area and period apart: written into every row, and made into columns."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from svmodel.errors import shorten
from svmodel.panel.rules import Roles
from svmodel.sources.answers import TidyTable
from svmodel.sources.guess import is_population
from svmodel.sources.sums import is_total, text_columns

_LABEL_NAME = re.compile(r"offence|crime|outcome|type|categor|measure|indicator|group|series", re.IGNORECASE)
_MOST_LABELS = 60


def name_totals(made: TidyTable, area: str, period: str | None, parts: list[str]) -> None:
    """Call a row whose area is blank and that is a total by another column so; its numbers have to prove it."""
    frame = made.frame
    for column in text_columns(frame, [area, period or "", *parts]):
        total = frame[area].isna() & frame[column].map(is_total).astype(bool)
        if total.any():
            frame = frame.assign(**{area: frame[area].where(~total, frame[column])})
    made.frame = frame


def fill_labels(made: TidyTable, area: str, period: str | None, parts: list[str]) -> None:
    """Write a name that stands only in the first of its rows into the rows below it."""
    frame = made.frame
    keyed = [area, *([period] if period else [])]
    # the keys come last: their rows may repeat until all other words stand in them
    for column in dict.fromkeys([*text_columns(frame, [*keyed, *parts]), *keyed]):
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
            c
            for c in dict.fromkeys([area, *([period] if period else []), *text_columns(frame, parts)])
            if c in frame.columns
        ]
        trial = frame.assign(**{str(column): filled})
        if column in (area, period) and trial[keys].astype(str).duplicated().any():
            continue
        frame = trial
        what = f"{int(blank.sum()):,} blank cells below a name are read as that name"
        made.say("filled_down", int(blank.sum()), what, where=f"column {column!r}")
    made.frame = frame


def spread_labels(made: TidyTable, area: str, period: str, roles: Roles, parts: list[str]) -> None:
    """Give each kind of count a column of its own, where a column of words tells rows of one area and period apart."""
    frame = made.frame
    if roles.counts and all(c in frame.columns for c in roles.counts):
        return
    if not frame[[area, period]].astype(str).duplicated().any():
        return
    texts = [c for c in text_columns(frame, [area, period]) if frame[c].nunique() <= _MOST_LABELS]
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
    labels = labels.where(labels.str.strip() != "", "not named")
    named = repr(label) if pair is None else f"{pair[0]!r} and {pair[1]!r}"
    numeric = [c for c in frame.columns if c not in (area, period) and pd.api.types.is_numeric_dtype(frame[c].dtype)]
    exposures = [c for c in numeric if is_population(c)]
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

"""Which columns of a table name the areas and the periods of its rows, and those that first have to be made."""

from __future__ import annotations

import re

import pandas as pd

from svmodel.areas import is_code
from svmodel.errors import shorten
from svmodel.panel.rules import Roles
from svmodel.sources.answers import CHOICES, Answers, Question, TidyTable, which_is_above
from svmodel.sources.cells import mostly_counts
from svmodel.sources.find_table import PART_NAME, YEAR_NAME, with_year
from svmodel.sources.guess import guess_area, guess_period, is_population
from svmodel.sources.sums import is_total
from svmodel.sources.table import Book

#: A year, or two that follow each other, in the name of a sheet or in a title.
YEAR_TEXT = re.compile(r"(?:19|20)\d\d(?: ?[-/–] ?(?:\d{4}|\d\d))?(?!\d)")


def join_year_and_month(made: TidyTable) -> None:
    """Make one column of periods of a column of years and one of months or quarters."""
    frame = made.frame
    years = [c for c in frame.columns if YEAR_NAME.match(str(c))]
    parts = [c for c in frame.columns if PART_NAME.match(str(c))]
    if not years or not parts or "period" in frame.columns:
        return
    year, part = years[0], parts[0]
    week = "w" in str(part).casefold()
    filled = frame[year].ffill()
    made_of = [
        None if m is None or pd.isna(m) or y is None else with_year(str(m), str(y), week=week)
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


def find_keys(
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
    if "sheet" in parts and len(set(frame["sheet"])) > 1 and not any(YEAR_TEXT.search(s) for s in set(frame["sheet"])):
        made.frame = frame.assign(area=frame["sheet"]).drop(columns=["sheet"])
        parts.remove("sheet")
        made.say("area_of_sheet", len(set(frame["sheet"])), "the names of the sheets are read as the areas")
    else:
        numeric = [c for c in plain.columns if c != period and mostly_counts(list(frame[c]))]
        if (crossed := _crossed(numeric, made)) is not None:
            _uncross(crossed, numeric, period, answers, made)
            return "area", period
        coded = len(numeric) > 1 and all(is_code(str(c)) for c in numeric if not is_total(c))
        what = "areas" if coded else answers.columns_are
        if what is None and len(numeric) > 1:
            text = f"no column names an area, and {shorten(numeric, limit=3)} may be areas, or outcomes of one area"
            made.questions.append(Question("columns_are", CHOICES["columns_are"], text))
            return None, period
        if what == "areas":
            value = value_name(roles, frame)
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


def _crossed(numeric: list[str], made: TidyTable) -> tuple[list[str], list[str]] | None:
    """Return the upper and the lower names of columns where every upper stands over every lower, twice at least."""
    pairs = [made.headers.get(c, ()) for c in numeric]
    if not pairs or any(len(p) != 2 for p in pairs):
        return None
    upper, lower = (list(dict.fromkeys(p[k] for p in pairs)) for k in (0, 1))
    whole = {(u, v) for u in upper for v in lower}
    return (upper, lower) if len(upper) > 1 and len(lower) > 1 and whole == set(pairs) else None


def _uncross(
    crossed: tuple[list[str], list[str]], numeric: list[str], period: str, answers: Answers, made: TidyTable
) -> None:
    """Give each area its rows and each outcome its column where the names of columns cross the two."""
    upper, lower = crossed
    if answers.nested is None and not all(is_code(n) for n in upper):
        made.questions.append(which_is_above(upper, lower))
    frame, at = made.frame, {made.headers[c]: c for c in numeric}
    turned = answers.nested == "outcomes over areas"
    areas, outcomes = (lower, upper) if turned else (upper, lower)
    keep = [c for c in frame.columns if c not in numeric]
    pieces = []
    for area in areas:
        found = {o: frame[at[(o, area) if turned else (area, o)]] for o in outcomes}
        pieces.append(frame[keep].assign(area=area, **found))
    made.frame = pd.concat(pieces)
    made.roles = Roles("area", period, tuple(o for o in outcomes if not is_population(o)))
    made.say(
        "areas_in_columns",
        len(numeric),
        f"{len(numeric)} columns cross {len(areas)} areas and {len(outcomes)} outcomes",
    )


def value_name(roles: Roles, frame: pd.DataFrame) -> str:
    """Return the name of the numbers in a table that does not name them: the one that the owner gives, else "count"."""
    given = [c for c in roles.data if c not in frame.columns]
    return given[0] if len(given) == 1 else "count"

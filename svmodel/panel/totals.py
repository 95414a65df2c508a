"""Rows that are the sum of the others: a total is no area, and counts every event twice."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel import periods
from svmodel.area_names import spelling_key
from svmodel.errors import Problems, shorten
from svmodel.ledger import LedgerEntry
from svmodel.panel.columns import Areas, Rows
from svmodel.panel.sums import adds_up

#: What a total is called.
_TOTALS = frozenset(
    [
        "total",
        "totals",
        "grand total",
        "sum",
        "all",
        "all areas",
        "all wards",
        "all districts",
        "all boroughs",
        "overall",
    ]
)
#: What a whole country is called, and each region of England: wholes where their parts stand beside them.
_COUNTRIES = frozenset(
    ["england", "wales", "england and wales", "great britain", "united kingdom", "uk", "scotland", "northern ireland"]
)
_REGION = ["north east", "north west", "yorkshire and the humber", "east midlands", "west midlands", "south east"]
_REGION += ["east of england", "eastern", "east", "london", "south west"]
_REGIONS = frozenset(_REGION + [f"{r} region" for r in _REGION])
#: First three signs of codes of countries and of regions -> the letters of the finer codes that they hold.
_WHOLES = {"E92": "E", "W92": "W", "K02": "EWSN", "K03": "EWS", "K04": "EW", "E12": "E", "E13": "E", "E15": "E"}
#: Fewer periods than this may add up by chance, where the name does not say that it is a total.
_ENOUGH = 4


def total_rows(
    area: Areas,
    period: pd.PeriodIndex,
    usable: NDArray[np.bool_],
    counts: Mapping[str, NDArray[np.float64]],
    rows: Rows,
    problems: Problems,
) -> tuple[NDArray[np.bool_], tuple[LedgerEntry, ...]]:
    """Return which rows are of a total of other areas, and the ledger's words for it.

    A country or a region by its code, beside codes of what it holds, is a whole. Any other area is a total where
    each of its known counts is the sum of all others, over at least four periods that are not all alike; one that is
    called a total is believed with fewer, and is a problem where its numbers do not add up.
    """
    names = [str(n) for n in area.names]
    keys = [spelling_key(n) for n in names]
    wholes = _by_code(names)
    if len(names) - len(wholes) >= 2 and counts:
        cubes = [_matrix(area, period, usable, v) for v in counts.values()]
        called = {i for i, k in enumerate(keys) if k in _TOTALS or k.split()[-1:] == ["total"]}
        countries = {i for i, k in enumerate(keys) if k in _COUNTRIES}
        regions = {i for i, k in enumerate(keys) if k in _REGIONS}
        parts = set(range(len(names))) - wholes
        fine = parts - called - countries - regions
        if len(fine) >= 2 and len(regions) >= 2 and all(_proved(c, regions, fine, 1) for c in cubes):
            wholes |= regions
        named = called | countries
        for i in sorted(parts & named - wholes):
            others = parts - wholes - named
            if len(others) < 2:
                continue
            if all(_proved(c, {i}, others, 1) for c in cubes):
                wholes.add(i)
            elif i in called:
                _say(names[i], cubes, list(counts), i, others, period, problems, rows(area.codes == i))
        while len(pool := parts - wholes - named) > 3:
            found = next((i for i in _halves(cubes, pool) if _all_add_up(cubes, i, pool)), None)
            if found is None:
                break
            wholes.add(found)
    if not wholes:
        return np.zeros(len(area.codes), dtype=bool), ()
    dropped = np.isin(area.codes, list(wholes))
    which = shorten([names[i] for i in sorted(wholes)], limit=3)
    one = len(wholes) == 1
    said = (
        "is a total of other areas of the file, no area" if one else "are totals of other areas of the file, no areas"
    )
    return dropped, (
        LedgerEntry(
            "dropped",
            int(dropped.sum()),
            f"{which} {said}",
            where=f"{len(wholes)} total{'' if one else 's'}",
            rule="total_area",
        ),
    )


def _by_code(names: list[str]) -> set[int]:
    """Return the places of codes of countries and regions that have codes of what they hold beside them."""
    fine = {n[0] for n in names if len(n) == 9 and n[1:].isdigit() and n[:3] not in _WHOLES}
    regions = {n[0] for n in names if n[:3] == "E12" and len(n) == 9}
    found = set()
    for i, name in enumerate(names):
        if len(name) != 9 or not name[1:].isdigit() or name[:3] not in _WHOLES:
            continue
        beside = fine if name[:3] in ("E12", "E13", "E15") else fine | regions
        if set(_WHOLES[name[:3]]) & beside:
            found.add(i)
    return found


def _matrix(
    area: Areas, period: pd.PeriodIndex, usable: NDArray[np.bool_], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return areas by the periods that have rows; NaN where there is no value."""
    at, where = np.unique(period.asi8[usable], return_inverse=True)
    full = np.full((len(area.names), len(at)), np.nan)
    full[area.codes[usable], where] = values[usable]
    return full


def _halves(cubes: list[NDArray[np.float64]], pool: set[int]) -> list[int]:
    """Return who may be the sum of the others: who is about half of all, wherever all others are known."""
    members = np.array(sorted(pool))
    may = np.ones(len(members), dtype=bool)
    for cube in cubes:
        values = cube[members]
        missing = np.isnan(values)
        known = missing.sum(axis=0) == 0
        twice, whole = 2 * values[:, known], values[:, known].sum(axis=0)
        may &= (np.abs(twice - whole) <= 1e-9 * np.abs(whole)).all(axis=1) & (known.sum() >= _ENOUGH)
    return [int(i) for i in members[may]]


def _all_add_up(cubes: list[NDArray[np.float64]], i: int, pool: set[int]) -> bool:
    return all(_proved(cube, {i}, pool - {i}, _ENOUGH) for cube in cubes)


def _proved(cube: NDArray[np.float64], some: set[int], others: set[int], least: int) -> bool:
    return adds_up(cube[sorted(some)].sum(axis=0), cube[sorted(others)], least=least, varied=least > 1)


def _say(
    name: str,
    cubes: list[NDArray[np.float64]],
    columns: list[str],
    i: int,
    others: set[int],
    period: pd.PeriodIndex,
    problems: Problems,
    where: str,
) -> None:
    what = f"{name!r} is called a total, and values are missing with which it could be proved"
    for cube, column in zip(cubes, columns, strict=True):
        rest = cube[sorted(others)].sum(axis=0)
        wrong = np.flatnonzero(~np.isnan(cube[i]) & ~np.isnan(rest) & (cube[i] != rest))
        if len(wrong):
            t = int(wrong[0])
            when = periods.label(pd.Period(ordinal=int(np.unique(period.asi8[period.notna()])[t]), freq=period.freqstr))
            what = (
                f"{name!r} is called a total, but {column!r} is {cube[i, t]:g} in {when}; the others make {rest[t]:g}"
            )
            break
    problems.add(
        what,
        where=where,
        fix=f"Leave it out with leave_out: [{name}], or give it another name if it is an area.",
        rule="total_that_is_none",
    )

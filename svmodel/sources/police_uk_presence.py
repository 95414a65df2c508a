"""For which LSOAs and months data.police.uk gives a count at all: the completeness of force-months."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel import periods
from svmodel.errors import shorten
from svmodel.ledger import LedgerEntry
from svmodel.registers import districts_of, force_of
from svmodel.sources.breaks import POLICE_UK, breaks_within
from svmodel.sources.street_files import TRANSPORT

#: A force-month below this share of the force's median month is no count. Residues of other forces'
#: crimes are far below it (Greater Manchester: under 1 per cent), and no seasonal low comes near.
_NEAR_ZERO = 0.1
#: A place that is no known district, with fewer crimes per LSOA-month than this share of the median district, is
#: seen only through other forces' files: its own force gave none.
_RESIDUE = 0.05


@dataclass(frozen=True, eq=False)
class Presence:
    """For which areas and months there is a count.

    Attributes
    ----------
    known : ndarray of bool, shape (n_areas, n_months)
    foreign : ndarray of bool, shape (n_areas,)
        Areas of forces that gave no file at all: their few crimes come from neighbours' files and are no count.
    entries : list of LedgerEntry
    """

    known: NDArray[np.bool_]
    foreign: NDArray[np.bool_]
    entries: list[LedgerEntry]


def presence(
    cells: pd.DataFrame,
    districts: Sequence[str | None],
    files: Sequence[tuple[str, str, int]],
    grid: pd.PeriodIndex,
) -> Presence:
    """Tell for which areas and months there is a count.

    Parameters
    ----------
    cells : pandas.DataFrame, n rows
        Columns ``area`` (position), ``force`` and ``n``: crimes of one area, month, type and force.
    districts : sequence of str or None, shape (n_areas,)
        Local authority of each area.
    files : sequence of (force, month, rows)
        Every file that held rows.
    grid : pandas.PeriodIndex, shape (n_months,)

    Returns
    -------
    Presence
    """
    rows = pd.DataFrame(files, columns=["force", "month", "rows"])
    table = rows.pivot_table(index="force", columns="month", values="rows", aggfunc="sum")
    table = table.reindex(columns=[str(p) for p in grid])
    place = np.array([d if d is not None else f"area {i}" for i, d in enumerate(districts)], dtype=object)
    transport = table.loc[TRANSPORT] if TRANSPORT in table.index else None
    table = table.drop(index=TRANSPORT, errors="ignore")
    if table.empty and transport is not None:
        # Nobody else gave crimes, so these are all that is asked for.
        known = np.repeat(transport.notna().to_numpy()[None, :], len(districts), axis=0)
        absent = _names(grid, ~known[0])
        gap = _transport_gap(absent, len(districts) * len(absent)) if absent else []
        return Presence(known, np.zeros(len(districts), dtype=bool), [*gap, *_told({TRANSPORT}, grid)])
    usual = table.median(axis=1)
    low = (table.lt(usual * _NEAR_ZERO, axis=0)).to_numpy() | _known_gap(table, grid)
    there = table.notna().to_numpy() & ~low
    home = _home(cells, place)
    forces = list(table.index)
    known = np.zeros((len(districts), len(grid)), dtype=bool)
    entries: list[LedgerEntry] = []
    for i, force in enumerate(forces):
        known[home == force] = there[i]
        n_home = int((home == force).sum())
        if absent := _names(grid, table.iloc[i].isna().to_numpy()):
            reason = f"no file for {len(absent)} months ({shorten(absent)}); kept as missing, not as zero"
            entries.append(LedgerEntry("missing", n_home * len(absent), reason, force, "force_month_missing"))
        if few := _names(grid, low[i]):
            reason = f"next to no crimes in {len(few)} months ({shorten(few)}); taken as missing, not as a count"
            entries.append(LedgerEntry("missing", n_home * len(few), reason, force, "force_month_near_zero"))
    silent, more = _silent(home, forces, grid)
    entries += more
    entries += _leave_out_residues(cells, place, known)
    if transport is not None:
        entries += _cut_without_transport(cells, known, transport, grid)
    elsewhere = ~np.isin(home, [*forces, *silent])
    entries += _neighbours(cells, place, home, elsewhere)
    told = _told({*forces, *silent, *([] if transport is None else [TRANSPORT])}, grid)
    return Presence(known, elsewhere, [*entries, *told])


def _names(grid: pd.PeriodIndex, mask: NDArray[np.bool_]) -> list[str]:
    return [periods.label(p) for p in grid[mask]]


def _told(forces: set[str], grid: pd.PeriodIndex) -> list[LedgerEntry]:
    return breaks_within([b for b in POLICE_UK if b.force in forces], grid)


def _known_gap(table: pd.DataFrame, grid: pd.PeriodIndex) -> NDArray[np.bool_]:
    """Return force-months of known gaps in which there is a file all the same, but of a few rows."""
    out = np.zeros(table.shape, dtype=bool)
    for item in POLICE_UK:
        if item.force in table.index:
            at = table.index.get_loc(item.force)
            span = np.asarray((grid >= periods.parse(item.first)) & (grid <= periods.parse(item.last)))
            out[at] |= span & table.loc[item.force].le(item.ceiling).to_numpy()
    return out


def _home(cells: pd.DataFrame, place: NDArray[np.object_]) -> NDArray[np.object_]:
    """Return the force of each area: its district's; in no known district, the one with most crimes of the place."""
    force = {p: force_of(p) for p in set(place)}
    if any(f is None for f in force.values()):
        own = cells[cells["force"] != TRANSPORT]
        totals = own.groupby([pd.Series(place[own["area"]], index=own.index, name="place"), "force"])["n"].sum()
        most = totals.sort_index().groupby(level="place").idxmax().map(lambda pair: pair[1])
        force = {p: f or most.get(p, "") for p, f in force.items()}
    return np.array([force[p] for p in place], dtype=object)


def _silent(home: NDArray[np.object_], forces: list[str], grid: pd.PeriodIndex) -> tuple[list[str], list[LedgerEntry]]:
    """Return forces without any file that are known to give next to nothing in all these months."""
    silent, entries = [], []
    for item in (b for b in POLICE_UK if b.kind == "near_zero" and b.force not in forces):
        its = int((home == item.force).sum())
        if its and periods.parse(item.first) <= grid[0] and grid[-1] <= periods.parse(item.last):
            silent.append(item.force)
            reason = f"{item.reason}; taken as missing"
            entries.append(LedgerEntry("missing", its * len(grid), reason, item.force, "force_month_near_zero"))
    return silent, entries


def _leave_out_residues(cells: pd.DataFrame, place: NDArray[np.object_], known: NDArray[np.bool_]) -> list[LedgerEntry]:
    """Mark as missing the places that are no known district and hold next to nothing; `known` is changed in place."""
    size = pd.Series(place).value_counts()
    crimes = cells["n"].groupby(place[cells["area"]]).sum()
    rate = crimes / size.reindex(crimes.index)
    named = [p for p in rate.index if not p.startswith("area ") and force_of(p) is None]
    few = rate.reindex(named)
    few = few.index[few < _RESIDUE * rate.median()] if len(rate) > 2 else few.index[:0]
    cut = np.isin(place, few)[:, None] & known
    if not cut.any():
        return []
    known[cut] = False
    reason = (
        f"{shorten(few)} are seen only through other forces' files "
        f"(under {_RESIDUE:.0%} of the median local authority); taken as missing"
    )
    return [LedgerEntry("missing", int(cut.sum()), reason, shorten(few), "residue")]


def _cut_without_transport(
    cells: pd.DataFrame, known: NDArray[np.bool_], transport: pd.Series, grid: pd.PeriodIndex
) -> list[LedgerEntry]:
    """Mark areas with crimes of the Transport Police as missing in months without its file: a part of the sum is."""
    its = np.zeros(len(known), dtype=bool)
    its[cells.loc[cells["force"] == TRANSPORT, "area"].unique()] = True
    cut = its[:, None] & transport.isna().to_numpy()[None, :] & known
    if not cut.any():
        return []
    known[cut] = False
    return _transport_gap(_names(grid, cut.any(axis=0)), int(cut.sum()))


def _transport_gap(absent: list[str], cells: int) -> list[LedgerEntry]:
    reason = (
        f"no file of the British Transport Police for {len(absent)} months ({shorten(absent)}), so areas that have "
        "crimes of it are kept as missing"
    )
    return [LedgerEntry("missing", cells, reason, TRANSPORT, "force_month_missing")]


def _neighbours(
    cells: pd.DataFrame, place: NDArray[np.object_], home: NDArray[np.object_], elsewhere: NDArray[np.bool_]
) -> list[LedgerEntry]:
    entries = []
    its = elsewhere[cells["area"]]
    crimes = cells["n"][its].groupby(home[cells["area"][its]]).sum()
    for force, rows in crimes.items():
        districts = sorted(set(place[elsewhere & (home == force)]))
        owner = f"policed by {force}" if districts_of(str(force)) else "of no known force"
        reason = (
            f"crimes in {shorten(districts)}, {owner}, which has no file here: a neighbour's file holds a few of "
            "them, which are no count; left out"
        )
        entries.append(LedgerEntry("dropped", int(rows), reason, str(force), "neighbour"))
    return entries

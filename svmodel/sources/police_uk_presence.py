"""For which LSOAs and months data.police.uk gives a count at all: the completeness of force-months."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel import periods
from svmodel.errors import shorten
from svmodel.ledger import LedgerEntry
from svmodel.sources.breaks import POLICE_UK, breaks_within

#: A force-month below this share of the force's median month is no count. Residues of other forces'
#: crimes are far below it (Greater Manchester: under 1 per cent), and no seasonal low comes near.
_NEAR_ZERO = 0.1
#: A local authority with fewer crimes per LSOA-month than this share of the median one is seen only
#: through other forces' files: its own force gave none.
_RESIDUE = 0.05


def presence(
    cells: pd.DataFrame,
    area: NDArray[np.intp],
    districts: Sequence[str | None],
    files: Sequence[tuple[str, str, int]],
    grid: pd.PeriodIndex,
) -> tuple[NDArray[np.bool_], list[LedgerEntry]]:
    """Tell for which areas and months there is a count.

    Parameters
    ----------
    cells : pandas.DataFrame, n rows
        Columns ``force`` and ``n``: crimes of one area, month, type and force.
    area : ndarray of int, shape (n,)
        Position of each row's area.
    districts : sequence of str or None, shape (n_areas,)
        Local authority of each area.
    files : sequence of (force, month, rows)
        Every file that held rows.
    grid : pandas.PeriodIndex, shape (n_months,)

    Returns
    -------
    known : ndarray of bool, shape (n_areas, n_months)
    entries : list of LedgerEntry
    """
    n_areas, word = len(districts), "months"
    rows = pd.DataFrame(files, columns=["force", "month", "rows"])
    table = rows.pivot_table(index="force", columns="month", values="rows", aggfunc="sum")
    table = table.reindex(columns=[str(p) for p in grid])
    usual = table.median(axis=1)
    low = table.lt(usual * _NEAR_ZERO, axis=0)
    there = (table.notna() & ~low).to_numpy()
    home = _home(cells, area, districts, list(table.index))
    known = np.zeros((n_areas, len(grid)), dtype=bool)
    for i in range(len(table)):
        known[home == i] = there[i]
    entries: list[LedgerEntry] = []
    for i, force in enumerate(table.index):
        n_home = int((home == i).sum())
        absent = [periods.label(p) for p, v in zip(grid, table.iloc[i], strict=True) if np.isnan(v)]
        if absent:
            reason = f"no file for {len(absent)} {word} ({shorten(absent)}); kept as missing, not as zero"
            entries.append(LedgerEntry("missing", n_home * len(absent), reason, str(force), "force_month_missing"))
        few = [periods.label(p) for p, v in zip(grid, low.iloc[i], strict=True) if v]
        if few:
            reason = f"next to no crimes in {len(few)} {word} ({shorten(few)}); taken as missing, not as a count"
            entries.append(LedgerEntry("missing", n_home * len(few), reason, str(force), "force_month_near_zero"))
    entries += _leave_out_residues(cells, area, districts, known, table, grid)
    forces = set(table.index)
    told = [b for b in POLICE_UK if b.force in forces or set(b.districts) & set(districts)]
    entries += breaks_within(told, grid)
    return known, entries


def _home(
    cells: pd.DataFrame, area: NDArray[np.intp], districts: Sequence[str | None], forces: list[str]
) -> NDArray[np.intp]:
    """Return the force of each area: the one whose files hold most of its local authority's crimes."""
    place = np.array([d if d is not None else f"area {i}" for i, d in enumerate(districts)], dtype=object)
    totals = (
        pd.DataFrame({"place": place[area], "force": cells["force"].to_numpy(), "n": cells["n"].to_numpy()})
        .groupby(["place", "force"])["n"]
        .sum()
        .sort_index()
    )
    totals = totals[totals.index.get_level_values("force") != "btp"]
    most = totals.groupby("place").idxmax().map(lambda pair: forces.index(pair[1]))
    return np.array([most.get(p, -1) for p in place], dtype=np.intp)


def _leave_out_residues(
    cells: pd.DataFrame,
    area: NDArray[np.intp],
    districts: Sequence[str | None],
    known: NDArray[np.bool_],
    table: pd.DataFrame,
    grid: pd.PeriodIndex,
) -> list[LedgerEntry]:
    """Mark as missing what is seen only through other forces' files; `known` is changed in place."""
    entries = []
    place = np.array([d if d is not None else "" for d in districts], dtype=object)
    for item in (b for b in POLICE_UK if b.kind == "near_zero"):
        its = np.isin(place, item.districts)
        first, last = periods.parse(item.first), periods.parse(item.last)
        span = np.asarray((grid >= first) & (grid <= last))
        if item.force in table.index:
            # A month in which the force gave its crimes after all stays.
            span &= ~(table.loc[item.force] > item.ceiling).to_numpy()
        cut = its[:, None] & span[None, :] & known
        if cut.any():
            known[cut] = False
            reason = f"{item.reason}; taken as missing"
            entries.append(LedgerEntry("missing", int(cut.sum()), reason, item.force, "force_month_near_zero"))
    size = pd.Series(place).value_counts()
    crimes = pd.Series(cells["n"].to_numpy()).groupby(place[area]).sum()
    rate = (crimes / size.reindex(crimes.index)).drop("", errors="ignore")
    residue = rate.index[rate < _RESIDUE * rate.median()] if len(rate) > 2 else rate.index[:0]
    cut = np.isin(place, residue)[:, None] & known
    if cut.any():
        known[cut] = False
        reason = (
            f"{shorten(residue)} are seen only through other forces' files "
            f"(under {_RESIDUE:.0%} of the median local authority); taken as missing"
        )
        entries.append(LedgerEntry("missing", int(cut.sum()), reason, shorten(residue), "residue"))
    return entries

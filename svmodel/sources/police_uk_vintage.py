"""Whether street files hold LSOA codes of one census: by the codes that ended in 2021 and those that began."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from svmodel import periods
from svmodel.areas import is_known, is_lsoa, lsoa_2021_only
from svmodel.errors import Problem, shorten
from svmodel.ledger import LedgerEntry
from svmodel.registers import CHANGED, lsoas_ended
from svmodel.sources.lsoa import LsoaLookup

_FIX = "Give lookup= the ONS file of LSOAs 2011 to 2021, which maps both to common areas."
_WHERE = "column 'LSOA code'"


def mixed_problems(
    seen: Mapping[str, tuple[str, str]], files: Sequence[tuple[str, str, int]], lookup: LsoaLookup | None
) -> list[Problem]:
    """Return what shows that a folder holds LSOA codes of both censuses, or nothing.

    Parameters
    ----------
    seen : mapping of str to (str, str)
        LSOA code -> first and last month (``YYYY-MM``) in which it stands.
    files : sequence of (force, month, rows)
        Files that were read.
    lookup : LsoaLookup, optional
        Codes that it has are mapped to common areas, so they are no trouble.
    """
    codes = set(seen) if lookup is None else set(seen) - lookup.common.keys()
    new = sorted(lsoa_2021_only(codes))
    ended = sorted(codes & lsoas_ended())
    first, last = min(m for _, m, _ in files), max(m for _, m, _ in files)
    if new and ended:
        how = f"{_named(ended, seen)} ended in 2021, and {_named(new, seen)} began then"
    elif new and first < CHANGED[0] <= min(seen[c][0] for c in new):
        how = f"{_named(new, seen)} began in 2021, and before {_label(CHANGED[0])} this ground had codes of 2011"
    elif ended and max(seen[c][1] for c in ended) <= CHANGED[1] < last:
        how = f"{_named(ended, seen)} ended in 2021, and after {_label(CHANGED[1])} this ground has codes of 2021"
    else:
        return []
    return [Problem(f"LSOA codes of 2011 and of 2021 are mixed: {how}", _WHERE, _FIX, rule="mixed_lsoa_vintages")]


def one_vintage(codes: Iterable[str], lookup: LsoaLookup | None, *, mapped: int) -> list[LedgerEntry]:
    """Return what the ledger says of the census of the codes, once they are known to be of one.

    Parameters
    ----------
    codes : iterable of str
    lookup : LsoaLookup, optional
    mapped : int
        Rows whose code the lookup changed.
    """
    if mapped:
        reason = "LSOA codes of areas that were split or merged in 2021, mapped to areas that both vintages make up"
        return [LedgerEntry("altered", mapped, reason, _WHERE, "lsoa_mapped")]
    lsoas = [c for c in codes if is_lsoa(c) and is_known(c)]
    new = lsoa_2021_only(lsoas)
    if not new or len(new) == len(lsoas):
        return []
    how = "none stands here that ended then, so all are of the 2021 census"
    if lookup is not None:
        how = "each stands for an area that both vintages make up"
    reason = f"{len(new):,} of {len(lsoas):,} LSOA codes came into being in 2021 ({shorten(new, limit=3)}), and {how}"
    return [LedgerEntry("noted", len(new), reason, _WHERE, "lsoa_vintage")]


def _named(codes: Sequence[str], seen: Mapping[str, tuple[str, str]]) -> str:
    """Return "'E01003927' and 2 more (Mar 2023 to May 2023)"."""
    first, last = min(seen[c][0] for c in codes), max(seen[c][1] for c in codes)
    span = _label(first) if first == last else f"{_label(first)} to {_label(last)}"
    return f"{shorten(codes, limit=3)} ({span})"


def _label(month: str) -> str:
    return periods.label(periods.parse(month))

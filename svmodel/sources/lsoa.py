"""LSOAs of 2011 and of 2021: which vintage a code is of, and areas that both vintages make up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from svmodel.areas import is_known, is_lsoa, lsoa_2021_only
from svmodel.errors import DataError, Problem, shorten
from svmodel.ledger import LedgerEntry
from svmodel.registers import lsoas_ended
from svmodel.sources.opening import read_table

VINTAGES = ("2011", "2021")


def claim_problems(codes: Iterable[str], vintage: str, lookup: LsoaLookup | None = None) -> list[Problem]:
    """Return the LSOA codes that cannot be of the vintage that was claimed for them.

    A code that began in 2021 is not of 2011, and one that ended in 2021 is not of 2021; the lookup tells codes
    that never were.

    Parameters
    ----------
    codes : iterable of str
        Area codes; those that are no LSOA are passed over.
    vintage : {"2011", "2021"}
        What the file is said to hold.
    lookup : LsoaLookup, optional
        The ONS register of both vintages.

    Raises
    ------
    DataError
        If `vintage` is neither.

    Examples
    --------
    >>> print(*claim_problems(["E01006412", "E01033793"], "2011"))
    1 LSOA code is not of 2011: 'E01033793'. Map every row to one vintage with the ONS 2011-2021 lookup.
    """
    if vintage not in VINTAGES:
        raise DataError(f"an LSOA vintage is '2011' or '2021', not {vintage!r}")
    lsoas = sorted({str(c) for c in codes if is_lsoa(c)})
    if lookup is not None:
        register = lookup.codes_2011 if vintage == "2011" else lookup.codes_2021
        wrong = [c for c in lsoas if c not in register]
    else:
        wrong = lsoa_2021_only(lsoas) if vintage == "2011" else [c for c in lsoas if c in lsoas_ended()]
        wrong += [c for c in lsoas if not is_known(c)]
    if not wrong:
        return []
    verb = "s are" if len(wrong) > 1 else " is"
    what = f"{len(wrong):,} LSOA code{verb} not of {vintage}: {shorten(wrong, limit=10)}"
    return [Problem(what, fix="Map every row to one vintage with the ONS 2011-2021 lookup.", rule="lsoa_vintage_claim")]


@dataclass(frozen=True)
class LsoaLookup:
    """The ONS exact-fit lookup between the LSOAs of 2011 and of 2021.

    Attributes
    ----------
    common : mapping of str to str
        Every code of either vintage -> the smallest area that whole LSOAs of both vintages make up.
        An unchanged LSOA is its own; the parts of a split have the code of 2011; parts that were
        merged have the code of 2021; a tangle of both has its lowest code of 2011.
    codes_2011, codes_2021 : frozenset of str
        The register of each vintage.

    Examples
    --------
    >>> pairs = [("E01000001", "E01000001"), ("E01000002", "E01033770"), ("E01000002", "E01033771")]
    >>> LsoaLookup.from_pairs(pairs).common["E01033771"]
    'E01000002'
    """

    common: Mapping[str, str]
    codes_2011: frozenset[str]
    codes_2021: frozenset[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "common", MappingProxyType(dict(self.common)))

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[str, str]]) -> LsoaLookup:
        """Make the lookup from pairs of a code of 2011 and a code of 2021 that share ground."""
        pairs = sorted(set(pairs))
        root: dict[str, str] = {}

        def find(node: str) -> str:
            while root[node] != node:
                root[node] = root[root[node]]
                node = root[node]
            return node

        for old, new in pairs:
            # The same code may stand in both vintages for one piece of ground.
            left, right = f"2011 {old}", f"2021 {new}"
            for node in (left, right):
                root.setdefault(node, node)
            root[find(right)] = find(left)
        members: dict[str, tuple[set[str], set[str]]] = {}
        for old, new in pairs:
            olds, news = members.setdefault(find(f"2011 {old}"), (set(), set()))
            olds.add(old)
            news.add(new)
        common: dict[str, str] = {}
        for olds, news in members.values():
            name = min(news) if len(news) == 1 and len(olds) > 1 else min(olds)
            common |= dict.fromkeys(olds | news, name)
        return cls(common, frozenset(o for o, _ in pairs), frozenset(n for _, n in pairs))

    @classmethod
    def read(cls, path: str | Path) -> LsoaLookup:
        """Read the ONS file with columns ``LSOA11CD`` and ``LSOA21CD`` (and ``CHGIND``).

        Raises
        ------
        DataError
            If the file cannot be read, lacks a column, or holds a code that is no LSOA.
        """
        frame = read_table(path, text=["LSOA11CD", "LSOA21CD", "F_LSOA11CD"]).to_pandas()
        frame = frame.rename(columns={"F_LSOA11CD": "LSOA11CD"})
        lacking = [c for c in ("LSOA11CD", "LSOA21CD") if c not in frame.columns]
        if lacking:
            raise DataError(f"{path} is no LSOA 2011-2021 lookup: it has no column {shorten(lacking)}")
        pairs = frame[["LSOA11CD", "LSOA21CD"]].astype("string").apply(lambda c: c.str.strip())
        odd = pairs.apply(lambda c: ~c.map(lambda v: is_lsoa(v) if pd.notna(v) else False)).any(axis=1)
        if odd.any():
            line = int(odd.to_numpy().argmax()) + 2
            raise DataError(f"{path}, line {line}: {' '.join(map(str, pairs.iloc[line - 2]))} are no two LSOA codes")
        if "CHGIND" in frame.columns:
            unchanged = frame["CHGIND"].astype("string").str.strip().eq("U").fillna(False).to_numpy(dtype=bool)
            wrong = unchanged & (pairs["LSOA11CD"] != pairs["LSOA21CD"]).to_numpy()
            if wrong.any():
                line = int(wrong.argmax()) + 2
                raise DataError(f"{path}, line {line}: CHGIND says unchanged (U), but the two codes differ")
        return cls.from_pairs(zip(pairs["LSOA11CD"].astype(str), pairs["LSOA21CD"].astype(str), strict=True))

    def to_common(self, codes: pd.Series, *, where: str = "") -> tuple[pd.Series, list[LedgerEntry]]:
        """Map codes of either vintage to common areas; codes that the lookup lacks stay as they are.

        Returns
        -------
        codes : pandas.Series
        entries : list of LedgerEntry
            How many rows were mapped, and which codes the lookup lacks.
        """
        mapped = codes.map(dict(self.common)).fillna(codes)
        changed = (mapped != codes) & codes.notna()
        entries = []
        if changed.any():
            reason = (
                f"{codes[changed].nunique():,} LSOA codes stand for areas that were split or merged in 2021; "
                f"mapped to {mapped[changed].nunique():,} areas that both vintages make up"
            )
            entries.append(LedgerEntry("altered", int(changed.sum()), reason, where, "lsoa_mapped"))
        lacking = codes[codes.notna() & ~codes.isin(self.common.keys())]
        if len(lacking):
            reason = f"the lookup lacks {shorten(sorted(lacking.unique()), limit=3)}; kept as they are"
            entries.append(LedgerEntry("noted", len(lacking), reason, where, "lsoa_not_in_lookup"))
        return mapped, entries

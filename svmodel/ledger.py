"""The ledger: every row that was dropped, altered or found missing on the way in, with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from svmodel.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


Action = Literal["dropped", "altered", "missing", "noted"]
_ACTIONS = ("dropped", "altered", "missing", "noted")


@dataclass(frozen=True)
class LedgerEntry:
    """What was done to some rows, and why.

    Parameters
    ----------
    action : {"dropped", "altered", "missing", "noted"}
        ``missing`` marks cells that the publisher does not give; they stay missing and are never zero.
    rows : int
        How many rows (for ``missing``: area-periods) it concerns.
    reason : str
        Why, in words that a report can print.
    where : str
        File, column or areas concerned.
    rule : str
        Short snake_case name of the rule that fired.
    """

    action: Action
    rows: int
    reason: str
    where: str = ""
    rule: str = ""

    def __post_init__(self) -> None:
        if self.action not in _ACTIONS:
            raise DataError(f"a ledger entry cannot be {self.action!r}; it is one of {', '.join(_ACTIONS)}")

    def __str__(self) -> str:
        where = f" ({self.where})" if self.where else ""
        return f"{self.action}: {self.rows:,} rows{where}: {self.reason}"


@dataclass(frozen=True)
class Ledger:
    """The entries, in the order in which they were made.

    Examples
    --------
    >>> ledger = Ledger().add("dropped", 4, "British Transport Police has no area", rule="non_geographic")
    >>> ledger.total("dropped")
    4
    """

    entries: tuple[LedgerEntry, ...] = ()

    def add(self, action: Action, rows: int, reason: str, *, where: str = "", rule: str = "") -> Ledger:
        """Return a ledger with one entry more."""
        return Ledger((*self.entries, LedgerEntry(action, int(rows), reason, where, rule)))

    def extend(self, entries: Iterable[LedgerEntry]) -> Ledger:
        """Return a ledger with these entries after its own."""
        return Ledger((*self.entries, *entries))

    def total(self, action: Action) -> int:
        """Return how many rows stand under `action`."""
        return sum(e.rows for e in self.entries if e.action == action)

    def has(self, rule: str) -> bool:
        """Return whether a rule of that name fired."""
        return any(e.rule == rule for e in self.entries)

    def to_frame(self) -> pd.DataFrame:
        """Return the entries as a frame: action, rows, reason, where, rule."""
        import pandas as pd

        columns = ["action", "rows", "reason", "where", "rule"]
        return pd.DataFrame([[getattr(e, c) for c in columns] for e in self.entries], columns=columns)

    def __iter__(self) -> Iterator[LedgerEntry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


@dataclass(frozen=True, eq=False)
class Extract:
    """What a source gives: a tidy frame with named, checked columns, and the ledger of how it came about.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row for an area and period (and offence, where the source has several).
    ledger : Ledger
        Everything dropped, altered or found missing while reading.
    source : str
        Publisher and file, for the report's provenance.
    """

    frame: pd.DataFrame
    ledger: Ledger
    source: str = ""

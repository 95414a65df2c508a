"""What one offence costs: the figures that come with svmodel, and the user's own."""

from __future__ import annotations

import csv
import dataclasses
import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from svmodel.economics.prices import Money
from svmodel.errors import DataError, Problems, did_you_mean

_COLUMNS = ("offence", "amount", "price_year", "source")
_PERSPECTIVES = ("social", "fiscal")


@dataclass(frozen=True)
class UnitCost:
    """The cost of one offence.

    Parameters
    ----------
    offence : str
        As the panel calls the outcome.
    amount : float
        Pounds for one offence, in the prices of `price_year`.
    price_year : int
        Calendar year of the price base.
    source : str
        Where the figure stands.
    perspective : {"social", "fiscal"}
        ``social``: everything that the offence costs anyone, most of it harm to the victim, which
        nobody can cash. ``fiscal``: what public budgets pay.
    verified : bool
        Whether the figure was read in its source. Every valuation with an unverified one says so.
    label : str
        Readable name.
    note : str

    Raises
    ------
    DataError
        If the amount is not above 0 or the perspective is not known.
    """

    offence: str
    amount: float
    price_year: int
    source: str
    perspective: Literal["social", "fiscal"] = "social"
    verified: bool = True
    label: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        found = Problems()
        if not (math.isfinite(self.amount) and self.amount > 0):
            found.add(f"{self.amount!r} is not an amount above 0", where="amount")
        if self.perspective not in _PERSPECTIVES:
            fix = did_you_mean(self.perspective, _PERSPECTIVES)
            found.add(f"{self.perspective!r} is no perspective", where="perspective", fix=fix)
        found.raise_if_any(DataError, f"the unit cost of {self.offence!r} cannot be used")

    @property
    def money(self) -> Money:
        """The amount with its price base."""
        return Money(self.amount, self.price_year)

    def in_prices(self, year: int, *, deflators: Mapping[int, float] | None = None) -> UnitCost:
        """Return the same cost in the prices of another year.

        Examples
        --------
        >>> round(unit_cost("violence_with_injury").in_prices(2024).amount)
        18695
        """
        money = self.money.in_prices(year, deflators=deflators)
        return dataclasses.replace(self, amount=money.amount, price_year=year)


@functools.cache
def _shipped() -> tuple[dict[str, str], ...]:
    text = resources.files("svmodel.economics").joinpath("data/unit_costs.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def shipped_unit_costs() -> tuple[UnitCost, ...]:
    """Return the unit costs that come with svmodel, each read in the source it names.

    Home Office Research Report 99, in the prices of 2015/16, which stand here as 2015. They are social
    costs. An offence whose figure was not read in a source (violence without injury) is not among them.
    """
    return tuple(_from_row(row) for row in _shipped() if row["verified"] == "yes")


def unit_cost(offence: str, *, price_year: int | None = None, table: Iterable[UnitCost] | None = None) -> UnitCost:
    """Return the cost of one offence.

    Parameters
    ----------
    offence : str
    price_year : int, optional
        Prices to put it in; its own price base unless given.
    table : iterable of UnitCost, optional
        Used instead of :func:`shipped_unit_costs`; see :func:`read_unit_costs`.

    Raises
    ------
    DataError
        If there is no such offence, no verified figure for it, or no deflator for a year.

    Examples
    --------
    >>> unit_cost("violence_with_injury").amount
    14050.0
    """
    costs = {c.offence: c for c in (shipped_unit_costs() if table is None else table)}
    if offence not in costs:
        unread = {row["offence"]: row["note"] for row in _shipped() if row["verified"] != "yes"}
        if table is None and offence in unread:
            raise DataError(f"svmodel brings no unit cost of {offence!r}: {unread[offence]}")
        raise DataError(f"there is no unit cost of {offence!r}. {did_you_mean(offence, costs)}")
    found = costs[offence]
    return found if price_year is None else found.in_prices(price_year)


def read_unit_costs(path: str | Path) -> tuple[UnitCost, ...]:
    """Read a table of unit costs.

    Parameters
    ----------
    path : str or Path
        CSV with the columns ``offence, amount, price_year, source`` and, if wanted, ``perspective``
        (social or fiscal), ``verified`` (yes or no; blank counts as no), ``label`` and ``note``.

    Returns
    -------
    tuple of UnitCost

    Raises
    ------
    DataError
        With every row that cannot be used, by line.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a table of unit costs: {error}") from error
    reader = csv.DictReader(lines)
    columns = reader.fieldnames or []
    found = Problems()
    for column in (c for c in _COLUMNS if c not in columns):
        found.add(f"there is no column {column!r}", fix=did_you_mean(column, columns), rule="unknown_column")
    found.raise_if_any(DataError, f"{path} cannot be used")
    costs: dict[str, UnitCost] = {}
    for line, row in enumerate(reader, start=2):
        try:
            cost = _from_row(row)
        except (ValueError, TypeError):
            found.add("amount or price_year is not a number", line=line, rule="text_value")
        except DataError as error:
            for problem in error.problems:
                found.add(problem.what, where=problem.where, fix=problem.fix, line=line)
        else:
            if cost.offence in costs:
                found.add(f"{cost.offence!r} stands twice", line=line, rule="twice")
            costs[cost.offence] = cost
    if not costs and not found:
        found.add("it has no rows")
    found.raise_if_any(DataError, f"{path} cannot be used")
    return tuple(costs.values())


def _from_row(row: Mapping[str, str]) -> UnitCost:
    return UnitCost(
        offence=row["offence"].strip(),
        amount=float(row["amount"].replace(",", "").replace("£", "")),
        price_year=int(row["price_year"]),
        source=row["source"],
        perspective=(row.get("perspective") or "social").strip().casefold(),  # type: ignore[arg-type]
        verified=(row.get("verified") or "").strip().casefold() in ("yes", "true", "1"),
        label=row.get("label") or "",
        note=row.get("note") or "",
    )

"""What a file leaves open: the answers of its owner, the questions to him, and the rows that are made of both."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd

from svmodel.errors import Problem, shorten
from svmodel.ledger import LedgerEntry
from svmodel.panel.rules import Roles


@dataclass(frozen=True)
class Answers:
    """What the owner of a file has said about it.

    Parameters
    ----------
    sheet : str, optional
        The sheet to read.
    columns_are : {"areas", "outcomes"}, optional
        What the columns of numbers are in a table that names no area in its rows.
    dashes : {"nil", "missing"}, optional
        What ``-`` and ``.`` stand for.
    decimal : {"comma", "point"}, optional
        What parts the decimals where the numbers do not show it: 1.234 is 1234 where a comma does.
    nested : {"areas over outcomes", "outcomes over areas"}, optional
        Which stands above the other where columns, or rows, hold areas and outcomes crossed.
    leave_out_columns : tuple of str
        Columns that are neither periods nor counts, such as a total that does not add up.
    """

    sheet: str | None = None
    columns_are: str | None = None
    dashes: str | None = None
    decimal: str | None = None
    nested: str | None = None
    leave_out_columns: tuple[str, ...] = ()


#: Answer -> what may be answered.
CHOICES = {
    "columns_are": ("areas", "outcomes"),
    "dashes": ("nil", "missing"),
    "decimal": ("comma", "point"),
    "nested": ("areas over outcomes", "outcomes over areas"),
}


@dataclass(frozen=True)
class Question:
    """What only the owner of the file can know: the key that answers it, and the answers."""

    key: str
    choices: tuple[str, ...]
    what: str
    where: str = ""

    @property
    def problem(self) -> Problem:
        """The question as a problem, for a message."""
        fix = "Say which: " + ", or ".join(f"{self.key}: {c}" for c in self.choices) + "."
        return Problem(self.what, where=self.where, fix=fix, rule=f"ask_{self.key}")


#: Words in the names of outcomes, which areas are not called by.
_OUTCOME = re.compile(
    r"robber|theft|violen|burgl|knife|weapon|gun|assault|asb|anti.?social|homicide|murder|drug|arson|damage|crime|offen"
    r"|injur|admi|attend|incident|count|number|suspen|exclu|calls|arrest|stop",
    re.IGNORECASE,
)


def which_is_above(upper: Iterable[object], lower: Iterable[object], where: str = "") -> Question:
    """Return the question which of two levels holds the areas; the likelier answer comes first."""
    above, below = [str(u) for u in upper], [str(v) for v in lower]
    choices = CHOICES["nested"]
    if any(_OUTCOME.search(u) for u in above) and not any(_OUTCOME.search(v) for v in below):
        choices = choices[::-1]
    other = below if choices[0] == "outcomes over areas" else above
    what = (
        f"{shorten(above, limit=3)} stand above {shorten(below, limit=3)}, and either may be the areas; "
        f"with the second answer the counts are {shorten(other, limit=12)}"
    )
    return Question("nested", choices, what, where)


@dataclass(eq=False, repr=False)
class TidyTable:
    """The tidy rows of a table.

    Parameters
    ----------
    frame : pandas.DataFrame
        Its index holds the rows of the spreadsheet, or the lines of the text.
    roles : Roles
        Of the columns that were made here; empty where the table had them itself.
    entries : list of LedgerEntry
    left_out : dict of str to str
        Column -> why it is not used.
    questions : list of Question
    problems : list of Problem
    headers : dict of str to tuple of str
        Column -> the parts of its name, from the top row of the header down.
    """

    frame: pd.DataFrame
    roles: Roles = field(default_factory=Roles)
    entries: list[LedgerEntry] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    headers: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def say(self, rule: str, rows: int, what: str, *, where: str = "", action: str = "noted") -> None:
        """Put one thing into the ledger."""
        self.entries.append(LedgerEntry(action, rows, what, where, rule))  # type: ignore[arg-type]

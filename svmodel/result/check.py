"""CheckResult: what one check of a result found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from svmodel.errors import DataError
from svmodel.result.as_json import plain
from svmodel.result.figure import Figure

if TYPE_CHECKING:
    import pandas as pd


Status = Literal["passed", "failed", "informative", "not_applicable", "errored"]
_STATUSES = ("passed", "failed", "informative", "not_applicable", "errored")


@dataclass(frozen=True, eq=False)
class CheckResult:
    """One check: its status, what it says in words, and the numbers behind the words.

    Parameters
    ----------
    name : str
        Short snake_case name.
    status : {"passed", "failed", "informative", "not_applicable", "errored"}
        ``failed`` is a warning about the result; ``errored`` means that the check itself broke.
    text : str
        A sentence or two for a reader who is no statistician.
    table : pandas.DataFrame, optional
    figure : Figure, optional
    """

    name: str
    status: Status
    text: str
    table: pd.DataFrame | None = None
    figure: Figure | None = None

    def __post_init__(self) -> None:
        if self.status not in _STATUSES:
            raise DataError(f"a check cannot be {self.status!r}; it is one of {', '.join(_STATUSES)}")

    def to_dict(self) -> dict[str, Any]:
        """Return name, status, text and the table's records, all fit for JSON; a missing value is None."""
        records = None if self.table is None else plain(self.table.to_dict(orient="records"))
        return {"name": self.name, "status": self.status, "text": self.text, "table": records}

"""Panel: counts of outcomes for areas over periods, with exposures and covariates.

A Panel is validated when it is made and trusted afterwards: every pair of area and period stands in
it once, sorted, with its gaps explicit. A missing count is missing; it is never zero.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel import periods
from svmodel.area_names import AreaNames
from svmodel.errors import DataError, Problems, did_you_mean
from svmodel.ledger import Ledger, LedgerEntry
from svmodel.panel.aggregate import over_areas, over_time
from svmodel.panel.rules import Roles, check_and_grid
from svmodel.periods import PeriodLike
from svmodel.words import one_or_more

_TIME_LEVELS = {
    "week": "W-SUN",
    "month": "M",
    "quarter": "Q-DEC",
    "year": "Y-DEC",
    "financial year": "Y-MAR",
    "financial_year": "Y-MAR",
}


@dataclass(frozen=True, eq=False, repr=False)
class Panel:
    """Areas by periods, with named roles for the columns. Make one with :meth:`from_frame`.

    Attributes
    ----------
    areas : tuple of str
        Sorted area codes or names; ``n_areas`` of them.
    periods : pandas.PeriodIndex
        Every period from first to last, without a hole.
    counts, measures, exposures, covariates : tuple of str
        Columns by role. Counts are non-negative whole numbers or missing; measures are real-valued.
    parents : mapping of str to str
        The reporting area of each area; empty where none was given.
    names : mapping of str to str
        A readable name for an area or reporting area, where known.
    ledger : Ledger
        Every row dropped or altered on the way in, with the reason.
    synthetic : bool
        True when the rows were simulated; every report made from them says so.
    """

    _frame: pd.DataFrame
    areas: tuple[str, ...]
    periods: pd.PeriodIndex
    counts: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    exposures: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    parents: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    synthetic: bool = False
    source: str = ""

    def __post_init__(self) -> None:
        if len(self._frame) != len(self.areas) * len(self.periods):
            raise DataError("a Panel is made with Panel.from_frame, which lays out every area and period")
        object.__setattr__(self, "parents", MappingProxyType(dict(self.parents)))
        object.__setattr__(self, "names", MappingProxyType(dict(self.names)))

    def __reduce__(self) -> tuple[object, ...]:
        parts = {f: getattr(self, f) for f in self.__dataclass_fields__}
        parts["parents"], parts["names"] = dict(self.parents), dict(self.names)
        return _rebuild, (parts,)

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        area: str,
        period: str,
        counts: Iterable[str] = (),
        measures: Iterable[str] = (),
        exposures: Iterable[str] = (),
        covariates: Iterable[str] = (),
        parent: str | None = None,
        name: str | None = None,
        parent_name: str | None = None,
        known_areas: Iterable[str] | None = None,
        ledger: Ledger | Iterable[LedgerEntry] = (),
        synthetic: bool = False,
        source: str = "",
        title: str = "the data cannot be used",
        first_line: int | None = None,
        period_written: str | None = None,
        leave_out: Iterable[str] = (),
        as_given: bool = False,
    ) -> Panel:
        """Make a Panel from a long frame with one row for each area and period.

        Parameters
        ----------
        frame : pandas.DataFrame
            Left untouched; a private copy is kept.
        area, period : str
            Columns that name the area and the period (see :func:`svmodel.periods.parse`).
        counts : iterable of str
            Columns of non-negative whole numbers.
        measures : iterable of str
            Columns of real-valued outcomes, for linear families only.
        exposures : iterable of str
            Columns of populations at risk, in persons; positive.
        covariates : iterable of str
            Numeric columns to adjust for.
        parent : str, optional
            Column with the reporting area that each area lies in (ward -> borough).
        name, parent_name : str, optional
            Columns with readable names for areas and for reporting areas.
        known_areas : iterable of str, optional
            The areas that may occur; any other is an error that names the nearest.
        ledger : Ledger or iterable of LedgerEntry
            What the source already dropped or altered.
        synthetic : bool
            Whether the rows were simulated. A column ``synthetic`` says the same.
        source : str
            Where the rows come from, for provenance.
        title : str
            How an error message begins.
        first_line : int, optional
            Line of the file that holds the frame's first row, so that errors can name lines.
        period_written : str, optional
            How the periods are written, where that can be read in several ways (see
            :func:`svmodel.periods.read_column`): "day first", "month first", "financial years", ...
        leave_out : iterable of str
            Areas to leave out on purpose, such as one without residents.
        as_given : bool
            Take the areas as they are: no spellings of one name are put together, no total of the others is left out,
            nothing odd is noted. For rows that were read before.

        Returns
        -------
        Panel
            Every (area, period) between the first and the last period stands in it once. A pair that
            `frame` lacks is missing, and the ledger says so.

        Raises
        ------
        DataError
            With all problems at once: unknown columns, duplicate area-periods, negative, fractional
            or text counts, unknown areas, mixed LSOA vintages, exposures that are not positive.

        Examples
        --------
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"area": ["A", "A", "B"], "month": ["2024-01", "2024-02", "2024-01"], "n": [3, 4, 0]})
        >>> panel = Panel.from_frame(frame, area="area", period="month", counts=["n"])
        >>> panel.matrix("n")
        array([[ 3.,  4.],
               [ 0., nan]])
        >>> panel.ledger.entries[0].rule
        'missing_period'
        """
        if not isinstance(frame, pd.DataFrame):
            raise DataError(f"a panel is made from a pandas DataFrame, not from a {type(frame).__name__}")
        counts, measures, exposures, covariates = map(one_or_more, (counts, measures, exposures, covariates))
        roles = Roles(area, period, counts, measures, exposures, covariates, parent, name, parent_name)
        given = ledger.entries if isinstance(ledger, Ledger) else tuple(ledger)
        grid = check_and_grid(
            frame,
            roles,
            known_areas=known_areas,
            title=title,
            first_line=first_line,
            period_written=period_written,
            leave_out=leave_out,
            as_given=as_given,
            # a source that mapped the codes, or looked at every row of them, knows more than its areas show
            vintage_settled=any(e.rule in ("lsoa_mapped", "lsoa_vintage") for e in given),
            explained=_explained(given),
        )
        marked = "synthetic" in frame.columns and bool(
            frame["synthetic"].astype(str).str.casefold().isin(["yes", "true", "1"]).any()
        )
        return cls(
            grid.frame,
            grid.areas,
            grid.periods,
            roles.counts,
            roles.measures,
            roles.exposures,
            roles.covariates,
            grid.parents,
            grid.names,
            Ledger((*given, *grid.ledger)),
            synthetic or marked,
            source,
        )

    @property
    def n_areas(self) -> int:
        """Number of areas."""
        return len(self.areas)

    @property
    def n_periods(self) -> int:
        """Number of periods, gaps counted."""
        return len(self.periods)

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Counts and measures."""
        return (*self.counts, *self.measures)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every data column, in the order counts, measures, exposures, covariates."""
        return (*self.counts, *self.measures, *self.exposures, *self.covariates)

    @property
    def reporting_areas(self) -> tuple[str, ...]:
        """The areas one level up, or the areas themselves where the panel has no parents."""
        return tuple(sorted(set(self.parents.values()))) if self.parents else self.areas

    def to_frame(self) -> pd.DataFrame:
        """Return a copy as a long frame: area, period, then the data columns; gaps are NaN."""
        return self._frame.copy()

    def label(self, area: str) -> str:
        """Return the readable name of an area, or the area itself."""
        return self.names.get(area, area)

    @cached_property
    def area_names(self) -> AreaNames:
        """The areas by every name that they go by; ``panel.area_names.find("LIVERPOOL").code``."""
        return AreaNames(self.areas, self.parents, self.names)

    def matrix(self, column: str) -> NDArray[np.float64]:
        """Return one column as an array of shape (n_areas, n_periods); missing cells are NaN.

        Raises
        ------
        DataError
            If the panel has no such column.
        """
        if column not in self.columns:
            raise DataError(f"the panel has no column {column!r}. {did_you_mean(column, self.columns)}")
        values = self._frame[column].to_numpy(dtype=np.float64)
        return values.reshape(self.n_areas, self.n_periods).copy()

    def children(self, reporting_area: str) -> tuple[str, ...]:
        """Return the areas that lie in a reporting area; the area itself where there are no parents."""
        if not self.parents:
            return (reporting_area,) if reporting_area in self.areas else ()
        return tuple(a for a in self.areas if self.parents.get(a) == reporting_area)

    def select(
        self,
        areas: Iterable[str] | None = None,
        window: tuple[PeriodLike | None, PeriodLike | None] | None = None,
    ) -> Panel:
        """Return the panel of some areas, over a window of periods (both ends included).

        Parameters
        ----------
        areas : iterable of str, optional
            Codes or names; a single one may be given bare. A reporting area stands for all areas in it.
        window : (first, last), optional
            With None for the panel's own end.

        Raises
        ------
        DataError
            If an area is unknown, or the window holds no period of the panel.
        """
        problems = Problems()
        keep = self.areas if areas is None else self._chosen(areas, problems)
        first, last = self.periods[0], self.periods[-1]
        if window is not None:
            first, last = self._window(window, problems)
        problems.raise_if_any(DataError, "the selection cannot be made")
        inside = (self.periods >= first) & (self.periods <= last)
        if not inside.any() or not keep:
            raise DataError(f"the selection holds nothing: the panel runs from {self.periods[0]} to {self.periods[-1]}")
        rows = np.isin(np.array(self.areas), np.array(keep))
        mask = (rows[:, None] & np.asarray(inside)[None, :]).ravel()
        return replace(
            self,
            _frame=self._frame.loc[mask].reset_index(drop=True),
            areas=keep,
            periods=self.periods[inside],
            parents={a: p for a, p in self.parents.items() if a in set(keep)},
        )

    def _chosen(self, areas: Iterable[object] | object, problems: Problems) -> tuple[str, ...]:
        given = one_or_more(areas)
        known, chosen = set(self.areas), set()
        for area in given:
            if isinstance(area, str) and area in known:
                chosen.add(area)
                continue
            try:
                found = self.area_names.find(area)
            except DataError as error:
                problems.add(error.title, rule="unknown_area")
            else:
                chosen.update(self.children(found.code) if found.level == "parent" else [found.code])
        return tuple(sorted(chosen))

    def _window(
        self, window: tuple[PeriodLike | None, PeriodLike | None], problems: Problems
    ) -> tuple[pd.Period, pd.Period]:
        ends = [self.periods[0], self.periods[-1]]
        if isinstance(window, str) or len(window) != 2:
            problems.add(f"{window!r} is no window; give (first, last), with None for the panel's own end")
            return ends[0], ends[1]
        for i, value in enumerate(window):
            if value is None:
                continue
            try:
                period = (periods.parse_last if i else periods.parse_first)(value)
            except DataError as error:
                problems.add(error.title, where="window")
                continue
            if period.freqstr != self.periods.freqstr:
                period = period.asfreq(self.periods.freqstr, how="start" if i == 0 else "end")
            ends[i] = period
        return ends[0], ends[1]

    def aggregate(self, to: str) -> Panel:
        """Return the panel summed up to a coarser level.

        Parameters
        ----------
        to : {"parent", "all", "week", "month", "quarter", "year", "financial year"}
            ``parent`` sums small areas to their reporting area, ``all`` sums every area to one, the
            others sum days or months to longer periods (weeks, from Mondays on, make up no month).

        Returns
        -------
        Panel
            Counts are summed, and a sum with a missing part is missing. Exposures are summed over
            areas and averaged over time; measures and covariates are averaged. A longer period that
            the panel covers only in part is dropped, and the ledger says so.

        Raises
        ------
        DataError
            If there is no such level, the panel's periods do not make up the longer one, or no longer
            period is covered in full.
        """
        frame = self.to_frame()
        if to in _TIME_LEVELS:
            longer = _TIME_LEVELS[to]
            averaged = (*self.measures, *self.exposures, *self.covariates)
            grid, index, left_out = over_time(frame, self.periods, longer, self.counts, averaged)
            why = f"the {periods.FREQUENCIES[longer]} is covered only in part"
            ledger = self.ledger.add("dropped", left_out, why, rule="partial_period") if left_out else self.ledger
            return self._of_grid(grid, periods=index, ledger=ledger)
        if to == "parent" and not self.parents:
            raise DataError("the panel names no reporting areas; give `parent=` when making it")
        if to not in ("parent", "all"):
            raise DataError(f"cannot aggregate to {to!r}. {did_you_mean(to, ['parent', 'all', *_TIME_LEVELS])}")
        group = dict(self.parents) if to == "parent" else dict.fromkeys(self.areas, "all areas")
        grid = over_areas(frame, group, (*self.counts, *self.exposures), (*self.measures, *self.covariates))
        ledger = self.ledger.add("noted", len(frame), f"summed from {self.n_areas} areas", rule="aggregated")
        return self._of_grid(grid, parents={}, ledger=ledger)

    def _of_grid(self, grid: pd.DataFrame, **changes: Any) -> Panel:
        held = grid[["area", "period", *self.columns]]
        return replace(self, _frame=held, areas=tuple(held["area"].unique()), **changes)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of areas, periods and values: two panels with one fingerprint hold the same data."""
        digest = hashlib.sha256()
        span = (self.periods.freqstr, [str(p) for p in self.periods])
        head = [self.areas, span, self.columns, sorted(self.parents.items())]
        digest.update(repr(head).encode())
        for column in self.columns:
            digest.update(np.ascontiguousarray(self._frame[column].to_numpy(dtype=np.float64)).tobytes())
        return digest.hexdigest()

    def __repr__(self) -> str:
        span = f"{periods.label(self.periods[0])} to {periods.label(self.periods[-1])}"
        mark = ", SYNTHETIC" if self.synthetic else ""
        return f"<Panel: {self.n_areas:,} areas x {self.n_periods} periods ({span}); {', '.join(self.columns)}{mark}>"


def _explained(given: Iterable[LedgerEntry]) -> dict[str, int]:
    """Return how many cells of each column the source has said to be missing, by the place that it gives."""
    found: dict[str, int] = {}
    for entry in given:
        if entry.action == "missing":
            found[entry.where] = found.get(entry.where, 0) + entry.rows
    return found


def _rebuild(parts: dict[str, object]) -> Panel:
    return Panel(**parts)  # type: ignore[arg-type]

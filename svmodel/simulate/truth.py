"""What is known of a simulation and of no real study: what would have happened without the intervention."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from svmodel.design import Design, Intervention
from svmodel.errors import DataError, did_you_mean
from svmodel.panel import Panel
from svmodel.simulate.process import Process

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class TrueEffect:
    """The true average effect over treated cells on every scale; negative and below 1 mean fewer harms.

    Attributes
    ----------
    rate_ratio : float
        Expected events with the intervention over expected events without.
    events : float
        Expected events with less expected events without, over all treated cells.
    difference : float
        ``events`` for one treated cell (area and month).
    per_100k : float
        ``events`` for 100,000 persons and a month of treated population.
    untreated : float
        Expected events in the treated cells had there been no intervention.
    recorded_change : int
        Events of the treated cells that this very draw of chance had because of the intervention
        (negative: averted). Its expectation is ``events``.
    cells : int
        Treated cells.
    """

    rate_ratio: float
    events: float
    difference: float
    per_100k: float
    untreated: float
    recorded_change: int
    cells: int


@dataclass(frozen=True)
class BeforeAfter:
    """What a comparison of treated areas before and after would say, and what is behind it.

    Attributes
    ----------
    naive : float
        Recorded events after over before, in the treated areas.
    without_effect : float
        The same had there been no intervention: trend and regression to the mean alone.
    untreated_areas : float
        After over before in the never-treated areas, over the same months: trend alone.
    regression_to_the_mean : float
        ``without_effect / untreated_areas``; below 1, chance highs of the baseline faded by themselves.
    """

    naive: float
    without_effect: float
    untreated_areas: float

    @property
    def regression_to_the_mean(self) -> float:
        """After over before that neither the intervention nor the common trend explains."""
        return self.without_effect / self.untreated_areas


@dataclass(frozen=True, eq=False)
class Truth:
    """The truth of one outcome, cell by cell; arrays are areas by periods, in the order of the panel.

    Attributes
    ----------
    outcome : str
    areas : tuple of str
    periods : pandas.PeriodIndex
    start : ndarray of int, shape (N,)
        Index of the first treated period; beyond T where never treated.
    untreated : ndarray, shape (N, T)
        Expected counts had there been no intervention, given each area's level and transient shocks.
    theta : ndarray, shape (N, T)
        Expected counts with the intervention over those without; 1 in untreated cells, but for those that it spilled
        over to.
    counts_without : ndarray, shape (N, T)
        The counts that this draw of chance would have given without the intervention.
    counts : ndarray, shape (N, T)
        The recorded counts, as the panel holds them.
    exposure : ndarray, shape (N, T)
        Population, in persons.
    """

    outcome: str
    areas: tuple[str, ...]
    periods: pd.PeriodIndex
    start: NDArray[np.int64]
    untreated: NDArray[np.float64]
    theta: NDArray[np.float64]
    counts_without: NDArray[np.int64]
    counts: NDArray[np.int64]
    exposure: NDArray[np.float64]

    @property
    def treated(self) -> NDArray[np.bool_]:
        """Treated cells, shape (N, T)."""
        return np.arange(len(self.periods))[None, :] >= self.start[:, None]

    def effect(self, areas: Iterable[str] | None = None) -> TrueEffect:
        """Return the true average effect over the treated cells, of some areas or of all.

        Raises
        ------
        DataError
            If an area is unknown or none of the areas was treated.
        """
        treated = self.treated
        if areas is not None:
            wanted = set(areas)
            unknown = sorted(wanted - set(self.areas))
            if unknown:
                raise DataError(f"{unknown[0]!r} is no area of this simulation. {did_you_mean(unknown[0], self.areas)}")
            treated = treated & np.isin(np.array(self.areas), sorted(wanted))[:, None]
        if not treated.any():
            raise DataError("none of these areas was treated, so there is no effect in them")
        untreated = float(self.untreated[treated].sum())
        events = float((self.untreated * (self.theta - 1))[treated].sum())
        cells = int(treated.sum())
        return TrueEffect(
            rate_ratio=1 + events / untreated,
            events=events,
            difference=events / cells,
            per_100k=100_000 * events / float(self.exposure[treated].sum()),
            untreated=untreated,
            recorded_change=int((self.counts - self.counts_without)[treated].sum()),
            cells=cells,
        )

    def before_after(self, *, months: int = 12, lag: int = 0) -> BeforeAfter:
        """Return what treated areas' own before and after would say.

        Parameters
        ----------
        months : int
            Length of the before and of the after.
        lag : int
            Months between the end of the before and the start.
        """
        sums = np.zeros((3, 2))
        never = self.start >= len(self.periods)
        for area in np.flatnonzero(~never):
            first = self.start[area]
            after = slice(first, first + months)
            before = slice(first - lag - months, first - lag)
            for column, span in enumerate((before, after)):
                sums[0, column] += self.counts[area, span].sum()
                sums[1, column] += self.counts_without[area, span].sum()
                sums[2, column] += self.counts[never, span].sum()
        ratio = sums[:, 1] / sums[:, 0]
        return BeforeAfter(*(float(r) for r in ratio))


@dataclass(frozen=True, eq=False, repr=False)
class Simulation:
    """A synthetic panel with everything that is true of it.

    Attributes
    ----------
    panel : Panel
        Marked as synthetic.
    intervention : Intervention
    truth : mapping of str to Truth
        By outcome.
    processes : tuple of Process
    recipe : str
    seed : int
    settings : mapping
        What else the recipe was given, plain values for ``truth.json``.
    neighbours : mapping of str to tuple of str
        Areas that border on each area of the map.
    """

    panel: Panel
    intervention: Intervention
    truth: Mapping[str, Truth]
    processes: tuple[Process, ...]
    recipe: str
    seed: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    neighbours: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "neighbours", MappingProxyType(dict(self.neighbours)))
        object.__setattr__(self, "truth", MappingProxyType(dict(self.truth)))
        object.__setattr__(self, "settings", MappingProxyType(dict(self.settings)))

    @property
    def starts(self) -> dict[str, Any]:
        """First treated period of each treated area."""
        return dict(self.intervention.starts)

    def design(self, outcome: str | None = None, **choices: Any) -> Design:
        """Return the question that this simulation has the answer to.

        Parameters
        ----------
        outcome : str, optional
            The first process's outcome where none is given.
        **choices
            For :class:`svmodel.Design`; ``exposure="population"`` unless given.
        """
        from svmodel.design import Design

        choices = {"exposure": "population", **choices}
        outcome = outcome or self.processes[0].outcome
        return Design(self.panel, outcome=outcome, intervention=self.intervention, **choices)

    def __repr__(self) -> str:
        effects = ", ".join(f"{o} {t.effect().rate_ratio:.3f}" for o, t in self.truth.items())
        return f"<Simulation {self.recipe!r}, seed {self.seed}: {self.panel!r}; true rate ratios: {effects}>"

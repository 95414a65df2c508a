"""Smoothed rates of small areas over time: a map, a random walk, and what single cells do by themselves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from svmodel import periods
from svmodel.adjacency import read_adjacency
from svmodel.bayes.maps import bym2
from svmodel.bayes.options import problems_with
from svmodel.bayes.smoothed_areas import SmoothedAreas, diagnostics_of, smoothed
from svmodel.design import Design
from svmodel.engine import arrived, run
from svmodel.engine.description import LatentModel, Term
from svmodel.errors import DesignError, EstimationError, Problems, did_you_mean, shorten
from svmodel.numerics.arrays import Floats
from svmodel.numerics.latent.priors import HalfNormal
from svmodel.numerics.latent.structures import BYM2, CellEffects, Fixed, Independent, RandomWalk, Structure
from svmodel.panel import Panel
from svmodel.periods import PeriodLike

_VALID = {"family": ("negative_binomial", "poisson", "binomial")}
_NO_INDEX = np.zeros((1, 1), dtype=np.int64)


@dataclass(frozen=True)
class SmallAreaTrend:
    """Rates of small areas, each borrowing from its neighbours and from the periods before and after.

    Parameters
    ----------
    order : {1, 2}
        Of the random walk over periods: 1 for a level that wanders, 2 for a line that bends.
    interaction : bool
        Whether each area has an effect of its own in each period (type I): departures from the common trend that do not
        last. Without it every area has the same trend.
    family : {"negative_binomial", "poisson", "binomial"}
        Binomial where the exposure counts trials, of which the outcome is a part.
    threshold : float, optional
        Rate that areas are compared with, per `per` and period; where None, the rate of all areas together over the
        window.
    per : float
        Rates are in events for so many of the exposure, in a period.
    area_sd, period_sd, interaction_sd, overdispersion : float
        Scales of the half-normal priors of the standard deviations (log scale, log odds if binomial) of area effects,
        of a step of the walk, of the cells' own effects, and of the shock that each count meets.
    engine : {"laplace", "nuts"}
    draws : int
    level : float
        Posterior probability in an interval.

    Notes
    -----
    ``y_it ~ NB(e_it exp(eta_it), s)``, ``eta_it = mu + b_i + m_t (+ d_it)``: b is BYM2 over the map (Riebler and others
    2016), scaled in each connected part; m a random walk about zero; d independent. The share of the variance of b that
    follows borders has a uniform prior. Without neighbours b is independent over areas.

    The smoothed rate is the expected one, without the shock of a single count: an interval of it is none for next
    month's count. An area's rate over the window weights periods by their exposure. A cell whose count is missing has a
    rate from the rest of the model, and says so with a missing raw rate.

    *Supposes* that areas share the trend, but for what the interaction takes up; that borders are those along which
    rates are alike; that counts are independent given the effects.

    References
    ----------
    Besag, York and Mollie (1991), *Annals of the Institute of Statistical Mathematics* 43, 1-59. Knorr-Held (2000),
    *Statistics in Medicine* 19, 2555-2567. Riebler, Sorbye, Simpson and Rue (2016), *Statistical Methods in Medical
    Research* 25(4), 1145-1165. Richardson and others (2004), *Environmental Health Perspectives* 112(9), for
    exceedance probabilities.

    Examples
    --------
    >>> from svmodel import simulate
    >>> made = simulate.panel(16, 24, mean=6, cohorts=((12, 4),), seed=1)
    >>> found = SmallAreaTrend(draws=500).fit(
    ...     made.panel, "violence", exposure="population", neighbours=made.neighbours, seed=1
    ... )
    >>> list(found.areas.columns)[:7]
    ['area', 'count', 'exposure', 'raw', 'rate', 'conf_low', 'conf_high']
    >>> bool((found.areas["rate"].std() < found.areas["raw"].std()))
    True
    """

    order: Literal[1, 2] = 1
    interaction: bool = False
    family: Literal["negative_binomial", "poisson", "binomial"] = "negative_binomial"
    threshold: float | None = None
    per: float = 100_000
    area_sd: float = 0.7
    period_sd: float = 0.2
    interaction_sd: float = 0.3
    overdispersion: float = 0.5
    engine: Literal["laplace", "nuts"] = "laplace"
    draws: int = 4000
    level: float = 0.95

    def __post_init__(self) -> None:
        scales = ("area_sd", "period_sd", "interaction_sd", "overdispersion", "per", "threshold")
        found = problems_with(self, valid=_VALID, above_zero=scales)
        if self.order not in {1, 2}:
            found.add(f"a walk has order 1 or 2, not {self.order!r}", rule="order")
        found.raise_if_any(EstimationError, "SmallAreaTrend cannot be used so")

    def fit(
        self,
        panel: Panel | Design,
        outcome: str | None = None,
        *,
        exposure: str | None = None,
        neighbours: Any = None,
        window: tuple[PeriodLike | None, PeriodLike | None] | None = None,
        seed: int = 0,
    ) -> SmoothedAreas:
        """Smooth the rates of a panel's areas.

        Parameters
        ----------
        panel : Panel or Design
            Of a design its panel, outcome, exposure and window are taken where they are not given; its intervention
            plays no part.
        outcome : str
            A count.
        exposure : str
            An exposure of the panel; trials if binomial, for which a count will do too.
        neighbours : mapping, pairs, matrix or frame, optional
            Borders between areas, as :func:`svmodel.adjacency.read_adjacency` takes them.
        window : (first, last), optional
            Both included.
        seed : int
            The same seed gives the same draws on the same machine.

        Returns
        -------
        SmoothedAreas

        Raises
        ------
        DesignError
            If the panel has no such outcome or exposure, or too few areas or periods; with all faults at once.
        DataError
            If the borders or the window cannot be used.
        EstimationError
            If there is nothing to smooth, or the fit has not converged.
        """
        notes = []
        if isinstance(panel, Design):
            design = panel
            outcome = design.outcome if outcome is None else outcome
            exposure = design.exposure if exposure is None else exposure
            window = design.window if window is None else window
            panel = design.panel
            notes.append(f"{design.intervention.name} plays no part: a change that it brings is smoothed as any other.")
        if not isinstance(panel, Panel):
            raise DesignError(f"what is smoothed has to be a svmodel.Panel or Design, and is a {type(panel).__name__}")
        self._check(panel, outcome, exposure)
        assert outcome is not None
        assert exposure is not None
        panel = panel if window is None else panel.select(window=window)
        y, people = panel.matrix(outcome), panel.matrix(exposure)
        where = f"{outcome} in {panel.n_areas:,} areas"
        self._look(y, people, panel, where)
        model = self.ask(y, people, panel.areas, neighbours)
        posterior = arrived(run(model, self.engine, draws=self.draws, seed=seed), where)
        notes += self._notes(panel, y, people, model, neighbours)
        choices: dict[str, Any] = {"per": self.per, "level": self.level}
        return SmoothedAreas(
            outcome=outcome,
            exposure=exposure,
            **choices,
            **smoothed(y, people, panel, model, posterior, threshold=self.threshold, **choices),
            diagnostics=diagnostics_of(panel, model, posterior, seed),
            notes=tuple(notes),
            estimator=self,
            model=model,
            posterior=posterior,
        )

    def ask(self, y: Floats, exposure: Floats, areas: tuple[str, ...], neighbours: Any = None) -> LatentModel:
        """Return the model of some counts.

        Parameters
        ----------
        y, exposure : ndarray, shape (N, T)
            NaN where unknown; a cell without exposure says nothing.
        areas : tuple of str
        neighbours
            As in :meth:`fit`.
        """
        exposed = exposure > 0
        y = np.where(exposed, y, np.nan)
        known = ~np.isnan(y)
        rate = max(float(y[known].sum()), 0.5) / float(exposure[known].sum())
        N, T = y.shape
        prior = HalfNormal(self.area_sd)
        over_areas: Structure = (
            Independent(N, "area_sd", prior, zero_sum=True) if neighbours is None else bym2(neighbours, areas, prior)
        )
        binomial = self.family == "binomial"
        terms = [
            Term(
                "intercept",
                Fixed(math.log(rate / (1 - min(rate, 0.999))) if binomial else math.log(rate), 1.0),
                _NO_INDEX,
            ),
            Term("area", over_areas, np.arange(N)[:, None]),
        ]
        if self.order < T:
            walk = RandomWalk(T, "period_sd", HalfNormal(self.period_sd), self.order)
            terms.append(Term("period", walk, np.arange(T)[None, :]))
        if self.interaction:
            own = CellEffects(N * T, "interaction_sd", HalfNormal(self.interaction_sd))
            terms.append(Term("interaction", own, np.arange(N * T).reshape(N, T)))
        offset = np.where(exposed, 0.0 if binomial else np.log(np.where(exposed, exposure, 1.0)), np.nan)
        spread = HalfNormal(self.overdispersion) if self.family == "negative_binomial" else None
        trials = np.where(exposed, exposure, 0.0) if binomial else None
        return LatentModel(y, offset, tuple(terms), self.family, spread, trials)

    def _check(self, panel: Panel, outcome: str | None, exposure: str | None) -> None:
        problems = Problems()
        people = (*panel.exposures, *panel.counts) if self.family == "binomial" else panel.exposures
        if outcome not in panel.counts:
            fix = did_you_mean(str(outcome), panel.counts)
            problems.add(f"{outcome!r} is no count of the panel", fix=fix, rule="unknown_outcome")
        if exposure is None:
            has = f"The panel has {shorten(people)}." if people else "The panel has none: add one."
            problems.add("a rate needs an exposure", fix=has, rule="no_exposure")
        elif exposure not in people:
            fix = did_you_mean(exposure, people)
            problems.add(f"{exposure!r} is no exposure of the panel", fix=fix, rule="unknown_exposure")
        if panel.n_areas < 2:
            problems.add("one area has no other to borrow from", fix="Use trends.fit_trend.", rule="one_area")
        problems.raise_if_any(DesignError, "the areas cannot be smoothed")

    def _look(self, y: Floats, people: Floats, panel: Panel, where: str) -> None:
        known = ~np.isnan(y) & (people > 0)
        problems = Problems()
        if not known.any():
            problems.add("no count with an exposure is known", rule="nothing_known")
        elif y[known].sum() == 0:
            problems.add("every count is zero", rule="all_zero")
        if panel.n_periods < 2:
            problems.add("the window has one period", fix="Use profile.rates.", rule="one_period")
        elif panel.n_periods <= self.order:
            problems.add(f"a walk of order {self.order} needs more than {panel.n_periods} periods", rule="order")
        if self.family == "binomial" and known.any():
            over = known & (y > people)
            if over.any():
                at = np.argwhere(over)[0]
                cell = f"{panel.areas[at[0]]}, {periods.label(panel.periods[at[1]])}"
                problems.add(f"{int(over.sum())} counts exceed their trials", where=cell, rule="above_trials")
            elif y[known].sum() == people[known].sum():
                problems.add("every trial is an event", rule="all_events")
            if (people[known] % 1 != 0).any():
                problems.add("trials are not whole numbers", rule="trials")
        problems.raise_if_any(EstimationError, f"{where} cannot be smoothed")

    def _notes(self, panel: Panel, y: Floats, people: Floats, model: LatentModel, neighbours: Any) -> Iterator[str]:
        structure = model.terms[1].structure
        if isinstance(structure, BYM2):
            yield from read_adjacency(neighbours, panel.areas).notes
            sizes = sorted((len(p) for p in structure.graph.parts), reverse=True)
            if len(sizes) > 1:
                told = ", ".join(f"{n:,}" for n in sizes[:6]) + (", ..." if len(sizes) > 6 else "")
                yield (
                    f"The map has {len(sizes)} connected parts (of {told} areas), which borrow from each other only "
                    "what all areas share."
                )
            if len(structure.graph.islands):
                yield "An area that borders on none is pooled with all areas and has no neighbours to borrow from."
        else:
            yield "No borders were given: areas are pooled with all others alike, and no share follows borders."
        word = periods.describe_frequency(panel.periods)
        missing, unexposed = int(np.isnan(y).sum()), int((~np.isnan(y) & ~(people > 0)).sum())
        if missing:
            yield f"{missing:,} area-{word}s have no count; their rates are those of the model. Missing is not zero."
        if unexposed:
            yield f"{unexposed:,} area-{word}s have a count but no exposure above 0, and are left out."
        unknown = [a for a, row in zip(panel.areas, model.known, strict=True) if not row.any()]
        if unknown:
            yield f"Of {shorten(unknown)} nothing is known: the rate there is what the model expects of any such area."
        if self.interaction and self.family == "negative_binomial":
            yield (
                "Both the interaction and the overdispersion vary from cell to cell. How the variance is split between "
                "them rests much on their priors, and with it how far a cell's rate follows its count."
            )

"""Treated areas as a few series: what Bayesian models of one series at a time start from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.bayes.question import Question
from svmodel.bayes.rows import TreatedCells
from svmodel.design import EXCLUDED, TREATED, UNTREATED, DesignArrays
from svmodel.engine.description import Term
from svmodel.engine.posterior import Posterior
from svmodel.errors import EstimationError, Problems
from svmodel.numerics.arrays import Ints
from svmodel.numerics.latent.priors import HalfNormal
from svmodel.numerics.latent.structures import Fixed, Seasonal
from svmodel.numerics.series import Series, treated_series
from svmodel.words import listed

#: Known periods before the start that a series needs, by periods a year: a year of months, two of quarters, five years.
LEAST_BEFORE = {12: 12, 4: 8, 1: 5, 52: 52, 365: 365}
#: Prior standard deviation of the coefficient of a sine or a cosine, on the log scale.
_WAVE_SD = 0.3
#: What is said of several series.
INDEPENDENT = "Series are independent given what they share: a shock that befell all is in no interval."


@dataclass(frozen=True, eq=False)
class SeriesQuestion(Question):
    """A question whose rows are series.

    Attributes
    ----------
    arrays : DesignArrays
        Of the series; an outcome is missing where a series does not use it.
    members : ndarray of int, shape (G,)
        How many areas each series sums.
    """

    arrays: DesignArrays = field(kw_only=True)
    members: Ints = field(kw_only=True)

    def spans(self) -> list[dict[str, Any]]:
        """Return the name of each series, and its periods before and after the start."""
        return [
            {"series": name, "periods_before": int(before.sum()), "periods_after": int(after.sum())}
            for name, before, after in zip(self.arrays.areas, self.arrays.untreated, self.target, strict=True)
        ]

    def cells(self, posterior: Posterior, arrays: DesignArrays, level: float) -> TreatedCells:  # noqa: ARG002
        """Return draws of expected counts of the treated periods, with and without the intervention."""
        return replace(super().cells(posterior, self.arrays, level), members=self.members)

    def path(
        self,
        posterior: Posterior,
        arrays: DesignArrays,  # noqa: ARG002
        level: float,
        parents: Mapping[str, str] | None = None,
    ) -> pd.DataFrame:
        """Return observed and expected outcomes of series that are one area, and of all of them together."""
        return self.without_sums(super().path(posterior, self.arrays, level, parents))

    def without_sums(self, path: pd.DataFrame) -> pd.DataFrame:
        """Return a path without the series that sum several areas; they are in that of all together."""
        sums = [a for a, n in zip(self.arrays.areas, self.members, strict=True) if n > 1]
        return path[~path["area"].isin(sums)].reset_index(drop=True)


def series_of(arrays: DesignArrays, *, each: bool) -> list[Series]:
    """Return the treated areas as series; see :func:`svmodel.numerics.series.treated_series`.

    An area that is known too late joins no sum of areas that are known in time; see :func:`lost_parts`.
    """
    before, after = arrays.status == UNTREATED, arrays.status == TREATED
    parts = (arrays.y, arrays.exposure, arrays.covariates, arrays.start, before, after)
    return treated_series(*parts, each=each, least=LEAST_BEFORE[periods.per_year(arrays.periods)])


def as_arrays(arrays: DesignArrays, series: Sequence[Series]) -> DesignArrays:
    """Return the series as a design's arrays, one row each."""
    T = len(arrays.periods)
    status = np.full((len(series), T), EXCLUDED, dtype=np.int8)
    for g, s in enumerate(series):
        row = arrays.status[s.rows[0]]
        status[g, (row != TREATED) | s.after] = row[(row != TREATED) | s.after]
    return DesignArrays(
        y=np.stack([np.where(s.used, s.y, np.nan) for s in series]),
        exposure=None if arrays.exposure is None else np.stack([s.exposure for s in series]),
        start=np.array([s.start for s in series]),
        status=status,
        covariates=np.stack([s.covariates for s in series]),
        areas=_labels(arrays, series),
        periods=arrays.periods,
        anticipation=arrays.anticipation,
    )


def _labels(arrays: DesignArrays, series: Sequence[Series]) -> tuple[str, ...]:
    made: list[str] = []
    for s in series:
        if len(s.rows) == 1:
            made.append(arrays.areas[int(s.rows[0])])
            continue
        label = f"{len(s.rows)} areas from {periods.label(arrays.periods[s.start])}"
        made.append(label if label not in made else f"{label}, group {len(made) + 1}")
    return tuple(made)


def lost_parts(arrays: DesignArrays, series: Sequence[Series]) -> tuple[str, ...]:
    """Return what series leave out: treated areas that are in none, and periods in which a sum misses an area."""
    used = {int(i) for s in series for i in s.rows}
    known = (arrays.treated & ~np.isnan(arrays.y)).any(axis=1)
    late = [arrays.areas[i] for i in np.flatnonzero(known) if int(i) not in used]
    found = []
    if late:
        word = periods.describe_frequency(arrays.periods)
        least = LEAST_BEFORE[periods.per_year(arrays.periods)]
        which = f"{listed(late)} {'is' if len(late) == 1 else 'are'}"
        found.append(f"{which} in no sum, because fewer than {least} {word}s before the start are known")
    lost = sum(s.lost for s in series)
    if lost:
        found.append(f"{lost} periods of summed series miss one of their areas")
    return tuple(found)


def log_rate(s: Series) -> float:
    """Return the log of a series' rate before its start."""
    return math.log(float(s.y[s.before].sum()) / float(s.exposure[s.before].sum()))


def usable_series(
    arrays: DesignArrays, *, each: bool, counts: bool, nothing: str, title: str
) -> tuple[list[Series], DesignArrays]:
    """Return the treated areas as series, and the series as a design's arrays.

    Parameters
    ----------
    arrays : DesignArrays
    each : bool
        Whether each area is a series of its own.
    counts : bool
        Whether the model is one of counts on the log scale.
    nothing, title : str
        What is said where there is no series, and where some cannot be answered.

    Raises
    ------
    EstimationError
        If a series is too short or constant, or has no event before its start. Every one is named.
    """
    series = series_of(arrays, each=each)
    if not series:
        raise EstimationError(nothing)
    held = as_arrays(arrays, series)
    found = Problems()
    word = periods.describe_frequency(arrays.periods)
    least = LEAST_BEFORE[periods.per_year(arrays.periods)]
    for name, s in zip(held.areas, series, strict=True):
        before = int(s.before.sum())
        if before < least:
            found.add(
                f"{before} known {word}s before the start, and {least} are needed",
                where=name,
                fix="Give earlier data; a difference-in-differences needs fewer.",
                rule="few_before",
            )
        if not s.after.any():
            found.add(f"no {word} from the start on is known", where=name, rule="no_after")
        if before and counts and s.y[s.before].sum() == 0:
            found.add(
                f"there is not one event before the start ({before} {word}s), so nothing to compare with",
                where=name,
                fix="Sum areas, or use a longer window.",
                rule="no_events",
            )
        elif before and float(np.ptp(s.y[s.used])) == 0:
            found.add(f"the outcome is {s.y[s.used][0]:g} in every {word}", where=name, rule="constant_series")
        elif before and not counts and float(np.ptp(s.rate[s.before])) == 0:
            found.add(
                f"the outcome is {s.y[s.before][0]:g} in every {word} before the start",
                where=name,
                rule="constant_series",
            )
    found.raise_if_any(EstimationError, title)
    return series, held


def only_row(g: int, size: int, index: Ints | int = 0) -> Ints:
    """Return an index that enters row `g` of `size` rows alone, for a term of one series."""
    row: Ints = np.atleast_2d(np.asarray(index, dtype=np.int64))
    out = np.full((size, row.shape[1]), -1, dtype=np.int64)
    out[g] = row[0]
    return out


def season_terms(kind: str, harmonics: int, arrays: DesignArrays, sd: float) -> list[Term]:
    """Return the season of each series.

    Parameters
    ----------
    kind : {"auto", "smooth", "harmonics", "none"}
        A random walk around the year (the default where there are quarters or months), or waves (the default where
        there are weeks or days; days have their weekday besides).
    harmonics : int
        Pairs of waves.
    arrays : DesignArrays
        Of the series.
    sd : float
        Scale of the half-normal prior of a step around the year.
    """
    per_year = periods.per_year(arrays.periods)
    if kind == "none" or per_year == 1:
        return []
    G, T = arrays.y.shape
    time, rows = np.arange(T), np.arange(G)[:, None]
    weekly = periods.has_weeks(arrays.periods)
    if kind == "smooth" and weekly:
        word = periods.describe_frequency(arrays.periods)
        raise EstimationError(
            f"no whole number of {word}s makes a year, as season='smooth' needs; use season='harmonics' or 'none'"
        )
    if kind in ("auto", "smooth") and not weekly:
        ring = Seasonal(per_year, "season_sd", HalfNormal(sd))
        return [Term(f"season_{g}", ring, only_row(g, G, time % per_year)) for g in range(G)]
    terms = []
    for k in range(1, min(harmonics, per_year // 2) + 1):
        angle = 2 * np.pi * k * time / periods.year_length(arrays.periods)
        waves = {"cos": np.cos(angle)} if 2 * k == per_year else {"sin": np.sin(angle), "cos": np.cos(angle)}
        terms += [Term(f"{name}_{k}", Fixed(0.0, _WAVE_SD, G), rows, wave[None, :]) for name, wave in waves.items()]
    if arrays.periods.freqstr == "D":
        weekday = np.asarray(arrays.periods.day_of_week)
        days = [(weekday == d).astype(np.float64) - 1 / 7 for d in range(6)]
        terms += [Term(f"weekday_{d}", Fixed(0.0, _WAVE_SD, G), rows, there[None, :]) for d, there in enumerate(days)]
    return terms

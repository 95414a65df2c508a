"""Panels for power from the data themselves: the intervention put where and when there was none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from svmodel.design import NEVER, TREATED, UNTREATED, DesignArrays
from svmodel.errors import EstimationError, Problems
from svmodel.inference.statistic import data_order
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.negative_binomial import nb2_dispersion
from svmodel.numerics.two_way import TwoWay
from svmodel.numerics.two_way.poisson_fe import fit_poisson, informative_cells
from svmodel.planning.plan import Drawn, Shape

#: Areas nearest in level among which a likeness is drawn.
_NEAREST = 10
#: Fewer controls than this answer nothing.
_FEWEST_CONTROLS = 2


@dataclass(frozen=True, eq=False)
class History:
    """A rectangle of areas and periods without intervention, and how studies are laid into it.

    Attributes
    ----------
    y, mean : ndarray, shape (M, S)
        Outcome, and its fitted mean for counts.
    dispersion : float
    exposure : ndarray, shape (M, S) or None
    covariates : ndarray, shape (M, S, K)
    areas : tuple of str
        In an order that their data alone decide.
    periods : pandas.PeriodIndex
    wanted : ndarray, shape (n,) or None
        Levels that treated areas shall have, None for any.
    level : ndarray, shape (M,)
    shape : Shape
    n_controls : int
    kind : {"before", "never"}
        Whether it holds all areas before the first start, or the never treated throughout.
    """

    y: Floats
    mean: Floats
    dispersion: float
    exposure: Floats | None
    covariates: Floats
    areas: tuple[str, ...]
    periods: pd.PeriodIndex
    wanted: Floats | None
    level: Floats
    shape: Shape
    n_controls: int
    kind: str

    @property
    def shifts(self) -> int:
        """In how many ways the study can be laid along the periods."""
        return len(self.periods) - self.shape.length + 1

    def draw(self, place: np.random.Generator, noise: np.random.Generator) -> Drawn:
        """Lay the study in at random: when, in which areas."""
        shift = int(place.integers(self.shifts))
        treated = self._treated(place)
        rest = np.setdiff1d(np.arange(len(self.areas)), treated, assume_unique=True)
        controls = rest[place.permutation(len(rest))[: self.n_controls]]
        start = np.full(len(self.areas), NEVER, dtype=np.int64)
        end = np.full(len(self.areas), NEVER, dtype=np.int64)
        start[treated], end[treated] = self.shape.start, self.shape.end
        rows = np.sort(np.concatenate([treated, controls]))
        window = slice(shift, shift + self.shape.length)
        y, mean = self.y[rows, window], self.mean[rows, window]
        return Drawn(
            y=y,
            intensity=intensity_behind(noise, y, mean, self.dispersion),
            exposure=None if self.exposure is None else self.exposure[rows, window],
            covariates=self.covariates[rows, window],
            start=start[rows],
            end=end[rows],
            areas=tuple(self.areas[i] for i in rows),
            periods=self.periods[window],
        )

    def _treated(self, rng: np.random.Generator) -> Ints:
        """Return the rows of the areas to treat, in the order of the starts."""
        n, M = len(self.shape.start), len(self.areas)
        if self.wanted is None:
            return rng.permutation(M)[:n].astype(np.int64)
        free = np.ones(M, dtype=bool)
        out = np.empty(n, dtype=np.int64)
        want = rng.permutation(self.wanted)
        for k in rng.permutation(n):
            left = np.flatnonzero(free)
            near = left[np.argsort(np.abs(self.level[left] - want[k]), kind="stable")[:_NEAREST]]
            out[k] = near[int(rng.integers(len(near)))]
            free[out[k]] = False
        return out


def history_of(
    arrays: DesignArrays,
    shape: Shape,
    *,
    counts: bool,
    planned: bool,
    placement: str,
    n_controls: int | None,
    found: Problems,
) -> History | None:
    """Return the rectangle without intervention that the study is laid into; note why there is none.

    All areas over the periods before the first start where the study fits in, else the never treated over all periods.
    """
    N, T = arrays.y.shape
    reached = (arrays.status != UNTREATED).any(axis=0)
    before = T if planned or not reached.any() else int(np.argmax(reached))
    never = np.flatnonzero((arrays.status == UNTREATED).all(axis=1))
    n, need = len(shape.start), shape.length
    if need > T:
        fix = "Simulate from a model: method='model'."
        found.add(f"the study has {need} periods and the panel {T}", where="study", fix=fix, rule="too_short")
        return None
    rows, span, kind = (np.arange(N), before, "before") if before >= need else (never, T, "never")
    rows = rows[~np.isnan(arrays.y[rows, :span]).all(axis=1)]
    if kind == "never" and len(rows) < n + _FEWEST_CONTROLS:
        text = (
            f"there is nothing to resample {n} treated areas from: {before} periods before the first start, fewer than "
            f"the study's {need}, and {len(rows)} areas that are never treated"
        )
        fix = (
            "Shorten the study (study=(12, 12), say), treat fewer areas, say planned=True if nothing has begun yet, or "
            "simulate from a model: method='model'."
        )
        found.add(text, where="design", fix=fix, rule="no_history")
        return None
    left = len(rows) - n
    controls = left if n_controls is None else n_controls
    if controls > left or controls < _FEWEST_CONTROLS:
        text = f"{n} treated areas and {controls} controls cannot be drawn from {len(rows)} areas without intervention"
        where = "n_treated" if n_controls is None else "n_controls"
        fix = "Ask for fewer, or simulate from a model: method='model'."
        found.add(text, where=where, fix=fix, rule="too_many")
        return None
    part = _cut(arrays.take(rows), span)
    part = part.take(data_order(part))
    y, exposure = part.y, part.exposure
    mean, k = _mean(y, exposure, found) if counts else (np.zeros_like(y), 0.0)
    wanted = None
    level = _log_level(y, ~np.isnan(y), counts=counts)
    if placement == "alike":
        use = arrays.untreated if not planned else ~np.isnan(arrays.y)
        own = np.sort(_log_level(arrays.y, use, counts=counts)[(arrays.status == TREATED).any(axis=1)])
        wanted = own[np.floor((np.arange(n) + 0.5) * len(own) / n).astype(np.int64)]
    return History(
        y, mean, k, exposure, part.covariates, part.areas, part.periods, wanted, level, shape, int(controls), kind
    )


def _cut(arrays: DesignArrays, span: int) -> DesignArrays:
    """Return the first periods, without anything that tells of the intervention."""
    return replace(
        arrays,
        y=arrays.y[:, :span],
        exposure=None if arrays.exposure is None else arrays.exposure[:, :span],
        start=np.full(len(arrays.areas), NEVER, dtype=np.int64),
        status=np.zeros((len(arrays.areas), span), dtype=np.int8),
        covariates=arrays.covariates[:, :span],
        periods=arrays.periods[:span],
    )


def _log_level(y: Floats, use: Mask, *, counts: bool) -> Floats:
    """Return each area's mean outcome, for counts as a logarithm with half an event added."""
    n = np.maximum(use.sum(axis=1), 1)
    total = np.where(use, y, 0.0).sum(axis=1)
    return np.log((total + 0.5) / n) if counts else total / n


def _mean(y: Floats, exposure: Floats | None, found: Problems) -> tuple[Floats, float]:
    """Return fitted means by area and period, and the dispersion about them."""
    known = ~np.isnan(y)
    use = informative_cells(y, known)
    if not use.any():
        found.add("no event is recorded where there was no intervention", where="outcome", rule="no_events")
        return np.zeros_like(y), 0.0
    try:
        mean = np.nan_to_num(fit_poisson(y, TwoWay(use), exposure).mu)
    except EstimationError as error:
        found.add(f"the counts without intervention have no area and period levels: {error.title}", rule="no_levels")
        return np.zeros_like(y), 0.0
    fitted = use & (mean > 0)
    freed = int(fitted.any(axis=1).sum() + fitted.any(axis=0).sum() - 1)
    k = nb2_dispersion(y[fitted], mean[fitted], parameters=freed)
    return np.where(fitted, mean, 0.0), 0.0 if math.isnan(k) else k


def impose(
    rng: np.random.Generator, y: Floats, intensity: Floats, treated: Mask, effects: Sequence[float]
) -> list[Floats]:
    """Return the counts under each rate ratio, from one set of random numbers.

    A ratio below 1 keeps each event of a treated cell with that probability; one above 1 adds Poisson events. Events
    that a larger ratio keeps or adds are among those of the next one, so that curves over effects are smooth.

    Parameters
    ----------
    rng : numpy.random.Generator
    y : ndarray, shape (N, T)
        Counts without the intervention; NaN stays.
    intensity : ndarray, shape (N, T)
        Given which the counts are Poisson; used above 1 alone.
    treated : ndarray of bool, shape (N, T)
    effects : sequence of float
        Rate ratios, each above 0.

    Notes
    -----
    A negative binomial count of mean m and dispersion k, thinned to the share r, is negative binomial of mean r m and
    dispersion k. Given its gamma intensity L, so is the count with Poisson((r - 1) L) events added.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> y = np.full((1, 4), 100.0)
    >>> fewer, same = impose(rng, y, y, np.array([[False, False, True, True]]), [0.5, 1.0])
    >>> bool((fewer <= same).all()), same.tolist()
    (True, [[100.0, 100.0, 100.0, 100.0]])
    """
    cells = np.flatnonzero(treated & ~np.isnan(y))
    counts = y.ravel()[cells].astype(np.int64)
    owner = np.repeat(np.arange(len(cells)), counts)
    mark = rng.random(len(owner))
    most = max(*effects, 1.0)
    more = rng.poisson((most - 1) * intensity.ravel()[cells])
    added = np.repeat(np.arange(len(cells)), more)
    rank = rng.random(len(added)) * (most - 1)
    out = []
    for effect in effects:
        held = y.ravel().copy()
        if effect < 1:
            held[cells] = np.bincount(owner[mark < effect], minlength=len(cells))
        elif effect > 1:
            held[cells] = counts + np.bincount(added[rank < effect - 1], minlength=len(cells))
        out.append(held.reshape(y.shape))
    return out


def intensity_behind(rng: np.random.Generator, y: Floats, mean: Floats, dispersion: float) -> Floats:
    """Draw the gamma intensity behind negative binomial counts, given the counts.

    With ``L ~ Gamma(1/k, k m)`` and ``y | L ~ Poisson(L)``, ``L | y ~ Gamma(y + 1/k, k m / (1 + k m))``.
    """
    known = np.where(np.isnan(y), 0.0, y)
    if dispersion <= 0:
        return mean
    return rng.gamma(known + 1 / dispersion, dispersion * mean / (1 + dispersion * mean))

"""From imputed cells to the rows of a result: sums of cells for every term, each with its uncertainty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy import linalg

from svmodel.did.cell_sums import shows_no_noise
from svmodel.did.expected_poisson import Imputed
from svmodel.did.leads import before_test
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.cluster import SmallSample, shrink_correlation, small_sample
from svmodel.numerics.resampling.conley_taber import placebo_sums
from svmodel.numerics.resampling.placebo_noise import Noise, learn_noise
from svmodel.numerics.two_way.imputation import CohortBlock, Sums, sum_cells
from svmodel.result import JointEstimate
from svmodel.result.many_effects import Effects, Rows, by_influence, by_noise, only
from svmodel.result.rule import Choice
from svmodel.result.scales import PerCell
from svmodel.result.tables import event_joint

#: Distinct patterns of known cells for which noise is learnt separately within a cohort.
_MOST_PATTERNS = 20


@dataclass(frozen=True, eq=False)
class Pattern:
    """Areas of a cohort whose level and target cells fall in the same periods (or nearly, where patterns abound)."""

    inside: Ints
    level_cells: Mask
    target: Mask


def patterns(block: CohortBlock, most: int = _MOST_PATTERNS) -> list[Pattern]:
    """Return the areas of a cohort by pattern; beyond the most common, each goes to the nearest of these."""
    both = np.hstack([block.level_cells, block.target])
    packed = np.packbits(both, axis=1)
    keys = packed.view(f"V{packed.shape[1]}").ravel()
    seen: dict[bytes, int] = {}
    which = np.array([seen.setdefault(key.tobytes(), len(seen)) for key in keys])
    kinds = np.unpackbits(
        np.frombuffer(b"".join(seen), dtype=np.uint8).reshape(len(seen), -1), axis=1, count=both.shape[1]
    ).astype(bool)
    count = np.bincount(which)
    if len(kinds) > most:
        common = np.sort(np.argsort(-count, kind="stable")[:most])
        far = (kinds[:, None, :] != kinds[None, common, :]).sum(axis=2)
        which = far.argmin(axis=1)[which]
        kinds = kinds[common]
    T = block.target.shape[1]
    return [
        Pattern(inside, kinds[k, :T], kinds[k, T:])
        for k in range(len(kinds))
        if len(inside := np.flatnonzero(which.ravel() == k))
    ]


@dataclass(frozen=True, eq=False)
class Learnt:
    """Noise of sums, learnt from untreated areas: ``Var(observed - R expected) = linear R + square R^2``.

    Attributes
    ----------
    linear, square, square_observed : ndarray, shape (Q,)
        `square` without the shape's part; NaN where too few untreated areas could be followed.
    cross : ndarray, shape (Q, Q)
        Covariance of the misses at R = 1.
    areas : ndarray, shape (Q,)
        Untreated areas it was learnt from, at the least.
    parts : tuple of tuple of (misses, deviations, scales)
        For each sum what :func:`svmodel.numerics.resampling.conley_taber.placebo_sums` takes.
    """

    linear: Floats
    square: Floats
    square_observed: Floats
    cross: Floats
    areas: Floats
    parts: tuple[tuple[tuple[Floats, Floats, Floats], ...], ...]

    @classmethod
    def nothing(cls, size: int) -> Learnt:
        """Return the noise of empty sums."""
        zero = np.zeros(size)
        return cls(zero, zero.copy(), zero.copy(), np.zeros((size, size)), np.full(size, np.inf), ((),) * size)

    def __add__(self, other: Learnt) -> Learnt:
        return Learnt(
            self.linear + other.linear,
            self.square + other.square,
            self.square_observed + other.square_observed,
            self.cross + other.cross,
            np.minimum(self.areas, other.areas),
            tuple(mine + theirs for mine, theirs in zip(self.parts, other.parts, strict=True)),
        )


def pattern_noise(imputed: Imputed, pattern: Pattern, windows: Floats, *, counts: bool, own: bool = False) -> Noise:
    """Learn the noise over windows, shape (W, T), from untreated areas followed over the same periods.

    Areas of one cluster are followed together, unless it is the noise of an area of its `own`.
    """
    arrays, fit = imputed.arrays, imputed.fit
    held = (arrays.y, fit.shape, np.nan_to_num(fit.level), arrays.untreated) if own else imputed.followed
    return learn_noise(*held, pattern.level_cells, windows, counts=counts)


@dataclass(frozen=True, eq=False)
class Book:
    """Noise over single periods of a pattern, and over all of them: what most sums ask for, whatever their term."""

    noise: Noise
    place: dict[bytes, int]

    @classmethod
    def of(cls, imputed: Imputed, pattern: Pattern, *, counts: bool) -> Book:
        """Learn it."""
        windows = np.vstack([np.eye(len(pattern.target))[pattern.target], pattern.target.astype(np.float64)])
        place = {w.tobytes(): k for k, w in enumerate(windows)}
        return cls(pattern_noise(imputed, pattern, windows, counts=counts), place)

    def find(self, windows: Floats) -> Noise | None:
        """Return the noise over these windows; None where one is another."""
        at = [self.place.get(w.tobytes(), -1) for w in windows]
        if min(at) < 0:
            return None
        n = self.noise
        placebos = tuple(n.placebos[k] for k in at)
        return Noise(n.phi[at], n.omega[at], n.share[at], n.areas[at], n.correlation[np.ix_(at, at)], placebos)


def _noise_of(imputed: Imputed, block: CohortBlock, pattern: Pattern, windows: Floats, *, counts: bool) -> Noise:
    """Learn the noise over windows, each of the periods of a cohort once for all terms."""
    place = next((k for k, b in enumerate(imputed.blocks) if b is block), None)
    key = ("noise", place, pattern.target.tobytes(), pattern.level_cells.tobytes(), counts)
    if place is not None and (len(windows) > 1 or key in imputed.memory):
        if key not in imputed.memory:
            imputed.memory[key] = Book.of(imputed, pattern, counts=counts)
        found = imputed.memory[key].find(windows)
        if found is not None:
            return found
    return pattern_noise(imputed, pattern, windows, counts=counts)


def learn(imputed: Imputed, block: CohortBlock, pattern: Pattern, weights: Floats, *, counts: bool) -> Learnt:
    """Learn the noise of weighted sums over the cells of some areas of one cohort."""
    windows = weights * pattern.target
    live = np.flatnonzero(windows.any(axis=1))
    out = Learnt.nothing(len(weights))
    if len(live) == 0:
        return out
    noise = _noise_of(imputed, block, pattern, windows[live], counts=counts)
    units = imputed.arrays.units.take(block.areas[pattern.inside])
    size = units.sums(block.expected[pattern.inside] @ windows[live].T)
    phi_part, omega_part = noise.phi * size.sum(axis=0), noise.omega * (size**2).sum(axis=0)
    own = noise.share / (1 + noise.share)
    out.linear[live] = phi_part * (1 - own)
    out.square[live] = phi_part * own + omega_part
    out.square_observed[live] = omega_part * (1 - own)
    deviation = np.sqrt(noise.phi * size + noise.omega * size**2)
    out.cross[np.ix_(live, live)] = noise.correlation * (deviation.T @ deviation)
    out.areas[live] = noise.areas
    parts = list(out.parts)
    for w, q in enumerate(live):
        parts[q] = ((*noise.placebos[w], deviation[:, w]),)
    return replace(out, parts=tuple(parts))


@dataclass(frozen=True, eq=False)
class Aggregates:
    """Q sums of cells, with what is needed to write any of them as rows.

    Attributes
    ----------
    sums : Sums
        With the influence of each cluster of areas, shape (G, Q).
    n_areas, cells, exposure : ndarray, shape (Q,)
        Treated areas (or clusters of them), area-periods and person-periods in each sum.
    learnt : Learnt or None
        Only where some sum needs it.
    imputed : Imputed
    counts : bool
        Whether the outcome counts events.
    """

    sums: Sums
    n_areas: Floats
    cells: Floats
    exposure: Floats | None
    learnt: Learnt | None
    imputed: Imputed
    counts: bool

    @cached_property
    def by_noise(self) -> Mask:
        """Sums that rest on too few treated areas, or too few events, for a cluster-robust variance, shape (Q,)."""
        return np.asarray((self.n_areas < self.imputed.noise_below) | (self.sums.observed <= 0))

    @property
    def complete(self) -> bool:
        """Whether something was expected in every sum that has cells."""
        return bool((self.sums.expected[self.cells > 0] > 0).all())

    def rows(self, term: str, at: Ints, level: float, per: PerCell | None = None, **which: Any) -> Rows:
        """Return the rows of the sums `at` in which something was expected; `which` has a value for each sum."""
        there = self.sums.expected[at] > 0
        at, which = at[there], {name: np.asarray(v)[there] for name, v in which.items()}
        observed, expected = self.sums.observed[at], self.sums.expected[at]
        cells, exposure = self.cells[at], None if self.exposure is None else self.exposure[at]
        if per is not None:
            cells = np.full(len(at), per.cells)
            exposure = None if per.exposure is None else np.full(len(at), per.exposure)
        events = self.counts if per is None else per.events
        found = Effects.bare(observed, expected)
        learnt = self.by_noise[at]
        q = at[~learnt]
        if len(q):
            small = SmallSample(self.small.inflation[q], self.small.df[q])
            covariance = self.covariance[q]
            found.put(
                ~learnt,
                by_influence(observed[~learnt], expected[~learnt], covariance, small, level=level, events=events),
            )
            alone = np.zeros(len(at), dtype=bool)
            alone[~learnt] = [shows_no_noise(self.sums.of_observed[:, k], float(self.sums.observed[k])) for k in q]
            found.take_limits(alone)
        q = at[learnt]
        if len(q):
            assert self.learnt is not None
            placebos = [placebo_sums(self.learnt.parts[k]) for k in q]
            noise = self.noise
            own = noise[0][q], noise[1][q], noise[2][q]
            found.put(learnt, by_noise(observed[learnt], expected[learnt], own, placebos, level))
        return found.rows(term, cells, exposure, level=level, events=events, **which)

    @cached_property
    def covariance(self) -> Floats:
        """Covariance of the observed and the expected sum, shape (Q, 2, 2)."""
        o, e = self.sums.of_observed, self.sums.of_expected
        across = np.einsum("nq,nq->q", o, e)
        own = np.einsum("nq,nq->q", o, o), np.einsum("nq,nq->q", e, e)
        flat = np.stack([own[0], across, across, own[1]], axis=1)
        return np.asarray(self.imputed.factor * flat.reshape(-1, 2, 2))

    @cached_property
    def small(self) -> SmallSample:
        """What intervals need beyond the standard error, shape (Q,); nothing but t where `few_treated` is 0."""
        ceiling = np.full(len(self.cells), float(self.imputed.n_clusters - 1))
        if not self.imputed.few:
            return SmallSample(np.ones(len(self.cells)), ceiling)
        imputed, units = self.imputed, self.imputed.arrays.units
        live = imputed.fit.terms.use.any(axis=1) | imputed.target.any(axis=1)
        pools, sizes = units.pools(imputed.pools, live), units.sums(imputed.sizes)
        found = small_sample(self.sums.of_log_ratio, pools, sizes, factor=imputed.factor)
        return SmallSample(found.inflation, np.minimum(found.df, ceiling))

    @cached_property
    def log_errors(self) -> Floats:
        """Standard errors of the log rate ratios, shape (Q,); NaN where there is none."""
        O, E = self.sums.observed, self.sums.expected
        with np.errstate(divide="ignore", invalid="ignore"):
            to_log = np.stack([1 / O, -1 / E], axis=1)
            found = np.sqrt(np.einsum("qi,qij,qj->q", to_log, self.covariance, to_log))
            if self.learnt is not None:
                linear, square, _ = self.noise
                found = np.where(self.by_noise, np.sqrt(linear / O / E + square / E**2), found)
        return np.where((O > 0) & (E > 0), found, np.nan)

    @cached_property
    def noise(self) -> tuple[Floats, Floats, Floats]:
        """The parts of ``Var(observed - R expected)``, the shape's among them, each of shape (Q,)."""
        learnt = self.learnt
        assert learnt is not None
        shape = self.imputed.factor * np.einsum("nq,nq->q", self.sums.of_shape, self.sums.of_shape)
        return learnt.linear, learnt.square + shape, learnt.square_observed


def aggregate(
    imputed: Imputed, blocks: Sequence[CohortBlock], weights: Sequence[Floats], *, counts: bool, noise: bool = False
) -> Aggregates:
    """Sum cells.

    Parameters
    ----------
    imputed : Imputed
    blocks : sequence of CohortBlock
    weights : sequence of ndarray, shape (Q, T)
        Weight of each block's cells by period in each of the Q sums.
    counts : bool
        Whether the outcome counts events.
    noise : bool
        Learn the noise even where no sum needs it.
    """
    units = imputed.arrays.units
    sums = sum_cells(blocks, weights)
    parts = {name: units.sums(getattr(sums, name)) for name in ("of_observed", "of_expected", "of_shape")}
    sums = replace(sums, **parts)
    Q = len(weights[0])
    n_areas, cells = np.zeros(Q), np.zeros(Q)
    exposure = None if imputed.arrays.exposure is None else np.zeros(Q)
    for block, w in zip(blocks, weights, strict=True):
        inside = (w != 0).astype(np.float64)
        reached = block.target.astype(np.float64) @ inside.T > 0
        n_areas += units.take(block.areas).some(reached).sum(axis=0)
        cells += inside @ block.target.sum(axis=0)
        if exposure is not None and imputed.arrays.exposure is not None:
            exposure += inside @ np.where(block.target, imputed.arrays.exposure[block.areas], 0.0).sum(axis=0)
    made = Aggregates(sums, n_areas, cells, exposure, None, imputed, counts)
    needed = np.flatnonzero(made.by_noise | noise)
    if not len(needed):
        return made
    learnt = Learnt.nothing(Q)
    for block, w in zip(blocks, weights, strict=True):
        wanted = np.zeros_like(w)
        wanted[needed] = w[needed]
        # areas of a cluster stay together, so that all have the commonest pattern
        for pattern in patterns(block, _MOST_PATTERNS if units.single else 1):
            learnt += learn(imputed, block, pattern, wanted, counts=counts)
    return Aggregates(sums, n_areas, cells, exposure, learnt, imputed, counts)


@dataclass(frozen=True, eq=False)
class Terms:
    """The rows of sums of cells.

    Attributes
    ----------
    rows : list of Rows
    average : Aggregates
        Its first sum is the average effect.
    joint : JointEstimate or None
        Every horizon but the one just before the start: within an area the misses before a start sum to zero, so one
        horizon is known from the others.
    complete : bool
        Whether every sum had an expected count.
    has_leads : bool
        Whether there are effects before the start.
    """

    rows: list[Rows]
    average: Aggregates
    joint: JointEstimate | None = None
    complete: bool = True
    has_leads: bool = True


def average_alone(imputed: Imputed, level: float, *, counts: bool) -> Terms:
    """Return ``att`` alone."""
    everything = [np.ones((1, imputed.target.shape[1]))] * len(imputed.blocks)
    made = aggregate(imputed, imputed.blocks, everything, counts=counts)
    return Terms([made.rows("att", np.array([0]), level)], made, complete=made.complete)


def all_terms(imputed: Imputed, level: float, *, counts: bool) -> Terms:
    """Return every sum over areas: overall, averages of averages, by horizon, and single cells."""
    overall, average = _overall_rows(imputed, level, counts=counts)
    cells, first = _cell_rows(imputed, level, counts=counts)
    events, joint, second = _event_rows(imputed, level, counts=counts)
    averages, third = _average_rows(imputed, level, counts=counts)
    complete = all(made.complete for made in (average, *first, *second, third))
    return Terms([*overall, *averages, *events, *cells], average, joint, complete, has_leads=len(second) > 1)


def diagnostics_of(imputed: Imputed, terms: Terms, choice: Choice) -> dict[str, Any]:
    """Return the sums behind the average effect and what they rest on."""
    return {
        "observed": float(terms.average.sums.observed[0]),
        "expected": float(terms.average.sums.expected[0]),
        "treated_areas": len(imputed.treated_areas),
        "control_areas": choice.n_controls,
        "treated_cells": int(imputed.arrays.treated.sum()),
        "treated_cells_used": int(imputed.target.sum()),
        "untreated_cells": int(imputed.fit.terms.use.sum()),
        "clusters": imputed.n_clusters,
        "crv1_factor": imputed.factor,
    }


def _overall_rows(imputed: Imputed, level: float, *, counts: bool) -> tuple[list[Rows], Aggregates]:
    """Rows of ``att``, ``cohort`` and ``calendar``."""
    T, C = imputed.target.shape[1], len(imputed.blocks)
    names = np.array([*imputed.arrays.periods, None], dtype=object)
    weights = []
    for c in range(C):
        w = np.zeros((1 + C + T, T))
        w[0] = 1
        w[1 + c] = 1
        w[1 + C :] = np.eye(T)
        weights.append(w)
    live = np.ones(1 + C + T, dtype=bool)
    live[1 + C :] = imputed.target.any(axis=0)
    made = aggregate(imputed, imputed.blocks, [w[live] for w in weights], counts=counts)
    when = np.flatnonzero(live[1 + C :])
    rows = [
        made.rows("att", np.array([0]), level),
        made.rows("cohort", 1 + np.arange(C), level, cohort=names[imputed.cohorts]),
        made.rows("calendar", 1 + C + np.arange(len(when)), level, period=names[when]),
    ]
    return rows, made


def _cell_rows(imputed: Imputed, level: float, *, counts: bool) -> tuple[list[Rows], list[Aggregates]]:
    """Rows of ``cell``: each cohort in each of its treated periods."""
    names = np.array([*imputed.arrays.periods, None], dtype=object)
    T = imputed.target.shape[1]
    rows: list[Rows] = []
    all_made = []
    for g, block in zip(imputed.cohorts, imputed.blocks, strict=True):
        times = np.flatnonzero(block.target.any(axis=0))
        made = aggregate(imputed, [block], [np.eye(T)[times]], counts=counts)
        which = {"cohort": np.full(len(times), names[g]), "period": names[times], "horizon": times - g}
        rows.append(made.rows("cell", np.arange(len(times)), level, **which))
        all_made.append(made)
    return rows, all_made


def _event_rows(
    imputed: Imputed, level: float, *, counts: bool
) -> tuple[list[Rows], JointEstimate | None, list[Aggregates]]:
    """Rows of ``event`` for horizons from before the start to the end, with their joint covariance.

    The sums before the start come first, where there are any, then those from the start on.
    """
    T = imputed.target.shape[1]
    noise = imputed.n_treated < imputed.noise_below
    after = _by_horizon(imputed, imputed.blocks, imputed.cohorts, range(T), counts=counts, noise=noise)
    before: list[Aggregates] = []
    for g, block in imputed.lead_blocks():
        made = _by_horizon(imputed, [block], np.array([g]), range(-T, 0), counts=counts, noise=noise)
        before = [_add(before[0], made) if before else made]
    rows: list[Rows] = []
    index: list[int] = []
    for made, span in [*((b, range(-T, 0)) for b in before), (after, range(T))]:
        at = np.flatnonzero(made.cells)
        rows.append(made.rows("event", at, level, horizon=np.array(span)[at]))
        index += span
    aggregates = [*before, after]
    return rows, _joint(aggregates, np.array(index), noise=noise), aggregates


def _by_horizon(
    imputed: Imputed, blocks: Any, cohorts: Ints, horizons: range, *, counts: bool, noise: bool
) -> Aggregates:
    T = imputed.target.shape[1]
    h = np.array(horizons)
    weights = [(np.arange(T)[None, :] - g == h[:, None]).astype(np.float64) for g in cohorts]
    weights = [w * b.target.any(axis=0) for w, b in zip(weights, blocks, strict=True)]
    return aggregate(imputed, blocks, weights, counts=counts, noise=noise)


def _add(one: Aggregates, other: Aggregates) -> Aggregates:
    """Add the same sums over other cohorts; noise is kept where either has learnt it."""
    size = len(one.cells)
    learnt = None
    if one.learnt is not None or other.learnt is not None:
        learnt = (one.learnt or Learnt.nothing(size)) + (other.learnt or Learnt.nothing(size))
    exposure = None if one.exposure is None or other.exposure is None else one.exposure + other.exposure
    return Aggregates(
        one.sums + other.sums,
        one.n_areas + other.n_areas,
        one.cells + other.cells,
        exposure,
        learnt,
        one.imputed,
        one.counts,
    )


def _joint(aggregates: list[Aggregates], horizon: Ints, *, noise: bool) -> JointEstimate | None:
    """Return the log rate ratios of the horizons with errors as in the table and correlations between them.

    Correlations come from the influences, or from the misses of untreated areas where few areas are treated. Resting on
    few areas, they are drawn towards none, unless `few_treated` is 0 and the saturated regression's own are wanted.
    """
    imputed = aggregates[0].imputed
    errors = np.concatenate([a.log_errors for a in aggregates])
    known = np.isfinite(errors) & (errors > 0)
    leads = np.flatnonzero(known & (horizon < 0))
    if len(leads):
        known[leads[-1]] = False
    if not known.any():
        return None
    if noise:
        blocks = [a.learnt.cross + imputed.factor * a.sums.of_shape.T @ a.sums.of_shape for a in aggregates if a.learnt]
        total = linalg.block_diag(*blocks)[np.ix_(known, known)]
        resting_on = float(np.concatenate([a.learnt.areas for a in aggregates if a.learnt])[known].min())
    else:
        influence = np.hstack([a.sums.of_log_ratio for a in aggregates])[:, known]
        total = influence.T @ influence
        treated = imputed.n_treated
        resting_on = float(min(treated, imputed.n_clusters - treated))
    scale = np.sqrt(np.diag(total))
    correlation = total / np.outer(scale, scale)
    if imputed.few:
        correlation = shrink_correlation(correlation, resting_on)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_ratio = np.log(np.concatenate([a.sums.observed / a.sums.expected for a in aggregates]))[known]
    covariance = correlation * np.outer(errors[known], errors[known])
    shrunk = bool(imputed.few)
    before = before_test(imputed.arrays, [part for *_, part in imputed.lead_cells], "poisson")
    return event_joint(
        "log_rate_ratio", horizon[known], log_ratio, covariance, base="average", shrunk=shrunk, before=before
    )


def _average_rows(imputed: Imputed, level: float, *, counts: bool) -> tuple[list[Rows], Aggregates]:
    """Rows of the averages: over horizons, over cohorts by their size, over calendar periods."""
    T = imputed.target.shape[1]
    time = np.arange(T)
    slots: dict[str, Callable[[int], Ints]] = {
        "event_average": lambda g: np.where(time >= g, time - g, 0),
        "cohort_average": lambda g: np.full(T, int(np.flatnonzero(imputed.cohorts == g)[0])),
        "calendar_average": lambda _: time,
    }
    cells = [b.target.sum(axis=0).astype(np.float64) for b in imputed.blocks]
    exposure = imputed.arrays.exposure
    people = None
    if exposure is not None:
        people = [np.where(b.target, exposure[b.areas], 0.0).sum(axis=0) for b in imputed.blocks]
    kinds = [(term, base) for term in slots for base in (cells, people) if base is not None]
    weights = [np.zeros((len(kinds), T)) for _ in imputed.blocks]
    for q, (term, base) in enumerate(kinds):
        slot, total = slots[term], np.zeros(max(T, len(imputed.cohorts)))
        for g, n in zip(imputed.cohorts, base, strict=True):
            np.add.at(total, slot(int(g)), n)
        share = (total > 0).astype(np.float64)
        if term == "cohort_average":
            share[: len(imputed.cohorts)] = [len(b.areas) for b in imputed.blocks]
        each = np.divide(share / share.sum(), total, out=np.zeros_like(total), where=total > 0)
        for w, g, n in zip(weights, imputed.cohorts, base, strict=True):
            w[q] = each[slot(int(g))] * (n > 0)
    made = aggregate(imputed, imputed.blocks, weights, counts=counts)
    rows = []
    for q, (term, base) in enumerate(kinds):
        per = PerCell(1.0, None, events=False) if base is cells else PerCell(1.0, 1.0, events=False)
        got = made.rows(term, np.array([q]), level, per)
        rows.append(got if base is cells else only(got, "per_100k"))
    return rows, made

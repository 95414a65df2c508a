"""From imputed cells to the rows of a result: sums of cells for every term, each with its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from svmodel.did._scales import PerCell, from_influence, from_noise
from svmodel.numerics.cluster import SmallSample, small_sample
from svmodel.numerics.conley_taber import placebo_sums
from svmodel.numerics.imputation import CohortBlock, Sums, sum_cells
from svmodel.numerics.placebo_noise import Noise, learn_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from svmodel.did._etwfe_fit import Imputed

    Floats = NDArray[np.float64]

__all__ = ["Aggregates", "Learnt", "Pattern", "aggregate", "pattern_noise", "patterns"]

#: Distinct patterns of known cells for which noise is learnt separately within a cohort.
_MOST_PATTERNS = 20


@dataclass(frozen=True, eq=False)
class Pattern:
    """Areas of a cohort whose level and target cells fall in the same periods (or nearly, where patterns abound)."""

    inside: NDArray[np.int64]
    level_cells: NDArray[np.bool_]
    target: NDArray[np.bool_]


def patterns(block: CohortBlock) -> list[Pattern]:
    """Return the areas of a cohort by pattern; beyond the twenty most common, each goes to the nearest of these."""
    both = np.hstack([block.level_cells, block.target])
    packed = np.packbits(both, axis=1)
    keys = packed.view(f"V{packed.shape[1]}").ravel()
    seen: dict[bytes, int] = {}
    which = np.array([seen.setdefault(key.tobytes(), len(seen)) for key in keys])
    kinds = np.unpackbits(
        np.frombuffer(b"".join(seen), dtype=np.uint8).reshape(len(seen), -1), axis=1, count=both.shape[1]
    ).astype(bool)
    count = np.bincount(which)
    if len(kinds) > _MOST_PATTERNS:
        common = np.sort(np.argsort(-count, kind="stable")[:_MOST_PATTERNS])
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
        For each sum what :func:`svmodel.numerics.conley_taber.placebo_sums` takes.
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


def pattern_noise(imputed: Imputed, pattern: Pattern, windows: Floats, *, counts: bool) -> Noise:
    """Learn the noise over windows, shape (W, T), from untreated areas followed over the same periods."""
    return learn_noise(
        imputed.arrays.y,
        imputed.fit.shape,
        np.nan_to_num(imputed.fit.level),
        imputed.arrays.untreated,
        pattern.level_cells,
        windows,
        counts=counts,
    )


def learn(imputed: Imputed, block: CohortBlock, pattern: Pattern, weights: Floats, *, counts: bool) -> Learnt:
    """Learn the noise of weighted sums over the cells of some areas of one cohort."""
    windows = weights * pattern.target
    live = np.flatnonzero(windows.any(axis=1))
    out = Learnt.nothing(len(weights))
    if len(live) == 0:
        return out
    noise = pattern_noise(imputed, pattern, windows[live], counts=counts)
    size = block.expected[pattern.inside] @ windows[live].T
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
    n_areas, cells, exposure : ndarray, shape (Q,)
        Treated areas, area-periods and person-periods in each sum.
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
    lost: list[int] = field(default_factory=list)

    def uses_noise(self, q: int) -> bool:
        """Whether the sum rests on too few treated areas, or too few events, for a cluster-robust variance."""
        return bool(self.n_areas[q] < self.imputed.noise_below or self.sums.observed[q] <= 0)

    def per(self, q: int) -> PerCell:
        """Return what turns the sum into the other scales."""
        exposure = None if self.exposure is None else float(self.exposure[q])
        return PerCell(float(self.cells[q]), exposure, events=self.counts)

    def rows(self, term: str, q: int, level: float, per: PerCell | None = None, **which: Any) -> list[dict[str, Any]]:
        """Return the rows of sum `q`; none where nothing was expected, which is then in :attr:`lost`."""
        observed, expected = float(self.sums.observed[q]), float(self.sums.expected[q])
        if expected <= 0:
            self.lost.append(q)
            return []
        per = per or self.per(q)
        if not self.uses_noise(q):
            both = np.stack([self.sums.of_observed[:, q], self.sums.of_expected[:, q]], axis=1)
            covariance = self.imputed.factor * both.T @ both
            small = SmallSample(float(self.small.inflation[q]), float(self.small.df[q]))
            return from_influence(term, observed, expected, covariance, per, level=level, small=small, **which)
        assert self.learnt is not None
        placebos = placebo_sums(self.learnt.parts[q])
        return from_noise(term, observed, expected, self.noise(q), placebos, per, level=level, **which)

    @cached_property
    def small(self) -> SmallSample:
        """What intervals need beside the standard error, shape (Q,); nothing but t where `few_treated` is 0."""
        ceiling = np.full(len(self.cells), float(self.imputed.n_clusters - 1))
        if not self.imputed.few:
            return SmallSample(np.ones(len(self.cells)), ceiling)
        imputed = self.imputed
        found = small_sample(self.sums.of_log_ratio, imputed.pools, imputed.sizes, factor=imputed.factor)
        return SmallSample(found.inflation, np.minimum(found.df, ceiling))

    def log_error(self, q: int) -> float:
        """Return the standard error of the log rate ratio of sum `q`; NaN where it has none."""
        observed, expected = float(self.sums.observed[q]), float(self.sums.expected[q])
        if observed <= 0 or expected <= 0:
            return math.nan
        if not self.uses_noise(q):
            influence = self.sums.of_observed[:, q] / observed - self.sums.of_expected[:, q] / expected
            return math.sqrt(self.imputed.factor * float(influence @ influence))
        linear, square, _ = self.noise(q)
        return math.sqrt(linear / observed / expected + square / expected**2)

    def noise(self, q: int) -> tuple[float, float, float]:
        """Return the parts of ``Var(observed - R expected)``, the shape's among them."""
        learnt = self.learnt
        assert learnt is not None
        shape = self.imputed.factor * float(self.sums.of_shape[:, q] @ self.sums.of_shape[:, q])
        return float(learnt.linear[q]), float(learnt.square[q]) + shape, float(learnt.square_observed[q])


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
    sums = sum_cells(blocks, weights)
    Q = len(weights[0])
    n_areas, cells = np.zeros(Q), np.zeros(Q)
    exposure = None if imputed.arrays.exposure is None else np.zeros(Q)
    for block, w in zip(blocks, weights, strict=True):
        inside = (w != 0).astype(np.float64)
        n_areas += (block.target.astype(np.float64) @ inside.T > 0).sum(axis=0)
        cells += inside @ block.target.sum(axis=0)
        if exposure is not None and imputed.arrays.exposure is not None:
            exposure += inside @ np.where(block.target, imputed.arrays.exposure[block.areas], 0.0).sum(axis=0)
    made = Aggregates(sums, n_areas, cells, exposure, None, imputed, counts)
    needed = [q for q in range(Q) if noise or made.uses_noise(q)]
    if not needed:
        return made
    learnt = Learnt.nothing(Q)
    for block, w in zip(blocks, weights, strict=True):
        wanted = np.zeros_like(w)
        wanted[needed] = w[needed]
        for pattern in patterns(block):
            learnt += learn(imputed, block, pattern, wanted, counts=counts)
    return Aggregates(sums, n_areas, cells, exposure, learnt, imputed, counts)

"""Shocks that befall one area and last: a series for every area, eliminated from the field area by area.

Given everything else, areas are independent, and within an area a period meets the one before and the one after. So
the precision T of an area's shocks, prior and data together, has three diagonals, and what is left for the rest of
the field is the Schur complement ``Q + A' K A`` with ``K = W - W T^-1 W`` for each area (Rue and Held 2005, section
2.3.1, for elimination; their section 2.4 for bands). It takes N T^2 operations for N areas and T periods.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from svmodel.numerics.arrays import Floats, Ints
from svmodel.numerics.latent.factors import DenseFactor, ModeError
from svmodel.numerics.latent.grid import Entry, LatentGrid
from svmodel.numerics.latent.priors import HyperPrior
from svmodel.numerics.latent.structures import AR1, Structure

#: Draws from which the variances of cells' predictors are told, as far as they rest on the rest of the field.
_DRAWS = 128


class Diagonals(NamedTuple):
    """A symmetric precision with three diagonals, and its log determinant.

    Attributes
    ----------
    main : ndarray, shape (T,)
    off : ndarray, shape (T - 1,)
    log_determinant : float
    """

    main: Floats
    off: Floats
    log_determinant: float

    def times(self, x: Floats) -> Floats:
        """Return the precision times series in rows, shape (N, T)."""
        out = self.main * x
        out[:, 1:] += self.off * x[:, :-1]
        out[:, :-1] += self.off * x[:, 1:]
        return out


@dataclass(frozen=True, eq=False)
class StartedWalk:
    """Effects that wander from a first step off zero: ``x_1 = e_1``, ``x_t = x_(t-1) + e_t``, ``e ~ N(0, sd^2)``."""

    size: int
    name: str
    prior: HyperPrior
    mean: float = 0.0

    @property
    def hypers(self) -> dict[str, HyperPrior]:
        """The standard deviation of a step."""
        return {self.name: self.prior}


Series = AR1 | StartedWalk


@dataclass(frozen=True, eq=False)
class AreaShocks:
    """A series by itself for every area; effect ``i T + t`` is area i's in period t.

    Attributes
    ----------
    areas : int
    series : AR1 or StartedWalk
        Of one area; all areas share its hyperparameters.
    """

    areas: int
    series: Series
    mean: float = 0.0

    @property
    def size(self) -> int:
        """Areas times periods."""
        return self.areas * self.series.size

    @property
    def hypers(self) -> dict[str, HyperPrior]:
        """Those of the series."""
        return self.series.hypers

    def diagonals(self, hyper: Mapping[str, float]) -> Diagonals:
        """Return the precision of one area's series."""
        series, sd = self.series, hyper[self.series.name]
        n = series.size
        if isinstance(series, StartedWalk):
            main = np.concatenate([np.full(n - 1, 2.0), [1.0]]) / sd**2
            return Diagonals(main, np.full(n - 1, -(sd**-2.0)), -2 * n * math.log(sd))
        # the search may step to where rounding makes the correlation one
        rho = math.copysign(min(abs(hyper[series.rho_name]), 1 - 1e-12), hyper[series.rho_name])
        step = sd**2 * (1 - rho**2)
        main = np.full(n, 1 + rho**2)
        main[[0, -1]] = 1.0
        determinant = -2 * n * math.log(sd) - (n - 1) * math.log1p(-(rho**2))
        return Diagonals(main / step, np.full(n - 1, -rho / step), determinant)

    def times(self, x: Floats, hyper: Mapping[str, float]) -> Floats:
        """Return the precision times effects by area, shape (N, T)."""
        return self.diagonals(hyper).times(x)

    def precision(self, hyper: Mapping[str, float]) -> tuple[Floats, float]:
        """Return the precision as a whole matrix, which is large."""
        main, off, determinant = self.diagonals(hyper)
        own = np.diag(main) + np.diag(off, 1) + np.diag(off, -1)
        return np.asarray(np.kron(np.eye(self.areas), own), dtype=np.float64), self.areas * determinant

    def draw(self, hyper: Mapping[str, float], rng: np.random.Generator) -> Floats:
        """Return a draw of every area's series, shape (N T,)."""
        sd, n = hyper[self.series.name], self.series.size
        e = sd * rng.standard_normal((self.areas, n))
        if isinstance(self.series, StartedWalk):
            return np.asarray(np.cumsum(e, axis=1).ravel())
        rho = hyper[self.series.rho_name]
        for t in range(1, n):
            e[:, t] = rho * e[:, t - 1] + math.sqrt(1 - rho**2) * e[:, t]
        return np.asarray(e.ravel())


@dataclass(frozen=True, eq=False)
class Tridiagonals:
    """``L D L'`` of the precisions of N areas' shocks, periods first.

    Attributes
    ----------
    pivots : ndarray, shape (T, N)
        D.
    below : ndarray, shape (T - 1, N)
        The diagonal of L below the first.
    """

    pivots: Floats
    below: Floats

    @classmethod
    def of(cls, own: Diagonals, weight: Floats) -> Tridiagonals:
        """Factorise the prior's diagonals with the data's weight, shape (T, N), added to the first."""
        pivots = own.main[:, None] + weight
        below = np.empty((len(own.off), weight.shape[1]))
        for t, off in enumerate(own.off):
            below[t] = off / pivots[t]
            pivots[t + 1] -= off * below[t]
        if not (pivots > 0).all():
            raise ModeError("the curvature of areas' shocks is not positive")
        return cls(pivots, below)

    @property
    def log_determinant(self) -> float:
        """Log determinant over all areas."""
        return float(np.log(self.pivots).sum())

    def forward(self, b: Floats) -> Floats:
        """Return ``L^-1 b``, shape (T, N, ...)."""
        x = b.copy()
        for t in range(1, len(x)):
            x[t] -= _along(self.below[t - 1], x) * x[t - 1]
        return x

    def backward(self, b: Floats) -> Floats:
        """Return ``L'^-1 b``, shape (T, N, ...)."""
        x = b.copy()
        for t in range(len(x) - 2, -1, -1):
            x[t] -= _along(self.below[t], x) * x[t + 1]
        return x

    def solve(self, b: Floats) -> Floats:
        """Return ``(L D L')^-1 b``, shape (T, N, ...)."""
        x = self.forward(b)
        x /= self.pivots.reshape(self.pivots.shape + (1,) * (x.ndim - 2))
        return self.backward(x)

    @cached_property
    def variances(self) -> Floats:
        """The diagonal of the inverse, shape (T, N)."""
        out = 1 / self.pivots
        for t in range(len(out) - 2, -1, -1):
            out[t] += self.below[t] ** 2 * out[t + 1]
        return out

    def between(self, weight: Floats) -> Floats:
        """Return the sum over areas of ``W T^-1 W``, shape (T, T).

        Above the diagonal row t of the inverse is row t + 1 times ``-L[t + 1, t]``.
        """
        periods = len(weight)
        out = np.zeros((periods, periods))
        row = np.empty_like(weight)
        for t in range(periods - 1, -1, -1):
            if t + 1 < periods:
                row[t + 1 :] *= -self.below[t]
            row[t] = self.variances[t]
            out[t, t:] = np.einsum("sn,sn,n->s", row[t:], weight[t:], weight[t])
        return out + np.triu(out, 1).T


def _along(x: Floats, like: Floats) -> Floats:
    """Return numbers by area, shape (N,), so that they multiply a period of an array, shape (N, ...)."""
    return x.reshape(x.shape + (1,) * (like.ndim - 2))


@dataclass(frozen=True, eq=False)
class Columns:
    """The rest of the field as Schur complements need it: by how effects enter areas and periods.

    Attributes
    ----------
    grid : LatentGrid
        Of all but the shocks.
    """

    grid: LatentGrid

    @cached_property
    def _sorted(self) -> tuple[int | None, Ints, Floats]:
        """Return where a block of periods begins, and which effect each area has in every other column.

        A block of which no area has two effects is one column, shape (T, N); of any other block each effect is one.
        The effect is `q` where an area has none.
        """
        N, _ = self.grid.known.shape
        timed: int | None = None
        places: list[Ints] = []
        columns: list[Floats] = []
        for entry, block in zip(self.grid.entries, self.grid.blocks, strict=True):
            if timed is None and _is_timed(entry, self.grid.known.shape):
                timed = block.start
                continue
            index, value = _spread(entry, self.grid.known)
            top = index.max(axis=1)
            if ((index == top[:, None]) | (index < 0)).all():
                places.append(np.where(top >= 0, top + block.start, self.grid.size))
                columns.append(value.T)
                continue
            for k in range(entry.size):
                places.append(np.full(N, block.start + k))
                columns.append(np.where(index == k, value, 0.0).T)
        if not columns:
            return timed, np.zeros((N, 0), dtype=np.int64), np.zeros((*self.grid.known.T.shape, 0))
        return timed, np.stack(places, axis=-1), np.stack(columns, axis=-1)

    def complement(self, factor: Tridiagonals, weight: Floats) -> Floats:
        """Return ``A' K A``, shape (q, q)."""
        timed, place, X = self._sorted
        KX = weight[..., None] * (X - factor.solve(weight[..., None] * X))
        q = self.grid.size
        out = np.zeros((q + 1, q + 1))
        np.add.at(out, (place[:, :, None], place[:, None, :]), np.einsum("tna,tnb->nab", KX, X, optimize=True))
        if timed is not None:
            periods = slice(timed, timed + len(weight))
            met = np.zeros((q + 1, len(weight)))
            np.add.at(met, place, np.moveaxis(KX, 0, -1))
            out[:, periods] += met
            out[periods] += met.T
            out[periods, periods] += np.diag(weight.sum(axis=1)) - factor.between(weight)
        return out[:q, :q]


def _spread(entry: Entry, known: np.ndarray) -> tuple[Ints, Floats]:
    index = np.where(known, np.broadcast_to(entry.index, known.shape), -1)
    value = np.ones(known.shape) if entry.value is None else np.broadcast_to(entry.value, known.shape)
    live = (index >= 0) & (value != 0)
    return np.where(live, index, -1), np.where(live, value, 0.0)


def _is_timed(entry: Entry, shape: tuple[int, ...]) -> bool:
    """Return whether each period has its own effect, in every area alike."""
    index = np.asarray(entry.index)
    return (
        entry.value is None
        and index.shape in ((1, shape[1]), (shape[1],))
        and entry.size == shape[1]
        and bool((index.ravel() == np.arange(shape[1])).all())
    )


@dataclass(frozen=True, eq=False)
class ShockedPrior:
    """A prior precision of a field whose last block are areas' shocks.

    Attributes
    ----------
    rest : ndarray, shape (q, q)
        Of all other blocks.
    own : Diagonals
        Of one area's shocks.
    areas : int
    columns : Columns
    log_determinant : float
    """

    rest: Floats
    own: Diagonals
    areas: int
    columns: Columns
    log_determinant: float

    @classmethod
    def of(cls, columns: Columns, structures: Sequence[Structure], hyper: Mapping[str, float]) -> ShockedPrior:
        """Put the blocks' precisions together; the shocks come last."""
        *others, shocks = structures
        assert isinstance(shocks, AreaShocks)
        own = shocks.diagonals(hyper)
        rest, determinant = np.zeros((columns.grid.size, columns.grid.size)), shocks.areas * own.log_determinant
        for block, structure in zip(columns.grid.blocks, others, strict=True):
            rest[block, block], part = structure.precision(hyper)
            determinant += part
        return cls(rest, own, shocks.areas, columns, determinant)

    def times(self, x: Floats) -> Floats:
        """Return ``Q x``."""
        q = len(self.rest)
        return np.concatenate([self.rest @ x[:q], self.own.times(x[q:].reshape(self.areas, -1)).ravel()])

    def factor(self, grid: LatentGrid, weight: Floats) -> ShockedFactor:  # noqa: ARG002 - its columns are known
        """Return ``Q + A' diag(weight) A``, factorised."""
        from scipy.linalg import lapack

        W = np.zeros(self.columns.grid.known.shape)
        W[self.columns.grid.known] = weight
        W = W.T.copy()
        own = Tridiagonals.of(self.own, W)
        H = self.rest + self.columns.complement(own, W)
        upper, failed = lapack.dpotrf(H, lower=0, overwrite_a=1)
        if failed:
            raise ModeError("the curvature of the latent field is not positive")
        return ShockedFactor(DenseFactor(upper), own, W, self.columns.grid)


@dataclass(frozen=True, eq=False)
class ShockedFactor:
    """``[[Q + A'WA, A'W], [WA, T]]``, factorised: T for each area, and what is left for the rest.

    Attributes
    ----------
    rest : DenseFactor
        Of the Schur complement, (q, q).
    own : Tridiagonals
        Of T.
    weight : ndarray, shape (T, N)
    grid : LatentGrid
        Of the rest.
    """

    rest: DenseFactor
    own: Tridiagonals
    weight: Floats
    grid: LatentGrid

    @property
    def log_determinant(self) -> float:
        """Log determinant of the whole."""
        return self.rest.log_determinant + self.own.log_determinant

    def _entered(self, x: Floats) -> Floats:
        """Return ``W A x``, shape (T, N) or (T, N, m), of effects shaped (q,) or (q, m)."""
        out = np.zeros(self.grid.known.shape + x.shape[1:])
        out[self.grid.known] = self.grid.matrix @ x
        return np.swapaxes(out, 0, 1) * self.weight.reshape(self.weight.shape + (1,) * (x.ndim - 1))

    def solve(self, b: Floats) -> Floats:
        """Return ``H^-1 b``."""
        q = len(self.rest.upper)
        s = self.own.solve(b[q:].reshape(self.grid.known.shape).T)
        x = self.rest.solve(b[:q] - self.grid.back((self.weight * s).T[self.grid.known]))
        s = s - self.own.solve(self._entered(x))
        return np.concatenate([x, s.T.ravel()])

    def draw(self, size: int, rng: np.random.Generator) -> Floats:
        """Return draws about zero, shape (p, size): of the rest, and of the shocks given the rest."""
        x = self.rest.draw(size, rng)
        z = rng.standard_normal((*self.weight.shape, size))
        root = np.sqrt(self.own.pivots)[..., None]
        s = self.own.backward((z - self.own.forward(self._entered(x)) / root) / root)
        return np.concatenate([x, np.swapaxes(s, 0, 1).reshape(-1, size)])

    def variance(self, grid: LatentGrid) -> Floats:  # noqa: ARG002 - its columns are known
        """Return the variance of each cell's predictor, shape (n,): of the shocks given the rest exactly.

        What rests on the rest of the field is told from draws that are the same every time.
        """
        x = self.rest.draw(_DRAWS, np.random.default_rng(0))
        out = np.zeros((*self.grid.known.shape, _DRAWS))
        out[self.grid.known] = self.grid.matrix @ x
        out = np.swapaxes(out, 0, 1) - self.own.solve(self._entered(x))
        both = self.own.variances + (out**2).mean(axis=-1)
        return np.asarray(both.T[self.grid.known])

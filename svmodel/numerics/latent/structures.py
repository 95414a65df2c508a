"""How the effects of one block of a latent field hang together: the precision matrix, its determinant, prior draws.

Log determinants leave out what does not depend on a hyperparameter. A random walk says nothing of its own level;
wherever a block shares an intercept with others its sum is held at zero, by a precision so large that it is exact to
three digits beyond anything that is reported.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from svmodel.numerics.arrays import Floats
from svmodel.numerics.latent.graph import BorderGraph
from svmodel.numerics.latent.priors import HyperPrior

#: Precision with which a sum is held at zero, on the scale of the sum over the root of the number of effects.
HELD = 1e6


class Structure(Protocol):
    """Prior of `size` effects; hyperparameters come by the names in :attr:`hypers`."""

    @property
    def size(self) -> int:
        """Number of effects."""
        ...

    @property
    def hypers(self) -> Mapping[str, HyperPrior]:
        """Hyperparameters with their priors."""
        ...

    @property
    def mean(self) -> float:
        """Prior mean of each effect."""
        ...

    def precision(self, hyper: Mapping[str, float]) -> tuple[Floats, float]:
        """Return the precision matrix, shape (size, size), and its log determinant."""
        ...

    def draw(self, hyper: Mapping[str, float], rng: np.random.Generator) -> Floats:
        """Return a draw of the effects, shape (size,)."""
        ...


@dataclass(frozen=True, eq=False)
class Fixed:
    """Effects with a normal prior that is given: an intercept, a coefficient, an average treatment effect."""

    mean: float
    sd: float
    size: int = 1

    @property
    def hypers(self) -> dict[str, HyperPrior]:
        """None."""
        return {}

    def precision(self, hyper: Mapping[str, float]) -> tuple[Floats, float]:
        """Return ``I / sd^2``."""
        return np.eye(self.size) / self.sd**2, 0.0

    def draw(self, hyper: Mapping[str, float], rng: np.random.Generator) -> Floats:
        """Return independent normal draws."""
        return rng.normal(self.mean, self.sd, self.size)


@dataclass(frozen=True, eq=False)
class Independent:
    """Exchangeable effects ``N(0, sd^2)``, pooled towards zero; with `zero_sum`, about their own mean."""

    size: int
    name: str
    prior: HyperPrior
    zero_sum: bool = False
    mean: float = 0.0

    @property
    def hypers(self) -> dict[str, HyperPrior]:
        """The standard deviation."""
        return {self.name: self.prior}

    def precision(self, hyper: Mapping[str, float]) -> tuple[Floats, float]:
        """Return ``I / sd^2``, the sum held at zero where it has to be."""
        sd, n = hyper[self.name], self.size
        Q = np.eye(n) / sd**2
        if self.zero_sum:
            Q += HELD / n
        return Q, -2 * (n - self.zero_sum) * math.log(sd)

    def draw(self, hyper: Mapping[str, float], rng: np.random.Generator) -> Floats:
        """Return a draw; with `zero_sum`, with its mean taken out."""
        x = hyper[self.name] * rng.standard_normal(self.size)
        return x - x.mean() if self.zero_sum else x


@dataclass(frozen=True, eq=False)
class CellEffects(Independent):
    """An effect ``N(0, sd^2)`` of every cell by itself: the type-I interaction of area and period.

    Knorr-Held (2000), *Statistics in Medicine* 19, 2555-2567, table 1. A model has at most one such block. No effect of
    it enters more than one cell, its multiplier is 1 and every known cell has one, so that the nested Laplace
    approximation integrates them out cell by cell (:mod:`svmodel.numerics.latent.cells`).
    """


def _differences(size: int, order: int) -> Floats:
    return np.diff(np.eye(size), n=order, axis=0)


@dataclass(frozen=True, eq=False)
class RandomWalk:
    """Effects whose differences of order 1 or 2 are ``N(0, sd^2)``, with their sum held at zero.

    Rue and Held (2005), sections 3.3.1 and 3.4.1. `sd` is that of a step. Of order 2 the slope has the flat prior that
    the second differences leave it, but for a standard deviation of `slope_sd` across the whole series.
    """

    size: int
    name: str
    prior: HyperPrior
    order: int = 1
    slope_sd: float = 1.0
    mean: float = 0.0

    @property
    def hypers(self) -> dict[str, HyperPrior]:
        """The standard deviation of a step."""
        return {self.name: self.prior}

    @cached_property
    def _parts(self) -> tuple[Floats, Floats]:
        """Return what is scaled by the precision of a step, and what is not."""
        D = _differences(self.size, self.order)
        held = np.full((self.size, self.size), HELD / self.size)
        if self.order == 2:
            line = self._line
            held += np.outer(line, line) / (line @ line) ** 2 / self.slope_sd**2
        return D.T @ D, held

    @property
    def _line(self) -> Floats:
        """A straight line that climbs by 1 over the series."""
        return np.linspace(-0.5, 0.5, self.size)

    def precision(self, hyper: Mapping[str, float]) -> tuple[Floats, float]:
        """Return ``D'D / sd^2``, the sum held at zero."""
        sd = hyper[self.name]
        scaled, held = self._parts
        return scaled / sd**2 + held, -2 * (self.size - self.order) * math.log(sd)

    def draw(self, hyper: Mapping[str, float], rng: np.random.Generator) -> Floats:
        """Return a draw, about its mean."""
        D, sd = _differences(self.size, self.order), hyper[self.name]
        steps = sd * rng.standard_normal(self.size - self.order)
        # of least norm: without a part along what the differences do not see
        x = np.linalg.lstsq(D, steps, rcond=None)[0]
        return np.asarray(x + self._line * rng.normal(0.0, self.slope_sd) if self.order == 2 else x)


@dataclass(frozen=True, eq=False)
class Seasonal:
    """Effects of the s periods of a year: a random walk around the year, with their sum held at zero.

    The random walk of order 1 (Rue and Held 2005, section 3.3.1) on a ring: January is as near to December as to
    February. `sd` is that of a step.
    """

    size: int
    name: str
    prior: HyperPrior
    mean: float = 0.0

    @property
    def hypers(self) -> dict[str, HyperPrior]:
        """The standard deviation of a step."""
        return {self.name: self.prior}

    @cached_property
    def _ring(self) -> Floats:
        D = np.eye(self.size) - np.roll(np.eye(self.size), 1, axis=1)
        return np.asarray(D.T @ D)

    def precision(self, hyper: Mapping[str, float]) -> tuple[Floats, float]:
        """Return the precision of the ring, the sum held at zero."""
        sd = hyper[self.name]
        return self._ring / sd**2 + HELD / self.size, -2 * (self.size - 1) * math.log(sd)

    def draw(self, hyper: Mapping[str, float], rng: np.random.Generator) -> Floats:
        """Return a draw, about its mean."""
        value, vector = np.linalg.eigh(self._ring)
        z = rng.standard_normal(self.size - 1)
        return np.asarray(vector[:, 1:] @ (hyper[self.name] * z / np.sqrt(value[1:])))


@dataclass(frozen=True, eq=False)
class AR1:
    """A stationary series: ``x_t = rho x_{t-1} + e_t``, with marginal standard deviation `sd`."""

    size: int
    name: str
    prior: HyperPrior
    rho_name: str
    rho_prior: HyperPrior
    mean: float = 0.0

    @property
    def hypers(self) -> dict[str, HyperPrior]:
        """The marginal standard deviation and the correlation from one period to the next."""
        return {self.name: self.prior, self.rho_name: self.rho_prior}

    def precision(self, hyper: Mapping[str, float]) -> tuple[Floats, float]:
        """Return the tridiagonal precision (Rue and Held 2005, section 1.1.1, scaled to the marginal variance)."""
        sd, rho, n = hyper[self.name], hyper[self.rho_name], self.size
        # the search may step to where rounding makes the correlation one
        rho = math.copysign(min(abs(rho), 1 - 1e-15), rho)
        step = sd**2 * (1 - rho**2)
        Q = np.diag(np.concatenate([[1.0], np.full(n - 2, 1 + rho**2), [1.0]]))
        off = np.arange(n - 1)
        Q[off, off + 1] = Q[off + 1, off] = -rho
        return Q / step, -2 * n * math.log(sd) - (n - 1) * math.log1p(-(rho**2))

    def draw(self, hyper: Mapping[str, float], rng: np.random.Generator) -> Floats:
        """Return a draw."""
        sd, rho = hyper[self.name], hyper[self.rho_name]
        x = sd * rng.standard_normal(self.size)
        for t in range(1, self.size):
            x[t] = rho * x[t - 1] + math.sqrt(1 - rho**2) * x[t]
        return x


@dataclass(frozen=True, eq=False)
class BYM2:
    """Effects of areas on a map: a share `rho` of their variance follows borders, the rest is the area's own.

    ``b = sd (rho^(1/2) phi + (1 - rho)^(1/2) theta)`` with phi intrinsic, scaled to unit generalised variance in every
    connected part of the map and about zero in each, and theta independent (Riebler and others 2016, equation 7;
    Freni-Sterrantino, Ventrucci and Rue 2018 for several parts). An area without a neighbour has ``phi ~ N(0, 1)``.

    Attributes
    ----------
    graph : BorderGraph
        The map, scaled.
    """

    graph: BorderGraph
    name: str
    prior: HyperPrior
    rho_name: str
    rho_prior: HyperPrior
    mean: float = 0.0

    @property
    def eigenvectors(self) -> Floats:
        """Along which phi varies by itself, shape (size, size)."""
        return self.graph.spectrum[0]

    @property
    def variances(self) -> Floats:
        """Of phi along each, shape (size,); zero along the levels of connected parts."""
        return self.graph.spectrum[1]

    @property
    def size(self) -> int:
        """Number of areas."""
        return self.graph.size

    @property
    def hypers(self) -> dict[str, HyperPrior]:
        """The standard deviation, and the share of variance that follows borders."""
        return {self.name: self.prior, self.rho_name: self.rho_prior}

    def _spectrum(self, rho: float) -> Floats:
        """Return the variances of effects with a standard deviation of 1."""
        # a share that rounds to 1 must not leave an area without variance
        return np.asarray(rho * self.variances + max(1 - rho, 1e-8))

    def precision(self, hyper: Mapping[str, float]) -> tuple[Floats, float]:
        """Return the precision from the map's spectrum: no factorisation for each hyperparameter."""
        sd, rho = hyper[self.name], hyper[self.rho_name]
        spectrum = self._spectrum(rho)
        at, unit = self._last.get("unit", (math.nan, None))
        if at != rho:
            # a product with its own transpose is taken at half the cost
            root = self.eigenvectors / np.sqrt(spectrum)
            unit = root @ root.T
            self._last["unit"] = rho, unit
        return unit / sd**2, -2 * self.size * math.log(sd) - float(np.log(spectrum).sum())

    @cached_property
    def _last(self) -> dict[str, Any]:
        """The precision of unit variance at the share that was asked for last: most steps change another prior."""
        return {}

    def draw(self, hyper: Mapping[str, float], rng: np.random.Generator) -> Floats:
        """Return a draw."""
        z = rng.standard_normal(self.size)
        root = hyper[self.name] * np.sqrt(self._spectrum(hyper[self.rho_name]))
        return np.asarray(self.eigenvectors @ (root * z))

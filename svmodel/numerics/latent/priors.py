"""Priors of hyperparameters, on the real line: a standard deviation by its logarithm, a share by its log odds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

#: Beyond this a standard deviation neither over- nor underflows once squared.
_LARGEST = 300.0


class HyperPrior(Protocol):
    """Prior of one hyperparameter ``h``, which a sampler or an optimiser knows as ``u`` on the real line."""

    @property
    def start(self) -> float:
        """A sensible first ``u``."""
        ...

    def value(self, u: float) -> float:
        """Return ``h``."""
        ...

    def log_density(self, u: float) -> float:
        """Return the log density of ``u``, normalised, so with the log Jacobian of ``h``."""
        ...

    def draw(self, rng: np.random.Generator) -> float:
        """Return a draw of ``h``."""
        ...

    def describe(self) -> str:
        """Return the prior in words."""
        ...


def _exp(u: float) -> float:
    return math.exp(min(max(u, -_LARGEST), _LARGEST))


@dataclass(frozen=True)
class HalfNormal:
    """``h = |N(0, scale^2)|``, for a standard deviation; ``u = log h``.

    Examples
    --------
    >>> round(HalfNormal(1.0).log_density(0.0), 6)
    -0.725791
    """

    scale: float

    @property
    def start(self) -> float:
        """The log of half the scale."""
        return math.log(0.5 * self.scale)

    def value(self, u: float) -> float:
        """Return ``exp(u)``."""
        return _exp(u)

    def log_density(self, u: float) -> float:
        """Return the log density of ``u``."""
        return 0.5 * math.log(2 / math.pi) - math.log(self.scale) - 0.5 * (_exp(u) / self.scale) ** 2 + u

    def draw(self, rng: np.random.Generator) -> float:
        """Return a draw of the standard deviation."""
        return abs(float(rng.normal(0.0, self.scale)))

    def describe(self) -> str:
        """Return the prior in words."""
        return f"half-normal, with 95% below {1.96 * self.scale:.2g}"


@dataclass(frozen=True)
class Exponential:
    """``h ~ Exponential(rate)``, for a standard deviation; ``u = log h``.

    The penalised complexity prior: with ``rate = -log(tail) / upper`` the standard deviation exceeds `upper` with
    probability `tail` (Simpson and others 2017, *Statistical Science* 32(1), equation 3.3).

    Examples
    --------
    >>> round(Exponential(2.0).log_density(0.0), 6)
    -1.306853
    """

    rate: float

    @property
    def start(self) -> float:
        """The log of half the mean."""
        return math.log(0.5 / self.rate)

    def value(self, u: float) -> float:
        """Return ``exp(u)``."""
        return _exp(u)

    def log_density(self, u: float) -> float:
        """Return the log density of ``u``."""
        return math.log(self.rate) - self.rate * _exp(u) + u

    def draw(self, rng: np.random.Generator) -> float:
        """Return a draw of the standard deviation."""
        return float(rng.exponential(1 / self.rate))

    def describe(self) -> str:
        """Return the prior in words."""
        return f"exponential, with 95% below {-math.log(0.05) / self.rate:.2g}"


@dataclass(frozen=True)
class GammaPrecision:
    """``1 / h^2 ~ Gamma(shape, rate)``, for a standard deviation; ``u = log h``. The prior of R's bsts.

    Examples
    --------
    >>> round(GammaPrecision(1.0, 1.0).log_density(0.0), 6)
    -0.306853
    """

    shape: float
    rate: float

    @property
    def start(self) -> float:
        """The log of ``(rate / shape)^(1/2)``."""
        return 0.5 * math.log(self.rate / self.shape)

    def value(self, u: float) -> float:
        """Return ``exp(u)``."""
        return _exp(u)

    def log_density(self, u: float) -> float:
        """Return the log density of ``u``; with precision ``p = exp(-2 u)`` the Jacobian is ``2 p``."""
        a, b = self.shape, self.rate
        return a * math.log(b) - math.lgamma(a) - 2 * a * u - b * _exp(-2 * u) + math.log(2.0)

    def draw(self, rng: np.random.Generator) -> float:
        """Return a draw of the standard deviation."""
        return float(rng.gamma(self.shape, 1 / self.rate)) ** -0.5

    def describe(self) -> str:
        """Return the prior in words."""
        return f"a guess of {math.sqrt(self.rate / self.shape):.2g}, worth {2 * self.shape:.3g} observations"


@dataclass(frozen=True)
class Beta:
    """``h ~ Beta(a, b)`` on (`low`, 1): a share, or a correlation where `low` is -1; ``u`` is the log odds.

    Examples
    --------
    >>> round(Beta(1.0, 1.0).log_density(0.0), 6)
    -1.386294
    """

    a: float
    b: float
    low: float = 0.0

    @property
    def start(self) -> float:
        """The log odds of the prior mean."""
        return math.log(self.a / self.b)

    def value(self, u: float) -> float:
        """Return the share."""
        return self.low + (1 - self.low) * self._share(u)

    @staticmethod
    def _share(u: float) -> float:
        return 1 / (1 + _exp(-u))

    def log_density(self, u: float) -> float:
        """Return the log density of ``u``; the Jacobian of the share is ``s (1 - s)``."""
        norm = math.lgamma(self.a + self.b) - math.lgamma(self.a) - math.lgamma(self.b)
        return norm - self.a * math.log1p(_exp(-u)) - self.b * math.log1p(_exp(u))

    def draw(self, rng: np.random.Generator) -> float:
        """Return a draw of the share."""
        return self.low + (1 - self.low) * float(rng.beta(self.a, self.b))

    def describe(self) -> str:
        """Return the prior in words."""
        return f"a Beta({self.a:g}, {self.b:g}) between {self.low:g} and 1"

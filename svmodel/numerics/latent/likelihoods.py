"""Likelihoods of observed cells given their linear predictors, with the derivatives that Newton's method needs.

All are log-concave in the linear predictor, so that the mode of the latent field is one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from svmodel.numerics.arrays import Floats
from svmodel.numerics.latent.priors import HyperPrior

#: Counts up to which rising factorials are summed factor by factor.
_FIRST = 1000


class Derivatives(NamedTuple):
    """Of the log-likelihood by each cell's linear predictor, shape (n,)."""

    first: Floats
    #: Less the second derivative: never negative.
    weight: Floats


class Likelihood(Protocol):
    """Log-likelihood of n cells; hyperparameters come by name."""

    @property
    def hypers(self) -> Mapping[str, HyperPrior]:
        """Its hyperparameters with their priors."""
        ...

    def value(self, eta: Floats, hyper: Mapping[str, float]) -> float:
        """Return the log-likelihood, with its constants."""
        ...

    def derivatives(self, eta: Floats, hyper: Mapping[str, float]) -> Derivatives:
        """Return first and second derivatives."""
        ...

    def third(self, eta: Floats, hyper: Mapping[str, float]) -> Floats:
        """Return the third derivative, shape (n,)."""
        ...

    def pointwise(self, eta: Floats, hyper: Mapping[str, float]) -> Floats:
        """Return each cell's log-likelihood, shape (n,)."""
        ...

    def draw(self, eta: Floats, hyper: Mapping[str, float], rng: np.random.Generator) -> Floats:
        """Return outcomes drawn from the model, shape (n,)."""
        ...


def _stirling(a: Any) -> Any:
    """Return what Stirling's formula lacks of the log gamma function, to 1e-20 from a thousand on."""
    square = a**-2.0
    return (1 / 12 - square * (1 / 360 - square / 1260)) / a


def _log_factorial(y: Floats) -> Floats:
    from scipy import special

    return np.asarray(special.gammaln(y + 1.0))


@dataclass(frozen=True, eq=False)
class Poisson:
    """``y ~ Poisson(exp(eta))``."""

    y: Floats

    @property
    def hypers(self) -> dict[str, HyperPrior]:
        """None."""
        return {}

    @cached_property
    def _constant(self) -> Floats:
        return -_log_factorial(self.y)

    def pointwise(self, eta: Floats, hyper: Mapping[str, float]) -> Floats:
        """Return each cell's log-likelihood."""
        return self.y * eta - np.exp(eta) + self._constant

    def value(self, eta: Floats, hyper: Mapping[str, float]) -> float:
        """Return the log-likelihood."""
        return float(self.pointwise(eta, hyper).sum())

    def derivatives(self, eta: Floats, hyper: Mapping[str, float]) -> Derivatives:
        """Return first and second derivatives."""
        mean = np.exp(eta)
        return Derivatives(self.y - mean, mean)

    def third(self, eta: Floats, hyper: Mapping[str, float]) -> Floats:
        """Return the third derivative."""
        return -np.exp(eta)

    def draw(self, eta: Floats, hyper: Mapping[str, float], rng: np.random.Generator) -> Floats:
        """Return counts drawn from the model."""
        return rng.poisson(np.exp(eta)).astype(np.float64)


@dataclass(frozen=True, eq=False)
class NegativeBinomial:
    """Counts with mean ``m = exp(eta)`` and variance ``m + (s m)^2``: NB2 with ``alpha = 1 / s^2``.

    The hyperparameter ``overdispersion`` is s, the coefficient of variation of the gamma shock that each cell's mean
    meets (Cameron and Trivedi 2013, section 3.3). Written with ``log(1 + m / alpha)``, it tends to the Poisson
    likelihood without loss of digits where s tends to 0. Counts have to be whole numbers.
    """

    y: Floats
    prior: HyperPrior

    @property
    def hypers(self) -> dict[str, HyperPrior]:
        """The overdispersion."""
        return {"overdispersion": self.prior}

    @cached_property
    def _constant(self) -> Floats:
        return -_log_factorial(self.y)

    @cached_property
    def _index(self) -> NDArray[np.int64]:
        return np.minimum(self.y, _FIRST).astype(np.int64)

    @cached_property
    def _tally(self) -> Floats:
        return np.bincount(self._index).astype(np.float64)

    def _rising(self, alpha: float) -> Floats:
        """Return ``sum_{j<k} log(1 + j / alpha)`` for k = 0, 1, ..., the largest count, or the first thousand."""
        steps = np.log1p(np.arange(len(self._tally) - 1) / alpha)
        return np.concatenate([[0.0], np.cumsum(steps)])

    @cached_property
    def _beyond(self) -> Floats:
        """How far each count lies beyond the first thousand, shape (n,)."""
        return np.maximum(self.y - _FIRST, 0.0)

    def _rest(self, alpha: float) -> Floats:
        """Return the rest of that sum for counts beyond, by Stirling's series (Abramowitz and Stegun 6.1.41).

        The parts of the log gamma functions that grow with alpha are taken together before they are worked out.
        """
        d = self._beyond[self._beyond > 0]
        low, high = alpha + _FIRST, alpha + _FIRST + d
        rest = d * math.log1p(_FIRST / alpha) + (high - 0.5) * np.log1p(d / low) - d
        return np.asarray(rest + _stirling(high) - _stirling(low))

    @staticmethod
    def _alpha(hyper: Mapping[str, float]) -> float:
        return float(max(hyper["overdispersion"], 1e-10) ** -2)

    def pointwise(self, eta: Floats, hyper: Mapping[str, float]) -> Floats:
        """Return each cell's log-likelihood."""
        a = self._alpha(hyper)
        linear = self.y * eta - (self.y + a) * np.log1p(np.exp(eta) / a)
        out = linear + self._rising(a)[self._index] + self._constant
        out[self._beyond > 0] += self._rest(a)
        return np.asarray(out)

    def value(self, eta: Floats, hyper: Mapping[str, float]) -> float:
        """Return the log-likelihood; the rising factorials by how often each count occurs."""
        a = self._alpha(hyper)
        linear = self.y @ eta - (self.y + a) @ np.log1p(np.exp(eta) / a)
        beyond = float(self._rest(a).sum()) if self._beyond.any() else 0.0
        return float(linear + self._tally @ self._rising(a)) + beyond + self._constant_sum

    @cached_property
    def _constant_sum(self) -> float:
        return float(self._constant.sum())

    def derivatives(self, eta: Floats, hyper: Mapping[str, float]) -> Derivatives:
        """Return first and second derivatives."""
        a, mean = self._alpha(hyper), np.exp(eta)
        ratio = (self.y + a) / (a + mean)
        return Derivatives(self.y - ratio * mean, ratio * mean * (a / (a + mean)))

    def third(self, eta: Floats, hyper: Mapping[str, float]) -> Floats:
        """Return the third derivative."""
        a, mean = self._alpha(hyper), np.exp(eta)
        share = a / (a + mean)
        return -(self.y + a) / (a + mean) * mean * share * (2 * share - 1)

    def draw(self, eta: Floats, hyper: Mapping[str, float], rng: np.random.Generator) -> Floats:
        """Return counts drawn from the model."""
        a, mean = self._alpha(hyper), np.exp(eta)
        # a gamma of so large a shape is 1 to the last digit, and its sampler is not made for it
        shock = rng.gamma(a, 1 / a, size=len(mean)) if a < 1e12 else 1.0
        return rng.poisson(mean * shock).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Binomial:
    """``y ~ Binomial(trials, 1 / (1 + exp(-eta)))``."""

    y: Floats
    trials: Floats

    @property
    def hypers(self) -> dict[str, HyperPrior]:
        """None."""
        return {}

    @cached_property
    def _constant(self) -> Floats:
        return _log_factorial(self.trials) - _log_factorial(self.y) - _log_factorial(self.trials - self.y)

    def pointwise(self, eta: Floats, hyper: Mapping[str, float]) -> Floats:
        """Return each cell's log-likelihood."""
        return self.y * eta - self.trials * np.logaddexp(0.0, eta) + self._constant

    def value(self, eta: Floats, hyper: Mapping[str, float]) -> float:
        """Return the log-likelihood."""
        return float(self.pointwise(eta, hyper).sum())

    def derivatives(self, eta: Floats, hyper: Mapping[str, float]) -> Derivatives:
        """Return first and second derivatives."""
        p = 1 / (1 + np.exp(-eta))
        return Derivatives(self.y - self.trials * p, self.trials * p * (1 - p))

    def third(self, eta: Floats, hyper: Mapping[str, float]) -> Floats:
        """Return the third derivative."""
        p = 1 / (1 + np.exp(-eta))
        return -self.trials * p * (1 - p) * (1 - 2 * p)

    def draw(self, eta: Floats, hyper: Mapping[str, float], rng: np.random.Generator) -> Floats:
        """Return counts drawn from the model."""
        return rng.binomial(self.trials.astype(np.int64), 1 / (1 + np.exp(-eta))).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Gaussian:
    """``y ~ N(eta, (s sd)^2)``: `sd` known for each cell, and s, the hyperparameter ``noise_sd``, unless it is 1.

    With known errors and no `prior` this is the likelihood of published effects; the Laplace approximation is exact.
    """

    y: Floats
    sd: Floats
    prior: HyperPrior | None = None

    @property
    def hypers(self) -> dict[str, HyperPrior]:
        """The factor on the standard deviations, where it is not known."""
        return {} if self.prior is None else {"noise_sd": self.prior}

    def _sd(self, hyper: Mapping[str, float]) -> Floats:
        return self.sd * (1.0 if self.prior is None else hyper["noise_sd"])

    def pointwise(self, eta: Floats, hyper: Mapping[str, float]) -> Floats:
        """Return each cell's log-likelihood."""
        sd = self._sd(hyper)
        return -0.5 * math.log(2 * math.pi) - np.log(sd) - 0.5 * ((self.y - eta) / sd) ** 2

    def value(self, eta: Floats, hyper: Mapping[str, float]) -> float:
        """Return the log-likelihood."""
        return float(self.pointwise(eta, hyper).sum())

    def derivatives(self, eta: Floats, hyper: Mapping[str, float]) -> Derivatives:
        """Return first and second derivatives."""
        precision = self._sd(hyper) ** -2.0
        return Derivatives((self.y - eta) * precision, precision)

    def third(self, eta: Floats, hyper: Mapping[str, float]) -> Floats:
        """Return the third derivative, which is zero."""
        return np.zeros(len(self.y))

    def draw(self, eta: Floats, hyper: Mapping[str, float], rng: np.random.Generator) -> Floats:
        """Return outcomes drawn from the model."""
        return eta + self._sd(hyper) * rng.standard_normal(len(self.y))

"""Effects of single cells, integrated out cell by cell: the field stays as small as if they were not there.

An effect that enters one cell only meets no other effect but through that cell's linear predictor. Its integral is one
of a single number, whatever the rest of the field: a cell's likelihood given the rest is ``log int p(y | eta + d)
N(d; 0, sd^2) dd``, of which the derivatives by eta are cumulants. To second order this is the Schur complement of the
effects in the Hessian, ``W / (1 + sd^2 W)`` for a cell of weight W; the integral is taken in full because a count of
one or two leaves the effect far from normal, and the approximation's error would add up over all cells.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from svmodel.numerics.arrays import Floats
from svmodel.numerics.latent.likelihoods import Derivatives, Likelihood
from svmodel.numerics.latent.priors import HyperPrior

#: Nodes of the adaptive Gauss-Hermite rule, and how many do where effects are nearly normal given their count.
_NODES, _FEW_NODES = 15, 9
#: Standard deviation of the effects below which the few do: the integral's log is then right to six digits.
_NEARLY_NORMAL = 0.5
_MOST_STEPS = 60
#: A mode is near enough at this share of the effect's posterior s.d.: the rule is only placed by it.
_NEAR = 1e-3
_LEAST_SD = 1e-8
#: Standard deviation of the effects below which their own cumulants lose too many digits to tell the derivatives.
_SMALL = 0.1


@dataclass(frozen=True, eq=False)
class _Posterior:
    """Of the cells' own effects given the rest of the field.

    Attributes
    ----------
    effects : ndarray, shape (K, n)
        At the nodes of the rule.
    share : ndarray, shape (K, n)
        Posterior weights; sum to 1 over nodes.
    log_integral : ndarray, shape (n,)
    """

    effects: Floats
    share: Floats
    log_integral: Floats

    def mean(self, x: Floats) -> Floats:
        """Return the posterior mean of what is given at every node."""
        return np.asarray(np.einsum("kn,kn->n", self.share, x))


@dataclass(frozen=True, eq=False)
class Integrated:
    """The likelihood of cells that have effects of their own, with these integrated out.

    Adaptive Gauss-Hermite quadrature (Liu and Pierce 1994, *Biometrika* 81(3), 624-629) about each effect's mode.

    Attributes
    ----------
    inner : Likelihood
        Given the effects.
    name : str
        Of their standard deviation.
    prior : HyperPrior
    """

    inner: Likelihood
    name: str
    prior: HyperPrior

    @property
    def hypers(self) -> dict[str, HyperPrior]:
        """The effects' standard deviation, and what the likelihood has."""
        return {self.name: self.prior, **self.inner.hypers}

    def _sd(self, hyper: Mapping[str, float]) -> float:
        return max(hyper[self.name], _LEAST_SD)

    def _mode(self, eta: Floats, hyper: Mapping[str, float]) -> tuple[Floats, Floats]:
        """Return each effect's mode and the curvature there.

        The score falls, so that the mode lies between 0 and ``sd^2`` times the score at 0: Newton's steps are kept
        within what is left of that.
        """
        precision = self._sd(hyper) ** -2
        d = np.zeros(len(eta))
        first, weight = self.inner.derivatives(eta, hyper)
        low, high = np.minimum(first / precision, 0.0), np.maximum(first / precision, 0.0)
        for _ in range(_MOST_STEPS):
            score, curvature = first - d * precision, weight + precision
            low, high = np.where(score > 0, d, low), np.where(score > 0, high, d)
            new = d + np.clip(score / curvature, -1.0, 1.0)
            new = np.where((new < low) | (new > high), 0.5 * (low + high), new)
            moved, d = np.abs(new - d), new
            first, weight = self.inner.derivatives(eta + d, hyper)
            if (moved * np.sqrt(curvature) < _NEAR).all():
                break
        return d, weight + precision

    @cached_property
    def _last(self) -> dict[str, Any]:
        """What was asked last: Newton's method asks for the value and then for the derivatives at the same place."""
        return {}

    def _posterior(self, eta: Floats, hyper: Mapping[str, float]) -> _Posterior:
        at, given, found = self._last.get("posterior", (None, None, None))
        if at is not eta or given != hyper:
            # a node far out has no weight, and a predictor far out is refused by its value
            with np.errstate(over="ignore", invalid="ignore"):
                found = self._integrate(eta, hyper)
            self._last["posterior"] = eta, dict(hyper), found
        return found

    def _integrate(self, eta: Floats, hyper: Mapping[str, float]) -> _Posterior:
        sd = self._sd(hyper)
        mode, curvature = self._mode(eta, hyper)
        z, w = np.polynomial.hermite.hermgauss(_FEW_NODES if sd < _NEARLY_NORMAL else _NODES)
        d = mode + math.sqrt(2) / np.sqrt(curvature) * z[:, None]
        log_mass = np.array([self.inner.pointwise(eta + node, hyper) for node in d]) - 0.5 * (d / sd) ** 2
        log_mass += (np.log(w) + z**2)[:, None]
        top = log_mass.max(axis=0)
        mass = np.exp(log_mass - top)
        total = mass.sum(axis=0)
        scale = -0.5 * math.log(math.pi) - math.log(sd) - 0.5 * np.log(curvature)
        return _Posterior(d, mass / total, top + np.log(total) + scale)

    def pointwise(self, eta: Floats, hyper: Mapping[str, float]) -> Floats:
        """Return each cell's log-likelihood."""
        return self._posterior(eta, hyper).log_integral

    def value(self, eta: Floats, hyper: Mapping[str, float]) -> float:
        """Return the log-likelihood."""
        return float(self.pointwise(eta, hyper).sum())

    def derivatives(self, eta: Floats, hyper: Mapping[str, float]) -> Derivatives:
        """Return first and second derivatives."""
        return self._derivatives(eta, hyper)[0]

    def third(self, eta: Floats, hyper: Mapping[str, float]) -> Floats:
        """Return the third derivative."""
        return self._derivatives(eta, hyper)[1]

    def _derivatives(self, eta: Floats, hyper: Mapping[str, float]) -> tuple[Derivatives, Floats]:
        """Return the derivatives: cumulants over the effects' posterior.

        A shift of eta is a shift of the effect against its prior, so that the k-th derivative is the k-th cumulant of
        ``d / sd^2``, less ``1 / sd^2`` for k = 2 (Stein's identity). Where sd is small these are differences of
        numbers that are nearly equal, and the cumulants of the likelihood's own score stand instead.
        """
        sd, post = self._sd(hyper), self._posterior(eta, hyper)
        if sd < _SMALL:
            return self._by_score(post, eta, hyper)
        u = post.effects / sd
        mean = post.mean(u)
        away = u - mean
        square = away**2
        weight = (1 - post.mean(square)) / sd**2
        return Derivatives(mean / sd, np.maximum(weight, 0.0)), post.mean(square * away) / sd**3

    def _by_score(self, post: _Posterior, eta: Floats, hyper: Mapping[str, float]) -> tuple[Derivatives, Floats]:
        """Return the derivatives from the score l: E l, E l' + Var l, and E l'' + 3 Cov(l', l) + the third moment."""
        nodes = eta + post.effects
        both = [self.inner.derivatives(node, hyper) for node in nodes]
        first, weight = np.array([d.first for d in both]), np.array([d.weight for d in both])
        third = np.array([self.inner.third(node, hyper) for node in nodes])
        mean = post.mean(first)
        away = first - mean
        curvature = np.maximum(post.mean(weight) - post.mean(away**2), 0.0)
        return Derivatives(mean, curvature), post.mean(third) - 3 * post.mean(weight * away) + post.mean(away**3)

    def draw(self, eta: Floats, hyper: Mapping[str, float], rng: np.random.Generator) -> Floats:
        """Return outcomes drawn from the model, each with an effect of its own."""
        return self.inner.draw(eta + self._sd(hyper) * rng.standard_normal(len(eta)), hyper, rng)

    def draw_effects(self, eta: Floats, at: Floats, hyper: Mapping[str, float], rng: np.random.Generator) -> Floats:
        """Return draws of the effects given draws of the rest of the field.

        Parameters
        ----------
        eta : ndarray, shape (S, n)
            Draws of the predictor without the effects.
        at : ndarray, shape (n,)
            A predictor about which the draws lie.

        Returns
        -------
        ndarray, shape (S, n)

        Notes
        -----
        Normal, with the mean and variance of the effects' posterior, which are ``sd^2 l'`` and ``sd^2 (1 - sd^2 w)``
        with l' and w the first derivative and the weight of :meth:`derivatives` (Tweedie's formula); the mean to second
        order in ``eta - at``.
        """
        variance = self._sd(hyper) ** 2
        (first, weight), third = self._derivatives(at, hyper)
        away = eta - at
        mean = variance * (first + away * (0.5 * away * third - weight))
        spread = np.sqrt(variance * np.clip(1 - variance * weight, 0.0, 1.0))
        return np.asarray(mean + spread * rng.standard_normal(eta.shape))

"""Any :class:`~svmodel.engine.description.LatentModel` as a PyMC model, in a form that NUTS walks easily.

It is the description and nothing else: the same priors, the same likelihood. Five things make it quick.

*Coordinates.* A block of effects is written ``x = B (z / (q + w)^{1/2})``: B turns it so that its prior precision q is
nearly diagonal, and w is about what the data say of each coordinate. Where data say much this is the centred form,
where they say nothing the non-centred one, and between them what Papaspiliopoulos, Roberts and Skold (2007,
*Statistical Science* 22(1), section 2) call partially non-centred. w only places the coordinates: the density of x is
that of the prior, with the Jacobian of z. Of an autoregressive series and overdispersion data may tell little more than
the sum, and then all its effects move with the two. So it is written about where data leave it, ``x = B ((f r + (q + f
w)^{1/2} z) / (q + f w))``, with f how much more sharply data tell than at the start, which follows overdispersion, and
r their pull: z then hangs together with neither.

*Standard deviations* whose prior has its mode at zero are ``h = scale log(1 + e^{10 v}) / 10``: v is their logarithm
near zero alone, so that what is small is not far away. Along the logarithm a chain that came near zero took long to
come back.

*Ridges.* Fixed effects are written about what data leave them given all others (:mod:`svmodel.engine.elimination`).

*Sums held at zero* are held exactly, by a coordinate less.

*Counts.* The negative binomial's rising factorials depend on the count alone, so that each different count is worked
out once, and stays exact where overdispersion tends to 0.

Everything that is a number and not a shape is shared data: a second model of the same shape needs no compiling.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svmodel.engine.description import LatentModel
from svmodel.engine.elimination import FREE, Elimination
from svmodel.engine.pymc_data import (
    FIRST_COUNTS,
    Block,
    about_precision,
    blocks_of,
    grid_data,
    placed,
    prior_data,
    recovered,
    sharpness,
)
from svmodel.numerics.arrays import Floats
from svmodel.numerics.latent.area_shocks import AreaShocks, StartedWalk
from svmodel.numerics.latent.priors import Beta, Exponential, GammaPrecision, HalfNormal, HyperPrior
from svmodel.numerics.latent.structures import AR1, BYM2, Fixed, Independent, RandomWalk, Seasonal

#: A standard deviation's free variable is its logarithm below a tenth of its prior's scale, about, and linear above.
_BEND = 10.0


@dataclass(frozen=True, eq=False)
class PyMCForm:
    """A latent model as PyMC takes it.

    Attributes
    ----------
    model : LatentModel
    """

    model: LatentModel

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """How each term enters the grid and which coordinates it has."""
        return blocks_of(self.told)

    @cached_property
    def told(self) -> Elimination:
        """What data say of the effects, and the fixed ones given the rest."""
        return Elimination(self.model)

    @cached_property
    def data(self) -> dict[str, NDArray[Any]]:
        """Every number of the model, by the name of its shared variable."""
        found: dict[str, NDArray[Any]] = dict(grid_data(self.model))
        for block in self.blocks:
            found.update({f"{block.name}:{name}": value for name, value in block.data.items()})
        for name in ("prior_mean", "prior_sd", "scale", "shift"):
            found[f"fixed:{name}"] = getattr(self.told, name)
        for name, prior in self.model.hypers.items():
            found[f"{name}:prior"] = prior_data(prior)
        return found

    @cached_property
    def key(self) -> Hashable:
        """What has to be the same for a compiled model to serve another."""
        hypers = tuple((name, type(prior).__name__) for name, prior in self.model.hypers.items())
        return (self.model.family, self.model.y.shape, hypers, tuple(block.key for block in self.blocks))

    @cached_property
    def start(self) -> dict[str, Floats]:
        """About where chains begin: each free variable on the real line, by name."""
        found = {block.free: np.zeros(block.coordinates) for block in self.blocks if block.coordinates}
        found[FREE] = self.told.start
        for name, prior in self.model.hypers.items():
            found[free_name(name, prior)] = np.array([_start_of(prior)])
        return found

    def effects(self, drawn: Mapping[str, Floats]) -> dict[str, Floats]:
        """Return draws of the effects by term, shape (..., size), from those of free variables and hyperparameters."""
        hyper = {name: drawn[name][..., None] for name in self.model.hypers}
        shape = next(iter(drawn.values())).shape[:2]
        sharp = sharpness(self.model.family, hyper, self.data)
        others = [
            recovered(b, drawn.get(b.free), hyper, sharp, shape)
            for b in self.blocks
            if not isinstance(b.structure, Fixed)
        ]
        b = np.concatenate([np.empty((*shape, 0)), *others], axis=-1)
        fixed = drawn[FREE] @ self.told.scale.T - b @ self.told.shift.T
        return {
            term.name: (fixed if isinstance(term.structure, Fixed) else b)[..., self.told.place(i)]
            for i, term in enumerate(self.model.terms)
        }

    def build(self) -> Any:
        """Return the ``pymc.Model``: effects by the names of their terms, hyperparameters by theirs."""
        import pymc as pm

        with pm.Model(check_bounds=False) as built:
            shared = _Shared(self.data)
            hyper = {name: _hyper(name, prior, shared[f"{name}:prior"]) for name, prior in self.model.hypers.items()}
            sharp = sharpness(self.model.family, hyper, shared)
            made = {
                b.name: _effects(b, hyper, sharp, shared.of(b.name))
                for b in self.blocks
                if not isinstance(b.structure, Fixed)
            }
            fixed = _fixed(list(made.values()), len(self.told.start), shared.of("fixed"))
            eta, places = shared["offset"], {term.name: i for i, term in enumerate(self.model.terms)}
            for block in self.blocks:
                effects = made[block.name] if block.name in made else fixed[self.told.place(places[block.name])]
                size = block.structure.size // len(block.terms)
                for i, name in enumerate(block.terms):
                    pm.Deterministic(name, effects[i * size : (i + 1) * size])
                eta = eta + _entered(block, effects, self.model.y.shape, shared.of(block.name))
            pm.Potential("log_likelihood", _log_likelihood(self.model, eta, hyper, shared))
        return built


class _Shared:
    """Shared variables by name, made when first asked for."""

    def __init__(self, data: Mapping[str, NDArray[Any]], prefix: str = "") -> None:
        self.data, self.prefix = data, prefix
        self.made: dict[str, Any] = {}

    def __contains__(self, name: str) -> bool:
        return self.prefix + name in self.data

    def of(self, term: str) -> _Shared:
        return _Shared(self.data, f"{term}:")

    def __getitem__(self, name: str) -> Any:
        from pytensor.compile.sharedvalue import shared

        full = self.prefix + name
        if full not in self.made:
            value = self.data[full]
            # tables of counts are as long as there are different counts; all else has the shape of the model
            shape = (None,) if name.startswith("table_") else value.shape
            self.made[full] = shared(value, name=full, shape=shape)
        return self.made[full]


def free_name(name: str, prior: HyperPrior) -> str:
    """Return the free variable of a hyperparameter."""
    return name + {GammaPrecision: ":precision", Beta: ":share"}.get(type(prior), ":free")


def _start_of(prior: HyperPrior) -> float:
    """Return a prior's start on the real line of its free variable: of a precision the log is -2 times that of h."""
    if isinstance(prior, HalfNormal | Exponential):
        share = prior.value(prior.start) / (prior.scale if isinstance(prior, HalfNormal) else 1 / prior.rate)
        return float(np.log(np.expm1(_BEND * share)) / _BEND)
    return -2 * prior.start if isinstance(prior, GammaPrecision) else prior.start


def _hyper(name: str, prior: HyperPrior, numbers: Any) -> Any:
    """Return a hyperparameter on its own scale, under its name."""
    import pymc as pm
    import pytensor.tensor as pt

    if isinstance(prior, HalfNormal | Exponential):
        v = pm.Flat(free_name(name, prior))
        share = pt.softplus(_BEND * v) / _BEND
        density = -0.5 * share**2 if isinstance(prior, HalfNormal) else -share
        pm.Potential(f"{name}:prior", density - pt.softplus(-_BEND * v))
        return pm.Deterministic(name, share * numbers[0] if isinstance(prior, HalfNormal) else share / numbers[0])
    if isinstance(prior, GammaPrecision):
        precision = pm.Gamma(free_name(name, prior), numbers[0], numbers[1])
        return pm.Deterministic(name, precision**-0.5)
    if isinstance(prior, Beta):
        share = pm.Beta(free_name(name, prior), numbers[0], numbers[1])
        return pm.Deterministic(name, numbers[2] + (1 - numbers[2]) * share)
    raise TypeError(f"no PyMC form of the prior {type(prior).__name__}")


def _fixed(others: list[Any], size: int, data: _Shared) -> Any:
    """Return all fixed effects, with their prior in the model, about what data leave them given the others."""
    import pymc as pm
    import pytensor.tensor as pt

    if not size:
        return pt.zeros(0)
    effects = pt.dot(data["scale"], pm.Flat(FREE, shape=size))
    if others:
        effects = effects - pt.dot(data["shift"], pt.concatenate(others))
    pm.Potential("fixed:prior", -0.5 * pt.sum(((effects - data["prior_mean"]) / data["prior_sd"]) ** 2))
    return effects


def _effects(block: Block, hyper: Mapping[str, Any], sharp: Any, data: _Shared) -> Any:
    """Return a block's effects, with their prior in the model."""
    import pytensor.tensor as pt

    structure = block.structure
    if not block.coordinates:
        return pt.full(structure.size, structure.mean)
    for kind, made in _FORMS.items():
        if isinstance(structure, kind):
            return structure.mean + made(block, structure, hyper, sharp, data)
    raise TypeError(f"no PyMC form of the structure {type(structure).__name__}")


def _coordinates(block: Block, z: Any, hyper: Mapping[str, Any], sharp: Any, data: _Shared) -> Any:
    """Return coordinates where prior and data leave them, and put their Jacobian in the model."""
    import pymc as pm
    import pytensor.tensor as pt

    about = about_precision(block.structure, hyper, data)
    both = about + data["information"] * (sharp if "pull" in data else 1.0)
    pm.Potential(f"{block.name}:jacobian", -0.5 * pt.sum(pt.log(both)))
    return placed(z, about, sharp, data)


def _free(block: Block) -> Any:
    import pymc as pm

    return pm.Flat(block.free, shape=block.coordinates)


def _independent(block: Block, structure: Independent, hyper: Mapping[str, Any], sharp: Any, data: _Shared) -> Any:
    import pymc as pm
    import pytensor.tensor as pt

    sd = hyper[structure.name]
    b = _coordinates(block, _free(block), hyper, sharp, data)
    pm.Potential(f"{block.name}:prior", -0.5 * pt.sum(b**2) / sd**2 - block.coordinates * pt.log(sd))
    if structure.zero_sum:
        return _about_zero(b, structure.size)
    return pt.dot(data["basis"], b) if "basis" in data else b


def _about_zero(b: Any, size: int) -> Any:
    """Turn size - 1 coordinates into effects whose sum is zero, without stretching them (a Householder reflection)."""
    import pytensor.tensor as pt

    total, root = pt.sum(b), size**0.5
    return pt.concatenate([b - total / (root + size), pt.atleast_1d(-total / root)])


def _walk(block: Block, structure: RandomWalk | Seasonal, hyper: Mapping[str, Any], sharp: Any, data: _Shared) -> Any:
    """Along the eigenvectors of the walk's precision, the lowest of which the sum holds at zero."""
    import pymc as pm
    import pytensor.tensor as pt

    sd = hyper[structure.name]
    b = _coordinates(block, _free(block), hyper, sharp, data)
    rank = structure.size - (structure.order if isinstance(structure, RandomWalk) else 1)
    pm.Potential(
        f"{block.name}:prior", -0.5 * pt.sum(b**2 * about_precision(structure, hyper, data)) - rank * pt.log(sd)
    )
    return pt.dot(data["basis"], b)


def _autoregressive(block: Block, structure: AR1, hyper: Mapping[str, Any], sharp: Any, data: _Shared) -> Any:
    """Along cosines, which nearly diagonalise every stationary series; the prior itself is that of the series.

    Periods after the last that is known are written by their steps, whose prior is the standard normal.
    """
    import pymc as pm
    import pytensor.tensor as pt

    sd, rho, n = hyper[structure.name], hyper[structure.rho_name], len(block.data["information"])
    step, z = sd**2 * (1 - rho**2), _free(block)
    x = pt.dot(data["basis"], _coordinates(block, z[:n], hyper, sharp, data))
    # (x_t - rho x_{t-1})^2 summed, and the first at its marginal variance
    square = pt.sum((x[1:] - rho * x[:-1]) ** 2) / step + x[0] ** 2 / sd**2 + pt.sum(z[n:] ** 2)
    pm.Potential(f"{block.name}:prior", -0.5 * square - n * pt.log(sd) - 0.5 * (n - 1) * pt.log1p(-(rho**2)))
    after = structure.size - n
    if not after:
        return x
    lag = np.arange(after)[:, None] - np.arange(after)[None, :]
    weight = np.tri(after) * rho ** np.maximum(lag, 0)
    return pt.concatenate([x, rho ** np.arange(1, after + 1) * x[-1] + pt.sqrt(step) * pt.dot(weight, z[n:])])


def _area_shocks(block: Block, structure: AreaShocks, hyper: Mapping[str, Any], sharp: Any, data: _Shared) -> Any:
    """Every area's series along one basis; the prior is that of the series."""
    import pymc as pm
    import pytensor.tensor as pt

    series, areas = structure.series, structure.areas
    n, sd = series.size, hyper[series.name]
    z = _free(block).reshape((areas, n))
    x = pt.dot(_coordinates(block, z, hyper, sharp, data), data["basis"].T)
    first = pt.sum(x[:, 0] ** 2) / sd**2
    if isinstance(series, StartedWalk):
        density = -0.5 * (first + pt.sum((x[:, 1:] - x[:, :-1]) ** 2) / sd**2) - areas * n * pt.log(sd)
    else:
        rho = hyper[series.rho_name]
        square = first + pt.sum((x[:, 1:] - rho * x[:, :-1]) ** 2) / (sd**2 * (1 - rho**2))
        density = -0.5 * square - areas * (n * pt.log(sd) + 0.5 * (n - 1) * pt.log1p(-(rho**2)))
    pm.Potential(f"{block.name}:prior", density)
    return x.reshape((structure.size,))


def _on_map(block: Block, structure: BYM2, hyper: Mapping[str, Any], sharp: Any, data: _Shared) -> Any:
    """Along directions that hang together neither a priori nor by the data; its prior along the map's eigenvectors."""
    import pymc as pm
    import pytensor.tensor as pt

    sd, rho = hyper[structure.name], hyper[structure.rho_name]
    c = _coordinates(block, _free(block), hyper, sharp, data)
    spectrum = sd**2 * (rho * data["variances"] + pt.maximum(1 - rho, 1e-8))
    along = pt.dot(data["along"], c)
    pm.Potential(f"{block.name}:prior", -0.5 * pt.sum(along**2 / spectrum) - 0.5 * pt.sum(pt.log(spectrum)))
    return pt.dot(data["basis"], c)


_FORMS: dict[Any, Any] = {
    Independent: _independent,
    RandomWalk: _walk,
    Seasonal: _walk,
    AR1: _autoregressive,
    AreaShocks: _area_shocks,
    BYM2: _on_map,
}


def _entered(block: Block, effects: Any, shape: tuple[int, ...], data: _Shared) -> Any:
    """Return what a block adds to the cells: broadcast along what it does not depend on."""
    import pytensor.tensor as pt

    if block.over == "sum":
        return pt.dot(data["value"], effects).reshape(shape)
    if block.gathers:
        effects = pt.concatenate([effects, pt.zeros(1)])[data["index"]]
    if block.over == "none":
        over = effects[0]
    elif block.over == "cells":
        over = effects if block.gathers else effects.reshape(shape)
    else:
        over = effects[:, None] if block.over == "rows" else effects[None, :]
    return over * data["value"] if block.weighted else over


def _log_likelihood(model: LatentModel, eta: Any, hyper: Mapping[str, Any], shared: _Shared) -> Any:
    """Return the log-likelihood up to a constant; unknown cells say nothing."""
    import pytensor.tensor as pt

    known, y = shared["known"], shared["y"]
    if model.family == "poisson":
        return pt.sum(known * (y * eta - pt.exp(eta)))
    if model.family == "binomial":
        return pt.sum(known * (y * eta - shared["trials"] * pt.softplus(eta)))
    if model.family == "gaussian":
        sd = hyper.get("noise_sd", pt.constant(1.0))
        return pt.sum(known * (-0.5 * ((y - eta) / (shared["sd"] * sd)) ** 2 - pt.log(sd)))
    shock = pt.maximum(hyper["overdispersion"], 1e-10) ** 2
    alpha = 1 / shock
    cells = pt.sum(known * (y * eta - (y + alpha) * pt.log1p(pt.exp(eta) * shock)))
    return cells + _rising(alpha, shared)


def _rising(alpha: Any, shared: _Shared) -> Any:
    """Return the sum over cells of ``sum_{j<y} log(1 + j / alpha)``.

    The first factors as they stand; beyond them Stirling's series for the log gamma function (Abramowitz and Stegun
    6.1.41), of which the parts that grow with alpha are taken together before they are worked out.
    """
    import pytensor.tensor as pt

    first = pt.sum(shared["first"] * pt.log1p(np.arange(FIRST_COUNTS) / alpha))
    low = alpha + FIRST_COUNTS
    d = shared["table_count"] - FIRST_COUNTS
    high = low + d
    rest = d * pt.log1p(FIRST_COUNTS / alpha) + (high - 0.5) * pt.log1p(d / low) - d
    rest = rest + _series(high) - _series(low)
    return first + pt.sum(shared["table_times"] * rest)


def _series(a: Any) -> Any:
    r = 1 / a
    square = r * r
    return r * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)))

"""The numbers that the PyMC form of a latent model rests on: tables of counts, bases, and what data say of effects."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from svmodel.engine.description import LatentModel, Term
from svmodel.engine.elimination import Elimination
from svmodel.numerics.arrays import Floats
from svmodel.numerics.latent.area_shocks import AreaShocks, StartedWalk
from svmodel.numerics.latent.priors import Beta, Exponential, GammaPrecision, HalfNormal, HyperPrior
from svmodel.numerics.latent.structures import AR1, BYM2, Fixed, Independent, RandomWalk, Seasonal, Structure

#: Factors of a rising factorial that are taken as they stand; Stirling's series from there is exact to 1e-14.
FIRST_COUNTS = 16
#: Share of a map's variance that follows borders, at which its coordinates are exact.
_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class Block:
    """One term, or several coefficients that are pooled together: its coordinates, and how it enters the grid.

    Attributes
    ----------
    name, free : str
        Of the (first) term, and of its free variable.
    structure : Structure
        Of all its effects together.
    coordinates : int
        Of its own: fewer than effects where a sum is held at zero, and none where effects are fixed.
    over : {"none", "rows", "columns", "cells", "sum"}
        What the effect in a cell depends on; or that it is the sum of all, each multiplied by its value.
    gathers : bool
        Whether effects are picked by an index, in place of standing in order.
    weighted : bool
        Whether they are multiplied by a value.
    data : mapping of str to ndarray
    terms : tuple of str
        Names of its terms, each of which has a like share of the effects.
    """

    name: str
    structure: Structure
    coordinates: int
    over: Literal["none", "rows", "columns", "cells", "sum"]
    gathers: bool
    weighted: bool
    data: Mapping[str, NDArray[Any]]
    terms: tuple[str, ...]

    @property
    def free(self) -> str:
        """Name of the free variable."""
        return f"{self.name}:free"

    @property
    def key(self) -> Hashable:
        """What is compiled in."""
        s = self.structure
        own = (getattr(s, "order", 0), getattr(s, "zero_sum", False), tuple(s.hypers), s.mean if s.hypers else 0.0)
        shapes = tuple((name, value.shape) for name, value in self.data.items())
        return (self.terms, type(s).__name__, s.size, own, self.over, self.gathers, self.weighted, shapes)


def prior_data(prior: HyperPrior) -> Floats:
    """Return the numbers of a prior, in the order of its arguments."""
    if isinstance(prior, HalfNormal):
        return np.array([prior.scale])
    if isinstance(prior, Exponential):
        # PyMC's exponential takes a rate
        return np.array([prior.rate])
    if isinstance(prior, GammaPrecision):
        return np.array([prior.shape, prior.rate])
    if isinstance(prior, Beta):
        return np.array([prior.a, prior.b, prior.low])
    raise TypeError(f"no PyMC form of the prior {type(prior).__name__}")


def grid_data(model: LatentModel) -> dict[str, Floats]:
    """Return outcomes, offsets and tables of counts; unknown cells hold zeros, which `known` leaves out."""
    known = model.known
    found = {
        "known": known.astype(np.float64),
        "y": np.where(known, model.y, 0.0),
        "offset": np.where(known, model.offset, 0.0),
    }
    if model.trials is not None:
        found["trials"] = np.where(known, np.broadcast_to(model.trials, known.shape), 0.0)
    if model.family == "gaussian" and model.spread is not None:
        found["noise_start"] = np.array([model.spread.value(model.spread.start)])
    if model.sd is not None:
        found["sd"] = np.where(known, np.broadcast_to(model.sd, known.shape), 1.0)
    if model.family == "negative_binomial":
        count, times = np.unique(model.y[known], return_counts=True)
        found["first"] = np.array([times[count > j].sum() for j in range(FIRST_COUNTS)], dtype=np.float64)
        beyond = count > FIRST_COUNTS
        assert model.spread is not None
        told = count * times / (1 + model.spread.value(model.spread.start) ** 2 * count)
        found["table_told"], found["table_told_share"] = count, count * times / max(told.sum(), 1e-12)
        # never empty: a count that does not occur
        found["table_count"] = np.append(count[beyond], FIRST_COUNTS + 1.0)
        found["table_times"] = np.append(times[beyond].astype(np.float64), 0.0)
    return found


def blocks_of(told: Elimination) -> tuple[Block, ...]:
    """Return how the terms enter the grid, in their order, with the numbers that they need.

    Single coefficients that stand beside each other and share their standard deviation are one block: the prior is the
    same in every direction, so that their coordinates can be those that do not hang together by the data.
    """
    blocks, place, terms = [], 0, told.model.terms
    while place < len(terms):
        end = place + 1
        while end < len(terms) and _pooled(terms[place], terms[end]):
            end += 1
        blocks.append(_single(place, told) if end == place + 1 else _together(place, end, told))
        place = end
    return tuple(blocks)


def _pooled(one: Term, other: Term) -> bool:
    """Whether both are single coefficients about one mean with one standard deviation."""
    a, b = one.structure, other.structure
    if not (type(a) is Independent and type(b) is Independent):
        return False
    return (a.name, a.mean, a.size, b.size, a.zero_sum or b.zero_sum) == (b.name, b.mean, 1, 1, False)


def _together(first: int, end: int, told: Elimination) -> Block:
    """Return the block of coefficients that are pooled together."""
    model = told.model
    terms = model.terms[first:end]
    one = terms[0].structure
    assert isinstance(one, Independent)
    value = [np.where(model.known & (t.index >= 0), 1.0 if t.value is None else t.value, 0.0).ravel() for t in terms]
    informed, basis = np.linalg.eigh(told.information_matrix(first, end - 1))
    data = {
        "basis": np.ascontiguousarray(basis),
        "information": np.maximum(informed, 0.0),
        "value": np.stack(value, axis=1),
    }
    whole, names = replace(one, size=len(terms)), tuple(t.name for t in terms)
    return Block(names[0], whole, len(terms), "sum", gathers=False, weighted=True, data=data, terms=names)


def _single(place: int, told: Elimination) -> Block:
    """Return the block of one term."""
    model = told.model
    term, shape = model.terms[place], model.y.shape
    index = np.broadcast_to(term.index, shape)
    value = np.ones(shape) if term.value is None else np.broadcast_to(term.value, shape).astype(np.float64)
    used = np.where(model.known & (index >= 0), value, 0.0)
    over, picked = _reduced(index, term.structure.size)
    data, coordinates = _numbers(term.structure, place, told)
    if picked is not None:
        data["index"] = picked
    if term.value is not None:
        data["value"] = used
    weighted = term.value is not None
    return Block(term.name, term.structure, coordinates, over, picked is not None, weighted, data, (term.name,))


def _reduced(
    index: NDArray[np.int64], size: int
) -> tuple[Literal["none", "rows", "columns", "cells"], NDArray[np.int64] | None]:
    """Return what an index depends on, and the index itself unless effects stand in order; `size` stands for none."""
    filled = np.where(index < 0, size, index).astype(np.int64)
    along = (filled == filled[:, :1]).all()
    down = (filled == filled[:1]).all()
    if along and down and size == 1 and filled[0, 0] == 0:
        return "none", None
    if along or down:
        line = filled[:, 0] if along else filled[0]
        in_order = len(line) == size and (line == np.arange(size)).all()
        return ("rows" if along else "columns"), (None if in_order else line.copy())
    in_order = filled.size == size and (filled.ravel() == np.arange(size)).all()
    return "cells", None if in_order else filled


def _numbers(structure: Structure, place: int, told: Elimination) -> tuple[dict[str, NDArray[Any]], int]:
    """Return a structure's data, and how many coordinates it has of its own."""
    size = structure.size
    if isinstance(structure, Fixed):
        return {}, 0
    if isinstance(structure, Independent):
        kept = told.information(place)[: size - structure.zero_sum]
        return {"information": kept}, len(kept)
    if isinstance(structure, AreaShocks):
        return _shocks_basis(structure, place, told), size
    G = told.information_matrix(place)
    if isinstance(structure, BYM2):
        return _map_basis(structure, G), size
    if isinstance(structure, AR1):
        return _series_basis(structure, G, place, told), size
    if isinstance(structure, RandomWalk | Seasonal):
        basis, eigenvalues, given = _walk_basis(structure)
        found = {"basis": basis, "eigenvalues": eigenvalues, "given": given, "information": _along(basis, G)}
        return found, len(eigenvalues)
    raise TypeError(f"no PyMC form of the structure {type(structure).__name__}")


def _along(basis: Floats, G: Floats) -> Floats:
    """Return the diagonal of ``B'GB``: what data say of each coordinate."""
    return np.maximum(np.einsum("ij,ik,kj->j", basis, G, basis, optimize=True), 0.0)


def _map_basis(structure: BYM2, G: Floats) -> dict[str, NDArray[Any]]:
    """Return coordinates of a map in which prior and data are both nearly diagonal, whatever the hyperparameters.

    The first is the level of all areas, of which data say nothing beside an intercept, and which the prior holds as
    tightly as the levels of connected parts: it takes the place of that of the largest part. The others do not hang
    together at a share of one half, whatever the standard deviation: with V their prior covariance there and ``U m U'``
    the spectrum of ``V^{1/2} G V^{1/2}``, they are those of ``x = V^{1/2} U c``. The prior precision of each is given
    as a function of the share: exactly along the levels, where it has no limit, and about elsewhere.
    """
    E, v = structure.eigenvectors, structure.variances
    n, level = len(v), v < 1e-9
    kept = np.ones(n, dtype=bool)
    if level.any():
        kept[np.argmax(np.where(level, np.abs(E.sum(axis=0)), -1.0))] = False
    half = np.sqrt(_SHARE * v[kept] + (1 - _SHARE))
    C = E[:, kept]
    told, turn = np.linalg.eigh(half[:, None] * (C.T @ G @ C) * half)
    basis = C @ (half[:, None] * turn)
    if level.any():
        constant = np.full((n, 1), n**-0.5)
        basis, told = np.hstack([constant, basis]), np.concatenate([_along(constant, G), told])
    along = E.T @ basis
    there = along[~level] ** 2
    mass = there.sum(axis=0)
    return {
        "basis": np.ascontiguousarray(basis),
        "along": np.ascontiguousarray(along),
        "information": np.maximum(told, 0.0),
        "levels": (along[level] ** 2).sum(axis=0),
        "mass": mass,
        "on_map": np.maximum(mass, 1e-12) / np.maximum((there / v[~level][:, None]).sum(axis=0), 1e-12),
        "variances": v,
    }


def _series_basis(structure: AR1, G: Floats, place: int, told: Elimination) -> dict[str, NDArray[Any]]:
    """Return cosines of the periods up to the last that is known, and what data say of each: how sharply, and where.

    They nearly diagonalise both the prior of a stationary series and what data say of periods that are all known.
    Periods beyond are only carried on: cosines of all would join what is known with what is not.
    """
    model = told.model
    block = model.grid.blocks[place]
    enters = np.flatnonzero(np.diff(model.grid.matrix.tocsc()[:, block].indptr))
    n = int(enters.max()) + 1 if len(enters) else structure.size
    basis = _cosines(n)
    # at a mode what data say of effects is G times them, less what the prior adds
    start = {name: prior.value(prior.start) for name, prior in model.hypers.items()}
    away = told.mode[block] - structure.mean
    pull = G @ away + structure.precision(start)[0] @ away
    return {
        "basis": basis,
        "information": _along(basis, G[:n, :n]),
        "pull": basis.T @ pull[:n],
        "cosines": np.cos(np.pi * np.arange(n) / n),
    }


def _shocks_basis(structure: AreaShocks, place: int, told: Elimination) -> dict[str, NDArray[Any]]:
    """Return one basis for the series of all areas, and what data say of each area's coordinates: how sharply, where.

    Of a stationary series cosines, of one that starts at zero the sines along which its precision is diagonal.
    """
    series, block = structure.series, told.model.grid.blocks[place]
    shape = (structure.areas, series.size)
    start = {name: prior.value(prior.start) for name, prior in told.model.hypers.items()}
    each, away = told.information(place).reshape(shape), told.mode[block].reshape(shape)
    if isinstance(series, StartedWalk):
        D = np.eye(series.size) - np.eye(series.size, k=-1)
        value, basis = np.linalg.eigh(D.T @ D)
        own = {"eigenvalues": value}
    else:
        basis = _cosines(series.size)
        own = {"cosines": np.cos(np.pi * np.arange(series.size) / series.size)}
    pull = each * away + structure.times(away, start)
    return {"basis": np.ascontiguousarray(basis), "information": each @ basis**2, "pull": pull @ basis, **own}


def _walk_basis(structure: RandomWalk | Seasonal) -> tuple[Floats, Floats, Floats]:
    """Return eigenvectors of a walk's precision but for the level, (size, k), what a step scales, and what is given."""
    n = structure.size
    if isinstance(structure, Seasonal):
        D = np.eye(n) - np.roll(np.eye(n), 1, axis=1)
        free = 1
    else:
        D = np.diff(np.eye(n), n=structure.order, axis=0)
        free = structure.order
    value, vector = np.linalg.eigh(D.T @ D)
    basis, eigenvalues, given = vector[:, free:], value[free:], np.zeros(max(n - free, 0))
    if isinstance(structure, RandomWalk) and structure.order == 2 and n > 1:
        line = np.linspace(-0.5, 0.5, n)
        length = np.sqrt(line @ line)
        basis = np.column_stack([line / length, basis])
        eigenvalues = np.concatenate([[0.0], eigenvalues])
        given = np.concatenate([[(length * structure.slope_sd) ** -2.0], given])
    return np.ascontiguousarray(basis), eigenvalues, given


def about_precision(structure: Structure | StartedWalk, hyper: Mapping[str, Any], data: Any) -> Any:
    """Return the prior precision of a block's coordinates, or about it; of numbers, arrays or PyTensor's variables."""
    if isinstance(structure, AreaShocks):
        structure = structure.series
    if isinstance(structure, StartedWalk):
        return data["eigenvalues"] / hyper[structure.name] ** 2
    if isinstance(structure, RandomWalk | Seasonal):
        return data["eigenvalues"] / hyper[structure.name] ** 2 + data["given"]
    if isinstance(structure, AR1):
        sd, rho = hyper[structure.name], hyper[structure.rho_name]
        return (1 + rho**2 - 2 * rho * data["cosines"]) / (sd**2 * (1 - rho**2))
    if isinstance(structure, BYM2):
        sd, rho = hyper[structure.name], hyper[structure.rho_name]
        own = 1 - rho + 1e-8
        return (data["levels"] / own + data["mass"] / (rho * data["on_map"] + own)) / sd**2
    if isinstance(structure, Independent):
        return hyper[structure.name] ** -2.0
    raise TypeError(f"no PyMC form of the structure {type(structure).__name__}")


def sharpness(family: str, hyper: Mapping[str, Any], data: Any) -> Any:
    """Return how much more data say at some hyperparameters than at those that chains begin about; about.

    Of numbers, arrays (hyperparameters with a last axis of 1) or PyTensor's variables.
    """
    if family == "negative_binomial":
        each = data["table_told_share"] / (1 + hyper["overdispersion"] ** 2 * data["table_told"])
        return each.sum(axis=-1, keepdims=True)
    if family == "gaussian" and "noise_sd" in hyper:
        return (data["noise_start"] / hyper["noise_sd"]) ** 2
    return 1.0


def placed(z: Any, about: Any, sharp: Any, data: Any) -> Any:
    """Return coordinates from z, which is near the standard normal, given their prior precision, or about it.

    Where `data` have a ``pull``, coordinates lie about where data and prior leave them, and how sharply data tell
    (:func:`sharpness`) follows the hyperparameters.
    """
    if "pull" not in data:
        return z / (about + data["information"]) ** 0.5
    both = about + data["information"] * sharp
    return data["pull"] * sharp / both + z / both**0.5


def recovered(
    block: Block, free: Floats | None, hyper: Mapping[str, Floats], sharp: Any, draws: tuple[int, ...]
) -> Floats:
    """Return draws of a block's effects, shape (*draws, size), from those of its free variable.

    The same arithmetic as in the model, so that nothing has to be compiled for it. Hyperparameters, and `sharp` (see
    :func:`sharpness`), have a last axis of 1.
    """
    structure = block.structure
    if free is None:
        return np.full((*draws, structure.size), float(structure.mean))
    if isinstance(structure, AreaShocks):
        z = free.reshape(*draws, structure.areas, structure.series.size)
        each = {name: value[..., None] for name, value in hyper.items()}
        about = about_precision(structure, each, block.data)
        b = placed(z, about, np.asarray(sharp)[..., None], block.data) @ block.data["basis"].T
        return np.asarray(b.reshape(*draws, structure.size))
    n = len(block.data["information"])
    b = placed(free[..., :n], about_precision(structure, hyper, block.data), sharp, block.data)
    if isinstance(structure, Independent) and structure.zero_sum:
        total, root = b.sum(axis=-1, keepdims=True), structure.size**0.5
        b = np.concatenate([b - total / (root + structure.size), -total / root], axis=-1)
    elif "basis" in block.data:
        b = b @ block.data["basis"].T
    if isinstance(structure, AR1):
        sd, rho = hyper[structure.name], hyper[structure.rho_name]
        for t in range(n, structure.size):
            after = rho * b[..., -1:] + sd * (1 - rho**2) ** 0.5 * free[..., t : t + 1]
            b = np.concatenate([b, after], axis=-1)
    return np.asarray(structure.mean + b)


def _cosines(n: int) -> Floats:
    """Return the orthonormal cosines of a series of n, in columns."""
    t = np.arange(n) + 0.5
    basis = np.cos(np.pi * t[:, None] * np.arange(n)[None, :] / n) * np.sqrt(2 / n)
    basis[:, 0] /= np.sqrt(2)
    return np.asarray(basis)

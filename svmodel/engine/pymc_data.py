"""The numbers that the PyMC form of a latent model rests on: tables of counts, bases, and what data say of effects."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from svmodel.engine.description import LatentModel
from svmodel.engine.elimination import Elimination
from svmodel.numerics.arrays import Floats
from svmodel.numerics.latent.priors import Beta, Exponential, GammaPrecision, HalfNormal, HyperPrior
from svmodel.numerics.latent.structures import AR1, BYM2, Fixed, Independent, RandomWalk, Seasonal, Structure

#: Factors of a rising factorial that are taken as they stand; Stirling's series from there is exact to 1e-14.
FIRST_COUNTS = 16
#: Share of a map's variance that follows borders, at which its coordinates are exact.
_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class Block:
    """One term: its coordinates, and how it enters the grid.

    Attributes
    ----------
    name, free : str
        Of the term, and of its free variable.
    structure : Structure
    coordinates : int
        Of its own: fewer than effects where a sum is held at zero, and none where effects are fixed.
    over : {"none", "rows", "columns", "cells"}
        What the effect in a cell depends on.
    gathers : bool
        Whether effects are picked by an index, in place of standing in order.
    weighted : bool
        Whether they are multiplied by a value.
    data : mapping of str to ndarray
    """

    name: str
    structure: Structure
    coordinates: int
    over: Literal["none", "rows", "columns", "cells"]
    gathers: bool
    weighted: bool
    data: Mapping[str, NDArray[Any]]

    @property
    def free(self) -> str:
        """Name of the free variable."""
        return f"{self.name}:free"

    @property
    def key(self) -> Hashable:
        """What is compiled in."""
        s = self.structure
        own = (getattr(s, "order", 0), getattr(s, "zero_sum", False), tuple(s.hypers), s.mean if s.hypers else 0.0)
        return (self.name, type(s).__name__, s.size, own, self.over, self.gathers, self.weighted)


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
    if model.sd is not None:
        found["sd"] = np.where(known, np.broadcast_to(model.sd, known.shape), 1.0)
    if model.family == "negative_binomial":
        count, times = np.unique(model.y[known], return_counts=True)
        found["first"] = np.array([times[count > j].sum() for j in range(FIRST_COUNTS)], dtype=np.float64)
        beyond = count > FIRST_COUNTS
        # never empty: a count that does not occur
        found["table_count"] = np.append(count[beyond], FIRST_COUNTS + 1.0)
        found["table_times"] = np.append(times[beyond].astype(np.float64), 0.0)
    return found


def block_of(place: int, told: Elimination) -> Block:
    """Return how a term enters the grid, with the numbers that it needs."""
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
    return Block(term.name, term.structure, coordinates, over, picked is not None, term.value is not None, data)


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
    G = told.information_matrix(place)
    if isinstance(structure, BYM2):
        return _map_basis(structure, G), size
    if isinstance(structure, AR1):
        basis = _cosines(size)
        cosines = np.cos(np.pi * np.arange(size) / size)
        return {"basis": basis, "information": _along(basis, G), "cosines": cosines}, size
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


def about_precision(structure: Structure, hyper: Mapping[str, Any], data: Any) -> Any:
    """Return the prior precision of a block's coordinates, or about it; of numbers, arrays or PyTensor's variables."""
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


def recovered(block: Block, free: Floats | None, hyper: Mapping[str, Floats], draws: tuple[int, ...]) -> Floats:
    """Return draws of a block's effects, shape (*draws, size), from those of its free variable.

    The same arithmetic as in the model, so that nothing has to be compiled for it.
    """
    structure = block.structure
    if free is None:
        return np.full((*draws, structure.size), float(structure.mean))
    wide = {name: values[..., None] for name, values in hyper.items() if name in structure.hypers}
    b = free / np.sqrt(about_precision(structure, wide, block.data) + block.data["information"])
    if isinstance(structure, Independent) and structure.zero_sum:
        total, root = b.sum(axis=-1, keepdims=True), structure.size**0.5
        b = np.concatenate([b - total / (root + structure.size), -total / root], axis=-1)
    elif "basis" in block.data:
        b = b @ block.data["basis"].T
    return np.asarray(structure.mean + b)


def _cosines(n: int) -> Floats:
    """Return the orthonormal cosines of a series of n, in columns."""
    t = np.arange(n) + 0.5
    basis = np.cos(np.pi * t[:, None] * np.arange(n)[None, :] / n) * np.sqrt(2 / n)
    basis[:, 0] /= np.sqrt(2)
    return np.asarray(basis)

"""Which areas border on which: adjacency in any of its usual shapes, checked, and rings around some of the areas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svmodel.area_names import area_name
from svmodel.errors import DataError, Problems, did_you_mean, shorten

#: Unknown areas that are named one by one with their nearest names; of more, the first so many.
_MOST_NAMED = 10


@dataclass(frozen=True, eq=False)
class Adjacency:
    """Borders between areas.

    Attributes
    ----------
    areas : tuple of str
    borders : ndarray of bool, shape (N, N)
        Symmetric, without the diagonal.
    notes : tuple of str
        What was mended on the way in, and which areas border on none.
    """

    areas: tuple[str, ...]
    borders: NDArray[np.bool_]
    notes: tuple[str, ...] = ()

    @property
    def islands(self) -> tuple[str, ...]:
        """Areas that border on no other."""
        return tuple(a for a, row in zip(self.areas, self.borders, strict=True) if not row.any())

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Return each border once, in the order of the areas."""
        return tuple((self.areas[i], self.areas[j]) for i, j in np.argwhere(np.triu(self.borders)))


def read_adjacency(neighbours: Any, areas: tuple[str, ...]) -> Adjacency:
    """Read borders between the areas of a panel.

    Parameters
    ----------
    neighbours : mapping, Series, iterable of pairs, or square frame
        ``{area: neighbours of it}`` (an area alone may stand for a list of one); pairs of areas; or a square DataFrame
        with areas in its index and its columns, any weight above 0 being a border. A bare matrix is refused: a panel
        sorts its areas as text, and nothing in a matrix says in which order it was made.
    areas : tuple of str

    Returns
    -------
    Adjacency
        A border that is told from one side only is taken for both, and a note says so. An area may border on none.

    Raises
    ------
    DataError
        With every area that is not in the panel and its nearest name; for a matrix of another shape, with negative or
        missing weights; where no border is told at all.

    Examples
    --------
    >>> found = read_adjacency({"A": ["B"], "B": ["A", "C"]}, ("A", "B", "C", "D"))
    >>> found.pairs()
    (('A', 'B'), ('B', 'C'))
    >>> found.islands
    ('D',)
    >>> read_adjacency([("A", "Bolton")], ("A", "Boltn"))
    Traceback (most recent call last):
    svmodel.errors.DataError: the borders between areas cannot be used: 1 problem
      1. neighbours: 'Bolton' is no area of the panel. Did you mean 'Boltn'?
    """
    problems = Problems()
    known = {a: i for i, a in enumerate(areas)}
    told = np.zeros((len(areas), len(areas)), dtype=bool)
    if isinstance(neighbours, Adjacency):
        neighbours = neighbours.pairs()
    if hasattr(neighbours, "columns") and hasattr(neighbours, "index"):
        told, known_pairs = _from_frame(neighbours, known, problems)
    elif isinstance(neighbours, np.ndarray) and neighbours.ndim == 2 and neighbours.shape[1] != 2:
        what = f"a matrix of shape {neighbours.shape} does not say which row is of which area"
        fix = "Name them: pandas.DataFrame(matrix, index=areas, columns=areas), in the order in which you made it."
        problems.add(what, where="neighbours", fix=fix, rule="shape")
        known_pairs = None
    elif isinstance(neighbours, Mapping) or hasattr(neighbours, "items"):
        known_pairs = [
            (area_name(a), area_name(b)) for a, held in neighbours.items() for b in _several(held, a, problems)
        ]
    elif isinstance(neighbours, Iterable) and not isinstance(neighbours, str):
        known_pairs = _as_pairs(neighbours, problems)
    else:
        what = f"{type(neighbours).__name__} tells no borders"
        fix = 'Give {"A": ["B", "C"]}, a list of pairs, or a square frame.'
        problems.add(what, where="neighbours", fix=fix, rule="shape")
        known_pairs = None
    one_sided = hasattr(neighbours, "items")
    if known_pairs is not None:
        strange = sorted({a for pair in known_pairs for a in pair} - set(known))
        for area in strange[:_MOST_NAMED]:
            fix = did_you_mean(area, areas)
            problems.add(f"{area!r} is no area of the panel", where="neighbours", fix=fix, rule="unknown_area")
        if len(strange) > _MOST_NAMED:
            left = f"{len(strange) - _MOST_NAMED} more are no areas of the panel: {shorten(strange[_MOST_NAMED:])}"
            problems.add(left, where="neighbours", rule="unknown_area")
        for a, b in known_pairs:
            if a in known and b in known:
                told[known[a], known[b]] = True
    np.fill_diagonal(told, False)  # an area is no neighbour of its own
    if not problems and not told.any():
        problems.add("no two areas of the panel border on each other", where="neighbours", rule="no_border")
    problems.raise_if_any(DataError, "the borders between areas cannot be used")
    notes = []
    # pairs are borders without a side; of a mapping or a matrix each border ought to be told twice
    lacking = int((told & ~told.T).sum()) if one_sided else 0
    if lacking:
        notes.append(f"{lacking} borders are told from one side only and are taken for both.")
    both = told | told.T
    found = Adjacency(areas, both, ())
    if found.islands:
        n = len(found.islands)
        notes.append(f"{n} area{'s' if n > 1 else ''} border{'' if n > 1 else 's'} on none: {shorten(found.islands)}.")
    return Adjacency(areas, both, tuple(notes))


def rings(borders: NDArray[np.bool_], treated: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many borders lie between each area and the nearest treated one.

    Parameters
    ----------
    borders : ndarray of bool, shape (N, N)
        Symmetric.
    treated : ndarray of bool, shape (N,)

    Returns
    -------
    ndarray of int, shape (N,)
        0 for treated areas, 1 for those that border on one, and so on; -1 where no chain of borders leads to one.

    Examples
    --------
    >>> line = np.eye(4, k=1, dtype=bool) | np.eye(4, k=-1, dtype=bool)
    >>> rings(line, np.array([True, False, False, False])).tolist()
    [0, 1, 2, 3]
    """
    ring = np.where(treated, 0, -1).astype(np.int64)
    reached: NDArray[np.bool_] = np.asarray(treated, dtype=bool)
    while reached.any():
        step = int(ring.max()) + 1
        reached = borders[reached].any(axis=0) & (ring < 0)
        ring[reached] = step
    return ring


def _several(held: Any, area: Any, problems: Problems) -> list[Any]:
    if isinstance(held, str | Integral):
        return [held]
    if isinstance(held, Iterable):
        return list(held)
    problems.add(f"the neighbours of {area!r} are no list of areas", where="neighbours", rule="shape")
    return []


def _as_pairs(given: Iterable[Any], problems: Problems) -> list[tuple[str, str]]:
    pairs = [tuple(p) if isinstance(p, Iterable) and not isinstance(p, str) else (p,) for p in given]
    wrong = [p for p in pairs if len(p) != 2]
    if wrong:
        what = f"{len(wrong)} entries are no pairs of areas, such as {wrong[0]!r}"
        problems.add(what, where="neighbours", fix='Give [("A", "B"), ...].', rule="shape")
    return [(area_name(p[0]), area_name(p[1])) for p in pairs if len(p) == 2]


def _from_frame(frame: Any, known: dict[str, int], problems: Problems) -> tuple[NDArray[np.bool_], Any]:
    """Return an empty matrix and the pairs that the frame tells, in both directions where both are told."""
    rows, columns = [area_name(a) for a in frame.index], [area_name(a) for a in frame.columns]
    told = np.zeros((len(known), len(known)), dtype=bool)
    if sorted(rows) != sorted(columns) or len(set(rows)) < len(rows):
        what = "a frame of borders has to have the same areas, each once, in its index and its columns"
        problems.add(what, where="neighbours", rule="shape")
        return told, []
    weights = frame.to_numpy().astype(np.float64)
    if not (weights >= 0).all():
        problems.add("some weights are negative or missing", where="neighbours", rule="weights")
        return told, []
    return told, [(rows[i], columns[j]) for i, j in np.argwhere(weights > 0)]

"""Reassigning adoption dates: which patterns there are, in which strata, and in an order that no name decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from svmodel.design import Design, DesignArrays
from svmodel.errors import DesignError, Problems, did_you_mean, shorten
from svmodel.numerics.arrays import Ints
from svmodel.numerics.resampling.permutations import count_assignments, every_assignment, sample_assignments
from svmodel.seeds import derive_seed


@dataclass(frozen=True, eq=False)
class Lot:
    """The patterns of an intervention (start, end, anticipation) and the strata that they are reassigned in.

    Attributes
    ----------
    kind : ndarray of int, shape (N,)
        Pattern of each area, as it was.
    example : ndarray of int, shape (K,)
        An area that has pattern k.
    stratum : ndarray of int, shape (N,)
    order : ndarray of int, shape (N,)
        Areas in an order that depends on their data alone.
    """

    kind: Ints
    example: Ints
    stratum: Ints
    order: Ints

    @cached_property
    def total(self) -> int:
        """Number of distinct assignments, the actual one included."""
        return count_assignments(self.kind, self.stratum)

    def others(self, draws: int, seed: int) -> Ints:
        """Return patterns for :meth:`DesignArrays.assigned`, one a row: all others, or `draws` of them.

        Every one where no more than `draws` others exist; else a sample without replacement.
        """
        kind, stratum = self.kind[self.order], self.stratum[self.order]
        if self.total - 1 <= draws:
            dealt = np.array(list(every_assignment(kind, stratum)))
            dealt = dealt[(dealt != kind).any(axis=1)]
        else:
            rng = np.random.default_rng(derive_seed(seed, "randomisation of starts"))
            dealt = sample_assignments(kind, stratum, draws, rng)
        out = np.empty_like(dealt)
        out[:, self.order] = dealt
        return self.example[out]

    @property
    def actual(self) -> Ints:
        """The pattern that leaves everything as it was."""
        return np.arange(len(self.kind))


def draw_lot(arrays: DesignArrays, stratum: Ints | None = None) -> Lot:
    """Find the patterns of the intervention, and an order of areas and strata for drawing.

    Parameters
    ----------
    arrays : DesignArrays
    stratum : ndarray of int, shape (N,), optional

    Raises
    ------
    DesignError
        If the intervention can be assigned in one way only.
    """
    pattern = np.column_stack([arrays.start, arrays.status])
    _, example, kind = np.unique(pattern, axis=0, return_index=True, return_inverse=True)
    kind = kind.ravel().astype(np.int64)
    order = canonical_order(arrays, kind)
    given = np.zeros(len(kind), dtype=np.int64) if stratum is None else stratum
    # strata are numbered as their first area comes, so that their names decide nothing
    first: dict[int, int] = {}
    for i in order:
        first.setdefault(int(given[i]), len(first))
    lot = Lot(kind, example.astype(np.int64), np.array([first[int(s)] for s in given]), order)
    if lot.total == 1:
        inside = " within the strata" if stratum is not None else ""
        raise DesignError(
            f"the intervention can be dealt out in one way only{inside}: there is nothing to compare with"
        )
    return lot


def canonical_order(arrays: DesignArrays, kind: Ints) -> Ints:
    """Return areas ordered by outcome, exposure, covariates and pattern, so that names and order decide no draw.

    Areas that tie in all of these are interchangeable.
    """
    N = len(kind)
    parts = [arrays.y, arrays.covariates.reshape(N, -1), kind[:, None]]
    if arrays.exposure is not None:
        parts.insert(1, arrays.exposure)
    return np.lexsort(np.hstack(parts).T[::-1]).astype(np.int64)


def strata_labels(
    strata: Mapping[str, object] | str | None, design: Design | None, arrays: DesignArrays
) -> Ints | None:
    """Return the stratum of each area as a number.

    Parameters
    ----------
    strata : mapping of str to object, str, or None
        Area to stratum; a column of the panel that is constant within areas; ``"parent"`` for reporting areas.

    Raises
    ------
    DesignError
        With every area that has no stratum, or if the column is unknown or moves.
    """
    if strata is None:
        return None
    if isinstance(strata, str):
        strata = _from_panel(strata, design, arrays)
    found = Problems()
    lacking = [a for a in arrays.areas if a not in strata]
    if lacking:
        text = f"{len(lacking)} areas have no stratum: {shorten(lacking)}"
        fix = "Give a stratum to every area of the panel, treated or not."
        found.add(text, where="strata", fix=fix, rule="stratum_missing")
    found.raise_if_any(DesignError, "starts cannot be dealt out within these strata")
    names = [str(strata[a]) for a in arrays.areas]
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def _from_panel(column: str, design: Design | None, arrays: DesignArrays) -> dict[str, object]:
    """Return the stratum of each area from a column of the panel, or from its reporting areas."""
    if design is None:
        raise DesignError(f"strata by {column!r} need the panel; this result was read without its data")
    panel = design.view
    if column == "parent":
        if not panel.parents:
            raise DesignError("the panel has no reporting areas to take as strata; give Panel.from_frame a `parent`")
        return {a: p for a, p in panel.parents.items() if a in set(arrays.areas)}
    if column not in panel.columns:
        raise DesignError(
            f"the panel has no column {column!r} to take strata from. "
            + did_you_mean(column, (*panel.columns, "parent"))
        )
    values = panel.matrix(column)
    known = ~np.isnan(values)
    low = np.where(known, values, np.inf).min(axis=1)
    if ((low != np.where(known, values, -np.inf).max(axis=1)) | ~known.any(axis=1)).any():
        raise DesignError(
            f"{column!r} moves within areas or is missing, so it names no strata; "
            "svmodel.inference.level_strata makes size bands from the time before the first start"
        )
    return dict(zip(panel.areas, low.tolist(), strict=True))


def level_strata(design: Design, bands: int = 4) -> dict[str, int]:
    """Sort areas into bands of equal number by their level before anything started, for ``strata``.

    The level is the mean outcome, per person where the design has an exposure, over the periods before the first start
    (anticipation apart) anywhere. It is known before the intervention, so strata made of it stay as they are whatever
    the intervention did.

    Parameters
    ----------
    design : Design
    bands : int
        Number of bands; 4 for quarters.

    Returns
    -------
    dict of str to int
        Band of each area, 0 for the lowest. Areas of one level share a band.

    Raises
    ------
    DesignError
        If there are fewer areas than bands, or an area has no known outcome before the first start.

    Examples
    --------
    >>> import pandas as pd
    >>> from svmodel import Design, Intervention, Panel
    >>> frame = pd.DataFrame([(a, 2020 + t, n) for a, n in zip("ABCD", (1, 9, 2, 8)) for t in range(3)],
    ...     columns=["area", "year", "harms"])
    >>> panel = Panel.from_frame(frame, area="area", period="year", counts=["harms"])
    >>> level_strata(Design(panel, outcome="harms", intervention=Intervention("patrols", {"A": 2022})), bands=2)
    {'A': 0, 'B': 1, 'C': 0, 'D': 1}
    """
    arrays = design.arrays
    first = int(np.flatnonzero((arrays.status != 0).any(axis=0)).min(initial=arrays.y.shape[1]))
    y = arrays.y[:, :first]
    known = ~np.isnan(y)
    found = Problems()
    if not 1 <= bands <= len(y):
        found.add(f"{bands} bands of {len(y)} areas", where="bands", rule="bands")
    silent = [arrays.areas[i] for i in np.flatnonzero(known.sum(axis=1) == 0)]
    if silent:
        found.add(f"no outcome is known before the first start in {shorten(silent)}", where="areas", rule="no_base")
    found.raise_if_any(DesignError, "areas cannot be sorted into bands")
    size = known.astype(float) if arrays.exposure is None else np.where(known, arrays.exposure[:, :first], 0.0)
    level = np.where(known, y, 0.0).sum(axis=1) / size.sum(axis=1)
    cuts = np.quantile(level, np.arange(1, bands) / bands)
    return dict(zip(arrays.areas, np.searchsorted(cuts, level, side="right").tolist(), strict=True))


class Sets:
    """The sets of never treated areas that the treated areas' dates can be given to."""

    def __init__(self, arrays: DesignArrays, treated: Ints, controls: Ints) -> None:
        pattern = np.column_stack([arrays.start, arrays.status])
        _, kind = np.unique(pattern, axis=0, return_inverse=True)
        kind = kind.ravel()
        self.treated = treated[np.argsort(kind[treated], kind="stable")]
        self._kind = kind[self.treated]
        self.controls = controls[canonical_order(arrays.take(controls), np.zeros(len(controls), dtype=np.int64))]

    @cached_property
    def _labels(self) -> Ints:
        free = np.full(len(self.controls) - len(self.treated), -1, dtype=np.int64)
        return np.concatenate([free, self._kind])

    @cached_property
    def total(self) -> int:
        """How many sets there are."""
        return count_assignments(self._labels, np.zeros_like(self._labels))

    def chosen(self, draws: int, seed: int, most: int) -> Iterator[Ints]:
        """Give the rows of each set, in the order of `treated`: all where no more than `most` or `draws` exist."""
        one = np.zeros_like(self._labels)
        if self.total <= max(most, draws):
            dealt: Iterator[Ints] = every_assignment(self._labels, one)
        else:
            rng = np.random.default_rng(derive_seed(seed, "in-space placebos"))
            first = rng.permutation(self._labels)  # drawn too, so that no set is left out of the lot
            dealt = iter([first, *sample_assignments(first, one, draws - 1, rng)])
        for labels in dealt:
            placed = np.flatnonzero(labels >= 0)
            yield self.controls[placed[np.argsort(labels[placed], kind="stable")]]


def given_dates(design: Design, sets: Sets, mine: Ints) -> Design:
    """Return the design among never treated areas in which those of `mine` have the treated areas' dates."""
    areas, told = design.view.areas, design.intervention
    held = [
        {areas[int(c)]: given[areas[int(t)]] for c, t in zip(mine, sets.treated, strict=True) if areas[int(t)] in given}
        for given in (told.starts, told.ends or {})
    ]
    panel = design.view.select(areas=[areas[int(c)] for c in sets.controls])
    return replace(
        design, panel=panel, window=None, intervention=replace(told, starts=held[0], ends=held[1], cost=None)
    )

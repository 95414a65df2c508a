"""Reassigning adoption dates: which patterns there are, in which strata, and in an order that no name decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from svmodel.design import TREATED, Design, DesignArrays
from svmodel.design.clusters import cluster_words
from svmodel.errors import DesignError, Problems, did_you_mean, shorten
from svmodel.numerics.arrays import Ints
from svmodel.numerics.cluster.membership import Clusters
from svmodel.numerics.resampling.permutations import count_assignments, every_assignment, sample_assignments
from svmodel.result.rule import dealt_by_cluster, never_treated
from svmodel.seeds import derive_seed


@dataclass(frozen=True, eq=False)
class Lot:
    """The patterns of an intervention (start, end, anticipation) and the strata that they are reassigned in.

    Attributes
    ----------
    kind : ndarray of int, shape (G,)
        Pattern of each unit, as it was: of each area, or of each cluster whose areas have one start and end.
    example : ndarray of int, shape (K,)
        An area that has pattern k.
    stratum : ndarray of int, shape (G,)
    order : ndarray of int, shape (G,)
        Units in an order that depends on their data alone.
    label : ndarray of int, shape (N,)
        Unit of each area.
    """

    kind: Ints
    example: Ints
    stratum: Ints
    order: Ints
    label: Ints

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
        return self.example[out][:, self.label]

    @property
    def actual(self) -> Ints:
        """The pattern that leaves everything as it was."""
        return np.arange(len(self.label))


def draw_lot(arrays: DesignArrays, stratum: Ints | None = None) -> Lot:
    """Find the patterns of the intervention, and an order of areas and strata for drawing.

    Areas of one cluster keep one pattern, where they had one.

    Parameters
    ----------
    arrays : DesignArrays
    stratum : ndarray of int, shape (N,), optional

    Raises
    ------
    DesignError
        If the intervention can be assigned in one way only, or areas of one cluster are in several strata.
    """
    pattern = np.column_stack([arrays.start, arrays.status])
    _, example, own = np.unique(pattern, axis=0, return_index=True, return_inverse=True)
    own = own.ravel().astype(np.int64)
    units = dealt_units(arrays)
    kind = own[units.first]
    label = units.label[canonical_order(arrays, own)]
    order = label[np.sort(np.unique(label, return_index=True)[1])]
    strata = np.zeros(len(own), dtype=np.int64) if stratum is None else stratum
    if not units.alike(strata):
        many = cluster_words(units)
        raise DesignError(
            f"starts never differ within {many}, so whole {many} are dealt starts; but the strata part their areas. "
            f"Give strata of {many}, or an estimator with cluster='area'"
        )
    given = strata[units.first]
    # strata are numbered as their first area comes, so that their names decide nothing
    first: dict[int, int] = {}
    for i in order:
        first.setdefault(int(given[i]), len(first))
    lot = Lot(kind, example.astype(np.int64), np.array([first[int(s)] for s in given]), order, units.label)
    if lot.total == 1:
        inside = " within the strata" if stratum is not None else ""
        raise DesignError(
            f"the intervention can be dealt out in one way only{inside}: there is nothing to compare with"
        )
    return lot


def dealt_units(arrays: DesignArrays) -> Clusters:
    """Return what starts are dealt to: clusters, where their areas have one start and end, else areas."""
    return arrays.units if dealt_by_cluster(arrays) else Clusters.singles(len(arrays.areas))


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


class Placed(NamedTuple):
    """Areas that get the treated areas' dates.

    Attributes
    ----------
    rows, dates : ndarray of int, shape (n,)
        The areas, and for each the treated area whose dates it gets.
    names : tuple of str
        Of the areas, or of their clusters, by date.
    """

    rows: Ints
    dates: Ints
    names: tuple[str, ...]


class Sets:
    """The sets of never treated areas, or clusters of them, that the treated ones' dates can be given to.

    Parameters
    ----------
    arrays : DesignArrays

    Attributes
    ----------
    treated : ndarray of int
        Treated areas.
    controls : ndarray of int
        Never treated areas, in an order that depends on their data alone.
    n_treated, n_controls : int
        Units of each.
    """

    def __init__(self, arrays: DesignArrays) -> None:
        units = dealt_units(arrays)
        ever = (arrays.status == TREATED).any(axis=1)
        never = np.zeros(len(ever), dtype=bool)
        never[never_treated(arrays)] = True
        never &= ~units.some((arrays.status != 0).any(axis=1))[units.label]
        pattern = np.column_stack([arrays.start, arrays.status])
        kind = np.unique(pattern, axis=0, return_inverse=True)[1].ravel()[units.first]
        treated = np.flatnonzero(units.some(ever))
        treated = treated[np.argsort(kind[treated], kind="stable")]
        self.treated, rows = np.flatnonzero(ever), np.flatnonzero(never)
        self.controls = rows[canonical_order(arrays.take(rows), np.zeros(len(rows), dtype=np.int64))]
        label = units.label[self.controls]
        self._free = label[np.sort(np.unique(label, return_index=True)[1])]
        self._kind, self._dates = kind[treated], units.first[treated]
        self._units, self._areas = units, arrays.areas
        self.n_treated, self.n_controls = len(treated), len(self._free)

    @cached_property
    def _labels(self) -> Ints:
        free = np.full(max(self.n_controls - self.n_treated, 0), -1, dtype=np.int64)
        return np.concatenate([free, self._kind])

    @cached_property
    def total(self) -> int:
        """How many sets there are."""
        return count_assignments(self._labels, np.zeros_like(self._labels))

    def chosen(self, draws: int, seed: int, most: int) -> Iterator[Placed]:
        """Give each set: all where no more than `most` or `draws` exist."""
        one = np.zeros_like(self._labels)
        if self.total <= max(most, draws):
            dealt: Iterator[Ints] = every_assignment(self._labels, one)
        else:
            rng = np.random.default_rng(derive_seed(seed, "in-space placebos"))
            first = rng.permutation(self._labels)  # drawn too, so that no set is left out of the lot
            dealt = iter([first, *sample_assignments(first, one, draws - 1, rng)])
        for labels in dealt:
            placed = np.flatnonzero(labels >= 0)
            yield self._placed(self._free[placed[np.argsort(labels[placed], kind="stable")]])

    def _placed(self, mine: Ints) -> Placed:
        parts = [self._units.rows[int(k)] for k in mine]
        dates = np.repeat(self._dates, [len(part) for part in parts])
        names = self._units.names or self._areas
        return Placed(np.concatenate(parts), dates, tuple(names[int(k)] for k in mine))


def given_dates(design: Design, sets: Sets, mine: Placed) -> Design:
    """Return the design among never treated areas in which those of `mine` have the treated areas' dates."""
    areas, told = design.view.areas, design.intervention
    held = [
        {
            areas[int(c)]: given[areas[int(t)]]
            for c, t in zip(mine.rows, mine.dates, strict=True)
            if areas[int(t)] in given
        }
        for given in (told.starts, told.ends or {})
    ]
    panel = design.view.select(areas=[areas[int(c)] for c in sets.controls])
    return replace(
        design, panel=panel, window=None, intervention=replace(told, starts=held[0], ends=held[1], cost=None)
    )

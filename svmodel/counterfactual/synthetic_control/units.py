"""What a synthetic control is made of: treated groups with their periods, and donors without gaps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from svmodel import periods
from svmodel.design import TREATED, UNTREATED, Design, DesignArrays
from svmodel.errors import DataError, DesignError, EstimationError, Problems, did_you_mean
from svmodel.numerics.arrays import Floats, Ints, Mask

#: With one or two donors there is nothing to weight, and no hull to lie in.
FEWEST_DONORS = 3
#: With two blocks before the start any three donors fit a line, and nothing is left to see a misfit with.
FEWEST_BLOCKS = 3


@dataclass(frozen=True, eq=False)
class Slot:
    """Treated areas that share starts and ends, and are matched as one.

    Attributes
    ----------
    rows : ndarray of int
        Of the treated areas.
    before, after : ndarray of int
        Periods before the start, and treated ones, in which all of them are known.
    exposure : ndarray, shape (T,)
        Of all of them together, per :data:`UNIT` of rate.
    """

    rows: Ints
    before: Ints
    after: Ints
    exposure: Floats

    def blocks(self, series: Floats, weight: Floats, size: int) -> Floats:
        """Return rates over blocks of `size` periods, counted back from the start; shape (..., blocks)."""
        if size == 1:
            return np.asarray(series[..., self.before] / weight[..., self.before])
        used = self.before[len(self.before) % size :]
        shape = (*series.shape[:-1], len(used) // size, size)
        top, bottom = series[..., used].reshape(shape), weight[..., used].reshape(shape)
        return np.asarray(top.sum(axis=-1) / bottom.sum(axis=-1))


@dataclass(frozen=True, eq=False)
class Layout:
    """Everything that the fits need, in an order that does not depend on the areas' names.

    Attributes
    ----------
    y, exposure : ndarray, shape (N, T)
        Exposure is 1 where the design has none.
    slots : tuple of Slot
    donors : ndarray of int
        Rows, ordered by what they hold.
    dropped : ndarray of int
        Areas never treated that have gaps.
    left_out : ndarray of int
        Periods that most areas never treated lack.
    lost : ndarray of int
        Treated areas that no slot holds, because nothing of them is known before or after the start.
    predictors : tuple of Predictor
    top, bottom : ndarray, shape (S, N, K)
        Numerators and denominators of the predictors, slot by slot.
    window : ndarray of int
        Periods over which V is chosen; empty for all before the start.
    """

    arrays: DesignArrays
    y: Floats
    exposure: Floats
    slots: tuple[Slot, ...]
    donors: Ints
    dropped: Ints
    left_out: Ints
    lost: Ints
    predictors: tuple[Predictor, ...]
    top: Floats
    bottom: Floats
    window: Ints

    @cached_property
    def rates(self) -> Floats:
        """Outcome per unit of exposure, shape (N, T)."""
        return self.y / self.exposure

    def blocks(self, k: int, size: int) -> Floats:
        """Return every area's rates over blocks before the start of slot `k`, shape (N, blocks)."""
        if (k, size) not in self._blocks:
            self._blocks[k, size] = self.slots[k].blocks(self.y, self.exposure, size)
        return self._blocks[k, size]

    @cached_property
    def _blocks(self) -> dict[tuple[int, int], Floats]:
        return {}

    @cached_property
    def lacking(self) -> list[str]:
        """Predictors of donors or treated areas that are averaged over fewer periods than they ask for."""
        place = {name: k for k, name in enumerate(columns_of(self.predictors))}
        codes = {periods.code(p): t for t, p in enumerate(self.arrays.periods)}
        found = []
        for p in self.predictors:
            for s in self.slots:
                when = s.before if p.first is None else np.arange(codes[p.first], codes[p.last] + 1)
                rows = np.concatenate([self.donors, s.rows])
                held = self.y if p.column == OUTCOME else self.arrays.covariates[:, :, place[p.column]]
                if np.isnan(held[np.ix_(rows, when)]).any() and p.label not in found:
                    found.append(p.label)
        return found

    @property
    def cells(self) -> int:
        """Treated area-periods in use."""
        return sum(len(s.rows) * len(s.after) for s in self.slots)


def lay_out(
    arrays: DesignArrays,
    *,
    pooled: bool,
    block: int,
    predictors: tuple[Predictor, ...],
    window: tuple[Any, ...] | None = None,
) -> Layout:
    """Find groups, periods and donors.

    Raises
    ------
    EstimationError
        If there are fewer than three donors, or no treated area is known before and after its start.
    """
    y = arrays.y
    exposure = np.ones_like(y) if arrays.exposure is None else np.where(arrays.exposure > 0, arrays.exposure, np.nan)
    known = ~np.isnan(y) & ~np.isnan(exposure)
    never = np.flatnonzero((arrays.status == UNTREATED).all(axis=1))
    if len(never) < FEWEST_DONORS:
        raise EstimationError(
            f"{len(never)} areas are never treated, and a synthetic control is made of {FEWEST_DONORS} or more. "
            "Widen the panel by areas that never had the intervention"
        )
    lacking = ~known[never]
    left_out = np.flatnonzero(2 * lacking.sum(axis=0) > len(never))
    usable = np.ones(y.shape[1], dtype=bool)
    usable[left_out] = False
    slots, lost = _slots(arrays, known, usable, exposure, pooled=pooled, block=block)
    if not slots:
        raise EstimationError(
            f"no treated area is known in {FEWEST_BLOCKS * block} or more periods before its start and in one after "
            "it, so there is nothing to match or to compare"
        )
    chosen_over = _window(arrays, window, slots)
    parts = [np.concatenate([s.before, s.after]) for s in slots]
    used = np.unique(np.concatenate([*parts, chosen_over]))
    gaps = lacking[:, used].any(axis=1)
    tops, bottoms = [], []
    for s in slots:
        top, bottom = values(arrays, predictors, s.before, exposure) if predictors else (np.empty((len(y), 0)),) * 2
        tops.append(top)
        bottoms.append(bottom)
        gaps |= np.isnan(top[never]).any(axis=1)
        if np.isnan(top[s.rows]).any():
            k = int(np.flatnonzero(np.isnan(top[s.rows]).any(axis=0))[0])
            raise EstimationError(f"the predictor {predictors[k].label} is not known in every treated area")
    donors = never[~gaps]
    if len(donors) < FEWEST_DONORS:
        raise EstimationError(
            f"of {len(never)} areas that are never treated only {len(donors)} are known in every period used, and a "
            f"synthetic control is made of {FEWEST_DONORS} or more. Shorten the window, or leave the gaps out"
        )
    held = np.column_stack([y[donors][:, used], exposure[donors][:, used], *(t[donors] for t in tops)])
    donors = donors[np.lexsort(held.T[::-1])]
    return Layout(
        arrays,
        y,
        exposure,
        slots,
        donors,
        never[gaps],
        left_out,
        lost,
        predictors,
        np.stack(tops),
        np.stack(bottoms),
        chosen_over,
    )


def _window(arrays: DesignArrays, window: tuple[Any, ...] | None, slots: tuple[Slot, ...]) -> Ints:
    """Return the periods over which V is chosen.

    Raises
    ------
    EstimationError
        If they are not in the data, reach into the time after a start, or are not known in every treated area.
    """
    if window is None:
        return np.empty(0, dtype=np.int64)
    found = Problems()
    codes = {periods.code(p): t for t, p in enumerate(arrays.periods)}
    when = _span(Predictor("the window", *window), codes, arrays, min((s.before for s in slots), key=max), found)
    found.raise_if_any(EstimationError, "V cannot be chosen over this window")
    lacking = [arrays.areas[int(i)] for s in slots for i in s.rows if np.isnan(arrays.y[i, when]).any()]
    if lacking:
        raise EstimationError(f"the window holds periods that are not known in {', '.join(sorted(lacking))}")
    return when


def _slots(
    arrays: DesignArrays, known: Mask, usable: Mask, exposure: Floats, *, pooled: bool, block: int
) -> tuple[tuple[Slot, ...], Ints]:
    """Return the groups, ordered by start and by what they hold, and treated areas that none of them holds."""
    treated = np.flatnonzero((arrays.status == TREATED).any(axis=1))
    time = np.arange(len(arrays.periods))
    early = (arrays.status == UNTREATED) & (time < arrays.start[:, None]) & known & usable
    late = (arrays.status == TREATED) & known & usable
    fine = (early[treated].sum(axis=1) >= FEWEST_BLOCKS * block) & late[treated].any(axis=1)
    lost, treated = treated[~fine], treated[fine]
    order = np.lexsort((*np.nan_to_num(arrays.y[treated], nan=-1.0).T[::-1], arrays.start[treated]))
    groups: dict[bytes, list[int]] = {}
    for i in treated[order]:
        key = arrays.status[i].tobytes() if pooled else int(i).to_bytes(8, "big")
        groups.setdefault(key, []).append(int(i))
    slots = []
    for members in groups.values():
        rows = np.array(members)
        before, after = np.flatnonzero(early[rows].all(axis=0)), np.flatnonzero(late[rows].all(axis=0))
        if len(before) >= FEWEST_BLOCKS * block and len(after):
            slots.append(Slot(rows, before, after, exposure[rows].sum(axis=0)))
        else:
            lost = np.concatenate([lost, rows])
    return tuple(slots), np.sort(lost)


#: Stands for the design's outcome (a rate where the design has an exposure).
OUTCOME = "outcome"


@dataclass(frozen=True)
class Predictor:
    """A column averaged over some periods before the start.

    Parameters
    ----------
    column : str
        A covariate, exposure, count or measure of the panel; ``"outcome"`` for the outcome itself, as a rate where the
        design has an exposure.
    first, last : period, optional
        Both included. `first` alone is a single period; neither is the whole time before the start.

    Examples
    --------
    >>> Predictor("income", 1980, 1988)
    Predictor(column='income', first='1980', last='1988')
    >>> Predictor("outcome", "2019-04").label
    'outcome 2019-04'
    """

    column: str
    first: Any = None  # any PeriodLike on the way in, its code afterwards
    last: Any = None

    def __post_init__(self) -> None:
        first = None if self.first is None else periods.parse(self.first)
        last = first if self.last is None else periods.parse(self.last)
        if (first is None) != (last is None):
            raise EstimationError(f"predictor {self.column!r} has a last period and no first")
        if first is not None and last is not None:
            if first.freqstr != last.freqstr or last < first:
                raise EstimationError(f"predictor {self.column!r}: {self.first} to {self.last} is no span of time")
            object.__setattr__(self, "first", periods.code(first))
            object.__setattr__(self, "last", periods.code(last))

    @property
    def label(self) -> str:
        """For tables."""
        if self.first is None:
            return self.column
        return (
            f"{self.column} {self.first}" if self.first == self.last else f"{self.column} {self.first} to {self.last}"
        )


def parsed(given: Any) -> tuple[Predictor, ...]:
    """Return predictors from names, (name, first, last), mappings or Predictors."""
    out = []
    for item in (given,) if isinstance(given, str | Predictor) else given:
        try:
            if isinstance(item, Predictor):
                out.append(item)
            elif isinstance(item, str):
                out.append(Predictor(item))
            elif isinstance(item, Mapping):
                out.append(Predictor(**item))
            else:
                out.append(Predictor(*item))
        except (TypeError, DataError) as error:
            text = f"{item!r} is no predictor: give a name, or (name, first period, last period). {error}"
            raise EstimationError(text) from None
    return tuple(out)


def weights_given(v: Any, predictors: tuple[Predictor, ...], found: Problems) -> tuple[tuple[str, float], ...] | None:
    """Return the weight of each predictor by its label, in their order; None where none are given.

    Parameters
    ----------
    v : mapping or iterable of pairs, or None
        By label, or by column where one predictor alone has it.
    predictors : tuple of Predictor
    found : Problems
        Where what is wrong is added.
    """
    if v is None or not predictors:
        return None
    try:
        held = {str(k): float(w) for k, w in dict(v).items()}
    except (TypeError, ValueError):
        found.add(f"{v!r} is no weight for each predictor", where="v", fix='Give {"income": 0.7, ...}.', rule="v")
        return None
    labels = [p.label for p in predictors]
    columns = [p.column for p in predictors]
    names = {**{c: p for c, p in zip(columns, labels, strict=True) if columns.count(c) == 1}, **{p: p for p in labels}}
    for name, weight in held.items():
        if name not in names:
            found.add(f"{name!r} is no predictor", where="v", fix=did_you_mean(name, list(names)), rule="v_name")
        elif not 0 <= weight < math.inf:
            found.add(f"the weight {weight!r} of {name!r} is not 0 or more", where="v", rule="v_weight")
    by_label = {names[k]: w for k, w in held.items() if k in names}
    lacking = [p for p in labels if p not in by_label]
    if lacking:
        found.add(f"no weight for {', '.join(lacking)}", where="v", fix="0 leaves a predictor out.", rule="v_lacks")
    elif not sum(by_label.values()) > 0:
        found.add("all weights are 0", where="v", rule="v_zero")
    return tuple((p, by_label.get(p, 0.0)) for p in labels)


def same_in_donors(layout: Layout, k: int) -> list[bool]:
    """Return, slot by slot, whether predictor `k` is the same in every donor."""
    donors = [layout.top[j, layout.donors, k] / layout.bottom[j, layout.donors, k] for j in range(len(layout.slots))]
    return [bool(np.ptp(values) <= 1e-12 * np.abs(values).max()) for values in donors]


def columns_of(predictors: tuple[Predictor, ...]) -> tuple[str, ...]:
    """Return the panel's columns that predictors ask for, in the order in which they first do."""
    return tuple(dict.fromkeys(p.column for p in predictors if p.column != OUTCOME))


def with_columns(design: Design, predictors: tuple[Predictor, ...]) -> DesignArrays:
    """Return the design's arrays with the predictors' columns as their covariates; gaps are allowed.

    Raises
    ------
    DesignError
        With every column that the panel has not.
    """
    found, view = Problems(), design.view
    for name in columns_of(predictors):
        if name == design.outcome:
            fix = f"Write {OUTCOME!r}, so that it is taken as the rate that is matched."
            found.add(f"{name!r} is the outcome itself", where="predictors", fix=fix, rule="predictor_outcome")
        elif name not in view.columns:
            fix = did_you_mean(name, [OUTCOME, *view.columns])
            found.add(f"{name!r} is no column of the panel", where="predictors", fix=fix, rule="unknown_predictor")
    found.raise_if_any(DesignError, "the predictors cannot be used")
    arrays = design.arrays
    columns = [view.matrix(name) for name in columns_of(predictors)]
    stacked = np.stack(columns, axis=-1) if columns else np.empty((*arrays.y.shape, 0))
    return replace(arrays, covariates=stacked)


def need_columns(arrays: DesignArrays, predictors: tuple[Predictor, ...]) -> None:
    """Raise EstimationError where the arrays do not hold the predictors' columns as covariates."""
    names = columns_of(predictors)
    if names and arrays.covariates.shape[2] != len(names):
        raise EstimationError(
            f"the arrays hold {arrays.covariates.shape[2]} covariates and the predictors ask for {', '.join(names)}; "
            "take them from SyntheticControl.arrays(design)"
        )


def values(
    arrays: DesignArrays, predictors: tuple[Predictor, ...], before: Ints, exposure: Floats
) -> tuple[Floats, Floats]:
    """Return numerators and denominators of the predictors, shape (N, K) each; NaN where one is not known.

    A group's predictor is the sum of its areas' numerators over that of their denominators: events over exposure for
    the outcome, an average weighted by exposure for the rest. Of each area the periods count in which it is known.

    Parameters
    ----------
    before : ndarray of int
        Ints of the periods before the start.
    exposure : ndarray, shape (N, T)

    Raises
    ------
    EstimationError
        If a predictor's periods are not in the data, or reach into the time after the start.
    """
    place = {name: k for k, name in enumerate(columns_of(predictors))}
    codes = {periods.code(p): t for t, p in enumerate(arrays.periods)}
    found = Problems()
    top, bottom = [], []
    for p in predictors:
        when = before if p.first is None else _span(p, codes, arrays, before, found)
        if not len(when):
            continue
        held = arrays.y[:, when] if p.column == OUTCOME else arrays.covariates[:, when, place[p.column]]
        known = ~np.isnan(held) & ~np.isnan(exposure[:, when])
        count = known.sum(axis=1)
        weight = np.where(known, exposure[:, when], 0.0).sum(axis=1)
        total = np.where(known, held, 0.0).sum(axis=1)
        # a mean over the periods that are known; one that is known in none is not known
        value = total if p.column == OUTCOME else total / np.maximum(count, 1) * weight
        top.append(np.where(count > 0, value, np.nan))
        bottom.append(np.where(count > 0, weight, np.nan))
    found.raise_if_any(EstimationError, "the predictors cannot be used")
    return np.column_stack(top), np.column_stack(bottom)


def _span(p: Predictor, codes: Mapping[str, int], arrays: DesignArrays, before: Ints, found: Problems) -> Ints:
    nothing = np.empty(0, dtype=np.int64)
    if p.first not in codes or p.last not in codes:
        span = f"{periods.label(arrays.periods[0])} to {periods.label(arrays.periods[-1])}"
        found.add(f"{p.label} lies outside the data, {span}", where="predictors", rule="predictor_window")
        return nothing
    when = np.arange(codes[p.first], codes[p.last] + 1)
    if len(before) == 0 or when[-1] > before[-1]:
        last = periods.label(arrays.periods[int(before[-1])]) if len(before) else "nothing"
        text = f"{p.label} reaches beyond the time before the start, which ends with {last}"
        fix = "What came after the start may be its effect, and cannot choose the donors."
        found.add(text, where="predictors", fix=fix, rule="predictor_after_start")
        return nothing
    return when

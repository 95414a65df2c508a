"""Mean changes of each cohort and of its controls, from sums of areas that start together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from svmodel.design import EXCLUDED, UNTREATED, DesignArrays
from svmodel.did.callaway_santanna.contributions import Part
from svmodel.numerics.arrays import Floats, Ints, Mask


@dataclass(frozen=True, eq=False)
class Together:
    """Areas that start together and all have every outcome, or all lack some.

    Attributes
    ----------
    rows : ndarray of int, shape (n,)
    own, control : ndarray of bool, shape (K,)
        Cells in which they are the treated, and in which they are controls.
    weight : ndarray, shape (n,), or None
        Of the areas, where they do not count alike.
    rise : ndarray, shape (T, n)
        Outcome less the area's first known one, so that a sum of changes is not rounded by the areas' levels; 0 where
        it is not known.
    base, time : ndarray of bool, shape (T, n), or None
        Where the outcome may serve as a base, and where as the later one; None where every outcome is there.
    """

    rows: Ints
    own: Mask
    control: Mask
    rise: Floats
    base: Mask | None
    time: Mask | None
    weight: Floats | None = None

    def changes(self, time: Ints, base: Ints) -> tuple[Floats, Mask | None]:
        """Return changes from `base` to `time`, each of shape (k,), as (k, n), and where they are known."""
        change = self.rise[time]
        change -= self.rise[base]
        return change, None if self.time is None or self.base is None else self.time[time] & self.base[base]

    def summed(self, time: Ints, base: Ints) -> tuple[Floats, Floats]:
        """Return the sum of changes, and the number of areas, in each of k cells; both weighed."""
        w = self.weight
        if self.time is None:
            total = self.rise.sum(axis=1) if w is None else self.rise @ w
            return total[time] - total[base], np.full(len(time), float(len(self.rows)) if w is None else w.sum())
        change, both = self.changes(time, base)
        assert both is not None
        there = both.astype(np.float64) if w is None else both * w
        return np.einsum("kn,kn->k", change, there), there.sum(axis=1)


@dataclass(frozen=True, eq=False)
class MeanChanges:
    """Mean changes in K cells.

    Attributes
    ----------
    time, base : ndarray of int, shape (K,)
    treated, controls : ndarray, shape (K,)
        Mean changes; NaN without an area.
    n_treated, n_controls : ndarray, shape (K,)
        Areas, or what they weigh.
    groups : tuple of Together
    """

    time: Ints
    base: Ints
    treated: Floats
    controls: Floats
    n_treated: Floats
    n_controls: Floats
    groups: tuple[Together, ...]

    def parts(self, chosen: Ints) -> tuple[Part, ...]:
        """Return what each area adds to the errors of the cells `chosen`, cohort by cohort."""
        # deviations that are nothing but rounding are zero, so that no standard error is made of them
        dust = 16 * np.finfo(float).eps * max((float(np.abs(g.rise).max(initial=0.0)) for g in self.groups), default=0)
        return tuple(part for group in self.groups for part in self._of(group, chosen, dust))

    def _of(self, group: Together, chosen: Ints, dust: float) -> Iterator[Part]:
        for treated, inside, mean, per in (
            (True, group.own, self.treated, 1 / _or_one(self.n_treated)),
            (False, group.control, self.controls, -1 / _or_one(self.n_controls)),
        ):
            cells = np.flatnonzero(inside[chosen])
            if not len(cells):
                continue
            k = chosen[cells]
            share, present = group.changes(self.time[k], self.base[k])
            share -= mean[k, None]
            share[np.abs(share) <= dust] = 0.0
            share *= per[k, None]
            if group.weight is not None:
                share *= group.weight
            if present is not None:
                share *= present
            yield Part(group.rows, cells, treated, share, present)


def mean_changes(
    arrays: DesignArrays, times: Ints, cohort: Ints, time: Ints, base: Ints, *, control: str, anticipation: int
) -> MeanChanges:
    """Return the mean changes of the treated and of the controls.

    Parameters
    ----------
    arrays : DesignArrays
    times : ndarray of int
        Periods in which some area has an outcome.
    cohort, time, base : ndarray of int, shape (K,)
        Of the cells; a cell without a base, -1, rests on nothing.
    control : {"never_treated", "not_yet_treated"}
    anticipation : int

    Notes
    -----
    A change is a difference, so that the sum over a cohort with every outcome is the difference of its sums by period:
    K cells of N areas in T periods cost about ``N T + K C`` steps for C cohorts, not ``N K``.
    """
    known = ~np.isnan(arrays.y)
    later = known & ~((arrays.status == EXCLUDED) & (arrays.horizon >= 0))
    first = known.argmax(axis=1)
    rise = np.where(known, arrays.y - arrays.y[np.arange(len(first)), first][:, None], 0.0)
    complete = later[:, times].all(axis=1)
    never = (arrays.status == UNTREATED).all(axis=1)
    K = len(cohort)
    sums, n = np.zeros((2, K)), np.zeros((2, K))
    weight = None if arrays.weights is None else arrays.area_weight
    groups = []
    _, label = np.unique(np.stack([arrays.start, never, complete]), axis=1, return_inverse=True)
    for rows in _groups(label.ravel()):
        start, whole = arrays.start[rows[0]], complete[rows[0]]
        own = (cohort == start) & (base >= 0)
        if control == "never_treated":
            others = np.full(K, bool(never[rows[0]])) & (base >= 0)
        else:
            others = (start > np.maximum(time, base) + anticipation) & (cohort != start) & (base >= 0)
        if not (own | others).any():
            continue
        group = Together(
            rows=rows,
            own=own,
            control=others,
            rise=np.ascontiguousarray(rise[rows].T),
            base=None if whole else np.ascontiguousarray(known[rows].T),
            time=None if whole else later[rows].T.copy(),
            weight=None if weight is None else weight[rows],
        )
        for i, inside in enumerate((own, others)):
            found, count = group.summed(time[inside], base[inside])
            sums[i, inside] += found
            n[i, inside] += count
        groups.append(group)
    with np.errstate(invalid="ignore"):
        means = sums / n
    return MeanChanges(time, base, means[0], means[1], n[0], n[1], tuple(groups))


def _or_one(n: Floats) -> Floats:
    return np.where(n > 0, n, 1.0)


def _groups(label: Ints) -> Iterator[Ints]:
    """Give the places of each label."""
    order = np.argsort(label, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(label[order])) + 1)

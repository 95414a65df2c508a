"""What a joint test needs that the effects before the start are zero."""

from __future__ import annotations

import numpy as np

from svmodel.design import EXCLUDED, UNTREATED, DesignArrays
from svmodel.design.covariates import split_covariates
from svmodel.did.callaway_santanna.averages import Term, areas_behind
from svmodel.did.callaway_santanna.cells import Cells
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.two_way import TwoWay
from svmodel.numerics.two_way.before_start import Grouped, before_start, linear_null
from svmodel.numerics.two_way.doubly_robust import doubly_robust

#: Areas up to which the weights that covariates give to single areas are worked out for the test.
_MOST_WEIGHED = 400


def before_test(
    arrays: DesignArrays, cells: Cells, terms: list[Term], *, control: str, method: str, panel: bool
) -> Grouped | None:
    """Return what a joint test needs that the events before the start, or anticipation, are zero.

    Parameters
    ----------
    arrays : DesignArrays
    cells : Cells
        With an effect.
    terms : list of Term
    control, method : str
        As the estimator has them.
    panel : bool
        False where areas of each period are taken for a cross-section of their own.

    Returns
    -------
    Grouped or None
        Without events of single areas; None where no other is known.
    """
    event = next((t for t in terms if t.name == "event"), None)
    if event is None or event.cells is None:
        return None
    several = areas_behind(cells, event) > 1
    tested = np.flatnonzero((event.horizon < -arrays.anticipation) & several & ~np.isnan(event.difference.std_error))
    if not len(tested):
        return None
    why = ""
    if not panel:
        why = (
            "areas of each period are taken for a cross-section of their own, so that an area's noise is not told apart"
        )
    elif arrays.covariates.shape[2] and len(arrays.areas) > _MOST_WEIGHED:
        why = f"covariates give each of more than {_MOST_WEIGHED} areas a weight of its own in each comparison"
    if why:
        return Grouped((), np.empty(0), np.empty((0, 0)), 0.0, why)
    # an event weights its cells by their areas; a cell compares the changes of two groups of areas
    by_event = event.cells[:, tested] * cells.n_treated[:, None]
    by_event = by_event / by_event.sum(axis=0)
    used = np.flatnonzero(by_event.any(axis=1) & (cells.time != cells.base))
    by_event = by_event[used]
    moves = np.zeros((len(used), arrays.y.shape[1]))
    moves[np.arange(len(used)), cells.time[used]] += 1.0
    moves[np.arange(len(used)), cells.base[used]] -= 1.0
    kind = _kinds(arrays)
    in_cell = _weights_of_changes(arrays, cells, used, kind, control, method)

    def weigh(L: Floats) -> Floats:
        return np.stack([(in_cell * (by_event @ row)) @ moves for row in L])

    # the weights of propensities alone balance covariates only roughly: a model with them would miss what is estimated
    slopes, moving, _ = (None, None, ()) if method == "ipw" else split_covariates(arrays)
    weight = np.broadcast_to(arrays.area_weight[:, None], arrays.y.shape)
    null = linear_null(arrays.y, TwoWay(arrays.untreated, slopes, None, moving), arrays.units, weight)
    return before_start(event.horizon[tested].astype(np.int64), weigh, kind, null)


def _kinds(arrays: DesignArrays) -> Ints:
    """Return a number for each area: alike if they start, end and are known alike; its own if adjusted or weighted."""
    if arrays.covariates.shape[2] or arrays.weights is not None:
        return np.arange(len(arrays.areas))
    rows = np.hstack([arrays.status.astype(np.int64), np.isnan(arrays.y).astype(np.int64), arrays.start[:, None]])
    seen: dict[bytes, int] = {}
    return np.array([seen.setdefault(row.tobytes(), len(seen)) for row in rows], dtype=np.int64)


def _weights_of_changes(
    arrays: DesignArrays, cells: Cells, used: Ints, kind: Ints, control: str, method: str
) -> Floats:
    """Return the weight of an area of each kind in each used cell, shape (S, K), but for its own weight."""
    _, rows, counts = np.unique(kind, return_index=True, return_counts=True)
    areas = counts * arrays.area_weight[rows]
    known, start = ~np.isnan(arrays.y[rows]), arrays.start[rows]
    ended = (arrays.status[rows] == EXCLUDED) & (arrays.horizon[rows] >= 0)
    never = (arrays.status[rows] == UNTREATED).all(axis=1)
    out = np.zeros((len(rows), len(used)))
    held: dict[bytes, Floats] = {}
    for j, k in enumerate(used):
        g, t, b = int(cells.cohort[k]), int(cells.time[k]), int(cells.base[k])
        both = known[:, t] & known[:, b] & ~ended[:, t]
        own = both & (start == g)
        others = never if control == "never_treated" else start > max(t, b) + arrays.anticipation
        others = both & others & (start != g)
        if arrays.covariates.shape[2]:
            out[:, j] = _doubly_robust_weights(arrays, own, others, min(t, b), method, held)
        else:
            out[:, j] = own / (areas @ own) - others / (areas @ others)
    return out


def _doubly_robust_weights(
    arrays: DesignArrays, own: Mask, others: Mask, earlier: int, method: str, held: dict[bytes, Floats]
) -> Floats:
    """Return the weights of changes in an effect that is linear in them, as the effects of one area's change alone."""
    sample = own | others
    X = arrays.covariates[sample, earlier]
    key = own.tobytes() + others.tobytes() + X.tobytes()
    if key not in held:
        found = doubly_robust(np.eye(int(sample.sum())), own[sample], X, method=method)
        held[key] = np.zeros(len(own))
        held[key][sample] = found.att
    return held[key]

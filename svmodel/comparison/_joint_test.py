"""The joint test of a specification curve: the starts dealt out anew, in all specifications alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from svmodel.comparison._scale import laid_out, quick
from svmodel.errors import DesignError
from svmodel.inference._assignments import draw_lot, strata_labels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from svmodel.comparison._specifications import Specification
    from svmodel.design import Design, DesignArrays

    Floats = NDArray[np.float64]

__all__ = ["Dealt", "deal_all", "joint_table", "statistics"]

#: Above this the same sum in another order; see svmodel.numerics.permutations.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Dealt:
    """Effects of all specifications under the actual starts (first row) and under others.

    Attributes
    ----------
    values : ndarray, shape (1 + B, K)
        Ratios as logarithms; NaN where a specification does not identify the effect.
    used : ndarray of int, shape (K,)
        Which specifications the columns are.
    areas : int
        Among which starts were dealt out.
    total : int
        Distinct assignments that there are.
    why : str
        Why there is no test, where there is none.
    """

    values: Floats
    used: NDArray[np.int64]
    areas: int
    total: int
    why: str = ""


def deal_all(
    design: Design,
    held: Sequence[Specification],
    scale: str,
    *,
    draws: int,
    strata: Mapping[str, object] | str | None,
    seed: int,
) -> Dealt:
    """Estimate every specification under the actual starts and under `draws` others, the same ones in all.

    Starts are dealt out among the areas that every specification holds, so that each one has the same panel in every
    draw and only who is treated when differs.
    """
    points = [quick(s.estimator, scale) for s in held]
    used = np.array([k for k, p in enumerate(points) if p is not None], dtype=np.int64)
    none = np.full((1, len(used)), np.nan)
    if not len(used):
        return Dealt(none, used, 0, 0, "no estimator gives a quick estimate")
    arrays = [laid_out(held[k].estimator, held[k].design) for k in used]
    shared = set.intersection(*(set(a.areas) for a in arrays))
    base = design.arrays
    rows = np.array([i for i, a in enumerate(base.areas) if a in shared], dtype=np.int64)
    here = base.take(rows)
    try:
        lot = draw_lot(here, strata_labels(strata, design, here))
    except DesignError as error:
        why = f"{error.title} (starts are dealt out among the {len(rows)} areas that every specification holds)"
        return Dealt(none, used, len(rows), 1, why)
    patterns = np.vstack([lot.actual, lot.others(draws, seed)])
    values = np.full((len(patterns), len(used)), np.nan)
    for column, (k, one) in enumerate(zip(used, arrays, strict=True)):
        point: Any = points[k]
        place = _places(one, here.areas)
        for b, pattern in enumerate(patterns):
            own = np.arange(len(one.areas))
            own[place] = place[pattern]
            values[b, column] = point(one.assigned(own))
    return Dealt(values, used, len(rows), lot.total)


def _places(arrays: DesignArrays, areas: Sequence[str]) -> NDArray[np.int64]:
    at = {a: i for i, a in enumerate(arrays.areas)}
    return np.array([at[a] for a in areas], dtype=np.int64)


def statistics(values: Floats, alpha: float) -> tuple[Floats, Floats]:
    """Return the three statistics of each draw, and the p-value of each specification in each draw.

    Parameters
    ----------
    values : ndarray, shape (B, K)
        The actual starts first.
    alpha : float

    Returns
    -------
    three : ndarray, shape (B, 3)
        Size of the median effect; share of effects that are significant on the commoner side; share on the commoner
        side.
    p : ndarray, shape (B, K)
        Share of all draws in which a specification's effect is at least as far from zero as in this one.

    Notes
    -----
    The p-values use all B draws alike, the actual one among them, so that under the null every row of `three` has the
    same distribution and the actual one's rank is a valid test.
    """
    size = np.abs(np.where(np.isnan(values), -1.0, values))
    known = ~np.isnan(values)
    p = np.full(values.shape, np.nan)
    for k in range(values.shape[1]):
        ordered = np.sort(size[known[:, k], k])
        lowest = size[:, k] * (1 - _ROUNDING)
        count = len(ordered) - np.searchsorted(ordered, lowest, side="left")
        p[:, k] = np.where(known[:, k], count / max(len(ordered), 1), np.nan)
    three = np.full((len(values), 3), np.nan)
    some = known.any(axis=1)
    n = known.sum(axis=1)
    for b in np.flatnonzero(some):
        v, q = values[b, known[b]], p[b, known[b]]
        three[b, 0] = abs(float(np.median(v)))
        clear = q <= alpha
        three[b, 1] = max(int((clear & (v < 0)).sum()), int((clear & (v > 0)).sum())) / n[b]
        three[b, 2] = max(int((v < 0).sum()), int((v > 0).sum())) / n[b]
    return three, p


def joint_table(three: Floats) -> pd.DataFrame:
    """Return the three tests: observed, what half of the draws reach, and ``(b + 1) / (B + 1)``."""
    rows = []
    names = ("size of the median effect", "share significant on one side", "share on one side")
    for k, name in enumerate(names):
        one, others = three[0, k], three[1:, k]
        others = others[~np.isnan(others)]
        known = len(others) > 0 and not np.isnan(one)
        p = (1 + int((others >= one * (1 - _ROUNDING)).sum())) / (1 + len(others)) if known else np.nan
        middle = float(np.median(others)) if len(others) else np.nan
        rows.append((name, float(one), middle, p, len(others)))
    return pd.DataFrame(rows, columns=["statistic", "observed", "typical_under_null", "p_value", "draws"])

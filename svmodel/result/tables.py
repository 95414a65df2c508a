"""Tables that several methods lay out alike: effects by time with their covariance, observed and expected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from svmodel.design import DesignArrays
from svmodel.numerics.arrays import Floats, Ints
from svmodel.result.effect import JointEstimate

#: The row of a counterfactual that sums the treated areas.
ALL_TREATED = "all treated"
#: Columns of a counterfactual.
COUNTERFACTUAL = ("area", "period", "observed", "expected", "low", "high")


def event_joint(
    scale: str, horizon: Any, estimate: Floats, covariance: Floats, *, base: str | None = None, **how: Any
) -> JointEstimate:
    """Return effects by horizon with their covariance; `how` are other fields of the JointEstimate."""
    nothing = pd.Series([None] * len(horizon), dtype=object)
    times = np.asarray(horizon, dtype=np.float64)
    index = pd.DataFrame({"term": "event", "cohort": nothing, "period": nothing, "horizon": times})
    return JointEstimate(scale, index, estimate, covariance, base=base, **how)


def observed_and_expected(area: Iterable[Any], period: Iterable[Any], **columns: Any) -> pd.DataFrame:
    """Return a counterfactual: one row an area (or :data:`ALL_TREATED`) and period.

    Parameters
    ----------
    area, period : iterable, length n
    **columns
        ``observed``, ``expected``, ``low``, ``high``, each an array of n numbers in the outcome's units; those that are
        not given are missing.
    """
    held: dict[str, Any] = {"area": pd.Series([*area], dtype=object), "period": pd.Series([*period], dtype=object)}
    n = len(held["area"])
    for name in COUNTERFACTUAL[2:]:
        held[name] = np.asarray(columns.get(name, np.full(n, np.nan)), dtype=np.float64)
    return pd.DataFrame(held)


def cells_and_sums(
    arrays: DesignArrays,
    cells: tuple[Ints, ...],
    own: tuple[Floats, Floats],
    times: Ints,
    sums: tuple[Floats, Floats, Floats, Floats],
) -> pd.DataFrame:
    """Return a counterfactual of single cells, which have no limits, and of all treated areas by period.

    Parameters
    ----------
    arrays : DesignArrays
    cells : (rows, times), each of n
        Of the cells.
    own : (observed, expected), each of n
    times : ndarray of int, shape (K,)
    sums : (observed, expected, low, high), each of K
        Over the treated areas.
    """
    blank = np.full(len(cells[0]), np.nan)
    areas, periods = (np.array([*held], dtype=object) for held in (arrays.areas, arrays.periods))
    columns = {
        name: np.concatenate(parts) for name, *parts in zip(COUNTERFACTUAL[2:], (*own, blank, blank), sums, strict=True)
    }
    return observed_and_expected(
        [*areas[cells[0]], *[ALL_TREATED] * len(times)],
        periods[np.concatenate([cells[1], times])],
        **columns,
    )


def treated_groups(areas: Sequence[str], rows: Ints, parents: Mapping[str, str]) -> dict[str, Ints]:
    """Return the places in `rows` of each treated area, and of those of each reporting area that is no treated area.

    Parameters
    ----------
    areas : sequence of str
        All areas.
    rows : ndarray of int
        Rows of `areas` that are treated.
    parents : mapping of str to str
        Area to reporting area.
    """
    singles = {areas[i]: np.array([k]) for k, i in enumerate(rows)}
    together: dict[str, list[int]] = {}
    for k, i in enumerate(rows):
        parent = parents.get(areas[i])
        if parent is not None and parent not in singles:
            together.setdefault(parent, []).append(k)
    return {**singles, **{p: np.array(m) for p, m in sorted(together.items())}}

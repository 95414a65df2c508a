"""From terms to the rows of a result: scales, intervals and p-values, a whole term at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from svmodel.did._cs_aggregate import FAMILIES, Linear, Term, totals
from svmodel.estimates import critical_value, is_rounding
from svmodel.numerics.cluster import small_sample
from svmodel.numerics.multiplier_bootstrap import sup_t_critical_value
from svmodel.result import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from svmodel.design import DesignArrays
    from svmodel.did._cs_cells import Cells

    Critical = Callable[[Linear], float]


class Table:
    """Collects blocks of rows of one term and scale, then lays them out as the estimates of a Result."""

    def __init__(self, periods: pd.PeriodIndex, level: float, start: NDArray[np.int64]) -> None:
        self._periods = np.array([*periods, None], dtype=object)
        self._level = level
        self._start = start
        self._blocks: list[dict[str, Any]] = []

    def add(self, term: Term, scale: str, part: Linear, critical: float, keep: NDArray[np.bool_] | None = None) -> None:
        """Add the rows where `keep` is true; a rate ratio comes in as its log.

        Intervals and p-values are those of Student's t, widened for small cohorts; the standard errors are not.
        """
        from scipy import special

        rows = np.arange(len(part.estimate)) if keep is None else np.flatnonzero(keep)
        estimate, std_error = part.estimate[rows], part.std_error[rows]
        std_error = np.where(is_rounding(estimate, std_error, logarithm=scale == "rate_ratio"), np.nan, std_error)
        small = small_sample(part.influence[:, rows], self._start)
        upper = 0.5 + self._level / 2
        wider = small.inflation * special.stdtrit(small.df, upper) / special.ndtri(upper)
        low, high = estimate - critical * wider * std_error, estimate + critical * wider * std_error
        p_value = 2 * special.stdtr(small.df, -np.abs(estimate / (small.inflation * std_error)))
        if scale == "rate_ratio":
            # a limit beyond the largest float is infinite, as it is with a nearly empty cell; it is no error
            with np.errstate(over="ignore"):
                estimate, low, high = np.exp(estimate), np.exp(low), np.exp(high)
            std_error = estimate * std_error
        self._blocks.append(
            {
                "term": [term.name] * len(rows),
                "scale": [scale] * len(rows),
                "cohort": self._named(term.cohort[rows]),
                "period": self._named(term.time[rows]),
                "horizon": term.horizon[rows],
                "estimate": estimate,
                "std_error": std_error,
                "conf_low": low,
                "conf_high": high,
                "p_value": p_value,
            }
        )

    def _named(self, index: NDArray[np.float64]) -> NDArray[np.object_]:
        return self._periods[np.where(np.isnan(index), -1, index).astype(np.int64)]

    def frame(self) -> pd.DataFrame:
        """Return the rows in the columns of a Result."""
        columns: dict[str, Any] = {c: np.concatenate([b[c] for b in self._blocks]) for c in self._blocks[0]}
        size = len(columns["estimate"])
        for name in ("term", "scale"):
            columns[name] = pd.Series([v for b in self._blocks for v in b[name]], dtype=object)
        for name in ("cohort", "period"):
            columns[name] = pd.Series(columns[name], dtype=object)
        columns["area"] = pd.Series(np.full(size, None), dtype=object)
        columns["level"] = np.full(size, self._level)
        columns["prob_reduction"] = np.full(size, np.nan)
        return pd.DataFrame(columns, columns=list(COLUMNS))


def lay_out(
    terms: list[Term],
    cells: Cells,
    arrays: DesignArrays,
    *,
    is_count: bool,
    level: float,
    draws: NDArray[np.float32] | None,
) -> tuple[pd.DataFrame, dict[str, float], int]:
    """Return the estimates, the critical value of each family, and how many rate ratios there are not.

    Parameters
    ----------
    draws : ndarray, shape (B, N), or None
        Multipliers for simultaneous intervals; pointwise intervals where None.
    """
    outcome = np.where(cells.members, arrays.y[:, cells.time], 0.0)
    exposure = None if arrays.exposure is None else np.where(cells.members, arrays.exposure[:, cells.time], 0.0)
    table = Table(arrays.periods, level, arrays.start)
    pointwise = critical_value(level)
    criticals: dict[str, float] = {}
    lacking = 0

    def critical(term: Term, part: Linear) -> float:
        if draws is None or term.name not in FAMILIES:
            return pointwise
        value = sup_t_critical_value(part.influence, draws, level=level)
        return pointwise if np.isnan(value) else value

    for term in terms:
        z = critical(term, term.difference)
        if term.name in FAMILIES:
            criticals[term.name] = z
        table.add(term, "difference", term.difference, z)
        if not is_count or not term.summable:
            continue
        total = totals(cells, term, outcome, exposure)
        after = ~(term.horizon < 0)
        table.add(term, "events", total.events, z, after)
        if total.exposure is not None:
            per = 1e5 / total.exposure
            rate = Linear(total.events.estimate * per, total.events.influence * per)
            table.add(term, "per_100k", rate, z)
        ratio = total.log_ratio
        sound = ~np.isnan(ratio.estimate)
        lacking += int((~sound).sum())
        if sound.any():
            known = Linear(ratio.estimate[sound], ratio.influence[:, sound])
            table.add(term, "rate_ratio", ratio, critical(term, known), sound)
    return table.frame(), criticals, lacking

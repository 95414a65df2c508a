"""Sums of an interrupted series as rows of the table of estimates, and its path without the intervention."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from svmodel.estimates import critical_value, linear_row, log_row

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from svmodel.counterfactual._its_sums import Fitted, Sums
    from svmodel.design import DesignArrays

    Floats = NDArray[np.float64]

__all__ = ["ALL_TREATED", "Writer", "path", "treated_weights"]

ALL_TREATED = "all treated"


@dataclass(frozen=True)
class Writer:
    """How sums are written.

    Parameters
    ----------
    log : bool
        Whether the model is one of ratios.
    counts : bool
        Whether the outcome counts events.
    exposed : bool
        Whether the design has an exposure.
    level, critical, df : float
        Coverage, the critical value for it, and Student's degrees of freedom for p-values.
    widening : float
        What intervals and p-values take errors times.
    """

    log: bool
    counts: bool
    exposed: bool
    level: float
    df: float
    widening: float

    @property
    def critical(self) -> float:
        """Half the width of an interval in standard errors."""
        return self.widening * critical_value(self.level, self.df)

    def rows(self, term: str, sums: Sums, q: int, **which: Any) -> list[dict[str, Any]]:
        """Return sum `q` on every scale that the model gives."""
        observed, expected, error = (float(v[q]) for v in (sums.observed, sums.expected, sums.error))
        scales = [("difference", 1 / float(sums.cells[q]))]
        if self.exposed and self.counts:
            scales.append(("per_100k", 1e5 / float(sums.exposure[q])))
        if self.counts:
            scales.append(("events", 1.0))
        if not self.log:
            wide = error * self.widening
            made = [
                linear_row(term, s, (observed - expected) * f, wide * f, level=self.level, df=self.df, **which)
                for s, f in scales
            ]
            return [{**r, "std_error": r["std_error"] / self.widening} for r in made]
        if observed <= 0:
            nothing = {"std_error": math.nan, "conf_low": math.nan, "conf_high": math.nan, "p_value": math.nan}
            shared = {"term": term, "level": self.level, **nothing, **which}
            return [{"scale": "rate_ratio", "estimate": 0.0, **shared}] + [
                {"scale": s, "estimate": -expected * f, **shared} for s, f in scales
            ]
        ratio = log_row(
            term, math.log(observed / expected), error * self.widening, level=self.level, df=self.df, **which
        )
        low, high = (observed * (1 - 1 / ratio[k]) if ratio[k] > 0 else -math.inf for k in ("conf_low", "conf_high"))
        out = [{**ratio, "std_error": ratio["std_error"] / self.widening}]
        for scale, f in scales:
            held = {"estimate": (observed - expected) * f, "std_error": expected * error * f}
            out.append({**ratio, "scale": scale, **held, "conf_low": low * f, "conf_high": high * f})
        return out


def treated_weights(fitted: Fitted, chosen: list[list[NDArray[np.bool_]]]) -> list[Floats]:
    """Return one (Q, T) array a unit: 1 in the known treated periods that each sum chooses."""
    return [
        np.array([np.where(mask & u.fit.series.after, 1.0, 0.0) for mask in masks])
        for u, masks in zip(fitted.units, chosen, strict=True)
    ]


def path(fitted: Fitted, arrays: DesignArrays, writer: Writer) -> pd.DataFrame:
    """Return observed and expected events by period, of each series that is one area and of all together."""
    import pandas as pd

    T = len(arrays.periods)
    groups: list[tuple[str, list[bool]]] = [
        (arrays.areas[int(u.fit.series.rows[0])], [v is u for v in fitted.units])
        for u in fitted.units
        if len(u.fit.series.rows) == 1
    ]
    groups = [*sorted(groups), (ALL_TREATED, [True] * len(fitted.units))]
    frames = []
    for name, members in groups:
        used = [u.fit.series.used & m for u, m in zip(fitted.units, members, strict=True)]
        live = np.flatnonzero(np.any(used, axis=0))
        weights = [np.eye(T)[live] * use for use in used]
        pairs = list(zip(fitted.units, weights, strict=True))
        observed = np.sum([w @ np.nan_to_num(u.fit.series.y) for u, w in pairs], axis=0)
        expected = np.sum([w @ np.nan_to_num(u.expected) for u, w in pairs], axis=0)
        half = writer.critical * np.sqrt(fitted.variance(weights, noise=False))
        with np.errstate(over="ignore"):
            limits = expected * np.exp([-half, half]) if writer.log else expected + np.array([-half, half])
        frames.append(
            pd.DataFrame(
                {
                    "area": pd.Series([name] * len(live), dtype=object),
                    "period": pd.Series(list(arrays.periods[live]), dtype=object),
                    "observed": observed,
                    "expected": expected,
                    "low": limits[0],
                    "high": limits[1],
                }
            )
        )
    return pd.concat(frames, ignore_index=True)

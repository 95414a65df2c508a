"""Posterior draws of events without the intervention as rows of the table of estimates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from svmodel.design import DesignArrays
from svmodel.numerics.arrays import Floats

if TYPE_CHECKING:
    import pandas as pd

    from svmodel.counterfactual.structural_time_series.predict import Prediction


ALL_TREATED = "all treated"


@dataclass(frozen=True)
class Writer:
    """How sums are written.

    Parameters
    ----------
    counts, exposed : bool
        Whether the outcome counts events, and whether the design has an exposure.
    level : float
        Posterior probability in an interval.
    """

    counts: bool
    exposed: bool
    level: float

    def rows(
        self,
        term: str,
        observed: float,
        expected: float,
        predicted: Floats,
        cells: float,
        exposure: float,
        **which: Any,
    ) -> list[dict[str, Any]]:
        """Return one sum on every scale; `predicted` holds its S draws.

        The ratio of the observed to a sum that may be zero or less is unbounded, and its limit is then infinite.
        """
        low, high = np.quantile(predicted, [0.5 - self.level / 2, 0.5 + self.level / 2])
        more, less = int((predicted >= observed).sum()), int((predicted <= observed).sum())
        # R's CausalImpact counts the observed among the draws, so that a tail is never nothing
        tail = (min(more, less) + 1) / (len(predicted) + 1)
        shared = {
            "term": term,
            "level": self.level,
            "p_value": min(2 * tail, 1.0),
            "prob_reduction": float((predicted > observed).mean()),
            **which,
        }
        sd = float(predicted.std(ddof=1))
        scales = [("difference", 1 / cells)]
        if self.exposed and self.counts:
            scales.append(("per_100k", 1e5 / exposure))
        if self.counts:
            scales.append(("events", 1.0))
        out = []
        for scale, f in scales:
            numbers = (observed - expected, sd, observed - float(high), observed - float(low))
            keys = ("estimate", "std_error", "conf_low", "conf_high")
            out.append({"scale": scale, **{k: v * f for k, v in zip(keys, numbers, strict=True)}, **shared})
        if expected > 0 and observed >= 0:
            ratio = observed / expected
            limits = [observed / float(v) if v > 0 else np.inf for v in (high, low)]
            held = {"estimate": ratio, "std_error": ratio * sd / expected}
            if observed == 0:
                # nothing over anything is nothing: that no draw moves it is no certainty
                limits, held["std_error"] = [np.nan, np.nan], np.nan
            out.append({"scale": "rate_ratio", **held, "conf_low": limits[0], "conf_high": limits[1], **shared})
        return out


def term_rows(held: Sequence[Prediction], arrays: DesignArrays, writer: Writer) -> list[dict[str, Any]]:
    """Return the rows of every term."""
    T = len(arrays.periods)
    everything = np.ones(T, dtype=bool)
    series = [p.series for p in held]
    asked: list[tuple[str, dict[str, Any], list[NDArray[np.bool_]]]] = [("att", {}, [everything] * len(held))]
    longest = max(int(np.flatnonzero(s.after)[-1]) - s.start for s in series)
    asked += [("event", {"horizon": h}, [np.arange(T) == s.start + h for s in series]) for h in range(longest + 1)]
    asked += [
        ("cohort", {"cohort": arrays.periods[g]}, [everything & (s.start == g) for s in series])
        for g in sorted({s.start for s in series})
    ]
    single = {arrays.areas[int(s.rows[0])]: i for i, s in enumerate(series) if len(s.rows) == 1}
    asked += [
        ("area", {"area": a}, [everything & (j == i) for j in range(len(series))]) for a, i in sorted(single.items())
    ]
    rows = []
    for term, which, masks in asked:
        live = [m & s.after for m, s in zip(masks, series, strict=True)]
        cells = sum(int(m.sum()) * len(s.rows) for m, s in zip(live, series, strict=True))
        if cells:
            rows += writer.rows(term, *summed(held, live), float(cells), exposed(held, live), **which)
    return rows


def summed(held: Sequence[Prediction], chosen: Sequence[NDArray[np.bool_]]) -> tuple[float, float, Floats]:
    """Return observed, expected and draws of predicted events over chosen periods of each series."""
    pairs = list(zip(held, chosen, strict=True))
    observed = float(sum(p.series.y[m].sum() for p, m in pairs))
    expected = float(sum(p.expected[m].sum() for p, m in pairs))
    predicted = np.sum([p.predicted[:, m].sum(axis=1) for p, m in pairs], axis=0)
    return observed, expected, predicted


def exposed(held: Sequence[Prediction], chosen: Sequence[NDArray[np.bool_]]) -> float:
    """Return the exposure of chosen periods of each series."""
    return float(sum(p.series.exposure[m].sum() for p, m in zip(held, chosen, strict=True)))


def path(held: Sequence[Prediction], arrays: DesignArrays, level: float) -> pd.DataFrame:
    """Return observed and expected events by period, with limits of what would have been observed."""
    import pandas as pd

    groups = sorted((arrays.areas[int(p.series.rows[0])], [p]) for p in held if len(p.series.rows) == 1)
    frames = []
    for name, members in [*groups, (ALL_TREATED, list(held))]:
        live = np.flatnonzero(np.any([p.series.used for p in members], axis=0))
        numbers = []
        for t in live:
            at = [(np.arange(len(arrays.periods)) == t) & p.series.used for p in members]
            observed, expected, predicted = summed(members, at)
            numbers.append((observed, expected, *np.quantile(predicted, [0.5 - level / 2, 0.5 + level / 2])))
        frame = pd.DataFrame(np.array(numbers), columns=["observed", "expected", "low", "high"])
        frame.insert(0, "area", pd.Series([name] * len(live), dtype=object))
        frame.insert(1, "period", pd.Series(list(arrays.periods[live]), dtype=object))
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)

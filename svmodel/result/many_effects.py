"""Many effects at once as rows on every scale: the arithmetic of :mod:`svmodel.result.scales`, an array at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from svmodel.numerics.arrays import Floats, Mask
from svmodel.numerics.cluster import SmallSample
from svmodel.numerics.resampling.conley_taber import PlaceboSums
from svmodel.numerics.resampling.placebo_noise import ratio_intervals
from svmodel.result.effect import COLUMNS
from svmodel.result.scales import is_rounding

#: Columns of a table of estimates, each with its values or with one value for all.
Rows: TypeAlias = dict[str, Any]
_NUMBERS = ("estimate", "std_error", "conf_low", "conf_high")
_TEXTS = ("term", "scale", "area", "cohort", "period")


@dataclass(frozen=True, eq=False)
class Effects:
    """Q effects, each as a ratio and as events.

    Attributes
    ----------
    ratio, events : ndarray, shape (Q, 4)
        Estimate, standard error and limits.
    p_value : ndarray, shape (Q,)
    """

    ratio: Floats
    events: Floats
    p_value: Floats

    @staticmethod
    def bare(observed: Floats, expected: Floats) -> Effects:
        """Return effects of which no error is known."""
        ratio, events = np.full((2, len(observed), 4), np.nan)
        ratio[:, 0], events[:, 0] = observed / expected, observed - expected
        return Effects(ratio, events, np.full(len(observed), np.nan))

    def put(self, at: Mask, other: Effects) -> None:
        """Write the effects of `other` where `at` is true."""
        self.ratio[at], self.events[at], self.p_value[at] = other.ratio, other.events, other.p_value

    def take_limits(self, at: Mask) -> None:
        """Take intervals and p-values from the effects where `at` is true."""
        self.ratio[at, 2:], self.events[at, 2:], self.p_value[at] = np.nan, np.nan, np.nan

    def rows(
        self, term: str, cells: Floats, exposure: Floats | None, *, level: float, events: bool, **which: Any
    ) -> Rows:
        """Return the rows of every effect on its scales: ratio, difference, per 100,000 and events.

        Parameters
        ----------
        term : str
        cells, exposure : ndarray, shape (Q,)
            Area-periods and person-periods; what has no exposure above zero has no rate.
        level : float
        events : bool
            Whether the sums are events.
        **which
            By which the effects are known, each of shape (Q,).
        """
        per_cell = self.events / cells[:, None]
        numbers = {"rate_ratio": self.ratio, "difference": per_cell}
        if exposure is not None:
            numbers["per_100k"] = (
                self.events * np.divide(1e5, exposure, out=np.full(len(cells), np.nan), where=exposure > 0)[:, None]
            )
        if events:
            numbers["events"] = self.events
        there = np.ones((len(cells), len(numbers)), dtype=bool)
        if exposure is not None:
            there[:, list(numbers).index("per_100k")] = exposure > 0
        keep = there.ravel()
        held = np.stack(list(numbers.values()), axis=1).reshape(-1, 4)[keep]
        scale = np.tile(np.array(list(numbers), dtype=object), len(cells))[keep]
        shared = {"p_value": self.p_value, **which}
        return {
            "term": term,
            "scale": scale,
            "level": level,
            **dict(zip(_NUMBERS, held.T, strict=True)),
            **{name: np.repeat(np.asarray(v), len(numbers))[keep] for name, v in shared.items()},
        }


def by_influence(
    observed: Floats, expected: Floats, covariance: Floats, small: SmallSample, *, level: float, events: bool
) -> Effects:
    """Return effects whose uncertainty comes from influences, as :func:`svmodel.result.scales.from_influence` does.

    Parameters
    ----------
    observed, expected : ndarray, shape (Q,)
        All positive.
    covariance : ndarray, shape (Q, 2, 2)
        Of the observed and the expected sums.
    small : SmallSample
        Each of shape (Q,).
    level : float
    events : bool
        Whether the sums are events, of which a part of the error may be chance in the count.
    """
    from scipy import special

    to_log = np.stack([1 / observed, -1 / expected], axis=1)
    moved = np.einsum("qij,qj->qi", covariance, to_log)
    variance = np.einsum("qi,qi->q", to_log, moved)
    se = np.sqrt(np.maximum(variance, 0.0))
    ratio = observed / expected
    upper = 0.5 + level / 2
    critical = np.where(np.isinf(small.df), special.ndtri(upper), special.stdtrit(small.df, upper))
    wide = small.inflation * se
    half = critical * wide
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # the share of a move of the log ratio that is the observed sum's; the rest is the expected sum's
        share = np.clip(np.where(variance > 0, moved[:, 0] / observed / variance, 0.5), 0.0, 1.0)
        of_chance = observed * share * variance
        chance = np.where(of_chance > 0, np.minimum(1.0, 1 / of_chance), 1.0) if events else np.ones(len(ratio))
        limits = [
            chance * (observed * np.exp(share * k) - expected * np.exp((share - 1) * k))
            + (1 - chance) * (observed - expected * np.exp(-k))
            for k in (-half, half)
        ]
        t = -np.abs(np.log(ratio) / wide)
        p = 2 * np.where(np.isinf(small.df), special.ndtr(t), special.stdtr(small.df, t))
        ratios = np.stack([ratio, ratio * se, ratio * np.exp(-half), ratio * np.exp(half)], axis=1)
    one = np.array([1.0, -1.0])
    events_se = np.sqrt(np.maximum(np.einsum("i,qij,j->q", one, covariance, one), 0.0))
    additive = np.stack([observed - expected, events_se, *limits], axis=1)
    found = Effects(ratios, additive, np.where(se > 0, p, np.nan))
    rounding = is_rounding(np.log(ratio), se, logarithm=True)
    found.put(rounding, Effects.bare(observed[rounding], expected[rounding]))
    return found


def by_noise(
    observed: Floats,
    expected: Floats,
    noise: tuple[Floats, Floats, Floats],
    placebos: Sequence[PlaceboSums],
    level: float,
) -> Effects:
    """Return effects whose uncertainty was learnt from untreated areas.

    Parameters
    ----------
    observed, expected : ndarray, shape (Q,)
        `expected` positive.
    noise : (linear, square, square_observed), each of shape (Q,)
        ``Var(observed - R expected) = linear R + square R^2``; the last is the part of `square` that belongs to the
        observed sum. NaN where no noise could be learnt: then estimates stand without an interval.
    placebos : sequence of PlaceboSums, length Q
        What the miss in standard deviations would come to without an effect.
    level : float

    Notes
    -----
    The intervals are those of score tests (:func:`svmodel.numerics.resampling.placebo_noise.ratio_interval`): of the
    ratio R, with the variance of ``observed - R expected``; of the events, with that of
    ``observed - R M - (expected - M)`` about the count M that was truly to be expected, in which the error of
    `expected` does not shrink with R. At no effect both are one test, so that all scales agree on significance.
    """
    found = Effects.bare(observed, expected)
    linear, square, square_observed = noise
    at_one = np.sqrt(np.maximum(linear + square, 0.0))
    # placebo areas that never stray leave a noise of nothing, or of rounding
    told = ~np.isnan(linear) & ~np.isnan(square) & (at_one > 1e-8 * expected)
    if not told.any():
        return found
    O, E, at_one = observed[told], expected[told], at_one[told]
    linear, square, square_observed = linear[told], square[told], square_observed[told]
    sums = [one for one, known in zip(placebos, told, strict=True) if known]
    ratio, events = O / E, O - E
    fixed = square - square_observed
    critical = np.array([s.critical(level) for s in sums]).T
    low, high = ratio_intervals(O, E, linear, square, critical)
    least, most = ratio_intervals(O, E, linear, square_observed, critical, fixed)
    ratio_se = np.sqrt(linear * ratio + square * ratio**2) / E
    events_se = np.sqrt(linear * ratio + square_observed * ratio**2 + fixed)
    p = np.array([s.p_value(t) for s, t in zip(sums, events / at_one, strict=True)])
    ratios = np.stack([ratio, ratio_se, np.minimum(low, ratio), np.maximum(high, ratio)], axis=1)
    limits = np.minimum(E * (least - 1), events), np.maximum(E * (most - 1), events)
    found.put(told, Effects(ratios, np.stack([events, events_se, *limits], axis=1), p))
    return found


def only(rows: Rows, scale: str) -> Rows:
    """Return the rows on one scale."""
    keep = rows["scale"] == scale
    return {name: v[keep] if isinstance(v, np.ndarray) else v for name, v in rows.items()}


def table_of_rows(blocks: Iterable[Rows]) -> pd.DataFrame:
    """Return blocks of rows as the table of a Result, with every column in its place."""
    held = list(blocks)
    sizes = [len(b["estimate"]) for b in held]
    columns: dict[str, Any] = {}
    for name in COLUMNS:
        missing, kind = (None, object) if name in _TEXTS else (np.nan, np.float64)
        parts = [np.full(n, b.get(name, missing), dtype=kind) for b, n in zip(held, sizes, strict=True)]
        whole = np.concatenate(parts) if parts else np.empty(0, dtype=kind)
        columns[name] = pd.Series(whole, dtype=object) if name in _TEXTS else whole
    return pd.DataFrame(columns, columns=list(COLUMNS))

"""Numbers with their uncertainty: one effect, the headline, and estimates with their covariance."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel.errors import DataError, EstimationError
from svmodel.numerics.two_way.before_start import Grouped

COLUMNS = (
    "term",
    "scale",
    "area",
    "cohort",
    "period",
    "horizon",
    "estimate",
    "std_error",
    "conf_low",
    "conf_high",
    "level",
    "p_value",
    "prob_reduction",
)
TERMS = (
    "att",
    "cell",
    "event",
    "cohort",
    "calendar",
    "area",
    "event_average",
    "cohort_average",
    "calendar_average",
)
SCALES = ("difference", "rate_ratio", "per_100k", "events")


@dataclass(frozen=True)
class Effect:
    """One number with its uncertainty. Negative differences and ratios below 1 mean fewer."""

    term: str
    scale: str
    estimate: float
    std_error: float
    conf_low: float
    conf_high: float
    level: float
    p_value: float
    prob_reduction: float = float("nan")

    @property
    def percent(self) -> tuple[float, float, float]:
        """A rate ratio and its limits as per cent change; an EstimationError on any other scale."""
        if self.scale != "rate_ratio":
            raise EstimationError(f"only a rate ratio reads as per cent change, not {self.scale!r}")
        return tuple(100 * (v - 1) for v in (self.estimate, self.conf_low, self.conf_high))  # type: ignore[return-value]


@dataclass(frozen=True)
class Headline:
    """The average effect on the three scales that readers ask for; None where the method gives none."""

    rate_ratio: Effect | None
    per_100k: Effect | None
    events: Effect | None
    difference: Effect | None
    question: str
    negative: str = "fewer"

    def __str__(self) -> str:
        parts = []
        if self.rate_ratio is not None:
            change, low, high = self.rate_ratio.percent
            limits = _limits(low, high, "{:+.1f}%")
            parts.append(f"rate ratio {self.rate_ratio.estimate:.3f} ({change:+.1f}%, {limits})")
        for effect, form, unit in (
            (self.per_100k, "{:+.2f}", "per 100,000 per period"),
            (self.events, "{:+,.0f}", "events"),
        ):
            if effect is not None:
                limits = _limits(effect.conf_low, effect.conf_high, form)
                parts.append(f"{form.format(effect.estimate)} {unit} ({limits})")
        if not parts and self.difference is not None:
            d = self.difference
            limits = _limits(d.conf_low, d.conf_high, "{:+.4g}")
            parts.append(f"{d.estimate:+.4g} in the outcome's units ({limits})")
        if not parts:
            return f"{self.question}: no average effect could be estimated; the notes say why."
        return f"{self.question}: " + "; ".join(parts) + f". Negative means {self.negative}."


def _limits(low: float, high: float, form: str) -> str:
    if np.isnan(low) and np.isnan(high):
        return "no interval"
    return f"{form.format(low)} to {form.format(high)}"


@dataclass(frozen=True, eq=False)
class JointEstimate:
    """Estimates with their covariance on the scale they were estimated on, for joint tests.

    Attributes
    ----------
    scale : {"log_rate_ratio", "difference"}
    index : pandas.DataFrame
        Columns term, cohort, period, horizon; one row an estimate.
    estimate : ndarray, shape (K,)
    covariance : ndarray, shape (K, K)
    base : {"reference", "varying", "average"} or None
        What effects before the start are relative to: one period, which is left out; the period before each; the
        average before the start. None where the method does not say.
    binned : bool
        Whether the first lead also holds all periods before it.
    shrunk : bool
        Whether correlations were drawn towards none, so that leads no longer keep the sum that they were given.
    reference : int, optional
        Horizon of the one period that estimates are relative to, where it is not the last before the start or before
        anticipation because no treated area is known then.
    before : Grouped, optional
        For a joint test that the estimates before the start are zero: their means over groups of neighbouring horizons,
        with the covariance that these would have if all were zero. What each area adds is taken about zero and not
        about the fitted estimates, so that the noise of a cohort of one area is in it.
    """

    scale: str
    index: pd.DataFrame
    estimate: NDArray[np.float64]
    covariance: NDArray[np.float64]
    base: str | None = None
    binned: bool = False
    shrunk: bool = False
    reference: int | None = None
    before: Grouped | None = None

    def __post_init__(self) -> None:
        size = len(self.index)
        if self.estimate.shape != (size,) or self.covariance.shape != (size, size):
            raise DataError(f"a joint estimate of {size} rows needs {size} estimates and a {size} x {size} covariance")

    def pick(self, mask: NDArray[np.bool_]) -> JointEstimate:
        """Return the rows where `mask` is true."""
        mask = np.asarray(mask, dtype=bool)
        index = self.index.loc[mask].reset_index(drop=True)
        covariance = self.covariance[np.ix_(mask, mask)]
        return replace(self, index=index, estimate=self.estimate[mask], covariance=covariance)

"""Jackknife over areas or clusters of them, for any estimator, and what each area adds to the estimate."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from svmodel.design import DesignArrays
from svmodel.design.clusters import cluster_words
from svmodel.errors import EstimationError, shorten
from svmodel.inference import statistic
from svmodel.numerics.arrays import Floats, Ints
from svmodel.numerics.cluster import small_sample
from svmodel.result import Result
from svmodel.result.interval import Interval
from svmodel.result.method import arrays_of
from svmodel.result.scales import critical_value


@dataclass(frozen=True)
class Jackknife:
    """Leave one area or cluster out at a time; the variance is CV3, ``(G - 1) / G sum_g (estimate_(g) - estimate)^2``.

    Parameters
    ----------
    level : float

    Notes
    -----
    It supposes that areas are independent. For a linear regression it is CR3 exactly, which errs on the wide side.
    The interval is Student's t with Satterthwaite's degrees of freedom, treated and other areas being two groups
    (:func:`svmodel.numerics.cluster.small_sample`); nothing here is random.

    References
    ----------
    MacKinnon, Nielsen and Webb (2023), *Journal of Applied Econometrics* 38(5), on CV3. Bell and McCaffrey (2002),
    *Survey Methodology* 28(2).

    Examples
    --------
    >>> from svmodel import Design, did, simulate
    >>> made = simulate.panel(30, 24, cohorts=[(12, 10)], effect=0.7, seed=1)
    >>> design = Design(made.panel, outcome="violence", exposure="population", intervention=made.intervention)
    >>> result = did.TwoWayFixedEffects().fit(design)
    >>> found = Jackknife().infer(result).effect("att", "rate_ratio")
    >>> found.conf_low < found.estimate < found.conf_high < 1
    True
    >>> table = Jackknife().table(result)
    >>> round(float(table["share"].sum()), 6)
    1.0
    """

    level: float = 0.95

    def __post_init__(self) -> None:
        statistic.problems_of(self).raise_if_any(EstimationError, "Jackknife cannot be used")

    def infer(self, result: Result, *, seed: int = 0) -> Result:  # noqa: ARG002 - nothing here is random
        """Return the result with this standard error and interval on its average effect.

        Parameters
        ----------
        result : Result
        seed : int
            Not used; every area is left out once.

        Returns
        -------
        Result

        Raises
        ------
        EstimationError
            If a single area is treated or serves as control, or the effect is not identified without some area.
        """
        arrays, scale, estimate, without = self._leave_out(result, together=True)
        units = arrays.units
        lost = [units.names[k] if units.names else arrays.areas[k] for k in np.flatnonzero(~np.isfinite(without))]
        if lost:
            raise EstimationError(
                f"the effect is not identified, or not finite, without {shorten(lost)}: their noise is in no "
                "jackknife, and a variance from the other areas would be too small"
            )
        G = len(without)
        error, df = cv3(estimate - without, units.some(arrays.treated.any(axis=1)).astype(np.int64))
        low, high, p = by_t(estimate, error, df, self.level)
        why = (
            f"The interval is a jackknife's over {G} {cluster_words(units)} (CV3; t with {df:.1f} degrees of freedom). "
            f"{statistic.independent(arrays)}"
        )
        why += statistic.few(arrays, "it rests on few areas, and may be too narrow (MacKinnon and Webb 2017).")
        interval = Interval(
            scale, estimate, error, low, high, p, self.level, f"jackknife over {G} {cluster_words(units)}", why
        )
        return statistic.answered(result, interval)

    def table(self, result: Result) -> pd.DataFrame:
        """Return what each area adds to the average effect.

        Parameters
        ----------
        result : Result

        Returns
        -------
        pandas.DataFrame
            One row an area, in the order of the panel: ``area``, ``treated``, ``estimate_without`` (on the scale of
            ``scale``: a difference, or a log rate ratio; NaN where not identified without it), ``influence`` (the
            estimate less that) and ``share`` (of the sum of squared influences).
        """
        arrays, scale, estimate, without = self._leave_out(result)
        loss = estimate - without
        squares = np.where(np.isfinite(loss), loss, 0.0) ** 2
        total = squares.sum()
        return pd.DataFrame(
            {
                "area": list(arrays.areas),
                "treated": arrays.treated.any(axis=1),
                "scale": scale,
                "estimate_without": without,
                "influence": loss,
                "share": squares / total if total > 0 else np.full(len(loss), np.nan),
            }
        )

    def _leave_out(self, result: Result, *, together: bool = False) -> tuple[DesignArrays, str, float, Floats]:
        """Return the arrays, scale and estimate, and the estimate without each area, or without each cluster."""
        arrays = arrays_of(result.estimator, statistic.design_of(result, "a jackknife"))
        arrays = arrays if together else replace(arrays, clusters=None)
        statistic.refuse_lone(arrays, "a jackknife")
        estimate = statistic.finite_estimate(result)
        point, order = statistic.point_by_rows(result), statistic.data_order(arrays)
        label = arrays.units.label[order]
        without = np.array([point(order[label != k]) for k in range(arrays.units.n)])
        return arrays, statistic.scale_of(result), estimate, without


def cv3(loss: Floats, group: Ints) -> tuple[float, float]:
    """Return the standard error (CV3) of an estimate and its degrees of freedom.

    Parameters
    ----------
    loss : ndarray, shape (G,)
        The estimate less that without each area in turn.
    group : ndarray of int, shape (G,)
        1 for treated areas.
    """
    G = len(loss)
    mean = np.array([loss[group == g].mean() for g in range(2)])
    df = small_sample(loss - mean[group], group).df
    return float(np.sqrt((G - 1) / G * (loss**2).sum())), float(min(df, G - 1.0) if np.isfinite(df) else G - 1.0)


def by_t(estimate: float, error: float, df: float, level: float) -> tuple[float, float, float]:
    """Return limits and p-value by Student's t."""
    from scipy import special  # slow to load

    half = critical_value(level, df) * error
    p = float(2 * special.stdtr(df, -abs(estimate) / error)) if error > 0 else float("nan")
    return estimate - half, estimate + half, p

"""What a two-way fixed effects coefficient is made of: Goodman-Bacon's comparisons, and the weights of the effects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from svmodel import periods as period_words
from svmodel.design import EXCLUDED, Design, DesignArrays
from svmodel.errors import DesignError, Problems
from svmodel.numerics.arrays import Floats

#: In the order of the table: the comparison, and how a report calls it.
TYPES = {
    "treated_vs_never": "treated areas with areas never treated",
    "earlier_vs_later": "areas that started earlier with areas that had not started yet",
    "later_vs_earlier": "areas that started later with areas already treated",
}


def bacon_decomposition(design: Design) -> pd.DataFrame:
    """Split the linear two-way fixed effects coefficient into its two-by-two comparisons.

    Parameters
    ----------
    design : Design
        Complete: an outcome in every area and period. Its exposure is of no account here.

    Returns
    -------
    DataFrame
        One row a comparison: ``type`` (``treated_vs_never``, ``earlier_vs_later``, ``later_vs_earlier``), ``treated``
        and ``control`` (first treated period of the cohort; control is None for the never treated), ``weight`` (they
        sum to one, none is negative) and ``estimate`` (difference-in-differences of the means, in the outcome's units;
        negative means fewer harms). The sum of weight times estimate is the coefficient of
        ``TwoWayFixedEffects(family="linear")``.

    Raises
    ------
    DesignError
        If the design has problems, lacks an outcome, has covariates, or holds cells that are neither treated nor
        control (anticipation, ends): the theorem is about none of these.

    Notes
    -----
    ``later_vs_earlier`` takes areas already treated for controls. Where effects grow with time it subtracts that
    growth, so an effect can come out too small, or with the wrong sign, in spite of positive weights.

    References
    ----------
    Goodman-Bacon (2021), *Journal of Econometrics* 225(2), theorem 1 (eq. 10a-10g).

    Examples
    --------
    >>> from svmodel import Design, Intervention, Panel
    >>> counts = {"A": [10, 12, 6, 7], "B": [20, 22, 21, 13], "C": [15, 14, 16, 16]}
    >>> frame = pd.DataFrame([(a, 2020 + t, n) for a, row in counts.items() for t, n in enumerate(row)],
    ...     columns=["area", "year", "harms"])
    >>> panel = Panel.from_frame(frame, area="area", period="year", counts=["harms"])
    >>> design = Design(panel, outcome="harms", intervention=Intervention("patrols", {"A": 2022, "B": 2023}))
    >>> bacon_decomposition(design)[["type", "weight", "estimate"]].round(3).values.tolist()
    [['treated_vs_never', 0.4, -6.0], ['treated_vs_never', 0.3, -9.0], ['earlier_vs_later', 0.2, -5.0], \
['later_vs_earlier', 0.1, -9.0]]
    """
    arrays = design.arrays
    _require_complete(design, arrays)
    T = len(arrays.periods)
    start = np.where(arrays.start < T, arrays.start, T)
    cohorts = [int(g) for g in np.unique(start)]
    n = {g: float((start == g).mean()) for g in cohorts}
    share = {g: (T - g) / T for g in cohorts}
    mean = {g: arrays.y[start == g].mean(axis=0) for g in cohorts}
    timed = [g for g in cohorts if g < T]

    rows: list[tuple[str, int, int, float, float]] = []

    def change(g: int, after: slice, before: slice) -> float:
        return float(mean[g][after].mean() - mean[g][before].mean())

    def compared(kind: str, treated: int, control: int, weight: float, after: slice, before: slice) -> None:
        rows.append((kind, treated, control, weight, change(treated, after, before) - change(control, after, before)))

    if T in n:
        for k in timed:
            # eq. 7 and 10e: the variance of treatment in the pair, by the square of the pair's share
            weight = n[k] * n[T] * share[k] * (1 - share[k])
            compared("treated_vs_never", k, T, weight, slice(k, T), slice(0, k))
    for i, k in enumerate(timed):
        for later in timed[i + 1 :]:
            # eq. 8 and 10f: periods before the later start; eq. 9 and 10g: periods from the earlier start on
            first = n[k] * n[later] * (share[k] - share[later]) * (1 - share[k])
            second = n[k] * n[later] * share[later] * (share[k] - share[later])
            compared("earlier_vs_later", k, later, first, slice(k, later), slice(0, k))
            compared("later_vs_earlier", later, k, second, slice(later, T), slice(k, later))
    if not rows:
        raise DesignError("nothing to compare: all areas start in the same period")
    rows.sort(key=lambda r: (list(TYPES).index(r[0]), r[1], r[2]))
    names = [*arrays.periods, None]
    raw = np.array([r[3] for r in rows])
    return pd.DataFrame(
        {
            "type": [r[0] for r in rows],
            "treated": pd.Series([names[r[1]] for r in rows], dtype=object),
            "control": pd.Series([names[r[2]] for r in rows], dtype=object),
            "weight": raw / raw.sum(),
            "estimate": [r[4] for r in rows],
        }
    )


def _require_complete(design: Design, arrays: DesignArrays) -> None:
    """Raise with everything that keeps the theorem from holding."""
    found = Problems()
    word = period_words.describe_frequency(arrays.periods)
    missing = int(np.isnan(arrays.y).sum())
    if missing:
        fix = f"Choose areas and a window that are complete; {missing:,} area-{word}s lack it."
        found.add("the outcome is not known in every area and period", where=design.outcome, fix=fix, rule="unbalanced")
    if (arrays.status == EXCLUDED).any():
        fix = "Set anticipation=0 and leave out areas whose intervention ended."
        found.add("some cells serve neither as treated nor as control", where="design", fix=fix, rule="excluded")
    if design.covariates:
        found.add("the decomposition knows no covariates", where="covariates", fix="Give none.", rule="covariates")
    found.raise_if_any(DesignError, "the two-way coefficient cannot be decomposed")


def describe_bacon(table: pd.DataFrame) -> str:
    """Return one or two sentences on a decomposition, for a report.

    Examples
    --------
    >>> table = pd.DataFrame({"type": ["treated_vs_never", "later_vs_earlier"], "weight": [0.75, 0.25],
    ...     "estimate": [-2.0, 2.0]})
    >>> describe_bacon(table)
    'Of the two-way coefficient of -1, 75% compares treated areas with areas never treated (average -2) and 25% areas \
that started later with areas already treated (average 2). Comparisons with areas already treated mislead where \
effects change over time.'
    """
    total = float(table["weight"] @ table["estimate"])
    parts: list[str] = []
    for kind, words in TYPES.items():
        part = table[table["type"] == kind]
        weight = float(part["weight"].sum())
        if weight > 0:
            average = float(part["weight"] @ part["estimate"]) / weight
            parts.append(f"{weight:.0%} {'compares ' if not parts else ''}{words} (average {average:.3g})")
    said = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    text = f"Of the two-way coefficient of {total:.3g}, {said}."
    if (table["type"] == "later_vs_earlier").any():
        text += " Comparisons with areas already treated mislead where effects change over time."
    return text


@dataclass(frozen=True)
class TwoWayWeights:
    """The weights with which a two-way coefficient averages the effects of treated area-periods.

    Attributes
    ----------
    coefficient : float
        A log rate ratio (Poisson, weights to first order) or a difference.
    cells, negative : int
        Treated area-periods, and those with a negative weight.
    sum_negative : float
        Sum of the negative weights, 0 or below; all weights sum to one.
    share_negative : float
        Share of treated area-periods with a negative weight.
    sigma : float
        The least standard deviation of effects between treated area-periods with which the average effect on the
        treated could be zero (de Chaisemartin and D'Haultfoeuille 2020, corollary 1 i). Small against the coefficient
        means that little heterogeneity is enough to mislead. Infinite where all weights are equal.
    sigma_sign : float
        The least with which every treated area-period could have an effect of the other sign (corollary 1 ii). Infinite
        where no weight is negative.
    """

    coefficient: float
    cells: int
    negative: int
    sum_negative: float
    share_negative: float
    sigma: float
    sigma_sign: float

    def __str__(self) -> str:
        text = (
            f"{self.share_negative:.0%} of {self.cells:,} treated area-periods have a negative weight in the two-way "
            f"coefficient of {self.coefficient:.3g}; these weights sum to {self.sum_negative:.3g}."
        )
        if np.isfinite(self.sigma):
            text += (
                f" Effects that vary between area-periods with a standard deviation of {self.sigma:.3g} are enough for "
                "the average effect to be zero."
            )
        return text


def weigh(coefficient: float, weights: Floats) -> TwoWayWeights:
    """Summarise weights that sum to one over treated area-periods.

    Parameters
    ----------
    coefficient : float
    weights : ndarray, shape (n,)

    Notes
    -----
    With ``w = n weights``, so that its mean is one, ``sigma = |coefficient| / sd(w)``. Order w from the largest to the
    smallest, and write P_i, S_i and Q_i for the number, the sum of w and the sum of w^2 of the cells from i on, each
    over n: with s the first i for which ``w_i < -S_i / (1 - P_i)``,
    ``sigma_sign = |coefficient| / sqrt(Q_s + S_s^2 / (1 - P_s))``.
    """
    n = len(weights)
    w = np.sort(weights * n)[::-1]
    # what is only rounding of zero is not negative, and what is only rounding of one is no spread
    negative = w < -1e-10
    spread = float(np.sqrt(((w - 1) ** 2).mean()))
    sigma = abs(coefficient) / spread if spread > 1e-10 else np.inf
    sigma_sign = np.inf
    if negative.any():
        share = np.arange(n, 0, -1) / n
        total, square = (np.cumsum(v[::-1])[::-1] / n for v in (w, w**2))
        with np.errstate(divide="ignore"):
            s = int(np.flatnonzero((w < -total / (1 - share)) & (share < 1))[0])
        sigma_sign = abs(coefficient) / float(np.sqrt(square[s] + total[s] ** 2 / (1 - share[s])))
    low = float(w[negative].sum()) / n
    return TwoWayWeights(coefficient, n, int(negative.sum()), low, float(negative.mean()), sigma, sigma_sign)

"""Posterior draws of events without the intervention as rows and weights, and their notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.counterfactual.series import few_others, path_of, summed_areas, terms_of, unsummed
from svmodel.counterfactual.structural_time_series.predict import COVARIATE, SUM, Prediction
from svmodel.design import Design, DesignArrays
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.result.doubts import design_doubts
from svmodel.result.notes import Notes
from svmodel.result.tables import ALL_TREATED

#: Above this chains are told to have met roughly.
_R_HAT_ROUGH = 1.02
_FEW_EVENTS = 5.0


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
    rows = []
    for term, which, chosen in terms_of([p.series for p in held], arrays):
        cells = cells_in(held, chosen)
        if cells:
            exposure = float(sum(p.series.exposure[m].sum() for p, m in zip(held, chosen, strict=True)))
            rows += writer.rows(term, *summed(held, chosen), cells, exposure, **which)
    return rows


def cells_in(held: Sequence[Prediction], chosen: Sequence[Mask]) -> float:
    """Return how many area-periods the chosen periods of each series are."""
    return float(sum(int(m.sum()) * len(p.series.rows) for p, m in zip(held, chosen, strict=True)))


def summed(held: Sequence[Prediction], chosen: Sequence[Mask]) -> tuple[float, float, Floats]:
    """Return observed, expected and draws of predicted events over chosen periods of each series."""
    pairs = list(zip(held, chosen, strict=True))
    observed = float(sum(p.series.y[m].sum() for p, m in pairs))
    expected = float(sum(p.expected[m].sum() for p, m in pairs))
    predicted = np.sum([p.predicted[:, m].sum(axis=1) for p, m in pairs], axis=0)
    return observed, expected, predicted


def path(held: Sequence[Prediction], arrays: DesignArrays, level: float) -> pd.DataFrame:
    """Return observed and expected events by period, with limits of what would have been observed."""
    time = np.arange(len(arrays.periods))

    def numbers(used: list[Mask], live: Ints) -> Floats:
        rows = []
        for t in live:
            observed, expected, predicted = summed(held, [(time == t) & use for use in used])
            rows.append((observed, expected, *np.quantile(predicted, [0.5 - level / 2, 0.5 + level / 2])))
        return np.array(rows).T

    return path_of([p.series for p in held], arrays, numbers)


def weights_of(held: Sequence[Prediction], arrays: DesignArrays) -> pd.DataFrame | None:
    """Return each untreated area's probability of being in the model and its mean coefficient, by series."""
    rows = []
    for p in held:
        into = ALL_TREATED if len(p.series.rows) > 1 else arrays.areas[int(p.series.rows[0])]
        for j in np.argsort(p.candidates.rows, kind="stable"):
            beta = p.draws.beta[:, :, j]
            row = int(p.candidates.rows[j])
            name = {COVARIATE: "covariate", SUM: "all untreated"}.get(row) or arrays.areas[row]
            rows.append((into, arrays.periods[p.series.start], name, float((beta != 0).mean()), float(beta.mean())))
    return pd.DataFrame(rows, columns=["series", "cohort", "area", "inclusion", "weight"]) if rows else None


def limits_rest_on(level_sd: float, level_df: float, word: str) -> str:
    """Return what limits rest on; `word` is what a period is called."""
    return (
        f"Posterior with a prior that the level moves by {level_sd:g} standard deviations a {word}, worth "
        f"{level_df:g} observations: long predictions rest on it. The p-value is a tail area, doubled."
    )


def notes_of(design: Design, held: Sequence[Prediction], why: str, *, season: str) -> Notes:
    """Return the notes; `why` says what limits rest on."""
    index = design.view.periods
    word = periods.describe_frequency(index)
    n = max(len(p.candidates.rows) for p in held)
    notes = Notes()
    if n:
        notes.say(
            f"{n} series that had no intervention may predict the treated ones, as they did before the start. That "
            "they went on to do so, and were not touched by the intervention, is supposed. Series with much noise "
            "of their own are followed in part only: of a fall that all share, the rest passes for an effect."
        )
    else:
        notes.warn(
            "identification",
            "The series is held against its own past alone: anything else that happened at the same time passes "
            "for the effect.",
        )
        if season == "none" and periods.per_year(index) > 1:
            notes.say("Nothing here knows of the season: use season='dummies', or controls that have one.")
    notes.warn(
        "interval",
        "The interval is in doubt: the model knows no errors that last, and in simulation with controls 95% "
        "intervals held no effect in 79 to 92 of 100 series. Read it as the least there is.",
    )
    notes.add([*unsummed(design, [p.series for p in held]), *few_others(n)])
    notes.add(design_doubts(design, additive=True, rates=False, controls=n > 0))
    left_out = max(p.candidates.left_out for p in held)
    if left_out:
        notes.say(f"{left_out} untreated areas are left out: missing in a {word} used, or without change before.")
    lost = sum(p.series.lost for p in held)
    if lost:
        notes.say(f"{lost} {word}s of treated series are left out, because an area was missing in them.")
    notes.say(*summed_areas([p.series for p in held]))
    if len(held) > 1:
        notes.say("Series are predicted one by one: shocks that they share are in no interval of their sum.")
    few = [p for p in held if design.is_count and p.series.y[p.series.before].mean() < _FEW_EVENTS]
    if few:
        notes.warn(
            "interval",
            f"{len(few)} of {len(held)} series have less than {_FEW_EVENTS:.0f} events a {word}: the noise of such "
            "counts is not normal, as the model has it.",
        )
    notes.say(why)
    worst = max(p.mixing[0] for p in held)
    if worst > _R_HAT_ROUGH:
        text = f"Chains have met roughly (R-hat {worst:.3f}): give more draws before quoting limits closely."
        notes.warn("sampler", text)
    return notes

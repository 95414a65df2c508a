"""What a synthetic difference-in-differences result says: rows, paths, weights and notes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from svmodel import periods as period_words
from svmodel.counterfactual.noise_by_level import roughness
from svmodel.counterfactual.series import zero_donors
from svmodel.counterfactual.synthetic_did.blocks import FEWEST_BEFORE
from svmodel.counterfactual.synthetic_did.errors import Uncertainty
from svmodel.counterfactual.synthetic_did.estimate import Estimate, Terms
from svmodel.design import EXCLUDED, NEVER, Design, DesignArrays
from svmodel.errors import shorten
from svmodel.numerics.arrays import Floats
from svmodel.result.doubts import design_doubts, shared_noise
from svmodel.result.notes import Notes
from svmodel.result.scales import is_rounding
from svmodel.result.tables import ALL_TREATED, observed_and_expected

#: A fit before the start that misses by more than this share of the donors' own spread is called poor.
POOR = 1.0
_FEW_DONORS = 5


def rows(
    est: Estimate, terms: Terms, errors: Uncertainty, arrays: DesignArrays, *, counts: bool, level: float
) -> tuple[list[dict[str, Any]], int]:
    """Return the rows of all terms on every scale, and how many rate ratios could not be formed.

    The method is additive, so the observed sum O is held, and a limit on the events gives that on the ratio,
    ``O / (O - events)``.
    """
    out: list[dict[str, Any]] = []
    lacking = 0
    several = len({b.start for b in est.blocks}) > 1
    for j, key in enumerate(terms.keys):
        if key["term"] in ("cohort", "calendar") and not several:
            continue
        which = {k: arrays.periods[v] if k in ("cohort", "period") else v for k, v in key.items() if k != "term"}
        value = float(terms.chosen[j] @ est.events)
        numbers = (value, float(errors.std_error[j]), value - float(errors.half[j]), value + float(errors.half[j]))
        p_value = float(errors.p_value[j])
        if is_rounding(value, numbers[1]):
            numbers, p_value = (value, np.nan, np.nan, np.nan), np.nan
        shared = {"term": key["term"], "level": level, "p_value": p_value, **which}
        factors = {"difference": 1 / terms.cells[j]}
        if counts and terms.exposure[j] > 0:
            factors["per_100k"] = 1e5 / terms.exposure[j]
        if counts and terms.after[j]:
            factors["events"] = 1.0
        for scale, factor in factors.items():
            out.append({"scale": scale, **_numbers(factor * v for v in numbers), **shared})
        if counts and terms.after[j]:
            observed = float(terms.observed[j])
            if observed - value > 0:
                out.append({"scale": "rate_ratio", **_numbers(_ratio(observed, *numbers)), **shared})
            else:
                lacking += 1
    return out, lacking


def _numbers(four: Iterable[float]) -> dict[str, float]:
    return dict(zip(("estimate", "std_error", "conf_low", "conf_high"), four, strict=True))


def _ratio(observed: float, value: float, error: float, low: float, high: float) -> tuple[float, ...]:
    """Return the rate ratio with its error and limits."""
    ratio = observed / (observed - value)
    if observed <= 0:  # without an event every expected sum gives a ratio of zero: no limits
        return ratio, np.nan, np.nan, np.nan
    limits = [np.nan if np.isnan(v) else observed / (observed - v) if v < observed else np.inf for v in (low, high)]
    return ratio, ratio**2 * error / observed, *limits


def counterfactual(est: Estimate, terms: Terms, errors: Uncertainty, arrays: DesignArrays) -> pd.DataFrame:
    """Observed and expected outcomes of treated areas, before and after; "all treated" sums them by period.

    Before the start the expected outcome is the fit, shifted by the intercept. Limits are those of the sum over all
    treated areas in a treated period; single areas have none.
    """
    length = len(arrays.periods)
    expected = np.full(arrays.y.shape, np.nan)
    for block, found in zip(est.blocks, est.gaps, strict=True):
        picked = np.ix_(block.treated, block.periods)
        expected[picked] = arrays.y[picked] - est.held.size[picked] * found
    own = np.unique(np.concatenate([b.treated for b in est.blocks]))
    known = ~np.isnan(expected[own])
    who, when = np.nonzero(known)
    whole = np.flatnonzero(known.all(axis=0))
    low, high = np.full(length, np.nan), np.full(length, np.nan)
    total = expected[own].sum(axis=0)
    for j, key in enumerate(terms.keys):
        t = key.get("period")
        if t is not None and known[:, t].all() and terms.cells[j] == len(own):
            low[t], high[t] = total[t] - errors.half[j], total[t] + errors.half[j]
    names, labels = np.array(arrays.areas, dtype=object), np.array(list(arrays.periods), dtype=object)
    blank = np.full(len(who), np.nan)
    return observed_and_expected(
        [*names[own[who]], *[ALL_TREATED] * len(whole)],
        [*labels[when], *labels[whole]],
        observed=np.concatenate([arrays.y[own[who], when], arrays.y[np.ix_(own, whole)].sum(axis=0)]),
        expected=np.concatenate([expected[own[who], when], total[whole]]),
        low=np.concatenate([blank, low[whole]]),
        high=np.concatenate([blank, high[whole]]),
    )


def weight_table(est: Estimate, arrays: DesignArrays) -> pd.DataFrame:
    """Weights of donors (omega) and of periods before the start (lambda), block by block.

    Columns: ``kind`` (area or period), ``cohort``, ``treated_areas`` (how many a block has), ``area``, ``period``,
    ``weight``. Weights of a kind sum to one in a block.
    """
    rows: list[tuple[Any, ...]] = []
    for block, fit in zip(est.blocks, est.weights, strict=True):
        of = (arrays.periods[block.start], float(len(block.treated)))
        listed = np.argsort(block.donors)
        donors = zip(block.donors[listed], fit.omega[listed].tolist(), strict=True)
        rows += [("area", *of, arrays.areas[i], None, w) for i, w in donors]
        rows += [
            ("period", *of, None, arrays.periods[t], w) for t, w in zip(block.before, fit.lam.tolist(), strict=True)
        ]
    names = ("kind", "cohort", "treated_areas", "area", "period", "weight")
    numbers = ("treated_areas", "weight")
    columns = zip(names, zip(*rows, strict=True), strict=True)
    return pd.DataFrame({k: pd.Series(v, dtype=float if k in numbers else object) for k, v in columns})


def fit_quality(est: Estimate) -> list[dict[str, float]]:
    """Return how well each block is matched before the start.

    ``pre_rmse`` and ``donor_spread`` are in the working outcome's units, both free of levels where the method has an
    intercept; ``systematic`` is what of the former is more than noise; ``above`` and ``below`` are the shares of
    periods in which the treated mean lies outside all donors.
    """
    out = []
    for block, fit in zip(est.blocks, est.weights, strict=True):
        donors = est.held.y[np.ix_(block.donors, block.before)]
        share = block.before_size[:, 0] / block.before_size[:, 0].sum()
        own = share @ est.held.y[np.ix_(block.treated, block.before)]
        gap = own - fit.omega @ donors
        apart = donors - donors.mean(axis=0)
        if est.how.method != "sc":
            gap = gap - gap.mean()
            apart = apart - apart.mean(axis=1, keepdims=True)
        out.append(
            {
                "pre_rmse": float(np.sqrt((gap**2).mean())),
                "systematic": _systematic(gap),
                "donor_spread": float(np.sqrt((apart**2).mean())),
                "above": float((own > donors.max(axis=0)).mean()),
                "below": float((own < donors.min(axis=0)).mean()),
                "donors": float(len(block.donors)),
                "effective_donors": float(1 / (fit.omega**2).sum()),
                "kkt": fit.kkt,
            }
        )
    return out


def _systematic(gap: Floats) -> float:
    """Return the root mean square of the part of a gap that does not come and go from period to period; 0 if noise.

    With n periods of noise its :func:`roughness` over its mean square lies about 1, with standard deviation
    1 / sqrt(n) (von Neumann 1941).
    """
    n, square = len(gap), float((gap**2).mean())
    if n <= FEWEST_BEFORE:
        return float(np.sqrt(square))
    noise = roughness(gap)
    return float(np.sqrt(square - noise)) if noise < max(1 - 2.33 / np.sqrt(n), 0.2) * square else 0.0


def notes_of(design: Design, est: Estimate, quality: list[dict[str, float]], why: str) -> Notes:
    """Return the notes; `quality` is what :func:`fit_quality` gives, and `why` says what errors rest on."""
    notes = Notes()
    word = period_words.describe_frequency(design.arrays.periods)
    _on_data(notes, design, est, word)
    _on_fit(notes, design, est, quality, word)
    notes.say(why)
    if est.how.solver == "frank_wolfe":
        notes.say("Weights are those of R's synthdid, which stops short of the optimum.")
    return notes


def _on_data(notes: Notes, design: Design, est: Estimate, word: str) -> None:
    """Say what of the data takes no part, and why."""
    left, arrays, block = est.left_out, design.arrays, est.blocks[0]

    def named(places: Iterable[int]) -> str:
        return shorten([design.panel.label(arrays.areas[i]) for i in places]).replace("'", "")

    notes.add(zero_donors(design, arrays.y[np.ix_(block.donors, block.before)]))
    notes.add([*design_doubts(design, additive=True, rates=est.held.rates), *shared_noise(design)])
    if est.held.rates:
        notes.say(
            "Areas are compared by rates per 100,000, so that large and small ones can stand for each other; effects "
            "are given back in the outcome's units by each treated area's own exposure."
        )
    elif design.is_count:
        notes.say("Areas are compared by their numbers, not rates: an area larger than every donor is hard to match.")
    for key, why in (
        ("short", f"fewer than {FEWEST_BEFORE} {word}s with an outcome before the start"),
        ("unseen", "no treated period with a known outcome"),
        ("few_donors", "no two never treated areas whose outcome is known in all of the periods"),
    ):
        if left[key]:
            text = f"Left out of the average effect: {named(left[key])} ({why})."
            notes.warn("identification", text, [arrays.areas[i] for i in left[key]])
    if left["gaps"]:
        notes.say(
            f"{len(left['gaps'])} never treated areas lack an outcome in a {word} that is needed and do not serve as "
            f"donors there: {named(left['gaps'])}. A missing outcome is never taken as zero."
        )
    if left["cells"]:
        notes.say(
            f"{left['cells']} area-{word}s of treated areas lack the outcome, the exposure or a covariate and are left "
            "out, before the start and after it."
        )
    later = arrays.start[(arrays.status == 0).all(axis=1)]
    if (later < NEVER).any():
        notes.say(f"Areas that start after the last {word} serve as never treated.")
    ended = ((arrays.status == EXCLUDED) & (np.arange(arrays.y.shape[1]) > arrays.start[:, None])).any(axis=1)
    if ended.any():
        where = named(np.flatnonzero(ended))
        notes.say(f"{word.capitalize()}s after the end of the intervention are left out ({where}).")
    if len(est.held.beta):
        told = ", ".join(f"{c} {b:.4g}" for c, b in zip(design.covariates, est.held.beta, strict=True))
        notes.say(
            f"Covariates were projected out first, by a regression with area and {word} effects on untreated cells "
            f"(coefficients: {told}); intervals take these as known, except the bootstrap's."
        )


def _on_fit(notes: Notes, design: Design, est: Estimate, quality: list[dict[str, float]], word: str) -> None:
    """Say where the treated areas cannot be matched, and what the method does about it."""
    arrays = design.arrays
    for block, q in zip(est.blocks, quality, strict=True):
        who = f"the treated areas that started in {period_words.label(arrays.periods[block.start])}"
        if len(est.blocks) == 1:
            who = "the treated area" if len(block.treated) == 1 else "the treated areas"
        about = [arrays.areas[i] for i in block.treated]
        outside = [f"{side} every donor in {q[side]:.0%}" for side in ("above", "below") if q[side] > 0.5]
        if outside:
            does = (
                "The intercept allows a constant gap, so the estimate rests on the gap staying as it was, as "
                "difference-in-differences supposes; no weights reach the level itself."
                if est.how.method != "sc"
                else "No weights reach it, and the gap that is left counts as effect: take method='sdid'."
            )
            text = f"Outside the donors: {who} lie {' and '.join(outside)} of the {word}s before the start. {does}"
            notes.warn("fit", text, about)
        if q["donor_spread"] == 0 or (q["systematic"] > 0 and q["pre_rmse"] > POOR * q["donor_spread"]):
            text = (
                f"Poor fit before the start: {who} are missed by {q['pre_rmse']:.3g} (root mean square), where "
                f"donors differ by {q['donor_spread']:.3g} among themselves. The estimate is not to be trusted."
            )
            notes.warn("fit", text, about)
        if q["donors"] < _FEW_DONORS:
            text = (
                f"Only {q['donors']:.0f} donors for {who}: there is little to weight, and what else happened in one of "
                "them passes for the effect."
            )
            notes.warn("identification", text, about)

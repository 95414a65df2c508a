"""Spillover: whether areas next to treated ones changed with them, by displacement or by diffusion of benefit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from svmodel.adjacency import read_adjacency, rings
from svmodel.checks.declared import check
from svmodel.checks.effects import (
    as_row,
    average_effect,
    evidence,
    is_significant,
    null_value,
    preferred_scale,
    refitted,
)
from svmodel.checks.posterior import quick
from svmodel.checks.spillover_designs import Surroundings, clean_design, ring_design, surroundings
from svmodel.checks.words import CannotBeMadeError, change, change_of, design_of, span
from svmodel.design import Design
from svmodel.errors import DataError, UserError
from svmodel.numerics.displacement import Windows, change_dispersion, displacement_difference, displacement_quotient
from svmodel.periods import per_year
from svmodel.result import Effect, Result
from svmodel.result.check import CheckResult, Status

_NAME = "spillover"
#: Areas beyond the rings without which a ring has nothing to be compared with.
FEWEST_CLEAN = 10
_COLUMNS = ["quantity", "ring", "areas", "scale", "estimate", "conf_low", "conf_high", "p_value", "problem"]


@check("Did it move to, or away from, the neighbours?", needs=("data",))
def spillover(result: Result, *, seed: int = 0, neighbours: Any = None, n_rings: int = 2) -> CheckResult:
    """Estimate the effect on the rings of untreated areas around treated ones, and the effect without them as controls.

    Ring 1 are the never treated areas that border on a treated one, ring 2 those that border on ring 1, and so on. Each
    ring is taken for treated from the first start among the treated areas that are nearest to it, with the treated
    areas left out and the areas beyond all rings as controls, and the estimator is fitted to that. Then the treated
    areas are compared with the areas beyond the rings alone. As many rings are looked at as leave ten such areas, and
    from the second on as many as ring 1 has.

    For counts there are also the quotient of Bowers and Johnson and the differences of Wheeler and Ratcliffe for ring
    1, over equal spans before and after each start (a year, or the shortest time on either side).

    Parameters
    ----------
    result : Result
    seed : int
        Not used; refits take the seed of `result`.
    neighbours : mapping, iterable of pairs, square matrix or frame
        Which areas border on which; see :func:`svmodel.adjacency.read_adjacency`.
    n_rings : int
        Rings to look at.

    Returns
    -------
    CheckResult
        ``failed`` where the interval of the effect on ring 1 leaves out no effect: a positive one is displacement, a
        negative one diffusion of benefit, and either way the controls took part. Ring 2 is then said to be reached if
        its own interval does too, ring 3 if that does, and so on: with this order no allowance for several tests is
        needed. ``informative`` where the method finds no effect on ring 1 and extended two-way fixed effects, which
        measure from all the time before the start, do (row ``effect_on_ring_two_way``). The table has ``quantity, ring,
        areas, scale, estimate, conf_low, conf_high, p_value, problem``.

    Raises
    ------
    DataError
        If `neighbours` names areas that the panel has not, or is in no shape that can be read; if `n_rings` is no whole
        number of 1 or more.

    References
    ----------
    Clarke (2017), *Estimating difference-in-differences in the presence of spillovers*, MPRA 81604; Delgado and Florax
    (2015), *Economics Letters* 137; Butts (2021), arXiv:2105.03737, section 3: rings with controls beyond their reach.
    Bowers and Johnson (2003), *Journal of Quantitative Criminology* 19(3). Wheeler and Ratcliffe (2018), *Crime
    Science* 7:11. Maurer, Hothorn and Lehmacher (1995): tests in an order that was fixed beforehand.
    """
    if isinstance(n_rings, bool) or not isinstance(n_rings, int) or n_rings < 1:
        raise DataError(f"n_rings has to be a whole number of 1 or more, not {n_rings!r}")
    if neighbours is None:
        raise CannotBeMadeError("nobody said which areas border on which (option `neighbours`)")
    result = quick(result)
    design = design_of(result)
    arrays = design.arrays
    # the panel may hold areas that the window leaves without data, and neighbours may be told for all of them
    borders = read_adjacency(neighbours, design.panel.areas)
    place = {a: i for i, a in enumerate(borders.areas)}
    rows = np.array([place[a] for a in arrays.areas])
    ever = arrays.start < len(arrays.periods)
    ring = rings(borders.borders[np.ix_(rows, rows)], ever)
    if not (ring == 1).any():
        raise CannotBeMadeError("no never treated area borders on a treated one")
    around = surroundings(arrays, borders.borders[np.ix_(rows, rows)], ring, most=n_rings, fewest=FEWEST_CLEAN)
    if around is None:
        beyond = int(((ring > 1) | (ring < 0)).sum())
        why = f"only {beyond} areas lie beyond the first ring, and {FEWEST_CLEAN} are needed to compare it with"
        raise CannotBeMadeError(why)
    whole = average_effect(result)
    scale = whole.scale if whole is not None else preferred_scale(result)
    if scale is None:
        raise CannotBeMadeError("the method gives no average effect")
    designs = [ring_design(design, around, k) for k in range(1, around.n_rings + 1)]
    found = [refitted(result, scale, design=d) for d in designs]
    clean = refitted(result, scale, design=clean_design(design, around))
    table = [_row("effect", None, int(ever.sum()), (whole, None), scale)]
    table += [_row("effect_on_ring", k, around.size(k), f, scale) for k, f in enumerate(found, start=1)]
    other = _two_way(result, designs[0])
    if other is not None:
        table.append(_row("effect_on_ring_two_way", 1, around.size(1), (other, None), other.scale))
    table.append(_row("effect_with_clean_controls", None, int(around.clean.sum()), clean, scale))
    words = ""
    if design.is_count:
        made, words = _weighted(design, around)
        table += made
    frame = pd.DataFrame(table).reindex(columns=_COLUMNS)
    frame["ring"] = frame["ring"].astype("Int64")
    frame["areas"] = frame["areas"].astype("Int64")
    first, problem = found[0]
    if first is None:
        text = f"This check could not be made: the method cannot answer for the first ring ({problem})."
        return CheckResult(_NAME, "not_applicable", text, frame)
    status: Status = "failed" if is_significant(first) else "passed"
    if status == "passed" and other is not None and is_significant(other):
        status = "informative"
        words = (
            f"Extended two-way fixed effects, which measure from the whole time before the start, find "
            f"{change_of(other)} in the first ring: spillover is not ruled out. {words}"
        )
    text = " ".join([_text(first, found, around, whole, clean), words, *borders.notes]).strip()
    return CheckResult(_NAME, status, " ".join(text.split()), frame)


_Found = tuple["Effect | None", "str | None"]


def _two_way(result: Result, design: Design) -> Effect | None:
    """Return the effect by a method that measures from the whole time before, unless it is the result's own."""
    from svmodel.did.etwfe import ExtendedTwoWayFixedEffects

    if isinstance(result.estimator, ExtendedTwoWayFixedEffects):
        return None
    family: Any = "poisson" if design.is_count else "linear"
    try:
        return average_effect(ExtendedTwoWayFixedEffects(family=family).fit(design))
    except UserError:  # a second opinion, which a design need not be able to bear
        return None


def _row(quantity: str, ring: int | None, areas: int, found: _Found, scale: str) -> dict[str, object]:
    effect, problem = found
    row = {"quantity": quantity, "ring": ring, "areas": areas, "scale": scale, "problem": problem}
    return {**row, **as_row(effect)}


def _text(first: Effect, found: list[_Found], around: Surroundings, whole: Effect | None, clean: _Found) -> str:
    n, beyond = around.size(1), int(around.clean.sum())
    head = (
        f"In the {n} untreated areas that border on treated ones, beside {beyond} areas further away, the method finds "
        f"{change_of(first)} from the start next door on ({evidence(first)})"
    )
    if is_significant(first):
        up = first.estimate > null_value(first.scale)
        kind = (
            "what is counted seems to have moved next door (displacement)"
            if up
            else "neighbours gained too (diffusion of benefit)"
        )
        reached = 1
        for effect, _ in found[1:]:
            if effect is None or not is_significant(effect):
                break
            reached += 1
        far = f" It is seen up to ring {reached}." if reached > 1 else ""
        bias = "overstates the reduction" if up else "understates it"
        words = f"{head}: {kind}.{far} A comparison that has these areas among its controls {bias}."
    else:
        words = (
            f"{head}, which is no effect within its uncertainty: there is no clear sign of displacement "
            "or of diffusion. Smaller spillovers than the interval holds cannot be ruled out."
        )
    effect, why = clean
    if effect is None:
        return f"{words} Without these areas as controls the method gives no answer ({why})."
    other = "" if whole is None else f", instead of {change(whole.estimate, whole.scale)}"
    return f"{words} With the areas beyond the rings as the only controls the effect is {change_of(effect)}{other}."


@dataclass(frozen=True, eq=False)
class _Spans:
    cohorts: list[Windows]
    width: int


def _weighted(design: Design, around: Surroundings) -> tuple[list[dict[str, object]], str]:
    """Return the rows of quotient and differences, and what is to be said of them."""
    from scipy import special

    spans = _spans(design, around)
    if isinstance(spans, str):
        return [{"quantity": "weighted_displacement_quotient", "ring": 1, "problem": spans}], ""
    dispersion = [change_dispersion(c.control) for c in spans.cohorts]
    phi, df = max(d[0] for d in dispersion), min(d[1] for d in dispersion)
    if not math.isfinite(phi):
        why = "too few control areas have any event before and after the start"
        return [{"quantity": "weighted_displacement_quotient", "ring": 1, "problem": why}], ""
    t = float(special.stdtrit(df, 0.975))
    quotient = displacement_quotient(spans.cohorts, phi, t)
    n = sum(c.areas[1] for c in spans.cohorts)
    row: dict[str, object] = {"quantity": "weighted_displacement_quotient", "ring": 1, "areas": n, "scale": "quotient"}
    if math.isnan(quotient.value):
        row["problem"] = "the treated areas did not fall against the controls, so there is nothing to displace"
        words = "The weighted displacement quotient is not defined: treated areas did not fall against the controls."
    else:
        row |= {"estimate": quotient.value, "conf_low": quotient.low, "conf_high": quotient.high}
        width = span(design, spans.width)
        words = f"The weighted displacement quotient over {width} before and after is {quotient.value:+.2f}"
        if math.isinf(quotient.low):
            row["problem"] = "the fall of the treated areas is not significant, so that the data do not bound it"
            words += ", which the data do not bound: the fall of the treated areas is itself within chance."
        else:
            words += (
                f" ({quotient.low:+.2f} to {quotient.high:+.2f}; below 0 displacement, above 0 diffusion of benefit)."
            )
    rows = [row]
    for name, held in displacement_difference(spans.cohorts, phi).items():
        for kind, error in (("", held.error), ("_poisson", held.poisson_error)):
            z = t if not kind else float(special.ndtri(0.975))
            p = 2 * float(
                special.stdtr(df, -abs(held.value) / error) if not kind else special.ndtr(-abs(held.value) / error)
            )
            rows.append(
                {
                    "quantity": f"weighted_displacement_difference_{name}{kind}",
                    "ring": 1,
                    "scale": "events",
                    "estimate": held.value,
                    "conf_low": held.value - z * error,
                    "conf_high": held.value + z * error,
                    "p_value": p,
                }
            )
    rows.append({"quantity": "dispersion", "scale": "variance_ratio", "estimate": phi})
    return rows, words


def _spans(design: Design, around: Surroundings) -> _Spans | str:
    arrays = design.arrays
    T = len(arrays.periods)
    ever = np.flatnonzero(arrays.start < T)
    before, after = arrays.start[ever] - design.anticipation, T - arrays.start[ever]
    ended = (arrays.status[ever] == 1).sum(axis=1)
    width = int(min(per_year(arrays.periods), before.min(), after.min(), ended.min()))
    if width < 1:
        return "there is no time before or after some start"
    cohorts = []
    spans = {int(s): _windows(int(s), design.anticipation, width) for s in np.unique(arrays.start[ever])}
    every = np.concatenate([np.r_[b, a] for b, a in spans.values()])
    control = np.flatnonzero(around.clean & np.isfinite(arrays.y[:, every]).all(axis=1))
    if len(control) < 2:
        return "fewer than two control areas have a whole record around every start"
    for start, (b, a) in spans.items():
        seen = np.isfinite(arrays.y[:, np.r_[b, a]]).all(axis=1)
        target = np.flatnonzero(seen & (arrays.start == start))
        near = np.flatnonzero(seen & (around.ring == 1) & (around.start == start))
        sums = np.column_stack([arrays.y[:, b].sum(axis=1), arrays.y[:, a].sum(axis=1)])
        cohorts.append(
            Windows(sums[target].sum(axis=0), sums[near].sum(axis=0), sums[control], (len(target), len(near)))
        )
    return _Spans(cohorts, width)


def _windows(start: int, anticipation: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    end = start - anticipation
    return np.arange(end - width, end), np.arange(start, start + width)

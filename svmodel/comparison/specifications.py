"""The specifications of a multiverse: every combination of choices, each a design and an estimator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.comparison.differences import quick
from svmodel.design import Design, DesignArrays
from svmodel.design.clusters import clusters_of
from svmodel.errors import DataError, DesignError, Problems, did_you_mean, shorten
from svmodel.inference.assignments import draw_lot, strata_labels
from svmodel.numerics.arrays import Floats, Ints
from svmodel.result import Estimator
from svmodel.result.method import arrays_of, named
from svmodel.words import one_or_more

CHOICES = ("estimator", "controls", "window", "outcome", "covariates", "anticipation")


@dataclass(frozen=True, eq=False)
class Specification:
    """One combination.

    Attributes
    ----------
    choices : mapping of str to str
        By :data:`CHOICES`, as tables name them.
    design : Design
    estimator : Estimator
    """

    choices: Mapping[str, str]
    design: Design
    estimator: Estimator


def specifications(
    design: Design,
    estimators: Mapping[str, Estimator] | Iterable[Estimator],
    *,
    controls: Mapping[str, Iterable[str] | None] | None,
    windows: Any,
    outcomes: Iterable[str] | None,
    covariates: Any,
    anticipation: Iterable[int] | None,
    found: Problems,
) -> list[Specification]:
    """Return every combination of the choices given, in a fixed order; note every choice that cannot be made."""
    held = named(estimators, found)
    pools = _pools(design, controls, found)
    spans = _windows(design, windows, found)
    said = (design.outcome,) if outcomes is None else one_or_more(outcomes)
    for one in said:
        if one not in design.panel.outcomes:
            fix = did_you_mean(one, design.panel.outcomes)
            found.add(f"{one!r} is no count or measure of the panel", where="outcomes", fix=fix)
    adjusted = _covariates(design, covariates, found)
    leads = (design.anticipation,) if anticipation is None else one_or_more(anticipation)
    for lead in leads:
        if not isinstance(lead, Integral) or lead < 0:
            found.add(f"{lead!r} is not a number of periods", where="anticipation")
    for where, given in (("outcomes", said), ("anticipation", leads)):
        if len(set(given)) < len(given) or not given:
            found.add("nothing is given" if not given else "a choice comes twice", where=where)
    if found:
        return []
    out = []
    for outcome, (pool, areas), (span, window), (extra, columns), lead in product(
        said, pools.items(), spans.items(), adjusted.items(), leads
    ):
        panel = design.panel if areas is None else design.panel.select(areas=areas)
        varied = replace(
            design, panel=panel, outcome=outcome, window=window, covariates=columns, anticipation=int(lead)
        )
        for name, estimator in held.items():
            told = dict(zip(CHOICES, (name, pool, span, outcome, extra, str(lead)), strict=True))
            out.append(Specification(told, varied, estimator))
    return out


def _pools(design: Design, controls: Any, found: Problems) -> dict[str, tuple[str, ...] | None]:
    """Return, by name, the areas of each choice of controls: those that are treated, and the controls."""
    if controls is None:
        return {"all": None}
    if not isinstance(controls, Mapping) or not controls:
        found.add(
            f"{controls!r} names no choice of controls",
            where="controls",
            fix='Give {"all": None, "neighbours": ["E01006412", ...]}.',
        )
        return {}
    treated = tuple(design.intervention.starts)
    out: dict[str, tuple[str, ...] | None] = {}
    for name, areas in controls.items():
        given = None if areas is None else tuple(str(a) for a in areas)
        out[str(name)] = None if given is None else tuple(sorted({*given, *treated} & set(design.panel.areas)))
        unknown = [a for a in given or () if a not in design.panel.areas]
        if unknown:
            fix = did_you_mean(unknown[0], design.panel.areas, limit=3)
            found.add(f"{shorten(unknown, limit=3)} are no areas of the panel", where=f"controls, {name!r}", fix=fix)
    return out


def _windows(design: Design, windows: Any, found: Problems) -> dict[str, Any]:
    """Return windows by name; None is the design's own."""
    if windows is None:
        return {"whole" if design.window is None else "design": design.window}
    out: dict[str, Any] = {}
    for name, window in _by_name(windows, "windows", found):
        if window is not None and (isinstance(window, str) or len(window) != 2):
            found.add(f"{window!r} is no window", where="windows", fix='Give ("2018-01", "2024-12"); None for an end.')
            continue
        try:
            view = design.panel if window is None else design.panel.select(window=window)
        except DataError as error:
            found.add(error.title, where=f"windows, {window!r}")
            continue
        key = f"{periods.label(view.periods[0])} to {periods.label(view.periods[-1])}" if name is None else name
        if key in out:
            found.add(f"window {key!r} comes twice", where="windows")
        out[key] = window
    return out


def _by_name(given: Any, where: str, found: Problems) -> list[tuple[str | None, Any]]:
    """Return choices with their names, where they have names; note that nothing is given."""
    named = isinstance(given, Mapping)
    pairs: list[tuple[str | None, Any]] = (
        [(str(k), v) for k, v in given.items()] if named else [(None, v) for v in given]
    )
    if not pairs:
        found.add("nothing is given", where=where)
    return pairs


def _covariates(design: Design, covariates: Any, found: Problems) -> dict[str, tuple[str, ...]]:
    """Return sets of covariates by name."""
    if covariates is None:
        return {", ".join(design.covariates) or "none": design.covariates}
    if isinstance(covariates, str):
        covariates = [(covariates,)]
    known = (*design.panel.covariates, *design.panel.exposures)
    out: dict[str, tuple[str, ...]] = {}
    for name, columns in _by_name(covariates, "covariates", found):
        one = (columns,) if isinstance(columns, str) else tuple(columns)
        for column in one:
            if column not in known:
                fix = did_you_mean(column, known)
                found.add(f"{column!r} is no covariate of the panel", where="covariates", fix=fix)
        key = (", ".join(one) or "none") if name is None else name
        if key in out:
            found.add(f"covariates {key!r} come twice", where="covariates")
        out[key] = one
    return out


#: Above this the same sum in another order; see svmodel.numerics.resampling.permutations.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Dealt:
    """Effects of all specifications under the actual starts (first row) and under others.

    Attributes
    ----------
    values : ndarray, shape (1 + B, K)
        Ratios as logarithms; NaN where a specification does not identify the effect.
    used : ndarray of int, shape (K,)
        Which specifications the columns are.
    areas : int
        Among which starts were reassigned.
    total : int
        Distinct assignments that there are.
    why : str
        Why there is no test, where there is none.
    """

    values: Floats
    used: Ints
    areas: int
    total: int
    why: str = ""


def deal_all(
    design: Design,
    held: Sequence[Specification],
    scale: str,
    *,
    draws: int,
    strata: Mapping[str, object] | str | None,
    seed: int,
) -> Dealt:
    """Estimate every specification under the actual starts and under `draws` others, the same ones in all.

    Starts are reassigned among the areas that every specification holds, so that each one has the same panel in every
    draw and only who is treated when differs.
    """
    points = [quick(s.estimator, scale) for s in held]
    used = np.array([k for k, p in enumerate(points) if p is not None], dtype=np.int64)
    none = np.full((1, len(used)), np.nan)
    if not len(used):
        return Dealt(none, used, 0, 0, "no estimator gives a quick estimate")
    arrays = [arrays_of(held[k].estimator, held[k].design) for k in used]
    shared = set.intersection(*(set(a.areas) for a in arrays))
    base = replace(design.arrays, clusters=clusters_of(design, design.arrays))
    rows = np.array([i for i, a in enumerate(base.areas) if a in shared], dtype=np.int64)
    here = base.take(rows)
    try:
        lot = draw_lot(here, strata_labels(strata, design, here))
    except DesignError as error:
        why = f"{error.title} (starts are dealt out among the {len(rows)} areas that every specification holds)"
        return Dealt(none, used, len(rows), 1, why)
    patterns = np.vstack([lot.actual, lot.others(draws, seed)])
    values = np.full((len(patterns), len(used)), np.nan)
    for column, (k, one) in enumerate(zip(used, arrays, strict=True)):
        point: Any = points[k]
        place = _places(one, here.areas)
        for b, pattern in enumerate(patterns):
            own = np.arange(len(one.areas))
            own[place] = place[pattern]
            values[b, column] = point(one.assigned(own))
    return Dealt(values, used, len(rows), lot.total)


def _places(arrays: DesignArrays, areas: Sequence[str]) -> Ints:
    at = {a: i for i, a in enumerate(arrays.areas)}
    return np.array([at[a] for a in areas], dtype=np.int64)


def statistics(values: Floats, alpha: float) -> tuple[Floats, Floats]:
    """Return the three statistics of each draw, and the p-value of each specification in each draw.

    Parameters
    ----------
    values : ndarray, shape (B, K)
        The actual starts first.
    alpha : float

    Returns
    -------
    three : ndarray, shape (B, 3)
        Size of the median effect; share of effects that are significant on the commoner side; share on the commoner
        side.
    p : ndarray, shape (B, K)
        Share of all draws in which a specification's effect is at least as far from zero as in this one.

    Notes
    -----
    The p-values use all B draws alike, the actual one among them, so that under the null every row of `three` has the
    same distribution and the actual one's rank is a valid test.
    """
    size = np.abs(np.where(np.isnan(values), -1.0, values))
    known = ~np.isnan(values)
    p = np.full(values.shape, np.nan)
    for k in range(values.shape[1]):
        ordered = np.sort(size[known[:, k], k])
        lowest = size[:, k] * (1 - _ROUNDING)
        count = len(ordered) - np.searchsorted(ordered, lowest, side="left")
        p[:, k] = np.where(known[:, k], count / max(len(ordered), 1), np.nan)
    three = np.full((len(values), 3), np.nan)
    some = known.any(axis=1)
    n = known.sum(axis=1)
    for b in np.flatnonzero(some):
        v, q = values[b, known[b]], p[b, known[b]]
        three[b, 0] = abs(float(np.median(v)))
        clear = q <= alpha
        three[b, 1] = max(int((clear & (v < 0)).sum()), int((clear & (v > 0)).sum())) / n[b]
        three[b, 2] = max(int((v < 0).sum()), int((v > 0).sum())) / n[b]
    return three, p


def joint_table(three: Floats) -> pd.DataFrame:
    """Return the three tests: observed, what half of the draws reach, and ``(b + 1) / (B + 1)``."""
    rows = []
    names = ("size of the median effect", "share significant on one side", "share on one side")
    for k, name in enumerate(names):
        one, others = three[0, k], three[1:, k]
        others = others[~np.isnan(others)]
        known = len(others) > 0 and not np.isnan(one)
        p = (1 + int((others >= one * (1 - _ROUNDING)).sum())) / (1 + len(others)) if known else np.nan
        middle = float(np.median(others)) if len(others) else np.nan
        rows.append((name, float(one), middle, p, len(others)))
    return pd.DataFrame(rows, columns=["statistic", "observed", "typical_under_null", "p_value", "draws"])

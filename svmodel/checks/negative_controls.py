"""Negative controls: whether the method finds an effect on outcomes that the intervention cannot have moved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from svmodel.checks.declared import check
from svmodel.checks.effects import as_row, average_effect, refitted, tail_area
from svmodel.checks.posterior import quick
from svmodel.checks.words import CannotBeMadeError, change, change_of, design_of
from svmodel.design import Design
from svmodel.errors import DataError, Problems, did_you_mean, shorten
from svmodel.numerics.arrays import Floats
from svmodel.result import Effect, Result
from svmodel.result.check import CheckResult
from svmodel.words import p_value

_NAME = "negative_controls"


@check("Does an outcome that cannot respond show an effect?", needs=("data",))
def negative_controls(result: Result, *, seed: int = 0, outcomes: Iterable[str] = ()) -> CheckResult:
    """Fit again on outcomes that cannot respond, and expect no effect on any of them.

    Such an outcome is open to the same other influences (changes of recording, of population, of policing as a whole)
    but not to the intervention. An effect on it tells of something else that came with the start.

    Parameters
    ----------
    result : Result
    seed : int
        Not used; refits take the seed of `result`.
    outcomes : iterable of str
        Other outcomes of the same panel. Nobody but the user can say which cannot respond.

    Returns
    -------
    CheckResult
        ``failed`` where the least p-value of Holm is below 0.05; ``informative`` where the method did not answer for
        some outcome; ``passed`` otherwise. The table has ``outcome, scale, estimate, conf_low, conf_high, p_value,
        p_holm, problem``; intervals are those of single outcomes. A Bayesian result has no p-values: twice the
        posterior probability on the less likely side of no effect stands for them.

    Raises
    ------
    DataError
        Naming every outcome that the panel has not with the nearest one that it has, and the study's own outcome.

    References
    ----------
    Lipsitch, Tchetgen Tchetgen and Cohen (2010), *Epidemiology* 21(3). Holm (1979), *Scandinavian Journal of
    Statistics* 6(2).
    """
    names = [outcomes] if isinstance(outcomes, str) else list(dict.fromkeys(outcomes))
    if not names:
        raise CannotBeMadeError("nobody named an outcome that cannot respond (option `outcomes`)")
    result = quick(result)
    design = design_of(result)
    _check(names, design)
    real = average_effect(result)
    rows = []
    effects: dict[str, Effect] = {}
    for name in names:
        effect, problem = refitted(result, design=replace(design, outcome=name))
        effects |= {name: effect} if effect is not None else {}
        rows.append({"outcome": name, "problem": problem, **as_row(effect)})
    columns = ["outcome", "scale", "estimate", "conf_low", "conf_high", "p_value", "p_holm", "problem"]
    table = pd.DataFrame(rows).reindex(columns=columns)
    if not effects:
        text = "This check could not be made: the method answers for none of the outcomes named; the table says why."
        return CheckResult(_NAME, "not_applicable", text, table)
    adjusted = dict(zip(effects, holm(np.array([tail_area(e) for e in effects.values()])).tolist(), strict=True))
    table["p_holm"] = table["outcome"].map(adjusted).astype(float)
    known = all(np.isfinite(e.p_value) for e in effects.values())
    moved = [n for n, p in adjusted.items() if p < 0.05]
    n = len(effects)
    many = f"{n} outcomes that cannot respond" if n > 1 else "the outcome that cannot respond"
    refused = f" The method did not answer for {shorten(set(names) - set(effects))}; the table says why."
    refused = refused if len(effects) < len(names) else ""
    if moved:
        told = "; ".join(f"{m}: {change_of(effects[m])}, {p_value(adjusted[m])}" for m in moved)
        kind = "p-values" if known else "posterior tail areas"
        text = (
            f"Of {many}, {len(moved)} {'moves' if len(moved) == 1 else 'move'} with the start all the same ({told}; "
            f"{kind} by Holm). Something else than the intervention changed with it, and may be in the effect that "
            "was found too."
        )
        return CheckResult(_NAME, "failed", text + refused, table)
    told = "; ".join(f"{m}: {change_of(e)}" for m, e in effects.items())
    text = f"On {many} the method finds no effect within its uncertainty ({told}). {_power(effects, real)}"
    return CheckResult(_NAME, "informative" if refused else "passed", text.strip() + refused, table)


def holm(p: Floats) -> Floats:
    """Return Holm's p-values; a missing one counts as a test and stays missing.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    filled = np.where(np.isnan(p), 1.0, p)
    order = np.argsort(filled, kind="stable")
    steps = filled[order] * (len(p) - np.arange(len(p)))
    out = np.empty_like(filled)
    out[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    out[np.isnan(p)] = np.nan
    return out


def _power(effects: dict[str, Effect], real: Effect | None) -> str:
    """Say how many of the outcomes would have shown an effect as large as the one found."""
    if real is None:
        return ""
    alike = [e for e in effects.values() if e.scale == real.scale == "rate_ratio"]
    if not alike:
        return ""
    sharp = sum(not e.conf_low <= real.estimate <= e.conf_high for e in alike)
    size = change(real.estimate, real.scale)
    if len(alike) == 1:
        return f"Its interval {'leaves out' if sharp else 'holds'} a change as large as the effect found ({size})."
    return f"{sharp} of the {len(alike)} intervals leave out a change as large as the effect found ({size})."


def _check(names: list[str], design: Design) -> None:
    problems = Problems()
    others = [o for o in design.panel.outcomes if o != design.outcome]
    for name in names:
        if name == design.outcome:
            problems.add(f"{name!r} is the outcome of the study itself", where="outcomes", rule="own_outcome")
        elif name not in others:
            fix = did_you_mean(name, others) if others else "The panel has no other outcome."
            problems.add(f"{name!r} is no outcome of the panel", where="outcomes", fix=fix, rule="unknown_outcome")
    problems.raise_if_any(DataError, "these outcomes cannot serve as negative controls")

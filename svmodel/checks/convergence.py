"""Convergence: whether the engine of a Bayesian result arrived, and how many independent draws its numbers rest on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from svmodel.checks.declared import check
from svmodel.checks.words import CannotBeMadeError
from svmodel.engine.posterior import ENERGY, FEWEST_DRAWS, FEWEST_POINTS, R_HAT, Convergence
from svmodel.result import Result
from svmodel.result.check import CheckResult

_NAME = "convergence"
#: Share of sets of hyperparameters without a mode from which the approximation is in doubt.
_MOST_FAILURES = 0.05
#: Share of a single set of hyperparameters from which draws hang on it.
_HEAVIEST = 0.2


@check("Have the draws arrived?", needs=("posterior",))
def convergence(result: Result, *, seed: int = 0) -> CheckResult:
    """Say what the draws rest on. A fit that has not converged is refused before it gets here.

    Parameters
    ----------
    result : Result
        Of a Bayesian model.
    seed : int
        Not used; nothing is drawn.

    Returns
    -------
    CheckResult
        ``failed`` where a limit is broken; ``informative`` where nested Laplace holds but a fifth of the draws come
        from a single set of hyperparameters, or more than 5% of sets had no mode; ``passed`` otherwise. The table has
        ``quantity, value, limit``: of NUTS the worst rank-normalised R-hat, bulk and tail effective draws, divergences
        and the energy's fraction of missing information; of nested Laplace the effective sets of hyperparameters, the
        largest share of one, and how many had no mode.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter and Buerkner (2021), *Bayesian Analysis* 16(2). Betancourt (2016),
    arXiv:1604.00695, on energy.
    """
    told = result.diagnostics.get("convergence")
    if not isinstance(told, dict):
        raise CannotBeMadeError("the method is not Bayesian: nothing was sampled")
    found = _read(told)
    engine = str(result.diagnostics.get("engine", ""))
    table = pd.DataFrame(_rows(found, engine), columns=["quantity", "value", "limit"])
    if found.problems:
        return CheckResult(_NAME, "failed", f"The {engine} fit has not converged: {'; '.join(found.problems)}.", table)
    if engine == "nuts":
        text = (
            f"The chains agree (R-hat at most {found.r_hat:.3f}) and are worth {found.ess_bulk:,.0f} independent draws "
            f"or more in the middle and {found.ess_tail:,.0f} in the tails; no transition diverged."
        )
        return CheckResult(_NAME, "passed", text, table)
    if math.isinf(found.effective_points):
        text = "The model has no hyperparameter to integrate over: a single Laplace approximation stands for it."
        return CheckResult(_NAME, "passed", text, table)
    text = (
        f"The nested Laplace approximation rests on {found.effective_points:.0f} effective sets of hyperparameters "
        f"({FEWEST_POINTS:.0f} are needed), the heaviest with {found.largest_weight:.0%} of the draws."
    )
    tried = float(result.diagnostics.get("run", {}).get("evaluations", math.nan))
    doubts = []
    if found.largest_weight > _HEAVIEST:
        doubts.append("many draws hang on a single set")
    if found.failures > _MOST_FAILURES * tried:
        doubts.append(f"at {found.failures} of {tried:.0f} sets no mode was found")
    if doubts:
        return CheckResult(_NAME, "informative", f"{text} With care: {'; '.join(doubts)}. NUTS would tell.", table)
    return CheckResult(_NAME, "passed", text, table)


def _read(told: Mapping[str, Any]) -> Convergence:
    """Return the diagnostics; what an engine does not have is NaN, or None once it was written to JSON."""
    values: dict[str, Any] = {n: (math.nan if told.get(n) is None else float(told[n])) for n in _NUMBERS}
    counts = {name: int(told.get(name) or 0) for name in ("failures", "divergences")}
    return Convergence(**(values | counts), worst="some parameter")


_NUMBERS = ("effective_points", "largest_weight", "r_hat", "ess_bulk", "ess_tail", "energy")


def _rows(found: Convergence, engine: str) -> list[tuple[str, float, float]]:
    if engine == "nuts":
        return [
            ("r_hat", found.r_hat, R_HAT),
            ("ess_bulk", found.ess_bulk, FEWEST_DRAWS),
            ("ess_tail", found.ess_tail, FEWEST_DRAWS),
            ("divergences", float(found.divergences), 0.0),
            ("energy", found.energy, ENERGY),
        ]
    return [
        ("effective_points", found.effective_points, FEWEST_POINTS),
        ("largest_weight", found.largest_weight, _HEAVIEST),
        ("failures", float(found.failures), math.nan),
    ]

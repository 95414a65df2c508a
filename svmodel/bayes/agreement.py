"""Two engines on one question: nested Laplace and NUTS side by side, and whether they agree."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from svmodel.bayes.question import Fitted
from svmodel.bayes.rows import TreatedCells
from svmodel.engine import run
from svmodel.engine.posterior import Posterior, independent_draws
from svmodel.errors import EstimationError
from svmodel.numerics.arrays import Floats, Mask
from svmodel.result import Result
from svmodel.result.check import CheckResult

#: Engines agree on a mean within this many posterior s.d., and on an s.d. within this share.
MEAN_WITHIN = 0.1
SD_WITHIN = 0.05
#: Monte Carlo standard errors that are allowed for on top.
_ERRORS = 2.0
_WORDS = {"laplace": "the nested Laplace approximation", "nuts": "NUTS"}


@dataclass(frozen=True)
class Pair:
    """One quantity by both engines.

    Attributes
    ----------
    name : str
    laplace, nuts : ndarray, shape (S,)
        Draws; those of NUTS chain after chain.
    chains : int
    level : float
    """

    name: str
    laplace: Floats
    nuts: Floats
    chains: int
    level: float = 0.95

    @property
    def difference(self) -> float:
        """Nested Laplace's mean less that of NUTS, in posterior standard deviations of NUTS."""
        return float((self.laplace.mean() - self.nuts.mean()) / self.nuts.std(ddof=1))

    @property
    def ratio(self) -> float:
        """Nested Laplace's standard deviation over that of NUTS."""
        return float(self.laplace.std(ddof=1) / self.nuts.std(ddof=1))

    @property
    def mean_error(self) -> float:
        """Monte Carlo standard error of :attr:`difference`."""
        return math.sqrt(1 / len(self.laplace) + 1 / independent_draws(self.nuts, self.chains, "mean"))

    @property
    def ratio_error(self) -> float:
        """Monte Carlo standard error of :attr:`ratio`.

        A standard deviation from n independent draws errs by ``((kurtosis - 1) / 4 n)^{1/2}`` of itself.
        """
        spread = [(_kurtosis(x) - 1) / 4 for x in (self.laplace, self.nuts)]
        return math.sqrt(spread[0] / len(self.laplace) + spread[1] / independent_draws(self.nuts, self.chains, "sd"))

    @property
    def agrees(self) -> bool:
        """Whether mean and standard deviation agree, beyond what so few draws can tell."""
        near = abs(self.difference) <= MEAN_WITHIN + _ERRORS * self.mean_error
        return near and abs(self.ratio - 1) <= SD_WITHIN + _ERRORS * self.ratio_error

    def row(self) -> dict[str, Any]:
        """Return the quantity as a row of the table."""
        out: dict[str, Any] = {"quantity": self.name}
        tails = [0.5 - self.level / 2, 0.5 + self.level / 2]
        for engine, draws in (("laplace", self.laplace), ("nuts", self.nuts)):
            low, high = np.quantile(draws, tails)
            out |= {
                f"{engine}_mean": float(draws.mean()),
                f"{engine}_sd": float(draws.std(ddof=1)),
                f"{engine}_low": float(low),
                f"{engine}_high": float(high),
            }
        return out | {
            "difference_in_sd": self.difference,
            "sd_ratio": self.ratio,
            "mean_error": self.mean_error,
            "ratio_error": self.ratio_error,
            "agrees": self.agrees,
        }


def compare_engines(estimator: Any, result: Result) -> CheckResult:
    """Ask the other engine the same question, and hold the two answers side by side.

    Parameters
    ----------
    estimator : estimator of :mod:`svmodel.bayes`
        The one that gave the result.
    result : Result
        Fitted in this process, or read with its design; its own draws are used, and the other engine takes its seed.

    Returns
    -------
    CheckResult
        ``passed`` where the average effect has means within 0.1 posterior standard deviations and standard deviations
        within 5%, both with two Monte Carlo standard errors to spare; ``failed`` otherwise, or where the other engine
        has not converged. The table has the average effect, each treated area's and each hyperparameter:
        ``quantity``, mean, s.d. and limits by either engine, ``difference_in_sd`` (nested Laplace less NUTS, in
        posterior s.d. of NUTS), ``sd_ratio``, their Monte Carlo standard errors, and ``agrees``.

    Raises
    ------
    EstimationError
        If the result carries no posterior: it was read from JSON.

    Examples
    --------
    >>> from svmodel import simulate
    >>> from svmodel.bayes import HierarchicalDiD
    >>> made = simulate.panel(8, 16, mean=20, effect=0.7, cohorts=((8, 3),), seed=1)
    >>> estimator = HierarchicalDiD(pooling="complete", family="poisson", draws=4000)
    >>> found = compare_engines(estimator, estimator.fit(made.design("violence"), seed=1))
    >>> found.status, list(found.table["quantity"][:2])
    ('passed', ['average effect', 'effect in area 0'])
    """
    held = result.posterior
    if not isinstance(held, Fitted) or result.design is None:
        raise EstimationError(
            "the result carries no posterior (one that was read from JSON does not): fit it again, then audit it"
        )
    own = held.posterior
    other = "nuts" if own.engine == "laplace" else "laplace"
    second = run(held.model, other, draws=estimator.draws, seed=result.seed or 0)
    if not second.convergence.arrived:
        reasons = "; ".join(second.convergence.problems)
        return CheckResult(
            "engine_agreement",
            "failed",
            f"{_WORDS[other].capitalize() if other == 'laplace' else 'NUTS'} has not converged, so that nothing stands "
            f"beside this answer: {reasons}.",
        )
    laplace, nuts = (own, second) if own.engine == "laplace" else (second, own)
    compared = list(pairs(estimator, result, held, laplace, nuts))
    table = pd.DataFrame([pair.row() for pair in compared])
    return CheckResult("engine_agreement", "passed" if compared[0].agrees else "failed", _said(compared), table)


def pairs(estimator: Any, result: Result, held: Fitted, laplace: Posterior, nuts: Posterior) -> Iterator[Pair]:
    """Give the average effect, each treated area's, and each hyperparameter."""
    assert result.design is not None
    arrays, level = result.design.arrays, float(estimator.level)
    chains = int(nuts.details.get("chains", 1))
    a, b = (held.question.expected_cells(p, arrays, level) for p in (laplace, nuts))
    yield Pair("average effect", *_effects(a, b, None), chains, level)
    for i in np.unique(a.area):
        yield Pair(f"effect in {a.arrays.areas[i]}", *_effects(a, b, a.area == i), chains, level)
    for name in held.model.hypers:
        yield Pair(name, np.asarray(laplace.hyper[name]), np.asarray(nuts.hyper[name]), chains, level)


def _effects(a: TreatedCells, b: TreatedCells, which: Mask | None) -> tuple[Floats, Floats]:
    """Return either engine's draws of the log rate ratio of some cells; of the mean difference where there is none.

    A measure has none, and neither have counts where some draw has no event with or without the intervention.
    """
    (both, none), (others, without) = a.summed(which), b.summed(which)
    if a.counts and all((s > 0).all() for s in (both, none, others, without)):
        return np.log(both) - np.log(none), np.log(others) - np.log(without)
    return (both - none) / a.size(which), (others - without) / b.size(which)


def _said(compared: list[Pair]) -> str:
    """Return what a board is told."""
    first, rest = compared[0], compared[1:]
    gap = (
        f"their averages lie {abs(first.difference):.2f} posterior standard deviations apart and their standard "
        f"deviations {100 * abs(first.ratio - 1):.0f}%"
    )
    apart = [pair.name for pair in rest if not pair.agrees]
    if not first.agrees:
        return (
            f"Two independent computations of the same model disagree about the average effect: {gap}. Do not publish "
            "this number until it is known why; of the two, NUTS makes fewer approximations."
        )
    said = f"Two independent computations of the same model agree about the average effect: {gap}."
    if apart:
        listed = ", ".join(apart[:5]) + (f" and {len(apart) - 5} more" if len(apart) > 5 else "")
        said += f" They differ by more than that on {listed}; the table shows by how much."
    return said


def _kurtosis(x: Floats) -> float:
    z = x - x.mean()
    return float((z**4).mean() / (z**2).mean() ** 2)

"""Simulation-based calibration: whether an engine answers a model's own questions with the right probabilities."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from svmodel.engine import run
from svmodel.engine.description import LatentModel
from svmodel.engine.quantities import LogLikelihood, Quantity, Sampled, standard_quantities
from svmodel.errors import EstimationError
from svmodel.numerics.arrays import Ints, Mask
from svmodel.numerics.uniformity import chi_square_p, ecdf_p, rank_among
from svmodel.seeds import derive_seed
from svmodel.workers import LocalFork, Task

#: Draws that a truth is ranked among: one fewer than a number that many bins divide.
RANKED_AMONG = 199
LEVELS = (0.5, 0.8, 0.95)
#: A count beyond this is no count of harms.
MOST_EVENTS = 1e6
#: Draws of each posterior: enough of each tenth, or of chains each twentieth, to be as good as independent.
_DRAWS = {"laplace": 1990, "nuts": 3980}


@dataclass(frozen=True, eq=False)
class Calibration:
    """Ranks of truths among draws.

    Attributes
    ----------
    engine : str
    fits : DataFrame
        One row a fit and quantity: ``fit, quantity, arrived, rank, truth`` and ``within_50``, ``within_80``,
        ``within_95``: whether the central interval holds the truth.
    failures : tuple of str
        Why fits gave no draws at all.
    asked : int
        Fits that were asked for: those of `fits` and the failures.
    """

    engine: str
    fits: pd.DataFrame
    failures: tuple[str, ...]
    asked: int

    def ranks(self, quantity: str, *, arrived: bool = True) -> Ints:
        """Return the ranks of a quantity, of the fits that arrived or of all that gave draws."""
        rows = self.fits[self.fits["quantity"] == quantity]
        return np.asarray((rows[rows["arrived"]] if arrived else rows)["rank"], dtype=np.int64)

    def table(self) -> pd.DataFrame:
        """Return one row a quantity.

        Returns
        -------
        DataFrame
            ``fits`` that arrived and are ranked; ``unconverged`` that gave draws which an estimator would refuse;
            ``failed`` without draws; ``ecdf_p``, ``chi_square_p``; ``ecdf_p_all`` with the unconverged; coverage of
            central intervals of 50, 80 and 95%; ``mean_rank``, as a share of the ranks.
        """
        rows = []
        for name, held in self.fits.groupby("quantity", sort=False):
            there = held[held["arrived"]]
            ranks, every = there["rank"].to_numpy(np.int64), held["rank"].to_numpy(np.int64)
            rows.append(
                {
                    "quantity": name,
                    "fits": len(there),
                    "unconverged": len(held) - len(there),
                    "failed": len(self.failures),
                    "ecdf_p": ecdf_p(ranks, RANKED_AMONG),
                    "chi_square_p": chi_square_p(ranks, RANKED_AMONG),
                    "ecdf_p_all": ecdf_p(every, RANKED_AMONG),
                    "mean_rank": float(ranks.mean() / RANKED_AMONG) if len(ranks) else math.nan,
                    **{f"coverage_{100 * v:.0f}": _mean(there[f"within_{100 * v:.0f}"]) for v in LEVELS},
                }
            )
        return pd.DataFrame(rows)


def _mean(held: pd.Series) -> float:
    return float(held.mean()) if len(held) else math.nan


def simulation_based_calibration(
    model: LatentModel,
    *,
    engine: str = "laplace",
    fits: int = 1000,
    quantities: Iterable[Quantity] = (),
    target: Mask | None = None,
    treatment: str = "effect",
    draws: int | None = None,
    seed: int = 0,
    jobs: int = 1,
) -> Calibration:
    """Draw truths from the prior, fit what they give rise to, and rank each truth among the draws.

    Where prior, likelihood and engine belong together the ranks are uniform (Talts and others 2018, arXiv 1804.06788,
    theorem 1), for every quantity that a draw has.

    Parameters
    ----------
    model : LatentModel
        A template: its outcomes say which cells are known, and nothing else. Its priors have to be proper and moderate.
    engine : {"laplace", "nuts"}
    fits : int
    quantities : iterable of Quantity, optional
        Instead of :func:`svmodel.engine.quantities.standard_quantities`.
    target, treatment
        As in :func:`svmodel.engine.quantities.standard_quantities`.
    draws : int, optional
        Of each posterior: 1,990, or 3,980 of chains. 199 of them, evenly spaced, are ranked: every tenth, or of chains
        every twentieth, so that they are as good as independent. Intervals are those of all draws.
    seed : int
        Each fit has a stream of its own: the first fits are the same for any number of them, and of processes.
    jobs : int
        Processes.

    Returns
    -------
    Calibration

    Raises
    ------
    EstimationError
        If the prior gives rise to counts above a million: then its priors are too wide for a template.

    Notes
    -----
    A fit that has not converged, which an estimator refuses, is kept and reported apart: what is refused may depend on
    the data, and ranks of the rest need not be uniform then.

    Examples
    --------
    >>> from svmodel.bayes import HierarchicalDiD
    >>> from svmodel import simulate
    >>> design = simulate.panel(8, 12, mean=8, cohorts=((6, 3),), seed=1).design("violence")
    >>> asked = HierarchicalDiD(pooling="complete").ask(design.arrays)
    >>> made = simulation_based_calibration(asked.model, target=asked.target, fits=5, seed=1)
    >>> made.table()["quantity"].tolist()[:3]
    ['average log ratio', 'intercept[0]', 'area[0]']
    """
    wanted = tuple(quantities) or standard_quantities(model, target=target, treatment=treatment)
    draws = _DRAWS.get(engine, 1990) if draws is None else draws
    if draws < RANKED_AMONG:
        raise EstimationError(f"a truth is ranked among {RANKED_AMONG} draws, and {draws} are too few")
    blocks = [_Block(model, engine, wanted, draws, seed, b) for b in _in_blocks(fits, jobs)]
    if jobs == 1:
        parts = [_many(block) for block in blocks]
    else:
        tasks = [Task(f"fits from {block.which.start}", _many, (block,)) for block in blocks]
        parts = [outcome.result() for outcome in LocalFork(jobs).run(tasks)]
    rows = [row for part, _ in parts for row in part]
    failures = tuple(reason for _, reasons in parts for reason in reasons)
    columns = ["fit", "quantity", "arrived", "rank", "truth", *(f"within_{100 * v:.0f}" for v in LEVELS)]
    return Calibration(engine, pd.DataFrame(rows, columns=columns), failures, fits)


@dataclass(frozen=True, eq=False)
class _Block:
    model: LatentModel
    engine: str
    quantities: tuple[Quantity, ...]
    draws: int
    seed: int
    which: range


def _in_blocks(fits: int, jobs: int) -> list[range]:
    # a process imports and compiles anew: a few blocks for each, and none of a fit or two
    size = fits if jobs == 1 else max(20, math.ceil(fits / (4 * jobs)))
    return [range(a, min(a + size, fits)) for a in range(0, fits, max(size, 1))]


def _many(block: _Block) -> tuple[list[dict[str, Any]], list[str]]:
    rows: list[dict[str, Any]] = []
    failures = []
    for fit in block.which:
        try:
            rows += one_fit(block.model, block.engine, block.quantities, draws=block.draws, seed=block.seed, fit=fit)
        except _NoDrawsError as error:
            failures.append(f"fit {fit}: {error}")
    return rows, failures


class _NoDrawsError(Exception):
    """An engine gave nothing."""


def one_fit(
    model: LatentModel, engine: str, quantities: Sequence[Quantity], *, draws: int, seed: int, fit: int
) -> list[dict[str, Any]]:
    """Return the rows of one draw from the prior."""
    rng = np.random.default_rng(derive_seed(seed, "calibration", fit))
    truth = model.draw_prior(rng)
    if np.nanmax(np.abs(truth.y)) > MOST_EVENTS:
        raise EstimationError(
            f"the prior gives rise to outcomes of {np.nanmax(np.abs(truth.y)):.2g}: its standard deviations are too "
            "wide for a calibration. Take a template with smaller ones."
        )
    made = model.with_outcome(truth.y)
    try:
        posterior = run(made, engine, draws=draws, seed=derive_seed(seed, "calibration fit", fit))
    except EstimationError as error:
        raise _NoDrawsError(str(error)) from error
    true = Sampled(
        made,
        {name: np.asarray(x)[None, :] for name, x in truth.effects.items()},
        {name: np.array([x]) for name, x in truth.hyper.items()},
    )
    every = Sampled(made, posterior.effects, posterior.hyper)
    kept = np.linspace(0, posterior.size - 1, RANKED_AMONG).round().astype(np.int64)
    few = Sampled(
        made,
        {name: x[kept] for name, x in posterior.effects.items()},
        {name: x[kept] for name, x in posterior.hyper.items()},
    )
    rows = []
    for quantity in quantities:
        value = float(quantity(true)[0])
        # the likelihood is evaluated draw by draw
        held = few if isinstance(quantity, LogLikelihood) else every
        sampled = quantity(held)
        ranked = sampled if held is few else sampled[kept]
        low_high = {v: np.quantile(sampled, [0.5 - v / 2, 0.5 + v / 2]) for v in LEVELS}
        rows.append(
            {
                "fit": fit,
                "quantity": quantity.name,
                "arrived": posterior.convergence.arrived,
                "rank": rank_among(value, ranked, rng),
                "truth": value,
                **{f"within_{100 * v:.0f}": bool(a <= value <= b) for v, (a, b) in low_high.items()},
            }
        )
    return rows

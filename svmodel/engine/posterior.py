"""What an engine answers: draws by name, and whether they can be trusted.

The only file that touches what PyMC, nutpie and ArviZ return.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from svmodel.engine.description import LatentModel
from svmodel.numerics.arrays import Floats
from svmodel.numerics.latent.nested import Nested

#: Effective points of the hyperparameters below which the nested Laplace approximation is refused.
FEWEST_POINTS = 10.0
#: Rank-normalised split R-hat above which chains have not met (Vehtari and others 2021, section 4).
R_HAT = 1.01
#: Effective draws, bulk and tail, below which chains are refused: 100 a chain for four (the same paper).
FEWEST_DRAWS = 400.0
#: Quantiles whose effective draws are those of the tails.
_TAILS = (0.05, 0.95)
#: Energy fraction of missing information below which momentum was too small (Betancourt 2016).
ENERGY = 0.3


@dataclass(frozen=True)
class Convergence:
    """Whether an engine arrived. What an engine does not have is NaN.

    Attributes
    ----------
    effective_points, largest_weight : float
        Of the nested Laplace approximation's hyperparameters.
    failures : int
        Sets of hyperparameters without a mode.
    r_hat, ess_bulk, ess_tail : float
        The worst of all parameters, of chains.
    worst : str
        The parameter with the worst R-hat.
    divergences : int
    energy : float
        The lowest fraction of missing information of a chain.
    """

    effective_points: float = math.nan
    largest_weight: float = math.nan
    failures: int = 0
    r_hat: float = math.nan
    ess_bulk: float = math.nan
    ess_tail: float = math.nan
    worst: str = ""
    divergences: int = 0
    energy: float = math.nan

    @property
    def problems(self) -> tuple[str, ...]:
        """What speaks against the draws; empty where nothing does."""
        out = []
        if self.effective_points < FEWEST_POINTS:
            out.append(
                f"only {self.effective_points:.1f} sets of hyperparameters carry the nested Laplace approximation, and "
                f"{FEWEST_POINTS:.0f} are needed"
            )
        if self.r_hat > R_HAT:
            out.append(f"the chains have not met (R-hat {self.r_hat:.3f} for {self.worst}, above {R_HAT})")
        for name, value in (("bulk", self.ess_bulk), ("tail", self.ess_tail)):
            if value < FEWEST_DRAWS:
                out.append(
                    f"the chains are worth {value:.0f} independent draws in the {name}, below {FEWEST_DRAWS:.0f}"
                )
        if self.divergences:
            out.append(f"{self.divergences} transitions diverged: a part of the posterior was not explored")
        if self.energy < ENERGY:
            out.append(f"the energy's fraction of missing information is {self.energy:.2f}, below {ENERGY}")
        return tuple(out)

    @property
    def arrived(self) -> bool:
        """Whether the draws may be used."""
        return not self.problems


@dataclass(frozen=True, eq=False)
class Posterior:
    """Draws of a model's effects and hyperparameters.

    Attributes
    ----------
    engine : {"laplace", "nuts"}
    effects : mapping of str to ndarray, shape (S, size)
        By term of the model.
    hyper : mapping of str to ndarray, shape (S,)
        On their own scale.
    convergence : Convergence
    details : mapping
        Plain numbers about the run: draws, chains, evaluations.
    """

    engine: Literal["laplace", "nuts"]
    effects: Mapping[str, Floats]
    hyper: Mapping[str, Floats]
    convergence: Convergence
    details: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Number of draws, S."""
        return len(next(iter(self.effects.values())))


def from_nested(nested: Nested, model: LatentModel, *, draws: int, seed: int) -> Posterior:
    """Draw from a nested Laplace approximation.

    Parameters
    ----------
    nested : Nested
    model : LatentModel
        The one that was approximated.
    draws : int
    seed : int
    """
    fields, theta = nested.draw(draws, np.random.default_rng([seed, 1]))
    hyper = {
        name: np.array([prior.value(float(u)) for u in column])
        for (name, prior), column in zip(model.hypers.items(), theta.T, strict=True)
    }
    convergence = Convergence(
        effective_points=nested.effective_points if model.hypers else math.inf,
        largest_weight=nested.largest_weight,
        failures=nested.failures,
    )
    details = {"draws": draws, "points": len(nested.parts), "evaluations": nested.evaluations}
    return Posterior("laplace", model.split(fields), hyper, convergence, details)


def from_trace(
    trace: Any,
    model: LatentModel,
    recover: Callable[[Mapping[str, Floats]], Mapping[str, Floats]],
    *,
    details: Mapping[str, float | str],
) -> Posterior:
    """Take chains over: ArviZ's InferenceData (before 1.0) or DataTree (since).

    Parameters
    ----------
    trace : InferenceData or DataTree
        With the free variables, and each hyperparameter of the model under its name.
    model : LatentModel
    recover : callable
        From draws by variable, shape (chains, draws, ...), to effects by term, shape (chains, draws, size).
    details : mapping

    Returns
    -------
    Posterior
        Draws in the order of the chains. Convergence is judged on every effect and every hyperparameter.
    """
    drawn = chains_of(trace)
    effects = dict(recover(drawn))
    hyper = {name: drawn[name] for name in model.hypers}
    convergence = convergence_of(trace, {**effects, **hyper})
    return Posterior(
        "nuts",
        {name: values.reshape(-1, values.shape[-1]) for name, values in effects.items()},
        {name: values.reshape(-1) for name, values in hyper.items()},
        convergence,
        details,
    )


def from_own(trace: Any, free: Sequence[str], *, details: Mapping[str, float | str]) -> Posterior:
    """Take the chains of a model over that somebody else wrote; convergence is judged on the variables in `free`.

    Parameters
    ----------
    trace : InferenceData or DataTree
    free : sequence of str
        Names of the variables that were sampled.
    details : mapping

    Returns
    -------
    Posterior
        Every variable of the trace among the effects, shape (S, ...).
    """
    drawn = chains_of(trace)
    convergence = convergence_of(trace, {name: drawn[name] for name in free})
    effects = {name: values.reshape(-1, *values.shape[2:]) for name, values in drawn.items()}
    return Posterior("nuts", effects, {}, convergence, details)


def chains_of(trace: Any) -> dict[str, Floats]:
    """Return the draws of every variable, shape (chains, draws, ...)."""
    posterior = trace["posterior"]
    return {str(name): np.asarray(posterior[name].values, dtype=np.float64) for name in posterior.data_vars}


def convergence_of(trace: Any, chains: Mapping[str, Floats]) -> Convergence:
    """Judge chains by name, each of shape (chains, draws, ...), and the sampler's own statistics in the trace.

    The rank-normalised split R-hat and the effective draws are those of Vehtari and others (2021), *Bayesian Analysis*
    16(2), equations 3, 10 and 14 with sections 4.1 and 4.3; the worst of all parameters counts. What cannot be worked
    out, of draws that are not finite, is as bad as can be: NaN would pass for what an engine does not have.
    """
    import arviz as az

    labels, columns = [], []
    for name, values in chains.items():
        flat = values.reshape(*values.shape[:2], -1)
        for k in range(flat.shape[2]):
            # an effect that cannot move (the only one of a walk, say) has nothing to converge
            if np.ptp(flat[:, :, k]) > 0 or not np.isfinite(flat[:, :, k]).all():
                labels.append(name if flat.shape[2] == 1 else f"{name}[{k}]")
                columns.append(flat[:, :, k])
    with np.errstate(invalid="ignore"):
        r_hat = _or_worst([az.rhat(c, method="rank") for c in columns], math.inf)
        bulk = _or_worst([az.ess(c, method="bulk") for c in columns], 0.0)
        tail = _or_worst([az.ess(c, method="tail", prob=_TAILS) for c in columns], 0.0)
    statistics = trace["sample_stats"]
    energy = np.asarray(statistics["energy"].values, dtype=np.float64)
    moved = (np.diff(energy, axis=1) ** 2).sum(axis=1)
    about = ((energy - energy.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    # Betancourt (2016), arXiv:1604.00695, equation 6
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction = _or_worst(moved / about, 0.0)
    worst = int(np.argmax(r_hat))
    return Convergence(
        r_hat=float(r_hat[worst]),
        ess_bulk=float(bulk.min()),
        ess_tail=float(tail.min()),
        worst=labels[worst],
        divergences=int(np.asarray(statistics["diverging"].values).sum()),
        energy=float(fraction.min()),
    )


def _or_worst(values: Any, worst: float) -> Floats:
    return np.nan_to_num(np.asarray(values, dtype=np.float64), nan=worst, posinf=math.inf, neginf=-math.inf)


def independent_draws(draws: Floats, chains: int, kind: Literal["mean", "sd", "bulk"] = "mean") -> float:
    """Return how many independent draws those of one quantity are worth, given chain after chain, shape (S,)."""
    import arviz as az

    each = len(draws) // chains
    return float(az.ess(np.asarray(draws)[: each * chains].reshape(chains, each), method=kind))

"""The two engines, by name: nested Laplace for exploring, placebos, power and many areas; NUTS for the audit."""

from __future__ import annotations

from numbers import Integral
from typing import Literal, TypeAlias

from svmodel.engine.description import LatentModel
from svmodel.engine.posterior import Posterior, from_nested
from svmodel.errors import EstimationError, did_you_mean
from svmodel.numerics.latent.factors import ModeError
from svmodel.numerics.latent.nested import integrate

Engine: TypeAlias = Literal["laplace", "nuts"]
ENGINES: tuple[Engine, ...] = ("laplace", "nuts")


def run(model: LatentModel, engine: str = "laplace", *, draws: int = 4000, seed: int = 0) -> Posterior:
    """Sample a model's posterior.

    Parameters
    ----------
    model : LatentModel
    engine : {"laplace", "nuts"}
    draws : int
        In all; of NUTS in four chains.
    seed : int
        The same seed gives the same draws on the same machine.

    Returns
    -------
    Posterior
        It may not have arrived: see :attr:`svmodel.engine.posterior.Convergence.problems`.

    Raises
    ------
    EstimationError
        If there is no such engine, the seed is none, or the posterior has no mode.
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
        raise EstimationError(f"a seed is a whole number of 0 or more, not {seed!r}")
    if engine == "laplace":
        from threadpoolctl import threadpool_limits

        # fields of some hundred effects: threads would wait for each other, and their number must not move a digit
        with threadpool_limits(1):
            try:
                nested = integrate(model.problem, seed=seed)
            except ModeError as error:
                raise EstimationError(
                    f"the nested Laplace approximation failed: {error}. Look at the data for counts that cannot be, "
                    "and at the priors for scales that are far off"
                ) from error
            return from_nested(nested, model, draws=draws, seed=seed)
    if engine == "nuts":
        from svmodel.engine.nuts import sample

        return sample(model, draws=draws, seed=seed)
    raise EstimationError(f"there is no engine {engine!r}. {did_you_mean(engine, ENGINES)}")


def arrived(posterior: Posterior, where: str) -> Posterior:
    """Return the posterior, or refuse one that has not arrived.

    Raises
    ------
    EstimationError
        With everything that speaks against the draws.
    """
    if not posterior.convergence.arrived:
        reasons = "; ".join(posterior.convergence.problems)
        raise EstimationError(
            f"{where}: the {posterior.engine} fit has not converged, so no number is given: {reasons}. "
            "Look at the data and the priors; a longer run seldom mends a model that does not fit."
        )
    return posterior

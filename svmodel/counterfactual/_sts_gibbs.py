"""Gibbs sampling of one structural time series with static regression on other series."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from svmodel.numerics.spike_and_slab import SpikeAndSlab, truncated_variance
from svmodel.numerics.state_space import structural

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Draws", "Priors", "sample"]

#: Weight of the prior of the noise where there are no candidates: next to nothing is said.
_VAGUE_DF = 0.01
_NOISE_UPPER = 1.2


@dataclass(frozen=True)
class Priors:
    """Priors on the standardised series, whose standard deviation before the start is 1.

    Attributes
    ----------
    level_sd : float
        Guess of the standard deviation of a step of the level (and of the slope).
    level_df : float
        How many observations the guess is worth.
    model_size : float
        Candidates expected to matter.
    explained, explained_df : float
        Share of the variance that candidates are expected to explain, and how many observations that is worth.
    """

    level_sd: float = 0.01
    level_df: float = 32.0
    model_size: float = 3.0
    explained: float = 0.8
    explained_df: float = 50.0


@dataclass(frozen=True, eq=False)
class Draws:
    """Draws of C chains, S each, on the standardised scale.

    Attributes
    ----------
    signal : ndarray, shape (C, S, T)
        State and regression, without noise.
    noise_sd : ndarray, shape (C, S)
    shock_sd : ndarray, shape (C, S, K)
    beta : ndarray, shape (C, S, P)
    names : tuple of str
        Of the K kinds of shock.
    """

    signal: Floats
    noise_sd: Floats
    shock_sd: Floats
    beta: Floats
    names: tuple[str, ...]


def sample(
    y: Floats,
    X: Floats,
    priors: Priors,
    *,
    slope: bool,
    seasons: int,
    chains: int,
    draws: int,
    warmup: int,
    seed: int,
) -> Draws:
    """Draw states, variances, inclusions and coefficients given the observed periods.

    Parameters
    ----------
    y : ndarray, shape (T,)
        Standardised; NaN where nothing is learnt from (missing, or from the start on).
    X : ndarray, shape (T, P)
        Standardised candidates, known in every period.
    priors : Priors
    slope : bool
    seasons : int
    chains, draws, warmup : int
        Draws kept and left out by chain.
    seed : int

    Returns
    -------
    Draws
    """
    T, P = X.shape
    known = ~np.isnan(y)
    observed = np.flatnonzero(known)
    until = int(observed[-1]) + 1
    first, last = float(y[observed[0]]), float(y[observed[-1]])
    rise = (last - first) / max(int(observed[-1] - observed[0]), 1)
    space = structural(T, slope=slope, seasons=seasons, first_level=(first, 1.0), first_slope=(rise, 1.0))
    kinds = len(space.names)
    guess = np.full(kinds, priors.level_sd)
    # R gives the season's guess hardly any weight, and chains then do not meet: tiny steps fit as well as none
    df = np.full(kinds, priors.level_df)
    out = Draws(
        np.empty((chains, draws, T)),
        np.empty((chains, draws)),
        np.empty((chains, draws, kinds)),
        np.empty((chains, draws, P)),
        space.names,
    )
    # the intercept counts among the candidates in R; here the level has its place
    inclusion = min(priors.model_size / (P + 1), 1.0) if P else 1.0
    noise_df, noise_guess = (priors.explained_df, math.sqrt(1 - priors.explained)) if P else (_VAGUE_DF, 1.0)
    streams = np.random.SeedSequence(seed).spawn(chains)
    for c, stream in enumerate(streams):
        rng = np.random.default_rng(stream)
        regression = SpikeAndSlab(X[known], inclusion=inclusion, df=noise_df, guess=noise_guess, upper=_NOISE_UPPER)
        # chains start apart, so that R-hat can see whether they have met
        variances = (np.maximum(guess, 1e-3) * np.exp(rng.normal(0, 1, kinds))) ** 2
        noise, fitted = float(np.exp(rng.normal(-1, 0.5))), np.zeros(T)
        for s in range(-warmup, draws):
            theta = space.draw(y - fitted, noise, variances, rng)
            variances = np.array(
                [
                    truncated_variance(d + n, d * g**2 + squares, 1.0, rng)
                    for d, g, (n, squares) in zip(df, guess, space.squares(theta, until), strict=True)
                ]
            )
            state = space.signal(theta)
            beta, noise = regression.step((y - state)[known], rng)
            fitted = X @ beta
            if s >= 0:
                out.signal[c, s] = state + fitted
                out.noise_sd[c, s] = math.sqrt(noise)
                out.shock_sd[c, s] = np.sqrt(variances)
                out.beta[c, s] = beta
    return out

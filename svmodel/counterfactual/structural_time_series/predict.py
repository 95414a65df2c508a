"""Predicted events of a treated series without the intervention, draw by draw, in the outcome's units."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.counterfactual.series import LEAST_BEFORE, control_rows
from svmodel.design import DesignArrays
from svmodel.errors import Problems
from svmodel.numerics.arrays import Floats, Ints
from svmodel.numerics.series import Series
from svmodel.numerics.series.convergence import effective_draws, r_hat
from svmodel.numerics.series.spike_and_slab import SpikeAndSlab, truncated_variance
from svmodel.numerics.series.state_space import structural

COVARIATE, SUM = -1, -2
#: Chains with a larger R-hat, or fewer independent draws of the effect, have not met; fewer draws than this do not fix
#: the ends of a 95% interval.
R_HAT, LEAST_DRAWS = 1.05, 100
#: How often draws and warmup are doubled while chains have not met.
_DOUBLINGS = 3


@dataclass(frozen=True, eq=False)
class Candidates:
    """Series that a treated one may be regressed on.

    Attributes
    ----------
    X : ndarray, shape (T, P)
        Standardised by the periods before the start; 0 in periods that are not used.
    rows : ndarray of int, shape (P,)
        Untreated area of each; :data:`SUM` for their sum and :data:`COVARIATE` for a covariate of the design.
    left_out : int
        Untreated areas that are missing in some period used, or do not change before the start.
    """

    X: Floats
    rows: Ints
    left_out: int


def candidates(arrays: DesignArrays, series: Series, *, controls: str, log: bool) -> Candidates:
    """Return untreated areas' rates, or the rate of their sum, and the design's covariates.

    They are ordered by how closely they go with the series before the start, so that nothing hangs on their names.
    """
    use, before = series.used, series.before
    rows = control_rows(arrays) if controls != "none" else np.array([], dtype=np.int64)
    size = np.ones_like(arrays.y) if arrays.exposure is None else np.where(arrays.exposure > 0, arrays.exposure, np.nan)
    left_out = 0
    if controls == "sum":
        whole = ~np.isnan((arrays.y[rows] / size[rows])[:, use]).any(axis=1)
        rows, left_out = rows[whole], int((~whole).sum())
        rates = (arrays.y[rows].sum(axis=0) / size[rows].sum(axis=0))[None, :] if len(rows) else np.empty((0, len(use)))
        rows = rows[:1]
    else:
        rates = arrays.y[rows] / size[rows]
    if log:
        with np.errstate(divide="ignore"):
            rates = np.where(rates > 0, np.log(np.where(rates > 0, rates, 1.0)), np.nan)
    columns = [(SUM if controls == "sum" else int(i), x) for i, x in zip(rows, rates, strict=True)]
    columns += [(COVARIATE, x) for x in series.covariates.T]
    kept, names = [], []
    for i, x in columns:
        spread = x[before].std(ddof=1) if before.sum() > 1 else 0.0
        # the spread of a constant is rounding, not zero
        if np.isnan(x[use]).any() or not spread > 1e-12 * np.abs(x[before]).max():
            left_out += i != COVARIATE
            continue
        kept.append(np.where(use, (x - x[before].mean()) / spread, 0.0))
        names.append(i)
    if not kept:
        return Candidates(np.empty((len(use), 0)), np.array([], dtype=np.int64), left_out)
    X = np.column_stack(kept)
    y = outcome(series, log=log)[before]
    close = np.abs((y - y.mean()) @ X[before])
    order = np.argsort(-close, kind="stable")
    return Candidates(X[:, order], np.array(names)[order], left_out)


def outcome(series: Series, *, log: bool) -> Floats:
    """Return what is modelled: the rate, or its logarithm."""
    if not log:
        return series.rate
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(series.rate)


@dataclass(frozen=True, eq=False)
class Prediction:
    """Draws of a series' events without the intervention.

    Attributes
    ----------
    series : Series
    candidates : Candidates
    draws : Draws
    expected : ndarray, shape (T,)
        Posterior mean.
    predicted : ndarray, shape (C S, T)
        Draws of what would have been observed, noise included.
    """

    series: Series
    candidates: Candidates
    draws: Draws
    expected: Floats
    predicted: Floats

    @cached_property
    def mixing(self) -> tuple[float, float]:
        """The worst R-hat, and what the draws of the effect are worth; see :func:`mixing`."""
        return mixing(self.draws, self.series)

    @property
    def met(self) -> bool:
        """Whether its chains have met."""
        return have_met(*self.mixing)

    def described(self) -> dict[str, Any]:
        """Return plain numbers on the chains."""
        steps = zip(self.draws.names, self.draws.shock_sd.mean(axis=(0, 1)), strict=True)
        return {
            "r_hat": self.mixing[0],
            "effective_draws": self.mixing[1],
            "draws": self.draws.noise_sd.size,
            "noise_sd": float(self.draws.noise_sd.mean()),
            **{f"{name}_step_sd": float(v) for name, v in steps},
            "periods_before": int(self.series.before.sum()),
            "periods_after": int(self.series.after.sum()),
            "candidates": len(self.candidates.rows),
            "expected_model_size": float((self.draws.beta != 0).sum(axis=2).mean()),
        }


def find_problems(
    index: pd.PeriodIndex, series: Series, found: Problems, *, seasons: int, log: bool, name: str
) -> None:
    """Add what keeps the series from being predicted."""
    word, least = periods.describe_frequency(index), LEAST_BEFORE[periods.per_year(index)]
    needed = max(least, 2 * seasons if seasons > 1 else 0)
    before = int(series.before.sum())
    if before < needed:
        fix = "Give earlier data." if before < least else "Use season='none'."
        text = f"{before} known {word}s before the start, and {needed} are needed"
        found.add(text, where=name, fix=fix, rule="few_before")
    elif float(np.ptp(series.rate[series.before])) == 0:
        text = f"the outcome is {series.y[series.before][0]:g} in every {word} before the start"
        found.add(text, where=name, rule="constant_series")
    elif not series.after.any():
        found.add(f"no {word} from the start on is known", where=name, rule="no_after")
    elif log and not (outcome(series, log=True)[series.before] > -np.inf).all():
        text = f"there are {word}s before the start without events, and the log of a rate needs some"
        found.add(text, where=name, fix="Use transform='none', or sum areas.", rule="no_events")


def have_met(worst: float, worth: float) -> bool:
    """Return whether chains with this R-hat, whose draws are worth so many, have met."""
    return worst <= R_HAT and worth >= LEAST_DRAWS


def mixing(draws: Draws, series: Series) -> tuple[float, float]:
    """Return the worst R-hat of the effect and the variances, and what the draws of the effect are worth."""
    effect = draws.signal[:, :, series.after].sum(axis=2)
    watched = [effect, draws.noise_sd, *np.moveaxis(draws.shock_sd, -1, 0)]
    return max(r_hat(w) for w in watched), effective_draws(effect)


def predict_series(
    arrays: DesignArrays,
    series: Series,
    priors: Priors,
    *,
    controls: str,
    log: bool,
    slope: bool,
    seasons: int,
    chains: int,
    draws: int,
    warmup: int,
    seed: int,
) -> Prediction:
    """Sample one series, longer while its chains have not met, and take it back to events; see :func:`sample`."""
    others = candidates(arrays, series, controls=controls, log=log)
    y = outcome(series, log=log)
    mean, sd = float(y[series.before].mean()), float(y[series.before].std(ddof=1))
    standardised = np.where(series.before, (y - mean) / sd, np.nan)
    for times in (2**k for k in range(_DOUBLINGS + 1)):
        drawn = sample(
            standardised,
            others.X,
            priors,
            slope=slope,
            seasons=seasons,
            chains=chains,
            draws=draws * times,
            warmup=warmup * times,
            seed=seed,
        )
        if have_met(*mixing(drawn, series)):
            break
    rng = np.random.default_rng([seed, 1])
    signal = drawn.signal.reshape(-1, len(y))
    noise = drawn.noise_sd.reshape(-1, 1) * rng.standard_normal(signal.shape)
    if log:
        with np.errstate(over="ignore"):
            predicted = series.exposure * np.exp(mean + sd * (signal + noise))
        return Prediction(series, others, drawn, predicted.mean(axis=0), predicted)
    predicted = series.exposure * (mean + sd * (signal + noise))
    # the mean is that of the signal: noise is centred, and only adds sampling error to it
    return Prediction(series, others, drawn, series.exposure * (mean + sd * signal.mean(axis=0)), predicted)


#: Weight of the prior of the noise where there are no candidates: it says next to nothing.
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
    y: Floats, X: Floats, priors: Priors, *, slope: bool, seasons: int, chains: int, draws: int, warmup: int, seed: int
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

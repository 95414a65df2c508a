"""Segmented regression of one series: its terms, what keeps it from being fitted, and the fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.counterfactual.series import LEAST_BEFORE, least_before
from svmodel.errors import EstimationError, Problems
from svmodel.numerics.arrays import Floats
from svmodel.numerics.negative_binomial import nb2_dispersion
from svmodel.numerics.series import Series
from svmodel.numerics.series.hac import residual_ar1

_STEPS = 100
_TOLERANCE = 1e-10
#: Degrees of freedom below which residuals say next to nothing of the noise.
_LEAST_DF = 3
#: Residuals below this share of the outcome are rounding.
_ROUNDING = 1e-9
#: Known treated periods below which a change of slope is not told from noise.
LEAST_AFTER = 3


@dataclass(frozen=True, eq=False)
class Terms:
    """Regressors of every period of a series.

    Attributes
    ----------
    X : ndarray, shape (T, K)
        Level, years from the start, season, covariates, and last the terms of the intervention.
    post : slice
        Columns of the intervention: the level, and years since the start where the slope may change.
    season : slice
    """

    X: Floats
    post: slice
    season: slice

    @property
    def without(self) -> Floats:
        """The same regressors had there been no intervention, shape (T, K)."""
        X = self.X.copy()
        X[:, self.post] = 0
        return X


def build_terms(index: pd.PeriodIndex, series: Series, season: str, harmonics: int, *, slope_change: bool) -> Terms:
    """Return the columns; covariates that do not change over the periods used say nothing and are left out."""
    per_year = periods.year_length(index)
    T = len(index)
    years = (np.arange(T) - series.start) / per_year
    columns = [np.ones(T), years]
    if season == "harmonics":
        for k in range(1, min(harmonics, int(per_year) // 2) + 1):
            angle = 2 * np.pi * k * np.arange(T) / per_year
            # at the highest frequency of all the sine is zero in every period
            columns += [np.cos(angle)] if 2 * k == per_year else [np.sin(angle), np.cos(angle)]
    elif season == "months" and per_year > 1:
        of_year = np.asarray(index.month) - 1 if periods.has_weeks(index) else np.arange(T) % int(per_year)
        # seasons that the series never sees would be columns of zeros
        columns += [(of_year == s).astype(np.float64) for s in np.unique(of_year)[1:]]
    if season != "none" and index.freqstr == "D":
        weekday = np.asarray(index.day_of_week)
        columns += [(weekday == d).astype(np.float64) for d in range(1, 7)]
    stop = len(columns)
    for x in series.covariates.T:
        if np.ptp(x[series.used]) > 0:
            spread = x[series.used].std()
            columns.append(np.where(series.used, (x - x[series.used].mean()) / spread, 0.0))
    first = len(columns)
    # known or not: the terms of the intervention stand in every treated period, so that the path has them too
    on = (np.arange(T) >= series.start).astype(np.float64)
    columns.append(on)
    if slope_change:
        columns.append(on * years)
    return Terms(np.column_stack(columns), slice(first, len(columns)), slice(2, stop))


def find_problems(
    index: pd.PeriodIndex, series: Series, terms: Terms, found: Problems, *, log: bool, slope: bool, name: str
) -> None:
    """Add what keeps the series from being fitted."""
    use = series.used
    y, X = series.y[use], terms.X[use]
    before, after = int(series.before.sum()), int(series.after.sum())
    least = least_before(index, seasonal=terms.season.stop > terms.season.start)
    word = periods.describe_frequency(index)
    if before < least:
        text = f"{before} known {word}s before the start, and a line with its season needs {least}"
        fix = "Give earlier data; with controls, a difference-in-differences needs fewer."
        if least > LEAST_BEFORE[periods.per_year(index)]:
            fix = f"Give earlier data, or use season='none'. {fix.partition('; ')[2].capitalize()}"
        found.add(text, where=name, fix=fix, rule="few_before")
    if after < LEAST_AFTER and slope:
        text = f"{after} known {word}s from the start on show no change of slope"
        found.add(text, where=name, fix="Use slope_change=False, or wait for later data.", rule="few_after")
    if before and float(np.ptp(series.y[use])) == 0:
        found.add(f"the outcome is {series.y[use][0]:g} in every period", where=name, rule="constant_series")
        return
    if log and (y < 0).any():
        found.add("the outcome is negative, and a model of ratios takes none", where=name, rule="negative")
    elif log and before and after:
        for part, when in ((series.before, "before the start"), (series.after, "from the start on")):
            if series.y[part].sum() == 0:
                text = f"there is not one event {when}, so no ratio"
                found.add(text, where=name, fix="Sum areas, or use a longer window.", rule="no_events")
    if len(y) - X.shape[1] < _LEAST_DF:
        fix = "Use fewer harmonics, no season, or a longer window."
        found.add(f"{len(y)} known {word}s for {X.shape[1]} coefficients", where=name, fix=fix, rule="few_periods")
    elif (after >= LEAST_AFTER or not slope) and np.linalg.matrix_rank(X) < X.shape[1]:
        text = "trend, season, covariates and the intervention cannot be told apart"
        found.add(text, where=name, fix="Use fewer terms, or a longer window.", rule="not_identified")


@dataclass(frozen=True, eq=False)
class Segment:
    """A fitted series.

    Attributes
    ----------
    series : Series
    terms : Terms
    log : bool
        Whether effects multiply.
    beta : ndarray, shape (K,)
    mean : ndarray, shape (T,)
        Fitted events, in every period.
    z : ndarray, shape (T,)
        Standardised residuals (Pearson's; of the rate for a linear model); 0 where a period is not used.
    spread : ndarray, shape (T,)
        Events that one unit of z stands for.
    C : ndarray, shape (K, T)
        What the coefficients owe to each period's standardised error.
    maker : ndarray, shape (n, n)
        Residual maker of the standardised regression, over the n periods used.
    dispersion : float
        Sum of squared z over the degrees of freedom.
    k : float
        Of the negative binomial, else 0.
    rho : float
        Autocorrelation that the fit itself assumed (Prais and Winsten), else 0.
    deviance : ndarray, shape (T,)
        Deviance residuals; NaN where a period is not used.
    """

    series: Series
    terms: Terms
    log: bool
    beta: Floats
    mean: Floats
    z: Floats
    spread: Floats
    C: Floats
    maker: Floats
    dispersion: float
    k: float
    rho: float
    deviance: Floats

    @property
    def n(self) -> int:
        """Periods used."""
        return len(self.maker)

    @property
    def df(self) -> int:
        """Periods used less coefficients."""
        return self.n - len(self.beta)

    @property
    def expected(self) -> Floats:
        """Events had there been no intervention, shape (T,)."""
        eta = self.terms.without @ self.beta
        return self.series.exposure * (np.exp(eta) if self.log else eta)

    @property
    def gradient(self) -> Floats:
        """Of :attr:`expected` in the coefficients, shape (T, K)."""
        size = self.expected if self.log else self.series.exposure
        return size[:, None] * self.terms.without

    @property
    def change(self) -> Floats:
        """Terms of the intervention on the scale of the model, shape (T,): log ratios, or events per exposure."""
        return self.terms.X[:, self.terms.post] @ self.beta[self.terms.post]


def fit_segment(series: Series, terms: Terms, family: str, *, prais_winsten: bool = False) -> Segment:
    """Fit one series.

    Raises
    ------
    EstimationError
        If an effect has no finite estimate.
    """
    use = series.used
    if family == "linear":
        return _linear(series, terms, prais_winsten=prais_winsten)
    y, X, offset = series.y[use], terms.X[use], np.log(series.exposure[use])
    beta, k = _scoring(y, X, offset, negative_binomial=family == "negative_binomial")
    with np.errstate(invalid="ignore"):
        mean = series.exposure * np.exp(terms.X @ beta)
    mu = mean[use]
    weight = mu / (1 + k * mu)
    Z = X * np.sqrt(weight)[:, None]
    bread = np.linalg.inv(Z.T @ Z)
    z = (y - mu) / np.sqrt(mu * (1 + k * mu))
    maker = np.eye(len(y)) - Z @ bread @ Z.T
    df = len(y) - X.shape[1]
    deviance = _deviance(y, mu, k)
    if without_noise(y, mu):
        z, deviance = np.zeros_like(z), np.zeros_like(z)
    dispersion = float(z @ z) / df if df > 0 else np.nan
    errors = (z, np.sqrt(mu * (1 + k * mu)), bread @ Z.T, maker, dispersion, deviance)
    return _segment(series, terms, beta, mean, *errors, log=True, k=k)


def without_noise(y: Floats, fitted: Floats) -> bool:
    """Return whether what a regression leaves over is rounding, which looks like an autocorrelated error."""
    return bool(np.abs(y - fitted).max() <= _ROUNDING * np.abs(y).max())


def _linear(series: Series, terms: Terms, *, prais_winsten: bool) -> Segment:
    use = series.used
    y, X = series.rate[use], terms.X[use]
    time = np.flatnonzero(use)
    rho = 0.0
    # R(rho) is whitened by its Cholesky factor: Prais and Winsten's transform where no period is missing
    lag = np.abs(np.subtract.outer(time, time))
    if prais_winsten:
        bread = np.linalg.inv(X.T @ X)
        maker = np.eye(len(y)) - X @ bread @ X.T
        rho = residual_ar1([maker @ y], [maker], [time])[0]
    weight = np.linalg.inv(rho**lag) if rho else np.eye(len(y))
    C = np.asarray(np.linalg.solve(X.T @ weight @ X, X.T @ weight), dtype=np.float64)
    beta = C @ y
    z = np.zeros_like(y) if without_noise(y, X @ beta) else y - X @ beta
    df = len(y) - X.shape[1]
    dispersion = float(z @ weight @ z) / df if df > 0 else np.nan
    errors = (z, series.exposure[use], C, np.eye(len(y)) - X @ C, dispersion, z)
    return _segment(series, terms, beta, series.exposure * (terms.X @ beta), *errors, log=False, rho=rho)


def _segment(
    series: Series,
    terms: Terms,
    beta: Floats,
    mean: Floats,
    z: Floats,
    spread: Floats,
    C: Floats,
    maker: Floats,
    dispersion: float,
    deviance: Floats,
    *,
    log: bool,
    k: float = 0.0,
    rho: float = 0.0,
) -> Segment:
    """Return the fit with what is known of periods used laid out over all."""

    def over_all(values: Floats, empty: float = 0.0) -> Floats:
        out = np.full((*values.shape[:-1], len(series.used)), empty)
        out[..., series.used] = values
        return out

    z, spread, C, deviance = over_all(z), over_all(spread), over_all(C), over_all(deviance, np.nan)
    return Segment(series, terms, log, beta, mean, z, spread, C, maker, dispersion, k, rho, deviance)


def _scoring(y: Floats, X: Floats, offset: Floats, *, negative_binomial: bool) -> tuple[Floats, float]:
    """Return coefficients and dispersion k by Fisher scoring; k by Pearson's moment equation, in turn."""
    beta = np.asarray(np.linalg.lstsq(X, np.log(y + 0.5 * y.mean()) - offset, rcond=None)[0], dtype=np.float64)
    beta = _score(y, X, offset, beta, 0.0)
    k = 0.0
    if not negative_binomial:
        return beta, k
    for _ in range(50):
        mean = np.exp(offset + X @ beta)
        before, k = k, nb2_dispersion(y, mean, parameters=X.shape[1])
        beta = _score(y, X, offset, beta, k)
        if abs(k - before) <= 1e-9 * (1 + k):
            return beta, k
    raise EstimationError("the dispersion of the counts did not settle; take family='quasipoisson'")


def _score(y: Floats, X: Floats, offset: Floats, beta: Floats, k: float) -> Floats:
    for _ in range(_STEPS):
        mean = np.exp(np.clip(offset + X @ beta, -30, 30))
        weight = 1 / (1 + k * mean)
        information = (X * (mean * weight)[:, None]).T @ X
        try:
            step = np.linalg.solve(information, X.T @ ((y - mean) * weight))
        except np.linalg.LinAlgError:
            break
        # a log-scale step above 2 leaves the region where the quadratic approximation says anything
        beta = beta + step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-300))
        if not np.isfinite(beta).all():
            break
        if np.abs(step).max() < _TOLERANCE:
            return beta
    raise EstimationError("the regression did not converge: some effect has no finite estimate")


def _deviance(y: Floats, mu: Floats, k: float) -> Floats:
    """Return signed roots of the deviance's terms (McCullagh and Nelder 1989, section 2.4)."""
    positive = np.where(y > 0, y, 1.0)
    first = np.where(y > 0, y * np.log(positive / mu), 0.0)
    terms = 2 * (first - (y - mu)) if k == 0 else 2 * (first - (y + 1 / k) * np.log((1 + k * y) / (1 + k * mu)))
    return np.asarray(np.sign(y - mu) * np.sqrt(np.maximum(terms, 0.0)))

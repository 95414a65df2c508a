"""Interrupted time series of counts: a series held against its own trend and season, with shocks that last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from svmodel import periods
from svmodel.bayes.answer import AnswersDesigns, notes_of
from svmodel.bayes.options import is_number, problems_with
from svmodel.bayes.question import Question, log_exposure
from svmodel.bayes.ratio_prior import Belief, ratio_prior
from svmodel.bayes.rows import TreatedCells
from svmodel.bayes.series import (
    INDEPENDENT,
    SeriesQuestion,
    log_rate,
    lost_parts,
    only_row,
    season_terms,
    usable_series,
)
from svmodel.design import Design, DesignArrays
from svmodel.engine.description import LatentModel, Term
from svmodel.engine.posterior import Posterior
from svmodel.errors import EstimationError
from svmodel.numerics.arrays import Floats, Mask
from svmodel.numerics.latent.priors import Beta, HalfNormal
from svmodel.numerics.latent.structures import AR1, Fixed
from svmodel.numerics.series import Series
from svmodel.result.method import NEUTRAL, UNSHOWN, Method
from svmodel.result.notes import Note, ResultWarning

_VALID = {
    "family": ("negative_binomial", "poisson"),
    "season": ("auto", "smooth", "harmonics", "none"),
    "shocks": ("ar1", "none"),
    "areas": ("sum", "each"),
}
_COVARIATE_SD = 0.5


@dataclass(frozen=True)
class InterruptedTimeSeries(AnswersDesigns):
    """Segmented regression of counts with exposure: trend, season, a change at the start, and autocorrelated shocks.

    Parameters
    ----------
    prior : {"sceptical", "neutral", "enthusiastic", "flat"} or RatioPrior
        Of the rate ratio in the middle of the treated periods, which is that of the level change where the slope does
        not change; in words in the notes. Neutral: halving and doubling are the limits.
    slope_change : bool
        Whether the slope may change at the start, or the level only.
    slope_prior : as `prior`
        Of the change of slope, as a rate ratio from one year to the next. Sceptical: 95% within a fifth.
    season : {"auto", "smooth", "harmonics", "none"}
        Effects of months (quarters) that walk around the year, or pairs of sine and cosine; ``auto`` is ``smooth``, and
        nothing for years.
    harmonics : int
        Pairs of waves, for ``season="harmonics"``.
    shocks : {"ar1", "none"}
        Whether what happens in a period may last into the next ones.
    areas : {"sum", "each"}
        Treated areas with one start (and end) are summed into a series, or each is a series of its own. Series share
        season's step, shocks' size and persistence, and overdispersion, and nothing else.
    family : {"negative_binomial", "poisson"}
    trend_sd : float
        Prior standard deviation of the log slope a year.
    season_sd, shock_sd, overdispersion : float
        Scales of the half-normal priors of a step around the year, of the shocks that last, and of the shock that each
        count meets by itself, all on the log scale.
    least_persistence : float
        The shocks' autocorrelation is Beta(2, 2) between this and 1; -1 allows a high month to be followed by a low
        one.
    engine : {"laplace", "nuts"}
    draws : int
    level : float
        Posterior probability in an interval.

    Notes
    -----
    ``y_t ~ NB(mean_t, s)``, ``log mean_t = log exposure_t + a + b time_t + season_t + x_t' c + D_t (tau + d (time_t -
    m)) + e_t`` with time in years from the start, D 1 from the start on, m the mean time of the treated periods, and e
    an AR(1). a has the prior N(log of the rate before the start, 1), c N(0, .5^2) for covariates in standard
    deviations, and waves of the season N(0, .3^2). Written about m, the prior of tau is that of the average effect
    whether the slope may change or not; the level change at the start itself, ``exp(tau - d m)``, and the slope change
    a year, ``exp(d)``, stand in ``diagnostics["series"]``, of series with more than one treated period.

    The rate ratio is the sum of the expected counts with the intervention over the sum without it (tau and d at
    zero), over the treated periods. Shocks e belong to both: what they took away or brought is not the intervention's.
    That they could have is why intervals are wider than without them.

    *Supposes* that the line and the season would have gone on, and that nothing else happened at the start. An area
    that was chosen because it was high falls back by itself, and no model of its series alone can tell.

    *Coverage*: ``benchmarks/calibrate_bayes_series.py``.

    References
    ----------
    Wagner, Soumerai, Zhang and Ross-Degnan (2002), *Journal of Clinical Pharmacy and Therapeutics* 27, 299-309. Bernal,
    Cummins and Gasparrini (2017), *International Journal of Epidemiology* 46(1), 348-355. Rue, Martino and Chopin
    (2009), *Journal of the Royal Statistical Society B* 71(2), 319-392, for the engine.

    Examples
    --------
    >>> from svmodel import simulate
    >>> made = simulate.panel(1, 84, mean=100, dispersion=0.01, effect=0.7, cohorts=((60, 1),), seed=1)
    >>> result = InterruptedTimeSeries(slope_change=False, draws=500).fit(made.design("violence"), seed=1)
    >>> effect = result.effect("att", "rate_ratio")
    >>> effect.conf_low < 0.7 < effect.conf_high < 1
    True
    """

    about: ClassVar[Method] = Method(
        short="Bayesian interrupted series",
        name="Bayesian interrupted time series",
        how=(
            "The Bayesian interrupted time series carries the treated areas' own trend and season on past the "
            "start, with shocks that last, and gives the change in level and slope as probabilities under a "
            "stated prior."
        ),
        supposes=("line", "prior"),
        unshown=(*UNSHOWN, "slope_prior", "trend_sd", "season_sd", "shock_sd", "least_persistence", "overdispersion"),
        neutral=(*NEUTRAL, "engine"),
        gives=("posterior", "model", "engine"),
        phrases={"areas: sum": "areas summed", "areas: each": "each area by itself", "shocks: ar1": "shocks that last"},
    )

    prior: Belief = "neutral"
    slope_change: bool = True
    slope_prior: Belief = "sceptical"
    season: Literal["auto", "smooth", "harmonics", "none"] = "auto"
    harmonics: int = 2
    shocks: Literal["ar1", "none"] = "ar1"
    areas: Literal["sum", "each"] = "sum"
    family: Literal["negative_binomial", "poisson"] = "negative_binomial"
    trend_sd: float = 0.2
    season_sd: float = 0.1
    shock_sd: float = 0.15
    least_persistence: float = 0.0
    overdispersion: float = 0.3
    engine: Literal["laplace", "nuts"] = "laplace"
    draws: int = 4000
    level: float = 0.95

    def __post_init__(self) -> None:
        scales, priors = ("trend_sd", "season_sd", "shock_sd", "overdispersion"), [self.prior, self.slope_prior]
        found = problems_with(self, valid=_VALID, above_zero=scales, at_least={"harmonics": 1}, beliefs=priors)
        if not (is_number(self.least_persistence) and -1 <= self.least_persistence < 1):
            text = f"least_persistence must be at least -1 and below 1, not {self.least_persistence!r}"
            found.add(text, rule="least_persistence")
        found.raise_if_any(EstimationError, "InterruptedTimeSeries cannot be used so")

    def ask(self, arrays: DesignArrays) -> Question:
        """Return the model and the periods that its effect is about.

        Raises
        ------
        EstimationError
            If a series is too short or constant, or has no event before its start. Every one is named.
        """
        series, held = usable_series(
            arrays,
            each=self.areas == "each",
            counts=True,
            nothing="no treated area-period is known, so there is no series to interrupt",
            title="an interrupted series cannot answer this",
        )
        target = held.treated
        offset = log_exposure(np.stack([s.exposure for s in series]))
        G = len(series)
        rows, years = np.arange(G)[:, None], _years(held)
        terms = [
            *[Term(f"intercept_{g}", Fixed(log_rate(s), 1.0), only_row(g, G)) for g, s in enumerate(series)],
            Term("trend", Fixed(0.0, self.trend_sd, G), rows, years),
            *season_terms(self.season, self.harmonics, held, self.season_sd),
            *_covariates(series),
            *self._shocks(held),
            *self._effects(target, years),
        ]
        spread = HalfNormal(self.overdispersion) if self.family == "negative_binomial" else None
        model = LatentModel(held.y, offset, tuple(terms), self.family, spread)
        members = np.array([len(s.rows) for s in series])
        return SeriesQuestion(model, target, "effect", lost_parts(arrays, series), arrays=held, members=members)

    def _shocks(self, held: DesignArrays) -> list[Term]:
        if self.shocks == "none":
            return []
        G, T = held.y.shape
        walk = AR1(T, "shock_sd", HalfNormal(self.shock_sd), "persistence", Beta(2.0, 2.0, self.least_persistence))
        return [Term(f"shock_{g}", walk, only_row(g, G, np.arange(T))) for g in range(G)]

    def _effects(self, target: Mask, years: Floats) -> list[Term]:
        G = len(target)
        rows, on = np.arange(G)[:, None], target.astype(np.float64)
        belief = ratio_prior(self.prior)
        terms = [Term("effect", Fixed(belief.mean_log, belief.sd, G), rows, on)]
        # a slope within a single period says nothing
        if self.slope_change and (target.sum(axis=1) > 1).any():
            slope = ratio_prior(self.slope_prior)
            turned = np.where(target, years - _middle(target, years)[:, None], 0.0)
            terms.append(Term("effect_slope", Fixed(slope.mean_log, slope.sd, G), rows, turned))
        return terms

    def details(self, question: Question, posterior: Posterior, cells: TreatedCells) -> dict[str, Any]:  # noqa: ARG002
        """Return the change of level at the start and of slope a year, for each series."""
        assert isinstance(question, SeriesQuestion)
        ends = [0.5, 0.5 - self.level / 2, 0.5 + self.level / 2]
        middle = _middle(question.target, _years(question.arrays))
        tau, slope = posterior.effects["effect"], posterior.effects.get("effect_slope")
        series = question.spans()
        for g, told in enumerate(series):
            changes = {"level_change": tau[:, g]}
            # of the slope within a single period nothing but the prior is known
            if slope is not None and told["periods_after"] > 1:
                changes["level_change"] = tau[:, g] - slope[:, g] * middle[g]
                changes["slope_change_per_year"] = slope[:, g]
            for key, draws in changes.items():
                estimate, low, high = np.quantile(np.exp(draws), ends)
                told |= {key: float(estimate), f"{key}_low": float(low), f"{key}_high": float(high)}
        return {"series": series}

    def remarks(
        self,
        design: Design,
        question: Question,
        cells: TreatedCells,
        told: Mapping[str, Any],  # noqa: ARG002
    ) -> list[Note]:
        """Return the notes of a result."""
        assert isinstance(question, SeriesQuestion)
        word = periods.describe_frequency(design.view.periods)
        out = notes_of(self, design, question, cells, controls=False)
        alone = (
            "The series is held against its own past alone: anything else that happened at the start passes for the "
            "effect."
        )
        out.append(ResultWarning("identification", alone))
        if self.slope_change and (question.target.sum(axis=1) > 1).any():
            slope = ratio_prior(self.slope_prior)
            out.append(f"Prior belief about the change of slope, from one year to the next: {slope.describe()}.")
        if self.shocks == "none":
            out.append(f"Shocks are taken to end with their {word}: where they last, the interval is too narrow.")
        before, after = (m.sum(axis=1) for m in (question.arrays.untreated, question.target))
        if (after > before).any():
            longer = f"The line from before the start is carried on for longer ({word}s) than it was seen."
            out.append(ResultWarning("fit", longer))
        if len(before) > 1:
            out.append(INDEPENDENT)
        return out


def _years(held: DesignArrays) -> Floats:
    """Return years from the start of each series, shape (G, T)."""
    return np.asarray(held.horizon / periods.year_length(held.periods))


def _middle(target: Mask, years: Floats) -> Floats:
    """Return the mean time of the treated periods of each series."""
    return np.asarray((years * target).sum(axis=1) / np.maximum(target.sum(axis=1), 1))


def _covariates(series: Sequence[Series]) -> list[Term]:
    """Return a term for each covariate that changes over time, in standard deviations of its series."""
    terms = []
    for k in range(series[0].covariates.shape[1]):
        value = np.zeros((len(series), len(series[0].y)))
        for g, s in enumerate(series):
            x = s.covariates[:, k]
            spread = float(x[s.used].std())
            if spread > 1e-12 * float(np.abs(x[s.used]).max()):
                value[g] = np.where(s.used, (x - x[s.used].mean()) / spread, 0.0)
        if value.any():
            rows = np.arange(len(series))[:, None]
            terms.append(Term(f"covariate_{k + 1}", Fixed(0.0, _COVARIATE_SD, len(series)), rows, value))
    return terms

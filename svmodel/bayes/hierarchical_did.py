"""Difference-in-differences with partially pooled effects: counts with exposure, areas, periods, and honest priors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from svmodel.bayes.answer import AnswersDesigns, notes_of, rests_on
from svmodel.bayes.maps import bym2
from svmodel.bayes.options import problems_with
from svmodel.bayes.question import Question, log_exposure
from svmodel.bayes.ratio_prior import Belief, ratio_prior
from svmodel.bayes.rows import TreatedCells
from svmodel.design import Design, DesignArrays
from svmodel.design.covariates import require_told
from svmodel.engine.description import LatentModel, Term
from svmodel.engine.posterior import Posterior
from svmodel.errors import EstimationError
from svmodel.numerics.arrays import Mask
from svmodel.numerics.latent.area_shocks import AreaShocks, StartedWalk
from svmodel.numerics.latent.priors import Beta, HalfNormal
from svmodel.numerics.latent.structures import AR1, Fixed, Independent, RandomWalk, Structure
from svmodel.numerics.two_way import components
from svmodel.result.doubts import shared_noise
from svmodel.result.method import NEUTRAL, UNSHOWN, Method
from svmodel.result.notes import Note

_VALID = {
    "family": ("negative_binomial", "poisson"),
    "pooling": ("partial", "none", "complete"),
    "over": ("areas", "cohorts"),
    "shocks": ("none", "ar1", "walk"),
}
#: Expected events in all treated area-periods below which the Gaussian approximation of the field is too sure: by 8% of
#: the standard deviation with six events in all (tests/bayes/test_hierarchical_did.py).
_FEW_EVENTS = 10
#: Prior standard deviations: of the level about the log of the raw rate, and of a covariate's coefficient.
_LEVEL_SD, _COVARIATE_SD = 1.0, 0.5
#: Prior of the correlation of an area's shocks from one period to the next: Beta, with 90% between .27 and .92.
_PERSISTENCE = (3.0, 1.8)
_NO_INDEX = np.zeros((1, 1), dtype=np.int64)


@dataclass(frozen=True)
class HierarchicalDiD(AnswersDesigns):
    """Negative-binomial counts with area and period effects, and treatment effects pooled over areas or cohorts.

    Parameters
    ----------
    prior : {"sceptical", "neutral", "enthusiastic", "flat"} or RatioPrior
        Of the average rate ratio, in words in the notes. Neutral: halving and doubling are the limits.
    pooling : {"partial", "none", "complete"}
        Effects that share a mean and differ by a standard deviation that is estimated; each with the prior of its own;
        or one effect for all.
    over : {"areas", "cohorts"}
        What has an effect of its own.
    by_horizon : bool
        Whether effects change with the periods since the start, as a random walk about their average.
    lasting_shocks : int
        Length, in periods, of blocks of time in each of which an area has a shock of its own that is estimated; 0 for
        none. Half a year is a fair choice where what happens in one area in one month goes on in the next.
    shocks : {"none", "ar1", "walk"}
        Of each area in each period, beside the overdispersion of counts: none; such as fade, of which size and
        persistence are estimated over all areas; or levels that wander and do not come back.
    neighbours : mapping, pairs or matrix, optional
        Borders between areas, as :func:`svmodel.adjacency.read_adjacency` takes them: area effects then follow the map
        (BYM2).
    family : {"negative_binomial", "poisson"}
    area_sd, period_sd, effect_sd, horizon_sd, shock_sd, overdispersion : float
        Scales of the half-normal priors of the standard deviations (log scale) of area effects, of a step of the period
        effects, of effects about their mean, of their step by horizon, of shocks that last (of the step of levels that
        wander a third of it), and of the shock that each count meets.
    engine : {"laplace", "nuts"}
        Nested Laplace to explore; NUTS for a headline that is published. ``result.audit()`` runs the other.
    draws : int
    level : float
        Posterior probability in an interval.

    Notes
    -----
    ``y_it ~ NB(mean_it, s)``, ``log mean_it = log exposure_it + mu + a_i + m_t + x_it' b + D_it (tau + u_i + h_k)``,
    with a about zero over areas, m a random walk over periods about zero, and k the periods since the start. mu has the
    prior N(log of the raw rate, 1), each b N(0, .5^2) for a covariate in standard deviations.

    The terms ``att``, ``area``, ``cohort``, ``event`` and ``calendar`` are ratios of the expected counts with and
    without the intervention, summed over the treated area-periods in question before they are divided (so that areas
    count by their size); ``events`` their difference. All are posterior medians with equal-tailed intervals. ``draws``
    has the log of the average rate ratio.

    Periods in which no untreated area is seen, or none that ever has an event, and treated areas without a known period
    before their start, are left out of the effect and of the model: the random walk would answer for them with nothing
    but its prior.

    *Supposes* that areas share the period effects (common trends on the log scale); that counts are independent given
    the effects, so that shocks of an area that last are not in the interval unless `shocks` has them (docs/coverage.md
    has what that costs); that an effect does not spill over.

    References
    ----------
    Gelman and Hill (2007), *Data Analysis Using Regression and Multilevel/Hierarchical Models*, chapters 12 and 13.
    Rue, Martino and Chopin (2009) for the engine. Normington and others (2019), *Statistics and Public Policy* 6(1),
    for a Bayesian difference-in-differences.

    Examples
    --------
    >>> from svmodel import simulate
    >>> made = simulate.panel(12, 24, mean=20, effect=0.7, cohorts=((12, 4),), seed=1)
    >>> result = HierarchicalDiD(draws=500).fit(made.design("violence"), seed=1)
    >>> effect = result.effect("att", "rate_ratio")
    >>> effect.conf_low < 0.7 < effect.conf_high < 1
    True
    """

    about: ClassVar[Method] = Method(
        short="Bayesian hierarchical DiD",
        name="Hierarchical difference-in-differences",
        how=(
            "Hierarchical difference-in-differences (Bayesian; Gelman and Hill 2007) models counts by a level "
            "for each area, a level for each period and an effect for each treated area. The effects share a "
            "mean, so that an area with few events borrows from the others. A prior says beforehand how "
            "large effects are believed to be; the answer is a probability."
        ),
        supposes=("parallel", "prior"),
        unshown=(*UNSHOWN, "area_sd", "period_sd", "effect_sd", "horizon_sd", "shock_sd", "overdispersion"),
        neutral=(*NEUTRAL, "engine"),
        gives=("posterior", "model", "engine"),
        phrases={
            "pooling: partial": "effects pooled in part",
            "pooling: none": "each effect by itself",
            "pooling: complete": "one effect for all",
            "over: areas": "by area",
            "over: cohorts": "by start",
        },
    )

    prior: Belief = "neutral"
    pooling: Literal["partial", "none", "complete"] = "partial"
    over: Literal["areas", "cohorts"] = "areas"
    by_horizon: bool = False
    lasting_shocks: int = 0
    shocks: Literal["none", "ar1", "walk"] = "none"
    neighbours: Any = None
    family: Literal["negative_binomial", "poisson"] = "negative_binomial"
    area_sd: float = 0.7
    period_sd: float = 0.2
    effect_sd: float = 0.2
    horizon_sd: float = 0.1
    shock_sd: float = 0.3
    overdispersion: float = 0.5
    engine: Literal["laplace", "nuts"] = "laplace"
    draws: int = 4000
    level: float = 0.95

    def __post_init__(self) -> None:
        scales = ("area_sd", "period_sd", "effect_sd", "horizon_sd", "shock_sd", "overdispersion")
        whole = {"lasting_shocks": 0}
        found = problems_with(self, valid=_VALID, above_zero=scales, at_least=whole, beliefs=[self.prior])
        if self.shocks != "none" and self.lasting_shocks:
            found.add(
                f"shocks={self.shocks!r} and lasting_shocks={self.lasting_shocks!r} are two models of the same",
                fix="Leave lasting_shocks out.",
                rule="lasting_shocks",
            )
        found.raise_if_any(EstimationError, "HierarchicalDiD cannot be used so")

    def ask(self, arrays: DesignArrays) -> Question:
        """Return the model and the cells that its effect is about.

        Raises
        ------
        EstimationError
            If no treated area-period can be held against an untreated one, or untreated area-periods say nothing of a
            covariate that moves: its coefficient would be its prior.
        """
        # a level that stands still adjusts nothing here: it shifts areas, which have their own effects
        require_told(arrays, still=False)
        target, used, left_out = _comparable(arrays)
        if not target.any():
            raise EstimationError(
                "no treated area-period can be compared: "
                + ("; ".join(left_out) or "none is known")
                + ". A difference-in-differences needs untreated areas in the same periods, and periods before."
            )
        y = np.where(used, arrays.y, np.nan)
        offset = np.zeros(y.shape) if arrays.exposure is None else log_exposure(arrays.exposure)
        rate = math.log(max(float(np.nansum(y[used])), 0.5) / float(np.exp(offset[used]).sum()))
        N, T = y.shape
        areas = np.arange(N)[:, None]
        terms = [
            Term("intercept", Fixed(rate, _LEVEL_SD), _NO_INDEX),
            Term("area", self._areas(arrays), areas),
            Term("period", RandomWalk(T, "period_sd", HalfNormal(self.period_sd)), np.arange(T)[None, :]),
            *self._shocks(N, T),
            *_covariates(arrays, used),
            *self._effects(arrays, target),
        ]
        spread = HalfNormal(self.overdispersion) if self.family == "negative_binomial" else None
        model = LatentModel(y, offset, tuple(terms), self.family, spread)
        return Question(model, target, "effect", tuple(left_out))

    def details(self, question: Question, posterior: Posterior, cells: TreatedCells) -> dict[str, Any]:
        """Return how far shocks last, and with effects that are not pooled what the prior says of their average."""
        left = autocorrelation(question, posterior)
        few = posterior.engine == "laplace" and float(np.median(cells.total[1])) < _FEW_EVENTS
        told: dict[str, Any] = {
            "residual_autocorrelation": vars(left),
            "shocks_last": left.lasting,
            "few_events_for_laplace": few,
            "inference_in_doubt": left.lasting or few,
        }
        why = rests_on(posterior, ratio_prior(self.prior))
        told["inference_why"] = " ".join([why, *self._doubts(told)])
        if self.pooling == "none":
            low, high = self._prior_of_average(cells)
            told["prior_of_average"] = {"low": low, "high": high}
        return told

    def _prior_of_average(self, cells: TreatedCells) -> tuple[float, float]:
        """Return the limits of 95% of the prior of an average of effects that have priors of their own."""
        belief = ratio_prior(self.prior)
        of = cells.area if self.over == "areas" else cells.arrays.start[cells.area]
        place = np.unique(of, return_inverse=True)[1]
        weight = np.bincount(place, np.median(cells.without, axis=0))
        own = np.exp(np.random.default_rng(0).normal(belief.mean_log, belief.sd, (4000, len(weight))))
        low, high = np.quantile(own @ (weight / weight.sum()), [0.025, 0.975])
        return float(low), float(high)

    def remarks(self, design: Design, question: Question, cells: TreatedCells, told: Mapping[str, Any]) -> list[Note]:
        """Return the notes of a result."""
        notes = [*notes_of(self, design, question, cells), *self._doubts(told), *shared_noise(design)]
        if "prior_of_average" in told:
            low, high = (100 * (told["prior_of_average"][k] - 1) for k in ("low", "high"))
            notes.append(
                "Each effect has the prior by itself, so that before the data their average is believed to lie between "
                f"{low:+.0f}% and {high:+.0f}%, with 95% probability. Partial pooling has no such belief."
            )
        return notes

    def _doubts(self, told: Mapping[str, Any]) -> list[str]:
        """Return why the interval is in doubt; nothing where it is not."""
        left, notes = told["residual_autocorrelation"], []
        if told["few_events_for_laplace"]:
            notes.append(
                f"Fewer than {_FEW_EVENTS} events were to be expected in the treated area-periods: nested Laplace is a "
                'little too sure then (standard deviations up to a tenth too small). Take engine="nuts".'
            )
        if told["shocks_last"]:
            cure = '`shocks="walk"` has' if self.shocks == "ar1" else '`shocks="ar1"` has'
            notes.append(
                "What befalls an area lasts: what the model does not explain goes with the same a period earlier "
                f"(correlation {left['value']:.2f}, standard error {1 / math.sqrt(left['pairs']):.2f}). The interval "
                f"supposes that it does not, and is too narrow. {cure} such shocks in the model."
            )
        return notes

    def _areas(self, arrays: DesignArrays) -> Structure:
        prior = HalfNormal(self.area_sd)
        if self.neighbours is None:
            return Independent(len(arrays.areas), "area_sd", prior, zero_sum=True)
        return bym2(self.neighbours, arrays.areas, prior)

    def _shocks(self, areas: int, length: int) -> list[Term]:
        """Return shocks of areas by period, or by blocks of time: a type I or II interaction (Knorr-Held 2000)."""
        if self.shocks != "none":
            series: AR1 | StartedWalk = StartedWalk(length, "wander_sd", HalfNormal(self.shock_sd / 3))
            if self.shocks == "ar1":
                series = AR1(length, "shock_sd", HalfNormal(self.shock_sd), "shock_persistence", Beta(*_PERSISTENCE))
            each = np.arange(areas * length).reshape(areas, length)
            return [Term("shock", AreaShocks(areas, series), each)]
        if not self.lasting_shocks:
            return []
        blocks = math.ceil(length / self.lasting_shocks)
        structure = Independent(areas * blocks, "shock_sd", HalfNormal(self.shock_sd))
        time = np.arange(length)[None, :] // self.lasting_shocks
        return [Term("shock", structure, np.arange(areas)[:, None] * blocks + time)]

    def _effects(self, arrays: DesignArrays, target: Mask) -> list[Term]:
        belief = ratio_prior(self.prior)
        value = target.astype(np.float64)
        average = Fixed(belief.mean_log, belief.sd)
        treated: Mask = np.asarray(target.any(axis=1))
        member = np.full(len(treated), -1, dtype=np.int64)
        if self.over == "areas":
            member[treated] = np.arange(int(treated.sum()))
        else:
            member[treated] = np.unique(arrays.start[treated], return_inverse=True)[1]
        n = int(member.max()) + 1
        # a single effect is its own mean
        pooling = "complete" if n == 1 else self.pooling
        terms = []
        if pooling == "none":
            own = Fixed(belief.mean_log, belief.sd, n)
            terms.append(Term("effect_own", own, member[:, None], value))
        else:
            terms.append(Term("effect", average, _NO_INDEX, value))
        if pooling == "partial":
            spread = Independent(n, "effect_sd", HalfNormal(self.effect_sd))
            terms.append(Term("effect_own", spread, member[:, None], value))
        if self.by_horizon:
            horizon = np.where(target, arrays.horizon, -1)
            walk = RandomWalk(int(horizon.max()) + 1, "horizon_sd", HalfNormal(self.horizon_sd))
            if walk.size > 1:
                terms.append(Term("effect_horizon", walk, horizon, value))
        return terms


def _comparable(arrays: DesignArrays) -> tuple[Mask, Mask, list[str]]:
    """Return the treated cells that can be compared, all cells of the model, and what was left out."""
    exposed = np.ones(arrays.y.shape, dtype=bool) if arrays.exposure is None else arrays.exposure > 0
    treated, untreated = arrays.treated & exposed, arrays.untreated & exposed
    # an area without an event would stay without one whatever the period: it says nothing of periods
    eventful = np.where(untreated, arrays.y, 0.0).sum(axis=1) > 0
    there, based = untreated.any(axis=0), np.asarray(untreated.any(axis=1))
    seen = (untreated & eventful[:, None]).any(axis=0)
    left_out = []
    for lacking, what in ((~there, "in the same period"), (there & ~seen, "that ever has an event in the same period")):
        if (treated & lacking).any():
            n = int((treated & lacking).sum())
            left_out.append(f"{n:,} treated area-periods have no untreated area {what}")
    lost = treated.any(axis=1) & ~based
    if lost.any():
        left_out.append(f"{int(lost.sum())} treated areas have no known period before the start")
    label = components(untreated)
    own = np.where(based, label[untreated.argmax(axis=1)], -2)
    linked = own[:, None] == label[None, :]
    apart = treated & seen & based[:, None] & ~linked
    if apart.any():
        left_out.append(
            f"no chain of known counts links {int(apart.sum()):,} treated area-periods to untreated ones at the time"
        )
    target = treated & seen & linked
    return target, target | untreated, left_out


def _covariates(arrays: DesignArrays, used: Mask) -> list[Term]:
    """Return a term for each covariate, in standard deviations; a cell without it says nothing of the others."""
    terms = []
    for k in range(arrays.covariates.shape[-1]):
        x = arrays.covariates[:, :, k]
        held = x[used]
        if np.isnan(held).any():
            raise EstimationError(
                f"covariate {k + 1} is missing in {int(np.isnan(held).sum()):,} area-periods that the model uses; "
                "fill or drop it"
            )
        spread = float(held.std())
        if spread > 0:
            standard = np.where(used, (x - held.mean()) / spread, 0.0)
            terms.append(Term(f"covariate_{k + 1}", Fixed(0.0, _COVARIATE_SD), _NO_INDEX, standard))
    return terms


#: Standard errors above zero from which shocks are said to last.
SURE = 2.5
#: Draws that expected counts are averaged over.
_DRAWS = 200


@dataclass(frozen=True)
class Autocorrelation:
    """Correlation of what the model does not explain with the same a period earlier in the same area.

    Attributes
    ----------
    value : float
        Of Pearson residuals, pooled over areas; NaN without two periods in a row.
    z : float
        In standard errors of independent residuals.
    pairs : int
    """

    value: float
    z: float
    pairs: int

    @property
    def lasting(self) -> bool:
        """Whether shocks last, beyond chance."""
        return self.z > SURE


def autocorrelation(question: Question, posterior: Posterior) -> Autocorrelation:
    """Return the first-order autocorrelation of a count model's residuals.

    Independent residuals have a standard error of one over the root of the number of pairs (Box, Jenkins and Reinsel
    2008, section 2.1.6). Residuals about an area's own mean are drawn below zero, by one over the number of its periods
    (Kendall 1954, *Biometrika* 41), which is added.
    """
    model = question.model
    step = max(1, posterior.size // _DRAWS)
    effects = {name: draws[::step] for name, draws in posterior.effects.items()}
    mean = np.exp(model.predictor(effects, model.known)).mean(axis=0)
    s = float(np.median(posterior.hyper["overdispersion"])) if "overdispersion" in posterior.hyper else 0.0
    residual = np.full(model.y.shape, np.nan)
    residual[model.known] = (model.y[model.known] - mean) / np.sqrt(mean + (s * mean) ** 2)
    product = residual[:, 1:] * residual[:, :-1]
    both = ~np.isnan(product)
    pairs = int(both.sum())
    if pairs == 0:
        return Autocorrelation(math.nan, math.nan, 0)
    periods = model.known.sum() / max(int(model.known.any(axis=1).sum()), 1)
    value = float(product[both].sum() / pairs / np.mean(residual[model.known] ** 2) + 1 / periods)
    return Autocorrelation(value, value * math.sqrt(pairs), pairs)

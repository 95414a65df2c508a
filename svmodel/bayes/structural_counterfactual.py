"""Structural counterfactual: what would have been observed, from untreated areas and a level that hardly moves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from svmodel import periods
from svmodel.bayes.answer import AnswersDesigns
from svmodel.bayes.controls import Controls, log_controls, rate_controls
from svmodel.bayes.options import is_number, problems_with
from svmodel.bayes.prediction import Prediction
from svmodel.bayes.question import Question, log_exposure
from svmodel.bayes.rows import TreatedCells
from svmodel.bayes.series import INDEPENDENT, log_rate, lost_parts, only_row, season_terms, series_of, usable_series
from svmodel.design import Design, DesignArrays
from svmodel.engine.description import LatentModel, Term
from svmodel.engine.posterior import Posterior
from svmodel.errors import EstimationError
from svmodel.numerics.latent.priors import Beta, GammaPrecision, HalfNormal
from svmodel.numerics.latent.structures import AR1, Fixed, Independent, RandomWalk
from svmodel.numerics.series import Series
from svmodel.result.doubts import design_doubts
from svmodel.result.method import NEUTRAL, UNSHOWN, Method
from svmodel.result.notes import Note, ResultWarning
from svmodel.result.rule import FEW_CONTROLS

_VALID = {
    "family": ("negative_binomial", "poisson", "gaussian"),
    "controls": ("untreated", "sum", "none"),
    "season": ("none", "auto", "smooth", "harmonics"),
    "shocks": ("ar1", "none"),
    "areas": ("sum", "each"),
}
_SCALES = ("level_sd", "level_df", "common_sd", "control_sd", "season_sd", "shock_sd", "overdispersion", "explained_df")
#: Observations that R's slab is worth for each candidate.
_SLAB = 0.01
#: Candidates, with the intercept, up to which R expects each to matter.
_R_MODEL_SIZE = 3
#: Weight of the prior of the noise where nothing is to explain it.
_VAGUE_DF = 0.02
_COVARIATE_SD = 0.5
#: Events a period below which the noise of counts is far from normal.
_FEW_EVENTS = 5.0


@dataclass(frozen=True)
class StructuralCounterfactual(AnswersDesigns):
    """Observed events against draws of what would have been observed, from a model of the periods before the start.

    Parameters
    ----------
    family : {"negative_binomial", "poisson", "gaussian"}
        Counts with exposure on the log scale; or standardised rates, with the priors of R's CausalImpact.
    controls : {"untreated", "sum", "none"}
        What may predict the series: untreated areas by themselves, their sum alone, or none. For counts, "untreated" is
        their sum and how each departs from it. Covariates of the design always may.
    season : {"none", "auto", "smooth", "harmonics"}
        As in :class:`~svmodel.bayes.InterruptedTimeSeries`. Controls bring the season that they share.
    shocks : {"ar1", "none"}
        Whether what happens in the series alone may last; for counts. The Gaussian family has none, as R has none.
    areas : {"sum", "each"}
        Treated areas with one start (and end) are summed into a series, or each is a series of its own. Series share
        the standard deviations, and nothing else.
    level_sd, level_df : float
        Prior guess of the standard deviation of the level's steps, and how many observations it is worth. On the log
        scale for counts, .005 by default: in two years a level drifts by 2.4%, one standard deviation. In standard
        deviations of the series before the start for the Gaussian family, .01 by default, as in R.
    common_sd : float
        Counts: standard deviation of the prior, about 1, of the coefficient of the log rate of the sum of controls. At
        1 the series moves as the controls do, as in a difference-in-differences.
    control_sd : float
        Counts: scale of the half-normal prior of the standard deviation that coefficients of single controls share.
    explained, explained_df : float
        Gaussian: share of the variance that controls are expected to explain, and how many observations that is worth.
    season_sd, shock_sd, overdispersion : float
        Scales of half-normal priors, as in :class:`~svmodel.bayes.InterruptedTimeSeries`.
    engine : {"laplace", "nuts"}
    draws : int
    level : float
        Posterior probability in an interval.

    Notes
    -----
    *Counts.* Before the start ``y_t ~ NB(mean_t, s)``, ``log mean_t = log exposure_t + a + l_t + c z_t + sum_j b_j x_jt
    + e_t``: l a random walk with the tight prior, z the log rate of the sum of controls, c ~ N(1, common_sd^2), x_j how
    control j departs from that sum, ``b_j ~ N(0, control_sd^2)`` and e an AR(1). Log rates are those of the counts plus
    a half, not smoothed. Noise in a regressor draws its coefficient towards zero, and part of a fall that all share
    then passes for an effect; the sum has the least noise, and the prior holds its coefficient about 1. The model is
    carried on past the start with what the controls did then.

    *Gaussian.* The model of R's CausalImpact for the rate, standardised by the periods before the start: 1 / variance
    of the level's steps is Gamma(16, 16 * .01^2), of the noise Gamma(25, 25 * (1 - .8)), coefficients N(0, (1 - .8) /
    .01). Where R would choose among candidates (more than two), a Gaussian field cannot: coefficients are then pooled
    by a standard deviation that is half-normal with a scale of one over the root of their number. Two things are not
    R's and do not show: priors are not cut off at the series' variance, and the slab, which is worth a hundredth of an
    observation, does not scale with the noise.

    *Effects.* Every draw is of a prediction with its noise: ``events`` is the observed less the predicted, and
    ``rate_ratio`` the one over the other, infinite where none were predicted. So intervals hold for the events as they
    were. The probability of a reduction is that of more events without the intervention than there were.
    ``counterfactual`` bounds what would have been observed. ``result.posterior.question.predicted(...)`` gives the
    draws, with noise or without.

    *Supposes* that controls are not touched by the intervention and go on to move with the series as before, and that
    the level hardly moves by itself: ``level_sd`` decides how wide long predictions are.

    *Coverage*: ``benchmarks/calibrate_bayes_series.py``.

    References
    ----------
    Brodersen, Gallusser, Koehler, Remy and Scott (2015), *Annals of Applied Statistics* 9(1), 247-274, section 2. Scott
    and Varian (2014), *International Journal of Mathematical Modelling and Numerical Optimisation* 5, 4-23, section 3.

    Examples
    --------
    >>> from svmodel import simulate
    >>> made = simulate.panel(8, 60, mean=60, dispersion=0.01, effect=0.7, cohorts=((48, 1),), seed=1)
    >>> result = StructuralCounterfactual(draws=500).fit(made.design("violence"), seed=1)
    >>> effect = result.effect("att", "rate_ratio")
    >>> effect.conf_low < 0.7 < effect.conf_high < 1
    True
    """

    about: ClassVar[Method] = Method(
        short="Bayesian structural counterfactual",
        name="Bayesian structural counterfactual",
        how=(
            "The Bayesian structural counterfactual learns before the start how the treated areas' counts "
            "went along with untreated ones, shrinks what the controls say, and predicts what would have been "
            "seen afterwards, as probabilities."
        ),
        supposes=("line",),
        unshown=(
            *UNSHOWN,
            "level_sd",
            "level_df",
            "common_sd",
            "control_sd",
            "explained",
            "explained_df",
            "season_sd",
            "shock_sd",
            "overdispersion",
        ),
        neutral=(*NEUTRAL, "engine"),
        gives=("posterior", "model", "engine"),
        phrases={
            "controls: untreated": "beside untreated areas",
            "controls: sum": "beside the sum of untreated areas",
            "controls: none": "by itself",
            "areas: sum": "areas summed",
            "areas: each": "each area by itself",
            "shocks: ar1": "shocks that last",
        },
    )

    family: Literal["negative_binomial", "poisson", "gaussian"] = "negative_binomial"
    controls: Literal["untreated", "sum", "none"] = "untreated"
    season: Literal["none", "auto", "smooth", "harmonics"] = "none"
    harmonics: int = 2
    shocks: Literal["ar1", "none"] = "ar1"
    areas: Literal["sum", "each"] = "sum"
    level_sd: float | None = None
    level_df: float = 32.0
    common_sd: float = 0.25
    control_sd: float = 0.05
    explained: float = 0.8
    explained_df: float = 50.0
    season_sd: float = 0.1
    shock_sd: float = 0.15
    overdispersion: float = 0.3
    engine: Literal["laplace", "nuts"] = "laplace"
    draws: int = 4000
    level: float = 0.95

    def __post_init__(self) -> None:
        found = problems_with(self, valid=_VALID, above_zero=_SCALES, at_least={"harmonics": 1})
        if not (is_number(self.explained) and 0 <= self.explained < 1):
            text = f"the share that is explained must be at least 0 and below 1, not {self.explained!r}"
            found.add(text, rule="explained")
        found.raise_if_any(EstimationError, "StructuralCounterfactual cannot be used so")

    @property
    def scale(self) -> str:
        """Scale of :meth:`point`."""
        return "difference" if self.family == "gaussian" else "log_rate_ratio"

    @property
    def step_sd(self) -> float:
        """Prior guess of the standard deviation of the level's steps: `level_sd`, or the family's own."""
        if self.level_sd is not None:
            return self.level_sd
        return 0.01 if self.family == "gaussian" else 0.005

    def ask(self, arrays: DesignArrays) -> Question:
        """Return the model of the periods before the start, and the periods that the effect is about.

        Raises
        ------
        EstimationError
            If a series is too short or constant, or has no event before its start. Every one is named.
        """
        return self._question(arrays, counts=self.family != "gaussian")

    def _question(self, arrays: DesignArrays, *, counts: bool) -> Prediction:
        log = self.family != "gaussian"
        series, held = usable_series(
            arrays,
            each=self.areas == "each",
            counts=log,
            nothing="no treated area-period is known, so there is nothing to hold against a prediction",
            title="a structural counterfactual cannot answer this",
        )
        chosen = self._chosen(arrays, series)
        model = self._counts(held, series, chosen) if log else self._gaussian(held, series, chosen)
        centre, spread = np.zeros(len(series)), np.ones(len(series))
        if not log:
            centre, spread = (np.array(v) for v in zip(*[_moments(s) for s in series], strict=True))
        return Prediction(
            model,
            held.treated,
            "",
            lost_parts(arrays, series),
            arrays=held,
            members=np.array([len(s.rows) for s in series]),
            centre=centre,
            spread=spread,
            counts=counts,
        )

    def _counts(self, held: DesignArrays, series: list[Series], chosen: list[Controls]) -> LatentModel:
        """Return the model of counts on the log scale."""
        G, T = held.y.shape
        time = np.arange(T)
        offset = log_exposure(np.stack([s.exposure for s in series]))
        step = self._step()
        terms = season_terms(self.season, self.harmonics, held, self.season_sd)
        for g, (s, c) in enumerate(zip(series, chosen, strict=True)):
            terms.append(Term(f"intercept_{g}", Fixed(log_rate(s), 1.0), only_row(g, G)))
            terms.append(Term(f"level_{g}", RandomWalk(T, "level_sd", step), only_row(g, G, time)))
            if c.common is not None:
                terms.append(Term(f"common_{g}", Fixed(1.0, self.common_sd), only_row(g, G), c.common[None, :]))
            pooled = Independent(1, "control_sd", HalfNormal(self.control_sd))
            for j, (x, row) in enumerate(zip(c.own, c.rows, strict=True)):
                structure = pooled if row >= 0 else Fixed(0.0, _COVARIATE_SD)
                terms.append(Term(f"control_{g}_{j}", structure, only_row(g, G), x[None, :]))
            if self.shocks == "ar1":
                walk = AR1(T, "shock_sd", HalfNormal(self.shock_sd), "persistence", Beta(2.0, 2.0))
                terms.append(Term(f"shock_{g}", walk, only_row(g, G, time)))
        spread = HalfNormal(self.overdispersion) if self.family == "negative_binomial" else None
        y = np.where(held.untreated, held.y, np.nan)
        return LatentModel(y, offset, tuple(terms), self.family, spread)

    def _gaussian(self, held: DesignArrays, series: list[Series], chosen: list[Controls]) -> LatentModel:
        """Return the model of standardised rates, with the priors of CausalImpact."""
        G, T = held.y.shape
        time = np.arange(T)
        y = np.full((G, T), np.nan)
        step = self._step()
        terms = season_terms(self.season, self.harmonics, held, self.season_sd)
        candidates = max(len(c.own) for c in chosen)
        slab = Fixed(0.0, math.sqrt((1 - self.explained) / _SLAB))
        pooled = Independent(1, "control_sd", HalfNormal(max(candidates, 1) ** -0.5))
        for g, (s, c) in enumerate(zip(series, chosen, strict=True)):
            mean, sd = _moments(s)
            y[g, s.before] = (s.rate[s.before] - mean) / sd
            first = float(y[g, np.flatnonzero(s.before)[0]])
            terms.append(Term(f"intercept_{g}", Fixed(first, 1.0), only_row(g, G)))
            terms.append(Term(f"level_{g}", RandomWalk(T, "level_sd", step), only_row(g, G, time)))
            structure = slab if candidates + 1 <= _R_MODEL_SIZE else pooled
            terms += [Term(f"control_{g}_{j}", structure, only_row(g, G), x[None, :]) for j, x in enumerate(c.own)]
        df, share = (self.explained_df, 1 - self.explained) if candidates else (_VAGUE_DF, 1.0)
        noise = GammaPrecision(df / 2, df * share / 2)
        return LatentModel(y, np.zeros((G, T)), tuple(terms), "gaussian", noise, sd=np.ones((G, T)))

    def _step(self) -> GammaPrecision:
        """Return the tight prior of the level's steps."""
        return GammaPrecision(self.level_df / 2, self.level_df * self.step_sd**2 / 2)

    def point(self, arrays: DesignArrays) -> float:
        """Return the posterior median of the average effect by nested Laplace; NaN where there is none."""
        cells = self.quick_cells(arrays)
        if cells is None:
            return math.nan
        if self.family == "gaussian":
            return float(np.median(cells.difference))
        with np.errstate(divide="ignore"):
            return float(np.log(np.quantile(np.exp(cells.log_ratio), 0.5, method="inverted_cdf")))

    def question(self, design: Design, seed: int) -> Prediction:
        """Return the periods that a design is about, or refuse a measure where the family is one for counts."""
        if not design.is_count and self.family != "gaussian":
            raise EstimationError(
                f"the family {self.family!r} is for counts, and {design.outcome!r} is a measure; use family='gaussian'"
            )
        return replace(self._question(design.arrays, counts=design.is_count), seed=seed)

    def details(self, question: Question, posterior: Posterior, cells: TreatedCells) -> dict[str, Any]:
        """Return what the prediction rests on, for each series."""
        assert isinstance(question, Prediction)
        expected = question.predicted(posterior, question.target, noise=False).sum(axis=1)
        low, high = np.quantile(expected, [0.5 - self.level / 2, 0.5 + self.level / 2])
        series = question.spans()
        for g, told in enumerate(series):
            told["candidates"] = sum(t.name.startswith(f"control_{g}_") for t in question.model.terms)
            if f"common_{g}" in posterior.effects:
                told["common_coefficient"] = float(np.median(posterior.effects[f"common_{g}"]))
        return {
            "expected_low": float(low),
            "expected_high": float(high),
            "predicted_sd": float(cells.total[1].std(ddof=1)),
            "series": series,
        }

    def remarks(
        self,
        design: Design,
        question: Question,
        cells: TreatedCells,
        told: Mapping[str, Any],  # noqa: ARG002
    ) -> list[Note]:
        """Return the notes of a result."""
        series = series_of(design.arrays, each=self.areas == "each")
        chosen = self._chosen(design.arrays, series)
        word = periods.describe_frequency(design.view.periods)
        log, n = self.family != "gaussian", min(c.areas for c in chosen)
        unit = "on the log scale" if log else "standard deviations of the series before the start"
        level = (
            f"The level of the series moves by {self.step_sd:g} {unit} a {word}, with a prior worth "
            f"{self.level_df:g} observations: long predictions rest on it."
        )
        out: list[Note] = [level, *self._on_controls(design, n, word)]
        left_out = max(c.left_out for c in chosen)
        if left_out:
            out.append(f"{left_out} untreated areas are left out: missing in a {word} used.")
        if design.covariates:
            out.append("Covariates of the design play no part in this model; StructuralTimeSeries takes them.")
        if question.left_out:
            text = f"Left out of the effect: {'; '.join(question.left_out)}."
            out.append(ResultWarning("identification", text))
        few = sum(float(s.y[s.before].mean()) < _FEW_EVENTS for s in series)
        if few and not log and design.is_count:
            text = (
                f"{few} of {len(series)} series have less than {_FEW_EVENTS:.0f} events a {word}: the noise of such "
                "counts is not normal. Use family='negative_binomial'."
            )
            out.append(ResultWarning("fit", text))
        if design.is_count and not cells.with_it.any():
            out.append(
                f"Not one event was seen in the treated area-{word}s, so that the rate ratio is 0 whatever was to be "
                "expected: read the events averted, whose interval tells how few might have been."
            )
        if len(series) > 1:
            out.append(INDEPENDENT)
        if design.is_count and not (cells.total[1] > 0).all():
            out.append("In some draws no event was predicted: the rate ratio has no upper limit there.")
        return [*out, *design_doubts(design, additive=not log, rates=True, controls=n > 0)]

    def _on_controls(self, design: Design, n: int, word: str) -> list[Note]:
        if n == 0:
            alone = ResultWarning(
                "identification",
                "The series is held against its own past alone: anything else that happened at the same time passes "
                "for the effect.",
            )
            if self.season == "none" and periods.per_year(design.view.periods) > 1:
                return [alone, "Nothing here knows of the season: use season='auto', or controls that have one."]
            return [alone]
        supposed = (
            f"{n} areas that had no intervention predict the treated series, as they did before the start. That they "
            "went on to do so, and were not touched by the intervention, is supposed."
        )
        if n >= FEW_CONTROLS:
            return [supposed]
        areas, any_of = ("One untreated area stands", "it") if n == 1 else (f"Only {n} areas stand", "one of them")
        elsewhere = f"{areas} for what happened elsewhere in the same {word}s: what else befell {any_of} passes for "
        return [supposed, ResultWarning("identification", f"{elsewhere}the effect.")]

    def _chosen(self, arrays: DesignArrays, series: list[Series]) -> list[Controls]:
        """Return the regressors of each series."""
        made = rate_controls if self.family == "gaussian" else log_controls
        return [made(arrays, s, self.controls) for s in series]


def _moments(s: Series) -> tuple[float, float]:
    """Return mean and standard deviation of the rate before the start."""
    return float(s.rate[s.before].mean()), float(s.rate[s.before].std(ddof=1))

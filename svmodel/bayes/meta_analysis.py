"""Random-effects meta-analysis of effects on areas, or of published ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from svmodel.bayes.options import is_number, problems_with
from svmodel.bayes.ratio_prior import Belief, RatioPrior, ratio_prior
from svmodel.bayes.studies import Studies, read_studies
from svmodel.engine import arrived, run
from svmodel.engine.description import LatentModel, Term
from svmodel.engine.posterior import Posterior
from svmodel.errors import EstimationError, did_you_mean
from svmodel.numerics.arrays import Floats
from svmodel.numerics.latent.priors import HalfNormal
from svmodel.numerics.latent.structures import Fixed, Independent
from svmodel.result.scales import critical_value

_VALID = {"scale": ("ratio", "difference")}
#: Rows of a table: each study, the mean of all, and a study that is still to come.
POOLED, NEW = "pooled", "new area"
Of: TypeAlias = Literal["pooled", "new area"]


@dataclass(frozen=True)
class MetaAnalysis:
    """Effects that differ between areas about a mean of their own, each seen with a known error.

    Parameters
    ----------
    scale : {"ratio", "difference"}
        Rate ratios, which are pooled as logarithms, or differences in one unit.
    prior : {"sceptical", "neutral", "enthusiastic", "flat"}, RatioPrior, or (float, float)
        Of the pooled effect: a rate ratio's, in words; for differences their mean and standard deviation.
    between_sd : float
        Scale of the half-normal prior of the standard deviation between studies, on the log scale for ratios: .2 has
        95% of it below .39, with which one study in thirteen lies beyond half or double the pooled ratio.
    engine : {"laplace", "nuts"}
    draws : int
    level : float
        Posterior probability in an interval.

    Notes
    -----
    ``y_j ~ N(theta_j, s_j^2)``, ``theta_j ~ N(mu, tau^2)``, s_j known. Given tau all is normal, so that the nested
    Laplace approximation is exact but for the integral over tau. ``heterogeneity`` is ``tau^2 / (tau^2 + s^2)`` with
    the typical error ``s^2 = (k - 1) sum(w) / (sum(w)^2 - sum(w^2))``, ``w = 1 / s_j^2``: I-squared as Higgins and
    Thompson define it, with its posterior in place of a point.

    *Supposes* that studies are exchangeable and their errors independent and known. Areas of one analysis share their
    controls, so that their errors are not; published effects are those that were published, and no model sees the
    others. Effects that carry a prior already are pulled twice.

    References
    ----------
    Gelman and others (2013), *Bayesian Data Analysis*, third edition, sections 5.4 and 5.5. Higgins, Thompson and
    Spiegelhalter (2009), *Journal of the Royal Statistical Society A* 172(1), 137-159, for the prediction of a new
    study. Higgins and Thompson (2002), *Statistics in Medicine* 21(11), equation 9, for the typical error.

    Examples
    --------
    >>> import pandas as pd
    >>> published = pd.DataFrame({"label": ["A", "B", "C"], "estimate": [0.8, 0.9, 0.7],
    ...     "low": [0.6, 0.7, 0.5], "high": [1.07, 1.16, 0.98]})
    >>> answer = MetaAnalysis(prior="neutral", draws=2000).fit(published, seed=1)
    >>> answer.pooled["high"] < 1.05 and answer.probability() > 0.95
    True
    """

    scale: Literal["ratio", "difference"] = "ratio"
    prior: Belief | tuple[float, float] = "neutral"
    between_sd: float = 0.2
    engine: Literal["laplace", "nuts"] = "laplace"
    draws: int = 4000
    level: float = 0.95

    def __post_init__(self) -> None:
        found = problems_with(self, valid=_VALID, above_zero=["between_sd"])
        try:
            self.believed()
        except EstimationError as error:
            found.add(error.title, rule="prior")
        found.raise_if_any(EstimationError, "MetaAnalysis cannot be used so")

    def believed(self) -> tuple[float, float]:
        """Return mean and standard deviation of the pooled effect's prior, on the scale of the model."""
        if self.scale == "ratio":
            if isinstance(self.prior, tuple | list):
                raise EstimationError("the prior of a rate ratio is a name or a RatioPrior, not a mean and an s.d.")
            belief = ratio_prior(self.prior)
            return belief.mean_log, belief.sd
        given: Any = self.prior
        if isinstance(given, str | RatioPrior) or not isinstance(given, tuple | list) or len(given) != 2:
            raise EstimationError("the prior of a difference is its mean and standard deviation: prior=(0.0, 10.0)")
        if not (all(map(is_number, given)) and math.isfinite(given[0]) and 0 < given[1] < math.inf):
            raise EstimationError(f"the prior of a difference needs a finite mean and an s.d. above 0, not {given!r}")
        return float(given[0]), float(given[1])

    def model(self, studies: Any) -> LatentModel:
        """Return the model of some studies: a grid of one column."""
        return self._model(read_studies(studies, ratio=self.scale == "ratio"))

    def _model(self, held: Studies) -> LatentModel:
        k = len(held.labels)
        mean, sd = self.believed()
        terms = (
            Term("effect", Fixed(mean, sd), np.zeros((1, 1), dtype=np.int64)),
            Term("own", Independent(k, "between_sd", HalfNormal(self.between_sd)), np.arange(k)[:, None]),
        )
        y, s = held.estimate[:, None], held.std_error[:, None]
        return LatentModel(y, np.zeros((k, 1)), terms, "gaussian", sd=s)

    def fit(self, studies: Any, *, seed: int = 0) -> MetaResult:
        """Pool the studies.

        Parameters
        ----------
        studies : DataFrame, Result, mapping or sequence of Result
            A frame with ``label``, ``estimate`` and either the limits ``low`` and ``high`` of a 95% interval or the
            error: ``std_error`` of a difference, ``log_std_error`` of a ratio's logarithm. Or results of svmodel, whose
            average effects are pooled (a mapping gives their labels); or a single one, whose areas are.
        seed : int
            The same seed gives the same draws on the same machine.

        Returns
        -------
        MetaResult

        Raises
        ------
        EstimationError
            With everything that is wrong with the studies; or if there are fewer than two.
        """
        held = read_studies(studies, ratio=self.scale == "ratio")
        posterior = arrived(run(self._model(held), self.engine, draws=self.draws, seed=seed), "meta-analysis")
        return MetaResult(self, held, posterior, seed)


@dataclass(frozen=True, eq=False)
class MetaResult:
    """A pooled effect, the studies shrunken towards it, and what to expect of a new one. Below 1 or 0: fewer harms.

    Attributes
    ----------
    estimator : MetaAnalysis
    studies : Studies
        As they were read, on the scale of the model.
    posterior : Posterior
    seed : int
    """

    estimator: MetaAnalysis
    studies: Studies
    posterior: Posterior
    seed: int = 0

    def _draws(self, of: str) -> Floats:
        """Return draws on the scale of the model, shape (S,)."""
        mean = self.posterior.effects["effect"][:, 0]
        if of == POOLED:
            return mean
        if of == NEW:
            rng = np.random.default_rng([self.seed, 2])
            return np.asarray(mean + self.posterior.hyper["between_sd"] * rng.standard_normal(len(mean)))
        if of not in self.studies.labels:
            raise EstimationError(f"there is no study {of!r}. {did_you_mean(of, (*self.studies.labels, POOLED, NEW))}")
        return np.asarray(mean + self.posterior.effects["own"][:, self.studies.labels.index(of)])

    def draws(self, of: str = POOLED) -> Floats:
        """Return draws of the pooled effect, of a new area's, or of a study's: ratios or differences."""
        held = self._draws(of)
        return np.exp(held) if self.estimator.scale == "ratio" else held

    def probability(self, *, reduction: float = 0.0, of: str = POOLED) -> float:
        """Return the posterior probability of a reduction of at least so much.

        Parameters
        ----------
        reduction : float
            Of a ratio the share by which harms are fewer (.1 for at least a tenth), of a difference its size; 0 for any
            reduction.
        of : str
            ``"pooled"``, ``"new area"`` or the label of a study.

        Raises
        ------
        EstimationError
            If there is no such study, the reduction is no number, or the share is not below 1.
        """
        if not (is_number(reduction) and math.isfinite(reduction)):
            raise EstimationError(f"a reduction is a finite number, not {reduction!r}")
        held = self._draws(of)
        if self.estimator.scale == "difference":
            limit = -float(reduction)
        elif reduction < 1:
            limit = math.log1p(-reduction)
        else:
            raise EstimationError(f"a reduction is a share below 1, not {reduction!r}")
        return float(np.mean(held < limit if reduction == 0 else held <= limit))

    def _row(self, of: str) -> dict[str, Any]:
        draws = self.draws(of)
        row = self._quantiles(draws)
        middle = {"estimate": row.pop("estimate"), "std_error": float(draws.std(ddof=1))}
        return {**middle, **row, "prob_reduction": self.probability(of=of)}

    @property
    def pooled(self) -> dict[str, float]:
        """The pooled effect: median, standard deviation, limits and probability of any reduction."""
        return self._row(POOLED)

    @property
    def new_area(self) -> dict[str, float]:
        """What to expect of an area like these: the pooled effect and the differences between areas together."""
        return self._row(NEW)

    @property
    def between_sd(self) -> dict[str, float]:
        """The standard deviation between studies (on the log scale for ratios): median and limits."""
        return self._quantiles(self.posterior.hyper["between_sd"])

    @property
    def heterogeneity(self) -> dict[str, float]:
        """The share of the studies' variance that is between them, I-squared: median and limits."""
        square = self.posterior.hyper["between_sd"] ** 2
        return self._quantiles(square / (square + self.studies.typical_variance))

    def _quantiles(self, draws: Floats) -> dict[str, float]:
        half = self.estimator.level / 2
        low, middle, high = np.quantile(draws, [0.5 - half, 0.5, 0.5 + half])
        return {"estimate": float(middle), "low": float(low), "high": float(high)}

    def tidy(self) -> pd.DataFrame:
        """Return one row a study, one of the pooled effect and one of a new area.

        Returns
        -------
        DataFrame
            ``label, kind, raw, raw_low, raw_high`` as published, ``estimate, std_error, low, high, prob_reduction``
            after pooling, in ratios or differences.
        """
        half = critical_value(self.estimator.level) * self.studies.std_error
        back = np.exp if self.estimator.scale == "ratio" else np.asarray
        raw = [back(self.studies.estimate + sign * half) for sign in (0.0, -1.0, 1.0)]
        rows = [
            {
                "label": label,
                "kind": "study",
                **{key: float(v[j]) for key, v in zip(("raw", "raw_low", "raw_high"), raw, strict=True)},
                **self._row(label),
            }
            for j, label in enumerate(self.studies.labels)
        ]
        blank = dict.fromkeys(("raw", "raw_low", "raw_high"), math.nan)
        rows += [{"label": of, "kind": of, **blank, **self._row(of)} for of in (POOLED, NEW)]
        return pd.DataFrame(rows)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know."""
        k = len(self.studies.labels)
        mean, sd = self.estimator.believed()
        ratio = self.estimator.scale == "ratio"
        belief = RatioPrior(math.exp(mean), sd).describe() if ratio else f"{mean:g} (s.d. {sd:g})"
        between = HalfNormal(self.estimator.between_sd).describe()
        said = f"Prior belief about the pooled effect: {belief}. Standard deviation between studies: {between}."
        out = [said, *self.studies.notes]
        if k < 5:
            out.append(
                f"{k} studies say next to nothing of how far effects differ: the interval of a new area rests on the "
                "prior of that."
            )
        out.append("Studies are taken as exchangeable, with errors that are known and independent.")
        return tuple(out)

    def __repr__(self) -> str:
        row = self.pooled
        return (
            f"<MetaResult of {len(self.studies.labels)} studies: {row['estimate']:.3g} ({row['low']:.3g} to "
            f"{row['high']:.3g}), probability of a reduction {row['prob_reduction']:.0%}>"
        )

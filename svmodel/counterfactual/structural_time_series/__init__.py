"""Bayesian structural time series: a treated series predicted from its own level and from untreated series."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from svmodel import periods
from svmodel.design import Design, DesignArrays
from svmodel.errors import EstimationError, Problems, did_you_mean, shorten
from svmodel.result import Result
from svmodel.result.method import UNSHOWN, Method
from svmodel.result.scales import estimates_frame, provenance
from svmodel.seeds import derive_seed

if TYPE_CHECKING:
    from svmodel.counterfactual.structural_time_series.predict import Prediction


_VALID = {
    "trend": ("level", "local_linear"),
    "season": ("none", "dummies"),
    "transform": ("none", "log"),
    "areas": ("sum", "each"),
    "controls": ("untreated", "sum", "none"),
}
#: Known periods before the start that a prediction needs, by periods a year; as for an interrupted series.
_LEAST_BEFORE = {12: 12, 4: 8, 1: 5}
#: Above this chains are told to have met roughly.
_R_HAT_ROUGH = 1.02
_FEW_EVENTS = 5.0


@dataclass(frozen=True)
class StructuralTimeSeries:
    """Observed events against a posterior prediction of what would have been observed.

    Before the start, the standardised rate of the treated series is a level that walks at random (with a slope, with a
    season), plus a regression on the standardised rates of untreated areas of which few are expected to matter, plus
    noise. The model is carried on past the start with what the untreated areas did then.

    Parameters
    ----------
    trend : {"level", "local_linear"}
        Random walk, or a random walk whose slope is one too. A slope makes long predictions very wide.
    season : {"none", "dummies"}
        Effects of months (quarters) that sum to about zero over a year and may change slowly.
    controls : {"untreated", "sum", "none"}
        What may predict the treated series: each untreated area by itself, their sum, or none. Covariates of the design
        always may. Where areas are many and their counts small the sum says more than any of them.
    transform : {"none", "log"}
        Model of the rate, or of its log, which needs events in every period.
    areas : {"sum", "each"}
        Treated areas with one start (and end) are summed into a series, or each has its own model.
    level_sd, level_df : float
        Prior guess of the standard deviation of the level's steps, in units of the series' own before the start, and
        how many observations the guess is worth. See Notes.
    model_size : float
        How many untreated areas are expected to matter.
    explained, explained_df : float
        Share of the series' variance that they are expected to explain, and how many observations that is worth. R's
        .8 and 50 by default, which is too much for counts: see Coverage.
    draws, warmup, chains : int
        Draws kept of each chain, draws left out before, and chains. Both are doubled, up to three times, while the
        chains have not met.
    level : float
        Posterior probability in an interval.

    Notes
    -----
    *Priors* are those of R's CausalImpact (Brodersen et al. 2015): 1 / variance of the level's steps is Gamma(32 / 2,
    32 * .01^2 / 2), cut off at the series' own variance; of the noise Gamma(50 / 2, 50 * .2 / 2) where there are
    candidates (``explained_df`` and ``1 - explained``), cut off at 1.2^2; each candidate is in with probability
    ``model_size / (P + 1)``, at most 1, with a slab worth .01 observations. The slope's and the season's steps have the
    level's prior (R gives the season's less weight, with which chains do not meet). The level's prior decides how wide
    long predictions are: it says that the level hardly moves by itself. Without it (``level_df=.01``) intervals can be
    several times as wide.

    *Effects.* ``events`` is the observed less the posterior mean of the prediction; the limits are those of the
    prediction with its noise, so that they hold for the events as they were. ``rate_ratio`` is the observed over the
    predicted, and has the same draws: its upper limit is infinite where predicted events may be none. The ``p_value``
    is CausalImpact's one-sided tail, doubled; ``prob_reduction`` the posterior probability of fewer harms than without.
    ``counterfactual`` bounds what would have been observed. ``draws`` are of the difference in an average treated
    area-period, or of the log rate ratio for ``transform="log"``. Several series are sampled by themselves, so that
    shocks which they share make the interval of their sum too narrow.

    *Coverage* is below nominal. In ``make calibrate`` (benchmarks/results/calibration_series.md: no effect, 60 + 24
    months of mean 60, ten controls that share a trend, a season and shocks, 200 series) 95% intervals hold no effect in
    82% (``untreated``) and 88% (``sum``) where errors are independent, and in 79% and 85% where they follow an AR(1)
    with .4. Noise in the controls draws coefficients towards zero, so that a shared fall is followed in part and the
    rest passes for an effect; and the model knows no errors that last. A third reason can be mended: the prior expects
    the controls to explain four fifths, and of counts they explain less, so that the noise comes out too small. With
    ``explained=.5`` and ``sum`` intervals hold no effect in 92%, and with errors that follow an AR(1) in 87%.

    *Sampling.* Gibbs: all states at once from their banded precision (:mod:`svmodel.numerics.series.state_space`),
    variances, then inclusions with coefficients integrated out (:mod:`svmodel.numerics.series.spike_and_slab`).
    Chains that have not met
    (rank-normalised split R-hat above 1.05, fewer than 100 independent draws of the effect) are refused.

    References
    ----------
    Brodersen, Gallusser, Koehler, Remy and Scott (2015), *Annals of Applied Statistics* 9(1), 247-274. Scott and Varian
    (2014), *International Journal of Mathematical Modelling and Numerical Optimisation* 5, 4-23. Vehtari and others
    (2021), *Bayesian Analysis* 16(2), 667-718.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from svmodel import Design, Intervention, Panel
    >>> rng = np.random.default_rng(1)
    >>> months = pd.period_range("2018-01", periods=60, freq="M").astype(str)
    >>> weather = 100 + 10 * rng.normal(size=60)
    >>> effect = np.where(np.arange(60) < 48, 1.0, 0.7)
    >>> rows = [("A", m, n) for m, n in zip(months, rng.poisson(weather * effect))]
    >>> rows += [("B", m, n) for m, n in zip(months, rng.poisson(3 * weather))]
    >>> frame = pd.DataFrame(rows, columns=["area", "month", "n"])
    >>> panel = Panel.from_frame(frame, area="area", period="month", counts=["n"])
    >>> design = Design(panel, outcome="n", intervention=Intervention("patrols", {"A": "2022-01"}))
    >>> effect = StructuralTimeSeries(draws=250, chains=2).fit(design, seed=1).effect("att", "rate_ratio")
    >>> effect.conf_low < 0.7 < effect.conf_high < 1
    True
    """

    about: ClassVar[Method] = Method(
        short="Structural series",
        name="Structural time series",
        how=(
            "The structural time series (Brodersen and others 2015) learns before the start how the treated "
            "areas went along with untreated ones, and predicts from these what would have been seen "
            "afterwards."
        ),
        supposes=("line",),
        slow=True,
        unshown=(*UNSHOWN, "level_sd", "level_df", "explained", "explained_df", "warmup", "chains"),
        phrases={
            "controls: untreated": "beside untreated areas",
            "controls: sum": "beside the sum of untreated areas",
            "controls: none": "by itself",
            "areas: sum": "areas summed",
            "areas: each": "each area by itself",
        },
        gives=(),
    )

    trend: Literal["level", "local_linear"] = "level"
    season: Literal["none", "dummies"] = "none"
    controls: Literal["untreated", "sum", "none"] = "untreated"
    transform: Literal["none", "log"] = "none"
    areas: Literal["sum", "each"] = "sum"
    level_sd: float = 0.01
    level_df: float = 32.0
    model_size: float = 3.0
    explained: float = 0.8
    explained_df: float = 50.0
    draws: int = 500
    warmup: int = 250
    chains: int = 4
    level: float = 0.95

    def __post_init__(self) -> None:
        found = Problems()
        for name, valid in _VALID.items():
            value = getattr(self, name)
            if value not in valid:
                found.add(f"there is no {name} {value!r}", fix=did_you_mean(value, valid), rule=name)
        if not 0 < self.level < 1:
            found.add(f"the level must lie between 0 and 1, not at {self.level!r}", rule="level")
        for name in ("level_sd", "level_df", "model_size", "explained_df"):
            if not 0 < getattr(self, name) < math.inf:
                found.add(f"{name} must be above 0, not {getattr(self, name)!r}", rule=name)
        if not 0 <= self.explained < 1:
            text = f"the share that is explained must be at least 0 and below 1, not {self.explained!r}"
            found.add(text, rule="explained")
        for name, least in (("draws", 100), ("warmup", 0), ("chains", 2)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                found.add(f"{name} must be a whole number of {least} or more, not {value!r}", rule=name)
        found.raise_if_any(EstimationError, "StructuralTimeSeries cannot be used so")

    @property
    def scale(self) -> str:
        """Scale of :meth:`point`."""
        return "log_rate_ratio" if self.transform == "log" else "difference"

    def point(self, arrays: DesignArrays) -> float:
        """Return the average effect alone, with the draws of seed 0; NaN where the series cannot be sampled.

        About a second a series: the chains are run in full.
        """
        try:
            held = self._predicted(arrays, 0)
        except EstimationError:
            return math.nan
        observed = sum(float(p.series.y[p.series.after].sum()) for p in held)
        expected = sum(float(p.expected[p.series.after].sum()) for p in held)
        if self.scale == "difference":
            return (observed - expected) / _cells(held)
        return math.log(observed / expected) if observed > 0 else -math.inf

    def fit(self, design: Design, *, seed: int = 0) -> Result:
        """Answer the design.

        Parameters
        ----------
        design : Design
        seed : int
            Of the chains; the same seed gives the same bits.

        Returns
        -------
        Result
            Terms ``att``, ``event`` (each period since the start), ``cohort`` (each start) and, for series that are one
            area, ``area``. ``weights`` has the untreated areas with their probability of being in the model and their
            mean coefficient, in standard deviations.

        Raises
        ------
        DesignError
            If the design has problems.
        EstimationError
            If a series is too short or does not change before the start, has a period without events under
            ``transform="log"``, or the chains have not met.
        """
        from svmodel.counterfactual.structural_time_series.rows import Writer, path, summed, term_rows

        arrays = design.arrays
        held = self._predicted(arrays, seed)
        observed, expected, predicted = summed(held, [p.series.after for p in held])
        writer = Writer(design.is_count, arrays.exposure is not None, self.level)
        if self.transform == "log":
            with np.errstate(divide="ignore"):
                draws = np.log(observed) - np.log(predicted)
        else:
            draws = (observed - predicted) / _cells(held)
        return Result(
            estimates=estimates_frame(term_rows(held, arrays, writer)),
            design=design,
            estimator=self,
            counterfactual=path(held, arrays, self.level),
            weights=_weights(held, arrays),
            diagnostics={
                "observed": observed,
                "expected": expected,
                "treated_cells_used": int(_cells(held)),
                "inference": "posterior",
                "inference_why": self._errors_told(design),
                "inference_in_doubt": True,
                "series": [_described(p) for p in held],
            },
            draws=draws,
            notes=tuple(self._say(design, held)),
            provenance=provenance(design, seed),
            seed=seed,
        )

    def _predicted(self, arrays: DesignArrays, seed: int) -> list[Prediction]:
        """Sample every series, or raise with what is wrong in each."""
        from svmodel.counterfactual.series import treated_series
        from svmodel.counterfactual.structural_time_series.predict import LEAST_DRAWS, R_HAT, outcome, predict

        per_year = periods.per_year(arrays.periods)
        seasons = per_year if self.season == "dummies" else 1
        word = periods.describe_frequency(arrays.periods)
        log = self.transform == "log"
        found, title = Problems(), "a structural time series cannot answer this"
        all_series = treated_series(arrays, each=self.areas == "each")
        for s in all_series:
            names = shorten([arrays.areas[int(i)] for i in s.rows], limit=2).replace("'", "")
            least = max(_LEAST_BEFORE[per_year], 2 * seasons if seasons > 1 else 0)
            before = int(s.before.sum())
            if before < least:
                fix = "Give earlier data." if before < _LEAST_BEFORE[per_year] else "Use season='none'."
                text = f"{before} known {word}s before the start, and {least} are needed"
                found.add(text, where=names, fix=fix, rule="few_before")
            elif float(np.ptp(s.rate[s.before])) == 0:
                text = f"the outcome is {s.y[s.before][0]:g} in every {word} before the start"
                found.add(text, where=names, rule="constant_series")
            elif not s.after.any():
                found.add(f"no {word} from the start on is known", where=names, rule="no_after")
            elif log and not (outcome(s, log=True)[s.before] > -np.inf).all():
                text = f"there are {word}s before the start without events, and the log of a rate needs some"
                found.add(text, where=names, fix="Use transform='none', or sum areas.", rule="no_events")
        found.raise_if_any(EstimationError, title)
        seeds = [derive_seed(seed, "structural time series", i) for i in range(len(all_series))]
        held = [predict(self, arrays, s, seasons, d) for s, d in zip(all_series, seeds, strict=True)]
        for p in held:
            told = _described(p)
            if not (told["r_hat"] <= R_HAT and told["effective_draws"] >= LEAST_DRAWS):
                found.add(
                    f"the chains have not met (R-hat {told['r_hat']:.3f}, {told['effective_draws']:.0f} draws' worth)",
                    where=shorten([arrays.areas[int(i)] for i in p.series.rows], limit=2).replace("'", ""),
                    fix="Give more draws and a longer warmup, or a firmer prior on the level (level_df).",
                    rule="not_converged",
                )
        found.raise_if_any(EstimationError, title)
        # series whose chains were run for longer are thinned, so that draws of a sum pair up
        fewest = min(len(p.predicted) for p in held)
        return [replace(p, predicted=p.predicted[:: len(p.predicted) // fewest]) for p in held]

    def _errors_told(self, design: Design) -> str:
        """Return what limits rest on."""
        word = periods.describe_frequency(design.view.periods)
        return (
            f"Posterior with a prior that the level moves by {self.level_sd:g} standard deviations a {word}, worth "
            f"{self.level_df:g} observations: long predictions rest on it. The p-value is a tail area, doubled."
        )

    def _say(self, design: Design, held: Sequence[Prediction]) -> list[str]:
        """Return the notes."""
        from svmodel.counterfactual.series import few_others
        from svmodel.inference import doubts

        word = periods.describe_frequency(design.view.periods)
        n = max(len(p.candidates.rows) for p in held)
        out = []
        if n == 0:
            out.append(
                "The series is held against its own past alone: anything else that happened at the same time passes "
                "for the effect."
            )
            if self.season == "none" and periods.per_year(design.view.periods) > 1:
                out.append("Nothing here knows of the season: use season='dummies', or controls that have one.")
        else:
            out.append(
                f"{n} series that had no intervention may predict the treated ones, as they did before the start. That "
                "they went on to do so, and were not touched by the intervention, is supposed. Series with much noise "
                "of their own are followed in part only: of a fall that all share, the rest passes for an effect."
            )
        out.append(
            "The interval is in doubt: the model knows no errors that last, and in simulation with controls 95% "
            "intervals held no effect in 79 to 92 of 100 series. Read it as the least there is."
        )
        out += few_others(n)
        out += doubts(design, additive=True, rates=False, controls=n > 0)
        left_out = max(p.candidates.left_out for p in held)
        if left_out:
            out.append(f"{left_out} untreated areas are left out: missing in a {word} used, or without change before.")
        lost = sum(p.series.lost for p in held)
        if lost:
            out.append(f"{lost} {word}s of treated series are left out, because an area was missing in them.")
        summed_areas = [p.series for p in held if len(p.series.rows) > 1]
        if summed_areas:
            total = sum(len(s.rows) for s in summed_areas)
            out.append(f"{total} areas are summed, by start, into {len(summed_areas)} series.")
        if len(held) > 1:
            out.append("Series are predicted one by one: shocks that they share are in no interval of their sum.")
        few = [p for p in held if design.is_count and p.series.y[p.series.before].mean() < _FEW_EVENTS]
        if few:
            out.append(
                f"{len(few)} of {len(held)} series have less than {_FEW_EVENTS:.0f} events a {word}: the noise of such "
                "counts is not normal, as the model has it."
            )
        out.append(self._errors_told(design))
        worst = max(_described(p)["r_hat"] for p in held)
        if worst > _R_HAT_ROUGH:
            out.append(f"Chains have met roughly (R-hat {worst:.3f}): give more draws before quoting limits closely.")
        return out


def _cells(held: Sequence[Prediction]) -> float:
    return float(sum(len(p.series.rows) * int(p.series.after.sum()) for p in held))


def _described(p: Prediction) -> dict[str, Any]:
    """Return plain numbers on the chains of one series."""
    from svmodel.counterfactual.structural_time_series.predict import met

    worst, worth = met(p.draws, p.series)
    return {
        "r_hat": worst,
        "effective_draws": worth,
        "draws": p.draws.noise_sd.size,
        "noise_sd": float(p.draws.noise_sd.mean()),
        **{f"{n}_step_sd": float(v) for n, v in zip(p.draws.names, p.draws.shock_sd.mean(axis=(0, 1)), strict=True)},
        "periods_before": int(p.series.before.sum()),
        "periods_after": int(p.series.after.sum()),
        "candidates": len(p.candidates.rows),
        "expected_model_size": float((p.draws.beta != 0).sum(axis=2).mean()),
    }


def _weights(held: Sequence[Prediction], arrays: DesignArrays) -> Any:
    """Return each untreated area's probability of being in the model and its mean coefficient, by series."""
    import pandas as pd

    from svmodel.counterfactual.structural_time_series.predict import COVARIATE, SUM

    rows = []
    for p in held:
        into = "all treated" if len(p.series.rows) > 1 else arrays.areas[int(p.series.rows[0])]
        for j in np.argsort(p.candidates.rows, kind="stable"):
            beta = p.draws.beta[:, :, j]
            row = int(p.candidates.rows[j])
            name = {COVARIATE: "covariate", SUM: "all untreated"}.get(row) or arrays.areas[row]
            rows.append((into, arrays.periods[p.series.start], name, float((beta != 0).mean()), float(beta.mean())))
    return pd.DataFrame(rows, columns=["series", "cohort", "area", "inclusion", "weight"]) if rows else None

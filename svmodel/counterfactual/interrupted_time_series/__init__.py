"""Interrupted time series: a series held against the line, and the season, of its own past."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

import numpy as np

from svmodel.counterfactual.interrupted_time_series.fit import build_terms, find_problems, fit_segment
from svmodel.counterfactual.interrupted_time_series.notes import described, errors_rest_on, in_doubt, notes_of
from svmodel.counterfactual.interrupted_time_series.sums import Fitted, Unit, Writer, changes, path, term_rows
from svmodel.counterfactual.series import control_rows, problems_of, sum_of, treated_series, whole
from svmodel.design import Design, DesignArrays
from svmodel.errors import EstimationError, Problems
from svmodel.result import Result
from svmodel.result.interval import with_interval
from svmodel.result.method import BY_ROLE_NOTE, ByRole, Method, of_role
from svmodel.result.rule import choose
from svmodel.result.scales import estimates_frame, provenance
from svmodel.result.uncertainty import placebo_interval

_VALID = {
    "family": ("quasipoisson", "negative_binomial", "poisson", "linear"),
    "season": ("harmonics", "months", "none"),
    "errors": ("ar1", "newey_west", "model", "prais_winsten"),
    "areas": ("sum", "each"),
    "controls": ("none", "untreated"),
    "inference": ("auto", "placebo"),
}


@dataclass(frozen=True)
class InterruptedTimeSeries:
    """Segmented regression of a series on its trend, its season and a change at the start.

    ``log E(y_t) = log(exposure_t) + a + b t + season_t + covariates_t c + d D_t + s D_t (t - start)``, D being 1 from
    the start on; the linear family has the rate ``y_t / exposure_t`` in place of the log. Expected events are the fit's
    with d and s at zero.

    Parameters
    ----------
    family : {"quasipoisson", "negative_binomial", "poisson", "linear"}
        Ratios (log link) with variance ``phi mu``, ``mu + k mu^2`` or ``mu``; or differences. Where none is named, that
        of the outcome's role: quasi-Poisson for a count, linear for a measure.
    season : {"harmonics", "months", "none"}
        Pairs of sine and cosine at the year's frequency and its multiples, or one effect a month (quarter).
    harmonics : int
        How many pairs.
    slope_change : bool
        Whether the slope may change at the start, or the level only. With the level alone the average rate ratio is
        ``exp(d)``.
    errors : {"ar1", "newey_west", "model", "prais_winsten"}
        See Notes. ``prais_winsten`` is for the linear family.
    areas : {"sum", "each"}
        Treated areas with one start (and end) are summed into a series, or each has its own regression.
    controls : {"none", "untreated"}
        Whether the change at the same time in the sum of all untreated areas is taken off (controlled series).
    level : float
        Coverage of intervals.
    inference : {"auto", "placebo"}
        ``auto`` for the errors of the series itself; ``placebo`` for how far untreated areas strayed from their own
        lines over the same periods.

    Notes
    -----
    *Effects.* ``rate_ratio`` is the sum of observed over the sum of expected events in treated periods; ``events`` is
    their difference, with limits ``observed (1 - 1 / limit)``: the events as they were, against what might have been
    expected. The linear family gives differences only. The change of level and of slope (a year) stand in
    ``diagnostics`` as ``level_change`` and ``slope_change_per_year`` with their limits, as ratios for log families;
    ``diagnostics["series"]`` has them for every series.

    *Errors.* Every average owes ``sum_t k_t z_t`` to the standardised errors z of the periods, those of the treated
    ones included. ``model``: z independent, with variance phi (Pearson's chi-squared over its degrees of freedom; 1 for
    ``poisson``), and intervals from the normal, all as regression software prints it. ``ar1``: z follows an AR(1) whose
    autocorrelation and variance are freed of the bias that fitting brings
    (:func:`svmodel.numerics.series.hac.residual_ar1`).
    ``newey_west``: Bartlett's kernel with Newey and West's (1994) number of lags, times n / (n - K), with the critical
    values of Kiefer and Vogelsang (2005); a sum over fewer than six periods takes the AR(1). All but ``model`` take
    Student's t with n - K degrees of freedom, times (1 - rho) / (1 + rho) for an AR(1), but no less than a quarter.
    Over several series, errors of one period go together as their residuals do.

    *Coverage* of the 95% interval of the average effect (``make calibrate``, benchmarks/results/calibration_series.md:
    60 + 24 months of mean 60, log errors of s.d. .15 that follow an AR(1), a season, no effect, 1,000 series): with an
    autocorrelation of .4 ``ar1`` 93%, ``newey_west`` 87%, ``model`` 86%; with none 96%, 90%, 95%; with .6 and a mean of
    1,000 92%, 81%, 67%. So ``ar1`` is the default.

    *What it cannot see.* Anything else that began at the start; a start chosen because the series was high.

    References
    ----------
    Wagner, Soumerai, Zhang and Ross-Degnan (2002), *Journal of Clinical Pharmacy and Therapeutics* 27, 299-309. Bernal,
    Cummins and Gasparrini (2017), *International Journal of Epidemiology* 46(1), 348-355; (2018), same, 47(6),
    2082-2093 (controls). Newey and West (1994), *Review of Economic Studies* 61(4). Kiefer and Vogelsang (2005),
    *Econometric Theory* 21(6), table 1.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from svmodel import Design, Intervention, Panel
    >>> months = pd.period_range("2016-01", periods=84, freq="M")
    >>> mean = np.where(months < pd.Period("2021-01"), 100, 80)
    >>> frame = pd.DataFrame({"area": "A", "month": months.astype(str), "n": np.random.default_rng(1).poisson(mean)})
    >>> panel = Panel.from_frame(frame, area="area", period="month", counts=["n"])
    >>> design = Design(panel, outcome="n", intervention=Intervention("patrols", {"A": "2021-01"}))
    >>> effect = InterruptedTimeSeries(slope_change=False).fit(design).effect("att", "rate_ratio")
    >>> effect.conf_low < 0.8 < effect.conf_high < 1
    True
    """

    about: ClassVar[Method] = Method(
        short="Interrupted series",
        name="Interrupted time series",
        how=(
            "The interrupted time series carries the treated areas' own trend and season on past the start, "
            "and compares what was observed with that line."
        ),
        supposes=("line",),
        phrases={
            "controls: untreated": "beside untreated areas",
            "controls: sum": "beside the sum of untreated areas",
            "controls: none": "by itself",
            "areas: sum": "areas summed",
            "areas: each": "each area by itself",
            "errors: ar1": "errors that last",
        },
        gives=(),
    )

    family: Literal["quasipoisson", "negative_binomial", "poisson", "linear"] = cast("Any", ByRole("quasipoisson"))
    season: Literal["harmonics", "months", "none"] = "harmonics"
    harmonics: int = 2
    slope_change: bool = True
    errors: Literal["ar1", "newey_west", "model", "prais_winsten"] = "ar1"
    areas: Literal["sum", "each"] = "sum"
    controls: Literal["none", "untreated"] = "none"
    level: float = 0.95
    inference: str = "auto"

    def __post_init__(self) -> None:
        found = problems_of(self, _VALID)
        if isinstance(self.harmonics, bool) or not isinstance(self.harmonics, int) or self.harmonics < 1:
            found.add(
                f"{self.harmonics!r} is no number of harmonics", fix="Use season='none' for none.", rule="harmonics"
            )
        if self.errors == "prais_winsten" and self.family != "linear":
            found.add("Prais and Winsten's regression is linear", fix="Use errors='ar1' for counts.", rule="errors")
        found.raise_if_any(EstimationError, "InterruptedTimeSeries cannot be used so")

    @property
    def scale(self) -> str:
        """Scale of :meth:`point`."""
        return "difference" if self.family == "linear" else "log_rate_ratio"

    def point(self, arrays: DesignArrays) -> float:
        """Return the average effect alone; NaN where it is not identified, minus infinity without treated events."""
        treated = arrays.treated
        if self.scale == "log_rate_ratio" and treated.any() and arrays.y[treated].sum() == 0:
            return -math.inf
        try:
            fitted = self._fitted(arrays, counts=True)
        except EstimationError:
            return math.nan
        observed, expected = fitted.totals([u.fit.series.after[None, :].astype(np.float64) for u in fitted.units])
        if self.scale == "difference":
            cells = sum(len(u.fit.series.rows) * int(u.fit.series.after.sum()) for u in fitted.units)
            return float(observed[0] - expected[0]) / cells
        return math.log(observed[0] / expected[0])

    def fit(self, design: Design, *, seed: int = 0) -> Result:
        """Answer the design.

        Parameters
        ----------
        design : Design
        seed : int
            Kept in the provenance; nothing here is random.

        Returns
        -------
        Result
            Terms ``att``, ``event`` (each period since the start), ``cohort`` (each start) and, for series that are one
            area, ``area``.

        Raises
        ------
        DesignError
            If the design has problems.
        EstimationError
            If a series is too short, has no events before or after, does not identify its terms, or the family is one
            for counts and the outcome is none. Every series that cannot be fitted is named.
        """
        asked = of_role(self, design)
        if asked is not self:
            return asked.fit(design, seed=seed).saying(BY_ROLE_NOTE)
        arrays, counts = design.arrays, design.is_count
        fitted = self._fitted(arrays, counts=counts)
        newey_west = self.errors == "newey_west"
        widening = fitted.widening if newey_west else 1.0
        df = math.inf if self.errors == "model" else fitted.df
        writer = Writer(self.family != "linear", counts, arrays.exposure is not None, self.level, df, widening)
        rows, sums = term_rows(fitted, arrays, writer)
        each = [
            {**described(fitted, u.fit, arrays.periods), **changes(fitted, i, writer)}
            for i, u in enumerate(fitted.units)
        ]
        notes = notes_of(design, fitted, each, season=self.season, slope_change=self.slope_change)
        result = Result(
            estimates=estimates_frame(rows),
            design=design,
            estimator=self,
            counterfactual=path(fitted, arrays, writer),
            diagnostics={
                **(each[0] if len(each) == 1 else {}),
                "series": each,
                "observed": float(sums.observed[0]),
                "expected": float(sums.expected[0]),
                "treated_cells_used": int(sums.cells[0]),
                "autocorrelation": fitted.rho,
                "inference": "series",
                "errors": self.errors,
                "inference_why": errors_rest_on(fitted),
                "inference_in_doubt": in_doubt(fitted, counts=counts),
                **({"bandwidth": fitted.bandwidth} if newey_west else {}),
            },
            provenance=provenance(design, seed),
            seed=seed,
            **notes.parts(),
        )
        return self._with_placebos(result, arrays, counts=counts) if self.inference == "placebo" else result

    def _with_placebos(self, result: Result, arrays: DesignArrays, *, counts: bool) -> Result:
        choice = choose(arrays, "placebo")
        if choice.kind != "placebo":
            raise EstimationError(f"no placebos can be drawn: {choice.why}")
        interval = placebo_interval(self, arrays, counts=counts, level=self.level, why=choice.why)
        return with_interval(result, interval, told={"inference_in_doubt": choice.warn})

    def _fitted(self, arrays: DesignArrays, *, counts: bool) -> Fitted:
        """Fit every series, or raise with what is wrong in each."""
        found, title = Problems(), "an interrupted series cannot answer this"
        if not counts and self.family in ("poisson", "negative_binomial"):
            fix = "Use family='quasipoisson' or 'linear'."
            found.add(f"the family {self.family!r} is for counts, and the outcome is none", fix=fix, rule="measure")
        rows = control_rows(arrays)
        if self.controls == "untreated" and len(rows) == 0:
            found.add("no area is untreated throughout", fix="Use controls='none'.", rule="no_controls")
        found.raise_if_any(EstimationError, title)
        log = self.family != "linear"
        units = []
        for series in treated_series(arrays, each=self.areas == "each"):
            first = int(series.rows[0])
            name = f"area {arrays.areas[first]}"
            held = [(series, name if len(series.rows) == 1 else f"{len(series.rows)} areas from {name} on")]
            if self.controls == "untreated":
                others = sum_of(arrays, whole(arrays, rows, series), series.start, like=first)
                held.append((others, "untreated areas"))
            segments = []
            for one, called in held:
                terms = build_terms(arrays.periods, one, self.season, self.harmonics, slope_change=self.slope_change)
                before = len(found)
                find_problems(arrays.periods, one, terms, found, log=log, slope=self.slope_change, name=called)
                if len(found) > before:
                    continue
                try:
                    segments.append(fit_segment(one, terms, self.family, prais_winsten=self.errors == "prais_winsten"))
                except EstimationError as error:
                    found.add(error.title, where=called, rule="no_fit")
            if len(segments) == len(held):
                units.append(Unit(*segments))
        found.raise_if_any(EstimationError, title)
        return Fitted(tuple(units), "poisson" if (self.family, self.errors) == ("poisson", "model") else self.errors)

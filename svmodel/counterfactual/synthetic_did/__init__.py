"""Synthetic difference-in-differences: donors and periods weighted so that the treated areas' past is matched."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from svmodel import periods as period_words
from svmodel.counterfactual.synthetic_did import errors as inference
from svmodel.counterfactual.synthetic_did.errors import Uncertainty
from svmodel.counterfactual.synthetic_did.estimate import Estimate, Terms, estimate, terms_of
from svmodel.counterfactual.synthetic_did.report import (
    counterfactual,
    fit_quality,
    notes_on_data,
    notes_on_fit,
    rows,
    weight_table,
)
from svmodel.design import Design, DesignArrays
from svmodel.errors import EstimationError, Problem, Problems, did_you_mean
from svmodel.result import Result
from svmodel.result.method import Method
from svmodel.result.rule import Choice, choose
from svmodel.result.scales import estimates_frame, provenance
from svmodel.seeds import derive_seed

_CHOICES = {
    "method": ("sdid", "did", "sc"),
    "solver": ("exact", "frank_wolfe"),
    "inference": ("auto", "placebo", "cluster", "jackknife", "bootstrap"),
}


@dataclass(frozen=True)
class SyntheticDiD:
    """Change in the treated areas against the change in a weighted mean of donors, from a weighted past.

    Never treated areas get weights such that their weighted mean runs parallel to the treated areas before the start;
    earlier periods get weights such that they resemble the periods after it. A difference-in-differences with these
    weights is the estimate. Negative means fewer harms.

    Parameters
    ----------
    method : {"sdid", "did", "sc"}
        ``did`` takes equal weights; ``sc`` weights donors without intercept and takes no earlier period off. Both are
        there for comparison, with one inference for all three.
    rates : bool
        Compare rates per 100,000 where the design has an exposure; else the outcome itself.
    level : float
        Coverage of the intervals.
    inference : {"auto", "placebo", "cluster", "jackknife", "bootstrap"}
        ``auto``: placebos where few areas are treated and enough are not, ``cluster`` otherwise; no interval where the
        design bears none. ``cluster`` is the jackknife with each donor's change taken by time weights found without it
        (or the bootstrap where no jackknife can be had); ``jackknife`` is that of the paper, whose errors came out 7%
        too small over 24 earlier periods and 15% over 56. The notes say which and why.
    n_draws : int
        Placebo sets. All are gone through where there are no more than this; else this many are drawn. The bootstrap
        takes a fifth as many resamples.
    solver : {"exact", "frank_wolfe"}
        ``frank_wolfe`` stops early where R's synthdid does, and gives its published numbers. It is slow, and short of
        the optimum: in the study of Proposition 99 by 0.01% of the estimate for ``sdid`` and 0.5% for ``sc``.

    Notes
    -----
    **Estimate.** Eq. 1 with weights from eq. 4 and 6, and the ridge ``zeta = (N_tr T_post)^(1/4) sigma`` of eq. 5 with
    sigma the standard deviation of donors' first differences before the start; time weights have the ridge of R's
    synthdid, ``1e-6 sigma``. Cohorts are estimated one by one against the never treated and averaged by their treated
    area-periods (Clarke et al. 2024); so are areas whose periods differ otherwise, because of an end or a missing
    outcome. Effects by horizon are those of Ciccia (2024); before the start they are what the weights leave of the
    fit, so they are no test of parallel trends, and ``joint`` is missing.

    **Scales.** `difference` is the average effect in a treated area-period, in the outcome's units. Of rates, an area's
    effect times its exposure is its events; areas in a block are weighted by exposure when they are matched.
    `rate_ratio` is observed over observed less events, with the observed held.

    **Errors.** Placebos put donors in the treated areas' place (algorithm 4), every set of them where that can be done.
    ``std_error`` is the standard deviation of their effects; p is the rank of the estimate's size among them, itself
    counted; the interval holds what that test does not reject, so the two agree, and it is infinite where there are
    fewer placebos than the level needs (19 for 95%). It supposes that treated areas would have strayed as donors did;
    of rates, allowance is made for size. The jackknife (algorithm 3) and the bootstrap (algorithm 2) need several
    treated areas. Where areas were chosen for their recorded highs none of this helps.

    References
    ----------
    Arkhangelsky, Athey, Hirshberg, Imbens and Wager (2021), Synthetic difference-in-differences, *American Economic
    Review* 111(12). Clarke, Pailanir, Athey and Imbens (2024), On synthetic difference-in-differences and
    related estimation methods in Stata, *Stata Journal* 24(4). Ciccia (2024), arXiv:2407.09565. Kranz (2022), Synthetic
    difference-in-differences with time-varying covariates. Ferman and Pinto (2019), *Review of Economics and
    Statistics* 101(3).

    Examples
    --------
    >>> import pandas as pd
    >>> import svmodel as sv
    >>> shape = {"A": [5, 7, 9, 6, 4], "B": [4, 6, 8, 8, 7], "C": [9, 8, 6, 6, 7], "D": [3, 5, 7, 7, 6]}
    >>> rows = [(a, f"2024-0{t + 1}", n) for a, held in shape.items() for t, n in enumerate(held)]
    >>> frame = pd.DataFrame(rows, columns=["area", "month", "robbery"])
    >>> panel = sv.Panel.from_frame(frame, area="area", period="month", counts=["robbery"])
    >>> design = sv.Design(panel, outcome="robbery", intervention=sv.Intervention("patrols", starts={"A": "2024-04"}))
    >>> result = SyntheticDiD().fit(design)
    >>> round(result.effect("att", "difference").estimate, 2)
    -3.5
    >>> result.weights[result.weights["kind"] == "area"].round(2)[["area", "weight"]].values.tolist()
    [['B', 0.42], ['C', 0.15], ['D', 0.42]]
    """

    about: ClassVar[Method] = Method(
        short="Synthetic DiD",
        name="Synthetic difference-in-differences",
        how=(
            "Synthetic difference-in-differences (Arkhangelsky and others 2021) mixes untreated areas that "
            "changed as the treated ones did before the start, weights earlier periods likewise, and compares "
            "the changes."
        ),
        supposes=("mixture",),
        mixes_donors=True,
        gives=(),
    )

    method: str = "sdid"
    rates: bool = True
    level: float = 0.95
    inference: str = "auto"
    n_draws: int = 1_000
    solver: str = "exact"

    def __post_init__(self) -> None:
        problems = Problems()
        for name, valid in _CHOICES.items():
            value = getattr(self, name)
            if value not in valid:
                problems.add(f"{value!r} is no {name}", where=name, fix=did_you_mean(str(value), valid), rule="choice")
        if not 0 < self.level < 1:
            problems.add(f"{self.level!r} is no coverage", where="level", fix="Give 0.95.", rule="level")
        if int(self.n_draws) != self.n_draws or self.n_draws < 20:
            problems.add(f"{self.n_draws!r} draws are too few", where="n_draws", fix="Give 1000.", rule="n_draws")
        if not isinstance(self.rates, bool):
            problems.add(f"{self.rates!r} is neither True nor False", where="rates", rule="rates")
        problems.raise_if_any(EstimationError, "SyntheticDiD cannot be used")

    @property
    def scale(self) -> str:
        """Scale of :meth:`point`."""
        return "difference"

    def point(self, arrays: DesignArrays) -> float:
        """Return the average effect in a treated area-period, in the outcome's units; NaN where not identified."""
        try:
            est = self._estimate(arrays)
        except EstimationError:
            return math.nan
        # no block, or donors that never change: what fit refuses
        return est.att if any(w.noise > 0 for w in est.weights) else math.nan

    def fit(self, design: Design, *, seed: int = 0) -> Result:
        """Answer the design.

        Parameters
        ----------
        design : Design
            A count or a measure, with areas that are never treated.
        seed : int
            For placebo sets that are drawn, and for the bootstrap; nothing else is random.

        Returns
        -------
        Result
            Terms ``att``, ``event`` (horizons before the start too) and, of several starts, ``cohort`` and
            ``calendar``. ``counterfactual`` covers treated areas before and after; ``weights`` has those of donors
            (``kind`` "area") and of earlier periods ("period"). ``diagnostics`` hold for each block how well it is
            matched: ``pre_rmse``, ``donor_spread``, ``effective_donors``, ``above`` and ``below`` (shares of earlier
            periods in which the treated lie outside all donors) and ``kkt``, how far weights are from the optimum.

        Raises
        ------
        DesignError
            If the design has problems.
        EstimationError
            If no area is never treated, no treated area has two periods before its start and two donors, donors never
            change before the start, or covariates cannot be projected out.
        """
        arrays = design.arrays
        est = self._estimate(arrays)
        _require(est)
        terms = terms_of(arrays, est.blocks)
        rng = np.random.default_rng(derive_seed(seed, "SyntheticDiD"))
        errors, kind, why, doubt = self._errors(est, arrays, terms, rng)
        table, lacking = rows(est, terms, errors, arrays, counts=design.is_count, level=self.level)
        quality = fit_quality(est, level_free=self.method != "sc")
        word = period_words.describe_frequency(arrays.periods)
        notes = [*notes_on_data(est, design, arrays), *notes_on_fit(quality, est, arrays, self.method, word), *why]
        if self.solver == "frank_wolfe":
            notes.append("Weights are those of R's synthdid, which stops short of the optimum.")
        if lacking:
            notes.append(f"{lacking:,} rate ratios are missing because the expected number is not above zero.")
        return Result(
            estimates=estimates_frame(table),
            design=design,
            estimator=self,
            counterfactual=counterfactual(est, terms, errors, arrays),
            weights=weight_table(est, arrays),
            diagnostics={
                "inference": kind,
                "inference_why": why[0],
                "inference_in_doubt": doubt,
                "observed": float(terms.observed[0]),
                "expected": float(terms.observed[0] - terms.chosen[0] @ est.events),
                "treated_cells_used": int(terms.cells[0]),
                "draws": errors.draws,
                "degrees_of_freedom": errors.df,
                "blocks": len(est.blocks),
                **{key: [q[key] for q in quality] for key in quality[0]},
                "noise_level": [w.noise for w in est.weights],
            },
            notes=tuple(notes),
            provenance=provenance(design, seed),
            seed=seed,
        )

    def _estimate(self, arrays: DesignArrays) -> Estimate:
        return estimate(arrays, rates=self.rates, method=self.method, solver=self.solver)

    def _errors(
        self, est: Estimate, arrays: DesignArrays, terms: Terms, rng: np.random.Generator
    ) -> tuple[Uncertainty, str, list[str], bool]:
        """Return errors and limits, the kind of inference, what is to be said about it, and whether it is in doubt."""
        asked = self.inference
        choice = choose(arrays, {"auto": "auto", "placebo": "placebo"}.get(asked, "cluster"))
        kind: str = choice.kind
        if kind == "cluster":
            kind = asked if asked in ("jackknife", "bootstrap") else "jackknife"
            if kind == "jackknife" and not inference.can_jackknife(est):
                kind = "bootstrap"
        areas = f"{choice.n_treated} treated and {choice.n_never} never treated areas"
        if kind == "placebo":
            value = terms.chosen @ est.events
            done = inference.placebos(est, terms, rng, method=self.method, solver=self.solver, most=int(self.n_draws))
            if done is not None:
                errors = done.uncertainty(value, self.level)
                return errors, "placebo", [_placebo_note(done, errors, areas, self.level)], False
            return (
                *_no_errors(terms),
                [f"{areas}: too few donors to stand in for the treated. No interval is given."],
                True,
            )
        if kind == "jackknife":
            why = f"{areas}: errors come from leaving out one area at a time, with the weights held (algorithm 3)."
            if asked != "jackknife":
                why += " Each donor's change is taken with time weights that were found without it."
            errors = inference.jackknife(
                est,
                terms,
                level=self.level,
                method=self.method,
                solver=self.solver,
                out_of_sample=asked != "jackknife",
            )
            return errors, "jackknife", [why + _doubt(choice)], choice.warn
        if kind == "bootstrap":
            errors = inference.bootstrap(
                arrays,
                est,
                terms,
                rng,
                level=self.level,
                rates=self.rates,
                method=self.method,
                solver=self.solver,
                draws=max(int(self.n_draws) // 5, 20),
            )
            why = f"{areas}: errors come from drawing areas anew {errors.draws} times (algorithm 2)."
            if asked != "bootstrap":
                why += " The jackknife would need two treated areas and two weighted donors in every cohort."
            return errors, "bootstrap", [why + _doubt(choice)], choice.warn
        if choice.n_treated == 1 and asked not in {"auto", "placebo"} and choice.n_controls > 1:
            why = f"{areas}: inference={asked!r} takes the noise from how several treated areas differ."
            return *_no_errors(terms), [f"{why} No interval is given; inference='placebo' can give one."], True
        return *_no_errors(terms), [choice.why], True


def _require(est: Estimate) -> None:
    """Refuse a design without anything to estimate, saying all reasons at once."""
    left, problems = est.left_out, []
    if not est.blocks:
        if not left["never"]:
            fix = "Use did.CallawaySantAnna(control='not_yet_treated') or did.ExtendedTwoWayFixedEffects."
            problems.append(Problem("no area is never treated, so there is no donor", fix=fix, rule="no_never_treated"))
        elif left["few_donors"]:
            what = f"fewer than two of {left['never']} never treated areas have an outcome in all periods needed"
            problems.append(Problem(what, fix="Shorten the window to periods that most areas have.", rule="no_donors"))
        if left["short"]:
            what = f"{len(left['short'])} treated areas have fewer than two known periods before the start"
            problems.append(Problem(what, fix="Use a longer window.", rule="no_pre_period"))
        if left["unseen"]:
            problems.append(
                Problem(f"{len(left['unseen'])} treated areas have no known treated period", rule="no_post_period")
            )
    elif not any(w.noise > 0 for w in est.weights):
        problems.append(
            Problem("the donors' outcome never changes before the start, so nothing can be matched", rule="no_noise")
        )
    if problems:
        raise EstimationError("SyntheticDiD cannot answer this design", problems)


def _no_errors(terms: Terms) -> tuple[Uncertainty, str]:
    blank = np.full(len(terms.keys), np.nan)
    return inference.Uncertainty(blank, blank, blank, 0), "none"


def _placebo_note(done: inference.Placebos, errors: Uncertainty, areas: str, level: float) -> str:
    how = f"all {errors.draws:,} sets of" if done.enumerated else f"{errors.draws:,} drawn sets of"
    text = (
        f"{areas}: errors come from putting {how} donors in the treated areas' place. They suppose that treated areas "
        "would have strayed as donors did"
    )
    text += ", allowing for size. " if done.rescaled is not None else ". "
    text += f"The smallest p-value that can come out is {1 / (errors.draws + 1):.2g}."
    if math.isinf(errors.half[0]):
        text += f" That is too coarse for a {level:.0%} interval, which is therefore without limits."
    return text


def _doubt(choice: Choice) -> str:
    return (
        " So few areas on one side make such errors too small at times; read the interval as the least there is."
        if choice.warn
        else ""
    )

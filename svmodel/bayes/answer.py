"""How a Bayesian estimator answers a design: a question in the model's terms, the draws, the rows, the words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from svmodel.bayes.rows import TreatedCells, path, term_rows
from svmodel.design import Design, DesignArrays
from svmodel.engine import arrived, run
from svmodel.engine.description import LatentModel
from svmodel.engine.posterior import Posterior
from svmodel.errors import EstimationError
from svmodel.numerics.arrays import Floats
from svmodel.result import Result
from svmodel.result.check import CheckResult
from svmodel.result.scales import estimates_frame, provenance

if TYPE_CHECKING:
    import pandas as pd


#: Draws times cells that are held at once; beyond, draws are thinned.
_MOST_NUMBERS = 20_000_000


@dataclass(frozen=True, eq=False)
class Question:
    """A design in a model's terms.

    Attributes
    ----------
    model : LatentModel
    target : ndarray of bool, shape (N, T)
        Treated cells that the effect is about.
    treatment : str
        Terms whose names begin so are the intervention; without them the model tells what would have been.
    left_out : tuple of str
        What could not be compared; for the notes.
    """

    model: LatentModel
    target: NDArray[np.bool_]
    treatment: str
    left_out: tuple[str, ...] = ()

    def cells(self, posterior: Posterior, arrays: DesignArrays, level: float) -> TreatedCells:
        """Return draws of expected counts of the target cells, with and without the intervention."""
        area, time = np.nonzero(self.target)
        kept = thinned(posterior.effects, len(area))
        with_it = np.exp(self.model.predictor(kept, self.target))
        without = np.exp(self.model.predictor(kept, self.target, without=self.treatment))
        return TreatedCells(arrays, area, time, with_it, without, level=level)

    def expected_cells(self, posterior: Posterior, arrays: DesignArrays, level: float) -> TreatedCells:
        """Return what the posterior alone says of the target cells, without noise that is drawn on top of it."""
        return self.cells(posterior, arrays, level)

    def path(
        self, posterior: Posterior, arrays: DesignArrays, level: float, parents: Mapping[str, str] | None = None
    ) -> pd.DataFrame:
        """Return what was observed and what was to be expected without the intervention in the treated areas."""
        shown = self.model.known & self.target.any(axis=1, keepdims=True)
        area, time = np.nonzero(shown)
        kept = thinned(posterior.effects, len(area))
        without = np.exp(self.model.predictor(kept, shown, without=self.treatment))
        return path(arrays, area, time, without, level, parents)


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a Bayesian result keeps for its checks: the question and the posterior that answers it."""

    question: Question
    posterior: Posterior

    @property
    def model(self) -> LatentModel:
        """The model that was fitted."""
        return self.question.model


@dataclass(frozen=True)
class AnswersDesigns:
    """Mixin of estimators that turn a design into a :class:`Question`; they have engine, draws, level and prior."""

    @property
    def scale(self) -> str:
        """Scale of :meth:`point`."""
        return "log_rate_ratio"

    def ask(self, arrays: DesignArrays) -> Question:
        """Return the model and the cells that its effect is about."""
        raise NotImplementedError

    def point(self, arrays: DesignArrays) -> float:
        """Return the posterior median of the average log rate ratio by nested Laplace; NaN where there is none."""
        cells = self.quick_cells(arrays)
        return math.nan if cells is None else float(np.log(np.median(np.exp(cells.log_ratio))))

    def quick_cells(self, arrays: DesignArrays) -> TreatedCells | None:
        """Return draws of the target cells by nested Laplace; None where there is no answer."""
        quick: Any = replace(self, engine="laplace")  # type: ignore[call-arg]
        try:
            question = quick.ask(arrays)
            posterior = arrived(run(question.model, "laplace", draws=quick.draws, seed=0), "point")
        except EstimationError:
            return None
        cells: TreatedCells = question.cells(posterior, arrays, quick.level)
        return cells

    def fit(self, design: Design, *, seed: int = 0) -> Result:
        """Answer the design.

        Parameters
        ----------
        design : Design
            Of a count.
        seed : int
            The same seed gives the same draws on the same machine.

        Returns
        -------
        Result
            With ``draws`` of the log rate ratio, ``event_draws``, and what the checks need in ``posterior``.

        Raises
        ------
        DesignError
            If the design has problems.
        EstimationError
            If the outcome is no count, nothing can be compared, or the fit has not converged.
        """
        me: Any = self
        arrays = design.arrays
        if not design.is_count:
            raise EstimationError(
                f"{type(self).__name__} needs a count, and {design.outcome!r} is a measure; use a linear estimator"
            )
        question = self.ask(arrays)
        posterior = arrived(run(question.model, me.engine, draws=me.draws, seed=seed), design.describe())
        return assemble(self, design, question, posterior, seed)

    def details(self, question: Question, posterior: Posterior, cells: TreatedCells) -> dict[str, Any]:  # noqa: ARG002
        """Return plain numbers of the model's own, for the diagnostics."""
        return {}

    def remarks(self, design: Design, question: Question, cells: TreatedCells) -> list[str]:
        """Return the notes of a result."""
        from svmodel.bayes.words import notes_of

        return notes_of(self, design, question, cells)

    def audit(self, result: Result) -> CheckResult:
        """Return the other engine's answer beside this one, and whether they agree."""
        from svmodel.bayes.agreement import compare_engines

        return compare_engines(self, result)


def thinned(effects: Mapping[str, Floats], cells: int) -> dict[str, Floats]:
    """Return every so-manieth draw, so that draws times cells stay within memory."""
    size = len(next(iter(effects.values())))
    step = max(1, math.ceil(size * cells / _MOST_NUMBERS))
    return {name: draws[::step] for name, draws in effects.items()}


def assemble(estimator: Any, design: Design, question: Question, posterior: Posterior, seed: int) -> Result:
    """Return the result that the draws make."""
    from svmodel.bayes.words import diagnostics_of

    arrays = design.arrays
    cells = question.cells(posterior, arrays, estimator.level)
    parents = design.panel.parents
    rows = list(term_rows(cells, parents))
    return Result(
        estimates=estimates_frame(rows),
        design=design,
        estimator=estimator,
        counterfactual=question.path(posterior, arrays, estimator.level, parents),
        diagnostics={
            **diagnostics_of(estimator, question, posterior, cells),
            **estimator.details(question, posterior, cells),
        },
        draws=cells.log_ratio if estimator.scale == "log_rate_ratio" else cells.difference,
        event_draws=cells.events if cells.counts else None,
        posterior=Fitted(question, posterior),
        notes=tuple(estimator.remarks(design, question, cells)),
        provenance=provenance(design, seed),
        seed=seed,
    )

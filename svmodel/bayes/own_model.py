"""A model that somebody wrote in PyMC themselves, answering a design in the same Result as every other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from svmodel.bayes.answer import sampled, shrinkage
from svmodel.bayes.options import FEWEST_DRAWS, check_level, check_whole
from svmodel.bayes.rows import TreatedCells, path, term_rows
from svmodel.design import Design, DesignArrays
from svmodel.engine import arrived
from svmodel.engine.nuts import CHAINS, sample_built, settled_imports
from svmodel.engine.posterior import Posterior, from_own
from svmodel.errors import EstimationError, Problems, did_you_mean
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.result import Result
from svmodel.result.method import Method
from svmodel.result.scales import estimates_frame, provenance


@dataclass(frozen=True)
class PyMCModel:
    """Your own model: a function from the design's arrays to a ``pymc.Model``, and the names of what it answers.

    Parameters
    ----------
    build : callable
        Takes :class:`svmodel.design.DesignArrays` and returns a ``pymc.Model``. It has to come to the same model each
        time that it is given the same arrays.
    with_it, without : str, optional
        Variables of the model with the expected counts with and without the intervention: of every cell, shape (N, T),
        or of the treated cells alone, row by row.
    log_ratio : str, optional
        In their place, a variable with the log of the rate ratio: one number, one for each area, shape (N,), or one for
        each treated area in order. What was to be expected is then what was observed over the ratio.
    draws, tune : int
        Draws in all, shared between four chains, and steps of each chain that adapt it and are thrown away.
    level : float
        Posterior probability in an interval.

    Notes
    -----
    The answers are those of the package's own models: ratios of expected counts summed over treated cells, posterior
    medians, equal-tailed intervals, the same terms and scales. A treated cell counts where its outcome is known and it
    has an exposure. What the model supposes, and its priors, are its author's to tell; a fit that has not converged is
    refused like any other. There is no second engine for a model that only PyMC knows.

    Examples
    --------
    >>> def build(arrays):
    ...     import numpy as np
    ...     import pymc as pm
    ...
    ...     with pm.Model() as model:
    ...         rate = pm.Normal("rate", np.log(np.nanmean(arrays.y)), 1.0)
    ...         effect = pm.Normal("effect", 0.0, 0.35)
    ...         mean = pm.math.exp(rate + effect * arrays.treated)
    ...         pm.Poisson("y", mean, observed=arrays.y)
    ...     return model
    >>> from svmodel import simulate
    >>> made = simulate.panel(6, 12, mean=20, effect=0.5, cohorts=((6, 3),), seed=1)
    >>> result = PyMCModel(build, log_ratio="effect").fit(made.design("violence"), seed=1)
    >>> result.effect("att", "rate_ratio").conf_high < 1
    True
    """

    about: ClassVar[Method] = Method(
        short="Bayesian PyMC model",
        name="A PyMC model of the user's own",
        how=(
            "A model that the analyst wrote in PyMC gives expected counts with and without the intervention, or the "
            "ratio of the two, as probabilities under its own prior."
        ),
        in_study_files=False,
        gives=("posterior",),
    )

    build: Callable[[DesignArrays], Any]
    with_it: str | None = None
    without: str | None = None
    log_ratio: str | None = None
    draws: int = 4000
    tune: int = 1000
    level: float = 0.95

    def __post_init__(self) -> None:
        found = Problems()
        if not callable(self.build):
            found.add("build has to be a function from the design's arrays to a pymc.Model", rule="build")
        counts = (self.with_it is not None) + (self.without is not None)
        if (self.log_ratio is None) == (counts == 0) or counts == 1:
            found.add(
                "a model answers with the names of two variables, with_it and without, or with that of one, log_ratio",
                rule="answer",
            )
        check_level(found, self.level)
        check_whole(found, "draws", self.draws, FEWEST_DRAWS)
        check_whole(found, "tune", self.tune, FEWEST_DRAWS)
        found.raise_if_any(EstimationError, "PyMCModel cannot be used so")

    @property
    def scale(self) -> str:
        """Scale of the draws."""
        return "log_rate_ratio"

    def fit(self, design: Design, *, seed: int = 0) -> Result:
        """Sample the model and answer the design.

        Parameters
        ----------
        design : Design
            Of a count.
        seed : int
            The same seed gives the same draws on the same machine.

        Raises
        ------
        DesignError
            If the design has problems.
        EstimationError
            If the outcome is no count, there is no treated cell, the function gives no model, a variable is not in it
            or has no shape that can be read, an expected count is not above zero, or the fit has not converged.
        """
        arrays = design.arrays
        if not design.is_count:
            raise EstimationError(f"PyMCModel needs a count, and {design.outcome!r} is a measure")
        target = arrays.treated if arrays.exposure is None else arrays.treated & (arrays.exposure > 0)
        if not target.any():
            raise EstimationError("no treated area-period with a known outcome and an exposure")
        built = self._built(arrays)
        trace = sample_built(built, draws=self.draws, tune=self.tune, seed=seed)
        details: dict[str, float | str] = {"draws": self.draws, "chains": CHAINS, "tune": self.tune}
        posterior = arrived(from_own(trace, [v.name for v in built.free_RVs], details=details), design.describe())
        cells = self._cells(posterior, arrays, target)
        parents = design.panel.parents
        why = (
            f"Posterior probability of the analyst's own model (NUTS, R-hat at most {posterior.convergence.r_hat:.3f})."
        )
        return Result(
            estimates=estimates_frame(list(term_rows(cells, parents))),
            design=design,
            estimator=self,
            counterfactual=path(arrays, cells.area, cells.time, cells.without, self.level, parents),
            diagnostics={**sampled(posterior, cells, why), "shrinkage": shrinkage(cells)},
            draws=cells.log_ratio,
            event_draws=cells.events,
            notes=("The model is the analyst's own; what it supposes, and its priors, are not the package's.",),
            provenance=provenance(design, seed),
            seed=seed,
        )

    def _built(self, arrays: DesignArrays) -> Any:
        """Return the model, or say what is wrong with it."""
        with settled_imports():
            import pymc as pm

            built = self.build(arrays)
        if not isinstance(built, pm.Model):
            raise EstimationError(f"the function has to return a pymc.Model, and returned {type(built).__name__}")
        found = Problems()
        known = [v.name for v in (*built.free_RVs, *built.deterministics)]
        for name in (self.with_it, self.without, self.log_ratio):
            if name is not None and name not in known:
                found.add(f"the model has no variable {name!r}", fix=did_you_mean(name, known), rule=name)
        found.raise_if_any(EstimationError, "the model does not answer the design")
        return built

    def _cells(self, posterior: Posterior, arrays: DesignArrays, target: Mask) -> TreatedCells:
        area, time = np.nonzero(target)
        if self.log_ratio is not None:
            ratio = np.exp(_by_area(posterior.effects[self.log_ratio], self.log_ratio, area, arrays))
            with_it = np.broadcast_to(arrays.y[area, time], ratio.shape).astype(np.float64)
            if not with_it.any():
                raise EstimationError("not one event was seen in treated cells, so that a ratio says nothing of events")
            without = with_it / ratio
        else:
            with_it, without = (
                _by_cell(posterior.effects[str(n)], str(n), target) for n in (self.with_it, self.without)
            )
            if not (np.isfinite(with_it).all() and np.isfinite(without).all() and (without.sum(axis=1) > 0).all()):
                raise EstimationError("an expected count of a treated cell is missing, infinite or not above zero")
        return TreatedCells(arrays, area, time, with_it, without, level=self.level)


def _by_area(draws: Floats, name: str, area: Ints, arrays: DesignArrays) -> Floats:
    """Return draws of the log ratio in each treated cell, shape (S, n)."""
    treated, place = np.unique(area, return_inverse=True)
    if draws.ndim == 1:
        return np.repeat(draws[:, None], len(area), axis=1)
    if draws.shape[1:] == (len(arrays.areas),):
        return draws[:, area]
    if draws.shape[1:] == (len(treated),):
        return draws[:, place]
    raise EstimationError(
        f"{name!r} has the shape {draws.shape[1:]}: it takes one number, one for each of {len(arrays.areas)} areas, or "
        f"one for each of {len(treated)} treated areas"
    )


def _by_cell(draws: Floats, name: str, target: Mask) -> Floats:
    """Return draws of the treated cells, shape (S, n)."""
    n = int(target.sum())
    if draws.shape[1:] == target.shape:
        return draws[:, target]
    if draws.shape[1:] == (n,):
        return draws
    raise EstimationError(
        f"{name!r} has the shape {draws.shape[1:]}: it takes {target.shape}, every cell, or ({n},), the treated ones"
    )

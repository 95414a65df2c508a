"""What a Bayesian result knows of one place: draws of its sums, and its path with and without the intervention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from svmodel.bayes.question import Fitted, Question, thinned
from svmodel.bayes.rows import reporting_areas
from svmodel.design import Design, DesignArrays
from svmodel.errors import EstimationError, did_you_mean
from svmodel.numerics.arrays import Floats, Ints
from svmodel.result import Result
from svmodel.result.tables import ALL_TREATED


def sums_of(result: Result, area: str = ALL_TREATED) -> tuple[Floats, Floats]:
    """Return draws of the expected counts of a place's treated area-periods, with and without the intervention.

    Parameters
    ----------
    result : Result
        Of a Bayesian estimator, in the session that fitted it.
    area : str
        A treated area, a reporting area that holds some, or ``"all treated"``.

    Returns
    -------
    with_it, without : ndarray, shape (S,)

    Raises
    ------
    EstimationError
        If the result holds no posterior, or none of the place.
    """
    held, design = _fitted(result)
    level = float(result.estimates["level"].iloc[0])
    cells = held.question.cells(held.posterior, design.arrays, level)
    inside = _rows(cells.arrays, np.unique(cells.area), design.panel.parents, area)
    return cells.summed(np.isin(cells.area, inside))


def with_and_without(result: Result, area: str = ALL_TREATED, *, level: float = 0.95) -> pd.DataFrame:
    """Return what was observed in a place, and what was to be expected with and without the intervention.

    Parameters
    ----------
    result : Result
    area : str
        As in :func:`sums_of`.
    level : float
        Posterior probability between the limits, which are those of the expected count.

    Returns
    -------
    pandas.DataFrame
        ``period, observed, with_it, with_low, with_high, without, without_low, without_high``; the two agree before
        the start.

    Raises
    ------
    EstimationError
        If the result holds no posterior, none of the place, or one of sums that a single model does not give.
    """
    held, design = _fitted(result)
    question, arrays = held.question, design.arrays
    if type(question) is not Question:
        raise EstimationError(
            f"counts with and without the intervention are drawn for a model of areas over time, and "
            f"{type(result.estimator).__name__} is one of series; its own course is `result.counterfactual`"
        )
    treated = np.flatnonzero(question.target.any(axis=1))
    rows = _rows(arrays, treated, design.panel.parents, area)
    shown = question.model.known.copy()
    shown[np.setdiff1d(np.arange(len(shown)), rows)] = False
    place, time = np.nonzero(shown)
    kept = thinned(held.posterior.effects, len(time))
    times, column = np.unique(time, return_inverse=True)
    member = np.eye(len(times))[column]
    out: dict[str, Any] = {"period": arrays.periods[times], "observed": arrays.y[place, time] @ member}
    for name, without in (("with", ""), ("without", str(question.treatment))):
        draws = np.exp(question.model.predictor(kept, shown, without=without)) @ member
        low, middle, high = np.quantile(draws, [0.5 - level / 2, 0.5, 0.5 + level / 2], axis=0)
        out |= {"with_it" if name == "with" else name: middle, f"{name}_low": low, f"{name}_high": high}
    return pd.DataFrame(out)


def _fitted(result: Result) -> tuple[Fitted, Design]:
    if not isinstance(result.posterior, Fitted) or result.design is None:
        raise EstimationError(
            f"this result of {type(result.estimator).__name__} holds no posterior; fit it in this session"
        )
    return result.posterior, result.design


def _rows(arrays: DesignArrays, treated: Ints, parents: Mapping[str, str], area: str) -> Ints:
    """Return the rows of a place."""
    known = {**reporting_areas(arrays, treated, parents), ALL_TREATED: treated}
    if area not in known:
        raise EstimationError(f"no effect is known in {area!r}. {did_you_mean(area, known)}")
    return known[area]

"""Predictors of a synthetic control: what is averaged over which periods before the start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from svmodel import periods
from svmodel.errors import DataError, DesignError, EstimationError, Problems, did_you_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from svmodel.design import Design, DesignArrays

    Floats = NDArray[np.float64]

__all__ = ["OUTCOME", "Predictor", "columns_of", "need_columns", "parsed", "values", "with_columns"]

#: Stands for the design's outcome (a rate where the design has an exposure).
OUTCOME = "outcome"


@dataclass(frozen=True)
class Predictor:
    """A column averaged over some periods before the start.

    Parameters
    ----------
    column : str
        A covariate, exposure, count or measure of the panel; ``"outcome"`` for the outcome itself, as a rate where the
        design has an exposure.
    first, last : period, optional
        Both included. `first` alone is a single period; neither is the whole time before the start.

    Examples
    --------
    >>> Predictor("income", 1980, 1988)
    Predictor(column='income', first='1980', last='1988')
    >>> Predictor("outcome", "2019-04").label
    'outcome 2019-04'
    """

    column: str
    first: Any = None  # any PeriodLike on the way in, its code afterwards
    last: Any = None

    def __post_init__(self) -> None:
        first = None if self.first is None else periods.parse(self.first)
        last = first if self.last is None else periods.parse(self.last)
        if (first is None) != (last is None):
            raise EstimationError(f"predictor {self.column!r} has a last period and no first")
        if first is not None and last is not None:
            if first.freqstr != last.freqstr or last < first:
                raise EstimationError(f"predictor {self.column!r}: {self.first} to {self.last} is no span of time")
            object.__setattr__(self, "first", periods.code(first))
            object.__setattr__(self, "last", periods.code(last))

    @property
    def label(self) -> str:
        """For tables."""
        if self.first is None:
            return self.column
        return (
            f"{self.column} {self.first}" if self.first == self.last else f"{self.column} {self.first} to {self.last}"
        )


def parsed(given: Any) -> tuple[Predictor, ...]:
    """Return predictors from names, (name, first, last), mappings or Predictors."""
    out = []
    for item in (given,) if isinstance(given, str | Predictor) else given:
        try:
            if isinstance(item, Predictor):
                out.append(item)
            elif isinstance(item, str):
                out.append(Predictor(item))
            elif isinstance(item, Mapping):
                out.append(Predictor(**item))
            else:
                out.append(Predictor(*item))
        except (TypeError, DataError) as error:
            text = f"{item!r} is no predictor: give a name, or (name, first period, last period). {error}"
            raise EstimationError(text) from None
    return tuple(out)


def columns_of(predictors: tuple[Predictor, ...]) -> tuple[str, ...]:
    """Return the panel's columns that predictors ask for, in the order in which they first do."""
    return tuple(dict.fromkeys(p.column for p in predictors if p.column != OUTCOME))


def with_columns(design: Design, predictors: tuple[Predictor, ...]) -> DesignArrays:
    """Return the design's arrays with the predictors' columns as their covariates; gaps are allowed.

    Raises
    ------
    DesignError
        With every column that the panel has not.
    """
    found, view = Problems(), design.view
    for name in columns_of(predictors):
        if name == design.outcome:
            fix = f"Write {OUTCOME!r}, so that it is taken as the rate that is matched."
            found.add(f"{name!r} is the outcome itself", where="predictors", fix=fix, rule="predictor_outcome")
        elif name not in view.columns:
            fix = did_you_mean(name, [OUTCOME, *view.columns])
            found.add(f"{name!r} is no column of the panel", where="predictors", fix=fix, rule="unknown_predictor")
    found.raise_if_any(DesignError, "the predictors cannot be used")
    arrays = design.arrays
    columns = [view.matrix(name) for name in columns_of(predictors)]
    stacked = np.stack(columns, axis=-1) if columns else np.empty((*arrays.y.shape, 0))
    return replace(arrays, covariates=stacked)


def need_columns(arrays: DesignArrays, predictors: tuple[Predictor, ...]) -> None:
    """Raise EstimationError where the arrays do not hold the predictors' columns as covariates."""
    names = columns_of(predictors)
    if names and arrays.covariates.shape[2] != len(names):
        raise EstimationError(
            f"the arrays hold {arrays.covariates.shape[2]} covariates and the predictors ask for {', '.join(names)}; "
            "take them from SyntheticControl.arrays(design)"
        )


def values(
    arrays: DesignArrays, predictors: tuple[Predictor, ...], before: NDArray[np.int64], exposure: Floats
) -> tuple[Floats, Floats]:
    """Return numerators and denominators of the predictors, shape (N, K) each; NaN where one is not known.

    A group's predictor is the sum of its areas' numerators over that of their denominators: events over exposure for
    the outcome, an average weighted by exposure for the rest.

    Parameters
    ----------
    before : ndarray of int
        Places of the periods before the start.
    exposure : ndarray, shape (N, T)

    Raises
    ------
    EstimationError
        If a predictor's periods are not in the data, or reach into the time after the start.
    """
    place = {name: k for k, name in enumerate(columns_of(predictors))}
    codes = {periods.code(p): t for t, p in enumerate(arrays.periods)}
    found = Problems()
    top, bottom = [], []
    for p in predictors:
        when = before if p.first is None else _span(p, codes, arrays, before, found)
        if not len(when):
            continue
        weight = exposure[:, when].sum(axis=1)
        if p.column == OUTCOME:
            top.append(arrays.y[:, when].sum(axis=1))
        else:
            top.append(arrays.covariates[:, when, place[p.column]].mean(axis=1) * weight)
        bottom.append(weight)
    found.raise_if_any(EstimationError, "the predictors cannot be used")
    return np.column_stack(top), np.column_stack(bottom)


def _span(
    p: Predictor, codes: Mapping[str, int], arrays: DesignArrays, before: NDArray[np.int64], found: Problems
) -> NDArray[np.int64]:
    nothing = np.empty(0, dtype=np.int64)
    if p.first not in codes or p.last not in codes:
        span = f"{periods.label(arrays.periods[0])} to {periods.label(arrays.periods[-1])}"
        found.add(f"{p.label} lies outside the data, {span}", where="predictors", rule="predictor_window")
        return nothing
    when = np.arange(codes[p.first], codes[p.last] + 1)
    if len(before) == 0 or when[-1] > before[-1]:
        last = periods.label(arrays.periods[int(before[-1])]) if len(before) else "nothing"
        found.add(
            f"{p.label} reaches beyond the time before the start, which ends with {last}",
            where="predictors",
            fix="What came after the start may be its effect, and cannot choose the donors.",
            rule="predictor_after_start",
        )
        return nothing
    return when

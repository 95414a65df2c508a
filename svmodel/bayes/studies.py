"""Studies as a meta-analysis takes them: labels, estimates and errors on the scale where they are normal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from svmodel.errors import EstimationError, Problems
from svmodel.numerics.arrays import Floats
from svmodel.result import Result
from svmodel.result.scales import critical_value

#: How far an estimate may lie off the middle of its limits, as a share of their half-width, before a note says so.
_OFF_CENTRE = 0.2
#: Coverage of limits that a frame gives.
_LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Studies:
    """Effects with their errors.

    Attributes
    ----------
    labels : tuple of str, length k
    estimate, std_error : ndarray, shape (k,)
        Log ratios, or differences.
    notes : tuple of str
    """

    labels: tuple[str, ...]
    estimate: Floats
    std_error: Floats
    notes: tuple[str, ...] = ()

    @property
    def typical_variance(self) -> float:
        """Typical squared error, ``(k - 1) sum(w) / (sum(w)^2 - sum(w^2))`` (Higgins and Thompson 2002, equation 9)."""
        w = self.std_error**-2
        return float((len(w) - 1) * w.sum() / (w.sum() ** 2 - (w**2).sum()))


def read_studies(given: Any, *, ratio: bool) -> Studies:
    """Return studies from a frame, from results, or from the areas of one result.

    Raises
    ------
    EstimationError
        With everything that is wrong with them.
    """
    if isinstance(given, pd.DataFrame):
        return _from_frame(given, ratio=ratio)
    if isinstance(given, Result):
        return _from_areas(given, ratio=ratio)
    several = isinstance(given, Mapping | Sequence) and not isinstance(given, str)
    results = [*(given.values() if isinstance(given, Mapping) else given)] if several else []
    if not results or not all(isinstance(r, Result) for r in results):
        raise EstimationError("studies are a frame of label, estimate and limits or errors, or results of svmodel")
    if isinstance(given, Mapping):
        return _from_results([str(label) for label in given], results, ratio=ratio)
    labels = [f"result {j}" if r.design is None else r.design.intervention.name for j, r in enumerate(results, start=1)]
    return _from_results(labels, results, ratio=ratio)


def _from_frame(frame: pd.DataFrame, *, ratio: bool) -> Studies:
    found = Problems()
    error = "log_std_error" if ratio else "std_error"
    limits = {"low", "high"} <= set(frame.columns)
    for name in sorted({str(c) for c in frame.columns[frame.columns.duplicated()]}):
        found.add(f"two columns are called {name!r}", rule="column")
    for name in ("label", "estimate"):
        if name not in frame.columns:
            found.add(f"there is no column {name!r}", rule="column")
    if not limits and error not in frame.columns:
        hint = " (a ratio's error is that of its logarithm)" if ratio else ""
        found.add(f"there are neither limits, low and high, nor {error}{hint}", rule="column")
    found.raise_if_any(EstimationError, "these studies cannot be pooled")
    labels = tuple(str(v) for v in frame["label"])
    numbers = {c: _numbers(frame[c], found) for c in ("estimate", *(("low", "high") if limits else (error,)))}
    found.raise_if_any(EstimationError, "these studies cannot be pooled")
    if ratio:
        for name in ("estimate", "low", "high") if limits else ("estimate",):
            for label in np.array(labels)[~(numbers[name] > 0)]:
                found.add(f"a ratio is above 0, and {name} is not", where=f"study {label}", rule="ratio")
        found.raise_if_any(EstimationError, "these studies cannot be pooled")
        numbers |= {c: np.log(v) for c, v in numbers.items() if c != error}
    notes: list[str] = []
    if limits:
        half = (numbers["high"] - numbers["low"]) / 2
        off = np.abs(numbers["estimate"] - (numbers["high"] + numbers["low"]) / 2) > _OFF_CENTRE * np.abs(half)
        logged = " as a logarithm" if ratio else ""
        notes += [
            f"The limits of {label} do not lie evenly about its estimate{logged}: its error, taken from their width, "
            "is rough. Are they of another level, or of another scale?"
            for label in np.array(labels)[off & (half > 0)]
        ]
        numbers[error] = half / critical_value(_LEVEL)
    return _checked(labels, numbers["estimate"], numbers[error], notes)


def _numbers(column: Any, found: Problems) -> Floats:
    try:
        return np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError):
        found.add(f"the column {column.name!r} holds something that is no number", rule="number")
        return np.full(len(column), np.nan)


def _checked(labels: tuple[str, ...], estimate: Floats, error: Floats, notes: list[str]) -> Studies:
    found = Problems()
    if len(labels) < 2:
        found.add(
            f"{len(labels)} stud{'y says' if len(labels) == 1 else 'ies say'} nothing of how far effects differ",
            fix="Give two or more; report one as it stands.",
            rule="few_studies",
        )
    for label, y, s in zip(labels, estimate, error, strict=True):
        if not np.isfinite(y):
            found.add("the estimate is missing or not finite", where=f"study {label}", rule="estimate")
        if not (np.isfinite(s) and s > 0):
            found.add("the error is missing, or not above 0", where=f"study {label}", rule="error")
    for label in sorted({v for v in labels if labels.count(v) > 1}):
        found.add(f"two studies are called {label!r}", fix="Give each a name of its own.", rule="label")
    for label in sorted({"pooled", "new area"} & set(labels)):
        found.add(f"no study may be called {label!r}", rule="label")
    found.raise_if_any(EstimationError, "these studies cannot be pooled")
    return Studies(labels, estimate, error, tuple(notes))


def _moments(result: Result, term: str, *, ratio: bool, **which: Any) -> tuple[float, float]:
    """Return estimate and error of one effect on the scale where it is normal."""
    effect = result.effect(term, "rate_ratio" if ratio else "difference", **which)
    values = np.array([effect.estimate, effect.conf_low, effect.conf_high])
    with np.errstate(divide="ignore", invalid="ignore"):
        middle, low, high = np.log(values) if ratio else values
        # limits by Student's t or by resampling are wider than their error says: what counts is their width
        return float(middle), float((high - low) / 2 / critical_value(effect.level))


def _from_results(labels: list[str], results: list[Result], *, ratio: bool) -> Studies:
    held = [_moments(r, "att", ratio=ratio) for r in results]
    notes = [_twice(label) for label, r in zip(labels, results, strict=True) if r.posterior is not None]
    estimate, error = (np.array(v) for v in zip(*held, strict=True))
    return _checked(tuple(labels), estimate, error, notes)


def _twice(label: str) -> str:
    return (
        f"The effect of {label} carries a prior already, and is pulled twice: fit it with prior='flat', and without "
        "pooling."
    )


def _from_areas(result: Result, *, ratio: bool) -> Studies:
    table = result.estimates
    scale = "rate_ratio" if ratio else "difference"
    areas = sorted(set(table.loc[(table["term"] == "area") & (table["scale"] == scale), "area"]))
    held = [_moments(result, "area", ratio=ratio, area=a) for a in areas]
    notes = [
        "Areas of one analysis share their controls, so that their errors go together: the pooled interval is narrow."
    ]
    if result.posterior is not None:
        notes.append(_twice("each area"))
    estimate, error = (np.array(v) for v in zip(*held, strict=True)) if held else (np.empty(0), np.empty(0))
    return _checked(tuple(areas), estimate, error, notes)

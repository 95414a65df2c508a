"""What the promises of an estimator are tried with: an example, panels made afresh, tables laid side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel.design import Design, Intervention
from svmodel.panel import Panel

KEYS = ["term", "scale", "area", "cohort", "period", "horizon"]
NUMBERS = ["estimate", "std_error", "conf_low", "conf_high", "p_value"]


def example_panel(*, effect: float, seed: int, measure: bool = False) -> Design:
    """Return a design on 30 areas x 24 months whose treated counts are multiplied by `effect`.

    Ten areas, drawn by lot, start in month 12 or 16. Counts are negative binomial (mean about 40, variance
    about five times the mean), so that standard errors which trust the Poisson variance are caught.
    """
    rng = np.random.default_rng(seed)
    n, length = 30, 24
    level = rng.normal(0, 0.3, n)
    people = np.round(rng.uniform(8_000, 16_000, n))
    season = 0.1 * np.sin(2 * np.pi * np.arange(length) / 12) - 0.004 * np.arange(length)
    starts = np.full(n, length)
    treated = rng.permutation(n)[:10]
    starts[treated] = np.repeat([12, 16], 5)
    on = np.arange(length)[None, :] >= starts[:, None]
    mean = 40 * people[:, None] / 12_000 * np.exp(level[:, None] + season[None, :]) * np.where(on, effect, 1.0)
    counts = rng.poisson(mean * rng.gamma(10.0, 0.1, (n, length)))
    months = pd.period_range("2019-01", periods=length, freq="M")
    areas = [f"area {i:02d}" for i in range(n)]
    frame = pd.DataFrame(
        {
            "area": np.repeat(areas, length),
            "period": np.tile(months.astype(str), n),
            "events": counts.ravel(),
            "score": 2.5 + 0.5 * counts.ravel(),
            "population": np.repeat(people, length),
        }
    )
    panel = Panel.from_frame(
        frame,
        as_given=True,
        area="area",
        period="period",
        counts=["events"],
        measures=["score"],
        exposures=["population"],
        synthetic=True,
    )
    intervention = Intervention("a planted effect", {areas[i]: months[starts[i]] for i in sorted(treated)})
    if measure:
        return Design(panel, outcome="score", intervention=intervention)
    return Design(panel, outcome="events", exposure="population", intervention=intervention)


def rebuilt(design: Design, frame: pd.DataFrame, rename: Mapping[str, str] | None = None, **changes: Any) -> Design:
    """Return the design on a panel made afresh from `frame`, with areas renamed where asked."""
    panel, name = design.panel, dict(rename or {})
    frame = frame.copy()
    if panel.parents:
        frame["parent of the area"] = frame["area"].map(dict(panel.parents))
    frame["area"] = frame["area"].map(lambda a: name.get(a, a))
    made = Panel.from_frame(
        frame,
        as_given=True,
        area="area",
        period="period",
        counts=panel.counts,
        measures=panel.measures,
        exposures=panel.exposures,
        covariates=panel.covariates,
        parent="parent of the area" if panel.parents else None,
        synthetic=panel.synthetic,
        source=panel.source,
    )
    old = design.intervention
    starts = {name.get(a, a): p for a, p in reversed(list(old.starts.items()))}
    ends = {name.get(a, a): p for a, p in (old.ends or {}).items()}
    return replace(design, panel=made, intervention=Intervention(old.name, starts, ends, old.cost), **changes)


def same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Return whether two arrays are equal, missing values counted as equal."""
    a, b = np.asarray(one), np.asarray(other)
    if object in (a.dtype, b.dtype):
        return a.shape == b.shape and all((pd.isna(x) and pd.isna(y)) or x == y for x, y in zip(a, b, strict=True))
    return bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f" and b.dtype.kind == "f"))


def scaled(estimates: pd.DataFrame, factor: Mapping[str, float]) -> pd.DataFrame:
    """Return the table as it would be with every number of a scale multiplied by its factor."""
    times = estimates["scale"].map(dict(factor)).fillna(1.0).to_numpy(dtype=float)
    columns = ["estimate", "std_error", "conf_low", "conf_high"]
    return estimates.assign(**{c: estimates[c] * times for c in columns})


def different(
    one: pd.DataFrame, other: pd.DataFrame, *, random: frozenset[str] = frozenset(), what: str = ""
) -> Iterator[str]:
    """Yield how two tables of estimates differ by more than rounding.

    Sums in another order move a number by some 1e-13 of itself, and an iteration that stops at 1e-8 by about
    that; 1e-6 of the standard error is above both and below anything that a reader could see. Columns that
    change with the seed carry resampling error, some 2 to 3% of the error for 1,000 draws; they get 15%.
    """
    left, right = (f.assign(**{k: f[k].astype(str) for k in KEYS}).set_index(KEYS)[NUMBERS] for f in (one, other))
    if set(left.index) != set(right.index):
        yield f"{what}the table holds other rows"
        return
    right = right.loc[left.index]
    unit = left["std_error"].where(left["std_error"] > 0, left["estimate"].abs())
    for column in NUMBERS:
        a, b = left[column], right[column]
        room = 1e-6 * (1.0 if column == "p_value" else unit.fillna(left["estimate"].abs()))
        if column in random:
            room = 0.15 * (1.0 if column == "p_value" else unit)
        wrong = ((a - b).abs() > room + 1e-9 * a.abs()) | (a.isna() != b.isna())
        if wrong.any():
            key = wrong.idxmax()
            was, now = float(a[key]), float(b[key])
            example = f"{key[0]} on {key[1]}: {was:.6g} to {now:.6g}"
            yield f"{what}{int(wrong.sum())} values of {column} change, e.g. {example}"

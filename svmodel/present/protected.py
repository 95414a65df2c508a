"""The frames that pages and files show, each after disclosure control: one place to read what is let out.

Every function takes the full data and a :class:`~svmodel.present.disclosure.Disclosure` and gives back a frame in
which nothing hidden can be read or worked out. Figures, tables, sentences and files are made from
these frames alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.errors import DataError, EstimationError
from svmodel.present.disclosure import CONFIDENTIAL, Disclosure
from svmodel.result import Effect

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from svmodel.design import DesignArrays
    from svmodel.panel import Panel
    from svmodel.result import Result

__all__ = ["ALL_TREATED", "counterfactual", "effect", "estimates", "monthly", "post_totals", "rolling_rates"]

#: Name under which results hold the sum of every treated area.
ALL_TREATED = "all treated"
_NUMBERS = ("estimate", "std_error", "conf_low", "conf_high", "p_value", "prob_reduction")


def monthly(panel: Panel, outcome: str, area: str, *, disclosure: Disclosure | None = None) -> pd.DataFrame:
    """Return one area's counts by period.

    Returns
    -------
    pandas.DataFrame
        Columns period, count, count_flag; T rows.
    """
    disclosure = disclosure or Disclosure()
    values = panel.matrix(outcome)[_row(panel, area)]
    frame = pd.DataFrame({"period": panel.periods, "count": values})
    return disclosure.protect(frame, counts=["count"]) if outcome in panel.counts else _unprotected(frame, "count")


def rolling_rates(
    panel: Panel,
    outcome: str,
    exposure: str | None,
    *,
    width: int = 12,
    per: float = 100_000,
    disclosure: Disclosure | None = None,
) -> pd.DataFrame:
    """Return running sums over `width` periods, and their rates, for every area and for all together.

    Parameters
    ----------
    panel : Panel
        Of reporting areas.
    outcome : str
        A count.
    exposure : str or None
        Persons at risk; without it there are no rates.
    width : int
        Periods in one sum.
    per : float
        Persons to whom a rate refers; the rate is of the whole sum (a year's, for 12 months).
    disclosure : Disclosure, optional

    Returns
    -------
    pandas.DataFrame
        Columns area, period, count, exposure, rate and their flags; the first `width` - 1 periods of
        each area are left out. The area ``"all areas"`` sums the others; a sum with a missing part is missing.
    """
    from svmodel import profile

    disclosure = disclosure or Disclosure()
    columns = ["area", "period", "count", "exposure", "rate"]
    frame = profile.rolling(panel, outcome, exposure, width=width, per=per).reindex(columns=columns)
    whole = panel.aggregate("all")
    total = profile.rolling(whole, outcome, exposure, width=width, per=per).reindex(columns=columns)
    total["area"] = "all areas"
    frame = pd.concat([frame, total], ignore_index=True)
    hidden: dict[tuple[str, pd.Period], bool] = {}
    matrix = panel.matrix(outcome)
    for i, area in enumerate(panel.areas):
        hidden.update(zip(_keys(area, panel.periods), disclosure.hides_rolling(matrix[i], width), strict=True))
    # the total over areas would give a hidden area back, unless it is rounded
    by_area = frame[frame["area"] != "all areas"]
    small = disclosure.small(by_area["count"]) | np.array(
        [hidden.get(k, False) for k in _pairs(by_area)], dtype=np.bool_
    )
    risky = set(by_area["period"][small]) if not disclosure.rounds else set()
    hidden.update({("all areas", p): True for p in risky})
    frame = frame[frame["period"] >= panel.periods[min(width, len(panel.periods)) - 1]].reset_index(drop=True)
    also = np.array([hidden.get(key, False) for key in _pairs(frame)], dtype=bool)
    return disclosure.protect(
        frame, counts=["count"], derived={"rate": lambda f: f["count"] / f["exposure"] * per}, also=also
    )


def counterfactual(result: Result, area: str = ALL_TREATED, *, disclosure: Disclosure | None = None) -> pd.DataFrame:
    """Return observed and expected counts by period.

    Parameters
    ----------
    result : Result
    area : str
        A treated area, a reporting area with treated areas in it (their sum), or ``"all treated"``.
    disclosure : Disclosure, optional

    Returns
    -------
    pandas.DataFrame
        Columns area, period, observed, expected, low, high, difference (observed less expected; negative
        means fewer) and flags, in order of time. ``low`` and ``high`` are missing where the method gives none.

    Raises
    ------
    EstimationError
        If the method gives no counterfactual for the area.
    """
    disclosure = disclosure or Disclosure()
    if result.counterfactual is None or not (result.counterfactual["area"] == area).any():
        raise EstimationError(f"{type(result.estimator).__name__} gives no expected counts for {area!r}")
    frame = result.counterfactual[result.counterfactual["area"] == area].sort_values("period", ignore_index=True)
    frame["difference"] = frame["observed"] - frame["expected"]
    modelled = {c: _coarse(frame[c], disclosure) for c in ("expected", "low", "high")}
    remade = {**modelled, "difference": lambda f: f["observed"] - f["expected"]}
    also = _other_part_small(result, area, frame, disclosure)
    if result.design is not None and not result.design.is_count:
        return _unprotected(frame, "observed", *remade)
    return disclosure.protect(frame, counts=["observed"], derived=remade, also=also)


def _coarse(values: pd.Series, disclosure: Disclosure) -> Any:
    return lambda _: disclosure.model(values)


def _other_part_small(
    result: Result, area: str, frame: pd.DataFrame, disclosure: Disclosure
) -> NDArray[np.bool_] | None:
    """Mark periods in which a sum over treated areas, taken from a published total, leaves a small count.

    The reporting area's total is published too. Where counts are not rounded, the part that was not
    treated must not be small either; and the sum over all treated areas must have no hidden part.
    """
    if not disclosure.active or disclosure.rounds or result.design is None:
        return None
    panel = result.design.panel
    if not panel.parents:
        parts = [a for a in result.design.intervention.areas if a in panel.areas] if area == ALL_TREATED else []
        masks = [
            disclosure.small(_at(panel, panel.matrix(result.design.outcome)[_row(panel, a)], frame)) for a in parts
        ]
        return np.logical_or.reduce(masks) if masks else None
    treated = set(result.design.intervention.areas)
    matrix = panel.matrix(result.design.outcome)
    parents = sorted({panel.parents[a] for a in treated if a in panel.parents}) if area == ALL_TREATED else [area]
    masks = []
    for parent in parents:
        rows = [i for i, a in enumerate(panel.areas) if panel.parents.get(a) == parent]
        for inside in (True, False):
            chosen = [i for i in rows if (panel.areas[i] in treated) == inside]
            if chosen:
                masks.append(disclosure.small(_at(panel, matrix[chosen].sum(axis=0), frame)))
    return np.logical_or.reduce(masks) if masks else None


def _at(panel: Panel, values: NDArray[np.float64], frame: pd.DataFrame) -> NDArray[np.float64]:
    return pd.Series(values, index=panel.periods).reindex(pd.PeriodIndex(frame["period"])).to_numpy(dtype=np.float64)


def post_totals(result: Result, area: str = ALL_TREATED, *, disclosure: Disclosure | None = None) -> dict[str, float]:
    """Return observed and expected counts summed over the treated periods; NaN where hidden or not given."""
    disclosure = disclosure or Disclosure()
    blank = {"observed": np.nan, "expected": np.nan}
    arrays = _arrays(result)
    if arrays is None or result.counterfactual is None:
        return blank
    rows = result.counterfactual[result.counterfactual["area"] == area]
    mask = _treated_of(result, arrays, area)
    if rows.empty or not mask.any():
        return blank
    first = arrays.periods[np.flatnonzero(mask.any(axis=0))[0]]
    last = arrays.periods[np.flatnonzero(mask.any(axis=0))[-1]]
    rows = rows[(rows["period"] >= first) & (rows["period"] <= last)]
    observed = rows["observed"].sum(min_count=len(rows))
    shown = counterfactual(result, area, disclosure=disclosure)
    parts_hidden = bool((shown.loc[shown["period"].isin(rows["period"]), "observed_flag"] == CONFIDENTIAL).any())
    if disclosure.small([observed])[0] or (parts_hidden and not disclosure.rounds):
        return blank
    return {
        "observed": disclosure.count(float(observed)),
        "expected": float(disclosure.model([rows["expected"].sum(min_count=len(rows))])[0]),
    }


def estimates(result: Result, *, disclosure: Disclosure | None = None) -> pd.DataFrame:
    """Return the table of estimates as it may be published, with ``estimate_flag``.

    An estimate that rests on a small number of observed events is hidden, as it would give them back. Where a rule
    is in force, differences in events are rounded as counts are, and the two scales that are multiples of them (per
    100,000, outcome's units) are moved with them; their standard errors, which would undo
    this, are left out. Rate ratios stay as they are.

    Raises
    ------
    DataError
        If a rule is in force and the result was read without its design, so that nobody can tell which
        estimates rest on small numbers.
    """
    disclosure = disclosure or Disclosure()
    frame = result.estimates.copy()
    frame["estimate_flag"] = ""
    is_count = result.design is None or result.design.is_count
    if not disclosure.active or not is_count:
        return frame
    arrays = _arrays(result)
    if arrays is None:
        raise DataError("a result without its design cannot be published under a disclosure rule; give its design")
    hidden = disclosure.small([_behind(result, arrays, row) for row in frame.to_dict(orient="records")])
    keys = ["term", "area", "cohort", "period", "horizon"]
    exact = frame[frame["scale"] == "events"].set_index(keys)["estimate"]
    limits = ["estimate", "conf_low", "conf_high"]
    for i, row in frame.iterrows():
        if row["scale"] == "rate_ratio":
            continue
        if row["scale"] == "events":
            frame.loc[i, limits] = disclosure.model(row[limits].to_numpy(dtype=np.float64))
        else:
            events = exact.get(tuple(row[k] for k in keys), np.nan)
            events = float(events.iloc[0]) if isinstance(events, pd.Series) else float(events)
            if events != 0 and not np.isnan(events):
                unit = row["estimate"] / events
                values = row[limits].to_numpy(dtype=np.float64) / unit if unit else np.zeros(3)
                frame.loc[i, limits] = disclosure.model(values) * unit
            else:
                frame.loc[i, limits] = [float(f"{v:.2g}") for v in row[limits]]
        frame.loc[i, "std_error"] = np.nan
    frame.loc[hidden, list(_NUMBERS)] = np.nan
    frame.loc[hidden, "estimate_flag"] = CONFIDENTIAL
    return frame


def effect(frame: pd.DataFrame, term: str = "att", scale: str = "rate_ratio", **which: Any) -> Effect | None:
    """Return one effect of a table from :func:`estimates`; None where it is not given or is hidden."""
    rows = frame[(frame["term"] == term) & (frame["scale"] == scale)]
    for column, value in which.items():
        rows = rows[rows[column] == value]
    if len(rows) != 1 or rows["estimate_flag"].iloc[0] == CONFIDENTIAL:
        return None
    row = rows.iloc[0]
    names = ("estimate", "std_error", "conf_low", "conf_high", "level", "p_value", "prob_reduction")
    return Effect(term=term, scale=scale, **{name: float(row[name]) for name in names})


def _behind(result: Result, arrays: DesignArrays, row: dict[str, Any]) -> float:
    """Return the observed events that one estimate rests on."""
    treated = arrays.treated
    term = row["term"]
    if term == "event":
        ever = arrays.start < len(arrays.periods)
        mask = ever[:, None] & (arrays.horizon == int(row["horizon"])) & ~np.isnan(arrays.y)
    elif term == "area":
        mask = _treated_of(result, arrays, row["area"])
    else:
        mask = treated.copy()
        if term in ("cohort", "cell") and row["cohort"] is not None:
            mask &= (arrays.start == _index_of(arrays, row["cohort"]))[:, None]
        if term in ("calendar", "cell") and row["period"] is not None:
            mask &= (np.arange(len(arrays.periods)) == _index_of(arrays, row["period"]))[None, :]
    return float(np.nansum(np.where(mask, arrays.y, 0.0)))


def _treated_of(result: Result, arrays: DesignArrays, area: str) -> NDArray[np.bool_]:
    if area == ALL_TREATED:
        return arrays.treated
    parents = result.design.panel.parents if result.design is not None else {}
    rows = np.array([a == area or parents.get(a) == area for a in arrays.areas])
    return arrays.treated & rows[:, None]


def _index_of(arrays: DesignArrays, period: Any) -> int:
    return int(periods.parse(period).ordinal - arrays.periods[0].ordinal)


def _arrays(result: Result) -> DesignArrays | None:
    return None if result.design is None else result.design.arrays


def _row(panel: Panel, area: str) -> int:
    if area not in panel.areas:
        raise DataError(f"{area!r} is no area of the panel")
    return panel.areas.index(area)


def _keys(area: str, index: pd.PeriodIndex) -> list[tuple[str, pd.Period]]:
    return [(area, p) for p in index]


def _pairs(frame: pd.DataFrame) -> list[tuple[str, pd.Period]]:
    return list(zip(frame["area"], frame["period"], strict=True))


def _unprotected(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Give a measure, which is no count of people, the flags that readers of the frame look for."""
    return Disclosure().protect(frame, counts=columns)

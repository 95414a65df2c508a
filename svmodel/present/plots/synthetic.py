"""Figures of synthetic controls: the path, the gaps among those of placebo areas, and the donors' weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.errors import EstimationError
from svmodel.inference import Placebos
from svmodel.present import prose
from svmodel.present.plots.observed import observed_expected
from svmodel.present.plots.paths import starts_in
from svmodel.present.protected import ProtectedResult
from svmodel.present.style import BLUE, GREY, INK, PALE, canvas, mark_period, number_axis, time_axis
from svmodel.protect import Disclosure
from svmodel.result import Result
from svmodel.result.figure import Figure
from svmodel.result.tables import ALL_TREATED


def synthetic_control_path(
    result: Result | ProtectedResult,
    area: str = ALL_TREATED,
    *,
    label: str = "",
    place: str = "",
    disclosure: Disclosure | None = None,
) -> Figure:
    """Draw the treated areas with their synthetic control, before and after the start.

    Parameters
    ----------
    result : Result
        Of a method with a counterfactual before the start.
    area : str
        A treated area, or ``"all treated"``.
    label, place : str
        Names of outcome and place for readers.
    disclosure : Disclosure, optional

    Raises
    ------
    EstimationError
        If the method gives no counterfactual for the area.
    """
    figure = observed_expected(result, area, label=label, place=place, disclosure=disclosure)
    return Figure(figure.canvas, figure.alt, figure.data, figure.title, "synthetic_control_path")


def placebo_gaps(
    result: Result, placebos: Placebos, *, label: str = "", disclosure: Disclosure | None = None
) -> Figure:
    """Draw the gap between observed and expected over time, among the gaps of areas where nothing was done.

    Every line is divided by its own size before the start (root mean square), so that areas of different size can be
    set side by side and no count can be read.

    Parameters
    ----------
    result : Result
    placebos : Placebos
        Of :meth:`svmodel.inference.InSpacePlacebos.placebos` with ``paths=True``.
    label : str
        The outcome's name for readers.
    disclosure : Disclosure, optional
        Under a rule, gaps are drawn in steps of a quarter.

    Raises
    ------
    EstimationError
        If the placebos hold no gaps.
    """
    if placebos.gaps is None or placebos.gaps.empty:
        raise EstimationError("these placebos hold no gaps over time; make them with paths=True")
    index = pd.PeriodIndex(sorted(placebos.gaps["period"].unique()))
    data, starts = _scaled_gaps(result, placebos.gaps, index)
    if disclosure is not None and disclosure.active:
        data["gap"] = (4 * data["gap"]).round() / 4
    figure, axes = canvas(4.0)
    axes.axhline(0, color=INK, linewidth=1.0)
    places = {p: i for i, p in enumerate(index)}
    drawn = data[data["line"] != "treated"]
    for _, part in drawn.groupby("line", sort=False):
        axes.plot(part["period"].map(places), part["gap"], color=PALE, linewidth=0.8, alpha=0.7)
    own = data[data["line"] == "treated"]
    axes.plot(own["period"].map(places), own["gap"], color=BLUE, linewidth=2.2)
    reach = np.nanpercentile(np.abs(data["gap"].to_numpy(dtype=np.float64)), 99.5)
    largest = max(float(reach), float(np.nanmax(np.abs(own["gap"]))))
    axes.set_ylim(-1.1 * largest, 1.2 * largest)
    time_axis(axes, index)
    number_axis(axes, lambda v: f"{v:+.3g}".replace("-", "−") if abs(v) > 1e-9 else "0", from_zero=False)
    axes.set_ylabel("Gap, in sizes before the start", color=GREY)
    if starts:
        mark_period(axes, starts[0] - 0.5, f"{'First start' if len(starts) > 1 else 'Start'}")
    name = label or "outcome"
    alt = _gap_words(placebos, data, name, index, starts)
    passed = int((np.abs(placebos.placebos) < abs(placebos.effect) - 1e-12).sum())
    title = f"{name}: further out than {passed:,} of {len(placebos.placebos):,} placebos"
    return Figure(figure, alt, data, title, "placebo_gaps")


def _scaled_gaps(result: Result, gaps: pd.DataFrame, index: pd.PeriodIndex) -> tuple[pd.DataFrame, list[int]]:
    """Return gaps in units of their own size before the start, placebos numbered instead of named."""
    starts = starts_in(result, ALL_TREATED, index)
    before = set(index[: starts[0]]) if starts else set(index)
    parts, number = [], 0
    for (_, placebo), part in gaps.groupby(["areas", "placebo"], sort=True):
        early = part.loc[part["period"].isin(before), "gap"].to_numpy(dtype=np.float64)
        size = float(np.sqrt(np.nanmean(early**2))) if np.isfinite(early).any() else np.nan
        number += int(placebo)
        if not size > 0:
            continue
        line = f"placebo {number}" if placebo else "treated"
        scaled = part.sort_values("period")
        parts.append(pd.DataFrame({"line": line, "period": scaled["period"], "gap": scaled["gap"] / size}))
    if not any((p["line"] == "treated").any() for p in parts):
        raise EstimationError("the treated areas have no gap before the start to measure others by")
    return pd.concat(sorted(parts, key=lambda p: p["line"].iloc[0] != "treated"), ignore_index=True), starts


def _gap_words(placebos: Placebos, data: pd.DataFrame, label: str, index: pd.PeriodIndex, starts: list[int]) -> str:
    n = int(data.loc[data["line"] != "treated", "line"].nunique())
    last = index[starts[0] :] if starts else index
    own = data[(data["line"] == "treated") & data["period"].isin(last)]["gap"]
    side = "below" if float(own.mean()) < 0 else "above"
    size = np.abs(placebos.placebos) >= abs(placebos.effect) - 1e-12
    word = periods.describe_frequency(index)
    return (
        f"Lines of the gap between observed and expected {prose.outcome_name(label)} a {word}, each in multiples of "
        f"its size before the start: the treated areas in bold among {n:,} placebos where nothing was done. After the "
        f"start the treated areas lie {prose.number(abs(float(own.mean())))} such sizes {side} on average; "
        f"{int(size.sum()):,} of {len(placebos.placebos):,} placebo effects are as large as theirs."
    )


def donor_table(result: Result) -> pd.DataFrame:
    """Return donors by weight: columns ``start`` (of the treated group; empty for one), ``area``, ``weight``.

    Raises
    ------
    EstimationError
        If the method weights no donors.
    """
    frame = result.weights
    if frame is None:
        raise EstimationError(f"{type(result.estimator).__name__} weights no donors")
    if "role" in frame.columns:
        rows = frame[frame["role"] == "donor"].rename(columns={"unit": "group"})
    elif "kind" in frame.columns:
        rows = frame[frame["kind"] == "area"].rename(columns={"cohort": "group"})
    else:
        raise EstimationError(f"{type(result.estimator).__name__} weights no donors")
    rows = rows[["group", "area", "weight"]].copy()
    rows["group"] = rows["group"].astype(str)
    rows = rows[rows["weight"].abs() > 5e-4]
    if rows.empty:
        raise EstimationError("no donor carries weight")
    rows["order"], rows["start"] = (rows["group"].map(m) for m in _group_names(result, list(rows["group"].unique())))
    rows = rows.sort_values(["order", "weight", "area"], ascending=[True, False, True], ignore_index=True)
    return rows[["start", "area", "weight"]]


def _group_names(result: Result, groups: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return for groups of treated areas what to sort them by and what they are called; a single one needs no name."""
    design = result.design
    if len(groups) == 1 or design is None:
        return dict.fromkeys(groups, ""), dict.fromkeys(groups, "")
    starts = design.intervention.starts
    members = {g: g.split(", ", maxsplit=1)[0] for g in groups}
    first = {g: starts[a] if a in starts else periods.parse(g) for g, a in members.items()}
    named = {g: periods.label(p) for g, p in first.items()}
    if len(set(named.values())) < len(named):
        named = {g: f"{design.panel.label(g)}, {named[g]}" for g in groups}
    return {g: f"{p.ordinal:08d} {g}" for g, p in first.items()}, named


def donor_weights(result: Result, *, label: str = "", names: Mapping[str, str] | None = None, most: int = 12) -> Figure:
    """Draw the donors with the largest weights; with several treated groups, their average over groups.

    Parameters
    ----------
    result : Result
    label : str
        The outcome's name for readers.
    names : mapping of str to str, optional
        Readable names of areas.
    most : int
        Donors drawn; the others are in the data.

    Raises
    ------
    EstimationError
        If the method weights no donors.
    """
    table = donor_table(result)
    groups = table["start"].nunique()
    data = table.groupby("area", as_index=False)["weight"].sum()
    data["weight"] = data["weight"] / groups
    data["area"] = data["area"].map(lambda a: (names or {}).get(a, a))
    data = data.sort_values(["weight", "area"], ascending=[False, True], ignore_index=True)
    shown = data.head(most)
    figure, axes = canvas(0.9 + 0.3 * len(shown))
    y = np.arange(len(shown))[::-1]
    axes.barh(y, 100 * shown["weight"], color=BLUE, height=0.62)
    axes.set_yticks(y, shown["area"])
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    axes.axvline(0, color=INK, linewidth=1.0)
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}%".replace("-", "−"))
    axes.set_xlabel("Weight" if groups == 1 else f"Weight, average over {groups} groups of treated areas", color=GREY)
    top = shown.iloc[0]
    effective = 1 / float((data["weight"] ** 2).sum())
    averaged = "" if groups == 1 else f" on average over {groups} groups of treated areas"
    alt = (
        f"Bars of the weights of {len(shown)} of {len(data)} donors: the largest is {top['area']} with "
        f"{prose.percent(100 * float(top['weight']))}{averaged}. "
        f"The weights count as much as {effective:.1f} equal ones."
    )
    name = f"{label}: donors" if label else "Donors"
    return Figure(figure, alt, data, f"{name} of the comparison", "donor_weights")

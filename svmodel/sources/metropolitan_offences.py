"""The Metropolitan Police's recorded crime as London Datastore publishes it: a row for each offence and area.

The headers changed (``MajorText,MinorText,LookUp_BoroughName``, then ``BoroughName``, then ``Group,SubGroup,BOCU``),
for boroughs, wards and LSOAs alike. The publisher leaves out rows that are 0 throughout its window.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel.areas import is_code
from svmodel.errors import DataError, Problems, shorten
from svmodel.ledger import Extract, Ledger, LedgerEntry
from svmodel.sources.contract import choose, counts_of, finish, match_columns, name_lines, slug
from svmodel.sources.metropolitan_tables import month_columns, open_any

Absent = Literal["zero", "missing"]
_OFFENCE = {
    "group": ["Group", "MajorText", "Major Category"],
    "offence": ["SubGroup", "MinorText", "Minor Category"],
}
_BOROUGH = ["BOCU", "BoroughName", "LookUp_BoroughName", "Borough"]
_AREAS = {
    "borough": {"area": _BOROUGH},
    "ward": {"area": ["WardCode", "Ward Code"], "name": ["WardName", "Ward Name"], "parent": _BOROUGH},
    "lsoa": {"area": ["LSOA Code"], "name": ["LSOA Name"], "parent": _BOROUGH},
}
_OPTIONAL = ("name",)
#: Names that stand in the column of boroughs and are none.
_NOWHERE = frozenset({"unknown", "nk", "n k", "other nk", "not known"})
_POLICED_APART = "aviation|airport"


def is_by_offence(header: Sequence[str]) -> bool:
    """Return whether a header is of this layout: an offence and its group, and months in columns."""
    return not match_columns(header, _OFFENCE)[1] and len(header) > 3 and bool(month_columns(header, set(), Problems()))


def read_by_offence(
    path: Path, level: Literal["borough", "ward", "lsoa"], *, offences: str | Sequence[str] | None, absent: Absent
) -> Extract:
    """Read a file of boroughs, wards or LSOAs.

    Parameters
    ----------
    path : Path
        csv, xlsx or ods.
    level : {"borough", "ward", "lsoa"}
    offences : str or sequence of str, optional
        As :func:`svmodel.sources.mps_borough`.
    absent : {"zero", "missing"}
        What an area without a row for an offence means.

    Raises
    ------
    DataError
        With all problems at once.
    """
    title = f"{path} cannot be used"
    frame, lines = open_any(path, {**_OFFENCE, **_AREAS[level]}, optional=_OPTIONAL)
    problems = Problems()
    keys = [k for k in ("group", "offence", "area", "name", "parent") if k in frame]
    months = month_columns([str(c) for c in frame.columns], set(keys), problems)
    if not months:
        problems.add("no column names a month, such as 202404", rule="no_months")
    problems.raise_if_any(DataError, title)
    frame["offence"] = told_apart(frame)
    known = _known_areas(frame, level)
    entries = _left_out(frame, ~known, months)
    frame, lines = frame[known].reset_index(drop=True), lines[known]
    blank = frame["offence"].isna().to_numpy()
    if blank.any():
        problems.add("the offence is blank", where=name_lines(lines[blank]), rule="key_blank")
    picked = choose(offences, sorted(frame["offence"].dropna().unique()), word="offence", where=title)
    wanted = frame["offence"].isin(picked).to_numpy()
    frame, lines = frame[wanted], lines[wanted]
    twice = frame.duplicated(["area", "group", "offence"]).to_numpy()
    if twice.any():
        row = " ".join(frame.loc[twice, ["area", "offence"]].iloc[0])
        what = f"{int(twice.sum())} rows repeat an area and offence ({row})"
        problems.add(what, where=name_lines(lines[twice]), rule="duplicate_area_period")
    values = np.column_stack([counts_of(frame[c], lines, name=c, problems=problems) for c in months])
    problems.raise_if_any(DataError, title)
    wide, filled = _lay_out(frame, values, list(months.values()), absent)
    entries += _spellings(frame)
    if filled:
        reason = "no row for an area and offence: the publisher leaves out rows that are 0 throughout its window"
        entries.append(LedgerEntry("altered", filled, reason, "column of offences", "absent_is_zero"))
    texts = [k for k in ("name", "parent") if k in frame]
    for text in texts:
        wide[text] = wide["area"].map(frame.drop_duplicates("area").set_index("area")[text]).astype("str")
    apart = wide["area" if level == "borough" else "parent"].str.contains(_POLICED_APART, case=False)
    if apart.any():
        named = shorten(sorted(wide.loc[apart, "area" if level == "borough" else "parent"].unique()))
        reason = f"{named} is policed apart and is no borough"
        entries.append(LedgerEntry("noted", int(apart.sum()), reason, "column of boroughs", "aviation_security"))
    outcomes = list(dict.fromkeys(slug(p) for p in picked))
    source = f"Metropolitan Police via London Datastore: {path.name}"
    return finish(wide, Ledger().extend(entries), outcomes=outcomes, source=source, texts=texts)


def told_apart(frame: pd.DataFrame) -> pd.Series:
    """Return the offences; one that stands in several groups takes the group's name before its own."""
    groups = frame.groupby(frame["offence"].map(slug, na_action="ignore"))["group"].agg(lambda g: g.map(slug).nunique())
    shared = frame["offence"].map(slug, na_action="ignore").isin(groups.index[groups > 1])
    return frame["offence"].where(~shared, frame["group"].astype("str") + " " + frame["offence"].astype("str"))


def _known_areas(frame: pd.DataFrame, level: str) -> NDArray[Any]:
    area = frame["area"].fillna("")
    if level == "borough":
        return (~area.map(lambda a: slug(a).replace("_", " ")).isin({*_NOWHERE, ""})).to_numpy()
    return area.map(is_code).to_numpy(dtype=bool)


def _left_out(frame: pd.DataFrame, rows: NDArray[Any], months: dict[str, pd.Period]) -> list[LedgerEntry]:
    if not rows.any():
        return []
    counts = frame.loc[rows, list(months)].apply(pd.to_numeric, errors="coerce")
    named = shorten(sorted(frame.loc[rows, "area"].fillna("blank").unique()), limit=3)
    reason = f"no area of its own ({named}): {counts.sum(axis=None):,.0f} offences in all"
    return [LedgerEntry("dropped", int(rows.sum()), reason, "column of areas", "area_unknown")]


def _spellings(frame: pd.DataFrame) -> list[LedgerEntry]:
    entries = []
    for _, labels in frame.groupby(frame["offence"].map(slug))["offence"]:
        kept, *others = labels.unique()
        for other in others:
            rows = int((labels == other).sum())
            entries.append(
                LedgerEntry("altered", rows, f"label harmonised: {other!r} to {kept!r}", rule="label_harmonised")
            )
    return entries


def _lay_out(
    frame: pd.DataFrame, values: NDArray[Any], months: list[pd.Period], absent: Absent
) -> tuple[pd.DataFrame, int]:
    """Return one row for each area and month, and how many cells had no row and are taken as zero."""
    index = pd.PeriodIndex(months, freq="M")
    areas = np.array(sorted(frame["area"].unique()), dtype=object)
    at = {a: i for i, a in enumerate(areas)}
    wide = pd.DataFrame(
        {"area": np.repeat(areas, len(index)), "period": index[np.tile(np.arange(len(index)), len(areas))]}
    )
    wide["area"] = wide["area"].astype("str")
    filled = 0
    position = frame["area"].map(at).to_numpy(dtype=np.intp)
    labels = frame["offence"].map(slug).to_numpy()
    for offence in dict.fromkeys(labels):
        rows = labels == offence
        cells = np.zeros((len(areas), len(index)))
        there = np.zeros(len(areas), dtype=bool)
        np.add.at(cells, position[rows], values[rows])
        there[position[rows]] = True
        if absent == "missing":
            cells[~there] = np.nan
        else:
            filled += int((~there).sum()) * len(index)
        wide[offence] = cells.ravel()
    return wide, filled

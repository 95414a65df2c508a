"""The Metropolitan Police's monthly counts, as London Datastore and the force's dashboard give them.

Boroughs, wards and LSOAs by offence, with a column a month, as published; the dashboard's own table; an older long
file of boroughs; and plain extracts (boroughs long, wards wide, knife crime for both wide). The force's recording
system changed in February and March 2024; every extract that spans it says so in its ledger.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pandas as pd

from svmodel import periods
from svmodel.areas import is_code
from svmodel.errors import DataError, Problems, shorten
from svmodel.ledger import Extract, Ledger, LedgerEntry
from svmodel.sources.breaks import METROPOLITAN, breaks_within
from svmodel.sources.contract import choose, counts_of, finish, name_lines, slug
from svmodel.sources.metropolitan_offences import Absent, is_by_offence, read_by_offence, told_apart
from svmodel.sources.metropolitan_tables import dashboard_months, melt_wide, months_of, open_long
from svmodel.sources.opening import read_header, require_kind

_SOURCE = "Metropolitan Police via London Datastore"
_WARD = {
    "area": ["wardcode", "Ward Code", "WardCode"],
    "name": ["wardname", "ward", "Ward Name", "WardName"],
    "parent": ["borough", "Borough", "LookUp_BoroughName", "Borough_SNT"],
}
_BOROUGH = {
    "area": ["borough", "BoroughName", "LookUp_BoroughName", "Borough_SNT"],
    "month": ["month", "Month_Year", "period"],
    "group": ["CrimeType", "Offence Group", "MajorText"],
    "offence": ["offence", "Offence Subgroup", "MinorText", "Crime Subtype", "CrimeDetails"],
    "count": ["count", "Offence Count", "CrimeCount"],
}
_KNIFE = {"measure": ["crime_subtype", "Crime Subtype", "Offence Subgroup", "measure"]}
_KNIFE_BOROUGH = {
    "area": ["area_code", "Area code"],
    "name": ["area_name", "Area name", "borough"],
    **_KNIFE,
}
#: Groups of the dashboard that are flags on offences, so that one offence may stand in several of their subgroups.
_FLAGS = frozenset({"knife_crime", "gun_crime", "hate_crime", "domestic_abuse"})
_DASHBOARD = {
    "month": ["Month_Year"],
    "area_type": ["Area Type"],
    "parent": ["Borough_SNT"],
    "name": ["Area name"],
    "area": ["Area code"],
    "group": ["Offence Group", "Crime Type"],
    "subgroup": ["Offence Subgroup", "Crime Subtype"],
    "measure": ["Measure"],
    "count": ["Count"],
}


def mps_borough(path: str | Path, *, offences: str | Sequence[str] | None = None, absent: Absent = "zero") -> Extract:
    """Read recorded crime by borough.

    Parameters
    ----------
    path : str or Path
        "MPS Borough Level Crime" as published (csv or xlsx): ``MajorText,MinorText,LookUp_BoroughName,202001,...``,
        also with ``BoroughName``, and as ``Group,SubGroup,BOCU,...``; or long: ``offence,borough,month,count``, also
        as ``Month,CrimeType,CrimeDetails,CrimeCount,Borough``.
    offences : str or sequence of str, optional
        Offences to read, e.g. ``"violence with injury"``; case does not count. All by default.
    absent : {"zero", "missing"}
        What an area without a row for an offence means in the published files, which leave out rows that are 0
        throughout their window. In a long file a borough-month without a row is always missing.

    Returns
    -------
    Extract
        Frame ``area`` (borough name), ``period`` (month), one column of counts for each offence
        (``violence_with_injury``). Heathrow and Aviation Security are areas, and noted; ``Unknown`` is dropped.

    Raises
    ------
    DataError
        With all problems at once.
    """
    path = Path(path)
    if _is_published(path):
        return _noted(read_by_offence(path, "borough", offences=offences, absent=absent))
    frame, columns = open_long(path, _BOROUGH, keep=["area", "month", "group", "offence"], optional=["group"])
    return _from_long(path, frame, columns, "offence", offences)


def mps_ward(
    path: str | Path,
    *,
    outcome: str | None = None,
    others: Mapping[str, str | Path] | None = None,
    offences: str | Sequence[str] | None = None,
    absent: Absent = "zero",
) -> Extract:
    """Read recorded crime by ward.

    Parameters
    ----------
    path : str or Path
        "MPS Ward Level Crime" as published (csv or xlsx): ``MajorText,MinorText,WardName,WardCode,LookUp_BoroughName,
        202402,...``; or one offence a file: ``wardcode,wardname,borough,2010-04,2010-05,...``.
    outcome : str, optional
        Of one offence a file: column name for the counts; by default the offence in a file name of the form
        ``london_ward_<offence>_monthly.csv``, else ``count``.
    others : mapping of str to path, optional
        Of one offence a file: further offences, column name -> file of the same layout; a relative path is beside
        `path`.
    offences, absent
        Of the published file: as :func:`mps_borough`.

    Returns
    -------
    Extract
        Frame ``area`` (ward code), ``period``, the outcomes, ``name``, ``parent`` (borough).

    Raises
    ------
    DataError
        With all problems of a file at once, and for wards that one of several files lacks.
    """
    path = Path(path)
    if _is_published(path):
        if outcome is not None or others:
            raise DataError(f"{path} holds all offences, so it takes offences=, not outcome= or others=")
        return _noted(read_by_offence(path, "ward", offences=offences, absent=absent))
    files = {outcome or _outcome_of(path): path}
    for name, other in (others or {}).items():
        if name in files:
            raise DataError(f"two ward files would both give the column {name!r}. Give one of them another name.")
        files[name] = path.parent / other
    parts = {name: melt_wide(file, _WARD).rename(columns={"count": name}) for name, file in files.items()}
    whole = next(iter(parts.values()))
    for name, part in list(parts.items())[1:]:
        _same_areas(whole, part, files[name])
        whole = whole.merge(part[["area", "period", name]], on=["area", "period"], how="outer", validate="1:1")
        for column in ("name", "parent"):
            whole[column] = whole.groupby("area")[column].transform("first")
    source = f"{_SOURCE}: {', '.join(f.name for f in files.values())}"
    ledger = Ledger().extend(_notes(whole))
    return finish(whole, ledger, outcomes=list(files), source=source, texts=["name", "parent"])


def mps_lsoa(path: str | Path, *, offences: str | Sequence[str] | None = None, absent: Absent = "zero") -> Extract:
    """Read "MPS LSOA Level Crime": ``LSOA Code,LSOA Name,Borough,Major Category,Minor Category,202402,...``.

    Parameters
    ----------
    path : str or Path
        csv or xlsx.
    offences, absent
        As :func:`mps_borough`.

    Returns
    -------
    Extract
        Frame ``area`` (LSOA code), ``period``, the outcomes, ``name`` where the file has it, ``parent`` (borough).

    Raises
    ------
    DataError
        With all problems at once.
    """
    return _noted(read_by_offence(Path(path), "lsoa", offences=offences, absent=absent))


def _is_published(path: Path) -> bool:
    kind = require_kind(path, "csv", "gzip", "xlsx", "ods")
    return kind in ("xlsx", "ods") or is_by_offence(read_header(path))


def _noted(extract: Extract) -> Extract:
    """Return the extract with the change of recording system in its ledger."""
    return replace(extract, ledger=extract.ledger.extend(_break(extract.frame)))


def mps_knife_borough(path: str | Path, *, measures: str | Sequence[str] | None = None) -> Extract:
    """Read the wide file of knife crime by borough: ``crime_subtype,borough_snt,area_name,area_code,2022-03,...``.

    Parameters
    ----------
    path : str or Path
        CSV.
    measures : str or sequence of str, optional
        ``"Knife Crime"``, ``"Knife Crime with Injury"``, ``"Knife Injury Victims (non DA 1-24)"``;
        all three by default. Victims are people and the others offences: they are not added up.

    Returns
    -------
    Extract
        Frame ``area`` (borough code), ``period``, one column for each measure, ``name``.
    """
    path = Path(path)
    return _from_measures(path, melt_wide(path, _KNIFE_BOROUGH), measures, texts=["name"])


def mps_knife_ward(path: str | Path, *, measures: str | Sequence[str] | None = None) -> Extract:
    """Read the wide file of knife crime by ward: ``wardcode,crime_subtype,ward,borough,2022-03,...``.

    Parameters
    ----------
    path : str or Path
        CSV.
    measures : str or sequence of str, optional
        As :func:`mps_knife_borough`.

    Returns
    -------
    Extract
        Frame ``area`` (ward code), ``period``, one column for each measure, ``name``, ``parent``.
    """
    path = Path(path)
    return _from_measures(path, melt_wide(path, {**_WARD, **_KNIFE}), measures, texts=["name", "parent"])


def mps_dashboard(
    path: str | Path,
    *,
    area_type: str = "Borough",
    level: Literal["group", "subgroup"] = "subgroup",
    offences: str | Sequence[str] | None = None,
    measure: str = "Offences",
    absent: Literal["missing", "zero"] = "missing",
) -> Extract:
    """Read the CSV of the force's crime dashboard: ``Month_Year,Area Type,Borough_SNT,...,Count,Refresh Date``.

    Earlier files say ``Crime Type`` and ``Crime Subtype`` for ``Offence Group`` and ``Offence Subgroup``.

    Parameters
    ----------
    path : str or Path
        csv or xlsx.
    area_type : str
        Which kind of area, in the words of column ``Area Type``.
    level : {"subgroup", "group"}
        Which column names the outcomes. A group is the sum of its subgroups where they are parts of it. Where they
        overlap (knife crime, and knife crime with injury) nothing is added up: the group is the subgroup of its own
        name, or an error.
    offences : str or sequence of str, optional
        Which of them to read; all by default.
    measure : str
        Which rows of column ``Measure``.
    absent : {"missing", "zero"}
        What an area-month-offence without a row means. ``zero`` is a claim about the publisher, for
        months in which the file has the offence somewhere; the ledger keeps it.

    Returns
    -------
    Extract
        Frame ``area`` (code), ``period``, one column for each offence, ``name``, ``parent``. Rows without an area code
        (``Other / NK``) are dropped, and the ledger says how many offences they held.

    Raises
    ------
    DataError
        With all problems at once.
    """
    path = Path(path)
    frame, columns = open_long(
        path, _DASHBOARD, keep=["month", "area_type", "parent", "name", "area", "group", "subgroup"]
    )
    kinds = choose(area_type, frame["area_type"].dropna().unique(), word="area type", where=f"{path} cannot be used")
    measures = choose(measure, frame["measure"].dropna().unique(), word="measure", where=f"{path} cannot be used")
    wanted = frame["area_type"].isin(kinds) & frame["measure"].isin(measures)
    frame = frame.assign(month=dashboard_months(path, frame))[wanted]
    frame, entries = _without_nowhere(frame)
    if level == "group":
        frame, more = _groups(path, frame)
        entries += more
    frame = frame.assign(offence=frame[level])
    extract = _from_long(path, frame, columns, level, offences, texts=["name", "parent"], add_up=level == "group")
    extract = replace(extract, ledger=Ledger((*entries, *extract.ledger)))
    return extract if absent == "missing" else _absent_is_zero(extract)


def _without_nowhere(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[LedgerEntry]]:
    """Drop the rows that name no area: their code is blank, or is no code where codes are what areas have."""
    nowhere = frame["area"].isna()
    coded = frame["area"].map(is_code, na_action="ignore").eq(True)
    if coded.sum() * 2 > (~nowhere).sum():
        nowhere |= ~coded
    if not nowhere.any() or nowhere.all():
        return frame, []
    left = frame[nowhere]
    numbers = pd.to_numeric(left["count"], errors="coerce")
    sums = numbers.groupby(left["subgroup"].fillna("blank").map(slug)).sum()
    told = ", ".join(f"{n:,.0f} {name}" for name, n in sums.items())
    named = shorten(sorted(left["parent"].fillna(left["name"]).fillna("blank").unique()), limit=3)
    reason = f"no area code ({named}): {told}"
    return frame[~nowhere], [LedgerEntry("dropped", len(left), reason, "column 'Area code'", "area_unknown")]


def _groups(path: Path, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[LedgerEntry]]:
    """Keep, of groups whose subgroups overlap, the one that is the whole group; refuse a group without one."""
    problems, entries = Problems(), []
    keep = pd.Series(data=True, index=frame.index)
    for group, rows in frame.groupby("group"):
        parts = {slug(p): p for p in rows["subgroup"].dropna().unique()}
        if not _overlap(slug(str(group)), list(parts)):
            continue
        if slug(str(group)) not in parts:
            what = f"the subgroups of {group!r} overlap and cannot be added up: {shorten(list(parts.values()))}"
            problems.add(what, fix="Read them with level: subgroup.", rule="overlapping_subgroups")
            continue
        others = rows.index[rows["subgroup"].map(slug) != slug(str(group))]
        keep[others] = False
        reason = f"part of {group!r}, whose own subgroup holds the whole; not added to it"
        entries.append(LedgerEntry("dropped", len(others), reason, "column of subgroups", "overlapping_subgroups"))
    problems.raise_if_any(DataError, f"{path} cannot be used")
    return frame[keep], entries


def _overlap(group: str, parts: list[str]) -> bool:
    """Return whether subgroups count the same offence twice: one holds another, or flags that one offence can share."""
    if len(parts) < 2:
        return False
    within = any(a != b and b.startswith(f"{a}_") and f"{a}_with" in b for a in parts for b in parts)
    return group in parts or within or group in _FLAGS or any("victim" in p for p in parts)


def _from_long(
    path: Path,
    frame: pd.DataFrame,
    columns: Mapping[str, str],
    offence: str,
    asked: str | Sequence[str] | None,
    *,
    texts: Sequence[str] = (),
    add_up: bool = False,
) -> Extract:
    """Turn one row for each area, month and offence into one column for each offence."""
    title = f"{path} cannot be used"
    problems = Problems()
    if offence == "offence" and "group" in frame:
        frame = frame.assign(offence=told_apart(frame))
    for column in ("area", "month", offence):
        blank = frame[column].isna().to_numpy()
        if blank.any():
            lines = name_lines(frame["line"].to_numpy()[blank])
            problems.add(f"column {columns.get(column, column)!r} is blank", where=lines, rule="key_blank")
    frame = frame.dropna(subset=["area", "month", offence])
    picked = choose(asked, sorted(frame[offence].unique()), word="offence", where=title)
    frame = frame[frame[offence].isin(picked)]
    lines = frame["line"].to_numpy()
    values = counts_of(frame["count"], lines, name=columns["count"], problems=problems)
    keys = ["area", "month", offence]
    again = frame.duplicated(keys).to_numpy()
    if again.any() and not add_up:
        row = " ".join(map(str, frame.loc[again, keys].iloc[0]))
        what = f"{int(again.sum()):,} rows repeat an area, month and offence ({row})"
        problems.add(what, where=name_lines(lines[again]), rule="duplicate_area_period")
    period = months_of(frame["month"], lines, columns["month"], problems)
    problems.raise_if_any(DataError, title)
    tidy = frame.assign(period=period, count=values, column=frame[offence].map(slug))
    cells = tidy.groupby(["area", "period", "column"])["count"]
    # A sum with a missing part is missing.
    wide = cells.sum().where(cells.count() == cells.size()).unstack()  # noqa: PD010
    wide = wide.rename_axis(columns=None).reset_index()
    for text in texts:
        wide[text] = wide["area"].map(tidy.drop_duplicates("area").set_index("area")[text])
    outcomes = [slug(p) for p in picked]
    return finish(wide, Ledger().extend(_notes(wide)), outcomes=outcomes, source=f"{_SOURCE}: {path.name}", texts=texts)


def _from_measures(
    path: Path, long: pd.DataFrame, asked: str | Sequence[str] | None, *, texts: Sequence[str]
) -> Extract:
    picked = choose(asked, long["measure"].unique(), word="measure", where=f"{path} cannot be used")
    # Every area has a row for every measure, or its cells stay missing.
    wide = long.assign(measure=long["measure"].map(slug)).set_index(["area", "period", "measure"])["count"].unstack()  # noqa: PD010
    wide = wide.rename_axis(columns=None).reset_index()
    for text in texts:
        wide[text] = wide["area"].map(long.drop_duplicates("area").set_index("area")[text])
    outcomes = [slug(p) for p in picked]
    return finish(wide, Ledger().extend(_notes(wide)), outcomes=outcomes, source=f"{_SOURCE}: {path.name}", texts=texts)


def _outcome_of(path: Path) -> str:
    named = re.match(r"^london_ward_(\w+?)_monthly$", path.name.split(".")[0])
    return named[1] if named else "count"


def _same_areas(one: pd.DataFrame, other: pd.DataFrame, path: Path) -> None:
    here, there = set(one["area"]), set(other["area"])
    problems = Problems()
    for lacking, text in ((here - there, "it lacks wards"), (there - here, "it alone has wards")):
        if lacking:
            problems.add(f"{text}: {shorten(sorted(lacking))}", rule="areas_differ")
    problems.raise_if_any(DataError, f"{path} does not hold the wards of the first file")


def _notes(frame: pd.DataFrame) -> list[LedgerEntry]:
    """Note the change of recording system, and wards that the force puts under no borough."""
    entries = _break(frame)
    if "parent" in frame:
        odd = frame["parent"].str.contains("Aviation Security", na=False)
        if odd.any():
            names = shorten(sorted(frame.loc[odd, "name"].unique()))
            reason = f"{names} is policed by Aviation Security (SO18) and stands under it, not under its borough"
            entries.append(LedgerEntry("noted", int(odd.sum()), reason, "column 'parent'", "aviation_security"))
    return entries


def _break(frame: pd.DataFrame) -> list[LedgerEntry]:
    months = pd.PeriodIndex(frame["period"])
    after = int((months >= periods.parse(METROPOLITAN[0].first)).sum())
    return breaks_within(METROPOLITAN, months, rows=after)


def _absent_is_zero(extract: Extract) -> Extract:
    frame = extract.frame
    outcomes = [c for c in frame.columns if c not in ("area", "period", "name", "parent")]
    grid = pd.MultiIndex.from_product([frame["area"].unique(), frame["period"].unique()], names=["area", "period"])
    full = frame.set_index(["area", "period"]).reindex(grid).reset_index()
    for text in ("name", "parent"):
        full[text] = full.groupby("area")[text].transform("first")
    filled = 0
    for column in outcomes:
        there = full.groupby("period")[column].transform("count") > 0
        empty = full[column].isna() & there
        filled += int(empty.sum())
        full[column] = full[column].where(~empty, 0.0)
    reason = "the study claims that an area-month without a row had no such offence"
    ledger = extract.ledger.add("altered", filled, reason, rule="absent_is_zero")
    return finish(full, ledger, outcomes=outcomes, source=extract.source, texts=["name", "parent"])

"""Street-level crime of data.police.uk: folders of monthly CSV files to counts for LSOAs and months.

A file that is not there is missing data for its force's LSOAs, never zero. An LSOA without a crime of
some type, in a month for which its force has a file, had none of that type: that is a zero.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel import periods
from svmodel.errors import DataError, Problem, Problems, did_you_mean, shorten
from svmodel.ledger import Extract, Ledger, LedgerEntry
from svmodel.panel.vintage import vintage_problems
from svmodel.sources.contract import choose, finish, match_columns, slug
from svmodel.sources.lsoa import LsoaLookup, claim_problems
from svmodel.sources.opening import find_folder, open_text, read_header, read_table
from svmodel.sources.police_uk_presence import presence

CRIME_TYPES = (
    "Anti-social behaviour",
    "Bicycle theft",
    "Burglary",
    "Criminal damage and arson",
    "Drugs",
    "Other crime",
    "Other theft",
    "Possession of weapons",
    "Public order",
    "Robbery",
    "Shoplifting",
    "Theft from the person",
    "Vehicle crime",
    "Violence and sexual offences",
)
_OLD_TYPES = ("Violent crime", "Public disorder and weapons")
_COLUMNS = {
    "id": ["Crime ID"],
    "month": ["Month"],
    "falls_within": ["Falls within"],
    "area": ["LSOA code"],
    "name": ["LSOA name"],
    "type": ["Crime type"],
}
_FILE = re.compile(r"^(\d{4}-(?:0[1-9]|1[0-2]))-([a-z][a-z-]*)-street\.csv(?:\.gz)?$")
_TRANSPORT = "btp"
#: Share of rows without an LSOA above which the ledger warns; 1.4 to 2.6 per cent is usual in a year.
_BLANK_SHARE = 0.03


def police_uk(
    path: str | Path,
    *,
    crime_types: str | Sequence[str] | None = None,
    forces: str | Sequence[str] | None = None,
    lookup: str | Path | None = None,
    vintage: str | None = None,
    transport_police: bool = False,
) -> Extract:
    """Read a folder of data.police.uk downloads, one file at a time.

    Parameters
    ----------
    path : str or Path
        Folder with ``YYYY-MM/YYYY-MM-<force>-street.csv`` files, as a download unpacks.
    crime_types : str or sequence of str, optional
        Some of the 14 crime types; all by default. Violence and sexual offences cannot be told
        apart here, nor violence with injury, nor knife crime.
    forces : str or sequence of str, optional
        Forces to read, in the words of the file names (``merseyside``); all by default.
    lookup : str or Path, optional
        The ONS file of LSOAs 2011 to 2021. Codes of both vintages are mapped to the smallest areas
        that both make up; without it, a folder that spans the change of codes is refused.
    vintage : {"2011", "2021"}, optional
        Claim that all codes are of one census; one that cannot be is an error.
    transport_police : bool
        Whether crimes that the British Transport Police recorded are counted where they lie.

    Returns
    -------
    Extract
        Frame ``area`` (LSOA code), ``period`` (month), one column of counts for each crime type
        (``violence_and_sexual_offences``), ``name``, ``parent`` (local authority, from the LSOA's
        name). An LSOA that has no crime in any file is not in it. The ledger holds missing and
        near-zero force-months, rows without an LSOA by force, repeated Crime IDs and known breaks.

    Raises
    ------
    DataError
        With all problems of all files at once.
    """
    folder = find_folder(path)
    title = f"{folder} cannot be used"
    types = choose(crime_types, CRIME_TYPES, word="crime type", where=title)
    files = _find(folder, forces, title)
    tally = _Tally(None if lookup is None else LsoaLookup.read(lookup))
    for (month, force), file in sorted(files.items()):
        if force == _TRANSPORT and not transport_police:
            tally.pass_over(file)
        else:
            tally.read(month, force, file)
    if vintage is not None:
        tally.problems.extend(claim_problems(tally.seen, vintage, tally.lookup))
    tally.problems.raise_if_any(DataError, title)
    if not tally.cells:
        raise DataError(f"{folder} holds no crime with an LSOA. {len(files)} files were read.")
    return _lay_out(tally, types, source=f"data.police.uk: {folder.name}, {len(files)} files", title=title)


def police_uk_to_parquet(path: str | Path, out: str | Path, **options: object) -> Path:
    """Read a folder of data.police.uk downloads and write it as a panel.

    Parameters
    ----------
    path : str or Path
        The folder.
    out : str or Path
        The Parquet file to write; :func:`svmodel.read_panel` reads it without being told of roles.
    **options
        As :func:`police_uk`.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DataError, OutputError
    """
    from svmodel.panel import Panel
    from svmodel.sources.tidy import write_panel

    extract = police_uk(path, **options)  # type: ignore[arg-type]
    counts = [c for c in extract.frame.columns if c not in ("area", "period", "name", "parent")]
    panel = Panel.from_frame(
        extract.frame,
        area="area",
        period="period",
        counts=counts,
        parent="parent",
        name="name",
        ledger=extract.ledger,
        source=extract.source,
    )
    return write_panel(panel, out)


def _find(folder: Path, forces: str | Sequence[str] | None, title: str) -> dict[tuple[str, str], Path]:
    problems = Problems()
    found: dict[tuple[str, str], Path] = {}
    for file in sorted(folder.rglob("*-street.csv*")):
        named = _FILE.match(file.name)
        if named is None:
            problems.add("the name is not YYYY-MM-<force>-street.csv", where=file.name, rule="file_name")
            continue
        if re.fullmatch(r"\d{4}-\d{2}", file.parent.name) and file.parent.name != named[1]:
            what = f"it stands in the folder of {file.parent.name}"
            problems.add(what, where=file.name, rule="file_name")
        if (named[1], named[2]) in found:
            what = f"{named[2]} has two files for {named[1]}"
            problems.add(what, where=str(file.relative_to(folder)), fix="Keep one of them.", rule="file_twice")
        found[named[1], named[2]] = file
    if not found and not problems:
        raise DataError(f"{folder} holds no file YYYY-MM/YYYY-MM-<force>-street.csv. Unpack a data.police.uk download.")
    problems.raise_if_any(DataError, title)
    picked = choose(forces, sorted({f for _, f in found}), word="force", where=title)
    return {key: file for key, file in found.items() if key[1] in picked}


@dataclass
class _Tally:
    """What has been counted so far: small tables for each file, never its rows."""

    lookup: LsoaLookup | None
    cells: list[pd.DataFrame] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)
    names: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    files: list[tuple[str, str, int]] = field(default_factory=list)
    blank: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    elsewhere: dict[str, int] = field(default_factory=dict)
    repeated: int = 0
    mapped: int = 0
    transport: int = 0
    other_month: int = 0

    def pass_over(self, file: Path) -> None:
        """Count what the British Transport Police recorded, and leave it out."""
        with open_text(file) as lines:
            self.transport += max(sum(1 for _ in lines) - 1, 0)

    def read(self, month: str, force: str, file: Path) -> None:
        """Add one file."""
        if not _has_rows(file):
            # An empty file says no more than a file that is not there.
            return
        try:
            frame = self._open(file)
        except DataError as error:
            self.problems.extend(error.problems or [Problem(error.title, rule="file_unreadable")])
            return
        wrong = (frame["month"] != month).to_numpy()
        self.other_month += int(wrong.sum())
        frame = frame[~wrong]
        self._check_types(frame, file)
        self.repeated += int(frame["id"].dropna().duplicated().sum()) if "id" in frame else 0
        self._note_elsewhere(frame, force)
        lacking = frame["area"].isna()
        self.rows[force] = self.rows.get(force, 0) + len(frame)
        self.blank[force] = self.blank.get(force, 0) + int(lacking.sum())
        frame = frame[~lacking]
        codes = frame.drop_duplicates("area").set_index("area")["name"]
        self.seen |= set(codes.index)
        if self.lookup is not None:
            mapped = frame["area"].map(dict(self.lookup.common)).fillna(frame["area"])
            self.mapped += int((mapped != frame["area"]).sum())
            frame = frame.assign(area=mapped)
        self.names |= {c: n for c, n in codes.items() if isinstance(n, str)}
        cells = frame.groupby(["area", "type"], observed=True).size().rename("n").reset_index()
        self.cells.append(cells.assign(month=month, force=force))
        self.files.append((force, month, len(frame)))

    def _open(self, file: Path) -> pd.DataFrame:
        header = read_header(file)
        columns, lacking = match_columns(header, _COLUMNS, optional=["id"])
        if lacking:
            kind = next(
                (k for c, k in (("Outcome type", "outcomes"), ("Legislation", "stop and search")) if c in header), ""
            )
            note = f"it is a file of {kind}, not of crimes. " if kind else ""
            raise DataError(
                f"{file} cannot be used",
                [Problem(note + p.what, f"{file.name}, header", p.fix, rule=p.rule) for p in lacking],
            )
        table = read_table(file, text=list(columns.values()), columns=list(columns.values()))
        frame = table.to_pandas().rename(columns={theirs: ours for ours, theirs in columns.items()})
        return frame.apply(lambda c: c.str.strip()).replace("", pd.NA)

    def _check_types(self, frame: pd.DataFrame, file: Path) -> None:
        for name in frame["type"].dropna().unique():
            if name in CRIME_TYPES:
                continue
            line = int((frame["type"] == name).to_numpy().argmax()) + 2
            fix = (
                "It is a category of before May 2013; read later months only."
                if name in _OLD_TYPES
                else did_you_mean(name, CRIME_TYPES, limit=14)
            )
            self.problems.add(f"{name!r} is no crime type", where=file.name, fix=fix, line=line, rule="crime_type")
        blank = frame["type"].isna()
        if blank.any():
            what = f"{int(blank.sum())} rows have no crime type"
            self.problems.add(what, where=file.name, line=int(blank.to_numpy().argmax()) + 2, rule="crime_type")

    def _note_elsewhere(self, frame: pd.DataFrame, force: str) -> None:
        for name, rows in frame["falls_within"].value_counts().items():
            if not _same_force(force, str(name)):
                self.elsewhere[force] = self.elsewhere.get(force, 0) + int(rows)


def _has_rows(file: Path) -> bool:
    with open_text(file) as lines:
        return bool(lines.readline().strip()) and bool(lines.readline().strip())


def _same_force(slug_of_file: str, name: str) -> bool:
    """Compare "devon-and-cornwall" with "Devon & Cornwall Police"."""
    if slug_of_file == _TRANSPORT:
        return "transport" in name.casefold()
    words = set(re.findall(r"[a-z]+", name.casefold().replace("&", " and ")))
    return set(slug_of_file.split("-")) <= words


def _lay_out(tally: _Tally, types: Sequence[str], *, source: str, title: str) -> Extract:
    cells = pd.concat(tally.cells, ignore_index=True)
    months = pd.PeriodIndex([m for _, m, _ in tally.files], freq="M")
    grid = pd.period_range(months.min(), months.max(), freq="M")
    period = pd.PeriodIndex(cells["month"], freq="M")
    _refuse_mixed_vintages(cells, period, title)
    area, areas = pd.factorize(cells["area"], sort=True)
    names = [_name_of(str(a), tally) for a in areas]
    districts = [re.sub(r" \d{3}[A-Z]{1,2}$", "", n) if n is not None else None for n in names]
    at = period.asi8 - grid[0].ordinal
    known, entries = presence(cells, area, districts, tally.files, grid)
    frame = pd.DataFrame(
        {
            "area": np.repeat(np.asarray(areas, dtype=object), len(grid)),
            "period": grid[np.tile(np.arange(len(grid)), len(areas))],
        }
    )
    for name in types:
        frame[slug(name)] = _dense(cells, area, at, name, known)
    frame["name"] = np.repeat(np.array(names, dtype=object), len(grid))
    frame["parent"] = np.repeat(np.array(districts, dtype=object), len(grid))
    frame[["area", "name", "parent"]] = frame[["area", "name", "parent"]].astype("str")
    ledger = Ledger().extend(_entries(tally)).extend(entries)
    return finish(frame, ledger, outcomes=[slug(t) for t in types], source=source, texts=["name", "parent"])


def _dense(
    cells: pd.DataFrame, area: NDArray[np.intp], at: NDArray[np.int64], name: str, known: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the counts of one crime type, shape (areas x months,): zero where the force has a file, else missing."""
    out = np.zeros(known.shape)
    rows = (cells["type"] == name).to_numpy()
    np.add.at(out, (area[rows], at[rows]), cells["n"].to_numpy()[rows])
    out[~known] = np.nan
    return out.ravel()


def _name_of(code: str, tally: _Tally) -> str | None:
    if code in tally.names:
        return tally.names[code]
    if tally.lookup is None:
        return None
    # A common area that has no crime under its own code takes the name of its first part.
    parts = sorted(c for c, common in tally.lookup.common.items() if common == code and c in tally.names)
    return tally.names[parts[0]] if parts else None


def _refuse_mixed_vintages(cells: pd.DataFrame, period: pd.PeriodIndex, title: str) -> None:
    usable = np.ones(len(cells), dtype=bool)
    found = vintage_problems(cells["area"], period, usable, cells["n"].to_numpy(dtype=float), column="LSOA code")
    fix = "Give lookup= the ONS file of LSOAs 2011 to 2021, which maps both to common areas."
    if found:
        raise DataError(title, [Problem(p.what, p.where, fix, rule=p.rule) for p in found])


def _entries(tally: _Tally) -> Iterable[LedgerEntry]:
    if tally.transport:
        reason = "recorded by the British Transport Police, which has no area of its own"
        yield LedgerEntry("dropped", tally.transport, reason, "btp", "transport_police")
    if tally.other_month:
        reason = "the column Month names another month than the file"
        yield LedgerEntry("dropped", tally.other_month, reason, "column 'Month'", "month_mismatch")
    for force in sorted(tally.rows):
        blank, rows = tally.blank[force], tally.rows[force]
        if blank:
            share = blank / rows
            reason = f"no LSOA ({share:.1%} of the force's rows)"
            yield LedgerEntry("dropped", blank, reason, force, "blank_lsoa")
            if share > _BLANK_SHARE:
                reason = f"{share:.1%} of rows have no LSOA, where 1.4% to 2.6% is usual; counts are too low"
                yield LedgerEntry("noted", blank, reason, force, "blank_lsoa_high")
    for force, rows in sorted(tally.elsewhere.items()):
        reason = "'Falls within' names another force than the file; counted where they lie"
        yield LedgerEntry("noted", rows, reason, force, "falls_within_differs")
    if tally.repeated:
        reason = "the Crime ID stands in the same file before; the rows are counted, as the publisher does"
        yield LedgerEntry("noted", tally.repeated, reason, "column 'Crime ID'", "crime_id_repeated")
    if tally.mapped:
        reason = "LSOA codes of areas that were split or merged in 2021, mapped to areas that both vintages make up"
        yield LedgerEntry("altered", tally.mapped, reason, "column 'LSOA code'", "lsoa_mapped")
    if tally.lookup is not None:
        lacking = sorted(c for c in tally.seen if c not in tally.lookup.common)
        if lacking:
            reason = f"the lookup lacks {shorten(lacking, limit=3)}; kept as they are"
            yield LedgerEntry("noted", len(lacking), reason, "column 'LSOA code'", "lsoa_not_in_lookup")
    first, last = (periods.parse(edge(m for _, m, _ in tally.files)) for edge in (min, max))
    if first < periods.parse("2013-05") <= last:
        reason = "crime types were regrouped in May 2013; types before and after are not the same"
        yield LedgerEntry("noted", 0, reason, "column 'Crime type'", "crime_types_regrouped")

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
from svmodel.errors import DataError, Problem, Problems, shorten
from svmodel.ledger import Extract, Ledger, LedgerEntry
from svmodel.sources.contract import choose, finish, slug
from svmodel.sources.lsoa import LsoaLookup, claim_problems
from svmodel.sources.opening import find_folder, open_text
from svmodel.sources.police_uk_presence import presence
from svmodel.sources.police_uk_vintage import mixed_problems, one_vintage
from svmodel.sources.purposes import refuse_other_purposes
from svmodel.sources.street_files import (
    CRIME_TYPES,
    TRANSPORT,
    count_street_file,
    find_street_files,
    pick_types,
    same_force,
)

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
    if Path(path).is_file():
        refuse_other_purposes(Path(path))
    folder = find_folder(path)
    title = f"{folder} cannot be used"
    types = choose(crime_types, CRIME_TYPES, word="crime type", where=title)
    files = _find(folder, forces, title)
    tally = _Tally(None if lookup is None else LsoaLookup.read(lookup))
    for (month, force), file in sorted(files.items()):
        if force == TRANSPORT and not transport_police:
            tally.pass_over(file)
        else:
            tally.read(month, force, file)
    if vintage is not None:
        tally.problems.extend(claim_problems(tally.seen, vintage, tally.lookup))
    if tally.files:
        tally.problems.extend(mixed_problems(tally.seen, tally.files, tally.lookup))
    tally.problems.raise_if_any(DataError, title)
    if not tally.areas:
        _raise_empty(folder, tally, files)
    return _lay_out(tally, types, source=f"data.police.uk: {folder.name}, {len(files)} files")


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
    found = find_street_files(folder, title)
    picked = choose(forces, sorted({f for _, f in found}), word="force", where=title)
    return {key: file for key, file in found.items() if key[1] in picked}


@dataclass
class _Tally:
    """What has been counted so far: small tables for each file, never its rows."""

    lookup: LsoaLookup | None
    cells: list[pd.DataFrame] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)
    names: dict[str, str] = field(default_factory=dict)
    areas: dict[str, int] = field(default_factory=dict)
    seen: dict[str, tuple[str, str]] = field(default_factory=dict)
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
        try:
            counts = count_street_file(file, month, self.problems)
        except DataError as error:
            named = [Problem(p.what, p.where or file.name, p.fix, p.line, p.rule) for p in error.problems]
            self.problems.extend(named or [Problem(error.title, rule="file_unreadable")])
            return
        if counts is None:
            return
        self.other_month += counts.other_month
        self.repeated += counts.repeated
        self.rows[force] = self.rows.get(force, 0) + counts.rows
        self.blank[force] = self.blank.get(force, 0) + counts.blank
        for name, rows in counts.within.items():
            if not same_force(force, name):
                self.elsewhere[force] = self.elsewhere.get(force, 0) + rows
        self.names |= counts.names
        for code in counts.codes:
            first, last = self.seen.get(code, (month, month))
            self.seen[code] = (min(first, month), max(last, month))
        mapped = counts.codes
        if self.lookup is not None:
            mapped = [self.lookup.common.get(c, c) for c in counts.codes]
            moved = np.array([m != c for m, c in zip(mapped, counts.codes, strict=True)], dtype=bool)
            self.mapped += int(counts.n[moved[counts.area]].sum())
        at = np.array([self.areas.setdefault(m, len(self.areas)) for m in mapped], dtype=np.intp)
        cells = {"area": at[counts.area], "kind": counts.kind, "n": counts.n, "month": month, "force": force}
        self.cells.append(pd.DataFrame(cells).astype({"month": "category", "force": "category"}))
        self.files.append((force, month, counts.rows - counts.blank))

    def all_cells(self) -> pd.DataFrame:
        """Return the cells of all files, their areas numbered in the order of the codes."""
        order = sorted(self.areas)
        position = np.empty(len(order), dtype=np.intp)
        for i, code in enumerate(order):
            position[self.areas[code]] = i
        months = sorted({m for _, m, _ in self.files})
        forces = sorted({f for f, _, _ in self.files})
        parts = [
            c.assign(
                area=position[c["area"]],
                month=pd.Categorical(c["month"], months),
                force=pd.Categorical(c["force"], forces),
            )
            for c in self.cells
        ]
        return pd.concat(parts, ignore_index=True)


def _raise_empty(folder: Path, tally: _Tally, files: Iterable[tuple[str, str]]) -> None:
    """Say why no crime with an LSOA was found."""
    forces = {f for _, f in files}
    if forces == {TRANSPORT} and tally.transport:
        raise DataError(
            f"{folder} holds files of the British Transport Police alone, which are left out unless asked for: "
            "give transport_police=True (transport_police: true under data.options)."
        )
    silent = shorten(sorted(f for f, n in tally.blank.items() if n))
    why = f" None of the rows of {silent} has an LSOA." if silent else ""
    raise DataError(f"{folder} holds no crime with an LSOA.{why}")


def _lay_out(tally: _Tally, types: Sequence[str], *, source: str) -> Extract:
    cells = tally.all_cells()
    areas = np.array(sorted(tally.areas), dtype=object)
    months = pd.PeriodIndex([m for _, m, _ in tally.files], freq="M")
    grid = pd.period_range(months.min(), months.max(), freq="M")
    names = [_name_of(str(a), tally) for a in areas]
    districts = [re.sub(r" \d{3}[A-Z]{1,2}$", "", n) if n is not None else None for n in names]
    found = presence(cells, districts, tally.files, grid)
    keep = ~found.foreign
    if not keep.any():
        raise DataError(
            f"{source} holds no crime in the area of a force that has a file there",
            [Problem(e.reason, where=e.where, rule=e.rule) for e in found.entries if e.action == "dropped"],
        )
    at = pd.PeriodIndex(cells["month"].cat.categories, freq="M").asi8[cells["month"].cat.codes] - grid[0].ordinal
    frame = pd.DataFrame(
        {
            "area": _repeat(areas[keep], len(grid)),
            "period": grid[np.tile(np.arange(len(grid)), int(keep.sum()))],
        }
    )
    for name, kind in zip(types, pick_types(types), strict=True):
        frame[slug(name)] = _dense(cells, at, kind, found.known)[keep].ravel()
    frame["name"] = _repeat(np.array(names, dtype=object)[keep], len(grid))
    frame["parent"] = _repeat(np.array(districts, dtype=object)[keep], len(grid))
    ledger = Ledger().extend(_entries(tally)).extend(found.entries)
    return finish(frame, ledger, outcomes=[slug(t) for t in types], source=source, texts=["name", "parent"])


def _repeat(values: NDArray[np.object_], times: int) -> pd.Series:
    return pd.Series(values).astype("str").repeat(times).reset_index(drop=True)


def _dense(cells: pd.DataFrame, at: NDArray[np.int64], kind: int, known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the counts of one crime type, shape (areas, months): zero where the force has a file, else missing."""
    rows = (cells["kind"] == kind).to_numpy()
    flat = cells["area"].to_numpy()[rows] * known.shape[1] + at[rows]
    counts = np.bincount(flat, weights=cells["n"].to_numpy()[rows], minlength=known.size)
    # without any row, bincount counts in whole numbers, and they cannot be missing
    out = np.asarray(counts, dtype=np.float64).reshape(known.shape)
    out[~known] = np.nan
    return out


def _name_of(code: str, tally: _Tally) -> str | None:
    if code in tally.names:
        return tally.names[code]
    if tally.lookup is None:
        return None
    # A common area that has no crime under its own code takes the name of its first part.
    parts = sorted(c for c, common in tally.lookup.common.items() if common == code and c in tally.names)
    return tally.names[parts[0]] if parts else None


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
    yield from one_vintage(tally.seen, tally.lookup, mapped=tally.mapped)
    if tally.lookup is not None:
        lacking = sorted(c for c in tally.seen if c not in tally.lookup.common)
        if lacking:
            reason = f"the lookup lacks {shorten(lacking, limit=3)}; kept as they are"
            yield LedgerEntry("noted", len(lacking), reason, "column 'LSOA code'", "lsoa_not_in_lookup")
    first, last = (periods.parse(edge(m for _, m, _ in tally.files)) for edge in (min, max))
    if first < periods.parse("2013-05") <= last:
        reason = "crime types were regrouped in May 2013; types before and after are not the same"
        yield LedgerEntry("noted", 0, reason, "column 'Crime type'", "crime_types_regrouped")

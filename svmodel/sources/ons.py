"""Office for National Statistics: mid-year population, and the lookup of districts, partnerships and forces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from svmodel.areas import code_kind, is_code
from svmodel.errors import DataError, Problem, Problems, did_you_mean, shorten
from svmodel.ledger import Extract, Ledger
from svmodel.sources.contract import counts_of, finish, match_columns, slug
from svmodel.sources.midyear import at_periods
from svmodel.sources.opening import read_table, require_kind
from svmodel.sources.sheets import rows_of

_TIDY = {
    "area": ["area_code", "Code"],
    "name": ["area_name", "Name"],
    "geography": ["geography", "Geography"],
    "year": ["year"],
    "population": ["population"],
}
_SHEETS = ("MYE4", "MYE5", "MYE2 - Persons")
_MID = re.compile(r"mid[\s-]*(\d{4})", re.IGNORECASE)
_HEADER_ROWS = 40
#: Names of one area in the words of the Home Office and of the ONS lookup.
_SAME = (
    ("Folkestone and Hythe", "Shepway"),
    ("London, City of", "City of London"),
    ("Northern Devon", "North Devon"),
)


def mid_year_population(path: str | Path, *, sheet: str | None = None) -> Extract:
    """Read mid-year population estimates.

    Parameters
    ----------
    path : str or Path
        The ONS workbook (sheets ``MYE2 - Persons``, ``MYE4``, ``MYE5``), or a tidy CSV with columns
        ``area_code,area_name,geography,year,population``.
    sheet : str, optional
        Sheet of the workbook; by default the first of MYE4 (all years), MYE5, MYE2 that is there.

    Returns
    -------
    Extract
        Frame ``area`` (code), ``year``, ``population`` (persons on 30 June), ``name``, ``geography``.

    Raises
    ------
    DataError
        If no row of the sheet is a header, or with all problems of the rows at once.
    """
    path = Path(path)
    kind = require_kind(path, "csv", "gzip", "xlsx", "ods")
    long = _from_csv(path) if kind in ("csv", "gzip") else _from_workbook(path, sheet)
    title = f"{path} cannot be used"
    problems = Problems()
    odd = [a for a in long["area"].unique() if not is_code(a)]
    if odd:
        problems.add(f"{shorten(odd)} are no area codes", where="column of codes", rule="unknown_area")
    values = counts_of(long["population"], long["line"].to_numpy(), name="population", problems=problems)
    twice = long.duplicated(["area", "year"])
    if twice.any():
        shown = shorten((long["area"] + " " + long["year"].astype(str))[twice], limit=3)
        problems.add(f"{int(twice.sum())} area-years stand more than once: {shown}", rule="duplicate_area_period")
    problems.raise_if_any(DataError, title)
    frame = long.assign(population=values)
    source = f"Office for National Statistics mid-year population estimates: {path.name}"
    texts = ["name", "geography"]
    return finish(frame, Ledger(), outcomes=["population"], source=source, keys=["area", "year"], texts=texts)


def _from_csv(path: Path) -> pd.DataFrame:
    table = read_table(path, text=["area_code", "area_name", "geography", "Code", "Name", "Geography"])
    columns, lacking = match_columns(table.column_names, _TIDY)
    if lacking:
        raise DataError(f"{path} holds no tidy mid-year population", lacking)
    frame = table.to_pandas().rename(columns={theirs: ours for ours, theirs in columns.items()})[list(columns)]
    years = pd.to_numeric(frame["year"], errors="coerce")
    if years.isna().any():
        line = int(years.isna().to_numpy().argmax()) + 2
        raise DataError(f"{path}, line {line}: {frame['year'].iloc[line - 2]!r} is no year")
    return frame.assign(year=years.astype(int), line=np.arange(2, len(frame) + 2))


def _from_workbook(path: Path, sheet: str | None) -> pd.DataFrame:
    """Find the sheet and its header row, wherever it stands, and give one row for each area and year."""
    sheets: dict[str, list[tuple[int, tuple[object, ...]]]] = {}
    for name, number, row in rows_of(path):
        sheets.setdefault(name.strip(), []).append((number, row))
    if sheet is None:
        picked = next((have for want in _SHEETS for have in sheets if _sheet(have) == _sheet(want)), None)
    else:
        picked = next((have for have in sheets if _sheet(have) == _sheet(sheet)), None)
    if picked is None:
        fix = did_you_mean(sheet or _SHEETS[0], sheets, limit=12)
        raise DataError(f"{path} has no sheet {sheet or ' or '.join(_SHEETS)}. {fix}")
    rows = sheets[picked]
    header, columns, first = _header_of(rows)
    if not columns:
        raise DataError(f"{path}, sheet {picked!r}: none of the first rows is a header with Code, Name and Geography")
    titles = " ".join(str(c) for _, row in rows[: first - 1] for c in row if c is not None)
    years = _year_columns(header, titles)
    if not years:
        raise DataError(
            f"{path}, sheet {picked!r}: no column holds a population of mid-YYYY, nor 'All ages' of one year"
        )
    at = {ours: header.index(theirs) for ours, theirs in columns.items()}
    out = []
    for number, row in rows[first:]:
        cells = [*row, *([None] * (len(header) - len(row)))]
        if not is_code(str(cells[at["area"]]).strip()):
            # Footnotes stand below the table.
            continue
        keys = {ours: str(cells[j]).strip() for ours, j in at.items()}
        out += [{**keys, "year": year, "population": cells[j], "line": number} for j, year in years.items()]
    if not out:
        raise DataError(f"{path}, sheet {picked!r} has a header and no row with an area code")
    return pd.DataFrame(out)


def _sheet(name: str) -> str:
    """Return a sheet's name so that "MYE 5" of one year is "MYE5" of another."""
    return slug(name).replace("_", "")


def _header_of(rows: Sequence[tuple[int, tuple[object, ...]]]) -> tuple[list[str], dict[str, str], int]:
    """Return the header, its key columns, and the position of the first row below it."""
    for first, (_, row) in enumerate(rows[:_HEADER_ROWS], start=1):
        header = ["" if c is None else " ".join(str(c).split()) for c in row]
        columns, lacking = match_columns(header, {k: _TIDY[k] for k in ("area", "name", "geography")})
        if not lacking:
            return header, columns, first
    return [], {}, 0


def _year_columns(header: Sequence[str], titles: str) -> dict[int, int]:
    """Return position -> year: columns Mid-2023, Estimated Population mid-2023, or All ages of one year."""
    years: dict[int, int] = {}
    for j, name in enumerate(header):
        named = _MID.search(name)
        plain = slug(re.sub(_MID, "", name))
        if named and plain in ("", "estimated_population", "population") and int(named[1]) not in years.values():
            years[j] = int(named[1])
    if not years and (one := {int(m[1]) for m in _MID.finditer(titles)}) and len(one) == 1:
        years = {j: next(iter(one)) for j, name in enumerate(header) if slug(name) == "all_ages"}
    return years


def population_at(population: Extract, areas: pd.Series, index: pd.PeriodIndex) -> tuple[pd.Series, Ledger]:
    """Return the population of each row's area in the middle of its period.

    Parameters
    ----------
    population : Extract
        Of :func:`mid_year_population`.
    areas : pandas.Series of str, shape (n,)
        Area codes.
    index : pandas.PeriodIndex, shape (n,)
        Months, quarters or years.

    Returns
    -------
    population : pandas.Series, shape (n,)
        Persons, on straight lines between 30 Junes; beyond the last estimate the last is held.
    ledger : Ledger
        How many rows hold an end.

    Raises
    ------
    DataError
        Naming areas that `population` lacks.
    """
    known = population.frame["area"].unique()
    lacking = sorted(set(areas.astype(str)) - set(known))
    if lacking:
        raise DataError(
            "there is no mid-year population for some areas",
            [Problem(f"{a!r} is not in it", fix=did_you_mean(a, known, limit=3), rule="unknown_area") for a in lacking],
        )
    values, entries = at_periods(
        population.frame,
        areas.astype(str).reset_index(drop=True),
        index,
        key="area",
        year="year",
        value="population",
        where=population.source,
    )
    return pd.Series(values, index=areas.index, name="population"), Ledger().extend(entries)


@dataclass(frozen=True, eq=False)
class AreaLookup:
    """Local authority districts, community safety partnerships and police force areas.

    Attributes
    ----------
    frame : pandas.DataFrame
        Columns ``lad_code, lad_name, csp_code, csp_name, pfa_code, pfa_name``; districts and
        partnerships are many to many.
    ledger : Ledger
        Which are.
    """

    frame: pd.DataFrame
    ledger: Ledger

    @classmethod
    def read(cls, path: str | Path) -> AreaLookup:
        """Read the ONS file ``LAD23CD,LAD23NM,CSP23CD,CSP23NM,PFA23CD,PFA23NM,ObjectId`` of any year.

        Raises
        ------
        DataError
            If a column is missing, or a code is not of its kind.
        """
        table = read_table(path).to_pandas()
        table.columns = [re.sub(r"\d{2}", "", str(c)).upper() for c in table.columns]
        names = {
            f"{k.upper()}{e}": f"{k}_{w}" for k in ("lad", "csp", "pfa") for e, w in (("CD", "code"), ("NM", "name"))
        }
        problems = Problems()
        for column in names:
            if column not in table.columns:
                what = f"there is no column {column[:3]}yy{column[3:]}"
                problems.add(what, fix=did_you_mean(column, table.columns, limit=8), rule="unknown_column")
        problems.raise_if_any(DataError, f"{path} is no lookup of districts, partnerships and forces")
        frame = table[list(names)].rename(columns=names).astype("str").apply(lambda c: c.str.strip())
        kinds = {"lad": ("district", "unitary", "borough"), "csp": ("community safety",), "pfa": ("police force",)}
        for level, words in kinds.items():
            kind = frame[f"{level}_code"].map(lambda c: code_kind(c) or "")
            odd = frame.loc[~kind.map(lambda k, w=words: any(word in k for word in w)), f"{level}_code"]
            if len(odd):
                what = f"{shorten(odd.unique(), limit=3)} are no codes of that kind"
                line = int(odd.index[0]) + 2
                problems.add(what, where=f"column {level.upper()}yyCD", line=line, rule="unknown_area")
        problems.raise_if_any(DataError, f"{path} cannot be used")
        return cls(frame, _many(frame, Path(path).name))

    def codes(self, names: Iterable[str], *, level: str = "csp") -> tuple[Mapping[str, str], list[Problem]]:
        """Find codes by name, in the words of the ONS or of the Home Office.

        Parameters
        ----------
        names : iterable of str
        level : {"lad", "csp", "pfa"}

        Returns
        -------
        codes : mapping of str to str
            Name -> code, for the names that are known.
        problems : list of Problem
            One for each other name, with the nearest.
        """
        if level not in ("lad", "csp", "pfa"):
            raise DataError(f"a level of the lookup is lad, csp or pfa, not {level!r}")
        pairs = self.frame[[f"{level}_name", f"{level}_code"]].drop_duplicates()
        known = {slug(n.replace("&", "and")): c for n, c in pairs.itertuples(index=False)}
        for one, other in _SAME:
            for here, there in ((one, other), (other, one)):
                if slug(there) in known:
                    known.setdefault(slug(here), known[slug(there)])
        found: dict[str, str] = {}
        problems = []
        for name in dict.fromkeys(names):
            code = known.get(slug(str(name).replace("&", "and")))
            if code is None:
                fix = did_you_mean(name, pairs[f"{level}_name"], limit=3)
                problems.append(Problem(f"the lookup has no {level.upper()} {name!r}", fix=fix, rule="unknown_area"))
            else:
                found[name] = code
        return found, problems


def _many(frame: pd.DataFrame, where: str) -> Ledger:
    ledger = Ledger()
    for one, many, word in (
        ("csp", "lad", "partnerships hold several districts"),
        ("lad", "csp", "districts lie in several partnerships"),
    ):
        counts = frame.groupby(f"{one}_name")[f"{many}_code"].nunique()
        several = counts[counts > 1]
        if len(several):
            rows = int(frame[f"{one}_name"].isin(several.index).sum())
            reason = f"{len(several)} {word}: {shorten(several.index)}; one does not stand for the other"
            ledger = ledger.add("noted", rows, reason, where=where, rule="many_to_many")
    return ledger

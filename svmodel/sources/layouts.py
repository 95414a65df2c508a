"""The layouts that a study file may name, and a guess at which of them a file is in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from svmodel.ledger import Extract
from svmodel.sources.fingertips import fingertips
from svmodel.sources.home_office import home_office_csp, home_office_force
from svmodel.sources.joins import Join
from svmodel.sources.metropolitan_police import (
    mps_borough,
    mps_dashboard,
    mps_knife_borough,
    mps_knife_ward,
    mps_lsoa,
    mps_ward,
)
from svmodel.sources.opening import find_file, read_header, require_kind
from svmodel.sources.police_uk import police_uk
from svmodel.sources.purposes import refuse_other_purposes
from svmodel.sources.school_exclusions import dfe_exclusions
from svmodel.sources.sheets import rows_of
from svmodel.sources.street_files import street_files
from svmodel.sources.tidy import read_panel


def tidy(
    path: str | Path,
    *,
    area: str | None = None,
    period: str | None = None,
    counts: Iterable[str] = (),
    measures: Iterable[str] = (),
    exposures: Iterable[str] = (),
    covariates: Iterable[str] = (),
    parent: str | None = None,
    name: str | None = None,
    joins: Iterable[Join] = (),
) -> Extract:
    """Read a tidy CSV or Parquet file; :func:`svmodel.read_panel` gives a panel straight away.

    Parameters
    ----------
    path : str or Path
    area, period, counts, measures, exposures, covariates, parent, name, joins
        As :func:`svmodel.read_panel`.

    Returns
    -------
    Extract
        Frame ``area``, ``period``, the data columns, and ``parent`` and ``name`` where known.

    Raises
    ------
    DataError
        With all problems at once.
    """
    panel = read_panel(
        path,
        area=area,
        period=period,
        counts=counts,
        measures=measures,
        exposures=exposures,
        covariates=covariates,
        parent=parent,
        name=name,
        joins=joins,
    )
    frame = panel.to_frame()
    for column, values in (("parent", panel.parents), ("name", panel.names)):
        if values and column not in frame.columns:
            frame[column] = frame["area"].map(dict(values))
    return Extract(frame, panel.ledger, panel.source)


#: Name in a study file -> reader ``(path, **options) -> Extract``.
LAYOUTS: dict[str, Callable[..., Extract]] = {
    "tidy": tidy,
    "police_uk": police_uk,
    "home_office_csp": home_office_csp,
    "home_office_force": home_office_force,
    "mps_borough": mps_borough,
    "mps_ward": mps_ward,
    "mps_lsoa": mps_lsoa,
    "mps_knife_borough": mps_knife_borough,
    "mps_knife_ward": mps_knife_ward,
    "mps_dashboard": mps_dashboard,
    "fingertips": fingertips,
    "dfe_exclusions": dfe_exclusions,
}

_HEADER_ROWS = 40
#: Columns (small letters and digits alone) that only files of that layout have, the most particular first.
_SIGNS: tuple[tuple[str, frozenset[str]], ...] = (
    ("mps_dashboard", frozenset({"monthyear", "areatype", "boroughsnt", "count"})),
    ("mps_knife_ward", frozenset({"wardcode", "crimesubtype", "ward", "borough"})),
    ("mps_knife_borough", frozenset({"crimesubtype", "areacode", "areaname"})),
    ("mps_borough", frozenset({"offence", "borough", "month", "count"})),
    ("mps_borough", frozenset({"crimetype", "crimedetails", "crimecount", "borough", "month"})),
    ("mps_ward", frozenset({"wardcode", "wardname", "borough"})),
    *(
        (layout, frozenset({*offence, *area}))
        for layout, areas in (
            ("mps_lsoa", ({"lsoacode"},)),
            ("mps_ward", ({"wardcode"},)),
            ("mps_borough", ({"lookupboroughname"}, {"boroughname"}, {"bocu"})),
        )
        for offence in ({"majortext", "minortext"}, {"group", "subgroup"}, {"majorcategory", "minorcategory"})
        for area in areas
    ),
    ("mps_ward", frozenset({"wardcode", "wardname"})),
    ("fingertips", frozenset({"indicatorid", "indicatorname", "areacode", "timeperiod", "count"})),
    *(
        ("dfe_exclusions", frozenset({"laname", *year, number}))
        for year in ({"year", "level"}, {"timeperiod", "geographiclevel"})
        for number in ("permexcl", "suspension", "fixedexcl", "permphysicalpupils")
    ),
    ("home_office_csp", frozenset({"financialyear", "financialquarter", "cspname"})),
    ("home_office_force", frozenset({"financialyear", "financialquarter"})),
)


def detect_layout(path: str | Path) -> str | None:
    """Guess the layout of a file or folder from its columns and names.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    str or None
        A key of :data:`LAYOUTS`; ``"tidy"`` for a Parquet file and for a CSV file in no publisher's
        layout that has a column of areas or periods by a usual name; None where nothing fits.

    Raises
    ------
    OtherPurposeError
        If the file is known and serves another purpose, such as a lookup, a population or a single street file: in one
        line what it is and where it serves.
    DataError
        If the file is missing, empty or not what its name says.
    """
    path = Path(path)
    if path.is_dir():
        return "police_uk" if next(street_files(path), None) is not None else None
    kind = require_kind(find_file(path), "csv", "gzip", "parquet", "xlsx", "ods")
    if kind == "parquet":
        return "tidy"
    if kind in ("xlsx", "ods"):
        found = _of_workbook(path)
        if found is None:
            refuse_other_purposes(path)
        return found
    header = read_header(path)
    found = _of_header(header)
    if found is None:
        refuse_other_purposes(path)
    if found is None and {h.strip().casefold() for h in header} & {
        "area",
        "lsoa",
        "month",
        "period",
        "quarter",
        "year",
    }:
        return "tidy"
    return found


def _of_header(header: Sequence[object]) -> str | None:
    names = {re.sub(r"[^a-z0-9]", "", str(h).casefold()) for h in header if h is not None}
    return next((layout for layout, signs in _SIGNS if signs <= names), None)


def _of_workbook(path: Path) -> str | None:
    tried: dict[str, int] = {}
    for sheet, _, row in rows_of(path):
        tried[sheet] = tried.get(sheet, 0) + 1
        # The header stands in the first rows of a sheet; the first table tells for all.
        if tried[sheet] <= _HEADER_ROWS and (found := _of_header(row)) is not None:
            return found
        if tried[sheet] > _HEADER_ROWS and len(tried) > 3:
            break
    return None

"""Tidy files: one row for each area and period, as CSV or Parquet.

A Parquet file that :func:`write_panel` made carries the roles of its columns, its ledger, its names
and its synthetic mark, so that :func:`read_panel` gives back the same panel without being told.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from svmodel import periods
from svmodel.errors import DataError, Problem, Problems, did_you_mean, shorten
from svmodel.files import atomic_file
from svmodel.ledger import Ledger, LedgerEntry
from svmodel.panel import Panel
from svmodel.panel.rules import Roles
from svmodel.periods.spelling import readings
from svmodel.sources.answers import CHOICES, Answers, TidyTable
from svmodel.sources.cells import kind_of_cell, tidy_cell
from svmodel.sources.find_table import PART_NAME, YEAR_NAME, is_short
from svmodel.sources.guess import guess_area, guess_period
from svmodel.sources.joins import Join, apply_joins
from svmodel.sources.lsoa import LsoaLookup, claim_problems
from svmodel.sources.number_columns import clean_numbers
from svmodel.sources.opening import Opened, open_once, read_table
from svmodel.sources.sums import is_total
from svmodel.sources.table import KINDS, open_book
from svmodel.sources.untidy import tidy_table
from svmodel.words import one_or_more

_KEY = b"svmodel"
_FORMAT = 1


def read_panel(
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
    parent_name: str | None = None,
    known_areas: Iterable[str] | None = None,
    joins: Iterable[Join] = (),
    vintage: str | None = None,
    lsoa_lookup: str | Path | None = None,
    period_written: str | None = None,
    leave_out: Iterable[str] = (),
    sheet: str | None = None,
    columns_are: str | None = None,
    dashes: str | None = None,
    decimal: str | None = None,
    nested: str | None = None,
    leave_out_columns: Iterable[str] = (),
) -> Panel:
    r"""Read a tidy file into a :class:`~svmodel.Panel`.

    Parameters
    ----------
    path : str or Path
        A table of any make: ``.parquet``; text (``.csv``, ``.txt``, ``.tsv``, also ``.gz``) in UTF-8, UTF-16 or
        Windows-1252 with commas, semicolons, tabs or bars; ``.xlsx``, ``.xlsm``, ``.xls``, ``.ods``. One row for each
        area and period, or a column for each period or area; titles, notes, sums and suppressed cells are found and
        said in the ledger.
    area, period : str, optional
        Columns that name the area and the period. Not needed for a file of :func:`write_panel`;
        elsewhere ``area`` and ``period`` where the file has columns of these names.
    counts, measures, exposures, covariates : iterable of str
        Columns by role, as in :meth:`svmodel.Panel.from_frame`.
    parent, name, parent_name : str, optional
        Columns with the reporting area, the area's name and the reporting area's name.
    known_areas : iterable of str, optional
        The areas that may occur.
    joins : iterable of Join
        Columns of other files to join by key first.
    vintage : {"2011", "2021"}, optional
        Claim that every LSOA code is of that census; a code that cannot be is an error.
    lsoa_lookup : str or Path, optional
        The ONS file of LSOAs 2011 to 2021, which makes the check of the claim complete.
    period_written, leave_out
        As in :meth:`svmodel.Panel.from_frame`.
    sheet : str, optional
        Sheet of a workbook to read; by default all those of the layout with the most numbers.
    columns_are : {"areas", "outcomes"}, optional
        What the columns of numbers are, where no column names an area.
    dashes : {"nil", "missing"}, optional
        What ``-`` and ``.`` stand for in place of a number.
    decimal : {"comma", "point"}, optional
        What parts the decimals, where the numbers do not show it.
    nested : {"areas over outcomes", "outcomes over areas"}, optional
        Which stands above the other where columns, or rows, hold areas and outcomes crossed.
    leave_out_columns : iterable of str
        Columns that are not to be read, such as a total that does not add up.

    Returns
    -------
    Panel
        With the file as its source.

    Raises
    ------
    DataError
        One line for a file that is missing, empty or not what its name says. For everything that is
        wrong with the rows, one message with all of it: duplicate area-months, negative or text
        counts, missing months, unknown areas, mixed LSOA vintages, with line numbers of a CSV file.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "counts.csv"
    ...     _ = path.write_text("area,month,robbery\nA,2024-01,3\nA,2024-02,0\n")
    ...     read_panel(path, area="area", period="month", counts=["robbery"])
    <Panel: 1 areas x 2 periods (Jan 2024 to Feb 2024); robbery>
    """
    roles = Roles(
        area or "",
        period or "",
        one_or_more(counts),
        one_or_more(measures),
        one_or_more(exposures),
        one_or_more(covariates),
        parent,
        name,
        parent_name,
    )
    joins = tuple(joins)
    answers = Answers(sheet, columns_are, dashes, decimal, nested, one_or_more(leave_out_columns))
    file = open_tidy(path, roles, text=[c for j in joins for c in j.on], answers=answers)
    problems = Problems()
    joined, entries = apply_joins(
        file.frame, joins, period=file.roles.period or "period", problems=problems, written=period_written
    )
    return file.panel(
        Joined(joined, tuple(entries), joins, problems),
        known_areas=known_areas,
        vintage=vintage,
        lsoa_lookup=lsoa_lookup,
        period_written=period_written,
        leave_out=leave_out,
    )


@dataclass(frozen=True, eq=False, repr=False)
class Joined:
    """The rows of a file with what other files brought to them.

    Parameters
    ----------
    frame : pandas.DataFrame
    entries : tuple of LedgerEntry
    joins : tuple of Join
    problems : Problems
        What the joins found wrong, to be told with what is wrong with the rows.
    """

    frame: pd.DataFrame
    entries: tuple[LedgerEntry, ...] = ()
    joins: tuple[Join, ...] = ()
    problems: Problems = field(default_factory=Problems)


@dataclass(frozen=True, eq=False, repr=False)
class TidyFile:
    """A tidy file that was opened once: its rows, the roles of its columns, and what `write_panel` wrote with them.

    Parameters
    ----------
    path : Path
    frame : pandas.DataFrame
    roles : Roles
        As they were given, and beyond that as the file itself says.
    saved : mapping or None
        What a Parquet file of :func:`write_panel` carries.
    first_line : int or None
        Line of a CSV file that holds the first row; None where the frame's index holds the rows.
    sha256 : str
    entries : tuple of LedgerEntry
        What was done to make tidy rows of the file.
    left_out : mapping of str to str
        Columns of the file that are not used -> why.
    """

    path: Path
    frame: pd.DataFrame
    roles: Roles
    saved: dict[str, Any] | None
    first_line: int | None
    sha256: str
    entries: tuple[LedgerEntry, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    def panel(
        self,
        joined: Joined,
        *,
        known_areas: Iterable[str] | None = None,
        vintage: str | None = None,
        lsoa_lookup: str | Path | None = None,
        period_written: str | None = None,
        leave_out: Iterable[str] = (),
    ) -> Panel:
        """Return the panel of the rows and of what was joined to them; arguments as in :func:`read_panel`.

        Raises
        ------
        DataError
            With all problems of the rows and the joins at once.
        """
        roles = _settled(self.path, list(self.frame.columns), self.roles)
        lookup = None if lsoa_lookup is None else LsoaLookup.read(lsoa_lookup)
        problems = Problems(list(joined.problems))
        title = f"{self.path} cannot be used"
        if vintage is not None and roles.area in self.frame.columns:
            problems.extend(claim_problems(self.frame[roles.area].dropna().astype(str).unique(), vintage, lookup))
        settled = self._vintage_settled(lookup if vintage is None else None, roles.area)
        absent = {new for j in joined.joins for new in j.columns.values()} - set(joined.frame.columns)
        try:
            # what a failed join did not bring is left out: the join's own problem says why
            panel = Panel.from_frame(
                joined.frame,
                **roles.without(absent).named,
                known_areas=known_areas,
                ledger=(*self.entries, *joined.entries, *settled),
                source=self.path.name,
                title=title,
                first_line=self.first_line,
                period_written=period_written,
                leave_out=leave_out,
            )
        except DataError as error:
            found = [p for p in error.problems or [Problem(error.title)] if vintage is None or p.rule != "lsoa_vintage"]
            raise DataError(title, [*found, *problems]) from None
        problems.raise_if_any(DataError, title)
        if vintage is not None:  # the claim settles what the note leaves open
            panel = replace(panel, ledger=Ledger(tuple(e for e in panel.ledger if e.rule != "lsoa_vintage")))
        return panel if self.saved is None else _restore(panel, self.saved, joined.joins)

    def _vintage_settled(self, lookup: LsoaLookup | None, area: str) -> list[LedgerEntry]:
        """Return what says that the LSOA codes name each ground once: the file's own ledger, or the lookup."""
        if self.saved is not None:
            return [LedgerEntry(**e) for e in self.saved["ledger"] if e["rule"] in ("lsoa_mapped", "lsoa_vintage")]
        codes = set() if lookup is None or area not in self.frame else set(self.frame[area].dropna().astype(str))
        if lookup is None or not codes or any(lookup.common.get(c) != c for c in codes):
            return []
        reason = "every LSOA code names an area that whole LSOAs of 2011 and of 2021 make up, as the lookup has them"
        return [LedgerEntry("noted", len(codes), reason, "LSOA codes", "lsoa_vintage")]


def open_tidy(path: str | Path, roles: Roles, *, text: Iterable[str] = (), answers: Answers | None = None) -> TidyFile:
    """Open a table of any make as tidy rows, once.

    Parameters
    ----------
    path : str or Path
    roles : Roles
        What is known of them.
    text : iterable of str
        Further columns of a CSV file to keep as text, such as the keys of joins.
    answers : Answers, optional
        What the owner has said about the table.

    Raises
    ------
    DataError
        One line for a file that is missing, empty, broken or not what its name says; one message with every question
        that only the owner can answer.
    """
    file = open_once(path, "parquet", *KINDS)
    if file.kind == "parquet":
        return _of_parquet(file, roles)
    answers = answers or Answers()
    _check_answers(file.path, answers)
    text = tuple(text)
    refused: DataError | None = None
    if (
        file.kind in ("csv", "gzip")
        and answers.columns_are is None
        and answers.nested is None
        and not answers.leave_out_columns
    ):
        try:
            plain = _plain(file, roles, text, answers)
        except DataError as error:
            refused, plain = error, None
        if plain is not None:
            return plain
    try:
        made = look_into(file, roles, answers)
    except DataError as error:
        raise (refused if refused is not None and _is_plain_fault(refused) else error) from None
    if refused is not None and "over several lines" in refused.title:
        raise refused
    found = Problems([*made.problems, *(q.problem for q in made.questions)])
    found.raise_if_any(DataError, f"{file.path} cannot be used")
    return TidyFile(
        file.path, made.frame, roles.over(made.roles), None, None, file.sha256, tuple(made.entries), made.left_out
    )


def _is_plain_fault(refused: DataError) -> bool:
    """Return whether a file is refused for what is wrong in it, and not for being written otherwise."""
    return any(words in refused.title for words in ("only a header", "over several lines", "broken", "damaged"))


def look_into(file: Opened, roles: Roles, answers: Answers) -> TidyTable:
    """Return what can be understood of a table that is not plain, with the questions and problems that are open."""
    return tidy_table(open_book(file), roles, answers)


def _check_answers(path: Path, answers: Answers) -> None:
    problems = Problems()
    for key, valid in CHOICES.items():
        given = getattr(answers, key)
        if given is not None and given not in valid:
            problems.add(f"{given!r} is no answer", where=key, fix=did_you_mean(given, valid), rule="unknown_answer")
    problems.raise_if_any(DataError, f"{path} cannot be used")


def _plain(file: Opened, roles: Roles, text: tuple[str, ...], answers: Answers) -> TidyFile | None:
    """Return a CSV file that is tidy as it stands; None where its rows have to be found first."""
    keys = (roles.area or "area", roles.period or "period", roles.parent, roles.name, roles.parent_name)
    table = read_table(file, text=[*(c for c in keys if c), "synthetic", *text])
    frame = table.to_pandas()
    names = [str(c) for c in frame.columns]
    if any(not n.strip() for n in names) or len(names) < 2:
        return None
    named = [roles.area or "area", roles.period or "period", *roles.data]
    if not set(named) <= set(names) and not _is_tidy(frame, roles):
        return None
    if _has_total_rows(frame, named[0], named[1]):
        return None
    made = TidyTable(frame)
    wanted = roles.data or tuple(n for n in names if n not in keys)
    odd = [c for c in wanted if c in names and names.count(c) == 1 and _has_words(frame[c], sure=c in roles.data)]
    if odd:
        made.frame.index = pd.RangeIndex(2, len(frame) + 2)
        clean_numbers(made, odd, answers)
        Problems([q.problem for q in made.questions]).raise_if_any(DataError, f"{file.path} cannot be used")
        made.frame = made.frame.reset_index(drop=True)
    return TidyFile(file.path, made.frame, roles, None, 2, file.sha256, tuple(made.entries))


def _has_words(column: pd.Series, *, sure: bool) -> bool:
    if pd.api.types.is_numeric_dtype(column.dtype) or column.isna().all():
        return False
    kinds = column.dropna().head(5000).map(lambda v: kind_of_cell(tidy_cell(v)))
    return sure or bool((kinds.isin(["number", "mark", "dash"])).mean() >= 0.5 and (kinds == "number").any())


def _is_tidy(frame: pd.DataFrame, roles: Roles) -> bool:
    """Return whether the first row of a CSV file names columns of which one holds areas and one periods."""
    names = [str(c) for c in frame.columns]
    if sum(bool(readings(n)) or is_short(n) for n in names) > 1:
        return False
    if any(kind_of_cell(tidy_cell(n)) in ("number", "date") for n in names):
        return False
    rest = frame[[c for c in dict.fromkeys(names) if names.count(c) == 1]]
    period = roles.period if roles.period in rest.columns else guess_period(rest)
    if period is None:
        return False
    if any(YEAR_NAME.match(n.strip()) for n in names) and any(PART_NAME.match(n.strip()) for n in names):
        return False
    area = roles.area if roles.area in rest.columns else guess_area(rest.drop(columns=[period]))
    if area is None or rest[area].isna().any() or _has_total_rows(rest, area, period):
        return False
    lines = rest[[area, period]].astype(str)
    known = roles.counts and all(c in names for c in roles.counts)
    words = rest.drop(columns=[area, period]).select_dtypes(exclude="number").columns
    return bool(known or not len(words) or not lines.duplicated().any() or lines.duplicated().sum() < 0.1 * len(lines))


def _has_total_rows(frame: pd.DataFrame, area: str, period: str) -> bool:
    """Return whether rows are sums over time: a total among the periods, or one beside a blank period."""
    if period not in frame.columns or list(frame.columns).count(period) > 1:
        return False
    if pd.api.types.is_numeric_dtype(frame[period].dtype):
        return False
    rows = frame.loc[frame[period].isna()] if list(frame.columns).count(area) == 1 else frame.iloc[:0]
    return bool(frame[period].drop_duplicates().map(is_total).any() or (len(rows) and rows[area].map(is_total).any()))


def _of_parquet(file: Opened, roles: Roles) -> TidyFile:
    table = _read_parquet(file)
    saved = _saved(file.path, table)
    if saved is not None:
        carried: dict[str, Any] = {r: tuple(v) if isinstance(v, list) else v for r, v in saved["roles"].items()}
        roles = roles.over(Roles(**carried))
    return TidyFile(file.path, table.to_pandas(), roles, saved, None, file.sha256)


def _settled(path: Path, columns: list[str], roles: Roles) -> Roles:
    for key in ("area", "period"):
        if not getattr(roles, key) and key not in columns:
            raise DataError(
                f"{path} does not say which column is the {key}. Give {key}= one of {shorten(columns, limit=12)}."
            )
    if not roles.data:
        raise DataError(
            f"{path} does not say which columns are counts. Give counts= some of {shorten(columns, limit=12)}."
        )
    return roles.over(Roles("area", "period"))


def _read_parquet(file: Opened) -> pa.Table:
    from pyarrow import parquet

    path = file.path
    try:
        table = parquet.ParquetFile(pa.BufferReader(file.content)).read()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is a broken Parquet file; copy or make it again") from error
    if not len(table):
        raise DataError(f"{path} has no rows")
    return table


def _saved(path: Path, table: pa.Table) -> dict[str, Any] | None:
    raw = (table.schema.metadata or {}).get(_KEY)
    if raw is None:
        return None
    try:
        saved = json.loads(raw)
        version = saved["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} carries svmodel's mark, but it cannot be read; write the panel again") from error
    if version != _FORMAT:
        raise DataError(f"{path} was written in panel format {version}; this svmodel reads format {_FORMAT}")
    return dict(saved)


def _restore(panel: Panel, saved: dict[str, Any], joins: tuple[Join, ...]) -> Panel:
    """Give the panel back the names, the ledger and the mark with which it was written."""
    ledger = tuple(LedgerEntry(**e) for e in saved["ledger"])
    # The saved ledger names the gaps of the file already; only what a join brought is new.
    brought = {f"column {new!r}" for j in joins for new in j.columns.values()}
    added = [e for e in panel.ledger if e.where.startswith("join of ") or e.where in brought]
    return replace(
        panel,
        parents=panel.parents or {a: p for a, p in saved["parents"].items() if a in set(panel.areas)},
        names={**saved["names"], **panel.names},
        ledger=Ledger((*ledger, *added)),
        synthetic=bool(saved["synthetic"]) or panel.synthetic,
        source=saved["source"] or panel.source,
    )


def write_panel(panel: Panel, path: str | Path) -> Path:
    """Write a panel to a tidy file, whole or not at all.

    Parameters
    ----------
    panel : Panel
    path : str or Path
        ``.parquet`` keeps everything (roles, ledger, names, synthetic mark); ``.csv`` and ``.csv.gz``
        keep the columns, with ``synthetic`` = ``yes`` in every row of a simulated panel.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    OutputError
        If the folder cannot be written to or the disk is full; nothing is left behind.
    DataError
        If the ending is none of these.
    """
    path = Path(path)
    lower = path.name.casefold()
    frame = _long(panel)
    if lower.endswith((".parquet", ".pq")):
        _write_parquet(panel, frame, path)
    elif lower.endswith((".csv", ".csv.gz")):
        text = frame.to_csv(index=False, lineterminator="\n").encode()
        if lower.endswith(".gz"):
            import gzip

            text = gzip.compress(text, mtime=0)
        with atomic_file(path) as file:
            file.write(text)
    else:
        raise DataError(f"a panel cannot be written to {path}: its name must end in .parquet, .csv or .csv.gz")
    return path


def _long(panel: Panel) -> pd.DataFrame:
    frame = panel.to_frame()
    labels = np.array([periods.code(p) for p in panel.periods], dtype=object)
    frame["period"] = np.tile(labels, panel.n_areas)
    for column in panel.counts:
        frame[column] = frame[column].astype("Int64")
    extra = {
        "parent": panel.parents,
        "name": {a: panel.names[a] for a in panel.areas if a in panel.names},
        "parent_name": {a: panel.names[p] for a, p in panel.parents.items() if p in panel.names},
    }
    for column, values in extra.items():
        if values and column not in frame.columns:
            frame[column] = frame["area"].map(dict(values))
    if panel.synthetic and "synthetic" not in frame.columns:
        frame["synthetic"] = "yes"
    return frame


def _write_parquet(panel: Panel, frame: pd.DataFrame, path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    roles = {r: list(getattr(panel, r)) for r in ("counts", "measures", "exposures", "covariates")}
    saved = {
        "format": _FORMAT,
        "roles": {"area": "area", "period": "period", **roles},
        "parents": dict(sorted(panel.parents.items())),
        "names": dict(sorted(panel.names.items())),
        "ledger": [asdict(e) for e in panel.ledger],
        "synthetic": panel.synthetic,
        "source": panel.source,
    }
    table = pa.Table.from_pandas(frame, preserve_index=False)
    mark = json.dumps(saved, ensure_ascii=False, sort_keys=True).encode()
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _KEY: mark})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd")
    with atomic_file(path) as file:
        file.write(buffer.getbuffer())

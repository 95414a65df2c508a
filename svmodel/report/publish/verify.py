"""Verify that the numbers of a run are those published, to the rounding with which they were printed."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pandas as pd

from svmodel import periods
from svmodel.errors import DataError, Problems, did_you_mean
from svmodel.files import atomic_write_text
from svmodel.report.run.manifest import read_manifest

STATUSES = ("match", "rounding", "mismatch", "missing", "extra")
#: Columns that say which estimate is meant; an empty one is not looked at.
WHICH = ("report", "area", "cohort", "period", "horizon")
_KEYS = ("outcome", "estimator", "term", "scale")
_NUMBERS = {"value": "estimate", "low": "conf_low", "high": "conf_high"}
_PUBLISHED = (*_KEYS, *WHICH, *_NUMBERS)


@dataclass(frozen=True, eq=False)
class Verification:
    """The table of a verification.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a number: what it is, ``published`` as printed, ``found`` in the run, ``status``.
    """

    table: pd.DataFrame

    def count(self, status: str) -> int:
        """Return how many numbers have that status."""
        return int((self.table["status"] == status).sum())

    @property
    def holds(self) -> bool:
        """Whether every published number was found and agrees to its printed rounding."""
        return self.count("mismatch") == 0 and self.count("missing") == 0

    def write(self, path: Path) -> Path:
        """Write the table as CSV.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        atomic_write_text(path, self.table.to_csv(index=False, lineterminator="\n"))
        return path

    def __str__(self) -> str:
        parts = [f"{self.count(s)} {s}" for s in STATUSES if self.count(s)]
        return ", ".join(parts) or "no numbers"


def verify(run: Path | str, published: Path | str) -> Verification:
    """Compare the numbers of a run with published ones.

    Parameters
    ----------
    run : path
        Folder of a finished run: ``<out>/<study>``.
    published : path
        See :func:`read_published`.

    Returns
    -------
    Verification
        ``match``: the same number. ``rounding``: the same once rounded as printed. ``mismatch``.
        ``missing``: published, and not in the run. ``extra``: in the run, of a kind (outcome, estimator,
        term, scale) that was published, but not itself published.

    Raises
    ------
    DataError
        If the run is not finished, or a file cannot be read.
    """
    numbers = read_published(Path(published))
    found = read_estimates(Path(run))
    rows: list[dict[str, Any]] = []
    used: set[int] = set()
    for _, wanted in numbers.iterrows():
        hits = _find(found, wanted)
        used.update(hits.index)
        rows.extend(_compare(wanted, hits))
    kinds = set(map(tuple, numbers[list(_KEYS)].to_numpy()))
    rest = found[[tuple(r) in kinds for r in found[list(_KEYS)].to_numpy()] & ~found.index.isin(list(used))]
    rest = rest[~_same_as(rest, found.loc[sorted(used)])].drop_duplicates([*_KEYS, *WHICH[1:]])
    rows.extend(_row(r, "value", "", float(r["estimate"]), "extra") for _, r in rest.iterrows())
    columns = [*_KEYS, *WHICH, "number", "published", "found", "status"]
    return Verification(pd.DataFrame(rows, columns=columns))


def compare_number(printed: str, computed: float) -> str:
    """Say whether a computed number is the printed one.

    Parameters
    ----------
    printed : str
        As published: ``"0.82"``, ``"-1,204"``, ``"-17.9%"`` (of a rate ratio: the change it means).
    computed : float

    Returns
    -------
    {"match", "rounding", "mismatch"}

    Examples
    --------
    >>> compare_number("0.82", 0.8173), compare_number("0.82", 0.8149), compare_number("-18.3%", 0.8173)
    ('rounding', 'mismatch', 'rounding')
    """
    number, percent = parse_printed(printed)
    value = 100 * (computed - 1) if percent else computed
    if pd.isna(value):
        return "mismatch"
    if float(number) == value:
        return "match"
    exponent = number.as_tuple().exponent
    half = Decimal(5).scaleb(int(exponent) - 1) if isinstance(exponent, int) else Decimal(0)
    # half a unit of the last printed place, and room for the binary tail of a number that stands on the edge
    off = abs(Decimal(value) - number)
    return "rounding" if off <= half * (1 + Decimal("1e-9")) else "mismatch"


def parse_printed(printed: str) -> tuple[Decimal, bool]:
    """Return a printed number and whether it is a percentage.

    Raises
    ------
    DataError
        If it is no number.
    """
    text = str(printed).strip().replace("\N{MINUS SIGN}", "-").replace(",", "")
    percent = text.endswith("%")
    try:
        number = Decimal(text.removesuffix("%").strip())
    except InvalidOperation:
        raise DataError(f"{printed!r} is no number") from None
    if not number.is_finite():
        raise DataError(f"{printed!r} is no number")
    return number, percent


def read_published(path: Path) -> pd.DataFrame:
    """Read published numbers.

    Parameters
    ----------
    path : Path
        A CSV file with the columns ``outcome, estimator, term, scale, value`` and as many of ``low, high,
        report, area, cohort, period, horizon`` as are needed; or a YAML file with a list of the same under
        ``numbers``. Numbers are texts, as printed: their decimals decide what counts as the same.

    Returns
    -------
    pandas.DataFrame
        All of them as text, empty where not given.

    Raises
    ------
    DataError
        With everything that is wrong.
    """
    rows = _rows_of_csv(path) if path.suffix.casefold() == ".csv" else _rows_of_yaml(path)
    problems = Problems()
    for line, row in rows:
        for key in row:
            if key not in _PUBLISHED:
                fix = did_you_mean(key, _PUBLISHED, limit=20)
                problems.add(f"there is no key {key!r}", line=line, fix=fix, rule="unknown_key")
        for key in (*_KEYS, "value"):
            if not row.get(key):
                problems.add(f"the key {key!r} is missing", line=line, rule="missing_key")
        for key in (k for k in _NUMBERS if row.get(k)):
            try:
                parse_printed(row[key])
            except DataError as error:
                problems.add(error.title, where=key, line=line, rule="not_a_number")
    if not rows:
        problems.add("it holds no numbers")
    problems.raise_if_any(DataError, f"{path} cannot be used")
    return pd.DataFrame([{k: row.get(k, "") for k in _PUBLISHED} for _, row in rows])


def _rows_of_csv(path: Path) -> list[tuple[int, dict[str, str]]]:
    from svmodel.sources.opening import read_header, read_table

    table = read_table(path, text=read_header(path)).to_pandas().fillna("")
    return [
        (i, {str(k): str(v).strip() for k, v in r.items()}) for i, r in enumerate(table.to_dict("records"), start=2)
    ]


def _rows_of_yaml(path: Path) -> list[tuple[int, dict[str, str]]]:
    from svmodel.report.study.locations import read_as
    from svmodel.report.study.published import Published
    from svmodel.report.study.yaml_lines import read_yaml

    problems = Problems()
    tree, lines = read_yaml(path, problems)
    held = read_as(Published, tree, problems, {})
    problems.raise_if_any(DataError, f"{path} cannot be used")
    assert held is not None, "a file without problems is read"
    return [(lines[f"numbers[{i}]"], dict(row)) for i, row in enumerate(held.numbers, start=1)]


def read_estimates(run: Path) -> pd.DataFrame:
    """Return every estimate of a finished run, with the area of the report it stands in (``report``).

    Raises
    ------
    DataError
        If the folder holds no finished run.
    """
    codes = {held.get("folder", code): code for code, held in read_manifest(run).get("areas", {}).items()}
    frames = []
    for path in sorted((run / "areas").glob("*/estimates.csv")):
        frame = pd.read_csv(path, dtype={"area": "string", "cohort": "string", "period": "string"})
        frames.append(frame.assign(report=codes.get(path.parent.name, path.parent.name)))
    if not frames:
        raise DataError(f"the run {str(run)!r} holds no estimates; a study without an intervention makes none")
    return pd.concat(frames, ignore_index=True)


def _find(found: pd.DataFrame, wanted: pd.Series) -> pd.DataFrame:
    hits = found
    for column in _KEYS:
        hits = hits[hits[column] == wanted[column]]
    for column in (c for c in WHICH if wanted[c]):
        hits = hits[_matches(hits[column], wanted[column], column)]
    return hits


def _matches(values: pd.Series, wanted: str, column: str) -> pd.Series:
    if column == "horizon":
        return values == float(wanted)
    if column in ("cohort", "period"):
        wanted = periods.code(periods.parse(wanted))
    return values.astype("string") == wanted


def _compare(wanted: pd.Series, hits: pd.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for number, column in _NUMBERS.items():
        printed = wanted[number]
        if not printed:
            continue
        values = hits[column].drop_duplicates()
        if len(values) == 0:
            rows.append(_row(wanted, number, printed, float("nan"), "missing"))
        elif len(values) > 1:
            several = [c for c in WHICH[1:] if len(hits[c].drop_duplicates()) > 1] or ["report"]
            which = ", ".join(several)
            raise DataError(f"{len(values)} numbers of the run fit {_describe(wanted)}; say which by {which}")
        else:
            computed = float(values.iloc[0])
            rows.append(_row(wanted, number, printed, computed, compare_number(printed, computed)))
    return rows


def _describe(wanted: pd.Series) -> str:
    return " ".join(str(wanted[c]) for c in (*_KEYS, *WHICH) if wanted[c])


def _row(source: pd.Series, number: str, printed: str, computed: float, status: str) -> dict[str, Any]:
    which = {c: "" if pd.isna(source[c]) else source[c] for c in (*_KEYS, *WHICH)}
    return {**which, "number": number, "published": printed, "found": computed, "status": status}


def _same_as(rest: pd.DataFrame, used: pd.DataFrame) -> pd.Series:
    """Mark estimates that repeat a used one: the study-wide ones stand in every area's report."""
    keys = [*_KEYS, *WHICH[1:]]
    known = set(map(tuple, used[keys].astype("string").fillna("").to_numpy()))
    marks = [tuple(r) in known for r in rest[keys].astype("string").fillna("").to_numpy()]
    return pd.Series(marks, index=rest.index, dtype=bool)

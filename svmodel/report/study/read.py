"""Reading a study: file -> values -> data -> problems -> panel, one step after the other."""

from __future__ import annotations

from pathlib import Path

from svmodel.errors import DataError, Problem, Problems, StudyError, UserError
from svmodel.report.study.data import StudyData
from svmodel.report.study.locations import read_as
from svmodel.report.study.model import FORMAT, Study
from svmodel.report.study.notebook import problems_of_notebook
from svmodel.report.study.rules import missing_files, problems_with, unmet_checks, unreadable
from svmodel.report.study.yaml_lines import Group, plain, read_yaml


def parse_study(path: Path) -> tuple[Study | None, Problems]:
    """Read a study file, and nothing else.

    Returns
    -------
    study : Study or None
        As far as the file could be understood; what is wrong is left out, so that the data can still be looked at and
        their problems told with the others. None where hardly anything could be.
    problems : Problems
        Everything that is wrong. Where there is any, the study must not be run.

    Raises
    ------
    StudyError
        If the file holds no keys at all, or is written in a newer format.
    """
    problems = Problems()
    tree, lines = read_yaml(path, problems)
    _refuse_newer(path, tree, lines)
    study = read_as(Study, tree, problems, {"path": path, "lines": lines})
    for number, outcome in enumerate(() if study is None else study.outcomes, start=1):
        lines[f"outcomes.{outcome.column}"] = lines.get(f"outcomes[{number}].column", 1)
    return study, problems


def _refuse_newer(path: Path, tree: Group, lines: dict[str, int]) -> None:
    """Refuse a file of a newer format before anything else: its other keys would only seem to be wrong."""
    given = plain(tree.get("format"))
    if isinstance(given, int) and given > FORMAT:
        what = f"this study file is written in format {given}; this svmodel reads format {FORMAT} and older"
        fix = "Update svmodel (pip install --upgrade svmodel), or write the file in the older format."
        raise StudyError(f"{path} cannot be used", [Problem(what, "format", fix, lines["format"], "newer_format")])


def read_study(path: Path | str, *, data: Path | str | None = None, look_at_data: bool = False) -> Study:
    """Read and check a study file.

    Parameters
    ----------
    path : path
        A YAML file.
    data : path, optional
        Folder of the data; see :meth:`Study.data_root`.
    look_at_data : bool
        Whether to open the data too, so that a wrong column or area is reported with everything else that is wrong.
        :func:`open_study` does the same and hands the data on.

    Returns
    -------
    Study

    Raises
    ------
    StudyError
        With every problem at once, each naming its line and the nearest valid name.
    """
    if look_at_data:
        return open_study(path, data=data).study
    study, problems = _parsed(Path(path))
    return _whole(study, problems, Path(path))


def open_study(path: Path | str, *, data: Path | str | None = None) -> StudyData:
    """Read a study file, open its data once, and check the one against the other.

    Parameters
    ----------
    path : path
        A YAML file.
    data : path, optional
        Folder of the data; see :meth:`Study.data_root`.

    Returns
    -------
    StudyData

    Raises
    ------
    StudyError
        With every problem of the file and of the data at once, each naming its line and the nearest valid name.
    """
    study, problems = _parsed(Path(path))
    opened = None if study is None else _open(study, data, problems)
    _whole(study, problems, Path(path))
    assert opened is not None, "a study whose data cannot be opened has a problem"
    return opened


def open_data(study: Study, data: Path | str | None = None) -> StudyData:
    """Open the data of a study that has been read, and check the one against the other.

    Raises
    ------
    StudyError
        With every problem of the data at once.
    """
    problems = Problems()
    opened = _open(study, data, problems)
    _whole(study, problems, study.path)
    assert opened is not None, "a study whose data cannot be opened has a problem"
    return opened


def _parsed(path: Path) -> tuple[Study | None, Problems]:
    """Return what the file asks for, and what is wrong with it whatever the data are."""
    study, problems = parse_study(path)
    problems.extend(unmet_checks(study) if study is not None else ())
    return study, problems


def _open(study: Study, data: Path | str | None, problems: Problems) -> StudyData | None:
    """Open the data, noting what is wrong; None where they cannot be opened."""
    problems.extend(problems_of_notebook(study))
    if not study.data.path:
        return None
    try:
        root = study.data_root(data)
        missing = missing_files(study, root)
        problems.extend(missing)
        if missing:
            return None
        opened = StudyData.opened(study, root)
    except DataError as error:
        problems.extend(unreadable(study, error))
    except UserError as error:
        problems.extend(error.problems)
    else:
        problems.extend(problems_with(opened))
        return opened
    return None


def _whole(study: Study | None, problems: Problems, path: Path) -> Study:
    problems.items.sort(key=lambda p: (p.line is None, p.line or 0))
    problems.raise_if_any(StudyError, f"{path} cannot be used")
    assert study is not None, "a file without problems gives a study"
    return study

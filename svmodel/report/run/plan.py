"""The plan of a run as a value: every area, and the hash that says whether its report is still good."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from svmodel.files import file_hash, path_name, path_names
from svmodel.report.pages.facts import version_of
from svmodel.report.study.data import StudyData
from svmodel.report.study.model import Study
from svmodel.report.study.registry import default_notebook
from svmodel.result.as_json import plain

#: Packages whose version may change a number or a picture.
PACKAGES = (
    "jinja2",
    "matplotlib",
    "nbconvert",
    "numpy",
    "pandas",
    "papermill",
    "pyarrow",
    "pyfixest",
    "scikit-learn",
    "scipy",
    "statsmodels",
)
#: Fields of a study that decide where and for whom, not what a report says.
_NOT_PARAMETERS = ("path", "lines", "areas", "notebook", "published", "format")


@dataclass(frozen=True)
class AreaJob:
    """One report to make: the area, its readable name, and the hash of all that goes into its report."""

    code: str
    name: str
    hash: str
    selected: bool = True


@dataclass(frozen=True)
class Plan:
    """Everything that a run will do, before it does any of it.

    Attributes
    ----------
    study : Study
    folder : Path
        ``<out>/<study>``.
    work : Path
        ``<out>/.svmodel/<study>``: private to the run, holds the data before disclosure control.
    notebook : Path
    jobs : tuple of AreaJob
        Every reporting area of the study, sorted by code; ``selected`` marks those of this run.
    hashes : mapping of str to str
        SHA-256 of the code, the notebook, the data files together, and the panel made of them.
    files : mapping of str to str
        SHA-256 of each data file, by its path from the data root.
    parameters : mapping
        The study file's content.
    versions : mapping of str to str
        Of Python and of the packages that matter.
    folders : mapping of str to str
        Name of an area's folder, where it is not its code: one that every file system takes.
    """

    study: Study
    folder: Path
    work: Path
    notebook: Path
    jobs: tuple[AreaJob, ...]
    hashes: Mapping[str, str]
    files: Mapping[str, str]
    parameters: Mapping[str, Any]
    versions: Mapping[str, str]
    folders: Mapping[str, str] = field(default_factory=dict)

    @property
    def selected(self) -> tuple[AreaJob, ...]:
        """The areas of this run."""
        return tuple(j for j in self.jobs if j.selected)

    @property
    def study_hash(self) -> str:
        """Hash of all that the areas have in common."""
        return _digest([self.hashes, self.parameters, self.versions])

    @property
    def context(self) -> Path:
        """Where the study's fits are kept while its reports are made."""
        return self.work / f"context-{self.study_hash[:16]}.pickle"

    def area_folder(self, code: str) -> Path:
        """Return the folder of one area."""
        return self.folder / "areas" / self.folder_name(code)

    def folder_name(self, code: str) -> str:
        """Return the name of the folder of one area."""
        return self.folders.get(code, code)


def make_plan(data: StudyData, out: Path, *, areas: tuple[str, ...] | None = None) -> Plan:
    """Lay out a run.

    Parameters
    ----------
    data : StudyData
        The study and its data, opened.
    out : Path
        Folder of all studies' reports.
    areas : tuple of str, optional
        Reporting areas of this run, by code or name; by default the study's.

    Raises
    ------
    StudyError
        If an area is unknown.
    """
    study, panel = data.study, data.panel
    every = data.areas()
    chosen = set(every if areas is None else data.areas(areas))
    notebook = study.notebook or default_notebook()
    files = data.hashes
    parameters = study_parameters(study)
    hashes = {
        "code": code_version(),
        "notebook": file_hash(notebook),
        "data": _digest(files),
        "panel": panel.fingerprint,
    }
    codes = sorted({*every, *chosen})
    # over all areas that there are, so that a folder's name does not depend on which ones a run is for
    names = path_names(sorted({*codes, *panel.areas, *panel.parents.values()}))
    plan = Plan(
        study=study,
        folder=out / path_name(study.key),
        work=out / ".svmodel" / path_name(study.key),
        notebook=notebook,
        jobs=(),
        hashes=hashes,
        files=files,
        parameters=parameters,
        versions=package_versions(),
        folders={code: name for code, name in names.items() if code != name},
    )
    common = plan.study_hash
    jobs = tuple(AreaJob(c, panel.label(c), _digest([common, c]), c in chosen) for c in codes)
    return replace(plan, jobs=jobs)


def study_parameters(study: Study) -> dict[str, Any]:
    """Return what a study asks for as plain values, without the places that differ between machines."""
    return {f.name: plain(getattr(study, f.name)) for f in fields(study) if f.name not in _NOT_PARAMETERS}


@cache
def code_version() -> str:
    """Return the SHA-256 of every source file and template of the package."""
    package = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        relative = path.relative_to(package).as_posix()
        if path.is_file() and "__pycache__" not in relative and path.suffix not in (".pyc", ".ipynb"):
            digest.update(f"{relative}\0{file_hash(path)}\0".encode())
    return digest.hexdigest()


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of every package that may change a number or a picture."""
    return {"python": platform.python_version(), **{name: version_of(name) for name in PACKAGES}}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(plain(value), sort_keys=True).encode()).hexdigest()

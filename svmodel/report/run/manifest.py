"""What a run leaves behind about itself: a marker in each area's folder, and the manifest of the study."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import svmodel
from svmodel.errors import DataError
from svmodel.files import atomic_write_text, file_hash
from svmodel.report.run.plan import Plan

#: Written last into an area's folder; without it the folder is not complete.
MARKER = ".complete.json"
#: Files that hold times or places, so that two runs do not give the same bytes.
VOLATILE = (MARKER, "evaluation.ipynb", "run.log")
_FORMAT = "svmodel-manifest-1"


@dataclass(frozen=True)
class AreaOutcome:
    """How one area fared.

    Parameters
    ----------
    code, name : str
    status : {"made", "skipped", "failed"}
        ``skipped`` means that its report was there and still good.
    message : str
        Why it failed.
    seconds : float
        How long it took.
    folder : str
        Name of its folder; its code where empty.
    """

    code: str
    name: str
    status: str
    message: str = ""
    seconds: float = 0.0
    folder: str = ""

    @property
    def place(self) -> str:
        """Name of its folder."""
        return self.folder or self.code

    @property
    def failed(self) -> bool:
        """Whether there is no report."""
        return self.status == "failed"


def mark(folder: Path, area_hash: str, *, message: str = "") -> None:
    """Say that a folder is whole; `message` says why its report failed, where it did."""
    status = "failed" if message else "made"
    held = {"hash": area_hash, "status": status, "message": message, "files": list_files(folder)}
    (folder / MARKER).write_text(json.dumps(held, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def is_complete(folder: Path, area_hash: str) -> bool:
    """Return whether a folder holds a report that is still good: same hash, and every file as it was written."""
    held = read_mark(folder)
    if held is None or held.get("hash") != area_hash or held.get("status") != "made":
        return False
    files = held.get("files", {})
    return "report.html" in files and list_files(folder) == files


def read_mark(folder: Path) -> dict[str, Any] | None:
    """Return the marker of a folder, or None where there is none that can be read."""
    try:
        held = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return held if isinstance(held, dict) else None


def list_files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 by relative path of every file of a folder that two runs write alike."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in VOLATILE)
    return {p.relative_to(folder).as_posix(): file_hash(p) for p in paths}


def write_manifest(plan: Plan, outcomes: tuple[AreaOutcome, ...], *, started: str, seconds: float) -> Path:
    """Write ``manifest.json``: the only file of a run that holds times.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    areas = {}
    for outcome in outcomes:
        held = read_mark(plan.area_folder(outcome.code)) or {}
        areas[outcome.code] = {
            **asdict(outcome),
            "folder": outcome.place,
            "hash": held.get("hash"),
            "files": held.get("files", {}),
        }
    manifest = {
        "format": _FORMAT,
        "svmodel": svmodel.__version__,
        "study": plan.study.key,
        "study_file": file_hash(plan.study.path),
        "notebook": plan.notebook.name,
        "hashes": dict(plan.hashes),
        "data_files": dict(plan.files),
        "parameters": dict(plan.parameters),
        "seed": plan.study.seed,
        "versions": dict(plan.versions),
        "started": started,
        "seconds": round(seconds, 1),
        "failed": sum(o.failed for o in outcomes),
        "areas": areas,
    }
    path = plan.folder / "manifest.json"
    atomic_write_text(path, json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    return path


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a finished run.

    Raises
    ------
    DataError
        If the folder holds no finished run.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        what = "there is no such folder" if not folder.is_dir() else "it has no manifest.json"
        raise DataError(f"{str(folder)!r} is no finished run of svmodel: {what}")
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error}") from None
    if not isinstance(held, dict) or "format" not in held:
        raise DataError(f"{str(path)!r} is no manifest of svmodel")
    if held["format"] != _FORMAT:
        raise DataError(
            f"{str(path)!r} is of the format {held['format']!r}, and svmodel {svmodel.__version__} reads {_FORMAT!r}. "
            f"Make the reports again with `svmodel run`, or use svmodel {held.get('svmodel', 'of that time')}, which "
            "made them."
        )
    return held

"""The parameters that a study's notebook gets, and whether the notebook expects them by these names and types."""

from __future__ import annotations

import ast
import json
from pathlib import Path

from pydantic.dataclasses import dataclass

from svmodel.errors import Problem, nearest
from svmodel.report.study.fields import STRICT, fields_of
from svmodel.report.study.model import Study


@dataclass(frozen=True, config=STRICT)
class NotebookParameters:
    """What papermill gives to the notebook of an area."""

    context: str
    """saved fits of the study, for `open_area`; in a notebook that is opened by hand, a study file"""
    area_code: str
    """code of the reporting area"""
    output: str
    """folder of its own, to which it writes `report.html`"""


def problems_of_notebook(study: Study) -> list[Problem]:
    """Return what in the notebook's cell of parameters would keep it from getting those of its area.

    A notebook without such a cell gets them all the same.
    """
    if study.notebook is None:
        return []
    wanted = fields_of(NotebookParameters)
    found = []
    try:
        given = _assigned(study.notebook)
    except (ValueError, TypeError, KeyError, SyntaxError, OSError) as error:
        found.append(
            (
                f"{study.notebook.name} is no notebook that can be read: {type(error).__name__}: {error}",
                "",
                "no_notebook",
            )
        )
        given = {}
    for name in (n for n in wanted if given and n not in given):
        near = nearest(name, set(given) - set(wanted))
        if near is not None:
            what = f"{study.notebook.name} expects the parameter {near!r}, and is given {name!r}"
            found.append((what, f"Call it {name!r} in its cell of parameters.", "unknown_parameter"))
    for name, value in given.items():
        if name in wanted and value is not None and not isinstance(value, str):
            what = f"{study.notebook.name} expects {name!r} to be {value!r}, and is given a text"
            found.append((what, "", "wrong_type"))
    return [Problem(what, "notebook", fix, study.line("notebook"), rule) for what, fix, rule in found]


def _assigned(path: Path) -> dict[str, object]:
    """Return the names that a notebook's cell of parameters sets, each with its value where that is written out."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    found: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code" and "parameters" in cell["metadata"].get("tags", []):
            for line in ast.parse("".join(cell["source"])).body:
                targets = line.targets if isinstance(line, ast.Assign) else []
                targets = [line.target] if isinstance(line, ast.AnnAssign) else targets
                value = line.value if isinstance(line, ast.Assign | ast.AnnAssign) else None
                for target in (t for t in targets if isinstance(t, ast.Name)):
                    found[target.id] = value.value if isinstance(value, ast.Constant) else None
    return found

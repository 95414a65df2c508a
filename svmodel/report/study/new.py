"""Writing a study file for a data file: what was understood and why, and what only the owner can decide."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable
from pathlib import Path

import yaml

from svmodel import periods
from svmodel.errors import UserError
from svmodel.files import atomic_write_text
from svmodel.report.study.understood import Understood, understand

_WIDTH = 110
_MOST_TOLD = 30


def new_study(data: Path, out: Path | None = None) -> tuple[Path, Understood]:
    """Write a study file for a data file.

    Parameters
    ----------
    data : Path
        A data file, or a folder of street files.
    out : Path, optional
        The file to write; by default beside the data, with the data's name.

    Returns
    -------
    path : Path
        Of the study file. It runs as it stands where no question is open and nothing is wrong with the data.
    understood : Understood

    Raises
    ------
    UserError
        If the data cannot be opened, or the study file is there already.
    """
    out = out or data.parent / f"{data.name.split('.')[0] or 'study'}.yaml"
    if out.suffix.casefold() not in (".yaml", ".yml"):
        raise UserError(f"a study file is called something.yaml; {out} is not")
    if out.exists():
        raise UserError(f"{out} is there already; name another file with --out, or delete it")
    found = understand(data)
    atomic_write_text(out, study_text(found, out))
    return out, found


def study_text(found: Understood, out: Path) -> str:
    """Return the text of a study file for what was understood.

    Parameters
    ----------
    found : Understood
    out : Path
        Where it will stand; the path of the data is written from there.
    """
    lines = [
        f"# Written by `svmodel new` from {found.path.name}. Lines that begin with # are notes; change what is not so."
    ]
    lines += _notes("What was done to the file:", [str(e) for e in _told(found)])
    lines += _notes("Columns that are not used:", [f"{c}: {why}" for c, why in found.left_out.items()])
    if found.problems:
        lines += _notes("What is wrong with the data, and has to be put right first:", [str(p) for p in found.problems])
    lines += ["", f"title: {_quoted(_title(found))}", *_data(found, out), "", *_outcomes(found), *_later(found)]
    return "\n".join(lines) + "\n"


def _told(found: Understood) -> Iterable[object]:
    return found.entries if found.panel is None else found.panel.ledger


def _notes(head: str, items: list[str]) -> list[str]:
    if not items:
        return []
    lines = ["#", f"# {head}"]
    for item in items[:_MOST_TOLD]:
        text = " ".join(item.split())
        lines += textwrap.wrap(text, _WIDTH, initial_indent="# - ", subsequent_indent="#   ", break_long_words=False)
    return lines + ([f"# - and {len(items) - _MOST_TOLD} more"] if len(items) > _MOST_TOLD else [])


def _title(found: Understood) -> str:
    spec, panel = found.spec, found.panel
    what = spec.counts[0].replace("_", " ") if spec.counts else found.path.name.split(".")[0]
    if len(spec.counts) > 1:
        what += f" and {len(spec.counts) - 1} more"
    what = what[:1].upper() + what[1:]
    if panel is None:
        return what
    n = len(panel.reporting_areas)
    return f"{what} in {n} areas" if n > 1 else f"{what} in {panel.label(panel.reporting_areas[0])}"


def _data(found: Understood, out: Path) -> list[str]:
    spec = found.spec
    path = os.path.relpath(found.path.resolve(), out.resolve().parent)
    lines = ["data:", f"  path: {_quoted(Path(path).as_posix())}"]
    if spec.layout != "tidy":
        lines.append(f"  layout: {spec.layout}  # the columns are a publisher's")
    else:
        single = {key: getattr(spec, key) for key in ("area", "period", "name")}
        several = {key: getattr(spec, key) for key in ("counts", "exposures")}
        lines += [f"  {key}: {_quoted(name)}" for key, name in single.items() if name]
        lines += [f"  {key}: [{', '.join(map(_quoted, names))}]" for key, names in several.items() if names]
    if found.frame is None and spec.layout == "tidy":
        lines += ["  # area: the column that names the area", "  # period: the column that names the month"]
        lines += ["  # counts: [the columns that hold counts]"]
    for question in found.questions:
        lines += ["  # TO DECIDE: only you can say; take the # and all but one answer away."]
        why = " ".join(question.why.split())
        lines += textwrap.wrap(why, _WIDTH, initial_indent="  #   ", subsequent_indent="  #   ")
        lines.append(f"  # {question.key}: {' | '.join(question.choices)}")
    if spec.layout == "tidy" and found.left_out:
        numeric = [c for c, why in found.left_out.items() if why.startswith("numbers that are")]
        words = [c for c, why in found.left_out.items() if why.startswith("words")]
        if numeric:
            lines.append(f"  # measures: [{', '.join(map(_quoted, numeric))}]  # if one of these is studied")
        if words:
            lines.append(f"  # parent: {_quoted(words[0])}  # if reports shall be made for what the areas lie in")
    return lines


def _outcomes(found: Understood) -> list[str]:
    lines = ["outcomes:  # the first is the headline"]
    lines += [f"  - column: {_quoted(c)}" for c in found.spec.counts]
    if not found.spec.counts:
        lines.append("  # - column: a column of counts")
    if any(q.key == "columns_are" for q in found.questions):
        lines.append("  # with columns_are: outcomes, name the columns themselves here and under counts")
    if found.spec.exposures:
        lines += ["", f"exposure: {_quoted(found.spec.exposures[0])}"]
    return lines


def _later(found: Understood) -> list[str]:
    """Return the keys that a study takes further, as comments with names from the data."""
    panel = found.panel
    if panel is None:
        return []
    lines = ["", "# Where and when something was done; without it no effect is estimated."]
    area, when = _quoted(panel.areas[0]), periods.code(panel.periods[len(panel.periods) // 2])
    lines += ["# intervention:", "#   name: what was done", f"#   starts: {{{area}: {when}}}"]
    small = [c for c in panel.counts if ((panel.matrix(c) > 0) & (panel.matrix(c) < 5)).any()]
    if small:
        lines += [
            "",
            "# Some counts are below 5. Before pages leave the house:",
            "# disclosure:",
            "#   rule: threshold",
        ]
    return lines


def _quoted(text: object) -> str:
    """Return a text as YAML writes it inside a list or a group."""
    written = yaml.safe_dump([str(text)], default_flow_style=True, allow_unicode=True, width=10**6).strip()
    return written[1:-1]


def describe_new(path: Path, found: Understood) -> str:
    """Return what is said once a study file is written."""
    lines = [f"{path} is written."]
    if found.problems:
        lines.append(
            f"  {len(found.problems)} things are wrong with the data; the file lists them, and does not run yet."
        )
    if found.questions:
        lines.append("  To decide in it before it runs:")
        lines += [f"    {q.key}: {' | '.join(q.choices)}" for q in found.questions]
    if not found.problems and not found.questions:
        lines.append(f"  It runs as it stands: svmodel run {path}")
    return "\n".join(lines)

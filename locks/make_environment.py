"""Write environment.yml from pyproject.toml, with the names that conda-forge uses.

``--check`` says whether the file is in step and writes nothing; a test runs that.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONDA_NAMES = {"matplotlib": "matplotlib-base"}


def environment() -> str:
    """Return the text that environment.yml has to hold."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [
        "# Written by `make environment` from pyproject.toml; change that file, not this one.",
        "name: svmodel",
        "channels:",
        "  - conda-forge",
        "  - nodefaults",
        "dependencies:",
        f"  - python{project['requires-python']},<3.14",
    ]
    for requirement in (*project["dependencies"], *project["optional-dependencies"]["dev"]):
        name, bounds = re.fullmatch(r"([A-Za-z0-9_.-]+)(.*)", requirement).groups()
        lines.append(f"  - {CONDA_NAMES.get(name, name.lower())}{bounds}")
    lines += ["  - pip", "  - pip:", "      - --editable .", ""]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Write the file, or with ``--check`` compare it."""
    target = ROOT / "environment.yml"
    text = environment()
    if "--check" in arguments:
        if target.read_text(encoding="utf-8") == text:
            return 0
        print("environment.yml is not in step with pyproject.toml: run `make environment`", file=sys.stderr)
        return 1
    target.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

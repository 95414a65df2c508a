"""Write one lock per supported Python: names, versions and hashes, and no index address.

Run by ``make lock``. Needs ``uv``, which only the maintainer who renews the locks has to have.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHONS = ("3.11", "3.12", "3.13")


def _compile(python: str, extras: tuple[str, ...], output: Path) -> None:
    """Resolve for one minor version only, so that no other version's branch is locked beside it."""
    text = (HERE.parent / "pyproject.toml").read_text(encoding="utf-8")
    text = re.sub(r'requires-python = ".*"', f'requires-python = "=={python}.*"', text)
    text += f"\n[tool.uv]\nenvironments = [\"python_version == '{python}'\"]\n"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "pyproject.toml"
        source.write_text(text, encoding="utf-8")
        command = ["uv", "pip", "compile", str(source), "--quiet", "--universal"]
        command += ["--python-version", python, "--generate-hashes", "--no-header", "--no-annotate"]
        command += ["--no-emit-index-url", "--no-emit-find-links", "--output-file", str(output)]
        for extra in extras:
            command += ["--extra", extra]
        subprocess.run(command, check=True, cwd=folder)


def main() -> int:
    """Renew every lock."""
    for python in PYTHONS:
        tag = "py" + python.replace(".", "")
        _compile(python, ("dev",), HERE / f"{tag}.txt")
    _compile("3.11", ("dev", "bench"), HERE / "bench-py311.txt")
    for lock in HERE.glob("*.txt"):
        if re.search(r"https?://", lock.read_text(encoding="utf-8")):
            print(f"{lock.name} holds an address; take it out before committing", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""How long `import svmodel` takes, beside the packages it stands on.

Medians of alternated runs, each in a new interpreter; the time of an interpreter that imports nothing is taken off.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

MODULES = ("svmodel", "numpy", "pandas", "statsmodels.api", "pyfixest", "pymc")
RUNS = 5


def seconds(code: str) -> float:
    """Return the wall seconds of one interpreter running `code`."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return time.perf_counter() - begun


def main() -> None:
    """Measure and write results/import.md."""
    codes = {"(nothing)": "pass", **{m: f"import {m}" for m in MODULES}}
    for code in codes.values():
        seconds(code)
    taken: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(RUNS):
        for name, code in codes.items():
            taken[name].append(seconds(code))
    bare = median(taken["(nothing)"])
    own = median(taken["svmodel"]) - bare
    lines = [
        "# Importing svmodel",
        "",
        f"Medians of {RUNS} alternated runs, each in a new interpreter (Python {sys.version.split()[0]}, Linux),",
        f"less the {bare:.3f} s of an interpreter that imports nothing.",
        "",
        "| import | seconds | times svmodel's |",
        "|---|---:|---:|",
    ]
    for name in MODULES:
        took = median(taken[name]) - bare
        lines.append(f"| {name} | {took:.3f} | {took / own:.0f} |")
    text = "\n".join(lines) + "\n"
    (Path(__file__).parent / "results" / "import.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

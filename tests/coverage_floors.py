"""Print what share of each room's lines and branches the tests take, and hold the floors that pyproject.toml sets.

Run by ``make coverage``, which has measured. A floor is the fewest per cent of the branches of a folder or file.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
AT_THE_ROOT = "(files at the root)"
COUNTS = ("num_statements", "covered_lines", "num_branches", "covered_branches")


def floors():
    """Return path -> fewest per cent of its branches."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["svmodel"]["coverage"]


def measured():
    """Return path -> counts of each file, from the data that lie in the project's folder."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        subprocess.run([sys.executable, "-m", "coverage", "json", "--quiet", "-o", report], check=True, cwd=ROOT)
        files = json.loads(report.read_text(encoding="utf-8"))["files"]
    return {Path(name).as_posix(): held["summary"] for name, held in files.items()}


def summed(files, inside):
    """Return the counts of all files that are a path or lie in it; None where there is none."""
    held = [counts for name, counts in files.items() if Path(name).is_relative_to(inside)]
    return {key: sum(counts[key] for counts in held) for key in COUNTS} if held else None


def share(taken, of):
    """Return a per cent; all of nothing is all."""
    return 100 * taken / of if of else 100.0


def table(files, least):
    """Return the table of rooms, and what is wrong: floors that are not held, and floors of nothing."""
    alone = {name: counts for name, counts in files.items() if len(Path(name).parts) == 2}
    rooms = {"/".join(Path(name).parts[:2]) for name in files if name not in alone}
    lines = ["| | statements | taken | branches | taken | floor |", "|---|--:|--:|--:|--:|--:|"]
    wrong = [f"{path}: nothing of it was measured" for path in least if summed(files, path) is None]
    for path in [*sorted({*rooms, *least}), AT_THE_ROOT, "svmodel"]:
        held = summed(alone, "svmodel") if path == AT_THE_ROOT else summed(files, path)
        if held is None:
            continue
        branches = share(held["covered_branches"], held["num_branches"])
        floor = least.get(path)
        lines.append(
            f"| {path} | {held['num_statements']:,} | {share(held['covered_lines'], held['num_statements']):.1f}% "
            f"| {held['num_branches']:,} | {branches:.1f}% | {'' if floor is None else f'{floor}%'} |"
        )
        if floor is not None and branches < floor:
            wrong.append(f"{path}: {branches:.1f}% of its branches are taken, and its floor is {floor}%")
    return "\n".join(lines), wrong


def main():
    """Print the table; return 1 if a floor is not held."""
    lines, wrong = table(measured(), floors())
    print(lines)
    print(*wrong, sep="\n", file=sys.stderr, end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""Copy the coverage table of methods.md from benchmarks/results/calibration.md: ``python docs/quote_calibration.py``.

Run by ``make calibrate``; a test holds the page to the results.
"""  # noqa: INP001 - a script beside the page that it serves

from __future__ import annotations

from pathlib import Path

DOCS = Path(__file__).resolve().parent
RESULTS = DOCS.parent / "benchmarks" / "results" / "calibration.md"
START, END = "<!-- calibration: start -->", "<!-- calibration: end -->"
HEAD = (
    "| scenario | estimator | scale | coverage (MC s.e.) | s.e. / s.d. | interval without 0 |\n"
    "|---|---|---|--:|--:|--:|"
)
SCALES = ("log rate ratio", "events")


def quoted(results: str) -> str:
    """Return the rows that methods.md quotes, each cell as it stands in the results."""
    lines, scenario = [HEAD], ""
    for line in results.splitlines():
        if line.startswith("## "):
            scenario = line.removeprefix("## ")
        cells = [c.strip() for c in line.strip("|").split("|")]
        if scenario and len(cells) == 7 and cells[1] in SCALES:
            estimator, scale, _truth, _bias, coverage, errors, rejected = cells
            lines.append(f"| {scenario} | {estimator} | {scale} | {coverage} | {errors} | {rejected} |")
    return "\n".join(lines)


def renewed(page: str, results: str) -> str:
    """Return the page with its table as the results have it now."""
    before, rest = page.split(START)
    _, after = rest.split(END)
    return f"{before}{START}\n{quoted(results)}\n{END}{after}"


if __name__ == "__main__":
    methods = DOCS / "methods.md"
    text = renewed(methods.read_text(encoding="utf-8"), RESULTS.read_text(encoding="utf-8"))
    methods.write_text(text, encoding="utf-8")

"""Copy what methods.md and coverage.md quote of the calibration's results: ``python docs/quote_calibration.py``.

Run by ``make calibrate``; a test holds the page to the results.
"""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parent
RESULTS = DOCS.parent / "benchmarks" / "results" / "calibration.md"
START, END = "<!-- calibration: start -->", "<!-- calibration: end -->"
HEAD = (
    "| scenario | estimator | scale | coverage (MC s.e.) | s.e. / s.d. | interval without 0 |\n"
    "|---|---|---|--:|--:|--:|"
)
#: Tables of which coverage.md quotes the verdict and the lines that are marked.
MARKED = ("calibration_inference", "calibration_estimators")
NOT_MADE = "The table has not been made."
#: Of the Bayesian models: what no model gets wrong in silence, and every line where the model is wrong.
BAYES = "calibration_bayes"
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


def verdict_and_marks(results: str) -> str:
    """Return the sentence that sums a table up, and the table with the lines in which a coverage is marked."""
    results, _, again = results.partition("\n## Drawn again\n")
    lines = results.splitlines()
    verdict = next(line for line in lines if line.startswith("Of "))
    head = next(k for k, line in enumerate(lines) if line.startswith("|"))
    marked = [line for line in lines[head + 2 :] if re.search(r" !!? \|", line)]
    quote = [verdict, "", *lines[head : head + 2], *marked] if marked else [verdict]
    if again:
        quote += ["", "Drawn again:", "", *(line for line in again.splitlines() if line.startswith("|"))]
    return "\n".join(quote)


def of_bayes(results: str) -> str:
    """Return what is said of the Bayesian models' ranks, with marked lines, and of fixed effects, with all lines."""
    ranks, _, fixed = results.partition("\n## Effects that are fixed")
    quote = [] if NOT_MADE in ranks else ["Ranks: " + verdict_and_marks(ranks) + "\n"]
    if fixed and NOT_MADE not in fixed:
        lines = fixed.splitlines()
        verdict = next(line for line in lines if line.startswith("Of "))
        quote += ["Fixed effects: " + verdict + "\n", *(line for line in lines if line.startswith("|"))]
    return "\n".join(quote) or NOT_MADE


def with_marks(page: str) -> str:
    """Return the page with what it quotes of each table that has been made."""
    for name in (*MARKED, BAYES):
        held = RESULTS.with_name(f"{name}.md")
        if held.exists():
            start, end = f"<!-- {name}: start -->", f"<!-- {name}: end -->"
            before, rest = page.split(start)
            quote = (of_bayes if name == BAYES else verdict_and_marks)(held.read_text(encoding="utf-8"))
            whole = f"The whole table: [{name}.md](../benchmarks/results/{name}.md)."
            page = f"{before}{start}\n{quote}\n\n{whole}\n{end}{rest.split(end)[1]}"
    return page


if __name__ == "__main__":
    methods = DOCS / "methods.md"
    text = renewed(methods.read_text(encoding="utf-8"), RESULTS.read_text(encoding="utf-8"))
    methods.write_text(text, encoding="utf-8")
    coverage = DOCS / "coverage.md"
    coverage.write_text(with_marks(coverage.read_text(encoding="utf-8")), encoding="utf-8")

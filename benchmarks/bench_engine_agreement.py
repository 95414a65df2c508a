"""Nested Laplace beside NUTS on four fixed data sets, with chains so long that their own error is out of the way.

Run with ``python benchmarks/bench_engine_agreement.py``; it writes benchmarks/results/engine_agreement.md. It takes
some ten minutes of a processor. tests/bayes/test_nuts.py holds the same data sets with shorter chains.
"""

# ruff: noqa: E402 - the number of threads is read when numpy is imported

from __future__ import annotations

import argparse
import os
import platform
import time
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np
from fixed_panels import CASES, quantities

from svmodel.bayes.agreement import MEAN_WITHIN, SD_WITHIN, Pair
from svmodel.engine import arrived, run
from svmodel.engine.nuts import CHAINS

OUT = Path(__file__).parent / "results" / "engine_agreement.md"
_INTRO = """\
# Nested Laplace beside NUTS

{draws:,} draws of each, in four chains of NUTS; fixed data sets of benchmarks/fixed_panels.py. **Mean** is the largest
difference of two means, in posterior standard deviations, and **s.d.** the range of ratios of standard deviations,
nested Laplace over NUTS, both as they stand: nothing is allowed for Monte Carlo error, of which **error** is the
largest of a ratio. Asked for: means within {mean}, standard deviations within {sd:.0%}. Effects are the
average and that of every treated area, on the map rates of every 13th area and every fifth period.

| data set | of | number | mean | s.d. | error | R-hat | diverged | fewest ESS | seconds, NUTS | seconds, Laplace |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
"""


def lines(name: str, draws: int) -> list[str]:
    """Return the rows of a data set: of what is reported, and of the hyperparameters."""
    model = CASES[name]()
    begun = time.process_time()
    laplace = arrived(run(model, "laplace", draws=draws, seed=1), name)
    middle = time.process_time()
    nuts = arrived(run(model, "nuts", draws=draws, seed=1), name)
    seconds = (time.process_time() - middle, middle - begun)
    c, rows = nuts.convergence, []
    kinds = {
        "effects": [quantities(model, p) for p in (laplace, nuts)],
        "hyperparameters": [p.hyper for p in (laplace, nuts)],
    }
    for kind, (mine, theirs) in kinds.items():
        found = [Pair(q, np.asarray(mine[q]), np.asarray(theirs[q]), CHAINS) for q in mine]
        ratios = [p.ratio for p in found]
        rows.append(
            f"| {name} | {kind} | {len(found)} | {max(abs(p.difference) for p in found):.3f} "
            f"| {min(ratios):.3f} to {max(ratios):.3f} | {max(p.ratio_error for p in found):.3f} | {c.r_hat:.4f} "
            f"| {c.divergences} | {c.ess_bulk:,.0f} | {seconds[0]:.0f} | {seconds[1]:.1f} |"
        )
    return rows


def main() -> None:
    """Run every data set and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=24_000)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    text = _INTRO.format(draws=given.draws, mean=MEAN_WITHIN, sd=SD_WITHIN)
    text += "\n".join(row for name in CASES for row in lines(name, given.draws))
    given.out.write_text(f"{text}\n\nPython {platform.python_version()}, {platform.machine()}.\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

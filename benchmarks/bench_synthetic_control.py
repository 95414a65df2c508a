"""Synthetic control with nested V and every placebo on California's tobacco programme, beside pysyncon.

39 states x 31 years, seven predictors (Abadie, Diamond and Hainmueller 2010). Ours is the whole Result: California and
all 38 placebos, each with predictor weights of its own. pysyncon fits one unit at a time and is timed on California,
beside our fit of California alone. Times are processor seconds of this process, on one thread.

Run with ``SVMODEL_REAL_DATA=... python benchmarks/bench_synthetic_control.py``; it writes
benchmarks/results/synthetic_control.md.
"""

# ruff: noqa: E402 - the number of threads is read when numpy is imported

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np
import pandas as pd

import svmodel as sv
from svmodel.counterfactual import SyntheticControl
from svmodel.numerics.synthetic.nested_v import nested_v

HERE = Path(__file__).parent
RUNS, CALIFORNIA = 3, 3
LAGS = (1975, 1980, 1988)
MEANS = ("lnincome", "age15to24", "retprice")
PREDICTORS = [
    *((name, 1980, 1988) for name in MEANS),
    ("beer", 1984, 1988),
    *(("outcome", year) for year in LAGS),
]
HAVE = importlib.util.find_spec("pysyncon") is not None


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.process_time()
    out = call()
    return time.process_time() - begun, out


def national(frame: pd.DataFrame) -> sv.Design:
    panel = sv.Panel.from_frame(
        frame.assign(state=[f"state {s:02d}" for s in frame["state"]]),
        area="state",
        period="year",
        measures=["cigsale"],
        covariates=["lnincome", "beer", "age15to24", "retprice"],
    )
    starts = {f"state {CALIFORNIA:02d}": 1989}
    return sv.Design(panel, outcome="cigsale", intervention=sv.Intervention("Proposition 99", starts))


def one_unit(frame: pd.DataFrame, unit: int, controls: list[int]) -> Any:
    """Fit one unit with our nested weights, from the same frame as pysyncon."""
    wide = frame.set_index(["year", "state"]).unstack("state")  # noqa: PD010 - nothing to aggregate
    rows = [wide[name].loc[1980:1988].mean() for name in MEANS]
    rows += [wide["beer"].loc[1984:1988].mean(), *(wide["cigsale"].loc[year] for year in LAGS)]
    X, Z = pd.DataFrame(rows), wide["cigsale"].loc[1970:1988]
    return nested_v(*(part.to_numpy() for part in (X[controls], X[unit], Z[controls], Z[unit])))


def theirs(frame: pd.DataFrame, unit: int, controls: list[int], method: str, initial: str) -> Any:
    from pysyncon import Dataprep, Synth

    made = Dataprep(
        foo=frame,
        predictors=list(MEANS),
        predictors_op="mean",
        time_predictors_prior=range(1980, 1989),
        special_predictors=[
            ("beer", range(1984, 1989), "mean"),
            *(("cigsale", [year], "mean") for year in LAGS),
        ],
        dependent="cigsale",
        unit_variable="state",
        time_variable="year",
        treatment_identifier=unit,
        controls_identifier=controls,
        time_optimize_ssr=range(1970, 1989),
    )
    fit = Synth()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit.fit(made, optim_method=method, optim_initial=initial)
    return fit


def main() -> int:
    """Run everything and write the table."""
    root = os.environ.get("SVMODEL_REAL_DATA")
    if root is None:
        print("SVMODEL_REAL_DATA is not set: nothing is measured")
        return 0
    frame = pd.read_csv(Path(root) / ".." / "golden" / "prop99_smoking_predictors.csv")
    frame = frame.astype({"year": int, "state": int})
    design = national(frame)
    estimator = SyntheticControl(predictors=PREDICTORS)
    runs = [seconds(lambda: estimator.fit(design)) for _ in range(RUNS)]
    whole, result = statistics.median(t for t, _ in runs), runs[0][1]
    plain = statistics.median(seconds(lambda: SyntheticControl().fit(design))[0] for _ in range(RUNS))
    donors = [s for s in range(1, 40) if s != CALIFORNIA]
    settings = [("Nelder-Mead", "equal"), ("BFGS", "ols")] if HAVE else []
    took, ours = seconds(lambda: one_unit(frame, CALIFORNIA, donors))
    rows = []
    for method, initial in settings:
        other, fit = seconds(functools.partial(theirs, frame, CALIFORNIA, donors, method, initial))
        rows.append(
            f"| {method}, {initial} | {1000 * took:.0f} | {1000 * other:.0f} | {other / took:.0f} | {ours.loss:.2f} | "
            f"{fit.loss_V:.2f} |"
        )
        print(rows[-1], flush=True)
    weights = result.weights[result.weights["role"] == "donor"].sort_values("weight", ascending=False)
    listed = ", ".join(f"{r.area} {r.weight:.3f}" for r in weights.itertuples())
    packages = ["svmodel", "numpy", "scipy", *(["pysyncon"] if HAVE else [])]
    versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in packages)
    text = f"""# Synthetic control with nested predictor weights

Made by `benchmarks/bench_synthetic_control.py` in one run, processor seconds on one thread of a machine with
{os.cpu_count()} cores ({platform.system()}); {versions}, Python {sys.version.split()[0]}. California's tobacco
programme, 39 states x 31 years, seven predictors.

| our whole Result, medians of {RUNS} runs | seconds |
|---|---:|
| nested V, California and all {result.diagnostics["placebos"]} placebos | {whole:.1f} |
| outcome only, California and all 38 placebos | {plain:.2f} |

Weights of California: {listed}.

California alone, beside pysyncon. The loss is the mean squared gap of the outcome before the start, which both
minimise; the lower the better.

| pysyncon's search, start | ours, ms | pysyncon, ms | ratio | loss, ours | loss, pysyncon |
|---|---:|---:|---:|---:|---:|
{chr(10).join(rows) if rows else "| pysyncon is not installed | | | | | |"}
"""
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "synthetic_control.md").write_text(text)
    print(text)
    return 0 if np.isfinite(whole) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Synthetic difference-in-differences with placebos, against diff-diff and a transcription of R's algorithm.

Medians of three alternated runs in this process, on one thread. svmodel answers with its whole Result from a design
that is there already, all placebos enumerated. diff-diff starts from a long frame and takes its 200 default placebo
draws, and as many draws as there are donors. The transcription takes the steps of R's synthdid one by one with matrix
products, as R does, and gives the estimate and the enumerated placebos alone. R itself is not run.

Run: SVMODEL_REAL_DATA=... python benchmarks/bench_synthetic_did.py
"""

# ruff: noqa: E402 - the number of threads is read when numpy is imported

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from statistics import median

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np
import pandas as pd

import svmodel as sv
from svmodel.counterfactual import SyntheticDiD

HERE = Path(__file__).parent
RUNS = 3


def proposition_99() -> pd.DataFrame | None:
    """Cigarette packs by state and year, where the data are at hand; the treated state sorts last."""
    folder = os.environ.get("SVMODEL_REAL_DATA")
    path = Path(folder) / ".." / "golden" / "prop99_synthdid.csv" if folder else None
    if path is None or not path.exists():
        return None
    frame = pd.read_csv(path, sep=None, engine="python")
    frame = frame.set_axis(["area", "period", "y", "on"], axis=1)
    frame["area"] = np.where(frame["area"] == "California", "zz California", frame["area"])
    return frame.sort_values(["area", "period"], ignore_index=True)


def simulated(areas: int, length: int, first: int, seed: int = 2026) -> pd.DataFrame:
    """Return a measure that follows two common series with loads of each area's own; the last area is treated."""
    rng = np.random.default_rng(seed)
    series = np.cumsum(rng.normal(0, 0.5, (2, length)), axis=1)
    y = 40 + rng.normal(0, 4, (areas, 1)) + rng.uniform(0, 2, (areas, 2)) @ series + rng.normal(size=(areas, length))
    on = (np.arange(areas)[:, None] == areas - 1) & (np.arange(length) >= first)
    names = [f"area {i:04d}" for i in range(areas)]
    grid = {"area": np.repeat(names, length), "period": np.tile(np.arange(1900, 1900 + length), areas)}
    return pd.DataFrame({**grid, "y": y.ravel(), "on": on.ravel().astype(int)})


def design_of(frame: pd.DataFrame) -> sv.Design:
    """Return the question to svmodel."""
    panel = sv.Panel.from_frame(frame[["area", "period", "y"]], area="area", period="period", measures=["y"])
    on = frame[frame["on"] == 1]
    return sv.Design(
        panel, outcome="y", intervention=sv.Intervention("it", {on["area"].iloc[0]: int(on["period"].min())})
    )


def one_step(a: np.ndarray, x: np.ndarray, b: np.ndarray, eta: float) -> np.ndarray:
    """Take one Frank-Wolfe step with exact line search."""
    ax = a @ x
    half = (ax - b) @ a + eta * x
    i = int(half.argmin())
    move = -x
    move[i] += 1
    if not move.any():
        return x
    error = a[:, i] - ax
    length = -(half @ move) / (error @ error + eta * (move @ move))
    return x + min(1.0, max(0.0, length)) * move


def steps(y: np.ndarray, zeta: float, x: np.ndarray, least: float, most: int) -> np.ndarray:
    """Take steps until one gains too little; the last column of `y` is the target."""
    y = y - y.mean(axis=0)
    rows = len(y)
    a, b = y[:, :-1], y[:, -1]
    before = np.inf
    for t in range(most):
        x = one_step(a, x, b, rows * zeta**2)
        error = y @ np.append(x, -1.0)
        now = zeta**2 * (x @ x) + error @ error / rows
        if t > 0 and not before - now > least**2:
            break
        before = now
    return x


def weights(y: np.ndarray, zeta: float, x: np.ndarray, least: float) -> np.ndarray:
    """Return weights in synthdid's two stages."""
    x = steps(y, zeta, x, least, 100)
    sparse = np.where(x <= x.max() / 4, 0.0, x)
    return steps(y, zeta, sparse / sparse.sum(), least, 10_000)


def as_r(y: np.ndarray, first: int) -> tuple[float, float]:
    """Return the estimate for the last row, and the standard deviation of all placebos."""
    noise = np.diff(y[:-1, :first], axis=1).std(ddof=1)
    zeta = (y.shape[1] - first) ** 0.25 * noise

    def one(z: np.ndarray, omega: np.ndarray, lam: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        collapsed = np.column_stack([z[:, :first], z[:, first:].mean(axis=1)])
        lam = weights(collapsed[:-1], 1e-6 * noise, lam, 1e-5 * noise)
        omega = weights(collapsed[:, :-1].T, zeta, omega, 1e-5 * noise)
        after = np.full(y.shape[1] - first, 1 / (y.shape[1] - first))
        return float(np.append(-omega, 1) @ z @ np.append(-lam, after)), omega, lam

    n = len(y) - 1
    estimate, omega, lam = one(y, np.full(n, 1 / n), np.full(first, 1 / first))
    placebos = []
    for k in range(n):
        start = np.delete(omega, k)
        even = np.full(n - 1, 1 / (n - 1))
        start = start / start.sum() if start.sum() > 0 else even
        placebos.append(one(np.vstack([np.delete(y[:n], k, axis=0), y[k]]), start, lam)[0])
    return estimate, float(np.std(placebos))


def peer(frame: pd.DataFrame, draws: int) -> tuple[float, float]:
    """Return diff-diff's estimate and its error from placebos that are drawn."""
    from diff_diff import SyntheticDiD as Peer

    after = sorted(frame.loc[frame["on"] == 1, "period"].unique())
    treated = set(frame.loc[frame["on"] == 1, "area"])
    ever = frame.assign(ever=frame["area"].isin(treated).astype(int))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = Peer(n_bootstrap=draws, seed=1).fit(
            ever, outcome="y", treatment="ever", unit="area", time="period", post_periods=after
        )
    return float(found.att), float(found.se)


def seconds(run: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def rows_of(label: str, frame: pd.DataFrame) -> list[str]:
    """Return the rows of one data set."""
    design = design_of(frame)
    y = design.arrays.y
    first = int(design.arrays.start[-1])
    donors = len(y) - 1

    def ours(solver: str) -> tuple[float, float]:
        effect = SyntheticDiD(solver=solver).fit(design).effect("att", "difference")
        return effect.estimate, effect.std_error

    calls: dict[str, tuple[int, Callable[[], tuple[float, float]]]] = {
        "svmodel, to the optimum": (donors, lambda: ours("exact")),
        "svmodel, R's steps": (donors, lambda: ours("frank_wolfe")),
        "R's steps, transcribed": (donors, lambda: as_r(y, first)),
        "diff-diff": (donors, lambda: peer(frame, donors)),
        "diff-diff, its default": (200, lambda: peer(frame, 200)),
    }
    answers = {name: call() for name, (_, call) in calls.items()}
    times = [{name: seconds(call) for name, (_, call) in calls.items()} for _ in range(RUNS)]
    took = {name: median(t[name] for t in times) for name in calls}
    quickest = took["svmodel, to the optimum"]
    out = []
    for name, (draws, _) in calls.items():
        estimate, error = answers[name]
        speed = f"{took[name]:.3f} | {took[name] / quickest:.0f}"
        row = f"| {label} | {name} | {draws} | {speed} | {estimate:.6f} | {error:.4f} |"
        print(row, flush=True)
        out.append(row)
    return out


def main() -> None:
    """Run everything and write the table."""
    rows = []
    packs = proposition_99()
    if packs is None:
        print("Proposition 99 left out: SVMODEL_REAL_DATA is not set")
    else:
        rows += rows_of("Proposition 99: 39 states x 31 years", packs)
    rows += rows_of("simulated: 60 areas x 84 periods", simulated(60, 84, 60))
    versions = ", ".join(f"{p} {metadata.version(p)}" for p in ("svmodel", "diff-diff", "numpy", "scipy", "pandas"))
    text = f"""# Synthetic difference-in-differences

Made by `benchmarks/bench_synthetic_did.py`: medians of {RUNS} alternated runs in one process, on one thread of a
machine with 2 cores (Linux); {versions}, Python {sys.version.split()[0]}.

svmodel gives its whole Result from a design that is there already, with every donor as a placebo. diff-diff draws its
placebos and starts from a long frame. *R's steps, transcribed* takes the steps of R's synthdid in numpy, and gives the
estimate and the placebos alone; R itself is not run. Its steps end short of the optimum, so answers differ a little.

| data | program | placebos | seconds | ratio | estimate | placebo s.e. |
|---|---|---:|---:|---:|---:|---:|
{chr(10).join(rows)}
"""
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "synthetic_did.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()

"""How time grows with areas, periods and cohorts: svmodel beside diff-diff, StatsPAI and pyfixest, in one run.

    python benchmarks/growth.py FOLDER [--rounds 2] [--quick]

Each peer is installed into an environment of its own under FOLDER, so that none decides what another runs on; svmodel
runs in this one. Every program is a process of its own, on one thread, makes the same data from the same seed, answers
once to load and compile what it needs, and is then timed up to three times. Programs are alternated and the least CPU
time of all is taken, since a shared machine only ever adds to it. What takes longer than the limit is given up and
said so.
"""

# ruff: noqa: E402 - the number of threads is read when numpy is imported

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import time
import venv
import warnings
from collections.abc import Callable
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np
import pandas as pd

OUT = Path(__file__).parent / "results" / "growth.md"
#: Of one size: its name, and the seconds of each program, or why there are none.
Row = tuple[str, dict[str, dict[str, float] | str]]
PEERS = {"diff-diff": "diff-diff==3.13.0", "StatsPAI": "StatsPAI==1.40.0", "pyfixest": "pyfixest==0.60.0"}
LIMIT = 60  # seconds of one process, making the data and loading included
ENOUGH = 8.0  # seconds of timed runs after which no further one is made
STUDIES = ("staggered", "counts", "synthetic")


def starts_of(areas: int, periods: int, cohorts: int, never: int) -> np.ndarray:
    """First treated period of each area, counted from 0; `periods` for the never treated, who come last."""
    first = np.unique(np.linspace(periods // 3, periods - 1, cohorts).round().astype(int))
    return np.append(first[np.arange(areas - never) % len(first)], np.full(never, periods))


def outcomes(study: str, areas: int, periods: int, cohorts: int, never: int) -> tuple[np.ndarray, np.ndarray]:
    """Return starts, shape (N,), and outcomes, shape (N, T): a measure, or counts for the study of counts."""
    rng = np.random.default_rng(2026)
    if study == "synthetic":
        start = np.append(np.full(areas - never, 2 * periods // 3), np.full(never, periods))
    else:
        start = starts_of(areas, periods, cohorts, never)
    t = np.arange(periods)
    on = t >= start[:, None]
    level = rng.gamma(8, 2.5, size=(areas, 1))
    mean = level * (1 + 0.1 * np.sin(t / 6)) * rng.gamma(40, 1 / 40, (areas, periods))
    if study == "counts":
        return start, rng.poisson(mean * np.where(on, 0.9, 1.0)).astype(float)
    return start, mean - 2.0 * on + rng.normal(0, 2, size=mean.shape)


def long_frame(start: np.ndarray, y: np.ndarray) -> pd.DataFrame:
    """Return id, t, g (0 for never), y and treated, as the peers take them."""
    N, T = y.shape
    g = np.repeat(np.where(start < T, start, 0), T)
    t = np.tile(np.arange(T), N)
    on = ((g > 0) & (t >= g)).astype(int)
    return pd.DataFrame({"id": np.repeat(np.arange(N), T), "t": t, "g": g, "y": y.ravel(), "treated": on})


def with_svmodel(study: str, program: str, start: np.ndarray, y: np.ndarray) -> Callable[[], object]:
    """Return a call that fits a design whose panel is there already, and reads every table of the result."""
    import svmodel as sv

    N, T = y.shape
    names = np.array([f"area {i:05d}" for i in range(N)], dtype=object)
    periods = pd.period_range("2010-01", periods=T, freq="M")
    frame = long_frame(start, y).assign(
        area=np.repeat(names, T), month=np.tile(np.array(list(periods), dtype=object), N)
    )
    kind = {"counts": ["y"]} if study == "counts" else {"measures": ["y"]}
    panel = sv.Panel.from_frame(frame[["area", "month", "y"]], area="area", period="month", **kind)
    intervention = sv.Intervention("started", {names[i]: periods[start[i]] for i in range(N) if start[i] < T})
    estimator = {
        "svmodel": lambda: sv.did.CallawaySantAnna(control="not_yet_treated"),
        "svmodel, pointwise": lambda: sv.did.CallawaySantAnna(control="not_yet_treated", simultaneous=False),
        "svmodel ETWFE": sv.did.ExtendedTwoWayFixedEffects,
        "svmodel SyntheticDiD": sv.counterfactual.SyntheticDiD,
        "svmodel SyntheticControl": sv.counterfactual.SyntheticControl,
    }[program]()

    def fit() -> object:
        result = estimator.fit(sv.Design(panel, outcome="y", intervention=intervention), seed=1)
        return len(result.estimates), result.counterfactual, result.weights, result.joint, result.diagnostics

    return fit


def with_peer(program: str, start: np.ndarray, y: np.ndarray) -> Callable[[], object]:
    """Return a call to a peer, from the long frame to all the averages that it gives."""
    frame = long_frame(start, y)
    if program == "diff-diff":
        from diff_diff import CallawaySantAnna

        def fit() -> object:
            found = CallawaySantAnna(control_group="not_yet_treated").fit(
                frame, outcome="y", unit="id", time="t", first_treat="g"
            )
            return [found.aggregate(kind) for kind in ("simple", "event_study", "group")]

        return fit
    if program == "diff-diff SyntheticDiD":
        from diff_diff import SyntheticDiD

        marked = frame.assign(treated=(frame["g"] > 0).astype(int))
        after = list(range(int(start[0]), y.shape[1]))
        return lambda: SyntheticDiD(seed=1).fit(
            marked, outcome="y", treatment="treated", unit="id", time="t", post_periods=after
        )
    if program == "StatsPAI":
        # never beside svmodel, and so no dependency of it: the environment made for it has it
        statspai = importlib.import_module("statspai")

        def fit_statspai() -> object:
            found = statspai.callaway_santanna(
                frame, y="y", g="g", t="t", i="id", control_group="notyettreated", base_period="varying"
            )
            return [statspai.aggte(found, type=kind) for kind in ("simple", "dynamic", "group")]

        return fit_statspai
    import pyfixest

    dummies = {}
    for g in np.unique(start[start < y.shape[1]]):
        for t in range(g, y.shape[1]):
            dummies[f"d{g}x{t}"] = ((frame["g"] == g) & (frame["t"] == t)).to_numpy(float)
    wide = pd.concat([frame, pd.DataFrame(dummies)], axis=1)
    formula = f"y ~ {' + '.join(dummies)} | id + t"
    return lambda: pyfixest.fepois(formula, wide, vcov={"CRV1": "id"})


def work(task: dict) -> dict[str, float]:
    """Time one program on one size, in this process."""
    warnings.simplefilter("ignore")
    start, y = outcomes(task["study"], *task["size"])
    ours = task["program"].startswith("svmodel")
    program = task["program"]
    call = with_svmodel(task["study"], program, start, y) if ours else with_peer(program, start, y)
    call()
    runs: list[tuple[float, float]] = []
    while len(runs) < 3 and sum(wall for _, wall in runs) < ENOUGH:
        cpu, wall = time.process_time(), time.perf_counter()
        call()
        runs.append((time.process_time() - cpu, time.perf_counter() - wall))
    return {"cpu": min(cpu for cpu, _ in runs), "wall": min(wall for _, wall in runs)}


def pythons(folder: Path) -> dict[str, str]:
    """Return the Python of each program, with the peers installed where they are not yet."""
    found = {"svmodel": sys.executable}
    for peer, needed in PEERS.items():
        home = folder / peer
        python = home / "bin" / "python"
        if not (home / "ready").exists():
            venv.create(home, with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", needed], check=True)
            (home / "ready").write_text(needed)
        found[peer] = str(python)
    return found


def tasks(*, quick: bool) -> dict[str, list[tuple[str, tuple[int, int, int, int], list[str]]]]:
    """Return each table: title -> (label, (areas, periods, cohorts, never treated), programs)."""
    cs = ["svmodel", "svmodel, pointwise", "diff-diff", "StatsPAI"]
    etwfe = ["svmodel ETWFE", "pyfixest"]
    sizes = [(8_000, 72, 47, 0), (2_000, 72, 47, 0), (500, 72, 47, 0)]
    sizes += [(8_000, 72, 15, 0), (8_000, 72, 5, 0), (2_000, 24, 12, 0), (2_000, 144, 47, 0)]
    counts = [(300, 72, 6, 210), (1_200, 72, 6, 840), (300, 144, 6, 210), (300, 72, 24, 210)]
    large = [(600, 72, 1, 540), (3_000, 72, 1, 2_700)]
    if quick:
        sizes, counts, large = sizes[2:3], counts[:1], large[:1]
    synthetic = ["svmodel SyntheticDiD", "svmodel SyntheticControl", "diff-diff SyntheticDiD"]
    label = "{0:,} x {1}, {2} cohorts, {3:,} never treated"
    return {
        "staggered": [(label.format(*s), s, cs) for s in sizes],
        "counts": [(label.format(*s), s, etwfe) for s in counts],
        "synthetic": [(label.format(*s).replace("1 cohorts", "1 cohort"), s, synthetic) for s in large],
    }


def measured(folder: Path, *, rounds: int, quick: bool) -> dict[str, list[Row]]:
    """Run everything, programs alternated within each size; keep the least of the rounds."""
    home = pythons(folder)
    found: dict[str, list[Row]] = {}
    for study, rows in tasks(quick=quick).items():
        found[study] = []
        for label, size, programs in rows:
            best: dict[str, dict[str, float] | str] = {}
            for _ in range(rounds):
                for program in programs:
                    if isinstance(best.get(program), str):
                        continue
                    python = home[next(k for k in home if program.startswith(k))]
                    task = json.dumps({"study": study, "program": program, "size": size})
                    own = _one(python, task)
                    old = best.get(program)
                    if isinstance(own, str) or not isinstance(old, dict):
                        best[program] = own
                    else:
                        best[program] = {k: min(old[k], own[k]) for k in own}
            print(label, best, flush=True)
            found[study].append((label, best))
    return found


def _one(python: str, task: str) -> dict[str, float] | str:
    try:
        done = subprocess.run(
            [python, __file__, "--work", task], capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return f"over {LIMIT} s"
    if done.returncode:
        print(done.stderr[-2_000:], file=sys.stderr)
        return "failed"
    return {k: float(v) for k, v in json.loads(done.stdout.splitlines()[-1]).items()}


TITLES = {
    "staggered": "Callaway-Sant'Anna, not-yet-treated controls",
    "counts": "Poisson extended two-way fixed effects",
    "synthetic": "Synthetic difference-in-differences and synthetic control",
}
SAID = {
    "staggered": """svmodel: the whole Result, all averages, cells, counterfactuals and tests, with simultaneous bands
from 999 draws (its default) or pointwise. diff-diff and StatsPAI: every effect and its averages overall, by event
time and by cohort, without bands. Nobody is never treated.""",
    "counts": """svmodel: the whole Result. pyfixest: the saturated regression alone, from a frame that holds the
dummies and is made beforehand.""",
    "synthetic": "One start at two thirds of the periods. svmodel and diff-diff each with their own default errors.",
}


def written(found: dict, versions: str, rounds: int) -> str:
    """Return the page."""
    lines = [
        f"""# Growth with areas, periods and cohorts

Made by `benchmarks/growth.py`: least CPU seconds of {rounds} alternated round{"s" if rounds > 1 else ""} of up to three
runs after a warm-up, a process each on one thread; {platform.system()}, Python {platform.python_version()}, {versions};
each peer in an environment of its own. "over {LIMIT} s" holds loading and the warm-up too. In brackets: the time over
that of the first column, above 1 where the first is faster.
""",
    ]
    for study, rows in found.items():
        programs = list(rows[0][1])
        first = programs[0]
        lines += [f"## {TITLES[study]}", "", SAID[study], ""]
        lines += ["| areas x periods | " + " | ".join(programs) + " |", "|---|" + "---:|" * len(programs)]
        for label, best in rows:
            base = best[first]
            cells = []
            for program in programs:
                own = best[program]
                if isinstance(own, str):
                    cells.append(own)
                elif program == first or isinstance(base, str):
                    cells.append(f"{own['cpu']:.3g}")
                else:
                    cells.append(f"{own['cpu']:.3g} ({own['cpu'] / base['cpu']:.1f})")
            lines.append(f"| {label} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Measure, or work where a process of a measurement is asked to."""
    if sys.argv[1:2] == ["--work"]:
        print(json.dumps(work(json.loads(sys.argv[2]))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the environments of the peers are made and kept")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="the smallest size of each table, to the screen alone")
    chosen = parser.parse_args()
    import svmodel as sv

    found = measured(chosen.folder, rounds=chosen.rounds, quick=chosen.quick)
    versions = ", ".join([f"svmodel {sv.__version__}", *(needed.replace("==", " ") for needed in PEERS.values())])
    text = written(found, versions, chosen.rounds)
    print(text)
    if not chosen.quick:
        OUT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

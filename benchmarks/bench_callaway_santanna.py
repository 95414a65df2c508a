"""Callaway-Sant'Anna beside diff-diff and csdid: how long it takes, and whether the numbers are the same.

300 areas x 72 months, 6 cohorts of 25 areas, 426 cells. Every program starts from the same data frame and
gives every ATT(g, t) and its averages with analytic standard errors; simultaneous bands where it says so.
Runs are alternated, so that what else the machine does falls on all alike.

Run with ``python benchmarks/bench_callaway_santanna.py``; it writes benchmarks/results/callaway_santanna.md.
"""

# ruff: noqa: E402 - the number of threads is read when numpy is imported

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import io
import os
import platform
import statistics
import time
import warnings
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np
import pandas as pd

import svmodel as sv
from svmodel.did.callaway_santanna import CallawaySantAnna

AREAS, MONTHS, ROUNDS, DRAWS = 300, 72, 7, 999
COHORTS = [24, 30, 36, 42, 48, 54]  # first treated month, counted from 1
PERIODS = pd.period_range("2018-01", periods=MONTHS, freq="M")
OUT = Path(__file__).parent / "results" / "callaway_santanna.md"
HAVE = {name: importlib.util.find_spec(name) is not None for name in ("diff_diff", "csdid")}


def simulated() -> pd.DataFrame:
    """Long frame: id, t, g, y (a measure), n (a count), x (a covariate), month, population."""
    rng = np.random.default_rng(2026)
    start = np.repeat([0, *COHORTS], [AREAS - 150, *[25] * 6])
    t = np.arange(1, MONTHS + 1)
    x = rng.normal(size=AREAS) + 0.3 * (start > 0)
    treated = (start > 0)[:, None] & (t >= start[:, None])
    level = rng.gamma(8, 2.5, size=AREAS)[:, None]
    mean = level * (1 + 0.1 * np.sin(t / 6)) + 0.02 * x[:, None] * t
    y = mean - 2.0 * treated + rng.normal(0, 3, size=mean.shape)
    return pd.DataFrame(
        {
            "id": np.repeat(np.arange(AREAS), MONTHS),
            "t": np.tile(t, AREAS),
            "g": np.repeat(start, MONTHS),
            "y": y.ravel(),
            "n": rng.poisson(np.maximum(mean - 2.0 * treated, 0.5)).ravel(),
            "x": np.repeat(x, MONTHS),
            "area": np.repeat([f"area {i:03d}" for i in range(AREAS)], MONTHS),
            "month": np.tile(PERIODS.astype(str), AREAS),
            "population": np.repeat(rng.integers(1_000, 9_000, size=AREAS), MONTHS),
        }
    )


def design_of(frame, covariate, *, outcome="y"):
    kind = {"measures": ["y"]} if outcome == "y" else {"counts": ["n"], "exposures": ["population"]}
    panel = sv.Panel.from_frame(frame, area="area", period="month", covariates=["x"], **kind)
    first = frame.drop_duplicates("id")
    starts = {r.area: PERIODS[r.g - 1] for r in first.itertuples() if r.g}
    return sv.Design(
        panel,
        outcome=outcome,
        intervention=sv.Intervention("patrols", starts=starts),
        covariates=("x",) if covariate else (),
        exposure=None if outcome == "y" else "population",
    )


def ours(frame, covariate, *, outcome="y", bands=True, method="dr"):
    design = design_of(frame, covariate, outcome=outcome)
    return CallawaySantAnna(method=method, simultaneous=bands, n_boot=DRAWS).fit(design, seed=1)


def refitted(panel_design):
    """Fit a design whose panel is there already, as it is when a study has several estimators."""
    fresh = sv.Design(
        panel_design.panel,
        outcome=panel_design.outcome,
        intervention=panel_design.intervention,
        covariates=panel_design.covariates,
    )
    return CallawaySantAnna(n_boot=DRAWS).fit(fresh, seed=1)


def diff_diff(frame, covariate, *, bands):
    from diff_diff import CallawaySantAnna as Theirs

    model = Theirs(n_bootstrap=DRAWS if bands else 0, seed=1)
    fit = model.fit(
        frame, outcome="y", unit="id", time="t", first_treat="g", covariates=["x"] if covariate else None,
        **({"aggregate": "all"} if bands else {}),
    )  # fmt: skip
    # its bands come with the older way of asking only; its newer way, for the rest, is what it recommends
    return fit, None if bands else {kind: fit.aggregate(kind) for kind in ("simple", "event_study", "group")}


def csdid(frame, covariate, *, bands):
    from csdid.att_gt import ATTgt

    with contextlib.redirect_stdout(io.StringIO()):  # it prints its tables
        model = ATTgt(
            yname="y", tname="t", idname="id", gname="g", data=frame, control_group=["nevertreated"],
            xformla="y~x" if covariate else None, cband=bands, biters=DRAWS,
        ).fit(est_method="dr", bstrap=False)  # fmt: skip
        parts = {
            kind: dict(model.aggte(kind, bstrap=False, cband=bands, biters=DRAWS).atte)
            for kind in ("simple", "dynamic", "group", "calendar")
        }
    return model, parts


def quietly(call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the peers warn of what their own options ask for
        return call()


def programs(frame, covariate):
    """Name -> call, in the order of the table."""
    ready = design_of(frame, covariate)
    found = {
        "svmodel": lambda: ours(frame, covariate, bands=False),
        "svmodel, with bands": lambda: ours(frame, covariate),
        "svmodel, with bands, the panel being there already": lambda: refitted(ready),
        "svmodel, with bands, a count on all four scales": lambda: ours(frame, covariate, outcome="n"),
    }
    if HAVE["diff_diff"]:
        found["diff-diff (no calendar averages)"] = lambda: diff_diff(frame, covariate, bands=False)
        found["diff-diff, with bands (no calendar averages)"] = lambda: diff_diff(frame, covariate, bands=True)
    if HAVE["csdid"]:
        found["csdid"] = lambda: csdid(frame, covariate, bands=False)
        found["csdid, with bands"] = lambda: csdid(frame, covariate, bands=True)
    return found


def timed(calls) -> dict[str, float]:
    """Median seconds over alternated rounds, after one round that loads everything."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for round_ in range(ROUNDS + 1):
        for name, call in calls.items():
            begin = time.perf_counter()
            quietly(call)
            if round_:
                seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(values) for name, values in seconds.items()}


def tables(result):
    """Quantity -> {key: (estimate, standard error)} of ours."""
    index = {p: i + 1 for i, p in enumerate(PERIODS)}
    keys = {
        "ATT(g,t)": ("cell", lambda r: (index[r.cohort], index[r.period])),
        "events": ("event", lambda r: int(r.horizon)),
        "cohorts": ("cohort", lambda r: index[r.cohort]),
        "calendar": ("calendar", lambda r: index[r.period]),
        "average": ("att", lambda _: 0),
    }
    table = result.estimates
    return {
        quantity: {key(r): (r.estimate, r.std_error) for r in table[table["term"] == term].itertuples()}
        for quantity, (term, key) in keys.items()
    }


def csdid_tables(frame, covariate):
    model, parts = quietly(lambda: csdid(frame, covariate, bands=False))
    res = model.results
    pairs = zip(res["att"], res["se"], strict=True)
    found = {"ATT(g,t)": dict(zip(zip(res["group"], res["year"], strict=True), pairs, strict=True))}
    for quantity, kind in (("events", "dynamic"), ("cohorts", "group"), ("calendar", "calendar")):
        part = parts[kind]
        pairs = zip(part["att_egt"], np.ravel(part["se_egt"]), strict=True)
        found[quantity] = dict(zip(part["egt"], pairs, strict=True))
    found["average"] = {0: (parts["simple"]["overall_att"], float(np.ravel(parts["simple"]["overall_se"])[0]))}
    return found


def diff_diff_tables(frame, covariate, method):
    from diff_diff import CallawaySantAnna as Theirs

    names = {"outcome": "y", "unit": "id", "time": "t", "first_treat": "g", "covariates": ["x"] if covariate else None}
    res = quietly(lambda: Theirs(estimation_method=method).fit(frame, aggregate="all", **names))
    parts = {"ATT(g,t)": res.group_time_effects, "events": res.event_study_effects, "cohorts": res.group_effects}
    found = {q: {k: (v["effect"], v["se"]) for k, v in part.items()} for q, part in parts.items()}
    return {**found, "average": {0: (res.overall_att, res.overall_se)}}


def differences(frame, covariate) -> list[tuple[str, float, float]]:
    """(peer and quantity, largest absolute difference of estimates, of standard errors)."""
    pairs = []
    if HAVE["csdid"]:
        pairs.append(("csdid", "dr", csdid_tables(frame, covariate)))
    if HAVE["diff_diff"]:
        # its doubly robust estimator does not normalise the controls' weights, as R's DRDID and csdid do: another
        # estimator, which differs in the fourth digit; the other two methods are the same
        methods = ("reg", "ipw") if covariate else ("dr",)
        pairs += [("diff-diff", method, diff_diff_tables(frame, covariate, method)) for method in methods]
    found = []
    for peer, method, theirs in pairs:
        mine = tables(ours(frame, covariate, bands=False, method=method))
        for quantity, values in theirs.items():
            assert set(mine[quantity]) == set(values), f"{peer}, {quantity}: not the same rows"
            gaps = [max(abs(mine[quantity][k][i] - v[i]) for k, v in values.items()) for i in (0, 1)]
            found.append((f"{peer}, {method}, {quantity}", *gaps))
    return found


def main() -> None:
    frame = simulated()
    names = [n for n in ("numpy", "pandas", "scipy", "diff-diff", "csdid") if _installed(n)]
    versions = ", ".join(f"{n} {importlib.metadata.version(n)}" for n in names)
    lines = [
        "# Callaway-Sant'Anna: 300 areas x 72 months, 6 cohorts, 426 cells",
        "",
        f"Median seconds of {ROUNDS} alternated runs in one process, from one data frame to every ATT(g,t) and all its",
        f"averages with analytic standard errors; bands from {DRAWS} multiplier draws. Ratios are to svmodel doing the",
        "same, with or without bands. 2 cores, one thread,",
        f"{platform.system()}, Python {platform.python_version()}, svmodel {sv.__version__}, {versions}.",
        "",
    ]
    lines += [f"{name} is not installed and was left out.\n" for name, there in HAVE.items() if not there]
    wandering = frame.assign(x=frame["x"] + 0.2 * np.random.default_rng(1).normal(size=len(frame)))
    settings = {
        "Without covariates": (frame, False),
        "With a covariate that stays, doubly robust": (frame, True),
        "With a covariate that changes monthly, doubly robust": (wandering, True),
    }
    for title, (data, covariate) in settings.items():
        lines += [f"## {title}", ""]
        lines += ["| program | seconds | ratio |", "|---|---:|---:|"]
        seconds = timed(programs(data, covariate))
        for name, value in seconds.items():
            base = seconds["svmodel, with bands" if "with bands" in name else "svmodel"]
            lines.append(f"| {name} | {value:.3f} | {value / base:.1f} |")
        lines += ["", "Largest absolute differences, of an outcome with a standard deviation of about 8:", ""]
        lines += ["| peer, method, quantity | estimate | standard error |", "|---|---:|---:|"]
        for name, gap, gap_error in differences(data, covariate):
            lines.append(f"| {name} | {gap:.0e} | {gap_error:.0e} |")
            assert gap < 1e-8, f"{name}: {gap}"
        lines.append("")
    lines += [
        "diff-diff's doubly robust estimator leaves the controls' weights as they are, where R's DRDID, csdid and",
        "svmodel normalise them: another estimator, whose estimates differ in the fourth digit, so that its two other",
        "methods are compared.",
        "",
    ]
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    main()

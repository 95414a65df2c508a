"""Hold the answers of this checkout against those of another revision, bit by bit.

    python benchmarks/same_answers.py REVISION [--reports] [--table FILE]

Every estimator is fitted to fixed designs with a fixed seed in both trees, each in a process of its own, and the JSON
of its results is compared: whole, then without keys that were added since. With ``--reports`` the two demo
studies are run in both, and every file of their areas is compared, the manifest aside (it holds times and hashes of the
code). Made for the day on which files are moved and no number may change.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: Runs in either tree, so it names only what both have: public names.
FITS = """
import hashlib, json, sys, warnings
import numpy as np
import svmodel as sv
from svmodel import Design, Intervention, Panel, bayes, counterfactual, did, simulate
seed = 2026
def made(areas, months, mean, cohorts, effect, key):
    return simulate.panel(areas, months, mean=mean, cohorts=cohorts, effect=effect, seed=key)
designs = {
    "many treated": made(40, 36, 20, ((18, 12), (24, 10)), 0.8, 1).design("violence"),
    "few treated": made(24, 36, 12, ((24, 3),), 0.7, 2).design("violence"),
    "one treated": made(14, 48, 30, ((36, 1),), 0.8, 3).design("violence"),
    "small counts": made(30, 24, 0.4, ((12, 10),), 0.8, 4).design("violence"),
}
frame = designs["many treated"].panel.to_frame()
rng = np.random.default_rng(7)
frame["other"] = rng.poisson(30, len(frame))
frame["score"] = rng.normal(50, 5, len(frame))
frame["deprivation"] = np.repeat(rng.normal(size=frame["area"].nunique()), frame["period"].nunique())
panel = Panel.from_frame(frame, area="area", period="period", counts=["violence", "other"], measures=["score"],
    exposures=["population"], covariates=["deprivation"], synthetic=True)
treatment = designs["many treated"].intervention
designs["with a measure"] = Design(panel, outcome="score", intervention=treatment)
designs["with covariates"] = Design(panel, outcome="violence", exposure="population", intervention=treatment,
    covariates=("deprivation",))
gaps = frame.copy()
gaps.loc[gaps.sample(40, random_state=3).index, "violence"] = np.nan
designs["with gaps"] = Design(Panel.from_frame(gaps, area="area", period="period", counts=["violence"],
    exposures=["population"]), outcome="violence", exposure="population", intervention=treatment)
estimators = {
    "TWFE Poisson": did.TwoWayFixedEffects(family="poisson"), "TWFE linear": did.TwoWayFixedEffects(family="linear"),
    "ETWFE": did.ExtendedTwoWayFixedEffects(), "ETWFE average": did.ExtendedTwoWayFixedEffects(only_average=True),
    "ETWFE placebo": did.ExtendedTwoWayFixedEffects(inference="placebo"),
    "ETWFE linear": did.ExtendedTwoWayFixedEffects(family="linear"),
    "ETWFE cohort": did.ExtendedTwoWayFixedEffects(effects="cohort"),
    "ETWFE linear cohort": did.ExtendedTwoWayFixedEffects(family="linear", effects="cohort"),
    "stacked": did.StackedDiD(), "stacked linear": did.StackedDiD(family="linear", pre=8, post=7, weights="none"),
    "CS": did.CallawaySantAnna(), "CS cross sections": did.CallawaySantAnna(sampling="cross_sections"),
    "CS universal": did.CallawaySantAnna(control="not_yet_treated", method="reg", base_period="universal"),
    "CS ipw": did.CallawaySantAnna(method="ipw"),
    "imputation": did.Imputation(), "imputation linear": did.Imputation(family="linear"),
    "Sun-Abraham": did.SunAbraham(), "triple": did.TripleDifference("other"),
    "triple linear": did.TripleDifference("other", family="linear"),
    "SDID": counterfactual.SyntheticDiD(), "SDID did": counterfactual.SyntheticDiD(method="did"),
    "SDID counts": counterfactual.SyntheticDiD(rates=False),
    "SC": counterfactual.SyntheticControl(draws=99),
    "SC apart": counterfactual.SyntheticControl(pooled=False, intercept=True, draws=39),
    "SC ridge": counterfactual.SyntheticControl(augment="ridge", block=2, draws=39),
    "ITS": counterfactual.InterruptedTimeSeries(),
    "ITS Newey-West": counterfactual.InterruptedTimeSeries(errors="newey_west"),
    "STS": counterfactual.StructuralTimeSeries(),
    "hierarchical": bayes.HierarchicalDiD(draws=500),
    "hierarchical lasting": bayes.HierarchicalDiD(draws=300, lasting_shocks=6),
    "Bayesian ITS": bayes.InterruptedTimeSeries(draws=500),
    "structural counts": bayes.StructuralCounterfactual(draws=500),
    "structural Gaussian": bayes.StructuralCounterfactual(family="gaussian", controls="sum", draws=500),
}
found = {}
for which, design in designs.items():
    for name, estimator in estimators.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = estimator.fit(design, seed=seed)
            text = result.to_json()
        except sv.UserError as error:
            text = json.dumps({"refused": f"{type(error).__name__}: {error}"})
        found[f"{name} | {which}"] = text
json.dump(found, open(sys.argv[1], "w"))
"""


def _run(tree: Path, out: Path, *, reports: bool) -> tuple[dict[str, str], dict[str, str]]:
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
    environment["OPENBLAS_NUM_THREADS"] = "1"
    out.mkdir(parents=True)
    subprocess.run([sys.executable, "-c", FITS, str(out / "fits.json")], check=True, env=environment, cwd=tree)
    fits = json.loads((out / "fits.json").read_text(encoding="utf-8"))
    files = {}
    if reports:
        for study in ("demo", "demo_bayes"):
            command = [sys.executable, "-m", "svmodel", "run", f"pipelines/{study}.yaml", "--out", str(out / "reports")]
            subprocess.run([*command, "--jobs", "2"], check=True, env=environment, cwd=tree, capture_output=True)
        for path in sorted((out / "reports").rglob("*")):
            if path.is_file() and path.name != "manifest.json" and not path.name.startswith("."):
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                files[path.relative_to(out / "reports").as_posix()] = digest
    return fits, files


def _verdict(before: str, after: str) -> str:
    if before == after:
        return "identical"
    old, new = json.loads(before), json.loads(after)
    added = _added(old, new)
    return f"identical but for new {', '.join(sorted(added))}" if added is not None else "DIFFERENT"


def _added(old: object, new: object) -> set[str] | None:
    """Return the keys that only the new one has, at any depth; None where anything else differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        found = set(new) - set(old)
        for key in set(old) - {"format"}:
            below = _added(old[key], new[key]) if key in new else None
            if below is None:
                return None
            found |= below
        return found
    same = json.dumps(old) == json.dumps(new)
    return set() if same else None


def main() -> int:
    """Compare, print a table, and return 1 where anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision")
    parser.add_argument("--reports", action="store_true", help="compare the files of the demo reports too")
    parser.add_argument("--table", type=Path, help="write the table here too")
    parser.add_argument("--keep", type=Path, help="folder in which the other revision's answers are kept between runs")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        held = chosen.keep / chosen.revision if chosen.keep else Path(folder) / "before"
        if not (held / "done.json").exists():
            tree = Path(folder) / "tree"
            tree.mkdir()
            archive = subprocess.run(["git", "archive", chosen.revision], check=True, capture_output=True, cwd=ROOT)
            subprocess.run(["tar", "-x", "-C", str(tree)], input=archive.stdout, check=True)
            fits, files = _run(tree, held, reports=chosen.reports)
            (held / "done.json").write_text(json.dumps([fits, files]), encoding="utf-8")
        fits, files = json.loads((held / "done.json").read_text(encoding="utf-8"))
        mine, theirs = _run(ROOT, Path(folder) / "after", reports=chosen.reports)
    verdicts = {name: _verdict(text, mine[name]) for name, text in fits.items()}
    for name in sorted({*files, *theirs}):
        same = files.get(name) == theirs.get(name)
        verdicts[f"file {name}"] = "identical" if same else "DIFFERENT"
    counted: dict[str, int] = {}
    for verdict in verdicts.values():
        counted[verdict] = counted.get(verdict, 0) + 1
    lines = [f"Answers of this tree against {chosen.revision}: {len(fits)} fits, {len(files)} files.", ""]
    lines += ["| verdict | how many |", "|---|---|", *(f"| {k} | {v} |" for k, v in sorted(counted.items()))]
    different = [name for name, verdict in verdicts.items() if verdict == "DIFFERENT"]
    lines += ["", *(f"- differs: {name}" for name in different)] if different else []
    text = "\n".join(lines) + "\n"
    print(text)
    if chosen.table:
        chosen.table.write_text(text, encoding="utf-8")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())

"""Write demo_published.yaml from a finished run of demo.yaml: ``python pipelines/make_demo_published.py output/demo``.

To be run again, and its difference read, whenever an estimator or the synthetic data change on purpose.
"""  # noqa: INP001 - a script beside the study that it serves

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from svmodel.report.publish.verify import read_estimates
from svmodel.report.run.manifest import read_manifest

DECIMALS = {"rate_ratio": 4, "events": 0}
HEAD = """\
# What a run of demo.yaml gives, as it would be printed: svmodel verify output/demo pipelines/demo_published.yaml
# says whether yours gives the same. Made by make_demo_published.py.
study: demo
source: svmodel {version}, on the committed synthetic data
numbers:
"""


def line(row: pd.Series) -> str:
    """Return one published number."""
    decimals = DECIMALS[row["scale"]]
    parts = [f"{k}: {row[k]}" for k in ("outcome", "estimator", "term", "scale", "area") if pd.notna(row[k])]
    numbers = {"value": row["estimate"], "low": row["conf_low"], "high": row["conf_high"]}
    parts += [f'{k}: "{v:.{decimals}f}"' for k, v in numbers.items() if pd.notna(v)]
    return "  - {" + ", ".join(parts) + "}"


def main(run: Path) -> None:
    """Write the file beside this script."""
    found = read_estimates(run)
    overall = (found["term"] == "att") & found["scale"].isin(list(DECIMALS))
    own = (found["term"] == "area") & (found["scale"] == "rate_ratio") & (found["area"] == found["report"])
    headline = found["outcome"] == found["outcome"].iloc[0]
    kept = found[(overall | (own & headline)) & found["estimate"].notna()]
    kept = kept.drop_duplicates(["outcome", "estimator", "term", "scale", "area"])
    kept = kept.sort_values("term", key=lambda t: t != "att", kind="stable")
    text = HEAD.format(version=read_manifest(run)["svmodel"]) + "\n".join(line(r) for _, r in kept.iterrows()) + "\n"
    (Path(__file__).parent / "demo_published.yaml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

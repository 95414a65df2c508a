"""How long reading street files takes: 40 forces x 4 months in the true layout of data.police.uk.

The files are made up: 33,755 LSOAs spread over 40 forces, as many rows a month as a force of that size has (1.3 million
in all), 64-character Crime IDs, places and outcomes as long as the true ones. Read once, in a process of its own.

    python benchmarks/police_uk_speed.py           # prints the table
    python benchmarks/police_uk_speed.py --write   # and writes benchmarks/results/police_uk_speed.md
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HEADER = (
    "Crime ID,Month,Reported by,Falls within,Longitude,Latitude,Location,LSOA code,LSOA name,Crime type,"
    "Last outcome category,Context\n"
)
MONTHS = ("2024-01", "2024-02", "2024-03", "2024-04")
ROWS = 1_300_000
READ = """
import json, resource, sys, time
from svmodel.sources.police_uk import police_uk
idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start, begun = time.perf_counter(), time.process_time()
extract = police_uk(sys.argv[1])
took, spent = time.perf_counter() - start, time.process_time() - begun
counts = extract.frame.drop(columns=["area", "period", "name", "parent"])
print(json.dumps({"seconds": took, "cpu": spent,
                  "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                  "crimes": int(counts.sum(axis=None)), "areas": extract.frame["area"].nunique()}))
"""


def make(folder):
    """Write the files; return how many rows were written."""
    from svmodel.registers import districts_of, force_of, lsoas_ended
    from svmodel.registers.districts import all_forces
    from svmodel.sources.street_files import CRIME_TYPES

    rng = np.random.default_rng(20240101)
    forces = [f for f in all_forces() if f not in ("greater-manchester", "dyfed-powys", "gwent")]
    codes = [c for c in (f"E010{i:05d}" for i in range(1, 33_769)) if c not in lsoas_ended()][:31_700]
    codes += [f"E010{i:05d}" for i in range(33_770, 35_700)]
    parts = np.array_split(np.array(codes), len(forces))
    written = 0
    for month in MONTHS:
        (folder / month).mkdir()
        for force, lsoas in zip(forces, parts, strict=True):
            names = [n for n in districts_of(force) if force_of(n) == force]
            size = int(len(lsoas) / len(codes) * ROWS / len(MONTHS))
            at = rng.integers(0, len(lsoas), size)
            kinds = rng.choice(len(CRIME_TYPES), size, p=rng.dirichlet(np.full(len(CRIME_TYPES), 8.0)))
            label = force.replace("-", " ").title()
            lines = [HEADER]
            for i, (a, k) in enumerate(zip(at.tolist(), kinds.tolist(), strict=True)):
                name = f"{names[a % len(names)]} {a % 90 + 1:03d}{'ABCDE'[a % 5]}"
                name = f'"{name}"' if "," in name else name
                crime = "" if k == 0 else f"{written + i:064x}"
                lines.append(
                    f"{crime},{month},{label} Police,{label} Police,-1.{a:06d},52.{i % 999_999:06d},On or near "
                    f"Supermarket,{lsoas[a]},{name},{CRIME_TYPES[k]},Investigation complete; no suspect identified,\n"
                )
            (folder / month / f"{month}-{force}-street.csv").write_text("".join(lines))
            written += size
    return written


def measure():
    """Return the measured numbers."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = make(folder)
        files = len(list(folder.rglob("*.csv")))
        out = subprocess.run([sys.executable, "-c", READ, name], check=True, capture_output=True, text=True)
    return {"files": files, "rows": rows, **json.loads(out.stdout)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    found = measure()
    table = (
        "# Reading street files of data.police.uk\n\n"
        "Made by `benchmarks/police_uk_speed.py`; one process, one thread.\n\n"
        "| files | rows | LSOAs | crimes counted | seconds | of these, of the processor | the same, a million rows | "
        "peak memory, MB |\n|---|---|---|---|---|---|---|---|\n"
        f"| {found['files']} | {found['rows']:,} | {found['areas']:,} | {found['crimes']:,} | {found['seconds']:.1f} | "
        f"{found['cpu']:.1f} | {found['cpu'] / found['rows'] * 1e6:.1f} | {found['peak']:.0f} |\n"
    )
    print(table)
    if arguments.write:
        (Path(__file__).parent / "results" / "police_uk_speed.md").write_text(table)


if __name__ == "__main__":
    main()

"""A study's data are opened once, whatever then asks for them; reading its file opens no data at all."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest

from svmodel.report.fits import designs
from svmodel.report.run.plan import make_plan
from svmodel.report.study import open_study, read_study

INTERVENTION = """\
intervention:
  name: Patrols
  starts: {column: treated, period: 2024-03}
estimators: [TwoWayFixedEffects]
"""

#: Counts the times that a file is opened: by Python (an audit hook sees them all), or by pyarrow on its own.
COUNT = """
import json, os, sys
from pathlib import Path

path, study, ask = sys.argv[1], sys.argv[2], sys.argv[3]
seen = []

def note(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        if os.path.realpath(os.fsdecode(arguments[0])) == os.path.realpath(path):
            seen.append(event)

sys.addaudithook(note)
import pyarrow
from pyarrow import parquet

def refuse(self, source, *given, _plain=parquet.ParquetFile.__init__, **options):
    assert not isinstance(source, (str, os.PathLike)), "pyarrow opens the file itself"
    _plain(self, source, *given, **options)

parquet.ParquetFile.__init__ = refuse
for name in ("read_schema", "read_metadata", "read_table"):
    setattr(parquet, name, lambda *given, **options: sys.exit("pyarrow opens the file itself"))
if ask == "check":
    from svmodel.report.describe import describe_study
    describe_study(Path(study))
elif ask == "plan":
    from svmodel.report.run import plan_study
    plan_study(study, out=Path(study).parent / "out")
else:
    from svmodel.report import read_study
    read_study(study)
print(json.dumps(len(seen)))
"""


@pytest.fixture
def as_kind(write_study):
    """Write the small study with its data as CSV or as Parquet; give the study and its data file."""

    def write(kind, more=INTERVENTION):
        study = write_study(more=more)
        data = study.parent / "data.csv"
        if kind == "parquet":
            pd.read_csv(data).to_parquet(data.with_suffix(".parquet"))
            study.write_text(study.read_text().replace("data.csv", "data.parquet"))
            data = data.with_suffix(".parquet")
        return study, data

    return write


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize(("ask", "times"), [("check", 1), ("plan", 1), ("read", 0)])
def test_the_data_file_is_opened(kind, ask, times, as_kind):
    study, data = as_kind(kind)
    command = [sys.executable, "-c", textwrap.dedent(COUNT), str(data), str(study), ask]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[2], check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == times


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_all_that_comes_after_needs_the_file_no_more(kind, as_kind, tmp_path):
    study, data = as_kind(kind)
    opened = open_study(study)
    data.unlink()
    assert opened.panel.n_areas == 3
    assert {str(p) for p in opened.starts.values()} == {"2024-03"}
    assert list(designs(opened)) == ["violence", "robbery"]
    assert [j.code for j in make_plan(opened, tmp_path).jobs] == ["N", "S"]


def test_the_hash_of_the_data_is_that_of_the_file(as_kind):
    import hashlib

    study, data = as_kind("csv")
    assert open_study(study).hashes == {"data.csv": hashlib.sha256(data.read_bytes()).hexdigest()}


def test_a_study_file_is_read_where_its_data_are_not(write_study):
    path = write_study()
    (path.parent / "data.csv").unlink()
    assert read_study(path).data.path == "data.csv"

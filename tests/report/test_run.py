import json
import re
import sys

import pytest

from svmodel.errors import OutputError, StudyError, UserError
from svmodel.report.run import Progress, run_study
from svmodel.report.run.manifest import MARKER, AreaOutcome, read_manifest


class Heard(Progress):
    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)

    def begin(self, total):
        self.lines.append(f"begin {total}")

    def started(self, job):
        self.lines.append(f"started {job.code}")

    def ended(self, outcome):
        self.lines.append(f"ended {outcome.code} {outcome.status}")


@pytest.fixture
def rule(tmp_path, monkeypatch):
    """What the test notebook shall do to which area."""
    path = tmp_path / "rule.json"
    monkeypatch.setenv("SVMODEL_TEST_RULE", str(path))

    def write(**what):
        path.write_text(json.dumps(what))

    write()
    return write


def snapshot(folder):
    skip = ("evaluation.ipynb", "run.log", "manifest.json")
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.name not in skip
    }


def test_a_run_makes_resumes_forces_and_shows_failures(runnable, tmp_path, rule):
    out = tmp_path / "out"
    rule(fail=["S"])
    heard = Heard()
    report = run_study(runnable, out=out, jobs=2, progress=heard)
    folder = out / "small"
    assert [(o.code, o.name, o.status) for o in report.outcomes] == [("N", "North", "made"), ("S", "South", "failed")]
    assert report.outcomes[1].message == "nothing is known of S"
    assert {"begin 2", "started N", "ended N made", "ended S failed"} <= set(heard.lines)
    made, failed = folder / "areas" / "N", folder / "areas" / "S"
    assert {p.name for p in made.iterdir()} == {"report.html", "result.json", "evaluation.ipynb", "run.log", MARKER}
    assert made.joinpath("report.html").read_text() == "<h1>North</h1>"
    # the kernel is the interpreter that runs svmodel, whatever "python3" the user has registered
    assert json.loads(made.joinpath("result.json").read_text())["executable"] == sys.executable
    # the notebook can be published beside the page: no place of this machine, no time, but its parameters
    notebook = made.joinpath("evaluation.ipynb").read_text()
    assert str(tmp_path) not in notebook
    assert re.search(r"20\d\d-\d\d-\d\dT", notebook) is None
    assert json.loads(notebook)["metadata"]["papermill"]["parameters"]["area_code"] == "N"
    assert "working on N" in json.dumps(json.loads(made.joinpath("evaluation.ipynb").read_text())["cells"])
    # the failed page says why, without a traceback; the log has it
    page = failed.joinpath("report.html").read_text()
    assert "nothing is known of S" in page
    assert "Traceback" not in page
    assert "Traceback" in failed.joinpath("run.log").read_text()
    index = report.index.read_text()
    assert index.index("South") < index.index("North")
    manifest = read_manifest(folder)
    assert manifest["failed"] == 1
    assert manifest["seed"] == 7
    assert manifest["areas"]["N"]["files"]["report.html"]
    assert str(tmp_path) not in json.dumps(manifest), "a manifest names no place of this machine"

    # run again: the good one is kept, the failed one is tried again
    rule()
    again = run_study(runnable, out=out, jobs=2)
    assert [o.status for o in again.outcomes] == ["skipped", "made"]
    assert not (out / ".svmodel" / "small").exists(), "the data before disclosure control do not stay behind"
    before = snapshot(folder)
    # nothing to do: nothing is touched but the manifest
    assert [o.status for o in run_study(runnable, out=out).outcomes] == ["skipped", "skipped"]
    assert snapshot(folder) == before
    # made anew by one worker instead of two: the same bytes
    forced = run_study(runnable, out=out, jobs=1, force=True)
    assert [o.status for o in forced.outcomes] == ["made", "made"]
    assert snapshot(folder) == before
    # a folder that lost a file is not complete
    (made / "result.json").unlink()
    assert [o.status for o in run_study(runnable, out=out).outcomes] == ["made", "skipped"]
    assert snapshot(folder) == before


def test_a_process_that_dies_and_an_error_of_ours_fail_one_area_each(runnable, tmp_path, rule):
    rule(die=["N"], **{"break": ["S"]})
    report = run_study(runnable, out=tmp_path / "out", jobs=1)
    assert [o.status for o in report.outcomes] == ["failed", "failed"]
    assert "ended unexpectedly" in report.outcomes[0].message
    assert report.outcomes[1].message == "ZeroDivisionError: division by zero"
    assert not [p for p in (tmp_path / "out" / "small" / "areas").iterdir() if p.name.startswith(".")]


def test_every_page_of_synthetic_data_is_marked_that_of_a_failed_area_too(runnable, tmp_path, rule):
    from dataclasses import replace

    from svmodel.report.run import plan_study
    from svmodel.sources import write_panel

    _, panel = plan_study(runnable, out=tmp_path / "out")
    write_panel(replace(panel, synthetic=True), runnable.parent / "panel.parquet")
    text = runnable.read_text()
    text = re.sub(r"^data:\n(?: .*\n)*", "data: {path: panel.parquet}\n", text, flags=re.MULTILINE)
    runnable.write_text(text)
    rule(fail=["S"])
    report = run_study(runnable, out=tmp_path / "out", jobs=1)
    assert [o.status for o in report.outcomes] == ["made", "failed"]
    for page in (report.index, report.index.parent / "areas" / "S" / "report.html"):
        assert "<strong>SYNTHETIC DATA</strong>" in page.read_text()


def test_some_areas_only_by_name_and_the_index_keeps_the_good_ones(runnable, tmp_path, rule):
    out = tmp_path / "out"
    report = run_study(runnable, out=out, areas=("North",))
    assert [o.code for o in report.outcomes] == ["N"]
    assert "South" not in report.index.read_text()
    report = run_study(runnable, out=out, areas=("S",))
    assert [o.code for o in report.outcomes] == ["S"]
    assert "North" in report.index.read_text()
    with pytest.raises(StudyError, match="Did you mean 'North'"):
        run_study(runnable, out=out, areas=("Nort",))


def test_two_runs_at_once_do_not_write_into_one_folder(runnable, tmp_path):
    import fcntl

    out = tmp_path / "out"
    (out / ".svmodel").mkdir(parents=True)
    with (out / ".svmodel" / "small.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(OutputError, match="another run is writing"):
            run_study(runnable, out=out)


def test_jobs_below_one_are_refused(runnable, tmp_path):
    with pytest.raises(UserError, match="--jobs has to be 1 or more"):
        run_study(runnable, out=tmp_path / "out", jobs=0)


def test_an_outcome_knows_whether_it_failed():
    assert AreaOutcome("N", "North", "failed", "why").failed
    assert not AreaOutcome("N", "North", "skipped").failed

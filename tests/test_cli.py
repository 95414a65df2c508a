"""The command line as a user meets it: what it prints and with which code it leaves."""

import os
import pty
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
from typer.testing import CliRunner

from svmodel import cli

ROOT = Path(__file__).resolve().parents[1]


def svmodel(*arguments, **given):
    command = [sys.executable, "-m", "svmodel", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=ROOT, **given)


def answer(*arguments):
    """Call the command line in this process; each exit code is seen once from a real one, which takes a second more."""
    with mock.patch.dict(os.environ):
        done = CliRunner().invoke(cli.app, [str(a) for a in arguments], catch_exceptions=False)
    return SimpleNamespace(returncode=done.exit_code, stdout=done.stdout, stderr=done.stderr)


def test_version_and_help():
    assert svmodel("--version").stdout.startswith("svmodel 0.")
    told = answer("run", "--help")
    assert told.returncode == 0
    for option in ("--data", "--out", "--areas", "--jobs", "--dry-run", "--force", "--format"):
        assert option in told.stdout


def test_the_command_is_quick_to_import():
    timed = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import svmodel.cli"], capture_output=True, text=True, check=True
    )
    loaded = timed.stderr
    assert "pandas" not in loaded, "the help text must not wait for pandas"


def test_a_run_from_beginning_to_end(runnable, tmp_path):
    out = tmp_path / "out"
    planned = answer("run", runnable, "--out", out, "--dry-run")
    assert planned.returncode == 0
    assert "2 reports:" in planned.stdout
    assert "to be made" in planned.stdout
    assert not out.exists()
    done = svmodel("run", runnable, "--out", out, "--jobs", 2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"Open {out / 'small' / 'index.html'}"
    # one line for each area where there is no terminal
    lines = [line for line in done.stderr.splitlines() if line.startswith("[")]
    assert len(lines) == 2
    assert "made in" in lines[0]
    assert "1 left" in lines[0]
    assert "none left" in lines[1]
    again = svmodel("run", runnable, "--out", out)
    assert "2 unchanged" in again.stdout


def test_failed_areas_are_listed_and_give_code_1(runnable, tmp_path):
    rule = tmp_path / "rule.json"
    rule.write_text('{"fail": ["N"]}')
    done = svmodel("run", runnable, "--out", tmp_path / "out", env={**os.environ, "SVMODEL_TEST_RULE": str(rule)})
    assert done.returncode == 1
    assert "N North: FAILED after" in done.stdout
    assert "nothing is known of N" in done.stdout
    assert "2 reports: 1 made, 1 FAILED" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_terminal_gets_a_bar_with_area_and_what_is_left(runnable, tmp_path):
    main, side = pty.openpty()
    command = [sys.executable, "-m", "svmodel", "run", str(runnable), "--out", str(tmp_path / "out")]
    env = {**os.environ, "COLUMNS": "160"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=side, cwd=ROOT, env=env) as process:
        os.close(side)
        shown = b""
        while True:
            try:
                part = os.read(main, 65536)
            except OSError:  # the terminal is closed when the process ends
                break
            if not part:
                break
            shown += part
    os.close(main)
    assert process.returncode == 0
    text = shown.decode(errors="replace")
    assert "North" in text
    assert "2/2" in text
    assert "left" in text


def test_bad_input_is_told_on_stderr_without_a_traceback(write_study, tmp_path):
    path = write_study(more="exposur: people\nseed: many\n")
    done = svmodel("run", path, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "2 problems" in done.stderr
    assert "line 16: there is no key 'exposur'. Did you mean 'exposure'?" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
    assert answer("check", path).returncode == 2


@pytest.mark.parametrize("name", ["pdf", "docx", "html,pdf"])
def test_formats_that_are_not_there_yet_say_so(runnable, name):
    done = answer("run", runnable, "--format", name)
    assert done.returncode == 2
    assert "not available yet" in done.stderr


def test_an_unknown_format_names_the_nearest(runnable):
    done = answer("run", runnable, "--format", "htm")
    assert done.returncode == 2
    assert "Did you mean 'html'?" in done.stderr


def test_areas_that_name_none_are_no_wish_for_no_report(runnable, tmp_path):
    told = answer("run", runnable, "--areas", " , ", "--dry-run", "--out", tmp_path)
    assert told.returncode == 2
    assert "--areas names no area" in told.stderr


def test_check_sums_up_a_study_and_a_data_file(write_study):
    path = write_study()
    told = answer("check", path)
    assert told.returncode == 0, told.stderr
    assert "no problem found" in told.stdout
    assert "3 areas, 3 months from Jan 2024 to Mar 2024" in told.stdout
    assert "2 reports: North, South" in told.stdout
    data = path.parent / "data.csv"
    told = answer("check", data, "--area", "code", "--period", "month", "--counts", "robbery,violence")
    assert told.returncode == 0, told.stderr
    assert "count robbery: 0 to 5; 0 of 9 missing" in told.stdout
    data.write_text(data.read_text().replace("B1,2024-03,S,Hill,0,4", "B1,2024-02,S,Hill,0,-4"))
    told = answer("check", data, "--area", "code", "--period", "month", "--counts", "robbery")
    assert told.returncode == 2
    assert "negative" in told.stderr
    assert "more than once" in told.stderr


def test_simulate_writes_the_committed_data(tmp_path):
    done = answer("simulate", "merseyside", "--out", tmp_path / "made", "--seed", 5)
    assert done.returncode == 0, done.stderr
    assert {p.name for p in (tmp_path / "made").iterdir()} >= {"panel.parquet", "truth.json", "datasheet.md"}
    done = answer("simulate", "mersyside", "--out", tmp_path / "made")
    assert done.returncode == 2
    assert "Did you mean 'merseyside'?" in done.stderr


def test_verify_leaves_with_3_on_a_mismatch(finished_run, tmp_path):
    published = tmp_path / "published.yaml"
    published.write_text(
        "numbers:\n  - {outcome: violence, estimator: M, term: att, scale: rate_ratio, value: 0.82, low: 0.70}\n"
    )
    done = answer("verify", finished_run, published)
    assert done.returncode == 0, done.stderr
    assert "rounding" in done.stdout
    assert (finished_run / "verify.csv").is_file()
    published.write_text(published.read_text().replace("0.82", "0.83"))
    done = svmodel("verify", finished_run, published)
    assert done.returncode == 3
    assert done.stdout.startswith("mismatch")
    assert answer("verify", tmp_path / "none", published).returncode == 2

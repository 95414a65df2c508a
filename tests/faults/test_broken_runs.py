"""What breaks in the night: a run that is interrupted or killed, a folder that cannot be written, a full disk."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from svmodel.report.run.manifest import MARKER

ROOT = Path(__file__).resolve().parents[2]


#: Hear an interrupt: what a shell starts in the background ignores it, and so do its children.
HEARING = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)


@pytest.fixture
def start():
    """Start `svmodel run`; whatever a failing test leaves running is stopped."""
    started = []

    def begin(*arguments, env=None):
        command = [sys.executable, "-c", HEARING, "-m", "svmodel", "run", *map(str, arguments)]
        environment = {**os.environ, **(env or {})}
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT, env=environment))
        return started[-1]

    yield begin
    for process in started:
        with process:
            process.kill()


def wait_for(path, seconds=60):
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.05)


def is_running(pid):
    """Whether a process is there and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kernels_of(work):
    """Processes that were given this run's kernelspec: the worker and its kernel."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if str(work).encode() in (entry / "environ").read_bytes() and is_running(entry.name):
                    found.append(int(entry.name))
    return found


@pytest.fixture
def slow(tmp_path):
    """Environment in which the report of S takes a minute, and the file that says it has begun."""
    rule, started = tmp_path / "rule.json", tmp_path / "started"
    rule.write_text(json.dumps({"sleep": ["S"], "started": str(started)}))
    return {"SVMODEL_TEST_RULE": str(rule)}, started


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_broken_off_run_leaves_nothing_half_written_and_goes_on_from_there(
    start,
    runnable,
    tmp_path,
    slow,
    number,
):
    out = tmp_path / "out"
    env, started = slow
    process = start(runnable, "--out", out, "--jobs", 1, env=env)
    wait_for(started)
    work = out / ".svmodel" / "small"
    kernels = kernels_of(work)
    assert kernels, "the test has to see the kernel to see it end"
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "Interrupted" in error
        assert "Traceback" not in error
    areas = out / "small" / "areas"
    end = time.monotonic() + 30
    while any(is_running(k) for k in kernels) and time.monotonic() < end:
        time.sleep(0.1)
    assert not [k for k in kernels if is_running(k)], "a kernel goes on without its run"
    assert (areas / "N" / MARKER).is_file()
    assert not (areas / "S").exists()
    assert not (out / "small" / "index.html").exists(), "an unfinished run has no index"
    if number == signal.SIGINT:
        assert [p.name for p in areas.iterdir()] == ["N"]
    made = (areas / "N" / "report.html").stat().st_mtime_ns
    process = start(runnable, "--out", out)
    told, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    assert "1 made, 1 unchanged" in told
    assert (areas / "N" / "report.html").stat().st_mtime_ns == made
    assert sorted(p.name for p in areas.iterdir()) == ["N", "S"]


def one_clear_line(process):
    told, error = process.communicate(timeout=120)
    assert process.returncode == 2, (told, error)
    assert "Traceback" not in error
    lines = [line for line in error.splitlines() if line.startswith("svmodel: ")]
    assert len(lines) == 1, error
    return lines[0]


@pytest.mark.parametrize("place", ["/proc/nowhere", "file/below"])
def test_an_output_folder_that_cannot_be_written_gets_one_clear_line(start, runnable, tmp_path, place):
    (tmp_path / "file").write_text("not a folder")
    out = place if place.startswith("/") else tmp_path / place
    line = one_clear_line(start(runnable, "--out", out))
    assert "cannot write" in line
    assert "--out" in line


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of a few kilobytes; give the function that sets its size."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True)
    if made.returncode:
        pytest.skip(f"no small disk can be mounted here: {made.stderr.decode().strip()}")

    def fill(left):
        size = os.statvfs(place)
        with (place / "ballast").open("wb") as file:
            file.write(b"x" * (size.f_bavail * size.f_frsize - left))

    yield place, fill
    subprocess.run(["umount", "-l", str(place)], check=True)


#: Free space with which the run fails at its fits, at the first page, and at the last files.
@pytest.mark.parametrize("left", [0, 8192, 32768, 49152])
def test_a_full_disk_gets_one_clear_line_and_nothing_looks_finished(start, runnable, small_disk, left):
    place, fill = small_disk
    fill(left)
    line = one_clear_line(start(runnable, "--out", place / "out", "--jobs", 1))
    assert "the disk is full" in line
    folder = place / "out" / "small"
    assert not (folder / "index.html").exists()
    assert not (folder / "manifest.json").exists()
    areas = list((folder / "areas").iterdir()) if (folder / "areas").exists() else []
    assert all((a / MARKER).is_file() and (a / "report.html").stat().st_size > 0 for a in areas)
    # with space again, the same command finishes
    (place / "ballast").unlink()
    process = start(runnable, "--out", place / "out", "--jobs", 1)
    told, error = process.communicate(timeout=120)
    assert process.returncode == 0, (told, error)

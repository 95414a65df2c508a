import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from svmodel.errors import OutputError
from svmodel.files import (
    atomic_file,
    atomic_folder,
    atomic_write_bytes,
    atomic_write_text,
    clear_partial,
    path_name,
    path_names,
)


def _names(folder):
    return [p.name for p in folder.iterdir()]


def _fail_half_way(context):
    with context as place:
        if isinstance(place, Path):
            (place / "a").write_text("half")
            (place.parent / "not there").read_text()
        place.write(b"half")
        raise ZeroDivisionError


def test_text_is_written_whole_and_replaces_what_stood_there(tmp_path):
    path = tmp_path / "a" / "b.txt"
    atomic_write_text(path, "first\n")
    atomic_write_text(path, "Ynys Môn\n")
    assert path.read_bytes() == "Ynys Môn\n".encode()
    assert _names(path.parent) == ["b.txt"]


def test_a_failing_block_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.bin"
    atomic_write_bytes(path, b"old")
    with pytest.raises(ZeroDivisionError):
        _fail_half_way(atomic_file(path))
    assert path.read_bytes() == b"old"
    assert _names(tmp_path) == ["a.bin"]


def test_a_path_through_a_file_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError) as caught:
        atomic_write_text(tmp_path / "file" / "a.txt", "x")
    message = str(caught.value)
    assert "\n" not in message
    assert "cannot write" in message
    assert "is a file, not a folder" in message
    assert "Choose another folder" in message


def test_a_folder_in_the_place_of_the_file(tmp_path):
    with pytest.raises(OutputError, match="it is a folder, not a file"):
        atomic_write_text(tmp_path, "x")


def _run(code, folder, *prefix):
    return subprocess.run(
        [*prefix, sys.executable, "-c", code, str(folder)], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_file_above_the_size_limit_leaves_nothing(tmp_path):
    code = """
import os, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
from svmodel.errors import OutputError
from svmodel.files import atomic_write_bytes
try:
    atomic_write_bytes(sys.argv[1] + "/big.bin", b"x" * 100_000)
except OutputError as error:
    print(error)
    print(os.listdir(sys.argv[1]))
"""
    done = _run(code, tmp_path)
    assert "larger than the system allows" in done.stdout, done.stderr
    assert "[]" in done.stdout


_FULL = """
import os, subprocess, sys
place = sys.argv[1]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "svmodel", place], check=True)
import pandas as pd
from svmodel.errors import OutputError
from svmodel.files import atomic_folder, atomic_write_bytes
from svmodel.panel import Panel
from svmodel.sources.tidy import write_panel
def attempt(do):
    try:
        do()
    except OutputError as error:
        print(error)
    print(os.listdir(place))
attempt(lambda: atomic_write_bytes(place + "/big.bin", b"x" * 1_000_000))
def folder():
    with atomic_folder(place + "/out") as out:
        (out / "small").write_text("x")
        with open(out / "big", "wb") as file:
            file.write(b"x" * 1_000_000)
attempt(folder)
frame = pd.DataFrame({"a": [f"area {i}" for i in range(20_000)], "p": "2024-01", "n": range(20_000)})
panel = Panel.from_frame(frame, area="a", period="p", counts=["n"])
attempt(lambda: write_panel(panel, place + "/p.parquet"))
attempt(lambda: write_panel(panel, place + "/p.csv"))
"""


def test_a_full_disk_gives_one_line_and_leaves_nothing(tmp_path):
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-Urm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets no one mount a small disk of their own (unshare -Urm)")
    done = _run(_FULL, tmp_path, unshare, "-Urm")
    lines = done.stdout.splitlines()
    assert len(lines) == 8, done.stdout + done.stderr
    assert all("the disk is full" in line for line in lines[::2])
    assert lines[1::2] == ["[]"] * 4


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_may_not_be_written(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="permission is denied"):
        atomic_write_text(tmp_path / "a.txt", "x")


def test_a_folder_appears_whole_and_replaces_the_old_one(tmp_path):
    place = tmp_path / "areas" / "E08000012"
    with atomic_folder(place) as out:
        (out / "old.html").write_text("old")
        assert not place.exists()
    with atomic_folder(place) as out:
        (out / "figures").mkdir()
        (out / "figures" / "a.svg").write_text("new")
    assert [p.name for p in place.rglob("*") if p.is_file()] == ["a.svg"]
    assert _names(place.parent) == ["E08000012"]


def test_a_failing_block_leaves_the_old_folder(tmp_path):
    place = tmp_path / "out"
    with atomic_folder(place) as out:
        (out / "a").write_text("old")
    with pytest.raises(FileNotFoundError):
        _fail_half_way(atomic_folder(place))
    assert (place / "a").read_text() == "old"
    assert _names(tmp_path) == ["out"]


def test_what_a_killed_run_left_is_hidden_and_can_be_cleared(tmp_path):
    code = """
import os, sys
from svmodel.files import atomic_folder
with atomic_folder(sys.argv[1] + "/out") as out:
    (out / "a").write_text("half")
    os._exit(9)
"""
    assert _run(code, tmp_path).returncode == 9
    (left,) = _names(tmp_path)
    assert left.startswith(".out.part-")
    assert clear_partial(tmp_path) == 1
    assert _names(tmp_path) == []


NASTY = [
    "", ".", "..", "../../x", "/etc/passwd", "C:\\x", "a/b", "a\\b", "a:b", "con", "CON", "con.txt", "AUX .csv", "nul",
    "COM1", "lpt9.tar.gz", "trailing.", "trailing ", " leading", ".hidden", "-rf", "line\nend", "nul\0byte", "x" * 300,
    "é" * 200, "Caf\u00e9", "Cafe\u0301", "東京", "a?b", "a*b", 'a"b', "a<b>", "a|b", "50%", "a#b", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("text", NASTY)
def test_any_name_is_that_of_one_file_that_every_file_system_takes(text, tmp_path):
    name = path_name(text)
    assert name != text
    assert len(name.encode()) < 100
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*-[0-9a-f]{8}", name)
    place = tmp_path / "held" / f"{name}.csv"
    atomic_write_text(place, "x")
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.csv")] == [f"held/{name}.csv"]


@pytest.mark.parametrize(
    "text", ["E08000012", "violence_with_injury", "Tower Hamlets", "King's Lynn & West", "2019-04", "a.b"]
)
def test_a_plain_name_keeps_its_path(text):
    assert path_name(text) == text


def test_no_name_replaces_another_whatever_the_file_system_makes_of_case_and_accents():
    names = [*NASTY, "Ward", "WARD", "ward", "N", "E08000012", "e08000012"]
    made = path_names(names)
    assert list(made) == names
    assert len({p.casefold() for p in made.values()}) == len(names)
    assert made == {k: path_names(reversed(names))[k] for k in names}
    assert made["N"] == "N"


def test_a_name_made_to_look_like_anothers_path_does_not_get_it():
    crafted = path_name("a/b")
    made = path_names(["a/b", crafted])
    assert len({p.casefold() for p in made.values()}) == 2

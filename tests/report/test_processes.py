import os
import signal
import time
from pathlib import Path

import pytest

from svmodel.report.processes import Piece, default_workers, side_by_side


def double(x):
    return 2 * x


def large(n):
    return b"x" * n


def fail(text):
    raise ValueError(text)


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def wait(path):
    Path(path).touch()
    time.sleep(60)


def environment(name):
    return os.environ.get(name)


def answers(*pieces, workers=2):
    return {a.name: a for a in side_by_side([Piece(*p) for p in pieces], workers)}


def test_answers_errors_and_deaths_stay_apart(monkeypatch):
    monkeypatch.setenv("SVMODEL_TEST_NOW", "now")
    found = answers(
        ("a", double, (4,)),
        ("b", fail, ("no",)),
        ("c", die, ()),
        ("d", large, (3_000_000,)),
        ("e", environment, ("SVMODEL_TEST_NOW",)),
    )
    assert found["a"].value == 8
    assert isinstance(found["b"].error, ValueError)
    assert "killed by signal 9" in found["c"].died
    assert len(found["d"].value) == 3_000_000
    assert found["e"].value == "now"


def test_leaving_early_stops_what_is_running(tmp_path):
    pieces = [Piece("slow", wait, (str(tmp_path / "began"),)), Piece("quick", double, (1,))]
    begin = time.monotonic()
    for _ in side_by_side(pieces, 2):
        break
    assert time.monotonic() - begin < 30


def test_no_pieces_give_no_answers():
    assert answers() == {}
    assert 1 <= default_workers() <= 4


@pytest.mark.parametrize("workers", [1, 3])
def test_every_piece_is_told_when_it_begins(workers):
    begun = []
    pieces = [Piece(str(i), double, (i,)) for i in range(3)]
    found = list(side_by_side(pieces, workers, started=lambda p: begun.append(p.name)))
    assert begun == ["0", "1", "2"]
    assert sorted(a.value for a in found) == [0, 2, 4]

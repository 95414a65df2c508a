"""The script that counts the package's lines, on a small planted tree."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import count_lines  # noqa: E402 - a script, found by its folder

MODULE = '''"""A module.

It has three lines of docstring and one blank one among them.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import (
        # why this one
        path,
    )

__all__ = [
    "f",
]


def f(x):
    """Return x."""
    # a remark
    text = """not a
    docstring"""  # nor a remark of its own
    return x, text
'''


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """Plant a package of three modules in a repository with one commit."""
    for name, text in {"__init__.py": "", "did/_x.py": MODULE, "did/y/z.py": "import os\n\nx = 1\ny = 2\n"}.items():
        path = tmp_path / "svmodel" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "svmodel" / "notes.txt").write_text("not a module\n", encoding="utf-8")
    commit(tmp_path, "first")
    monkeypatch.setattr(count_lines, "ROOT", tmp_path)
    return tmp_path


def commit(root, tag):
    git = ["git", "-C", root, "-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "init.defaultBranch=main"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "m", "--no-gpg-sign"], ["tag", tag]):
        subprocess.run([*git, *words], check=True)


def printed(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["count_lines.py", *words])
    count_lines.main()
    return capsys.readouterr().out.splitlines()


def test_every_line_is_counted_once_and_for_what_it_is():
    held = count_lines.count(MODULE)
    assert held == {"code": 4, "imports": 8, "docstrings": 5, "comments": 2, "blank": 5}
    assert sum(held.values()) == len(MODULE.splitlines())


def test_rooms_of_a_checkout_and_of_a_revision_are_the_same(planted):
    found = count_lines.rooms(count_lines.checkout(planted))
    assert found == count_lines.rooms(count_lines.revision("first", planted))
    assert found["did"]["files"] == 2
    assert found["did"]["underscored"] == 1
    assert found[count_lines.AT_THE_ROOT] == {"files": 1}
    assert found[count_lines.IN_ALL]["code"] == 6
    assert found[count_lines.IN_ALL]["imports"] == 9


def test_two_revisions_are_compared(planted, monkeypatch, capsys):
    (planted / "svmodel" / "did" / "y" / "z.py").write_text("x = 1\n", encoding="utf-8")
    (planted / "svmodel" / "new.py").write_text("x = 1\n" * 5, encoding="utf-8")
    commit(planted, "second")
    lines = printed(monkeypatch, capsys, "--revision", "first", "--revision", "second", "--apart", "svmodel/new.py")
    assert "| did | 2 → 2 | 15 | 13 | -2 | -13.3% |" in lines
    assert "| apart: svmodel/new.py | 0 → 1 | 0 | 5 | +5 |  |" in lines
    assert "| **in all** | 3 → 4 | 15 | 18 | +3 | +20.0% |" in lines
    assert "| **without what is apart** |  | 15 | 13 | -2 | -13.3% |" in lines
    assert "| imports | 9 | 8 | -1 | -11.1% |" in lines


def test_what_is_not_there_is_refused_in_words(planted, monkeypatch, capsys):
    with pytest.raises(SystemExit, match="third"):
        printed(monkeypatch, capsys, "--revision", "third")
    with pytest.raises(SystemExit):
        printed(monkeypatch, capsys, "--apart", "svmodel/nowhere")
    assert "no module is in svmodel/nowhere" in capsys.readouterr().err

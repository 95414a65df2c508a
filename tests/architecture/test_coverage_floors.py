"""The floors under what tests take of each room: they name what is there, and the script can fail."""

import importlib.util
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("coverage_floors", ROOT / "tests" / "coverage_floors.py")
script = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(script)

FILES = {
    "svmodel/did/a.py": {"num_statements": 80, "covered_lines": 80, "num_branches": 30, "covered_branches": 27},
    "svmodel/did/deep/b.py": {"num_statements": 20, "covered_lines": 10, "num_branches": 10, "covered_branches": 6},
    "svmodel/seeds.py": {"num_statements": 6, "covered_lines": 6, "num_branches": 0, "covered_branches": 0},
}


def test_rooms_are_summed_and_shown_beside_their_floors():
    text, wrong = script.table(FILES, {"svmodel/did": 80, "svmodel/did/deep/b.py": 60, "svmodel/seeds.py": 100})
    assert wrong == []
    assert "| svmodel/did | 100 | 90.0% | 40 | 82.5% | 80% |" in text
    assert "| svmodel/did/deep/b.py | 20 | 50.0% | 10 | 60.0% | 60% |" in text
    assert f"| {script.AT_THE_ROOT} | 6 | 100.0% | 0 | 100.0% |  |" in text
    assert "| svmodel | 106 | 90.6% | 40 | 82.5% |  |" in text


def test_a_floor_that_is_not_held_and_one_under_nothing_are_named(monkeypatch, capsys):
    monkeypatch.setattr(script, "measured", lambda: FILES)
    monkeypatch.setattr(script, "floors", lambda: {"svmodel/did": 83, "svmodel/bayes": 50})
    assert script.main() == 1
    told = capsys.readouterr().err
    assert "svmodel/did: 82.5% of its branches are taken, and its floor is 83%" in told
    assert "svmodel/bayes: nothing of it was measured" in told
    monkeypatch.setattr(script, "floors", lambda: {"svmodel/did": 82})
    assert script.main() == 0


def test_every_floor_is_under_a_room_that_is_there_and_branches_are_measured():
    held = script.floors()
    assert [path for path in held if not (ROOT / path).exists()] == []
    for room in ("did", "counterfactual", "bayes", "engine", "inference", "numerics", "protect"):
        assert any(path.startswith(f"svmodel/{room}") for path in held), room
    assert all(0 <= least <= 100 for least in held.values())
    run = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["coverage"]["run"]
    assert run["branch"] is True
    assert run["source"] == ["svmodel"]

"""A room imports only from floors below its own, and rooms on one floor leave each other alone."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "svmodel"
FLOORS = {
    1: ["errors", "periods", "areas", "adjacency", "breaks", "ledger", "files", "seeds", "lazy", "workers", "numerics"],
    2: ["panel", "design", "result", "estimates", "figure", "checkresult", "costs"],
    3: ["sources", "simulate", "inference"],
    4: ["profile", "trends", "forecast", "did", "counterfactual", "bayes", "courses", "economics"],
    5: ["checks", "comparison", "testing"],
    6: ["present"],
    7: ["report"],
    8: ["cli"],
    9: ["__main__"],
}
FLOOR = {room: floor for floor, rooms in FLOORS.items() for room in rooms}
#: Floors whose rooms are one family: the shared types and the ground may lean on each other.
FAMILIES = {1, 2}
SOURCES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    private = {
        "_panel_rules": "panel",
        "_panel_columns": "panel",
        "_panel_aggregate": "panel",
        "_design_rules": "design",
        "_vintage_rule": "panel",
        "_testing_strategies": "testing",
        "_result_json": "result",
        "_testing_contract": "testing",
        "_testing_tools": "testing",
    }
    return private.get(first, first)


def imported_rooms(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide which room is meant"
            module = node.module or ""
            names = [f"svmodel.{a.name}" for a in node.names] if module == "svmodel" else [module]
        else:
            continue
        found |= {n.split(".")[1] for n in names if n.startswith("svmodel.")}
    return {room_of(PACKAGE / f) for f in found if f != "__version__"}


def test_every_room_has_a_floor():
    rooms = {room_of(p) for p in SOURCES} - {"__init__"}
    assert not rooms - set(FLOOR), f"give these a floor: {sorted(rooms - set(FLOOR))}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path):
    room = room_of(path)
    if room == "__init__":
        return
    for other in imported_rooms(path) - {room}:
        if FLOOR[room] in FAMILIES and FLOOR[other] == FLOOR[room]:
            continue
        assert FLOOR[other] < FLOOR[room], f"{room} (floor {FLOOR[room]}) imports {other} (floor {FLOOR[other]})"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_posterior_touches_samplers(path):
    if path == PACKAGE / "bayes" / "posterior.py":
        return
    text = path.read_text(encoding="utf-8")
    assert "import arviz" not in text
    assert "import pymc" not in text or "bayes" in path.parts


def test_the_floor_test_can_fail(tmp_path):
    wrong = PACKAGE / "numerics" / "__init__.py"
    text = wrong.read_text(encoding="utf-8") + "\nfrom svmodel.report import run\n"
    tree = tmp_path / "x.py"
    tree.write_text(text, encoding="utf-8")
    assert imported_rooms(tree) >= {"report"}
    assert FLOOR["report"] > FLOOR[room_of(wrong)]

"""The house stands as declared: no circle, no import upwards, no underscored file, no private name across files."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from house import House, estimator_folders

ROOT = Path(__file__).resolve().parents[2]
#: From the ground up. What is declared is what is measured: a room stands one floor above the highest it leans on.
FLOORS = {
    1: ["areas", "errors", "lazy", "registers", "seeds", "words"],
    2: ["area_names", "costs", "files", "ledger", "numerics", "periods", "plugins", "protect", "workers"],
    3: ["adjacency", "breaks", "engine", "panel"],
    4: ["design", "forecast", "profile", "sources"],
    5: ["result", "simulate"],
    6: ["bayes", "counterfactual", "did", "economics", "inference", "testing", "trends"],
    7: ["checks", "comparison", "planning"],
    8: ["present"],
    9: ["report"],
    10: ["cli"],
    11: ["__main__"],
}
DECLARED = {room: floor for floor, rooms in FLOORS.items() for room in rooms}


@pytest.fixture(scope="module")
def house():
    return House(ROOT / "svmodel")


def test_no_circle_between_files(house):
    assert house.circles == []


def test_declared_floors_are_the_measured_ones(house):
    assert house.floors == DECLARED


def test_no_import_goes_up(house):
    assert house.upward(DECLARED) == []


def test_no_file_name_begins_with_an_underscore(house):
    assert house.underscored == []


def test_no_private_name_is_imported_by_another_file(house):
    assert house.private_imports == []


def test_files_beside_a_class_never_import_it_nor_another_folders_inside(house):
    assert house.reaching_in(estimator_folders(house)) == []


def test_estimators_are_asked_for_what_they_may_not_have_in_two_places_only(house):
    assert house.asking_estimators() == []


def test_nobody_searches_the_wording_of_notes(house):
    assert house.searching_notes == []


def test_only_one_file_touches_samplers_traces(house):
    reading = {m for m, p in house.files.items() if "import arviz" in p.read_text(encoding="utf-8")}
    assert reading <= {"svmodel.engine.posterior"}
    building = {m for m, p in house.files.items() if "import pymc" in p.read_text(encoding="utf-8")}
    assert {house.room(m) for m in building} <= {"engine", "bayes"}


#: What is planted -> which finding has to name it.
PLANTED = {
    "a circle, hidden in a function": (
        {"low/a.py": "def f():\n    from svmodel.low.b import g\n", "low/b.py": "from svmodel.low.a import f\n"},
        lambda house: house.circles == [["svmodel.low.a", "svmodel.low.b"]],
    ),
    "a circle, hidden behind TYPE_CHECKING": (
        {
            "low/a.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from svmodel.low.b import B\n",
            "low/b.py": "from svmodel.low import a\n",
        },
        lambda house: house.circles == [["svmodel.low.a", "svmodel.low.b"]],
    ),
    "an import upwards": (
        {"low/a.py": "import svmodel.high.c\n", "high/c.py": ""},
        lambda house: house.upward({"low": 1, "high": 2}) == ["svmodel.low.a imports svmodel.high.c"],
    ),
    "an import on one floor": (
        {"low/a.py": "from svmodel.high.c import x\n", "high/c.py": "x = 1\n"},
        lambda house: house.upward({"low": 1, "high": 1}) == ["svmodel.low.a imports svmodel.high.c"],
    ),
    "a floor that is not as declared": (
        {"low/a.py": "", "high/c.py": "from svmodel.low.a import x\n"},
        lambda house: house.floors == {"low": 1, "high": 2} != {"low": 1, "high": 3},
    ),
    "an underscored file": (
        {"low/_a.py": ""},
        lambda house: house.underscored == ["svmodel.low._a"],
    ),
    "a private name": (
        {"low/a.py": "_x = 1\n", "low/b.py": "from svmodel.low.a import _x\n"},
        lambda house: house.private_imports == ["svmodel.low.b takes _x from svmodel.low.a"],
    ),
    "a private name, by its module": (
        {"low/a.py": "_x = 1\n", "low/b.py": "from svmodel.low import a\n\nprint(a._x)\n"},
        lambda house: house.private_imports == ["svmodel.low.b takes _x from svmodel.low.a"],
    ),
    "a look at what an estimator may have": (
        {"low/a.py": "def f(result):\n    return getattr(result.estimator, 'prior', None)\n"},
        lambda house: house.asking_estimators() == ["svmodel.low.a, line 2"],
    ),
    "a search of notes": (
        {"low/a.py": "import re\n\n\ndef f(result):\n    return [n for n in result.notes if re.search('x', n)]\n"},
        lambda house: house.searching_notes == ["svmodel.low.a, line 5"],
    ),
    "a search of notes without a pattern": (
        {"low/a.py": "def f(result):\n    return any('interval' in n for n in result.notes)\n"},
        lambda house: house.searching_notes == ["svmodel.low.a, line 2"],
    ),
    "a file that imports the class beside it": (
        {
            "did/own/__init__.py": "class Own:\n    def fit(self, design): ...\n",
            "did/own/sums.py": "from svmodel.did.own import Own\n",
        },
        lambda house: house.reaching_in(estimator_folders(house)) == ["svmodel.did.own.sums imports svmodel.did.own"],
    ),
    "an estimator that reaches into another's folder": (
        {
            "did/own/__init__.py": "from svmodel.did.other.sums import s\nclass Own:\n    def fit(self, design): ...\n",
            "did/other/__init__.py": "class Other:\n    def fit(self, design): ...\n",
            "did/other/sums.py": "s = 1\n",
        },
        lambda house: house.reaching_in(estimator_folders(house)) == ["svmodel.did.own imports svmodel.did.other.sums"],
    ),
}


@pytest.mark.parametrize("what", PLANTED)
def test_what_is_planted_is_found(what, tmp_path):
    files, found = PLANTED[what]
    package = tmp_path / "svmodel"
    for name, text in {**dict.fromkeys([str(Path(f).parent / "__init__.py") for f in files], ""), **files}.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (package / "__init__.py").touch()
    assert found(House(package)), what
